//! Many users on one factory server: what each costs in memory, and how long it takes until the server answers them.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::gateway::Gateway;
use janua_testkit::peers::{factory_python, factory_servers};
use janua_testkit::process::{descendants, eventually};
use serde_json::json;

/// Users that come at once.
const AT_ONCE: usize = 8;
/// Longer than the slowest start takes.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [janua, share, users] = words.as_slice() else { panic!("benchusers JANUA SHARE USERS") };
    let users: usize = users.parse().expect("a number of users");
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), share, users);
    let gateway = Gateway::builder(janua).args(&["serve", "-c", "janua.yaml", "--port", "0", "--log-level", "warn"]);
    let gateway = gateway.folder(folder.path()).start().await;
    // The first user finds the server as it is after the start of the gateway, and is not counted.
    drop(first_answer(&gateway, 0).await);
    // The trial of the server, which nobody waits for, is over.
    let usual = if share == "all" { 2 } else { 3 };
    assert!(eventually(PATIENCE, || descendants(gateway.pid()).len() <= usual).await, "the trial goes on");
    let (before, began) = (pss_kib(&gateway), Instant::now());
    let mut sessions = Vec::new();
    let mut opened = stream::iter(1..=users).map(|user| first_answer(&gateway, user)).buffer_unordered(AT_ONCE);
    while let Some(session) = opened.next().await {
        sessions.push(session);
    }
    drop(opened);
    let all = began.elapsed();
    let after = pss_kib(&gateway);
    let mut times: Vec<Duration> = sessions.iter().map(|(_, time)| *time).collect();
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_millis();
    let grown = (after.0 + after.1).saturating_sub(before.0 + before.1);
    let said = json!({
        "share": share, "users": users, "processes": descendants(gateway.pid()).len(),
        "user_kib": grown / users as u64, "gateway_kib": after.0, "servers_kib": after.1,
        "first_p50_ms": u64::try_from(at(50)).ok(), "first_p99_ms": u64::try_from(at(99)).ok(),
        "all_s": all.as_secs_f64(),
    });
    println!("{said}");
}

fn configure(folder: &Path, share: &str, users: usize) {
    let python = factory_python("1.30").expect("an interpreter");
    let (python, server) = (python.display(), factory_servers().join("notes"));
    let text = format!(
        "python: {python}\nservers: {{ notes: {{ folder: {}, share: {share}, start_timeout: 5m }} }}\n\
         limits: {{ children: {}, call_timeout: 5m }}\n",
        server.display(),
        users + 16,
    );
    std::fs::write(folder.join("janua.yaml"), text).expect("written");
}

/// A session of a user, and the time from its beginning to the answer of a tool.
async fn first_answer(gateway: &Gateway, user: usize) -> (SseSession, Duration) {
    let began = Instant::now();
    let mut session = SseSession::open_with(gateway.client().deadline(PATIENCE), &format!("/notes/user{user}")).await;
    session.initialize("2025-03-26", "{}").await;
    session.call("store-data", r#"{"key":"k","value":"v"}"#).await.result();
    (session, began.elapsed())
}

/// What the gateway takes of the memory, and what the processes of servers take; what several share is shared out.
fn pss_kib(gateway: &Gateway) -> (u64, u64) {
    (pss_of(gateway.pid()), descendants(gateway.pid()).into_iter().map(pss_of).sum())
}

fn pss_of(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}
