//! How often each entry was asked for: so that a test sees that nothing ran twice.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::servers::peer::held;

/// Counts by name.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<String, Counts>>);

/// What happened to one entry.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Runs begun, retries not counted.
    begun: u64,
    /// Retries with answers.
    rounds: u64,
    /// Runs that came to their end.
    done: u64,
}

impl Tally {
    /// Counts a run that begins, or one that is continued.
    pub(super) fn begin(&self, name: &str, again: bool) {
        let mut counts = held(&self.0);
        let counts = counts.entry(name.to_owned()).or_default();
        if again {
            counts.rounds += 1;
        } else {
            counts.begun += 1;
        }
    }

    /// Counts a run that came to its end.
    pub(super) fn done(&self, name: &str) {
        held(&self.0).entry(name.to_owned()).or_default().done += 1;
    }

    /// `{"NAME":{"begun":1,"rounds":0,"done":1}}`.
    pub(super) fn show(&self) -> Value {
        let one = |counts: &Counts| json!({"begun": counts.begun, "rounds": counts.rounds, "done": counts.done});
        held(&self.0).iter().map(|(name, counts)| (name.clone(), one(counts))).collect()
    }
}
