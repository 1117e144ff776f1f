//! What one principal has opened, on every transport, and what another can do with it: nothing.

use http::Method;
use janua_testkit::client::envelope::{questions, repeated};
use janua_testkit::client::message::Message;
use janua_testkit::client::session::Session;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::websocket::WebSocketClient;
use serde_json::json;

use crate::scene::{ALICE, ALICES_TOKEN, CONFIG, MACHINE, MALLORY, OPS, SOON, Scene, VERSION, client, says_no_secret};

/// `desk:help`
const DESK: &str = "Basic ZGVzazpoZWxw";
const PING: &str = r#"{"jsonrpc":"2.0","id":77,"method":"ping"}"#;

/// The answers that a session's id gets from whoever shows `credentials`: status and words, the id taken out.
async fn tried(session: &Session, credentials: &str) -> Vec<(u16, String)> {
    let id = session.id.as_deref().expect("an id");
    let mut answers = Vec::new();
    for id in [id, "0123456789abcdef0123456789abcdef01234567"] {
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-session-id", id),
            ("mcp-protocol-version", VERSION),
            ("last-event-id", "0-1"),
            ("authorization", credentials),
        ];
        let mut all = (0, String::new());
        for (method, body) in [(Method::POST, PING), (Method::GET, ""), (Method::DELETE, "")] {
            let answer = session.client.send(method, session.client.path(), body, &headers).await;
            all = (all.0.max(answer.status.as_u16()), all.1 + &answer.text().replace(id, "ID"));
            assert_eq!(answer.status, 404, "{}", answer.text());
        }
        answers.push(all);
    }
    answers
}

#[tokio::test]
async fn a_session_over_streamable_http() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let mut alices = client(&gateway, ALICE).initialize(VERSION, "{}").await;
    for other in [MALLORY, OPS, MACHINE] {
        let answers = tried(&alices, other).await;
        assert_eq!(answers[0], answers[1], "a session of somebody else is none");
    }
    // Nothing of that has ended it, and the same principal goes on however it shows who it is.
    assert!(alices.call("echo", r#"{"text":"still here"}"#).await.raw().contains("still here"));
    alices.client = alices.client.clone().header("authorization", ALICES_TOKEN);
    assert!(alices.call("echo", r#"{"text":"other scheme"}"#).await.raw().contains("other scheme"));
    assert_eq!(alices.delete().await.status, 204);
    says_no_secret(&gateway);
}

#[tokio::test]
async fn a_session_over_sse() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let mut alices = SseSession::open_with(client(&gateway, ALICES_TOKEN), "/sse").await;
    alices.initialize(VERSION, "{}").await;
    let json = [("content-type", "application/json")];
    for other in [MALLORY, OPS, MACHINE] {
        let theirs = client(&gateway, other).post(&alices.target, PING, &json).await;
        let unknown = client(&gateway, other).post("/messages?session_id=0123", PING, &json).await;
        assert_eq!((theirs.status, theirs.text()), (unknown.status, unknown.text()));
        assert_eq!(theirs.status, 404);
    }
    assert_eq!(gateway.client().post(&alices.target, PING, &json).await.status, 401);
    assert_eq!(client(&gateway, ALICE).post(&alices.target, PING, &json).await.status, 202);
    assert_eq!(alices.response("77").await.result(), &json!({}));
    assert!(alices.passed.iter().all(Message::is_notification), "only that one was heard: {:?}", alices.passed);
    // Nor is it one of another transport.
    let id = alices.target.split('=').nth(1).expect("an id");
    let headers = [json[0], ("accept", "application/json, text/event-stream"), ("mcp-session-id", id)];
    assert_eq!(client(&gateway, ALICE).post("/mcp", PING, &headers).await.status, 404);
}

#[tokio::test]
async fn a_websocket() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let url = format!("ws://{}/ws", gateway.authority());
    for headers in [&[][..], &[("authorization", "Bearer looking-glas")]] {
        let refused = WebSocketClient::try_open(&url, headers).await.expect_err("refused");
        assert_eq!((refused.status, refused.body.as_str()), (401, "Unauthorized"));
    }
    let mut socket = WebSocketClient::try_open(&url, &[("authorization", ALICE)]).await.expect("opened").deadline(SOON);
    socket.initialize(VERSION, "{}").await;
    assert!(socket.call("echo", r#"{"text":"on a socket"}"#).await.raw().contains("on a socket"));
    says_no_secret(&gateway);
}

#[tokio::test]
async fn a_stream_of_the_older_addresses() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let mut alices = SseSession::open_with(client(&gateway, ALICE), "/probe").await;
    alices.initialize(VERSION, "{}").await;
    let json = [("content-type", "application/json")];
    let unknown = alices.target.rsplit_once('=').expect("an id").0.to_owned() + "=00000000-0000-4000-8000-000000000000";
    for other in [MALLORY, MACHINE] {
        let theirs = client(&gateway, other).post(&alices.target, PING, &json).await;
        let nobodys = client(&gateway, other).post(&unknown, PING, &json).await;
        assert_eq!((theirs.status.as_u16(), theirs.text()), (404, nobodys.text()));
    }
    assert_eq!(client(&gateway, ALICES_TOKEN).post(&alices.target, PING, &json).await.status, 202);
    assert_eq!(alices.response("77").await.result(), &json!({}));
}

#[tokio::test]
async fn an_address_of_a_user_is_for_that_user_and_who_may_act_for_others() {
    let config =
        CONFIG.replace("  bearer:", "      - { username: desk, password: help, impersonate: true }\n  bearer:");
    let scene = Scene::with(&config);
    let gateway = scene.serve(&[]).await;
    let opening = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;
    for (path, credentials, wanted) in [
        ("/probe/alice", ALICE, 200),
        ("/probe/alice", ALICES_TOKEN, 200),
        ("/probe/alice:key", ALICE, 200),
        ("/probe/alice", MALLORY, 403),
        ("/probe/alice:key", MALLORY, 403),
        ("/probe/alice", OPS, 403),
        ("/probe/alice", MACHINE, 403),
        ("/probe/alic", ALICE, 403),
        ("/probe/alice", DESK, 200),
        ("/probe/mallory", DESK, 200),
    ] {
        let answer = client(&gateway, credentials).post(path, opening, &janua_testkit::client::JSON_POST).await;
        assert_eq!(answer.status, wanted, "{path} {credentials}: {}", answer.text());
    }
    let mut desks = SseSession::open_with(client(&gateway, DESK), "/probe/alice").await;
    desks.initialize(VERSION, "{}").await;
    let alices = client(&gateway, ALICE).post(&desks.target, PING, &[("content-type", "application/json")]).await;
    assert_eq!(alices.status, 404, "what was opened for a user is still whose it is who opened it");
}

#[tokio::test]
async fn a_parked_call() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let capable = r#"{"elicitation":{}}"#;
    let ask = r#"{"name":"elicit","arguments":{}}"#;
    let alice = client(&gateway, ALICE).modern("2026-07-28", capable);
    let asked = alice.request("tools/call", ask).await;
    let questions = questions(asked.response()).unwrap_or_else(|| panic!("no question: {}", asked.raw()));
    let answers = [(questions[0].0.clone(), r#"{"action":"decline"}"#.to_owned())];
    let again = repeated(ask, asked.response(), &answers);
    for other in [MALLORY, OPS, MACHINE] {
        let theirs = client(&gateway, other).modern("2026-07-28", capable).request("tools/call", &again).await;
        assert_eq!(theirs.error_code(), Some(-32602), "{}", theirs.raw());
        assert!(theirs.raw().contains("requestState"), "{}", theirs.raw());
    }
    let alices = client(&gateway, ALICES_TOKEN).modern("2026-07-28", capable);
    let ended = alices.request("tools/call", &again).await;
    assert!(ended.text().contains("decline"), "{}", ended.raw());
}

#[tokio::test]
async fn a_session_of_plain_http() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let json = [("content-type", "application/json")];
    let call = async |credentials: &str| {
        let path = "/api/probe/echo?sessionId=chosen";
        let answer = client(&gateway, credentials).post(path, r#"{"text":"x"}"#, &json).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("mcp-gateway-session").expect("which session").to_owned()
    };
    assert_eq!(call(ALICE).await, "new");
    assert_eq!(call(ALICES_TOKEN).await, "reused");
    assert_eq!(call(MALLORY).await, "new", "the same name is another session for somebody else");
    let end = async |credentials: &str| {
        client(&gateway, credentials).send(Method::DELETE, "/api/sessionid/chosen", "", &[]).await.status.as_u16()
    };
    assert_eq!(end(MACHINE).await, 404);
    assert_eq!(end(MALLORY).await, 204);
    assert_eq!(call(ALICE).await, "reused", "hers goes on");
    // A call that waits for answers is found by its own caller only.
    let headers = [json[0], ("prefer", "questions")];
    let asked = client(&gateway, ALICE).post("/api/probe/elicit", "{}", &headers).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let address = asked.json()["answer"].as_str().expect("an address").to_owned();
    let answer = r#"{"q1":{"action":"decline"}}"#;
    assert_eq!(client(&gateway, MALLORY).post(&address, answer, &json).await.status, 404);
    let ended = client(&gateway, ALICES_TOKEN).post(&address, answer, &json).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    says_no_secret(&gateway);
}
