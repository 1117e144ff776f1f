//! Streamable HTTP of 2026-07-28: one POST, one request, one answer, and nothing in between that is remembered.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body::Frame;
use janua_wire::error::{
    HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY, UNSUPPORTED_VERSION,
};
use janua_wire::headers::{Accepts, EVENT_STREAM};
use janua_wire::id::ClientId;
use janua_wire::line::Line;
use janua_wire::message::{self, Request};
use janua_wire::method::Method;
use janua_wire::{raw, sse};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::streamable_http::last_line;
use super::{Arrival, Edge, answer, envelope};
use crate::admission::Slot;
use crate::call::{Call, Event, Outcome, Reply};
use crate::error::{Failure, Kind};
use crate::observe::Origin;
use crate::pipeline;

/// Serves one request.
pub(crate) async fn respond(
    edge: &Edge,
    Arrival { place, visitor }: &Arrival,
    parts: &Parts,
    request: Request,
    (accepts, slot): (Accepts, Slot),
) -> Response<Body> {
    let id = request.id();
    let caller = match envelope::mirrored(&parts.headers, &request).and_then(|()| envelope::caller(&request, visitor)) {
        Ok(caller) => caller,
        Err(refused) => return not_served(&id, &refused),
    };
    if request.method() == Method::Listen && !accepts.stream {
        let message = "the client must accept text/event-stream";
        return answer::error(StatusCode::NOT_ACCEPTABLE, Some(&id), INVALID_REQUEST, message);
    }
    let call = Call { request, caller };
    let values = |name: &str| envelope::values(&parts.headers, name).collect::<Vec<_>>();
    match pipeline::check_mirror(place, &call, values).await {
        Ok(()) => {}
        Err(Outcome::Answer(refused)) => return not_served(&id, &refused),
        Err(Outcome::Failure(failure)) => return answer::failure(&id, &failure),
    }
    // Nobody waits for a stream of changes to end.
    let under_way = (call.request.method() != Method::Listen).then_some(slot);
    let mut reply = pipeline::handle(&edge.gateway, place, call, Origin::ALONE).await;
    let limits = &edge.gateway.limits;
    let first = loop {
        match timeout(limits.stream_after, reply.next()).await {
            Ok(Some(Event::Done(outcome))) if accepts.json => return settled(&id, outcome),
            Ok(first) if accepts.stream => break first,
            Err(_) if accepts.stream => break None,
            Ok(None) => return answer::failure(&id, &Failure::new(Kind::ServerExited, "the reply ended early")),
            // A client that takes no stream hears the outcome only.
            Ok(Some(_)) | Err(_) => {}
        }
    };
    let events = Events {
        first,
        reply,
        id,
        pause: limits.keep_alive,
        timer: Box::pin(sleep(limits.keep_alive)),
        begun: false,
        over: false,
        _under_way: under_way,
    };
    let mut answer = Response::new(Body::new(events));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    answer
}

/// An outcome as an answer of its own.
fn settled(id: &ClientId, outcome: Outcome) -> Response<Body> {
    match outcome {
        Outcome::Answer(response) if response.is_error() => said(id, &response),
        outcome => answer::outcome(id, outcome),
    }
}

/// A request that is refused before anybody has looked at what it wants: what is wrong with it is the client's fault.
fn not_served(id: &ClientId, refused: &message::Response) -> Response<Body> {
    let mut answer = said(id, refused);
    if answer.status() == StatusCode::OK {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    answer
}

/// An error with the status that its code calls for.
fn said(id: &ClientId, refused: &message::Response) -> Response<Body> {
    let code = raw::peek(refused.body(), "code").and_then(|code| std::str::from_utf8(code).ok()?.parse::<i32>().ok());
    let status = match code {
        Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION) => StatusCode::BAD_REQUEST,
        Some(METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    };
    answer::json(status, refused.answering(id.raw()))
}

/// A request that names a revision without handshake in its header and not in its body.
pub(crate) fn incomplete(id: Option<&ClientId>) -> Response<Body> {
    let message =
        "params._meta lacks io.modelcontextprotocol/protocolVersion and io.modelcontextprotocol/clientCapabilities";
    answer::error(StatusCode::BAD_REQUEST, id, INVALID_PARAMS, message)
}

/// The answer as it unfolds. The client holds the reply: when it goes, the request is cancelled (2026-07-28
/// `basic/patterns/cancellation`).
struct Events {
    first: Option<Event>,
    reply: Reply,
    id: ClientId,
    pause: Duration,
    timer: Pin<Box<Sleep>>,
    begun: bool,
    over: bool,
    _under_way: Option<Slot>,
}

impl Events {
    /// An event as it goes out; `None` for what a client of this revision is not told.
    fn frame(&mut self, event: Event) -> Option<Bytes> {
        let line: Line = match event {
            Event::Notify(notification) => notification.line(),
            Event::Done(outcome) => {
                self.over = true;
                last_line(&self.id, outcome)
            }
            Event::Ask(ask) => {
                ask.vouch();
                return None;
            }
        };
        let mut out = BytesMut::new();
        sse::write(&mut out, None, Some("message"), line.parts());
        Some(out.freeze())
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::replace(&mut self.begun, true) && self.first.is_none() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(sse::COMMENT)))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let frame = loop {
            let event = match self.first.take() {
                Some(event) => Some(event),
                None => match self.reply.poll_next_unpin(cx) {
                    Poll::Ready(Some(event)) => Some(event),
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => None,
                },
            };
            let Some(event) = event else {
                if self.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                break Bytes::from_static(sse::COMMENT);
            };
            if let Some(frame) = self.frame(event) {
                break frame;
            }
        };
        let next = Instant::now() + self.pause;
        self.timer.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}
