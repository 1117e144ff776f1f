//! Finding processes by the mark in their environment, however far they have moved from their parent.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::MARK;
use crate::tasks::Tasks;

/// A process as seen in passing.
pub(super) struct Seen {
    pub(super) pid: Pid,
    session: Option<Pid>,
    /// The value of [`MARK`] in its environment.
    pub(super) mark: Option<String>,
}

/// The last look at every process, and when it began: it serves all who asked before that.
static LAST: tokio::sync::Mutex<Option<(Instant, Arc<Vec<Seen>>)>> = tokio::sync::Mutex::const_new(None);

/// Kills every process that carries `mark` or is in the session of `leader`, until none is left. The leader itself
/// must have been waited for.
pub(crate) async fn kill_marked(mark: &str, leader: Pid) {
    const ROUNDS: u32 = 40;
    for round in 0..ROUNDS {
        let census = look().await;
        let ours = |seen: &&Seen| seen.mark.as_deref() == Some(mark) || seen.session == Some(leader);
        let left: Vec<Pid> = census.iter().filter(ours).map(|seen| seen.pid).collect();
        if left.is_empty() {
            return;
        }
        tracing::debug!(count = left.len(), "killing what a server left behind");
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(u64::from(5 + 5 * round))).await;
    }
    tracing::error!(leader = leader.as_raw_nonzero().get(), "processes of a server could not be killed");
}

async fn look() -> Arc<Vec<Seen>> {
    let asked = Instant::now();
    let mut last = LAST.lock().await;
    if let Some((began, census)) = &*last
        && *began > asked
    {
        return census.clone();
    }
    let began = Instant::now();
    let census = Arc::new(Tasks::blocking(take).await.unwrap_or_default());
    *last = Some((began, census.clone()));
    census
}

/// Every living process but this one. The dead are left out: they only wait for their parents.
pub(super) fn take() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let me = rustix::process::getpid();
    let pid = |entry: fs::DirEntry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?);
    entries.flatten().filter_map(pid).filter(|pid| *pid != me).filter_map(see).collect()
}

fn see(pid: Pid) -> Option<Seen> {
    let number = pid.as_raw_nonzero();
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // "pid (name) state ppid pgrp session ...": the name may hold anything, parentheses included.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let session = fields.nth(2).and_then(|field| Pid::from_raw(field.parse().ok()?));
    let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
    let mark = environment.split(|&b| b == 0).find_map(|entry| entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
    let mark = mark.map(|value| String::from_utf8_lossy(value).into_owned());
    Some(Seen { pid, session, mark })
}
