//! What there may be only so much of at once, counted where it is made: a slot is taken, or refused at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::lock::Lock;

/// When somebody who was refused may try again: what is under way is mostly over by then.
const AGAIN: Duration = Duration::from_secs(1);

const SOURCES: &str = "source_connections";

/// How much there is of something, of how much there may be, and how often there was no more to be had.
#[derive(Debug)]
pub(crate) struct Gauge {
    name: &'static str,
    limit: usize,
    current: AtomicUsize,
    /// Shared by gauges of the same limit.
    rejected: Arc<AtomicU64>,
}

/// So much of what a gauge counts, as long as it lives.
#[derive(Debug)]
pub(crate) struct Slot {
    gauge: Arc<Gauge>,
    amount: usize,
}

/// One limit, as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// The name it has in the settings.
    pub(crate) name: &'static str,
    /// How much there may be.
    pub(crate) limit: usize,
    /// How much there is; of a limit that holds for each of several, how much the fullest has.
    pub(crate) current: usize,
    /// How often there was no more to be had.
    pub(crate) rejected: u64,
}

/// A limit of each source of connections for itself.
#[derive(Debug)]
pub(crate) struct Sources {
    limit: usize,
    open: Lock<HashMap<IpAddr, usize>>,
    rejected: AtomicU64,
}

/// A connection of a source, as long as it lives.
#[derive(Debug)]
pub(crate) struct Origin {
    sources: Arc<Sources>,
    /// `None`: it counts as nobody's.
    key: Option<IpAddr>,
}

/// The limits that hold for a gateway as a whole, whichever of its servers is meant.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Connections.
    pub(crate) connections: Arc<Gauge>,
    /// Connections of one address.
    pub(crate) sources: Arc<Sources>,
    /// Requests under way.
    pub(crate) requests: Arc<Gauge>,
    /// Bytes of request bodies that are read, or wait for their answer.
    pub(crate) body_bytes: Arc<Gauge>,
    /// Streams of changes (2026-07-28 `subscriptions/listen`).
    pub(crate) streams: Arc<Gauge>,
}

impl Gauge {
    pub(crate) fn new(name: &'static str, limit: usize) -> Arc<Self> {
        Gauge::counting(name, limit, Arc::default())
    }

    /// A gauge of something else under the same limit: what either refuses is counted together.
    pub(crate) fn another(&self) -> Arc<Self> {
        Gauge::counting(self.name, self.limit, self.rejected.clone())
    }

    /// The same of what there may be `limit` of.
    pub(crate) fn another_of(&self, limit: usize) -> Arc<Self> {
        Gauge::counting(self.name, limit, self.rejected.clone())
    }

    fn counting(name: &'static str, limit: usize, rejected: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Gauge { name, limit, current: AtomicUsize::new(0), rejected })
    }

    /// Takes one; `None`, and a refusal counted, if there is none left.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut slot = Slot { gauge: self.clone(), amount: 0 };
        slot.grow(1).then_some(slot)
    }

    /// The same; a refusal is not counted, as something can still be done about it.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Slot> {
        self.add(1).then(|| Slot { gauge: self.clone(), amount: 1 })
    }

    /// A slot that holds nothing yet.
    pub(crate) fn nothing(self: &Arc<Self>) -> Slot {
        Slot { gauge: self.clone(), amount: 0 }
    }

    /// Counts a refusal. The log hears of the first, the second, the fourth, and so on.
    pub(crate) fn refuse(&self) {
        counted(self.name, self.limit, &self.rejected);
    }

    fn add(&self, amount: usize) -> bool {
        let after = |now: usize| now.checked_add(amount).filter(|after| *after <= self.limit);
        self.current.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).is_ok()
    }

    /// How much there may be.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How much there is.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    pub(crate) fn figure(&self) -> Figure {
        self.figure_of(self.current())
    }

    /// The same, where `current` is that of the fullest gauge under this limit.
    pub(crate) fn figure_of(&self, current: usize) -> Figure {
        Figure { name: self.name, limit: self.limit, current, rejected: self.rejected.load(Ordering::Relaxed) }
    }
}

fn counted(name: &'static str, limit: usize, rejected: &AtomicU64) {
    let rejected = rejected.fetch_add(1, Ordering::Relaxed) + 1;
    if rejected.is_power_of_two() {
        tracing::warn!(limit = name, most = limit, rejected, "refused: as many as there may be");
    }
}

impl Slot {
    /// Takes so much more; false, and a refusal counted, if there is not so much left.
    pub(crate) fn grow(&mut self, amount: usize) -> bool {
        let fits = self.gauge.add(amount);
        if fits {
            self.amount += amount;
        } else {
            self.gauge.refuse();
        }
        fits
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gauge.current.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

impl Sources {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Sources { limit, open: Lock::default(), rejected: AtomicU64::new(0) })
    }

    /// Takes a connection of `address`; `None`, and a refusal counted, if it has as many as it may have.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Origin> {
        let Some(key) = source(address) else { return Some(Origin { sources: self.clone(), key: None }) };
        let mut open = self.open.lock();
        let count = open.entry(key).or_default();
        if *count >= self.limit {
            drop(open);
            counted(SOURCES, self.limit, &self.rejected);
            return None;
        }
        *count += 1;
        drop(open);
        Some(Origin { sources: self.clone(), key: Some(key) })
    }

    fn figure(&self) -> Figure {
        let current = self.open.lock().values().copied().max().unwrap_or_default();
        let rejected = self.rejected.load(Ordering::Relaxed);
        Figure { name: SOURCES, limit: self.limit, current, rejected }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        if let Entry::Occupied(mut open) = self.sources.open.lock().entry(key) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

/// Whom an address stands for: itself, and in IPv6 the /64 around it, all of which one client can have (RFC 6177).
/// 127.0.0.1 and ::1 stand for nobody: behind them are all clients of a reverse proxy on this machine.
fn source(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => None,
        IpAddr::V6(address) => Some(IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into())),
        v4 @ IpAddr::V4(_) => Some(v4),
    }
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Admission {
            connections: Gauge::new("connections", limits.connections.min(affordable())),
            sources: Sources::new(limits.source_connections),
            requests: Gauge::new("requests", limits.requests),
            body_bytes: Gauge::new("body_bytes", limits.body_bytes),
            streams: Gauge::new("streams", limits.streams),
        })
    }

    /// How full everything is.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let gauges = [&self.connections, &self.requests, &self.body_bytes, &self.streams];
        let figures = gauges.into_iter().map(|gauge| gauge.figure());
        figures.chain([self.sources.figure()]).collect()
    }
}

/// Half of the descriptors that this process may have: the other half is for servers and files.
fn affordable() -> usize {
    let most = getrlimit(Resource::Nofile).current;
    most.map_or(usize::MAX, |most| usize::try_from(most / 2).unwrap_or(usize::MAX).max(1))
}

/// The gateway as a whole has enough to do.
pub(crate) fn overloaded(gauge: &Gauge) -> Failure {
    let message = format!("the gateway has as much to do as it may have ({} {})", gauge.limit, words(gauge.name));
    Failure::new(Kind::Overloaded, message).retry_after(AGAIN)
}

/// Somebody, or some server, has a share of the gateway, and it is used up.
pub(crate) fn too_many(whose: &str, gauge: &Gauge) -> Failure {
    let message = format!("{whose} has {} requests under way, the most there may be", gauge.limit);
    Failure::new(Kind::TooMany, message).retry_after(AGAIN)
}

/// One address has as many connections as it may have.
pub(crate) fn crowded(sources: &Sources) -> Failure {
    let message = format!("there are {} connections from your address, the most there may be", sources.limit);
    Failure::new(Kind::TooMany, message).retry_after(AGAIN)
}

fn words(name: &str) -> &str {
    match name {
        "body_bytes" => "bytes of requests",
        "streams" => "streams of changes",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_given_back_and_refusals_are_counted() {
        let gauge = Gauge::new("requests", 2);
        let held: Vec<Slot> = (0..2).map_while(|_| gauge.take()).collect();
        assert_eq!((held.len(), gauge.current()), (2, 2));
        assert!(gauge.take().is_none() && gauge.try_take().is_none());
        assert_eq!(gauge.figure(), Figure { name: "requests", limit: 2, current: 2, rejected: 1 });
        drop(held);
        assert_eq!(gauge.current(), 0);
        let other = gauge.another();
        let _taken = (other.take(), other.take(), other.take());
        assert_eq!((gauge.figure().rejected, other.figure().rejected, gauge.current()), (2, 2, 0));
    }

    #[test]
    fn a_slot_grows_as_far_as_there_is_room() {
        let gauge = Gauge::new("body_bytes", 100);
        let mut slot = gauge.nothing();
        assert!(slot.grow(60) && !slot.grow(60) && slot.grow(40) && !slot.grow(usize::MAX));
        assert_eq!(gauge.current(), 100);
        drop(slot);
        assert_eq!((gauge.current(), gauge.figure().rejected), (0, 2));
    }

    #[test]
    fn a_source_is_an_address_or_the_network_of_one_client() {
        let sources = Sources::new(2);
        let take = |address: &str| sources.take(address.parse().expect("an address"));
        let held = [take("2001:db8:0:1::1"), take("2001:db8:0:1:ffff::2")];
        assert!(held.iter().all(Option::is_some) && take("2001:db8:0:1::3").is_none());
        let others = [take("2001:db8:0:2::1"), take("192.0.2.1"), take("::ffff:192.0.2.1")];
        assert!(others.iter().all(Option::is_some) && take("192.0.2.1").is_none());
        let own: Vec<_> =
            ["127.0.0.1", "::1", "::ffff:127.0.0.1"].iter().flat_map(|own| [take(own), take(own), take(own)]).collect();
        assert!(own.iter().all(Option::is_some));
        let figure = sources.figure();
        assert_eq!((figure.current, figure.rejected), (2, 2));
        drop((held, others));
        assert!(sources.open.lock().is_empty());
    }
}
