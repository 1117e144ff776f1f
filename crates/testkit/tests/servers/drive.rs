//! A client of one scripted server that sees each byte and each chunk of its output.
#![expect(clippy::disallowed_methods, reason = "the server under test is a plain child process")]

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use janua_testkit::process::eventually_sync;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Far more than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
/// How long something is watched that must not happen.
pub(crate) const WATCH: Duration = Duration::from_millis(400);

/// A running server. Dropping it kills it.
pub(crate) struct Driven {
    child: Child,
    stdin: Option<ChildStdin>,
    chunks: Receiver<Vec<u8>>,
    buffer: Vec<u8>,
    serial: u64,
    /// Chunks of output so far; a chunk is what one read yields.
    pub(crate) chunk_count: usize,
    /// Lines that were passed over while waiting for an answer.
    pub(crate) skipped: Vec<Vec<u8>>,
    /// The first part of stderr.
    pub(crate) stderr: Arc<Mutex<Vec<u8>>>,
    /// The size of all of stderr so far.
    pub(crate) stderr_size: Arc<AtomicUsize>,
}

impl Driven {
    pub(crate) fn start(program: &str, words: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(words);
        Self::run(command)
    }

    pub(crate) fn start_with(program: &str, words: &[&str], name: &str, value: &str) -> Self {
        let mut command = Command::new(program);
        command.args(words).env(name, value);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start the server");
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        // Few places, so that a test which does not read leaves the server with a full pipe.
        let (sender, chunks) = sync_channel(4);
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = stdout.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let kept = Arc::new(Mutex::new(Vec::new()));
        let stderr_size = Arc::new(AtomicUsize::new(0));
        let (keep, size) = (Arc::clone(&kept), Arc::clone(&stderr_size));
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                let mut kept = keep.lock().expect("nobody panics with it");
                if kept.len() < 64 * 1024 {
                    kept.extend_from_slice(&chunk[..count]);
                }
                size.fetch_add(count, Ordering::Relaxed);
            }
        });
        Self {
            stdin: child.stdin.take(),
            child,
            chunks,
            buffer: Vec::new(),
            serial: 0,
            chunk_count: 0,
            skipped: Vec::new(),
            stderr: kept,
            stderr_size,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next output, or `None` at its end.
    fn more(&mut self) -> Option<()> {
        match self.chunks.recv_timeout(DEADLINE) {
            Ok(chunk) => {
                self.chunk_count += 1;
                self.buffer.extend_from_slice(&chunk);
                Some(())
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no output within {DEADLINE:?}"),
        }
    }

    /// The next line without its newline; `None` when the output ended. What came before the end
    /// without a newline stays in the buffer.
    pub(crate) fn line(&mut self) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Some(line);
            }
            searched = self.buffer.len();
            self.more()?;
        }
    }

    /// The next line as JSON.
    pub(crate) fn message(&mut self) -> Value {
        let line = self.line().expect("the output goes on");
        let text = String::from_utf8_lossy(&line).into_owned();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Reads until so many bytes have come without a newline.
    pub(crate) fn without_newline(&mut self, size: usize) {
        while self.buffer.len() < size {
            self.more().expect("the output goes on");
            assert!(!self.buffer.contains(&b'\n'), "the line ended");
        }
    }

    /// All that is left of the output.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more().is_some() {}
        std::mem::take(&mut self.buffer)
    }

    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the input is open");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the server takes the line");
    }

    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("the input is open")
    }

    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Sends a request and says its id.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.serial += 1;
        let id = self.serial;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        id
    }

    /// Sends a tool call and says its id.
    pub(crate) fn begin(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// The response with this id; every other line is kept in `skipped`.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        loop {
            let line = self.line().expect("the output goes on until the answer");
            let parsed: Option<Value> = serde_json::from_slice(&line).ok();
            match parsed {
                Some(found) if found["id"] == id && found.get("method").is_none() => return found,
                _ => self.skipped.push(line),
            }
        }
    }

    pub(crate) fn initialize(&mut self) -> Value {
        let client = json!({"name": "driver", "version": "1"});
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        let id = self.request("initialize", &params);
        let answer = self.answer(id);
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        answer
    }

    /// The text of a tool's result.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> String {
        let id = self.begin(tool, arguments);
        text_of(&self.answer(id))
    }

    /// Calls `echo` and checks what comes back.
    pub(crate) fn check_alive(&mut self) {
        let text = format!("alive {}", self.serial);
        assert_eq!(self.call("echo", &json!({"text": text})), text);
    }

    /// Waits for the end of the process.
    pub(crate) fn status(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = eventually_sync(DEADLINE, || {
            status = self.child.try_wait().expect("ask for the status");
            status.is_some()
        });
        assert!(ended, "the server still runs");
        status.expect("it has ended")
    }

    /// Closes the input and expects a clean exit; says what else was written.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.close();
        let rest = self.rest();
        assert_eq!(self.status().code(), Some(0));
        rest
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(self.pid(), signal);
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // Either it is gone already, or this ends it; both are fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A process to kill at the end of the test, whatever its outcome.
pub(crate) struct Leftover(pub(crate) u32);

impl Drop for Leftover {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0).expect("a process id")).expect("not 0");
        let _ = kill_process(pid, Signal::KILL);
    }
}

pub(crate) fn signal_to(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("not 0");
    kill_process(pid, signal).expect("signal the process");
}

/// The text of the first block of a tool's result.
pub(crate) fn text_of(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}")).to_owned()
}

/// Whether the process has SIGTERM ignored.
pub(crate) fn ignores_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("it is listed");
    let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask");
    mask & (1 << 14) != 0
}
