//! A modern client: no session, every request carries its version, capabilities and headers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::client::message;
use crate::client::session::{Exchange, Reply};
use crate::client::{Client, JSON_POST};

/// Sends self-describing requests. Its fields may be changed between requests.
#[derive(Debug)]
pub struct Modern {
    /// The client below.
    pub client: Client,
    /// The version in `_meta` and in the header.
    pub version: String,
    /// The capabilities in `_meta`, as JSON text.
    pub capabilities: String,
    /// More members of `_meta` as JSON text without braces, such as `"progressToken":1`.
    pub meta: String,
    next: AtomicU64,
}

impl Client {
    /// A modern view of the same server; `capabilities` is JSON text.
    pub fn modern(&self, version: &str, capabilities: &str) -> Modern {
        Modern {
            client: self.clone(),
            version: version.to_owned(),
            capabilities: capabilities.to_owned(),
            meta: String::new(),
            next: AtomicU64::new(1),
        }
    }
}

impl Modern {
    /// Sends a request and waits for its answer. `members` is JSON text without the outer braces, to
    /// stand beside `_meta` in the params; empty for none.
    pub async fn request(&self, method: &str, members: &str) -> Reply {
        self.open(method, members).await.finish().await
    }

    /// Calls a tool; `args` is JSON text.
    pub async fn call(&self, tool: &str, args: &str) -> Reply {
        self.open_call(tool, args, "").await.finish().await
    }

    /// Calls a tool again with answers to what the server asked; both are JSON text, and an empty
    /// `state` leaves the member out.
    pub async fn retry(&self, tool: &str, args: &str, answers: &str, state: &str) -> Reply {
        let mut more = format!(r#","inputResponses":{answers}"#);
        if !state.is_empty() {
            more.push_str(r#","requestState":"#);
            more.push_str(state);
        }
        self.open_call(tool, args, &more).await.finish().await
    }

    /// Sends a request and leaves its answer arriving.
    pub async fn open(&self, method: &str, members: &str) -> Exchange {
        self.open_with(method, members, &[]).await
    }

    /// Calls a tool and leaves its answer arriving; `more` are further params members, each after a
    /// comma.
    pub async fn open_call(&self, tool: &str, args: &str, more: &str) -> Exchange {
        let members = format!(r#""name":{},"arguments":{args}{more}"#, message::quoted(tool));
        self.open_with("tools/call", &members, &[("mcp-name", tool)]).await
    }

    /// `open` with more headers; a header given here replaces the usual one.
    pub async fn open_with(&self, method: &str, members: &str, more: &[(&str, &str)]) -> Exchange {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let body = message::request(&id, method, &self.params(members));
        let usual = [("mcp-protocol-version", self.version.as_str()), ("mcp-method", method)];
        let kept = JSON_POST.into_iter().chain(usual);
        let mut headers: Vec<_> = kept.filter(|(n, _)| more.iter().all(|(m, _)| m != n)).collect();
        headers.extend_from_slice(more);
        self.client.exchange(&id, body, &headers).await
    }

    /// The params with their envelope, for a request the test sends by itself.
    pub fn params(&self, members: &str) -> String {
        let version = message::quoted(&self.version);
        let mut meta = format!(r#""io.modelcontextprotocol/protocolVersion":{version}"#);
        meta.push_str(r#","io.modelcontextprotocol/clientCapabilities":"#);
        meta.push_str(&self.capabilities);
        meta.push_str(r#","io.modelcontextprotocol/clientInfo":{"name":"testkit","version":"1.0"}"#);
        if !self.meta.is_empty() {
            meta.push(',');
            meta.push_str(&self.meta);
        }
        let comma = if members.is_empty() { "" } else { "," };
        format!(r#"{{{members}{comma}"_meta":{{{meta}}}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use crate::client::Client;
    use crate::client::message::Message;

    #[test]
    fn params_are_json_with_and_without_members() {
        let mut modern = Client::new("http://127.0.0.1:1").modern("2026-07-28", "{}");
        Message::parse(&modern.params("")).expect("json");
        modern.meta = r#""progressToken":7"#.to_owned();
        let params = Message::parse(&modern.params(r#""name":"x""#)).expect("json");
        assert_eq!(params.at("/_meta/progressToken"), 7);
        assert_eq!(params.at("/name"), "x");
    }
}
