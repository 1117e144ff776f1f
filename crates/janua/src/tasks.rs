//! The only place that spawns: every task has a name, an owner, and is waited for at the end.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Job = Box<dyn FnOnce() + Send>;

/// The tasks of one gateway. Clones are handles to the same set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `work` on the runtime. A panic in it is logged with the task's name and ends this task only.
    pub(crate) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
        drop(tokio::spawn(self.tracker.track_future(async move {
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                tracing::error!(task = name, reason = reason(panic.as_ref()), "task panicked");
            }
        })));
    }

    /// Runs `work`, which blocks, away from the runtime's threads.
    pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Runs `work` on the one thread that starts programs. It lives as long as the process, and several callers
    /// take turns: a fork is no quicker for being done twice at once, and every thread more costs memory.
    pub(crate) async fn on_spawner<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        /// More starts than that can wait for the thread only if something is very wrong.
        const MANY: usize = 4096;
        static SPAWNER: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
        let spawner = SPAWNER.get_or_init(|| {
            let (jobs, queue) = mpsc::sync_channel::<Job>(MANY);
            let run = move || queue.into_iter().for_each(|job| job());
            // Without the thread the receiver is dropped, and every start fails with a clear message.
            let _ = thread::Builder::new().name("janua-spawner".to_owned()).spawn(run);
            jobs
        });
        let (done, result) = oneshot::channel();
        let runtime = Handle::current();
        let job = Box::new(move || {
            let _context = runtime.enter();
            let _ = done.send(work());
        });
        spawner.try_send(job).ok()?;
        result.await.ok()
    }

    /// Resolves when the gateway is told to stop.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the gateway was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Tells every task to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until all tasks have ended; false if `limit` passed before.
    pub(crate) async fn finished(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
