//! supergateway's command line, its paths and its answers, against the built program.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use janua_testkit::client::message::{call_params, initialize_params, quoted, request};
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::client::{Client, JSON_POST};
use janua_testkit::gateway::{self, Gateway};
use janua_testkit::peers::{HttpMode, Peer, Sdk, Served, Transport};
use janua_testkit::process::{self, eventually};
use serde_json::{Value, json};

const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
const LONG: Duration = Duration::from_secs(30);
const HTTP: [&str; 2] = ["--outputTransport", "streamableHttp"];
const STATEFUL: [&str; 3] = ["--outputTransport", "streamableHttp", "--stateful"];

/// The command of `probe` as a shell reads it, with words after it.
fn probe(words: &str) -> String {
    format!("'{}' {words}", gateway::program("probe").display())
}

async fn start(stdio: &str, options: &[&str]) -> Gateway {
    let words = ["compat", "supergateway", "--stdio", stdio, "--port", "0"];
    Gateway::builder(JANUA).args(&words).args(options).env("PROBE_X", "inherited").start().await
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn pid(info: &Value) -> u32 {
    info["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}

#[tokio::test]
async fn sse_is_the_default_and_each_stream_is_a_session() {
    let gateway = start(&probe("one 'two words'"), &[]).await;
    let mut first = SseSession::open(gateway.base(), "/sse").await;
    assert!(first.endpoint.starts_with("/message?"), "{}", first.endpoint);
    let opening = first.initialize("2024-11-05", "{}").await;
    assert_eq!(opening.result()["serverInfo"]["name"], "probe");
    let mut second = SseSession::open(gateway.base(), "/sse").await;
    second.initialize("2024-11-05", "{}").await;
    let (one, other) = (first.call("info", "{}").await, second.call("info", "{}").await);
    let (one, other) = (parsed(one.text()), parsed(other.text()));
    assert_eq!((&one["argv"], &one["probe_env"]), (&json!(["one", "two words"]), &json!({"PROBE_X": "inherited"})));
    assert_ne!(pid(&one), pid(&other), "a server each");
    // With both, the original sends every answer to every stream.
    first.send("tools/call", &call_params("echo", r#"{"text":"mine"}"#)).await;
    assert_eq!(second.call("echo", r#"{"text":"yours"}"#).await.text(), "yours");
    assert_eq!(first.message().await.text(), "mine");
    assert!(first.passed.is_empty() && second.passed.is_empty());
    drop(first);
    assert!(process::wait_gone(pid(&one), LONG).await, "the server outlives its stream");
}

/// The name of the parameter in the original's address is taken too.
#[tokio::test]
async fn messages_find_their_stream_by_either_name() {
    let gateway = start(&probe(""), &[]).await;
    let mut stream = SseSession::open(gateway.base(), "/sse").await;
    let id = stream.target.rsplit('=').next().expect("an id").to_owned();
    stream.target = format!("/message?sessionId={id}");
    stream.initialize("2024-11-05", "{}").await;
    assert_eq!(stream.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let client = gateway.client();
    assert_eq!(client.post("/message", "{}", &JSON_POST).await.status, StatusCode::BAD_REQUEST);
    assert!(client.post("/message?sessionId=x", "{}", &JSON_POST).await.status.is_client_error());
}

#[tokio::test]
async fn paths_health_and_headers_are_as_told() {
    let options = ["--ssePath", "/events", "--messagePath", "/in", "--baseUrl", "https://public.test/pre"];
    let more =
        ["--healthEndpoint", "/healthz", "/readyz", "--healthEndpoint", "/live", "--header", "X-One: 1", "X-Two: 2"];
    let gateway = start(&probe(""), &[&options[..], &more].concat()).await;
    let stream = SseSession::open(gateway.base(), "/events").await;
    // The path of the base URL counts: the client stays with the address it came by.
    let id = stream.endpoint.strip_prefix("/pre/in?session_id=").expect("the prefix and the path");
    let mut direct = stream.client.clone();
    direct = direct.endpoint(&format!("/in?sessionId={id}"));
    assert_eq!(direct.post_json(request("1", "initialize", &initialize_params("2024-11-05", "{}"))).await.status, 202);
    for path in ["/healthz", "/readyz", "/live"] {
        let answer = gateway.client().get(path, &[]).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "ok"), "{path}");
        assert_eq!((answer.header("x-one"), answer.header("x-two")), (Some("1"), Some("2")), "{path}");
    }
    for path in ["/health", "/sse", "/message"] {
        assert_eq!(gateway.client().get(path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn stateful_sessions_over_streamable_http() {
    let gateway = start(&probe(""), &[&STATEFUL[..], &["--streamableHttpPath", "/mcp/deep"]].concat()).await;
    let client = Client::new(&gateway.url("/mcp/deep"));
    let (one, other) = (client.initialize("2025-06-18", "{}").await, client.initialize("2025-03-26", "{}").await);
    assert!(one.id.is_some() && one.id != other.id);
    let (first, second) = (one.call("info", "{}").await, other.call("info", "{}").await);
    assert_ne!(pid(&parsed(first.text())), pid(&parsed(second.text())), "a server each");
    assert_eq!(client.post_json(request("1", "tools/list", "")).await.status, StatusCode::BAD_REQUEST);
    let progress = r#"{"name":"progress","arguments":{"n":3},"_meta":{"progressToken":"p"}}"#;
    assert_eq!(one.request("tools/call", progress).await.notifications("notifications/progress").len(), 3);
    let mut stream = one.listen().await;
    assert!(one.delete().await.status.is_success());
    assert!(stream.closed(LONG).await);
    assert_eq!(one.request("tools/list", "").await.status, StatusCode::NOT_FOUND);
    assert!(process::wait_gone(pid(&parsed(first.text())), LONG).await, "the server outlives its session");
    assert_eq!(other.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}

#[tokio::test]
async fn a_session_ends_after_its_timeout() {
    const IDLE: Duration = Duration::from_millis(1500);
    let gateway = start(&probe(""), &[&STATEFUL[..], &["--sessionTimeout", "1500"]].concat()).await;
    let session = gateway.client().initialize("2025-06-18", "{}").await;
    assert_eq!(session.call("slow", r#"{"s":3}"#).await.text(), "slept", "a running call keeps it");
    let used = Instant::now();
    let server = pid(&parsed(session.call("info", "{}").await.text()));
    assert!(process::wait_gone(server, LONG).await, "it never ends");
    assert!(used.elapsed() >= IDLE, "{:?}", used.elapsed());
    assert_eq!(session.request("tools/list", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn stateless_requests_need_no_session() {
    let gateway = start(&probe(""), &HTTP).await;
    let client = gateway.client();
    // Before anybody has initialized anything.
    let called = client.post_json(request("7", "tools/call", &call_params("echo", r#"{"text":"hi"}"#))).await;
    assert_eq!((called.status, called.messages()[0].text()), (StatusCode::OK, "hi"));
    let opened = client.post_json(request("1", "initialize", &initialize_params("2025-06-18", "{}"))).await;
    assert_eq!((opened.status, opened.header("mcp-session-id")), (StatusCode::OK, None));
    assert_eq!(opened.messages()[0].result()["protocolVersion"], "2025-06-18");
    let told = client.post_json(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!((told.status, told.text().as_str()), (StatusCode::ACCEPTED, ""));
    // The same id at once from different clients.
    let slow = request("7", "tools/call", &call_params("slow", r#"{"s":0.5}"#));
    let quick = request("7", "tools/call", &call_params("echo", r#"{"text":"quick"}"#));
    let (slow, quick) = tokio::join!(client.post_json(slow), client.post_json(quick));
    assert_eq!((slow.messages()[0].text(), quick.messages()[0].text()), ("slept", "quick"));
    // A session id left over from elsewhere does no harm.
    let headers = [JSON_POST[0], JSON_POST[1], ("mcp-session-id", "old"), ("mcp-protocol-version", "2025-06-18")];
    let listed = client.post("/mcp", request("\"l\"", "tools/list", ""), &headers).await;
    assert!(listed.messages()[0].result()["tools"].is_array(), "{}", listed.text());
    for method in [Method::GET, Method::DELETE] {
        let answer = client.send(method.clone(), "/mcp", "", &[("accept", "text/event-stream")]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    // A question of the server has nobody to go to, and is answered at once.
    let asked = client.post_json(request("2", "tools/call", &call_params("roots", "{}"))).await;
    assert!(parsed(asked.messages()[0].text())["error"]["code"].is_number(), "{}", asked.text());
}

#[tokio::test]
async fn a_crash_is_an_error_and_the_next_request_is_served() {
    let gateway = start(&probe(""), &HTTP).await;
    let client = gateway.client();
    let crashed = client.post_json(request("1", "tools/call", &call_params("crash", "{}"))).await;
    assert_eq!(crashed.messages()[0].error_code(), Some(-32603), "{}", crashed.text());
    let again = client.post_json(request("2", "tools/call", &call_params("echo", r#"{"text":"hi"}"#))).await;
    assert_eq!(again.messages()[0].text(), "hi");
}

/// The TypeScript SDK, on which supergateway itself is built.
#[tokio::test]
async fn the_typescript_client_over_each_transport() {
    for (options, path) in [(&[][..], "/sse"), (&STATEFUL, "/mcp"), (&HTTP, "/mcp")] {
        let gateway = start(&probe(""), options).await;
        let url = gateway.url(path);
        let transport = if path == "/sse" { Transport::Sse(url) } else { Transport::Http(url) };
        let mut peer = Peer::start(Sdk::TypeScript1, &transport).expect("installed");
        let fail = |error| panic!("{options:?}: {error}");
        let server = peer.connect().await.unwrap_or_else(fail);
        assert_eq!(server["serverInfo"]["name"], "probe", "{options:?}");
        let listed = peer.op(json!({"op": "list_tools"})).await.unwrap_or_else(fail);
        assert!(listed["tools"].as_array().is_some_and(|tools| tools.len() > 5), "{options:?}: {listed}");
        let called = peer.call("echo", json!({"text": "hi"})).await.unwrap_or_else(fail);
        assert_eq!(called["content"][0]["text"], "hi", "{options:?}");
        peer.close().await.unwrap_or_else(|error| panic!("{options:?}: {error}"));
    }
}

/// Whatever the original's shell does with a command line happens here, too.
#[tokio::test]
async fn command_lines_mean_what_they_mean_to_a_shell() {
    let words = r#"a\ b "c 'd" --x='{"y": "$z"}' ''"#;
    let lines = [
        (probe(words), json!(["a b", "c 'd", "--x={\"y\": \"$z\"}", ""]), false),
        (format!("PROBE_X=changed {} | cat", probe("\"$PROBE_X\"")), json!(["inherited"]), true),
        (format!("cd / && exec {}", probe("$(echo from a shell)")), json!(["from", "a", "shell"]), false),
    ];
    for (line, argv, changed) in lines {
        let gateway = start(&line, &STATEFUL).await;
        let session = gateway.client().initialize("2025-06-18", "{}").await;
        let info = parsed(session.call("info", "{}").await.text());
        assert_eq!(info["argv"], argv, "{line}");
        let value = if changed { "changed" } else { "inherited" };
        assert_eq!(info["probe_env"]["PROBE_X"], value, "{line}");
        assert_eq!(info["cwd"] == "/", line.starts_with("cd /"), "{line}");
        assert!(session.delete().await.status.is_success());
        assert!(process::wait_gone(pid(&info), LONG).await, "{line}: the server outlives its session");
    }
}

#[tokio::test]
async fn it_listens_everywhere_and_says_so() {
    let gateway = start(&probe(""), &["--logLevel", "none"]).await;
    assert!(gateway.base().starts_with("http://0.0.0.0:"), "{}", gateway.base());
    assert!(gateway.stderr().contains("WARNING: listening on 0.0.0.0 without authentication"), "{}", gateway.stderr());
    let port = gateway.authority().rsplit(':').next().expect("a port").to_owned();
    let named = Client::new(&format!("http://127.0.0.1:{port}")).header("host", "gateway.test");
    named.initialize("2025-06-18", "{}").await;
    assert!(!gateway.stderr().contains("session opened"), "no log: {}", gateway.stderr());
    let closed = start(&probe(""), &["--host", "127.0.0.1", "--logLevel", "debug"]).await;
    assert!(closed.base().starts_with("http://127.0.0.1:") && !closed.stderr().contains("WARNING"));
    closed.client().initialize("2025-06-18", "{}").await;
    assert!(eventually(LONG, || closed.stderr().contains("session opened")).await, "{}", closed.stderr());
}

#[tokio::test]
async fn cors_for_all_or_for_some() {
    let all = start(&probe(""), &["--cors"]).await;
    let some = start(&probe(""), &["--cors", "http://a.test", "http://b.test"]).await;
    let none = start(&probe(""), &[]).await;
    for (gateway, origin, shared) in [
        (&all, "http://a.test", true),
        (&all, "null", true),
        (&some, "http://b.test", true),
        (&some, "http://c.test", false),
        (&none, "http://a.test", false),
    ] {
        let asked = [("origin", origin), ("access-control-request-method", "POST")];
        for path in ["/mcp", "/sse", "/message"] {
            let answer = gateway.client().send(Method::OPTIONS, path, "", &asked).await;
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed.is_some_and(|allowed| allowed == origin || allowed == "*"), shared, "{origin} {path}");
            assert!(shared || allowed.is_none(), "{origin} {path}: {allowed:?}");
        }
    }
}

/// Like the original: whoever started it with a pipe ends it by closing the pipe.
#[tokio::test]
async fn closing_the_input_stops_it() {
    let mut command = tokio::process::Command::new(JANUA);
    let line = probe("");
    command.args(["compat", "supergateway", "--host", "127.0.0.1", "--port", "0", "--stdio", &line]);
    let mut started = StdioClient::start_command(command);
    assert!(eventually(LONG, || started.stderr().contains("/mcp\n")).await, "{}", started.stderr());
    let said = started.stderr();
    let url = said.split_whitespace().find(|word| word.ends_with("/mcp")).expect("an address").to_owned();
    let session = Client::new(&url).initialize("2025-06-18", "{}").await;
    let server = pid(&parsed(session.call("info", "{}").await.text()));
    started.close_input();
    assert!(process::wait_gone(started.pid(), LONG).await, "it still runs: {}", started.stderr());
    assert!(process::wait_gone(server, LONG).await, "the server is left");
}

#[tokio::test]
async fn remote_servers_are_offered_on_stdio() {
    for (flag, mode) in [("--streamableHttp", HttpMode::Streamable), ("--sse", HttpMode::Sse)] {
        let served = Served::everything(mode).await.expect("installed");
        let words = ["compat", "supergateway", flag, served.url(), "--oauth2Bearer", "t", "--logLevel", "none"];
        let mut client = StdioClient::start(JANUA.as_ref(), &words);
        client.initialize("2025-06-18", "{}").await;
        let echo = client.call("echo", r#"{"message":"hi"}"#).await;
        assert_eq!(echo.text(), "Echo: hi", "{flag}");
        client.close_input();
        assert!(process::wait_gone(client.pid(), LONG).await, "{flag}: {}", client.stderr());
    }
}

#[tokio::test]
async fn what_is_not_supported_is_a_usage_error_with_advice() {
    let line = probe("");
    for (words, advice) in [
        (&["--stdio", line.as_str(), "--outputTransport", "ws"][..], "streamableHttp"),
        (&["--stdio", &line, "--outputTransport", "stdio"], "janua connect"),
        (&["--sse", "http://h.test/sse", "--outputTransport", "sse"], "janua proxy"),
        (&["--streamableHttp", "http://h.test/mcp", "--outputTransport", "streamableHttp"], "janua proxy"),
        (&["--stdio", "a 'b"], "quote"),
        (&["--stdio", &line, "--cors", "/x/"], "regular expressions"),
        (&["--stdio", &line, "--sse", "http://h.test/sse"], "only one of"),
        (&["--stdio", &line, "--sessionTimeout", "0"], "positive"),
        (&["--stdio", &line, "--port", "many"], "--port"),
        (&["--stdio", &line, "--no-such-flag"], "--no-such-flag"),
        (&[], "one of --stdio"),
    ] {
        let mut command = tokio::process::Command::new(JANUA);
        command.args(["compat", "supergateway"]).args(words).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LONG, command.output()).await.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(advice) && output.stdout.is_empty(), "{words:?}: {said}");
    }
}

/// The original refuses what is larger than 4 MB on one transport and 100 kB on the other.
#[tokio::test]
async fn large_messages_pass() {
    let gateway = start(&probe(""), &[]).await;
    let port = gateway.authority().rsplit(':').next().expect("a port");
    let mut stream = SseSession::open(&format!("http://{}:{port}", Ipv4Addr::LOCALHOST), "/sse").await;
    stream.initialize("2024-11-05", "{}").await;
    let text = "x".repeat(5_000_000);
    let echo = stream.call("echo", &format!(r#"{{"text":{}}}"#, quoted(&text))).await;
    assert!(echo.text() == text, "{} characters came back", echo.text().len());
}
