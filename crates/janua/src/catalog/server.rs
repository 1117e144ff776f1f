//! One server of a gateway: its settings, its links, and what is known of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::kept::Kept;
use super::shelf::Shelf;
use crate::bridge::Bridge;
use crate::config::{Limits, Server, ServerSettings};
use crate::error::{Failure, Kind};
use crate::observe::metrics::Metrics;
use crate::servers::hiding::{Hiding, Shown};
use crate::servers::in_process::{Factories, Site};
use crate::servers::inventory::Inventory;
use crate::servers::pool::Pool;
use crate::servers::remote::RemoteOpener;
use crate::servers::starts::Starts;
use crate::servers::stdio::StdioOpener;
use crate::servers::vitals::{Noted, Vitals};
use crate::servers::warm::Stock;
use crate::servers::{Opener, Place};
use crate::tasks::Tasks;

/// A server that is served.
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) settings: ServerSettings,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) shelf: Arc<Shelf>,
    /// How it is doing: what is noted outlives a change of its settings.
    pub(crate) vitals: Arc<Vitals>,
    limits: Arc<Limits>,
    tasks: Tasks,
}

/// What the servers of one gateway have in common.
#[derive(Clone)]
pub(crate) struct Means {
    /// Where servers in this process are found.
    pub(crate) factories: Factories,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tasks: Tasks,
    /// Turns to start, and how many programs there may be.
    pub(crate) starts: Arc<Starts>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Means {
    pub(crate) fn new(factories: Factories, limits: &Limits, metrics: &Arc<Metrics>) -> Self {
        let limits = Arc::new(limits.clone());
        let starts = Starts::new(&limits);
        Means { factories, limits, tasks: Tasks::default(), starts, metrics: metrics.clone() }
    }
}

/// The links to the server `name`, none of which is open yet; calls that are parked at the one `before` are found there.
/// Of its tools only those that are `shown` are there.
pub(crate) fn bridge(
    name: &str,
    settings: &ServerSettings,
    means: &Means,
    shown: Option<Shown>,
    vitals: &Arc<Vitals>,
    before: Option<&Bridge>,
) -> Arc<Bridge> {
    let Means { factories, limits, tasks, starts, metrics } = means.clone();
    let (inventory, metrics) = (Arc::new(Inventory::default()), metrics.server(name));
    let opener: Box<dyn Opener> = match &settings.server {
        Server::Command(command) => {
            let (command, warm, journal) = (command.clone(), settings.warm, vitals.journal.clone());
            let (starts, limits, tasks) = (starts.clone(), limits.clone(), tasks.clone());
            Box::new(StdioOpener(Stock::new(command, warm, starts, journal, limits, tasks, metrics.clone())))
        }
        Server::Remote(remote) => Box::new(RemoteOpener::new(remote, limits.clone(), tasks.clone(), inventory.clone())),
        Server::InProcess(name) => {
            Box::new(factories.opener(name, Site { limits: limits.clone(), tasks: tasks.clone() }))
        }
    };
    let opener = Box::new(Noted { opener, vitals: vitals.clone() });
    let opener = match shown {
        Some(shown) => Box::new(Hiding { opener, shown }),
        None => opener as Box<dyn Opener>,
    };
    let pool = Pool::new(opener, settings.protocol, starts, metrics);
    Bridge::new(before, pool, (settings.share, settings.declared), inventory, limits, tasks)
}

impl Served {
    /// The server `name`, in the stead of the one of that name `before`; what is known of it is kept in `folder`, if there
    /// is one.
    pub(super) fn new(
        name: &str,
        settings: &ServerSettings,
        means: &Means,
        folder: Option<&std::path::Path>,
        before: Option<&Served>,
    ) -> Arc<Self> {
        let vitals = before.map(|before| before.vitals.clone()).unwrap_or_default();
        vitals.pardon();
        let means = Means { limits: Arc::new(own(settings, &means.limits)), ..means.clone() };
        let bridge = bridge(name, settings, &means, None, &vitals, before.map(|before| &*before.bridge));
        let kept = folder.map(|folder| Kept::new(folder, name, settings));
        let Means { limits, tasks, .. } = means;
        let shelf = Shelf::new(name, &settings.server, bridge.clone(), limits.clone(), &tasks, kept);
        Arc::new(Served { name: name.to_owned(), settings: settings.clone(), bridge, shelf, vitals, limits, tasks })
    }

    /// The same server with new links, none of which is open yet.
    pub(super) fn anew(&self, means: &Means, folder: Option<&std::path::Path>) -> Arc<Self> {
        let anew = Served::new(&self.name, &self.settings, means, folder, Some(self));
        anew.shelf.take_over(&self.shelf);
        anew
    }

    /// The limits that hold for it.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Ends its links once nothing is under way on them, or when that takes too long. New calls go elsewhere by now.
    pub(super) fn retire(self: Arc<Self>, why: &'static str) {
        const STEP: Duration = Duration::from_millis(50);
        let tasks = self.tasks.clone();
        tasks.spawn("retired server", async move {
            let end = Instant::now() + self.limits.call_total;
            let busy = || self.bridge.requests.current() > 0 || self.bridge.parked() > 0;
            tokio::time::sleep(STEP).await;
            while busy() && Instant::now() < end && !self.tasks.is_stopping() {
                tokio::time::sleep(STEP).await;
            }
            let why = Failure::new(Kind::Stopping, why);
            join_all(self.bridge.close_all(&why)).await;
            tracing::info!(server = self.name, "server retired");
        });
    }
}

/// The limits of one server: the gateway's, but for what its settings say.
fn own(settings: &ServerSettings, limits: &Limits) -> Limits {
    let mut own = limits.clone();
    let set = |limit: &mut Duration, wish: Option<Duration>| *limit = wish.unwrap_or(*limit);
    set(&mut own.session_idle, settings.idle_timeout);
    set(&mut own.call, settings.call_timeout);
    set(&mut own.start, settings.start_timeout);
    own.call_total = own.call_total.max(own.call);
    own
}
