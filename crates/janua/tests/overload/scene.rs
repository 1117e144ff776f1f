//! The stage of these tests: a proxy in this process under limits of their own, and what it says of them.

use std::time::Duration;

use janua::config::{Limits, RemoteServer, RemoteTransport, Server};
use janua::proxy::{self, Options, Proxy};
use janua_testkit::client::Client;
use janua_testkit::client::message;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::process::eventually_with;
use janua_testkit::upstream::streamable::StreamableServer;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The revision the tests speak.
pub(crate) const VERSION: &str = "2025-11-25";

/// A proxy in this process.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
}

/// A proxy in front of a scripted server whose calls of `slow` wait until they are released.
pub(crate) async fn gated(limits: Limits) -> (StreamableServer, Scene) {
    let server = StreamableServer::builder().start().await;
    let url = server.url().parse().expect("a URL");
    let remote = RemoteServer { url, headers: Vec::new(), transport: RemoteTransport::Http, allow_private: true };
    let scene = start(Options::new(Server::Remote(remote)), limits).await;
    (server, scene)
}

/// A proxy in front of a program.
pub(crate) async fn of_program(words: &[&str], limits: Limits) -> Scene {
    start(Options::command(words.iter().copied()).expect("a program"), limits).await
}

async fn start(options: Options, limits: Limits) -> Scene {
    let mut options = options.port(0);
    options.limits = limits;
    Scene { proxy: proxy::start(options).await.expect("the proxy starts") }
}

impl Scene {
    pub(crate) fn address(&self) -> String {
        self.proxy.address().to_string()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address())).deadline(SOON)
    }

    pub(crate) async fn open(&self) -> Session {
        self.client().initialize(VERSION, "{}").await
    }

    pub(crate) async fn try_open(&self) -> Reply {
        self.client().try_initialize(VERSION, "{}").await
    }

    /// Opens a session as soon as the connections before are known to have ended.
    pub(crate) async fn recovers(&self) {
        let opens = || async { self.try_open().await.error_code().is_none() };
        assert!(eventually_with(SOON, opens).await);
    }

    /// How much there is under a limit, and how often there was no more.
    pub(crate) async fn limit(&self, name: &str) -> (u64, u64) {
        let answer = self.client().get("/health", &[]).await;
        assert_eq!(answer.status, 200, "the health report is never refused");
        let limits = answer.json();
        let figure = |what: &str| limits["limits"][name][what].as_u64().unwrap_or_else(|| panic!("{name} in {limits}"));
        (figure("current"), figure("rejected"))
    }

    /// Waits until so much is taken up under a limit.
    pub(crate) async fn reaches(&self, name: &str, current: u64) {
        let there = || async { self.limit(name).await.0 == current };
        assert!(eventually_with(SOON, there).await, "{name} is {:?}, not {current}", self.limit(name).await);
    }

    /// Waits until so many were refused under a limit.
    pub(crate) async fn refused(&self, name: &str, rejected: u64) {
        let there = || async { self.limit(name).await.1 == rejected };
        assert!(eventually_with(SOON, there).await, "{name} is {:?}, not {rejected}", self.limit(name).await);
    }
}

/// The head of a POST to the endpoint with these further lines, and an empty line.
pub(crate) fn head(scene: &Scene, lines: &str) -> Vec<u8> {
    let address = scene.address();
    let text = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\n{lines}\r\n"
    );
    text.into_bytes()
}

/// A request of `initialize` that is `length` bytes long.
pub(crate) fn opening_of(length: usize) -> String {
    let text = message::request("0", "initialize", &message::initialize_params(VERSION, "{}"));
    text.clone() + &" ".repeat(length - text.len())
}

/// Holds a refusal to its status, and to saying when to come again.
pub(crate) fn assert_refused(reply: &Reply, status: u16) {
    let said = reply.response();
    assert_eq!(
        (reply.status.as_u16(), said.at("/error/data/code").as_str()),
        (status, Some("overloaded")),
        "{}",
        said.raw()
    );
    assert!(reply.headers.contains_key("retry-after"), "{:?}", reply.headers);
    assert_eq!(said.at("/error/data/retryable").as_bool(), Some(true), "{}", said.raw());
}
