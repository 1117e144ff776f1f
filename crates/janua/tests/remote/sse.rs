//! HTTP+SSE of 2024-11-05 behind the proxy, and finding out which transport a server speaks.

use janua::config::RemoteTransport;
use janua_testkit::process::eventually;
use janua_testkit::upstream::canned::{Canned, CannedServer};
use janua_testkit::upstream::site::Seen;
use janua_testkit::upstream::sse::{Endpoint, SseServer};
use janua_testkit::upstream::streamable::StreamableServer;

use crate::scene::{CAPABLE, SECRET, SOON, code, front, front_with, may_have_run, sentence};

#[tokio::test]
async fn an_old_server_is_found_and_everything_passes() {
    for endpoint in [Endpoint::Relative, Endpoint::Absolute] {
        let server = SseServer::builder().endpoint(endpoint).start().await;
        let scene = front(&server.url()).await;
        let session = scene.client.initialize("2025-11-25", CAPABLE).await;
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
        let params = r#"{"name":"progress","arguments":{},"_meta":{"progressToken":"tok"}}"#;
        let reply = session.request("tools/call", params).await;
        assert_eq!(reply.notifications("notifications/progress").len(), 3);
        let asked = session
            .request_answering("tools/call", r#"{"name":"ask","arguments":{}}"#, |_| r#"{"roots":[]}"#.to_owned());
        assert_eq!(asked.await.text(), r#"{"roots":[]}"#);
        for seen in server.site.seen() {
            assert_eq!(seen.header("authorization"), Some(SECRET), "{seen:?}");
            assert_eq!(seen.header("mcp-session-id"), None, "{seen:?}");
        }
        session.delete().await;
        assert!(eventually(SOON, || server.sessions().is_empty()).await, "the stream is still open");
    }
}

#[tokio::test]
async fn order_and_cancellation_hold_over_the_old_transport() {
    let server = SseServer::builder().start().await;
    let scene = front_with(&server.url(), RemoteTransport::Sse, |_| {}).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let call = session.open_id("\"c\"", "tools/call", r#"{"name":"slow","arguments":{}}"#);
    let cancelling = async {
        assert!(server.site.wait_seen(SOON, |seen| seen.rpc().as_deref() == Some("tools/call")).await);
        session.cancel("\"c\"").await;
    };
    let (call, ()) = tokio::join!(call, cancelling);
    assert_eq!(code(&call.finish().await.response.expect("an answer")), "cancelled");
    let cancelled = |seen: &Seen| seen.rpc().as_deref() == Some("notifications/cancelled");
    assert!(server.site.wait_seen(SOON, cancelled).await);
    let order: Vec<_> = server.site.seen().iter().filter_map(Seen::rpc).collect();
    assert_eq!(order, ["initialize", "notifications/initialized", "tools/call", "notifications/cancelled"]);
    assert!(server.site.seen_http("POST").iter().all(|seen| seen.path.starts_with("/messages")));
}

#[tokio::test]
async fn a_foreign_endpoint_gets_nothing() {
    let elsewhere = CannedServer::builder().on("/messages", Canned::new(202, "")).start().await;
    let foreign = elsewhere.site.url("/messages?sessionId={id}");
    let authority = elsewhere.site.base().replace("http://", "");
    for named in [foreign, format!("//{authority}/messages"), "https://127.0.0.1/messages".to_owned()] {
        let server = SseServer::builder().endpoint(Endpoint::Given(named.clone())).start().await;
        let scene = front(&server.url()).await;
        let reply = scene.client.try_initialize("2025-11-25", "{}").await;
        assert_eq!(code(reply.response()), "start_failed", "{named}: {}", reply.raw());
        assert!(sentence(reply.response()).contains("own origin"), "{}", reply.raw());
    }
    // The user part of an address does not make it ours.
    let server = SseServer::builder().start().await;
    let ours = server.site.base().replace("http://", "");
    let trick = format!("http://{ours}@{authority}/messages");
    let tricky = SseServer::builder().endpoint(Endpoint::Given(trick)).start().await;
    let scene = front(&tricky.url()).await;
    let reply = scene.client.try_initialize("2025-11-25", "{}").await;
    assert_eq!(code(reply.response()), "start_failed", "{}", reply.raw());
    assert!(elsewhere.site.seen().is_empty(), "{:?}", elsewhere.site.seen());
}

#[tokio::test]
async fn a_second_endpoint_changes_nothing() {
    let elsewhere = CannedServer::builder().on("/messages", Canned::new(202, "")).start().await;
    let server = SseServer::builder().second_endpoint(&elsewhere.site.url("/messages")).start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    for _ in 0..3 {
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    }
    server.push_event("event: endpoint\ndata: /other\n\n");
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert!(elsewhere.site.seen().is_empty());
    assert!(server.site.seen_http("POST").iter().all(|seen| seen.path != "/other"));
}

#[tokio::test]
async fn the_end_of_the_stream_is_the_end_of_the_session() {
    for cut in [false, true] {
        let server = SseServer::builder().start().await;
        let scene = front(&server.url()).await;
        let session = scene.client.initialize("2025-11-25", "{}").await;
        let ending = async {
            assert!(server.site.wait_seen(SOON, |seen| seen.rpc().as_deref() == Some("tools/call")).await);
            if cut { server.site.cut_connections() } else { server.end_streams() }
        };
        let (reply, ()) = tokio::join!(session.call("slow", "{}"), ending);
        assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
        assert!(may_have_run(reply.response()), "{}", reply.raw());
        let gone = async || session.request("ping", "").await.status == 404;
        assert!(janua_testkit::process::eventually_with(SOON, gone).await, "the session is still there");
    }
}

#[tokio::test]
async fn a_stream_that_names_no_endpoint_does_not_open() {
    let server = SseServer::builder().endpoint(Endpoint::Never).start().await;
    let scene = front_with(&server.url(), RemoteTransport::Sse, |options| {
        options.limits.start = std::time::Duration::from_millis(400);
    })
    .await;
    let reply = scene.client.try_initialize("2025-11-25", "{}").await;
    assert_eq!(code(reply.response()), "start_failed", "{}", reply.raw());
    assert!(eventually(SOON, || server.site.open() == 0).await, "the stream is still open");
}

#[tokio::test]
async fn an_event_that_is_too_large_ends_the_old_transport() {
    let big = format!("{{\"text\":\"{}\"}}", "x".repeat(200_000));
    let server = SseServer::builder().on("acme/big", &big).start().await;
    let scene = front_with(&server.url(), RemoteTransport::Sse, |options| {
        options.limits.server_message = 64 << 10;
    })
    .await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let reply = session.request("acme/big", "").await;
    assert_eq!(code(reply.response()), "response_too_large", "{:.300}", reply.raw());
}

#[tokio::test]
async fn a_server_that_speaks_neither_is_told_in_one_error() {
    let server = CannedServer::builder();
    let server = server.on("POST /mcp", Canned::new(404, "")).on("GET /mcp", Canned::new(405, "")).start().await;
    let scene = front(&server.site.url("/mcp")).await;
    let reply = scene.client.try_initialize("2025-11-25", "{}").await;
    let said = sentence(reply.response());
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    assert!(said.contains("404") && said.contains("405"), "{said}");
}

#[tokio::test]
async fn a_pinned_transport_is_the_only_one_tried() {
    let old = SseServer::builder().start().await;
    let scene = front_with(&old.url(), RemoteTransport::Http, |_| {}).await;
    let reply = scene.client.try_initialize("2025-11-25", "{}").await;
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    assert!(old.site.seen_http("GET").is_empty());

    let new = StreamableServer::builder().without_get().start().await;
    let scene = front_with(&new.url(), RemoteTransport::Sse, |_| {}).await;
    let reply = scene.client.try_initialize("2025-11-25", "{}").await;
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    assert!(new.site.seen_http("POST").is_empty());
}
