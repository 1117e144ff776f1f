//! What a server writes to its standard error: always read, the end of it kept, some of it logged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::unix::pipe;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::journal::Journal;
use crate::lock::Lock;

/// Bytes kept.
const KEPT: usize = 64 * 1024;
/// Bytes quoted in an error.
const QUOTED: usize = 4 * 1024;
/// Lines logged per second, and lines kept for whoever asks; longer lines are cut at [`LINE`].
const RATE: (u64, u64) = (100, 1000);
const LINE: usize = 8 * 1024;

/// The end of a server's standard error.
#[derive(Clone, Default)]
pub(crate) struct LastWords(Arc<Words>);

#[derive(Default)]
struct Words {
    kept: Lock<VecDeque<u8>>,
    /// Nothing more will come.
    whole: CancellationToken,
    /// The server was seen to write what is no message where messages go.
    astray: AtomicBool,
}

impl LastWords {
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.kept.lock();
        let news = &bytes[bytes.len().saturating_sub(KEPT)..];
        let over = (kept.len() + news.len()).saturating_sub(KEPT);
        kept.drain(..over);
        kept.extend(news);
    }

    /// Takes note of a line of the server's standard output. The first one that is no message is kept: it explains
    /// why there is no answer.
    pub(crate) fn heard(&self, line: &[u8]) {
        const SHOWN: usize = 200;
        let begin = line.iter().find(|byte| !byte.is_ascii_whitespace());
        let is_message = begin.is_none_or(|byte| matches!(byte, b'{' | b'['));
        if is_message || self.0.astray.swap(true, Ordering::Relaxed) {
            return;
        }
        self.keep(b"\non standard output, where only messages belong: ");
        self.keep(&line[..line.len().min(SHOWN)]);
        self.keep(b"\n");
    }

    /// Waits for what an ended server has written and was not read yet. Not for long: others may hold the pipe.
    pub(crate) async fn complete(&self) {
        let _ = tokio::time::timeout(Duration::from_millis(50), self.0.whole.cancelled()).await;
    }

    /// The last lines, with `secrets` masked; `None` if nothing was written.
    pub(crate) fn quote(&self, secrets: &[(String, String)]) -> Option<String> {
        let kept = self.0.kept.lock();
        let bytes: Vec<u8> = kept.iter().copied().skip(kept.len().saturating_sub(QUOTED)).collect();
        drop(kept);
        let text = mask(String::from_utf8_lossy(&bytes).into_owned(), secrets);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// Values given to the server in its environment do not belong into messages. Very short ones are no secrets and
/// would mask half the text.
fn mask(mut text: String, secrets: &[(String, String)]) -> String {
    for (_, value) in secrets.iter().filter(|(_, value)| value.len() >= 6) {
        if text.contains(value.as_str()) {
            text = text.replace(value.as_str(), "***");
        }
    }
    text
}

/// Reads `pipe` to its end; `writer` says whose it is.
pub(crate) async fn drain(pipe: pipe::Receiver, words: LastWords, writer: Writer) {
    let mut log = Log { writer, second: Instant::now(), lines: 0 };
    let mut rest = BytesMut::new();
    while pipe.readable().await.is_ok() {
        rest.reserve(4096);
        let before = rest.len();
        match pipe.try_read_buf(&mut rest) {
            Ok(0) => break,
            Ok(_) => words.keep(&rest[before..]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        while let Some(at) = memchr::memchr(b'\n', &rest) {
            let line = rest.split_to(at + 1);
            log.line(&line[..at]);
        }
        if rest.len() > LINE {
            log.line(&rest.split());
        }
        if rest.is_empty() {
            rest = BytesMut::new();
        }
    }
    if !rest.is_empty() {
        log.line(&rest);
    }
    log.turn();
    words.0.whole.cancel();
}

/// Who writes to a pipe, and where its lines go besides the log.
pub(crate) struct Writer {
    /// The name of the server.
    pub(crate) server: String,
    /// The name of the program.
    pub(crate) program: String,
    pub(crate) pid: u32,
    /// What is masked: variables and their values.
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) journal: Arc<Journal>,
}

struct Log {
    writer: Writer,
    second: Instant,
    lines: u64,
}

impl Log {
    fn line(&mut self, line: &[u8]) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.turn();
        }
        self.lines += 1;
        if self.lines > RATE.1 {
            return;
        }
        let Writer { server, program, pid, secrets, journal } = &self.writer;
        let line = String::from_utf8_lossy(&line[..line.len().min(LINE)]);
        let line = mask(line.trim_end().to_owned(), secrets);
        if line.is_empty() {
            return;
        }
        if self.lines <= RATE.0 {
            tracing::info!(server, program, %line, "standard error");
        }
        journal.write(*pid, line);
    }

    /// A second is over: what was too much of it is said.
    fn turn(&mut self) {
        let Writer { server, program, pid, journal, .. } = &self.writer;
        let muted = self.lines.saturating_sub(RATE.0);
        if muted > 0 {
            tracing::info!(server, program, lines = muted, "standard error not logged: too much of it");
        }
        let lost = self.lines.saturating_sub(RATE.1);
        if lost > 0 {
            journal.write(*pid, format!("({lost} lines were not kept: too many in a second)"));
        }
        (self.second, self.lines) = (Instant::now(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_secrets_are_masked() {
        let words = LastWords::default();
        words.keep(&vec![b'x'; 3 * KEPT]);
        words.keep(b"\ntoken is hunter2hunter2\n");
        let quoted = words.quote(&[("T".into(), "hunter2hunter2".into())]).expect("something");
        assert!(quoted.ends_with("token is ***"), "{}", &quoted[quoted.len() - 40..]);
        assert!(words.0.kept.lock().len() <= KEPT && quoted.len() <= QUOTED);
    }
}
