//! The client at the other end of stdio: lines out, answers in, and one thread per waiting call.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::servers::journal::Journal;
use crate::servers::message::Message;

/// What a scripted server does with the lines it gets.
pub trait Server: Sync {
    /// The other end.
    fn peer(&self) -> &Peer;
    /// Called for each well-formed line, in the order of arrival.
    fn heard(&self, message: &Message);
    /// Whether `take` may block on this message, so that it needs a thread of its own.
    fn waits(&self, message: &Message) -> bool;
    /// Serves one request, notification or array.
    fn take(&self, message: &Message);
    /// Called when the input has ended, so that what waits need not wait any more.
    fn ended(&self) {}
}

/// A server that notes every line it gets before it does anything with it.
#[derive(Debug)]
pub struct Journaled<S> {
    /// The server.
    pub server: S,
    /// Where its lines are noted.
    pub journal: Journal,
}

impl<S: Server> Server for Journaled<S> {
    fn peer(&self) -> &Peer {
        self.server.peer()
    }

    fn heard(&self, message: &Message) {
        self.journal.line(message.raw());
        self.server.heard(message);
    }

    fn waits(&self, message: &Message) -> bool {
        self.server.waits(message)
    }

    fn take(&self, message: &Message) {
        self.server.take(message);
    }

    fn ended(&self) {
        self.server.ended();
    }
}

/// The client at the other end of stdin and stdout.
#[derive(Debug, Default)]
pub struct Peer {
    waiting: Mutex<HashMap<String, SyncSender<Message>>>,
    serial: AtomicU64,
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Peer {
    /// Writes one line. A client that no longer reads ends the process.
    pub fn line(&self, text: &str) {
        let mut line = Vec::with_capacity(text.len() + 1);
        line.extend_from_slice(text.as_bytes());
        line.push(b'\n');
        let mut out = io::stdout().lock();
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            process::exit(1);
        }
    }

    /// Sends the result, given as JSON text, of the request with this id.
    pub fn answer(&self, id: &str, result: &str) {
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    }

    /// Sends a tool result of one text block.
    pub fn say(&self, id: &str, text: &str, is_error: bool) {
        self.answer(id, &text_result(text, is_error));
    }

    /// Sends a JSON-RPC error.
    pub fn refuse(&self, id: &str, error: &Value) {
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
    }

    /// Sends the error of a method, tool or prompt that does not exist.
    pub fn unknown(&self, id: &str, code: i64, message: &str) {
        self.refuse(id, &json!({"code": code, "message": message}));
    }

    /// Sends a notification; `params` is JSON text.
    pub fn notify(&self, method: &str, params: Option<&str>) {
        self.line(&envelope(None, method, params));
    }

    /// Sends a request under a fresh id; the receiver yields the client's answer, or
    /// disconnects when the input ends first.
    pub fn ask(&self, method: &str, params: Option<&str>) -> Receiver<Message> {
        let (receiver, line) = self.question(method, params);
        self.line(&line);
        receiver
    }

    /// Sends several requests in one write, so that nobody can see time pass between them.
    pub fn ask_at_once<'a>(
        &self,
        questions: impl Iterator<Item = (&'a str, Option<String>)>,
    ) -> Vec<Receiver<Message>> {
        let asked = questions.map(|(method, params)| self.question(method, params.as_deref()));
        let (receivers, lines): (Vec<_>, Vec<_>) = asked.unzip();
        if !lines.is_empty() {
            self.line(&lines.join("\n"));
        }
        receivers
    }

    /// A request under a fresh id, and where its answer will arrive.
    fn question(&self, method: &str, params: Option<&str>) -> (Receiver<Message>, String) {
        let id = format!("\"ask-{}\"", self.serial.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, receiver) = mpsc::sync_channel(1);
        // Under the lock of `ended`, so that a late question cannot outlive the input.
        let ended = held(&self.ended);
        if !*ended {
            held(&self.waiting).insert(id.clone(), sender);
        }
        drop(ended);
        (receiver, envelope(Some(&id), method, params))
    }

    /// Waits that long, or until the input ends or `stop` holds; says whether it was undisturbed.
    pub fn pause(&self, length: Duration, stop: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + length;
        let mut ended = held(&self.ended);
        loop {
            if *ended || stop() {
                return false;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let woken = self.changed.wait_timeout(ended, left);
            ended = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Has every pause look at its stop condition again.
    pub fn nudge(&self) {
        drop(held(&self.ended));
        self.changed.notify_all();
    }

    fn settle(&self, message: Message) {
        let waiting = message.id().and_then(|id| held(&self.waiting).remove(id));
        if let Some(waiting) = waiting {
            // A caller that gave up has dropped its receiver; its answer is of no use to anyone.
            drop(waiting.send(message));
        }
    }

    fn end(&self) {
        *held(&self.ended) = true;
        held(&self.waiting).clear();
        self.changed.notify_all();
    }
}

/// Serves stdin until it ends, then waits for the calls that still run.
pub fn serve(server: &impl Server) {
    let peer = server.peer();
    thread::scope(|scope| {
        while let Some(line) = next_line() {
            let message = match Message::parse(line) {
                Ok(message) => message,
                Err(owed) => {
                    peer.line(&owed.to_string());
                    continue;
                }
            };
            server.heard(&message);
            if message.is_response() {
                peer.settle(message);
            } else if server.waits(&message) {
                scope.spawn(move || server.take(&message));
            } else {
                server.take(&message);
            }
        }
        peer.end();
        server.ended();
    });
}

/// The next line of stdin that is not blank, without its end; `None` at the end of the input.
pub fn next_line() -> Option<Vec<u8>> {
    loop {
        let mut line = Vec::new();
        let read = io::stdin().lock().read_until(b'\n', &mut line);
        if !matches!(read, Ok(count) if count > 0) {
            return None;
        }
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            return Some(line);
        }
    }
}

/// The JSON text of a tool result with one text block.
pub fn text_result(text: &str, is_error: bool) -> String {
    let text = Value::from(text);
    format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":{is_error}}}"#)
}

/// A lock whose holder may have panicked: each guarded value is whole between statements.
pub fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn envelope(id: Option<&str>, method: &str, params: Option<&str>) -> String {
    let id = id.map_or_else(String::new, |id| format!(r#""id":{id},"#));
    let params = params.map_or_else(String::new, |params| format!(r#","params":{params}"#));
    let method = Value::from(method);
    format!(r#"{{"jsonrpc":"2.0",{id}"method":{method}{params}}}"#)
}
