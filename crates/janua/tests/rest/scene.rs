//! The stage of these tests: gateways, their servers, and requests as anybody would write them.

use std::time::Duration;

use janua_testkit::client::{Answer, Client};
use janua_testkit::gateway::{Gateway, program};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
/// Says that the caller wants to be asked.
pub(crate) const ASK: (&str, &str) = ("prefer", "questions");
/// Says that the caller wants an event stream.
pub(crate) const STREAM: (&str, &str) = ("accept", "text/event-stream");

/// A gateway and the folder that its configuration is in.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    folder: TempDir,
}

impl Scene {
    /// A gateway of many servers.
    pub(crate) async fn of(mut settings: Value) -> Scene {
        let folder = TempDir::new().expect("a folder");
        settings["data_dir"] = json!(folder.path().join("data"));
        let file = folder.path().join("janua.json");
        std::fs::write(&file, settings.to_string()).expect("written");
        let gateway = Gateway::builder(JANUA).args(&["serve", "--port", "0", "-c"]).arg(&file).start().await;
        Scene { gateway, folder }
    }

    /// A gateway of these servers.
    pub(crate) async fn serving(servers: Value) -> Scene {
        Scene::of(json!({"servers": servers})).await
    }

    /// A gateway of `probe` only, with these words before it.
    pub(crate) async fn proxy(words: &[&str]) -> Scene {
        let folder = TempDir::new().expect("a folder");
        let gateway = Gateway::builder(JANUA)
            .args(&["proxy", "--port", "0"])
            .args(words)
            .arg("--")
            .arg(program("probe"))
            .start()
            .await;
        Scene { gateway, folder }
    }

    /// Writes other settings into the file of the gateway.
    pub(crate) fn rewrite(&self, mut settings: Value) {
        settings["data_dir"] = json!(self.folder.path().join("data"));
        std::fs::write(self.folder.path().join("janua.json"), settings.to_string()).expect("written");
    }

    pub(crate) fn client(&self) -> Client {
        self.gateway.client().deadline(SOON)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client().get(path, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.client().post(path, body.to_string(), &[JSON]).await
    }

    /// The same, saying that the caller wants to be asked.
    pub(crate) async fn prefer(&self, path: &str, body: &Value) -> Answer {
        self.client().post(path, body.to_string(), &[JSON, ASK]).await
    }

    /// The process that serves a session of `probe` at this path.
    pub(crate) async fn pid(&self, path: &str, headers: &[(&str, &str)]) -> u32 {
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain([JSON]).collect();
        let answer = self.client().post(path, "", &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        u32::try_from(answer.json()["pid"].as_u64().expect("a pid")).expect("a pid")
    }
}

pub(crate) fn probe() -> Value {
    json!({"command": program("probe")})
}

/// `everything` with these words between blanks.
pub(crate) fn everything(words: &str) -> Value {
    let words: Vec<&str> = words.split_whitespace().collect();
    json!({"command": program("everything"), "args": words})
}

/// The problem that an answer is, after its status and its media type were looked at.
pub(crate) fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!((&problem["type"], &problem["status"]), (&json!("about:blank"), &json!(status)), "{problem}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    problem
}
