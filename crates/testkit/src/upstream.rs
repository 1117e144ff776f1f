//! Scripted MCP servers over HTTP and WebSocket in hand-written JSON, for testing a gateway's client side.

/// Fixed answers by path.
pub mod canned;
/// One client's side of the talk: requests, tools, open questions.
mod conversation;
/// Encryption, with certificates of its own.
pub mod encrypted;
/// Headers that repeat what the body says.
mod mirror;
/// The Streamable HTTP transport of 2026-07-28.
pub mod modern;
/// WebSocket in 2026-07-28.
pub mod modern_socket;
#[cfg(test)]
mod modern_tests;
/// The events of one stream, kept so that it can be resumed.
mod outlet;
/// A proxy that leads every name to one address.
pub mod proxy;
/// A listening socket, its connections and what they asked.
pub mod site;
/// The HTTP+SSE transport of 2024-11-05.
pub mod sse;
/// The Streamable HTTP transport of the legacy era.
pub mod streamable;
#[cfg(test)]
mod tests;
/// WebSocket, a message a text frame.
pub mod websocket;

use std::collections::BTreeMap;

use http::{HeaderValue, Response, StatusCode};

use crate::client::message;
use crate::upstream::site::Body;

/// What every scripted server can be told about its MCP side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// The version to answer initialize with; the client's own when none is set.
    pub(crate) version: Option<String>,
    /// Results by method, as JSON text; they come before the built-in ones.
    pub(crate) results: BTreeMap<String, String>,
}

/// A response with a complete body.
pub(crate) fn whole(status: StatusCode, kind: &'static str, body: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::whole(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    response
}

/// A JSON-RPC error with no id, as a server says it that cannot tell which request it was.
pub(crate) fn refusal(status: StatusCode, code: i64, reason: &str) -> Response<Body> {
    whole(status, "application/json", message::error("null", code, reason))
}

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::whole(String::new()));
    *response.status_mut() = status;
    response
}

/// An event stream.
pub(crate) fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    headers.insert("cache-control", HeaderValue::from_static("no-cache"));
    response
}
