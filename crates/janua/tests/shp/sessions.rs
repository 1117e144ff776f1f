//! Sessions: a server each, and how they end.

use std::time::{Duration, Instant};

use http::StatusCode;
use janua_testkit::client::message::call_params;
use janua_testkit::process::{self, eventually};

use crate::started::{LONG, info, pid, probe, session};

#[tokio::test]
async fn shp_06_each_session_has_a_server_of_its_own() {
    const COUNT: usize = 20;
    let gateway = probe(&[]).await;
    let mut sessions = Vec::new();
    for _ in 0..COUNT {
        sessions.push(session(&gateway).await);
    }
    for (number, session) in sessions.iter().enumerate() {
        let text = format!("of {number}");
        let id = format!("\"call {number}\"");
        let params = call_params("echo", &format!(r#"{{"text":"{text}"}}"#));
        assert_eq!(session.request_id(&id, "tools/call", &params).await.text(), text);
    }
    let mut pids = Vec::new();
    for session in &sessions {
        let info = info(session).await;
        pids.push(info["pid"].as_u64().expect("a process id"));
        let seen = info["seen"].as_array().expect("a list");
        let calls = seen.iter().filter(|line| line.as_str().is_some_and(|line| line.starts_with("tools/call")));
        assert_eq!(calls.count(), 2, "its own call and this one: {seen:?}");
    }
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), COUNT);
    assert_eq!(gateway.client().get("/health", &[]).await.json()["active_sessions"], COUNT);
}

#[tokio::test]
async fn shp_07_an_idle_session_ends_with_its_server() {
    const IDLE: Duration = Duration::from_secs(3);
    let gateway = probe(&["--timeout", "3"]).await;
    let session = session(&gateway).await;
    let server = pid(&session).await;
    tokio::time::sleep(IDLE / 2).await;
    let used = Instant::now();
    assert_eq!(session.call("echo", r#"{"text":"still here"}"#).await.text(), "still here");
    assert!(process::wait_gone(server, LONG).await, "the server outlives its session");
    assert!(used.elapsed() >= IDLE, "it ended {:?} after it was used", used.elapsed());
    let late = session.call("echo", r#"{"text":"x"}"#).await;
    assert_eq!((late.status, late.error_code()), (StatusCode::NOT_FOUND, Some(-32002)));
    assert_eq!(gateway.client().get("/health", &[]).await.json()["active_sessions"], 0);
}

#[tokio::test]
async fn shp_08_a_running_call_and_an_open_stream_keep_a_session() {
    let gateway = probe(&["--timeout", "2"]).await;
    let (calling, listening) = (session(&gateway).await, session(&gateway).await);
    let stream = listening.listen().await;
    let answered = calling.call("slow", r#"{"s":5}"#).await;
    assert_eq!((answered.status, answered.text()), (StatusCode::OK, "slept"));
    assert_eq!(calling.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let server = pid(&listening).await;
    drop(stream);
    assert!(process::wait_gone(server, LONG).await, "without the stream it ends");
}

#[tokio::test]
async fn shp_21_the_stream_of_a_session_and_its_end() {
    let gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let server = pid(&session).await;
    let (status, headers, mut events) = session.open_get(None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/event-stream");
    let headers = [("accept", "text/event-stream")];
    assert_eq!(gateway.client().get("/mcp", &headers).await.status, StatusCode::BAD_REQUEST);
    let put = gateway.client().send(http::Method::PUT, "/mcp", "{}", &[]).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = put.header("allow").expect("the methods that are allowed");
    assert!(["GET", "POST", "DELETE"].iter().all(|method| allowed.contains(method)), "{allowed}");
    let ended = session.delete().await;
    assert!(ended.status.is_success(), "{}", ended.status);
    assert!(events.closed(LONG).await, "the stream outlives its session");
    assert!(process::wait_gone(server, LONG).await, "the server outlives its session");
    assert_eq!(session.request("tools/list", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(session.delete().await.status, StatusCode::NOT_FOUND);
    assert!(eventually(LONG, || process::zombies_of(gateway.pid()).is_empty()).await);
}
