//! Connections: in all, and of one address.

use std::net::SocketAddr;

use janua::config::Limits;
use janua_testkit::client::faults::RawSocket;
use janua_testkit::client::websocket::WebSocketClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::scene::{SOON, Scene, assert_refused, gated};

/// A connection that has said nothing yet.
async fn silent(scene: &Scene) -> RawSocket {
    RawSocket::open(&scene.address()).await
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_may_ask_for_the_health_report() {
    let (_server, scene) = gated(Limits { connections: 3, ..Limits::default() }).await;
    let held = [silent(&scene).await, silent(&scene).await, silent(&scene).await];
    scene.reaches("connections", 3).await;
    assert_refused(&scene.try_open().await, 503, "overloaded");
    let answer = scene.client().get("/health", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, Some("close")));
    drop(held);
    // The one that asks.
    scene.reaches("connections", 1).await;
    scene.open().await;
}

#[tokio::test]
async fn so_many_that_not_all_can_be_told_leave_nothing_behind() {
    let (_server, scene) = gated(Limits { connections: 1, ..Limits::default() }).await;
    let mut held = Vec::new();
    for _ in 0..150 {
        held.push(silent(&scene).await);
    }
    // The last were told in one write, and let go.
    let last = held.last_mut().expect("there are some");
    assert!(last.read_to_close(SOON).await);
    assert!(last.text().starts_with("HTTP/1.1 503 ") && last.text().contains("retry-after: 1"), "{}", last.text());
    drop(held);
    scene.reaches("connections", 1).await;
    let (_, rejected) = scene.limit("connections").await;
    assert!(rejected >= 149, "{rejected}");
    scene.open().await;
}

/// A connection from another address of this machine.
async fn from_address(scene: &Scene, address: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((address, 0))).expect("every address of 127/8 is ours");
    socket.connect(scene.proxy.address()).await.expect("it is accepted")
}

async fn health(scene: &Scene, mut socket: TcpStream) -> String {
    let request = format!("GET /mcp HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", scene.address());
    socket.write_all(request.as_bytes()).await.expect("it is read");
    let mut text = String::new();
    socket.read_to_string(&mut text).await.expect("an answer");
    text
}

#[tokio::test]
async fn one_address_does_not_take_the_place_of_others() {
    let (_server, scene) = gated(Limits { source_connections: 2, ..Limits::default() }).await;
    let held = [silent(&scene).await, silent(&scene).await];
    scene.reaches("source_connections", 2).await;
    assert_refused(&scene.try_open().await, 429, "too_many_requests");
    let text = health(&scene, from_address(&scene, [127, 0, 0, 1]).await).await;
    assert!(text.starts_with("HTTP/1.1 429 ") && text.contains("from your address"), "{text}");
    let text = health(&scene, from_address(&scene, [127, 0, 0, 2]).await).await;
    assert!(text.starts_with("HTTP/1.1 406 "), "it gets as far as the endpoint: {text}");
    drop(held);
    scene.reaches("source_connections", 1).await;
    scene.open().await;
}

#[tokio::test]
async fn a_web_socket_stays_a_connection() {
    let (_server, scene) = gated(Limits { source_connections: 2, ..Limits::default() }).await;
    let url = format!("ws://{}/ws", scene.address());
    let first = WebSocketClient::open(&url).await;
    let second = WebSocketClient::open(&url).await;
    assert_refused(&scene.try_open().await, 429, "too_many_requests");
    first.close().await;
    second.close().await;
    scene.reaches("source_connections", 1).await;
    scene.open().await;
}
