//! Whether the gateway is well: for people, and for those who start and stop it.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use janua_wire::json::quote;

use super::{Edge, answer};
use crate::gateway::Gateway;

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

/// Whether the process runs: it does, or nobody would say so.
pub(crate) fn live() -> Response<Body> {
    answer::json(StatusCode::OK, bytes::Bytes::from_static(br#"{"status":"alive"}"#).into())
}

/// Whether new work is accepted: `{"status":"ready","not_ready":[]}`, or 503 with the reasons why not.
pub(crate) fn ready(gateway: &Gateway) -> Response<Body> {
    let reasons = gateway.unready();
    let (status, word) = match reasons[..] {
        [] => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let reasons: Vec<String> = reasons.iter().map(|reason| quote(reason)).collect();
    let body = format!("{{\"status\":\"{word}\",\"not_ready\":[{}]}}", reasons.join(","));
    answer::json(status, bytes::Bytes::from(body).into())
}
