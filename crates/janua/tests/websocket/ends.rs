//! How sockets end: by the client, by the server, by the gateway, in mid-call.

use janua_testkit::client::websocket::Frame;
use janua_testkit::process::{self, eventually};
use rustix::process::Signal;

use crate::scene::{SOON, below, both, code, empty, may_have_run, open, program};

#[tokio::test]
async fn a_client_that_vanishes_in_mid_call_leaves_nothing() {
    for reset in [true, false] {
        let gateway = program("", "probe").await;
        let mut client = open(&gateway).await;
        let grandchild: u32 = client.call("spawn", "{}").await.text().parse().expect("a process id");
        client.send("tools/call", r#"{"name":"slow","arguments":{"s":600}}"#).await;
        assert!(below(&gateway).contains(&grandchild));
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        empty(&gateway).await;
        assert!(process::wait_gone(grandchild, SOON).await, "what the server started goes on");
    }
}

#[tokio::test]
async fn a_goodbye_in_mid_call_ends_the_call() {
    let (server, scene) = both().await;
    let mut client = scene.open().await;
    client.send("tools/call", r#"{"name":"slow","arguments":{}}"#).await;
    assert!(server.wait_rpc(SOON, "tools/call").await);
    client.write(Frame::Close(None)).await.expect("it is read");
    assert!(client.end().await.is_some(), "the goodbye is returned");
    assert!(eventually(SOON, || server.open() == 0).await, "the call goes on");
    assert_eq!(server.farewells(), [Some(1000)]);
}

#[tokio::test]
async fn a_server_that_dies_in_mid_call_ends_the_socket_after_the_answer() {
    let gateway = program("", "hostile crash").await;
    let mut client = open(&gateway).await;
    let answer = client.call("act", "{}").await;
    assert_eq!(code(&answer), "server_exited", "{}", answer.raw());
    assert!(may_have_run(&answer), "{}", answer.raw());
    assert_eq!(client.end().await.map(|(code, _)| code), Some(1011));
    empty(&gateway).await;
    // Whoever comes back gets a new one.
    let mut again = open(&gateway).await;
    assert_eq!(again.call("echo", r#"{"text":"again"}"#).await.text(), "again");
}

#[tokio::test]
async fn a_server_that_ends_idle_ends_the_socket() {
    let gateway = program("", "hostile exit-idle 50").await;
    let mut client = open(&gateway).await;
    assert_eq!(client.end().await.map(|(code, _)| code), Some(1011));
    empty(&gateway).await;
}

#[tokio::test]
async fn a_stop_waits_for_what_runs_and_says_goodbye() {
    let mut gateway = program("", "probe").await;
    let mut busy = open(&gateway).await;
    let mut idle = open(&gateway).await;
    let id = busy.send("tools/call", r#"{"name":"slow","arguments":{"s":0.5}}"#).await;
    // The call has reached the server once something said after it was answered.
    busy.request("ping", "").await;
    let servers = below(&gateway);
    gateway.signal(Signal::TERM);
    assert_eq!(busy.response(&id).await.text(), "slept");
    assert_eq!(busy.end().await.map(|(code, _)| code), Some(1001));
    assert_eq!(idle.end().await.map(|(code, _)| code), Some(1001));
    assert_eq!(gateway.wait(SOON).await.status.code(), Some(0));
    for pid in servers {
        assert!(process::wait_gone(pid, SOON).await, "a server is left");
    }
}

#[tokio::test]
async fn a_stopping_gateway_opens_no_sockets() {
    let mut gateway = program("", "probe").await;
    let mut busy = open(&gateway).await;
    let id = busy.send("tools/call", r#"{"name":"slow","arguments":{"s":1}}"#).await;
    busy.request("ping", "").await;
    gateway.signal(Signal::TERM);
    let refused = async || tokio::net::TcpStream::connect(gateway.authority()).await.is_err();
    assert!(process::eventually_with(SOON, refused).await, "it still listens");
    assert_eq!(busy.response(&id).await.text(), "slept");
    assert_eq!(gateway.wait(SOON).await.status.code(), Some(0));
}
