//! Where the tests of the administration begin: a folder with a configuration, a gateway, and the command line.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use janua_testkit::client::Answer;
use janua_testkit::gateway::{Gateway, program};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// The gateway's own program.
const JANUA: &str = env!("CARGO_BIN_EXE_janua");

/// A folder with `janua.yaml` and a data folder.
pub(crate) struct Scene {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scene {
    /// With these lines below `servers:`. `PROBE` and `HOSTILE` stand for the paths of those programs.
    pub(crate) fn new(servers: &str) -> Scene {
        let scene = Scene { folder: tempfile::tempdir().expect("a folder") };
        fs::DirBuilder::new().mode(0o700).create(scene.data()).expect("a data folder");
        scene.configure(servers);
        scene
    }

    /// Gives it other servers.
    pub(crate) fn configure(&self, servers: &str) {
        let path = |name| program(name).display().to_string();
        let servers = servers.replace("PROBE", &path("probe")).replace("HOSTILE", &path("hostile"));
        let text = format!("data_dir: data\nlisten: 127.0.0.1:0\nservers:\n{servers}\n");
        fs::write(self.folder.path().join("janua.yaml"), text).expect("written");
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// `janua serve` in it.
    pub(crate) async fn serve(&self, options: &[&str]) -> Gateway {
        Gateway::builder(JANUA).args(&["serve", "--port", "0"]).args(options).folder(self.path()).start().await
    }

    fn command(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(JANUA);
        command.args(words).current_dir(self.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env_remove("JANUA_CONFIG").env_remove("JANUA_LOG_LEVEL");
        command
    }

    /// A command that goes on.
    pub(crate) fn start(&self, words: &[&str]) -> tokio::process::Child {
        self.command(words).stdout(Stdio::piped()).spawn().expect("started")
    }

    /// A command to its end.
    pub(crate) async fn run(&self, words: &[&str]) -> Ended {
        let output = tokio::time::timeout(SOON, self.command(words).output()).await;
        let output = output.expect("it ends").expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("a code");
        Ended { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// A GET of a route of the administration that must succeed.
pub(crate) async fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = ask(gateway, Method::GET, path, &[]).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// A request for a route of the administration.
pub(crate) async fn ask(gateway: &Gateway, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let client = gateway.client().deadline(SOON);
    client.send(method, &format!("/admin/v1/{path}"), "", headers).await
}
