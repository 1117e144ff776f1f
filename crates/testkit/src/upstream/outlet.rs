//! The events of one stream: written once, kept, and sent to whichever connection follows them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::transcript::Transcript;
use crate::upstream::site::Piece;

/// How connections that follow a stream are broken on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Events to send on one connection before breaking it.
    pub(crate) after: usize,
    /// Connections to break for each stream.
    pub(crate) times: usize,
    /// Whether the connection breaks without the body's proper end.
    pub(crate) abrupt: bool,
    /// The `retry` field sent just before, in milliseconds.
    pub(crate) retry: Option<u64>,
}

/// One stream's events.
#[derive(Debug)]
pub(crate) struct Outlet {
    name: Option<String>,
    state: Mutex<State>,
    changed: watch::Sender<usize>,
    transcript: Transcript,
}

#[derive(Debug, Default)]
struct State {
    frames: Vec<String>,
    messages: Vec<String>,
    ended: bool,
    delivered: usize,
    cuts: usize,
}

impl Outlet {
    /// An empty stream; with a name, events carry ids `NAME-NUMBER`.
    pub(crate) fn new(name: Option<String>, transcript: &Transcript) -> Arc<Self> {
        let (changed, _) = watch::channel(0);
        Arc::new(Self { name, state: Mutex::default(), changed, transcript: transcript.clone() })
    }

    /// Splits an event id into the stream's name and the number of the event after it.
    pub(crate) fn after(event_id: &str) -> Option<(&str, usize)> {
        let (name, number) = event_id.rsplit_once('-')?;
        Some((name, number.parse::<usize>().ok()? + 1))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Adds an event with an id and empty data, as R11 servers begin a stream.
    pub(crate) fn prime(&self) {
        self.add(|id| format!("{id}data: \n\n"), None);
    }

    /// Adds a message.
    pub(crate) fn push(&self, message: &str) {
        let mut rest = String::from("event: message\n");
        for line in message.lines() {
            let _ = writeln!(rest, "data: {line}");
        }
        self.add(|id| format!("{id}{rest}\n"), Some(message));
    }

    /// Adds text that is a complete event already.
    pub(crate) fn push_event(&self, frame: String) {
        self.add(|_| frame, None);
    }

    /// No more events will come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.send_modify(|n| *n += 1);
    }

    /// The messages so far.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.lock().messages.clone()
    }

    /// Message number `at`, waited for; `None` when the stream ends before it.
    pub(crate) async fn message(&self, at: usize) -> Option<String> {
        let mut changed = self.changed.subscribe();
        loop {
            let (message, ended) = {
                let state = self.lock();
                (state.messages.get(at).cloned(), state.ended)
            };
            if message.is_some() || ended {
                return message;
            }
            // The sender is this stream itself, so it is there.
            let _ = changed.changed().await;
        }
    }

    /// Events that reached some connection.
    pub(crate) fn delivered(&self) -> usize {
        self.lock().delivered
    }

    /// Sends events from number `from` on until the stream ends, is cut, or nobody reads.
    pub(crate) async fn follow(&self, mut from: usize, cut: Option<Cut>, to: &mpsc::Sender<Piece>) {
        let mut changed = self.changed.subscribe();
        let mut sent = 0;
        loop {
            let (next, ended) = {
                let state = self.lock();
                (state.frames.get(from).cloned(), state.ended)
            };
            if let Some(frame) = next {
                if to.send(Piece::Data(frame.into())).await.is_err() {
                    return;
                }
                from += 1;
                sent += 1;
                self.note_delivered(from);
                if let Some(cut) = cut.filter(|c| sent == c.after && self.may_cut(c.times)) {
                    return break_off(cut, to).await;
                }
            } else if ended {
                return;
            } else {
                tokio::select! {
                    _ = changed.changed() => {}
                    () = to.closed() => return,
                }
            }
        }
    }

    /// Adds the event that `make` gives for its own id line.
    fn add(&self, make: impl FnOnce(&str) -> String, message: Option<&str>) {
        let mut state = self.lock();
        let number = state.frames.len();
        let id = self.name.as_ref().map(|name| format!("id: {name}-{number}\n"));
        let frame = make(&id.unwrap_or_default());
        self.transcript.sent(frame.trim_end());
        state.frames.push(frame);
        state.messages.extend(message.map(str::to_owned));
        drop(state);
        self.changed.send_modify(|n| *n += 1);
    }

    fn note_delivered(&self, upto: usize) {
        let mut state = self.lock();
        state.delivered = state.delivered.max(upto);
    }

    fn may_cut(&self, times: usize) -> bool {
        let mut state = self.lock();
        let may = state.cuts < times;
        state.cuts += usize::from(may);
        may
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn break_off(cut: Cut, to: &mpsc::Sender<Piece>) {
    if let Some(ms) = cut.retry {
        let _ = to.send(Piece::Data(format!("retry: {ms}\n\n").into())).await;
    }
    if cut.abrupt {
        let _ = to.send(Piece::Cut).await;
    }
}

#[cfg(test)]
mod tests {
    use super::Outlet;

    #[test]
    fn ids_name_the_stream_and_the_place() {
        assert_eq!(Outlet::after("s-1-4"), Some(("s-1", 5)));
        assert_eq!(Outlet::after("none"), None);
    }
}
