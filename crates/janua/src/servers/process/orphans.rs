//! As process number 1 of a container the gateway inherits everybody's orphans, and has to bury them.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, waitid};

use crate::lock::Lock;
use crate::tasks::Tasks;

/// Children that somebody else waits for.
static OURS: Lock<Option<HashSet<Pid>>> = Lock::new(None);

/// Notes a child that is waited for elsewhere, or that it has been.
pub(super) fn claim(pid: Pid, running: bool) {
    if let Some(ours) = &mut *OURS.lock() {
        if running {
            ours.insert(pid);
        } else {
            ours.remove(&pid);
        }
    }
}

/// Buries orphans from now on, if it falls to this process.
pub(crate) fn bury(tasks: &Tasks) {
    const PACE: Duration = Duration::from_secs(1);
    if getpid() != Pid::INIT {
        return;
    }
    OURS.lock().get_or_insert_default();
    let stop = tasks.clone();
    tasks.spawn("orphans", async move {
        let mut seen = HashSet::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(PACE) => {}
                () = stop.stopping() => return,
            }
            // Only who was dead at the last look too: a child that has just been started may not be claimed yet.
            let dead = Tasks::blocking(dead_children).await.unwrap_or_default();
            for pid in dead.intersection(&seen) {
                let _ = waitid(WaitId::Pid(*pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            }
            seen = dead;
        }
    });
}

/// Zombies of ours that nobody else waits for.
fn dead_children() -> HashSet<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashSet::new() };
    let me = getpid().as_raw_nonzero().to_string();
    let dead = |entry: fs::DirEntry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let zombie = fields.next()? == "Z" && fields.next()? == me;
        let claimed = OURS.lock().as_ref().is_some_and(|ours| ours.contains(&pid));
        (zombie && !claimed).then_some(pid)
    };
    entries.flatten().filter_map(dead).collect()
}
