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
use crate::observe::metrics::{Metrics, ServerMetrics};
use crate::servers::hiding::{Hiding, Shown};
use crate::servers::in_process::{Factories, Site};
use crate::servers::inventory::Inventory;
use crate::servers::pool::Pool;
use crate::servers::remote::RemoteOpener;
use crate::servers::starts::Starts;
use crate::servers::stdio::StdioOpener;
use crate::servers::warm::Stock;
use crate::servers::{Opener, Place};
use crate::tasks::Tasks;

/// A server that is served.
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) settings: ServerSettings,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) shelf: Arc<Shelf>,
    limits: Arc<Limits>,
    tasks: Tasks,
}

/// The links to a server, none of which is open yet. Of its tools only those that are `shown` are there.
pub(crate) fn bridge(
    settings: &ServerSettings,
    factories: &Factories,
    limits: &Arc<Limits>,
    tasks: &Tasks,
    starts: &Arc<Starts>,
    metrics: Arc<ServerMetrics>,
    shown: Option<Shown>,
) -> Arc<Bridge> {
    let inventory = Arc::new(Inventory::default());
    let opener: Box<dyn Opener> = match &settings.server {
        Server::Command(command) => {
            let (command, starts, metrics) = (command.clone(), starts.clone(), metrics.clone());
            Box::new(StdioOpener(Stock::new(command, settings.warm, starts, limits.clone(), tasks.clone(), metrics)))
        }
        Server::Remote(remote) => Box::new(RemoteOpener::new(remote, limits.clone(), tasks.clone(), inventory.clone())),
        Server::InProcess(name) => {
            Box::new(factories.opener(name, Site { limits: limits.clone(), tasks: tasks.clone() }))
        }
    };
    let opener = match shown {
        Some(shown) => Box::new(Hiding { opener, shown }),
        None => opener,
    };
    let pool = Pool::new(opener, settings.protocol, starts.clone(), metrics);
    Bridge::new(pool, (settings.share, settings.declared), inventory, limits.clone(), tasks.clone())
}

impl Served {
    /// The server `name`; what is known of it is kept in `folder`, if there is one.
    pub(super) fn new(
        name: &str,
        settings: &ServerSettings,
        factories: &Factories,
        limits: &Arc<Limits>,
        (tasks, starts): (&Tasks, &Arc<Starts>),
        metrics: &Metrics,
        folder: Option<&std::path::Path>,
    ) -> Arc<Self> {
        let limits = Arc::new(own(settings, limits));
        let bridge = bridge(settings, factories, &limits, tasks, starts, metrics.server(name), None);
        let kept = folder.map(|folder| Kept::new(folder, name, settings));
        let shelf = Shelf::new(name, &settings.server, bridge.clone(), limits.clone(), tasks, kept);
        Arc::new(Served {
            name: name.to_owned(),
            settings: settings.clone(),
            bridge,
            shelf,
            limits,
            tasks: tasks.clone(),
        })
    }

    /// The limits that hold for it.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Ends its links once nothing is under way on them, or when that takes too long. New calls go elsewhere by now.
    pub(super) fn retire(self: Arc<Self>) {
        const STEP: Duration = Duration::from_millis(50);
        let tasks = self.tasks.clone();
        tasks.spawn("retired server", async move {
            let end = Instant::now() + self.limits.call_total;
            let busy = || self.bridge.requests.current() > 0 || self.bridge.parked() > 0;
            tokio::time::sleep(STEP).await;
            while busy() && Instant::now() < end && !self.tasks.is_stopping() {
                tokio::time::sleep(STEP).await;
            }
            let why = Failure::new(Kind::Stopping, "the server's settings have changed");
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
