//! A scripted server over Streamable HTTP of 2026-07-28: `everything`, with every header checked.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::client::message::error;
use crate::servers::everything::modern::{Envelope, Modern, Out, Running, status_of};
use crate::servers::journal::Journal;
use crate::servers::message::Message;
use crate::transcript::Transcript;
use crate::upstream::site::{Body, HangUp, Piece, Seen, Site};
use crate::upstream::{empty, event_stream, mirror, whole};

/// What the server does; made by [`ModernServer::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    path: String,
    port: u16,
    pages: bool,
    streaming: bool,
}

/// A running server.
#[derive(Debug)]
pub struct ModernServer {
    /// Its socket and the record of requests.
    pub site: Site,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Builder,
    engine: Modern,
    transcript: Transcript,
}

/// A part of an answer.
enum Said {
    Note(String),
    Answer(String),
    Crash,
}

/// Collects what is said about one request.
struct Answers(UnboundedSender<Said>);

/// Cancels its request when the connection that waits for the answer is gone.
struct Waiting(Arc<Running>);

type Refused = Box<Response<Body>>;

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

    /// Lists the tools in two pages.
    #[must_use]
    pub fn pages(mut self) -> Self {
        self.pages = true;
        self
    }

    /// Answers every request with an event stream, even where nothing comes before the answer.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Starts it.
    pub async fn start(self) -> ModernServer {
        let shared = Arc::new(Shared {
            engine: Modern::new(Journal::default(), self.pages),
            transcript: Transcript::new("modern server"),
            options: self,
        });
        let site = Site::start(shared.options.port, &shared.transcript, {
            let shared = Arc::clone(&shared);
            move |seen| Arc::clone(&shared).answer(seen)
        });
        ModernServer { site: site.await, shared }
    }
}

impl ModernServer {
    /// A server with all that `everything` has, at `/mcp`.
    pub fn builder() -> Builder {
        Builder { path: "/mcp".into(), port: 0, pages: false, streaming: false }
    }

    /// The endpoint's URL.
    pub fn url(&self) -> String {
        self.site.url(&self.shared.options.path)
    }

    /// The server behind the transport: what ran how often, who listens, what was done wrong.
    pub fn engine(&self) -> &Modern {
        &self.shared.engine
    }

    /// What the client did that the revision forbids.
    pub fn faults(&self) -> Vec<String> {
        self.shared.engine.faults()
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, seen: Seen) -> Result<Response<Body>, HangUp> {
        if seen.path.split('?').next() != Some(&self.options.path) {
            return Ok(empty(StatusCode::NOT_FOUND));
        }
        if seen.method != Method::POST {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert("allow", HeaderValue::from_static("POST"));
            return Ok(response);
        }
        match self.admitted(&seen) {
            Err(refused) => Ok(*refused),
            Ok(None) => Ok(empty(StatusCode::ACCEPTED)),
            Ok(Some((request, envelope))) => self.run(request, envelope).await,
        }
    }

    /// Everything that is looked at before a request runs; `None` for a notification.
    fn admitted(&self, seen: &Seen) -> Result<Option<(Message, Envelope)>, Refused> {
        let has = |name, text| seen.header(name).is_some_and(|value| value.contains(text));
        if !has("accept", "application/json") || !has("accept", "text/event-stream") {
            return Err(self.wrong(StatusCode::NOT_ACCEPTABLE, "null", -32600, "accept JSON and event streams"));
        }
        if !has("content-type", "application/json") {
            return Err(self.wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "null", -32600, "send JSON"));
        }
        for header in ["mcp-session-id", "last-event-id"] {
            if seen.header(header).is_some() {
                self.engine.fault(&format!("the header {header}"));
            }
        }
        let bad = StatusCode::BAD_REQUEST;
        let message = Message::parse(seen.body.clone().into_bytes())
            .map_err(|_| self.wrong(bad, "null", -32700, "not one JSON message"))?;
        let Some(method) = message.method() else {
            return Err(self.wrong(bad, "null", -32600, "neither a request nor a notification"));
        };
        let Some(id) = message.id() else {
            if method.starts_with("notifications/") {
                self.engine.fault(&format!("a notification over HTTP: {method}"));
            }
            return Ok(None);
        };
        // A client that knows nothing of this revision yet sends none of its headers.
        if method != "initialize" {
            if let Err(what) = mirror::routing(seen, &message) {
                return Err(self.wrong(bad, id, -32020, &what));
            }
            if let Err(what) = mirror::arguments(seen, &message, &self.engine.mirrored(message.name())) {
                // Whoever has not seen the tool yet cannot know, so this is no fault.
                return Err(Box::new(whole(bad, "application/json", error(id, -32020, &what))));
            }
        }
        match self.engine.admit(&message) {
            Ok(envelope) => Ok(Some((message, envelope))),
            Err(owed) => {
                let status = if owed["code"] == -32601 { StatusCode::NOT_FOUND } else { bad };
                let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{owed}}}"#);
                Err(Box::new(whole(status, "application/json", body)))
            }
        }
    }

    /// Refuses, and notes that the client is to blame.
    fn wrong(&self, status: StatusCode, id: &str, code: i64, what: &str) -> Refused {
        self.engine.fault(what);
        Box::new(whole(status, "application/json", error(id, code, what)))
    }

    async fn run(self: Arc<Self>, request: Message, envelope: Envelope) -> Result<Response<Body>, HangUp> {
        let running = Arc::new(Running::default());
        let waiting = Waiting(Arc::clone(&running));
        let (sender, mut said) = mpsc::unbounded_channel();
        let shared = Arc::clone(&self);
        tokio::task::spawn_blocking(move || {
            let out: Arc<dyn Out> = Arc::new(Answers(sender));
            shared.engine.serve(&envelope, &request, &running, &out);
        });
        let first = said.recv().await.unwrap_or(Said::Crash);
        match first {
            Said::Crash => Err(HangUp),
            Said::Answer(text) if !self.options.streaming => {
                let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
                let status = answer["error"]["code"].as_i64().map_or(200, status_of);
                let status = StatusCode::from_u16(status).expect("an HTTP status");
                Ok(whole(status, "application/json", text))
            }
            first => Ok(self.stream(first, said, waiting)),
        }
    }

    fn stream(&self, first: Said, mut said: UnboundedReceiver<Said>, waiting: Waiting) -> Response<Body> {
        let (to, body) = Body::piped();
        let transcript = self.transcript.clone();
        tokio::spawn(async move {
            let _waiting = waiting;
            let mut next = Some(first);
            while let Some(part) = next {
                let (text, last) = match part {
                    Said::Note(text) => (text, false),
                    Said::Answer(text) => (text, true),
                    Said::Crash => {
                        // The connection breaks either way.
                        let _ = to.send(Piece::Cut).await;
                        return;
                    }
                };
                transcript.sent(&text);
                let sent = to.send(Piece::Data(format!("event: message\ndata: {text}\n\n").into())).await;
                if sent.is_err() || last {
                    return;
                }
                next = tokio::select! {
                    next = said.recv() => next,
                    () = to.closed() => None,
                };
            }
        });
        let mut response = event_stream(body);
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl Out for Answers {
    fn note(&self, message: &str) {
        // Whoever is gone hears nothing.
        let _ = self.0.send(Said::Note(message.to_owned()));
    }

    fn answer(&self, message: &str) {
        let _ = self.0.send(Said::Answer(message.to_owned()));
    }

    /// The end of its stream says it.
    fn over(&self, _: &str) {}

    fn crash(&self) {
        let _ = self.0.send(Said::Crash);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // One that was answered has nothing left to cancel.
        self.0.cancel();
    }
}
