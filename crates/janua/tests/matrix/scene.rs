//! One cell on stage: a server, Janua in front of it, a client connected, and what was found.

use std::fmt;
use std::path::Path;

use futures_util::future::BoxFuture;
use janua_testkit::gateway::Gateway;
use serde_json::json;

use super::kinds::{ClientKind, Era, ServerKind};
use super::link::Link;
use super::upstream::{Program, Upstream};

/// The program under test.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// What the server is called where others stand beside it.
const UNDER_TEST: &str = "it";

/// One connected client. The fields are dropped in this order.
pub(crate) struct Scene {
    /// The client's connection.
    pub(crate) link: Link,
    gateway: Option<Gateway>,
    /// The server.
    pub(crate) server: Upstream,
    /// The kind of the client.
    pub(crate) client: ClientKind,
    /// How it reaches the server.
    pub(crate) way: Way,
}

/// What stands between the client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Janua in front of this server alone.
    Alone,
    /// A gateway of three servers, at the address that leads to all of them.
    Union,
}

/// What a cell turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As if the client were connected to the server itself.
    Works,
    /// Less than that, and how.
    Degrades(String),
    /// Nothing of it, and with what it is turned away.
    Refused(String),
}

/// Something that clients and servers do with each other.
pub(crate) struct Behaviour {
    /// Its name in the declaration.
    pub(crate) name: &'static str,
    /// What the page says it is.
    pub(crate) about: &'static str,
    /// The server program that has it, where the kind is a program.
    pub(crate) program: Program,
    /// Tries it. A panic means that it is broken.
    pub(crate) run: for<'a> fn(&'a mut Scene) -> BoxFuture<'a, Verdict>,
}

impl Scene {
    /// Brings everything up.
    pub(crate) async fn open(client: ClientKind, kind: ServerKind, program: Program, way: Way) -> Self {
        let server = Upstream::start(kind, program).await;
        let gateway = match client {
            _ if way == Way::Union => Some(gathered(&server).await),
            ClientKind::Stdio | ClientKind::Stdio2026 => None,
            ClientKind::Sessionless => Some(started(&["proxy", "--port", "0", "--stateless"], &server).await),
            _ => Some(started(&["proxy", "--port", "0"], &server).await),
        };
        let link = connected(client, way, gateway.as_ref(), &server, client.capabilities()).await;
        let mut scene = Self { link, gateway, server, client, way };
        if way == Way::Union {
            scene.settle().await;
        }
        scene
    }

    /// Waits until all servers are known, and opens the link to the one under test. What is heard of that is no part of
    /// what is tried.
    async fn settle(&mut self) {
        let (uri, _) = self.server.resource();
        self.link.request("resources/read", &format!(r#"{{"uri":"{uri}"}}"#)).await;
        for list in ["tools", "prompts", "resources"] {
            self.link.request(&format!("{list}/list"), "").await;
        }
        self.forget_changes();
    }

    /// Passes over what was heard of lists: those of other servers change, too.
    pub(crate) fn forget_changes(&mut self) {
        for list in ["tools", "prompts", "resources"] {
            self.link.take(&format!("notifications/{list}/list_changed"));
        }
    }

    /// A second client of the same kind.
    pub(crate) async fn another(&self, capabilities: &str) -> Link {
        connected(self.client, self.way, self.gateway.as_ref(), &self.server, capabilities).await
    }

    /// Kills Janua, and with it what runs inside.
    pub(crate) async fn kill_gateway(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.kill().await;
        }
    }

    /// Whether other servers stand beside it.
    pub(crate) fn is_union(&self) -> bool {
        self.way == Way::Union
    }

    /// The era that Janua speaks to the server.
    pub(crate) fn beyond(&self) -> Era {
        self.server.kind.era(self.client)
    }

    /// Whether the server has no handshake with Janua.
    pub(crate) fn is_modern_beyond(&self) -> bool {
        self.beyond() == Era::Modern
    }

    /// Whether client and server are of different eras.
    pub(crate) fn crosses(&self) -> bool {
        self.beyond() != self.client.era()
    }
}

async fn started(words: &[&str], server: &Upstream) -> Gateway {
    Gateway::builder(JANUA).args(words).args(&server.words()).start().await
}

/// A gateway of the server and two others, which share nothing with it but the address.
async fn gathered(server: &Upstream) -> Gateway {
    let other = json!({"builtin": "simple-tools-server"});
    let servers = json!({"left": other, UNDER_TEST: server.entry(), "right": other});
    let file = server.note("janua.json", &json!({"data_dir": false, "servers": servers}).to_string());
    Gateway::builder(JANUA).args(&["serve", "--port", "0", "-c", &file]).start().await
}

async fn connected(
    client: ClientKind,
    way: Way,
    gateway: Option<&Gateway>,
    server: &Upstream,
    capabilities: &str,
) -> Link {
    let Some(gateway) = gateway else {
        let mut words = vec!["connect".to_owned()];
        words.extend(server.words());
        return Link::stdio(client, Path::new(JANUA), &words, capabilities).await;
    };
    let link = Link::remote(client, gateway.base(), capabilities).await;
    if way == Way::Union { link.naming(UNDER_TEST) } else { link }
}

impl Verdict {
    /// Refused with a JSON-RPC error.
    pub(crate) fn error(code: i64) -> Self {
        let name = match code {
            -32600 => "invalid request ",
            -32601 => "method not found ",
            -32602 => "invalid params ",
            -32021 => "missing client capability ",
            _ => "",
        };
        Self::Refused(format!("{name}({code})"))
    }

    /// Refused with an HTTP status.
    pub(crate) fn status(status: u16) -> Self {
        Self::Refused(format!("HTTP {status}"))
    }

    /// There is no such thing to have.
    pub(crate) fn not_offered() -> Self {
        Self::Refused("not offered".to_owned())
    }

    /// Degrades, and how.
    pub(crate) fn degrades(how: &str) -> Self {
        Self::Degrades(how.to_owned())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("works"),
            Self::Degrades(how) => write!(f, "degrades: {how}"),
            Self::Refused(with) => write!(f, "refused: {with}"),
        }
    }
}
