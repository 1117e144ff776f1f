//! What was said both ways with relative times, shown when a test fails.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest part of one message that is printed, in bytes; the record itself keeps all of it.
const SHOWN: usize = 4000;

/// A shared record of messages; clones write into the same record.
#[derive(Clone, Debug)]
pub struct Transcript {
    shared: Arc<Shared>,
}

/// Which way a message went, seen from the test's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The test sent it.
    Sent,
    /// The test received it.
    Received,
    /// Not a message: something worth knowing when reading the rest.
    Note,
}

/// One recorded message.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Time since the record was opened.
    pub at: Duration,
    /// Direction.
    pub way: Way,
    /// The whole text; bytes that are not UTF-8 are replaced.
    pub text: String,
}

#[derive(Debug)]
struct Shared {
    name: String,
    opened: Instant,
    entries: Mutex<Vec<Entry>>,
    printed: AtomicBool,
}

impl Transcript {
    /// An empty record; `name` heads the printed form.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: name.into(),
                opened: Instant::now(),
                entries: Mutex::new(Vec::new()),
                printed: AtomicBool::new(false),
            }),
        }
    }

    /// Records bytes the test sent.
    pub fn sent(&self, bytes: impl AsRef<[u8]>) {
        self.record(Way::Sent, bytes.as_ref());
    }

    /// Records bytes the test received.
    pub fn received(&self, bytes: impl AsRef<[u8]>) {
        self.record(Way::Received, bytes.as_ref());
    }

    /// Records a remark.
    pub fn note(&self, text: impl AsRef<str>) {
        self.record(Way::Note, text.as_ref().as_bytes());
    }

    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// The printed form: one line a message, time in seconds, `->` sent, `<-` received, `--` remark.
    pub fn render(&self) -> String {
        let mut out = format!("---- transcript: {} ----\n", self.shared.name);
        for entry in self.lock().iter() {
            let arrow = match entry.way {
                Way::Sent => "->",
                Way::Received => "<-",
                Way::Note => "--",
            };
            let shown = clip(&entry.text);
            let _ = write!(out, "{:9.3} {arrow} {shown}", entry.at.as_secs_f64());
            if shown.len() < entry.text.len() {
                let _ = write!(out, " ... ({} bytes)", entry.text.len());
            }
            out.push('\n');
        }
        out
    }

    fn record(&self, way: Way, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut entries = self.lock();
        let at = self.shared.opened.elapsed();
        entries.push(Entry { at, way, text });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Transcript {
    // Any clone dropped by an unwinding test prints, since the last clone may live in a task that
    // outlives the test's own stack.
    fn drop(&mut self) {
        if std::thread::panicking() && !self.shared.printed.swap(true, Ordering::SeqCst) {
            eprint!("{}", self.render());
        }
    }
}

/// The start of `text`, cut at a character boundary.
fn clip(text: &str) -> &str {
    let mut end = text.len().min(SHOWN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::{Transcript, Way};

    #[test]
    fn keeps_order_and_direction() {
        let transcript = Transcript::new("t");
        transcript.sent("a");
        transcript.clone().received("b");
        transcript.note("c");
        let entries = transcript.entries();
        let ways: Vec<Way> = entries.iter().map(|e| e.way).collect();
        assert_eq!(ways, [Way::Sent, Way::Received, Way::Note]);
        assert!(entries.is_sorted_by_key(|e| e.at));
        let shown = transcript.render();
        assert!(shown.contains("-> a") && shown.contains("<- b") && shown.contains("-- c"));
    }

    #[test]
    fn long_messages_are_clipped_when_shown_but_kept_whole() {
        let transcript = Transcript::new("t");
        transcript.sent("é".repeat(5000));
        assert_eq!(transcript.entries()[0].text.len(), 10_000);
        assert!(transcript.render().contains("(10000 bytes)"));
    }
}
