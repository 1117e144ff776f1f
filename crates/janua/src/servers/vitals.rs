//! How a server is doing: its openings and links, whichever settings they were opened with.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::raw;
use janua_wire::version::{Era, Version};
use tokio::time::Instant;

use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::process::journal::Journal;
use crate::servers::{Connection, Opener, Opening, Refusal};

/// What is noted of one server.
#[derive(Default)]
pub(crate) struct Vitals {
    /// What its instances write to their standard error.
    pub(crate) journal: Arc<Journal>,
    starting: AtomicUsize,
    seen: Lock<Seen>,
}

#[derive(Default)]
struct Seen {
    links: Vec<Weak<dyn Connection>>,
    legacy: bool,
    modern: bool,
    version: Option<Version>,
    transport: Option<&'static str>,
    took: Option<Duration>,
    opened: Option<SystemTime>,
    trouble: Option<(Failure, SystemTime)>,
}

/// The same at one time.
#[derive(Clone, Debug)]
pub(crate) struct Vital {
    /// Openings under way.
    pub(crate) starting: usize,
    /// Links that are not over.
    pub(crate) links: usize,
    /// Which eras its links spoke.
    pub(crate) eras: Vec<Era>,
    /// The revision of the newest link.
    pub(crate) version: Option<Version>,
    /// What carries it, if a network does.
    pub(crate) transport: Option<&'static str>,
    /// How long the last opening took that went well.
    pub(crate) took: Option<Duration>,
    /// When it last was opened.
    pub(crate) opened: Option<SystemTime>,
    /// Why the last opening failed, and since when they do.
    pub(crate) trouble: Option<(Failure, SystemTime)>,
}

/// Opens links as another opener does, and notes how that goes.
pub(crate) struct Noted {
    pub(crate) opener: Box<dyn Opener>,
    pub(crate) vitals: Arc<Vitals>,
}

/// An opening under way.
struct Starting(Arc<Vitals>);

impl Vitals {
    /// How it is now.
    pub(crate) fn now(&self) -> Vital {
        let mut seen = self.seen.lock();
        seen.links.retain(|link| link.strong_count() > 0);
        let links: Vec<_> = seen.links.iter().filter_map(Weak::upgrade).collect();
        let eras = [(seen.legacy, Era::Legacy), (seen.modern, Era::Modern)];
        let vital = Vital {
            starting: self.starting.load(Ordering::Relaxed),
            links: links.iter().filter(|link| !link.is_over()).count(),
            eras: eras.iter().filter(|(seen, _)| *seen).map(|(_, era)| *era).collect(),
            version: seen.version,
            transport: seen.transport,
            took: seen.took,
            opened: seen.opened,
            trouble: seen.trouble.clone(),
        };
        // The last to let go of a link ends it, which must not happen under the lock.
        drop(seen);
        vital
    }

    /// What went wrong before does not count any more: it is started anew.
    pub(crate) fn pardon(&self) {
        self.seen.lock().trouble = None;
    }

    fn saw(&self, opened: &Result<Arc<dyn Connection>, Refusal>, took: Duration) {
        let mut seen = self.seen.lock();
        match opened {
            Ok(link) => {
                let version = link.opened().version;
                seen.legacy |= version.era() == Era::Legacy;
                seen.modern |= version.era() == Era::Modern;
                (seen.version, seen.took, seen.trouble) = (Some(version), Some(took), None);
                seen.transport = link.transport();
                seen.opened = Some(SystemTime::now());
                seen.links.retain(|link| link.strong_count() > 0);
                seen.links.push(Arc::downgrade(link));
            }
            Err(refusal) => {
                let since = seen.trouble.take().map_or_else(SystemTime::now, |(_, since)| since);
                seen.trouble = Some((failure(refusal), since));
            }
        }
    }
}

fn failure(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Failed(failure) => failure.clone(),
        Refusal::ByServer(response) => {
            let said = raw::peek_string(response.body(), "message").unwrap_or_default();
            Failure::new(Kind::StartFailed, format!("the server refused to be opened: {said}"))
        }
    }
}

impl Opener for Noted {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let (opened, vitals) = (self.opener.open(opening), self.vitals.clone());
        async move {
            let begun = Instant::now();
            let starting = Starting::new(&vitals);
            let opened = opened.await;
            vitals.saw(&opened, begun.elapsed());
            drop(starting);
            opened
        }
        .boxed()
    }

    fn prepare(&self) {
        self.opener.prepare();
    }

    fn is_ready(&self) -> bool {
        self.opener.is_ready()
    }

    fn retire(&self) {
        self.opener.retire();
    }
}

impl Starting {
    fn new(vitals: &Arc<Vitals>) -> Self {
        vitals.starting.fetch_add(1, Ordering::Relaxed);
        Starting(vitals.clone())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.starting.fetch_sub(1, Ordering::Relaxed);
    }
}
