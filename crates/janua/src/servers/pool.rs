//! Which link serves which caller: opened once, shared as the server's settings say, backed off when starts fail.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::call::Scope;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::random::jitter;
use crate::servers::{Connection, Opener, Opening, Refusal};

/// Starts at once of a server of which it is not known whether it starts.
const TURNS: usize = 4;
/// A start that takes longer than this lets the next begin: it is slow, but it has not failed.
const TURN: Duration = Duration::from_secs(1);

/// The links to one server.
pub(crate) struct Pool {
    opener: Box<dyn Opener>,
    links: Lock<HashMap<Scope, Arc<dyn Connection>>>,
    /// One start of the shared link at a time; whoever comes meanwhile waits for the same one.
    shared: tokio::sync::Mutex<()>,
    /// Turns to start a server that has not been seen to start, or that failed last time.
    turns: Semaphore,
    proven: AtomicBool,
    trouble: Lock<Trouble>,
}

/// Failed starts in a row.
#[derive(Default)]
struct Trouble {
    failures: VecDeque<Instant>,
    row: u32,
    last: Option<Failure>,
    until: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(opener: Box<dyn Opener>) -> Self {
        let (turns, proven) = (Semaphore::new(TURNS), AtomicBool::new(false));
        Pool {
            opener,
            links: Lock::default(),
            shared: tokio::sync::Mutex::default(),
            turns,
            proven,
            trouble: Lock::default(),
        }
    }

    /// The link that serves `scope`, if there is one.
    pub(crate) fn get(&self, scope: &Scope) -> Option<Arc<dyn Connection>> {
        self.links.lock().get(scope).cloned()
    }

    /// Opens a link for `scope`, which must have none.
    pub(crate) async fn open(&self, scope: Scope, opening: Opening) -> Result<Arc<dyn Connection>, Refusal> {
        let turn = if self.proven.load(Ordering::Relaxed) { None } else { self.turns.acquire().await.ok() };
        self.trouble.lock().check()?;
        let mut start = self.opener.open(opening);
        let opened = if let Ok(opened) = tokio::time::timeout(TURN, &mut start).await {
            opened
        } else {
            drop(turn);
            start.await
        };
        self.proven.store(opened.is_ok(), Ordering::Relaxed);
        let mut trouble = self.trouble.lock();
        match opened {
            Ok(link) => {
                *trouble = Trouble::default();
                drop(trouble);
                self.links.lock().insert(scope, link.clone());
                Ok(link)
            }
            Err(Refusal::Failed(failure)) => {
                trouble.add(&failure);
                Err(failure.into())
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The link that everybody shares; opened if need be, which is the second thing told.
    pub(crate) async fn shared(&self) -> Result<(Arc<dyn Connection>, bool), Refusal> {
        // A link may have ended before anybody could forget it.
        let living = || self.get(&Scope::Shared).filter(|link| !link.is_over());
        if let Some(link) = living() {
            return Ok((link, false));
        }
        let _turn = self.shared.lock().await;
        match living() {
            Some(link) => Ok((link, false)),
            None => Ok((self.open(Scope::Shared, Opening::of_gateway()).await?, true)),
        }
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
        let link = self.links.lock().remove(scope)?;
        Some(link.close(why))
    }

    /// Closes every link.
    pub(crate) fn close_all(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        let links = std::mem::take(&mut *self.links.lock());
        links.into_values().map(|link| link.close(why.clone())).collect()
    }
}

impl Trouble {
    /// Fails at once while the wait after a failed start is not over.
    fn check(&self) -> Result<(), Failure> {
        let Some(wait) = self.until.and_then(|until| until.checked_duration_since(Instant::now())) else {
            return Ok(());
        };
        let cause = self.last.as_ref().map_or_else(String::new, |last| format!(": {last}"));
        let message = format!("the server failed to start {} times in a row{cause}", self.row);
        let stderr = self.last.as_ref().and_then(|last| last.stderr.clone());
        Err(Failure::new(Kind::BackingOff, message).with_stderr(stderr).retry_after(wait))
    }

    /// 0.2 s, doubled to 30 s; after five failures within a minute one attempt a minute.
    fn add(&mut self, failure: &Failure) {
        const MINUTE: Duration = Duration::from_secs(60);
        const MANY: usize = 5;
        let now = Instant::now();
        self.failures.push_back(now);
        while self.failures.len() > MANY || self.failures.front().is_some_and(|at| now - *at > MINUTE) {
            self.failures.pop_front();
        }
        let doubled = Duration::from_millis(200) * 2u32.pow(self.row.min(8));
        let wait = if self.failures.len() == MANY { MINUTE } else { doubled.min(Duration::from_secs(30)) };
        self.row += 1;
        tracing::warn!(reason = %failure, row = self.row, ?wait, "server did not start");
        self.last = Some(failure.clone());
        self.until = Some(now + wait.mul_f64(jitter()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::atomic::AtomicU32;

    struct Broken(Arc<AtomicU32>);

    impl Opener for Broken {
        fn open(&self, _: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            async { Err(Failure::new(Kind::StartFailed, "boom").into()) }.boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_start_is_left_alone_more_and_more() {
        let starts = Arc::new(AtomicU32::new(0));
        let pool = Pool::new(Box::new(Broken(starts.clone())));
        for _ in 0..600 {
            let refused = pool.open(Scope::Session(1), Opening::of_gateway()).await;
            assert!(matches!(refused, Err(Refusal::Failed(_))));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let started = starts.load(Ordering::Relaxed);
        assert!((5..=10).contains(&started), "{started} starts in a minute");
        let Err(Refusal::Failed(failure)) = pool.open(Scope::Session(1), Opening::of_gateway()).await else {
            panic!("opened")
        };
        assert_eq!(failure.kind, Kind::BackingOff);
        assert!(failure.retry_after.is_some() && failure.message.contains("boom"), "{failure:?}");
    }
}
