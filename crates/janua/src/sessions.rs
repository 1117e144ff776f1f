//! Legacy clients: which sessions there are, and when they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::admission::{Gauge, Slot};
use crate::config::Limits;
use crate::lock::Lock;
use crate::servers::Place;
use crate::user::Visitor;

pub(crate) mod asks;
pub(crate) mod session;
pub(crate) mod stream;

pub(crate) use session::{Kind, Session};

/// All sessions of a gateway.
pub(crate) struct Sessions {
    table: Lock<HashMap<Arc<str>, Kept>>,
    next: AtomicU64,
    limits: Arc<Limits>,
    /// How many there are.
    pub(crate) places: Arc<Gauge>,
    /// Requests under way, of each session for itself.
    pub(crate) requests: Arc<Gauge>,
    /// The same of sessions for plain HTTP requests, whose callers do not know that they share one.
    rest_requests: Arc<Gauge>,
}

/// A session in the table, and the place that it takes up there.
struct Kept {
    session: Arc<Session>,
    _slot: Slot,
}

impl Sessions {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        let places = Gauge::new("sessions", limits.sessions);
        let requests = Gauge::new("session_requests", limits.session_requests);
        let rest_requests = requests.another_of(limits.session_requests.max(limits.server_requests));
        Sessions { table: Lock::default(), next: AtomicU64::new(1), limits, places, requests, rest_requests }
    }

    /// Opens a session of `visitor`, unless there are as many as there may be.
    pub(crate) fn open(&self, kind: Kind, place: Arc<dyn Place>, visitor: Visitor) -> Option<Arc<Session>> {
        let slot = self.places.take()?;
        let id: Arc<str> = kind.mint().into();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let requests = if kind == Kind::Rest { &self.rest_requests } else { &self.requests };
        let session = Session::new((id.clone(), number, kind), (place, visitor), self.limits.clone(), requests);
        let session = Arc::new(session);
        self.table.lock().insert(id, Kept { session: session.clone(), _slot: slot });
        Some(session)
    }

    /// The living session of that id and kind.
    pub(crate) fn get(&self, id: &str, kind: Kind) -> Option<Arc<Session>> {
        self.table.lock().get(id).map(|kept| &kept.session).filter(|session| session.kind == kind).cloned()
    }

    /// Takes a session out of the table. False if it was not in it any more.
    pub(crate) fn remove(&self, session: &Session) -> bool {
        self.table.lock().remove(&session.id).is_some()
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.table.lock().len()
    }

    /// Every session.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.table.lock().values().map(|kept| kept.session.clone()).collect()
    }

    /// The sessions whose time is over; the others let go of what they need not keep any more.
    pub(crate) fn expired(&self) -> Vec<Arc<Session>> {
        let now = Instant::now();
        let mut sessions = self.all();
        sessions.retain(|session| {
            session.tidy(now);
            session.is_expired(now)
        });
        sessions
    }

    /// How often to look for expired sessions.
    pub(crate) fn pace(&self) -> Duration {
        (self.limits.session_idle.min(self.limits.rest_idle) / 8)
            .clamp(Duration::from_millis(50), Duration::from_secs(1))
    }
}
