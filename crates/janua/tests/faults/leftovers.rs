//! What servers leave behind: whatever ends, none of their processes outlives it, and nothing of ours leaks.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use janua_testkit::client::session::Session;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{self, eventually, eventually_with};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{
    JANUA, SOON, all_gone, below, command_line, echo, hostile, no_sessions, open, pids, server_pid, sessions, told,
};

/// Servers that leave something behind, or that do not want to leave.
const FAMILIES: [&str; 6] =
    ["grandchild", "grandchild detached", "daemon", "daemon stubborn", "stubborn", "launcher stubborn"];
/// Two seconds to leave, three after SIGTERM, and some to find the strays on a busy machine.
const STOPPED: Duration = Duration::from_secs(8);

/// A gateway with one session of a server of such a family, and all processes that belong to it.
struct Family {
    gateway: Gateway,
    session: Session,
    members: Vec<u32>,
}

impl Family {
    async fn new(options: &str, mode: &str) -> Self {
        let gateway = hostile(options, mode).await;
        let session = open(&gateway).await;
        let mut members = pids(&session).await;
        members.extend(below(&gateway));
        members.sort_unstable();
        members.dedup();
        let expected = if mode == "stubborn" { 1 } else { 2 };
        assert_eq!(members.len(), expected, "{mode}: {members:?}");
        Family { gateway, session, members }
    }

    async fn all(options: &str) -> Vec<Self> {
        join_all(FAMILIES.map(|mode| Family::new(options, mode))).await
    }
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::KILL).expect("send a signal");
}

#[tokio::test]
async fn check_grandchild_is_gone_after_delete() {
    let family = Family::new("", "grandchild").await;
    assert_eq!(family.session.delete().await.status, 204);
    all_gone(&family.members, STOPPED).await;
}

#[tokio::test]
async fn check_no_survivors_after_sigterm() {
    let mut family = Family::new("", "grandchild").await;
    let stopped = family.gateway.terminate(SOON).await;
    assert!(stopped.status.success() && stopped.took < STOPPED, "{stopped:?}");
    all_gone(&family.members, Duration::ZERO).await;
}

#[tokio::test]
async fn check_child_that_ignores_sigterm_and_eof_is_gone_after_delete() {
    let family = Family::new("", "stubborn").await;
    let since = Instant::now();
    family.session.delete().await;
    all_gone(&family.members, Duration::from_secs(12)).await;
    assert!(since.elapsed() > Duration::from_secs(4), "it had its time: {:?}", since.elapsed());
    // Between its end and its burial it may be seen.
    assert!(eventually(SOON, || process::zombies_of(family.gateway.pid()).is_empty()).await);
}

#[tokio::test]
async fn check_no_survivors_after_sigkill_of_the_gateway() {
    let mut family = Family::new("", "stubborn").await;
    family.gateway.kill().await;
    all_gone(&family.members, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn no_family_survives_a_delete() {
    let families = Family::all("").await;
    join_all(families.iter().map(|family| family.session.delete())).await;
    for family in &families {
        all_gone(&family.members, STOPPED).await;
    }
}

#[tokio::test]
async fn no_family_survives_an_idle_session() {
    for family in Family::all("--timeout 1").await {
        all_gone(&family.members, STOPPED + Duration::from_secs(3)).await;
        assert!(no_sessions(&family.gateway).await);
    }
}

#[tokio::test]
async fn no_family_survives_sigterm_of_the_gateway() {
    let mut families = Family::all("").await;
    let stopped = join_all(families.iter_mut().map(|family| family.gateway.terminate(SOON))).await;
    assert!(stopped.iter().all(|stopped| stopped.status.success() && stopped.took < STOPPED), "{stopped:?}");
    for family in &families {
        all_gone(&family.members, Duration::ZERO).await;
    }
}

#[tokio::test]
async fn no_family_survives_sigkill_of_the_gateway() {
    let mut families = Family::all("").await;
    join_all(families.iter_mut().map(|family| family.gateway.kill())).await;
    for family in &families {
        all_gone(&family.members, Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn no_family_survives_the_crash_of_its_server() {
    let families = Family::all("").await;
    for family in &families {
        kill(server_pid(&family.session).await);
    }
    for family in &families {
        all_gone(&family.members, STOPPED).await;
        let over = || async { sessions(&family.gateway).await == 0 };
        assert!(eventually_with(SOON, over).await);
    }
}

#[tokio::test]
async fn a_gateway_whose_guardian_was_killed_gets_another() {
    let mut family = Family::new("", "stubborn").await;
    let guardian: Vec<u32> = process::children(family.gateway.pid());
    let guardian = guardian.into_iter().find(|pid| !family.members.contains(pid)).expect("a guardian");
    kill(guardian);
    assert!(process::wait_gone(guardian, SOON).await);
    let second = open(&family.gateway).await;
    family.members.extend(pids(&second).await);
    family.gateway.kill().await;
    all_gone(&family.members, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn check_the_gateways_own_secret_is_hidden_from_the_child() {
    let builder = Gateway::builder(JANUA).env("CANARY_TOKEN", "tweet").env("JANUA_LOG_LEVEL", "info");
    let builder = builder.env("LD_LIBRARY_PATH", "/nowhere").env("HOME", "/tmp").arg("-e").arg("GIVEN=yes");
    let gateway = builder.arg("--").arg(program("hostile")).arg("env-canary").start().await;
    let session = open(&gateway).await;
    let environment = told(&session, "act").await;
    let mut names: Vec<&str> = environment.as_object().expect("an object").keys().map(String::as_str).collect();
    names.retain(|name| !["LANG", "TZ", "JANUA_INSTANCE"].contains(name));
    assert_eq!(names, ["GIVEN", "HOME", "PATH"], "{environment}");
    assert_eq!((&environment["HOME"], &environment["GIVEN"]), (&"/tmp".into(), &"yes".into()));
}

#[tokio::test]
async fn check_only_loopback_is_listened_on() {
    let gateway = hostile("", "plain").await;
    let port = gateway.authority().rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).expect("a port");
    let listening = |table: &str, port: u16| {
        let lines = std::fs::read_to_string(table).unwrap_or_default();
        let local = lines.lines().filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned));
        local.filter(|address| address.ends_with(&format!(":{port:04X}"))).collect::<Vec<_>>()
    };
    let addresses = listening("/proc/net/tcp", port);
    assert!(!addresses.is_empty() && addresses.iter().all(|address| address.starts_with("0100007F:")), "{addresses:?}");
    assert!(listening("/proc/net/tcp6", port).is_empty());
    for host in ["0.0.0.0", "::"] {
        let open = Gateway::builder(JANUA).args(&["--host", host, "--", "cat"]).try_start().await;
        let fault = open.expect_err("refused");
        assert!(fault.stderr.contains("without authentication"), "{}", fault.stderr);
    }
}

/// Opens a session, has it answer once, and ends it. Says whether all of that went well.
async fn short_life(gateway: &Gateway) -> bool {
    let session = open(gateway).await;
    echo(&session, "short").await;
    session.delete().await.status == 204
}

#[tokio::test]
async fn a_thousand_sessions_come_and_go_and_the_others_stay() {
    let gateway = command_line("", &[program("hostile").to_str().expect("text"), "plain"]).await;
    let staying = join_all((0..20).map(|_| open(&gateway))).await;
    let mut before = Vec::new();
    for session in &staying {
        before.push(server_pid(session).await);
    }
    let settled = || below(&gateway).len() == staying.len();
    assert!(eventually(SOON, settled).await);
    short_life(&gateway).await;
    assert!(eventually(SOON, settled).await);
    let files = process::open_files(gateway.pid()).expect("the gateway lives");
    let lives = stream::iter(0..1000).map(|_| short_life(&gateway)).buffer_unordered(8);
    let well = lives.filter(|well| std::future::ready(*well)).count().await;
    assert_eq!(well, 1000);
    assert!(eventually(SOON, settled).await, "{:?}", below(&gateway));
    for (session, pid) in staying.iter().zip(&before) {
        assert_eq!(server_pid(session).await, *pid);
    }
    let back = || process::open_files(gateway.pid()).is_some_and(|now| now <= files + 2);
    assert!(eventually(SOON, back).await, "{files} files before, {:?} now", process::open_files(gateway.pid()));
    assert!(eventually(SOON, || process::zombies_of(gateway.pid()).is_empty()).await);
    assert_eq!(sessions(&gateway).await, 20);
}
