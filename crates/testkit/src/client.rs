//! A raw MCP client over HTTP: exact bytes out, exact bytes in, one connection a request.

/// What every request of 2026-07-28 carries.
pub mod envelope;
/// Incremental server-sent events.
pub mod events;
/// Malformed, slow and aborted connections.
pub mod faults;
/// JSON-RPC messages as text.
pub mod message;
/// Requests in the modern era, where each describes itself.
pub mod modern;
/// Sessions in the legacy era over Streamable HTTP.
pub mod session;
/// Sessions over HTTP+SSE of 2024-11-05.
pub mod sse_session;
/// A child process spoken to over its standard streams.
pub mod stdio;
/// One socket, one session.
pub mod websocket;

use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::request::Parts as RequestParts;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::events::{Decoder, Events};
use crate::client::message::Message;
use crate::transcript::Transcript;

/// How long a request may take unless the test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Headers of a plain JSON POST that accepts both kinds of answer.
pub const JSON_POST: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

/// A client of one server. Clones share the transcript.
#[derive(Clone, Debug)]
pub struct Client {
    host: String,
    port: u16,
    endpoint: String,
    headers: HeaderMap,
    deadline: Duration,
    resetting: bool,
    transcript: Transcript,
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body, undecoded.
    pub body: Bytes,
}

/// Keeps a connection's driver; dropping it closes the socket.
#[derive(Debug)]
pub(crate) struct Hold {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Client {
    /// A client of `http://HOST:PORT[/PATH]`; a path becomes the endpoint, which is `/mcp` otherwise.
    pub fn new(base_url: &str) -> Self {
        let uri: Uri = base_url.parse().unwrap_or_else(|e| panic!("base URL {base_url}: {e}"));
        let host = uri.host().unwrap_or_else(|| panic!("base URL {base_url} has no host"));
        let endpoint = match uri.path_and_query().map_or("/", |p| p.as_str()) {
            "/" => "/mcp",
            path => path,
        };
        Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            endpoint: endpoint.to_owned(),
            headers: HeaderMap::new(),
            deadline: PATIENCE,
            resetting: false,
            transcript: Transcript::new(base_url),
        }
    }

    /// Sets the path that sessions use.
    #[must_use]
    pub fn endpoint(mut self, path: &str) -> Self {
        path.clone_into(&mut self.endpoint);
        self
    }

    /// Adds a header to every request, replacing one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = header(name, value);
        self.headers.insert(name, value);
        self
    }

    /// Sets how long a complete answer may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Makes every connection end in a reset instead of an orderly close.
    #[must_use]
    pub fn resetting(mut self) -> Self {
        self.resetting = true;
        self
    }

    /// Writes into `transcript` instead of a record of its own.
    #[must_use]
    pub fn recording(mut self, transcript: &Transcript) -> Self {
        self.transcript = transcript.clone();
        self
    }

    /// What was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// How long a complete answer may take.
    pub fn patience(&self) -> Duration {
        self.deadline
    }

    /// The path that sessions use.
    pub fn path(&self) -> &str {
        &self.endpoint
    }

    /// `HOST:PORT` as the Host header has it.
    pub fn authority(&self) -> String {
        let host = &self.host;
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// POSTs `body` with just these headers.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, body, headers).await
    }

    /// POSTs JSON to the endpoint with the usual content type and accept headers.
    pub async fn post_json(&self, body: impl Into<Bytes>) -> Answer {
        self.post(&self.endpoint, body, &JSON_POST).await
    }

    /// GETs a path.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, "", headers).await
    }

    /// Sends one request and reads the whole answer; a failed connection fails the test.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Answer {
        let shown = format!("{method} {path}");
        let answer = self.try_send(method, path, body, headers).await;
        answer.unwrap_or_else(|e| panic!("{shown}: {e:#}"))
    }

    /// Sends one request and reads the whole answer.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let whole = async {
            let (parts, incoming, _hold) = self.open(method, path, body.into(), headers).await?;
            let body = incoming.collect().await.context("read the body")?.to_bytes();
            if !body.is_empty() {
                self.transcript.received(&body);
            }
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        timeout(self.deadline, whole).await.context("no complete answer in time")?
    }

    /// Sends one request and reads the body as events; a failed connection fails the test.
    pub async fn stream(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, Events) {
        let shown = format!("{method} {path}");
        let streamed = self.try_stream(method, path, body, headers).await;
        streamed.unwrap_or_else(|e| panic!("{shown}: {e:#}"))
    }

    /// Sends one request and reads the body as events.
    pub async fn try_stream(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, HeaderMap, Events)> {
        let open = self.open(method, path, body.into(), headers);
        let (parts, body, hold) = timeout(self.deadline, open).await.context("no headers in time")??;
        let events = Events::new(body, hold, self.transcript.clone());
        Ok((parts.status, parts.headers, events))
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<(Parts, Incoming, Hold)> {
        let request = self.request(method, path, &body, headers)?;
        let authority = self.authority();
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await;
        let socket = socket.with_context(|| format!("connect to {authority}"))?;
        socket.set_nodelay(true).context("set TCP_NODELAY")?;
        if self.resetting {
            socket.set_zero_linger().context("set SO_LINGER")?;
        }
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let driver = tokio::spawn(async move {
            // The body or the response future reports the same error to the test.
            let _ = connection.await;
        });
        let mut hold = Hold { sender, driver };
        let answer = hold.sender.send_request(request).await;
        let (parts, body) = answer.context("read the response head")?.into_parts();
        self.transcript.received(format!("{} {:?}", parts.status, parts.headers));
        Ok((parts, body, hold))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: &Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Request<Full<Bytes>>> {
        let mut all = self.headers.clone();
        for (name, _) in headers {
            all.remove(*name);
        }
        for (name, value) in headers {
            let (name, value) = header(name, value);
            all.append(name, value);
        }
        all.entry("host").or_insert(HeaderValue::from_str(&self.authority())?);
        let mut request = Request::builder().method(method).uri(path).body(Full::new(body.clone()))?;
        *request.headers_mut() = all;
        let (parts, _) = request.clone().into_parts();
        self.transcript.sent(shown(&parts, body));
        Ok(request)
    }
}

impl Answer {
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in body {}", self.text()))
    }

    /// The body as one message; panics when it is not JSON.
    pub fn message(&self) -> Message {
        Message::parse(&self.text()).unwrap_or_else(|e| panic!("{e} in body {}", self.text()))
    }

    /// A header's first value, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the body is an event stream.
    pub fn is_sse(&self) -> bool {
        is_sse(&self.headers)
    }

    /// Every message in the body: a JSON object, a batch, or the events of a stream.
    pub fn messages(&self) -> Vec<Message> {
        let texts = if self.is_sse() {
            let events = Decoder::new(usize::MAX).feed(&self.body);
            let events = events.unwrap_or_else(|e| panic!("{e} in body {}", self.text()));
            events.into_iter().filter_map(|e| e.data.filter(|d| !d.is_empty())).collect()
        } else if self.body.is_empty() {
            Vec::new()
        } else {
            vec![self.text()]
        };
        let parse = |t: &String| Message::parse_all(t).unwrap_or_else(|e| panic!("{e} in {t}"));
        texts.iter().flat_map(parse).collect()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Whether these headers announce an event stream.
pub fn is_sse(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    let named = name.parse().unwrap_or_else(|e| panic!("header name {name:?}: {e}"));
    let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|e| panic!("header {name}: {e}"));
    (named, value)
}

fn shown(parts: &RequestParts, body: &Bytes) -> String {
    let body = String::from_utf8_lossy(body);
    format!("{} {} {:?} {body}", parts.method, parts.uri, parts.headers)
}
