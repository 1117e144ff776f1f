//! The record that a scripted program keeps of what reached it, in a file that a test can read.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use serde_json::json;

use crate::servers::peer::held;

/// The option that names the file.
pub const OPTION: &str = "--journal";

/// An append-only file of lines, or nothing. Several processes may write to the same one.
#[derive(Debug, Default)]
pub struct Journal(Option<Mutex<File>>);

impl Journal {
    /// The journal that `--journal FILE` among the words asks for.
    ///
    /// Panics if the file cannot be opened, as the test that named it would wait in vain.
    pub fn asked_for(words: &[String]) -> Self {
        let at = words.iter().position(|word| word == OPTION);
        let Some(path) = at.and_then(|at| words.get(at + 1)) else { return Self::default() };
        let file = OpenOptions::new().append(true).create(true).open(path);
        Self(Some(Mutex::new(file.unwrap_or_else(|error| panic!("open {path}: {error}")))))
    }

    /// Notes a line as it came.
    pub fn line(&self, text: &str) {
        if let Some(file) = &self.0 {
            // One write, so that lines of several processes do not mix.
            let written = held(file).write_all(format!("{text}\n").as_bytes());
            written.expect("the journal takes a line");
        }
    }

    /// Notes that the client did something that its revision forbids.
    pub fn fault(&self, what: &str) {
        self.line(&json!({"fault": what}).to_string());
    }
}

/// The complete lines of a journal so far; none where nothing was written yet.
pub fn lines(path: impl AsRef<OsStr>) -> Vec<String> {
    let text = std::fs::read(Path::new(path.as_ref())).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(str::to_owned).collect()
}
