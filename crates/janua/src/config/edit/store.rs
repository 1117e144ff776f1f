//! Files of configurations on disk: changed under a lock, whole or not at all, with a backup beside them.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::EditError;

/// How often an edit starts anew because somebody else changed the file meanwhile.
const ATTEMPTS: usize = 10;
const BACKUP: &str = "janua-backup";
const REPLACED: &str = "janua-replaced";

/// Why a file was not changed; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused something.
    #[error("{what} {}: {why}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The text cannot be read, or not be changed.
    #[error("{}: {why}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        why: EditError,
    },
    /// Somebody else kept changing the file.
    #[error("{}: somebody else keeps changing it: try again", .0.display())]
    Busy(PathBuf),
    /// There is nothing to go back to.
    #[error("{}: there is no backup beside it", .0.display())]
    NoBackup(PathBuf),
}

impl StoreError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |why| StoreError::Io { what, path, why }
    }
}

/// What an edit did.
#[derive(Debug)]
pub struct Written {
    /// The file that was changed, links followed.
    pub path: PathBuf,
    /// What it said before; `None` if it was not there.
    pub before: Option<String>,
    /// What it says now.
    pub after: String,
    /// The copy of what it said before. `None` if nothing changed, or nothing was there.
    pub backup: Option<PathBuf>,
}

/// The text of a file; `None` if it is not there.
pub fn load(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

/// Gives the text of a file (empty, if it is not there) to `change` and writes what it makes of it.
///
/// Other edits by Janua wait. If anybody else changes the file meanwhile, `change` is asked again with the new text,
/// so that nobody's edit is lost. A new file is readable by its owner only.
pub fn edit<E: From<StoreError>>(path: &Path, mut change: impl FnMut(&str) -> Result<String, E>) -> Result<Written, E> {
    let path = target(path)?;
    for _ in 0..ATTEMPTS {
        let held = hold(&path)?;
        let before = held.as_ref().map(|held| held.text.clone());
        let after = change(before.as_deref().unwrap_or_default())?;
        if before.as_deref().unwrap_or_default() == after {
            return Ok(Written { path, before, after, backup: None });
        }
        if let Some(backup) = write(&path, held.as_ref(), &after)? {
            return Ok(Written { path, before, after, backup: backup.path });
        }
    }
    Err(StoreError::Busy(path).into())
}

/// Puts back what the newest backup of a file says, and gives the backup's name.
///
/// What the file said is kept beside it under another name; the backup is used up, so that the next call goes one
/// further back.
pub fn roll_back(path: &Path) -> Result<(Written, PathBuf), StoreError> {
    let path = target(path)?;
    let backup = newest_backup(&path)?.ok_or_else(|| StoreError::NoBackup(path.clone()))?;
    let old = fs::read_to_string(&backup).map_err(StoreError::io("read", &backup))?;
    for _ in 0..ATTEMPTS {
        let held = hold(&path)?;
        let before = held.as_ref().map(|held| held.text.clone());
        let kept = before.as_ref().map(|text| copy(&path, REPLACED, text)).transpose()?;
        if replace(&path, held.as_ref(), &old)? {
            fs::remove_file(&backup).map_err(StoreError::io("remove", &backup))?;
            return Ok((Written { path, before, after: old, backup: kept }, backup));
        }
        if let Some(kept) = kept {
            let _ = fs::remove_file(kept);
        }
    }
    Err(StoreError::Busy(path))
}

/// The file itself, where its name is a link.
fn target(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            Ok(path.to_owned())
        }
        Err(error) => Err(StoreError::io("find", path)(error)),
    }
}

/// A file that is locked, and what it said when it was.
struct Held {
    file: File,
    text: String,
}

/// Locks the file that the name leads to now. The lock is on the file, not on the name: it goes when it is replaced.
fn hold(path: &Path) -> Result<Option<Held>, StoreError> {
    loop {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", path)(error)),
        };
        file.lock().map_err(StoreError::io("lock", path))?;
        let own = file.metadata().map_err(StoreError::io("read", path))?;
        let named = fs::metadata(path);
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (own.dev(), own.ino())) {
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(StoreError::io("read", path))?;
            return Ok(Some(Held { file, text }));
        }
    }
}

struct Backup {
    path: Option<PathBuf>,
}

/// Writes the text with a backup of what was there; `None` if somebody else was faster.
fn write(path: &Path, held: Option<&Held>, text: &str) -> Result<Option<Backup>, StoreError> {
    let backup = held.map(|held| copy(path, BACKUP, &held.text)).transpose()?;
    let done = replace(path, held, text);
    if let (Some(backup), false) = (&backup, matches!(done, Ok(true))) {
        let _ = fs::remove_file(backup);
    }
    Ok(done?.then_some(Backup { path: backup }))
}

/// Replaces a file, if it still says what it said; `false` if it does not.
fn replace(path: &Path, held: Option<&Held>, text: &str) -> Result<bool, StoreError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if held.is_none() {
        fs::create_dir_all(directory).map_err(StoreError::io("create", directory))?;
    }
    let mut new = tempfile::Builder::new()
        .prefix(".janua-")
        .tempfile_in(directory)
        .map_err(StoreError::io("write into", directory))?;
    new.write_all(text.as_bytes()).map_err(StoreError::io("write", path))?;
    if let Some(held) = held {
        let old = held.file.metadata().map_err(StoreError::io("read", path))?;
        let mode = Permissions::from_mode(old.mode() & 0o7777);
        // Only root can give a file away; for anybody else it is theirs already.
        let _ = std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid()));
        new.as_file().set_permissions(mode).map_err(StoreError::io("write", path))?;
    }
    new.as_file().sync_all().map_err(StoreError::io("write", path))?;
    let Some(held) = held else {
        return match new.persist_noclobber(path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(StoreError::io("write", path)(error.error)),
        };
    };
    if load(path)?.as_deref() != Some(held.text.as_str()) {
        return Ok(false);
    }
    new.persist(path).map_err(|error| StoreError::io("write", path)(error.error))?;
    // So that the name survives a loss of power, too; where a directory cannot be synced, nothing is lost by it.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(true)
}

/// Writes a copy beside a file, for its owner only, and gives its name.
fn copy(path: &Path, kind: &str, text: &str) -> Result<PathBuf, StoreError> {
    for attempt in 1.. {
        let mut name = OsString::from(path.file_name().unwrap_or_default());
        name.push(format!(".{kind}-{}", stamp(SystemTime::now())));
        if attempt > 1 {
            name.push(format!("-{attempt}"));
        }
        let to = path.with_file_name(name);
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(StoreError::io("write a backup", &to)(error)),
        };
        if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
            let _ = fs::remove_file(&to);
            return Err(StoreError::io("write a backup", &to)(error));
        }
        return Ok(to);
    }
    unreachable!("the loop ends by returning")
}

fn newest_backup(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{}.{BACKUP}-", path.file_name().unwrap_or_default().to_string_lossy());
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(StoreError::io("read", directory))?,
    };
    let mut newest = None;
    for entry in entries {
        let name = entry.map_err(StoreError::io("read", directory))?.file_name();
        let Some(stamp) = name.to_str().and_then(|name| name.strip_prefix(&prefix)).and_then(order) else { continue };
        newest = newest.max(Some((stamp, directory.join(&name))));
    }
    Ok(newest.map(|(_, path)| path))
}

/// What backups are ordered by: their time, and their number within a second.
fn order(stamp: &str) -> Option<(u64, u64, u64)> {
    let mut parts = stamp.split('-').map(str::parse);
    let order = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next().unwrap_or(Ok(1)).ok()?);
    parts.next().is_none().then_some(order)
}

/// A time as `YYYYMMDD-HHMMSS`, UTC.
fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // The civil calendar in eras of 400 years that begin in March.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_of_backups() {
        for (seconds, wanted) in [
            (0, "19700101-000000"),
            (951_782_399, "20000228-235959"),
            (951_782_400, "20000229-000000"),
            (1_709_164_800, "20240229-000000"),
            (1_795_243_041, "20261121-063721"),
        ] {
            assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(seconds)), wanted);
        }
        assert!(order("20261121-063721-10") > order("20261121-063721-2"));
        assert!(order("20261121-063721") < order("20261121-063722"));
        assert_eq!(order("copy"), None);
    }
}
