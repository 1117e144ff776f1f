//! Servers whose output is not what it should be: the calls are answered all the same.

use std::time::Duration;

use futures_util::future::join_all;
use janua_testkit::client::message::Message;
use janua_testkit::process::eventually;

use crate::scene::{SOON, VERSION, arguments, echo, failure, hostile, open, serves};

#[tokio::test]
async fn check_banner_on_stdout() {
    serves(&hostile("", "banner").await).await;
}

#[tokio::test]
async fn check_garbage_on_stdout() {
    serves(&hostile("", "garbage").await).await;
}

#[tokio::test]
async fn check_crlf_on_stdout() {
    serves(&hostile("", "crlf").await).await;
}

#[tokio::test]
async fn check_7_byte_writes_on_stdout() {
    serves(&hostile("", "drip 7").await).await;
}

#[tokio::test]
async fn check_unknown_id_on_stdout() {
    serves(&hostile("", "unknown-id").await).await;
}

#[tokio::test]
async fn check_doubled_response_on_stdout() {
    let gateway = hostile("", "double").await;
    let session = open(&gateway).await;
    let mut stream = session.listen().await;
    for number in 0..20 {
        let reply = session.call("echo", &arguments(&number.to_string())).await;
        assert_eq!((reply.text(), reply.messages.len()), (number.to_string().as_str(), 1));
    }
    assert!(stream.next_message(Duration::from_millis(100)).await.is_err(), "a second answer came");
}

#[tokio::test]
async fn check_early_notification_on_stdout() {
    serves(&hostile("", "early-notification").await).await;
}

#[tokio::test]
async fn check_invalid_utf8_on_stdout() {
    let gateway = hostile("", "bad-utf8").await;
    serves(&gateway).await;
    let session = open(&gateway).await;
    assert_eq!(failure(&session.call("act", "{}").await), "invalid_response");
    echo(&session, "afterwards").await;
}

#[tokio::test]
async fn check_2_mb_of_stderr_before_each_answer() {
    serves(&hostile("", "stderr-flood 2000000").await).await;
}

#[tokio::test]
async fn stderr_without_end_is_read_and_not_all_logged() {
    let gateway = hostile("", "stderr-endless").await;
    serves(&gateway).await;
    let session = open(&gateway).await;
    let muted = || gateway.stderr().contains("too much of it");
    assert!(eventually(SOON, muted).await);
    echo(&session, "still").await;
    assert!(gateway.stderr().lines().count() < 5000, "{} lines", gateway.stderr().lines().count());
}

#[tokio::test]
async fn nul_and_byte_order_marks_are_passed_over() {
    let gateway = hostile("", "nul").await;
    serves(&gateway).await;
    let session = open(&gateway).await;
    assert_eq!(failure(&session.call("act", "{}").await), "invalid_response");
    echo(&session, "afterwards").await;
    serves(&hostile("", "bom").await).await;
    serves(&hostile("", "bom each").await).await;
}

#[tokio::test]
async fn single_bytes_are_put_together() {
    serves(&hostile("", "drip 1").await).await;
}

#[tokio::test]
async fn an_answer_on_many_lines_is_none_and_harms_no_other() {
    let gateway = hostile("--call-timeout 1", "pretty").await;
    let session = open(&gateway).await;
    let code = failure(&session.call("act", "{}").await);
    assert!(["deadline_exceeded", "invalid_response"].contains(&code.as_str()), "{code}");
    echo(&session, "afterwards").await;
}

#[tokio::test]
async fn an_answer_that_is_too_deep_is_refused_at_once() {
    let gateway = hostile("", "deep 100000").await;
    let session = open(&gateway).await;
    let reply = session.call("act", "{}").await;
    assert_eq!(failure(&reply), "invalid_response");
    echo(&session, "afterwards").await;
}

#[tokio::test]
async fn ids_of_both_directions_are_kept_apart() {
    let gateway = hostile("", "same-ids").await;
    let client = gateway.client().deadline(SOON);
    let session = client.initialize(VERSION, r#"{"roots":{}}"#).await;
    for number in 0..5 {
        let params = r#"{"name":"act","arguments":{}}"#;
        let roots = |_: &Message| format!(r#"{{"roots":[{{"uri":"file:///{number}"}}]}}"#);
        let reply = session.request_answering("tools/call", params, roots).await;
        assert!(reply.text().contains(&format!("file:///{number}")), "{}", reply.text());
    }
    let texts: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    join_all(texts.iter().map(|text| echo(&session, text))).await;
}
