//! HTTP answers: messages, errors, acknowledgements.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use janua_wire::error;
use janua_wire::headers::{JSON, SESSION_ID};
use janua_wire::id::ClientId;
use janua_wire::line::Line;

use crate::call::Outcome;
use crate::error::Failure;
use crate::servers::Refusal;

/// A message as JSON.
pub(crate) fn json(status: StatusCode, line: Line) -> Response<Body> {
    let body = match line {
        Line::One(bytes) => Body::from(bytes),
        Line::Many(parts) => Body::new(Pieces(parts.into())),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}

/// A JSON-RPC error.
pub(crate) fn error(status: StatusCode, id: Option<&ClientId>, code: i32, message: &str) -> Response<Body> {
    json(status, error::response(id, code, message, None).into())
}

/// How a request ended.
pub(crate) fn outcome(id: &ClientId, outcome: Outcome) -> Response<Body> {
    match outcome {
        Outcome::Answer(response) => json(StatusCode::OK, response.answering(id.raw())),
        Outcome::Failure(why) => failure(id, &why),
    }
}

/// A failure of the gateway's own.
pub(crate) fn failure(id: &ClientId, why: &Failure) -> Response<Body> {
    failed(id.raw(), why)
}

/// A failure before anybody knows which request it is about.
pub(crate) fn refused(why: &Failure) -> Response<Body> {
    failed(b"null", why)
}

fn failed(id: &[u8], why: &Failure) -> Response<Body> {
    let mut answer = json(why.status(), why.response().answering(id));
    if let Some(wait) = why.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds(wait));
    }
    answer
}

/// A server that could not be opened.
pub(crate) fn refusal(id: &ClientId, refusal: &Refusal) -> Response<Body> {
    match refusal {
        Refusal::ByServer(response) => json(StatusCode::OK, response.answering(id.raw())),
        Refusal::Failed(why) => failure(id, why),
    }
}

/// A time as `Retry-After` has it.
pub(crate) fn seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// Text for people.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// 405, with the methods that are allowed.
pub(crate) fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

/// The answer with the session's id on it.
pub(crate) fn in_session(mut answer: Response<Body>, session: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(session) {
        answer.headers_mut().insert(SESSION_ID, value);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A body in several pieces that are never joined.
struct Pieces(VecDeque<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::convert::Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}
