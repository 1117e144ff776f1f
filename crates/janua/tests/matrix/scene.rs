//! One cell on stage: a server, Janua in front of it, a client connected, and what was found.

use std::fmt;
use std::path::Path;

use futures_util::future::BoxFuture;
use janua_testkit::gateway::Gateway;

use super::kinds::{ClientKind, Era, ServerKind};
use super::link::Link;
use super::upstream::{Program, Upstream};

/// The program under test.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");

/// One connected client. The fields are dropped in this order.
pub(crate) struct Scene {
    /// The client's connection.
    pub(crate) link: Link,
    gateway: Option<Gateway>,
    /// The server.
    pub(crate) server: Upstream,
    /// The kind of the client.
    pub(crate) client: ClientKind,
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
    pub(crate) async fn open(client: ClientKind, kind: ServerKind, program: Program) -> Self {
        let server = Upstream::start(kind, program).await;
        let gateway = match client {
            ClientKind::Stdio | ClientKind::Stdio2026 => None,
            ClientKind::Sessionless => Some(started(&["proxy", "--port", "0", "--stateless"], &server).await),
            _ => Some(started(&["proxy", "--port", "0"], &server).await),
        };
        let link = connected(client, gateway.as_ref(), &server, client.capabilities()).await;
        Self { link, gateway, server, client }
    }

    /// A second client of the same kind.
    pub(crate) async fn another(&self, capabilities: &str) -> Link {
        connected(self.client, self.gateway.as_ref(), &self.server, capabilities).await
    }

    /// Kills Janua, and with it what runs inside.
    pub(crate) async fn kill_gateway(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.kill().await;
        }
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

async fn connected(client: ClientKind, gateway: Option<&Gateway>, server: &Upstream, capabilities: &str) -> Link {
    let Some(gateway) = gateway else {
        let mut words = vec!["connect".to_owned()];
        words.extend(server.words());
        return Link::stdio(client, Path::new(JANUA), &words, capabilities).await;
    };
    Link::remote(client, gateway.base(), capabilities).await
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
