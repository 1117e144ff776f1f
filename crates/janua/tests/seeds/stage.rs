//! The stage of the rows about the older addresses: a gateway of a folder of its own, and raw clients.

use std::path::PathBuf;
use std::time::Duration;

use janua_testkit::client::Client;
use janua_testkit::client::events::Event;
use janua_testkit::client::message::Message;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::gateway::{Builder, Gateway, program};
use janua_testkit::process::eventually_with;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// The revision that these clients spoke.
pub(crate) const OLD: &str = "2024-11-05";
/// The content type of what is posted.
pub(crate) const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
/// A message that anybody answers.
pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
/// An id that no stream has.
pub(crate) const NOBODY: &str = "00000000000000000000000000000000";

/// A gateway and its folder.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) folder: TempDir,
}

/// `probe` and the server that keeps texts.
pub(crate) fn servers() -> Value {
    json!({"probe": probe(), "simple-tools-server": {"builtin": "simple-tools-server"}})
}

/// The scripted server.
pub(crate) fn probe() -> Value {
    json!({"command": program("probe")})
}

/// A folder, and the gateway's program about to be started in it.
pub(crate) fn prepared() -> (TempDir, Builder) {
    let folder = TempDir::new().expect("a folder");
    let builder = Gateway::builder(JANUA).folder(folder.path()).env("XDG_DATA_HOME", folder.path().join("data"));
    (folder, builder)
}

impl Stage {
    /// `janua serve` with these settings.
    pub(crate) async fn serve(settings: &Value) -> Stage {
        Stage::serve_with(settings, &[]).await
    }

    /// The same with more words.
    pub(crate) async fn serve_with(settings: &Value, words: &[&str]) -> Stage {
        let (folder, builder) = prepared();
        std::fs::write(folder.path().join("janua.json"), settings.to_string()).expect("written");
        let gateway = builder.args(&["serve", "-c", "janua.json", "--port", "0"]).args(words).start().await;
        Stage { gateway, folder }
    }

    /// Both servers.
    pub(crate) async fn of_both() -> Stage {
        Stage::serve(&json!({"servers": servers()})).await
    }

    pub(crate) fn client(&self) -> Client {
        self.gateway.client().deadline(SOON)
    }

    /// An open stream at this path, not initialized.
    pub(crate) async fn stream(&self, path: &str) -> SseSession {
        SseSession::open_with(self.client(), path).await
    }

    /// An open stream at this path, initialized.
    pub(crate) async fn session(&self, path: &str) -> SseSession {
        let mut session = self.stream(path).await;
        session.initialize(OLD, "{}").await;
        session
    }

    /// Waits until a post to this address has that status.
    pub(crate) async fn until_status(&self, target: &str, wanted: u16) {
        let there = eventually_with(SOON, || async { self.client().post(target, PING, &JSON).await.status == wanted });
        assert!(there.await, "a post to {target} does not get {wanted}");
    }

    /// Where something in its folder is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The text of a tool's result.
pub(crate) async fn text(session: &mut SseSession, tool: &str, args: &str) -> String {
    let answer = session.call(tool, args).await;
    answer.at("/result/content/0/text").as_str().unwrap_or_else(|| panic!("no text: {}", answer.raw())).to_owned()
}

/// What `info` of the probe says.
pub(crate) async fn info(session: &mut SseSession) -> Value {
    serde_json::from_str(&text(session, "info", "{}").await).expect("json")
}

/// The first event with a name.
pub(crate) async fn first_event(session: &mut SseSession) -> Event {
    loop {
        let event = session.events().next(SOON).await.expect("an event").expect("not the end");
        if event.event.is_some() {
            return event;
        }
    }
}

/// Posts a ping and waits for its answer on the stream.
pub(crate) async fn answers_pings(session: &mut SseSession) -> Message {
    let answer = session.request("ping", "").await;
    assert!(answer.error_code().is_none(), "{}", answer.raw());
    answer
}

/// A free port of this machine, as far as one can know.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The gateway's program with just these words, started through a shell so that no port is added.
pub(crate) fn plainly(builder: Builder, words: &str) -> Builder {
    builder.args(&["-c", &format!("exec \"$0\" {words}"), JANUA, "--port", "0"])
}

/// A folder, and a shell about to be started in it.
pub(crate) fn shell() -> (TempDir, Builder) {
    let folder = TempDir::new().expect("a folder");
    let builder = Gateway::builder("sh").folder(folder.path()).env("XDG_DATA_HOME", folder.path().join("data"));
    (folder, builder)
}
