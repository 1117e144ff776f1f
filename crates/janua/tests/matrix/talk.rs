//! What goes on beside requests: progress, logs, cancellations, changes.

use janua_testkit::client::message::{Message, call_params};

use super::kinds::{ClientKind, ServerKind};
use super::link::Link;
use super::scene::{Scene, Verdict};
use super::upstream::{News, URI};

/// A token with something to get wrong.
const TOKEN: &str = r#""\u00e9-\"1\"""#;

/// The params of a call with a progress token.
pub(crate) fn with_token(call: &(&str, String), token: &str) -> String {
    let params = call_params(call.0, &call.1);
    let open = params.strip_suffix('}').expect("an object");
    format!(r#"{open},"_meta":{{"progressToken":{token}}}}}"#)
}

/// The steps that these progress notifications report, after a look at each token.
pub(crate) fn steps(told: &[Message], token: &str) -> Vec<u64> {
    let step = |message: &Message| {
        let params = message.member("params").expect("progress has params");
        let params = Message::parse(&params).expect("JSON");
        assert_eq!(params.member("progressToken").as_deref(), Some(token));
        let progress = params.member("progress").and_then(|number| number.parse().ok());
        progress.unwrap_or_else(|| panic!("no whole number: {}", params.raw()))
    };
    told.iter().map(step).collect()
}

fn deaf(link: &mut Link, method: &str) -> Verdict {
    assert!(link.take(method).is_empty(), "there is no channel for {method}");
    Verdict::degrades("notifications do not arrive")
}

pub(crate) async fn progress(mut scene: Scene) -> Verdict {
    let params = with_token(&scene.server.progress(), TOKEN);
    scene.link.request("tools/call", &params).await.result();
    let told = scene.link.take("notifications/progress");
    assert_eq!(steps(&told, TOKEN), [1, 2, 3, 4, 5]);
    Verdict::Works
}

pub(crate) async fn logging(mut scene: Scene) -> Verdict {
    let set = scene.link.request("logging/setLevel", r#"{"level":"debug"}"#).await;
    if let Some(code) = set.error_code() {
        return Verdict::error(code);
    }
    scene.server.announce(&mut scene.link, News::Log).await;
    let alone = scene.client == ClientKind::Sessionless;
    if alone && scene.server.kind != ServerKind::Stdio {
        return deaf(&mut scene.link, "notifications/message");
    }
    let log = scene.link.until_method("notifications/message").await;
    assert_eq!(log.member("params").as_deref(), Some(r#"{"level":"info","data":"hello"}"#));
    if alone {
        return Verdict::degrades("log messages arrive in mid-call only");
    }
    Verdict::Works
}

pub(crate) async fn cancel(mut scene: Scene) -> Verdict {
    let id = scene.link.send_call(&scene.server.slow()).await;
    // Over pipes the order is kept, so that a cancellation finds its call. Separate requests may overtake each
    // other, and a call that has not been sent yet is taken back.
    if !scene.client.is_duplex() || scene.server.kind != ServerKind::Stdio {
        scene.server.has_heard(&mut scene.link, "tools/call").await;
    }
    let params = format!(r#"{{"requestId":{id},"reason":"\u00e9","x":1.0}}"#);
    scene.link.notify("notifications/cancelled", &params).await;
    let ignored = scene.client == ClientKind::Sessionless || scene.server.kind == ServerKind::Demo;
    if ignored {
        scene.server.release();
        scene.link.answer(&id).await.result();
        return Verdict::degrades("the call goes on");
    }
    let heard = scene.server.has_heard(&mut scene.link, "notifications/cancelled").await;
    assert!(heard, "this server tells");
    named_rightly(&mut scene).await;
    if !scene.client.is_duplex() {
        let answer = scene.link.answer(&id).await;
        assert_eq!(answer.error_code(), Some(-32800), "{}", answer.raw());
    }
    scene.link.request("ping", "").await.result();
    let late = scene.link.passed.iter().find(|message| message.answers(&id));
    assert!(late.is_none(), "a cancelled request is not answered: {late:?}");
    Verdict::Works
}

/// Looks at the cancellation as the server got it.
async fn named_rightly(scene: &mut Scene) {
    // The id is one that the server knows; everything else is the client's own.
    let (known, named) = if scene.server.kind == ServerKind::Stdio {
        let info = scene.server.info(&mut scene.link).await;
        (info.at("/seen").to_string(), info.member("cancelled").expect("a list"))
    } else {
        let slow = scene.server.calls()[0].id().expect("an id");
        (format!(r#""tools/call#{slow}""#), scene.server.received("notifications/cancelled")[0].raw().to_owned())
    };
    let (_, rest) = named.split_once(r#"{"requestId":"#).unwrap_or_else(|| panic!("no request in {named}"));
    let (sent, rest) = rest.split_once(',').expect("more members");
    assert!(known.contains(&format!(r#""tools/call#{sent}""#)), "{sent} is not in {known}");
    assert!(rest.starts_with(r#""reason":"\u00e9","x":1.0}"#), "{rest}");
}

pub(crate) async fn tell(mut scene: Scene) -> Verdict {
    scene.link.notify("notifications/roots/list_changed", "").await;
    scene.link.notify("acme/told", r#"{"n":1.0}"#).await;
    if scene.server.has_heard(&mut scene.link, "acme/told").await {
        scene.server.has_heard(&mut scene.link, "notifications/roots/list_changed").await;
    }
    scene.link.request("ping", "").await.result();
    assert!(scene.link.passed.is_empty(), "a notification is not answered: {:?}", scene.link.passed);
    Verdict::Works
}

pub(crate) async fn subscribe(mut scene: Scene) -> Verdict {
    let params = format!(r#"{{"uri":"{URI}"}}"#);
    let done = scene.link.request("resources/subscribe", &params).await;
    if let Some(code) = done.error_code() {
        return Verdict::error(code);
    }
    scene.server.announce(&mut scene.link, News::Update).await;
    if scene.client == ClientKind::Sessionless {
        return deaf(&mut scene.link, "notifications/resources/updated");
    }
    let updated = scene.link.until_method("notifications/resources/updated").await;
    assert_eq!(updated.at("/params/uri"), URI);
    scene.link.request("resources/unsubscribe", &params).await.result();
    if scene.server.kind == ServerKind::Stdio {
        scene.server.announce(&mut scene.link, News::Update).await;
        assert!(scene.link.take("notifications/resources/updated").is_empty(), "unsubscribed");
    }
    Verdict::Works
}

pub(crate) async fn list_changed(mut scene: Scene) -> Verdict {
    if scene.server.kind == ServerKind::Demo {
        let offered = scene.link.opening.at("/result/capabilities").to_string();
        assert!(!offered.contains("listChanged"), "{offered}");
        return Verdict::Refused("not offered".to_owned());
    }
    scene.server.announce(&mut scene.link, News::Lists).await;
    if scene.client == ClientKind::Sessionless {
        return deaf(&mut scene.link, "notifications/tools/list_changed");
    }
    for list in ["tools", "prompts", "resources"] {
        scene.link.until_method(&format!("notifications/{list}/list_changed")).await;
    }
    if scene.server.kind == ServerKind::Stdio {
        let listed = scene.link.request("tools/list", "").await;
        assert!(listed.raw().contains(r#""extra""#), "{}", listed.raw());
    }
    Verdict::Works
}
