//! The waist: a [`Call`] goes in, a [`Reply`] comes out; a reply is a stream of [`Event`]s.
//!
//! Transports exist on either side of it only. The holder of a reply decides its fate: dropping one before its
//! end cancels the request at the server.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use janua_wire::capabilities::{Class, ClientCapabilities};
use janua_wire::error::{
    CANCELLED, HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY,
    PARSE_ERROR, UNSUPPORTED_VERSION,
};
use janua_wire::id::ClientId;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::version::Version;
use memchr::memmem;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::admission::Slot;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::observe::messages::{self, Between, Way};
use crate::observe::metrics::{self, ServerMetrics};
use crate::observe::{End, Observation};
use crate::user::User;

/// Which callers may share one running instance of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The legacy session with this number.
    Session(u64),
    /// Clients that can be asked the same; the second number tells apart instances that do the same.
    Class(Class, u16),
    /// Everybody who speaks without a handshake to a server that does, too.
    Modern,
    /// Everybody; nobody can be asked anything.
    Shared,
}

/// Who calls, and what they said about themselves when they opened.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose instance of the server serves them.
    pub scope: Scope,
    /// The revision spoken with this client.
    pub version: Version,
    /// What the client can be asked.
    pub capabilities: ClientCapabilities,
    /// In whose name it calls; `None`: in nobody's.
    pub user: Option<Arc<User>>,
}

/// One request on its way to a server.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request as it came.
    pub request: Request,
    /// Who sent it.
    pub caller: Arc<Caller>,
}

/// One thing that happens on the way to an outcome, or the outcome.
#[derive(Debug)]
pub enum Event {
    /// Progress, a log line, a change.
    Notify(Notification),
    /// The server asks the caller.
    Ask(Ask),
    /// The end; always the last event.
    Done(Outcome),
}

/// How a request ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The server's answer, as it came: a result, an error, or (2026-07-28 `basic/patterns/mrtr`) the wish to be
    /// asked again with input.
    Answer(Response),
    /// There is no answer; the gateway says why.
    Failure(Failure),
}

impl Event {
    pub(crate) fn size(&self) -> usize {
        match self {
            Event::Notify(notification) => notification.text().len(),
            Event::Ask(ask) => ask.request.text().len(),
            Event::Done(_) => 0,
        }
    }

    /// Puts the message that it is into the log.
    fn show(&self, between: &Between, id: Option<&ClientId>) {
        match self {
            Event::Notify(notification) => messages::show(Way::ToClient, between, notification.text()),
            Event::Ask(ask) => messages::show(Way::ToClient, between, ask.request.text()),
            Event::Done(outcome) => outcome.show(between, id),
        }
    }

    pub(crate) fn is_droppable(&self) -> bool {
        matches!(self, Event::Notify(notification) if notification.method().is_droppable())
    }
}

/// Where the answer to a server's question goes.
pub trait Asker: Send + Sync {
    /// Hands over the answer to the question with the server's id `id`.
    fn answered(&self, id: &ClientId, response: Response);
}

/// A server's question to its client. Dropped without an answer, it is declined.
pub struct Ask {
    /// The question as the server put it, with the server's own id.
    pub request: Request,
    asker: Option<Arc<dyn Asker>>,
}

impl Ask {
    /// A question whose answer goes to `asker`.
    pub fn new(request: Request, asker: Arc<dyn Asker>) -> Self {
        Ask { request, asker: Some(asker) }
    }

    /// Gives the client's answer; its id does not matter.
    pub fn answer(mut self, response: Response) {
        self.settle(response);
    }

    /// Refuses on behalf of the client.
    pub fn refuse(mut self, code: i32, message: &str) {
        self.settle(Response::error(code, message, None));
    }

    /// Settles it where no client can be asked: the gateway is there itself, so a ping has its answer; everything
    /// else is declined.
    pub(crate) fn vouch(self) {
        if self.request.method() == Method::Ping
            && let Ok(pong) = Response::result("{}")
        {
            self.answer(pong);
        }
    }

    /// Whether it only asks whether anybody is there.
    pub(crate) fn is_ping(&self) -> bool {
        self.request.method() == Method::Ping
    }

    /// The same where nobody is there who could be asked anything.
    pub(crate) fn decline(self) {
        match self.request.method() {
            Method::Ping => self.vouch(),
            _ => self.refuse(METHOD_NOT_FOUND, "the client cannot be asked anything"),
        }
    }

    fn settle(&mut self, response: Response) {
        if let Some(asker) = self.asker.take() {
            asker.answered(&self.request.id(), response);
        }
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        self.settle(Response::error(INTERNAL_ERROR, "the client did not answer", None));
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("method", &self.request.name()).finish_non_exhaustive()
    }
}

/// The answer to a call as it unfolds: any number of notifications and questions, then exactly one outcome.
pub struct Reply {
    source: Source,
    deadline: Option<Deadline>,
    observation: Option<Observation>,
    /// Which server has got the request, if not the one that it was sent to.
    served: Served,
    /// What the request takes up, until its end.
    slot: Option<Slot>,
    /// Between whom its events go, if every message is to be in the log, and under which id its outcome.
    shown: Option<Box<(Between, Option<ClientId>)>>,
}

enum Source {
    Ready(Option<Outcome>),
    Stream(Pin<Box<dyn Stream<Item = Event> + Send>>),
}

/// How long a reply may take. The timer exists only once something has to be waited for.
struct Deadline {
    idle: Duration,
    total: Duration,
    last: Instant,
    hard: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Which server has got a request: known when the reply is made, or found out by the work behind it.
#[derive(Clone, Default)]
struct Served(Option<Arc<OnceLock<Arc<ServerMetrics>>>>);

impl Served {
    fn get(&self) -> Option<&Arc<ServerMetrics>> {
        self.0.as_ref()?.get()
    }
}

impl Reply {
    fn of(source: Source) -> Self {
        Reply { source, deadline: None, observation: None, served: Served::default(), slot: None, shown: None }
    }

    /// A reply that is over already.
    pub fn ready(outcome: Outcome) -> Self {
        Reply::of(Source::Ready(Some(outcome)))
    }

    /// A reply that failed before it began.
    pub fn failed(failure: Failure) -> Self {
        Reply::ready(Outcome::Failure(failure))
    }

    /// A reply that unfolds. The stream must end with exactly one [`Event::Done`].
    pub fn stream(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Reply::of(Source::Stream(Box::pin(events)))
    }

    /// A reply that `work` unfolds: what goes into the sink comes before the outcome that the work ends with. Dropped
    /// before its end, the reply drops the work.
    pub(crate) fn unfold<F>(work: impl FnOnce(Sink) -> F) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let sink = Sink::default();
        let work = Box::pin(work(sink.clone()));
        let served = Served(Some(sink.served.clone()));
        Reply { served, ..Reply::stream(Unfolding { work: Some(work), sink }) }
    }
    /// The same reply, given up (and so cancelled) after `idle` without an event, or `total` in all. While the
    /// server waits for an answer of the client only `total` counts. What was said first holds.
    #[must_use]
    pub fn within(mut self, idle: Duration, total: Duration) -> Self {
        let now = Instant::now();
        let deadline = Deadline { idle, total, last: now, hard: now + total, timer: None };
        self.deadline.get_or_insert(deadline);
        self
    }

    /// The same reply, which holds `slot` until its end.
    #[must_use]
    pub(crate) fn holding(mut self, slot: Slot) -> Self {
        self.slot = Some(slot);
        self
    }
}

impl Reply {
    /// The same reply, whose end is told to `observation`.
    pub(crate) fn observed(mut self, observation: Observation) -> Self {
        self.observation = Some(observation);
        self
    }

    /// The same reply, every message of which is in the log; `id` is the one under which the client has asked.
    pub(crate) fn shown(mut self, between: Between, id: Option<ClientId>) -> Self {
        self.shown = Some(Box::new((between, id)));
        self
    }

    /// The same reply; it is `server` that has got the request.
    pub(crate) fn served_by(mut self, server: &Arc<ServerMetrics>) -> Self {
        self.served = Served(Some(Arc::new(OnceLock::from(server.clone()))));
        self
    }

    /// Which server has got the request, if that was said.
    pub(crate) fn server(&self) -> Option<&Arc<ServerMetrics>> {
        self.served.get()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let events = match &mut self.source {
            Source::Ready(outcome) => return Poll::Ready(outcome.take().map(Event::Done)),
            Source::Stream(events) => events,
        };
        match events.poll_next_unpin(cx) {
            Poll::Ready(Some(event)) => {
                if let Some(deadline) = &mut self.deadline {
                    deadline.saw(&event);
                }
                if matches!(event, Event::Done(_)) {
                    self.source = Source::Ready(None);
                    self.slot = None;
                }
                Poll::Ready(Some(event))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                if deadline.poll_expired(cx).is_pending() {
                    return Poll::Pending;
                }
                let failure = deadline.failure();
                // Dropping the events here is what cancels the request at the server.
                self.source = Source::Ready(None);
                self.slot = None;
                Poll::Ready(Some(Event::Done(Outcome::Failure(failure))))
            }
        }
    }
}

impl Outcome {
    /// Puts it into the log as the answer to the request with this id; without one nobody has asked.
    pub(crate) fn show(&self, between: &Between, id: Option<&ClientId>) {
        let Some(id) = id else { return };
        let line = match self {
            Outcome::Answer(response) => response.answering(id.raw()),
            Outcome::Failure(failure) => failure.response().answering(id.raw()),
        };
        messages::show(Way::ToClient, between, &line.parts().concat());
    }

    /// The same, for the count.
    pub(crate) fn end(&self) -> End {
        match self {
            Outcome::Answer(response) if response.is_error() => {
                let code = raw::peek(response.body(), "code").map(|code| String::from_utf8_lossy(code).into_owned());
                let outcome = match code.as_deref().unwrap_or_default().parse() {
                    Ok(code) if is_of_client(code) => metrics::Outcome::Client,
                    Ok(CANCELLED) => metrics::Outcome::Cancelled,
                    _ => metrics::Outcome::Server,
                };
                End { outcome, code: code.map(Into::into), bytes: response.text().len() }
            }
            Outcome::Answer(response) => {
                let failed = admits_failure(response.body());
                let outcome = if failed { metrics::Outcome::Tool } else { metrics::Outcome::Ok };
                End { outcome, code: None, bytes: response.text().len() }
            }
            Outcome::Failure(failure) => failure.end(),
        }
    }
}

impl Failure {
    /// The same, for the count.
    pub(crate) fn end(&self) -> End {
        let outcome = match self.kind.culprit() {
            _ if self.kind == Kind::Cancelled => metrics::Outcome::Cancelled,
            "client" => metrics::Outcome::Client,
            "gateway" => metrics::Outcome::Gateway,
            _ => metrics::Outcome::Server,
        };
        End { outcome, code: Some(self.kind.code().into()), bytes: 0 }
    }
}

/// Errors that say that the request was wrong, not that the server failed.
fn is_of_client(code: i32) -> bool {
    const WRONG: [i32; 7] = [
        PARSE_ERROR,
        INVALID_REQUEST,
        METHOD_NOT_FOUND,
        INVALID_PARAMS,
        HEADER_MISMATCH,
        MISSING_CAPABILITY,
        UNSUPPORTED_VERSION,
    ];
    // Until 2025-11-25 a resource that is not there has a code of its own (server/resources).
    WRONG.contains(&code) || code == -32002
}

/// Whether a tool's result says of itself that it is a failure. Nearly every result is let off by a search that costs
/// next to nothing; one that might say so is looked at.
fn admits_failure(result: &[u8]) -> bool {
    const KEY: &[u8] = b"\"isError\"";
    let says = |at: usize| {
        let rest = result[at + KEY.len()..].trim_ascii_start().strip_prefix(b":");
        rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"true"))
    };
    memmem::find_iter(result, KEY).any(says) && raw::peek(result, "isError") == Some(b"true")
}

/// Where the work behind a reply puts what comes before the outcome.
#[derive(Clone, Default)]
pub(crate) struct Sink {
    events: Arc<Lock<VecDeque<Event>>>,
    served: Arc<OnceLock<Arc<ServerMetrics>>>,
}

impl Sink {
    /// Says which server has got the request.
    pub(crate) fn served_by(&self, server: &Arc<ServerMetrics>) {
        let _ = self.served.set(server.clone());
    }

    /// Hands over an event; resolves when it was taken.
    pub(crate) async fn send(&self, event: Event) {
        self.events.lock().push_back(event);
        // The work is polled by whoever takes the events: no other wake-up is needed.
        poll_fn(|_| if self.events.lock().is_empty() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

struct Unfolding {
    work: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
    sink: Sink,
}

impl Stream for Unfolding {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.sink.events.lock().pop_front() {
            return Poll::Ready(Some(event));
        }
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let polled = work.as_mut().poll(cx);
        if let Poll::Ready(outcome) = polled {
            self.work = None;
            return Poll::Ready(Some(Event::Done(outcome)));
        }
        self.sink.events.lock().pop_front().map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
    }
}

impl Deadline {
    fn saw(&mut self, event: &Event) {
        match event {
            Event::Ask(_) => self.last = self.hard,
            Event::Notify(_) => self.last = Instant::now(),
            Event::Done(_) => {}
        }
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = (self.last + self.idle).min(self.hard);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }

    fn failure(&self) -> Failure {
        let message = if Instant::now() >= self.hard {
            format!("no answer from the server within {:?}", self.total)
        } else {
            format!("no answer and no progress from the server for {:?}", self.idle)
        };
        Failure::new(Kind::DeadlineExceeded, message).after_sending()
    }
}

impl Stream for Reply {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let polled = self.poll(cx);
        if let (Some(shown), Poll::Ready(Some(event))) = (&self.shown, &polled) {
            event.show(&shown.0, shown.1.as_ref());
        }
        let end = match &polled {
            Poll::Ready(Some(Event::Done(outcome))) if self.observation.is_some() => outcome.end(),
            Poll::Ready(None) if self.observation.is_some() => Failure::new(Kind::ServerExited, "").end(),
            _ => return polled,
        };
        if let Some(mut observation) = self.observation.take() {
            if let Some(server) = self.served.get() {
                observation.was_at(server);
            }
            observation.ended(&end);
        }
        polled
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = matches!(self.source, Source::Ready(_));
        f.debug_struct("Reply").field("ready", &ready).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn progress() -> Event {
        Event::Notify(Notification::new("notifications/progress", Some("{}")).expect("valid"))
    }

    #[tokio::test(start_paused = true)]
    async fn progress_extends_the_wait_up_to_the_hard_limit() {
        let steps = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Some((progress(), ()))
        });
        let started = Instant::now();
        let mut reply = Reply::stream(steps).within(Duration::from_secs(5), Duration::from_secs(59));
        let mut seen = 0;
        let outcome = loop {
            match reply.next().await.expect("an outcome") {
                Event::Done(outcome) => break outcome,
                _ => seen += 1,
            }
        };
        assert!(matches!(outcome, Outcome::Failure(failure) if failure.kind == Kind::DeadlineExceeded));
        assert_eq!(seen, 14);
        assert_eq!(started.elapsed().as_secs(), 59);
        assert!(reply.next().await.is_none());
    }

    #[tokio::test]
    async fn work_unfolds_in_order() {
        let mut reply = Reply::unfold(|sink| async move {
            sink.send(progress()).await;
            tokio::join!(sink.send(progress()), sink.send(progress()));
            Outcome::Failure(Failure::new(Kind::Cancelled, "enough"))
        });
        for _ in 0..3 {
            assert!(matches!(reply.next().await, Some(Event::Notify(_))));
        }
        assert!(matches!(reply.next().await, Some(Event::Done(_))));
        assert!(reply.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_reply_and_drops_its_source() {
        let dropped = Arc::new(());
        let held = dropped.clone();
        let silent = stream::poll_fn(move |_| {
            assert!(Arc::strong_count(&held) > 0);
            Poll::Pending
        });
        let mut reply = Reply::stream(silent).within(Duration::from_secs(5), Duration::from_secs(60));
        assert!(matches!(reply.next().await, Some(Event::Done(Outcome::Failure(_)))));
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}
