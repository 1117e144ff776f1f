//! Which link serves which caller: opened once, shared as the server's settings say, backed off when starts fail.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::version::Era;
use tokio::sync::Semaphore;

use crate::call::Scope;
use crate::config::Protocol;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::observe::metrics::{ServerMetrics, Start};
use crate::servers::starts::Starts;
use crate::servers::trouble::Trouble;
use crate::servers::{Connection, Eras, Opener, Opening, Refusal};

/// Starts at once of a server of which it is not known whether it starts.
const TURNS: usize = 4;
/// A start that takes longer than this lets the next begin: it is slow, but it has not failed.
const TURN: Duration = Duration::from_secs(1);

/// The links to one server, of one user or of everybody.
pub(crate) struct Pool {
    server: Arc<Known>,
    links: Lock<HashMap<Scope, Arc<dyn Connection>>>,
    /// One start at a time of a link that several share; whoever comes meanwhile waits for the same one.
    openings: Lock<HashMap<Scope, Arc<tokio::sync::Mutex<()>>>>,
    /// Turns to start servers, whichever they are.
    pub(crate) starts: Arc<Starts>,
}

/// How a server is opened, and how that went, whoever it was for.
struct Known {
    opener: Box<dyn Opener>,
    protocol: Protocol,
    /// Turns to start a server that has not been seen to start, or that failed last time.
    turns: Semaphore,
    proven: AtomicBool,
    trouble: Lock<Trouble>,
    eras: Lock<Spoken>,
    metrics: Arc<ServerMetrics>,
}

/// Which eras the server has been found to speak, or not to.
#[derive(Clone, Copy, Default)]
struct Spoken {
    legacy: Option<bool>,
    modern: Option<bool>,
}

impl Pool {
    pub(crate) fn new(
        opener: Box<dyn Opener>,
        protocol: Protocol,
        starts: Arc<Starts>,
        metrics: Arc<ServerMetrics>,
    ) -> Self {
        let (turns, proven) = (Semaphore::new(TURNS), AtomicBool::new(false));
        let (trouble, eras) = (Lock::default(), Lock::default());
        let server = Arc::new(Known { opener, protocol, turns, proven, trouble, eras, metrics });
        Pool { server, links: Lock::default(), openings: Lock::default(), starts }
    }

    /// A pool for other links to the same server.
    pub(crate) fn another(&self) -> Self {
        let (server, starts) = (self.server.clone(), self.starts.clone());
        Pool { server, links: Lock::default(), openings: Lock::default(), starts }
    }

    /// Whether it has no link.
    pub(crate) fn is_empty(&self) -> bool {
        self.links.lock().is_empty()
    }

    /// What is counted of the server.
    pub(crate) fn metrics(&self) -> &Arc<ServerMetrics> {
        &self.server.metrics
    }

    /// Starts what is to be ready before anybody asks for it.
    pub(crate) fn prepare(&self) {
        self.server.opener.prepare();
    }

    /// The link that serves `scope`, if there is one. It may be over.
    pub(crate) fn get(&self, scope: &Scope) -> Option<Arc<dyn Connection>> {
        self.links.lock().get(scope).cloned()
    }

    /// The same, unless it is over: a link may have ended before anybody could forget it.
    pub(crate) fn living(&self, scope: &Scope) -> Option<Arc<dyn Connection>> {
        self.get(scope).filter(|link| !link.is_over())
    }

    /// Keeps a link that was opened elsewhere.
    pub(crate) fn keep(&self, scope: Scope, link: Arc<dyn Connection>) {
        self.links.lock().insert(scope, link);
    }

    /// How to open the server for a client of `era`: in the client's own era if the server has it, as far as one
    /// knows, else in the other.
    pub(crate) fn eras_for(&self, era: Era) -> Eras {
        let known = *self.server.eras.lock();
        match (self.server.protocol, era) {
            (Protocol::Legacy, _) => Eras::Legacy,
            (Protocol::Modern, _) => Eras::Modern,
            (Protocol::Auto, Era::Legacy) if known.legacy == Some(false) => Eras::ModernFirst,
            (Protocol::Auto, Era::Legacy) => Eras::LegacyFirst,
            (Protocol::Auto, Era::Modern) if known.modern == Some(false) => Eras::LegacyFirst,
            (Protocol::Auto, Era::Modern) => Eras::ModernFirst,
        }
    }

    /// Opens a link that nobody has yet, and that nobody but the caller will know of.
    pub(crate) async fn open(&self, opening: Opening) -> Result<Arc<dyn Connection>, Refusal> {
        let server = &self.server;
        let turn = if server.proven.load(Ordering::Relaxed) { None } else { server.turns.acquire().await.ok() };
        server.trouble.lock().check()?;
        let eras = opening.eras;
        let start = server.opener.open(opening);
        let mut start = if server.opener.is_ready() { start } else { self.starts.in_turn(start).boxed() };
        let opened = if let Ok(opened) = tokio::time::timeout(TURN, &mut start).await {
            opened
        } else {
            drop(turn);
            start.await
        };
        if let Err(Refusal::Failed(Failure { kind: Kind::Overloaded | Kind::TooMany, .. })) = opened {
            // It was not even tried.
            return opened;
        }
        server.metrics.started(match &opened {
            Ok(_) => Start::Ok,
            Err(Refusal::Failed(_)) => Start::Failed,
            Err(Refusal::ByServer(_)) => Start::Refused,
        });
        server.proven.store(opened.is_ok(), Ordering::Relaxed);
        let mut trouble = server.trouble.lock();
        match opened {
            Ok(link) => {
                *trouble = Trouble::default();
                drop(trouble);
                server.eras.lock().saw(eras, link.opened().version.era());
                Ok(link)
            }
            Err(Refusal::Failed(failure)) => {
                trouble.add(server.metrics.name(), &failure);
                Err(failure.into())
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The right to open the link of `scope` that several share. Whoever gets it looks again first whether there is
    /// one by now.
    pub(crate) async fn turn(&self, scope: &Scope) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.openings.lock().entry(scope.clone()).or_default().clone();
        turn.lock_owned().await
    }

    /// Forgets the link of `scope` if it is `link`: it is over.
    pub(crate) fn forget(&self, scope: &Scope, link: &Arc<dyn Connection>) {
        let mut links = self.links.lock();
        if links.get(scope).is_some_and(|held| Arc::ptr_eq(held, link)) {
            links.remove(scope);
        }
    }

    /// Closes the link of `scope`. The future resolves when nothing of it is left.
    pub(crate) fn close(&self, scope: &Scope, why: Failure) -> Option<BoxFuture<'static, ()>> {
        self.openings.lock().remove(scope);
        let link = self.links.lock().remove(scope)?;
        Some(link.close(why))
    }

    /// Closes every link; nothing is kept ready any more.
    pub(crate) fn close_all(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        self.server.opener.retire();
        let links = std::mem::take(&mut *self.links.lock());
        links.into_values().map(|link| link.close(why.clone())).collect()
    }
}

impl Spoken {
    /// Takes note of the era that a link turned out to speak.
    fn saw(&mut self, tried: Eras, era: Era) {
        match era {
            Era::Legacy => self.legacy = Some(true),
            Era::Modern => self.modern = Some(true),
        }
        match (tried, era) {
            (Eras::LegacyFirst, Era::Modern) => self.legacy = Some(false),
            (Eras::ModernFirst, Era::Legacy) => self.modern = Some(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Metrics;
    use janua_wire::capabilities::ClientCapabilities;
    use std::sync::atomic::AtomicU32;

    struct Broken(Arc<AtomicU32>);

    fn made(attempts: Arc<AtomicU32>, protocol: Protocol) -> Pool {
        let starts = Starts::new(&crate::config::Limits::default());
        Pool::new(Box::new(Broken(attempts)), protocol, starts, Metrics::default().server("broken"))
    }

    fn nobody() -> Opening {
        Opening::of_gateway(ClientCapabilities::default(), Eras::Legacy)
    }

    #[test]
    fn a_server_is_spoken_to_in_the_clients_era_unless_it_lacks_that() {
        let pool = made(Arc::default(), Protocol::Auto);
        assert_eq!(pool.eras_for(Era::Modern), Eras::ModernFirst);
        pool.server.eras.lock().saw(Eras::ModernFirst, Era::Legacy);
        assert_eq!(pool.eras_for(Era::Modern), Eras::LegacyFirst);
        assert_eq!(pool.eras_for(Era::Legacy), Eras::LegacyFirst);
        let other = made(Arc::default(), Protocol::Auto);
        other.server.eras.lock().saw(Eras::LegacyFirst, Era::Modern);
        assert_eq!(other.eras_for(Era::Legacy), Eras::ModernFirst);
        let pinned = made(Arc::default(), Protocol::Legacy);
        assert_eq!(pinned.eras_for(Era::Modern), Eras::Legacy);
    }

    impl Opener for Broken {
        fn open(&self, _: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            async { Err(Failure::new(Kind::StartFailed, "boom").into()) }.boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_start_is_left_alone_more_and_more() {
        let attempts = Arc::new(AtomicU32::new(0));
        let pool = made(attempts.clone(), Protocol::Auto);
        for _ in 0..600 {
            let refused = pool.open(nobody()).await;
            assert!(matches!(refused, Err(Refusal::Failed(_))));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let started = attempts.load(Ordering::Relaxed);
        // It may be just about time for another attempt.
        let _ = pool.open(nobody()).await;
        assert!((5..=10).contains(&started), "{started} starts in a minute");
        let Err(Refusal::Failed(failure)) = pool.open(nobody()).await else { panic!("opened") };
        assert_eq!(failure.kind, Kind::BackingOff);
        assert!(failure.retry_after.is_some() && failure.message.contains("boom"), "{failure:?}");
    }
}
