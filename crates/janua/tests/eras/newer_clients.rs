//! Clients without a handshake in front of servers with one: what they are asked, what they hear, what they cancel.

use janua_testkit::client::message::{Message, call_params, request};
use janua_testkit::client::modern::Modern;
use janua_testkit::client::session::Exchange;
use janua_testkit::process::{self, eventually};
use tokio::task::JoinSet;

use crate::scene::{ANN, CAPABLE, Journaled, Parked, SOON, client, everything, question, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_cannot_be_asked_is_not() {
    let scene = everything("", "").await;
    for (capabilities, tool, code) in [
        ("{}", "test_streaming_elicitation", "-32601"),
        (r#"{"elicitation":{}}"#, "test_input_required_result_sampling", "-32601"),
        (r#"{"sampling":{}}"#, "test_input_required_result_list_roots", "-32601"),
        (r#"{"elicitation":{}}"#, "visit", "-32602"),
    ] {
        let reply = scene.modern(capabilities).call(tool, "{}").await;
        assert_eq!(reply.result()["isError"], true, "{tool}: {}", reply.raw());
        assert_eq!(reply.result()["resultType"], "complete", "{tool}: {}", reply.raw());
        assert!(reply.text().starts_with("The client refused"), "{tool}: {}", reply.raw());
        assert!(reply.text().contains(code), "{tool}: {}", reply.raw());
        assert_eq!(scene.calls(tool), 1);
    }
    let reply = scene.modern("{}").call("test_sampling", r#"{"prompt":"?"}"#).await;
    assert_eq!(reply.text(), "The client offers no sampling");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_messages_come_to_those_who_asked_for_them() {
    let scene = everything("", "").await;
    let mut modern = scene.modern("{}");
    let silent = modern.call("test_logging_tool", "{}").await;
    assert!(silent.notifications("notifications/message").is_empty(), "{:?}", silent.messages);
    modern.envelope.meta = r#""io.modelcontextprotocol/logLevel":"info""#.to_owned();
    let told = modern.call("test_logging_tool", "{}").await;
    assert_eq!(told.notifications("notifications/message").len(), 1, "{:?}", told.messages);
    // The server logs now; who did not ask for it still hears nothing, and who asked for less hears less.
    modern.envelope.meta = r#""io.modelcontextprotocol/logLevel":"error""#.to_owned();
    let less = modern.call("test_logging_tool", "{}").await;
    assert!(less.notifications("notifications/message").is_empty(), "{:?}", less.messages);
    modern.envelope.meta = String::new();
    let silent = modern.call("test_logging_tool", "{}").await;
    assert!(silent.notifications("notifications/message").is_empty(), "{:?}", silent.messages);
    modern.envelope.meta = r#""io.modelcontextprotocol/logLevel":"loud""#.to_owned();
    assert_eq!(modern.call("test_logging_tool", "{}").await.error_code(), Some(-32602));
    assert_eq!(scene.calls("test_logging_tool"), 4, "the last one must not have passed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_comes_under_the_token_of_each_attempt() {
    let scene = everything("", "").await;
    let mut modern = scene.modern(CAPABLE);
    modern.envelope.meta = r#""progressToken":"first""#.to_owned();
    let params = call_params("late_question", "{}");
    let asked = modern.request("tools/call", &params).await;
    assert_eq!(asked.result()["resultType"], "input_required", "{}", asked.raw());
    let key = asked.result()["inputRequests"].as_object().expect("questions").keys().next().expect("one").clone();
    let retry = janua_testkit::client::envelope::repeated(&params, asked.response(), &[(key, ANN.to_owned())]);
    modern.envelope.meta = r#""progressToken":12345678901234567890"#.to_owned();
    let done = modern.request("tools/call", &retry).await;
    assert_eq!(done.text(), "It was Ann.");
    for (reply, token, progress) in [(&asked, "\"first\"", 1), (&done, "12345678901234567890", 2)] {
        let told = reply.notifications("notifications/progress");
        assert_eq!(told.len(), 1, "{:?}", reply.messages);
        assert!(told[0].raw().contains(&format!("\"progressToken\":{token}")), "{}", told[0].raw());
        assert_eq!(told[0].at("/params/progress"), progress);
    }
    // Nobody asked for progress now, so nobody gets it.
    modern.envelope.meta = String::new();
    let again = modern.request("tools/call", &retry).await;
    assert_eq!((again.text(), again.messages.len()), ("It was Ann.", 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_outside_every_call_is_asked_of_nobody() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    modern.request("tools/list", "").await.result();
    let (_listening, _) = modern.listen(r#"{"toolsListChanged":true}"#).await;
    scene.server.push(&question("\"q\"")).await;
    scene.server.push(&request("71", "sampling/createMessage", r#"{"messages":[],"maxTokens":1}"#)).await;
    scene.server.push(&request("72", "roots/list", "")).await;
    scene.server.push(&request("73", "ping", "")).await;
    scene.server.push(&request("74", "no/such", "")).await;
    for (id, wanted) in [("\"q\"", -32602), ("71", -32602), ("74", -32601)] {
        scene.answered(id).await;
        assert_eq!(scene.answers(id)[0].error_code(), Some(wanted), "{}", scene.answers(id)[0].raw());
    }
    scene.answered("72").await;
    scene.answered("73").await;
    assert_eq!(scene.answers("72")[0].result(), &serde_json::json!({"roots": []}));
    assert_eq!(scene.answers("73")[0].result(), &serde_json::json!({}));
    assert_eq!(modern.call("echo", r#"{"text":"on"}"#).await.text(), "on");
}

/// Listens under an id of the test's choice.
async fn listen(modern: &Modern, id: &str, filter: &str) -> (Exchange, Message) {
    let params = format!(r#"{{"notifications":{filter}}}"#);
    let mut exchange = modern.open_id(id, "subscriptions/listen", &params, &[]).await;
    let first = exchange.message().await;
    assert_eq!(first.method(), Some("notifications/subscriptions/acknowledged"), "{}", first.raw());
    (exchange, first)
}

/// Under which id a notification says that it was asked for.
fn tag(message: &Message) -> &serde_json::Value {
    message.at("/params/_meta/io.modelcontextprotocol~1subscriptionId")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_changes_carries_what_was_asked_for_under_its_own_id() {
    let scene = everything("", "").await;
    let modern = scene.modern("{}");
    let watched = r#"{"toolsListChanged":true,"resourceSubscriptions":["test://watched-resource"],"other":true}"#;
    let (mut text, begun) = listen(&modern, "\"5\"", watched).await;
    assert_eq!(tag(&begun), "5", "{}", begun.raw());
    let accepted = begun.at("/params/notifications");
    assert_eq!(accepted["toolsListChanged"], true, "{}", begun.raw());
    assert_eq!(accepted["resourceSubscriptions"][0], "test://watched-resource", "{}", begun.raw());
    assert!(accepted.get("other").is_none() && accepted.get("promptsListChanged").is_none(), "{}", begun.raw());
    let (mut number, begun) = listen(&modern, "5", r#"{"promptsListChanged":true}"#).await;
    assert_eq!(tag(&begun), 5, "{}", begun.raw());
    modern.call("test_touch_resource", "{}").await;
    modern.call("announce_lists", "{}").await;
    let updated = text.message().await;
    assert_eq!((updated.method(), tag(&updated)), (Some("notifications/resources/updated"), &"5".into()));
    let changed = text.message().await;
    assert_eq!((changed.method(), tag(&changed)), (Some("notifications/tools/list_changed"), &"5".into()));
    let changed = number.message().await;
    assert_eq!((changed.method(), tag(&changed)), (Some("notifications/prompts/list_changed"), &5.into()));
    drop(text);
    scene.reached(|line| line.method() == Some("resources/unsubscribe")).await;
    modern.call("test_touch_resource", "{}").await;
    modern.call("announce_lists", "{}").await;
    let changed = number.message().await;
    assert_eq!(changed.method(), Some("notifications/prompts/list_changed"), "{}", changed.raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_is_watched_as_long_as_somebody_listens() {
    let scene = everything("", "").await;
    let modern = scene.modern("{}");
    let filter = r#"{"resourceSubscriptions":["test://watched-resource"]}"#;
    let (first, _) = listen(&modern, "1", filter).await;
    let (mut second, _) = listen(&modern, "2", filter).await;
    drop(first);
    modern.call("test_touch_resource", "{}").await;
    assert_eq!(second.message().await.method(), Some("notifications/resources/updated"));
    assert!(scene.seen("resources/unsubscribe").is_empty(), "somebody still listens");
    drop(second);
    scene.reached(|line| line.method() == Some("resources/unsubscribe")).await;
    let (mut third, _) = listen(&modern, "3", filter).await;
    modern.call("test_touch_resource", "{}").await;
    assert_eq!(third.message().await.method(), Some("notifications/resources/updated"));
    assert_eq!(scene.seen("resources/subscribe").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_changes_ends_with_its_server() {
    let scene = everything("", "").await;
    let modern = scene.modern("{}");
    let filter = r#"{"toolsListChanged":true,"resourceSubscriptions":["test://watched-resource"]}"#;
    let (text, _) = listen(&modern, "\"x\"", filter).await;
    let (number, _) = listen(&modern, "20", filter).await;
    assert!(modern.call("crash", "{}").await.error_code().is_some());
    for (stream, id) in [(text, serde_json::json!("x")), (number, serde_json::json!(20))] {
        let ended = stream.finish().await;
        assert_eq!(ended.result()["resultType"], "complete", "{}", ended.raw());
        let tag = &ended.result()["_meta"]["io.modelcontextprotocol/subscriptionId"];
        assert_eq!(tag, &id, "{}", ended.raw());
    }
    let (mut again, _) = listen(&modern, "21", filter).await;
    modern.call("test_touch_resource", "{}").await;
    assert_eq!(again.message().await.method(), Some("notifications/resources/updated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_cancels_its_request() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    for leaving in [client(&scene.proxy), client(&scene.proxy).resetting()] {
        let before = scene.server.seen_rpc("notifications/cancelled").len();
        let (leaving, calls) = (leaving.modern("2026-07-28", CAPABLE), scene.calls());
        let mut attempt = JoinSet::new();
        attempt.spawn(async move { leaving.call("slow", "{}").await });
        assert!(eventually(SOON, || scene.calls() > calls).await, "no call");
        attempt.shutdown().await;
        let cancelled = || scene.server.seen_rpc("notifications/cancelled");
        assert!(eventually(SOON, || cancelled().len() > before).await, "the call goes on");
        let call = scene.server.seen_rpc("tools/call").pop().expect("a call");
        assert_eq!(cancelled()[before].at("/params/requestId"), call.at("/id"));
    }
    assert_eq!(modern.call("echo", r#"{"text":"on"}"#).await.text(), "on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_it_is_asked_is_not_kept_for() {
    let scene = scene(|_| {}).await;
    let leaving = scene.modern(CAPABLE);
    let mut attempt = JoinSet::new();
    attempt.spawn(async move { leaving.call("slow", "{}").await });
    assert!(scene.server.wait_rpc(SOON, "tools/call").await);
    attempt.shutdown().await;
    assert!(scene.server.wait_rpc(SOON, "notifications/cancelled").await, "the call goes on");
    scene.server.push(&question("\"q\"")).await;
    scene.answered("\"q\"").await;
    assert_eq!(scene.answers("\"q\"")[0].error_code(), Some(-32602));
    crate::scene::parked_calls(&client(&scene.proxy), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_equal_ids_never_meet() {
    const CLIENTS: usize = 30;
    let scene = everything("", "").await;
    let asked = scene.modern(CAPABLE);
    let parked = Parked::call(&asked, "test_input_required_result_elicitation", "{}").await;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut modern = scene.modern(if number % 2 == 0 { "{}" } else { r#"{"roots":{}}"# });
        modern.envelope.meta = r#""progressToken":1"#.to_owned();
        clients.spawn(async move {
            for round in 0..3 {
                let text = format!("{number}/{round}");
                let params = call_params("echo", &format!(r#"{{"text":"{text}"}}"#));
                let reply = modern.open_id("1", "tools/call", &params, &[]).await.finish().await;
                assert_eq!((reply.text(), reply.messages.len()), (text.as_str(), 1), "{:?}", reply.messages);
                let params = call_params("report", "{}");
                let reply = modern.open_id("1", "tools/call", &params, &[]).await.finish().await;
                assert_eq!(reply.notifications("notifications/progress").len(), 5, "{:?}", reply.messages);
            }
        });
    }
    clients.join_all().await;
    assert_eq!(parked.answer(&asked).await.text(), "Hello, Ann!");
    assert_eq!(scene.calls("echo"), CLIENTS * 3);
    assert!(instances(&scene) <= 3, "{} instances for three classes", instances(&scene));
}

/// How many programs run.
fn instances(scene: &Journaled) -> usize {
    let is_program = |pid: &u32| process::cmdline(*pid).first().is_some_and(|word| word.ends_with("everything"));
    process::descendants(scene.gateway.pid()).iter().filter(|pid| is_program(pid)).count()
}
