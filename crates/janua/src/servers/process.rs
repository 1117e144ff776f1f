//! Child processes: started in a session of their own, watched, and stopped with everything they started.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    test_kill_process_group, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use crate::admission::Slot;
use crate::config::{Limits, ServerCommand};
use crate::error::{Failure, Kind};
use crate::observe::gauge::{Entered, Gauge};
use crate::tasks::Tasks;

use journal::Journal;
use last_words::{LastWords, Writer};

pub(crate) mod census;
pub(crate) mod guardian;
pub(crate) mod journal;
pub(crate) mod last_words;
mod launch;
pub(crate) mod orphans;

/// The variable that marks every process the gateway started, and all their descendants.
pub(crate) const MARK: &str = "JANUA_INSTANCE";

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A started child with its pipes.
pub(crate) struct Process {
    pub(crate) stdin: pipe::Sender,
    pub(crate) stdout: pipe::Receiver,
    /// The end of its standard error, which a task reads.
    pub(crate) words: LastWords,
    pub(crate) child: Child,
}

/// The running program itself.
pub(crate) struct Child {
    pid: Pid,
    pidfd: Option<AsyncFd<OwnedFd>>,
    mark: String,
    /// How it ended, once it was waited for.
    end: Option<String>,
    /// Its place among the programs there may be.
    slot: Option<Slot>,
    counted: Option<Entered>,
}

/// Whether the program of `command` is there, where the system will look for it.
pub(crate) fn is_there(command: &ServerCommand) -> bool {
    launch::is_there(command)
}

/// Starts `command` in the place `slot`, and a task that reads its standard error, which the log has as that of `server`.
pub(crate) async fn launch(
    command: &Arc<ServerCommand>,
    server: &str,
    slot: Slot,
    journal: &Arc<Journal>,
    tasks: &Tasks,
) -> Result<Process, Failure> {
    let started = command.clone();
    let begun = Tasks::on_spawner(move || start(&started, slot)).await;
    let interrupted = || Err(Failure::new(Kind::StartFailed, "the start was interrupted"));
    let (process, stderr) = begun.unwrap_or_else(interrupted)?;
    let writer = Writer {
        server: server.to_owned(),
        program: program_name(&command.program).to_owned(),
        pid: process.child.pid(),
        secrets: command.env.clone(),
        journal: journal.clone(),
    };
    tasks.spawn("server stderr", last_words::drain(stderr, process.words.clone(), writer));
    Ok(process)
}

/// Starts `command`. Blocks for the time of a fork and an exec.
fn start(command: &ServerCommand, slot: Slot) -> Result<(Process, pipe::Receiver), Failure> {
    let name = program_name(&command.program);
    let failed = |error: io::Error| {
        let message = format!("cannot start {name}: {}", reason(&error));
        Failure::new(Kind::StartFailed, message)
    };
    let mark = format!("{}.{}", guardian::gateway(), COUNT.fetch_add(1, Ordering::Relaxed));
    guardian::watch();
    let (stdin, ours_in) = io::pipe().map_err(failed)?;
    let (ours_out, stdout) = io::pipe().map_err(failed)?;
    let (ours_err, stderr) = io::pipe().map_err(failed)?;
    let stdio = [OwnedFd::from(stdin), OwnedFd::from(stdout), OwnedFd::from(stderr)];
    let pid = launch::launch(command, &mark, &stdio).map_err(failed)?;
    orphans::claim(pid, true);
    let child =
        Child { pid, pidfd: None, mark, end: None, slot: Some(slot), counted: None }.watched().map_err(failed)?;
    let process = Process {
        stdin: pipe::Sender::from_owned_fd(OwnedFd::from(ours_in)).map_err(failed)?,
        stdout: pipe::Receiver::from_owned_fd(OwnedFd::from(ours_out)).map_err(failed)?,
        words: LastWords::default(),
        child,
    };
    Ok((process, pipe::Receiver::from_owned_fd(OwnedFd::from(ours_err)).map_err(failed)?))
}

/// The program's name without the directories it lies in, which are nobody's business.
fn program_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

impl Child {
    /// The same child, counted until nothing of it is left.
    pub(crate) fn counted(mut self, children: &Gauge) -> Self {
        self.counted = Some(children.enter());
        self
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The same child, whose end the runtime hears of.
    fn watched(mut self) -> io::Result<Self> {
        let pidfd = pidfd_open(self.pid, PidfdFlags::empty())?;
        #[expect(deprecated, reason = "its successor is unsafe; this descriptor is owned and never replaced")]
        let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE)?;
        self.pidfd = Some(pidfd);
        Ok(self)
    }

    /// Waits until the program itself has ended, and says how. Safe to be dropped and called again.
    pub(crate) async fn ended(&mut self) -> String {
        if let Some(end) = &self.end {
            return end.clone();
        }
        let end = match self.status().await {
            Ok(status) => describe(&status),
            Err(error) => format!("was lost: {error}"),
        };
        orphans::claim(self.pid, false);
        self.end.insert(end).clone()
    }

    async fn status(&self) -> io::Result<WaitIdStatus> {
        let pidfd = self.pidfd.as_ref().ok_or(io::ErrorKind::NotFound)?;
        loop {
            let mut ready = pidfd.readable().await?;
            let id = WaitId::PidFd(pidfd.get_ref().as_fd());
            match waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)? {
                Some(status) => return Ok(status),
                None => ready.clear_ready(),
            }
        }
    }

    /// Whether the program has ended; asked, not waited for.
    pub(crate) fn has_ended(&self) -> bool {
        let Some(pidfd) = &self.pidfd else { return true };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::PidFd(pidfd.get_ref().as_fd()), look), Ok(None))
    }

    /// The same, for one task that is woken when it has.
    pub(crate) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pidfd) = &self.pidfd else { return Poll::Ready(()) };
        loop {
            match ready!(pidfd.poll_read_ready(cx)) {
                Ok(mut ready) if !self.has_ended() => ready.clear_ready(),
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Kills the program and everything it started, and gives its place.
    pub(crate) async fn give_way(mut self) -> Option<Slot> {
        let slot = self.slot.take();
        self.kill().await;
        slot
    }

    /// Stops the program and everything it started: a time to leave after its standard input was closed, then
    /// SIGTERM to its group, then SIGKILL to whatever is left, wherever it hid.
    pub(crate) async fn stop(mut self, limits: &Limits) {
        if tokio::time::timeout(limits.stop_eof, self.ended()).await.is_err() {
            let _ = kill_process_group(self.pid, Signal::TERM);
            if tokio::time::timeout(limits.stop_term, self.ended()).await.is_err() {
                self.kill().await;
                return;
            }
        }
        self.sweep(limits).await;
    }

    /// Kills the program and everything it started, at once.
    pub(crate) async fn kill(mut self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.ended().await;
        census::kill_marked(&self.mark, self.pid).await;
    }

    /// The program has ended; what it left behind gets a moment and a signal, then no choice.
    async fn sweep(&self, limits: &Limits) {
        let step = Duration::from_millis(50);
        let _ = kill_process_group(self.pid, Signal::TERM);
        let mut left = limits.stop_term.min(Duration::from_secs(1));
        while test_kill_process_group(self.pid).is_ok() && !left.is_zero() {
            tokio::time::sleep(step).await;
            left = left.saturating_sub(step);
        }
        census::kill_marked(&self.mark, self.pid).await;
    }
}

impl Drop for Child {
    /// Nobody stopped it: its start was given up half way.
    fn drop(&mut self) {
        if self.end.is_none() {
            let _ = kill_process_group(self.pid, Signal::KILL);
            // Killed, it ends at once; what does not is buried with this process.
            let _ = waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED);
            orphans::claim(self.pid, false);
        }
    }
}

fn describe(status: &WaitIdStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Owns a child's end: whoever is first to say so stops it, and everyone can wait until it is gone.
#[derive(Clone, Default)]
pub(crate) struct Ending {
    asked: CancellationToken,
    gone: CancellationToken,
}

impl Ending {
    /// Asks for the end.
    pub(crate) fn ask(&self) {
        self.asked.cancel();
    }

    /// Resolves when somebody asked for the end.
    pub(crate) async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Resolves when nothing of the child is left.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Stops `child` in a task of its own and then says so.
    pub(crate) fn stop(&self, tasks: &Tasks, child: Child, limits: Arc<Limits>, at_once: bool) {
        let gone = self.gone.clone();
        tasks.spawn("stop server", async move {
            if at_once {
                child.kill().await;
            } else {
                child.stop(&limits).await;
            }
            gone.cancel();
        });
    }
}
