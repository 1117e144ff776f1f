//! What the files of a folder are at one time: enough to see later that one of them has changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Entries looked at in one folder: what is larger is seen in part.
const MOST: usize = 20_000;
/// Deepest folder looked into.
const DEEPEST: usize = 8;
/// What programs put there themselves, or install there.
const PASSED_OVER: [&str; 4] = ["__pycache__", "node_modules", "venv", "site-packages"];

/// The state of a folder.
pub(super) struct Edition {
    /// Differs from that of another time if a file has come, gone or changed since.
    pub(super) digest: u64,
    /// The folder and those in it, as far as they were looked into.
    pub(super) folders: Vec<PathBuf>,
}

/// The state of `folder` now. Hidden files do not count.
pub(super) fn now(folder: &Path) -> Edition {
    let mut hasher = DefaultHasher::new();
    let mut edition = Edition { digest: 0, folders: Vec::new() };
    let mut left = MOST;
    look(folder, 0, &mut left, &mut hasher, &mut edition.folders);
    edition.digest = hasher.finish();
    edition
}

fn look(folder: &Path, depth: usize, left: &mut usize, hasher: &mut DefaultHasher, folders: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    folders.push(folder.to_owned());
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).take(*left).collect();
    paths.sort();
    *left -= paths.len();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || PASSED_OVER.contains(&&*name) {
            continue;
        }
        let Ok(about) = std::fs::metadata(&path) else { continue };
        path.hash(hasher);
        if about.is_file() {
            (about.len(), about.modified().ok()).hash(hasher);
        } else if depth < DEEPEST {
            look(&path, depth + 1, left, hasher, folders);
        }
    }
}
