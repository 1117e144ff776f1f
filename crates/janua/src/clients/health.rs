//! The health report of a proxy.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use janua_wire::json::quote;

use super::{Edge, answer};

/// `{"status":"healthy","active_sessions":N,"parked_calls":N,"server_command":"…"}`.
pub(crate) fn report(edge: &Edge) -> Response<Body> {
    if let Some(text) = edge.health_text {
        return answer::text(StatusCode::OK, text);
    }
    let body = format!(
        "{{\"status\":\"healthy\",\"active_sessions\":{},\"parked_calls\":{},\"server_command\":{}}}",
        edge.gateway.sessions.count(),
        edge.gateway.catalog.parked(),
        quote(&edge.label)
    );
    answer::json(StatusCode::OK, bytes::Bytes::from(body).into())
}
