//! Tools as plain HTTP: addresses below `/api`, behind which the gateway keeps a session for each caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method as Verb, Response, StatusCode};
use bytes::Bytes;
use janua_wire::headers::{Accepts, JSON, is_json};

use super::listener::Peer;
use super::{Edge, answer, body, openapi};
use crate::admission::{Slot, overloaded};
use crate::catalog::view::View;
use crate::config::{RestSessions, RestSettings};
use crate::random;
use crate::servers::Place;
use crate::user::Visitor;

mod address;
mod arguments;
mod call;
mod events;
mod problem;
mod questions;
mod results;
mod sessions;
mod things;
mod tools;

use address::{Address, Subject};
use arguments::Schemas;
use problem::Problem;
use questions::Questions;
use sessions::{Entry, Held, Key, Owner, Table};

/// Names the session of a request, if the query does not.
const SESSION: HeaderName = HeaderName::from_static("janua-session");
/// Says on an answer whether the session was there before.
const STATE: HeaderName = HeaderName::from_static("mcp-gateway-session");
/// What a caller prefers (RFC 7240).
const PREFER: HeaderName = HeaderName::from_static("prefer");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The preference of a caller that wants to be asked.
const QUESTIONS: &str = "questions";

/// What all plain HTTP requests of a gateway share.
pub(crate) struct Rest {
    settings: RestSettings,
    sessions: Table,
    schemas: Schemas,
    questions: Questions,
    /// Stands for the session where everybody shares one instance.
    shared: Arc<Entry>,
    /// The number of the next request.
    next: AtomicU64,
}

impl Rest {
    /// With these settings.
    pub(crate) fn new(settings: RestSettings) -> Arc<Rest> {
        Arc::new(Rest {
            settings,
            sessions: Table::default(),
            schemas: Schemas::default(),
            questions: Questions::default(),
            shared: Entry::new(Owner::Anybody),
            next: AtomicU64::new(1),
        })
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// How answers are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As a gateway did that took the session's name from the query: MCP's objects as they are. `error_status`: errors
    /// have statuses that say so.
    Bare { error_status: bool },
    /// As a caller expects who knows nothing of MCP.
    Plain,
}

/// What a server's name leads to.
#[derive(Clone)]
struct Target {
    name: Option<String>,
    place: Arc<dyn Place>,
    /// `None` where there is one server without a name.
    view: Option<Arc<View>>,
}

/// A request, and what it says besides its path and its body.
struct Visit<'a> {
    edge: &'a Edge,
    /// The path under which the routes are, as the caller sees it.
    prefix: &'a str,
    visitor: Visitor,
    parts: &'a Parts,
    form: Form,
    /// The session that it names.
    named: Option<String>,
    /// Whether the caller wants to be asked what the server asks.
    asks: bool,
    /// Whether the caller wants an event stream.
    stream: bool,
}

/// Answers a request below `/api`. `prefix` is the path that the routes are mounted under.
pub(crate) async fn respond(edge: &Edge, prefix: &str, visitor: Visitor, parts: &Parts, body: Body) -> Response<Body> {
    let visit = Visit::new(edge, prefix, visitor, parts);
    let mut answer = match visit.serve(body).await {
        Ok(answer) => answer,
        Err(problem) => problem.answer(visit.form),
    };
    if visit.asks && answer.status().is_success() {
        answer.headers_mut().insert(APPLIED, HeaderValue::from_static(QUESTIONS));
    }
    answer
}

impl<'a> Visit<'a> {
    fn new(edge: &'a Edge, prefix: &'a str, visitor: Visitor, parts: &'a Parts) -> Visit<'a> {
        let asked = parts.uri.query().and_then(|query| parameter(query, "sessionId"));
        let form = match asked {
            Some(_) => Form::Bare { error_status: edge.rest.settings.error_status },
            None => Form::Plain,
        };
        let named = asked.or_else(|| body::text(&parts.headers, &SESSION).map(str::to_owned));
        let accepts = Accepts::of(body::text(&parts.headers, axum::http::header::ACCEPT));
        let preferred = parts.headers.get_all(&PREFER).iter().filter_map(|value| value.to_str().ok());
        let asks = preferred.flat_map(|value| value.split(',')).any(|preference| {
            let token = preference.split([';', '=']).next().unwrap_or_default();
            token.trim().eq_ignore_ascii_case(QUESTIONS)
        });
        Visit { edge, prefix, visitor, parts, form, named, asks, stream: accepts.stream && !accepts.json }
    }

    fn rest(&self) -> &Arc<Rest> {
        &self.edge.rest
    }

    async fn serve(&self, body: Body) -> Result<Response<Body>, Problem> {
        let no_route = || Problem::new(StatusCode::NOT_FOUND, "Invalid REST route");
        let many = self.edge.gateway.catalog.many().is_some();
        let rest = self.parts.uri.path().strip_prefix(&*self.edge.paths.api).ok_or_else(no_route)?;
        let address = Address::read(rest, &self.parts.method, many).ok_or_else(no_route)?;
        let allowed = HeaderValue::from_static(address.subject.allowed());
        if self.parts.method == Verb::OPTIONS {
            let mut answer = answer::empty(StatusCode::NO_CONTENT);
            answer.headers_mut().insert(ALLOW, allowed);
            return Ok(answer);
        }
        if !address.subject.allows(&self.parts.method) {
            let message = format!("this address is for {}", address.subject.allowed());
            let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, message).answer(self.form);
            answer.headers_mut().insert(ALLOW, allowed);
            return Ok(answer);
        }
        match address.subject {
            Subject::Everything => return Ok(things::everything(self)),
            Subject::SessionId => return Ok(json(format!("{{\"sessionId\":\"{}\"}}", random::uuid()))),
            Subject::Session(name) => return self.end(&name),
            Subject::Document(format) => {
                let name = address.server.as_deref();
                return Ok(openapi::answer(self.edge, name, format, self.parts, self.prefix).await);
            }
            _ => {}
        }
        let target = self.target(address.server)?;
        let slot = self.admit()?;
        match address.subject {
            Subject::Tool(name) => tools::call(self, &target, (&name, address.is_split), (body, slot)).await,
            Subject::Question(handle) => tools::answer(self, &target, &handle, body, slot).await,
            Subject::Prompt(name) => things::prompt(self, &target, &name, (body, slot)).await,
            Subject::Completion => things::completion(self, &target, (body, slot)).await,
            Subject::Content => things::content(self, &target, slot).await,
            Subject::List(list) => things::lists(self, &target, &[list], slot).await,
            _ => things::lists(self, &target, &janua_wire::method::LISTS, slot).await,
        }
    }

    fn target(&self, name: Option<String>) -> Result<Target, Problem> {
        let catalog = &self.edge.gateway.catalog;
        let unknown = || Problem::new(StatusCode::NOT_FOUND, "Server not found");
        match name {
            Some(name) => {
                let view = catalog.view(&name).ok_or_else(unknown)?;
                Ok(Target { name: Some(name), place: view.clone(), view: Some(view) })
            }
            None => Ok(Target { name: None, place: catalog.place(None).map_err(|_| unknown())?, view: None }),
        }
    }

    fn admit(&self) -> Result<Slot, Problem> {
        let requests = &self.edge.gateway.admission.requests;
        requests.take().ok_or_else(|| overloaded(requests).into())
    }

    /// Reads a body that is to be JSON. The older gateway took it whatever its type was said to be.
    async fn read(&self, body: Body) -> Result<(Bytes, Slot), Problem> {
        let media = body::text(&self.parts.headers, &CONTENT_TYPE);
        let unsaid = media == Some("application/x-www-form-urlencoded") && self.form != Form::Plain;
        if !is_json(media) && !unsaid {
            let message = "the content type must be application/json in UTF-8; with curl: --json instead of -d";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        Ok(body::take(self.parts, body, &self.edge.gateway).await?)
    }

    /// Whether the session's name is one, and there where one is required.
    fn check_name(&self) -> Result<(), Problem> {
        let refuse = |message: &str| Err(Problem::new(StatusCode::BAD_REQUEST, message));
        match self.named.as_deref() {
            Some("") => refuse("sessionId query parameter is required"),
            Some(name) if !sessions::is_name(name) => {
                refuse("the name of a session is 1 to 128 characters of A-Z, a-z, 0-9, `.`, `_`, `~` and `-`")
            }
            None if self.rest().settings.sessions == RestSessions::Required && !self.edge.stateless => {
                refuse("sessionId query parameter is required")
            }
            _ => Ok(()),
        }
    }

    /// Who the caller is, as far as that can be told.
    fn account(&self) -> Owner {
        let address = || self.parts.extensions.get::<Peer>().map(|peer| Owner::Address(peer.0));
        let principal = self.visitor.principal.clone().map(Owner::Principal);
        principal.or_else(address).unwrap_or(Owner::Anybody)
    }

    /// Who may use what the caller begins: whoever it is, and if nobody has to authenticate, whoever knows its name.
    fn owner(&self) -> Owner {
        self.visitor.principal.clone().map_or(Owner::Anybody, Owner::Principal)
    }

    fn key(&self, target: &Target) -> Key {
        let owner = if self.named.is_some() { self.owner() } else { self.account() };
        let (user, name, server) = (self.visitor.user.clone(), self.named.clone(), target.name.clone());
        Key { owner, user, name, server, asks: self.asks }
    }

    /// The session that the request belongs to, with a place in it.
    async fn enter(&self, target: &Target, slot: Slot) -> Result<Held, Problem> {
        if self.edge.stateless {
            return Ok(sessions::shared(&self.visitor, slot));
        }
        let gateway = &self.edge.gateway;
        let (key, asker) = ((self.key(target), self.account()), (&self.visitor, slot));
        let is_ephemeral = self.named.is_none() && self.rest().settings.sessions == RestSessions::Ephemeral;
        let entered = if is_ephemeral {
            sessions::ephemeral(gateway, target, key, asker).await
        } else {
            self.rest().sessions.enter(gateway, target, key, asker).await
        };
        Ok(entered?)
    }

    /// Ends the sessions of a name.
    fn end(&self, name: &str) -> Result<Response<Body>, Problem> {
        if self.rest().sessions.end(&self.edge.gateway, &self.owner(), name) {
            return Ok(answer::empty(StatusCode::NO_CONTENT));
        }
        Err(Problem::new(StatusCode::NOT_FOUND, "there is no such session"))
    }
}

/// The first value of a parameter of a query.
fn parameter(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn json(text: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(text.into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}
