//! `janua connect` and `janua proxy` with addresses of WebSockets.

use std::path::Path;

use janua_testkit::client::stdio::StdioClient;
use janua_testkit::process::eventually;
use janua_testkit::upstream::websocket::WebSocketServer;

use crate::scene::{CAPABLE, JANUA, SOON, VERSION, below, code, open, program, ws};

fn connect(words: &[&str]) -> StdioClient {
    let words: Vec<&str> = std::iter::once("connect").chain(words.iter().copied()).collect();
    StdioClient::start(Path::new(JANUA), &words).deadline(SOON)
}

#[tokio::test]
async fn a_client_on_stdio_reaches_a_server_on_a_socket() {
    let server = WebSocketServer::builder().start().await;
    let mut client = connect(&["-H", "X-Tenant: a", &server.url()]);
    client.initialize(VERSION, CAPABLE).await;
    assert_eq!(client.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let params = r#"{"name":"progress","arguments":{},"_meta":{"progressToken":7}}"#;
    assert_eq!(client.request("tools/call", params).await.text(), "done");
    assert_eq!(client.passed.drain(..).filter(|m| m.at("/params/progressToken") == 7).count(), 3);
    let id = client.send("tools/call", r#"{"name":"ask","arguments":{}}"#).await;
    let question = client.message().await;
    assert_eq!(question.method(), Some("roots/list"));
    client.respond(&question.id().expect("an id"), r#"{"roots":[]}"#).await;
    assert_eq!(client.response(&id).await.text(), r#"{"roots":[]}"#);
    let slow = client.send("tools/call", r#"{"name":"slow","arguments":{}}"#).await;
    client.notify("notifications/cancelled", &format!(r#"{{"requestId":{slow}}}"#)).await;
    assert!(server.wait_rpc(SOON, "notifications/cancelled").await);
    assert_eq!(server.knocks()[0].headers.get("x-tenant").expect("the header"), "a");
    client.close_input();
    assert_eq!(client.wait(SOON).await.and_then(|status| status.code()), Some(0));
    assert!(eventually(SOON, || server.open() == 0).await);
}

#[tokio::test]
async fn the_end_of_the_server_is_the_end_of_connect() {
    let server = WebSocketServer::builder().start().await;
    let mut client = connect(&[&server.url()]);
    client.initialize(VERSION, "{}").await;
    let id = client.send("tools/call", r#"{"name":"slow","arguments":{}}"#).await;
    assert!(server.wait_rpc(SOON, "tools/call").await);
    server.cut_connections().await;
    let answer = client.response(&id).await;
    assert_eq!(code(&answer), "unreachable", "{}", answer.raw());
    assert_eq!(client.wait(SOON).await.and_then(|status| status.code()), Some(1));
}

#[tokio::test]
async fn two_gateways_speak_over_a_socket() {
    let gateway = program("", "probe").await;
    let mut client = connect(&[&ws(&gateway)]);
    client.initialize(VERSION, CAPABLE).await;
    assert_eq!(client.call("echo", r#"{"text":"through"}"#).await.text(), "through");
    client.close_input();
    assert_eq!(client.wait(SOON).await.and_then(|status| status.code()), Some(0));
    assert!(eventually(SOON, || below(&gateway).is_empty()).await);
    let mut direct = open(&gateway).await;
    assert_eq!(direct.call("echo", r#"{"text":"too"}"#).await.text(), "too");
    assert!(gateway.stderr().contains(&format!("WebSocket        {}", ws(&gateway))), "{}", gateway.stderr());
}

#[tokio::test]
async fn addresses_and_transports_that_contradict_each_other_are_refused() {
    for (words, said) in [
        (vec!["--transport", "sse", "ws://127.0.0.1:9/ws"], "--transport ws"),
        (vec!["--transport", "http", "wss://127.0.0.1:9/ws"], "--transport ws"),
        (vec!["ftp://127.0.0.1:9/ws"], "ws://"),
    ] {
        let mut client = connect(&words);
        assert_eq!(client.wait(SOON).await.and_then(|status| status.code()), Some(2), "{words:?}");
        assert!(eventually(SOON, || client.stderr().contains(said)).await, "{words:?}: {}", client.stderr());
    }
    let server = WebSocketServer::builder().start().await;
    let mut client = connect(&["--transport", "ws", &server.url().replacen("ws", "http", 1)]);
    client.initialize(VERSION, "{}").await;
    assert_eq!(client.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}
