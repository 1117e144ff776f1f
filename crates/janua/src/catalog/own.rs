//! What a session has of its own at a view: links to the servers that it uses, and lists that only it sees.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use janua_wire::capabilities::Class;
use janua_wire::error::INVALID_PARAMS;
use janua_wire::id::ClientId;
use janua_wire::level::rank;
use janua_wire::message::{Notification, Request};
use janua_wire::method::Method;
use janua_wire::raw;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use super::looking;
use super::merged::Merged;
use super::server::Served;
use super::shelf::{LISTS, Standing};
use super::view::{Member, View};
use crate::bridge::asking::{empty_result, refused};
use crate::bridge::{Bridge, lost, of_refusal};
use crate::call::{Call, Caller, Outcome, Reply, Scope};
use crate::cancels::Cancels;
use crate::config::Share;
use crate::error::Failure;
use crate::lock::Lock;
use crate::servers::{Connection, Opening, Place, outcome};

/// A link that was opened, and what its server says of its own accord.
type Opened = (Arc<Served>, Reply);

/// Links opened faster than the session listens to them.
const NEW_LINKS: usize = 64;

/// What one session has of its own.
pub(super) struct Own {
    pub(super) scope: Scope,
    opening: Opening,
    /// The caller that the client is where everybody shares.
    anybody: Arc<Caller>,
    /// The caller that the client is elsewhere.
    caller: Arc<Caller>,
    /// Requests that wait for a server to start.
    pub(super) cancels: Cancels,
    level: Lock<Option<Request>>,
    /// The servers it has links to, and the user's links there; some may have been replaced since.
    used: Lock<Vec<(Arc<Served>, Arc<Bridge>)>>,
    /// The servers whose lists are this session's own by now.
    listed: Lock<HashSet<String>>,
    merged: Lock<Option<Arc<Merged>>>,
    news: Sender<Opened>,
    pub(super) heard: Lock<Option<Receiver<Opened>>>,
    over: CancellationToken,
}

impl Own {
    pub(super) fn new(scope: Scope, opening: Opening) -> Self {
        let (news, heard) = channel(NEW_LINKS);
        let caller = |scope| {
            let (version, capabilities) = (opening.version, opening.capabilities.clone());
            Arc::new(Caller { scope, version, capabilities, user: opening.user.clone() })
        };
        Own {
            anybody: caller(Scope::Shared),
            caller: caller(scope.clone()),
            scope,
            opening,
            cancels: Cancels::default(),
            level: Lock::default(),
            used: Lock::default(),
            listed: Lock::default(),
            merged: Lock::default(),
            news,
            heard: Lock::new(Some(heard)),
            over: CancellationToken::new(),
        }
    }

    /// Whether the session is over when the link to its only server is.
    pub(super) fn is_bound(&self) -> bool {
        self.opening.bound
    }

    pub(super) fn end(&self) {
        self.over.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    pub(super) async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Ends it, and closes its links.
    pub(super) fn close(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        self.over.cancel();
        let used = std::mem::take(&mut *self.used.lock());
        used.iter().flat_map(|(_, bridge)| bridge.close_session(&self.scope, why)).collect()
    }

    /// The caller at a server whose one link all share; `None` elsewhere.
    pub(super) fn caller_at(&self, member: &Member) -> Option<Arc<Caller>> {
        member.served.is_for_all().then(|| self.anybody.clone())
    }

    /// Opens a link to a server for this session, in the words of its client.
    pub(super) async fn open(&self, member: &Member) -> Result<Arc<dyn Connection>, Failure> {
        let served = &member.served;
        let bridge = served.bridge_of(self.caller.user.as_ref())?;
        let _turn = bridge.pool.turn(&self.scope).await;
        if let Some(link) = bridge.ready(&self.caller) {
            return Ok(link);
        }
        if self.is_over() {
            return Err(lost());
        }
        let link = bridge.clone().open_session(self.scope.clone(), self.opening.clone()).await.map_err(of_refusal)?;
        if let Ok(initialized) = Notification::new("notifications/initialized", None) {
            link.notify(&self.caller, initialized);
        }
        let level = self.level.lock().clone();
        if let Some(request) = level {
            outcome(link.call(Call { request, caller: self.caller.clone() })).await;
        }
        {
            let mut used = self.used.lock();
            used.retain(|(known, _)| !Arc::ptr_eq(known, served));
            used.push((served.clone(), bridge.clone()));
        }
        let _ = self.news.send((served.clone(), link.listen())).await;
        if self.is_over() {
            // Whoever ended the session did not know of this link.
            for closing in bridge.close_session(&self.scope, &lost()) {
                closing.await;
            }
            return Err(lost());
        }
        Ok(link)
    }

    /// Takes note that a server was used: one that does not announce changes may have changed its lists by that.
    pub(super) fn used(&self, member: &Member, method: Method) {
        let served = &member.served;
        if method != Method::ToolsCall || served.settings.share != Share::Session || served.shelf.announces() {
            return;
        }
        self.lists_changed(served);
    }

    /// Takes note that what this session sees of a server may be different from what others do.
    pub(super) fn lists_changed(&self, served: &Arc<Served>) {
        let mut listed = self.listed.lock();
        if !listed.contains(&served.name) {
            listed.insert(served.name.clone());
        }
    }

    /// The class of its client.
    pub(super) fn class(&self) -> Class {
        self.opening.capabilities.class()
    }

    /// Whether the lists of any server have to be asked for on this session's own link.
    pub(super) fn has_lists(&self, view: &View) -> bool {
        let listed = self.listed.lock();
        !listed.is_empty() && view.members().list.iter().any(|member| listed.contains(&member.served.name))
    }

    /// The lists of everybody, but for those that are the session's own.
    pub(super) async fn lists(&self, merged: &Arc<Merged>, method: Method) -> Arc<Merged> {
        let Some(number) = LISTS.iter().position(|list| *list == method) else { return merged.clone() };
        let before = self.merged.lock().clone();
        let mut standings = Vec::new();
        for (at, member) in merged.members.list.iter().enumerate() {
            let mut known = merged.known[at].clone();
            let listed = self.listed.lock().contains(&member.served.name);
            let bridge = member.served.bridge_of(self.caller.user.as_ref()).ok();
            let link = bridge.and_then(|bridge| bridge.ready(&self.caller)).filter(|_| listed);
            if let (Some(link), Some(shelf)) = (link, &known) {
                // Its other lists stay what they were found to be.
                let base = before.as_ref().and_then(|before| before.known_of(member)).unwrap_or_else(|| shelf.clone());
                let patience = member.served.limits().list;
                if let Ok(list) = looking::list(&link, method, &self.caller, patience, None).await {
                    known = Some(Arc::new(base.with(number, list)));
                }
            }
            let trouble = if known.is_none() { member.served.shelf.trouble() } else { None };
            standings.push(Standing { known, trouble, settled: true });
        }
        let merged = Arc::new(Merged::new(&merged.members, &standings));
        *self.merged.lock() = Some(merged.clone());
        merged
    }

    /// What a name leads to in the lists that are this session's own.
    pub(super) fn find(&self, list: Method, key: &str) -> Option<(Member, String)> {
        let merged = self.merged.lock().clone()?;
        let found = merged.find(list, key)?;
        let member = merged.members.list[found.member].clone();
        self.listed.lock().contains(&member.served.name).then_some((member, found.real))
    }

    /// `logging/setLevel`: said to every server that the session has a link to, and to those to come.
    pub(super) async fn set_level(&self, call: &Call) -> Outcome {
        let level = call.request.param("level").and_then(raw::string);
        if level.is_none_or(|level| rank(&level).is_none()) {
            return refused(INVALID_PARAMS, "the log level is not one of those that there are");
        }
        let params = String::from_utf8_lossy(call.request.params()).into_owned();
        let Ok(request) = Request::new(&ClientId::number(0), "logging/setLevel", Some(&params)) else {
            return refused(INVALID_PARAMS, "the log level cannot be read");
        };
        *self.level.lock() = Some(request.clone());
        let caller = &self.caller;
        let links: Vec<_> = self.used.lock().iter().filter_map(|(_, bridge)| bridge.ready(caller)).collect();
        let calls = links.iter().map(|link| {
            let asked = link.call(Call { request: request.clone(), caller: caller.clone() });
            outcome(asked)
        });
        // A server that does not log refuses, which is as good.
        join_all(calls).await;
        empty_result()
    }

    /// Says something to every server that the session has a link to.
    pub(super) fn notify(&self, caller: &Caller, notification: &Notification) {
        if notification.method() == Method::Cancelled
            && let Some(id) = notification.param("requestId")
        {
            self.cancels.cancel(id);
        }
        for (_, bridge) in self.used.lock().iter() {
            if let Some(link) = bridge.ready(caller) {
                link.notify(caller, notification.clone());
            }
        }
    }
}
