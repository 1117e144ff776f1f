//! What a gateway shows of itself: metrics, readiness, the line of a call, traces that go on.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use janua::config::{Server, ServerCommand, ServerSettings, Settings};
use janua::serve::App;
use janua_testkit::client::Client;
use janua_testkit::client::faults::RawSocket;
use janua_testkit::client::message::call_params;
use janua_testkit::client::session::Session;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{eventually, eventually_with};
use janua_testkit::servers::journal;
use rustix::process::Signal;
use serde_json::Value;

/// Longer than anything here takes on a slow machine.
const SOON: Duration = Duration::from_secs(30);
const JANUA: &str = env!("CARGO_BIN_EXE_janua");
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
/// The arguments of a call that outlasts a test.
const SLOW: &str = r#"{"s":60}"#;
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A gateway that shows its metrics, in front of a program of the testkit.
async fn gateway(options: &str, name: &str, words: &[&str]) -> Gateway {
    let program = program(name);
    let mut line: Vec<&str> = vec!["--metrics", "0"];
    line.extend(options.split_whitespace());
    line.extend(["--", program.to_str().expect("a path that is text")]);
    line.extend(words);
    Gateway::start(JANUA, &line).await
}

/// The listener of a gateway's metrics.
async fn shown(gateway: &Gateway) -> Client {
    let mut found = None;
    let said = eventually(SOON, || {
        found = gateway.stderr().lines().find_map(|line| {
            let url = line.trim().strip_prefix("metrics ")?.trim();
            url.strip_suffix("/metrics").map(str::to_owned)
        });
        found.is_some()
    });
    assert!(said.await, "no address of metrics in {}", gateway.stderr());
    Client::new(&found.expect("an address")).deadline(SOON)
}

/// A scrape: every sample by its name with its labels, as they are written.
async fn scrape(metrics: &Client) -> BTreeMap<String, f64> {
    let answer = metrics.get("/metrics", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut samples = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(samples.insert(name.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

/// The sample of that name, or nought.
fn value(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    samples.get(name).copied().unwrap_or_default()
}

/// How many calls of tools ended so.
fn tool_calls(outcome: &str) -> String {
    format!(r#"janua_calls_total{{server="default",method="tools/call",outcome="{outcome}"}}"#)
}

/// Scrapes until a sample has that value.
async fn settles(metrics: &Client, name: &str, wanted: f64) {
    let fits = || async { (value(&scrape(metrics).await, name) - wanted).abs() < 1e-9 };
    assert!(eventually_with(SOON, fits).await, "{name} is not {wanted}: {:#?}", scrape(metrics).await);
}

async fn open(gateway: &Gateway) -> Session {
    gateway.client().deadline(SOON).initialize(LEGACY, "{}").await
}

#[tokio::test]
async fn what_was_asked_is_counted_to_the_last_call() {
    let gateway = gateway("", "probe", &[]).await;
    let metrics = shown(&gateway).await;
    let session = open(&gateway).await;
    for _ in 0..3 {
        assert_eq!(session.call("echo", r#"{"text":"x"}"#).await.text(), "x");
    }
    let failed = session.call("rawresult", r#"{"json":"{\"content\":[],\"isError\":true}"}"#).await;
    assert_eq!(failed.result()["isError"], true, "{}", failed.raw());
    let wrong = session.call("rpcerror", "{}").await;
    assert_eq!(wrong.error_code(), Some(-32602), "{}", wrong.raw());
    let unknown = session.request("acme/secret-method", "").await;
    assert!(unknown.error_code().is_some(), "{}", unknown.raw());
    let params = call_params("slow", SLOW);
    let slow = session.open_id("\"slow\"", "tools/call", &params);
    let cancelling = async {
        settles(&metrics, r#"janua_calls_running{server="default"}"#, 1.0).await;
        session.cancel("\"slow\"").await
    };
    let (_slow, cancelled) = tokio::join!(slow, cancelling);
    assert!(cancelled.status.is_success(), "{}", cancelled.text());
    settles(&metrics, &tool_calls("cancelled"), 1.0).await;
    let crashed = session.call("crash", "{}").await;
    assert!(crashed.error_code().is_some(), "{}", crashed.raw());
    settles(&metrics, r#"janua_children{server="default"}"#, 0.0).await;
    let second = open(&gateway).await;
    assert_eq!(second.call("echo", r#"{"text":"y"}"#).await.text(), "y");
    let samples = scrape(&metrics).await;
    for (name, wanted) in [
        (tool_calls("ok").as_str(), 4.0),
        (tool_calls("tool_error").as_str(), 1.0),
        (tool_calls("server_error").as_str(), 1.0),
        (tool_calls("client_error").as_str(), 1.0),
        (tool_calls("gateway_error").as_str(), 0.0),
        (tool_calls("cancelled").as_str(), 1.0),
        (r#"janua_calls_total{server="default",method="initialize",outcome="ok"}"#, 2.0),
        (r#"janua_calls_total{server="default",method="other",outcome="client_error"}"#, 1.0),
        (r#"janua_call_duration_seconds_count{server="default",method="tools/call"}"#, 8.0),
        (r#"janua_call_duration_seconds_bucket{le="+Inf",server="default",method="tools/call"}"#, 8.0),
        (r#"janua_calls_running{server="default"}"#, 0.0),
        (r#"janua_server_starts_total{server="default",outcome="ok"}"#, 2.0),
        (r#"janua_server_exits_total{server="default"}"#, 1.0),
        (r#"janua_server_restarts_total{server="default"}"#, 1.0),
        (r#"janua_children{server="default"}"#, 1.0),
        (r#"janua_sessions{transport="streamable_http"}"#, 1.0),
        (r#"janua_limit{limit="sessions"}"#, 1024.0),
        (r#"janua_limit_current{limit="sessions"}"#, 1.0),
        ("janua_ready", 1.0),
    ] {
        assert!((value(&samples, name) - wanted).abs() < 1e-9, "{name} is not {wanted}: {samples:#?}");
    }
    assert!(!samples.keys().any(|name| name.contains("secret-method") || name.contains("echo")), "{samples:#?}");
}

#[tokio::test]
async fn a_server_that_does_not_start_is_counted_as_that() {
    let gateway = gateway("", "hostile", &["exit-at-start"]).await;
    let metrics = shown(&gateway).await;
    let refused = gateway.client().deadline(SOON).try_initialize(LEGACY, "{}").await;
    assert!(refused.error_code().is_some(), "{}", refused.raw());
    let samples = scrape(&metrics).await;
    for name in [
        r#"janua_server_starts_total{server="default",outcome="failed"}"#,
        r#"janua_calls_total{server="default",method="initialize",outcome="server_error"}"#,
        r#"janua_http_answers_total{route="mcp",status="5xx"}"#,
    ] {
        assert!((value(&samples, name) - 1.0).abs() < 1e-9, "{name}: {samples:#?}");
    }
}

#[tokio::test]
async fn metrics_answer_while_the_main_listener_is_full() {
    let gateway = gateway("", "probe", &[]).await;
    let metrics = shown(&gateway).await;
    let authority = gateway.authority().to_owned();
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut socket = RawSocket::open(&authority).await;
        socket.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n").await.expect("half a request");
        held.push(socket);
    }
    settles(&metrics, "janua_connections", 200.0).await;
    let samples = scrape(&metrics).await;
    assert!((value(&samples, r#"janua_limit_current{limit="connections"}"#) - 200.0).abs() < 1e-9, "{samples:#?}");
    drop(held);
    settles(&metrics, "janua_connections", 0.0).await;
}

#[tokio::test]
async fn metrics_have_a_guard_and_no_other_routes() {
    let gateway = gateway("", "probe", &[]).await;
    let metrics = shown(&gateway).await;
    let foreign = metrics.get("/metrics", &[("host", "evil.test")]).await;
    assert_eq!(foreign.status, 403, "{}", foreign.text());
    assert_eq!(metrics.get("/mcp", &[]).await.status, 404);
    assert_eq!(metrics.post("/metrics", "", &[]).await.status, 405);
    let elsewhere = gateway.client().get("/metrics", &[]).await;
    assert_eq!(elsewhere.status, 404, "{}", elsewhere.text());
    assert_eq!(gateway.client().get("/livez", &[]).await.json()["status"], "alive");
}

#[tokio::test]
async fn readiness_ends_when_stopping_begins() {
    let mut gateway = gateway("", "probe", &[]).await;
    let metrics = shown(&gateway).await;
    let ready = gateway.client().get("/readyz", &[]).await;
    assert_eq!((ready.status.as_u16(), &ready.json()["status"]), (200, &Value::from("ready")));
    let session = open(&gateway).await;
    // The drain lasts as long as this call.
    let params = call_params("slow", SLOW);
    tokio::select! {
        _ = session.request("tools/call", &params) => panic!("the slow call has ended"),
        () = async {
            settles(&metrics, r#"janua_calls_running{server="default"}"#, 1.0).await;
            gateway.signal(Signal::TERM);
            let refuses = || async { metrics.get("/readyz", &[]).await.status == 503 };
            assert!(eventually_with(SOON, refuses).await, "still ready");
            let why = metrics.get("/readyz", &[]).await.json();
            assert_eq!(why["not_ready"][0], "the gateway is stopping", "{why}");
            assert_eq!(metrics.get("/livez", &[]).await.status, 200);
            settles(&metrics, "janua_ready", 0.0).await;
            assert!(gateway.running(), "it did not wait for the call");
        } => {}
    }
    gateway.kill().await;
}

/// The settings of a gateway of many, with these servers, all of them `probe`.
fn settings(names: &[&str]) -> Settings {
    let mut settings =
        Settings { port: 0, metrics: Some("127.0.0.1:0".parse().expect("valid")), ..Settings::default() };
    for name in names {
        let command = ServerCommand::new([program("probe").to_str().expect("text")]).expect("a command");
        settings.servers.insert((*name).to_owned(), ServerSettings::new(Server::Command(command)));
    }
    settings
}

#[tokio::test]
async fn calls_through_a_view_count_where_they_ran_and_end_with_their_server() {
    let running = App::builder().settings(settings(&["left", "right"])).build().serve().await.expect("it serves");
    let shown = running.metrics_address().expect("metrics");
    let metrics = Client::new(&format!("http://{shown}")).deadline(SOON);
    let client = Client::new(&format!("http://{}", running.address())).deadline(SOON);
    let session = client.initialize(LEGACY, "{}").await;
    let names = session.request("tools/list", "").await.raw().to_owned();
    let prefixed = |server: &str| {
        let found = names.split('"').find(|name| name.starts_with(server) && name.ends_with("echo"));
        found.unwrap_or_else(|| panic!("no echo of {server} in {names}")).to_owned()
    };
    for (tool, times) in [(prefixed("left"), 2), (prefixed("right"), 1)] {
        for _ in 0..times {
            assert_eq!(session.call(&tool, r#"{"text":"x"}"#).await.text(), "x");
        }
    }
    assert!(session.call("nobody-has-it", "{}").await.error_code().is_some());
    let samples = scrape(&metrics).await;
    let calls = |server: &str, method: &str, outcome: &str| {
        let name = format!(r#"janua_calls_total{{server="{server}",method="{method}",outcome="{outcome}"}}"#);
        value(&samples, &name)
    };
    let counted = [
        calls("left", "tools/call", "ok"),
        calls("right", "tools/call", "ok"),
        calls("all", "tools/call", "ok"),
        calls("all", "tools/call", "client_error"),
        calls("all", "tools/list", "ok"),
        value(&samples, r#"janua_calls_running{server="left"}"#),
        value(&samples, r#"janua_calls_running{server="all"}"#),
    ];
    assert_eq!(counted.map(|count| count.to_string()), ["2", "1", "0", "1", "1", "0", "0"], "{samples:#?}");
    running.apply(&settings(&["left"]));
    let samples = scrape(&metrics).await;
    assert!(samples.keys().any(|name| name.contains("\"left\"")), "{samples:#?}");
    assert!(!samples.keys().any(|name| name.contains("\"right\"")), "{samples:#?}");
    running.stop().await;
    assert!(metrics.try_send(Method::GET, "/livez", "", &[]).await.is_err(), "the listener is still there");
}

/// The lines of the log that are about calls.
fn call_lines(gateway: &Gateway) -> Vec<Value> {
    let stderr = gateway.stderr();
    let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "janua::call").collect()
}

#[tokio::test]
async fn a_call_is_one_line_without_payload() {
    const SECRET: &str = "mark-4711-of-the-argument";
    const HEADER: &str = "mark-0815-of-the-header";
    let gateway = gateway("--log-format json --log-level trace", "probe", &[]).await;
    let client = gateway.client().deadline(SOON).header("authorization", &format!("Bearer {HEADER}"));
    let session = client.initialize(LEGACY, "{}").await;
    let text = format!(r#"{{"text":"{SECRET}"}}"#);
    assert_eq!(session.call("echo", &text).await.text(), SECRET);
    let wrong = session.call("rpcerror", &text).await;
    assert_eq!(wrong.error_code(), Some(-32602));
    let modern = client.modern(MODERN, "{}");
    assert_eq!(modern.call("echo", &text).await.text(), SECRET);
    let read = session.request("resources/read", &format!(r#"{{"uri":"test://{SECRET}"}}"#)).await;
    assert!(!read.raw().is_empty());
    let strange = session.request(&format!("acme/{SECRET}"), "").await;
    assert!(strange.error_code().is_some(), "{}", strange.raw());
    assert!(eventually(SOON, || call_lines(&gateway).len() >= 6).await, "{}", gateway.stderr());
    let lines = call_lines(&gateway);
    let of = |method: &str| lines.iter().filter(|line| line["method"] == method).cloned().collect::<Vec<_>>();
    let calls = of("tools/call");
    assert_eq!((lines.len(), calls.len(), of("initialize").len(), of("other").len()), (6, 3, 1, 1), "{lines:#?}");
    let echo = &calls[0];
    for (field, wanted) in [
        ("level", "INFO"),
        ("message", "call ended"),
        ("server", "default"),
        ("name", "echo"),
        ("outcome", "ok"),
        ("transport", "streamable_http"),
        ("era", "legacy"),
    ] {
        assert_eq!(echo[field], wanted, "{field} of {echo}");
    }
    assert!(echo["duration_ms"].is_f64() && echo["answer_bytes"].as_u64() > Some(0), "{echo}");
    assert_eq!(echo["session"].as_str().map(str::len), Some(8), "{echo}");
    assert_eq!((&calls[1]["outcome"], &calls[1]["code"]), (&"client_error".into(), &"-32602".into()), "{}", calls[1]);
    assert_eq!((&calls[2]["era"], &calls[2]["session"]), (&"modern".into(), &Value::Null), "{}", calls[2]);
    let log = gateway.stderr();
    for secret in [SECRET, HEADER] {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_proxy_says_nothing_of_calls_unless_asked() {
    let gateway = gateway("--log-format json", "probe", &[]).await;
    let session = open(&gateway).await;
    assert_eq!(session.call("echo", r#"{"text":"x"}"#).await.text(), "x");
    session.delete().await;
    assert!(eventually(SOON, || gateway.stderr().contains("session ended")).await, "{}", gateway.stderr());
    assert!(call_lines(&gateway).is_empty(), "{}", gateway.stderr());
}

/// The `_meta` of the last call of `raw`, as a server with a handshake got it.
fn meta_of(reply: &str) -> Value {
    let request: Value = serde_json::from_str(reply).unwrap_or_else(|error| panic!("{error}: {reply}"));
    request["params"]["_meta"].clone()
}

#[tokio::test]
async fn a_trace_in_headers_goes_on_in_the_message() {
    let gateway = gateway("", "probe", &[]).await;
    let traced = [("traceparent", PARENT), ("tracestate", "a=1,b=2"), ("baggage", "user=\u{61}nn")];
    let mut client = gateway.client().deadline(SOON);
    for (name, value) in traced {
        client = client.header(name, value);
    }
    let session = client.initialize(LEGACY, "{}").await;
    let legacy = meta_of(session.call("raw", "{}").await.text());
    let modern = meta_of(client.modern(MODERN, "{}").call("raw", "{}").await.text());
    for meta in [legacy, modern] {
        for (name, value) in traced {
            assert_eq!(meta[name], value, "{name} in {meta}");
        }
    }
    // What the message says itself counts, and what is no trace is nobody's.
    let own = "00-11111111111111111111111111111111-2222222222222222-00";
    let params = format!(r#"{{"name":"raw","arguments":{{}},"_meta":{{"traceparent":"{own}","acme":1}}}}"#);
    let kept = meta_of(session.request("tools/call", &params).await.text());
    assert_eq!((&kept["traceparent"], &kept["acme"], &kept["tracestate"]), (&own.into(), &1.into(), &Value::Null));
    let broken = gateway.client().deadline(SOON).header("traceparent", "00-00000000000000000000000000000000-1-01");
    let session = broken.initialize(LEGACY, "{}").await;
    assert_eq!(meta_of(session.call("raw", "{}").await.text()), Value::Null);
}

#[tokio::test]
async fn a_trace_goes_on_to_servers_without_a_handshake() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let gateway = gateway("", "everything", &["modern", "--journal", path.to_str().expect("text")]).await;
    let client = gateway.client().deadline(SOON).header("traceparent", PARENT);
    let session = client.initialize(LEGACY, "{}").await;
    assert!(!session.request("tools/list", "").await.raw().is_empty());
    assert!(!client.modern(MODERN, "{}").request("tools/list", "").await.raw().is_empty());
    let traced = |line: &String| line.contains("tools/list") && line.contains(PARENT);
    let both = || journal::lines(&path).iter().filter(|line| traced(line)).count() >= 2;
    assert!(eventually(SOON, both).await, "{:#?}", journal::lines(&path));
}

#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn traces_that_were_not_built_in_are_refused() {
    let line = ["proxy", "--demo", "--port", "0", "--traces", "http://127.0.0.1:4318"];
    let fault = Gateway::builder(JANUA).args(&line).try_start().await.expect_err("it started");
    assert!(fault.stderr.contains("feature `otel`") && fault.stderr.contains("4318"), "{fault}");
}

/// A collector that keeps what it is sent, and answers as one does.
#[cfg(feature = "otel")]
async fn collector() -> (String, std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = kept.clone();
    #[expect(clippy::disallowed_methods, reason = "a test's own server ends with the test")]
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (mut buffer, mut got) = (vec![0; 65536], Vec::new());
            loop {
                let count = socket.read(&mut buffer).await.unwrap_or_default();
                got.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&got).to_lowercase();
                let length =
                    text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
                let head = got.windows(4).position(|bytes| bytes == b"\r\n\r\n");
                if count == 0
                    || head.zip(length).is_some_and(|(head, length): (usize, usize)| got.len() >= head + 4 + length)
                {
                    break;
                }
            }
            keep.lock().expect("a lock").extend(got);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = socket.write_all(answer).await;
        }
    });
    (address, kept)
}

#[cfg(feature = "otel")]
#[tokio::test]
async fn a_call_is_a_span_between_its_client_and_its_server() {
    let (address, kept) = collector().await;
    let mut gateway = gateway(&format!("--traces {address}"), "probe", &[]).await;
    let client = gateway.client().deadline(SOON).header("traceparent", PARENT);
    let session = client.initialize(LEGACY, "{}").await;
    let meta = meta_of(session.call("raw", r#"{"secret":"mark-4711"}"#).await.text());
    let parts: Vec<&str> = meta["traceparent"].as_str().expect("a parent").split('-').collect();
    let given: Vec<&str> = PARENT.split('-').collect();
    assert_eq!((parts[0], parts[1], parts[3]), (given[0], given[1], given[3]), "{meta}");
    assert_ne!(parts[2], given[2], "{meta}");
    gateway.terminate(SOON).await;
    let sent = kept.lock().expect("a lock").clone();
    let has = |bytes: &[u8]| sent.windows(bytes.len()).any(|window| window == bytes);
    let raw = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    };
    assert!(has(b"POST /v1/traces HTTP/1.1"), "{}", String::from_utf8_lossy(&sent));
    for word in ["tools/call raw", "mcp.method.name", "gen_ai.tool.name", "execute_tool", "service.name", "2025-11-25"]
    {
        assert!(has(word.as_bytes()), "{word} in {}", String::from_utf8_lossy(&sent));
    }
    for id in [given[1], given[2], parts[2]] {
        assert!(has(&raw(id)), "{id}");
    }
    assert!(!has(b"mark-4711"), "{}", String::from_utf8_lossy(&sent));
}
