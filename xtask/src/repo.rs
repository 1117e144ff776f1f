//! The repository as the tasks see it: its root, its files, its build output.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every file git tracks or would track, relative to the root, that exists.
pub(crate) fn files() -> Result<Vec<String>> {
    let listed = output(Command::new("git").args(["ls-files", "-z", "-c", "-o", "--exclude-standard"]))?;
    let mut files: Vec<String> =
        listed.split('\0').filter(|f| !f.is_empty() && root().join(f).is_file()).map(str::to_owned).collect();
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Cargo's build folder: the one this very program was built into.
pub(crate) fn target() -> Result<PathBuf> {
    let me = std::env::current_exe().context("find this program's own path")?;
    let target = me.parent().and_then(Path::parent).context("xtask is not in a build folder")?;
    Ok(target.to_path_buf())
}

/// A program of this workspace, built before.
pub(crate) fn program(profile: &str, name: &str) -> Result<PathBuf> {
    let path = target()?.join(profile).join(name);
    if !path.is_file() {
        bail!("no {}: build the workspace first", path.display());
    }
    Ok(path)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Standard output of a command that must succeed, run in the root.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let done = command.current_dir(root()).output().with_context(|| format!("run {shown}"))?;
    if !done.status.success() {
        bail!("{shown}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr).trim_end());
    }
    String::from_utf8(done.stdout).with_context(|| format!("{shown}: its output is not text"))
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    if let Some(name) = Path::new(&words[0]).file_name() {
        words[0] = name.to_string_lossy().into_owned();
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_this_very_file() {
        assert!(files().unwrap().contains(&"xtask/src/repo.rs".to_owned()));
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_words() {
        assert_eq!(output(Command::new("echo").arg("x")).unwrap(), "x\n");
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("sh -c") && said.contains("why") && said.contains('3'), "{said}");
        assert!(output(&mut Command::new("/no/such/program")).is_err());
    }
}
