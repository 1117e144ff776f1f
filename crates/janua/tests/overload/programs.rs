//! Programs: how many there may be, how many start at once, and those that are started ahead of need.

use std::path::PathBuf;

use futures_util::future::join_all;
use janua::config::Limits;
use janua_testkit::client::session::Session;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{self, eventually, eventually_with, wait_gone};
use janua_testkit::servers::journal;
use tempfile::TempDir;

use crate::scene::{SOON, VERSION, assert_refused, of_program};

const JANUA: &str = env!("CARGO_BIN_EXE_janua");

/// A program that keeps a journal of its starts: its process id, and later that it is ready to serve.
struct Starter {
    folder: TempDir,
}

impl Starter {
    fn new() -> Self {
        Starter { folder: TempDir::new().expect("a folder") }
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// A script that takes so many seconds to become `hostile plain`.
    fn script(&self, seconds: &str) -> String {
        let (journal, hostile) = (self.journal(), program("hostile"));
        let journal = journal.display();
        format!("echo $$ >> {journal}; sleep {seconds}; echo ready >> {journal}; exec {} plain", hostile.display())
    }

    /// The process ids of all that were started, in order.
    fn started(&self) -> Vec<u32> {
        journal::lines(self.journal()).iter().filter_map(|line| line.parse().ok()).collect()
    }

    /// The most that were starting at the same time.
    fn most_at_once(&self) -> i32 {
        let lines = journal::lines(self.journal());
        let steps = lines.iter().map(|line| if line == "ready" { -1 } else { 1 });
        let counts = steps.scan(0, |now, step| {
            *now += step;
            Some(*now)
        });
        counts.max().unwrap_or_default()
    }
}

async fn server_pid(session: &Session) -> u32 {
    let told: serde_json::Value = serde_json::from_str(session.call("pid", "{}").await.text()).expect("JSON");
    told["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}

#[tokio::test]
async fn there_are_only_so_many_programs() {
    let hostile = program("hostile");
    let words = [hostile.to_str().expect("text"), "plain"];
    let scene = of_program(&words, Limits { children: 2, ..Limits::default() }).await;
    let opened = join_all((0..4).map(|_| scene.try_open())).await;
    let (open, refused): (Vec<_>, Vec<_>) = opened.iter().partition(|reply| reply.error_code().is_none());
    assert_eq!((open.len(), refused.len()), (2, 2));
    for reply in refused {
        assert_refused(reply, 503);
    }
    assert_eq!(scene.limit("children").await, (2, 2));
    assert_eq!(scene.limit("sessions").await.0, 2);
    for reply in open {
        let session = Session::from_reply(scene.client(), reply);
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
        session.delete().await;
    }
    scene.reaches("children", 0).await;
    // It was no failed start that one would have to wait after.
    join_all((0..2).map(|_| scene.open())).await;
    assert_eq!(scene.limit("children").await, (2, 2));
}

#[tokio::test]
async fn only_so_many_start_at_once() {
    let starter = Starter::new();
    let limits = Limits { starts: 2, ..Limits::default() };
    let scene = of_program(&["sh", "-c", &starter.script("0.2")], limits).await;
    join_all((0..7).map(|_| scene.open())).await;
    assert_eq!(starter.started().len(), 7);
    assert_eq!(starter.most_at_once(), 2);
    assert_eq!(scene.limit("starts").await.0, 0);
}

async fn warm(starter: &Starter, seconds: &str) -> Gateway {
    let script = starter.script(seconds);
    Gateway::start(JANUA, &["--warm", "1", "--", "sh", "-c", &script]).await
}

async fn open(gateway: &Gateway) -> Session {
    gateway.client().deadline(SOON).initialize(VERSION, "{}").await
}

#[tokio::test]
async fn a_session_gets_a_program_that_was_started_before() {
    let starter = Starter::new();
    let mut gateway = warm(&starter, "0.5").await;
    let mut used = Vec::new();
    for number in 1..=3 {
        // Before anybody asks.
        assert!(eventually(SOON, || starter.started().len() == number).await, "{:?}", starter.started());
        let session = open(&gateway).await;
        used.push(server_pid(&session).await);
        assert_eq!(used, starter.started()[..number]);
    }
    assert!(eventually(SOON, || starter.started().len() == 4).await);
    let all = starter.started();
    gateway.terminate(SOON).await;
    for pid in all {
        assert!(wait_gone(pid, SOON).await, "{pid} outlives the gateway");
    }
}

#[tokio::test]
async fn a_warm_program_that_died_is_replaced_and_handed_to_nobody() {
    let starter = Starter::new();
    let gateway = warm(&starter, "0").await;
    assert!(eventually(SOON, || starter.started().len() == 1).await);
    let first = starter.started()[0];
    kill(first);
    assert!(eventually(SOON, || starter.started().len() == 2).await, "it is replaced");
    let session = open(&gateway).await;
    assert_eq!(server_pid(&session).await, starter.started()[1]);
    assert!(!process::alive(first));
}

#[tokio::test]
async fn warm_programs_that_do_not_live_are_started_less_and_less() {
    let folder = TempDir::new().expect("a folder");
    let journal = folder.path().join("journal");
    let script = format!("echo $$ >> {}; exit 3", journal.display());
    let gateway = Gateway::start(JANUA, &["--warm", "1", "--", "sh", "-c", &script]).await;
    let told = || gateway.stderr().matches("did not start").count();
    assert!(eventually_with(SOON, || async { told() >= 4 }).await, "{}", gateway.stderr());
    // The waits between them double: 0.2 s, 0.4 s, 0.8 s.
    let started = journal::lines(&journal).len();
    assert!((4..=told() + 1).contains(&started), "{started} starts");
    assert!(gateway.stderr().contains("exited with code 3"), "{}", gateway.stderr());
}

#[tokio::test]
async fn warm_programs_do_not_survive_a_killed_gateway() {
    let starter = Starter::new();
    let gateway = warm(&starter, "0").await;
    assert!(eventually(SOON, || starter.started().len() == 1).await);
    let pid = starter.started()[0];
    kill(gateway.pid());
    assert!(wait_gone(pid, SOON).await, "the guardian does not know it");
}

#[tokio::test]
async fn only_programs_can_be_warm() {
    let refused = Gateway::builder(JANUA).args(&["--warm", "1", "--demo"]).try_start().await;
    let fault = refused.expect_err("refused");
    assert_eq!(fault.status.and_then(|status| status.code()), Some(2));
    assert!(fault.stderr.contains("--warm"), "{}", fault.stderr);
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
}
