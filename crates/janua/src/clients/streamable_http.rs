//! Streamable HTTP of 2025-03-26 to 2025-11-25: one address, POST, GET and DELETE.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::join_all;
use janua_wire::error::{INVALID_REQUEST, SESSION};
use janua_wire::headers::{Accepts, LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID};
use janua_wire::id::ClientId;
use janua_wire::line::Line;
use janua_wire::message::{self, Incoming, Message, Notification, Refused, Request};
use janua_wire::method::Method;
use janua_wire::sse;
use janua_wire::version::{Era, Version};

use super::{Arrival, Edge, answer, body, envelope, events, stateless};
use crate::admission::Slot;
use crate::call::{Call, Caller, Event, Outcome, Reply};
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::observe::Origin;
use crate::servers::Place;
use crate::sessions::session::{Running, short};
use crate::sessions::stream::Stream;
use crate::sessions::{self, Session};
use crate::{local, pipeline};

/// What a client that polls should wait before it comes back, in milliseconds.
const RETRY: u64 = 1000;

/// Who sent a request: a session's client, or anybody.
enum From {
    Session(Arc<Session>),
    Anybody(Arc<Caller>, Arc<dyn Place>),
}

/// A message, or several, of a client.
///
/// `slot` is its place among the requests under way, and goes where the request goes.
pub(crate) async fn post(edge: &Edge, arrival: &Arrival, parts: &Parts, body: Body, slot: Slot) -> Response<Body> {
    let accepts = Accepts::of(body::text(&parts.headers, ACCEPT));
    if !accepts.any() {
        let message = "the client must accept application/json or text/event-stream";
        return answer::error(StatusCode::NOT_ACCEPTABLE, None, INVALID_REQUEST, message);
    }
    let (text, _held) = match body::read(parts, body, &edge.gateway).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let incoming = match message::parse(text) {
        Ok(Incoming::Single(Message::Request(request))) => {
            Incoming::Single(Message::Request(envelope::with_trace(&parts.headers, request)))
        }
        Ok(incoming) => incoming,
        Err(refused) => return invalid(&refused),
    };
    // Which era a request belongs to is decided for each by itself: by what it carries, before any header.
    if let Incoming::Single(Message::Request(request)) = &incoming
        && request.claimed_version().is_some()
    {
        return stateless::respond(edge, arrival, parts, request.clone(), (accepts, slot)).await;
    }
    if let Incoming::Single(Message::Request(request)) = &incoming
        && request.method() == Method::Initialize
    {
        return initialize(edge, arrival, parts, request, accepts).await;
    }
    let id = match &incoming {
        Incoming::Single(Message::Request(request)) => Some(request.id()),
        _ => None,
    };
    if is_stateless(parts) {
        return match incoming {
            // There is no session that it could be about, and a request is cancelled by leaving it.
            Incoming::Single(Message::Notification(_)) => answer::empty(StatusCode::ACCEPTED),
            Incoming::Batch(_) => {
                let message = "batches exist in protocol version 2025-03-26 only";
                answer::error(StatusCode::BAD_REQUEST, None, INVALID_REQUEST, message)
            }
            Incoming::Single(_) => stateless::incomplete(id.as_ref()),
        };
    }
    let from = match sender(edge, arrival, parts, id.as_ref()) {
        Ok(from) => from,
        Err(refused) => return refused,
    };
    match incoming {
        Incoming::Single(Message::Request(request)) => respond(edge, from, request, accepts, slot).await,
        Incoming::Single(Message::Notification(notification)) => notified(&from, notification).await,
        Incoming::Single(Message::Response(response)) => {
            if let From::Session(session) = &from {
                session.answered(response);
            }
            answer::empty(StatusCode::ACCEPTED)
        }
        Incoming::Batch(messages) => batch(edge, &from, messages, accepts).await,
    }
}

/// Whether the headers alone say that there is no handshake.
fn is_stateless(parts: &Parts) -> bool {
    let named = body::text(&parts.headers, PROTOCOL_VERSION).and_then(Version::parse);
    named.is_some_and(|version| version.era() == Era::Modern) && !parts.headers.contains_key(SESSION_ID)
}

fn invalid(refused: &Refused) -> Response<Body> {
    answer::error(StatusCode::BAD_REQUEST, refused.id.as_ref(), refused.why.code(), &refused.why.to_string())
}

/// Finds out whose message it is, by the session's id.
fn sender(edge: &Edge, arrival: &Arrival, parts: &Parts, id: Option<&ClientId>) -> Result<From, Response<Body>> {
    let version = version(parts, id)?;
    if edge.stateless {
        return Ok(From::Anybody(
            local::anybody(version.unwrap_or(Version::ASSUMED), &arrival.visitor),
            arrival.place.clone(),
        ));
    }
    let Some(named) = body::text(&parts.headers, SESSION_ID) else {
        let message = "Session ID required. Please include Mcp-Session-Id header from initialize response.";
        return Err(answer::error(StatusCode::BAD_REQUEST, id, SESSION, message));
    };
    let Some(session) = edge.session(named, arrival) else {
        let shown: String = named.chars().take(64).collect();
        let message = format!("Invalid session ID: {shown}. Session may have expired or does not exist.");
        return Err(answer::error(StatusCode::NOT_FOUND, id, SESSION, &message));
    };
    if session.caller().is_none() {
        let message = "the session is not initialized yet";
        return Err(answer::error(StatusCode::BAD_REQUEST, id, INVALID_REQUEST, message));
    }
    session.touch();
    Ok(From::Session(session))
}

/// The revision named in the header; one without sessions, or an unknown one, is refused.
fn version(parts: &Parts, id: Option<&ClientId>) -> Result<Option<Version>, Response<Body>> {
    let Some(header) = parts.headers.get(PROTOCOL_VERSION) else { return Ok(None) };
    let known = header.to_str().ok().and_then(Version::parse).filter(|version| version.era() == Era::Legacy);
    if known.is_none() {
        let message = format!("unsupported protocol version; the newest supported is {}", Version::NEWEST_LEGACY);
        return Err(answer::error(StatusCode::BAD_REQUEST, id, INVALID_REQUEST, &message));
    }
    Ok(known)
}

/// Ends a session whose opening did not come to an end, however that happened.
pub(super) struct Opening<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) session: Option<Arc<Session>>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.gateway.end_session(&session);
        }
    }
}

async fn initialize(
    edge: &Edge,
    arrival: &Arrival,
    parts: &Parts,
    request: &Request,
    accepts: Accepts,
) -> Response<Body> {
    let id = request.id();
    let gateway = &edge.gateway;
    if edge.stateless {
        return match local::initialize_shared(&arrival.place, request, &arrival.visitor).await {
            Ok(response) => answer::json(StatusCode::OK, response.answering(id.raw())),
            Err(refusal) => answer::refusal(&id, &refusal),
        };
    }
    let named = body::text(&parts.headers, SESSION_ID);
    if named.is_some_and(|named| edge.session(named, arrival).is_some()) {
        return answer::error(StatusCode::BAD_REQUEST, Some(&id), INVALID_REQUEST, "Session already initialized");
    }
    let session =
        match gateway.open_session(sessions::Kind::StreamableHttp, arrival.place.clone(), arrival.visitor.clone()) {
            Ok(session) => session,
            Err(failure) => return answer::failure(&id, &failure),
        };
    let mut opening = Opening { gateway, session: Some(session.clone()) };
    let _running = session.enter(None);
    match local::initialize(gateway, &session, request).await {
        Ok(response) => {
            opening.session = None;
            tracing::info!(session = short(&session.id), "session opened");
            let line = response.answering(id.raw());
            let answer = if accepts.json { answer::json(StatusCode::OK, line) } else { single(edge, &session, &line) };
            answer::in_session(answer, &session.id)
        }
        Err(refusal) => answer::refusal(&id, &refusal),
    }
}

/// One message as a stream that is over after it, for clients that take nothing else.
fn single(edge: &Edge, session: &Arc<Session>, line: &Line) -> Response<Body> {
    let (number, stream) = session.open_stream();
    session.put(number, &stream, line, false);
    stream.close();
    let (ticket, _) = stream.attach(None);
    events::answer(stream, ticket, Bytes::from_static(sse::COMMENT), edge.gateway.limits.keep_alive, None)
}

/// A request under way, held by the connection that asked. If that goes, the session keeps the request going.
struct Exchange {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    held: Option<(Reply, Running)>,
}

impl Drop for Exchange {
    /// "Disconnection SHOULD NOT be interpreted as the client cancelling its request" (2025-11-25
    /// basic/transports): what the server still says goes to the session's own stream.
    fn drop(&mut self) {
        let Some((mut reply, running)) = self.held.take() else { return };
        let session = self.session.clone();
        self.gateway.tasks.spawn("abandoned request", async move {
            let _running = running;
            let stream = session.outbound.clone();
            tokio::select! {
                _ = session.pour(0, &stream, &mut reply) => {}
                () = session.ended() => {}
            }
        });
    }
}

async fn respond(edge: &Edge, from: From, request: Request, accepts: Accepts, slot: Slot) -> Response<Body> {
    let id = request.id();
    let session = match from {
        From::Session(session) => session,
        From::Anybody(caller, place) => {
            return respond_alone(edge, &place, Call { request, caller }, id, (accepts, slot)).await;
        }
    };
    let Some(caller) = session.caller().cloned() else {
        return answer::error(
            StatusCode::BAD_REQUEST,
            Some(&id),
            INVALID_REQUEST,
            "the session is not initialized yet",
        );
    };
    let Some(running) = session.enter(Some(slot)) else {
        return answer::failure(&id, &session.too_many());
    };
    let reply = pipeline::handle(&edge.gateway, &session.place, Call { request, caller }, session.origin()).await;
    let gateway = edge.gateway.clone();
    let mut exchange = Exchange { gateway, session, held: Some((reply, running)) };
    let first = first_event(&mut exchange, accepts).await;
    match first {
        Some(Event::Done(outcome)) if accepts.json => {
            exchange.held = None;
            answer::in_session(answer::outcome(&id, outcome), &exchange.session.id)
        }
        first => stream(edge, exchange, id, first),
    }
}

/// What comes first; `None` if nothing does for so long that a stream should be opened. For a client that takes
/// no stream, what is not the outcome goes to the session's own stream.
async fn first_event(exchange: &mut Exchange, accepts: Accepts) -> Option<Event> {
    let Some((reply, _)) = &mut exchange.held else { return None };
    if accepts.stream {
        return tokio::time::timeout(exchange.gateway.limits.stream_after, reply.next()).await.ok().flatten();
    }
    let session = &exchange.session;
    let outbound = session.outbound.clone();
    session.pour(0, &outbound, reply).await.map(Event::Done)
}

/// Goes on as a stream: a task of the session pours the reply into it, and this connection reads it.
fn stream(edge: &Edge, mut exchange: Exchange, id: ClientId, first: Option<Event>) -> Response<Body> {
    let session = exchange.session.clone();
    let (number, stream) = session.open_stream();
    let (ticket, _) = stream.attach(None);
    let polls = session.caller().is_some_and(|caller| caller.version.has_polling());
    let opening = if polls {
        // An event of its own, so that there is an id to come back with.
        let mut primed = Bytes::new();
        stream.push(false, |event| {
            primed = sse::priming(&format!("{number}-{event}"), RETRY);
            primed.clone()
        });
        Bytes::from_static(b"")
    } else {
        Bytes::from_static(sse::COMMENT)
    };
    if let Some((reply, running)) = exchange.held.take() {
        let (session, stream) = (session.clone(), stream.clone());
        edge.gateway.tasks.spawn("request stream", async move {
            let _running = running;
            let early = futures_util::stream::iter(first);
            let mut reply = Reply::stream(early.chain(reply));
            let outcome = tokio::select! {
                outcome = session.pour(number, &stream, &mut reply) => outcome,
                () = session.ended() => Some(Outcome::Failure(Failure::new(Kind::SessionLost, "the session has ended"))),
            };
            if let Some(outcome) = outcome {
                session.put(number, &stream, &last_line(&id, outcome), false);
            }
            stream.close();
        });
    }
    let answer = events::answer(stream, ticket, opening, edge.gateway.limits.keep_alive, None);
    answer::in_session(answer, &session.id)
}

/// The outcome as a message, where no status can say it any more.
pub(super) fn last_line(id: &ClientId, outcome: Outcome) -> Line {
    match outcome {
        Outcome::Answer(response) => response.answering(id.raw()),
        Outcome::Failure(failure) => failure.response().answering(id.raw()),
    }
}

/// A request without a session: the channel for everything is its answer, and when that is gone nobody waits.
async fn respond_alone(
    edge: &Edge,
    place: &Arc<dyn Place>,
    call: Call,
    id: ClientId,
    (accepts, slot): (Accepts, Slot),
) -> Response<Body> {
    let limits = &edge.gateway.limits;
    let mut reply = pipeline::handle(&edge.gateway, place, call, Origin::ALONE).await;
    let first = loop {
        match tokio::time::timeout(limits.stream_after, reply.next()).await {
            Ok(Some(Event::Done(outcome))) if accepts.json => return answer::outcome(&id, outcome),
            Ok(first) if accepts.stream => break first,
            Err(_) if accepts.stream => break None,
            Ok(None) => return answer::failure(&id, &Failure::new(Kind::ServerExited, "the reply ended early")),
            // A client that takes no stream hears the outcome only.
            Ok(Some(Event::Ask(ask))) => ask.vouch(),
            Ok(Some(_)) | Err(_) => {}
        }
    };
    let stream = Arc::new(Stream::new(limits, false));
    let (ticket, _) = stream.attach(None);
    let events = futures_util::stream::iter(first).chain(reply);
    let pouring = pour_alone(events, stream.clone(), id);
    edge.gateway.tasks.spawn("request stream", async move {
        pouring.await;
        drop(slot);
    });
    events::answer(stream, ticket, Bytes::from_static(sse::COMMENT), limits.keep_alive, None)
}

async fn pour_alone(events: impl futures_util::Stream<Item = Event>, stream: Arc<Stream>, id: ClientId) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let (line, droppable) = match event {
            Event::Notify(notification) => (notification.line(), notification.method().is_droppable()),
            Event::Done(outcome) => (last_line(&id, outcome), false),
            Event::Ask(ask) => {
                ask.vouch();
                continue;
            }
        };
        let frame = |_| {
            let mut out = BytesMut::new();
            sse::write(&mut out, None, Some("message"), line.parts());
            out.freeze()
        };
        if stream.push(droppable, frame) {
            stream.room().await;
        }
    }
    stream.close();
}

async fn notified(from: &From, notification: Notification) -> Response<Body> {
    match from {
        From::Session(session) => {
            if let Some(caller) = session.caller() {
                pipeline::notify(&session.place, caller, notification).await;
            }
        }
        // Without a session nothing tells whose request a cancellation means, and the gateway has opened the
        // server itself.
        From::Anybody(caller, place) => {
            if !matches!(notification.method(), Method::Cancelled | Method::Initialized) {
                pipeline::notify(place, caller, notification).await;
            }
        }
    }
    answer::empty(StatusCode::ACCEPTED)
}

/// Several messages at once (2025-03-26): each is handled by itself, the answers go back together.
async fn batch(edge: &Edge, from: &From, messages: Vec<Result<Message, Refused>>, accepts: Accepts) -> Response<Body> {
    let refuse = |message| answer::error(StatusCode::BAD_REQUEST, None, INVALID_REQUEST, message);
    let From::Session(session) = from else { return refuse("batches need a session") };
    if !session.caller().is_some_and(|caller| caller.version.has_batches()) {
        return refuse("batches exist in protocol version 2025-03-26 only");
    }
    let opens = |message: &Result<Message, Refused>| matches!(message, Ok(Message::Request(request)) if request.method() == Method::Initialize);
    if messages.iter().any(opens) {
        return refuse("initialize must not be part of a batch");
    }
    let answers = join_all(messages.into_iter().map(|message| element(edge, session, message))).await;
    let answers: Vec<Line> = answers.into_iter().flatten().collect();
    if answers.is_empty() {
        return answer::empty(StatusCode::ACCEPTED);
    }
    if accepts.json {
        return answer::json(StatusCode::OK, array(answers));
    }
    single(edge, session, &array(answers))
}

async fn element(edge: &Edge, session: &Arc<Session>, message: Result<Message, Refused>) -> Option<Line> {
    match message {
        Ok(Message::Request(request)) => {
            let id = request.id();
            let caller = session.caller()?.clone();
            let Some(running) = session.enter(None) else {
                return Some(last_line(&id, Outcome::Failure(session.too_many())));
            };
            let reply =
                pipeline::handle(&edge.gateway, &session.place, Call { request, caller }, session.origin()).await;
            let (gateway, session) = (edge.gateway.clone(), session.clone());
            let mut exchange = Exchange { gateway, session, held: Some((reply, running)) };
            let only_json = Accepts { json: true, stream: false };
            let Some(Event::Done(outcome)) = first_event(&mut exchange, only_json).await else { return None };
            exchange.held = None;
            Some(last_line(&id, outcome))
        }
        Ok(Message::Notification(notification)) => {
            notified(&From::Session(session.clone()), notification).await;
            None
        }
        Ok(Message::Response(response)) => {
            session.answered(response);
            None
        }
        Err(refused) => {
            let why = refused.why;
            Some(janua_wire::error::response(refused.id.as_ref(), why.code(), &why.to_string(), None).into())
        }
    }
}

fn array(answers: Vec<Line>) -> Line {
    let mut parts = Vec::with_capacity(answers.len() * 2 + 1);
    for answer in answers {
        let before: &'static [u8] = if parts.is_empty() { b"[" } else { b"," };
        parts.push(Bytes::from_static(before));
        parts.extend_from_slice(answer.parts());
    }
    parts.push(Bytes::from_static(b"]"));
    Line::Many(parts)
}

/// A stream for what belongs to no request, or the rest of one that broke.
pub(crate) fn get(edge: &Edge, arrival: &Arrival, parts: &Parts) -> Response<Body> {
    if is_stateless(parts) {
        return answer::not_allowed("POST, OPTIONS");
    }
    if !Accepts::of(body::text(&parts.headers, ACCEPT)).stream {
        let message = "the client must accept text/event-stream";
        return answer::error(StatusCode::NOT_ACCEPTABLE, None, INVALID_REQUEST, message);
    }
    let session = match sender(edge, arrival, parts, None) {
        Ok(From::Session(session)) => session,
        Ok(From::Anybody(..)) => return answer::not_allowed("POST, OPTIONS"),
        Err(refused) => return refused,
    };
    let last = body::text(&parts.headers, LAST_EVENT_ID);
    let wanted = last.and_then(|id| {
        let (stream, event) = id.split_once('-')?;
        Some((session.stream(stream.parse().ok()?)?, event.parse::<u64>().ok()?))
    });
    let (stream, last, missed) = match wanted {
        Some((stream, event)) => (stream, Some(event), false),
        None => (session.outbound.clone(), None, last.is_some()),
    };
    let (ticket, lost) = stream.attach(last);
    let opening = if missed || lost {
        Bytes::from_static(b": events after the last one seen are not kept any more\n\n")
    } else {
        Bytes::from_static(sse::COMMENT)
    };
    let used = session.clone();
    let on_close = Box::new(move || used.touch());
    let answer = events::answer(stream, ticket, opening, edge.gateway.limits.keep_alive, Some(on_close));
    answer::in_session(answer, &session.id)
}

/// The client is done.
pub(crate) fn delete(edge: &Edge, arrival: &Arrival, parts: &Parts) -> Response<Body> {
    if is_stateless(parts) {
        return answer::not_allowed("POST, OPTIONS");
    }
    match sender(edge, arrival, parts, None) {
        Ok(From::Session(session)) => {
            edge.gateway.end_session(&session);
            answer::empty(StatusCode::NO_CONTENT)
        }
        Ok(From::Anybody(..)) => answer::not_allowed("POST, OPTIONS"),
        Err(refused) => refused,
    }
}
