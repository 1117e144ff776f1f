//! Requests and their answers.

use super::kinds::ServerKind;
use super::scene::{Scene, Verdict};
use super::upstream::{CURSOR, ODD, URI};

pub(crate) async fn list(mut scene: Scene) -> Verdict {
    let listed = scene.link.request("tools/list", "").await;
    let tools = listed.at("/result/tools").as_array().expect("a list of tools");
    assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{}", listed.raw());
    Verdict::Works
}

pub(crate) async fn call(mut scene: Scene) -> Verdict {
    let answer = scene.link.call(&("echo", r#"{"text":"é \u00e9 \" 🚪"}"#.to_owned())).await;
    assert_eq!(answer.text(), "é é \" 🚪");
    Verdict::Works
}

pub(crate) async fn error(mut scene: Scene) -> Verdict {
    let wanted = scene.server.error().await;
    let call = scene.server.failing();
    let answer = scene.link.call(&call).await;
    assert_eq!(answer.member("error"), Some(wanted), "{}", answer.raw());
    Verdict::Works
}

pub(crate) async fn prompts(mut scene: Scene) -> Verdict {
    let listed = scene.link.request("prompts/list", "").await;
    if let Some(code) = listed.error_code() {
        return Verdict::error(code);
    }
    assert_eq!(listed.at("/result/prompts/0/name"), "test_simple_prompt", "{}", listed.raw());
    let params = r#"{"name":"test_prompt_with_arguments","arguments":{"arg1":"x","arg2":"y"}}"#;
    let got = scene.link.request("prompts/get", params).await;
    let text = got.at("/result/messages/0/content/text").as_str().expect("a text");
    assert!(text.contains("arg1='x'"), "{text}");
    Verdict::Works
}

pub(crate) async fn resources(mut scene: Scene) -> Verdict {
    let listed = scene.link.request("resources/list", "").await;
    if let Some(code) = listed.error_code() {
        return Verdict::error(code);
    }
    assert_eq!(listed.at("/result/resources/0/uri"), URI, "{}", listed.raw());
    let read = scene.link.request("resources/read", &format!(r#"{{"uri":"{URI}"}}"#)).await;
    assert_eq!(read.at("/result/contents/0/text"), "content of a", "{}", read.raw());
    if scene.server.kind == ServerKind::Stdio {
        let templates = scene.link.request("resources/templates/list", "").await;
        assert!(templates.at("/result/resourceTemplates").is_array(), "{}", templates.raw());
        let missing = scene.link.request("resources/read", r#"{"uri":"test://none"}"#).await;
        assert_eq!(missing.error_code(), Some(-32002));
        assert_eq!(missing.at("/error/data/uri"), "test://none", "{}", missing.raw());
    }
    Verdict::Works
}

pub(crate) async fn completion(mut scene: Scene) -> Verdict {
    let params =
        r#"{"ref":{"type":"ref/prompt","name":"test_prompt_with_arguments"},"argument":{"name":"arg1","value":"par"}}"#;
    let answer = scene.link.request("completion/complete", params).await;
    if let Some(code) = answer.error_code() {
        return Verdict::error(code);
    }
    let values = answer.at("/result/completion/values").to_string();
    assert_eq!(values, r#"["paris","park","party"]"#);
    Verdict::Works
}

pub(crate) async fn pagination(mut scene: Scene) -> Verdict {
    let first = scene.link.request("tools/list", "").await;
    let result = first.member("result").expect("a result");
    if scene.server.kind == ServerKind::Demo {
        assert!(first.at("/result/nextCursor").is_null(), "{result}");
        return Verdict::degrades("there is one page only");
    }
    assert!(result.ends_with(&format!(r#""nextCursor":{CURSOR}}}"#)), "{result}");
    let second = scene.link.request("tools/list", &format!(r#"{{"cursor":{CURSOR}}}"#)).await;
    if scene.server.kind == ServerKind::Stdio {
        // This server knows its second page by the cursor's exact bytes.
        assert_eq!(second.at("/result/tools/0/name"), "second", "{}", second.raw());
    } else {
        second.result();
        let asked = scene.server.received("tools/list");
        let params = asked.last().and_then(|asked| asked.member("params"));
        assert_eq!(params, Some(format!(r#"{{"cursor":{CURSOR}}}"#)));
    }
    Verdict::Works
}

pub(crate) async fn ping(mut scene: Scene) -> Verdict {
    let answer = scene.link.request("ping", "").await;
    assert_eq!(answer.member("result").as_deref(), Some("{}"), "{}", answer.raw());
    Verdict::Works
}

pub(crate) async fn unknown_method(mut scene: Scene) -> Verdict {
    let answer = scene.link.request("acme/thing", ODD).await;
    let message = answer.at("/error/message").as_str().unwrap_or_default();
    match scene.server.kind {
        ServerKind::Stdio => assert_eq!(message, "Method not found: acme/thing"),
        ServerKind::Demo => assert_eq!(message, "the demo server has no method acme/thing"),
        ServerKind::Http | ServerKind::Sse => {
            assert_eq!(answer.member("result").as_deref(), Some(ODD));
            let asked = scene.server.received("acme/thing");
            assert_eq!(asked[0].member("params").as_deref(), Some(ODD));
        }
    }
    Verdict::Works
}
