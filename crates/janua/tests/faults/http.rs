//! The HTTP edge: bodies, headers and connections that are wrong, too large, too slow, foreign or cut.

use std::time::{Duration, Instant};

use ::http::Method;
use janua_testkit::client::faults::{RawSocket, abort, http_request, raw_socket};
use janua_testkit::client::session::Session;
use janua_testkit::client::{Answer, JSON_POST};
use janua_testkit::gateway::Gateway;

use crate::scene::{MIB, SOON, assert_growth, below, echo, health, open, peak, probe, seen, sessions};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// Holds an answer to being a refusal with a JSON-RPC error in it.
fn assert_refused(answer: &Answer, what: &str) {
    assert!(answer.status.is_client_error(), "{what}: {} {}", answer.status, answer.text());
    let message = answer.message();
    assert!(message.error_code().is_some() && message.at("/jsonrpc") == "2.0", "{what}: {}", answer.text());
    assert!(!message.at("/error/message").as_str().unwrap_or_default().is_empty(), "{what}: {}", answer.text());
}

/// Holds the server to having got nothing but the opening of its session and the question for what it got.
async fn assert_nothing_passed(session: &Session) {
    let seen = seen(session).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[1], "notifications/initialized", "{seen:?}");
}

/// Posts these bodies into a session: each must be refused with that code, and none reach the server.
async fn refuses(bodies: &[(&[u8], i64)]) {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    for (body, code) in bodies {
        let what = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        let answer = session.post(body.to_vec()).await;
        assert_refused(&answer, &what);
        assert_eq!((answer.status.as_u16(), answer.message().error_code()), (400, Some(*code)), "{what}");
    }
    assert_nothing_passed(&session).await;
}

#[tokio::test]
async fn check_malformed_json() {
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list""#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"} {}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list",}"#,
        r#"{'jsonrpc':'2.0','id':1,'method':'tools/list'}"#,
        r#"{"jsonrpc":"2.0","id":01,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":NaN}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools\nlist\"}",
        "not JSON",
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32700))).await;
}

#[tokio::test]
async fn check_invalid_utf8_in_a_request_body() {
    let call = |text: &[u8]| [br#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":""#, text, br#""}}"#].concat();
    let wrong: [&[u8]; 6] = [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf", b"\xe2\x82"];
    let bodies: Vec<Vec<u8>> = wrong.iter().map(|text| call(text)).chain([call(b"\0")]).collect();
    let bodies: Vec<(&[u8], i64)> = bodies.iter().map(|body| (body.as_slice(), -32700)).collect();
    refuses(&bodies).await;
}

#[tokio::test]
async fn check_100000_deep_nesting() {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"a":{open}{close}}}}}"#)
    };
    refuses(&[(deep(100_000).as_bytes(), -32600), (deep(1_000_000).as_bytes(), -32600)]).await;
    let gateway = probe("").await;
    let session = open(&gateway).await;
    // The object and its params are the first two levels. (The server's own parser takes 127.)
    assert_eq!(session.post(deep(125)).await.status, 200);
    assert_refused(&session.post(deep(127)).await, "one level too many");
}

#[tokio::test]
async fn check_empty_body() {
    refuses(&[(b"", -32700), (b" \r\n ", -32700)]).await;
}

#[tokio::test]
async fn check_body_is_not_an_object() {
    refuses(&[(b"42", -32600), (b"\"text\"", -32600), (b"null", -32600), (b"true", -32600)]).await;
}

#[tokio::test]
async fn check_wrong_jsonrpc_version() {
    let bodies = [
        r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"tools/list"}"#,
        r#"{"id":1,"method":"tools/list"}"#,
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn check_id_null() {
    refuses(&[(br#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, -32600)]).await;
}

#[tokio::test]
async fn check_id_object() {
    let ids = ["{}", "[1]", "true", "1.5", "1.0", "1e3"];
    let bodies = ids.map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
    refuses(&bodies.each_ref().map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn check_duplicate_method_key() {
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"crash"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"crash"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1,"progressToken":2}}}"#,
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn keys_that_only_look_like_the_protocols_are_refused() {
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"Method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","paramſ":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","Params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"tools/list"}"#,
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn messages_that_are_none_are_refused() {
    let bodies = [
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"text"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"both"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#,
        "[]",
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn check_20_digit_id() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let ids = ["98765432109876543210", "9007199254740993", "-9007199254740993", "-0", r#""98765432109876543210""#, r#""\u0061\"/""#];
    for id in ids {
        let reply = session.request_id(id, "tools/list", "").await;
        assert_eq!(reply.response().id().as_deref(), Some(id));
        assert!(reply.result()["tools"].is_array());
    }
}

#[tokio::test]
async fn a_request_reaches_the_server_byte_for_byte_on_one_line() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let params = "{\"name\" : \"raw\",\r\n \"arguments\": {\"a\":1,\"a\":1.0e+2, \"big\":12345678901234567890123,\"\\u00e4\":\"\\ud83d\\ude00\u{2028}\"}}";
    let reply = session.request("tools/call", params).await;
    let line = reply.text().to_owned();
    assert!(!line.contains(['\n', '\r']));
    let blanked = params.replace(['\r', '\n'], " ");
    assert!(line.contains(&blanked), "{line}");
}

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
    assert_growth(&gateway, before, 24 * MIB);
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
    let answer = raw_socket(gateway.authority(), &http_request("GET", "/health", &["host: localhost", &long], "")).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    assert_growth(&gateway, before, 8 * MIB);
    health(&gateway).await;
}

#[tokio::test]
async fn what_is_no_plain_json_is_refused() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let kinds = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=utf-16"];
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
    let origins = ["http://evil.example", "https://localhost.evil.example", "null", "file://", "http://127.0.0.1.evil.example:80", "http://user@localhost", "http://localhost.:3000", "chrome-extension://abc"];
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
    let hosts = ["evil.example", "evil.example:3000", "localhost.evil.example", "localhost.", "user@localhost", "[::2]:1", "127.0.0.1.nip.example", "169.254.169.254"];
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

#[tokio::test]
async fn slow_heads_and_bodies_are_given_up() {
    let gateway = probe("").await;
    let slow_head = async {
        let mut socket = RawSocket::open(gateway.authority()).await;
        socket.write(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n").await.expect("the first lines");
        let since = Instant::now();
        let bytes = b"x-slow: ".iter().chain(std::iter::repeat_n(&b'y', 2000)).copied().collect::<Vec<u8>>();
        // Ends with an error as soon as the gateway has closed the connection.
        let written = socket.write_slowly(&bytes, 1, Duration::from_millis(20)).await;
        assert!(written.is_err(), "closed by then");
        since.elapsed()
    };
    let slow_body = async {
        let mut socket = RawSocket::open(gateway.authority()).await;
        let head = ["host: localhost", "content-type: application/json", "accept: application/json", "content-length: 100"];
        socket.write(&http_request("POST", "/mcp", &head, "")).await.expect("the head");
        socket.write(b"{\"jsonrpc\"").await.expect("the beginning");
        let since = Instant::now();
        assert!(socket.read_until("HTTP/1.1 408", Duration::from_secs(60)).await);
        since.elapsed()
    };
    let (head, body) = tokio::join!(slow_head, slow_body);
    assert!(head > Duration::from_secs(8) && head < Duration::from_secs(25), "{head:?}");
    assert!(body > Duration::from_secs(28), "{body:?}");
    assert!(below(&gateway).is_empty());
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
    let requests = [http_request("POST", "/mcp", &announced, LIST), http_request("POST", "/mcp", &chunked, &first_chunk)];
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
