//! The addresses and answers of mcpo: each tool a POST, and a description of them for each server.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use axum::routing::{MethodRouter, any};
use bytes::Bytes;
use janua_wire::base64;
use janua_wire::message;
use janua_wire::version::Version;
use serde_json::Value;

use super::{Edge, LIVE, READY, Route, answer, body, docs, envelope, session_key};
use crate::admission::overloaded;
use crate::call::Call;
use crate::catalog::offers::Basis;
use crate::config::{Hashed, Secret, mended};
use crate::lock::Lock;
use crate::observe::Origin;
use crate::observe::metrics as counts;
use crate::openapi::mcpo::{self as description, Service};
use crate::servers::outcome;
use crate::user::Visitor;
use crate::{local, pipeline, sessions};

mod arguments;
mod form;

use arguments::Arguments;

/// How long a wrong key waits for its answer: guessing takes time.
const PAUSE: Duration = Duration::from_millis(500);

/// What mcpo is told about its addresses and itself.
#[derive(Clone, Default)]
pub struct Mcpo {
    /// The only server, whose tools are at the root; without it, each server is at its name.
    pub only: Option<String>,
    /// What addresses of servers begin and end with: `/`, or more.
    pub path_prefix: String,
    /// The path that callers put before all others, as whatever stands in front of the gateway needs it; or nothing.
    pub root_path: String,
    /// What the whole is called; the only server's own name if absent.
    pub name: Option<String>,
    /// What is said of the whole; the only server's own words if absent.
    pub description: Option<String>,
    /// The version of the whole; the only server's if absent.
    pub version: Option<String>,
    /// What callers show to call tools.
    pub api_key: Option<Secret>,
    /// Whether they must show it for everything else, too.
    pub strict_auth: bool,
}

/// Those addresses, being served.
pub(crate) struct Face {
    terms: Mcpo,
    tables: Lock<HashMap<String, Arc<Table>>>,
}

/// What one server has, as it was known last.
struct Table {
    basis: Basis,
    tools: HashMap<String, Tool>,
    /// Whether the server has said what it has.
    is_whole: bool,
    description: String,
}

struct Tool {
    text: Bytes,
    arguments: OnceLock<Arguments>,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// The description of a server, or of all.
    Description(Option<String>),
    /// The same for people.
    Page(Option<String>),
    /// What that page needs.
    PageFile(String),
    Tool(String, String),
}

/// The routes: mcpo's wherever nothing else is, and `/mcp`.
pub(super) fn router(edge: Arc<Edge>) -> Router {
    let rest = any(|State(edge): State<Arc<Edge>>, request: Request| async move { serve(&edge, request).await });
    Router::new()
        .route("/mcp", at(Route::Mcp))
        .route("/mcp/", at(Route::Mcp))
        .route("/mcp/{name}", at(Route::Mcp))
        .route(LIVE, super::at(Route::Live))
        .route(READY, super::at(Route::Ready))
        .fallback_service(rest.with_state(edge.clone()))
        .with_state(edge)
}

/// A route that is not mcpo's, for those who show the key.
fn at(route: Route) -> MethodRouter<Arc<Edge>> {
    any(move |State(edge): State<Arc<Edge>>, name: Option<Path<String>>, request: Request| async move {
        let (parts, body) = request.into_parts();
        let refused = match &edge.mcpo {
            // A browser asks without the key whether a page may send it.
            Some(face) if parts.method != Method::OPTIONS => face.check(&parts, true).await.err(),
            _ => None,
        };
        match refused {
            Some(refused) => edge.finish(refused),
            None => super::serve(&edge, route, name.map(|Path(name)| name), Request::from_parts(parts, body)).await,
        }
    })
}

async fn serve(edge: &Edge, request: Request) -> Response<Body> {
    let Some(face) = &edge.mcpo else { return not_found() };
    let (parts, body) = request.into_parts();
    let pass = match edge.enter(&parts, false) {
        Ok((pass, _)) => pass,
        Err(refused) => return edge.finish(refused),
    };
    let preflight = parts.method == Method::OPTIONS && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let answer = if preflight { answer::empty(StatusCode::NO_CONTENT) } else { face.respond(edge, &parts, body).await };
    edge.gateway.observer.metrics.answered(counts::Route::Api, answer.status().as_u16());
    edge.finish(pass.put_on(answer))
}

impl Face {
    pub(crate) fn new(terms: Mcpo) -> Self {
        Face { terms, tables: Lock::default() }
    }

    async fn respond(&self, edge: &Edge, parts: &Parts, body: Body) -> Response<Body> {
        if self.terms.strict_auth
            && let Err(refused) = self.check(parts, true).await
        {
            return refused;
        }
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        match self.target(parts.uri.path()) {
            None => not_found(),
            Some(Target::Description(_) | Target::Page(_) | Target::PageFile(_)) if !is_read => {
                form::not_allowed("GET, HEAD")
            }
            Some(Target::Description(server)) => match self.description(edge, server.as_deref()).await {
                Some(text) => typed(text, "application/json"),
                None => not_found(),
            },
            Some(Target::Page(None)) => page(None),
            Some(Target::Page(Some(server))) => match served(edge, &server) {
                Some(server) => page(self.terms.only.is_none().then_some(&server)),
                None => not_found(),
            },
            Some(Target::PageFile(name)) => docs::file(&name),
            Some(Target::Tool(server, tool)) => self.call(edge, parts, body, &server, &tool).await,
        }
    }

    /// What a path leads to.
    fn target(&self, path: &str) -> Option<Target> {
        let Mcpo { only, path_prefix, root_path, .. } = &self.terms;
        let path = session_key::decoded(path)?;
        let below = path.strip_prefix(root_path.as_str()).filter(|below| below.starts_with('/'));
        let path = below.unwrap_or(&path);
        match path {
            "/openapi.json" => return Some(Target::Description(only.clone())),
            "/docs" => return Some(Target::Page(only.clone())),
            _ => {}
        }
        if let Some((_, file)) = path.split_once("/docs/-/") {
            return Some(Target::PageFile(file.to_owned()));
        }
        let (server, rest) = match only {
            Some(only) => (only.as_str(), path.strip_prefix('/')?),
            None => path.strip_prefix(path_prefix.as_str())?.split_once('/')?,
        };
        let server = server.to_owned();
        match rest {
            "" => None,
            "openapi.json" => Some(Target::Description(Some(server))),
            "docs" => Some(Target::Page(Some(server))),
            tool => Some(Target::Tool(server, tool.to_owned())),
        }
    }

    async fn call(&self, edge: &Edge, parts: &Parts, body: Body, server: &str, named: &str) -> Response<Body> {
        let Some((server, table)) = self.table(edge, server).await else { return not_found() };
        let bare = named.strip_suffix('/').filter(|bare| table.tools.contains_key(*bare));
        let named = bare.unwrap_or(named);
        let tool = table.tools.get(named);
        if tool.is_none() && table.is_whole {
            return not_found();
        }
        if parts.method != Method::POST {
            return form::not_allowed("POST");
        }
        if let Err(refused) = self.check(parts, self.terms.strict_auth).await {
            return refused;
        }
        let requests = &edge.gateway.admission.requests;
        let Some(_slot) = requests.take() else { return form::failed(&overloaded(requests)) };
        let (text, _held) = match body::take(parts, body, &edge.gateway).await {
            Ok(read) => read,
            Err(body::Unread::Refused(status, why)) => return form::plain(status, &why),
            Err(body::Unread::Crowded(why)) => return form::failed(&why),
        };
        // Of a server that is not there, nothing is known that could be checked; whoever calls it is told why.
        let unknown = OnceLock::new();
        let arguments = tool.map_or_else(|| unknown.get_or_init(|| Arguments::of(None)), Tool::arguments);
        let arguments = match arguments.read(&text) {
            Ok(arguments) => arguments,
            Err(faults) => return form::detail(StatusCode::UNPROCESSABLE_ENTITY, &Value::Array(faults)),
        };
        let Ok(place) = edge.gateway.catalog.place(Some(&server)) else { return not_found() };
        let request = match message::Request::tool_call(0, named, &arguments, false) {
            Ok(request) => envelope::with_trace(&parts.headers, request),
            Err(why) => return form::plain(StatusCode::UNPROCESSABLE_ENTITY, &why.to_string()),
        };
        let origin = Origin { transport: sessions::Kind::Rest.name(), session: None };
        let call = Call { request, caller: local::anybody(Version::NEWEST_LEGACY, &Visitor::default()) };
        form::answer(&outcome(pipeline::handle(&edge.gateway, &place, call, origin).await).await)
    }

    /// What is known of a server, by the name that it is served under.
    async fn table(&self, edge: &Edge, server: &str) -> Option<(String, Arc<Table>)> {
        let server = served(edge, server)?;
        let basis = edge.gateway.catalog.basis(Some(&server)).await.ok()?;
        let held = self.tables.lock().get(&server).filter(|table| table.basis.is(&basis)).cloned();
        let table = held.unwrap_or_else(|| {
            let made = Arc::new(self.made(&server, basis));
            self.tables.lock().insert(server.clone(), made.clone());
            made
        });
        Some((server, table))
    }

    fn made(&self, server: &str, basis: Basis) -> Table {
        let offer = basis.offers().into_iter().next().unwrap_or_default();
        let Mcpo { only, path_prefix, root_path, name, description, version, api_key, .. } = &self.terms;
        let mut service = Service::of(server, discovered(&basis));
        let mut address = root_path.clone();
        if only.is_some() {
            service.title = name.clone().unwrap_or(service.title);
            service.description = description.clone().unwrap_or(service.description);
            service.version = version.clone().unwrap_or(service.version);
        } else {
            address = format!("{root_path}{path_prefix}{server}");
        }
        let description = description::of_server(&service, &address, &offer.tools, api_key.is_some());
        let tool = |(name, text)| (name, Tool { text, arguments: OnceLock::new() });
        let tools = offer.tools.into_iter().map(tool).collect();
        Table { basis, tools, is_whole: offer.unavailable.is_empty(), description }
    }

    /// The description of a server, or of all.
    async fn description(&self, edge: &Edge, server: Option<&str>) -> Option<String> {
        if let Some(server) = server {
            return Some(self.table(edge, server).await?.1.description.clone());
        }
        let Mcpo { path_prefix, root_path, name, description, version, .. } = &self.terms;
        let mut service = Service::of_all();
        service.title = name.clone().unwrap_or(service.title);
        service.description = description.clone().unwrap_or(service.description);
        service.version = version.clone().unwrap_or(service.version);
        let servers: Vec<String> = edge.gateway.catalog.many()?.now().servers.keys().cloned().collect();
        Some(description::of_all(&service, root_path, path_prefix, &servers))
    }

    /// Whether a request shows the key, if there is one; as a password, too, where everything is protected.
    async fn check(&self, parts: &Parts, strict: bool) -> Result<(), Response<Body>> {
        let Some(key) = &self.terms.api_key else { return Ok(()) };
        let given = parts.headers.get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        let (scheme, shown) = given.split_at(given.iter().position(|b| *b == b' ').unwrap_or(given.len()));
        let shown = shown.trim_ascii_start();
        let unauthorized = |why: &str| {
            let mut answer = form::plain(StatusCode::UNAUTHORIZED, why);
            let challenge = HeaderValue::from_static(if strict { "Bearer, Basic" } else { "Bearer" });
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            answer
        };
        let (shown, wrong) = if scheme.eq_ignore_ascii_case(b"bearer") && !shown.is_empty() {
            (shown.to_vec(), "Invalid API key")
        } else if strict && scheme.eq_ignore_ascii_case(b"basic") {
            let pair = base64::decode(shown).unwrap_or_default();
            let Some(colon) = pair.iter().position(|b| *b == b':') else {
                return Err(unauthorized("Invalid Basic Authentication format"));
            };
            (pair[colon + 1..].to_vec(), "Invalid credentials")
        } else if strict && !given.is_empty() {
            return Err(unauthorized("Unsupported authorization method"));
        } else {
            return Err(unauthorized("Missing or invalid Authorization header"));
        };
        if Hashed::of(&shown) == Hashed::of(key.expose().as_bytes()) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
        Err(form::plain(StatusCode::FORBIDDEN, wrong))
    }
}

impl Tool {
    /// What its arguments must be, found out when it is called first.
    fn arguments(&self) -> &Arguments {
        self.arguments.get_or_init(|| {
            let tool = serde_json::from_slice::<Value>(&self.text).unwrap_or_default();
            Arguments::of(tool.get("inputSchema"))
        })
    }
}

/// What the server says of itself, raw.
fn discovered(basis: &Basis) -> Option<&[u8]> {
    let Basis::Named(views) = basis else { return None };
    views.iter().flat_map(|(_, merged)| merged.known.iter().flatten()).map(|known| &known.discovered[..]).next()
}

/// The name under which a server is served: the one in an address, or the one that was made of it.
fn served(edge: &Edge, named: &str) -> Option<String> {
    let names = [named.to_owned(), mended(named)];
    names.into_iter().find(|name| edge.gateway.catalog.place(Some(name)).is_ok())
}

/// The page of a server, or of all. What it needs is beside it, wherever that is seen from.
fn page(server: Option<&String>) -> Response<Body> {
    docs::of_document(server.map(String::as_str), "openapi.json", "docs")
}

fn not_found() -> Response<Body> {
    form::plain(StatusCode::NOT_FOUND, "Not Found")
}

fn typed(text: String, kind: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(terms: &Mcpo, path: &str) -> Option<Target> {
        Face::new(terms.clone()).target(path)
    }

    fn tool(server: &str, tool: &str) -> Target {
        Target::Tool(server.to_owned(), tool.to_owned())
    }

    #[test]
    fn a_single_server_is_at_the_root() {
        let terms = Mcpo { only: Some("s".to_owned()), path_prefix: "/pre/".to_owned(), ..Mcpo::default() };
        let own = || Some("s".to_owned());
        for (path, wanted) in [
            ("/get_time", Some(tool("s", "get_time"))),
            ("/bare/name", Some(tool("s", "bare/name"))),
            ("/bare%2Fname", Some(tool("s", "bare/name"))),
            ("/openapi.json", Some(Target::Description(own()))),
            ("/docs", Some(Target::Page(own()))),
            ("/", None),
            ("/%ff", None),
        ] {
            assert_eq!(target(&terms, path), wanted, "{path}");
        }
    }

    #[test]
    fn servers_are_at_their_names() {
        let plain = Mcpo { path_prefix: "/".to_owned(), ..Mcpo::default() };
        let deep = Mcpo { path_prefix: "/a/b/".to_owned(), root_path: "/rp".to_owned(), ..Mcpo::default() };
        let named = || Some("one".to_owned());
        for (terms, path, wanted) in [
            (&plain, "/one/echo", Some(tool("one", "echo"))),
            (&plain, "/my%20server/a/b", Some(tool("my server", "a/b"))),
            (&plain, "/one", None),
            (&plain, "/one/", None),
            (&plain, "/openapi.json", Some(Target::Description(None))),
            (&plain, "/one/openapi.json", Some(Target::Description(named()))),
            (&deep, "/a/b/one/echo", Some(tool("one", "echo"))),
            (&deep, "/rp/a/b/one/docs", Some(Target::Page(named()))),
            (&deep, "/rp/openapi.json", Some(Target::Description(None))),
            (&deep, "/one/echo", None),
        ] {
            assert_eq!(target(terms, path), wanted, "{path}");
        }
    }
}
