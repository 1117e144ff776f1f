//! Sockets without a handshake: every request says itself who asks, and servers of either era are behind.

use janua_testkit::client::websocket::WebSocketClient;
use janua_testkit::process::eventually_with;
use janua_testkit::upstream::websocket::WebSocketServer;

use crate::scene::{SOON, VERSION, program, remote, ws};

/// What a request of 2026-07-28 says of its client, after `rest`, the other params.
fn params(rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(
        r#"{{{rest}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{"roots":{{}},"elicitation":{{}}}},"io.modelcontextprotocol/clientInfo":{{"name":"t","version":"1"}}}}}}"#
    )
}

#[tokio::test]
async fn a_client_without_handshake_uses_a_program_with_one() {
    let gateway = program("", "probe").await;
    let mut client = WebSocketClient::open(&ws(&gateway)).await;
    let found = client.request("server/discover", &params("")).await;
    assert!(found.at("/result/supportedVersions").to_string().contains("2026-07-28"), "{}", found.raw());
    let tools = client.request("tools/list", &params("")).await;
    assert_eq!(tools.at("/result/resultType"), "complete", "{}", tools.raw());
    let echo = client.request("tools/call", &params(r#""name":"echo","arguments":{"text":"hi"}"#)).await;
    assert_eq!((echo.text(), echo.at("/result/resultType").as_str()), ("hi", Some("complete")));
    // A question becomes a result that wants the request again, with the answer in it.
    let asked = client.request("tools/call", &params(r#""name":"roots","arguments":{}"#)).await;
    assert_eq!(asked.at("/result/resultType"), "input_required", "{}", asked.raw());
    let requests = asked.at("/result/inputRequests").as_object().expect("questions").clone();
    let key = requests.keys().next().expect("a question");
    let state = asked.at("/result/requestState");
    let again = format!(
        r#""name":"roots","arguments":{{}},"inputResponses":{{"{key}":{{"roots":[]}}}},"requestState":{state}"#
    );
    let answered = client.request("tools/call", &params(&again)).await;
    assert!(answered.text().contains(r#""roots":[]"#), "{}", answered.raw());
    client.close().await;
}

#[tokio::test]
async fn changes_are_heard_by_whoever_listens() {
    let gateway = program("", "probe --full").await;
    let mut client = WebSocketClient::open(&ws(&gateway)).await;
    let listening = client.send("subscriptions/listen", &params(r#""notifications":{"toolsListChanged":true}"#)).await;
    let acknowledged = client.message().await;
    assert_eq!(acknowledged.method(), Some("notifications/subscriptions/acknowledged"), "{}", acknowledged.raw());
    client.request("tools/call", &params(r#""name":"listchanged","arguments":{}"#)).await;
    let heard = |client: &WebSocketClient| {
        client.passed.iter().any(|message| message.method() == Some("notifications/tools/list_changed"))
    };
    while !heard(&client) {
        let next = client.message().await;
        client.passed.push(next);
    }
    client.notify("notifications/cancelled", &format!(r#"{{"requestId":{listening}}}"#)).await;
    let echo = client.request("tools/call", &params(r#""name":"echo","arguments":{"text":"on"}"#)).await;
    assert_eq!(echo.text(), "on");
}

#[tokio::test]
async fn a_client_that_vanishes_in_mid_call_cancels_it() {
    let server = WebSocketServer::builder().start().await;
    let scene = remote(&server.url(), |_| {}).await;
    let mut client = WebSocketClient::open(&scene.ws()).await;
    client.send("tools/call", &params(r#""name":"slow","arguments":{}"#)).await;
    assert!(server.wait_rpc(SOON, "tools/call").await);
    client.reset();
    assert!(server.wait_rpc(SOON, "notifications/cancelled").await, "the call goes on");
    let (call, cancelled) = (server.seen_rpc("tools/call").remove(0), server.seen_rpc("notifications/cancelled"));
    assert_eq!(cancelled[0].at("/params/requestId"), call.at("/id"));
}

#[tokio::test]
async fn a_server_without_handshake_serves_both_kinds_of_clients() {
    let discovered = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete","serverInfo":{"name":"new","version":"1"}}"#;
    let result = r#"{"content":[{"type":"text","text":"new"}],"resultType":"complete"}"#;
    let server = WebSocketServer::builder().on("server/discover", discovered).on("tools/call", result);
    let server = server.without_handshake().start().await;
    let scene = remote(&server.url(), |_| {}).await;
    let mut new = WebSocketClient::open(&scene.ws()).await;
    let answer = new.request("tools/call", &params(r#""name":"any","arguments":{}"#)).await;
    assert_eq!((answer.text(), answer.at("/result/resultType").as_str()), ("new", Some("complete")));
    let call = server.seen_rpc("tools/call").remove(0);
    assert_eq!(call.at("/params/_meta/io.modelcontextprotocol~1protocolVersion"), "2026-07-28");
    let mut old = WebSocketClient::open(&scene.ws()).await;
    old.initialize(VERSION, "{}").await;
    assert_eq!(old.call("any", "{}").await.text(), "new");
}

#[tokio::test]
async fn nothing_is_left_of_a_socket_without_handshake() {
    let gateway = program("", "probe").await;
    let mut client = WebSocketClient::open(&ws(&gateway)).await;
    client.request("tools/list", &params("")).await;
    client.close().await;
    let left = || async { gateway.client().get("/health", &[]).await.json()["active_sessions"] == 0 };
    assert!(eventually_with(SOON, left).await);
}
