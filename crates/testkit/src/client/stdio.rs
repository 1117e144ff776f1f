//! A raw client of a child process: lines out, lines in, with a deadline on every read.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::client::PATIENCE;
use crate::client::message::{self, Message};
use crate::transcript::Transcript;

/// A running child in a process group of its own, which is killed on drop.
#[derive(Debug)]
pub struct StdioClient {
    /// Messages that came while another was awaited, in order.
    pub passed: Vec<Message>,
    child: Child,
    pid: u32,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    errors: Arc<Mutex<Vec<u8>>>,
    deadline: Duration,
    next: u64,
    transcript: Transcript,
}

impl StdioClient {
    /// Starts `program`; failing to start fails the test.
    pub fn start(program: &Path, args: &[impl AsRef<OsStr>]) -> Self {
        let mut command = Command::new(program);
        command.args(args);
        Self::start_command(command)
    }

    /// Starts a prepared command; its streams and process group are set here.
    pub fn start_command(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let name = format!("{:?}", command.as_std());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("start {name}: {e}"));
        let pid = child.id().expect("a child not yet waited for has an id");
        let output = child.stdout.take().expect("stdout is piped");
        let errors = collect(child.stderr.take().expect("stderr is piped"));
        Self {
            passed: Vec::new(),
            pid,
            input: child.stdin.take(),
            output: BufReader::new(output).lines(),
            errors,
            deadline: PATIENCE,
            next: 1,
            transcript: Transcript::new(name),
            child,
        }
    }

    /// Sets the deadline of each read that has none of its own.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything the child wrote to its standard error so far.
    pub fn stderr(&self) -> String {
        let bytes = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Writes one line; a line feed is added.
    pub async fn write_line(&mut self, line: &str) {
        self.write_bytes(format!("{line}\n").as_bytes()).await;
    }

    /// Writes exactly these bytes.
    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        self.transcript.sent(bytes);
        let input = self.input.as_mut().expect("stdin was closed by the test");
        let written = async {
            input.write_all(bytes).await?;
            input.flush().await
        };
        let written = timeout(self.deadline, written).await;
        let written = written.unwrap_or_else(|e| Err(e.into()));
        written.unwrap_or_else(|e| panic!("write to the child: {e}; it said {}", self.stderr()));
    }

    /// Reads one line without its end; `None` at the end of output. Silence fails the test.
    pub async fn read_line(&mut self) -> Option<String> {
        let deadline = self.deadline;
        let line = self.read_line_within(deadline).await;
        line.unwrap_or_else(|| panic!("no line within {deadline:?}; it said {}", self.stderr()))
    }

    /// Reads one line; the outer `None` means that nothing came in time.
    pub async fn read_line_within(&mut self, deadline: Duration) -> Option<Option<String>> {
        let line = timeout(deadline, self.output.next_line()).await.ok()?;
        let line = line.unwrap_or_else(|e| panic!("read from the child: {e}"));
        match &line {
            Some(text) => self.transcript.received(text),
            None => self.transcript.note("output ended"),
        }
        Some(line)
    }

    /// The next line as a message; the end of output or a line that is not JSON fails the test.
    pub async fn message(&mut self) -> Message {
        let line = self.read_line().await;
        let line = line.unwrap_or_else(|| panic!("output ended; the child said {}", self.stderr()));
        Message::parse(&line).unwrap_or_else(|e| panic!("{e} in line {line}"))
    }

    /// Performs the handshake; gives the answer to initialize.
    pub async fn initialize(&mut self, version: &str, capabilities: &str) -> Message {
        let params = message::initialize_params(version, capabilities);
        let opening = self.request("initialize", &params).await;
        opening.result();
        self.notify("notifications/initialized", "").await;
        opening
    }

    /// Sends a request and waits for its answer; `params` is JSON text.
    pub async fn request(&mut self, method: &str, params: &str) -> Message {
        let id = self.send(method, params).await;
        self.response(&id).await
    }

    /// Sends a request without waiting; gives its id as JSON text.
    pub async fn send(&mut self, method: &str, params: &str) -> String {
        let id = self.next.to_string();
        self.next += 1;
        self.write_line(&message::request(&id, method, params)).await;
        id
    }

    /// Waits for the answer to the request `id`; other messages go to `passed`.
    pub async fn response(&mut self, id: &str) -> Message {
        loop {
            let message = self.message().await;
            if message.answers(id) {
                return message;
            }
            self.passed.push(message);
        }
    }

    /// Calls a tool; `args` is JSON text.
    pub async fn call(&mut self, tool: &str, args: &str) -> Message {
        self.request("tools/call", &message::call_params(tool, args)).await
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: &str) {
        self.write_line(&message::notification(method, params)).await;
    }

    /// Answers a request of the server; `id` and `result` are JSON text.
    pub async fn respond(&mut self, id: &str, result: &str) {
        self.write_line(&message::response(id, result)).await;
    }

    /// Closes the child's standard input.
    pub fn close_input(&mut self) {
        self.input = None;
        self.transcript.note("input closed");
    }

    /// Sends a signal to the child alone.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a pid");
        // Already gone is what the signal wanted.
        let _ = rustix::process::kill_process(pid, signal);
    }

    /// Waits for the child's end; `None` when the deadline passed first.
    pub async fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let status = timeout(deadline, self.child.wait()).await.ok()?;
        Some(status.expect("wait for the child"))
    }
}

impl Drop for StdioClient {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- stderr of {} ----\n{}", self.pid, self.stderr());
        }
        // Once the child was waited for, its group id could be another's.
        if self.child.id().is_some()
            && let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn collect(mut stream: ChildStderr) -> Arc<Mutex<Vec<u8>>> {
    let text = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&text);
    tokio::spawn(async move {
        let mut part = vec![0; 8192];
        while let Ok(n @ 1..) = stream.read(&mut part).await {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&part[..n]);
        }
    });
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::StdioClient;

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn lines_go_both_ways_and_the_end_is_seen() {
        let mut cat = StdioClient::start(Path::new("sh"), &["-c", "echo up >&2; cat; exit 3"]);
        cat.write_line(r#"{"a":1}"#).await;
        assert_eq!(cat.read_line().await.as_deref(), Some(r#"{"a":1}"#));
        assert!(cat.read_line_within(Duration::from_millis(20)).await.is_none());
        cat.close_input();
        assert_eq!(cat.read_line().await, None);
        let status = cat.wait(SOON).await.expect("cat ends");
        assert_eq!(status.code(), Some(3));
        assert!(crate::process::eventually(SOON, || cat.stderr() == "up\n").await);
    }

    #[tokio::test]
    async fn dropping_kills_the_group() {
        let script = "sleep 60 & echo $!; wait";
        let mut shell = StdioClient::start(Path::new("sh"), &["-c", script]);
        let line = shell.read_line().await.expect("a pid");
        let sleeper: u32 = line.parse().expect("a pid");
        let pid = shell.pid();
        drop(shell);
        assert!(crate::process::wait_gone(sleeper, SOON).await);
        assert!(crate::process::wait_gone(pid, SOON).await);
    }
}
