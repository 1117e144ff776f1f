//! One stream of events toward a client: what waits to be read, and what is kept for a client that comes back.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::config::Limits;
use crate::lock::Lock;

/// How long a writer waits for a reader that has fallen behind before it starts dropping.
const PATIENCE: Duration = Duration::from_millis(50);
/// How much is handed to a reader at once.
const CHUNK: usize = 64 * 1024;

/// A bounded, numbered sequence of frames with at most one reader.
///
/// Frames that were read stay for a reader that comes back, as long as there is room. When what waits to be read
/// exceeds the bounds, the oldest droppable frame goes; frames that must arrive never do.
pub(crate) struct Stream {
    state: Lock<State>,
    items: usize,
    bytes: usize,
    /// Whether read frames are kept.
    replayable: bool,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    next: u64,
    /// Number of the next frame the reader gets; everything before it was read.
    cursor: u64,
    closed: Option<Instant>,
    /// Counts the readers; only the latest reads.
    reader: u64,
    attached: bool,
    waker: Option<Waker>,
    writer: Option<Waker>,
    deaf: bool,
    dropped: u64,
}

struct Frame {
    number: u64,
    bytes: Bytes,
    droppable: bool,
}

/// What a reader gets.
pub(crate) enum Read {
    /// Frames, back to back.
    Frames(Bytes),
    /// Another reader has taken over.
    Replaced,
    /// The stream is over.
    End,
}

impl Stream {
    pub(crate) fn new(limits: &Limits, replayable: bool) -> Self {
        Stream { state: Lock::default(), items: limits.stream_events, bytes: limits.stream_bytes, replayable }
    }

    /// Appends the frame that `make` builds from its number. True if the writer should wait (see
    /// [`Stream::room`]).
    pub(crate) fn push(&self, droppable: bool, make: impl FnOnce(u64) -> Bytes) -> bool {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return false;
        }
        let number = state.next;
        state.next += 1;
        let bytes = make(number);
        state.bytes += bytes.len();
        state.frames.push_back(Frame { number, bytes, droppable });
        while (state.frames.len() > self.items || state.bytes > self.bytes) && state.evict() {}
        let congested = state.attached && !state.deaf && self.is_half_full(&state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        congested
    }

    /// How many frames wait for a reader.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state.lock();
        let read = state.frames.partition_point(|frame| frame.number < state.cursor);
        state.frames.len() - read
    }

    fn is_half_full(&self, state: &State) -> bool {
        let waiting = state.frames.iter().rev().take_while(|frame| frame.number >= state.cursor);
        let (mut count, mut bytes) = (0, 0);
        for frame in waiting {
            count += 1;
            bytes += frame.bytes.len();
        }
        count > self.items / 2 || bytes > self.bytes / 2
    }

    /// Waits until the reader has caught up, or for a moment; after that the reader counts as deaf until it reads.
    pub(crate) async fn room(&self) {
        let caught_up = poll_fn(|cx| {
            let mut state = self.state.lock();
            if !state.attached || state.deaf || state.closed.is_some() || !self.is_half_full(&state) {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        });
        if tokio::time::timeout(PATIENCE, caught_up).await.is_err() {
            self.state.lock().deaf = true;
        }
    }

    /// Nothing more will be appended.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed.get_or_insert_with(Instant::now);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes over reading, after the frame `last` if the reader has seen it before. Gives the reader's ticket, and
    /// whether frames it should have got are not kept any more.
    pub(crate) fn attach(&self, last: Option<u64>) -> (u64, bool) {
        let mut state = self.state.lock();
        state.reader += 1;
        state.attached = true;
        state.deaf = false;
        let mut lost = false;
        if let Some(last) = last {
            let kept = state.frames.front().map_or(state.next, |frame| frame.number);
            // A frame that is still to come was not seen either.
            lost = last.saturating_add(1) < kept || last >= state.next;
            state.cursor = (last.saturating_add(1)).clamp(kept, state.next);
        }
        let waker = state.waker.take();
        let ticket = state.reader;
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        (ticket, lost)
    }

    /// The reader is gone; what it got is kept for another.
    pub(crate) fn detach(&self, ticket: u64) {
        let mut state = self.state.lock();
        if state.reader == ticket {
            state.attached = false;
            state.waker = None;
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
        }
    }

    /// The next frames for the reader with that ticket.
    pub(crate) fn poll_read(&self, ticket: u64, cx: &mut Context<'_>) -> Poll<Read> {
        let mut state = self.state.lock();
        if state.reader != ticket {
            return Poll::Ready(Read::Replaced);
        }
        if let Some(frames) = state.take(self.replayable) {
            state.deaf = false;
            let writer = if self.is_half_full(&state) { None } else { state.writer.take() };
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Read::Frames(frames));
        }
        if state.closed.is_some() {
            return Poll::Ready(Read::End);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether somebody reads.
    pub(crate) fn has_reader(&self) -> bool {
        self.state.lock().attached
    }

    /// When the stream was closed, if it was.
    pub(crate) fn closed(&self) -> Option<Instant> {
        self.state.lock().closed
    }

    /// Frames dropped unread so far.
    #[cfg(test)]
    fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }
}

impl State {
    /// Makes room: a frame that was read, else the oldest that may be lost.
    fn evict(&mut self) -> bool {
        let read = self.frames.front().is_some_and(|frame| frame.number < self.cursor);
        let at = if read { Some(0) } else { self.frames.iter().position(|frame| frame.droppable) };
        let Some(frame) = at.and_then(|at| self.frames.remove(at)) else { return false };
        self.bytes -= frame.bytes.len();
        if !read {
            if self.dropped == 0 {
                tracing::warn!("a client reads its stream too slowly: notifications are dropped");
            }
            self.dropped += 1;
        }
        true
    }

    fn take(&mut self, keep: bool) -> Option<Bytes> {
        let from = self.frames.partition_point(|frame| frame.number < self.cursor);
        let first = self.frames.get(from)?;
        let (mut count, mut size) = (1, first.bytes.len());
        for frame in self.frames.range(from + 1..) {
            if size + frame.bytes.len() > CHUNK {
                break;
            }
            count += 1;
            size += frame.bytes.len();
        }
        self.cursor = self.frames[from + count - 1].number + 1;
        let joined = if count == 1 {
            first.bytes.clone()
        } else {
            let mut joined = BytesMut::with_capacity(size);
            self.frames.range(from..from + count).for_each(|frame| joined.extend_from_slice(&frame.bytes));
            joined.freeze()
        };
        if !keep {
            self.bytes -= self.frames.drain(..from + count).map(|frame| frame.bytes.len()).sum::<usize>();
            if self.frames.is_empty() {
                self.frames.shrink_to(0);
            }
        }
        Some(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::new(&Limits { stream_events: 4, ..Limits::default() }, true)
    }

    fn push(stream: &Stream, droppable: bool) {
        stream.push(droppable, |number| Bytes::from(number.to_string()));
    }

    fn read(stream: &Stream, ticket: u64) -> Option<String> {
        let waker = futures_util::task::noop_waker();
        match stream.poll_read(ticket, &mut Context::from_waker(&waker)) {
            Poll::Ready(Read::Frames(frames)) => Some(String::from_utf8_lossy(&frames).into_owned()),
            Poll::Ready(Read::Replaced) => Some("replaced".to_owned()),
            Poll::Ready(Read::End) => Some("end".to_owned()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_reader_that_comes_back_gets_exactly_what_it_missed() {
        let stream = stream();
        let (first, _) = stream.attach(None);
        for _ in 0..3 {
            push(&stream, true);
        }
        assert_eq!(read(&stream, first).as_deref(), Some("012"));
        assert_eq!(read(&stream, first), None);
        stream.detach(first);
        push(&stream, true);
        let (second, lost) = stream.attach(Some(0));
        assert!(!lost);
        assert_eq!(read(&stream, first).as_deref(), Some("replaced"));
        assert_eq!(read(&stream, second).as_deref(), Some("123"));
        stream.close();
        assert_eq!(read(&stream, second).as_deref(), Some("end"));
    }

    #[test]
    fn what_must_arrive_is_never_dropped() {
        let stream = stream();
        push(&stream, false);
        for _ in 0..20 {
            push(&stream, true);
        }
        push(&stream, false);
        let (ticket, _) = stream.attach(None);
        assert_eq!(read(&stream, ticket).as_deref(), Some("0192021"));
        assert_eq!(stream.dropped(), 18);
    }

    #[test]
    fn a_gap_is_said() {
        let stream = stream();
        let (ticket, _) = stream.attach(None);
        for _ in 0..9 {
            push(&stream, true);
            read(&stream, ticket);
        }
        let (ticket, lost) = stream.attach(Some(1));
        assert!(lost);
        assert_eq!(read(&stream, ticket).as_deref(), Some("5678"));
    }
}
