//! The person at the terminal: sees progress and log lines on standard error, and answers what servers ask.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};

use janua::client::Person;
use janua_wire::error::METHOD_NOT_FOUND;
use janua_wire::json::quote;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use serde_json::Value;

use super::clean;
use super::form::{Filled, Filler, fill};

/// Cells of the progress bar.
const BAR: u32 = 24;

/// Whoever looks at standard error and types into standard input.
pub(super) struct Terminal {
    /// What to call whoever asks.
    label: String,
    /// Whether a person looks at standard error.
    pub(super) is_watched: bool,
    /// Whether a person can be asked.
    is_manned: bool,
    answers: Vec<(String, String)>,
    /// Whether the last line on standard error is one that comes and goes.
    passing: Mutex<bool>,
}

impl Terminal {
    /// The terminal of this process, or what is there instead. Fields of forms that `answers` name are not asked for.
    pub(super) fn new(label: String, no_input: bool, answers: Vec<(String, String)>) -> Self {
        let is_watched = io::stderr().is_terminal();
        let is_manned = is_watched && io::stdin().is_terminal() && !no_input;
        Terminal { label, is_watched, is_manned, answers, passing: Mutex::default() }
    }

    /// A line that the next one takes the place of; nothing on a pipe.
    pub(super) fn pass(&self, line: &str) {
        if self.is_watched {
            let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
            *passing = true;
            let short: String = clean(line).replace('\n', " ").chars().take(100).collect();
            let _ = write!(io::stderr(), "\r\u{1b}[K{short}");
        }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        self.wipe();
        let _ = writeln!(io::stderr(), "{}", clean(line));
    }

    /// Takes away the line that comes and goes.
    pub(super) fn wipe(&self) {
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *passing) {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }

    fn elicit(&self, question: &Request) -> Response {
        let text = |key: &str| question.param(key).and_then(raw::string);
        let message = text("message").unwrap_or_default();
        if let Some(url) = text("url") {
            return self.visit(&message, &url);
        }
        let schema = question.param("requestedSchema").unwrap_or(b"{}");
        let filled = if self.is_manned {
            self.say(&format!("{} asks: {message}\n(Ctrl-D declines)", self.label));
            fill(schema, &self.answers, Filler::Lines(&mut io::stdin().lock(), &mut io::stderr()))
        } else if self.answers.is_empty() {
            let why = "nobody can be asked here; --answer NAME=VALUE answers beforehand";
            Ok(Filled::Declined(Some(why.to_owned())))
        } else {
            fill(schema, &self.answers, Filler::Nobody)
        };
        let filled = filled.unwrap_or_else(|error| Filled::Declined(Some(error.to_string())));
        match filled {
            Filled::Accepted(content) => action("accept", Some(&content)),
            Filled::Declined(why) => self.declined(&message, why.as_deref().unwrap_or("as you wish")),
        }
    }

    /// Shows an address for the person to visit (2025-11-25 `client/elicitation`, mode `url`). It is never opened
    /// from here.
    fn visit(&self, message: &str, url: &str) -> Response {
        if !self.is_manned {
            let why = format!("nobody can be asked here; the address is {url}");
            return self.declined(message, &why);
        }
        let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        self.say(&format!("{} asks: {message}\nIt wants you to visit {host}:\n  {url}", self.label));
        let _ = write!(io::stderr(), "Visit it if you trust it. Go on? (yes or no; empty declines): ");
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        let agreed = read.is_ok() && ["y", "yes"].contains(&line.trim().to_lowercase().as_str());
        if agreed { action("accept", None) } else { self.declined(message, "as you wish") }
    }

    fn declined(&self, message: &str, why: &str) -> Response {
        self.say(&format!("{} asked: {message}\ndeclined: {why}", self.label));
        action("decline", None)
    }

    fn progress(&self, progress: &Value) {
        let done = progress["progress"].as_f64().unwrap_or_default();
        let message = progress["message"].as_str().unwrap_or_default();
        let mut line = match progress["total"].as_f64().filter(|total| *total > 0.0) {
            Some(total) => {
                let share = (done / total).clamp(0.0, 1.0);
                let full = (0..BAR).filter(|cell| f64::from(*cell) < share * f64::from(BAR)).count();
                let cells = "#".repeat(full) + &"-".repeat(BAR as usize - full);
                format!("[{cells}] {:.0} %", share * 100.0)
            }
            None => format!("{done} done"),
        };
        if !message.is_empty() {
            let _ = write!(line, " {message}");
        }
        self.pass(&line);
    }

    fn log(&self, said: &Value) {
        let level = said["level"].as_str().unwrap_or("info");
        let logger = said["logger"].as_str().unwrap_or(&self.label);
        let text = said["data"].as_str().map_or_else(|| said["data"].to_string(), str::to_owned);
        self.say(&format!("[{level}] {logger}: {text}"));
    }
}

impl Person for Terminal {
    fn hears(&self, notification: &Notification) {
        let Ok(params) = serde_json::from_slice::<Value>(notification.params()) else { return };
        match notification.method() {
            Method::Progress => self.progress(&params),
            Method::LogMessage => self.log(&params),
            _ => {}
        }
    }

    fn answers(&self, question: &Request) -> Response {
        match question.method() {
            Method::Elicit => self.elicit(question),
            Method::CreateMessage => {
                self.say(&format!("{} asked for a language model's answer: declined, there is none here", self.label));
                Response::error(METHOD_NOT_FOUND, "this client has no language model", None)
            }
            _ => {
                self.say(&format!("{} asked {}: declined", self.label, question.name()));
                Response::error(METHOD_NOT_FOUND, "this client cannot be asked that", None)
            }
        }
    }
}

/// The answer to an elicitation.
fn action(action: &str, content: Option<&str>) -> Response {
    let content = content.map(|content| format!(",\"content\":{content}")).unwrap_or_default();
    let result = format!("{{\"action\":{}{content}}}", quote(action));
    Response::result(&result)
        .unwrap_or_else(|refused| Response::error(refused.why.code(), "the answer cannot be put into words", None))
}
