//! Streams that break and are taken up again, sessions that are lost, answers that are too large.

use std::time::Duration;

use janua::config::RemoteTransport;
use janua_testkit::process::eventually;
use janua_testkit::upstream::canned::{Canned, CannedServer};
use janua_testkit::upstream::streamable::StreamableServer;

use crate::scene::{SOON, code, front, front_with, may_have_run};

const PROGRESS: &str = r#"{"name":"progress","arguments":{"steps":5},"_meta":{"progressToken":7}}"#;

#[tokio::test]
async fn a_server_without_a_get_stream_is_asked_once() {
    let server = StreamableServer::builder().without_get().without_delete().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    assert_eq!(session.call("slow", r#"{"ms":1500}"#).await.text(), "waited");
    assert_eq!(server.site.seen_http("GET").len(), 1);
    // And one that does not know DELETE keeps nobody from ending.
    session.delete().await;
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "DELETE").await);
}

#[tokio::test]
async fn a_server_that_answers_get_with_404_keeps_its_session() {
    let opened = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"canned","version":"1"}}}"#;
    let server = CannedServer::builder()
        .on("POST /mcp", Canned::json(opened).header("mcp-session-id", "s"))
        .on("POST /mcp", Canned::new(202, ""))
        .on("POST /mcp", Canned::json(r#"{"jsonrpc":"2.0","id":2,"result":{"n":1}}"#))
        .start()
        .await;
    let scene = front(&server.site.url("/mcp")).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    assert_eq!(session.request("acme/one", "").await.result()["n"], 1);
}

#[tokio::test]
async fn a_stream_that_was_cut_is_taken_up_again_and_nothing_is_lost_or_doubled() {
    for version in ["2025-11-25", "2025-03-26"] {
        let server = StreamableServer::builder().priming().cutting(2, 3, Some(60)).start().await;
        let scene = front(&server.url()).await;
        let session = scene.client.initialize(version, "{}").await;
        let reply = session.request("tools/call", PROGRESS).await;
        assert_eq!(reply.text(), "done", "{version}");
        let steps = reply.notifications("notifications/progress");
        let steps: Vec<_> = steps.iter().filter_map(|step| step.at("/params/progress").as_u64()).collect();
        assert_eq!(steps, [1, 2, 3, 4, 5], "{version}");
        assert_eq!(server.site.seen_rpc("tools/call").len(), 1);
        let resumed = server.site.seen_http("GET");
        let resumed: Vec<_> = resumed.iter().filter_map(|seen| seen.header("last-event-id")).collect();
        assert_eq!(resumed.len(), 3, "{resumed:?}");
    }
}

#[tokio::test]
async fn the_servers_retry_time_is_kept_to() {
    let wait = Duration::from_millis(700);
    let server = StreamableServer::builder().priming().pausing(1, 1, Some(700)).start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let called = server.site.seen_rpc("tools/call").remove(0);
    let resumed = server.site.seen_http("GET");
    let resumed = resumed.iter().find(|seen| seen.header("last-event-id").is_some()).expect("a resumption");
    assert!(resumed.at >= called.at + wait, "{:?}, then {:?}", called.at, resumed.at);
}

#[tokio::test]
async fn a_stream_without_ids_cannot_be_taken_up() {
    let server = StreamableServer::builder().without_ids().cutting(2, 1, None).start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let reply = session.request("tools/call", PROGRESS).await;
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    assert!(may_have_run(reply.response()), "{}", reply.raw());
    assert_eq!(server.site.seen_rpc("tools/call").len(), 1);
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}

#[tokio::test]
async fn a_server_that_will_not_resume_fails_the_request() {
    let server = StreamableServer::builder().without_get().priming().cutting(1, 1, Some(50)).start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let reply = session.call("echo", r#"{"text":"hi"}"#).await;
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    assert!(may_have_run(reply.response()), "{}", reply.raw());
}

#[tokio::test]
async fn the_servers_own_stream_is_taken_up_where_it_broke() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let mut events = session.listen().await;
    let log = |text: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{text}"}}}}"#)
    };
    server.push(&log("one"));
    assert_eq!(events.message(SOON).await.at("/params/data"), "one");
    server.site.cut_connections();
    server.push(&log("two"));
    assert_eq!(events.message(SOON).await.at("/params/data"), "two");
    let resumed = server.site.seen_http("GET").pop().expect("a GET");
    assert_eq!(resumed.header("last-event-id"), Some("standalone-0"));
}

#[tokio::test]
async fn an_answer_that_is_too_large_fails_its_request_only() {
    let big = format!("{{\"text\":\"{}\"}}", "x".repeat(200_000));
    let plain = StreamableServer::builder().json().on("acme/big", &big).start().await;
    let streaming = StreamableServer::builder().on("acme/big", &big).start().await;
    for server in [plain, streaming] {
        let scene = front_with(&server.url(), RemoteTransport::Http, |options| {
            options.limits.server_message = 64 << 10;
        })
        .await;
        let session = scene.client.initialize("2025-11-25", "{}").await;
        let reply = session.request("acme/big", "").await;
        assert_eq!(code(reply.response()), "response_too_large", "{:.300}", reply.raw());
        assert!(may_have_run(reply.response()));
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
        // One on the server's own stream costs that stream's place, nothing else.
        server.push(&big);
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    }
}

#[tokio::test]
async fn stopping_ends_the_servers_session_and_leaves_no_connection() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let _one = scene.client.initialize("2025-11-25", "{}").await;
    let _two = scene.client.initialize("2025-11-25", "{}").await;
    assert_eq!(server.sessions().len(), 2);
    scene.proxy.stop().await;
    assert!(server.sessions().is_empty());
    // What rests in the pool is closed a few seconds later; streams are closed at once.
    assert!(eventually(SOON, || server.site.open() == 0).await, "{} open", server.site.open());
}
