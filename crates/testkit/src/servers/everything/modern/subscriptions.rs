//! Who listens to changes: one open request each, with what it wants to hear.

use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::servers::everything::modern::{Out, Running};
use crate::servers::peer::held;

/// All open subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<Vec<Subscription>>);

/// One of them.
pub(super) struct Subscription {
    id: String,
    accepted: Value,
    listener: Listener,
}

/// The request that a subscription is.
pub(super) struct Listener {
    pub(super) running: Arc<Running>,
    pub(super) out: Arc<dyn Out>,
}

impl Subscriptions {
    /// Opens one; the first thing it says is what of the filter is accepted.
    pub(super) fn open(&self, id: &str, filter: &Value, known: impl Fn(&str) -> bool, listener: Listener) {
        let mut accepted = json!({});
        for list in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
            if filter[list] == true {
                accepted[list] = json!(true);
            }
        }
        if let Some(uris) = filter["resourceSubscriptions"].as_array() {
            let uris = uris.iter().filter(|uri| uri.as_str().is_some_and(&known));
            accepted["resourceSubscriptions"] = uris.cloned().collect();
        }
        let subscription = Subscription { id: id.to_owned(), accepted, listener };
        // Under the lock, so that nothing can come before it.
        let mut all = held(&self.0);
        let params = json!({"notifications": subscription.accepted});
        subscription.say("notifications/subscriptions/acknowledged", params);
        all.push(subscription);
    }

    /// Ends all of them with this result.
    pub(super) fn end(&self, result: impl Fn() -> Value) {
        for subscription in std::mem::take(&mut *held(&self.0)) {
            if subscription.is_open() {
                let mut result = result();
                result["_meta"]["io.modelcontextprotocol/subscriptionId"] = subscription.id();
                let id = &subscription.id;
                subscription.listener.out.answer(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
                subscription.listener.out.over(id);
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        held(&self.0).iter().filter(|subscription| subscription.is_open()).count()
    }

    /// Says that a list changed, to those who want to hear it.
    pub(super) fn list_changed(&self, list: &str) {
        for subscription in held(&self.0).iter().filter(|subscription| subscription.is_open()) {
            if subscription.accepted[format!("{list}ListChanged")] == true {
                subscription.say(&format!("notifications/{list}/list_changed"), json!({}));
            }
        }
    }

    /// Says that a resource changed, to those who want to hear it.
    pub(super) fn updated(&self, uri: &str) {
        for subscription in held(&self.0).iter().filter(|subscription| subscription.is_open()) {
            let mut wanted = subscription.accepted["resourceSubscriptions"].as_array().into_iter().flatten();
            if wanted.any(|wanted| wanted == uri) {
                subscription.say("notifications/resources/updated", json!({"uri": uri}));
            }
        }
    }
}

impl Subscription {
    fn is_open(&self) -> bool {
        !self.listener.running.is_cancelled()
    }

    fn id(&self) -> Value {
        serde_json::from_str(&self.id).expect("an id is JSON")
    }

    fn say(&self, method: &str, mut params: Value) {
        params["_meta"]["io.modelcontextprotocol/subscriptionId"] = self.id();
        self.listener.out.note(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).field("accepted", &self.accepted).finish_non_exhaustive()
    }
}
