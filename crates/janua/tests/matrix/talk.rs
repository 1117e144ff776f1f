//! What goes on beside requests: progress, logs, cancellations, changes.

use janua_testkit::client::message::{Message, call_params};

use super::kinds::{Era, Make, ServerKind};
use super::link::{Link, subscription};
use super::scene::{Scene, Verdict};
use super::upstream::News;

/// A token with something to get wrong.
const TOKEN: &str = r#""\u00e9-\"1\"""#;

/// The params of a call with a progress token.
pub(crate) fn with_token(call: &(&str, String), token: &str) -> String {
    with_meta(call, &format!(r#""progressToken":{token}"#))
}

/// The params of a call with these members of `_meta`.
fn with_meta(call: &(&str, String), meta: &str) -> String {
    let params = call_params(call.0, &call.1);
    let open = params.strip_suffix('}').expect("an object");
    format!(r#"{open},"_meta":{{{meta}}}}}"#)
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

pub(crate) async fn progress(scene: &mut Scene) -> Verdict {
    let params = with_token(&scene.server.progress(), TOKEN);
    scene.link.request("tools/call", &params).await.result();
    let told = scene.link.take("notifications/progress");
    if !scene.server.kind.says_besides() {
        assert!(told.is_empty(), "{told:?}");
        return Verdict::not_offered();
    }
    assert_eq!(steps(&told, TOKEN), [1, 2, 3, 4, 5]);
    Verdict::Works
}

pub(crate) async fn logging(scene: &mut Scene) -> Verdict {
    if scene.client.is_modern() {
        return logging_asked_for(scene).await;
    }
    let set = scene.link.request("logging/setLevel", r#"{"level":"debug"}"#).await;
    if let Some(code) = set.error_code() {
        return Verdict::error(code);
    }
    if !scene.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    let (call, said) = scene.server.logging();
    if scene.client.is_sessionless() || !scene.server.kind.speaks_up() || scene.server.kind.make() != Make::Scripted {
        scene.link.call(&call).await.result();
    } else {
        scene.server.announce(&mut scene.link, News::Log).await;
    }
    let log = scene.link.until_method("notifications/message").await;
    assert_eq!((log.at("/params/level"), log.at("/params/data")), (&"info".into(), &said.into()), "{}", log.raw());
    if scene.client.is_sessionless() {
        return Verdict::degrades("log messages arrive in mid-call only");
    }
    Verdict::Works
}

/// Without a handshake, each request says whether it wants log messages.
async fn logging_asked_for(scene: &mut Scene) -> Verdict {
    let (call, said) = scene.server.logging();
    if !scene.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    scene.link.call(&call).await.result();
    assert!(scene.link.take("notifications/message").is_empty(), "nobody asked for it");
    for (level, wanted) in [("debug", 1), ("error", 0)] {
        let meta = format!(r#""io.modelcontextprotocol/logLevel":"{level}""#);
        scene.link.request("tools/call", &with_meta(&call, &meta)).await.result();
        let logs = scene.link.take("notifications/message");
        assert_eq!(logs.len(), wanted, "{level}: {logs:?}");
        assert!(logs.iter().all(|log| log.at("/params/data") == said), "{logs:?}");
    }
    Verdict::Works
}

pub(crate) async fn cancel(scene: &mut Scene) -> Verdict {
    let slow = scene.server.slow();
    let id = scene.link.send("tools/call", &with_token(&slow, TOKEN)).await;
    if scene.server.kind == ServerKind::Demo {
        // It does not tell what has begun, but it counts.
        scene.link.until_method("notifications/progress").await;
    }
    // Over pipes the order is kept, so that a cancellation finds its call. Separate requests may overtake each
    // other, and a call that has not been sent yet is taken back.
    scene.server.has_begun(slow.0).await;
    scene.link.cancel(&id, r#","reason":"\u00e9","x":1.0"#).await;
    if scene.client.is_sessionless() {
        scene.server.release();
        scene.link.answer(&id).await.result();
        return Verdict::degrades("the call goes on");
    }
    if scene.server.kind == ServerKind::Demo {
        return demo_gives_up(scene, &id).await;
    }
    let gave_up = scene.server.has_given_up(slow.0).await;
    assert_ne!(gave_up, Some(false), "the server was not told");
    if gave_up.is_none() {
        scene.server.has_heard("notifications/cancelled").await;
        named_rightly(scene);
    }
    if !scene.client.is_modern() && !scene.client.is_duplex() {
        let answer = scene.link.answer(&id).await;
        assert_eq!(answer.error_code(), Some(-32800), "{}", answer.raw());
    }
    scene.link.request("tools/list", "").await.result();
    let late = scene.link.passed.iter().find(|message| message.answers(&id));
    assert!(late.is_none(), "a cancelled request is not answered: {late:?}");
    Verdict::Works
}

/// The demo server does not tell what it hears, but its call does not come to its end.
async fn demo_gives_up(scene: &mut Scene, id: &str) -> Verdict {
    if !scene.client.is_modern() && !scene.client.is_duplex() {
        let answer = scene.link.answer(id).await;
        assert_eq!(answer.error_code(), Some(-32800), "{}", answer.raw());
        return Verdict::Works;
    }
    // It takes longer than what was cancelled, which would have been answered by then.
    scene.link.call(&("countdown", r#"{"n":11}"#.to_owned())).await.result();
    let late = scene.link.passed.iter().find(|message| message.answers(id));
    assert!(late.is_none(), "a cancelled request is not answered: {late:?}");
    Verdict::Works
}

/// Looks at the cancellation as the server got it.
fn named_rightly(scene: &Scene) {
    // The id is one that the server knows; everything else is the client's own.
    let call = scene.server.received("tools/call")[0].id().expect("an id");
    let named = scene.server.received("notifications/cancelled")[0].clone();
    assert_eq!(named.at("/params/requestId").to_string(), call, "{}", named.raw());
    if scene.beyond() == Era::Legacy && !scene.client.is_modern() {
        let rest = r#","reason":"\u00e9","x":1.0}"#;
        assert!(named.raw().contains(rest), "{}", named.raw());
    }
}

pub(crate) async fn tell(scene: &mut Scene) -> Verdict {
    if !scene.client.is_modern() {
        scene.link.notify("notifications/roots/list_changed", "").await;
    }
    scene.link.notify("acme/told", r#"{"n":1.0}"#).await;
    if scene.client.is_modern() || scene.is_modern_beyond() {
        scene.link.request("tools/list", "").await.result();
        assert!(scene.server.received("acme/told").is_empty(), "it went on");
        return Verdict::degrades("2026-07-28 has no notifications of clients; they end at Janua");
    }
    if scene.server.has_heard("acme/told").await {
        scene.server.has_heard("notifications/roots/list_changed").await;
    }
    scene.link.request("ping", "").await.result();
    if scene.is_union() {
        scene.forget_changes();
    }
    assert!(scene.link.passed.is_empty(), "a notification is not answered: {:?}", scene.link.passed);
    Verdict::Works
}

pub(crate) async fn subscribe(scene: &mut Scene) -> Verdict {
    let (uri, _) = scene.server.resource();
    if scene.client.is_modern() {
        return watch(scene, uri).await;
    }
    let params = format!(r#"{{"uri":"{uri}"}}"#);
    let done = scene.link.request("resources/subscribe", &params).await;
    if let Some(code) = done.error_code() {
        return Verdict::error(code);
    }
    if !scene.server.kind.speaks_up() {
        return Verdict::not_offered();
    }
    if scene.is_modern_beyond() && !scene.client.is_sessionless() {
        scene.server.has_heard("subscriptions/listen").await;
    }
    scene.server.announce(&mut scene.link, News::Update).await;
    if scene.client.is_sessionless() {
        return deaf(&mut scene.link, "notifications/resources/updated");
    }
    let updated = scene.link.until_method("notifications/resources/updated").await;
    assert_eq!(updated.at("/params/uri"), uri);
    assert_eq!(subscription(&updated), "null", "of another era: {}", updated.raw());
    scene.link.request("resources/unsubscribe", &params).await.result();
    if scene.server.kind.make() != Make::Scripted {
        scene.server.announce(&mut scene.link, News::Update).await;
        assert!(scene.link.take("notifications/resources/updated").is_empty(), "unsubscribed");
    }
    Verdict::Works
}

/// Without a handshake, watching a resource is a request that goes on.
async fn watch(scene: &mut Scene, uri: &str) -> Verdict {
    let (id, first) = scene.link.listen(&format!(r#"{{"resourceSubscriptions":["{uri}"]}}"#)).await;
    if first.at("/params/notifications/resourceSubscriptions/0") != uri {
        scene.link.cancel(&id, "").await;
        return Verdict::not_offered();
    }
    assert!(scene.server.kind.speaks_up(), "acknowledged, and nothing can come: {}", first.raw());
    scene.server.announce(&mut scene.link, News::Update).await;
    let updated = scene.link.until_method("notifications/resources/updated").await;
    assert_eq!((updated.at("/params/uri"), subscription(&updated)), (&uri.into(), id.clone()), "{}", updated.raw());
    scene.link.cancel(&id, "").await;
    match scene.beyond() {
        Era::Legacy => drop(scene.server.has_heard("resources/unsubscribe").await),
        Era::Modern => scene.server.has_listeners(0).await,
    }
    // What was on its way when it ended may still come.
    for _ in 0..100 {
        scene.server.announce(&mut scene.link, News::Update).await;
        scene.link.request("tools/list", "").await.result();
        if scene.link.take("notifications/resources/updated").is_empty() {
            return Verdict::Works;
        }
    }
    panic!("it has ended")
}

/// Whoever listens at an address of several servers is told of lists that are not what they were, as Janua has to know
/// them itself.
async fn only_what_differs(scene: &mut Scene) -> Verdict {
    let make = scene.server.kind.make();
    if make != Make::Scripted {
        scene.link.until_method("notifications/tools/list_changed").await;
    }
    if make == Make::Demo {
        return Verdict::Works;
    }
    scene.link.request("tools/list", "").await.result();
    for list in ["prompts", "resources"] {
        assert!(scene.link.take(&format!("notifications/{list}/list_changed")).is_empty(), "{list} are as they were");
    }
    Verdict::degrades("a change of a list is told if there is one")
}

pub(crate) async fn list_changed(scene: &mut Scene) -> Verdict {
    let lists = ["tools", "prompts", "resources"];
    let filter = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;
    let listened = if scene.client.is_modern() { Some(scene.link.listen(filter).await) } else { None };
    if !scene.server.kind.speaks_up() {
        let accepted = listened.map(|(_, first)| first.at("/params/notifications").to_string()).unwrap_or_default();
        // Among several servers, others may have news.
        let may_come = scene.is_union();
        assert!(may_come || !accepted.contains("ListChanged"), "acknowledged, and nothing can come: {accepted}");
        return Verdict::not_offered();
    }
    if let Some((_, first)) = &listened {
        for list in lists {
            let accepted = first.at(&format!("/params/notifications/{list}ListChanged"));
            assert!(accepted == true, "{}", first.raw());
        }
    } else if scene.is_modern_beyond() && !scene.client.is_sessionless() {
        // The catalogue listens, too.
        scene.server.has_listeners(1 + usize::from(scene.is_union())).await;
    }
    scene.server.announce(&mut scene.link, News::Lists).await;
    if scene.is_union() && scene.client.is_modern() && !scene.is_modern_beyond() {
        return only_what_differs(scene).await;
    }
    // The demo server has prompts and resources that never change.
    let lists = if scene.server.kind.make() == Make::Demo { &lists[..1] } else { &lists[..] };
    if scene.client.is_sessionless() {
        return deaf(&mut scene.link, "notifications/tools/list_changed");
    }
    for list in lists {
        let changed = scene.link.until_method(&format!("notifications/{list}/list_changed")).await;
        let id = listened.as_ref().map_or("null", |(id, _)| id);
        assert_eq!(subscription(&changed), id, "{}", changed.raw());
    }
    if scene.server.kind.make() != Make::Scripted {
        let mut listed = scene.link.request("tools/list", "").await;
        let new = ["extra", "test_dynamic_tool"].map(|name| format!("\"{}\"", scene.link.shown(name)));
        let is_there = |listed: &Message| new.iter().any(|name| listed.raw().contains(name));
        while scene.is_union() && !is_there(&listed) {
            // That was about when the servers came to be known.
            scene.link.until_method("notifications/tools/list_changed").await;
            listed = scene.link.request("tools/list", "").await;
        }
        assert!(is_there(&listed), "{}", listed.raw());
    }
    Verdict::Works
}
