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
pub(crate) mod envelope;
pub(crate) mod events;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod listener;
pub(crate) mod sse;
pub(crate) mod stateless;
pub(crate) mod stdio;
pub(crate) mod streamable_http;
pub(crate) mod websocket;

use guard::Guard;

/// Where things are, relative to where the router is mounted. What has an empty path is not served.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) mcp: String,
    pub(crate) sse: String,
    pub(crate) messages: String,
    pub(crate) ws: String,
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
            ws: "/ws".to_owned(),
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
    /// What the server is, for the health report.
    pub(crate) label: String,
    /// Headers put on every answer.
    pub(crate) headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// What the health routes answer instead of the JSON document.
    pub(crate) health_text: Option<&'static str>,
}

/// What a path is for.
#[derive(Clone, Copy)]
enum Place {
    Mcp,
    Sse,
    Messages,
    WebSocket,
    Health,
}

/// The routes of one gateway, to be served or nested. An empty path is not served.
pub(crate) fn router(edge: Arc<Edge>) -> Router {
    let paths = edge.paths.clone();
    let mut places = vec![(paths.mcp.clone(), Place::Mcp)];
    if !paths.mcp.is_empty() && !paths.mcp.ends_with('/') {
        places.push((format!("{}/", paths.mcp), Place::Mcp));
    }
    if !edge.stateless && !paths.sse.is_empty() {
        places.extend([(paths.sse, Place::Sse), (paths.messages, Place::Messages)]);
    }
    if !edge.stateless {
        places.push((paths.ws, Place::WebSocket));
    }
    places.extend(paths.health.into_iter().map(|path| (path, Place::Health)));
    places.retain(|(path, _)| !path.is_empty());
    let mut router = Router::new();
    for (path, place) in places {
        let serve = move |State(edge): State<Arc<Edge>>, request| async move { serve(&edge, place, request).await };
        router = router.route(&path, any(serve));
    }
    router.with_state(edge)
}

async fn serve(edge: &Edge, place: Place, request: Request) -> Response<Body> {
    let prefix = if let Place::Sse = place { prefix_of(&request) } else { String::new() };
    let (parts, body) = request.into_parts();
    let pass = match edge.guard.check(&parts) {
        Ok(pass) => pass,
        Err(refused) => return edge.finish(refused),
    };
    let answer = match (place, &parts.method) {
        (Place::Mcp, &Method::POST) => streamable_http::post(edge, &parts, body).await,
        (Place::Mcp, &Method::GET) if !edge.stateless => streamable_http::get(edge, &parts),
        (Place::Mcp, &Method::DELETE) if !edge.stateless => streamable_http::delete(edge, &parts),
        (Place::Sse, &Method::GET) => sse::open(edge, &prefix),
        (Place::Messages, &Method::POST) => sse::message(edge, &parts, body).await,
        (Place::WebSocket, &Method::GET) => websocket::open(edge, &parts),
        (Place::Health, &Method::GET | &Method::HEAD) => health::report(edge),
        (_, &Method::OPTIONS) => answer::empty(StatusCode::NO_CONTENT),
        (Place::Mcp, _) if edge.stateless => answer::not_allowed("POST, OPTIONS"),
        (Place::Mcp, _) => answer::not_allowed("POST, GET, DELETE, OPTIONS"),
        (Place::Sse | Place::WebSocket, _) => answer::not_allowed("GET, OPTIONS"),
        (Place::Messages, _) => answer::not_allowed("POST, OPTIONS"),
        (Place::Health, _) => answer::not_allowed("GET, HEAD, OPTIONS"),
    };
    edge.finish(pass.put_on(answer))
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
