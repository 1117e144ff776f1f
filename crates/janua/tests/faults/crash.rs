//! Servers that end: in a call, after an answer, idle, again and again.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::gateway::Gateway;
use janua_testkit::process::{self, eventually, eventually_with};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{SOON, below, command_line, echo, failure, hostile, no_sessions, open, pids, probe, reason, told};

/// Holds an answer to being that of a call whose server has died.
fn assert_died(reply: &Reply, how: &str) {
    assert_eq!((reply.status.as_u16(), failure(reply).as_str()), (500, "server_exited"));
    assert!(reason(reply).contains(how), "{}", reason(reply));
    let data = reply.response().at("/error/data");
    assert_eq!((&data["outcome"], &data["retryable"]), (&"unknown".into(), &false.into()));
}

/// Holds a session to being over: its client has to open another.
async fn assert_over(gateway: &Gateway, session: &Session) {
    let gone = || async { session.request("ping", "").await.status == 404 };
    assert!(eventually_with(SOON, gone).await);
    assert!(no_sessions(gateway).await);
}

fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, signal).expect("send a signal");
}

#[tokio::test]
async fn check_child_crashes_in_a_call() {
    let gateway = hostile("", "crash").await;
    let session = open(&gateway).await;
    let since = Instant::now();
    assert_died(&session.call("act", "{}").await, "exited with code 3");
    assert!(since.elapsed() < Duration::from_secs(10));
    assert_over(&gateway, &session).await;
    echo(&open(&gateway).await, "the next session").await;
}

#[tokio::test]
async fn every_way_to_die_is_told() {
    for (how, said) in [("abort", "signal 6"), ("segv", "signal 11"), ("kill", "signal 9")] {
        let gateway = hostile("", &format!("crash {how}")).await;
        let session = open(&gateway).await;
        assert_died(&session.call("act", "{}").await, said);
        assert_over(&gateway, &session).await;
    }
    let gateway = hostile("", "exit-zero").await;
    let session = open(&gateway).await;
    assert_died(&session.call("act", "{}").await, "exited with code 0");
    assert_over(&gateway, &session).await;
}

#[tokio::test]
async fn everyone_who_waits_is_told_at_once_and_nobody_else_notices() {
    for signal in [Signal::KILL, Signal::SEGV, Signal::ABORT] {
        let gateway = probe("").await;
        let (dying, other) = (open(&gateway).await, open(&gateway).await);
        let pid = told(&dying, "info").await["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        let pid = pid.expect("a pid");
        let waiting = join_all((0..10).map(|_| dying.call("slow", r#"{"s":60}"#)));
        let killing = async {
            let all_sent =
                || async { told(&dying, "info").await["seen"].as_array().is_some_and(|seen| seen.len() >= 13) };
            assert!(eventually_with(SOON, all_sent).await);
            kill(pid, signal);
            // A runtime may take the first SIGSEGV as its own business.
            if !process::wait_gone(pid, Duration::from_secs(1)).await {
                kill(pid, signal);
            }
            Instant::now()
        };
        let elsewhere = other.call("slow", r#"{"s":3}"#);
        let (replies, killed, slept) = tokio::join!(async { (waiting.await, Instant::now()) }, killing, elsewhere);
        let (replies, answered) = replies;
        assert!(answered - killed < Duration::from_secs(2), "took {:?}", answered - killed);
        for reply in &replies {
            assert_died(reply, &format!("signal {}", signal.as_raw()));
        }
        assert_eq!(slept.text(), "slept");
        assert_eq!(dying.request("ping", "").await.status, 404);
        echo(&other, "not touched").await;
    }
}

/// Opens a session, has `act` answered by a server that exits at once, and says whether the answer arrived.
async fn last_answer(gateway: &Gateway, size: usize) -> bool {
    let session = open(gateway).await;
    let reply = session.call("act", "{}").await;
    reply.response().at("/result/content/0/text").as_str().is_some_and(|text| text.len() == size)
}

#[tokio::test]
async fn an_answer_written_just_before_the_end_is_never_lost() {
    for size in [0, 60_000, 1_000_000] {
        let gateway = hostile("", &format!("answer-then-exit {size}")).await;
        let mut arrived = 0;
        for _ in 0..25 {
            let four = join_all((0..4).map(|_| last_answer(&gateway, size))).await;
            arrived += four.iter().filter(|arrived| **arrived).count();
        }
        assert_eq!(arrived, 100, "answers of {size} bytes");
        let quiet = || below(&gateway).is_empty() && process::zombies_of(gateway.pid()).is_empty();
        assert!(eventually(SOON, quiet).await, "zombies {:?}", process::zombies_of(gateway.pid()));
        assert!(no_sessions(&gateway).await);
    }
}

#[tokio::test]
async fn an_answer_without_a_line_end_counts() {
    let gateway = hostile("", "no-final-newline").await;
    let session = open(&gateway).await;
    assert_eq!(session.call("act", "{}").await.text(), "unfinished");
    assert_over(&gateway, &session).await;
}

#[tokio::test]
async fn a_server_that_leaves_while_idle_ends_its_session_quietly() {
    let gateway = hostile("", "exit-idle 100").await;
    let session = open(&gateway).await;
    assert_over(&gateway, &session).await;
    assert!(below(&gateway).is_empty());
    open(&gateway).await;
}

#[tokio::test]
async fn a_stream_that_belongs_to_no_request_ends_with_the_server() {
    let gateway = hostile("", "crash").await;
    let session = open(&gateway).await;
    let mut stream = session.listen().await;
    session.call("act", "{}").await;
    assert!(stream.closed(SOON).await);
}

#[tokio::test]
async fn a_shared_server_that_died_is_started_again_with_the_next_call() {
    let gateway = hostile("--stateless", "crash").await;
    let client = gateway.client();
    let session = Session::from_reply(client.clone(), &client.try_initialize("2025-06-18", "{}").await);
    assert_eq!(session.id, None);
    let first = pids(&session).await[0];
    assert_died(&session.call("act", "{}").await, "exited with code 3");
    let mut second = first;
    for _ in 0..5 {
        second = pids(&session).await[0];
    }
    assert_ne!(first, second);
    assert_eq!(below(&gateway), [second]);
}

#[tokio::test]
async fn closing_only_its_output_ends_a_server() {
    let program = janua_testkit::gateway::program("hostile");
    // The shell stays and holds nothing; what it runs answers once and closes its output by ending.
    let text = format!("{} answer-then-exit; exec >&-; sleep 60", program.display());
    let gateway = command_line("", &["sh", "-c", &text]).await;
    let session = open(&gateway).await;
    assert_eq!(session.call("act", "{}").await.text(), "");
    assert_over(&gateway, &session).await;
    assert!(eventually(SOON, || below(&gateway).is_empty()).await);
}
