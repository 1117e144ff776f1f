//! The administration of a gateway of many servers: JSON below `/admin/v1`, for those who run it.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::routing::{MethodRouter, any};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;

use crate::catalog::{Applied, Many};
use crate::clients::gate::Gate;
use crate::clients::guard::{Guard, LOOPBACK};
use crate::clients::{Edge, answer};
use crate::config::Finding;
use crate::gateway::Gateway;
use crate::lock::Lock;
use crate::report::{Problem, Refused, Reload, Status, timestamp};
use crate::user::Visitor;
use axum::http::request::Parts;

mod logs;

/// What the routes work with.
pub(crate) struct Admin {
    gateway: Arc<Gateway>,
    guard: Guard,
    /// The same behind a closed gate: there it is reached under every name that clients use.
    closed: Guard,
    gate: Arc<Gate>,
    /// Whether only this machine reaches the gateway.
    is_local: bool,
    reloads: Arc<Reloads>,
    since: Instant,
}

/// What became of the changes of the configuration.
#[derive(Default)]
pub(crate) struct Reloads(Lock<Reload>);

/// What a path is for.
#[derive(Clone, Copy)]
enum Route {
    Status,
    Servers,
    Server,
    Restart,
    Logs,
}

impl Reloads {
    /// Settings were taken over.
    pub(crate) fn applied(&self, applied: &Applied) {
        let Applied { added, removed, changed } = applied.clone();
        *self.0.lock() = Reload { applied: Some(timestamp(SystemTime::now())), added, removed, changed, refused: None };
    }

    /// A configuration could not be taken over.
    pub(crate) fn refused(&self, findings: &[Finding]) {
        let findings = findings.iter().map(Problem::from).collect();
        self.0.lock().refused = Some(Refused { at: timestamp(SystemTime::now()), findings });
    }
}

impl Admin {
    /// The administration of the gateway behind `edge`, which `is_local` if only this machine reaches it.
    pub(crate) fn new(edge: &Edge, is_local: bool, reloads: Arc<Reloads>) -> Self {
        let (gateway, gate) = (edge.gateway.clone(), edge.gate.clone());
        // Stricter than for clients: neither a page elsewhere nor another name of this machine may administrate.
        let guard = Guard { hosts: Some(LOOPBACK.map(str::to_owned).to_vec()), origins: Vec::new(), cors: false };
        let mut names = edge.guard.hosts.clone();
        if let Some(names) = &mut names {
            names.extend(LOOPBACK.map(str::to_owned));
        }
        let closed = Guard { hosts: names, ..guard.clone() };
        Admin { gateway, guard, closed, gate, is_local, reloads, since: Instant::now() }
    }

    /// Whether whoever sends a request with this head may administrate, or the answer that refuses it.
    fn admit(&self, parts: &Parts) -> Result<(), Response<Body>> {
        if self.gate.is_closed() {
            let visitor = parts.extensions.get::<Visitor>().and_then(|visitor| visitor.principal.as_ref());
            if !visitor.is_some_and(|principal| principal.rights().admin) {
                let why = "administration is a right of its own: set `admin: true` on the credential that may";
                return Err(refuse(StatusCode::FORBIDDEN, "forbidden", why));
            }
            return self.closed.check(parts).map(drop);
        }
        if !self.is_local {
            let why = "administration needs authentication, and there is none: let `auth` say who may, let the \
                       gateway listen on 127.0.0.1 and come through a tunnel (ssh -L), or administrate on its machine \
                       with its configuration";
            return Err(refuse(StatusCode::FORBIDDEN, "forbidden", why));
        }
        self.guard.check(parts).map(drop)
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: self.since.elapsed().as_secs(),
            sessions: self.gateway.sessions.count(),
            calls: self.gateway.admission.requests.current(),
            parked: self.gateway.catalog.parked(),
            reload: self.reloads.0.lock().clone(),
        }
    }
}

/// The routes, to be served beside those for clients.
pub(crate) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/admin/v1/status", at(Route::Status))
        .route("/admin/v1/servers", at(Route::Servers))
        .route("/admin/v1/servers/{name}", at(Route::Server))
        .route("/admin/v1/servers/{name}/restart", at(Route::Restart))
        .route("/admin/v1/servers/{name}/logs", at(Route::Logs))
        .with_state(Arc::new(admin))
}

fn at(route: Route) -> MethodRouter<Arc<Admin>> {
    any(
        move |State(admin): State<Arc<Admin>>, name: Option<Path<String>>, RawQuery(query), request: Request| async move {
            let name = name.map(|Path(name)| name).unwrap_or_default();
            serve(&admin, route, &name, &query.unwrap_or_default(), request).await
        },
    )
}

async fn serve(admin: &Arc<Admin>, route: Route, name: &str, query: &str, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    if let Err(refused) = admin.admit(&parts) {
        return refused;
    }
    let Some(many) = admin.gateway.catalog.many() else { return nothing("this gateway has one server without a name") };
    let mut answer = match (route, &parts.method) {
        (Route::Status, &Method::GET) => json(&admin.status()),
        (Route::Servers, &Method::GET) => json(&many.now().reports()),
        (Route::Server, &Method::GET) => match many.now().report(name) {
            Some(report) => json(&report),
            None => nothing(&many.now().missing(name)),
        },
        (Route::Restart, &Method::POST) => restart(many, name).await,
        (Route::Logs, &Method::GET) => logs::answer(admin, many, name, query),
        (Route::Restart, _) => not_allowed("POST"),
        _ => not_allowed("GET"),
    };
    answer.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Gives a server new instances, has one started, and says how it is when it has answered or its time is over.
async fn restart(many: &Arc<Many>, name: &str) -> Response<Body> {
    let served = match many.restart(name) {
        Ok(served) => served,
        Err(missing) => return nothing(&missing),
    };
    tracing::info!(server = name, "server restarted");
    served.look(Instant::now() + served.limits().start).await;
    json(&served.report())
}

fn json(said: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(said) {
        Ok(body) => answer::json(StatusCode::OK, Bytes::from(body).into()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal", &error.to_string()),
    }
}

fn nothing(why: &str) -> Response<Body> {
    refuse(StatusCode::NOT_FOUND, "not_found", why)
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut answer =
        refuse(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &format!("this is asked with {method}"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    answer
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({ "error": { "code": code, "message": message } }).to_string();
    answer::json(status, Bytes::from(body).into())
}
