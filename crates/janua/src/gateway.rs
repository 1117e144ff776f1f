//! The handles that the pipeline works with, and the life of sessions across them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::admission::{Admission, Figure};
use crate::catalog::Catalog;
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::observe::Observer;
use crate::observe::messages;
use crate::observe::metrics::{self, Readings};
use crate::servers::{Connection, Place};
use crate::sessions::session::short;
use crate::sessions::{self, Session, Sessions};
use crate::tasks::Tasks;
use crate::user::{Principal, Visitor};

/// One gateway: what exists, its clients' sessions, its limits and its tasks.
pub(crate) struct Gateway {
    pub(crate) catalog: Catalog,
    pub(crate) sessions: Sessions,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tasks: Tasks,
    /// What it shows of itself.
    pub(crate) observer: Observer,
    pub(crate) admission: Arc<Admission>,
    sweeping: AtomicBool,
}

impl Gateway {
    pub(crate) fn new(catalog: Catalog, limits: Arc<Limits>, tasks: Tasks, observer: Observer) -> Arc<Self> {
        let sessions = Sessions::new(limits.clone());
        let (admission, sweeping) = (Admission::new(&limits), AtomicBool::new(false));
        let gateway = Arc::new(Gateway { catalog, sessions, limits, tasks, observer, admission, sweeping });
        let read = Arc::downgrade(&gateway);
        gateway.observer.metrics.read(move |readings| {
            if let Some(gateway) = read.upgrade() {
                gateway.read(readings);
            }
        });
        gateway
    }

    /// Takes down what is not counted but looked up.
    fn read(&self, readings: &mut Readings) {
        readings.put(&metrics::READY, usize::from(self.unready().is_empty()));
        readings.put(&metrics::CONNECTIONS, self.admission.connections.current());
        let sessions = self.sessions.all();
        for kind in sessions::Kind::ALL {
            let of_kind = || sessions.iter().filter(|session| session.kind.name() == kind.name());
            readings.put_for(&metrics::SESSIONS, kind.name(), of_kind().count());
            let waiting = of_kind().map(|session| session.waiting()).sum();
            readings.put_for(&metrics::STREAM_QUEUE, kind.name(), waiting);
        }
        for Figure { name, limit, current, rejected } in self.figures() {
            readings.put_for(&metrics::LIMIT, name, limit);
            readings.put_for(&metrics::LIMIT_CURRENT, name, current);
            readings.put_for(&metrics::LIMIT_REJECTED, name, usize::try_from(rejected).unwrap_or(usize::MAX));
        }
    }

    /// Why the gateway takes in no new work; nothing if it does.
    pub(crate) fn unready(&self) -> Vec<&'static str> {
        if self.tasks.is_stopping() { vec!["the gateway is stopping"] } else { Vec::new() }
    }

    /// Opens a session of `visitor` at `place`, or says why not.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        kind: sessions::Kind,
        place: Arc<dyn Place>,
        visitor: Visitor,
    ) -> Result<Arc<Session>, Failure> {
        if self.tasks.is_stopping() {
            return Err(Failure::new(Kind::Stopping, "the gateway is stopping"));
        }
        // The first session starts the sweeper, so that sessions expire wherever the router is mounted.
        if !self.sweeping.swap(true, Ordering::Relaxed) {
            self.tasks.spawn("session sweeper", sweep(Arc::downgrade(self), self.tasks.clone()));
        }
        let full = || {
            let message = format!("there are {} sessions already, the most there may be", self.limits.sessions);
            Failure::new(Kind::Overloaded, message).retry_after(self.limits.session_idle)
        };
        let session = self.sessions.open(kind, place, visitor).ok_or_else(full)?;
        // Whoever is shown out meanwhile ends all sessions that there are; this one may have come after that.
        let lease = session.visitor.principal.as_ref().and_then(Principal::lease);
        if lease.is_some_and(CancellationToken::is_cancelled) {
            self.end_session(&session);
            return Err(Failure::new(Kind::SessionLost, "the client is not admitted any more"));
        }
        Ok(session)
    }

    /// How full everything is that is limited.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let all = self.sessions.all();
        let bound = all.iter().filter(|session| session.kind != sessions::Kind::Rest);
        let busiest = bound.map(|session| session.running()).max().unwrap_or_default();
        let mut figures = self.admission.figures();
        figures.push(self.sessions.places.figure());
        figures.push(self.sessions.requests.figure_of(busiest));
        figures.extend(self.catalog.figures());
        figures
    }

    /// Gives a session its link and pours what the server says of its own accord into the session's stream. When
    /// the link is over, so is the session.
    pub(crate) fn attach(self: &Arc<Self>, session: &Arc<Session>, link: &Arc<dyn Connection>) {
        let (gateway, session, mut reply) = (self.clone(), session.clone(), link.listen());
        if messages::are_shown() {
            reply = reply.shown(session.between(), None);
        }
        self.tasks.spawn("session listener", async move {
            let stream = session.outbound.clone();
            tokio::select! {
                _ = session.pour(0, &stream, &mut reply) => settle(&session).await,
                () = session.ended() => {}
            }
            gateway.end_session(&session);
        });
    }

    /// Ends a session and stops its server. Doing so twice does no harm.
    pub(crate) fn end_session(&self, session: &Session) {
        if !self.sessions.remove(session) {
            return;
        }
        session.end();
        tracing::info!(session = short(&session.id), "session ended");
        let why = Failure::new(Kind::SessionLost, "the session has ended");
        for closing in session.place.close_session(&session.scope(), &why) {
            self.tasks.spawn("close link", closing);
        }
    }

    /// Stops in order: no new sessions, running requests get their time, then sessions and servers end.
    pub(crate) async fn stop(&self) {
        self.tasks.stop();
        let step = std::time::Duration::from_millis(20);
        let deadline = tokio::time::Instant::now() + self.limits.drain;
        while self.admission.requests.current() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(step).await;
        }
        self.stop_now().await;
    }

    /// Ends every session and server without waiting for requests.
    pub(crate) async fn stop_now(&self) {
        self.tasks.stop();
        let cut = self.admission.requests.current();
        if cut > 0 {
            tracing::warn!(requests = cut, "requests cut off by the stop");
        }
        let why = Failure::new(Kind::Stopping, "the gateway is stopping");
        let closing = self.catalog.close_all(&why);
        for session in self.sessions.all() {
            self.sessions.remove(&session);
            session.end();
        }
        join_all(closing).await;
        self.observer.flush().await;
    }
}

/// The end of a link answers every request under way; those answers go out before the session that carries them.
async fn settle(session: &Session) {
    let step = std::time::Duration::from_millis(5);
    for _ in 0..200 {
        if session.running() == 0 || session.is_over() {
            return;
        }
        tokio::time::sleep(step).await;
    }
}

async fn sweep(gateway: Weak<Gateway>, tasks: Tasks) {
    loop {
        let Some(pace) = gateway.upgrade().map(|gateway| gateway.sessions.pace()) else { return };
        tokio::select! {
            () = tokio::time::sleep(pace) => {}
            () = tasks.stopping() => return,
        }
        let Some(gateway) = gateway.upgrade() else { return };
        for session in gateway.sessions.expired() {
            tracing::info!(session = short(&session.id), "session expired");
            gateway.end_session(&session);
        }
    }
}
