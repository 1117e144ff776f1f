//! What waits between a server's connection and one caller: bounded, ordered, and never losing the end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use janua_wire::method::Method;

use crate::call::{Event, Outcome};
use crate::lock::Lock;

/// Events that may wait before the oldest droppable one gives way.
const ITEMS: usize = 256;
/// Bytes that may wait.
const BYTES: usize = 4 << 20;
/// How long a server's reader waits for a caller that has fallen behind before it starts dropping.
const PATIENCE: Duration = Duration::from_millis(50);

/// A queue of events with exactly one reader and an end.
///
/// Full means: the oldest progress, log or change notification is dropped and counted. Questions and the outcome
/// are never dropped.
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Lock<State>);

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Event>,
    bytes: usize,
    outcome: Option<Outcome>,
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The reader did not make room in time; it is not waited for again until it reads.
    deaf: bool,
    dropped: u64,
}

impl Mailbox {
    /// Adds an event. True if the writer should give the reader a chance (see [`Mailbox::room`]).
    pub(crate) fn push(&self, event: Event) -> bool {
        let mut state = self.0.lock();
        if state.ended || state.already_told(&event) {
            return false;
        }
        state.bytes += event.size();
        state.queue.push_back(event);
        while state.is_over() && state.drop_oldest() {}
        let congested = state.is_half_full() && !state.deaf;
        let waker = state.reader.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        congested
    }

    /// Ends the mailbox, with an outcome or without. Only the first end counts.
    pub(crate) fn finish(&self, outcome: impl Into<Option<Outcome>>) {
        let mut state = self.0.lock();
        if state.ended {
            return;
        }
        state.ended = true;
        state.outcome = outcome.into();
        let waker = state.reader.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next event; `None` after the outcome was taken.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.0.lock();
        if let Some(event) = state.queue.pop_front() {
            state.bytes -= event.size();
            state.deaf = false;
            let writer = if state.is_half_full() { None } else { state.writer.take() };
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some(event));
        }
        if state.ended {
            return Poll::Ready(state.outcome.take().map(Event::Done));
        }
        match &mut state.reader {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            slot => *slot = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The reader is gone: what it has not read is dropped, and so is what comes later. Questions are declined by that,
    /// so no lock may be held that an answer takes.
    pub(crate) fn leave(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        state.bytes = 0;
        let unread = (std::mem::take(&mut state.queue), state.outcome.take());
        let writer = state.writer.take();
        drop(state);
        drop(unread);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Waits until the reader has caught up, or for [`PATIENCE`]; then the reader counts as deaf until it reads.
    pub(crate) async fn room(&self) {
        let caught_up = poll_fn(|cx| {
            let mut state = self.0.lock();
            if state.ended || state.deaf || !state.is_half_full() {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        });
        if tokio::time::timeout(PATIENCE, caught_up).await.is_err() {
            self.0.lock().deaf = true;
        }
    }

    /// Notifications dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.queue.len() > ITEMS || self.bytes > BYTES
    }

    fn is_half_full(&self) -> bool {
        self.queue.len() > ITEMS / 2 || self.bytes > BYTES / 2
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(at) = self.queue.iter().position(Event::is_droppable) else { return false };
        if let Some(event) = self.queue.remove(at) {
            self.bytes -= event.size();
            self.dropped += 1;
        }
        true
    }

    /// The same change announced twice, with nobody having heard it yet, is one change.
    fn already_told(&self, event: &Event) -> bool {
        let Event::Notify(news) = event else { return false };
        news.method() == Method::ListChanged
            && self.queue.iter().any(|old| matches!(old, Event::Notify(old) if old.text() == news.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, Kind};
    use janua_wire::message::Notification;

    fn log(number: usize) -> Event {
        let params = format!("{{\"level\":\"info\",\"data\":{number}}}");
        Event::Notify(Notification::new("notifications/message", Some(&params)).expect("valid"))
    }

    fn number(event: &Event) -> Option<usize> {
        let Event::Notify(news) = event else { return None };
        std::str::from_utf8(news.param("data")?).ok()?.parse().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_deaf_reader_loses_the_oldest_and_never_the_end() {
        let mailbox = Mailbox::default();
        for at in 0..1000 {
            if mailbox.push(log(at)) {
                mailbox.room().await;
            }
        }
        mailbox.finish(Outcome::Failure(Failure::new(Kind::ServerExited, "gone")));
        let mut seen = Vec::new();
        while let Some(event) = poll_fn(|cx| mailbox.poll_next(cx)).await {
            seen.push(event);
        }
        assert_eq!(seen.len(), ITEMS + 1);
        assert_eq!(number(&seen[0]), Some(1000 - ITEMS));
        assert!(matches!(seen.last(), Some(Event::Done(Outcome::Failure(_)))));
        assert_eq!(mailbox.dropped(), 1000 - ITEMS as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_loses_nothing() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        let writer = {
            let mailbox = mailbox.clone();
            async move {
                for at in 0..5000 {
                    if mailbox.push(log(at)) {
                        mailbox.room().await;
                    }
                }
                mailbox.finish(Outcome::Failure(Failure::new(Kind::ServerExited, "gone")));
            }
        };
        let reader = async {
            let mut next = 0;
            while let Some(event) = poll_fn(|cx| mailbox.poll_next(cx)).await {
                if let Some(at) = number(&event) {
                    assert_eq!(at, next);
                    next += 1;
                }
            }
            next
        };
        let ((), read) = tokio::join!(writer, reader);
        assert_eq!(read, 5000);
    }
}
