//! The stage of these tests: a configuration, the gateway that serves it, and its servers and clients.

use std::path::{Path, PathBuf};
use std::time::Duration;

use janua_testkit::client::Client;
use janua_testkit::client::events::Events;
use janua_testkit::client::message::Message;
use janua_testkit::client::modern::Modern;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{eventually, eventually_with};
use janua_testkit::servers::journal;
use janua_testkit::upstream::websocket::WebSocketServer;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// What a client can be asked that can be asked everything.
pub(crate) const CAPABLE: &str = r#"{"roots":{},"sampling":{},"elicitation":{}}"#;
/// The revision with a handshake that the tests speak.
pub(crate) const LEGACY: &str = "2025-11-25";
/// The revision without one.
pub(crate) const MODERN: &str = "2026-07-28";
/// The answer of a user who says who they are.
pub(crate) const ANN: &str = r#"{"action":"accept","content":{"name":"Ann"}}"#;

/// A gateway of a configuration in a folder of its own.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) folder: Folder,
}

/// Where the configuration, the catalogue and the journals are.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(TempDir::new().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file there.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// `everything` with these words between blanks, which notes in `journal` what reaches it.
    pub(crate) fn journaled(&self, journal: &str, words: &str) -> Value {
        let place = self.path(journal);
        let mut server = everything(words);
        let args = server["args"].as_array_mut().expect("arguments");
        args.extend([json!("--journal"), json!(place)]);
        server
    }

    /// What a server has noted.
    pub(crate) fn lines(&self, journal: &str) -> Vec<Message> {
        journal::lines(self.path(journal)).iter().map(|line| Message::parse(line).expect("json")).collect()
    }

    /// What a server has noted with this method.
    pub(crate) fn seen(&self, journal: &str, method: &str) -> Vec<Message> {
        self.lines(journal).into_iter().filter(|message| message.method() == Some(method)).collect()
    }

    /// Waits until something has reached a server.
    pub(crate) async fn reached(&self, journal: &str, fits: impl Fn(&Message) -> bool) {
        let there = eventually(SOON, || self.lines(journal).iter().any(&fits)).await;
        assert!(there, "it did not reach {journal}: {:?}", self.lines(journal));
    }

    /// Starts the gateway of this configuration.
    pub(crate) async fn serve(self, settings: &Value) -> Scene {
        let gateway = self.started(settings).await;
        Scene { gateway, folder: self }
    }

    /// The same for a folder that outlives the gateway.
    pub(crate) async fn started(&self, settings: &Value) -> Gateway {
        let file = self.write("janua.json", &settings.to_string());
        let (file, data) = (file.display().to_string(), self.path("data").display().to_string());
        Gateway::builder(JANUA).args(&["serve", "-c", &file, "--data-dir", &data, "--port", "0"]).start().await
    }
}

impl Scene {
    /// A gateway of these servers, by name.
    pub(crate) async fn of(servers: Value) -> Scene {
        Folder::new().serve(&json!({"servers": servers})).await
    }

    /// A client at this path.
    pub(crate) fn client(&self, path: &str) -> Client {
        self.gateway.client().endpoint(path).deadline(SOON)
    }

    /// A session at this path whose client can be asked everything.
    pub(crate) async fn session(&self, path: &str) -> Session {
        self.client(path).initialize(LEGACY, CAPABLE).await
    }

    /// A client without a handshake at this path that can be asked everything.
    pub(crate) fn modern(&self, path: &str) -> Modern {
        self.client(path).modern(MODERN, CAPABLE)
    }

    /// Changes the configuration and waits until the gateway has taken it over.
    pub(crate) async fn reload(&self, settings: &Value) {
        let taken = || self.gateway.stderr().matches("configuration taken over").count();
        let before = taken();
        self.folder.write("janua.json", &settings.to_string());
        let took = eventually(SOON, || taken() > before).await;
        assert!(took, "the configuration was not taken over:\n{}", self.gateway.stderr());
    }
}

/// `everything` with these words between blanks.
pub(crate) fn everything(words: &str) -> Value {
    let words: Vec<&str> = words.split_whitespace().collect();
    json!({"command": program("everything"), "args": words})
}

/// `hostile` with these words.
pub(crate) fn hostile(words: &[&str]) -> Value {
    json!({"command": program("hostile"), "args": words})
}

/// A shell script as a server.
pub(crate) fn script(path: &Path) -> Value {
    json!({"command": "sh", "args": [path]})
}

/// A scripted server with these results by method.
pub(crate) async fn scripted(results: &[(&str, &str)]) -> (WebSocketServer, Value) {
    let builder = results.iter().fold(WebSocketServer::builder(), |built, (method, result)| built.on(method, result));
    let server = builder.start().await;
    let entry = json!({"url": server.url()});
    (server, entry)
}

/// The result of `tools/list` with these tools.
pub(crate) fn tools(names: &[&str]) -> String {
    let tools: Vec<Value> = names.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    json!({"tools": tools}).to_string()
}

/// The next message with this method.
pub(crate) async fn heard(stream: &mut Events, method: &str) -> Message {
    loop {
        let message = stream.message(SOON).await;
        if message.method() == Some(method) {
            return message;
        }
    }
}

/// The members called `key` of the elements of a list.
pub(crate) fn each(result: &Value, list: &str, key: &str) -> Vec<String> {
    let elements = result[list].as_array().unwrap_or_else(|| panic!("no {list}: {result}"));
    elements.iter().map(|element| element[key].as_str().expect("text").to_owned()).collect()
}

/// The names of the tools that a session sees.
pub(crate) async fn tools_of(session: &Session) -> Vec<String> {
    each(session.request("tools/list", "").await.result(), "tools", "name")
}

/// The names of the tools that a client without a handshake sees.
pub(crate) async fn tools_seen(modern: &Modern) -> Vec<String> {
    each(modern.request("tools/list", "").await.result(), "tools", "name")
}

/// Waits until a session sees such tools.
pub(crate) async fn until_tools(session: &Session, fits: impl Fn(&[String]) -> bool) {
    let fits = &fits;
    let there = eventually_with(SOON, || async move { fits(&tools_of(session).await) }).await;
    assert!(there, "{:?}", tools_of(session).await);
}

/// What a list says of servers that are left out of it: name and reason.
pub(crate) fn unavailable(result: &Value) -> Vec<(String, String)> {
    let out = result["_meta"]["io.janua/unavailable"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, key: &str| entry[key].as_str().expect("text").to_owned();
    out.iter().map(|entry| (text(entry, "server"), text(entry, "reason"))).collect()
}

/// The text in which a failure of the gateway says what it is.
pub(crate) fn failure(reply: &Reply) -> String {
    let code = reply.response().at("/error/data/code").as_str();
    code.unwrap_or_else(|| panic!("not a failure of the gateway: {}", reply.raw())).to_owned()
}
