//! Failed starts in a row, and how long to wait after them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Failure, Kind};
use crate::random::jitter;

/// Failed starts in a row.
#[derive(Default)]
pub(super) struct Trouble {
    failures: VecDeque<Instant>,
    row: u32,
    last: Option<Failure>,
    until: Option<Instant>,
}

impl Trouble {
    /// Fails at once while the wait after a failed start is not over.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let Some(wait) = self.until.and_then(|until| until.checked_duration_since(Instant::now())) else {
            return Ok(());
        };
        let cause = self.last.as_ref().map_or_else(String::new, |last| format!(": {last}"));
        let message = format!("the server failed to start {} times in a row{cause}", self.row);
        let stderr = self.last.as_ref().and_then(|last| last.stderr.clone());
        Err(Failure::new(Kind::BackingOff, message).with_stderr(stderr).retry_after(wait))
    }

    /// How long to wait after one more failure: 0.2 s, doubled to 30 s; after five failures within a minute one attempt
    /// a minute.
    pub(super) fn add(&mut self, server: &str, failure: &Failure) -> Duration {
        const MINUTE: Duration = Duration::from_secs(60);
        const MANY: usize = 5;
        let now = Instant::now();
        self.failures.push_back(now);
        while self.failures.len() > MANY || self.failures.front().is_some_and(|at| now - *at > MINUTE) {
            self.failures.pop_front();
        }
        let doubled = Duration::from_millis(200) * 2u32.pow(self.row.min(8));
        let wait = if self.failures.len() == MANY { MINUTE } else { doubled.min(Duration::from_secs(30)) };
        self.row += 1;
        tracing::warn!(server, reason = %failure, row = self.row, ?wait, "server did not start");
        self.last = Some(failure.clone());
        let wait = wait.mul_f64(jitter());
        self.until = Some(now + wait);
        wait
    }
}
