//! What runs at a server that is defined anew: it comes to its end at the old instance, which is gone then.

use janua_testkit::client::envelope::{questions, repeated};
use janua_testkit::client::message::{Message, call_params};
use janua_testkit::client::session::{Exchange, Session};
use janua_testkit::process::{alive, wait_gone};

use crate::scene::{CHANGED, SOON, Scene, pid, pid_in, server};

const ANN: &str = r#"{"action":"accept","content":{"name":"Ann"}}"#;

fn text(turn: &str, kind: &str) -> String {
    format!("servers:\n{}", server("turning", &[kind, "--turn", turn]))
}

/// The next message with this method, before the answer.
async fn next(exchange: &mut Exchange, method: &str) -> Message {
    loop {
        let message = exchange.message().await;
        if message.method() == Some(method) {
            return message;
        }
    }
}

async fn hears_of_it(session: &Session, listening: &mut janua_testkit::client::events::Events) {
    loop {
        let message = listening.message(SOON).await;
        if message.method() == Some(CHANGED) {
            return;
        }
        assert!(message.is_notification(), "{:?}: {}", session.id, message.raw());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_an_open_question_is_answered_when_its_server_is_there_no_more() {
    let other = format!("servers:\n{}", server("calm", &["everything"]));
    let scene = Scene::of(&text("1", "everything")).await;
    let session = scene.session("/mcp/turning").await;
    let mut call = session.open("tools/call", &call_params("late_question", "{}")).await;
    let question = next(&mut call, "elicitation/create").await;
    let applied = scene.apply(&other).expect("good");
    assert_eq!(applied.removed, ["turning"]);
    session.respond(&question.id().expect("an id"), ANN).await;
    let answer = call.finish().await;
    assert!(answer.response().at("/result").is_object(), "{}", answer.raw());
    let late = session.request("tools/list", "").await;
    assert_eq!(late.status, 404, "{}", late.raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_an_open_question_is_answered_by_the_old_instance() {
    let scene = Scene::of(&text("1", "everything")).await;
    for path in ["/mcp/turning", "/mcp"] {
        scene.apply(&text(&format!("before {path}"), "everything")).expect("good");
        let session = scene.session(path).await;
        let mut stream = session.listen().await;
        let old = pid(&session).await;
        let params = call_params("late_question", "{}");
        let params = params.replacen('{', r#"{"_meta":{"progressToken":"mine"},"#, 1);
        let mut call = session.open("tools/call", &params).await;
        assert_eq!(next(&mut call, "notifications/progress").await.at("/params/progress"), 1);
        let question = next(&mut call, "elicitation/create").await;
        let applied = scene.apply(&text(&format!("after {path}"), "everything")).expect("good");
        assert_eq!(applied.changed, ["turning"]);
        hears_of_it(&session, &mut stream).await;
        let new = pid(&session).await;
        assert_ne!(new, old, "a new call is one of the new instance");
        assert!(alive(old), "the old one still has a call");
        session.respond(&question.id().expect("an id"), ANN).await;
        let progress = next(&mut call, "notifications/progress").await;
        assert_eq!(
            (progress.at("/params/progress").as_u64(), progress.at("/params/progressToken").as_str()),
            (Some(2), Some("mine"))
        );
        assert_eq!(call.finish().await.text(), "It was Ann.");
        assert!(wait_gone(old, SOON).await, "the old instance is gone after its last call");
        session.delete().await;
        assert!(wait_gone(new, SOON).await);
    }
    scene.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_call_reports_and_is_answered_after_its_server_was_removed() {
    let scene = Scene::of(&text("1", "probe")).await;
    let session = scene.session("/mcp/turning").await;
    let params = call_params("progress", r#"{"n":20,"ms":50}"#).replacen('{', r#"{"_meta":{"progressToken":7},"#, 1);
    let mut call = session.open("tools/call", &params).await;
    next(&mut call, "notifications/progress").await;
    let children = janua_testkit::process::children(std::process::id());
    let served = |pid: &u32| janua_testkit::process::cmdline(*pid).iter().any(|word| word.ends_with("/probe"));
    let old: Vec<u32> = children.into_iter().filter(served).collect();
    assert!(!old.is_empty());
    let other = format!("servers:\n{}", server("other", &["everything"]));
    assert_eq!(scene.apply(&other).expect("good").removed, ["turning"]);
    let reply = call.finish().await;
    assert_eq!(reply.notifications("notifications/progress").len(), 20);
    assert_eq!(reply.text(), "reported 20 times");
    for pid in old {
        assert!(wait_gone(pid, SOON).await, "the process of a removed server is gone");
    }
    let refused = scene.modern("/mcp/turning").request("tools/list", "").await;
    assert!(refused.raw().contains("there is no server or view turning"), "{}", refused.raw());
    scene.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_call_is_taken_up_at_the_old_instance() {
    let scene = Scene::of(&text("1", "everything")).await;
    let (modern, session) = (scene.modern("/mcp/turning"), scene.session("/mcp/turning").await);
    let beside = pid(&session).await;
    let old = pid_in(modern.call("fixture_info", "{}").await.text());
    let params = call_params("confirm_delete", r#"{"filename":"x"}"#);
    let asked = modern.request("tools/call", &params).await;
    let keys = questions(asked.response()).expect("it asks");
    scene.apply(&text("2", "everything")).expect("good");
    let new = pid_in(modern.call("fixture_info", "{}").await.text());
    assert!(new != old && alive(old), "the old instance has a call that waits for its client");
    let answers: Vec<_> = keys
        .into_iter()
        .map(|(key, _)| (key, r#"{"action":"accept","content":{"confirm":true}}"#.to_owned()))
        .collect();
    let ended = modern.request("tools/call", &repeated(&params, asked.response(), &answers)).await;
    assert_eq!(ended.text(), "x: accept");
    assert!(wait_gone(old, SOON).await, "the old instance is gone after its last call");
    assert!(wait_gone(beside, SOON).await, "so is that of a session without calls");
    scene.running.stop().await;
}
