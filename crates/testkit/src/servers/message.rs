//! One JSON-RPC line as it was received: its exact bytes, and where its members are in them.

use std::ops::Range;

use serde_json::{Value, json};

/// The members of one JSON object, in order, each with its untouched text.
pub type Members<'a> = Vec<(String, &'a str)>;

/// A received line that holds one JSON value.
#[derive(Debug, Clone)]
pub struct Message {
    raw: String,
    value: Value,
    members: Vec<(String, Range<usize>)>,
}

impl Message {
    /// Reads one line, without its line end.
    ///
    /// The error is the JSON-RPC error response that a server owes for such a line.
    pub fn parse(line: Vec<u8>) -> Result<Self, Box<Value>> {
        let owed = |code: i64, message: String| {
            let error = json!({"code": code, "message": message});
            Box::new(json!({"jsonrpc": "2.0", "id": null, "error": error}))
        };
        let raw = String::from_utf8(line).map_err(|error| owed(-32700, error.to_string()))?;
        let value: Value = serde_json::from_str(&raw).map_err(|error| owed(-32700, error.to_string()))?;
        let members = if value.is_object() {
            let start = raw.as_ptr() as usize;
            members(&raw)
                .into_iter()
                .map(|(name, text)| {
                    let at = text.as_ptr() as usize - start;
                    (name, at..at + text.len())
                })
                .collect()
        } else {
            Vec::new()
        };
        Ok(Self { raw, value, members })
    }

    /// The exact text of the line.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The parsed line, for members whose spelling does not matter.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The untouched text of one top-level member; the last one where a name is doubled.
    pub fn member(&self, name: &str) -> Option<&str> {
        let (_, range) = self.members.iter().rfind(|(found, _)| found == name)?;
        Some(&self.raw[range.clone()])
    }

    /// The untouched text of `params.arguments`.
    pub fn arguments(&self) -> Option<&str> {
        let params = self.member("params").filter(|text| text.starts_with('{'))?;
        let found = members(params).into_iter().rfind(|(name, _)| name == "arguments")?;
        Some(found.1)
    }

    /// The untouched text of one member of `params.arguments`.
    pub fn raw_argument(&self, name: &str) -> Option<&str> {
        let arguments = self.arguments().filter(|text| text.starts_with('{'))?;
        let found = members(arguments).into_iter().rfind(|(given, _)| given == name)?;
        Some(found.1)
    }

    /// The parsed `params.arguments` member of that name, or null.
    pub fn argument(&self, name: &str) -> &Value {
        &self.value["params"]["arguments"][name]
    }

    /// The request id as it was spelled; `None` in a notification.
    pub fn id(&self) -> Option<&str> {
        self.member("id")
    }

    /// The method; `None` in a response.
    pub fn method(&self) -> Option<&str> {
        self.value["method"].as_str()
    }

    /// The name in `params`, as in a tool call.
    pub fn name(&self) -> &str {
        self.value["params"]["name"].as_str().unwrap_or_default()
    }

    /// The answer that the arguments of a call spell out: `json` is the result, `extra` more members.
    pub fn spelled(&self, id: &str) -> String {
        let result = self.argument("json").as_str().unwrap_or("null");
        let extra = self.argument("extra").as_str();
        let extra = extra.map_or_else(String::new, |extra| format!(",{extra}"));
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}{extra}}}"#)
    }

    /// Whether the line answers a request of ours.
    pub fn is_response(&self) -> bool {
        self.method().is_none() && (self.member("result").or(self.member("error"))).is_some()
    }

    /// The untouched progress token of the request, if it has one.
    pub fn progress_token(&self) -> Option<&str> {
        let params = self.member("params").filter(|text| text.starts_with('{'))?;
        let (_, meta) = members(params).into_iter().rfind(|(name, _)| name == "_meta")?;
        if !meta.starts_with('{') {
            return None;
        }
        let (_, token) = members(meta).into_iter().rfind(|(name, _)| name == "progressToken")?;
        Some(token)
    }
}

/// Splits the text of a valid JSON object into its members without touching the values.
pub fn members(object: &str) -> Members<'_> {
    let bytes = object.as_bytes();
    let mut found = Members::new();
    let mut at = blank(bytes, 0) + 1;
    loop {
        at = blank(bytes, at);
        if bytes.get(at) != Some(&b'"') {
            return found;
        }
        let end = string_end(bytes, at);
        let name = serde_json::from_str(&object[at..end]).unwrap_or_default();
        let start = blank(bytes, blank(bytes, end) + 1);
        let stop = value_end(bytes, start);
        found.push((name, object[start..stop].trim_end()));
        at = blank(bytes, stop);
        if bytes.get(at) == Some(&b',') {
            at += 1;
        }
    }
}

fn blank(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn value_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{Message, members};

    #[test]
    fn members_keep_order_spelling_and_doubles() {
        let text = r#" { "a" : 12345678901234567890123 ,"b":[1,{"x":"}\"]"}], "a":-0 , "c":{"d":1e3} } "#;
        let found = members(text);
        let expected =
            [("a", "12345678901234567890123"), ("b", r#"[1,{"x":"}\"]"}]"#), ("a", "-0"), ("c", r#"{"d":1e3}"#)];
        assert_eq!(found.len(), expected.len());
        for ((name, value), (wanted, text)) in found.iter().zip(expected) {
            assert_eq!((name.as_str(), *value), (wanted, text));
        }
        assert!(members("{}").is_empty());
        assert!(members("{ }").is_empty());
    }

    #[test]
    fn ids_and_tokens_are_kept_as_spelled() {
        let line = br#"{"jsonrpc":"2.0","id":98765432109876543210,"method":"tools/call","params":{"name":"echo","arguments":{"n": 1.0},"_meta":{"progressToken":1e2}}}"#;
        let message = Message::parse(line.to_vec()).expect("a valid line");
        assert_eq!(message.id(), Some("98765432109876543210"));
        assert_eq!(message.progress_token(), Some("1e2"));
        assert_eq!(message.raw_argument("n"), Some("1.0"));
        assert_eq!(message.name(), "echo");
        assert!(!message.is_response());
        assert!(Message::parse(vec![b'"', 0xff, b'"']).is_err());
    }
}
