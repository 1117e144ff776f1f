//! Installs what the tests need of other authors' work into the repository's cache folder.

use crate::repo;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Where the pinned versions and the drivers of the clients are kept.
const PEERS: &str = "crates/testkit/peers";
/// Holds the pins a folder was installed from; written last, so it marks a complete one.
const STAMP: &str = ".pins";

/// A Python environment and the pins it is made from.
struct Environment {
    name: &'static str,
    pins: &'static str,
}

const ENVIRONMENTS: &[Environment] = &[
    Environment { name: "py1", pins: "python/requirements-1.txt" },
    Environment { name: "py1-first", pins: "python/requirements-1-first.txt" },
    Environment { name: "py2", pins: "python/requirements-2.txt" },
    Environment { name: "fastmcp", pins: "python/requirements-fastmcp.txt" },
    Environment { name: "servers-py", pins: "python/requirements-servers.txt" },
    Environment { name: "mcpo", pins: "python/requirements-mcpo.txt" },
    Environment { name: "openapi", pins: "python/requirements-openapi.txt" },
];

/// Installs whatever is missing or was made from other pins; quick when nothing is.
///
/// # Errors
/// Names the step that failed, what the tool printed, and what to do about it.
pub(crate) fn run() -> Result<()> {
    let cache = cache();
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    // Two checks of one checkout may start at once: the second waits and then finds all done.
    let lock = cache.join("lock");
    let lock = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
    lock.lock().context("lock the cache folder")?;
    let missing: Vec<_> = ENVIRONMENTS.iter().filter(|one| !one.is_current()).collect();
    let node = node_is_missing();
    let browser = !works("chromium", &["--version"]);
    if missing.is_empty() && !node && !browser {
        return Ok(());
    }
    programs(!missing.is_empty(), node, browser)?;
    thread::scope(|scope| {
        let node = scope.spawn(move || if node { install_node() } else { Ok(()) });
        let python = missing.iter().try_for_each(|one| one.install());
        let node = node.join().unwrap_or_else(|_| bail!("the installation of Node packages panicked"));
        python.and(node)
    })
}

/// The folder everything is installed into: `JANUA_CACHE`, or `.cache` in the repository.
pub(crate) fn cache() -> PathBuf {
    let chosen = env::var_os("JANUA_CACHE").filter(|given| !given.is_empty());
    repo::root().join(chosen.unwrap_or_else(|| ".cache".into()))
}

/// The pinned Node.
pub(crate) fn node() -> PathBuf {
    node_modules().join(".bin/node")
}

/// The pinned npm packages: SDKs, servers, the two versions of the conformance suite.
pub(crate) fn node_modules() -> PathBuf {
    cache().join("node/node_modules")
}

/// The interpreter that has the Python SDK of that major version, 1 or 2.
pub(crate) fn python(major: u8) -> PathBuf {
    cache().join(format!("py{major}/bin/python"))
}

/// The folder with the programs of the servers written in Python.
pub(crate) fn python_servers() -> PathBuf {
    cache().join("servers-py/bin")
}

impl Environment {
    fn folder(&self) -> PathBuf {
        cache().join(self.name)
    }

    fn pins(&self) -> PathBuf {
        repo::root().join(PEERS).join(self.pins)
    }

    fn is_current(&self) -> bool {
        // Following the link finds out that the interpreter behind it was removed.
        self.folder().join("bin/python").exists() && stamped(&self.folder(), &[self.pins()])
    }

    fn install(&self) -> Result<()> {
        println!("setup: Python packages for {}", self.name);
        let folder = self.folder();
        remove(&folder)?;
        step(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        step(pip.arg("--requirement").arg(self.pins()))?;
        stamp(&folder, &[self.pins()])
    }
}

fn node_pins() -> [PathBuf; 2] {
    ["package.json", "package-lock.json"].map(|name| repo::root().join(PEERS).join("node").join(name))
}

fn node_is_missing() -> bool {
    !node().exists() || !stamped(&cache().join("node"), &node_pins())
}

fn install_node() -> Result<()> {
    println!("setup: Node packages");
    let folder = cache().join("node");
    remove(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for pins in node_pins() {
        let copy = folder.join(pins.file_name().context("a list of pins without a name")?);
        fs::copy(&pins, copy).with_context(|| format!("copy {}", pins.display()))?;
    }
    let mut npm = Command::new("npm");
    step(npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder))?;
    // Node itself comes from an install script, which a configuration may have switched off.
    step(Command::new(node()).arg("--version"))
        .context("npm left no Node behind: are install scripts switched off (npm config get ignore-scripts)?")?;
    stamp(&folder, &node_pins())
}

/// Makes sure of the programs this relies on, with Debian's packages where allowed.
fn programs(python: bool, npm: bool, browser: bool) -> Result<()> {
    let mut packages = Vec::new();
    if python && !works("python3", &["-c", "import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))"]) {
        packages.extend(["python3", "python3-venv"]);
    }
    if npm && !works("npm", &["--version"]) {
        packages.extend(["nodejs", "npm"]);
    }
    if browser {
        packages.push("chromium");
    }
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !root || !works("apt-get", &["--version"]) {
        bail!("missing or too old: {wanted} (Python 3.11 or newer with venv, npm, Chromium); install them");
    }
    println!("setup: Debian packages {wanted}");
    step(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-qq", "-y", "--no-install-recommends"]).args(&packages);
    step(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs one step to its end; what it printed is shown only when it fails.
fn step(command: &mut Command) -> Result<()> {
    let shown = repo::shown(command);
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("run {shown}"))?;
    if !done.status.success() {
        let said = [done.stdout, done.stderr].concat();
        bail!(
            "{shown}: {}\n{}\nThe package registry has to be reachable; then run `cargo xtask setup` again.",
            done.status,
            String::from_utf8_lossy(&said).trim_end()
        );
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The pins themselves rather than a digest of them: they are small, and a difference can be read.
fn joined(pins: &[PathBuf]) -> Result<String> {
    let texts = pins.iter().map(|file| fs::read_to_string(file).with_context(|| format!("read {}", file.display())));
    Ok(texts.collect::<Result<Vec<_>>>()?.join("\n"))
}

fn stamped(folder: &Path, pins: &[PathBuf]) -> bool {
    let before = fs::read_to_string(folder.join(STAMP));
    matches!((before, joined(pins)), (Ok(before), Ok(now)) if before == now)
}

fn stamp(folder: &Path, pins: &[PathBuf]) -> Result<()> {
    fs::write(folder.join(STAMP), joined(pins)?).with_context(|| format!("mark {} complete", folder.display()))
}
