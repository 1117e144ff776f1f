//! One server of a gateway: its settings, its links, and what is known of it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;

use super::kept::Kept;
use super::shelf::Shelf;
use crate::bridge::Bridge;
use crate::config::{Limits, Protocol, Server, ServerSettings, Share};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::observe::metrics::Metrics;
use crate::servers::folder::{self, FolderOpener};
use crate::servers::hiding::{Hiding, Shown};
use crate::servers::in_process::{Factories, Site};
use crate::servers::inventory::Inventory;
use crate::servers::openapi::OpenApiOpener;
use crate::servers::pool::Pool;
use crate::servers::process;
use crate::servers::remote::RemoteOpener;
use crate::servers::starts::Starts;
use crate::servers::stdio::StdioOpener;
use crate::servers::vitals::{Noted, Vitals};
use crate::servers::warm::Stock;
use crate::servers::{Opener, Place};
use crate::tasks::Tasks;
use crate::user::User;

/// A server that is served.
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) settings: ServerSettings,
    /// The links of everybody: of clients who call in nobody's name, and of the catalogue.
    pub(crate) bridge: Arc<Bridge>,
    /// The links of each user.
    users: Lock<HashMap<Arc<User>, Arc<Bridge>>>,
    /// What stood here before, with which users may have calls parked.
    before: Weak<Served>,
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
    /// The API key of whoever runs the gateway, for servers in folders that nobody in particular uses.
    pub(crate) own_key: Option<Arc<str>>,
}

impl Means {
    pub(crate) fn new(factories: Factories, limits: &Limits, metrics: &Arc<Metrics>) -> Self {
        let limits = Arc::new(limits.clone());
        let starts = Starts::new(&limits);
        Means { factories, limits, tasks: Tasks::default(), starts, metrics: metrics.clone(), own_key: None }
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
    let Means { factories, limits, tasks, starts, metrics, .. } = means.clone();
    let (inventory, metrics) = (Arc::new(Inventory::default()), metrics.server(name));
    let opener: Box<dyn Opener> = match &settings.server {
        Server::Command(command) => {
            let (command, warm, journal) = (command.clone(), settings.warm, vitals.journal.clone());
            let (starts, limits, tasks) = (starts.clone(), limits.clone(), tasks.clone());
            Box::new(StdioOpener(Stock::new(command, warm, starts, journal, limits, tasks, metrics.clone())))
        }
        Server::Remote(remote) => Box::new(RemoteOpener::new(remote, limits.clone(), tasks.clone(), inventory.clone())),
        Server::OpenApi(api) => Box::new(OpenApiOpener::new(name, api, &settings.tools, limits.clone(), tasks.clone())),
        Server::Folder(server) => {
            let (command, journal) = (folder::command(server, &[]), vitals.journal.clone());
            let (starts, limits, tasks) = (starts.clone(), limits.clone(), tasks.clone());
            let stock = Stock::new(command, 0, starts, journal, limits, tasks, metrics.clone());
            let idle = settings.idle_timeout.unwrap_or(folder::IDLE);
            Box::new(FolderOpener::new(stock, settings.share, idle, means.own_key.clone()))
        }
        Server::InProcess(name) => {
            Box::new(factories.opener(name, Site { limits: limits.clone(), tasks: tasks.clone() }))
        }
    };
    let opener = Box::new(Noted { opener, vitals: vitals.clone() });
    let opener = match shown {
        Some(shown) => Box::new(Hiding { opener, shown }),
        None => opener as Box<dyn Opener>,
    };
    // A folder's sessions share processes rather than links, and speak no other era.
    let (protocol, share) = match &settings.server {
        Server::Folder(_) => (Protocol::Legacy, Share::Session),
        _ => (settings.protocol, settings.share),
    };
    let pool = Pool::new(opener, protocol, starts, metrics);
    Bridge::new(before, pool, (share, settings.declared), inventory, limits, tasks)
}

impl Served {
    /// The server `name`, in the stead of the one of that name `before`; what is known of it is kept in `folder`, if there
    /// is one.
    pub(super) fn new(
        name: &str,
        settings: &ServerSettings,
        means: &Means,
        folder: Option<&std::path::Path>,
        before: Option<&Arc<Served>>,
    ) -> Arc<Self> {
        let vitals = before.map(|before| before.vitals.clone()).unwrap_or_default();
        vitals.pardon();
        let means = Means { limits: Arc::new(own(settings, &means.limits)), ..means.clone() };
        let bridge = bridge(name, settings, &means, None, &vitals, before.map(|before| &*before.bridge));
        let kept = folder.map(|folder| Kept::new(folder, name, settings));
        let Means { limits, tasks, .. } = means;
        let shelf = Shelf::new(name, &settings.server, bridge.clone(), limits.clone(), &tasks, kept);
        let served = Arc::new(Served {
            name: name.to_owned(),
            settings: settings.clone(),
            bridge,
            users: Lock::default(),
            before: before.map(Arc::downgrade).unwrap_or_default(),
            shelf,
            vitals,
            limits,
            tasks,
        });
        let watched = Arc::downgrade(&served);
        let parked = move || watched.upgrade().map_or(0, |served| served.parked());
        served.bridge.metrics().watch_parked(parked);
        served
    }

    /// Whether one instance is there for all users alike.
    pub(super) fn is_for_all(&self) -> bool {
        self.settings.share == Share::All && !matches!(self.settings.server, Server::Folder(_))
    }

    /// The links of `user`, of everybody if it is nobody or all share one instance. An error if there are as many users
    /// as there may be.
    pub(crate) fn bridge_of(&self, user: Option<&Arc<User>>) -> Result<Arc<Bridge>, Failure> {
        let Some(user) = user.filter(|_| !self.is_for_all()) else { return Ok(self.bridge.clone()) };
        let mut users = self.users.lock();
        if let Some(bridge) = users.get(user) {
            return Ok(bridge.clone());
        }
        if users.len() >= self.limits.users {
            users.retain(|_, bridge| Arc::strong_count(bridge) > 1 || !bridge.is_empty());
        }
        if users.len() >= self.limits.users {
            let message = format!("{} users have links to {} already, the most there may be", users.len(), self.name);
            return Err(Failure::new(Kind::Overloaded, message).retry_after(self.limits.session_idle));
        }
        let before = self.before.upgrade().and_then(|before| before.users.lock().get(user).cloned());
        let bridge = self.bridge.of_user(user.clone(), before.as_deref());
        users.insert(user.clone(), bridge.clone());
        Ok(bridge)
    }

    /// The links of everybody and of every user.
    pub(super) fn bridges(&self) -> Vec<Arc<Bridge>> {
        let users = self.users.lock();
        users.values().chain([&self.bridge]).cloned().collect()
    }

    /// Calls that wait for their clients to come back.
    pub(super) fn parked(&self) -> usize {
        self.bridges().iter().map(|bridge| bridge.parked()).sum()
    }

    /// Closes every link; parked calls are given up.
    pub(super) fn close_all(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        self.bridges().iter().flat_map(|bridge| bridge.close_all(why)).collect()
    }

    /// The same server with new links, none of which is open yet.
    pub(super) fn anew(self: &Arc<Self>, means: &Means, folder: Option<&std::path::Path>) -> Arc<Self> {
        let anew = Served::new(&self.name, &self.settings, means, folder, Some(self));
        anew.shelf.take_over(&self.shelf);
        anew
    }

    /// Why it cannot be started, if that shows without trying.
    pub(super) fn obstacle(&self) -> Option<Failure> {
        let Server::Command(command) = &self.settings.server else { return None };
        let message = || format!("the server {} cannot be started: its program is not there", self.name);
        (!process::is_there(command)).then(|| Failure::new(Kind::StartFailed, message()))
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
            let busy = || self.bridge.requests.current() > 0 || self.parked() > 0;
            tokio::time::sleep(STEP).await;
            while busy() && Instant::now() < end && !self.tasks.is_stopping() {
                tokio::time::sleep(STEP).await;
            }
            let why = Failure::new(Kind::Stopping, why);
            join_all(self.close_all(&why)).await;
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
