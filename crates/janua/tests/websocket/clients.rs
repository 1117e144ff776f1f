//! Clients on a WebSocket: the upgrade, and messages both ways.

use janua::config::Share;
use janua_testkit::client::faults::{RawSocket, raw_socket};
use janua_testkit::client::websocket::WebSocketClient;
use janua_testkit::process::eventually;
use tokio::task::JoinSet;

use crate::scene::{CAPABLE, SOON, VERSION, both, both_with, handshake, open, program};

#[tokio::test]
async fn everything_passes_between_two_sockets() {
    let (server, scene) = both().await;
    let mut client = WebSocketClient::open(&scene.ws()).await;
    assert_eq!(client.subprotocol.as_deref(), Some("mcp"));
    let opening = client.initialize("2025-06-18", CAPABLE).await;
    assert_eq!(opening.at("/result/protocolVersion"), "2025-06-18");
    assert_eq!(opening.at("/result/serverInfo/name"), "scripted");
    let tools = client.request("tools/list", "").await;
    assert_eq!(tools.at("/result/tools/0/name"), "echo");
    assert_eq!(client.call("echo", r#"{"text":"é 🚪"}"#).await.text(), "é 🚪");

    let params = r#"{"name":"progress","arguments":{"steps":3},"_meta":{"progressToken":"tok"}}"#;
    assert_eq!(client.request("tools/call", params).await.text(), "done");
    let told: Vec<_> = client.passed.drain(..).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|message| message.at("/params/progressToken") == "tok"));

    for method in ["roots/list", "sampling/createMessage", "elicitation/create"] {
        let id = client.send("tools/call", &format!(r#"{{"name":"ask","arguments":{{"method":"{method}"}}}}"#)).await;
        let question = client.message().await;
        assert_eq!(question.method(), Some(method));
        client.respond(&question.id().expect("a question has an id"), r#"{ "mine" : 1.0 }"#).await;
        assert_eq!(client.response(&id).await.text(), r#"{ "mine" : 1.0 }"#);
    }
    client.notify("notifications/roots/list_changed", "").await;
    assert!(server.wait_rpc(SOON, "notifications/roots/list_changed").await);
    server.push(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#).await;
    assert_eq!(client.message().await.method(), Some("notifications/tools/list_changed"));
    client.close().await;
    assert!(eventually(SOON, || server.open() == 0).await, "the server's socket is still open");
}

#[tokio::test]
async fn a_program_is_reached_and_ends_with_the_socket() {
    let gateway = program("", "probe").await;
    let mut client = open(&gateway).await;
    assert_eq!(client.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let id = client.send("tools/call", r#"{"name":"sample","arguments":{}}"#).await;
    let question = client.message().await;
    assert_eq!(question.method(), Some("sampling/createMessage"));
    client.respond(&question.id().expect("an id"), r#"{"role":"assistant"}"#).await;
    assert_eq!(client.response(&id).await.text(), r#"{"result":{"role":"assistant"}}"#);
    client.close().await;
    crate::scene::empty(&gateway).await;
}

#[tokio::test]
async fn ids_and_results_keep_their_bytes() {
    let odd = r#"{ "n":12345678901234567890123 ,"f":1.0,"_x":{"$y":[null]},"u":"\u00e9é"}"#;
    let server = janua_testkit::upstream::websocket::WebSocketServer::builder().on("acme/odd", odd).start().await;
    let scene = crate::scene::remote(&server.url(), |_| {}).await;
    let mut client = scene.open().await;
    let id = r#""\u0069d-9007199254740993""#;
    client.write_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"acme/odd","params":{{"k":1.50}}}}"#)).await;
    let response = client.response(id).await;
    assert_eq!(response.member("result").as_deref(), Some(odd));
    let asked = server.seen_rpc("acme/odd").remove(0);
    assert_eq!(asked.member("params").as_deref(), Some(r#"{"k":1.50}"#));
}

#[tokio::test]
async fn sockets_with_equal_ids_never_meet() {
    let (server, scene) = both().await;
    let mut clients = JoinSet::new();
    for number in 0..20 {
        let url = scene.ws();
        clients.spawn(async move {
            let mut client = WebSocketClient::open(&url).await;
            client.initialize(VERSION, "{}").await;
            for round in 0..10 {
                let text = format!("client {number} round {round}");
                let answer = client.call("echo", &format!(r#"{{"text":"{text}"}}"#)).await;
                assert_eq!(answer.text(), text);
            }
            client.close().await;
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("every client got its own answers");
    }
    assert!(eventually(SOON, || server.open() == 0).await);
    assert_eq!(server.knocks().len(), 20, "a socket for each");
}

#[tokio::test]
async fn a_cancelled_call_is_not_answered_and_the_socket_goes_on() {
    let (server, scene) = both().await;
    let mut client = scene.open().await;
    let id = client.send("tools/call", r#"{"name":"slow","arguments":{}}"#).await;
    assert!(server.wait_rpc(SOON, "tools/call").await);
    client.notify("notifications/cancelled", &format!(r#"{{"requestId":{id},"reason":"enough"}}"#)).await;
    assert_eq!(client.call("echo", r#"{"text":"on"}"#).await.text(), "on");
    assert!(client.passed.is_empty(), "{:?}", client.passed);
    let (call, cancelled) = (server.seen_rpc("tools/call").remove(0), server.seen_rpc("notifications/cancelled"));
    assert_eq!(cancelled[0].at("/params/requestId"), call.at("/id"));
    assert_eq!(cancelled[0].at("/params/reason"), "enough");
}

#[tokio::test]
async fn foreign_pages_and_names_get_no_socket() {
    let (server, scene) = both().await;
    let ours = scene.proxy.address();
    for (header, value) in [
        ("origin", "https://evil.test"),
        ("origin", "null"),
        ("origin", "http://localhost.evil.test"),
        ("host", "evil.test"),
    ] {
        let refused = WebSocketClient::try_open(&scene.ws(), &[(header, value)]).await.expect_err(value);
        assert_eq!(refused.status, 403, "{header}: {value}: {}", refused.body);
    }
    let local = format!("http://localhost:{}", ours.port());
    assert!(WebSocketClient::try_open(&scene.ws(), &[("origin", &local)]).await.is_ok());
    assert!(server.knocks().is_empty());
}

#[tokio::test]
async fn what_is_no_upgrade_is_told_so() {
    let (_server, scene) = both().await;
    let plain = scene.http().get("/ws", &[]).await;
    assert_eq!((plain.status.as_u16(), plain.header("upgrade")), (426, Some("websocket")));
    let posted = scene.http().post("/ws", "{}", &[("content-type", "application/json")]).await;
    assert_eq!(posted.status.as_u16(), 405);
    let authority = scene.proxy.address().to_string();
    let proper = handshake(&authority, &["Connection: close"]);
    for (from, to, status) in [
        ("Version: 13", "Version: 8", "426"),
        ("Sec-WebSocket-Version: 13\r\n", "", "426"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", "400"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "400"),
        ("Upgrade: websocket", "Upgrade: h2c", "426"),
    ] {
        let answer = raw_socket(&authority, proper.replacen(from, to, 1).as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{from} -> {to}: {answer}");
    }
    let (_server, alone) = both_with(|options| options.share = Share::All).await;
    let refused = WebSocketClient::try_open(&alone.ws(), &[]).await.expect_err("a socket is a session");
    assert_eq!(refused.status, 404);
    let (_server, off) = both_with(|options| options.ws_path = String::new()).await;
    assert_eq!(WebSocketClient::try_open(&off.ws(), &[]).await.expect_err("not served").status, 404);
}

#[tokio::test]
async fn the_handshake_is_that_of_the_standard() {
    let (_server, scene) = both().await;
    let authority = scene.proxy.address().to_string();
    let cases: &[(&[&str], bool)] = &[
        (&[], false),
        (&["Sec-WebSocket-Protocol: mcp"], true),
        (&["Sec-WebSocket-Protocol: graphql-ws, mcp"], true),
        (&["Sec-WebSocket-Protocol: graphql-ws", "Sec-WebSocket-Protocol: mcp"], true),
        (&["Sec-WebSocket-Protocol: graphql-ws"], false),
        (&["Sec-WebSocket-Extensions: permessage-deflate"], false),
    ];
    for (lines, selected) in cases {
        let mut socket = RawSocket::open(&authority).await;
        socket.write(handshake(&authority, lines).as_bytes()).await.expect("it is read");
        assert!(socket.read_until("\r\n\r\n", SOON).await);
        let head = socket.text().to_ascii_lowercase();
        // The key's answer as RFC 6455, 1.3 has it.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
        assert_eq!(head.contains("sec-websocket-protocol: mcp\r\n"), *selected, "{lines:?}: {head}");
        assert!(!head.contains("permessage-deflate"), "{head}");
    }
}

#[tokio::test]
async fn batches_are_taken_apart_where_the_revision_has_them() {
    let (_server, scene) = both().await;
    let batch = r#"[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","id":"b","method":"tools/list"}]"#;
    let mut old = WebSocketClient::open(&scene.ws()).await;
    old.initialize("2025-03-26", "{}").await;
    old.write_line(batch).await;
    let mut answered = [old.message().await, old.message().await].map(|answer| answer.id().expect("an id"));
    answered.sort();
    assert_eq!(answered, ["\"a\"", "\"b\""]);
    let mut new = scene.open().await;
    new.write_line(batch).await;
    assert_eq!(new.message().await.error_code(), Some(-32600));
}

#[tokio::test]
async fn a_request_before_initialize_is_refused() {
    let (_server, scene) = both().await;
    let mut client = WebSocketClient::open(&scene.ws()).await;
    assert_eq!(client.request("tools/list", "").await.error_code(), Some(-32600));
    client.initialize(VERSION, "{}").await;
    assert_eq!(client.request("initialize", "{}").await.error_code(), Some(-32600));
    assert_eq!(client.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}
