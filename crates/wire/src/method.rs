//! The table of methods: which there are, and what the gateway must know of each.

use crate::raw::same;

/// `_meta` key of a request without handshake: the revision it speaks (2026-07-28 `basic/index`).
pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key of a request without handshake: what its client can be asked.
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` key of a request without handshake: who its client is.
pub const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// `_meta` key of a request without handshake: the log messages it wants (2026-07-28 `server/utilities/logging`).
pub const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// `_meta` key of a notification: the `subscriptions/listen` it belongs to, by its id.
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// `_meta` key of a result: who answered.
pub const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";

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
    /// `tools/list`.
    ToolsList,
    /// `prompts/list`.
    PromptsList,
    /// `resources/list`.
    ResourcesList,
    /// `resources/templates/list`.
    TemplatesList,
    /// `completion/complete`.
    Complete,
    /// `server/discover`: what a server is, without a handshake.
    Discover,
    /// `subscriptions/listen`: a stream of changes, without a session.
    Listen,
    /// `notifications/subscriptions/acknowledged`: the first message of that stream.
    Acknowledged,
    /// `logging/setLevel`.
    SetLevel,
    /// `resources/subscribe`.
    Subscribe,
    /// `resources/unsubscribe`.
    Unsubscribe,
    /// `notifications/roots/list_changed`.
    RootsChanged,
    /// `notifications/elicitation/complete`.
    ElicitComplete,
    /// `tasks/get`, `tasks/cancel`, `tasks/update`.
    Tasks,
    /// `tasks/result`, `tasks/list`: only 2025-11-25 has them.
    TaskResult,
    /// Any other method, known to the peers or not.
    Other,
}

/// What a list request answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The member of the result that holds the list.
    pub member: &'static str,
    /// The member of an element that it is asked for by.
    pub key: &'static str,
}

/// The requests that list things.
pub const LISTS: [Method; 4] = [Method::ToolsList, Method::PromptsList, Method::ResourcesList, Method::TemplatesList];

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
    ("tools/list", Method::ToolsList),
    ("prompts/list", Method::PromptsList),
    ("resources/list", Method::ResourcesList),
    ("resources/templates/list", Method::TemplatesList),
    ("completion/complete", Method::Complete),
    ("server/discover", Method::Discover),
    ("subscriptions/listen", Method::Listen),
    ("notifications/subscriptions/acknowledged", Method::Acknowledged),
    ("logging/setLevel", Method::SetLevel),
    ("resources/subscribe", Method::Subscribe),
    ("resources/unsubscribe", Method::Unsubscribe),
    ("notifications/roots/list_changed", Method::RootsChanged),
    ("notifications/elicitation/complete", Method::ElicitComplete),
    ("tasks/get", Method::Tasks),
    ("tasks/result", Method::TaskResult),
    ("tasks/cancel", Method::Tasks),
    ("tasks/list", Method::TaskResult),
    ("tasks/update", Method::Tasks),
];

impl Method {
    /// Reads the inside of the JSON string `method`.
    pub fn of(inside: &[u8]) -> Method {
        TABLE.iter().find(|(name, _)| same(inside, name)).map_or(Method::Other, |(_, method)| *method)
    }

    /// Whether a server may ask its client something on behalf of this request (`spec` 2025-11-25, 2026-07-28
    /// `basic/patterns/mrtr`: tools/call, prompts/get, resources/read; extensions may too).
    pub fn may_ask(self) -> bool {
        matches!(
            self,
            Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::TaskResult | Method::Other
        )
    }

    /// Whether 2026-07-28 has this request; what only revisions with a handshake have is gone there.
    pub fn is_modern(self) -> bool {
        !matches!(
            self,
            Method::Initialize
                | Method::Ping
                | Method::SetLevel
                | Method::Subscribe
                | Method::Unsubscribe
                | Method::TaskResult
        )
    }

    /// Whether a result of this request carries caching hints in 2026-07-28 (`server/utilities/caching`).
    pub fn is_cacheable(self) -> bool {
        matches!(
            self,
            Method::Discover
                | Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::TemplatesList
                | Method::ResourcesRead
        )
    }

    /// The member of the parameters that the header `Mcp-Name` mirrors, if there is one (2026-07-28
    /// `basic/transports/streamable-http`; for tasks their extension).
    pub fn named_by(self) -> Option<&'static str> {
        match self {
            Method::ToolsCall | Method::PromptsGet => Some("name"),
            Method::ResourcesRead => Some("uri"),
            Method::Tasks => Some("taskId"),
            _ => None,
        }
    }

    /// What this request lists, if it lists things (`server/tools`, `server/prompts`, `server/resources`).
    pub fn lists(self) -> Option<Listing> {
        let (member, key) = match self {
            Method::ToolsList => ("tools", "name"),
            Method::PromptsList => ("prompts", "name"),
            Method::ResourcesList => ("resources", "uri"),
            Method::TemplatesList => ("resourceTemplates", "uriTemplate"),
            _ => return None,
        };
        Some(Listing { member, key })
    }

    /// Where the parameters say what this request is about: paths to a string, each with the request that lists such
    /// things. One of the paths is there. Empty if the request is about no thing of a list.
    pub fn about(self) -> &'static [(&'static [&'static str], Method)] {
        match self {
            Method::ToolsCall => &[(&["name"], Method::ToolsList)],
            Method::PromptsGet => &[(&["name"], Method::PromptsList)],
            Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => &[(&["uri"], Method::ResourcesList)],
            Method::Complete => &[(&["ref", "name"], Method::PromptsList), (&["ref", "uri"], Method::TemplatesList)],
            _ => &[],
        }
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

    #[test]
    fn what_a_request_is_about_is_in_a_list() {
        for (name, method) in TABLE {
            assert_eq!(method.lists().is_some(), LISTS.contains(method), "{name}");
            for (path, list) in method.about() {
                let listing = list.lists().expect("a list");
                // A completion names a template `uri`.
                assert!(listing.key.starts_with(path[path.len() - 1]), "{name}");
            }
        }
        let key = |method: Method| method.lists().map(|listing| (listing.member, listing.key));
        assert_eq!(
            LISTS.map(|list| key(list).expect("a list").0),
            ["tools", "prompts", "resources", "resourceTemplates"]
        );
        assert_eq!(key(Method::of(b"resources/templates/list")), Some(("resourceTemplates", "uriTemplate")));
        assert_eq!(key(Method::of(b"roots/list")), None);
    }
}
