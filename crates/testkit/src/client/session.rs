//! A legacy session over Streamable HTTP, from initialize to DELETE, with every header in reach.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::client::events::Events;
use crate::client::message::{self, Message};
use crate::client::{Answer, Client, JSON_POST, is_sse};

/// An open session. Its headers are public so that a test can leave one out or change it.
#[derive(Debug)]
pub struct Session {
    /// The client below.
    pub client: Client,
    /// The session id, when the server gave one.
    pub id: Option<String>,
    /// The version the server chose.
    pub version: String,
    /// The answer to initialize.
    pub opening: Message,
    /// Headers of every later request besides content type and accept.
    pub headers: Vec<(String, String)>,
    next: AtomicU64,
}

/// A request whose answer is still arriving; dropping it closes the connection.
#[derive(Debug)]
pub struct Exchange {
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The request's id as JSON text.
    pub id: String,
    patience: Duration,
    events: Option<Events>,
    body: String,
    ready: Vec<Message>,
    seen: Vec<Message>,
}

/// A finished exchange.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The exact body when it was not an event stream.
    pub body: String,
    /// Every message that came, in order, the response included.
    pub messages: Vec<Message>,
    /// The message that answers the request; `None` when the stream ended without it, and the first
    /// message with an error and a null id when the server could not tell which request it was.
    pub response: Option<Message>,
    /// The last event id, when the body was an event stream with ids.
    pub last_event_id: Option<String>,
}

impl Client {
    /// Opens a session; `capabilities` is JSON text. A refusal fails the test.
    pub async fn initialize(&self, version: &str, capabilities: &str) -> Session {
        let reply = self.try_initialize(version, capabilities).await;
        let session = Session::from_reply(self.clone(), &reply);
        let answer = session.notify("notifications/initialized", "").await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "initialized: {}", answer.text());
        session
    }

    /// Sends initialize alone and gives whatever came back.
    pub async fn try_initialize(&self, version: &str, capabilities: &str) -> Reply {
        let params = message::initialize_params(version, capabilities);
        let body = message::request("0", "initialize", &params);
        self.exchange("0", body, &JSON_POST).await.finish().await
    }

    /// POSTs a request with the id `id` to the endpoint and leaves the answer arriving.
    pub async fn exchange(&self, id: &str, body: String, headers: &[(&str, &str)]) -> Exchange {
        let (status, headers, events) = self.stream(Method::POST, self.path(), body, headers).await;
        let mut exchange = Exchange {
            status,
            headers,
            id: id.to_owned(),
            patience: self.patience(),
            events: None,
            body: String::new(),
            ready: Vec::new(),
            seen: Vec::new(),
        };
        if is_sse(&exchange.headers) {
            exchange.events = Some(events);
        } else {
            let bytes = events.into_bytes(self.patience()).await;
            let bytes = bytes.unwrap_or_else(|fault| panic!("read the answer: {fault}"));
            self.transcript().received(&bytes);
            exchange.body = String::from_utf8_lossy(&bytes).into_owned();
            // A refusal may be plain text; the test still sees it as the body.
            exchange.ready = Message::parse_all(&exchange.body).unwrap_or_default();
            exchange.ready.reverse();
        }
        exchange
    }
}

impl Session {
    /// Makes a session from the answer to initialize without sending anything.
    pub fn from_reply(client: Client, reply: &Reply) -> Self {
        let opening = reply.response().clone();
        let version = opening.at("/result/protocolVersion").as_str();
        let version = version.unwrap_or_else(|| panic!("no version: {}", opening.raw())).to_owned();
        let id = reply
            .headers
            .get("mcp-session-id")
            .map(|id| id.to_str().unwrap_or_else(|_| panic!("session id is not text: {id:?}")).to_owned());
        let mut headers = vec![("mcp-protocol-version".to_owned(), version.clone())];
        headers.extend(id.iter().map(|id| ("mcp-session-id".to_owned(), id.clone())));
        Self { client, id, version, opening, headers, next: AtomicU64::new(1) }
    }

    /// The capabilities the server announced.
    pub fn capabilities(&self) -> &Value {
        self.opening.at("/result/capabilities")
    }

    /// Sends a request and waits for its answer; `params` is JSON text, empty for none.
    pub async fn request(&self, method: &str, params: &str) -> Reply {
        self.open(method, params).await.finish().await
    }

    /// `request` with an id of the test's choice, as JSON text.
    pub async fn request_id(&self, id: &str, method: &str, params: &str) -> Reply {
        self.open_id(id, method, params).await.finish().await
    }

    /// Sends a request and leaves its answer arriving.
    pub async fn open(&self, method: &str, params: &str) -> Exchange {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        self.open_id(&id, method, params).await
    }

    /// `open` with an id of the test's choice, as JSON text.
    pub async fn open_id(&self, id: &str, method: &str, params: &str) -> Exchange {
        let body = message::request(id, method, params);
        self.client.exchange(id, body, &self.post_headers()).await
    }

    /// Calls a tool; `args` is JSON text.
    pub async fn call(&self, tool: &str, args: &str) -> Reply {
        self.request("tools/call", &message::call_params(tool, args)).await
    }

    /// Calls a tool and leaves its answer arriving.
    pub async fn open_call(&self, tool: &str, args: &str) -> Exchange {
        self.open("tools/call", &message::call_params(tool, args)).await
    }

    /// Sends a request and answers what the server asks meanwhile with the result `answer` gives.
    pub async fn request_answering(
        &self,
        method: &str,
        params: &str,
        mut answer: impl FnMut(&Message) -> String,
    ) -> Reply {
        let mut exchange = self.open(method, params).await;
        while let Some(message) = exchange.next().await {
            if message.is_request() {
                let id = message.id().expect("a request has an id");
                self.respond(&id, &answer(&message)).await;
            }
        }
        exchange.finish().await
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, params: &str) -> Answer {
        self.post(message::notification(method, params)).await
    }

    /// Answers a request of the server; `id` and `result` are JSON text.
    pub async fn respond(&self, id: &str, result: &str) -> Answer {
        self.post(message::response(id, result)).await
    }

    /// Refuses a request of the server; `id` is JSON text.
    pub async fn respond_error(&self, id: &str, code: i64, reason: &str) -> Answer {
        self.post(message::error(id, code, reason)).await
    }

    /// Cancels a request of ours; `id` is JSON text.
    pub async fn cancel(&self, id: &str) -> Answer {
        self.notify("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#)).await
    }

    /// POSTs exactly this body with the session's headers.
    pub async fn post(&self, body: impl Into<bytes::Bytes>) -> Answer {
        self.client.post(self.client.path(), body, &self.post_headers()).await
    }

    /// Opens the standalone stream; anything but a stream fails the test.
    pub async fn listen(&self) -> Events {
        self.expect_stream(None).await
    }

    /// Resumes the stream that `last_event_id` came from; anything but a stream fails the test.
    pub async fn resume(&self, last_event_id: &str) -> Events {
        self.expect_stream(Some(last_event_id)).await
    }

    /// GETs the endpoint and gives whatever came back.
    pub async fn open_get(&self, last_event_id: Option<&str>) -> (StatusCode, HeaderMap, Events) {
        let mut headers = self.session_headers();
        headers.push(("accept", "text/event-stream"));
        headers.extend(last_event_id.map(|id| ("last-event-id", id)));
        self.client.stream(Method::GET, self.client.path(), "", &headers).await
    }

    /// Ends the session.
    pub async fn delete(&self) -> Answer {
        self.client.send(Method::DELETE, self.client.path(), "", &self.session_headers()).await
    }

    async fn expect_stream(&self, last_event_id: Option<&str>) -> Events {
        let (status, headers, events) = self.open_get(last_event_id).await;
        assert!(status.is_success() && is_sse(&headers), "GET: {status} {headers:?}");
        events
    }

    fn session_headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }

    fn post_headers(&self) -> Vec<(&str, &str)> {
        let mut headers = self.session_headers();
        headers.extend(JSON_POST);
        headers
    }
}

impl Exchange {
    /// Whether the answer is an event stream.
    pub fn is_sse(&self) -> bool {
        self.events.is_some()
    }

    /// The stream, when it is one: for comments, event ids and faults.
    pub fn events(&mut self) -> Option<&mut Events> {
        self.events.as_mut()
    }

    /// The next message; `None` after the last. A late or broken stream fails the test.
    pub async fn next(&mut self) -> Option<Message> {
        let message = match &mut self.events {
            None => self.ready.pop(),
            Some(events) => match events.next_message(self.patience).await {
                Ok(message) => message,
                Err(fault) => panic!("answer to {}: {fault}, after {:?}", self.id, self.seen),
            },
        };
        self.seen.extend(message.clone());
        message
    }

    /// The next message; the end of the stream fails the test.
    pub async fn message(&mut self) -> Message {
        let message = self.next().await;
        message.unwrap_or_else(|| panic!("answer to {} ended, after {:?}", self.id, self.seen))
    }

    /// Reads to the end of the body.
    pub async fn finish(mut self) -> Reply {
        while self.next().await.is_some() {}
        let blind = |m: &&Message| m.error_code().is_some() && m.value()["id"].is_null();
        let response = self.seen.iter().find(|m| m.answers(&self.id));
        let response = response.or_else(|| self.seen.iter().find(blind)).cloned();
        let last_event_id = self.events.as_ref().and_then(|e| e.last_id()).map(str::to_owned);
        Reply {
            status: self.status,
            headers: self.headers,
            body: self.body,
            messages: self.seen,
            response,
            last_event_id,
        }
    }
}

impl Reply {
    /// The response; panics with everything that came when there is none.
    pub fn response(&self) -> &Message {
        let response = self.response.as_ref();
        response.unwrap_or_else(|| panic!("no response: {} {:?} {}", self.status, self.messages, self.body))
    }

    /// The exact text of the response.
    pub fn raw(&self) -> &str {
        self.response().raw()
    }

    /// The response's result; panics when it is an error.
    pub fn result(&self) -> &Value {
        self.response().result()
    }

    /// The first content block's text.
    pub fn text(&self) -> &str {
        self.response().text()
    }

    /// The response's error code, when it is an error.
    pub fn error_code(&self) -> Option<i64> {
        self.response().error_code()
    }

    /// The notifications with this method, in order.
    pub fn notifications(&self, method: &str) -> Vec<&Message> {
        let wanted = |m: &&Message| m.is_notification() && m.method() == Some(method);
        self.messages.iter().filter(wanted).collect()
    }
}
