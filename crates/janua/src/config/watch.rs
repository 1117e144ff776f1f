//! Watching a configuration for changes: its files, and SIGHUP.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{Debouncer, NoCache, new_debouncer_opt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::edition;

/// How long a change may go on before it is told: editors write in several steps.
const SETTLED: Duration = Duration::from_millis(200);

/// A file that a configuration depends on, or a folder with all that is in it, and how it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    stamp: Option<(SystemTime, u64, u64)>,
}

/// Tells that a configuration may have changed.
pub struct Watch {
    changes: mpsc::Receiver<()>,
    hangup: Signal,
    _debouncer: Debouncer<RecommendedWatcher, NoCache>,
}

impl File {
    /// A file as it is now.
    pub(super) fn now(path: &Path) -> Self {
        let about = std::fs::metadata(path).ok();
        let stamp = about.and_then(|about| {
            if about.is_dir() {
                let edition = edition::now(path);
                return Some((SystemTime::UNIX_EPOCH, edition.folders.len() as u64, edition.digest));
            }
            Some((about.modified().ok()?, about.len(), about.ino()))
        });
        File { path: path.to_owned(), stamp }
    }

    /// Takes note of how it is now.
    pub fn refresh(&mut self) {
        *self = File::now(&self.path);
    }

    /// Whether there was nothing in it.
    pub(super) fn was_empty(&self) -> bool {
        self.stamp.is_some_and(|(_, length, _)| length == 0)
    }

    pub(super) fn has_changed(&self) -> bool {
        File::now(&self.path) != *self
    }
}

/// Watches the files of a configuration. A change since they were read is told, too.
///
/// Folders are watched rather than files, as editors put a new file in the place of the old one.
pub fn watch(files: &[File]) -> io::Result<Watch> {
    let (told, changes) = mpsc::channel(1);
    let mut seen = files.to_vec();
    let look = move |told: &mpsc::Sender<()>| {
        let mut changed = false;
        for file in &mut seen {
            if file.has_changed() {
                *file = File::now(&file.path);
                changed = true;
            }
        }
        if changed {
            // One that waits already says the same.
            let _ = told.try_send(());
        }
    };
    let first = told.clone();
    let mut look_first = look.clone();
    let mut look = look;
    let notice = move |_: notify_debouncer_full::DebounceEventResult| look(&told);
    let failed = |error: notify::Error| io::Error::other(error.to_string());
    let config = notify::Config::default();
    let mut debouncer = new_debouncer_opt(SETTLED, None, notice, NoCache::new(), config).map_err(failed)?;
    let mut seen: HashSet<PathBuf> = HashSet::new();
    for file in files {
        let path = std::path::absolute(&file.path)?;
        let within = if path.is_dir() { edition::now(&path).folders } else { Vec::new() };
        for folder in path.parent().map(Path::to_owned).into_iter().chain(within) {
            if folder.is_dir() && seen.insert(folder.clone()) {
                debouncer.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
            }
        }
    }
    look_first(&first);
    Ok(Watch { changes, hangup: signal(SignalKind::hangup())?, _debouncer: debouncer })
}

impl Watch {
    /// Resolves when a file has changed and has been left alone for a moment, or when SIGHUP arrives. Dropping the
    /// future loses nothing.
    pub async fn changed(&mut self) {
        tokio::select! {
            Some(()) = self.changes.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
