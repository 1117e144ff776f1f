//! Starting a program: in a session of its own, without copying the gateway's memory.
//!
//! `posix_spawn` shares the parent's memory until the program runs, where a fork would copy page tables and leave
//! a fault behind for every page the gateway touches next. That is three quarters of the cost of a session.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, chdir};

use super::MARK;
use crate::config::{ServerCommand, passed_on};

/// Starts `command` with `stdio` as its standard input, output and error. Must run on the spawner's thread: a
/// working directory is set for that thread.
pub(super) fn launch(command: &ServerCommand, mark: &str, stdio: &[OwnedFd; 3]) -> io::Result<Pid> {
    let program = text(OsStr::new(&command.program))?;
    let mut arguments = vec![program.clone()];
    for argument in &command.args {
        arguments.push(text(OsStr::new(argument))?);
    }
    let environment = environment(command, mark)?;
    let mut files = PosixSpawnFileActions::init()?;
    for (number, file) in (0..).zip(stdio) {
        files.add_dup2(file.as_raw_fd(), number)?;
    }
    let spawn = || Ok(posix_spawnp(&program, &files, &attributes()?, &arguments, &environment)?);
    let pid = match &command.cwd {
        Some(folder) => within(folder, spawn)?,
        None => spawn()?,
    };
    Pid::from_raw(pid.as_raw()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Whether there is a file that `posix_spawnp` would try to start.
pub(super) fn is_there(command: &ServerCommand) -> bool {
    let program = Path::new(&command.program);
    if command.program.contains('/') {
        return command.cwd.as_deref().unwrap_or(Path::new("")).join(program).is_file();
    }
    // It looks in the gateway's own search path; without one it knows places of its own.
    let path = passed_on(true).into_iter().find(|(name, _)| name == "PATH");
    path.is_none_or(|(_, path)| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn text(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a text holds a NUL byte"))
}

/// What the definition names beats what is passed on; the mark beats everything.
fn environment(command: &ServerCommand, mark: &str) -> io::Result<Vec<CString>> {
    let mut variables: BTreeMap<OsString, OsString> = passed_on(command.inherit_env).into_iter().collect();
    variables.extend(command.env.iter().map(|(name, value)| (name.into(), value.into())));
    variables.insert(MARK.into(), mark.into());
    let entry = |(name, value): (OsString, OsString)| text(&[name, value].join(OsStr::new("=")));
    variables.into_iter().map(entry).collect()
}

/// A session of its own, no signal blocked, and SIGPIPE as programs expect it (Rust ignores it).
fn attributes() -> nix::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    let session = PosixSpawnFlags::from_bits_retain(libc::c_int::from(libc::POSIX_SPAWN_SETSID));
    let signals = PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
    attributes.set_flags(session | signals)?;
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    attributes.set_sigmask(&SigSet::empty())?;
    Ok(attributes)
}

/// Runs `work` with `folder` as the working directory of this thread only.
fn within<T>(folder: &Path, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    unshare(CloneFlags::CLONE_FS)?;
    let home = std::env::current_dir()?;
    chdir(folder)?;
    let outcome = work();
    chdir(&home)?;
    outcome
}
