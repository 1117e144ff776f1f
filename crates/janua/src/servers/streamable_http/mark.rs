//! Where a broken stream is to be taken up again, and how long to wait before.

use std::time::Duration;

use janua_wire::sse::Event;

use crate::random::jitter;

/// Time before a stream is taken up again, unless the server names one.
const RETRY: Duration = Duration::from_secs(1);
/// The shortest and the longest time a server can name.
const RETRY_BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_hours(1));
/// The longest time between attempts of ours.
const RETRY_MOST: Duration = Duration::from_secs(30);
/// A longer event id is not sent back: it would not fit into a header.
const ID_MOST: usize = 1024;

/// Where a stream is to be taken up again, and when.
#[derive(Debug, Default)]
pub(super) struct Mark {
    pub(super) last: Option<String>,
    pub(super) retry: Option<Duration>,
    /// Attempts in a row that brought nothing.
    pub(super) misses: u32,
}

impl Mark {
    pub(super) fn saw(&mut self, event: &Event) {
        self.misses = 0;
        if let Some(id) = &event.id {
            self.last = Some(id.clone()).filter(|id| !id.is_empty() && id.len() <= ID_MOST);
        }
    }

    pub(super) fn names(&mut self, ms: u64) {
        let (least, most) = RETRY_BOUNDS;
        self.retry = Some(Duration::from_millis(ms).clamp(least, most));
    }

    /// The server's time, or doubled with every attempt that brings nothing; never less than the server's.
    pub(super) fn wait(&self) -> Duration {
        let base = self.retry.unwrap_or(RETRY);
        if self.misses == 0 {
            return base;
        }
        let doubled = base.saturating_mul(1 << self.misses.min(10)).min(RETRY_MOST);
        doubled.mul_f64(jitter()).max(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>) -> Event {
        Event { id: id.map(str::to_owned), ..Event::default() }
    }

    #[test]
    fn a_stream_is_taken_up_at_the_servers_pace_and_slower_when_it_fails() {
        let mut mark = Mark::default();
        assert_eq!(mark.wait(), RETRY);
        mark.misses = 3;
        let wait = mark.wait();
        assert!((Duration::from_millis(6400)..=Duration::from_millis(9600)).contains(&wait), "{wait:?}");
        mark.misses = 40;
        assert!(mark.wait() <= RETRY_MOST.mul_f64(1.2), "{:?}", mark.wait());
        mark.names(60_000);
        assert_eq!(mark.wait(), Duration::from_secs(60));
        mark.names(0);
        mark.saw(&event(None));
        assert_eq!(mark.wait(), RETRY_BOUNDS.0);
        mark.names(u64::MAX);
        assert_eq!(mark.wait(), RETRY_BOUNDS.1);
    }

    #[test]
    fn the_last_id_is_kept_until_another_comes() {
        let mut mark = Mark::default();
        for (given, kept) in [(None, None), (Some("a"), Some("a")), (None, Some("a")), (Some(""), None)] {
            mark.saw(&event(given));
            assert_eq!(mark.last.as_deref(), kept, "after {given:?}");
        }
        mark.saw(&event(Some(&"x".repeat(ID_MOST + 1))));
        assert_eq!(mark.last, None);
    }
}
