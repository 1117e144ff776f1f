//! Tests of the scripted servers with this package's own client.

use std::time::Duration;

use http::StatusCode;

use crate::client::events::StreamFault;
use crate::client::faults::{RawSocket, abort, http_request, raw_socket};
use crate::client::sse_session::SseSession;
use crate::client::{Client, JSON_POST};
use crate::process::eventually;
use crate::upstream::canned::{Canned, CannedServer, Plan};
use crate::upstream::sse::{Endpoint, SseServer};
use crate::upstream::streamable::StreamableServer;

const SOON: Duration = Duration::from_secs(20);
const ROOTS: &str = r#"{"roots":[{"uri":"file:///r"}]}"#;

#[tokio::test]
async fn a_streamable_session_lives_and_ends() {
    let server = StreamableServer::builder().start().await;
    let session = Client::new(&server.url()).initialize("2025-06-18", "{}").await;
    assert_eq!((session.version.as_str(), session.id.as_deref()), ("2025-06-18", Some("session-1")));
    let echo = session.request_id("\"a b\"", "tools/call", r#"{"name":"echo","arguments":{"n": 1.0}}"#);
    let echo = echo.await;
    assert_eq!(echo.text(), r#"{"n": 1.0}"#);
    assert_eq!(echo.response().id().as_deref(), Some("\"a b\""));
    assert_eq!(session.request("nope", "").await.error_code(), Some(-32601));
    let seen = server.site.seen_rpc("tools/call");
    assert_eq!(seen[0].header("mcp-session-id"), Some("session-1"));
    assert_eq!(session.delete().await.status, StatusCode::OK);
    assert_eq!(session.call("echo", "{}").await.status, StatusCode::NOT_FOUND);
    assert!(server.sessions().is_empty());
}

#[tokio::test]
async fn tools_report_and_ask_on_the_same_stream() {
    let server = StreamableServer::builder().start().await;
    let session = Client::new(&server.url()).initialize("2025-11-25", r#"{"roots":{}}"#).await;
    let params = r#"{"name":"progress","arguments":{"steps":2},"_meta":{"progressToken":"t"}}"#;
    let reply = session.request("tools/call", params).await;
    assert_eq!(reply.notifications("notifications/progress").len(), 2);
    assert_eq!(reply.text(), "done");
    let params = r#"{"name":"ask","arguments":{}}"#;
    let reply = session.request_answering("tools/call", params, |ask| {
        assert_eq!(ask.method(), Some("roots/list"));
        ROOTS.to_owned()
    });
    assert_eq!(reply.await.text(), ROOTS);
}

#[tokio::test]
async fn json_answers_ask_on_the_standalone_stream() {
    let server = StreamableServer::builder().json().without_sessions().start().await;
    let session = Client::new(&server.url()).initialize("2025-03-26", "{}").await;
    assert_eq!(session.id, None);
    let mut standalone = session.listen().await;
    let (reply, ask) = tokio::join!(session.call("ask", r#"{"method":"ping"}"#), async {
        let ask = standalone.message(SOON).await;
        session.respond(&ask.id().expect("an id"), r#"{"x":1}"#).await;
        ask
    });
    assert_eq!(ask.method(), Some("ping"));
    assert_eq!((reply.text(), reply.messages.len()), (r#"{"x":1}"#, 1));
    server.push(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    assert!(standalone.message(SOON).await.is_notification());
}

#[tokio::test]
async fn a_cut_stream_is_resumed_where_it_broke() {
    let server = StreamableServer::builder().priming().cutting(2, 1, Some(30)).start().await;
    let session = Client::new(&server.url()).initialize("2025-11-25", "{}").await;
    let params = r#"{"name":"progress","arguments":{"steps":2},"_meta":{"progressToken":1}}"#;
    let mut exchange = session.open("tools/call", params).await;
    let events = exchange.events().expect("a stream");
    let primed = events.next(SOON).await.expect("an event").expect("an event");
    assert_eq!(primed.data.as_deref(), Some(""));
    assert!(events.next(SOON).await.expect("progress").is_some());
    assert_eq!(events.next(SOON).await.expect("retry").and_then(|e| e.retry), Some(30));
    assert!(matches!(events.next(SOON).await, Err(StreamFault::Broken(_))));
    let mut rest = session.resume(events.last_id().expect("ids")).await;
    assert_eq!(rest.message(SOON).await.at("/params/progress"), 2);
    assert_eq!(rest.message(SOON).await.text(), "done");
    assert_eq!(rest.next(SOON).await, Ok(None));
}

#[tokio::test]
async fn a_pausing_server_ends_the_body_properly() {
    let server = StreamableServer::builder().priming().pausing(1, 1, None).start().await;
    let session = Client::new(&server.url()).initialize("2025-11-25", "{}").await;
    let reply = session.call("slow", "{}").await;
    assert!(reply.response.is_none());
    let mut rest = session.resume(reply.last_event_id.as_deref().expect("ids")).await;
    server.release(1);
    assert_eq!(rest.message(SOON).await.text(), "waited");
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer() {
    let server = StreamableServer::builder().start().await;
    let session = Client::new(&server.url()).initialize("2025-11-25", "{}").await;
    let call = session.open_id("7", "tools/call", r#"{"name":"slow","arguments":{}}"#).await;
    assert_eq!(session.cancel("7").await.status, StatusCode::ACCEPTED);
    assert!(call.finish().await.response.is_none());
}

#[tokio::test]
async fn refusals_are_as_asked_for() {
    let server = StreamableServer::builder().without_get().without_delete().lost_session(400);
    let server = server.start().await;
    let mut session = Client::new(&server.url()).initialize("2025-06-18", "{}").await;
    assert_eq!(session.open_get(None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(session.delete().await.status, StatusCode::METHOD_NOT_ALLOWED);
    server.refuse_next(503, "later");
    let reply = session.call("echo", "{}").await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (503, "later"));
    server.forget_sessions();
    assert_eq!(session.call("echo", "{}").await.status, StatusCode::BAD_REQUEST);
    session = session.client.initialize("2025-06-18", "{}").await;
    session.headers.retain(|(name, _)| name != "mcp-protocol-version");
    assert_eq!(session.call("echo", "{}").await.status, StatusCode::BAD_REQUEST);
    let plain = session.client.post("/mcp", "{}", &JSON_POST[..1]).await;
    assert_eq!(plain.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(session.client.post_json("{").await.message().error_code(), Some(-32700));
}

#[tokio::test]
async fn sse_works_with_both_honest_endpoints() {
    for endpoint in [Endpoint::Relative, Endpoint::Absolute] {
        let server = SseServer::builder().endpoint(endpoint).start().await;
        let mut session = SseSession::open(&server.site.base(), "/sse").await;
        let opening = session.initialize("2024-11-05", r#"{"roots":{}}"#).await;
        assert_eq!(opening.at("/result/protocolVersion"), "2024-11-05");
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
        let id = session.send("tools/call", r#"{"name":"ask","arguments":{}}"#).await;
        let ask = session.message().await;
        session.respond(&ask.id().expect("an id"), ROOTS).await;
        assert_eq!(session.response(&id).await.text(), ROOTS);
        server.push(r#"{"jsonrpc":"2.0","method":"n"}"#);
        assert_eq!(session.message().await.method(), Some("n"));
        drop(session);
        assert!(eventually(SOON, || server.sessions().is_empty()).await);
    }
}

#[tokio::test]
async fn sse_hostile_endpoints_are_sent_as_given() {
    let foreign = Endpoint::Given("http://other.invalid/m?sessionId={id}".into());
    let server = SseServer::builder().endpoint(foreign).second_endpoint("/elsewhere").start().await;
    let mut session = SseSession::open(&server.site.base(), "/sse").await;
    assert_eq!(session.endpoint, "http://other.invalid/m?sessionId=session-1");
    session.target = "/messages?sessionId=session-1".into();
    session.initialize("2024-11-05", "{}").await;
    let second = session.events().next(SOON).await.expect("an event").expect("an event");
    assert_eq!((second.event.as_deref(), second.data.as_deref()), (Some("endpoint"), Some("/elsewhere")));
    server.end_streams();
    assert_eq!(session.events().next(SOON).await, Ok(None));

    let server = SseServer::builder().endpoint(Endpoint::Never).start().await;
    let (_, _, mut events) = Client::new(&server.site.base())
        .stream(http::Method::GET, "/sse", "", &[("accept", "text/event-stream")])
        .await;
    let short = Duration::from_millis(50);
    assert_eq!(events.next(short).await, Err(StreamFault::Late(short)));
}

#[tokio::test]
async fn canned_answers_come_in_turn_and_faults_are_real() {
    let server = CannedServer::builder()
        .on("/a", Canned::new(500, "first"))
        .on("/a", Canned::json("{}").header("x-a", "1"))
        .redirect("GET /moved", 307, "/a")
        .plan("/silent", Plan::Silence)
        .plan("/gone", Plan::HangUp)
        .start()
        .await;
    let client = Client::new(&server.site.base());
    assert_eq!(client.get("/a?q=1", &[]).await.text(), "first");
    assert_eq!(client.get("/a", &[]).await.header("x-a"), Some("1"));
    assert_eq!(client.get("/a", &[]).await.json(), serde_json::json!({}));
    let moved = client.get("/moved", &[]).await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (307, Some("/a")));
    assert_eq!(client.post("/moved", "", &[]).await.status, StatusCode::NOT_FOUND);
    let gone = client.try_send(http::Method::GET, "/gone", "", &[]).await;
    assert!(gone.is_err());
    server.replan("/gone", Plan::Reply(Canned::new(200, "back")));
    assert_eq!(client.get("/gone", &[]).await.text(), "back");
    let hasty = client.clone().deadline(Duration::from_millis(50));
    assert!(hasty.try_send(http::Method::GET, "/silent", "", &[]).await.is_err());
    assert!(eventually(SOON, || server.site.open() == 0).await, "a given up request is closed");
    assert_eq!(server.site.seen()[0].query("q"), Some("1"));
}

#[tokio::test]
async fn raw_sockets_send_what_no_client_would() {
    let server = CannedServer::builder().on("/a", Canned::new(200, "ok")).start().await;
    let addr = format!("127.0.0.1:{}", server.site.port());
    let answer = raw_socket(&addr, b"NONSENSE\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    let request = http_request("POST", "/a", &["host: x", "connection: close"], "body");
    let mut slow = RawSocket::open(&addr).await;
    slow.write_slowly(&request, 16, Duration::from_millis(1)).await.expect("written");
    assert!(slow.read_to_close(SOON).await && slow.text().ends_with("ok"), "{}", slow.text());
    assert_eq!(server.site.seen().last().expect("seen").body, "body");
    let half = http_request("POST", "/a", &["host: x", "content-length: 9"], "body");
    abort(&addr, &half, None).await;
    abort(&addr, &http_request("GET", "/a", &["host: x"], ""), Some("ok")).await;
    assert!(eventually(SOON, || server.site.accepted() == 4 && server.site.open() == 0).await);
}

#[tokio::test]
async fn dropped_streams_and_cut_connections_are_noticed_by_the_other_side() {
    let server = StreamableServer::builder().start().await;
    for client in [Client::new(&server.url()), Client::new(&server.url()).resetting()] {
        let session = client.initialize("2025-11-25", "{}").await;
        let stream = session.listen().await;
        assert!(eventually(SOON, || server.site.open() == 1).await);
        drop(stream);
        assert!(eventually(SOON, || server.site.open() == 0).await);
        let mut stream = session.listen().await;
        server.site.cut_connections();
        assert!(matches!(stream.next(SOON).await, Err(StreamFault::Broken(_))));
    }
    let fits = |s: &super::site::Seen| s.method == "GET";
    assert!(server.site.wait_seen(SOON, fits).await);
    assert_eq!(server.site.seen_http("GET").len(), 4);
}

#[tokio::test]
async fn a_modern_request_to_a_legacy_server_is_refused() {
    let server = StreamableServer::builder().start().await;
    let modern = Client::new(&server.url()).modern("2026-07-28", "{}");
    let reply = modern.request("server/discover", "").await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (400, Some(-32000)));
    let seen = server.site.seen();
    assert_eq!(seen[0].header("mcp-method"), Some("server/discover"));
}
