//! Messages both ways over Streamable HTTP: bytes, headers, order, questions, cancellation.

use std::fmt::Write as _;

use janua::config::{RemoteTransport, Share};
use janua_testkit::process::eventually;
use janua_testkit::upstream::site::Seen;
use janua_testkit::upstream::sse::SseServer;
use janua_testkit::upstream::streamable::StreamableServer;

use crate::scene::{CAPABLE, SECRET, SOON, code, front, front_with};

const ODD: &str = r#"{ "n":12345678901234567890123 ,"f":1.0,"_x":{"$y":[null]},"u":"\u00e9é","n2":0.10}"#;

#[tokio::test]
async fn an_odd_result_keeps_its_bytes_over_every_transport() {
    let streaming = StreamableServer::builder().on("acme/odd", ODD).start().await;
    let plain = StreamableServer::builder().json().on("acme/odd", ODD).start().await;
    let old = SseServer::builder().on("acme/odd", ODD).start().await;
    for url in [streaming.url(), plain.url(), old.url()] {
        let scene = front(&url).await;
        let session = scene.client.initialize("2025-11-25", "{}").await;
        let id = r#""\u0069d-9007199254740993""#;
        let reply = session.request_id(id, "acme/odd", r#"{"k":1.50}"#).await;
        let response = reply.response.expect("an answer");
        assert_eq!(response.member("result").as_deref(), Some(ODD), "{url}");
        assert_eq!(response.id().as_deref(), Some(id), "{url}");
    }
    let asked = plain.site.seen_rpc("acme/odd");
    assert!(asked[0].body.contains(r#""params":{"k":1.50}"#), "{}", asked[0].body);
}

#[tokio::test]
async fn every_request_carries_session_version_and_credentials() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-06-18", "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    session.delete().await;
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "DELETE").await);
    for (at, seen) in server.site.seen().iter().enumerate() {
        assert_eq!(seen.header("authorization"), Some(SECRET), "{seen:?}");
        let given = (seen.header("mcp-session-id"), seen.header("mcp-protocol-version"));
        let due = if at == 0 { (None, None) } else { (Some("session-1"), Some("2025-06-18")) };
        assert_eq!(given, due, "{seen:?}");
        if seen.method == "POST" {
            assert_eq!(seen.header("accept"), Some("application/json, text/event-stream"));
            assert_eq!(seen.header("content-type"), Some("application/json"));
        }
        assert_eq!(seen.header("accept-encoding"), None, "{seen:?}");
    }
    assert!(server.sessions().is_empty());
}

#[tokio::test]
async fn the_version_header_is_what_the_server_chose() {
    for (chosen, header) in [("2025-06-18", Some("2025-06-18")), ("2025-03-26", None)] {
        let server = StreamableServer::builder().version(chosen).start().await;
        let scene = front(&server.url()).await;
        let session = scene.client.initialize("2025-11-25", "{}").await;
        session.call("echo", r#"{"text":"hi"}"#).await;
        let call = server.site.seen_rpc("tools/call").remove(0);
        assert_eq!(call.header("mcp-protocol-version"), header, "{chosen}");
    }
}

#[tokio::test]
async fn a_server_without_sessions_works() {
    let server = StreamableServer::builder().without_sessions().json().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    session.delete().await;
    scene.proxy.stop().await;
    assert!(server.site.seen().iter().all(|seen| seen.header("mcp-session-id").is_none()));
    assert!(server.site.seen_http("DELETE").is_empty());
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let server = StreamableServer::builder().json().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let mut text = String::new();
    for number in 0..100_000 {
        write!(text, "{number} ").expect("a string grows");
    }
    let args = format!("{{\"text\":\"{text}\"}}");
    assert_eq!(session.call("echo", &args).await.text(), text);
    let call = server.site.seen_rpc("tools/call").remove(0);
    assert_eq!(call.header("content-length"), Some(call.body.len().to_string().as_str()));
}

#[tokio::test]
async fn progress_comes_back_under_the_clients_token() {
    let params = r#"{"name":"progress","arguments":{"steps":4},"_meta":{"progressToken":"tok"}}"#;
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let reply = session.request("tools/call", params).await;
    assert_eq!(reply.text(), "done");
    let steps = reply.notifications("notifications/progress");
    let tokens = steps.iter().filter(|step| step.at("/params/progressToken") == "tok");
    assert_eq!(tokens.count(), 4, "{:?}", reply.messages);
}

#[tokio::test]
async fn questions_come_on_the_stream_of_the_call_and_on_the_servers_own() {
    let streaming = StreamableServer::builder().start().await;
    let plain = StreamableServer::builder().json().start().await;
    for server in [streaming, plain] {
        let scene = front(&server.url()).await;
        let session = scene.client.initialize("2025-11-25", CAPABLE).await;
        assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
        let params = r#"{"name":"ask","arguments":{"method":"roots/list"}}"#;
        let answer = r#"{"roots":[{"uri":"file:///x","n":18446744073709551617}]}"#;
        let reply = session.request_answering("tools/call", params, |question| {
            assert_eq!(question.method(), Some("roots/list"));
            answer.to_owned()
        });
        assert_eq!(reply.await.text(), answer);
    }
}

#[tokio::test]
async fn what_the_server_says_of_its_own_accord_reaches_the_client() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", CAPABLE).await;
    let mut events = session.listen().await;
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    server.push(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    let news = events.message(SOON).await;
    assert_eq!(news.method(), Some("notifications/tools/list_changed"));
    server.push(r#"{"jsonrpc":"2.0","id":"q1","method":"roots/list"}"#);
    let question = events.message(SOON).await;
    assert_eq!(question.method(), Some("roots/list"));
    session.respond(&question.id().expect("an id"), r#"{"roots":[]}"#).await;
    let answered = |seen: &Seen| seen.body.contains(r#""id":"q1""#) && seen.body.contains(r#"{"roots":[]}"#);
    assert!(server.site.wait_seen(SOON, answered).await);
}

#[tokio::test]
async fn a_cancellation_follows_its_request() {
    let streaming = StreamableServer::builder().start().await;
    let plain = StreamableServer::builder().json().start().await;
    for server in [streaming, plain] {
        let scene = front(&server.url()).await;
        let session = scene.client.initialize("2025-11-25", "{}").await;
        for number in 0..10 {
            let id = format!("\"c{number}\"");
            let call = session.open_id(&id, "tools/call", r#"{"name":"slow","arguments":{}}"#);
            // Cancelled at any time: before, while and after the server gets the request.
            let (call, _) = tokio::join!(call, session.cancel(&id));
            session.cancel(&id).await;
            assert!(call.finish().await.response.is_some());
        }
        let cancelled = || server.site.seen_rpc("notifications/cancelled");
        let called = || server.site.seen_rpc("tools/call");
        let settled = eventually(SOON, || cancelled().len() == called().len()).await;
        assert!(settled, "{} calls, {} cancellations", called().len(), cancelled().len());
        for call in called() {
            let id = call.message().and_then(|message| message.at("/id").as_u64()).expect("an id");
            let mut mine = cancelled().into_iter().filter(|seen| {
                seen.message().is_some_and(|message| message.at("/params/requestId").as_u64() == Some(id))
            });
            let cancellation = mine.next().expect("a cancellation");
            assert!(call.at < cancellation.at && mine.next().is_none(), "{id}");
        }
    }
}

#[tokio::test]
async fn initialized_comes_before_everything_else() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    for _ in 0..10 {
        let session = scene.client.initialize("2025-11-25", "{}").await;
        session.request("tools/list", "").await;
        let list = server.site.seen_rpc("tools/list").pop().expect("a list");
        let own = list.header("mcp-session-id").expect("a session");
        let opened = server.site.seen_rpc("notifications/initialized");
        let opened = opened.iter().find(|seen| seen.header("mcp-session-id") == Some(own));
        assert!(opened.is_some_and(|opened| opened.at < list.at), "{own}");
    }
}

#[tokio::test]
async fn a_shared_link_opens_on_the_gateways_own_behalf() {
    let server = StreamableServer::builder().json().start().await;
    let scene = front_with(&server.url(), RemoteTransport::Http, |options| options.share = Share::All).await;
    for _ in 0..2 {
        let session = scene.client.initialize("2025-11-25", "{}").await;
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    }
    assert_eq!(server.site.seen_rpc("initialize").len(), 1);
    assert_eq!(server.site.seen_rpc("notifications/initialized").len(), 1);
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    scene.proxy.stop().await;
    assert!(server.sessions().is_empty(), "the session was not ended");
}

#[tokio::test]
async fn too_much_at_once_is_refused() {
    let server = StreamableServer::builder().json().start().await;
    let scene = front_with(&server.url(), RemoteTransport::Http, |options| {
        options.limits.server_queue_items = 3;
    })
    .await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    let calls = (0..3).map(|_| session.call("slow", "{}"));
    let calls = async { futures_util::future::join_all(calls).await };
    let refused = async {
        assert!(eventually(SOON, || server.site.seen_rpc("tools/call").len() == 3).await);
        let refused = session.call("echo", r#"{"text":"hi"}"#).await;
        assert_eq!(code(refused.response()), "overloaded", "{}", refused.raw());
        server.release(3);
    };
    let (calls, ()) = tokio::join!(calls, refused);
    assert!(calls.iter().all(|reply| reply.text() == "waited"));
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}
