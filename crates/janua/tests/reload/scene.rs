//! The stage of these tests: a configuration that is written anew, and a gateway in this process that is given it.

use std::path::PathBuf;
use std::time::Duration;

use janua::config::{Environment, Finding, Loaded, load};
use janua::serve::{App, Applied, Running};
use janua_testkit::client::Client;
use janua_testkit::client::modern::Modern;
use janua_testkit::client::session::Session;
use janua_testkit::gateway::program;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// What tells clients that the tools are others now.
pub(crate) const CHANGED: &str = "notifications/tools/list_changed";
const CAPABLE: &str = r#"{"elicitation":{}}"#;

/// A folder with a configuration.
pub(crate) struct Folder(TempDir);

/// A gateway in this process.
pub(crate) struct Scene {
    pub(crate) running: Running,
    pub(crate) folder: Folder,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(TempDir::new().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the configuration into its file.
    pub(crate) fn write(&self, text: &str) -> PathBuf {
        let path = self.path("janua.yaml");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Writes it and reads it as the gateway does.
    pub(crate) fn load(&self, text: &str) -> Result<Loaded, Vec<Finding>> {
        load(Some(&self.write(text)), &Environment::default())
    }
}

impl Scene {
    /// A gateway of this configuration.
    pub(crate) async fn of(text: &str) -> Scene {
        let folder = Folder::new();
        let mut settings = folder.load(text).expect("a good configuration").settings;
        settings.port = 0;
        settings.data_dir = Some(folder.path("data"));
        let running = App::builder().settings(settings).build().serve().await.expect("it serves");
        Scene { running, folder }
    }

    /// Gives the gateway another configuration.
    pub(crate) fn apply(&self, text: &str) -> Result<Applied, Vec<Finding>> {
        self.folder.load(text).map(|loaded| self.running.apply(&loaded.settings))
    }

    pub(crate) fn client(&self, path: &str) -> Client {
        Client::new(&format!("http://{}", self.running.address())).endpoint(path).deadline(SOON)
    }

    pub(crate) async fn session(&self, path: &str) -> Session {
        self.client(path).initialize("2025-11-25", CAPABLE).await
    }

    pub(crate) fn modern(&self, path: &str) -> Modern {
        self.client(path).modern("2026-07-28", CAPABLE)
    }
}

/// The line of a server that is a program of the testkit; the words after its own say which definition it is.
pub(crate) fn server(name: &str, words: &[&str]) -> String {
    let entry = json!({"command": program(words[0]), "args": words[1..]});
    format!("  {name}: {entry}\n")
}

/// The process that serves a session.
pub(crate) async fn pid(session: &Session) -> u32 {
    pid_in(session.call("fixture_info", "{}").await.text())
}

/// The process that `fixture_info` names.
pub(crate) fn pid_in(text: &str) -> u32 {
    let info: Value = serde_json::from_str(text).expect("json");
    info["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}
