//! 2026-07-28 on a pipe, alone or beside the revisions with a handshake.

use std::collections::HashMap;
use std::process;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::json;

use crate::servers::everything::legacy::Legacy;
use crate::servers::everything::modern::{MODERN, Modern, Out, Running};
use crate::servers::journal::Journal;
use crate::servers::message::Message;
use crate::servers::peer::{Peer, Server, held};

/// The modern server with one pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    peer: Arc<Peer>,
    modern: Modern,
    running: Mutex<HashMap<String, Arc<Running>>>,
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

/// Writes lines.
#[derive(Debug)]
struct Lines(Arc<Peer>);

impl Out for Lines {
    fn note(&self, message: &str) {
        self.0.line(message);
    }

    fn answer(&self, message: &str) {
        self.0.line(message);
    }

    fn crash(&self) {
        process::exit(3);
    }
}

impl Pipe {
    pub(super) fn new(peer: Arc<Peer>, journal: Journal, pages: bool) -> Self {
        Self { peer, modern: Modern::new(journal, pages), running: Mutex::default() }
    }

    fn told(&self, message: &Message) {
        match message.method() {
            Some("notifications/cancelled") => {
                let id = message.value()["params"]["requestId"].to_string();
                // One that is done is none to cancel; that is no fault, as the two may cross.
                if let Some(running) = held(&self.running).get(&id) {
                    running.cancel();
                }
            }
            Some("notifications/initialized" | "notifications/roots/list_changed" | "notifications/progress") => {
                self.modern.fault(&format!("a notification of earlier revisions: {}", message.raw()));
            }
            Some(_) => {}
            None => self.modern.fault(&format!("not a request: {}", message.raw())),
        }
    }
}

impl Server for Pipe {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn heard(&self, message: &Message) {
        if message.is_response() {
            self.modern.fault(&format!("a response: {}", message.raw()));
        }
        let (Some(id), Some(_)) = (message.id(), message.method()) else { return };
        let before = held(&self.running).insert(id.to_owned(), Arc::default());
        if before.is_some() {
            self.modern.fault(&format!("an id that is in use: {}", message.raw()));
        }
    }

    fn waits(&self, message: &Message) -> bool {
        let blocks = ["tools/call", "prompts/get", "resources/read", "subscriptions/listen"];
        message.id().is_some() && message.method().is_some_and(|method| blocks.contains(&method))
    }

    fn take(&self, message: &Message) {
        if message.value().is_array() {
            self.modern.fault("an array");
            self.peer.unknown("null", -32600, "arrays are not served");
            return;
        }
        let (Some(id), Some(_)) = (message.id(), message.method()) else { return self.told(message) };
        let running = held(&self.running).get(id).cloned().unwrap_or_default();
        match self.modern.admit(message) {
            Ok(envelope) => {
                let out: Arc<dyn Out> = Arc::new(Lines(Arc::clone(&self.peer)));
                self.modern.serve(&envelope, message, &running, &out);
                if message.method() == Some("subscriptions/listen") && !running.is_cancelled() {
                    // On a pipe the end of a subscription is said twice.
                    self.peer.notify("notifications/cancelled", Some(&format!(r#"{{"requestId":{id}}}"#)));
                }
            }
            Err(error) => self.peer.refuse(id, &error),
        }
        held(&self.running).remove(id);
    }

    fn ended(&self) {
        for running in held(&self.running).values() {
            running.cancel();
        }
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
