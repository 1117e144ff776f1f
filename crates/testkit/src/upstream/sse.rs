//! A scripted server over HTTP+SSE of 2024-11-05, honest or hostile about its endpoint.

use std::collections::HashMap;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::{Method, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::client::message::Message;
use crate::transcript::Transcript;
use crate::upstream::conversation::{Call, Conversation};
use crate::upstream::outlet::Outlet;
use crate::upstream::site::{Body, Seen, Site};
use crate::upstream::{Script, empty, event_stream, whole};

/// What the `endpoint` event says. `{id}` in a given text stands for the session id.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// A path from the root.
    Relative,
    /// A whole URL at this server.
    Absolute,
    /// Exactly this, such as a foreign origin.
    Given(String),
    /// There is no such event.
    Never,
}

/// What the server does; made by [`SseServer::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    path: String,
    port: u16,
    endpoint: Endpoint,
    second: Option<String>,
    script: Script,
}

/// A running server.
#[derive(Debug)]
pub struct SseServer {
    /// Its socket and the record of requests.
    pub site: Site,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Builder,
    script: Arc<Script>,
    gate: Arc<Semaphore>,
    transcript: Transcript,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Session {
    stream: Arc<Outlet>,
    talk: OnceLock<Conversation>,
}

impl Builder {
    /// Sets the stream's path, `/sse` otherwise. Messages go to `/messages`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Listens on this port, to come back where another server was.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets what the `endpoint` event says.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Sends another `endpoint` event with this data after the answer to initialize.
    #[must_use]
    pub fn second_endpoint(mut self, data: &str) -> Self {
        self.second = Some(data.to_owned());
        self
    }

    /// Answers initialize with this version whatever the client asked for.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.script.version = Some(version.to_owned());
        self
    }

    /// Answers a method with this result, JSON text.
    #[must_use]
    pub fn on(mut self, method: &str, result: &str) -> Self {
        self.script.results.insert(method.to_owned(), result.to_owned());
        self
    }

    /// Starts it.
    pub async fn start(self) -> SseServer {
        let shared = Arc::new(Shared {
            script: Arc::new(self.script.clone()),
            gate: Arc::new(Semaphore::new(0)),
            transcript: Transcript::new("sse server"),
            sessions: Mutex::default(),
            next: AtomicU64::new(1),
            options: self,
        });
        let port = shared.options.port;
        let site = Site::start(port, &shared.transcript, {
            let shared = Arc::clone(&shared);
            move |seen| ready(Ok(shared.answer(&seen)))
        });
        SseServer { site: site.await, shared }
    }
}

impl SseServer {
    /// A server with a relative endpoint.
    pub fn builder() -> Builder {
        Builder { path: "/sse".into(), port: 0, endpoint: Endpoint::Relative, second: None, script: Script::default() }
    }

    /// The stream's URL.
    pub fn url(&self) -> String {
        self.site.url(&self.shared.options.path)
    }

    /// Sends a message on every stream.
    pub fn push(&self, message: &str) {
        for session in self.shared.sessions().values() {
            session.stream.push(message);
        }
    }

    /// Sends a complete event, its blank line included, on every stream.
    pub fn push_event(&self, frame: &str) {
        for session in self.shared.sessions().values() {
            session.stream.push_event(frame.to_owned());
        }
    }

    /// Ends every stream properly.
    pub fn end_streams(&self) {
        for session in self.shared.sessions().values() {
            session.stream.end();
        }
    }

    /// Lets `calls` of the `slow` calls without a time go on.
    pub fn release(&self, calls: usize) {
        self.shared.gate.add_permits(calls);
    }

    /// The ids of the open sessions.
    pub fn sessions(&self) -> Vec<String> {
        self.shared.sessions().keys().cloned().collect()
    }
}

impl Shared {
    fn answer(self: &Arc<Self>, seen: &Seen) -> Response<Body> {
        let path = seen.path.split('?').next().unwrap_or_default();
        match seen.method {
            Method::GET if path == self.options.path => self.open(seen),
            Method::POST if path == "/messages" => self.take(seen),
            Method::GET | Method::POST if path != self.options.path && path != "/messages" => {
                empty(StatusCode::NOT_FOUND)
            }
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn open(self: &Arc<Self>, seen: &Seen) -> Response<Body> {
        let id = format!("session-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let relative = format!("/messages?sessionId={id}");
        let data = match &self.options.endpoint {
            Endpoint::Relative => Some(relative),
            Endpoint::Absolute => Some(format!("http://{}{relative}", seen.header("host").unwrap_or_default())),
            Endpoint::Given(text) => Some(text.replace("{id}", &id)),
            Endpoint::Never => None,
        };
        let stream = Outlet::new(None, &self.transcript);
        if let Some(data) = data {
            stream.push_event(endpoint_event(&data));
        }
        let session = Session { stream: Arc::clone(&stream), talk: OnceLock::new() };
        self.sessions().insert(id.clone(), Arc::new(session));
        let (to, body) = Body::piped();
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            stream.follow(0, None, &to).await;
            // The stream is the session: when it is gone, so is the rest.
            shared.sessions().remove(&id);
        });
        event_stream(body)
    }

    fn take(self: &Arc<Self>, seen: &Seen) -> Response<Body> {
        let id = seen.query("sessionId").unwrap_or_default();
        let Some(session) = self.sessions().get(id).cloned() else {
            return whole(StatusCode::NOT_FOUND, "text/plain", "no such session");
        };
        let Some(message) = seen.message() else {
            return whole(StatusCode::BAD_REQUEST, "text/plain", "not one JSON message");
        };
        if message.method() == Some("initialize") {
            let (script, gate) = (Arc::clone(&self.script), Arc::clone(&self.gate));
            let stream = Arc::clone(&session.stream);
            session.talk.get_or_init(|| Conversation::new(&message, stream, script, gate));
        }
        let Some(talk) = session.talk.get() else {
            return whole(StatusCode::BAD_REQUEST, "text/plain", "not initialized");
        };
        if message.is_request() {
            let call = talk.begin(&message);
            tokio::spawn(Arc::clone(self).run(Arc::clone(&session), message, call));
        } else {
            talk.take(&message);
        }
        whole(StatusCode::ACCEPTED, "text/plain", "Accepted")
    }

    async fn run(self: Arc<Self>, session: Arc<Session>, request: Message, call: Call) {
        let talk = session.talk.get().expect("a call comes from a talk");
        talk.answer(call, &session.stream, &session.stream).await;
        let opens = request.method() == Some("initialize");
        if let Some(data) = self.options.second.as_ref().filter(|_| opens) {
            session.stream.push_event(endpoint_event(data));
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn endpoint_event(data: &str) -> String {
    format!("event: endpoint\ndata: {data}\n\n")
}
