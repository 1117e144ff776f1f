//! Servers that redirect, refuse, fall silent or are not there: one clear error, nothing sent twice or elsewhere.

use std::time::Duration;

use janua::config::RemoteTransport;
use janua_testkit::client::session::Reply;
use janua_testkit::upstream::canned::{Canned, CannedServer, Plan};
use janua_testkit::upstream::streamable::StreamableServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::scene::{SECRET, SOON, Scene, code, front, front_with, may_have_run, sentence};

const OPENED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"canned","version":"1"}}}"#;

async fn opening(scene: &Scene) -> Reply {
    scene.client.try_initialize("2025-11-25", "{}").await
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_with_the_message() {
    let server = CannedServer::builder()
        .redirect("/mcp", 307, "/mcp/")
        .redirect("/mcp/", 308, "/real?x=1")
        .on("/real", Canned::json(OPENED))
        .start();
    let server = server.await;
    let scene = front(&server.site.url("/mcp")).await;
    let reply = opening(&scene).await;
    assert_eq!(reply.result()["serverInfo"]["name"], "canned");
    let seen = server.site.seen();
    let opened: Vec<_> = seen.iter().filter(|s| s.rpc().as_deref() == Some("initialize")).collect();
    assert_eq!(opened.iter().map(|s| s.path.as_str()).collect::<Vec<_>>(), ["/mcp", "/mcp/", "/real?x=1"]);
    assert!(opened.iter().all(|s| s.header("authorization") == Some(SECRET) && s.body == opened[0].body));
}

#[tokio::test]
async fn no_other_redirect_is_followed() {
    let elsewhere = CannedServer::builder().on("/mcp", Canned::json(OPENED)).start().await;
    let foreign = elsewhere.site.url("/mcp?secret=1");
    for (status, to, named) in [
        (307, foreign.as_str(), elsewhere.site.base()),
        (308, foreign.as_str(), elsewhere.site.base()),
        (302, foreign.as_str(), elsewhere.site.base()),
        (301, "/other", String::new()),
        (303, "/other", String::new()),
        (307, "https://127.0.0.1/mcp", "https://127.0.0.1".to_owned()),
        (307, "/mcp", "again and again".to_owned()),
    ] {
        let server = CannedServer::builder().redirect("/mcp", status, to);
        let server = server.on("/other", Canned::json(OPENED)).start().await;
        let scene = front(&server.site.url("/mcp")).await;
        let reply = opening(&scene).await;
        assert_eq!(code(reply.response()), "unreachable", "{status} {to}: {}", reply.raw());
        let said = sentence(reply.response());
        assert!(said.contains(&named) && !said.contains("secret"), "{status} {to}: {said}");
        let sent = server.site.seen();
        assert!(sent.iter().all(|s| s.method == "POST" && s.path == "/mcp") && sent.len() <= 4, "{sent:?}");
    }
    assert!(elsewhere.site.seen().is_empty(), "credentials went to {:?}", elsewhere.site.seen());
}

#[tokio::test]
async fn a_refusal_is_named_and_is_no_reason_to_try_another_transport() {
    for (status, words) in [(401, "authorization"), (403, "authorization"), (500, "500"), (503, "503"), (429, "429")] {
        let refused = Canned::new(status, "<html>").header("retry-after", "9");
        let server = CannedServer::builder().on("/mcp", refused).start().await;
        let scene = front(&server.site.url("/mcp")).await;
        let reply = opening(&scene).await;
        assert_eq!(code(reply.response()), "unreachable", "{status}: {}", reply.raw());
        let said = sentence(reply.response());
        assert!(said.contains(words) && !said.contains("s3cret"), "{status}: {said}");
        let wait = reply.response().at("/error/data/retryAfterMs").as_u64();
        assert_eq!(wait, [429, 503].contains(&status).then_some(9000), "{status}");
        assert_eq!(server.site.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_error_in_the_body_is_the_answer_whatever_the_status() {
    let server = StreamableServer::builder().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    assert!(server.site.wait_seen(SOON, |seen| seen.method == "GET").await);
    for (status, id) in [(400, "null"), (400, "2"), (500, "null"), (422, "null")] {
        let error = r#"{"code":-32099,"message":"about the session of a concert","data":{"n":12345678901234567890}}"#;
        let id = if id == "null" { id.to_owned() } else { next_id(&server) };
        let about = if id == "null" { error.replace("the session of ", "") } else { error.to_owned() };
        server.refuse_next(status, &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{about}}}"#));
        let reply = session.request("acme/thing", "").await;
        assert_eq!(reply.response().member("error").as_deref(), Some(about.as_str()), "{status} {id}");
    }
    server.refuse_next(413, "too large");
    let reply = session.request("acme/thing", "").await;
    assert!(sentence(reply.response()).contains("413"), "{}", reply.raw());
    assert!(!may_have_run(reply.response()));
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}

/// The id that the next request to the server will have.
fn next_id(server: &StreamableServer) -> String {
    let ids = server.site.seen().into_iter().filter_map(|seen| seen.message()?.id()?.parse::<u64>().ok());
    (ids.max().expect("a request") + 1).to_string()
}

#[tokio::test]
async fn a_refused_opening_with_an_error_is_the_servers_word() {
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no such version"}}"#;
    let refused = Canned::new(400, error).header("content-type", "application/json");
    let server = CannedServer::builder().on("/mcp", refused).start().await;
    let scene = front(&server.site.url("/mcp")).await;
    let reply = opening(&scene).await;
    assert_eq!((reply.error_code(), sentence(reply.response())), (Some(-32602), "no such version"));
    assert!(server.site.seen_http("GET").is_empty());
}

#[tokio::test]
async fn answers_that_are_no_answers_fail_the_request() {
    for (canned, kind) in [
        (Canned::new(202, ""), "invalid_response"),
        (Canned::new(200, "<html>").header("content-type", "text/html"), "invalid_response"),
        (Canned::json("{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}"), "invalid_response"),
        (Canned::json("not json"), "invalid_response"),
        (Canned::json(""), "invalid_response"),
        (Canned::new(200, "data: nonsense\n\n").header("content-type", "text/event-stream"), "unreachable"),
    ] {
        let server = CannedServer::builder().on("/mcp", canned.clone()).start().await;
        let scene = front(&server.site.url("/mcp")).await;
        let reply = opening(&scene).await;
        assert_eq!(code(reply.response()), kind, "{canned:?}: {}", reply.raw());
    }
}

#[tokio::test]
async fn a_batch_of_2025_03_26_is_taken_apart() {
    let batch = format!("[{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{}}}},{OPENED}]");
    let server = CannedServer::builder().on("/mcp", Canned::json(&batch)).start().await;
    let scene = front(&server.site.url("/mcp")).await;
    assert_eq!(opening(&scene).await.result()["serverInfo"]["name"], "canned");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    for url in [
        format!("http://127.0.0.1:{port}/mcp"),
        format!("https://127.0.0.1:{port}/mcp"),
        "http://no-such-host.invalid/mcp".to_owned(),
    ] {
        let scene = front(&url).await;
        let reply = opening(&scene).await;
        assert_eq!((reply.status.as_u16(), code(reply.response())), (502, "unreachable"), "{}", reply.raw());
        assert!(!may_have_run(reply.response()), "{}", reply.raw());
        assert!(!reply.raw().contains("no-such-host"), "{}", reply.raw());
    }
}

#[tokio::test]
async fn encryption_that_fails_is_a_plain_error() {
    // One that closes, and one that answers with something else.
    for says in [&b""[..], b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let scene = front(&format!("https://127.0.0.1:{port}/mcp")).await;
        let serving = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut hello = [0; 16];
            stream.read_exact(&mut hello).await.expect("a greeting");
            stream.write_all(says).await.expect("somebody reads");
        };
        let (reply, ()) = tokio::join!(opening(&scene), serving);
        assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
        assert!(!may_have_run(reply.response()), "{}", reply.raw());
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_may_have_run_the_request_and_does_not_get_it_twice() {
    let server = StreamableServer::builder().json().start().await;
    let scene = front(&server.url()).await;
    let session = scene.client.initialize("2025-11-25", "{}").await;
    let call = session.call("slow", "{}");
    let cut = async {
        assert!(server.site.wait_seen(SOON, |seen| seen.rpc().as_deref() == Some("tools/call")).await);
        server.site.cut_connections();
    };
    let (reply, ()) = tokio::join!(call, cut);
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    assert!(may_have_run(reply.response()), "{}", reply.raw());
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert_eq!(server.site.seen_rpc("tools/call").len(), 2);
}

#[tokio::test]
async fn silence_ends_at_the_start_deadline() {
    let server = CannedServer::builder().plan("/mcp", Plan::Silence).start().await;
    for transport in [RemoteTransport::Auto, RemoteTransport::Sse] {
        let scene = front_with(&server.site.url("/mcp"), transport, |options| {
            options.limits.start = Duration::from_millis(400);
        })
        .await;
        let reply = opening(&scene).await;
        assert_eq!(code(reply.response()), "start_failed", "{}", reply.raw());
    }
    assert_eq!((server.site.seen_http("POST").len(), server.site.seen_http("GET").len()), (1, 1));
}

#[tokio::test]
async fn only_http_is_spoken() {
    let scene = front("ftp://127.0.0.1/mcp").await;
    assert_eq!(code(opening(&scene).await.response()), "start_failed");
}
