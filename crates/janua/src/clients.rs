//! Facing MCP clients: the routes, and what every request passes before anything looks at its content.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use axum::routing::any;

use crate::gateway::Gateway;

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod duplex;
pub(crate) mod events;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod listener;
pub(crate) mod sse;
pub(crate) mod stdio;
pub(crate) mod streamable_http;

use guard::Guard;

/// Where things are, relative to where the router is mounted. What has an empty path is not served.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) mcp: String,
    pub(crate) sse: String,
    pub(crate) messages: String,
    pub(crate) health: Vec<String>,
    /// Put before the message path in the `endpoint` event, for clients behind a proxy that rewrites paths.
    pub(crate) base_url: String,
}

impl Default for Paths {
    fn default() -> Self {
        Paths {
            mcp: "/mcp".to_owned(),
            sse: "/sse".to_owned(),
            messages: "/messages".to_owned(),
            health: vec!["/health".to_owned()],
            base_url: String::new(),
        }
    }
}

/// What the HTTP routes share.
pub(crate) struct Edge {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) guard: Guard,
    pub(crate) paths: Paths,
    /// Whether requests are served without sessions.
    pub(crate) stateless: bool,
    /// Answers for requests that succeed come as an event stream although they could be one JSON object.
    pub(crate) label: String,
    /// Headers put on every answer.
    pub(crate) headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// What the health routes answer instead of the JSON document.
    pub(crate) health_text: Option<&'static str>,
}

/// The routes of one gateway, to be served or nested.
pub(crate) fn router(edge: Arc<Edge>) -> Router {
    let mcp = edge.paths.mcp.clone();
    let mut router = Router::new();
    if !mcp.is_empty() {
        router = router.route(&mcp, any(serve_mcp));
    }
    if !mcp.is_empty() && !mcp.ends_with('/') {
        router = router.route(&format!("{mcp}/"), any(serve_mcp));
    }
    if !edge.stateless && !edge.paths.sse.is_empty() {
        router = router.route(&edge.paths.sse, any(serve_sse)).route(&edge.paths.messages, any(serve_messages));
    }
    for path in &edge.paths.health {
        router = router.route(path, any(serve_health));
    }
    router.with_state(edge)
}

async fn serve_mcp(State(edge): State<Arc<Edge>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match edge.guard.check(&parts) {
        Err(refused) => refused,
        Ok(pass) => {
            let answer = match parts.method {
                Method::POST => streamable_http::post(&edge, &parts, body).await,
                Method::GET if !edge.stateless => streamable_http::get(&edge, &parts),
                Method::DELETE if !edge.stateless => streamable_http::delete(&edge, &parts),
                Method::OPTIONS => answer::empty(StatusCode::NO_CONTENT),
                _ if edge.stateless => answer::not_allowed("POST, OPTIONS"),
                _ => answer::not_allowed("POST, GET, DELETE, OPTIONS"),
            };
            edge.finish(pass.put_on(answer))
        }
    }
}

async fn serve_sse(State(edge): State<Arc<Edge>>, request: Request) -> Response<Body> {
    let prefix = prefix_of(&request);
    let (parts, _) = request.into_parts();
    match edge.guard.check(&parts) {
        Err(refused) => refused,
        Ok(pass) => {
            let answer = match parts.method {
                Method::GET => sse::open(&edge, &prefix),
                Method::OPTIONS => answer::empty(StatusCode::NO_CONTENT),
                _ => answer::not_allowed("GET, OPTIONS"),
            };
            edge.finish(pass.put_on(answer))
        }
    }
}

async fn serve_messages(State(edge): State<Arc<Edge>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match edge.guard.check(&parts) {
        Err(refused) => refused,
        Ok(pass) => {
            let answer = match parts.method {
                Method::POST => sse::message(&edge, &parts, body).await,
                Method::OPTIONS => answer::empty(StatusCode::NO_CONTENT),
                _ => answer::not_allowed("POST, OPTIONS"),
            };
            edge.finish(pass.put_on(answer))
        }
    }
}

async fn serve_health(State(edge): State<Arc<Edge>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    match edge.guard.check(&parts) {
        Err(refused) => refused,
        Ok(pass) => {
            let answer = match parts.method {
                Method::GET | Method::HEAD => health::report(&edge),
                _ => answer::not_allowed("GET, HEAD"),
            };
            edge.finish(pass.put_on(answer))
        }
    }
}

impl Edge {
    fn finish(&self, mut answer: Response<Body>) -> Response<Body> {
        for (name, value) in &self.headers {
            answer.headers_mut().insert(name.clone(), value.clone());
        }
        answer
    }
}

/// The path the router is mounted under, as the client sees it.
fn prefix_of(request: &Request) -> String {
    let original = request.extensions().get::<axum::extract::OriginalUri>();
    let full = original.map_or(request.uri().path(), |original| original.0.path());
    full.strip_suffix(request.uri().path()).unwrap_or_default().to_owned()
}
