//! A session over HTTP+SSE of 2024-11-05: one stream that carries all answers, one address to post to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode, Uri};

use crate::client::events::{Event, Events};
use crate::client::message::{self, Message};
use crate::client::{Answer, Client, is_sse};

/// An open stream and the address it named. Dropping it closes the stream.
#[derive(Debug)]
pub struct SseSession {
    /// The client below.
    pub client: Client,
    /// The data of the `endpoint` event, as it was sent.
    pub endpoint: String,
    /// Path and query that messages are posted to.
    pub target: String,
    /// Messages that came while another was awaited, in order.
    pub passed: Vec<Message>,
    events: Events,
    next: AtomicU64,
}

impl SseSession {
    /// Opens the stream at `path` and waits for the `endpoint` event.
    pub async fn open(base_url: &str, path: &str) -> Self {
        Self::open_with(Client::new(base_url), path).await
    }

    /// `open` with a client that carries headers, a deadline or a transcript.
    pub async fn open_with(client: Client, path: &str) -> Self {
        let accept = [("accept", "text/event-stream")];
        let (status, headers, mut events) = client.stream(Method::GET, path, "", &accept).await;
        assert!(status.is_success() && is_sse(&headers), "GET {path}: {status} {headers:?}");
        let endpoint = first_endpoint(&mut events, client.patience()).await;
        let target = resolve(path, &endpoint);
        Self { client, endpoint, target, passed: Vec::new(), events, next: AtomicU64::new(1) }
    }

    /// Performs the handshake; gives the answer to initialize.
    pub async fn initialize(&mut self, version: &str, capabilities: &str) -> Message {
        let params = message::initialize_params(version, capabilities);
        let opening = self.request("initialize", &params).await;
        opening.result();
        self.notify("notifications/initialized", "").await;
        opening
    }

    /// Posts exactly this body.
    pub async fn post(&self, body: impl Into<bytes::Bytes>) -> Answer {
        let headers = [("content-type", "application/json")];
        self.client.post(&self.target, body, &headers).await
    }

    /// Sends a request and waits for its answer on the stream; `params` is JSON text.
    pub async fn request(&mut self, method: &str, params: &str) -> Message {
        let id = self.send(method, params).await;
        self.response(&id).await
    }

    /// Sends a request without waiting; gives its id as JSON text.
    pub async fn send(&mut self, method: &str, params: &str) -> String {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        self.accepted(message::request(&id, method, params)).await;
        id
    }

    /// Waits for the answer to the request `id`; other messages go to `passed`.
    pub async fn response(&mut self, id: &str) -> Message {
        loop {
            let message = self.message().await;
            if message.answers(id) {
                return message;
            }
            self.passed.push(message);
        }
    }

    /// Calls a tool; `args` is JSON text.
    pub async fn call(&mut self, tool: &str, args: &str) -> Message {
        self.request("tools/call", &message::call_params(tool, args)).await
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, params: &str) {
        self.accepted(message::notification(method, params)).await;
    }

    /// Answers a request of the server; `id` and `result` are JSON text.
    pub async fn respond(&self, id: &str, result: &str) {
        self.accepted(message::response(id, result)).await;
    }

    /// The next message on the stream; its end fails the test.
    pub async fn message(&mut self) -> Message {
        self.events.message(self.client.patience()).await
    }

    /// The stream itself.
    pub fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    async fn accepted(&self, body: String) {
        let answer = self.post(body).await;
        let status = answer.status;
        assert!(matches!(status, StatusCode::ACCEPTED | StatusCode::OK), "{status} {}", answer.text());
    }
}

async fn first_endpoint(events: &mut Events, deadline: Duration) -> String {
    loop {
        match events.next(deadline).await {
            Ok(Some(Event { event: Some(kind), data: Some(data), .. })) if kind == "endpoint" => {
                return data;
            }
            Ok(Some(Event { data: None, .. })) => {}
            other => panic!("expected the endpoint event, got {other:?}"),
        }
    }
}

/// Path and query of `endpoint` seen from the stream's own path.
fn resolve(path: &str, endpoint: &str) -> String {
    if endpoint.contains("://") {
        let uri: Uri = endpoint.parse().unwrap_or_else(|e| panic!("endpoint {endpoint}: {e}"));
        return uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    }
    if endpoint.starts_with('/') {
        return endpoint.to_owned();
    }
    let path = path.split('?').next().unwrap_or(path);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{endpoint}")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn endpoints_resolve_like_links() {
        assert_eq!(resolve("/a/sse", "/messages?x=1"), "/messages?x=1");
        assert_eq!(resolve("/a/sse?k=/v", "messages?x=1"), "/a/messages?x=1");
        assert_eq!(resolve("/sse", "http://h:1/m?x=1"), "/m?x=1");
    }
}
