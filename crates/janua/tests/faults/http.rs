//! The HTTP edge: bodies, heads and connections that are too large, too slow, foreign, ambiguous or cut off.

use std::time::{Duration, Instant};

use ::http::Method;
use futures_util::future::join_all;
use janua_testkit::client::JSON_POST;
use janua_testkit::client::faults::{RawSocket, abort, http_request, raw_socket};
use janua_testkit::gateway::Gateway;
use janua_testkit::process::{eventually, open_files};

use crate::scene::{
    MIB, SOON, assert_growth, assert_nothing_passed, assert_refused, below, echo, health, open, peak, probe, sessions,
};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[tokio::test]
async fn check_100_mb_body() {
    let gateway = probe("").await;
    // What a gateway needs for any request at all is there before it is measured.
    gateway.client().post_json(vec![b' '; 100_000]).await;
    let before = peak(&gateway);
    let head = ["host: localhost", "content-type: application/json", "accept: application/json, text/event-stream"];
    let block = vec![b' '; 1_000_000];
    let mut announced = head.to_vec();
    announced.push("content-length: 100000000");
    let mut socket = RawSocket::open(gateway.authority()).await;
    socket.write(&http_request("POST", "/mcp", &announced, "")).await.expect("the head is read");
    assert!(socket.read_until("HTTP/1.1 413", SOON).await, "refused without a byte of the body");
    let mut chunked = head.to_vec();
    chunked.push("transfer-encoding: chunked");
    let mut socket = RawSocket::open(gateway.authority()).await;
    socket.write(&http_request("POST", "/mcp", &chunked, "")).await.expect("the head is read");
    for _ in 0..100 {
        let part = [format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat();
        if socket.write(&part).await.is_err() {
            break;
        }
    }
    assert!(socket.read_until("HTTP/1.1 413", SOON).await);
    let whole = gateway.client().try_send(Method::POST, "/mcp", vec![b' '; 100_000_000], &JSON_POST).await;
    assert!(whole.map_or(true, |answer| answer.status == 413));
    assert_growth(&gateway, before, (4 + 8) * MIB);
    assert!(below(&gateway).is_empty(), "no server was started for it");
    echo(&open(&gateway).await, "afterwards").await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let gateway = probe("").await;
    let many: Vec<String> = (0..150).map(|number| format!("x-{number}: y")).collect();
    let mut headers: Vec<&str> = many.iter().map(String::as_str).collect();
    headers.push("host: localhost");
    let answer = raw_socket(gateway.authority(), &http_request("GET", "/health", &headers, "")).await;
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let before = peak(&gateway);
    let long = format!("x: {}", "y".repeat(8_000_000));
    let answer =
        raw_socket(gateway.authority(), &http_request("GET", "/health", &["host: localhost", &long], "")).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    assert_growth(&gateway, before, 8 * MIB);
    health(&gateway).await;
}

#[tokio::test]
async fn what_is_no_plain_json_is_refused() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let kinds =
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=utf-16"];
    for kind in kinds {
        let mut headers: Vec<(&str, &str)> = session.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        headers.extend([("content-type", kind), ("accept", "application/json")]);
        let answer = session.client.post("/mcp", LIST, &headers).await;
        assert_eq!(answer.status, 415, "{kind}");
        assert_refused(&answer, kind);
    }
    let encoded = session.client.clone().header("content-encoding", "gzip");
    assert_eq!(encoded.post_json(LIST).await.status, 415);
    assert_nothing_passed(&session).await;
}

/// Every route, with what would be served if it came from the right place.
const ROUTES: [(&str, &str); 7] = [
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("OPTIONS", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages?session_id=x"),
    ("GET", "/health"),
];

/// Sends to every route with these headers and holds the gateway to refusing all of it.
async fn refused_everywhere(gateway: &Gateway, headers: &[(&str, &str)]) {
    for (method, path) in ROUTES {
        let method: Method = method.parse().expect("a method");
        let mut all = JSON_POST.to_vec();
        all.extend_from_slice(headers);
        let body = janua_testkit::client::message::initialize_params(crate::scene::VERSION, "{}");
        let body = janua_testkit::client::message::request("1", "initialize", &body);
        let answer = gateway.client().send(method.clone(), path, body, &all).await;
        assert_eq!(answer.status, 403, "{method} {path} {headers:?}: {}", answer.text());
        assert_refused(&answer, path);
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
    assert_eq!(sessions(gateway).await, 0);
    assert!(below(gateway).is_empty());
}

#[tokio::test]
async fn check_foreign_origin() {
    let gateway = probe("").await;
    let origins = [
        "http://evil.example",
        "https://localhost.evil.example",
        "null",
        "file://",
        "http://127.0.0.1.evil.example:80",
        "http://user@localhost",
        "http://localhost.:3000",
        "chrome-extension://abc",
    ];
    for origin in origins {
        refused_everywhere(&gateway, &[("origin", origin)]).await;
    }
    for origin in ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:8443"] {
        assert_eq!(gateway.client().get("/health", &[("origin", origin)]).await.status, 200, "{origin}");
    }
}

#[tokio::test]
async fn check_foreign_host() {
    let gateway = probe("").await;
    let hosts = [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "localhost.",
        "user@localhost",
        "[::2]:1",
        "127.0.0.1.nip.example",
        "169.254.169.254",
    ];
    for host in hosts {
        refused_everywhere(&gateway, &[("host", host)]).await;
        refused_everywhere(&gateway, &[("host", host), ("origin", "http://localhost")]).await;
    }
    for host in ["localhost", "LOCALHOST:3000", "127.0.0.1", "[::1]:3000"] {
        assert_eq!(gateway.client().get("/health", &[("host", host)]).await.status, 200, "{host}");
    }
}

/// The status of what is said to these bytes; the connection must be closed after it.
async fn status(gateway: &Gateway, bytes: &[u8]) -> String {
    let said = String::from_utf8_lossy(&raw_socket(gateway.authority(), bytes).await).into_owned();
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "one answer: {said}");
    said.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_target_and_a_host_that_contradict_each_other_are_refused() {
    let gateway = probe("").await;
    let close = "connection: close";
    let cases: [(&str, &[&str], &str); 6] = [
        ("http://evil.example/health", &["host: localhost", close], "400"),
        ("http://localhost/health", &["host: evil.example", close], "400"),
        ("http://evil.example/health", &["host: evil.example", close], "403"),
        ("/health", &["host: localhost", "host: evil.example", close], "400"),
        ("/health", &[close], "400"),
        ("http://localhost/health", &["host: localhost", close], "200"),
    ];
    for (target, headers, wanted) in cases {
        assert_eq!(status(&gateway, &http_request("GET", target, headers, "")).await, wanted, "{target} {headers:?}");
    }
}

#[tokio::test]
async fn requests_with_two_lengths_are_refused() {
    let gateway = probe("").await;
    let inner = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let chunked = format!("0\r\n\r\n{inner}");
    let length = format!("content-length: {}", chunked.len());
    let cases: [&[&str]; 8] = [
        &[&length, "transfer-encoding: chunked"],
        &["transfer-encoding: chunked", &length],
        &["content-length: 5", "content-length: 6"],
        &["content-length: 5, 6"],
        &["content-length: +5"],
        &["transfer-encoding: xchunked"],
        &["transfer-encoding: chunked, identity"],
        &["content-length : 5"],
    ];
    for headers in cases {
        let mut all = vec!["host: localhost", "content-type: application/json", "accept: application/json"];
        all.extend_from_slice(headers);
        let status = status(&gateway, &http_request("POST", "/mcp", &all, &chunked)).await;
        assert_eq!(status, "400", "{headers:?}");
    }
}

/// Sends a head byte by byte and says when the gateway had enough of it.
async fn slow_head(gateway: &Gateway) -> Duration {
    let mut socket = RawSocket::open(gateway.authority()).await;
    let start = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nx-slow: ";
    socket.write(start).await.expect("the first lines");
    let since = Instant::now();
    // Ends with an error as soon as the gateway has closed the connection.
    let written = socket.write_slowly(&[b'y'; 2000], 1, Duration::from_millis(20)).await;
    assert!(written.is_err(), "closed by then");
    since.elapsed()
}

/// Sends the beginning of a body and says when the gateway did not wait any more.
async fn slow_body(gateway: &Gateway) -> Duration {
    let mut socket = RawSocket::open(gateway.authority()).await;
    let head = ["host: localhost", "content-type: application/json", "accept: application/json", "content-length: 100"];
    let request = http_request("POST", "/mcp", &head, r#"{"jsonrpc""#);
    socket.write(&request).await.expect("the beginning");
    let since = Instant::now();
    let refused = socket.read_until("HTTP/1.1 408", Duration::from_secs(60));
    assert!(refused.await, "{}", socket.text());
    since.elapsed()
}

/// Has many slow clients, and one that is not slow and must not suffer.
async fn slow_crowd(gateway: &Gateway) {
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut socket = RawSocket::open(gateway.authority()).await;
        let start = b"POST /mcp HTTP/1.1\r\nhost: ";
        socket.write(start).await.expect("the beginning");
        slow.push(socket);
    }
    let session = open(gateway).await;
    let since = Instant::now();
    for _ in 0..20 {
        echo(&session, "not slow").await;
    }
    let took = since.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    session.delete().await;
    let closed = join_all(slow.iter_mut().map(|socket| socket.read_to_close(SOON))).await;
    assert!(closed.into_iter().all(|closed| closed));
}

#[tokio::test]
async fn slow_heads_and_bodies_are_given_up() {
    let gateway = probe("").await;
    let (head, body, ()) = tokio::join!(slow_head(&gateway), slow_body(&gateway), slow_crowd(&gateway));
    let seconds = Duration::from_secs;
    assert!(head > seconds(8) && head < seconds(25), "{head:?}");
    assert!(body > seconds(28), "{body:?}");
    assert!(eventually(SOON, || below(&gateway).is_empty()).await);
}

#[tokio::test]
async fn an_upload_that_is_cut_off_reaches_nobody() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let id = format!("mcp-session-id: {}", session.id.as_deref().expect("an id"));
    let head = ["host: localhost", "content-type: application/json", "accept: application/json", &id];
    let mut announced = head.to_vec();
    announced.push("content-length: 1000");
    let mut chunked = head.to_vec();
    chunked.push("transfer-encoding: chunked");
    let first_chunk = format!("{:x}\r\n{LIST}\r\n", LIST.len());
    let requests =
        [http_request("POST", "/mcp", &announced, LIST), http_request("POST", "/mcp", &chunked, &first_chunk)];
    for request in &requests {
        abort(gateway.authority(), request, None).await;
        let mut socket = RawSocket::open(gateway.authority()).await;
        socket.write(request).await.expect("the part");
        socket.finish().await.expect("close our side");
        assert!(socket.read_to_close(SOON).await);
        assert!(!socket.text().contains("HTTP/1.1 2"), "{}", socket.text());
    }
    assert_nothing_passed(&session).await;
}

#[tokio::test]
async fn clients_that_never_read_are_given_up() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let files = open_files(gateway.pid()).expect("the gateway lives");
    let before = peak(&gateway);
    let id = format!("mcp-session-id: {}", session.id.as_deref().expect("an id"));
    let head = ["host: localhost", "content-type: application/json", "accept: application/json", &id];
    let flood = janua_testkit::client::message::call_params(
        "rawresult",
        &format!(r#"{{"json":"\"{}\""}}"#, "r".repeat(3_000_000)),
    );
    let body = janua_testkit::client::message::request("1", "tools/call", &flood);
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut socket = RawSocket::open(gateway.authority()).await;
        socket.write(&http_request("POST", "/mcp", &head, &body)).await.expect("the request");
        deaf.push(socket);
    }
    echo(&session, "read at once").await;
    let released = || open_files(gateway.pid()).is_some_and(|now| now <= files + 1);
    assert!(
        eventually(Duration::from_secs(75), released).await,
        "{files} files before, {:?} now",
        open_files(gateway.pid())
    );
    assert_growth(&gateway, before, 32 * MIB);
    drop(deaf);
}
