//! 2026-07-28 on a channel that carries both ways: what came is told apart, what runs can be cancelled.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::client::message;
use crate::servers::everything::modern::{Modern, Out, Running};
use crate::servers::message::Message;
use crate::servers::peer::held;

/// The way out of a channel.
pub trait Wire: Send + Sync {
    /// Sends one message.
    fn line(&self, text: &str);
    /// Ends the server at once.
    fn die(&self);
}

/// A modern server on one channel.
pub struct Duplex {
    modern: Arc<Modern>,
    wire: Arc<dyn Wire>,
    running: Mutex<HashMap<String, Arc<Running>>>,
}

/// Everything about a request goes the same way.
struct Outward(Arc<dyn Wire>);

impl Out for Outward {
    fn note(&self, message: &str) {
        self.0.line(message);
    }

    fn answer(&self, message: &str) {
        self.0.line(message);
    }

    fn over(&self, id: &str) {
        self.0.line(&message::notification("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#)));
    }

    fn crash(&self) {
        self.0.die();
    }
}

impl Duplex {
    /// A server on the channel whose way out is `wire`.
    pub fn new(modern: impl Into<Arc<Modern>>, wire: Arc<dyn Wire>) -> Self {
        Self { modern: modern.into(), wire, running: Mutex::default() }
    }

    /// Takes note of a message, in the order of arrival.
    pub fn heard(&self, message: &Message) {
        if message.is_response() {
            self.modern.fault(&format!("a response: {}", message.raw()));
        }
        let (Some(id), Some(_)) = (message.id(), message.method()) else { return };
        let before = held(&self.running).insert(id.to_owned(), Arc::default());
        if before.is_some() {
            self.modern.fault(&format!("an id that is in use: {}", message.raw()));
        }
    }

    /// Whether [`Duplex::take`] may block on this message.
    pub fn waits(&self, message: &Message) -> bool {
        let blocks = ["tools/call", "prompts/get", "resources/read"];
        message.id().is_some() && message.method().is_some_and(|method| blocks.contains(&method))
    }

    /// Serves a message that was heard.
    pub fn take(&self, message: &Message) {
        if message.value().is_array() {
            self.modern.fault("an array");
            self.wire.line(&message::error("null", -32600, "arrays are not served"));
            return;
        }
        let (Some(id), Some(method)) = (message.id(), message.method()) else { return self.told(message) };
        let running = held(&self.running).get(id).cloned().unwrap_or_default();
        match self.modern.admit(message) {
            Ok(envelope) => {
                let out: Arc<dyn Out> = Arc::new(Outward(Arc::clone(&self.wire)));
                self.modern.serve(&envelope, message, &running, &out);
            }
            Err(error) => self.wire.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)),
        }
        // A subscription goes on, and can be cancelled.
        if method != "subscriptions/listen" {
            held(&self.running).remove(id);
        }
    }

    /// Nothing more will come.
    pub fn ended(&self) {
        for running in held(&self.running).values() {
            running.cancel();
        }
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

impl fmt::Debug for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplex").field("modern", &self.modern).finish_non_exhaustive()
    }
}
