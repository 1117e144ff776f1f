//! The stage: a folder of servers in guMCP's style, an interpreter, a gateway, and clients of many users.

use std::fs;
use std::path::Path;
use std::time::Duration;

use janua_testkit::client::sse_session::SseSession;
use janua_testkit::gateway::Gateway;
use janua_testkit::peers::{factory_python, factory_servers};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");

/// A folder with a configuration and a folder of servers.
pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    /// With copies of these servers, and an interpreter with that version of mcp.
    pub(crate) fn new(mcp: &str, servers: &[&str]) -> Scene {
        let scene = Scene { folder: tempfile::tempdir().expect("a folder") };
        for server in servers {
            scene.add(server, server);
        }
        scene.configure(mcp, "folders: [servers]");
        scene
    }

    /// Puts a copy of a server into the folder of servers.
    pub(crate) fn add(&self, server: &str, name: &str) {
        let folder = self.path().join("servers").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(factory_servers().join(server).join("main.py"), folder.join("main.py")).expect("copied");
    }

    /// Writes the configuration, with these lines at its end.
    pub(crate) fn configure(&self, mcp: &str, lines: &str) {
        let python = factory_python(mcp).expect("an interpreter");
        let text = format!("data_dir: data\npython: {}\n{lines}\n", python.display());
        fs::write(self.path().join("janua.yaml"), text).expect("written");
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `janua serve` in it.
    pub(crate) async fn serve(&self) -> Gateway {
        self.serve_with(&[]).await
    }

    /// The same with variables.
    pub(crate) async fn serve_with(&self, variables: &[(&str, &str)]) -> Gateway {
        let mut gateway = Gateway::builder(JANUA).args(&["serve", "-c", "janua.yaml", "--port", "0"]);
        for (name, value) in variables {
            gateway = gateway.env(name, value);
        }
        gateway.folder(self.path()).start().await
    }
}

/// A stream of a session key at a server, opened with the handshake.
pub(crate) async fn session(gateway: &Gateway, address: &str) -> SseSession {
    let mut session = SseSession::open_with(gateway.client().deadline(SOON), address).await;
    session.initialize("2025-03-26", "{}").await;
    session
}

/// What `whoami` says of itself.
pub(crate) async fn whoami(session: &mut SseSession) -> Value {
    let said = text(session, "whoami", "{}").await;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The text that a tool gives.
pub(crate) async fn text(session: &mut SseSession, tool: &str, arguments: &str) -> String {
    let answer = session.call(tool, arguments).await;
    answer.result()["content"][0]["text"].as_str().expect("a text").to_owned()
}
