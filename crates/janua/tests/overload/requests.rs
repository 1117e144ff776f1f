//! Requests: in all, of one server, of one session, and the bytes of their bodies.

use futures_util::future::join_all;
use janua::config::Limits;
use janua_testkit::client::faults::RawSocket;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::websocket::{Came, WebSocketClient};

use crate::scene::{SOON, Scene, VERSION, assert_refused, gated, head, opening_of};

async fn sessions(scene: &Scene, count: usize) -> Vec<Session> {
    join_all((0..count).map(|_| scene.open())).await
}

/// `each` calls of every session at once, which wait until they are released.
async fn slow_calls(sessions: &[Session], each: usize) -> Vec<Reply> {
    let calls = sessions.iter().flat_map(|session| (0..each).map(|_| session.call("slow", "{}")));
    join_all(calls).await
}

fn served(replies: &[Reply]) -> usize {
    replies.iter().filter(|reply| reply.error_code().is_none()).count()
}

#[tokio::test]
async fn a_request_too_many_is_refused_before_its_body_is_sent() {
    let (server, scene) = gated(Limits { requests: 3, ..Limits::default() }).await;
    let session = [scene.open().await];
    for round in 1..=2 {
        let refused = async {
            scene.reaches("requests", 3).await;
            let mut socket = RawSocket::open(&scene.address()).await;
            socket.write(&head(&scene, "content-length: 1000\r\n")).await.expect("it is read");
            assert!(socket.read_until("\r\n\r\n", SOON).await);
            let text = socket.text();
            assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nretry-after: 1\r\n"), "{text}");
            assert!(socket.read_until("\"code\":\"overloaded\"", SOON).await, "{}", socket.text());
            // The same with a body that is there.
            assert_refused(&scene.try_open().await, 503);
            assert_eq!(scene.limit("requests").await, (3, 2 * round));
            server.release(3);
        };
        let (replies, ()) = tokio::join!(slow_calls(&session, 3), refused);
        assert_eq!(served(&replies), 3);
        scene.reaches("requests", 0).await;
    }
    assert_eq!(scene.limit("server_requests").await, (0, 0));
}

#[tokio::test]
async fn a_server_has_its_share_and_no_more() {
    let (server, scene) = gated(Limits { server_requests: 4, ..Limits::default() }).await;
    let two = sessions(&scene, 2).await;
    for round in 1..=2 {
        let release = async {
            scene.refused("server_requests", 2 * round).await;
            assert_eq!(scene.limit("server_requests").await.0, 4);
            server.release(4);
        };
        let (replies, ()) = tokio::join!(slow_calls(&two, 3), release);
        assert_eq!((replies.len(), served(&replies)), (6, 4));
        for refused in replies.iter().filter(|reply| reply.error_code().is_some()) {
            assert_refused(refused, 429);
            assert!(refused.response().id().is_some_and(|id| id != "null"), "{}", refused.raw());
        }
        scene.reaches("server_requests", 0).await;
    }
}

#[tokio::test]
async fn a_session_has_its_share_and_takes_nothing_of_another() {
    let (server, scene) = gated(Limits { session_requests: 2, ..Limits::default() }).await;
    let two = sessions(&scene, 2).await;
    let release = async {
        scene.refused("session_requests", 4).await;
        assert_eq!(scene.limit("session_requests").await.0, 2);
        server.release(4);
    };
    let (replies, ()) = tokio::join!(slow_calls(&two, 4), release);
    for half in replies.chunks(4) {
        assert_eq!(served(half), 2);
        half.iter().filter(|reply| reply.error_code().is_some()).for_each(|refused| {
            assert_refused(refused, 429);
        });
    }
    scene.reaches("session_requests", 0).await;
    scene.reaches("requests", 0).await;
}

#[tokio::test]
async fn a_call_whose_client_has_left_keeps_its_place_until_its_end() {
    let (server, scene) = gated(Limits { requests: 2, ..Limits::default() }).await;
    let session = scene.open().await;
    for _ in 0..2 {
        let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"slow","arguments":{}}}"#;
        let before = scene.limit("requests").await.0;
        let named = format!("mcp-session-id: {}\r\n", session.id.as_deref().expect("a session"));
        let mut socket = RawSocket::open(&scene.address()).await;
        let head = head(&scene, &format!("{named}content-length: {}\r\n", body.len()));
        socket.write(&[head, body.replace('7', &before.to_string()).into_bytes()].concat()).await.expect("it is read");
        scene.reaches("server_requests", before + 1).await;
        socket.reset();
    }
    assert_eq!(scene.limit("requests").await.0, 2);
    assert_refused(&scene.try_open().await, 503);
    server.release(2);
    scene.reaches("requests", 0).await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}

#[tokio::test]
async fn bodies_are_bounded_together() {
    let (_server, scene) = gated(Limits { body_bytes: 2000, ..Limits::default() }).await;
    let mut slow = RawSocket::open(&scene.address()).await;
    slow.write(&head(&scene, "content-length: 1800\r\n")).await.expect("it is read");
    slow.write(&opening_of(1800).as_bytes()[..1500]).await.expect("it is read");
    scene.reaches("body_bytes", 1500).await;
    let mut refused = RawSocket::open(&scene.address()).await;
    refused.write(&head(&scene, "content-length: 600\r\n")).await.expect("it is read");
    refused.write(opening_of(600).as_bytes()).await.expect("it is read");
    assert!(refused.read_until("\"code\":\"overloaded\"", SOON).await, "{}", refused.text());
    assert!(refused.text().starts_with("HTTP/1.1 503 "), "{}", refused.text());
    assert_eq!(scene.limit("body_bytes").await, (1500, 1));
    slow.write(&opening_of(1800).as_bytes()[1500..]).await.expect("it is read");
    assert!(slow.read_until("\"serverInfo\"", SOON).await, "{}", slow.text());
    scene.reaches("body_bytes", 0).await;
    // An upload that is cut off gives back what it took.
    let mut cut = RawSocket::open(&scene.address()).await;
    cut.write(&head(&scene, "content-length: 1800\r\n")).await.expect("it is read");
    cut.write(&opening_of(1800).as_bytes()[..1500]).await.expect("it is read");
    scene.reaches("body_bytes", 1500).await;
    cut.reset();
    scene.reaches("body_bytes", 0).await;
    scene.reaches("requests", 0).await;
}

#[tokio::test]
async fn sessions_are_bounded_over_every_transport() {
    let (_server, scene) = gated(Limits { sessions: 2, ..Limits::default() }).await;
    let session = scene.open().await;
    let base = format!("http://{}", scene.address());
    let mut over_sse = SseSession::open(&base, "/sse").await;
    over_sse.initialize("2024-11-05", "{}").await;
    assert_refused(&scene.try_open().await, 503);
    let answer = scene.client().get("/sse", &[("accept", "text/event-stream")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("300")));
    let socket = WebSocketClient::try_open(&format!("ws://{}/ws", scene.address()), &[]).await;
    assert!(socket.is_err(), "a third session");
    assert_eq!(scene.limit("sessions").await, (2, 3));
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    session.delete().await;
    drop(over_sse);
    scene.reaches("sessions", 0).await;
    scene.open().await;
}

#[tokio::test]
async fn what_one_socket_sends_too_much_is_refused_on_it() {
    let (server, scene) = gated(Limits { requests: 2, ..Limits::default() }).await;
    let mut socket = WebSocketClient::open(&format!("ws://{}/ws", scene.address())).await;
    socket.initialize(VERSION, "{}").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(socket.send("tools/call", r#"{"name":"slow","arguments":{}}"#).await);
    }
    let refused = socket.response(&ids[2]).await;
    assert_eq!(refused.at("/error/data/code").as_str(), Some("overloaded"), "{}", refused.raw());
    server.release(2);
    let mut served = [socket.message().await, socket.message().await].map(|message| message.id());
    served.sort();
    assert_eq!(served, [Some(ids[0].clone()), Some(ids[1].clone())]);
    scene.reaches("requests", 0).await;
}

#[tokio::test]
async fn streams_of_changes_on_one_socket_are_bounded() {
    let (_server, scene) = gated(Limits { session_requests: 3, ..Limits::default() }).await;
    let mut socket = WebSocketClient::open(&format!("ws://{}/ws", scene.address())).await;
    let params = r#"{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    let mut acknowledged = 0;
    for _ in 0..4 {
        socket.send("subscriptions/listen", params).await;
        let Came::Text(text) = socket.read().await else { panic!("an answer was due") };
        acknowledged += usize::from(text.contains("subscriptions/acknowledged"));
        let refused = text.contains("\"overloaded\"");
        assert_eq!(refused, acknowledged == 3 && !text.contains("acknowledged"), "{text}");
    }
    assert_eq!(acknowledged, 3);
    assert_eq!(scene.limit("streams").await, (3, 0));
    socket.close().await;
    scene.reaches("streams", 0).await;
}

#[tokio::test]
async fn ten_times_the_load_gets_as_much_done_as_the_most_it_can_take() {
    const MOST: usize = 8;
    const ROUNDS: usize = 5;
    let (server, scene) = gated(Limits { server_requests: MOST, ..Limits::default() }).await;
    let many = sessions(&scene, 10).await;
    let mut done = [0, 0];
    for (at, clients) in [&many[..1], &many[..]].into_iter().enumerate() {
        for _ in 0..ROUNDS {
            let refused_before = scene.limit("server_requests").await.1;
            let release = async {
                let too_many = (clients.len() * MOST - MOST) as u64;
                // Everybody who is refused knows it while those who were not still wait, and so does the report.
                scene.refused("server_requests", refused_before + too_many).await;
                scene.reaches("server_requests", MOST as u64).await;
                server.release(MOST);
            };
            let (replies, ()) = tokio::join!(slow_calls(clients, MOST), release);
            done[at] += served(&replies);
            assert!(replies.iter().all(|reply| reply.error_code().is_none() || reply.status.as_u16() == 429));
            scene.reaches("server_requests", 0).await;
        }
    }
    assert_eq!(done, [ROUNDS * MOST, ROUNDS * MOST]);
    scene.reaches("requests", 0).await;
}
