//! Sizes: what is too large is refused, what is large is passed on, and memory stays bounded.

use std::time::{Duration, Instant};

use janua_testkit::client::session::{Reply, Session};
use janua_testkit::gateway::Gateway;
use janua_testkit::process::{cpu, eventually, eventually_with};

use crate::scene::{
    JANUA, MIB, SOON, arguments, assert_growth, below, echo, failure, hostile, no_sessions, open, peak, probe, try_open,
};

#[tokio::test]
async fn check_20_mb_result_line() {
    let gateway = hostile("--max-message 32M", "big-result 20000000").await;
    let session = open(&gateway).await;
    let since = Instant::now();
    let reply = session.call("act", "{}").await;
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert!(reply.text().len() == 20_000_000 && reply.text().bytes().all(|byte| byte == b'b'));
    echo(&session, "afterwards").await;
}

/// What a result of that size costs the gateway, in time of a processor, at best.
async fn time_of(size: usize) -> Duration {
    let gateway = hostile("--max-message 32M", &format!("big-result {size}")).await;
    let session = open(&gateway).await;
    let mut best = SOON;
    for _ in 0..3 {
        let before = cpu(gateway.pid()).expect("it runs");
        assert_eq!(session.call("act", "{}").await.text().len(), size);
        let after = cpu(gateway.pid()).expect("it runs");
        best = best.min(after.saturating_sub(before));
    }
    best
}

#[tokio::test]
async fn the_time_of_a_large_result_is_linear() {
    let (small, large) = (time_of(2_000_000).await, time_of(16_000_000).await);
    // Eight times the size; quadratic work would take sixty-four times as long.
    assert!(large < small * 24 + Duration::from_millis(200), "{small:?} and {large:?}");
}

/// Has a server write an overlong line and gives the answer of the call.
async fn endless(gateway: &Gateway, session: &Session, limit: u64) -> Reply {
    let before = peak(gateway);
    let reply = session.call("act", "{}").await;
    assert_growth(gateway, before, limit);
    assert_eq!(failure(&reply), "response_too_large");
    reply
}

#[tokio::test]
async fn check_300_mb_without_a_newline() {
    let gateway = hostile("", "endless-line head 300000000").await;
    let session = open(&gateway).await;
    let since = Instant::now();
    endless(&gateway, &session, (16 + 8) * MIB).await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    // The rest of the line is passed over, and the session goes on.
    echo(&session, "afterwards").await;
}

#[tokio::test]
async fn an_overlong_line_fails_the_call_it_answers() {
    for mode in ["head 20000000", "tail 20000000"] {
        let gateway = hostile("--max-message 1M", &format!("endless-line {mode}")).await;
        let session = open(&gateway).await;
        endless(&gateway, &session, (1 + 8) * MIB).await;
        echo(&session, "afterwards").await;
    }
}

#[tokio::test]
async fn an_overlong_line_that_answers_nobody_ends_the_server() {
    for mode in ["none 20000000", "none 0", "tail 0"] {
        let gateway = hostile("--max-message 1M", &format!("endless-line {mode}")).await;
        let session = open(&gateway).await;
        endless(&gateway, &session, (1 + 8) * MIB).await;
        assert!(no_sessions(&gateway).await);
        assert!(eventually(SOON, || below(&gateway).is_empty()).await);
    }
}

#[tokio::test]
async fn check_200_mb_of_notifications_to_a_client_that_does_not_read() {
    let gateway = hostile("", "notification-flood 200000000").await;
    let session = open(&gateway).await;
    let deaf = session.listen().await;
    let before = peak(&gateway);
    // The head of the answer arrives and then nothing is read until the server has written everything.
    let mut call = session.open_call("act", "{}").await;
    let passed =
        async { tokio::time::timeout(Duration::from_secs(60), session.call("echo", &arguments("meanwhile"))).await };
    assert_eq!(passed.await.expect("an answer").text(), "meanwhile");
    assert_growth(&gateway, before, 8 * MIB);
    while let Some(message) = call.next().await {
        if message.is_response() {
            assert!(message.text().starts_with("wrote "));
        }
    }
    assert!(call.finish().await.response.is_some());
    drop(deaf);
}

#[tokio::test]
async fn a_client_that_reads_loses_no_notification() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let reply = session.call("flood", r#"{"n":5000,"size":100}"#).await;
    let numbers: Vec<u64> = reply
        .notifications("notifications/message")
        .iter()
        .filter_map(|message| message.at("/params/data/number").as_u64())
        .collect();
    assert!(numbers.iter().copied().eq(1..=5000), "{} of 5000", numbers.len());
}

#[tokio::test]
async fn check_valid_request_of_1_mb() {
    let gateway = hostile("", "plain").await;
    let session = open(&gateway).await;
    echo(&session, &"m".repeat(1_000_000)).await;
}

#[tokio::test]
async fn running_out_of_files_is_survived() {
    let program = janua_testkit::gateway::program("hostile");
    // A shell sets the limit and becomes the gateway.
    let words = ["-c", r#"ulimit -n 60; exec "$@""#, "sh", JANUA, "--port", "0", "--"];
    let gateway = Gateway::builder("sh").args(&words).arg(program).arg("plain").start().await;
    let mut held = Vec::new();
    let refused = loop {
        let reply = try_open(&gateway).await;
        if reply.error_code().is_some() {
            break reply;
        }
        held.push(Session::from_reply(gateway.client(), &reply));
        assert!(held.len() < 30, "the limit is never reached");
    };
    assert!(held.len() >= 5, "{} sessions", held.len());
    assert_eq!((refused.status.as_u16(), failure(&refused).as_str()), (503, "start_failed"));
    for _ in 0..5 {
        try_open(&gateway).await;
    }
    for session in &held {
        echo(session, "still served").await;
    }
    for session in held {
        session.delete().await;
    }
    let well = || async { try_open(&gateway).await.error_code().is_none() };
    assert!(eventually_with(Duration::from_secs(10), well).await, "{}", gateway.stderr());
}
