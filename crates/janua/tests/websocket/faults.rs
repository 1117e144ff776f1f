//! Frames that are no messages, messages that are too large, and clients that do not keep up.

use std::time::Duration;

use janua_testkit::client::faults::RawSocket;
use janua_testkit::client::websocket::{Came, Frame, WebSocketClient};
use janua_testkit::process::eventually;

use crate::scene::{SOON, Scene, both, both_with, open, program};

/// A frame as a client masks it, with the mask 0.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    assert!(length < 126, "a short frame");
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Reads what the gateway says to these bytes until it closes; gives the code of its goodbye.
async fn goodbye(scene: &Scene, bytes: &[u8]) -> u16 {
    let mut socket = scene.by_hand().await;
    let head = socket.received().len();
    socket.write(bytes).await.expect("it is read");
    assert!(socket.read_to_close(SOON).await, "it stays open");
    let said = &socket.received()[head..];
    let at = said.iter().position(|byte| *byte == 0x88).expect("a goodbye");
    u16::from_be_bytes([said[at + 2], said[at + 3]])
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_socket_goes_on() {
    let (server, scene) = both().await;
    let mut client = scene.open().await;
    for (text, wanted) in [
        ("nonsense", -32700),
        ("", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"#, -32700),
        (r#"{"hello":1}"#, -32600),
        ("[]", -32600),
    ] {
        client.write_line(text).await;
        let answer = client.message().await;
        assert_eq!(answer.error_code(), Some(wanted), "{text}: {}", answer.raw());
    }
    // A text over several lines is one message all the same.
    client.write_line("{\"jsonrpc\":\"2.0\",\n \"id\":77,\r\n \"method\":\"ping\"}\n").await;
    assert!(client.message().await.answers("77"));
    assert_eq!(client.call("echo", r#"{"text":"on"}"#).await.text(), "on");
    // The handshake, the ping, the call, and nothing of the rest.
    assert_eq!(server.seen().len(), 4, "{:?}", server.seen());
}

#[tokio::test]
async fn a_binary_frame_ends_the_socket() {
    let (server, scene) = both().await;
    let mut client = scene.open().await;
    client.write(Frame::binary(&br#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#[..])).await.expect("it is read");
    assert_eq!(client.end().await.map(|(code, _)| code), Some(1003));
    assert!(client.passed.is_empty());
    assert!(eventually(SOON, || server.open() == 0).await, "its server is still there");
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_socket_with_its_code() {
    let (_server, scene) = both().await;
    assert_eq!(goodbye(&scene, &masked(0x81, b"\xff\xfe")).await, 1007, "no UTF-8");
    assert_eq!(goodbye(&scene, &masked(0x83, b"{}")).await, 1002, "a reserved kind of frame");
    assert_eq!(goodbye(&scene, &masked(0xc1, b"{}")).await, 1002, "compressed, which was not agreed on");
    assert_eq!(goodbye(&scene, &masked(0x80, b"{}")).await, 1002, "the rest of nothing");
    assert_eq!(goodbye(&scene, &masked(0x09, b"{}")).await, 1002, "a ping in pieces");
    assert_eq!(goodbye(&scene, b"\x81\x02{}").await, 1002, "not masked");
    assert_eq!(goodbye(&scene, &masked(0x88, &1000u16.to_be_bytes())).await, 1000, "a goodbye is returned");
}

#[tokio::test]
async fn a_message_in_pieces_is_one_message() {
    let (_server, scene) = both().await;
    let mut socket = scene.by_hand().await;
    let text = br#"{"jsonrpc":"2.0","id":"in pieces","method":"nothing"}"#;
    let (first, rest) = text.split_at(10);
    let (second, third) = rest.split_at(20);
    let frames = [masked(0x01, first), masked(0x89, b"are you there"), masked(0x00, second), masked(0x80, third)];
    for frame in frames {
        socket.write_slowly(&frame, 3, Duration::from_millis(1)).await.expect("it is read");
    }
    assert!(socket.read_until("in pieces", SOON).await, "{}", socket.text());
    assert!(socket.text().contains("are you there"), "the ping between the pieces was not answered");
}

#[tokio::test]
async fn a_message_above_the_limit_is_told_and_ends_the_socket() {
    let (server, scene) = both().await;
    let mut client = scene.open().await;
    let fitting = "x".repeat(3 << 20);
    assert_eq!(client.call("echo", &format!(r#"{{"text":"{fitting}"}}"#)).await.text(), fitting);
    let calls = server.seen_rpc("tools/call").len();
    let text = format!(r#"{{"jsonrpc":"2.0","id":9,"method":"ping","params":{{"x":"{}"}}}}"#, "x".repeat(5 << 20));
    // It may be refused before it was written whole.
    let _ = client.write(Frame::text(text)).await;
    let end = client.end().await;
    assert_eq!(end.map(|(code, _)| code), Some(1009));
    assert_eq!(client.passed.len(), 1);
    assert_eq!(client.passed[0].error_code(), Some(-32600), "{}", client.passed[0].raw());
    assert_eq!(server.seen_rpc("tools/call").len(), calls);
    assert_eq!(scene.open().await.call("echo", r#"{"text":"on"}"#).await.text(), "on");
}

#[tokio::test]
async fn pieces_that_add_up_above_the_limit_end_the_socket() {
    let (_server, scene) = both_with(|options| options.limits.request_body = 1000).await;
    let mut bytes = masked(0x01, &[b'x'; 100]);
    for _ in 0..20 {
        bytes.extend(masked(0x00, &[b'x'; 100]));
    }
    assert_eq!(goodbye(&scene, &bytes).await, 1009);
}

#[tokio::test]
async fn ten_megabytes_come_down_whole() {
    let gateway = program("", "hostile big-result 10000000").await;
    let mut client = open(&gateway).await;
    let answer = client.call("act", "{}").await;
    assert!(answer.raw().len() > 10_000_000, "{}", answer.raw().len());
    answer.result();
    assert_eq!(client.call("echo", r#"{"text":"on"}"#).await.text(), "on");
}

#[tokio::test]
async fn a_client_that_answers_no_pings_is_given_up() {
    let (server, scene) = both_with(|options| options.limits.keep_alive = Duration::from_millis(50)).await;
    let mut living = scene.open().await;
    let mut silent = scene.by_hand().await;
    let silence = async {
        assert!(silent.read_to_close(SOON).await, "it is kept");
        let pings = silent.received().windows(2).filter(|frame| *frame == [0x89, 0]).count();
        assert!(pings >= 2, "it was asked {pings} times only");
    };
    // One that does answer, because it reads, stays.
    tokio::select! {
        () = silence => {}
        came = living.read_within(SOON * 2) => panic!("{came:?}"),
    }
    assert!(living.pings >= 3, "it was asked {} times only", living.pings);
    assert_eq!(living.call("echo", r#"{"text":"here"}"#).await.text(), "here");
    assert_eq!(server.open(), 1);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_given_up() {
    let (_server, scene) = both_with(|options| {
        options.limits.session_idle = Duration::from_millis(100);
        options.limits.keep_alive = Duration::from_millis(20);
    })
    .await;
    let mut mute = WebSocketClient::open(&scene.ws()).await;
    assert_eq!(mute.end().await.map(|(code, _)| code), Some(1008));
    // Once it has spoken, a quiet client is kept as long as it answers pings.
    let mut quiet = scene.open().await;
    while quiet.pings < 20 {
        assert_eq!(quiet.read_within(Duration::from_millis(50)).await, None);
    }
    assert_eq!(quiet.call("echo", r#"{"text":"here"}"#).await.text(), "here");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let big = format!(r#"{{"text":"{}"}}"#, "x".repeat(8_000_000));
    let server = janua_testkit::upstream::websocket::WebSocketServer::builder().on("acme/big", &big).start().await;
    let scene = crate::scene::remote(&server.url(), |options| {
        options.limits.write_stall = Duration::from_millis(200);
    })
    .await;
    let mut deaf = scene.by_hand().await;
    let opening = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    deaf.write(&masked(0x81, opening.as_bytes())).await.expect("it is read");
    assert!(deaf.read_until("scripted", SOON).await);
    for id in 2..6 {
        let asked = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"acme/big"}}"#);
        deaf.write(&masked(0x81, asked.as_bytes())).await.expect("it is read");
    }
    assert!(eventually(SOON, || server.open() == 0).await, "its session goes on");
    assert_eq!(scene.open().await.call("echo", r#"{"text":"on"}"#).await.text(), "on");
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let big = format!(r#"{{"text":"{}"}}"#, "x".repeat(8_000_000));
    let server = janua_testkit::upstream::websocket::WebSocketServer::builder().on("acme/big", &big).start().await;
    let scene = crate::scene::remote(&server.url(), |options| {
        options.limits.write_stall = Duration::from_secs(1);
    })
    .await;
    let mut client = scene.open().await;
    client.send("acme/big", "").await;
    let slow: &mut tokio::net::TcpStream = client.connection();
    // Reading a little now and then is enough to stay.
    let mut read = 0;
    let mut piece = vec![0; 32 << 10];
    while read < big.len() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let count = tokio::io::AsyncReadExt::read(slow, &mut piece).await.expect("it stays open");
        assert!(count > 0, "it was closed after {read} bytes");
        read += count;
    }
    assert_eq!(server.open(), 1);
}

#[tokio::test]
async fn a_connection_that_never_becomes_a_socket_leaves_no_session() {
    let gateway = program("", "probe").await;
    for _ in 0..10 {
        let mut socket = RawSocket::open(gateway.authority()).await;
        socket.write(crate::scene::handshake(gateway.authority(), &[]).as_bytes()).await.expect("it is read");
        socket.reset();
    }
    let none = || async { gateway.client().get("/health", &[]).await.json()["active_sessions"] == 0 };
    assert!(janua_testkit::process::eventually_with(SOON, none).await);
}

#[tokio::test]
async fn what_a_client_sends_too_much_at_once_is_refused_and_answered() {
    let (server, scene) = both_with(|options| options.limits.session_requests = 4).await;
    let mut client = scene.open().await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(client.send("tools/call", r#"{"name":"slow","arguments":{}}"#).await);
    }
    for _ in 0..2 {
        let Came::Text(text) = client.read().await else { panic!("a refusal was due") };
        assert!(text.contains("overloaded"), "{text}");
    }
    server.release(4);
    for id in &ids[..4] {
        assert_eq!(client.response(id).await.text(), "waited");
    }
}
