//! What is served: the servers, the configuration that names them, and the gateway in front of them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use janua_testkit::client::message::quoted;
use janua_testkit::gateway::Gateway;
use janua_testkit::upstream::modern::ModernServer;
use janua_testkit::upstream::streamable::StreamableServer;

/// A server and what may be done to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    /// Its name, and its address below `/mcp/`.
    pub(super) name: &'static str,
    /// Whether it has all tools of `everything`; else only `echo`.
    pub(super) everything: bool,
    /// Whether its address may be gone for a while, so that sessions cannot count on being opened.
    pub(super) comes_and_goes: bool,
}

/// Nothing is ever done to `calm`, `pair`, `shout` and `demo`, so nothing explains an error of theirs; and `change` is
/// only ever defined anew, which no client may notice either.
pub(super) const SERVERS: [Served; 11] = [
    served("calm", true),
    served("pair", true),
    served("shout", false),
    served("demo", false),
    served("change", true),
    served("alpha", true),
    served("beta", true),
    served("crashy", false),
    served("hangs", false),
    Served { comes_and_goes: true, ..served("gone", true) },
    served("far", false),
];

/// Served over HTTP in 2026-07-28; it has no part in sessions that are opened in mid-fault.
pub(super) const FAR_MODERN: Served = served("farther", true);

const fn served(name: &'static str, everything: bool) -> Served {
    Served { name, everything, comes_and_goes: false }
}

/// The gateway, its configuration, and the remote servers.
pub(super) struct Scene {
    /// The gateway.
    pub(super) gateway: Gateway,
    /// Where it keeps what it knows.
    pub(super) data: PathBuf,
    config: PathBuf,
    programs: PathBuf,
    ports: (u16, u16),
    written: Mutex<Written>,
    far: Mutex<Option<StreamableServer>>,
    farther: Mutex<Option<ModernServer>>,
}

/// What the configuration says besides what it always says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// How often `change` was defined anew.
    pub(super) changed: u64,
    /// Whether `gone` is not there.
    pub(super) gone: bool,
    /// Which way of being broken, if it is.
    pub(super) broken: Option<u64>,
}

impl Scene {
    /// Starts the remote servers and the gateway. `programs` holds the testkit's programs.
    pub(super) async fn start(janua: &Path, programs: &Path, folder: &Path) -> Result<Self> {
        let far = StreamableServer::builder().start().await;
        let farther = ModernServer::builder().start().await;
        let ports = (far.site.port(), farther.site.port());
        let (config, data) = (folder.join("janua.yaml"), folder.join("data"));
        fs::create_dir_all(&data).context("create the data folder")?;
        fs::write(&config, text(programs, ports, Written::default())).context("write the configuration")?;
        let gateway = Gateway::builder(janua).args(&["serve", "--port", "0", "-c"]).arg(&config);
        let gateway = gateway.arg("--data-dir").arg(&data).try_start().await?;
        Ok(Self {
            gateway,
            data,
            config,
            programs: programs.to_owned(),
            ports,
            written: Mutex::default(),
            far: Mutex::new(Some(far)),
            farther: Mutex::new(Some(farther)),
        })
    }

    /// Writes the configuration anew, as editors do: half the time into the file, half the time in its place.
    pub(super) fn write(&self, change: impl FnOnce(&mut Written)) -> Result<()> {
        let mut written = held(&self.written);
        change(&mut written);
        let text = text(&self.programs, self.ports, *written);
        if written.changed.is_multiple_of(2) {
            return fs::write(&self.config, text).context("write the configuration");
        }
        let beside = self.config.with_extension("new");
        fs::write(&beside, text).context("write the configuration")?;
        fs::rename(&beside, &self.config).context("put the configuration in its place")
    }

    /// Closes the remote servers, and everything that is open to them.
    pub(super) fn close_remote(&self) {
        // Their sockets are closed by the runtime; whoever listens next there asks until it may.
        drop((held(&self.far).take(), held(&self.farther).take()));
    }

    /// Opens them again where they were.
    pub(super) async fn open_remote(&self) {
        let far = StreamableServer::builder().port(self.ports.0).start().await;
        let farther = ModernServer::builder().port(self.ports.1).start().await;
        *held(&self.far) = Some(far);
        *held(&self.farther) = Some(farther);
    }

    /// Makes the remote server with sessions forget them.
    pub(super) fn forget_sessions(&self) {
        if let Some(far) = &*held(&self.far) {
            far.forget_sessions();
        }
    }

    /// What clients of 2026-07-28 did wrong in the eyes of the strict remote server.
    pub(super) fn faults(&self) -> Vec<String> {
        held(&self.farther).as_ref().map(ModernServer::faults).unwrap_or_default()
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The configuration; JSON is YAML, so that values need no care.
fn text(programs: &Path, ports: (u16, u16), written: Written) -> String {
    let mut text = String::from(
        "limits: {session_idle: 20s, parked_for: 15s, call_timeout: 10s, start_timeout: 20s, header_timeout: 5s, \
         stop_eof: 1s, stop_term: 2s, drain: 5s, stream_kept: 20s}\nservers:\n",
    );
    let mut program = |name: &str, words: &[&str], more: &str| {
        let path = programs.join(words[0]);
        let args: Vec<String> = words[1..].iter().chain(&["--name", name]).map(|word| quoted(word)).collect();
        let path = quoted(&path.display().to_string());
        let _ = writeln!(text, "  {name}: {{command: {path}, args: [{}]{more}}}", args.join(", "));
    };
    let changed = written.changed.to_string();
    program("calm", &["everything"], "");
    program("pair", &["everything", "--era", "dual"], ", share: user");
    program("shout", &["hostile", "garbage"], "");
    program("change", &["everything", "--era", "dual", "--changed", &changed], "");
    program("alpha", &["everything"], "");
    program("beta", &["everything", "--era", "modern"], ", share: user");
    program("crashy", &["hostile", "crash"], ", share: user");
    program("hangs", &["hostile", "swallow"], ", share: user, call_timeout: 3s");
    if !written.gone {
        program("gone", &["everything"], ", share: user");
    }
    let _ = writeln!(text, "  demo: {{builtin: everything}}");
    let _ = writeln!(text, "  far: {{url: \"http://127.0.0.1:{}/mcp\"}}", ports.0);
    let _ = writeln!(text, "  farther: {{url: \"http://127.0.0.1:{}/mcp\"}}", ports.1);
    let _ = writeln!(text, "views:\n  quiet: {{servers: [calm, pair, demo]}}");
    match written.broken {
        None => {}
        Some(way) if way % 2 == 0 => text.push_str("servers: {broken: [\n"),
        Some(_) => text.push_str("no_such_key: 1\n"),
    }
    text
}
