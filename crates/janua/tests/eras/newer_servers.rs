//! Clients with a handshake in front of servers without one: questions, refusals, cancellations, changes.

use janua_testkit::client::events::Events;
use janua_testkit::client::message::Message;
use janua_testkit::client::session::{Exchange, Session};
use janua_testkit::process::eventually;
use janua_testkit::upstream::modern::ModernServer;
use janua_testkit::upstream::site::Seen;
use janua_testkit::upstream::websocket::WebSocketServer;

use crate::scene::{ANN, CAPABLE, LEGACY, SOON, client, everything, failure, front};

/// What a server without a handshake says of itself.
const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#;
/// The wish to be told a name.
const WISH: &str = r#"{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}},"requestState":"s"}"#;

/// A scripted server, a proxy in front of it and a session that can be asked everything.
struct Scene {
    server: ModernServer,
    session: Session,
    _proxy: janua::proxy::Proxy,
}

async fn scene() -> Scene {
    let server = ModernServer::builder().start().await;
    let proxy = front(&server.url(), |_| {}).await;
    let session = client(&proxy).initialize(LEGACY, CAPABLE).await;
    Scene { server, session, _proxy: proxy }
}

impl Scene {
    /// How often a tool was called, and called again.
    fn calls(&self, tool: &str) -> usize {
        let seen = self.server.site.seen_rpc("tools/call");
        seen.iter().filter_map(Seen::message).filter(|call| call.at("/params/name") == tool).count()
    }

    fn faultless(&self) {
        assert!(self.server.faults().is_empty(), "{:?}", self.server.faults());
    }
}

/// The next question to the client.
async fn asked(exchange: &mut Exchange) -> Message {
    loop {
        let message = exchange.message().await;
        if message.is_request() {
            return message;
        }
    }
}

/// The next change that a client hears of.
async fn change(events: &mut Events) -> String {
    events.message(SOON).await.method().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_has_enough_is_stopped() {
    let server = WebSocketServer::builder().without_handshake();
    let server = server.on("server/discover", DISCOVERED).on("tools/call", WISH).start().await;
    let proxy = front(&server.url(), |_| {}).await;
    let session = client(&proxy).initialize(LEGACY, CAPABLE).await;
    let mut asked = 0;
    let reply = session
        .request_answering("tools/call", r#"{"name":"any","arguments":{}}"#, |_| {
            asked += 1;
            ANN.to_owned()
        })
        .await;
    assert_eq!(failure(&reply), "invalid_response", "{}", reply.raw());
    assert_eq!((asked, server.seen_rpc("tools/call").len()), (10, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_refuses_ends_the_call_in_words() {
    let scene = scene().await;
    let mut exchange = scene.session.open_call("test_input_required_result_sampling", "{}").await;
    let question = asked(&mut exchange).await;
    scene.session.respond_error(&question.id().expect("an id"), -1, "User rejected \"it\"").await;
    let reply = exchange.finish().await;
    assert_eq!(reply.result()["isError"], true, "{}", reply.raw());
    assert!(reply.text().contains("User rejected \"it\""), "{}", reply.raw());
    assert_eq!(scene.calls("test_input_required_result_sampling"), 1, "there is nothing to say to the server");
    // Elicitation has a form for it.
    let mut exchange = scene.session.open_call("test_streaming_elicitation", "{}").await;
    let question = asked(&mut exchange).await;
    scene.session.respond_error(&question.id().expect("an id"), -32603, "no").await;
    let reply = exchange.finish().await;
    assert!(reply.text().contains("action=cancel"), "{}", reply.raw());
    assert_eq!(scene.calls("test_streaming_elicitation"), 2);
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_may_ask_its_client_too() {
    let scene = scene().await;
    let params = r#"{"name":"test_input_required_result_prompt","arguments":{}}"#;
    let mut exchange = scene.session.open("prompts/get", params).await;
    let question = asked(&mut exchange).await;
    scene.session.respond(&question.id().expect("an id"), r#"{"action":"decline"}"#).await;
    let declined = exchange.finish().await;
    assert!(declined.result()["messages"].is_array(), "{}", declined.raw());
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_cancelled_while_its_client_is_asked_goes_no_further() {
    let scene = scene().await;
    let mut exchange = scene.session.open_id("77", "tools/call", &call("test_streaming_elicitation")).await;
    let question = asked(&mut exchange).await;
    scene.session.cancel("77").await;
    let ended = exchange.finish().await;
    assert!(ended.response.as_ref().is_none_or(|response| response.error_code().is_some()), "{:?}", ended.messages);
    // An answer that comes too late reaches nobody.
    scene.session.respond(&question.id().expect("an id"), ANN).await;
    assert_eq!(scene.session.call("echo", r#"{"text":"on"}"#).await.text(), "on");
    assert_eq!(scene.calls("test_streaming_elicitation"), 1);
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_while_its_client_is_asked_leaves_nothing() {
    let scene = scene().await;
    let mut exchange = scene.session.open_call("test_streaming_elicitation", "{}").await;
    asked(&mut exchange).await;
    let deleted = scene.session.delete().await;
    assert!(deleted.status.is_success(), "{}", deleted.text());
    let ended = exchange.finish().await;
    assert!(ended.response.as_ref().is_none_or(|response| response.error_code().is_some()), "{:?}", ended.messages);
    let subscriptions = || scene.server.engine().subscriptions() == 0;
    assert!(eventually(SOON, subscriptions).await, "its stream of changes is left");
    assert_eq!(scene.calls("test_streaming_elicitation"), 1);
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_while_it_is_asked_may_come_back() {
    let scene = scene().await;
    let mut exchange = scene.session.open_call("test_streaming_elicitation", "{}").await;
    let question = asked(&mut exchange).await;
    let last = exchange.events().and_then(|events| events.last_id().map(str::to_owned)).expect("an event id");
    drop(exchange);
    let mut again = scene.session.resume(&last).await;
    scene.session.respond(&question.id().expect("an id"), r#"{"action":"accept","content":{"ok":true}}"#).await;
    let answer = again.message(SOON).await;
    assert!(answer.text().contains("action=accept"), "{}", answer.raw());
    assert_eq!(scene.calls("test_streaming_elicitation"), 2);
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_heard_of_as_a_session_wishes() {
    const WATCHED: &str = r#"{"uri":"test://watched-resource"}"#;
    let scene = scene().await;
    let mut events = scene.session.listen().await;
    assert_eq!(scene.session.request("resources/subscribe", WATCHED).await.result(), &serde_json::json!({}));
    scene.server.engine().touch("test://watched-resource");
    assert_eq!(change(&mut events).await, "notifications/resources/updated");
    scene.server.engine().announce("prompts");
    assert_eq!(change(&mut events).await, "notifications/prompts/list_changed");
    let unknown = scene.session.request("resources/subscribe", r#"{"uri":"test://nowhere"}"#).await;
    assert_eq!(unknown.error_code(), Some(-32602), "{}", unknown.raw());
    scene.session.request("resources/unsubscribe", WATCHED).await.result();
    // It is taken back by listening anew: the server has seen that once nothing is watched in the newest stream.
    let anew = || {
        let last = scene.server.site.seen_rpc("subscriptions/listen").pop().and_then(|seen| seen.message());
        last.is_some_and(|last| !last.raw().contains("watched-resource")) && scene.server.engine().subscriptions() == 1
    };
    assert!(eventually(SOON, anew).await, "the resource is still watched");
    scene.server.engine().touch("test://watched-resource");
    scene.server.engine().announce("tools");
    assert_eq!(change(&mut events).await, "notifications/tools/list_changed");
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_wishes_at_once_all_come_true() {
    let scene = scene().await;
    let mut events = scene.session.listen().await;
    let uris = ["test://watched-resource", "test://static-text", "test://static-binary"];
    let wish = |uri: &str| {
        let (session, params) = (&scene.session, format!(r#"{{"uri":"{uri}"}}"#));
        async move { session.request("resources/subscribe", &params).await.result().clone() }
    };
    let (one, two, three) = tokio::join!(wish(uris[0]), wish(uris[1]), wish(uris[2]));
    assert_eq!([one, two, three], [serde_json::json!({}), serde_json::json!({}), serde_json::json!({})]);
    assert!(eventually(SOON, || scene.server.engine().subscriptions() == 1).await, "one stream for a session");
    for uri in uris {
        scene.server.engine().touch(uri);
        assert_eq!(events.message(SOON).await.at("/params/uri"), uri);
    }
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_stream_of_changes_is_taken_up_with_everything_stale() {
    let scene = scene().await;
    let mut events = scene.session.listen().await;
    let watched = r#"{"uri":"test://watched-resource"}"#;
    scene.session.request("resources/subscribe", watched).await.result();
    scene.server.site.cut_connections();
    let mut heard = Vec::new();
    while heard.len() < 4 {
        heard.push(change(&mut events).await);
    }
    heard.sort();
    let lists = ["prompts/list_changed", "resources/list_changed", "resources/updated", "tools/list_changed"];
    assert_eq!(heard, lists.map(|list| format!("notifications/{list}")));
    scene.server.engine().touch("test://watched-resource");
    assert_eq!(change(&mut events).await, "notifications/resources/updated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_changes_that_its_server_ends_is_asked_for_again() {
    let scene = scene().await;
    let mut events = scene.session.listen().await;
    assert!(eventually(SOON, || scene.server.engine().subscriptions() == 1).await);
    assert_eq!(scene.session.call("end_subscriptions", "{}").await.text(), "Ended.");
    for _ in 0..3 {
        assert!(change(&mut events).await.ends_with("list_changed"));
    }
    scene.server.engine().announce("tools");
    assert_eq!(change(&mut events).await, "notifications/tools/list_changed");
    scene.faultless();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_its_server() {
    let scene = everything("", "--era modern").await;
    let session = scene.gateway.client().deadline(SOON).initialize(LEGACY, CAPABLE).await;
    let mut events = session.listen().await;
    session.request("resources/subscribe", r#"{"uri":"test://watched-resource"}"#).await.result();
    let died = session.call("crash", "{}").await;
    assert_eq!(failure(&died), "server_exited", "{}", died.raw());
    assert_eq!(session.call("echo", r#"{"text":"on"}"#).await.text(), "on");
    for _ in 0..4 {
        change(&mut events).await;
    }
    assert!(session.call("test_touch_resource", "{}").await.error_code().is_none());
    assert_eq!(change(&mut events).await, "notifications/resources/updated");
    assert_eq!(scene.calls("crash"), 1, "it ran again");
    assert!(scene.lines().iter().all(|line| line.at("/fault").is_null()), "{:?}", scene.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_the_client_is_asked_ends_the_call() {
    let scene = everything("", "--era modern").await;
    let session = scene.gateway.client().deadline(SOON).initialize(LEGACY, CAPABLE).await;
    let mut exchange = session.open_call("test_input_required_result_request_state", "{}").await;
    let question = asked(&mut exchange).await;
    assert!(session.call("crash", "{}").await.error_code().is_some());
    session.respond(&question.id().expect("an id"), r#"{"action":"accept","content":{"ok":true}}"#).await;
    let ended = exchange.finish().await;
    // The one that is there now never gave out that state.
    assert!(ended.error_code().is_some(), "{}", ended.raw());
    assert_eq!(scene.calls("test_input_required_result_request_state"), 2);
}

/// The parameters of a call without arguments.
fn call(tool: &str) -> String {
    janua_testkit::client::message::call_params(tool, "{}")
}
