//! JSON-RPC messages as text: writing them by hand and reading them without losing a byte.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// A received JSON-RPC message: its exact text and a parsed view of it.
#[derive(Clone, Debug)]
pub struct Message {
    raw: String,
    value: Value,
}

impl Message {
    /// Parses one JSON object.
    pub fn parse(raw: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { raw: raw.to_owned(), value: serde_json::from_str(raw)? })
    }

    /// Parses one object, or an array of them as R03 batches have it.
    pub fn parse_all(raw: &str) -> Result<Vec<Self>, serde_json::Error> {
        if !raw.trim_start().starts_with('[') {
            return Ok(vec![Self::parse(raw)?]);
        }
        let items: Vec<Box<RawValue>> = serde_json::from_str(raw)?;
        items.iter().map(|item| Self::parse(item.get())).collect()
    }

    /// The exact text received.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The parsed message.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The exact text of a top-level member.
    pub fn member(&self, name: &str) -> Option<String> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&self.raw).ok()?;
        members.get(name).map(|text| text.get().to_owned())
    }

    /// The exact text of the id, quotes included.
    pub fn id(&self) -> Option<String> {
        self.member("id")
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        self.value.get("method")?.as_str()
    }

    /// Whether it has a method and an id.
    pub fn is_request(&self) -> bool {
        self.method().is_some() && self.value.get("id").is_some()
    }

    /// Whether it has a method and no id.
    pub fn is_notification(&self) -> bool {
        self.method().is_some() && self.value.get("id").is_none()
    }

    /// Whether it is a result or an error.
    pub fn is_response(&self) -> bool {
        self.method().is_none() && (self.value.get("result").is_some() || self.value.get("error").is_some())
    }

    /// The value at a JSON pointer, null when absent.
    pub fn at(&self, pointer: &str) -> &Value {
        self.value.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The result; panics with the message when it is not a result.
    pub fn result(&self) -> &Value {
        self.value.get("result").unwrap_or_else(|| panic!("not a result: {}", self.raw))
    }

    /// The error's code, when it is an error.
    pub fn error_code(&self) -> Option<i64> {
        self.at("/error/code").as_i64()
    }

    /// The first content block's text; panics with the message when there is none.
    pub fn text(&self) -> &str {
        let text = self.at("/result/content/0/text").as_str();
        text.unwrap_or_else(|| panic!("no text content: {}", self.raw))
    }

    /// Whether this answers the request whose id has the text `id`.
    pub fn answers(&self, id: &str) -> bool {
        self.is_response() && self.id().as_deref() == Some(id.trim())
    }
}

/// A request; `id` and `params` are JSON text, empty `params` leaves the member out.
pub fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"{}}}"#, params_member(params))
}

/// A notification; `params` is JSON text, empty leaves the member out.
pub fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}"{}}}"#, params_member(params))
}

/// A successful response; `id` and `result` are JSON text.
pub fn response(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// An error response; `id` is JSON text, `message` plain text.
pub fn error(id: &str, code: i64, message: &str) -> String {
    let message = quoted(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#)
}

/// `text` as a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The params of `tools/call`; `args` is JSON text.
pub fn call_params(tool: &str, args: &str) -> String {
    format!(r#"{{"name":{},"arguments":{args}}}"#, quoted(tool))
}

/// The params of `initialize`; `capabilities` is JSON text.
pub fn initialize_params(version: &str, capabilities: &str) -> String {
    let version = quoted(version);
    format!(
        r#"{{"protocolVersion":{version},"capabilities":{capabilities},"clientInfo":{{"name":"testkit","version":"1.0"}}}}"#
    )
}

fn params_member(params: &str) -> String {
    if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn ids_keep_their_bytes() {
        let message = Message::parse(r#"{"jsonrpc":"2.0","id": 1.0 ,"result":{}}"#).expect("json");
        assert_eq!(message.id().as_deref(), Some("1.0"));
        assert!(message.answers("1.0") && !message.answers("1"));
        let quoted = Message::parse(r#"{"id":"\u0061","method":"m"}"#).expect("json");
        assert_eq!(quoted.id().as_deref(), Some(r#""\u0061""#));
        assert!(quoted.is_request());
    }

    #[test]
    fn written_messages_are_json() {
        for text in [
            super::request("9007199254740993", "tools/call", &super::call_params("a\"b", "{}")),
            super::request("\"x\"", "ping", ""),
            super::notification("notifications/initialized", ""),
            super::response("1", r#"{"a":[1]}"#),
            super::error("null", -32600, "say \"why\""),
            super::request("1", "initialize", &super::initialize_params("2025-11-25", "{}")),
        ] {
            Message::parse(&text).expect("valid JSON");
        }
    }

    #[test]
    fn a_batch_is_several_messages_with_their_own_text() {
        let all = Message::parse_all(r#"[{"id":1 ,"result":{}}, {"method":"n"}]"#).expect("json");
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].raw(), r#"{"id":1 ,"result":{}}"#);
        assert!(all[1].is_notification());
    }
}
