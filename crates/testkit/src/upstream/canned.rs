//! A server of fixed answers by path: statuses, headers, bodies, redirects, silence, hang-ups.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::transcript::Transcript;
use crate::upstream::empty;
use crate::upstream::site::{Body, HangUp, Seen, Site, silence};

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Answer.
    Reply(Canned),
    /// Take the request and say nothing.
    Silence,
    /// Close the connection without an answer.
    HangUp,
}

/// A fixed answer.
#[derive(Clone, Debug)]
pub struct Canned {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

/// What the server does; made by [`CannedServer::builder`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    port: u16,
    plans: BTreeMap<String, VecDeque<Plan>>,
}

/// A running server.
#[derive(Debug)]
pub struct CannedServer {
    /// Its socket and the record of requests.
    pub site: Site,
    plans: Plans,
}

type Plans = Arc<Mutex<BTreeMap<String, VecDeque<Plan>>>>;

impl Canned {
    /// An answer with a status and a body and no headers of its own.
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned() }
    }

    /// A 200 with a JSON body.
    pub fn json(body: &str) -> Self {
        Self::new(200, body).header("content-type", "application/json")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::whole(self.body.clone()));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("an HTTP status");
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().expect("a header name");
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            response.headers_mut().append(name, value);
        }
        response
    }
}

impl Builder {
    /// Listens on this port, to come back where another server was.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Plans for `/path` or `METHOD /path`; plans for the same key are used in turn, the last again
    /// and again. The query is not looked at.
    #[must_use]
    pub fn plan(mut self, key: &str, plan: Plan) -> Self {
        self.plans.entry(key.to_owned()).or_default().push_back(plan);
        self
    }

    /// Plans a fixed answer.
    #[must_use]
    pub fn on(self, key: &str, canned: Canned) -> Self {
        self.plan(key, Plan::Reply(canned))
    }

    /// Plans a redirect with this status.
    #[must_use]
    pub fn redirect(self, key: &str, status: u16, to: &str) -> Self {
        self.on(key, Canned::new(status, "").header("location", to))
    }

    /// Starts it.
    pub async fn start(self) -> CannedServer {
        let plans: Plans = Arc::new(Mutex::new(self.plans));
        let transcript = Transcript::new("canned server");
        let site = Site::start(self.port, &transcript, {
            let plans = Arc::clone(&plans);
            move |seen| answer(Arc::clone(&plans), seen)
        });
        CannedServer { site: site.await, plans }
    }
}

impl CannedServer {
    /// A server that answers 404 to everything.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Replaces the plans of a key while running.
    pub fn replan(&self, key: &str, plan: Plan) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(key.to_owned(), VecDeque::from([plan]));
    }
}

async fn answer(plans: Plans, seen: Seen) -> Result<Response<Body>, HangUp> {
    let path = seen.path.split('?').next().unwrap_or_default();
    let plan = next(&plans, &[format!("{} {path}", seen.method), path.to_owned()]);
    match plan {
        Some(Plan::Reply(canned)) => Ok(canned.response()),
        Some(Plan::Silence) => match silence().await {},
        Some(Plan::HangUp) => Err(HangUp),
        None => Ok(empty(StatusCode::NOT_FOUND)),
    }
}

fn next(plans: &Plans, keys: &[String]) -> Option<Plan> {
    let mut plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
    let key = keys.iter().find(|k| plans.contains_key(*k))?;
    let queue = plans.get_mut(key)?;
    if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }
}
