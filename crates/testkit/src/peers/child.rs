//! A process of the tests with its standard error kept, killed with all it started.

use super::PeerError;
use crate::process;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How many lines of standard error are kept.
const KEPT: usize = 400;
/// How long to wait for the rest of standard error of a process that seems to have ended.
const SETTLE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pid: u32,
    said: Arc<Mutex<VecDeque<String>>>,
    reading: JoinHandle<()>,
}

impl Running {
    /// Starts it with pipes to its standard input and output.
    pub(super) fn piped(mut command: Command) -> Result<(Self, ChildStdin, ChildStdout), PeerError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Self::start(command)?;
        let input = running.child.stdin.take().expect("stdin is a pipe");
        let output = running.child.stdout.take().expect("stdout is a pipe");
        Ok((running, input, output))
    }

    /// Starts it with nothing to read and its standard output thrown away.
    pub(super) fn quiet(mut command: Command) -> Result<Self, PeerError> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self, PeerError> {
        // A group of its own, so that one signal reaches what it starts.
        command.stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| PeerError::Missing(format!("start {program}: {error}")))?;
        let pid = child.id().expect("a process not waited for has an id");
        let said = Arc::default();
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let reading = tokio::spawn(keep(stderr, Arc::clone(&said)));
        Ok(Self { child, pid, said, reading })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn stderr(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) {
        // An error here says that somebody else waited for it: it ended all the same.
        let _ = self.child.wait().await;
    }

    /// Gives a process that ended the time to have its last words read.
    pub(super) async fn settle(&mut self) {
        let all = async {
            self.ended().await;
            // Fails only when the reading was stopped: then there is no more to come.
            let _ = (&mut self.reading).await;
        };
        // Running out of time means that it did not end, which is no error of its own.
        let _ = timeout(SETTLE, all).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_alive() {
            return;
        }
        // SDKs put the servers they start into sessions of their own, out of the group's reach.
        let started = process::descendants(self.pid);
        let id = |pid: u32| i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let Some(group) = id(self.pid) {
            // Each of them may have ended by itself in between.
            let _ = kill_process_group(group, Signal::KILL);
        }
        for pid in started.into_iter().filter_map(id) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

async fn keep(stderr: ChildStderr, said: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == KEPT {
            said.pop_front();
        }
        said.push_back(line);
    }
}
