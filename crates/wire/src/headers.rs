//! HTTP header names of the protocol, and what `Accept` and `Content-Type` allow.

/// Session id of Streamable HTTP (2025-03-26 to 2025-11-25).
pub const SESSION_ID: &str = "mcp-session-id";
/// Protocol revision of a request (2025-06-18 and later).
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The method of a request (2026-07-28).
pub const METHOD: &str = "mcp-method";
/// What a request is for: a tool, a prompt, a resource (2026-07-28).
pub const NAME: &str = "mcp-name";
/// The last event a client saw before its stream broke.
pub const LAST_EVENT_ID: &str = "last-event-id";
/// Media type of messages.
pub const JSON: &str = "application/json";
/// Media type of streams.
pub const EVENT_STREAM: &str = "text/event-stream";

/// The forms of answer a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// `application/json`.
    pub json: bool,
    /// `text/event-stream`.
    pub stream: bool,
}

impl Accepts {
    /// Reads the `Accept` header; a missing one accepts JSON only, which every client can read.
    pub fn of(header: Option<&str>) -> Accepts {
        let Some(header) = header else {
            return Accepts { json: true, stream: false };
        };
        let mut accepts = Accepts { json: false, stream: false };
        for item in header.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused = parts.any(|p| {
                let weight = p.strip_prefix("q=").or_else(|| p.strip_prefix("Q="));
                weight.is_some_and(|weight| weight.trim_matches(['0', '.']).is_empty())
            });
            if refused {
                continue;
            }
            match media.as_str() {
                "*/*" => accepts = Accepts { json: true, stream: accepts.stream },
                JSON | "application/*" => accepts.json = true,
                EVENT_STREAM | "text/*" => accepts.stream = true,
                _ => {}
            }
        }
        accepts
    }

    /// Whether anything the gateway can send is acceptable.
    pub fn any(self) -> bool {
        self.json || self.stream
    }
}

/// Whether a request's `Content-Type` is JSON in UTF-8; a missing one is taken for it.
pub fn is_json(content_type: Option<&str>) -> bool {
    let Some(value) = content_type else {
        return true;
    };
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let charset = parts.find_map(|p| p.to_ascii_lowercase().strip_prefix("charset=").map(str::to_owned));
    media.eq_ignore_ascii_case(JSON)
        && charset.is_none_or(|c| matches!(c.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_read_by_media_type() {
        let of = |header| {
            let accepts = Accepts::of(Some(header));
            (accepts.json, accepts.stream)
        };
        assert_eq!(of("application/json, text/event-stream"), (true, true));
        assert_eq!(of("text/event-stream;q=0.5"), (false, true));
        assert_eq!(of("application/json;Q=0.0, text/event-stream"), (false, true));
        assert_eq!(of("application/json;q=0, text/event-stream"), (false, true));
        assert_eq!(of("*/*"), (true, false));
        assert_eq!(of("text/html"), (false, false));
        assert_eq!(Accepts::of(None), Accepts { json: true, stream: false });
    }

    #[test]
    fn content_type_is_json_or_absent() {
        assert!(is_json(None));
        assert!(is_json(Some("application/json; charset=UTF-8")));
        assert!(!is_json(Some("text/plain")));
        assert!(!is_json(Some("application/json; charset=latin1")));
    }
}
