//! The programs of one server that are started and were not spoken to yet: whoever is first to speak gets one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::process::journal::Journal;
use super::process::{self, Process};
use super::starts::{Spare, Starts};
use super::trouble::Trouble;
use crate::admission::Slot;
use crate::config::{Limits, ServerCommand};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::observe::metrics::ServerMetrics;
use crate::tasks::Tasks;

/// How soon to look again, after there was no place for a program that nobody waits for.
const SCARCE: Duration = Duration::from_secs(1);

/// The programs of one server that are ready.
pub(crate) struct Stock {
    pub(super) command: Arc<ServerCommand>,
    pub(super) limits: Arc<Limits>,
    pub(super) tasks: Tasks,
    pub(super) metrics: Arc<ServerMetrics>,
    pub(super) starts: Arc<Starts>,
    journal: Arc<Journal>,
    wanted: usize,
    ready: Lock<VecDeque<Process>>,
    taken: Notify,
    /// One was good enough to be handed out since the last one failed.
    proven: AtomicBool,
    keeping: AtomicBool,
    over: CancellationToken,
}

impl Stock {
    /// A stock that holds `wanted` programs as soon as it is told to keep them.
    pub(crate) fn new(
        command: ServerCommand,
        wanted: usize,
        starts: Arc<Starts>,
        journal: Arc<Journal>,
        limits: Arc<Limits>,
        tasks: Tasks,
        metrics: Arc<ServerMetrics>,
    ) -> Arc<Self> {
        Arc::new(Stock {
            command: Arc::new(command),
            limits,
            tasks,
            metrics,
            starts,
            journal,
            wanted,
            ready: Lock::default(),
            taken: Notify::new(),
            proven: AtomicBool::new(false),
            keeping: AtomicBool::new(false),
            over: CancellationToken::new(),
        })
    }

    /// Keeps programs ready from now on.
    pub(super) fn keep(self: &Arc<Self>) {
        if self.wanted == 0 || self.over.is_cancelled() || self.keeping.swap(true, Ordering::Relaxed) {
            return;
        }
        self.starts.know(self);
        self.tasks.spawn("warm programs", self.clone().run());
    }

    /// Keeps none from now on; those that are there end.
    pub(super) fn retire(&self) {
        self.over.cancel();
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.ready.lock().is_empty()
    }

    /// A program that is ready and lives.
    pub(super) fn take(&self) -> Option<Process> {
        loop {
            let process = self.ready.lock().pop_front()?;
            self.taken.notify_one();
            if !process.child.has_ended() {
                self.proven.store(true, Ordering::Relaxed);
                return Some(process);
            }
            self.tasks.spawn("stop server", process.child.kill());
        }
    }

    /// Starts a program for somebody who waits for it.
    pub(super) async fn start(&self) -> Result<Process, Failure> {
        let slot = self.starts.program().await?;
        self.launch(slot).await
    }

    async fn launch(&self, slot: Slot) -> Result<Process, Failure> {
        let launched = process::launch(&self.command, self.metrics.name(), slot, &self.journal, &self.tasks).await?;
        let Process { stdin, stdout, words, child } = launched;
        Ok(Process { stdin, stdout, words, child: child.counted(&self.metrics.children) })
    }

    async fn run(self: Arc<Self>) {
        tokio::select! {
            never = self.refill() => match never {},
            () = self.over.cancelled() => {}
            () = self.tasks.stopping() => self.over.cancel(),
        }
        let rest = std::mem::take(&mut *self.ready.lock());
        join_all(rest.into_iter().map(|process| process.child.stop(&self.limits))).await;
    }

    /// Starts one after the other until there are enough, and again when one is gone; later and later if they fail.
    async fn refill(&self) -> Infallible {
        let mut trouble = Trouble::default();
        loop {
            if self.ready.lock().len() < self.wanted {
                match self.add().await {
                    Ok(true) => {}
                    Ok(false) => tokio::time::sleep(SCARCE).await,
                    Err(failure) => tokio::time::sleep(trouble.add(self.metrics.name(), &failure)).await,
                }
                continue;
            }
            tokio::select! {
                failure = self.failed() => {
                    if self.proven.swap(false, Ordering::Relaxed) {
                        trouble = Trouble::default();
                    }
                    tokio::time::sleep(trouble.add(self.metrics.name(), &failure)).await;
                }
                () = self.taken.notified() => {}
            }
        }
    }

    /// Adds one; false if there is no place for it.
    async fn add(&self) -> Result<bool, Failure> {
        let start = async {
            let Some(slot) = self.starts.spare_program() else { return Ok(false) };
            let process = self.launch(slot).await?;
            self.ready.lock().push_back(process);
            Ok(true)
        };
        self.starts.ahead(start).await
    }

    /// Waits for one to end by itself.
    async fn failed(&self) -> Failure {
        let mut process = poll_fn(|cx| self.poll_ended(cx)).await;
        let how = process.child.ended().await;
        process.words.complete().await;
        let stderr = process.words.quote(&self.command.env);
        process.child.kill().await;
        Failure::new(Kind::StartFailed, format!("the server {how} before anybody spoke to it")).with_stderr(stderr)
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Process> {
        let mut ready = self.ready.lock();
        let ended = ready.iter().position(|process| process.child.poll_ended(cx).is_ready());
        ended.and_then(|at| ready.remove(at)).map_or(Poll::Pending, Poll::Ready)
    }
}

impl Spare for Stock {
    fn give_up(&self) -> BoxFuture<'_, Option<Slot>> {
        Box::pin(async {
            let process = self.ready.lock().pop_back()?;
            self.taken.notify_one();
            process.child.give_way().await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Metrics;

    fn stock(wanted: usize, starts: &Arc<Starts>) -> Arc<Stock> {
        let command = ServerCommand::new(["cat"]).expect("a command");
        let limits = Arc::new(Limits { stop_term: Duration::from_millis(100), ..Limits::default() });
        let (tasks, metrics) = (Tasks::default(), Metrics::default().server("warm"));
        Stock::new(command, wanted, starts.clone(), Arc::default(), limits, tasks, metrics)
    }

    /// Waits until so many programs run, the limit of those that may.
    async fn running(starts: &Starts, wanted: usize) {
        let there = async {
            while starts.figures()[0].current != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), there).await.expect("so many programs");
    }

    #[tokio::test]
    async fn a_program_that_nobody_waits_for_gives_way() {
        let starts = Starts::new(&Limits { children: 2, ..Limits::default() });
        let (warm, other) = (stock(2, &starts), stock(0, &starts));
        warm.keep();
        running(&starts, 2).await;
        let first = other.start().await.expect("one gives way");
        let second = other.start().await.expect("the other gives way");
        assert!(warm.take().is_none());
        let refused = other.start().await.err().expect("there is none left");
        assert_eq!((refused.kind, refused.retry_after.is_some()), (Kind::Overloaded, true));
        assert_eq!((starts.figures()[0].current, starts.figures()[0].rejected), (2, 1));
        // Where there is room again, there is something warm again.
        first.child.kill().await;
        second.child.kill().await;
        running(&starts, 2).await;
        assert!(warm.take().is_some_and(|process| !process.child.has_ended()));
    }

    #[tokio::test]
    async fn what_is_ready_ends_with_the_server_it_belongs_to() {
        let starts = Starts::new(&Limits::default());
        let warm = stock(3, &starts);
        warm.keep();
        running(&starts, 3).await;
        warm.retire();
        running(&starts, 0).await;
        assert!(warm.take().is_none());
        warm.keep();
        assert!(!warm.is_ready(), "it is over for good");
    }
}
