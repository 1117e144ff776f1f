//! Servers that are folders, tried before anybody needs them: one that cannot be loaded is not served, and it is said why.

use std::sync::{Arc, Weak};

use super::server::{Means, Served};
use super::{Many, Now};
use crate::config::{FolderServer, Server, ServerSettings};
use crate::error::{Failure, Kind};
use crate::servers::folder::trial;

/// Folders tried at once: each costs a second or so of a processor.
pub(super) const TRIALS: usize = 2;

/// A server that cannot be loaded as it is, and why.
#[derive(Clone)]
pub(super) struct Refused {
    pub(super) settings: ServerSettings,
    pub(super) why: String,
}

impl Many {
    /// Tries a server, if it is one of those that have to be, behind whatever else goes on.
    pub(super) fn try_out(self: &Arc<Self>, served: &Arc<Served>) {
        let Server::Folder(folder) = &served.settings.server else { return };
        let (many, tried, folder) = (Arc::downgrade(self), Arc::downgrade(served), folder.clone());
        let (trials, means, journal) = (self.trials.clone(), self.means.clone(), served.vitals.journal.clone());
        self.means.tasks.spawn("trial of a folder", async move {
            let Ok(_turn) = trials.acquire().await else { return };
            if tried.strong_count() == 0 || means.tasks.is_stopping() {
                return;
            }
            match trial::load(&folder, &means.starts, &journal, &means.limits, &means.tasks).await {
                Ok(()) => loaded(&tried),
                Err(failure) if failure.kind == Kind::Overloaded => {}
                Err(failure) => {
                    if let (Some(many), Some(served)) = (many.upgrade(), tried.upgrade()) {
                        many.refuse(&served, &failure.message);
                    }
                }
            }
        });
    }

    /// Finds out whether the server of a folder can be loaded.
    pub(crate) async fn try_now(&self, folder: &FolderServer) -> Result<(), Failure> {
        let Means { starts, limits, tasks, .. } = &self.means;
        trial::load(folder, starts, &Arc::default(), limits, tasks).await
    }

    /// Serves a server no longer, unless it has been defined anew since.
    fn refuse(&self, served: &Arc<Served>, why: &str) {
        let _change = self.changing.lock();
        let mut now = (*self.now()).clone();
        if !now.servers.get(&served.name).is_some_and(|held| Arc::ptr_eq(held, served)) {
            return;
        }
        tracing::warn!(server = served.name, reason = why, "server not served: it cannot be loaded");
        now.servers.remove(&served.name);
        now.refuse(&served.name, Refused { settings: served.settings.clone(), why: why.to_owned() });
        let settings = now.settings.clone();
        self.compose(&mut now, &settings);
        if !now.views.contains_key(&served.name) {
            self.means.metrics.remove(&served.name);
        }
        *self.now.lock() = Arc::new(now);
        served.clone().retire("the server cannot be loaded");
    }
}

impl Now {
    /// Takes note of a server that cannot be loaded.
    pub(super) fn refuse(&mut self, name: &str, refused: Refused) {
        self.disabled.insert(name.to_owned(), refused.why.clone());
        self.refused.insert(name.to_owned(), refused);
    }
}

fn loaded(tried: &Weak<Served>) {
    if let Some(served) = tried.upgrade() {
        tracing::info!(server = served.name, "server loaded");
    }
}
