//! A scripted legacy server over Streamable HTTP: sessions, streams it cuts, resumption, refusals.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderValue, Method, Response, StatusCode};
use tokio::sync::{Semaphore, mpsc};

use crate::client::message::Message;
use crate::transcript::Transcript;
use crate::upstream::conversation::Conversation;
use crate::upstream::outlet::{Cut, Outlet};
use crate::upstream::site::{Body, HangUp, Piece, Seen, Site};
use crate::upstream::{Script, empty, event_stream, refusal, whole};

/// What the server does; made by [`StreamableServer::builder`].
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a script")]
pub struct Builder {
    path: String,
    port: u16,
    script: Script,
    json: bool,
    sessions: bool,
    get: bool,
    delete: bool,
    ids: bool,
    prime: bool,
    strict: bool,
    cut: Option<Cut>,
    lost: StatusCode,
}

/// A running server.
#[derive(Debug)]
pub struct StreamableServer {
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
    refusals: Mutex<VecDeque<(StatusCode, String)>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Session {
    talk: Conversation,
    streams: Mutex<HashMap<String, Arc<Outlet>>>,
}

impl Builder {
    /// Sets the endpoint's path, `/mcp` otherwise.
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

    /// Answers requests with JSON bodies; what tools say besides goes to the standalone stream.
    #[must_use]
    pub fn json(mut self) -> Self {
        self.json = true;
        self
    }

    /// Gives out no session id; all clients share one state.
    #[must_use]
    pub fn without_sessions(mut self) -> Self {
        self.sessions = false;
        self
    }

    /// Answers GET with 405.
    #[must_use]
    pub fn without_get(mut self) -> Self {
        self.get = false;
        self
    }

    /// Answers DELETE with 405.
    #[must_use]
    pub fn without_delete(mut self) -> Self {
        self.delete = false;
        self
    }

    /// Sends events without ids, so that nothing can be resumed.
    #[must_use]
    pub fn without_ids(mut self) -> Self {
        self.ids = false;
        self
    }

    /// Begins every stream with an id and empty data.
    #[must_use]
    pub fn priming(mut self) -> Self {
        self.prime = true;
        self
    }

    /// Takes requests without the version header or the right accept and content type headers.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }

    /// Breaks the first `times` connections of each request's stream after `events` events, the
    /// priming one counted; `retry` milliseconds are announced before.
    #[must_use]
    pub fn cutting(mut self, events: usize, times: usize, retry: Option<u64>) -> Self {
        self.cut = Some(Cut { after: events, times, abrupt: true, retry });
        self
    }

    /// Like `cutting`, but the body ends properly, as a polling server ends it.
    #[must_use]
    pub fn pausing(mut self, events: usize, times: usize, retry: Option<u64>) -> Self {
        self.cut = Some(Cut { after: events, times, abrupt: false, retry });
        self
    }

    /// Answers a session it does not know with this status, 404 otherwise.
    #[must_use]
    pub fn lost_session(mut self, status: u16) -> Self {
        self.lost = StatusCode::from_u16(status).expect("an HTTP status");
        self
    }

    /// Starts it.
    pub async fn start(self) -> StreamableServer {
        let shared = Arc::new(Shared {
            script: Arc::new(self.script.clone()),
            gate: Arc::new(Semaphore::new(0)),
            transcript: Transcript::new("streamable server"),
            sessions: Mutex::default(),
            refusals: Mutex::default(),
            next: AtomicU64::new(1),
            options: self,
        });
        let port = shared.options.port;
        let site = Site::start(port, &shared.transcript, {
            let shared = Arc::clone(&shared);
            move |seen| Arc::clone(&shared).answer(seen)
        });
        StreamableServer { site: site.await, shared }
    }
}

impl StreamableServer {
    /// A server that streams its answers, has sessions, GET, DELETE and ids, and checks headers.
    pub fn builder() -> Builder {
        Builder {
            path: "/mcp".into(),
            port: 0,
            script: Script::default(),
            json: false,
            sessions: true,
            get: true,
            delete: true,
            ids: true,
            prime: false,
            strict: true,
            cut: None,
            lost: StatusCode::NOT_FOUND,
        }
    }

    /// The endpoint's URL.
    pub fn url(&self) -> String {
        self.site.url(&self.shared.options.path)
    }

    /// Sends a message to every session's standalone stream.
    pub fn push(&self, message: &str) {
        for session in self.shared.sessions().values() {
            session.talk.standalone.push(message);
        }
    }

    /// Lets `calls` of the `slow` calls without a time go on.
    pub fn release(&self, calls: usize) {
        self.shared.gate.add_permits(calls);
    }

    /// Forgets every session, as a restart does.
    pub fn forget_sessions(&self) {
        self.shared.sessions().clear();
    }

    /// The ids of the open sessions.
    pub fn sessions(&self) -> Vec<String> {
        self.shared.sessions().keys().cloned().collect()
    }

    /// Answers one further request with this status and body, whatever it is; repeatable.
    pub fn refuse_next(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).expect("an HTTP status");
        let mut refusals = self.shared.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.push_back((status, body.to_owned()));
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, seen: Seen) -> Result<Response<Body>, HangUp> {
        let refused = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some((status, body)) = refused {
            return Ok(whole(status, "application/json", body));
        }
        if seen.path.split('?').next() != Some(&self.options.path) {
            return Ok(empty(StatusCode::NOT_FOUND));
        }
        let answer = match seen.method {
            Method::POST => self.post(&seen).await,
            Method::GET if self.options.get => self.get(&seen),
            Method::DELETE if self.options.delete => self.delete(&seen),
            _ => Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
        };
        Ok(answer.unwrap_or_else(|refused| *refused))
    }

    async fn post(self: &Arc<Self>, seen: &Seen) -> Result<Response<Body>, Box<Response<Body>>> {
        let has = |name, text| seen.header(name).is_some_and(|v| v.contains(text));
        let accepts = has("accept", "application/json") && has("accept", "text/event-stream");
        if self.options.strict && !accepts {
            return Err(bad(StatusCode::NOT_ACCEPTABLE, -32000, "accept JSON and event streams"));
        }
        if self.options.strict && !has("content-type", "application/json") {
            return Err(bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, -32000, "send JSON"));
        }
        let Some(message) = seen.message() else {
            return Err(bad(StatusCode::BAD_REQUEST, -32700, "not one JSON message"));
        };
        if message.method() == Some("initialize") {
            return Ok(self.open(&message).await);
        }
        let session = self.session(seen)?;
        if !message.is_request() {
            session.talk.take(&message);
            return Ok(empty(StatusCode::ACCEPTED));
        }
        Ok(self.run(&session, &message).await)
    }

    async fn open(self: &Arc<Self>, opening: &Message) -> Response<Body> {
        let id = if self.options.sessions {
            format!("session-{}", self.next.fetch_add(1, Ordering::Relaxed))
        } else {
            String::new()
        };
        let standalone = self.outlet("standalone".into());
        let (script, gate) = (Arc::clone(&self.script), Arc::clone(&self.gate));
        let talk = Conversation::new(opening, Arc::clone(&standalone), script, gate);
        let session = Arc::new(Session { talk, streams: Mutex::default() });
        session.keep(&standalone);
        self.sessions().insert(id.clone(), Arc::clone(&session));
        let mut response = self.run(&session, opening).await;
        if !id.is_empty() {
            let id = HeaderValue::from_str(&id).expect("made of letters and digits");
            response.headers_mut().insert("mcp-session-id", id);
        }
        response
    }

    async fn run(self: &Arc<Self>, session: &Arc<Session>, request: &Message) -> Response<Body> {
        let out = self.outlet(format!("s{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let call = session.talk.begin(request);
        if self.options.json {
            session.talk.answer(call, &out, &session.talk.standalone).await;
            return whole(StatusCode::OK, "application/json", out.messages().concat());
        }
        session.keep(&out);
        if self.options.prime {
            out.prime();
        }
        // initialize is never cut: a client cannot resume before it knows its session.
        let cut = self.options.cut.filter(|_| request.method() != Some("initialize"));
        let stream = follow(Arc::clone(&out), 0, cut);
        let session = Arc::clone(session);
        // Goes on when the client's connection is gone, since that is no cancellation.
        tokio::spawn(async move {
            session.talk.answer(call, &out, &out).await;
            out.end();
        });
        stream
    }

    fn get(&self, seen: &Seen) -> Result<Response<Body>, Box<Response<Body>>> {
        let session = self.session(seen)?;
        let standalone = &session.talk.standalone;
        let Some(last) = seen.header("last-event-id") else {
            return Ok(follow(Arc::clone(standalone), standalone.delivered(), None));
        };
        let (name, from) = Outlet::after(last).ok_or_else(|| bad(StatusCode::BAD_REQUEST, -32000, "no such event"))?;
        let streams = session.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = streams.get(name).cloned();
        let stream = stream.ok_or_else(|| bad(StatusCode::BAD_REQUEST, -32000, "no such stream"))?;
        Ok(follow(stream, from, self.options.cut))
    }

    fn delete(&self, seen: &Seen) -> Result<Response<Body>, Box<Response<Body>>> {
        self.session(seen)?;
        self.sessions().remove(seen.header("mcp-session-id").unwrap_or_default());
        Ok(empty(StatusCode::OK))
    }

    fn session(&self, seen: &Seen) -> Result<Arc<Session>, Box<Response<Body>>> {
        let id = seen.header("mcp-session-id");
        if id.is_none() && self.options.sessions {
            return Err(bad(StatusCode::BAD_REQUEST, -32000, "no session id"));
        }
        let session = self.sessions().get(id.unwrap_or_default()).cloned();
        let session = session.ok_or_else(|| bad(self.options.lost, -32001, "no such session"))?;
        let version = seen.header("mcp-protocol-version");
        // The header came with R06.
        let due = session.talk.version.as_str() >= "2025-06-18";
        if self.options.strict && due && version != Some(&session.talk.version) {
            return Err(bad(StatusCode::BAD_REQUEST, -32000, "wrong or no protocol version"));
        }
        Ok(session)
    }

    fn outlet(&self, name: String) -> Arc<Outlet> {
        Outlet::new(self.options.ids.then_some(name), &self.transcript)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn keep(&self, outlet: &Arc<Outlet>) {
        if let Some(name) = outlet.name() {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.insert(name.to_owned(), Arc::clone(outlet));
        }
    }
}

fn follow(outlet: Arc<Outlet>, from: usize, cut: Option<Cut>) -> Response<Body> {
    let (to, body): (mpsc::Sender<Piece>, Body) = Body::piped();
    tokio::spawn(async move { outlet.follow(from, cut, &to).await });
    event_stream(body)
}

fn bad(status: StatusCode, code: i64, reason: &str) -> Box<Response<Body>> {
    Box::new(refusal(status, code, reason))
}
