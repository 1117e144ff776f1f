//! `hostile`: one server with a mode for every way in which a child process goes wrong.
//!
//! `hostile MODE [ARG ...]`, or `hostile --list`. In each mode the tools `echo` (returns `text`),
//! `pid` (process ids of itself, its parent and its descendants) and `env` are served as long as
//! the process lives and reads; the tool `act`, which may also be called by the name of the mode,
//! sets off what the mode is about where that is not simply always on.

mod modes;
mod output;
mod trouble;
mod volume;

use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::servers::environment;
use crate::servers::hostile::modes::{MODES, Mode};
use crate::servers::message::Message;
use crate::servers::peer::{held, next_line, text_result};
use crate::servers::stray::{self, Stray};

/// The server in one mode.
struct Hostile {
    mode: &'static Mode,
    /// The command line after the mode.
    words: Vec<String>,
    descendants: Mutex<Vec<u32>>,
    /// Ids of calls that are answered once the client has answered a request of the same id.
    echoing: Mutex<Vec<String>>,
    /// Writes to stdout so far.
    written: AtomicU64,
}

/// Runs the mode that the words name.
pub fn run(mut words: Vec<String>) -> ExitCode {
    stray::become_one(&words);
    if words.first().is_some_and(|word| word == "--list") {
        for mode in MODES {
            println!("{}\t{}", mode.name, mode.says);
        }
        return ExitCode::SUCCESS;
    }
    let named = words.first().and_then(|name| MODES.iter().find(|mode| mode.name == name));
    let Some(mode) = named else {
        eprintln!("usage: hostile MODE [ARG ...] | hostile --list");
        return ExitCode::from(64);
    };
    words.remove(0);
    let hostile =
        Hostile { mode, words, descendants: Mutex::default(), echoing: Mutex::default(), written: AtomicU64::new(0) };
    (mode.start)(&hostile);
    while let Some(line) = next_line() {
        hostile.take(line);
    }
    (mode.end)(&hostile);
    ExitCode::SUCCESS
}

impl Hostile {
    fn take(&self, line: Vec<u8>) {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(owed) => return self.put_line(&owed.to_string()),
        };
        let Some(id) = message.id() else { return };
        match message.method() {
            None => self.settle(id, &message),
            Some("initialize") => (self.mode.initialize)(self, id, &message),
            Some("ping" | "logging/setLevel") => self.answer(id, "{}"),
            Some("tools/list") => self.answer(id, &tools().to_string()),
            Some("tools/call") => self.call(id, &message),
            Some(other) => self.refuse(id, -32601, &format!("Method not found: {other}")),
        }
    }

    fn call(&self, id: &str, message: &Message) {
        match message.name() {
            "echo" => self.say(id, message.argument("text").as_str().unwrap_or_default()),
            "env" => self.say(id, &environment::as_json("")),
            "pid" => {
                let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
                let descendants = held(&self.descendants).clone();
                let pids = json!({"pid": process::id(), "parent": parent, "descendants": descendants});
                self.say(id, &pids.to_string());
            }
            name if name == "act" || name == self.mode.name => (self.mode.act)(self, id, message),
            other => self.refuse(id, -32602, &format!("Unknown tool: {other}")),
        }
    }

    /// The call that asked the client something under its own id gets the client's answer as text.
    fn settle(&self, id: &str, message: &Message) {
        let mut echoing = held(&self.echoing);
        let Some(at) = echoing.iter().position(|waiting| waiting == id) else {
            return;
        };
        echoing.remove(at);
        drop(echoing);
        self.say(id, message.raw());
    }

    /// Sends a result in the manner of the mode.
    fn answer(&self, id: &str, result: &str) {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        (self.mode.answer)(self, id, &line);
    }

    fn say(&self, id: &str, text: &str) {
        self.answer(id, &text_result(text, false));
    }

    fn refuse(&self, id: &str, code: i64, message: &str) {
        let error = json!({"code": code, "message": message});
        (self.mode.answer)(self, id, &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
    }

    fn put(&self, bytes: &[u8]) {
        self.written.fetch_add(1, Ordering::Relaxed);
        write_out(bytes);
    }

    fn put_line(&self, line: &str) {
        self.put(format!("{line}\n").as_bytes());
    }

    /// The word after the mode at that place, or the default if it is missing or unreadable.
    fn word<T: FromStr>(&self, at: usize, default: T) -> T {
        self.words.get(at).and_then(|word| word.parse().ok()).unwrap_or(default)
    }

    fn start_stray(&self, stray: Stray) {
        match stray.spawn() {
            Ok(pid) => held(&self.descendants).push(pid),
            Err(error) => eprintln!("hostile: start a descendant: {error}"),
        }
    }
}

/// Writes bytes as they are. A client that no longer reads ends the process.
fn write_out(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        process::exit(1);
    }
}

fn greet(hostile: &Hostile, id: &str, message: &Message) {
    let result = json!({
        "protocolVersion": message.value()["params"]["protocolVersion"],
        "capabilities": {"tools": {}, "logging": {}},
        "serverInfo": {"name": "hostile", "version": "1.0"},
    });
    hostile.answer(id, &result.to_string());
}

fn tools() -> Value {
    let tool = |name: &str, about: &str, properties: Value| {
        let schema = json!({"type": "object", "properties": properties});
        json!({"name": name, "description": about, "inputSchema": schema})
    };
    json!({"tools": [
        tool("echo", "Returns its text", json!({"text": {"type": "string"}})),
        tool("pid", "Process ids of the server, its parent and its descendants", json!({})),
        tool("env", "The environment of the server", json!({})),
        tool("act", "Sets off what the mode is about", json!({})),
    ]})
}
