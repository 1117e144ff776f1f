//! One legacy client: what it said when it opened, what it is owed, and whether it is still there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use janua_wire::line::Line;
use janua_wire::message::Response;
use janua_wire::method::Method;
use janua_wire::sse;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asks::Asks;
use super::stream::Stream;
use crate::admission::{Gauge, Slot, too_many};
use crate::call::{Ask, Caller, Event, Outcome, Reply, Scope};
use crate::cancels::Cancels;
use crate::config::Limits;
use crate::error::Failure;
use crate::lock::Lock;
use crate::observe::Origin;
use crate::observe::messages::{self, Between, Way};
use crate::random;
use crate::servers::Place;
use crate::user::Visitor;

/// Where the messages of an HTTP+SSE session are posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// One address for all sessions.
    Messages,
    /// The address of the server (acehoss/mcp-gateway).
    Server,
    /// An address below that of a user of the server (guMCP).
    User,
}

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Streamable HTTP with a session id.
    StreamableHttp,
    /// An open HTTP+SSE stream, which messages are posted to at one door.
    Sse(Door),
    /// A pair of pipes.
    Stdio,
    /// A WebSocket.
    WebSocket,
    /// Plain HTTP requests of a caller who knows nothing of sessions, or their names only.
    Rest,
}

impl Kind {
    /// One of each name.
    pub(crate) const ALL: [Kind; 5] =
        [Kind::StreamableHttp, Kind::Sse(Door::Messages), Kind::Stdio, Kind::WebSocket, Kind::Rest];

    /// Its name in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::StreamableHttp => "streamable_http",
            Kind::Sse(_) => "sse",
            Kind::Stdio => "stdio",
            Kind::WebSocket => "websocket",
            Kind::Rest => "rest",
        }
    }

    /// Whether it is over when its only server's instance is, which its client takes for its own.
    pub(crate) fn is_bound(self) -> bool {
        self == Kind::Sse(Door::Server)
    }

    /// A new id, in the form that clients expect there.
    pub(super) fn mint(self) -> String {
        match self {
            Kind::Sse(Door::Server) => random::uuid(),
            Kind::Sse(Door::User) => random::uuid().replace('-', ""),
            _ => random::token(),
        }
    }
}

/// One legacy client.
pub(crate) struct Session {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Kind,
    /// What the client has connected to.
    pub(crate) place: Arc<dyn Place>,
    /// Who has opened it, and who alone may use it.
    pub(crate) visitor: Visitor,
    number: u64,
    caller: OnceLock<Arc<Caller>>,
    opening: OnceLock<CancellationToken>,
    /// What belongs to no request: the GET stream, the SSE stream, standard output.
    pub(crate) outbound: Arc<Stream>,
    pub(crate) asks: Asks,
    /// Requests without a handshake, which come on such a channel, too.
    pub(crate) cancels: Cancels,
    /// Streams of requests, for a client that comes back. Number 0 is `outbound`.
    streams: Lock<Streams>,
    requests: Arc<Gauge>,
    /// Streams of changes, on a channel that carries everything.
    pub(crate) listens: Arc<Gauge>,
    /// How often a list of its server was said to have changed, as far as that is counted.
    pub(crate) news: AtomicU64,
    opened: Instant,
    used: Lock<Instant>,
    ended: CancellationToken,
    limits: Arc<Limits>,
}

#[derive(Default)]
struct Streams {
    last: u64,
    kept: BTreeMap<u64, Arc<Stream>>,
}

/// Streams of finished requests kept per session.
const KEPT_STREAMS: usize = 16;

impl Session {
    /// A session at `place`, under a gauge of its own of what `requests` counts.
    pub(super) fn new(
        (id, number, kind): (Arc<str>, u64, Kind),
        (place, visitor): (Arc<dyn Place>, Visitor),
        limits: Arc<Limits>,
        requests: &Gauge,
    ) -> Self {
        let now = Instant::now();
        Session {
            id,
            kind,
            place,
            visitor,
            number,
            caller: OnceLock::new(),
            opening: OnceLock::new(),
            outbound: Arc::new(Stream::new(&limits, kind == Kind::StreamableHttp)),
            asks: Asks::default(),
            cancels: Cancels::default(),
            streams: Lock::default(),
            requests: requests.another(),
            listens: requests.another(),
            news: AtomicU64::new(0),
            opened: now,
            used: Lock::new(now),
            ended: CancellationToken::new(),
            limits,
        }
    }

    /// Whether `visitor` may use it: who has opened it, in the same user's name.
    pub(crate) fn belongs_to(&self, visitor: &Visitor) -> bool {
        self.visitor == *visitor
    }

    /// Which instance of a server is this session's own.
    pub(crate) fn scope(&self) -> Scope {
        Scope::Session(self.number)
    }

    /// Where the session's requests come from.
    pub(crate) fn origin(&self) -> Origin<'_> {
        Origin { transport: self.kind.name(), session: Some(short(&self.id)) }
    }

    /// The same, for messages in the log.
    pub(crate) fn between(&self) -> Between {
        let key = self.visitor.user.as_ref().and_then(|user| user.key.clone());
        Between { server: self.place.metrics().name().clone(), session: Some(short(&self.id).to_owned()), key }
    }

    /// Takes in the client's answer to a question of its server.
    pub(crate) fn answered(&self, response: Response) {
        if messages::are_shown() {
            messages::show(Way::ToServer, &self.between(), response.text());
        }
        self.asks.answer(response);
    }

    /// Events that the client has not read yet.
    pub(crate) fn waiting(&self) -> usize {
        let streams = self.streams.lock();
        self.outbound.waiting() + streams.kept.values().map(|stream| stream.waiting()).sum::<usize>()
    }

    /// Who the client is; `None` until it was opened with `initialize`.
    pub(crate) fn caller(&self) -> Option<&Arc<Caller>> {
        self.caller.get()
    }

    /// Notes who the client is. False if that was known already.
    pub(crate) fn opened_by(&self, caller: Caller) -> bool {
        self.caller.set(Arc::new(caller)).is_ok()
    }

    /// Notes that the client has asked to be opened. False if it had before.
    pub(crate) fn begin_opening(&self) -> bool {
        self.opening.set(CancellationToken::new()).is_ok()
    }

    /// Notes that the opening is over, well or not.
    pub(crate) fn opening_over(&self) {
        if let Some(opening) = self.opening.get() {
            opening.cancel();
        }
    }

    /// Waits for an opening that is under way. A client may send on before it has the answer.
    pub(crate) async fn settled(&self) -> Option<&Arc<Caller>> {
        if let Some(opening) = self.opening.get() {
            tokio::select! {
                () = opening.cancelled() => {}
                () = self.ended() => {}
            }
        }
        self.caller.get()
    }

    /// Takes a place among the requests under way, as long as the guard lives; `None` if there is no place left.
    /// `shared` is its place among those of the gateway, unless something else holds that.
    pub(crate) fn enter(self: &Arc<Self>, shared: Option<Slot>) -> Option<Running> {
        let slot = self.requests.take()?;
        Some(Running { session: self.clone(), _own: slot, _shared: shared })
    }

    /// Takes note of a sign of life.
    pub(crate) fn touch(&self) {
        *self.used.lock() = Instant::now();
    }

    /// Opens a stream for a request and gives its number.
    pub(crate) fn open_stream(&self) -> (u64, Arc<Stream>) {
        let stream = Arc::new(Stream::new(&self.limits, true));
        let mut streams = self.streams.lock();
        streams.last += 1;
        let number = streams.last;
        streams.kept.insert(number, stream.clone());
        if streams.kept.len() > KEPT_STREAMS
            && let Some(oldest) = streams.kept.iter().find(|(_, s)| s.closed().is_some()).map(|(n, _)| *n)
        {
            streams.kept.remove(&oldest);
        }
        (number, stream)
    }

    /// The stream of that number, if it is still kept.
    pub(crate) fn stream(&self, number: u64) -> Option<Arc<Stream>> {
        match number {
            0 => Some(self.outbound.clone()),
            _ => self.streams.lock().kept.get(&number).cloned(),
        }
    }

    /// A server's question on its way to this client. `None`: it was refused, because it is a ping and nobody
    /// listens, so that the gateway vouches for the client itself.
    fn ask(&self, ask: Ask, listened_to: bool) -> Option<(u64, Line)> {
        if ask.request.method() == Method::Ping && !listened_to {
            ask.vouch();
            return None;
        }
        self.asks.add(ask)
    }

    /// Puts a message into `stream`, framed as what carries the session wants it. True if the writer should wait
    /// for room.
    pub(crate) fn put(&self, number: u64, stream: &Stream, line: &Line, droppable: bool) -> bool {
        stream.push(droppable, |event| self.frame(number, event, line))
    }

    fn frame(&self, stream: u64, event: u64, line: &Line) -> Bytes {
        let mut out = BytesMut::new();
        match self.kind {
            Kind::StreamableHttp => {
                sse::write(&mut out, Some(&format!("{stream}-{event}")), Some("message"), line.parts());
            }
            Kind::Sse(_) => sse::write(&mut out, None, Some("message"), line.parts()),
            // What writes to a WebSocket takes the messages apart again by their line breaks.
            Kind::Stdio | Kind::WebSocket | Kind::Rest => {
                out.reserve(line.len() + 1);
                line.parts().iter().for_each(|part| out.extend_from_slice(part));
                out.extend_from_slice(b"\n");
            }
        }
        out.freeze()
    }

    /// Pours a reply into one of the session's streams until its end. Dropped before, it withdraws the questions
    /// that were asked and (with the reply) cancels the request.
    pub(crate) async fn pour(self: &Arc<Self>, number: u64, stream: &Stream, reply: &mut Reply) -> Option<Outcome> {
        let mut asked = Asked { session: self, numbers: Vec::new() };
        while let Some(event) = reply.next().await {
            let (line, droppable) = match event {
                Event::Done(outcome) => {
                    // A question that the answer did not wait for is not about this call, and stays open.
                    if matches!(outcome, Outcome::Answer(_)) {
                        asked.numbers.clear();
                    }
                    return Some(outcome);
                }
                event if self.kind == Kind::Rest => {
                    self.leave(event);
                    continue;
                }
                Event::Notify(notification) => {
                    let droppable = notification.method().is_droppable();
                    let Some(shown) = self.asks.shown(notification) else { continue };
                    (shown.line(), droppable)
                }
                Event::Ask(ask) => match self.ask(ask, stream.has_reader()) {
                    Some((question, line)) => {
                        asked.numbers.push(question);
                        (line, false)
                    }
                    None => continue,
                },
            };
            if self.put(number, stream, &line, droppable) {
                stream.room().await;
            }
        }
        None
    }

    /// What nobody is there to hear: a session without a channel of its own takes note of news only.
    pub(crate) fn leave(&self, event: Event) {
        match event {
            Event::Notify(news) if news.method() == Method::ListChanged => {
                self.news.fetch_add(1, Ordering::Relaxed);
            }
            Event::Ask(ask) => ask.decline(),
            Event::Notify(_) | Event::Done(_) => {}
        }
    }

    /// Lets go of streams that nobody will come back for.
    pub(super) fn tidy(&self, now: Instant) {
        let kept = self.limits.stream_kept;
        self.streams.lock().kept.retain(|_, stream| stream.closed().is_none_or(|at| now - at < kept));
    }

    /// Whether the session's time is over: nothing runs, nobody listens, and nothing was heard for long enough.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        if now - self.opened > self.limits.session_age {
            return true;
        }
        let busy = self.running() > 0 || self.outbound.has_reader();
        if busy {
            self.touch();
        }
        let patience = if self.kind == Kind::Rest { self.limits.rest_idle } else { self.limits.session_idle };
        !busy && now - *self.used.lock() >= patience
    }

    /// Ends what the session owns. The table and the server's link are the gateway's business.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.asks.clear();
        self.outbound.close();
        let kept = std::mem::take(&mut self.streams.lock().kept);
        for stream in kept.values() {
            stream.close();
        }
    }

    /// Resolves when the session has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether the session has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// How many requests are under way.
    pub(crate) fn running(&self) -> usize {
        self.requests.current()
    }

    /// Why a request was not let in.
    pub(crate) fn too_many(&self) -> Failure {
        too_many("the session", &self.requests)
    }
}

/// Enough of a session id to tell sessions apart in a log, too little to use one.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A place among the requests under way.
pub(crate) struct Running {
    session: Arc<Session>,
    _own: Slot,
    /// What it takes up of the gateway, unless something else holds that.
    _shared: Option<Slot>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.session.touch();
    }
}

/// Questions asked on behalf of one reply: they end with it.
struct Asked<'a> {
    session: &'a Session,
    numbers: Vec<u64>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.session.asks.withdraw(&self.numbers);
    }
}
