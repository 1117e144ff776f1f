//! Connections: in all, and of one address.

use std::net::SocketAddr;

use janua::config::Limits;
use janua_testkit::client::faults::RawSocket;
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
    assert_refused(&scene.try_open().await, 503);
    let answer = scene.client().get("/health", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, Some("close")));
    drop(held);
    // The one that asks.
    scene.reaches("connections", 1).await;
    scene.recovers().await;
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
    scene.recovers().await;
}

/// A connection from an address of this machine, 127.0.0.`last`.
async fn from_address(scene: &Scene, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).expect("every address of 127/8 is ours");
    socket.connect(scene.proxy.address()).await.expect("it is accepted")
}

/// Sends a request without a body and gives the whole answer.
async fn request(scene: &Scene, mut socket: TcpStream, lines: &str) -> String {
    let request = format!("GET {lines}host: {}\r\nconnection: close\r\n\r\n", scene.address());
    socket.write_all(request.as_bytes()).await.expect("it is read");
    let mut text = String::new();
    socket.read_to_string(&mut text).await.expect("an answer");
    text
}

const ENDPOINT: &str = "/mcp HTTP/1.1\r\n";

#[tokio::test]
async fn one_address_does_not_take_the_place_of_others() {
    let (_server, scene) = gated(Limits { source_connections: 2, ..Limits::default() }).await;
    let held = [from_address(&scene, 2).await, from_address(&scene, 2).await];
    scene.reaches("source_connections", 2).await;
    let text = request(&scene, from_address(&scene, 2).await, ENDPOINT).await;
    assert!(text.starts_with("HTTP/1.1 429 ") && text.contains("\r\nretry-after: 1\r\n"), "{text}");
    assert!(text.contains("from your address"), "{text}");
    let text = request(&scene, from_address(&scene, 3).await, ENDPOINT).await;
    assert!(text.starts_with("HTTP/1.1 406 "), "it gets as far as the endpoint: {text}");
    // A reverse proxy on this machine stands for many.
    let many = [silent(&scene).await, silent(&scene).await, silent(&scene).await];
    scene.open().await;
    drop((held, many));
    scene.reaches("source_connections", 0).await;
    assert_eq!(scene.limit("source_connections").await.1, 1);
    let text = request(&scene, from_address(&scene, 2).await, ENDPOINT).await;
    assert!(text.starts_with("HTTP/1.1 406 "), "{text}");
}

#[tokio::test]
async fn a_web_socket_stays_a_connection() {
    let (_server, scene) = gated(Limits { source_connections: 1, ..Limits::default() }).await;
    let mut socket = from_address(&scene, 2).await;
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        scene.address()
    );
    socket.write_all(upgrade.as_bytes()).await.expect("it is read");
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 101");
    scene.reaches("sessions", 1).await;
    let text = request(&scene, from_address(&scene, 2).await, ENDPOINT).await;
    assert!(text.starts_with("HTTP/1.1 429 "), "{text}");
    drop(socket);
    scene.reaches("source_connections", 0).await;
    scene.reaches("sessions", 0).await;
}
