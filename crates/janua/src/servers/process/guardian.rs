//! A second, tiny process that outlives the gateway by a moment and kills what it left behind.
//!
//! A gateway that is killed with SIGKILL can do nothing for its children, and a parent-death signal would follow
//! the spawning thread and miss grandchildren. So the executable starts itself once more as a guardian, which
//! waits for the end of a pipe that only the gateway holds, and then kills every process that carries the
//! gateway's mark.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{census, orphans};
use crate::lock::Lock;

const ARGUMENT: &str = "--janua-guardian";

static ARMED: AtomicBool = AtomicBool::new(false);
static GATEWAY: OnceLock<String> = OnceLock::new();
static GUARDIAN: Lock<Option<Guardian>> = Lock::new(None);

struct Guardian {
    process: std::process::Child,
    /// Never written to: its closing is the message.
    _pipe: io::PipeWriter,
}

/// Lets this program be its own guardian: call it first thing in `main`.
///
/// Started by a gateway as a guardian, the program does that job and never returns from here. Otherwise the call
/// only notes that a guardian may be started with the first server. A program that embeds the library and does
/// not call it works too, but if it is killed with SIGKILL, servers that ignore the end of their standard input
/// stay behind.
pub fn guard() {
    let mut args = std::env::args_os().skip(1);
    if args.next().as_deref() == Some(OsStr::new(ARGUMENT)) {
        if let Some(gateway) = args.next() {
            stand_by(&gateway.to_string_lossy());
        }
        std::process::exit(0);
    }
    ARMED.store(true, Ordering::Relaxed);
}

/// The mark of this gateway: the first part of every child's mark.
pub(super) fn gateway() -> &'static str {
    GATEWAY.get_or_init(crate::random::token)
}

/// Makes sure that a guardian is there.
pub(super) fn watch() {
    if !ARMED.load(Ordering::Relaxed) {
        return;
    }
    let mut guardian = GUARDIAN.lock();
    let alive = guardian.as_mut().is_some_and(|g| matches!(g.process.try_wait(), Ok(None)));
    if !alive {
        match start() {
            Ok(started) => *guardian = Some(started),
            Err(error) => tracing::warn!(%error, "no guardian: killing the gateway with SIGKILL could leave servers"),
        }
    }
}

fn start() -> io::Result<Guardian> {
    let (theirs, ours) = io::pipe()?;
    #[expect(clippy::disallowed_methods, reason = "the guardian is no server and belongs to no runtime")]
    let mut command = Command::new(std::env::current_exe()?);
    command.args([ARGUMENT, gateway()]).env_clear().process_group(0);
    command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn()?;
    if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
        orphans::claim(pid, true);
    }
    Ok(Guardian { process, _pipe: ours })
}

/// The guardian's whole life.
fn stand_by(gateway: &str) {
    const ROUNDS: u32 = 50;
    // Under a name of its own it is not caught by `killall janua`.
    let _ = rustix::thread::set_name(c"guardian");
    let _ = io::stdin().read(&mut [0]);
    for _ in 0..ROUNDS {
        let census = census::take();
        let ours = |mark: &String| mark.split('.').next() == Some(gateway);
        let mut any = false;
        for left in census.iter().filter(|seen| seen.mark.as_ref().is_some_and(ours)) {
            any = true;
            let _ = kill_process(left.pid, Signal::KILL);
        }
        if !any {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "the guardian has no runtime")]
        std::thread::sleep(Duration::from_millis(10));
    }
}
