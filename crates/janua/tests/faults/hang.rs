//! Servers that do not answer, do not read, or stand still.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::process::{eventually_with, wait_gone};

use crate::scene::{
    MIB, SOON, arguments, assert_growth, echo, failure, hostile, open, peak, pids, probe, seen, server_pid, told,
};

/// Holds an answer to being that of a call that took too long.
fn assert_late(reply: &Reply) {
    assert_eq!((reply.status.as_u16(), failure(reply).as_str()), (408, "deadline_exceeded"));
    assert_eq!(reply.response().at("/error/data/outcome"), "unknown");
}

/// So many calls at once with arguments of that size; everyone must get an answer, which is a failure.
async fn burst(session: &Session, count: usize, size: usize) {
    let arguments = arguments(&"x".repeat(size));
    let replies = join_all((0..count).map(|_| session.call("echo", &arguments))).await;
    let codes: Vec<String> = replies.iter().map(failure).collect();
    let of = |code: &str| codes.iter().filter(|other| *other == code).count();
    // What waits in the queue runs out of time, the rest is turned away at once.
    let (late, refused) = (of("deadline_exceeded"), of("overloaded"));
    assert!(late > 0 && refused > 0 && late + refused == count, "{codes:?}");
}

#[tokio::test]
async fn check_swallowed_call_leaves_others_served() {
    let gateway = hostile("--call-timeout 5", "swallow").await;
    let session = open(&gateway).await;
    let swallowed = session.call("act", "{}");
    let others = async {
        for number in 0..50 {
            echo(&session, &number.to_string()).await;
        }
        Instant::now()
    };
    let ((swallowed, ended), others) = tokio::join!(async { (swallowed.await, Instant::now()) }, others);
    assert_late(&swallowed);
    assert!(others < ended);
}

#[tokio::test]
async fn check_swallowed_call_has_a_definite_error() {
    let gateway = hostile("--call-timeout 1", "swallow").await;
    let session = open(&gateway).await;
    let since = Instant::now();
    let reply = session.call("act", "{}").await;
    assert_late(&reply);
    assert!(since.elapsed() >= Duration::from_secs(1) && since.elapsed() < Duration::from_secs(10));
    echo(&session, "afterwards").await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_at_the_server() {
    let gateway = probe("--call-timeout 500ms").await;
    let session = open(&gateway).await;
    assert_late(&session.call("slow", r#"{"s":60}"#).await);
    let info = told(&session, "info").await;
    let cancelled = info["cancelled"].as_array().expect("a list");
    assert_eq!(cancelled.len(), 1, "{info}");
    // Under the id the server knows the call by, which is the third line it got.
    let called = seen(&session).await[2].clone();
    assert_eq!(called, format!("tools/call#{}", cancelled[0]["requestId"]));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_reaches_nobody() {
    let gateway = hostile("--call-timeout 500ms", "late 1000").await;
    let session = open(&gateway).await;
    let mut stream = session.listen().await;
    assert_late(&session.call("act", "{}").await);
    let end = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < end {
        echo(&session, "meanwhile").await;
    }
    assert!(stream.next_message(Duration::from_millis(100)).await.is_err(), "nothing belongs on this stream");
}

#[tokio::test]
async fn progress_keeps_a_call_alive_until_it_is_cancelled() {
    let gateway = hostile("--call-timeout 600ms", "progress-forever 100").await;
    let session = open(&gateway).await;
    let params = r#"{"name":"act","arguments":{},"_meta":{"progressToken":"mine"}}"#;
    let mut call = session.open_id("77", "tools/call", params).await;
    for number in 1..=20 {
        let message = call.message().await;
        assert_eq!(
            (message.at("/params/progress"), message.at("/params/progressToken")),
            (&number.into(), &"mine".into())
        );
    }
    session.cancel("77").await;
    let reply = call.finish().await;
    assert_eq!(reply.error_code(), Some(-32800));
}

#[tokio::test]
async fn a_server_that_was_stopped_is_given_up_and_can_be_removed() {
    let gateway = hostile("--call-timeout 1", "stop").await;
    let (stopped, other) = (open(&gateway).await, open(&gateway).await);
    let pid = server_pid(&stopped).await;
    assert_late(&stopped.call("act", "{}").await);
    assert_late(&stopped.call("echo", "{}").await);
    echo(&other, "not touched").await;
    stopped.delete().await;
    assert!(wait_gone(pid, Duration::from_secs(8)).await);
    echo(&other, "not touched").await;
}

#[tokio::test]
async fn a_server_that_answers_nothing_any_more_is_killed_by_itself() {
    let gateway = hostile("--call-timeout 1", "stop").await;
    let session = open(&gateway).await;
    let pid = server_pid(&session).await;
    assert_late(&session.call("act", "{}").await);
    assert!(wait_gone(pid, Duration::from_secs(40)).await);
    let gone = session.request("ping", "{}").await;
    assert_eq!(gone.status.as_u16(), 404);
}

#[tokio::test]
async fn check_child_stops_reading_60_calls_of_1_mb() {
    let gateway = hostile("--call-timeout 3", "deaf").await;
    let deaf = open(&gateway).await;
    let before = peak(&gateway);
    let ((), elsewhere) = tokio::join!(burst(&deaf, 60, 1_000_000), open(&gateway));
    assert!(elsewhere.id.is_some());
    // All bodies may be there at once, being read; what is kept of them is bounded by the queue.
    assert_growth(&gateway, before, (60 + 36) * MIB);
}

#[tokio::test]
async fn check_child_stops_reading_400_calls_of_90_kb() {
    let gateway = hostile("--call-timeout 3", "deaf").await;
    let deaf = open(&gateway).await;
    let before = peak(&gateway);
    let ((), elsewhere) = tokio::join!(burst(&deaf, 400, 90_000), open(&gateway));
    assert!(elsewhere.id.is_some());
    assert_growth(&gateway, before, 2 * 36 * MIB);
}

#[tokio::test]
async fn a_deaf_server_does_not_hold_up_other_sessions() {
    let gateway = hostile("--call-timeout 5", "full-duplex 0").await;
    let busy = hostile("--call-timeout 3", "deaf").await;
    let (deaf, fine) = (open(&busy).await, open(&gateway).await);
    let ((), ()) = tokio::join!(
        async {
            for _ in 0..50 {
                echo(&fine, &"y".repeat(10_000)).await;
            }
        },
        burst(&deaf, 100, 90_000)
    );
}

#[tokio::test]
async fn both_pipes_full_is_no_deadlock() {
    let gateway = hostile("", "full-duplex 10000000").await;
    let session = open(&gateway).await;
    let act = session.call("act", "{}");
    let text = "z".repeat(100_000);
    let arguments = arguments(&text);
    let echoes = join_all((0..40).map(|_| session.call("echo", &arguments)));
    let (act, echoes) = tokio::join!(act, echoes);
    assert!(act.text().starts_with("wrote "));
    assert!(echoes.iter().all(|reply| reply.text() == text));
}

#[tokio::test]
async fn a_server_that_leaves_its_input_unread_is_stopped() {
    let gateway = hostile("", "deaf").await;
    let session = open(&gateway).await;
    let since = Instant::now();
    let reply = session.call("echo", &arguments(&"x".repeat(300_000))).await;
    // It began as a stream after some silence, so the failure is in the message alone.
    assert_eq!(failure(&reply), "server_exited");
    assert!(since.elapsed() > Duration::from_secs(25), "{:?}", since.elapsed());
    assert!(eventually_with(SOON, || async { session.request("ping", "").await.status == 404 }).await);
}

#[tokio::test]
async fn a_session_of_a_hanging_server_can_be_ended_under_its_calls() {
    let gateway = hostile("", "swallow").await;
    let session = open(&gateway).await;
    let pid = pids(&session).await[0];
    let calls = join_all((0..5).map(|_| session.call("act", "{}")));
    let ending = async {
        echo(&session, "all calls are on their way").await;
        session.delete().await
    };
    let (replies, ended) = tokio::join!(calls, ending);
    assert_eq!(ended.status, 204);
    for reply in replies {
        assert!(reply.error_code().is_some(), "{reply:?}");
    }
    assert!(wait_gone(pid, SOON).await);
}
