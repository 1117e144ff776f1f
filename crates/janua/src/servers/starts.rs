//! Who may start servers now, and how many programs may run: shared by all servers of a gateway.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::admission::{Figure, Gauge, Slot};
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::lock::Lock;

/// A start that takes longer than this lets the next begin: it is slow, or it hangs.
const TURN: Duration = Duration::from_secs(5);

/// How long a program that nobody waits for has for itself.
const SETTLING: Duration = Duration::from_millis(500);

/// When somebody who found as many programs as there may be may try again.
const AGAIN: Duration = Duration::from_secs(5);

/// The turns to start servers, and the programs.
pub(crate) struct Starts {
    /// First come, first served.
    turns: Semaphore,
    limit: usize,
    /// The turn of programs that are started ahead of need: one after the other, past the turns of those that are
    /// waited for.
    ahead: Semaphore,
    programs: Arc<Gauge>,
    /// Where programs are that nobody uses.
    spares: Lock<Vec<Weak<dyn Spare>>>,
}

/// Where there may be a program that nobody uses.
pub(super) trait Spare: Send + Sync + 'static {
    /// Ends one and gives its place to somebody who waits.
    fn give_up(&self) -> BoxFuture<'_, Option<Slot>>;
}

impl Starts {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let limit = limits.starts.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Starts {
            turns: Semaphore::new(limit),
            limit,
            ahead: Semaphore::new(1),
            programs: Gauge::new("children", limits.children),
            spares: Lock::default(),
        })
    }

    /// Runs `start` when it is its turn.
    pub(crate) async fn in_turn<T>(&self, start: impl Future<Output = T>) -> T {
        let turn = self.turns.acquire().await.ok();
        let mut start = pin!(start);
        if let Ok(started) = timeout(TURN, &mut start).await {
            return started;
        }
        drop(turn);
        start.await
    }

    /// Runs `start`, of a program that nobody waits for yet, when no other such program has just been started.
    pub(crate) async fn ahead<T>(&self, start: impl Future<Output = T>) -> T {
        let _turn = self.ahead.acquire().await;
        let started = start.await;
        tokio::time::sleep(SETTLING).await;
        started
    }

    /// A place for a program that somebody waits for. If there is none, one that nobody waits for gives way.
    pub(crate) async fn program(&self) -> Result<Slot, Failure> {
        if let Some(slot) = self.programs.try_take() {
            return Ok(slot);
        }
        let spares: Vec<Arc<dyn Spare>> = self.spares.lock().iter().filter_map(Weak::upgrade).collect();
        for spare in spares {
            if let Some(slot) = spare.give_up().await {
                return Ok(slot);
            }
        }
        self.programs.take().ok_or_else(|| {
            let message = format!("there are {} programs running, the most there may be", self.programs.limit());
            Failure::new(Kind::Overloaded, message).retry_after(AGAIN)
        })
    }

    /// A place for a program that nobody waits for.
    pub(crate) fn spare_program(&self) -> Option<Slot> {
        self.programs.try_take()
    }

    /// Takes note of a place where programs are that may give way.
    pub(super) fn know(&self, spare: &Arc<impl Spare>) {
        let spare: Weak<dyn Spare> = Arc::downgrade(spare) as Weak<dyn Spare>;
        let mut spares = self.spares.lock();
        spares.retain(|spare| spare.strong_count() > 0);
        spares.push(spare);
    }

    /// How full it is.
    pub(crate) fn figures(&self) -> [Figure; 2] {
        let current = self.limit - self.turns.available_permits();
        let starts = Figure { name: "starts", limit: self.limit, current, rejected: 0 };
        [self.programs.figure(), starts]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_start_that_hangs_gives_its_turn_back() {
        let starts = Starts::new(&Limits { starts: 2, ..Limits::default() });
        let began = Instant::now();
        let hanging = || starts.in_turn(std::future::pending::<()>());
        let after = |time| starts.in_turn(async move { sleep(Duration::from_secs(time)).await });
        let third = async {
            after(1).await;
            began.elapsed().as_secs()
        };
        let fourth = async {
            after(1).await;
            began.elapsed().as_secs()
        };
        let both = async { tokio::join!(third, fourth) };
        let times = tokio::select! {
            biased;
            () = hanging() => unreachable!("it hangs"),
            () = hanging() => unreachable!("it hangs"),
            times = both => times,
        };
        assert_eq!(times, (6, 6), "both wait for the five seconds, then start together");
        assert_eq!(starts.figures()[1].current, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn starts_come_in_order_and_so_many_at_once() {
        let starts = Starts::new(&Limits { starts: 2, ..Limits::default() });
        let (order, now) = (Lock::new(Vec::new()), Gauge::new("now", 2));
        let all = (0..10).map(|number| {
            let (starts, order, now) = (&starts, &order, &now);
            async move {
                starts
                    .in_turn(async {
                        let _one = now.take().expect("no more than two");
                        order.lock().push(number);
                        sleep(Duration::from_secs(1)).await;
                    })
                    .await;
            }
        });
        let began = Instant::now();
        futures_util::future::join_all(all).await;
        assert_eq!(began.elapsed().as_secs(), 5);
        assert_eq!(*order.lock(), (0..10).collect::<Vec<_>>());
    }
}
