//! Whether the gateway is well: for people, and for those who start and stop it.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use janua_wire::json::quote;

use super::{Edge, answer};
use crate::admission::Figure;
use crate::gateway::Gateway;

/// `{"status":"healthy","active_sessions":N,"parked_calls":N,"server_command":"…","limits":{"requests":{…},…}}`; what
/// there is of each limit, how much there may be, and how often there was no more.
pub(crate) fn report(edge: &Edge) -> Response<Body> {
    if let Some(text) = edge.health_text {
        return answer::text(StatusCode::OK, text);
    }
    let mut limits = String::new();
    for Figure { name, limit, current, rejected } in edge.gateway.figures() {
        let comma = if limits.is_empty() { "" } else { "," };
        let _ = write!(limits, "{comma}\"{name}\":{{\"current\":{current},\"limit\":{limit},\"rejected\":{rejected}}}");
    }
    let body = format!(
        "{{\"status\":\"healthy\",\"active_sessions\":{},\"parked_calls\":{},\"server_command\":{},\"limits\":{{{limits}}}}}",
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
