//! Who listens to changes: one open request each, with what it wants to hear.

use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::servers::everything::modern::{Ending, Out, Running};
use crate::servers::peer::held;

/// All open subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<Vec<Arc<Subscription>>>);

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
    pub(super) fn open(
        &self,
        id: &str,
        filter: &Value,
        known: impl Fn(&str) -> bool,
        listener: Listener,
    ) -> Arc<Subscription> {
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
        let subscription = Arc::new(Subscription { id: id.to_owned(), accepted, listener });
        // Under the lock, so that nothing can come before it.
        let mut all = held(&self.0);
        let params = json!({"notifications": subscription.accepted});
        subscription.say("notifications/subscriptions/acknowledged", params);
        all.push(Arc::clone(&subscription));
        subscription
    }

    pub(super) fn close(&self, subscription: &Arc<Subscription>) {
        held(&self.0).retain(|open| !Arc::ptr_eq(open, subscription));
    }

    /// Ends all of them.
    pub(super) fn end(&self) {
        for subscription in &*held(&self.0) {
            subscription.listener.running.end(Ending::Over);
        }
    }

    pub(super) fn count(&self) -> usize {
        held(&self.0).len()
    }

    /// Says that a list changed, to those who want to hear it.
    pub(super) fn list_changed(&self, list: &str) {
        for subscription in &*held(&self.0) {
            if subscription.accepted[format!("{list}ListChanged")] == true {
                subscription.say(&format!("notifications/{list}/list_changed"), json!({}));
            }
        }
    }

    /// Says that a resource changed, to those who want to hear it.
    pub(super) fn updated(&self, uri: &str) {
        for subscription in &*held(&self.0) {
            let mut wanted = subscription.accepted["resourceSubscriptions"].as_array().into_iter().flatten();
            if wanted.any(|wanted| wanted == uri) {
                subscription.say("notifications/resources/updated", json!({"uri": uri}));
            }
        }
    }
}

impl Subscription {
    fn say(&self, method: &str, mut params: Value) {
        params["_meta"]["io.modelcontextprotocol/subscriptionId"] =
            serde_json::from_str(&self.id).expect("an id is JSON");
        self.listener.out.note(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).field("accepted", &self.accepted).finish_non_exhaustive()
    }
}
