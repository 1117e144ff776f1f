//! The table of methods: which there are, and what the gateway must know of each.

use crate::raw::same;

/// The methods that the gateway knows by name. Everything else passes as [`Method::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `initialize`: opens a legacy session.
    Initialize,
    /// `notifications/initialized`.
    Initialized,
    /// `ping`, both ways.
    Ping,
    /// `notifications/cancelled`, both ways.
    Cancelled,
    /// `notifications/progress`, both ways.
    Progress,
    /// `notifications/message`: a log line.
    LogMessage,
    /// `notifications/tools/list_changed`, `…/prompts/…`, `…/resources/…`.
    ListChanged,
    /// `notifications/resources/updated`.
    ResourceUpdated,
    /// `tools/call`.
    ToolsCall,
    /// `prompts/get`.
    PromptsGet,
    /// `resources/read`.
    ResourcesRead,
    /// `sampling/createMessage`: a server asks.
    CreateMessage,
    /// `elicitation/create`: a server asks.
    Elicit,
    /// `roots/list`: a server asks.
    ListRoots,
    /// Any other method, known to the peers or not.
    Other,
}

const TABLE: &[(&str, Method)] = &[
    ("tools/call", Method::ToolsCall),
    ("notifications/progress", Method::Progress),
    ("notifications/message", Method::LogMessage),
    ("prompts/get", Method::PromptsGet),
    ("resources/read", Method::ResourcesRead),
    ("ping", Method::Ping),
    ("initialize", Method::Initialize),
    ("notifications/initialized", Method::Initialized),
    ("notifications/cancelled", Method::Cancelled),
    ("notifications/tools/list_changed", Method::ListChanged),
    ("notifications/prompts/list_changed", Method::ListChanged),
    ("notifications/resources/list_changed", Method::ListChanged),
    ("notifications/resources/updated", Method::ResourceUpdated),
    ("sampling/createMessage", Method::CreateMessage),
    ("elicitation/create", Method::Elicit),
    ("roots/list", Method::ListRoots),
];

impl Method {
    /// Reads the inside of the JSON string `method`.
    pub fn of(inside: &[u8]) -> Method {
        TABLE.iter().find(|(name, _)| same(inside, name)).map_or(Method::Other, |(_, method)| *method)
    }

    /// Whether a server may ask its client something on behalf of this request (`spec` 2025-11-25, 2026-07-28
    /// `basic/patterns/mrtr`: tools/call, prompts/get, resources/read; extensions may too).
    pub fn may_ask(self) -> bool {
        matches!(self, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Other)
    }

    /// Whether a notification of this kind concerns the whole connection rather than one request.
    pub fn is_ambient(self) -> bool {
        matches!(self, Method::ListChanged | Method::ResourceUpdated)
    }

    /// Whether a full queue may drop a notification of this kind: telling less often is no loss of meaning.
    pub fn is_droppable(self) -> bool {
        matches!(self, Method::Progress | Method::LogMessage | Method::ListChanged | Method::ResourceUpdated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_exactly_and_through_escapes() {
        assert_eq!(Method::of(b"tools/call"), Method::ToolsCall);
        assert_eq!(Method::of(br"tools\/call"), Method::ToolsCall);
        assert_eq!(Method::of(b"Tools/Call"), Method::Other);
        assert_eq!(Method::of(b"acme/thing"), Method::Other);
    }
}
