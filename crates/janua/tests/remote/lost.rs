//! Sessions that the server loses: another is opened, and nothing runs twice.

use janua_testkit::process::eventually_with;
use janua_testkit::upstream::canned::{Canned, CannedServer, Plan};
use janua_testkit::upstream::site::Seen;
use janua_testkit::upstream::streamable::StreamableServer;

use crate::scene::{CAPABLE, SOON, code, front, may_have_run};

/// Whether a request was sent in the session that is open now.
fn is_of_now(server: &StreamableServer, seen: &Seen) -> bool {
    let open = server.sessions();
    seen.header("mcp-session-id").is_some_and(|session| open.iter().any(|open| open == session))
}

#[tokio::test]
async fn another_session_is_opened_and_the_refused_request_runs_once() {
    for status in [404, 400] {
        let server = StreamableServer::builder().lost_session(status).json().start().await;
        let scene = front(&server.url()).await;
        let session = scene.client.initialize("2025-06-18", CAPABLE).await;
        assert_eq!(session.call("echo", r#"{"text":"one"}"#).await.text(), "one");
        session.request("resources/subscribe", r#"{"uri":"test:a"}"#).await;
        session.request("resources/subscribe", r#"{"uri":"test:b"}"#).await;
        session.request("resources/unsubscribe", r#"{"uri":"test:a"}"#).await;
        session.request("logging/setLevel", r#"{"level":"info"}"#).await;
        server.forget_sessions();
        assert_eq!(session.call("echo", r#"{"text":"two"}"#).await.text(), "two", "{status}");
        let opened = server.site.seen_rpc("initialize");
        assert_eq!(opened.len(), 2);
        // It asks for the same, and says what was said before.
        let params = |seen: &Seen| seen.message().map(|message| message.at("/params").to_string());
        assert_eq!(params(&opened[0]), params(&opened[1]));
        assert_eq!((opened[1].header("mcp-session-id"), opened[1].header("mcp-protocol-version")), (None, None));
        let said: Vec<_> =
            server.site.seen().iter().filter(|seen| is_of_now(&server, seen)).filter_map(Seen::rpc).collect();
        assert_eq!(
            said,
            ["notifications/initialized", "logging/setLevel", "resources/subscribe", "tools/call"],
            "{status}"
        );
        let subscribed = server.site.seen_rpc("resources/subscribe").pop().expect("a subscription");
        assert!(subscribed.body.contains(r#""params":{"uri":"test:b"}"#), "{}", subscribed.body);
        assert!(server.site.seen_http("DELETE").is_empty(), "a dead session was deleted");
        scene.proxy.stop().await;
        assert!(server.sessions().is_empty(), "the second session was not ended");
    }
}

#[tokio::test]
async fn the_servers_own_stream_is_opened_in_the_new_session() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", CAPABLE).await;
    let mut events = session.listen().await;
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    server.forget_sessions();
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let anew = |seen: &Seen| seen.method == "GET" && is_of_now(&server, seen);
    assert!(server.site.wait_seen(SOON, anew).await);
    let fresh = server.site.seen_http("GET").into_iter().find(anew).expect("a GET");
    assert_eq!(fresh.header("last-event-id"), None, "an event of another session");
    server.push(r#"{"jsonrpc":"2.0","id":"q1","method":"roots/list"}"#);
    assert_eq!(events.message(SOON).await.method(), Some("roots/list"));
}

#[tokio::test]
async fn many_requests_that_are_refused_at_once_open_one_session() {
    let server = StreamableServer::builder().json().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    server.forget_sessions();
    let calls = (0..20).map(|number| {
        let session = &session;
        async move {
            let text = format!("{{\"text\":\"{number}\"}}");
            (session.call("echo", &text).await.text().to_owned(), number.to_string())
        }
    });
    for (text, number) in futures_util::future::join_all(calls).await {
        assert_eq!(text, number);
    }
    assert_eq!(server.site.seen_rpc("initialize").len(), 2);
    assert_eq!(server.sessions().len(), 1);
}

#[tokio::test]
async fn what_runs_when_the_session_is_lost_has_an_unknown_end() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let waiting = session.call("slow", "{}");
    let losing = async {
        assert!(server.site.wait_seen(SOON, |seen| seen.rpc().as_deref() == Some("tools/call")).await);
        server.forget_sessions();
        session.call("echo", r#"{"text":"hi"}"#).await
    };
    let (waited, other) = tokio::join!(waiting, losing);
    assert_eq!(other.text(), "hi");
    assert_eq!(code(waited.response()), "session_lost", "{}", waited.raw());
    assert!(may_have_run(waited.response()));
    let slow = server.site.seen_rpc("tools/call").into_iter().filter(|seen| seen.body.contains("slow"));
    assert_eq!(slow.count(), 1, "it was sent again");
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_again_ends_ours() {
    let opened = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"canned","version":"1"}}}"#;
    let older = opened.replace("2025-11-25", "2025-06-18").replace("\"id\":1", "\"id\":0");
    let again = opened.replace("\"id\":1", "\"id\":0");
    let session = |text: &str| Canned::json(text).header("mcp-session-id", "s");
    let lost = || Canned::new(404, "");
    for (answers, words) in [
        (vec![Canned::new(500, "")], "500"),
        (vec![Canned::json(r#"{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"no"}}"#)], "initialize"),
        (vec![session(&older)], "2025-06-18"),
        // It opens one, and does not know it.
        (vec![session(&again), Canned::new(202, ""), lost()], "as soon as"),
    ] {
        let mut server = CannedServer::builder()
            .on("POST /mcp", session(opened))
            .on("POST /mcp", Canned::new(202, ""))
            .on("POST /mcp", lost());
        for answer in answers {
            server = server.on("POST /mcp", answer);
        }
        let server = server.plan("POST /mcp", Plan::HangUp).start().await;
        let scene = front(&server.site.url("/mcp")).await;
        let session = scene.client.initialize("2025-11-25", "{}").await;
        assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
        let reply = session.call("echo", "{}").await;
        assert_eq!((reply.status.as_u16(), code(reply.response())), (404, "session_lost"), "{words}: {}", reply.raw());
        assert!(!may_have_run(reply.response()) && reply.raw().contains(words), "{words}: {}", reply.raw());
        let gone = async || session.request("ping", "").await.status == 404;
        assert!(eventually_with(SOON, gone).await, "the session is still there");
    }
}

#[tokio::test]
async fn a_server_that_lives_again_elsewhere_in_time_is_found_by_the_next_request() {
    let server = StreamableServer::builder().json().without_get().start().await;
    let (url, port) = (server.url(), server.site.port());
    let scene = front(&url).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    server.site.cut_connections();
    drop(server);
    let fails = async || code(session.call("echo", "{}").await.response()) == "unreachable";
    assert!(eventually_with(SOON, fails).await);
    let server = StreamableServer::builder().json().without_get().port(port).start().await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert_eq!(server.sessions().len(), 1);
}
