//! The stage of these tests: who stands on which side of a gateway, and calls that are parked in it.

use std::time::Duration;

use janua::config::{RemoteServer, RemoteTransport, Server};
use janua::proxy::{self, Options, Proxy};
use janua_testkit::client::Client;
use janua_testkit::client::envelope::repeated;
use janua_testkit::client::message::{self, Message, call_params};
use janua_testkit::client::modern::Modern;
use janua_testkit::client::session::Reply;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{eventually, eventually_with};
use janua_testkit::servers::journal;
use janua_testkit::upstream::websocket::WebSocketServer;
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
/// The arguments that have the scripted server ask for a name.
pub(crate) const WHO: &str = r#"{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}"#;

/// A scripted server with a handshake, and a proxy in this process in front of it.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) server: WebSocketServer,
}

/// A gateway process in front of `everything`, which keeps a journal.
pub(crate) struct Journaled {
    pub(crate) gateway: Gateway,
    folder: TempDir,
}

/// A call whose client was asked something.
#[derive(Clone)]
pub(crate) struct Parked {
    params: String,
    asked: Message,
}

/// A scripted server and a proxy with these options in front of it.
pub(crate) async fn scene(change: impl FnOnce(&mut Options)) -> Scene {
    let server = WebSocketServer::builder().start().await;
    let proxy = front(&server.url(), change).await;
    Scene { proxy, server }
}

/// A proxy with these options in front of the server at `url`.
pub(crate) async fn front(url: &str, change: impl FnOnce(&mut Options)) -> Proxy {
    let url = url.parse().expect("a URL");
    let server = RemoteServer { url, headers: Vec::new(), transport: RemoteTransport::Auto, allow_private: true };
    let mut options = Options::new(Server::Remote(server)).port(0);
    change(&mut options);
    proxy::start(options).await.expect("the proxy starts")
}

/// A client of a proxy in this process.
pub(crate) fn client(proxy: &Proxy) -> Client {
    Client::new(&format!("http://{}", proxy.address())).deadline(SOON)
}

/// A gateway with these options in front of `everything` with these words, both between blanks.
pub(crate) async fn everything(options: &str, words: &str) -> Journaled {
    let folder = TempDir::new().expect("a folder");
    let program = program("everything");
    let journal = folder.path().join("journal");
    let mut line: Vec<&str> = options.split_whitespace().collect();
    line.extend(["--", program.to_str().expect("text")]);
    line.extend(words.split_whitespace());
    line.extend(["--journal", journal.to_str().expect("text")]);
    Journaled { gateway: Gateway::start(JANUA, &line).await, folder }
}

/// Waits until a proxy says that it has so many parked calls.
pub(crate) async fn parked_calls(client: &Client, wanted: u64) {
    let counted = || async { client.get("/health", &[]).await.json()["parked_calls"] == wanted };
    assert!(eventually_with(SOON, counted).await, "{}", client.get("/health", &[]).await.text());
}

/// The text in which a failure of the gateway says what it is.
pub(crate) fn failure(reply: &Reply) -> String {
    let message = reply.response();
    let code = message.at("/error/data/code").as_str();
    code.unwrap_or_else(|| panic!("not a failure of the gateway: {}", message.raw())).to_owned()
}

/// A question for a name under this id, JSON text, as a server pushes it.
pub(crate) fn question(id: &str) -> String {
    let params = Message::parse(WHO).expect("json").member("params").expect("params");
    message::request(id, "elicitation/create", &params)
}

impl Scene {
    /// A client without a handshake that can be asked this.
    pub(crate) fn modern(&self, capabilities: &str) -> Modern {
        client(&self.proxy).modern(MODERN, capabilities)
    }

    /// What the server was answered to its question `id`, JSON text.
    pub(crate) fn answers(&self, id: &str) -> Vec<Message> {
        self.server.seen().into_iter().filter(|message| message.answers(id)).collect()
    }

    /// Waits until the server has an answer to `id`.
    pub(crate) async fn answered(&self, id: &str) {
        assert!(eventually(SOON, || !self.answers(id).is_empty()).await, "no answer to {id}");
    }

    /// How many calls have reached the server.
    pub(crate) fn calls(&self) -> usize {
        self.server.seen_rpc("tools/call").len()
    }

    /// Has a call parked that goes on until it is released, by asking under these ids at once, JSON text.
    pub(crate) async fn park_slow(&self, modern: &Modern, ids: &[&str]) -> Parked {
        let before = self.calls();
        let asking = async {
            assert!(eventually(SOON, || self.calls() > before).await, "no call");
            for id in ids {
                self.server.push(&question(id)).await;
            }
        };
        tokio::join!(Parked::call(modern, "slow", "{}"), asking).0
    }
}

impl Journaled {
    /// A client without a handshake that can be asked this.
    pub(crate) fn modern(&self, capabilities: &str) -> Modern {
        self.gateway.client().deadline(SOON).modern(MODERN, capabilities)
    }

    /// Everything that has reached the program.
    pub(crate) fn lines(&self) -> Vec<Message> {
        let lines = journal::lines(self.folder.path().join("journal"));
        lines.iter().map(|line| Message::parse(line).expect("json")).collect()
    }

    /// What has reached the program with this method.
    pub(crate) fn seen(&self, method: &str) -> Vec<Message> {
        self.lines().into_iter().filter(|message| message.method() == Some(method)).collect()
    }

    /// How often a tool was called.
    pub(crate) fn calls(&self, tool: &str) -> usize {
        self.seen("tools/call").iter().filter(|call| call.at("/params/name") == tool).count()
    }

    /// Waits until something has reached the program.
    pub(crate) async fn reached(&self, fits: impl Fn(&Message) -> bool) {
        let there = eventually(SOON, || self.lines().iter().any(&fits)).await;
        assert!(there, "it did not reach the program: {:?}", self.lines());
    }
}

impl Parked {
    /// Calls a tool that asks.
    pub(crate) async fn call(modern: &Modern, tool: &str, args: &str) -> Self {
        let params = call_params(tool, args);
        let reply = modern.request("tools/call", &params).await;
        Self::of(params, &reply)
    }

    fn of(params: String, reply: &Reply) -> Self {
        let asked = reply.response().clone();
        assert_eq!(asked.at("/result/resultType"), "input_required", "{}", asked.raw());
        Self { params, asked }
    }

    /// The keys of what is asked.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.asked.at("/result/inputRequests").as_object().expect("questions").keys().cloned().collect()
    }

    /// The state to come back with.
    pub(crate) fn state(&self) -> &str {
        self.asked.at("/result/requestState").as_str().expect("a state")
    }

    /// The same with another state or other parameters.
    pub(crate) fn forged(&self, state: &str, params: &str) -> Self {
        let asked = self.asked.raw().replace(self.state(), state);
        Self { params: params.to_owned(), asked: Message::parse(&asked).expect("json") }
    }

    /// The parameters of an attempt with these answers.
    pub(crate) fn with(&self, answers: &[(&str, &str)]) -> String {
        let answers: Vec<_> = answers.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        repeated(&self.params, &self.asked, &answers)
    }

    /// The parameters of an attempt that answers everything with `ANN`.
    pub(crate) fn answered(&self) -> String {
        let keys = self.keys();
        self.with(&keys.iter().map(|key| (key.as_str(), ANN)).collect::<Vec<_>>())
    }

    /// Comes back with these answers.
    pub(crate) async fn retry(&self, modern: &Modern, answers: &[(&str, &str)]) -> Reply {
        modern.request("tools/call", &self.with(answers)).await
    }

    /// Comes back with every question answered with `ANN`.
    pub(crate) async fn answer(&self, modern: &Modern) -> Reply {
        modern.request("tools/call", &self.answered()).await
    }

    /// Comes back with these answers and is asked again.
    pub(crate) async fn asked_again(&self, modern: &Modern, answers: &[(&str, &str)]) -> Self {
        Self::of(self.params.clone(), &self.retry(modern, answers).await)
    }
}
