//! Facing MCP clients: the routes, and what every request passes before anything looks at its content.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use axum::routing::{MethodRouter, any};
use janua_wire::error::INVALID_REQUEST;
use janua_wire::headers::SESSION_ID;

use crate::admission::{Slot, overloaded};
use crate::gateway::Gateway;
use crate::observe::metrics as counts;
use crate::servers::Place;
use crate::sessions::{self, Session};
use crate::user::Visitor;

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod docs;
pub(crate) mod doors;
pub(crate) mod duplex;
pub(crate) mod envelope;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod listener;
pub(crate) mod mcpo;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod rest;
pub(crate) mod session_key;
pub(crate) mod sse;
pub(crate) mod stateless;
pub(crate) mod stdio;
pub(crate) mod streamable_http;
pub(crate) mod websocket;

use gate::Gate;
use guard::{Guard, Pass};
use listener::Crowded;
use openapi::{Documents, Format};

/// Where things are, relative to where the router is mounted. What has an empty path is not served.
#[derive(Clone)]
pub(crate) struct Paths {
    pub(crate) mcp: String,
    pub(crate) sse: String,
    pub(crate) messages: String,
    pub(crate) ws: String,
    pub(crate) health: Vec<String>,
    /// Put before the message path in the `endpoint` event, for clients behind a proxy that rewrites paths.
    pub(crate) base_url: String,
    /// Below it each server and view has the paths of the transports, too, if there are several; empty: it has not.
    pub(crate) servers: String,
    /// Below it tools and the rest are plain HTTP.
    pub(crate) api: String,
    /// What the paths without a name lead to, if there are several; `None`: to all.
    pub(crate) root: Option<String>,
    /// Whether each server and view has the addresses of guMCP and acehoss/mcp-gateway, too, if there are several.
    pub(crate) doors: bool,
    /// The addresses of mcpo in the stead of most others.
    pub(crate) mcpo: Option<mcpo::Mcpo>,
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
            servers: String::new(),
            api: "/api".to_owned(),
            root: None,
            doors: true,
            mcpo: None,
        }
    }
}

/// What the HTTP routes share.
pub(crate) struct Edge {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) guard: Guard,
    /// What requests have passed before they come here.
    pub(crate) gate: Arc<Gate>,
    pub(crate) paths: Paths,
    /// Whether requests are served without sessions.
    pub(crate) stateless: bool,
    /// What the server is, for the health report.
    pub(crate) label: String,
    /// Headers put on every answer.
    pub(crate) headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// What plain HTTP requests share.
    pub(crate) rest: Arc<rest::Rest>,
    /// What the health routes answer instead of the JSON document.
    pub(crate) health_text: Option<&'static str>,
    /// The addresses of mcpo, if they are served.
    pub(crate) mcpo: Option<mcpo::Face>,
    /// The descriptions of what is served that were made last.
    pub(crate) documents: Documents,
}

/// A request that was let in: where it leads, and who has sent it.
pub(crate) struct Arrival {
    pub(crate) place: Arc<dyn Place>,
    pub(crate) visitor: Visitor,
}

impl Arrival {
    /// Whether a session is at this place, and of this visitor.
    fn leads_to(&self, session: &Session) -> bool {
        Arc::ptr_eq(&session.place, &self.place) && session.belongs_to(&self.visitor)
    }
}

/// Says that the process runs.
pub(crate) const LIVE: &str = "/livez";
/// Says whether new work is accepted.
pub(crate) const READY: &str = "/readyz";

/// Paths that are served unless something else is wanted there.
const FIXED: [(&str, Route); 5] = [
    (LIVE, Route::Live),
    (READY, Route::Ready),
    ("/openapi.json", Route::OpenApi),
    ("/docs", Route::Docs),
    ("/docs/-/{file}", Route::DocsFile),
];

/// What a path is for.
#[derive(Clone, Copy)]
enum Route {
    Mcp,
    Sse,
    Messages,
    WebSocket,
    Api,
    Health,
    Live,
    Ready,
    OpenApi,
    Docs,
    DocsFile,
}

impl Route {
    /// The same, for the count.
    fn counted(self) -> counts::Route {
        match self {
            Route::Mcp => counts::Route::Mcp,
            Route::Sse => counts::Route::Sse,
            Route::Messages => counts::Route::Messages,
            Route::WebSocket => counts::Route::WebSocket,
            Route::Api => counts::Route::Api,
            Route::Health | Route::Live | Route::Ready => counts::Route::Health,
            Route::OpenApi | Route::Docs | Route::DocsFile => counts::Route::OpenApi,
        }
    }
}

/// The routes of one gateway, to be served or nested. An empty path is not served. Below the paths of the transports
/// each server and view has an address of its own, if there are several.
pub(crate) fn router(edge: Arc<Edge>) -> Router {
    if edge.mcpo.is_some() {
        return mcpo::router(edge);
    }
    let paths = edge.paths.clone();
    let mut routes = vec![(paths.mcp, Route::Mcp)];
    if !edge.stateless && !paths.sse.is_empty() {
        routes.extend([(paths.sse, Route::Sse), (paths.messages, Route::Messages)]);
    }
    if !edge.stateless {
        routes.push((paths.ws, Route::WebSocket));
    }
    let is_api = |path: &str| path.trim_end_matches('/') == paths.api;
    if !paths.api.is_empty() && !routes.iter().any(|(path, _)| is_api(path)) && !paths.health.iter().any(|p| is_api(p))
    {
        let below = ["", "/", "/{*rest}"].map(|rest| (format!("{}{rest}", paths.api), Route::Api));
        routes.extend(below);
    }
    routes.extend(paths.health.into_iter().map(|path| (path, Route::Health)));
    for (path, route) in FIXED {
        let describes = matches!(route, Route::OpenApi | Route::Docs | Route::DocsFile);
        // Where a path is set, it is meant to be there instead.
        let is_taken = routes.iter().any(|(taken, _)| taken == path);
        if !is_taken && (!describes || !paths.api.is_empty()) {
            routes.push((path.to_owned(), route));
        }
    }
    if edge.gateway.catalog.many().is_some() && !paths.api.is_empty() {
        routes.push(("/docs/{name}".to_owned(), Route::Docs));
    }
    routes.retain(|(path, _)| !path.is_empty());
    let mut router = Router::new();
    for (path, route) in routes {
        let named =
            matches!(route, Route::Mcp | Route::Sse | Route::WebSocket) && edge.gateway.catalog.many().is_some();
        if named {
            router = router.route(&format!("{}/{{name}}", path.trim_end_matches('/')), at(route));
        }
        if named && !paths.servers.is_empty() {
            router = router.route(&format!("{}/{{name}}{path}", paths.servers), at(route));
        }
        if matches!(route, Route::Mcp) && !path.ends_with('/') {
            router = router.route(&format!("{path}/"), at(route));
        }
        router = router.route(&path, at(route));
    }
    if paths.doors && edge.gateway.catalog.many().is_some() {
        let through = |State(edge): State<Arc<Edge>>, request| async move { doors::serve(&edge, request).await };
        router = router.fallback(through);
    }
    router.with_state(edge)
}

fn at(route: Route) -> MethodRouter<Arc<Edge>> {
    any(move |State(edge): State<Arc<Edge>>, name: Option<Path<String>>, request| async move {
        serve(&edge, route, name.map(|Path(name)| name), request).await
    })
}

async fn serve(edge: &Edge, route: Route, name: Option<String>, request: Request) -> Response<Body> {
    let answer = respond(edge, route, name, request).await;
    edge.gateway.observer.metrics.answered(route.counted(), answer.status().as_u16());
    answer
}

async fn respond(edge: &Edge, route: Route, name: Option<String>, request: Request) -> Response<Body> {
    let mounted = matches!(route, Route::Sse | Route::Api | Route::OpenApi | Route::Docs);
    let prefix = if mounted { prefix_of(&request) } else { String::new() };
    let (parts, body) = request.into_parts();
    let vital = matches!(route, Route::Health | Route::Live | Route::Ready);
    let (pass, visitor) = match edge.enter(&parts, vital) {
        Ok(entered) => entered,
        Err(refused) => return edge.finish(refused),
    };
    if let Route::Api = route {
        let answer = rest::respond(edge, &prefix, visitor, &parts, body).await;
        return edge.finish(pass.put_on(answer));
    }
    if let Some(answer) = described(edge, route, name.as_deref(), &parts, &prefix).await {
        return edge.finish(pass.put_on(answer));
    }
    let name = name.as_deref().or(edge.paths.root.as_deref());
    let in_session = parts.headers.contains_key(SESSION_ID);
    let former = |unknown| edge.gateway.catalog.former(name).filter(|_| in_session).ok_or(unknown);
    let place = match edge.gateway.catalog.place(name).or_else(former) {
        Ok(place) => place,
        Err(unknown) => {
            return edge.finish(pass.put_on(answer::error(StatusCode::NOT_FOUND, None, INVALID_REQUEST, &unknown)));
        }
    };
    let arrival = Arrival { place, visitor };
    let answer = match (route, &parts.method) {
        (Route::Mcp, &Method::POST) => match edge.admit() {
            Ok(slot) => streamable_http::post(edge, &arrival, &parts, body, slot).await,
            Err(refused) => refused,
        },
        (Route::Mcp, &Method::GET) if !edge.stateless => streamable_http::get(edge, &arrival, &parts),
        (Route::Mcp, &Method::DELETE) if !edge.stateless => streamable_http::delete(edge, &arrival, &parts),
        (Route::Sse, &Method::GET) => sse::open(edge, arrival, &prefix),
        (Route::Messages, &Method::POST) => match edge.admit() {
            Ok(_slot) => sse::message(edge, &parts, body, &arrival.visitor).await,
            Err(refused) => refused,
        },
        (Route::WebSocket, &Method::GET) => websocket::open(edge, arrival, &parts),
        (Route::Health, &Method::GET | &Method::HEAD) => health::report(edge),
        (Route::Live, &Method::GET | &Method::HEAD) => health::live(),
        (Route::Ready, &Method::GET | &Method::HEAD) => health::ready(&edge.gateway),
        (_, &Method::OPTIONS) => answer::empty(StatusCode::NO_CONTENT),
        (Route::Mcp, _) if edge.stateless => answer::not_allowed("POST, OPTIONS"),
        (Route::Mcp, _) => answer::not_allowed("POST, GET, DELETE, OPTIONS"),
        (Route::Sse | Route::WebSocket, _) => answer::not_allowed("GET, OPTIONS"),
        (Route::Messages, _) => answer::not_allowed("POST, OPTIONS"),
        (Route::Api, _) => answer::empty(StatusCode::NOT_FOUND),
        (Route::Health | Route::Live | Route::Ready | Route::OpenApi | Route::Docs | Route::DocsFile, _) => {
            answer::not_allowed("GET, HEAD, OPTIONS")
        }
    };
    edge.finish(pass.put_on(answer))
}

/// What describes the gateway rather than being a part of its service.
async fn described(
    edge: &Edge,
    route: Route,
    name: Option<&str>,
    parts: &Parts,
    prefix: &str,
) -> Option<Response<Body>> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    Some(match route {
        Route::OpenApi => openapi::answer(edge, name, Format::Json, parts, prefix).await,
        Route::Docs => docs::page(edge, name, prefix),
        Route::DocsFile => docs::file(name.unwrap_or_default()),
        _ => return None,
    })
}

impl Edge {
    /// Who has sent a request that may go on, or the answer that refuses it. What is `vital` is answered even where
    /// there are too many connections.
    fn enter(&self, parts: &Parts, vital: bool) -> Result<(Pass, Visitor), Response<Body>> {
        let pass = self.guard.check(parts)?;
        match parts.extensions.get() {
            Some(Crowded(why)) if !vital => Err(pass.put_on(answer::refused(why))),
            _ => match self.visitor(parts) {
                Some(visitor) => Ok((pass, visitor)),
                None => Err(self.gate.too_late(parts)),
            },
        }
    }

    /// The session of that id, if it is at the same place and of the same visitor.
    pub(crate) fn session(&self, id: &str, arrival: &Arrival) -> Option<Arc<Session>> {
        let session = self.gateway.sessions.get(id, sessions::Kind::StreamableHttp)?;
        arrival.leads_to(&session).then_some(session)
    }

    /// Who has sent a request; `None` if it has passed no gate that there is.
    pub(crate) fn visitor(&self, parts: &Parts) -> Option<Visitor> {
        let visitor = parts.extensions.get::<Visitor>().cloned();
        visitor.or_else(|| (!self.gate.is_closed()).then(Visitor::default))
    }

    /// Lets a request in before anything is read of it but its head.
    fn admit(&self) -> Result<Slot, Response<Body>> {
        let requests = &self.gateway.admission.requests;
        requests.take().ok_or_else(|| answer::refused(&overloaded(requests)))
    }

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
