//! A view: several servers at one address, or one whose tools are shown in its own way.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use janua_wire::capabilities::Class;
use janua_wire::method::Method;
use janua_wire::mirror::Mirror;
use tokio::sync::watch;
use tokio::time::Instant;

use super::merged::{Merged, stamp};
use super::server::Served;
use super::shelf::{Changed, LISTS, Reader, Standing};
use super::union::Union;
use crate::admission::Slot;
use crate::call::{Caller, Event, Scope};
use crate::config::{Limits, ToolRules};
use crate::error::Failure;
use crate::lock::Lock;
use crate::observe::metrics::ServerMetrics;
use crate::servers::{Connection, Opening, Place, Refusal};
use crate::tasks::Tasks;

/// Several servers at one address.
pub(crate) struct View {
    members: Lock<Arc<Members>>,
    merged: Lock<HashMap<Class, Arc<Merged>>>,
    /// How often each list has changed.
    changes: watch::Sender<[u64; LISTS.len()]>,
    pub(super) limits: Arc<Limits>,
    pub(super) tasks: Tasks,
    /// The connections of sessions.
    sessions: Lock<HashMap<Scope, Arc<Union>>>,
    /// The connection of everybody without a handshake.
    modern: Arc<Union>,
    metrics: Arc<ServerMetrics>,
}

/// The servers of a view at one time.
pub(crate) struct Members {
    /// Different for every composition.
    pub(crate) number: u64,
    pub(crate) list: Vec<Member>,
    pub(crate) rules: ToolRules,
    /// Whether there can be one server only, so that the view is that server.
    pub(crate) is_lone: bool,
}

/// One server of a view.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) served: Arc<Served>,
    /// Whether the names of its tools and prompts begin with its own.
    pub(crate) prefixed: bool,
}

impl Member {
    /// Whether its tools are shown as they are.
    pub(super) fn is_plain(&self) -> bool {
        !self.prefixed && self.served.settings.tools.is_empty()
    }
}

impl View {
    pub(super) fn new(limits: Arc<Limits>, tasks: Tasks, metrics: Arc<ServerMetrics>) -> Arc<Self> {
        let nobody = Members { number: 0, list: Vec::new(), rules: ToolRules::default(), is_lone: false };
        Arc::new_cyclic(|me| View {
            members: Lock::new(Arc::new(nobody)),
            merged: Lock::default(),
            changes: watch::Sender::new([0; LISTS.len()]),
            limits,
            tasks,
            sessions: Lock::default(),
            modern: Union::of_everybody(me.clone()),
            metrics,
        })
    }

    /// The servers it consists of now.
    pub(crate) fn members(&self) -> Arc<Members> {
        self.members.lock().clone()
    }

    /// Whether the server or the view that it was is not there any more.
    pub(super) fn is_gone(&self) -> bool {
        let members = self.members();
        members.is_lone && members.list.is_empty() && members.number > 0
    }

    /// Gives it other servers, or others in the place of the same. Its clients are told.
    pub(super) fn compose(&self, list: Vec<Member>, rules: ToolRules, is_lone: bool) {
        {
            let mut members = self.members.lock();
            let same = |old: &[Member]| {
                old.len() == list.len()
                    && old
                        .iter()
                        .zip(&list)
                        .all(|(old, new)| Arc::ptr_eq(&old.served, &new.served) && old.prefixed == new.prefixed)
            };
            if same(&members.list) && members.rules == rules && members.is_lone == is_lone && members.number > 0 {
                return;
            }
            let number = members.number + 1;
            *members = Arc::new(Members { number, list, rules, is_lone });
            if number == 1 {
                return;
            }
        }
        self.changed([true; LISTS.len()]);
    }

    /// Changes with every change of a list.
    pub(super) fn changes(&self) -> watch::Receiver<[u64; LISTS.len()]> {
        self.changes.subscribe()
    }

    /// The lists as they are known, and whether nothing is to be gained by waiting.
    pub(crate) fn now(&self, class: Class) -> (Arc<Merged>, bool) {
        let members = self.members();
        let standings: Vec<Standing> = members.list.iter().map(|member| member.served.shelf.now(class)).collect();
        let settled = standings.iter().all(|standing| standing.settled);
        (self.merge(class, &members, &standings), settled)
    }

    /// The same, after every server has had the time that a list may take. Those that did not use it are left out.
    pub(crate) async fn settled(&self, class: Class) -> Arc<Merged> {
        let end = Instant::now() + self.limits.list;
        loop {
            if let (merged, true) = self.now(class) {
                return merged;
            }
            let members = self.members();
            let waiting = members.list.iter().map(|member| member.served.shelf.settled(class, end));
            let standings = join_all(waiting).await;
            if !self.is_recomposed(&members, end) {
                return self.merge(class, &members, &standings);
            }
        }
    }

    /// Whether there are other servers now, which may know what those before do not any more.
    fn is_recomposed(&self, members: &Members, end: Instant) -> bool {
        self.members().number != members.number && Instant::now() < end
    }

    fn merge(&self, class: Class, members: &Arc<Members>, standings: &[Standing]) -> Arc<Merged> {
        let stamp = stamp(members, standings);
        if let Some(merged) = self.merged.lock().get(&class).filter(|merged| merged.is_of(&stamp)) {
            return merged.clone();
        }
        let merged = Arc::new(Merged::new(members, standings));
        self.merged.lock().insert(class, merged.clone());
        merged
    }

    /// Asks every server what it has, so that it is known when somebody wants to know.
    pub(super) fn prepare(&self, class: Class) {
        for member in &self.members().list {
            member.served.shelf.now(class);
        }
    }

    fn union_of(&self, caller: &Caller) -> Option<Arc<Union>> {
        match &caller.scope {
            Scope::Session(_) => self.sessions.lock().get(&caller.scope).cloned(),
            _ => Some(self.modern.clone()),
        }
    }

    /// What the sessions and everybody hold of servers that are not members any more is their own affair.
    pub(super) fn end(&self) {
        for (_, union) in std::mem::take(&mut *self.sessions.lock()) {
            union.end();
        }
    }
}

impl Reader for View {
    fn changed(&self, lists: Changed) {
        self.merged.lock().clear();
        self.changes.send_modify(|counts| {
            counts.iter_mut().zip(lists).for_each(|(count, changed)| *count += u64::from(changed));
        });
    }
}

impl Place for View {
    fn open_session(
        self: Arc<Self>,
        scope: Scope,
        opening: Opening,
    ) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        Box::pin(async move {
            let union = Union::of_session(&self, scope.clone(), opening).await?;
            self.sessions.lock().insert(scope, union.clone());
            Ok(union as Arc<dyn Connection>)
        })
    }

    fn ready(&self, caller: &Caller) -> Option<Arc<dyn Connection>> {
        self.union_of(caller).map(|union| union as Arc<dyn Connection>)
    }

    fn connect(self: Arc<Self>, caller: Arc<Caller>) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let ready = self.ready(&caller).ok_or_else(|| crate::bridge::lost().into());
        std::future::ready(ready).boxed()
    }

    fn close_session(&self, scope: &Scope, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        let Some(union) = self.sessions.lock().remove(scope) else { return Vec::new() };
        union.close_links(why)
    }

    fn metrics(&self) -> &Arc<ServerMetrics> {
        &self.metrics
    }

    fn admit(&self) -> Result<Option<Slot>, Failure> {
        Ok(None)
    }

    fn observe(&self, _: &Event) {}

    fn may_mirror(&self) -> bool {
        self.members().list.iter().any(|member| member.served.bridge.may_mirror())
    }

    fn mirror(
        self: Arc<Self>,
        tool: String,
        caller: Arc<Caller>,
    ) -> BoxFuture<'static, Result<Option<Arc<Mirror>>, Failure>> {
        Box::pin(async move {
            let class = caller.capabilities.class();
            let Some((member, real)) = self.locate(class, Method::ToolsList, &tool).await else { return Ok(None) };
            member.served.bridge_of(caller.user.as_ref())?.mirror(real, caller).await
        })
    }

    fn parked(&self) -> usize {
        self.members().list.iter().map(|member| member.served.parked()).sum()
    }

    fn obstacle(&self) -> Option<Failure> {
        match self.members().list.as_slice() {
            [only] => only.served.obstacle(),
            _ => None,
        }
    }
}

impl View {
    /// The server that a tool, a prompt or a resource belongs to, and what that calls it. Asks the servers if it is not
    /// known yet.
    pub(super) async fn locate(&self, class: Class, list: Method, key: &str) -> Option<(Member, String)> {
        let members = self.members();
        if let [only] = members.list.as_slice() {
            let is_named = matches!(list, Method::ToolsList | Method::PromptsList);
            if !is_named || (members.rules.is_empty() && only.is_plain()) {
                return Some((only.clone(), key.to_owned()));
            }
        }
        let found = |merged: &Merged, settled: bool| {
            let found = if settled { merged.find(list, key) } else { merged.find_exactly(list, key) }?;
            Some((merged.members.list[found.member].clone(), found.real))
        };
        // What was listed last holds until a server says otherwise: a call need not ask how all of them stand.
        let held = self.merged.lock().get(&class).filter(|held| Arc::ptr_eq(&held.members, &members)).cloned();
        if let Some(found) = held.and_then(|held| found(&held, held.is_whole())) {
            return Some(found);
        }
        let (merged, settled) = self.now(class);
        let at_once = found(&merged, settled);
        if settled || at_once.is_some() {
            return at_once;
        }
        // Whoever is slow holds up nobody whose server is there already.
        let end = Instant::now() + self.limits.list;
        loop {
            let members = self.members();
            let waiting = members.list.iter().map(|member| member.served.shelf.settled(class, end));
            let mut waiting: FuturesUnordered<_> = waiting.collect();
            while waiting.next().await.is_some() {
                if let Some(found) = found(&self.now(class).0, waiting.is_empty()) {
                    return Some(found);
                }
            }
            if !self.is_recomposed(&members, end) {
                return None;
            }
        }
    }

    /// The same for what is known already.
    pub(super) fn located(&self, class: Class, list: Method, key: &str) -> Option<(Member, String)> {
        self.locate(class, list, key).now_or_never().flatten()
    }
}
