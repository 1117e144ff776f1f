//! Facts about processes read from /proc, and waiting for a condition with a deadline.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What /proc/PID/stat says, as far as tests need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The parent's process id.
    pub parent: u32,
    /// State letter: `R`, `S`, `Z`, ...
    pub state: char,
    /// Process group id.
    pub group: u32,
    /// Session id.
    pub session: u32,
    /// Start time in clock ticks after boot; with the pid it names one process for good.
    pub started: u64,
}

/// Reads one process's state; `None` when there is no such process.
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The time of a processor that a process has used, its system calls included.
pub fn cpu(pid: u32) -> Option<Duration> {
    /// Ticks a second, as Linux tells times to programs on every machine.
    const TICKS: u64 = 100;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name comes second, in parentheses, and may hold anything.
    let mut rest = text[text.rfind(')')? + 1..].split_whitespace().skip(11);
    let mut ticks = || rest.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 1000 / TICKS))
}

/// Whether the process exists and still runs; a zombie does not.
pub fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|s| !matches!(s.state, 'Z' | 'X'))
}

/// Resident memory in KiB; `None` when the process is gone.
pub fn rss_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Number of open file descriptors; `None` when the process is gone or not ours.
pub fn open_files(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// The command line; empty when the process is gone or a zombie.
pub fn cmdline(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words: Vec<String> = bytes.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    // Every word is terminated, so the split leaves one empty piece at the end.
    words.pop();
    words
}

/// Direct children that still run, zombies left out, in ascending order.
pub fn children(pid: u32) -> Vec<u32> {
    by_parent(pid, |s| s.state != 'Z')
}

/// Direct children that ended and were not waited for.
pub fn zombies_of(pid: u32) -> Vec<u32> {
    by_parent(pid, |s| s.state == 'Z')
}

/// Children, their children and so on, zombies left out, in ascending order.
///
/// A process whose parent died has another parent by then and is not found.
pub fn descendants(pid: u32) -> Vec<u32> {
    let table = all();
    let mut found = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for (child, stat) in &table {
            if stat.parent == parent && stat.state != 'Z' {
                found.push(*child);
                parents.push(*child);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Waits until the process no longer runs; false when the deadline passed first.
#[must_use = "says whether the process went away"]
pub async fn wait_gone(pid: u32, deadline: Duration) -> bool {
    eventually(deadline, || !alive(pid)).await
}

/// `wait_gone` for tests without a runtime.
#[must_use = "says whether the process went away"]
pub fn wait_gone_sync(pid: u32, deadline: Duration) -> bool {
    eventually_sync(deadline, || !alive(pid))
}

/// Waits until `cond` holds; false when the deadline passed first.
#[must_use = "says whether the condition came true"]
pub async fn eventually(deadline: Duration, mut cond: impl FnMut() -> bool) -> bool {
    eventually_with(deadline, || std::future::ready(cond())).await
}

/// `eventually` for a condition that itself waits, such as a request.
#[must_use = "says whether the condition came true"]
pub async fn eventually_with<F>(deadline: Duration, mut cond: impl FnMut() -> F) -> bool
where
    F: Future<Output = bool>,
{
    let end = Instant::now() + deadline;
    loop {
        if cond().await {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `eventually` for tests without a runtime; blocks the thread.
#[must_use = "says whether the condition came true"]
pub fn eventually_sync(deadline: Duration, mut cond: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if cond() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn by_parent(pid: u32, keep: impl Fn(&Stat) -> bool) -> Vec<u32> {
    let mut found: Vec<u32> =
        all().into_iter().filter(|(_, s)| s.parent == pid && keep(s)).map(|(child, _)| child).collect();
    found.sort_unstable();
    found
}

fn all() -> HashMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect()
}

/// The name in the second field may hold blanks and parentheses, so fields count from the last `)`.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_name_with_blanks_and_parentheses_is_skipped() {
        let line = "7 (a ) b) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let stat = super::parse_stat(line).expect("stat line");
        assert_eq!((stat.parent, stat.state, stat.started), (1, 'S', 4242));
    }

    #[test]
    fn a_child_is_found_while_it_runs_and_is_a_zombie_until_waited_for() {
        let me = std::process::id();
        let mut child =
            Command::new("sh").args(["-c", "sleep 60 & wait"]).stdin(Stdio::null()).spawn().expect("spawn sh");
        let pid = child.id();
        assert!(super::children(me).contains(&pid) && super::alive(pid));
        assert!(super::eventually_sync(SOON, || super::children(pid).len() == 1));
        let sleeper = super::children(pid)[0];
        assert!(super::descendants(me).contains(&sleeper));
        assert!(super::eventually_sync(SOON, || super::cmdline(sleeper) == ["sleep", "60"]));
        assert!(super::rss_kib(pid).is_some_and(|kib| kib > 0));
        let sleeper_pid = i32::try_from(sleeper).ok().and_then(rustix::process::Pid::from_raw);
        let sleeper_pid = sleeper_pid.expect("a pid");
        rustix::process::kill_process(sleeper_pid, rustix::process::Signal::KILL).expect("kill");
        assert!(super::eventually_sync(SOON, || super::zombies_of(me).contains(&pid)));
        assert!(super::wait_gone_sync(pid, SOON));
        child.wait().expect("wait");
        assert!(super::stat(pid).is_none());
    }
}
