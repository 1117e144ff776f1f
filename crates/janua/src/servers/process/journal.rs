//! The last lines that the instances of a server wrote to their standard error, for whoever asks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::lock::Lock;

/// Lines kept, and their bytes.
const KEPT: (usize, usize) = (1000, 256 * 1024);

/// What is kept outlives the instances that wrote it.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    lines: Lock<Lines>,
    /// How many lines were ever written.
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Arc<Line>>,
    bytes: usize,
    written: u64,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    /// How many were written before it.
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) pid: u32,
    /// Without its end, secrets masked.
    pub(crate) text: String,
}

impl Journal {
    /// Keeps a line; the oldest go when there are too many.
    pub(crate) fn write(&self, pid: u32, text: String) {
        let written = {
            let mut lines = self.lines.lock();
            let number = lines.written;
            lines.written += 1;
            lines.bytes += text.len();
            lines.kept.push_back(Arc::new(Line { number, at: SystemTime::now(), pid, text }));
            while lines.kept.len() > KEPT.0 || lines.bytes > KEPT.1 {
                let Some(oldest) = lines.kept.pop_front() else { break };
                lines.bytes -= oldest.text.len();
            }
            lines.written
        };
        // Two that write at once may come in either order.
        self.written.send_if_modified(|told| std::mem::replace(told, written.max(*told)) < written);
    }

    /// The last `count` lines, oldest first.
    pub(crate) fn last(&self, count: usize) -> Vec<Arc<Line>> {
        let lines = self.lines.lock();
        lines.kept.iter().skip(lines.kept.len().saturating_sub(count)).cloned().collect()
    }

    /// The kept lines from this number on.
    pub(crate) fn from(&self, number: u64) -> Vec<Arc<Line>> {
        let lines = self.lines.lock();
        let first = lines.kept.front().map_or(lines.written, |line| line.number);
        let skipped = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        lines.kept.iter().skip(skipped).cloned().collect()
    }

    /// Tells how many lines were ever written.
    pub(crate) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_within_both_bounds() {
        let journal = Journal::default();
        for number in 0..3000 {
            journal.write(7, format!("line {number}"));
        }
        assert_eq!(journal.last(9999).len(), KEPT.0);
        assert_eq!(journal.last(1)[0].text, "line 2999");
        assert_eq!(journal.from(2998).iter().map(|line| line.number).collect::<Vec<_>>(), [2998, 2999]);
        assert_eq!(journal.from(5)[0].number, 2000);
        assert!(journal.from(3000).is_empty());
        assert_eq!(*journal.written().borrow(), 3000);
        for _ in 0..100 {
            journal.write(7, "x".repeat(8 * 1024));
        }
        assert_eq!(journal.last(9999).len(), KEPT.1 / (8 * 1024));
    }
}
