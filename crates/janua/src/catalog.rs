//! What exists, and what each address leads to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::admission::Figure;
use crate::bridge::Bridge;
use crate::config::{Prefix, ServerSettings, Settings, ToolRules, ViewSettings};
use crate::error::Failure;
use crate::lock::Lock;
use crate::servers::Place;

pub(crate) mod greeting;
pub(crate) mod hearing;
pub(crate) mod kept;
pub(crate) mod looking;
pub(crate) mod merged;
pub(crate) mod offers;
pub(crate) mod own;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod shelf;
mod trials;
pub(crate) mod union;
pub(crate) mod view;

use server::{Means, Served};
use shelf::Reader;
use trials::{Refused, TRIALS};
use view::{Member, View};

/// The places of one gateway.
pub(crate) enum Catalog {
    /// One server, which every address leads to.
    One(Arc<Bridge>),
    /// Servers and views by name.
    Many(Arc<Many>),
}

/// Servers and views by name, and all servers together.
pub(crate) struct Many {
    means: Means,
    folder: Option<PathBuf>,
    /// Programs are kept ready, of servers that come later, too.
    prepared: AtomicBool,
    /// Turns to try servers that are folders.
    trials: Arc<Semaphore>,
    /// Held while one change is made.
    changing: Lock<()>,
    now: Lock<Arc<Now>>,
}

/// The name in metrics of all servers together.
const EVERYTHING: &str = "all";

/// What there is at one time.
#[derive(Clone)]
pub(crate) struct Now {
    pub(crate) servers: BTreeMap<String, Arc<Served>>,
    /// Servers that are not served, and why.
    pub(crate) disabled: BTreeMap<String, String>,
    /// Those of them that cannot be loaded.
    refused: BTreeMap<String, Refused>,
    all: Arc<View>,
    /// Each server by itself, and the named selections.
    views: BTreeMap<String, Arc<View>>,
    /// Those that there were before, as long as any session is there.
    former: BTreeMap<String, Weak<View>>,
    /// What it was made from.
    pub(crate) settings: Arc<Settings>,
}

/// What a change of the settings has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Servers that are new.
    pub added: Vec<String>,
    /// Servers that are not there any more, or not served any more.
    pub removed: Vec<String>,
    /// Servers that are defined in another way.
    pub changed: Vec<String>,
}

impl Catalog {
    /// One server, which every address leads to.
    pub(crate) fn of_one(bridge: Arc<Bridge>) -> Self {
        Catalog::One(bridge)
    }

    /// Every server and view of the settings.
    pub(crate) fn of_many(settings: &Settings, means: Means) -> Self {
        let all = View::new(means.limits.clone(), means.tasks.clone(), means.metrics.server(EVERYTHING));
        let (servers, disabled, views) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let many = Arc::new(Many {
            means,
            folder: settings.data_dir.clone(),
            prepared: AtomicBool::new(false),
            trials: Arc::new(Semaphore::new(TRIALS)),
            changing: Lock::default(),
            now: Lock::new(Arc::new(Now {
                servers,
                disabled,
                refused: BTreeMap::new(),
                all,
                views,
                former: BTreeMap::new(),
                settings: Arc::default(),
            })),
        });
        many.apply(settings);
        Catalog::Many(many)
    }

    /// Servers and views by name; `None` if there is one server without a name.
    pub(crate) fn many(&self) -> Option<&Arc<Many>> {
        match self {
            Catalog::One(_) => None,
            Catalog::Many(many) => Some(many),
        }
    }

    /// What the address with that name leads to, or the one without; or why to nothing.
    pub(crate) fn place(&self, name: Option<&str>) -> Result<Arc<dyn Place>, String> {
        let many = match self {
            Catalog::One(bridge) => return Ok(bridge.clone()),
            Catalog::Many(many) => many.now(),
        };
        let Some(name) = name else { return Ok(many.all.clone()) };
        if let Some(view) = many.views.get(name) {
            return Ok(view.clone());
        }
        let known = || many.views.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let unknown = || format!("there is no server or view {name}; there are: {}", known());
        Err(many.is_disabled(name).unwrap_or_else(unknown))
    }

    /// The names of all servers and views, in order; none if there is one server without a name.
    pub(crate) fn names(&self) -> Vec<String> {
        self.many().map(|many| many.now().views.keys().cloned().collect()).unwrap_or_default()
    }

    /// The same where it is a view; `None` where there is one server without a name, or none of that name.
    pub(crate) fn view(&self, name: &str) -> Option<Arc<View>> {
        self.many()?.now().views.get(name).cloned()
    }

    /// What the address with that name led to, if sessions are left there. They end what they have begun.
    pub(crate) fn former(&self, name: Option<&str>) -> Option<Arc<dyn Place>> {
        let view = self.many()?.now().former.get(name?)?.upgrade()?;
        Some(view)
    }

    /// Calls that wait for their clients to come back.
    pub(crate) fn parked(&self) -> usize {
        match self {
            Catalog::One(bridge) => bridge.parked(),
            Catalog::Many(many) => many.now().servers.values().map(|served| served.parked()).sum(),
        }
    }

    /// Starts what is to be ready before anybody asks for it, now and of servers that come later. Must be called on a
    /// tokio runtime.
    pub(crate) fn prepare(&self) {
        match self {
            Catalog::One(bridge) => bridge.pool.prepare(),
            Catalog::Many(many) => {
                many.prepared.store(true, Ordering::Relaxed);
                many.now().servers.values().for_each(|served| many.ready(served));
            }
        }
    }

    /// How full everything is that the limits of servers are about.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        match self {
            Catalog::One(bridge) => {
                [bridge.requests.figure()].into_iter().chain(bridge.pool.starts.figures()).collect()
            }
            Catalog::Many(many) => {
                let now = many.now();
                let each = now.servers.values().map(|served| served.bridge.requests.figure());
                let busiest = each.reduce(|one, other| Figure {
                    current: one.current.max(other.current),
                    rejected: one.rejected + other.rejected,
                    ..one
                });
                busiest.into_iter().chain(many.means.starts.figures()).collect()
            }
        }
    }

    /// Closes every link; parked calls are given up.
    pub(crate) fn close_all(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        match self {
            Catalog::One(bridge) => bridge.close_all(why),
            Catalog::Many(many) => {
                let now = many.now();
                now.views.values().for_each(|view| view.end());
                now.all.end();
                now.servers.values().flat_map(|served| served.close_all(why)).collect()
            }
        }
    }
}

impl Many {
    /// What there is now.
    pub(crate) fn now(&self) -> Arc<Now> {
        self.now.lock().clone()
    }

    /// Makes it what the settings say. Servers that are defined as before are not touched; what runs at others comes to
    /// its end there.
    pub(crate) fn apply(self: &Arc<Self>, settings: &Settings) -> Applied {
        let _change = self.changing.lock();
        let old = self.now();
        let mut applied = Applied::default();
        let made = Arc::new(settings.clone());
        let (servers, disabled, refused) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut now = Now { servers, disabled, refused, settings: made, ..(*old).clone() };
        for (name, server) in &settings.servers {
            if let Some(why) = &server.disabled {
                now.disabled.insert(name.clone(), why.clone());
                continue;
            }
            if let Some(refused) = old.refused.get(name).filter(|refused| refused.settings == *server) {
                now.refuse(name, refused.clone());
                continue;
            }
            now.servers.insert(name.clone(), self.served(name, server, &old, &mut applied));
        }
        applied.removed = old.servers.keys().filter(|name| !now.servers.contains_key(*name)).cloned().collect();
        self.compose(&mut now, settings);
        let (now, old) = (Arc::new(now), old);
        *self.now.lock() = now.clone();
        // Servers have views of their own name.
        old.views.keys().filter(|name| !now.views.contains_key(*name)).for_each(|name| self.means.metrics.remove(name));
        for (name, served) in &old.servers {
            if !now.servers.get(name).is_some_and(|kept| Arc::ptr_eq(kept, served)) {
                served.clone().retire("the server's settings have changed");
            }
        }
        applied
    }

    /// Gives a server new instances for all that comes; what runs comes to its end on the old ones. Or says why not.
    pub(crate) fn restart(self: &Arc<Self>, name: &str) -> Result<Arc<Served>, String> {
        let _change = self.changing.lock();
        let mut now = (*self.now()).clone();
        let old = now.servers.get(name).cloned();
        let anew = match (&old, now.refused.remove(name)) {
            (Some(old), _) => old.anew(&self.means, self.folder.as_deref()),
            (None, Some(refused)) => Served::new(name, &refused.settings, &self.means, self.folder.as_deref(), None),
            (None, None) => return Err(now.missing(name)),
        };
        now.disabled.remove(name);
        let anew = self.prepared(anew);
        now.servers.insert(name.to_owned(), anew.clone());
        let settings = now.settings.clone();
        self.compose(&mut now, &settings);
        *self.now.lock() = Arc::new(now);
        if let Some(old) = old {
            old.retire("the server was restarted");
        }
        Ok(anew)
    }

    fn served(
        self: &Arc<Self>,
        name: &str,
        settings: &ServerSettings,
        old: &Now,
        applied: &mut Applied,
    ) -> Arc<Served> {
        match old.servers.get(name) {
            Some(served) if served.settings == *settings => return served.clone(),
            Some(_) => applied.changed.push(name.to_owned()),
            None => applied.added.push(name.to_owned()),
        }
        let before = old.servers.get(name);
        self.prepared(Served::new(name, settings, &self.means, self.folder.as_deref(), before))
    }

    /// The same server, made ready if the others are.
    fn prepared(self: &Arc<Self>, served: Arc<Served>) -> Arc<Served> {
        if self.prepared.load(Ordering::Relaxed) {
            self.ready(&served);
        }
        served
    }

    /// Keeps programs ready of a server, and finds out whether it can be loaded.
    fn ready(self: &Arc<Self>, served: &Arc<Served>) {
        served.bridge.pool.prepare();
        self.try_out(served);
    }

    /// Gives each view its servers, and each server the views that want to know of its changes.
    fn compose(&self, now: &mut Now, settings: &Settings) {
        let everything = ViewSettings::default();
        compose(&now.all, &everything, &now.servers, settings.servers.len());
        let mut views = BTreeMap::new();
        for (name, served) in &now.servers {
            let view = self.view(now, name);
            view.compose(vec![Member { served: served.clone(), prefixed: false }], ToolRules::default(), true);
            views.insert(name.clone(), view);
        }
        for (name, wanted) in &settings.views {
            let view = self.view(now, name);
            let named = if wanted.servers.is_empty() { settings.servers.len() } else { wanted.servers.len() };
            compose(&view, wanted, &now.servers, named);
            views.insert(name.clone(), view);
        }
        now.former.retain(|name, view| view.strong_count() > 0 && !views.contains_key(name));
        for (name, view) in &now.views {
            if !views.contains_key(name) {
                now.former.insert(name.clone(), Arc::downgrade(view));
                view.compose(Vec::new(), ToolRules::default(), true);
            }
        }
        now.views = views;
        for served in now.servers.values() {
            let holds = |view: &&Arc<View>| view.members().list.iter().any(|m| Arc::ptr_eq(&m.served, served));
            let readers = now.views.values().chain([&now.all]).filter(holds);
            served.shelf.told_to(readers.map(|view| Arc::downgrade(view) as Weak<dyn Reader>).collect());
        }
    }

    fn view(&self, now: &Now, name: &str) -> Arc<View> {
        let new = || View::new(self.means.limits.clone(), self.means.tasks.clone(), self.means.metrics.server(name));
        now.views.get(name).cloned().unwrap_or_else(new)
    }
}

impl Now {
    /// That the server is disabled, and why, if it is.
    fn is_disabled(&self, name: &str) -> Option<String> {
        Some(format!("the server {name} is disabled: {}", self.disabled.get(name)?))
    }

    /// Why there is no server of that name.
    pub(crate) fn missing(&self, name: &str) -> String {
        let known = || self.servers.keys().chain(self.disabled.keys()).map(String::as_str).collect::<Vec<_>>();
        self.is_disabled(name)
            .unwrap_or_else(|| format!("there is no server {name}; there are: {}", known().join(", ")))
    }
}

/// Gives a view its servers. Names that are shown without their server's stay so when another server joins.
fn compose(view: &View, wanted: &ViewSettings, servers: &BTreeMap<String, Arc<Served>>, named: usize) {
    let before = view.members();
    let wants = |name: &String| wanted.servers.is_empty() || wanted.servers.contains(name);
    let member = |(name, served): (&String, &Arc<Served>)| {
        let held = before.list.iter().find(|member| member.served.name == *name);
        let prefixed = match wanted.prefix {
            Prefix::Always => true,
            Prefix::Never => false,
            Prefix::Auto => held.map_or(named > 1, |held| held.prefixed),
        };
        Member { served: served.clone(), prefixed }
    };
    let members = servers.iter().filter(|(name, _)| wants(name)).map(member).collect();
    view.compose(members, wanted.tools.clone(), false);
}
