//! Where the drivers and the installed packages are.

use super::PeerError;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command as Blocking;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use tokio::process::Command;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The folder everything is installed into: `JANUA_CACHE`, or `.cache` in the repository.
pub(super) fn cache() -> PathBuf {
    let root = Path::new(CRATE).ancestors().nth(2).unwrap_or(Path::new("."));
    let chosen = env::var_os("JANUA_CACHE").filter(|given| !given.is_empty());
    root.join(chosen.unwrap_or_else(|| ".cache".into()))
}

/// A file of the cache, which has to be there.
pub(super) fn installed(place: &str) -> Result<PathBuf, PeerError> {
    let path = cache().join(place);
    if path.exists() {
        return Ok(path);
    }
    Err(PeerError::Missing(format!("no {}: run `cargo xtask setup`", path.display())))
}

/// A file of an installed npm package, by the package's name and the path in it.
///
/// # Errors
/// If it was not installed.
pub fn package(place: &str) -> Result<PathBuf, PeerError> {
    installed(&format!("node/node_modules/{place}"))
}

pub(super) fn node() -> Result<PathBuf, PeerError> {
    installed("node/node_modules/.bin/node")
}

pub(super) fn node_modules() -> PathBuf {
    cache().join("node/node_modules")
}

pub(super) fn node_script(name: &str) -> Result<Command, PeerError> {
    let mut command = Command::new(node()?);
    command.arg(driver("node").join(name));
    Ok(command)
}

/// A file of the folder `peers`.
pub(super) fn driver(place: &str) -> PathBuf {
    Path::new(CRATE).join("peers").join(place)
}

/// Interpreter, options and script; the options keep the checkout clean and the log short.
pub(super) fn python_words(environment: &str, name: &str) -> Result<Vec<PathBuf>, PeerError> {
    let python = installed(&format!("{environment}/bin/python"))?;
    let script = driver("python").join(name);
    Ok(vec![python, "-B".into(), "-W".into(), "ignore".into(), script])
}

pub(super) fn python_script(environment: &str, name: &str) -> Result<Command, PeerError> {
    let words = python_words(environment, name)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Ok(command)
}

/// A program made with the Rust SDK: beside the test's own program, built now unless it is there.
pub(super) fn rmcp_program(name: &str) -> Result<PathBuf, PeerError> {
    static BUILDING: Mutex<()> = Mutex::new(());
    // Cargo would wait for itself anyway, but only after it has looked at every crate.
    let _turn = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    built(name).map_err(PeerError::Missing)
}

fn built(name: &str) -> Result<PathBuf, String> {
    let me = env::current_exe().map_err(|error| format!("find this program: {error}"))?;
    // A test runs from <target>/<profile>/deps, a program from <target>/<profile>.
    let folder = me.parent().ok_or("this program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let program = folder.join(name);
    if is_newer(&program, &Path::new(CRATE).join("src/bin").join(name)) {
        return Ok(program);
    }
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut cargo = Blocking::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "-p", "janua-testkit", "--bin", name]);
    cargo.args(["--profile", profile]).current_dir(CRATE);
    cargo.arg("--target-dir").arg(folder.parent().unwrap_or(folder));
    let done = cargo.output().map_err(|error| format!("run cargo: {error}"))?;
    if !done.status.success() {
        return Err(format!("build {name}: {}", String::from_utf8_lossy(&done.stderr)));
    }
    Ok(program)
}

/// Whether the program is there and no file of the source folder changed after it was made.
fn is_newer(program: &Path, sources: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let Some(made) = changed(program) else {
        return false;
    };
    let files = sources.read_dir().into_iter().flatten().flatten();
    files.filter_map(|file| changed(&file.path())).max().unwrap_or(SystemTime::UNIX_EPOCH) <= made
}
