//! 2026-07-28 on a pipe, alone or beside the revisions with a handshake.

use std::process;
use std::sync::{Arc, OnceLock};

use serde_json::json;

use crate::servers::everything::duplex::{Duplex, Wire};
use crate::servers::everything::legacy::Legacy;
use crate::servers::everything::modern::{MODERN, Modern};
use crate::servers::message::Message;
use crate::servers::peer::{Peer, Server};

/// The modern server with one pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    peer: Arc<Peer>,
    duplex: Duplex,
}

/// A server of both eras, which serves the one that is spoken first.
#[derive(Debug)]
pub(super) struct Dual {
    legacy: Legacy,
    pipe: Pipe,
    first: OnceLock<Era>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

/// Standard output.
#[derive(Debug)]
struct Lines(Arc<Peer>);

impl Wire for Lines {
    fn line(&self, text: &str) {
        self.0.line(text);
    }

    fn die(&self) {
        process::exit(3);
    }
}

impl Pipe {
    pub(super) fn new(peer: Arc<Peer>, modern: Modern) -> Self {
        let duplex = Duplex::new(modern, Arc::new(Lines(Arc::clone(&peer))));
        Self { peer, duplex }
    }
}

impl Server for Pipe {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn heard(&self, message: &Message) {
        self.duplex.heard(message);
    }

    fn waits(&self, message: &Message) -> bool {
        self.duplex.waits(message)
    }

    fn take(&self, message: &Message) {
        self.duplex.take(message);
    }

    fn ended(&self) {
        self.duplex.ended();
    }
}

impl Dual {
    pub(super) fn new(legacy: Legacy, pipe: Pipe) -> Self {
        Self { legacy, pipe, first: OnceLock::new() }
    }

    /// The era that a message is in, which the first request decides for all.
    fn era(&self, message: &Message) -> Era {
        let meta = &message.value()["params"]["_meta"];
        let modern = meta.get("io.modelcontextprotocol/protocolVersion").is_some();
        let own = if modern { Era::Modern } else { Era::Legacy };
        // Notifications and answers belong to whichever era the requests are in.
        if message.id().is_none() || message.is_response() {
            return self.first.get().copied().unwrap_or(own);
        }
        self.first.get_or_init(|| own);
        own
    }

    fn side(&self, message: &Message) -> &dyn Server {
        match self.era(message) {
            Era::Legacy => &self.legacy,
            Era::Modern => &self.pipe,
        }
    }

    /// The error that a request of the other era gets.
    fn refusal(&self, message: &Message) -> Option<serde_json::Value> {
        let first = *self.first.get()?;
        if message.id().is_none() || message.is_response() || self.era(message) == first {
            return None;
        }
        Some(match first {
            Era::Modern => {
                let requested = &message.value()["params"]["protocolVersion"];
                let data = json!({"supported": [MODERN], "requested": requested});
                json!({"code": -32022, "message": "Unsupported protocol version", "data": data})
            }
            Era::Legacy => json!({"code": -32600, "message": "This connection serves the handshake era"}),
        })
    }
}

impl Server for Dual {
    fn peer(&self) -> &Peer {
        self.legacy.peer()
    }

    fn heard(&self, message: &Message) {
        self.side(message).heard(message);
    }

    fn waits(&self, message: &Message) -> bool {
        self.side(message).waits(message)
    }

    fn take(&self, message: &Message) {
        match (self.refusal(message), message.id()) {
            (Some(error), Some(id)) => self.peer().refuse(id, &error),
            _ => self.side(message).take(message),
        }
    }

    fn ended(&self) {
        self.pipe.ended();
    }
}
