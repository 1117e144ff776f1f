//! Between clients and servers: which link serves a caller, and in which era.
//!
//! Where both sides are of one era, a link of the pool is handed out as it is. Where they are not, a connection
//! that translates stands between: [`asking`] for clients with a handshake, [`facing`] for those without.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use janua_wire::capabilities::{Class, ClientCapabilities};
use janua_wire::method::Method;
use janua_wire::mirror::Mirror;
use janua_wire::version::{Era, Version};
use tokio::sync::watch;

use crate::admission::{Gauge, Slot, too_many};
use crate::call::{Caller, Event, Outcome, Scope};
use crate::config::{Declared, Limits, Share};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::observe::metrics::ServerMetrics;
use crate::servers::inventory::Inventory;
use crate::servers::pool::Pool;
use crate::servers::{Connection, Eras, Opening, Place, Refusal};
use crate::tasks::Tasks;
use crate::user::User;

pub(crate) mod adapting;
pub(crate) mod asking;
pub(crate) mod facing;
pub(crate) mod learning;
pub(crate) mod listening;
pub(crate) mod parked;
pub(crate) mod parking;
pub(crate) mod questions;
pub(crate) mod seal;
pub(crate) mod sharing;
pub(crate) mod tasks;
pub(crate) mod telling;
pub(crate) mod turns;
pub(crate) mod visits;

use asking::Asking;
use facing::Facing;
use parking::Parking;
use sharing::Sharing;
use turns::Turns;

/// The links to one server, in the eras that its clients speak.
pub(crate) struct Bridge {
    pub(crate) pool: Pool,
    pub(crate) parking: Parking,
    /// What is known of the server's tools.
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tasks: Tasks,
    /// Requests under way at the server.
    pub(crate) requests: Arc<Gauge>,
    /// Whose links they are; `None`: everybody's.
    user: Option<Arc<User>>,
    /// What clients without a handshake see of a server with one, for each class of clients.
    faces: Lock<HashMap<Class, Arc<Facing>>>,
    /// The instances that clients of one class share.
    turns: Lock<HashMap<Class, Arc<Turns>>>,
    /// Who shares an instance of a server with a handshake.
    share: Share,
    /// What such a server is told of them.
    declared: Declared,
    /// Counts how often the server said on a link of everybody's that its lists have changed.
    news: watch::Sender<u64>,
}

impl Bridge {
    /// The links to a server in whose stead there was another `before`, whose parked calls are found here, too.
    pub(crate) fn new(
        before: Option<&Bridge>,
        pool: Pool,
        (share, declared): (Share, Declared),
        inventory: Arc<Inventory>,
        limits: Arc<Limits>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let parking = Parking::new(before.map(|before| &before.parking), limits.clone(), tasks.clone());
        let (faces, turns) = (Lock::default(), Lock::default());
        let news = watch::Sender::new(0);
        let requests = Gauge::new("server_requests", limits.server_requests);
        Arc::new(Bridge {
            pool,
            parking,
            inventory,
            limits,
            tasks,
            requests,
            user: None,
            faces,
            turns,
            share,
            declared,
            news,
        })
    }

    /// The links of `user` to the same server, none of which is open yet; calls that are parked at the one `before` are
    /// found there, too.
    pub(crate) fn of_user(&self, user: Arc<User>, before: Option<&Bridge>) -> Arc<Bridge> {
        let (limits, tasks) = (self.limits.clone(), self.tasks.clone());
        Arc::new(Bridge {
            pool: self.pool.another(),
            parking: Parking::new(before.map(|before| &before.parking), limits.clone(), tasks.clone()),
            inventory: self.inventory.clone(),
            limits,
            tasks,
            requests: self.requests.clone(),
            user: Some(user),
            faces: Lock::default(),
            turns: Lock::default(),
            share: self.share,
            declared: self.declared,
            news: self.news.clone(),
        })
    }

    /// Whether nothing is open and nothing parked.
    pub(crate) fn is_empty(&self) -> bool {
        self.pool.is_empty() && self.parking.count() == 0
    }

    /// Lets a request in, unless as many are under way as there may be. Whoever calls holds the slot until the end.
    pub(crate) fn admit(&self) -> Result<Slot, Failure> {
        self.requests.take().ok_or_else(|| too_many("the server", &self.requests))
    }

    /// Changes with every word of the server that its lists have.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// With whom clients of `class` share.
    pub(crate) fn shared_class(&self, class: Class) -> Class {
        match self.declared {
            _ if self.share == Share::All => Class::default(),
            Declared::Class => class,
            Declared::Nothing => Class::default(),
            Declared::Everything => Class::EVERYTHING,
        }
    }

    /// The link of everybody, or of the clients of `class`, if it is open.
    pub(crate) fn instance(&self, class: Class) -> Option<Arc<dyn Connection>> {
        self.pool.living(&Scope::Modern).or_else(|| self.pool.living(&Scope::Class(class, 0)))
    }

    /// Opens the server for a client with a session, whose link it is from then on.
    async fn open(self: &Arc<Self>, scope: Scope, opening: Opening) -> Result<Arc<dyn Connection>, Refusal> {
        let eras = self.pool.eras_for(Era::Legacy);
        let asked = opening.clone();
        let link = match eras {
            _ if self.share == Share::User && scope != Scope::Shared => {
                let class = self.class_of(&opening.capabilities);
                let first = self.first_of(class, Era::Legacy).await?;
                first.map(|first| Sharing::open(self, self.turns_of(class), first.opened().clone()))
            }
            // It is known to have no handshake, so there is a link already that serves everybody.
            Eras::Modern | Eras::ModernFirst if self.pool.living(&Scope::Modern).is_some() => None,
            _ => {
                let link = self.open_link(opening.speaking(eras)).await?;
                if link.opened().version.era() == Era::Modern { Some(self.adopt(link).await) } else { Some(link) }
            }
        };
        let link = match link {
            Some(link) if link.opened().version.era() == Era::Legacy => adapting::adapted(link, asked.version),
            _ => Asking::open(self, &asked, self.without_handshake().await?.opened()),
        };
        self.pool.keep(scope, link.clone());
        Ok(link)
    }

    /// The link that everybody with a handshake but without a session shares; nobody can be asked anything on it.
    async fn shared(self: &Arc<Self>) -> Result<Arc<dyn Connection>, Refusal> {
        if let Some(link) = self.pool.living(&Scope::Shared) {
            return Ok(link);
        }
        let _turn = self.pool.turn(&Scope::Shared).await;
        if let Some(link) = self.pool.living(&Scope::Shared) {
            return Ok(link);
        }
        if self.share == Share::All
            && let Some(link) = self.first_of(Class::default(), Era::Legacy).await?
        {
            // Clients without a handshake have the same instance.
            self.pool.keep(Scope::Shared, link.clone());
            return Ok(link);
        }
        let opening = Opening::of_gateway(ClientCapabilities::default(), Eras::LegacyFirst);
        let link = self.open(Scope::Shared, opening).await?;
        self.watch(Scope::Shared, &link);
        Ok(link)
    }

    /// The connection that serves a client without a handshake.
    async fn modern(self: &Arc<Self>, caller: &Caller) -> Result<Arc<dyn Connection>, Failure> {
        if let Some(link) = self.pool.living(&Scope::Modern) {
            return Ok(link);
        }
        let class = self.class_of(&caller.capabilities);
        if let Some(face) = self.faces.lock().get(&class) {
            return Ok(face.clone());
        }
        let Some(first) = self.first_of(class, Era::Modern).await.map_err(of_refusal)? else {
            return self.without_handshake().await;
        };
        let mut faces = self.faces.lock();
        let face = faces.entry(class).or_insert_with(|| Facing::new(self, self.turns_of(class), &first));
        Ok(face.clone())
    }

    /// The first instance for clients of `class`, opened if need be for one of `era`; `None` if the server turns out to
    /// have no handshake: then there is a link for everybody.
    async fn first_of(self: &Arc<Self>, class: Class, era: Era) -> Result<Option<Arc<dyn Connection>>, Refusal> {
        let scope = Scope::Class(class, 0);
        let _turn = self.pool.turn(&scope).await;
        if let Some(first) = self.pool.living(&scope) {
            return Ok(Some(first));
        }
        if self.pool.living(&Scope::Modern).is_some() {
            return Ok(None);
        }
        let opening = Opening::of_gateway(class.capabilities(), self.pool.eras_for(era));
        let link = self.open_link(opening).await?;
        if link.opened().version.era() == Era::Modern {
            self.adopt(link).await;
            return Ok(None);
        }
        self.pool.keep(scope.clone(), link.clone());
        self.watch(scope, &link);
        Ok(Some(link))
    }

    /// Opens a link that nobody has yet, in the name of whose links they are.
    pub(crate) async fn open_link(&self, opening: Opening) -> Result<Arc<dyn Connection>, Refusal> {
        self.pool.open(opening.on_behalf_of(self.user.clone())).await
    }

    /// With whom a client that declares `capabilities` shares.
    fn class_of(&self, capabilities: &ClientCapabilities) -> Class {
        self.shared_class(capabilities.class())
    }

    fn turns_of(&self, class: Class) -> Arc<Turns> {
        self.turns.lock().entry(class).or_insert_with(|| Arc::new(Turns::new(class))).clone()
    }

    /// The link that serves everybody at a server without a handshake.
    pub(crate) async fn without_handshake(self: &Arc<Self>) -> Result<Arc<dyn Connection>, Failure> {
        if let Some(link) = self.pool.living(&Scope::Modern) {
            return Ok(link);
        }
        let turn = self.pool.turn(&Scope::Modern).await;
        if let Some(link) = self.pool.living(&Scope::Modern) {
            return Ok(link);
        }
        let opening = Opening::of_gateway(ClientCapabilities::default(), Eras::Modern);
        let link = self.open_link(opening).await.map_err(of_refusal)?;
        drop(turn);
        Ok(self.adopt(link).await)
    }

    /// Takes a link to a server without a handshake for everybody. If there is one already, the new one is left.
    async fn adopt(self: &Arc<Self>, link: Arc<dyn Connection>) -> Arc<dyn Connection> {
        let _turn = self.pool.turn(&Scope::Modern).await;
        if let Some(held) = self.pool.living(&Scope::Modern) {
            self.tasks.spawn("close link", link.close(Failure::new(Kind::Stopping, "another link serves everybody")));
            return held;
        }
        self.pool.keep(Scope::Modern, link.clone());
        self.watch(Scope::Modern, &link);
        link
    }

    /// Forgets a link when it is over, and closes it when nobody has used it for as long as an idle session lives; the
    /// next call opens another. The link of clients that were promised one for everybody stays.
    pub(crate) fn watch(self: &Arc<Self>, scope: Scope, link: &Arc<dyn Connection>) {
        let (bridge, watched) = (Arc::downgrade(self), link.clone());
        let for_everybody = scope == Scope::Shared || self.share == Share::All;
        let patience = self.limits.session_idle;
        let pace = (patience / 4).clamp(Duration::from_millis(50), Duration::from_secs(15));
        self.tasks.spawn("link watch", async move {
            let mut listening = watched.listen();
            loop {
                let event = tokio::select! {
                    event = listening.next() => event,
                    () = tokio::time::sleep(pace) => {
                        let stays = for_everybody || !is_idle(&watched, patience);
                        if stays && bridge.strong_count() > 0 {
                            continue;
                        }
                        break;
                    }
                };
                let (Some(event), Some(bridge)) = (event, bridge.upgrade()) else { break };
                if matches!(&event, Event::Notify(news) if news.method() == Method::ListChanged) {
                    bridge.inventory.forget();
                    bridge.news.send_modify(|count| *count += 1);
                }
            }
            if let Some(bridge) = bridge.upgrade() {
                bridge.pool.forget(&scope, &watched);
            }
            // Whoever has just got hold of it still finds it open.
            while bridge.strong_count() > 0 && !watched.is_over() && !is_idle(&watched, pace) {
                tokio::time::sleep(pace).await;
            }
            watched.close(Failure::new(Kind::Stopping, "the server was not used any more")).await;
        });
    }

    /// Closes every link; parked calls are given up.
    pub(crate) fn close_all(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        self.parking.clear();
        let mut closing = self.pool.close_all(why);
        for (_, face) in std::mem::take(&mut *self.faces.lock()) {
            closing.push(face.close(why.clone()));
        }
        closing
    }
}

impl Place for Bridge {
    fn open_session(
        self: Arc<Self>,
        scope: Scope,
        opening: Opening,
    ) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        Box::pin(async move { self.open(scope, opening).await })
    }

    fn ready(&self, caller: &Caller) -> Option<Arc<dyn Connection>> {
        match &caller.scope {
            Scope::Modern => self.pool.living(&Scope::Modern).or_else(|| {
                let face = self.faces.lock().get(&self.class_of(&caller.capabilities)).cloned();
                face.map(|face| face as Arc<dyn Connection>)
            }),
            scope => self.pool.living(scope),
        }
    }

    fn connect(self: Arc<Self>, caller: Arc<Caller>) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        Box::pin(async move {
            match &caller.scope {
                Scope::Modern => Ok(self.modern(&caller).await?),
                Scope::Shared => self.shared().await,
                // The session is about to end, too: the client needs a new one.
                scope => Ok(self.pool.living(scope).ok_or_else(lost)?),
            }
        })
    }

    fn close_session(&self, scope: &Scope, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        self.pool.close(scope, why.clone()).into_iter().collect()
    }

    fn metrics(&self) -> &Arc<ServerMetrics> {
        self.pool.metrics()
    }

    fn admit(&self) -> Result<Option<Slot>, Failure> {
        self.admit().map(Some)
    }

    fn observe(&self, event: &Event) {
        match event {
            Event::Done(Outcome::Answer(response)) if !response.is_error() => self.inventory.learn(response.body()),
            Event::Notify(news) if news.method() == Method::ListChanged => self.inventory.forget(),
            _ => {}
        }
    }

    fn may_mirror(&self) -> bool {
        !self.inventory.is_known() || self.inventory.has_mirrors()
    }

    fn mirror(
        self: Arc<Self>,
        tool: String,
        caller: Arc<Caller>,
    ) -> BoxFuture<'static, Result<Option<Arc<Mirror>>, Failure>> {
        Box::pin(async move {
            if !self.inventory.is_known() {
                learning::learn(&self, &caller).await?;
            }
            Ok(self.inventory.mirror(&tool))
        })
    }

    fn parked(&self) -> usize {
        self.parking.count()
    }
}

pub(crate) fn lost() -> Failure {
    Failure::new(Kind::SessionLost, "the server of this session has ended, and the session with it")
}

fn is_idle(link: &Arc<dyn Connection>, patience: Duration) -> bool {
    link.idle_since().is_some_and(|since| since.elapsed() >= patience)
}

/// The bridge that a connection belongs to, if it is still there: what it holds must not keep it alive.
fn upgraded(bridge: &Weak<Bridge>) -> Result<Arc<Bridge>, Failure> {
    bridge.upgrade().ok_or_else(|| Failure::new(Kind::Stopping, "the gateway is stopping"))
}

/// A refusal to be opened, where no client has asked for the opening itself.
pub(crate) fn of_refusal(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Failed(failure) => failure,
        Refusal::ByServer(response) => {
            let said = janua_wire::raw::peek_string(response.body(), "message").unwrap_or_default();
            Failure::new(Kind::StartFailed, format!("the server refused to be opened: {said}"))
        }
    }
}

/// The caller that the gateway is at a server without a handshake.
pub(crate) fn modern_caller(capabilities: ClientCapabilities) -> Arc<Caller> {
    Arc::new(Caller { scope: Scope::Modern, version: Version::NEWEST, capabilities, user: None })
}
