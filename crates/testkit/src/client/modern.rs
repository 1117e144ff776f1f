//! A modern client: no session, every request carries its version, capabilities and headers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::client::envelope::{Envelope, header_value, questions, repeated};
use crate::client::message::{self, Message};
use crate::client::session::{Exchange, Reply};
use crate::client::{Answer, Client, JSON_POST};
use crate::servers::message::members;

/// Sends self-describing requests. Its fields may be changed between requests.
#[derive(Debug)]
pub struct Modern {
    /// The client below.
    pub client: Client,
    /// What each request carries.
    pub envelope: Envelope,
    next: AtomicU64,
}

/// An answer, and what it took.
#[derive(Debug)]
pub struct Answered {
    /// The answer that asks for nothing more.
    pub reply: Reply,
    /// The questions in the order they came.
    pub asked: Vec<Message>,
    /// How often the request was repeated.
    pub rounds: usize,
}

impl Client {
    /// A modern view of the same server; `capabilities` is JSON text.
    pub fn modern(&self, version: &str, capabilities: &str) -> Modern {
        let envelope = Envelope::new(version, capabilities);
        Modern { client: self.clone(), envelope, next: AtomicU64::new(1) }
    }
}

impl Modern {
    /// Sends a request and waits for its answer; `params` is JSON text without the envelope, empty for none.
    pub async fn request(&self, method: &str, params: &str) -> Reply {
        self.open(method, params).await.finish().await
    }

    /// Calls a tool; `args` is JSON text.
    pub async fn call(&self, tool: &str, args: &str) -> Reply {
        self.request("tools/call", &message::call_params(tool, args)).await
    }

    /// Calls a tool, and again as often as the server asks something; `answer` gives the result for a key and
    /// its question as JSON text.
    ///
    /// Panics when the server asks an eleventh time.
    pub async fn call_answering(
        &self,
        tool: &str,
        args: &str,
        mut answer: impl FnMut(&str, &Message) -> String,
    ) -> Answered {
        let mut params = message::call_params(tool, args);
        let mut asked = Vec::new();
        for rounds in 0..=10 {
            let reply = self.request("tools/call", &params).await;
            let Some(questions) = questions(reply.response()) else {
                return Answered { reply, asked, rounds };
            };
            let answers: Vec<_> =
                questions.iter().map(|(key, question)| (key.clone(), answer(key, question))).collect();
            params = repeated(&params, reply.response(), &answers);
            asked.extend(questions.into_iter().map(|(_, question)| question));
        }
        panic!("{tool} goes on asking: {asked:?}")
    }

    /// Sends a request and leaves its answer arriving. Dropping the exchange cancels the request.
    pub async fn open(&self, method: &str, params: &str) -> Exchange {
        self.open_with(method, params, &[]).await
    }

    /// `open` with more headers; a header given here replaces the usual one.
    pub async fn open_with(&self, method: &str, params: &str, more: &[(&str, &str)]) -> Exchange {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        self.open_id(&id, method, params, more).await
    }

    /// `open_with` and an id of the test's choice, as JSON text.
    pub async fn open_id(&self, id: &str, method: &str, params: &str, more: &[(&str, &str)]) -> Exchange {
        let params = self.envelope.wrap(params);
        let body = message::request(id, method, &params);
        let mut usual = self.headers(method, &params);
        usual.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        let mut headers: Vec<_> = usual.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.extend_from_slice(more);
        self.client.exchange(id, body, &headers).await
    }

    /// Listens to what `filter`, JSON text, names; gives the open stream after its acknowledgement, which says
    /// what of it was accepted.
    pub async fn listen(&self, filter: &str) -> (Exchange, Message) {
        let mut exchange = self.open("subscriptions/listen", &format!(r#"{{"notifications":{filter}}}"#)).await;
        let first = exchange.message().await;
        assert_eq!(first.method(), Some("notifications/subscriptions/acknowledged"), "{}", first.raw());
        (exchange, first)
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, params: &str) -> Answer {
        let headers = self.headers(method, params);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.client.post(self.client.path(), message::notification(method, params), &headers).await
    }

    /// The headers of a message with these params, as JSON text; arguments that a tool wants mirrored are not
    /// among them.
    pub fn headers(&self, method: &str, params: &str) -> Vec<(&'static str, String)> {
        let mut headers: Vec<_> = JSON_POST.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        headers.push(("mcp-protocol-version", self.envelope.version.clone()));
        headers.push(("mcp-method", method.to_owned()));
        let member = match method {
            "tools/call" | "prompts/get" => "name",
            "resources/read" => "uri",
            _ => return headers,
        };
        let named = members(params).into_iter().rfind(|(name, _)| name == member);
        let name: Option<String> = named.and_then(|(_, text)| serde_json::from_str(text).ok());
        headers.extend(name.map(|name| ("mcp-name", header_value(&name))));
        headers
    }
}
