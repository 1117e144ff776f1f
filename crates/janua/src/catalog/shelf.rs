//! What is known of one server, for each class of its clients: what it says of itself, and its lists.
//!
//! What was known last is given at once, be it of an earlier run; the server is asked behind that, and the views are
//! told if the truth differs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use janua_wire::capabilities::Class;
use janua_wire::filter::Filter;
use janua_wire::lists::{Caching, Item};
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::version::Era;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::kept::Kept;
use super::looking;
use crate::bridge::Bridge;
use crate::call::Event;
use crate::config::{Limits, Server};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::Connection;
use crate::tasks::Tasks;

/// The lists there are.
pub(crate) const LISTS: [Method; 4] =
    [Method::ToolsList, Method::PromptsList, Method::ResourcesList, Method::TemplatesList];

/// First and longest wait before a server that failed is asked again, as long as anybody listens.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Which of the [`LISTS`] have changed.
pub(crate) type Changed = [bool; LISTS.len()];

/// Who wants to hear that lists have changed.
pub(crate) trait Reader: Send + Sync {
    /// Some lists of a server have changed.
    fn changed(&self, lists: Changed);
}

/// What one class of clients sees of the server.
#[derive(Debug)]
pub(crate) struct Known {
    /// Different for everything that was ever known.
    pub(crate) version: u64,
    /// The raw result of `server/discover`.
    pub(crate) discovered: Bytes,
    /// In the order of [`LISTS`].
    pub(crate) lists: [List; LISTS.len()],
}

/// A whole list.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) items: Vec<Item>,
    pub(crate) caching: Option<Caching>,
}

/// How things stand with a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// What is known, be it from before.
    pub(crate) known: Option<Arc<Known>>,
    /// Why there is nothing newer.
    pub(crate) trouble: Option<Arc<Failure>>,
    /// Whether nothing is to be gained by waiting.
    pub(crate) settled: bool,
}

/// What is known of one server.
pub(crate) struct Shelf {
    me: Weak<Shelf>,
    name: String,
    pub(super) bridge: Arc<Bridge>,
    is_local: bool,
    pub(super) limits: Arc<Limits>,
    tasks: Tasks,
    entries: Lock<HashMap<Class, Entry>>,
    kept: Option<Kept>,
    readers: Lock<Vec<Weak<dyn Reader>>>,
    /// Held by whoever wants to hear of changes.
    interest: Arc<()>,
    /// Changes whenever the server was asked, well or not.
    turned: watch::Sender<u64>,
    following: Lock<Option<Weak<dyn Connection>>>,
    /// Whether the server was tried before, and has never shown anything.
    missed: AtomicBool,
}

#[derive(Default)]
struct Entry {
    known: Option<Arc<Known>>,
    /// When it was asked for in this run, and on which link.
    verified: Option<(Instant, Weak<dyn Connection>)>,
    /// Since when the server is being asked.
    looking: Option<Instant>,
    stale: bool,
    trouble: Option<Arc<Failure>>,
    /// Since when there is trouble.
    since: Option<SystemTime>,
    /// Failures in a row.
    row: u32,
    tried: Option<Instant>,
}

impl Known {
    pub(super) fn new(discovered: Bytes, lists: [List; LISTS.len()]) -> Self {
        static VERSIONS: AtomicU64 = AtomicU64::new(1);
        Known { version: VERSIONS.fetch_add(1, Ordering::Relaxed), discovered, lists }
    }

    /// The same with another list.
    pub(super) fn with(&self, number: usize, list: List) -> Known {
        let mut lists = self.lists.clone();
        lists[number] = list;
        Known::new(self.discovered.clone(), lists)
    }

    /// The raw capabilities of the server.
    pub(crate) fn capabilities(&self) -> &[u8] {
        raw::peek(&self.discovered, "capabilities").unwrap_or(b"{}")
    }

    /// Whether the server promises to tell of changes of its lists, as far as it has any.
    fn is_announced(&self) -> bool {
        let offered = Filter::offered(self.capabilities());
        let has = |member| raw::peek(self.capabilities(), member).is_some();
        let [tools, prompts, resources] = offered.lists;
        (tools || !has("tools")) && (prompts || !has("prompts")) && (resources || !has("resources"))
    }
}

impl Shelf {
    pub(super) fn new(
        name: &str,
        server: &Server,
        bridge: Arc<Bridge>,
        limits: Arc<Limits>,
        tasks: &Tasks,
        kept: Option<Kept>,
    ) -> Arc<Self> {
        let entries = kept.as_ref().and_then(Kept::load);
        let missed = AtomicBool::new(entries.as_ref().is_some_and(Vec::is_empty));
        let entries = entries.unwrap_or_default();
        let entry = |known| Entry { known: Some(Arc::new(known)), ..Entry::default() };
        let entries: HashMap<Class, Entry> = entries.into_iter().map(|(class, known)| (class, entry(known))).collect();
        let is_local = !matches!(server, Server::Remote(_));
        let shelf = Arc::new_cyclic(|me| Shelf {
            me: me.clone(),
            name: name.to_owned(),
            is_local,
            limits,
            tasks: tasks.clone(),
            entries: Lock::new(entries),
            kept,
            readers: Lock::default(),
            interest: Arc::default(),
            turned: watch::Sender::new(0),
            following: Lock::default(),
            missed,
            bridge,
        });
        let heeding = heed(Arc::downgrade(&shelf), shelf.bridge.news());
        let stopping = tasks.clone();
        tasks.spawn("catalogue news", async move {
            tokio::select! {
                () = heeding => {}
                () = stopping.stopping() => {}
            }
        });
        shelf
    }

    /// What another shelf knows of the same server is a beginning. It is verified when somebody asks.
    pub(super) fn take_over(&self, other: &Shelf) {
        let known = |entry: &Entry| entry.known.clone().map(|known| Entry { known: Some(known), ..Entry::default() });
        let known: Vec<_> = other.entries.lock().iter().filter_map(|(class, e)| Some((*class, known(e)?))).collect();
        self.entries.lock().extend(known);
    }

    /// What is known for any class of clients.
    pub(crate) fn any(&self) -> Option<Arc<Known>> {
        self.entries.lock().values().find_map(|entry| entry.known.clone())
    }

    /// The same readers are told of changes from now on.
    pub(super) fn told_to(&self, readers: Vec<Weak<dyn Reader>>) {
        *self.readers.lock() = readers;
    }

    /// Keeps an eye on the server's lists as long as it is held.
    pub(crate) fn interest(&self) -> Arc<()> {
        self.interest.clone()
    }

    fn is_of_interest(&self) -> bool {
        Arc::strong_count(&self.interest) > 1
    }

    /// How things stand now; asks the server behind that if what is known may be out of date.
    pub(crate) fn now(&self, class: Class) -> Standing {
        let class = self.bridge.shared_class(class);
        let instance = self.bridge.instance(class);
        let mut entries = self.entries.lock();
        let entry = entries.entry(class).or_default();
        if self.is_due(entry, instance.as_ref()) {
            self.look(class, entry);
        }
        let waited = entry.looking.is_some_and(|since| since.elapsed() >= self.limits.list);
        let hopeless = entry.trouble.is_some() || waited || self.missed.load(Ordering::Relaxed);
        let stale = entry.stale && entry.looking.is_some();
        let settled = hopeless || (entry.known.is_some() && !stale);
        let (known, trouble) = (entry.known.clone(), entry.trouble.clone());
        let known = known.or_else(|| entries.values().find_map(|other| other.known.clone()));
        Standing { known, trouble, settled }
    }

    /// How things stand as soon as nothing is to be gained by waiting, or at `end`.
    pub(crate) async fn settled(&self, class: Class, end: Instant) -> Standing {
        let mut turned = self.turned.subscribe();
        loop {
            let standing = self.now(class);
            if standing.settled || !matches!(timeout_at(end, turned.changed()).await, Ok(Ok(()))) {
                return standing;
            }
        }
    }

    /// Whether the server should be asked.
    fn is_due(&self, entry: &Entry, instance: Option<&Arc<dyn Connection>>) -> bool {
        if entry.looking.is_some() || self.tasks.is_stopping() {
            return false;
        }
        if entry.trouble.is_some() {
            return entry.tried.is_none_or(|tried| tried.elapsed() >= pause(entry.row));
        }
        let (Some(known), Some((at, by)), false) = (&entry.known, &entry.verified, entry.stale) else { return true };
        let is_old = at.elapsed() >= self.limits.list_fresh;
        match instance {
            Some(instance) if by.upgrade().is_some_and(|by| Arc::ptr_eq(&by, instance)) => {
                is_old && !known.is_announced()
            }
            // Another one may know better, and is there to be asked.
            Some(_) => true,
            // A program that does not run does not change.
            None => is_old && !self.is_local,
        }
    }

    /// Asks the server, unless that is being done.
    fn look(&self, class: Class, entry: &mut Entry) {
        let Some(shelf) = self.me.upgrade() else { return };
        entry.looking = Some(Instant::now());
        entry.tried = entry.looking;
        self.tasks.spawn("catalogue", async move {
            let mut looking = Box::pin(looking::look(&shelf, class));
            let seen = tokio::select! {
                seen = &mut looking => seen,
                () = sleep(shelf.limits.list) => {
                    shelf.miss().await;
                    tokio::select! {
                        seen = &mut looking => seen,
                        () = shelf.tasks.stopping() => return,
                    }
                }
                () = shelf.tasks.stopping() => return,
            };
            drop(looking);
            let seen = match seen {
                // Somebody's call may have ended the instance that was asked.
                Err(failure) if failure.kind == Kind::ServerExited => looking::look(&shelf, class).await,
                seen => seen,
            };
            shelf.saw(class, seen).await;
        });
    }

    async fn saw(self: Arc<Self>, class: Class, seen: Result<looking::Seen, Failure>) {
        let changed = match seen {
            Ok(seen) => {
                let link = seen.link.clone();
                let changed = self.learn(class, seen);
                self.follow(&link);
                changed
            }
            Err(failure) => {
                self.miss().await;
                self.fail(class, failure)
            }
        };
        self.turned.send_modify(|turn| *turn += 1);
        if changed.contains(&true) {
            for reader in self.readers.lock().clone() {
                if let Some(reader) = reader.upgrade() {
                    reader.changed(changed);
                }
            }
            if let Some(kept) = &self.kept {
                let known =
                    self.entries.lock().iter().filter_map(|(class, e)| Some((*class, e.known.clone()?))).collect();
                kept.save(&self.name, known).await;
            }
        }
    }

    /// Nobody will wait for this server again, as long as nothing is known of it.
    async fn miss(&self) {
        let nothing = self.entries.lock().values().all(|entry| entry.known.is_none());
        if let Some(kept) = self.kept.as_ref().filter(|_| nothing && !self.missed.load(Ordering::Relaxed)) {
            kept.save(&self.name, Vec::new()).await;
        }
    }

    fn learn(&self, class: Class, seen: looking::Seen) -> Changed {
        let mut entries = self.entries.lock();
        let entry = entries.entry(class).or_default();
        let changed = std::array::from_fn(|at| match &entry.known {
            Some(known) => known.lists[at].items != seen.lists[at].items,
            None => !seen.lists[at].items.is_empty(),
        });
        let same = entry.known.as_ref().is_some_and(|known| known.discovered == seen.discovered);
        let back = entry.trouble.take().is_some();
        if changed.contains(&true) || !same {
            entry.known = Some(Arc::new(Known::new(seen.discovered, seen.lists)));
        }
        (entry.looking, entry.stale, entry.row) = (None, false, 0);
        self.missed.store(false, Ordering::Relaxed);
        entry.verified = Some((Instant::now(), Arc::downgrade(&seen.link)));
        if back { entry.known.as_ref().map_or(changed, |known| holding(known)) } else { changed }
    }

    fn fail(&self, class: Class, failure: Failure) -> Changed {
        let mut entries = self.entries.lock();
        let entry = entries.entry(class).or_default();
        if entry.trouble.is_none() {
            tracing::warn!(server = self.name, reason = %failure, "server left out of the lists");
            entry.since = Some(SystemTime::now());
        }
        let gone = entry.trouble.is_none() && entry.verified.is_some();
        entry.trouble = Some(Arc::new(failure));
        (entry.looking, entry.row) = (None, entry.row.saturating_add(1));
        let wait = pause(entry.row);
        if let Some(shelf) = self.me.upgrade().filter(|_| self.is_of_interest()) {
            self.tasks.spawn("catalogue retry", async move {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = shelf.tasks.stopping() => return,
                }
                if shelf.is_of_interest() {
                    shelf.now(class);
                }
            });
        }
        entry.known.as_ref().filter(|_| gone).map_or([false; LISTS.len()], |known| holding(known))
    }

    /// What is known is out of date: the server is asked again.
    pub(crate) fn stale(&self) {
        let classes: Vec<Class> = {
            let mut entries = self.entries.lock();
            entries.values_mut().for_each(|entry| entry.stale = true);
            entries.iter().filter(|(_, entry)| entry.verified.is_some()).map(|(class, _)| *class).collect()
        };
        for class in classes {
            self.now(class);
        }
    }

    /// Whether the server is known to tell of every change of its lists.
    pub(crate) fn announces(&self) -> bool {
        self.entries.lock().values().all(|entry| entry.known.as_ref().is_none_or(|known| known.is_announced()))
    }

    /// Why the server is left out, if it is.
    pub(crate) fn trouble(&self) -> Option<Arc<Failure>> {
        self.entries.lock().values().find_map(|entry| entry.trouble.clone())
    }

    /// The same, with the time since when.
    pub(crate) fn troubled(&self) -> Option<(Arc<Failure>, SystemTime)> {
        self.entries.lock().values().find_map(|entry| entry.trouble.clone().zip(entry.since))
    }

    /// Asks the server if what is known may be out of date, and waits until it has answered or failed, or for `end`.
    pub(crate) async fn asked(&self, class: Class, end: Instant) {
        let mut turned = self.turned.subscribe();
        let class = self.bridge.shared_class(class);
        self.now(class);
        let looking = || self.entries.lock().get(&class).is_some_and(|entry| entry.looking.is_some());
        while looking() && matches!(timeout_at(end, turned.changed()).await, Ok(Ok(()))) {}
    }

    /// Has a server without a handshake tell of changes, as long as anybody wants to hear of them. One with a handshake
    /// tells of its own accord.
    fn follow(&self, link: &Arc<dyn Connection>) {
        if link.opened().version.era() == Era::Legacy {
            return;
        }
        {
            let mut following = self.following.lock();
            if following.as_ref().and_then(Weak::upgrade).is_some_and(|held| Arc::ptr_eq(&held, link)) {
                return;
            }
            *following = Some(Arc::downgrade(link));
        }
        let (shelf, link) = (self.me.clone(), link.clone());
        self.tasks.spawn("catalogue listener", async move {
            const PACE: Duration = Duration::from_secs(5);
            let Some(mut reply) = looking::listen(&link) else { return };
            loop {
                let event = tokio::select! {
                    event = reply.next() => event,
                    () = sleep(PACE) => match shelf.upgrade() {
                        Some(shelf) if shelf.is_of_interest() && !link.is_over() => continue,
                        _ => break,
                    },
                };
                match (event, shelf.upgrade()) {
                    (Some(Event::Notify(news)), Some(shelf)) if news.method() == Method::ListChanged => shelf.stale(),
                    (Some(Event::Notify(_) | Event::Ask(_)), Some(_)) => {}
                    _ => break,
                }
            }
            if let Some(shelf) = shelf.upgrade() {
                *shelf.following.lock() = None;
            }
        });
    }
}

/// Asks again whenever the server says that its lists have changed.
async fn heed(shelf: Weak<Shelf>, mut news: watch::Receiver<u64>) {
    while news.changed().await.is_ok() {
        let Some(shelf) = shelf.upgrade() else { return };
        shelf.stale();
    }
}

/// The lists that hold anything.
fn holding(known: &Known) -> Changed {
    std::array::from_fn(|at| !known.lists[at].items.is_empty())
}

fn pause(row: u32) -> Duration {
    PAUSE.0.saturating_mul(1 << row.saturating_sub(1).min(10)).min(PAUSE.1)
}
