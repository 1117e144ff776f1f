//! Rows of acehoss/mcp-gateway's SSE side and configuration.

use axum::http::Method;
use janua_testkit::client::is_sse;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::process::wait_gone;
use serde_json::json;

use crate::stage::{JSON, PING, SOON, Stage, answers_pings, info, probe, text};

/// The id in an endpoint at this path; the path and the id's form are checked.
fn id_of(endpoint: &str, path: &str) -> String {
    let id = endpoint.strip_prefix(path).and_then(|rest| rest.strip_prefix("?sessionId="));
    let id = id.unwrap_or_else(|| panic!("the endpoint of {path} is {endpoint}"));
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    let digits = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    assert!(lengths == [8, 4, 4, 4, 12] && digits, "{endpoint}");
    id.to_owned()
}

#[tokio::test]
async fn ace_05_a_server_has_a_stream_at_its_name() {
    let stage = Stage::of_both().await;
    let client = stage.client();
    let (status, headers, mut events) = client.stream(Method::GET, "/probe", "", &[]).await;
    assert!(status == 200 && is_sse(&headers), "{status} {headers:?}");
    let first = events.next(SOON).await.expect("an event").expect("an event");
    assert_eq!(first.event.as_deref(), Some("endpoint"));
    id_of(first.data.as_deref().expect("data"), "/probe");
    for method in [Method::DELETE, Method::OPTIONS, Method::HEAD, Method::PUT] {
        let answer = client.send(method.clone(), "/probe", "", &[]).await;
        assert!(answer.status == 405 && answer.header("allow").is_some(), "{method}: {}", answer.status);
    }
}

#[tokio::test]
async fn ace_06_a_message_is_accepted_and_answered_on_the_stream() {
    let stage = Stage::of_both().await;
    let mut session = stage.session("/probe").await;
    let posted = session.post(PING).await;
    assert!(posted.status == 202 && posted.body.is_empty(), "{posted:?}");
    assert_eq!(session.response("7").await.at("/result"), &json!({}));
    assert_eq!(text(&mut session, "echo", r#"{"text":"hi"}"#).await, "hi");
    for (target, status) in [("/probe?sessionId=", 400), ("/probe?sessionId=abc", 404)] {
        let answer = stage.client().post(target, PING, &JSON).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (status, Some("application/json")));
        assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
    }
    let batch = format!("[{PING}]");
    for body in ["{bad", "", r#"{"hello":1}"#, batch.as_str()] {
        let answer = session.post(body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (400, Some("application/json")), "{body}");
    }
    answers_pings(&mut session).await;
}

#[tokio::test]
async fn ace_07_notifications_and_questions_pass_in_order() {
    let stage = Stage::of_both().await;
    let mut session = stage.stream("/probe").await;
    session.initialize("2024-11-05", r#"{"roots":{}}"#).await;
    let params = r#"{"name":"noisy","arguments":{},"_meta":{"progressToken":"p"}}"#;
    let done = session.request("tools/call", params).await;
    let before: Vec<&str> = session.passed.iter().filter_map(|message| message.method()).collect();
    assert_eq!(before, ["notifications/message", "notifications/progress"], "{}", done.raw());
    assert_eq!(session.passed[1].at("/params/progressToken"), "p");
    let asking = session.send("tools/call", r#"{"name":"ask","arguments":{}}"#).await;
    let question = session.message().await;
    assert_eq!(question.method(), Some("roots/list"), "{}", question.raw());
    session.respond(&question.id().expect("an id"), r#"{"roots":[]}"#).await;
    session.response(&asking).await.result();
    // The answer is under the server's own id there.
    let seen = info(&mut session).await["seen"].to_string();
    assert!(seen.contains("None#srv-1"), "{seen}");
}

#[tokio::test]
async fn ace_08_every_stream_has_a_process_of_its_own() {
    let stage = Stage::of_both().await;
    let (mut one, mut two) = (stage.session("/probe").await, stage.session("/probe").await);
    let (first, second) = (info(&mut one).await["pid"].clone(), info(&mut two).await["pid"].clone());
    assert!(first.is_u64() && first != second, "{first} {second}");
    assert_eq!(info(&mut one).await["pid"], first);
    assert_eq!(
        stage.client().post(&two.target.replace("/probe", "/simple-tools-server"), PING, &JSON).await.status,
        404
    );
}

#[tokio::test]
async fn ace_09_the_process_ends_when_the_client_leaves() {
    let stage = Stage::of_both().await;
    let mut session = stage.session("/probe").await;
    let pid = info(&mut session).await["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
    let target = session.target.clone();
    drop(session);
    assert!(wait_gone(pid, SOON).await);
    stage.until_status(&target, 404).await;
    // And the other way round: a stream ends with its process.
    let mut session = stage.session("/probe").await;
    let crashed = session.call("crash", "{}").await;
    assert!(crashed.error_code().is_some(), "{}", crashed.raw());
    assert!(session.events().closed(SOON).await);
    stage.session("/probe").await;
}

#[tokio::test]
async fn ace_10_an_unknown_server_is_not_found() {
    let stage = Stage::of_both().await;
    for (method, path) in [
        (Method::GET, "/nope"),
        (Method::POST, "/nope"),
        (Method::POST, "/nope?sessionId=x"),
        (Method::DELETE, "/nope"),
        (Method::HEAD, "/nope"),
    ] {
        let answer = stage.client().send(method.clone(), path, "", &JSON).await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn a_server_whose_program_is_missing_is_told_at_once() {
    let stage = Stage::serve(&json!({"servers": {"bad": {"command": "/no/such/command"}}})).await;
    let answer = stage.client().get("/bad", &[]).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("the server bad") && !answer.text().contains("/no/such"), "{}", answer.text());
}

#[tokio::test]
async fn ace_11_a_stream_with_another_query_works() {
    let stage = Stage::serve(&json!({"servers": {"probe": probe()}})).await;
    for path in ["/probe?x=1", "/probe/", "/probe/?x=1"] {
        let mut session = stage.session(path).await;
        id_of(&session.endpoint, "/probe");
        assert_eq!(text(&mut session, "echo", r#"{"text":"hi"}"#).await, "hi");
    }
}

/// What curl says with these words; a stream is left after two seconds.
async fn curl(words: &[&str]) -> String {
    let mut curl = tokio::process::Command::new("curl");
    let said = curl.args(["-sS", "-N", "--max-time", "2"]).args(words).output().await.expect("curl");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[tokio::test]
async fn the_documented_lines_of_both_systems_work_with_curl() {
    let stage = Stage::of_both().await;
    let url = |path: &str| stage.gateway.url(path);
    let status = curl(&[&url("/health_check")]).await;
    assert!(status.contains(r#""status":"ok""#), "{status}");
    let stream = curl(&[&url("/simple-tools-server/local")]).await;
    assert!(stream.starts_with("event: endpoint\ndata: /simple-tools-server/local/messages/?session_id="), "{stream}");
    let stream = curl(&[&url("/probe")]).await;
    assert!(stream.starts_with("event: endpoint\ndata: /probe?sessionId="), "{stream}");
    let json = ["-H", "Content-Type: application/json", "-d", PING, "-w", "%{http_code}"];
    let posted = curl(&[&json[..], &[&url("/simple-tools-server/local/messages/")]].concat()).await;
    assert_eq!(posted, "Session not found or expired404");
    let session = stage.session("/simple-tools-server/local").await;
    assert_eq!(
        curl(&[&json[..], &[&url("/simple-tools-server/local/messages/")]].concat()).await,
        "session_id is required400"
    );
    assert_eq!(curl(&[&json[..], &[&url(&session.target)]].concat()).await, "Accepted202");
    let made: serde_json::Value = serde_json::from_str(&curl(&[&url("/api/sessionid")]).await).expect("json");
    let call = url(&format!("/api/probe/echo?sessionId={}", made["sessionId"].as_str().expect("an id")));
    let words = ["-X", "POST", &call, "-H", "Content-Type: application/json", "-d", r#"{"text":"hi"}"#];
    let said: serde_json::Value = serde_json::from_str(&curl(&words).await).expect("json");
    assert_eq!(said["content"][0]["text"], "hi");
}

#[tokio::test]
async fn nobody_uses_the_address_of_another_user() {
    let auth = json!({"bearer": {"tokens": [{"user": "alice", "token": "alice-token-0123456789"}, {"user": "bob", "token": "bob-token-0123456789"}]}});
    let stage = Stage::serve(&json!({"servers": {"probe": probe()}, "auth": auth})).await;
    let as_user = |name: &str| stage.client().header("authorization", &format!("Bearer {name}-token-0123456789"));
    assert_eq!(stage.client().get("/probe/alice", &[]).await.status, 401);
    assert_eq!(as_user("bob").get("/probe/alice", &[]).await.status, 403);
    let mut alice = SseSession::open_with(as_user("alice"), "/probe/alice:key").await;
    alice.initialize("2024-11-05", "{}").await;
    answers_pings(&mut alice).await;
    assert_eq!(stage.client().post(&alice.target, PING, &JSON).await.status, 401);
    assert_eq!(as_user("bob").post(&alice.target, PING, &JSON).await.status, 403);
    let shared = SseSession::open_with(as_user("alice"), "/probe").await;
    assert_eq!(as_user("bob").post(&shared.target, PING, &JSON).await.status, 404);
    assert_eq!(as_user("alice").post(&shared.target, PING, &JSON).await.status, 202);
}
