//! What a whole gateway is told: its addresses, its servers, its views.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::auth::AuthSettings;
use super::{Declared, Limits, Protocol, Server, Share};

/// The settings of one gateway, valid as a whole.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 lets the system choose.
    pub port: u16,
    /// Listen on an address that others reach, although nobody has to authenticate.
    pub insecure_no_auth: bool,
    /// Who may use the gateway; `None`: whoever reaches it.
    pub auth: Option<AuthSettings>,
    /// Where metrics are served, on a listener of their own; `None`: they are not.
    pub metrics: Option<SocketAddr>,
    /// Where the gateway keeps what it knows between runs; `None`: it keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// How much is to be logged, by name; `None`: as usual.
    pub log_level: Option<String>,
    /// Host names under which the gateway is reached, besides those of loopback.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may use the gateway; `*` for any.
    pub cors_origins: Vec<String>,
    /// Where traces go, as an OTLP endpoint; `None`: nowhere.
    pub traces: Option<url::Url>,
    /// How tools are plain HTTP.
    pub rest: RestSettings,
    /// Bounds of everything.
    pub limits: Limits,
    /// The servers by name.
    pub servers: BTreeMap<String, ServerSettings>,
    /// Named selections of servers and tools, with an address of their own.
    pub views: BTreeMap<String, ViewSettings>,
}

/// How tools are plain HTTP requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestSettings {
    /// Which session a request belongs to that names none.
    pub sessions: RestSessions,
    /// Whether errors have statuses that say so, where MCP's objects are shown as they are.
    pub error_status: bool,
}

/// Which session a plain HTTP request belongs to that names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestSessions {
    /// One of its principal, or of its address.
    #[default]
    Caller,
    /// One of its own.
    Ephemeral,
    /// None: it is refused.
    Required,
}

impl Default for RestSettings {
    fn default() -> Self {
        RestSettings { sessions: RestSessions::Caller, error_status: true }
    }
}

/// One server of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSettings {
    /// What it is and how it is reached.
    pub server: Server,
    /// Why it is not served, if it is not: switched off, or something it needs is missing.
    pub disabled: Option<String>,
    /// Which era it is spoken to in.
    pub protocol: Protocol,
    /// Who shares a running instance of it.
    pub share: Share,
    /// What it is told that its clients can be asked, where they share an instance.
    pub declared: Declared,
    /// How long an instance that nobody uses goes on; the gateway's limit if absent.
    pub idle_timeout: Option<Duration>,
    /// Longest wait for a reply without a sign of progress; the gateway's limit if absent.
    pub call_timeout: Option<Duration>,
    /// Longest time to start it; the gateway's limit if absent.
    pub start_timeout: Option<Duration>,
    /// Instances that are kept started, though nobody uses them yet.
    pub warm: usize,
    /// Whether a list without this server's part is an error rather than a shorter list.
    pub required: bool,
    /// Which of its tools are shown, and how.
    pub tools: ToolRules,
}

/// A named selection of servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewSettings {
    /// The names of its servers; empty: all.
    pub servers: Vec<String>,
    /// Whether names carry their server's.
    pub prefix: Prefix,
    /// Which tools are shown, by the names they have in the view.
    pub tools: ToolRules,
}

/// Whether the names of tools and prompts begin with their server's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    /// If there is more than one server.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No; if two servers have the same name, the later one's is prefixed all the same.
    Never,
}

/// Which tools are shown, and under which names and descriptions. Patterns are names in which `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolRules {
    /// Patterns of those shown; empty: all.
    pub allow: Vec<String>,
    /// Patterns of those not shown, whatever is allowed.
    pub deny: Vec<String>,
    /// Other names, by the server's own.
    pub rename: BTreeMap<String, String>,
    /// Other descriptions, by the server's own names.
    pub describe: BTreeMap<String, String>,
}

impl ServerSettings {
    /// `server` with every default.
    pub fn new(server: Server) -> Self {
        ServerSettings {
            server,
            disabled: None,
            protocol: Protocol::Auto,
            share: Share::Session,
            declared: Declared::Class,
            idle_timeout: None,
            call_timeout: None,
            start_timeout: None,
            warm: 0,
            required: false,
            tools: ToolRules::default(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 3000,
            insecure_no_auth: false,
            auth: None,
            metrics: None,
            data_dir: None,
            log_level: None,
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            traces: None,
            rest: RestSettings::default(),
            limits: Limits::default(),
            servers: BTreeMap::new(),
            views: BTreeMap::new(),
        }
    }
}

impl ToolRules {
    /// Whether nothing is hidden and nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == ToolRules::default()
    }

    /// Whether a tool of that name is shown.
    pub fn shows(&self, name: &str) -> bool {
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, name));
        (self.allow.is_empty() || fits(&self.allow)) && !fits(&self.deny)
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name, wanted) in [
            ("read_*", "read_file", true),
            ("read_*", "spread_file", false),
            ("*", "", true),
            ("*file", "read_file", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("a*a", "a", false),
            ("echo", "echo", true),
            ("echo", "echo2", false),
            ("**x", "x", true),
        ] {
            assert_eq!(fits(pattern, name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_denied_is_not_allowed_again() {
        let rules = ToolRules { allow: vec!["read_*".into()], deny: vec!["*secret*".into()], ..ToolRules::default() };
        assert!(rules.shows("read_file") && !rules.shows("write_file") && !rules.shows("read_secret_file"));
    }
}
