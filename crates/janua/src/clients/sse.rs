//! HTTP+SSE of 2024-11-05: a stream that is the session, and an address to post messages to.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::{Bytes, BytesMut};
use janua_wire::error::SESSION;
use janua_wire::sse;

use super::{Arrival, Edge, answer, body, duplex, events};
use crate::sessions::session::{Door, short};
use crate::sessions::{Kind, Session};
use crate::user::Visitor;

/// Opens a session. `prefix` is the path the router is mounted under.
pub(crate) fn open(edge: &Edge, arrival: Arrival, prefix: &str) -> Response<Body> {
    let messages = &edge.paths.messages;
    open_at(edge, arrival, Door::Messages, |id| format!("{prefix}{messages}?session_id={id}"), |_| ())
}

/// Opens a session whose messages are posted to what `target` makes of its id, at `door`. What `watch` gives is held as
/// long as the stream is there.
pub(crate) fn open_at<H: Send + 'static>(
    edge: &Edge,
    Arrival { place, visitor }: Arrival,
    door: Door,
    target: impl FnOnce(&str) -> String,
    watch: impl FnOnce(&Session) -> H,
) -> Response<Body> {
    let session = match edge.gateway.open_session(Kind::Sse(door), place, visitor) {
        Ok(session) => session,
        Err(failure) => return answer::refused(&failure),
    };
    tracing::info!(session = short(&session.id), "session opened");
    let (ticket, _) = session.outbound.attach(None);
    let endpoint = format!("{}{}", edge.paths.base_url, target(&session.id));
    let mut opening = BytesMut::new();
    sse::write(&mut opening, None, Some("endpoint"), &[Bytes::from(endpoint)]);
    let (gateway, ending, held) = (edge.gateway.clone(), session.clone(), watch(&session));
    let on_close = Box::new(move || {
        gateway.end_session(&ending);
        drop(held);
    });
    let pause = edge.gateway.limits.keep_alive;
    events::answer(session.outbound.clone(), ticket, opening.freeze(), pause, Some(on_close))
}

/// Takes a message for an open session.
pub(crate) async fn message(edge: &Edge, parts: &Parts, body: Body, visitor: &Visitor) -> Response<Body> {
    let query = parts.uri.query().unwrap_or_default();
    let named = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "session_id" || name == "sessionId")
        .map(|(_, value)| value.into_owned());
    let Some(named) = named else {
        return answer::error(StatusCode::BAD_REQUEST, None, SESSION, "session_id is missing in the query");
    };
    let session =
        edge.gateway.sessions.get(&named, Kind::Sse(Door::Messages)).filter(|session| session.belongs_to(visitor));
    let Some(session) = session else {
        return answer::error(StatusCode::NOT_FOUND, None, SESSION, "there is no such session");
    };
    let (text, _held) = match body::read(parts, body, &edge.gateway).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    match duplex::receive(&edge.gateway, &session, text).await {
        Ok(()) => answer::text(StatusCode::ACCEPTED, "Accepted"),
        Err(refused) => {
            let why = refused.why;
            answer::error(StatusCode::BAD_REQUEST, refused.id.as_ref(), why.code(), &why.to_string())
        }
    }
}
