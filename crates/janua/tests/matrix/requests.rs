//! Requests and their answers.

use janua_testkit::client::message::Message;
use janua_testkit::servers::message::members;

use super::kinds::{ClientKind, Make};
use super::scene::{Scene, Verdict};
use super::upstream::{CURSOR, ODD};

/// The text of a member of the result.
fn member(answer: &Message, name: &str) -> Option<String> {
    let result = answer.member("result")?;
    let found = members(&result).into_iter().find(|(found, _)| found == name)?;
    Some(found.1.to_owned())
}

pub(crate) async fn list(scene: &mut Scene) -> Verdict {
    let listed = scene.link.request("tools/list", "").await;
    let tools = listed.at("/result/tools").as_array().expect("a list of tools");
    let echo = scene.link.shown("echo");
    assert!(tools.iter().any(|tool| tool["name"] == echo.as_str()), "{}", listed.raw());
    if scene.is_union() {
        assert!(tools.iter().any(|tool| tool["name"] == "left__store-data"), "{}", listed.raw());
    }
    assert_eq!(scene.client.is_modern(), member(&listed, "ttlMs").is_some(), "{}", listed.raw());
    Verdict::Works
}

pub(crate) async fn call(scene: &mut Scene) -> Verdict {
    let answer = scene.link.call(&("echo", r#"{"text":"é \u00e9 \" 🚪"}"#.to_owned())).await;
    assert_eq!(answer.text(), "é é \" 🚪");
    if scene.server.kind.make() != Make::Demo {
        assert_eq!(scene.server.runs("echo"), (1, 0));
    }
    Verdict::Works
}

pub(crate) async fn error(scene: &mut Scene) -> Verdict {
    let wanted = scene.server.error().await;
    let call = scene.server.failing();
    let answer = scene.link.call(&call).await;
    if scene.is_union() && call.0 == "none" {
        assert_eq!(answer.error_code(), Some(-32602), "{}", answer.raw());
        return Verdict::degrades("what no list has is refused by Janua");
    }
    assert_eq!(answer.member("error"), Some(wanted), "{}", answer.raw());
    Verdict::Works
}

pub(crate) async fn prompts(scene: &mut Scene) -> Verdict {
    let listed = scene.link.request("prompts/list", "").await;
    if let Some(code) = listed.error_code() {
        return Verdict::error(code);
    }
    let (first, params, said) = match scene.server.kind.make() {
        Make::Demo => ("welcome", r#"{"name":"welcome","arguments":{"name":"x"}}"#, "welcome x"),
        _ => (
            "test_simple_prompt",
            r#"{"name":"test_prompt_with_arguments","arguments":{"arg1":"x","arg2":"y"}}"#,
            "arg1='x'",
        ),
    };
    assert_eq!(listed.at("/result/prompts/0/name"), scene.link.shown(first).as_str(), "{}", listed.raw());
    let got = scene.link.request("prompts/get", params).await;
    let text = got.at("/result/messages/0/content/text").as_str().expect("a text");
    assert!(text.contains(said), "{text}");
    Verdict::Works
}

pub(crate) async fn resources(scene: &mut Scene) -> Verdict {
    let listed = scene.link.request("resources/list", "").await;
    if let Some(code) = listed.error_code() {
        return Verdict::error(code);
    }
    let (uri, text) = scene.server.resource();
    assert!(listed.raw().contains(&format!(r#""uri":"{uri}""#)), "{}", listed.raw());
    let read = scene.link.request("resources/read", &format!(r#"{{"uri":"{uri}"}}"#)).await;
    assert_eq!(read.at("/result/contents/0/text"), text, "{}", read.raw());
    if scene.server.kind.make() != Make::Scripted {
        let templates = scene.link.request("resources/templates/list", "").await;
        assert!(templates.at("/result/resourceTemplates").is_array(), "{}", templates.raw());
        let missing = scene.link.request("resources/read", r#"{"uri":"test://none"}"#).await;
        // The code has changed with the revision.
        let code = if scene.client.is_modern() { -32602 } else { -32002 };
        assert_eq!(missing.error_code(), Some(code), "{}", missing.raw());
        assert_eq!(missing.at("/error/data/uri"), "test://none", "{}", missing.raw());
    }
    Verdict::Works
}

pub(crate) async fn completion(scene: &mut Scene) -> Verdict {
    let (prompt, argument, typed, wanted) = match scene.server.kind.make() {
        Make::Demo => ("welcome", "tone", "f", r#"["formal","friendly"]"#),
        _ => ("test_prompt_with_arguments", "arg1", "par", r#"["paris","park","party"]"#),
    };
    let params = format!(
        r#"{{"ref":{{"type":"ref/prompt","name":"{prompt}"}},"argument":{{"name":"{argument}","value":"{typed}"}}}}"#
    );
    let answer = scene.link.request("completion/complete", &params).await;
    if let Some(code) = answer.error_code() {
        return Verdict::error(code);
    }
    let values = answer.at("/result/completion/values").to_string();
    assert_eq!(values, wanted);
    Verdict::Works
}

pub(crate) async fn pagination(scene: &mut Scene) -> Verdict {
    let first = scene.link.request("tools/list", "").await;
    if scene.server.kind.make() == Make::Demo || scene.is_union() {
        assert!(first.at("/result/nextCursor").is_null(), "{}", first.raw());
        return Verdict::degrades("there is one page only");
    }
    let cursor = member(&first, "nextCursor").expect("a cursor");
    if scene.server.kind.make() == Make::Everything {
        // This server writes it in its own way, and takes it in any.
        let known = |text: &str| Message::parse(text).expect("JSON").value().clone();
        assert_eq!(known(&cursor), known(CURSOR));
    } else {
        assert_eq!(cursor, CURSOR, "{}", first.raw());
    }
    let second = scene.link.request("tools/list", &format!(r#"{{"cursor":{cursor}}}"#)).await;
    match scene.server.kind.make() {
        // This server knows its second page by the cursor's exact bytes.
        Make::Probe => assert_eq!(second.at("/result/tools/0/name"), "second", "{}", second.raw()),
        Make::Everything => {
            assert!(second.at("/result/nextCursor").is_null(), "{}", second.raw());
            assert_ne!(first.at("/result/tools/0/name"), second.at("/result/tools/0/name"));
            if scene.is_modern_beyond() {
                let wrong = scene.link.request("tools/list", r#"{"cursor":"made up"}"#).await;
                assert_eq!(wrong.error_code(), Some(-32602), "{}", wrong.raw());
            }
        }
        Make::Scripted | Make::Demo => {
            second.result();
            let asked = scene.server.received("tools/list");
            let params = asked.last().and_then(|asked| asked.member("params")).expect("params");
            assert!(params.contains(&format!(r#""cursor":{CURSOR}"#)), "{params}");
        }
    }
    Verdict::Works
}

pub(crate) async fn ping(scene: &mut Scene) -> Verdict {
    let answer = scene.link.request("ping", "").await;
    if let Some(code) = answer.error_code() {
        assert!(scene.client.is_modern(), "{}", answer.raw());
        return Verdict::error(code);
    }
    assert_eq!(answer.member("result").as_deref(), Some("{}"), "{}", answer.raw());
    Verdict::Works
}

pub(crate) async fn unknown_method(scene: &mut Scene) -> Verdict {
    let answer = scene.link.request("acme/thing", ODD).await;
    let message = answer.at("/error/message").as_str().unwrap_or_default();
    if scene.is_union() {
        assert!(message.contains("use the address of the server"), "{}", answer.raw());
        return Verdict::error(answer.error_code().expect("an error"));
    }
    match scene.server.kind.make() {
        Make::Probe => assert_eq!(message, "Method not found: acme/thing", "{}", answer.raw()),
        Make::Demo => assert_eq!(message, "the server has no method acme/thing"),
        Make::Everything => {
            assert_eq!((answer.error_code(), answer.at("/error/data")), (Some(-32601), &"acme/thing".into()));
            let asked = scene.server.received("acme/thing");
            assert_eq!(asked.len(), 1, "it reached the server");
        }
        Make::Scripted => {
            let result = answer.member("result").unwrap_or_else(|| panic!("no result: {}", answer.raw()));
            let asked = scene.server.received("acme/thing").remove(0).member("params").expect("params");
            for (name, text) in members(ODD) {
                assert!(members(&result).contains(&(name.clone(), text)), "{name} in {result}");
                assert!(members(&asked).contains(&(name.clone(), text)), "{name} in {asked}");
            }
        }
    }
    Verdict::Works
}

/// What the client may not do is refused by Janua, whatever the server is.
pub(crate) async fn other_era(scene: &mut Scene) -> Verdict {
    if !scene.client.is_modern() {
        let params = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2099-01-01"}}"#;
        let answer = scene.link.request("server/discover", params).await;
        assert!(answer.error_code().is_some(), "{}", answer.raw());
        scene.link.request("ping", "").await.result();
        return Verdict::Works;
    }
    for method in ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
        let answer = scene.link.request(method, r#"{"level":"info","uri":"test://a"}"#).await;
        assert_eq!(answer.error_code(), Some(-32601), "{method}: {}", answer.raw());
        assert!(scene.server.received(method).is_empty(), "{method} reached the server");
    }
    let envelope = scene.link.envelope.clone().expect("a modern client");
    for (meta, code) in [
        (r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#.to_owned(), -32602),
        (r#"{"io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{}}"#.to_owned(), -32022),
    ] {
        // A header that says something else would be the first thing wrong.
        if scene.client == ClientKind::Http2026 && code == -32022 {
            continue;
        }
        let text = format!(r#"{{"jsonrpc":"2.0","id":"e","method":"tools/list","params":{{"_meta":{meta}}}}}"#);
        scene.link.post(&text).await;
        let answer = scene.link.until("a refusal", |message| message.answers("\"e\"")).await;
        assert_eq!(answer.error_code(), Some(code), "{}", answer.raw());
    }
    assert_eq!(envelope.version, scene.client.version());
    Verdict::Works
}
