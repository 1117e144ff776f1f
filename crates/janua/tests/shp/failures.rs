//! Servers that do not start, do not answer, crash or do not end.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use janua_testkit::client::message::{call_params, initialize_params, request};
use janua_testkit::client::session::Session;
use janua_testkit::gateway::{self, Gateway};
use janua_testkit::process::{self, eventually, eventually_with};
use rustix::process::Signal;

use crate::started::{JANUA, LONG, VERSION, before, hostile, info, pid, probe, session};

#[tokio::test]
async fn shp_12_a_server_that_does_not_start_is_503() {
    let missing = before(&[], "/no/such/place/program".as_ref(), &[]).await;
    let ending = hostile(&[], &["exit-at-start", "1", "the reason why"]).await;
    for gateway in [&missing, &ending] {
        let body = request("\"a\"", "initialize", &initialize_params(VERSION, "{}"));
        let since = Instant::now();
        let answer = gateway.client().post_json(body).await;
        assert!(since.elapsed() < Duration::from_secs(20), "the original took 30 s, we {:?}", since.elapsed());
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
        assert_eq!((answer.json()["id"].as_str(), answer.header("mcp-session-id")), (Some("a"), None));
        assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
        assert!(!answer.text().contains("/no/such") && !answer.text().contains("os error"), "{}", answer.text());
        assert_eq!(gateway.client().get("/health", &[]).await.json()["active_sessions"], 0);
    }
    assert!(eventually(LONG, || ending.stderr().contains("the reason why")).await, "its last words are logged");
}

#[tokio::test]
async fn shp_14_a_request_that_takes_too_long_is_408() {
    let words = ["proxy", "--port", "0", "--call-timeout", "2", "--"];
    let gateway = Gateway::builder(JANUA).args(&words).arg(gateway::program("probe")).start().await;
    let session = session(&gateway).await;
    let since = Instant::now();
    let slow = session.request_id("\"s\"", "tools/call", &call_params("slow", r#"{"s":5}"#)).await;
    assert!(since.elapsed() >= Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(slow.status, StatusCode::REQUEST_TIMEOUT, "{}", slow.body);
    let answer = slow.response();
    assert_eq!((answer.id().as_deref(), answer.error_code().is_some()), (Some("\"s\""), true), "{}", slow.body);
    let cancelled = info(&session).await["cancelled"].clone();
    assert_eq!(cancelled.as_array().map(Vec::len), Some(1), "the server was told: {cancelled}");
    // Progress is a sign of life: with it a call may take longer.
    let params = r#"{"name":"progress","arguments":{"n":4,"ms":900},"_meta":{"progressToken":1}}"#;
    assert_eq!(session.request("tools/call", params).await.text(), "reported 4 times");
}

#[tokio::test]
async fn shp_15_a_crash_is_500_and_ends_the_session() {
    let gateway = probe(&[]).await;
    let (crashing, other) = (session(&gateway).await, session(&gateway).await);
    let server = pid(&crashing).await;
    let since = Instant::now();
    let crashed = crashing.request_id("\"c\"", "tools/call", &call_params("crash", "{}")).await;
    assert!(since.elapsed() < Duration::from_secs(20), "the original took 30 s, we {:?}", since.elapsed());
    assert_eq!(crashed.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", crashed.body);
    assert_eq!(crashed.response().id().as_deref(), Some("\"c\""), "{}", crashed.body);
    assert_eq!(crashing.request("tools/list", "").await.status, StatusCode::NOT_FOUND);
    assert!(process::wait_gone(server, LONG).await);
    assert!(eventually(LONG, || process::zombies_of(gateway.pid()).is_empty()).await, "a zombie is left");
    assert_eq!(other.call("echo", r#"{"text":"unharmed"}"#).await.text(), "unharmed");
    let one_left = async || gateway.client().get("/health", &[]).await.json()["active_sessions"] == 1;
    assert!(eventually_with(LONG, one_left).await, "the session is not removed");
}

#[tokio::test]
async fn shp_29_a_refused_initialize_leaves_nothing() {
    let gateway = hostile(&[], &["refuse-initialize"]).await;
    let refused = gateway.client().try_initialize(VERSION, "{}").await;
    assert_eq!((refused.status, refused.error_code()), (StatusCode::OK, Some(-32603)), "{}", refused.body);
    assert_eq!(refused.response().at("/error/message"), "this server does not want to be initialized");
    assert!(!refused.headers.contains_key("mcp-session-id"));
    let servers = || {
        let below = process::descendants(gateway.pid());
        below.into_iter().filter(|pid| process::cmdline(*pid).iter().any(|word| word == "refuse-initialize")).count()
    };
    assert!(eventually(LONG, || servers() == 0).await, "the server that refused still runs");
    assert_eq!(gateway.client().get("/health", &[]).await.json()["active_sessions"], 0);
}

/// SIGTERM with a server that sits idle, one that does not read any more, and one that does not want to go.
#[tokio::test]
async fn shp_32_sigterm_leaves_no_server() {
    let idle = probe(&[]).await;
    let _session = session(&idle).await;
    let blocked = hostile(&[], &["deaf"]).await;
    assert_eq!(blocked.client().try_initialize(VERSION, "{}").await.status, StatusCode::OK);
    let stubborn = hostile(&[], &["stubborn"]).await;
    let _session = session(&stubborn).await;
    tokio::join!(end(idle, 1), end(blocked, 1), end(stubborn, 1));
}

#[tokio::test]
async fn shp_32_sigterm_gives_running_requests_their_time() {
    let gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let params = call_params("slow", r#"{"s":3}"#);
    let (slow, ()) = tokio::join!(session.request_id("\"owed\"", "tools/call", &params), async {
        arrived(&session).await;
        end(gateway, 1).await;
    });
    assert_eq!((slow.status, slow.text()), (StatusCode::OK, "slept"));
}

#[tokio::test]
async fn shp_32_a_second_sigterm_cuts_the_waiting_short() {
    let mut gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let params = call_params("slow", r#"{"s":600}"#);
    let (cut, ()) = tokio::join!(session.request_id("\"owed\"", "tools/call", &params), async {
        arrived(&session).await;
        gateway.signal(Signal::TERM);
        let refusing = async || gateway.client().try_send(Method::GET, "/health", "", &[]).await.is_err();
        assert!(eventually_with(LONG, refusing).await, "it still takes connections");
        end(gateway, 1).await;
    });
    assert_eq!((cut.status, cut.error_code().is_some()), (StatusCode::SERVICE_UNAVAILABLE, true), "{}", cut.body);
}

/// Waits until the server has got a call besides those that ask it.
async fn arrived(session: &Session) {
    let mut asked = 0;
    let more = || {
        asked += 1;
        async move {
            let info = info(session).await;
            let seen = info["seen"].as_array().expect("a list");
            let calls = seen.iter().filter(|line| line.as_str().is_some_and(|line| line.starts_with("tools/call")));
            calls.count() > asked
        }
    };
    assert!(eventually_with(LONG, more).await, "the call never reached the server");
}

/// Ends the gateway with SIGTERM. It has `count` servers, and none after.
async fn end(mut gateway: Gateway, count: usize) {
    let guardian = |pid: &u32| process::cmdline(*pid).iter().any(|word| word.starts_with("--janua-guardian"));
    let servers: Vec<_> = process::descendants(gateway.pid()).into_iter().filter(|pid| !guardian(pid)).collect();
    assert_eq!(servers.len(), count, "{servers:?}");
    let stopped = gateway.terminate(LONG * 2).await;
    assert_eq!(stopped.status.code(), Some(0), "{}", gateway.stderr());
    for server in servers {
        assert!(process::wait_gone(server, LONG).await, "process {server} is left");
    }
}
