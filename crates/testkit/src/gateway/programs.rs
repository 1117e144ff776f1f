//! Where this package's own programs are, built when a test needs one that is not there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

/// The one program that is not built without this package's default features.
const NEEDS_RMCP: &str = "rmcp_client";

/// The path of the program `name`, built first when it is missing or stale.
pub(super) fn path(name: &str) -> PathBuf {
    // One build at a time in this process; cargo's own lock covers the others.
    static READY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

    let test = env::current_exe().expect("path of the running test");
    let folder = test.parent().and_then(Path::parent).expect("the test is in a target directory");
    let path = folder.join(name);
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    if !ready.contains(&path) {
        if stale(name, &path) {
            build(name, folder);
        }
        assert!(path.exists(), "{} is missing after its build", path.display());
        ready.push(path.clone());
    }
    path
}

/// Whether the program `name` at `path` is missing or older than its own or the library's sources.
fn stale(name: &str, path: &Path) -> bool {
    let Ok(built) = fs::metadata(path).and_then(|m| m.modified()) else {
        return true;
    };
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let programs = sources.join("bin");
    let mut folders = vec![sources];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if folder == programs && path.file_stem() != Some(OsStr::new(name)) {
                continue;
            }
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(path),
                Ok(meta) if meta.modified().is_ok_and(|m| m > built) => return true,
                _ => {}
            }
        }
    }
    false
}

fn build(name: &str, folder: &Path) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = folder.parent().expect("a profile's directory is in the target directory");
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut command = std::process::Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["build", "--quiet", "-p", "janua-testkit", "--bin", name, "--profile", profile]);
    command.arg("--target-dir").arg(target);
    if name != NEEDS_RMCP {
        // Spares the build of a large SDK that the other programs do not use.
        command.arg("--no-default-features");
    }
    let status = command.status().unwrap_or_else(|e| panic!("run cargo to build {name}: {e}"));
    assert!(status.success(), "building {name}: {status}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_program_is_there_when_asked_for() {
        let path = super::path("probe");
        assert!(path.is_file(), "{}", path.display());
        assert_eq!(super::path("probe"), path);
    }
}
