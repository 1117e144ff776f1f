//! The addresses of older gateways: guMCP's `/`, `/health_check`, `/{server}/{user}` with its messages, and
//! acehoss/mcp-gateway's `/{server}`. What comes there in a newer way is Streamable HTTP for that server and user.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use bytes::Bytes;
use janua_wire::error::SESSION;
use janua_wire::headers::{EVENT_STREAM, SESSION_ID};
use janua_wire::json::quote;
use janua_wire::message::Refused;

use super::{Arrival, Edge, answer, body, duplex, prefix_of, session_key, sse, streamable_http};
use crate::observe::gauge::Entered;
use crate::observe::metrics::Route;
use crate::sessions::session::{Door, short};
use crate::sessions::{Kind, Session};
use crate::user::{User, Visitor};

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
enum Address<'a> {
    Root,
    HealthCheck,
    /// `/{server}`
    Server(String),
    /// `/{server}/{session key}`
    User(String, &'a str),
    /// `/{server}/{session key}/messages`
    Messages(String, &'a str),
}

/// Segments below a server that name no user.
const RESERVED: [&str; 3] = ["messages", "mcp", "sse"];

impl<'a> Address<'a> {
    /// Reads a path as it was sent: an escaped slash separates nothing.
    fn of(path: &'a str) -> Option<Address<'a>> {
        let path = path.strip_prefix('/')?;
        let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let server = |raw: &str| session_key::decoded(raw);
        match segments[..] {
            [""] => Some(Address::Root),
            ["health_check"] => Some(Address::HealthCheck),
            [raw] => Some(Address::Server(server(raw)?)),
            [_, key, ..] if RESERVED.contains(&key) => None,
            [raw, key] => Some(Address::User(server(raw)?, key)),
            [raw, key, "messages"] => Some(Address::Messages(server(raw)?, key)),
            _ => None,
        }
    }

    /// The server or view that it is about, and the session key.
    fn names(&self) -> (Option<&str>, Option<&'a str>) {
        match self {
            Address::Root | Address::HealthCheck => (None, None),
            Address::Server(server) => (Some(server), None),
            Address::User(server, key) | Address::Messages(server, key) => (Some(server), Some(key)),
        }
    }
}

/// Answers what is at none of the other addresses.
pub(super) async fn serve(edge: &Edge, request: Request) -> Response<Body> {
    let prefix = prefix_of(&request);
    let (parts, body) = request.into_parts();
    let Some(address) = Address::of(parts.uri.path()) else {
        return match edge.enter(&parts, false) {
            Ok((pass, _)) => edge.finish(pass.put_on(not_found())),
            Err(refused) => edge.finish(refused),
        };
    };
    let vital = matches!(address, Address::Root | Address::HealthCheck);
    let (answer, route) = match edge.enter(&parts, vital) {
        Ok((pass, visitor)) => {
            let (answer, route) = respond(edge, &address, visitor, &parts, body, &prefix).await;
            (pass.put_on(answer), route)
        }
        Err(refused) => (refused, counted(&address, &parts)),
    };
    edge.gateway.observer.metrics.answered(route, answer.status().as_u16());
    edge.finish(answer)
}

async fn respond(
    edge: &Edge,
    address: &Address<'_>,
    visitor: Visitor,
    parts: &Parts,
    body: Body,
    prefix: &str,
) -> (Response<Body>, Route) {
    let route = counted(address, parts);
    let (Some(name), key) = address.names() else { return (status(edge, address, &parts.method), route) };
    let place = match edge.gateway.catalog.place(Some(name)) {
        Ok(place) => Some(place),
        // Sessions with what was there before end what they have begun.
        Err(_) => edge.gateway.catalog.former(Some(name)).filter(|_| is_in_session(parts)),
    };
    let Some(place) = place else { return (not_found(), route) };
    let visitor = match key.map(|key| named(key, visitor.clone(), parts)) {
        Some(Ok(named)) => named,
        Some(Err(refused)) => return (refused, route),
        None => visitor,
    };
    let arrival = Arrival { place, visitor };
    let answer = match (address, &parts.method) {
        (_, &Method::OPTIONS) if edge.guard.cors => answer::empty(StatusCode::NO_CONTENT),
        (Address::Messages(..), &Method::POST) => match edge.admit() {
            Ok(_slot) => users_message(edge, parts, body, &arrival).await,
            Err(refused) => refused,
        },
        (Address::Messages(..), _) => answer::not_allowed("POST"),
        (_, &Method::GET) if parts.headers.contains_key(SESSION_ID) => streamable_http::get(edge, &arrival, parts),
        (_, &Method::DELETE) if parts.headers.contains_key(SESSION_ID) => {
            streamable_http::delete(edge, &arrival, parts)
        }
        (_, &Method::GET) => open(edge, name, arrival, prefix, key.is_some()),
        (Address::User(..), &Method::HEAD) => head(),
        (Address::Server(_), &Method::POST) if parameter(parts, "sessionId").is_some() => match edge.admit() {
            Ok(_slot) => servers_message(edge, parts, body, &arrival).await,
            Err(refused) => refused,
        },
        (_, &Method::POST) => match edge.admit() {
            Ok(slot) => streamable_http::post(edge, &arrival, parts, body, slot).await,
            Err(refused) => refused,
        },
        (Address::User(..), _) => answer::not_allowed("GET, HEAD, POST, DELETE"),
        _ => answer::not_allowed("GET, POST, DELETE"),
    };
    (answer, route)
}

/// What a request is counted as.
fn counted(address: &Address<'_>, parts: &Parts) -> Route {
    match address {
        Address::Root | Address::HealthCheck => Route::Health,
        Address::Messages(..) => Route::Messages,
        Address::Server(_) if parts.method == Method::POST && parameter(parts, "sessionId").is_some() => {
            Route::Messages
        }
        _ if parts.method == Method::GET && !parts.headers.contains_key(SESSION_ID) => Route::Sse,
        _ => Route::Mcp,
    }
}

fn is_in_session(parts: &Parts) -> bool {
    parts.headers.contains_key(SESSION_ID)
        || ["session_id", "sessionId"].iter().any(|name| parameter(parts, name).is_some())
}

/// A parameter of the query.
fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The visitor in the name of the user of a session key. Where nobody has to authenticate, a bearer token is the user's
/// key, if the path has none.
fn named(key: &str, visitor: Visitor, parts: &Parts) -> Result<Visitor, Response<Body>> {
    let mut user = session_key::parse(key).map_err(|why| {
        let (status, text) = why.answer();
        answer::text(status, text)
    })?;
    if user.key.is_none() && visitor.principal.is_none() {
        user.key = bearer(parts).map(Arc::from);
    }
    visitor.acting_for(user).map_err(|_| answer::text(StatusCode::FORBIDDEN, "this address is another user's"))
}

/// The token of an `Authorization: Bearer` header (RFC 6750).
fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = body::text(&parts.headers, AUTHORIZATION)?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// `{"status":"ok","message":"…","servers":[…]}`, without the message at `/health_check`.
fn status(edge: &Edge, address: &Address<'_>, method: &Method) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = answer::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let names: Vec<String> = edge.gateway.catalog.names().iter().map(|name| quote(name)).collect();
    let message = if *address == Address::Root { "\"message\":\"Janua is running\"," } else { "" };
    let body = format!("{{\"status\":\"ok\",{message}\"servers\":[{}]}}", names.join(","));
    answer::json(StatusCode::OK, Bytes::from(body).into())
}

/// The same to everybody for what there is not and what they may not know of.
fn not_found() -> Response<Body> {
    answer::text(StatusCode::NOT_FOUND, "Not Found")
}

/// What a stream would begin with, without one.
fn head() -> Response<Body> {
    let mut answer = answer::empty(StatusCode::OK);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    answer
}

/// A stream at one of these addresses, as long as it is open.
struct Watched {
    server: String,
    user: Option<Arc<User>>,
    session: String,
    _counted: Entered,
}

impl Watched {
    fn new(server: &str, session: &Session) -> Self {
        let (server, id) = (server.to_owned(), short(&session.id).to_owned());
        let user = session.visitor.user.clone();
        let shown = user.as_ref().map(|user| &*user.id);
        tracing::info!(server, user = shown, session = id, "SSE connection established");
        Watched { server, user, session: id, _counted: session.place.metrics().stream_opened() }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let user = self.user.as_ref().map(|user| &*user.id);
        tracing::info!(server = self.server, user, session = self.session, "closed SSE connection");
    }
}

/// Opens a stream: of a user if the address names one, else of nobody in particular.
fn open(edge: &Edge, server: &str, arrival: Arrival, prefix: &str, of_user: bool) -> Response<Body> {
    if let Some(obstacle) = arrival.place.obstacle() {
        return answer::refused(&obstacle);
    }
    let user = arrival.visitor.user.clone().filter(|_| of_user);
    tracing::info!(server, user = user.as_ref().map(|user| &*user.id), "new SSE connection requested");
    let at = session_key::encoded(server);
    let watch = |session: &Session| Watched::new(server, session);
    let Some(user) = user else {
        let target = |id: &str| format!("{prefix}/{at}?sessionId={id}");
        return sse::open_at(edge, arrival, Door::Server, target, watch);
    };
    let key = session_key::segment(&user.id, user.key.as_deref());
    let target = |id: &str| format!("{prefix}/{at}/{key}/messages/?session_id={id}");
    sse::open_at(edge, arrival, Door::User, target, watch)
}

/// A message to a stream of a user.
async fn users_message(edge: &Edge, parts: &Parts, body: Body, arrival: &Arrival) -> Response<Body> {
    let named = parameter(parts, "session_id").filter(|named| !named.is_empty());
    let id = named.as_deref().map(plain).unwrap_or_default();
    let Some(id) = id else {
        let fault = if named.is_none() { "session_id is required" } else { "Invalid session ID" };
        // Without any stream of that user, that is what matters.
        return if edge.has_stream(arrival) { answer::text(StatusCode::BAD_REQUEST, fault) } else { gone() };
    };
    let Some(session) = edge.stream(&id, Door::User, arrival) else { return gone() };
    match receive(edge, parts, body, &session).await {
        Ok(()) => answer::text(StatusCode::ACCEPTED, "Accepted"),
        Err(Trouble::Answer(refused)) => refused,
        Err(Trouble::Message(_)) => answer::text(StatusCode::BAD_REQUEST, "Could not parse message"),
    }
}

fn gone() -> Response<Body> {
    answer::text(StatusCode::NOT_FOUND, "Session not found or expired")
}

/// A session id as it is minted, whichever way of writing a UUID was chosen; `None` if it is none.
fn plain(named: &str) -> Option<String> {
    let digits: String = named.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    (digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}

/// A message to a stream of nobody in particular.
async fn servers_message(edge: &Edge, parts: &Parts, body: Body, arrival: &Arrival) -> Response<Body> {
    let Some(id) = parameter(parts, "sessionId").filter(|id| !id.is_empty()) else {
        return answer::error(StatusCode::BAD_REQUEST, None, SESSION, "sessionId query parameter is required");
    };
    let Some(session) = edge.stream(&id, Door::Server, arrival) else {
        return answer::error(StatusCode::NOT_FOUND, None, SESSION, "Session not found or expired");
    };
    match receive(edge, parts, body, &session).await {
        Ok(()) => answer::empty(StatusCode::ACCEPTED),
        Err(Trouble::Answer(refused)) => refused,
        Err(Trouble::Message(Refused { why, id })) => {
            answer::error(StatusCode::BAD_REQUEST, id.as_ref(), why.code(), &why.to_string())
        }
    }
}

/// Why a message was not taken in.
enum Trouble {
    /// Something is wrong with the request.
    Answer(Response<Body>),
    /// It is no message.
    Message(Refused),
}

/// Takes in one message; at these addresses several at once were never understood.
async fn receive(edge: &Edge, parts: &Parts, body: Body, session: &Arc<Session>) -> Result<(), Trouble> {
    let (text, _held) = body::read(parts, body, &edge.gateway).await.map_err(Trouble::Answer)?;
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(Trouble::Message(Refused { why: janua_wire::message::Invalid::Batch, id: None }));
    }
    duplex::receive(&edge.gateway, session, text).await.map_err(Trouble::Message)
}

impl Edge {
    /// The open stream of that id, if it was opened at this door of the same place by the same visitor.
    fn stream(&self, id: &str, door: Door, arrival: &Arrival) -> Option<Arc<Session>> {
        let session = self.gateway.sessions.get(id, Kind::Sse(door))?;
        arrival.leads_to(&session).then_some(session)
    }

    /// Whether the visitor has any stream at that place.
    fn has_stream(&self, arrival: &Arrival) -> bool {
        let of_user = |session: &Arc<Session>| session.kind == Kind::Sse(Door::User) && arrival.leads_to(session);
        self.gateway.sessions.all().iter().any(of_user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_were_sent() {
        let server = |name: &str| Some(Address::Server(name.to_owned()));
        assert_eq!(Address::of("/"), Some(Address::Root));
        assert_eq!(Address::of("/health_check"), Some(Address::HealthCheck));
        assert_eq!(Address::of("/probe"), server("probe"));
        assert_eq!(Address::of("/probe/"), server("probe"));
        assert_eq!(Address::of("/pro%62e"), server("probe"));
        assert_eq!(Address::of("/p/alice"), Some(Address::User("p".into(), "alice")));
        assert_eq!(Address::of("/p/alice/"), Some(Address::User("p".into(), "alice")));
        assert_eq!(Address::of("/p/u%2Fv"), Some(Address::User("p".into(), "u%2Fv")));
        assert_eq!(Address::of("/p/a:b/messages/"), Some(Address::Messages("p".into(), "a:b")));
        assert_eq!(Address::of("/p/a/messages"), Some(Address::Messages("p".into(), "a")));
        for none in ["/p/messages", "/p/messages/messages", "/p/mcp", "/p/sse", "/p/a/b", "/p/a/messages/b", "", "*"] {
            assert_eq!(Address::of(none), None, "{none}");
        }
    }

    #[test]
    fn a_session_id_is_read_in_every_form_of_a_uuid() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(plain(id).as_deref(), Some(id));
        assert_eq!(plain("01234567-89AB-cdef-0123-456789abcdef").as_deref(), Some(id));
        assert!(plain("zzz").is_none() && plain("").is_none() && plain(&id[1..]).is_none());
    }
}
