//! `everything` in 2026-07-28, alone and beside the revisions with a handshake.

use std::path::Path;

use janua_testkit::client::envelope::{Envelope, questions, repeated};
use janua_testkit::client::message::call_params;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::servers::journal;

fn start(words: &[&str]) -> StdioClient {
    StdioClient::start(Path::new(env!("CARGO_BIN_EXE_everything")), words)
}

#[tokio::test]
async fn a_modern_server_serves_requests_that_describe_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let mut server = start(&["--era", "modern", "--journal", &journal.display().to_string()]);
    let envelope = Envelope::new("2026-07-28", r#"{"elicitation":{}}"#);
    let found = server.request("server/discover", &envelope.wrap("")).await;
    assert_eq!(found.at("/result/supportedVersions/0"), "2026-07-28");
    assert_eq!(server.request("initialize", "{}").await.error_code(), Some(-32022));
    let params = envelope.wrap(&call_params("test_input_required_result_multi_round", "{}"));
    let mut asked = server.request("tools/call", &params).await;
    for name in ["step1", "step2"] {
        assert_eq!(questions(&asked).expect("questions")[0].0, name);
        let answer = r#"{"action":"accept","content":{"name":"Ann","color":"red"}}"#.to_owned();
        asked = server.request("tools/call", &repeated(&params, &asked, &[(name.to_owned(), answer)])).await;
    }
    assert_eq!(asked.text(), "Ann likes red");
    let slow = envelope.wrap(&call_params("slow_compute", r#"{"seconds":3600}"#));
    let slow = server.send("tools/call", &slow).await;
    server.notify("notifications/cancelled", &format!(r#"{{"requestId":{slow}}}"#)).await;
    let filter = envelope.wrap(r#"{"notifications":{"toolsListChanged":true}}"#);
    let listen = server.send("subscriptions/listen", &filter).await;
    assert_eq!(server.message().await.method(), Some("notifications/subscriptions/acknowledged"));
    server.request("tools/call", &envelope.wrap(&call_params("announce_lists", "{}"))).await.result();
    server.request("tools/call", &envelope.wrap(&call_params("end_subscriptions", "{}"))).await.result();
    let heard: Vec<_> = server.passed.iter().map(|message| message.method().unwrap_or("answer").to_owned()).collect();
    assert_eq!(heard, ["notifications/tools/list_changed", "answer", "notifications/cancelled"]);
    assert!(server.passed[1].answers(&listen));
    assert_eq!(server.request("tools/list", "{}").await.error_code(), Some(-32602));
    server.respond("1", "{}").await;
    server.close_input();
    while server.read_line().await.is_some() {}
    let lines = journal::lines(&journal);
    let faults = lines.iter().filter(|line| line.starts_with(r#"{"fault""#));
    assert_eq!(faults.count(), 2, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("notifications/cancelled")));
}

#[tokio::test]
async fn a_server_of_both_eras_stays_with_the_first() {
    let envelope = Envelope::new("2026-07-28", "{}");
    let mut server = start(&["--era", "dual"]);
    server.request("server/discover", &envelope.wrap("")).await.result();
    assert_eq!(server.request("initialize", r#"{"protocolVersion":"2025-11-25"}"#).await.error_code(), Some(-32022));
    let echo = envelope.wrap(&call_params("echo", r#"{"text":"x"}"#));
    assert_eq!(server.request("tools/call", &echo).await.text(), "x");
    let mut server = start(&["--era", "dual"]);
    server.initialize("2025-11-25", "{}").await;
    assert_eq!(server.request("server/discover", &envelope.wrap("")).await.error_code(), Some(-32600));
    assert_eq!(server.call("echo", r#"{"text":"x"}"#).await.text(), "x");
}

#[tokio::test]
async fn pages_are_had_by_their_cursor() {
    let envelope = Envelope::new("2026-07-28", "{}");
    let mut server = start(&["--era", "modern", "--pages"]);
    let first = server.request("tools/list", &envelope.wrap("")).await;
    let cursor = first.at("/result/nextCursor").to_string();
    let second = server.request("tools/list", &envelope.wrap(&format!(r#"{{"cursor":{cursor}}}"#))).await;
    assert!(second.at("/result/nextCursor").is_null() && second.at("/result/tools/0/name").is_string());
    assert_eq!(server.request("tools/list", &envelope.wrap(r#"{"cursor":"x"}"#)).await.error_code(), Some(-32602));
}
