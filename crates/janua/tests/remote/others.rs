//! Other authors' servers over HTTP, in each era that they have.

use janua::config::{Protocol, RemoteTransport};
use janua_testkit::peers::{HttpMode, Served};
use janua_testkit::process::eventually_with;

use crate::scene::{CAPABLE, SOON, Scene, front_with};

async fn scene(url: &str, protocol: Protocol) -> Scene {
    front_with(url, RemoteTransport::Auto, |options| options.protocol = protocol).await
}

/// The sum, as a client of each era gets it.
async fn sums(scene: &Scene) -> [String; 2] {
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let legacy = session.call("add", r#"{"a":2,"b":3}"#).await;
    let modern = scene.client.modern("2026-07-28", "{}").call("add", r#"{"a":2,"b":3}"#).await;
    [legacy.text().to_owned(), modern.text().to_owned()]
}

#[tokio::test]
async fn a_server_of_both_eras_is_reached_in_each() {
    let server = Served::python().await.expect("the server starts");
    for protocol in [Protocol::Auto, Protocol::Legacy, Protocol::Modern] {
        let scene = scene(server.url(), protocol).await;
        assert_eq!(sums(&scene).await, ["5", "5"], "{protocol:?}");
        let session = scene.client.initialize("2025-06-18", CAPABLE).await;
        let params = r#"{"name":"count","arguments":{"to":3},"_meta":{"progressToken":"p"}}"#;
        let reply = session.request("tools/call", params).await;
        assert_eq!(reply.text(), "counted to 3", "{protocol:?}");
        let steps = reply.notifications("notifications/progress");
        assert!(steps.iter().all(|step| step.at("/params/progressToken") == "p"), "{:?}", reply.messages);
        assert_eq!(steps.len(), 3, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_does_not_disturb_the_next() {
    let server = Served::python().await.expect("the server starts");
    let scene = scene(server.url(), Protocol::Modern).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let waiting = session.open_id("\"w\"", "tools/call", r#"{"name":"wait","arguments":{"seconds":600}}"#);
    let (waiting, _) = tokio::join!(waiting, session.cancel("\"w\""));
    session.cancel("\"w\"").await;
    assert!(waiting.finish().await.response.is_some_and(|response| !response.at("/error").is_null()));
    assert_eq!(session.call("add", r#"{"a":2,"b":3}"#).await.text(), "5");
}

#[tokio::test]
async fn the_reference_server_is_reached_over_both_of_its_transports() {
    for mode in [HttpMode::Streamable, HttpMode::Sse] {
        let server = Served::everything(mode).await.expect("the server starts");
        let scene = scene(server.url(), Protocol::Auto).await;
        let session = scene.client.initialize("2025-11-25", CAPABLE).await;
        assert_eq!(session.call("echo", r#"{"message":"hi"}"#).await.text(), "Echo: hi", "{mode:?}");
        // It knows what its client can do.
        let tools = async || session.request("tools/list", "").await.result()["tools"].as_array().map(Vec::len);
        assert!(eventually_with(SOON, async || tools().await >= Some(16)).await, "{mode:?}: {:?}", tools().await);
        let modern = scene.client.modern("2026-07-28", "{}");
        assert_eq!(modern.call("echo", r#"{"message":"hi"}"#).await.text(), "Echo: hi", "{mode:?}");
    }
}
