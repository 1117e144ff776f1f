//! The stage of these tests: a proxy in this process or in one of its own, and who stands before and behind it.

use std::time::Duration;

use janua::config::{RemoteServer, RemoteTransport, Server};
use janua::proxy::{self, Options, Proxy};
use janua_testkit::client::Client;
use janua_testkit::client::faults::RawSocket;
use janua_testkit::client::message::Message;
use janua_testkit::client::websocket::WebSocketClient;
use janua_testkit::gateway::{self, Gateway};
use janua_testkit::process::{self, eventually};
use janua_testkit::upstream::websocket::WebSocketServer;

/// How long a test waits for something that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// The secret that every proxy of these tests sends to a remote server.
pub(crate) const SECRET: &str = "Bearer s3cret";
/// A client that can be asked everything.
pub(crate) const CAPABLE: &str = r#"{"roots":{},"sampling":{},"elicitation":{}}"#;
/// The revision the tests speak unless they are about another.
pub(crate) const VERSION: &str = "2025-11-25";

/// A proxy in this process.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
}

impl Scene {
    /// The address for clients on a WebSocket.
    pub(crate) fn ws(&self) -> String {
        format!("ws://{}/ws", self.proxy.address())
    }

    /// A client over HTTP.
    pub(crate) fn http(&self) -> Client {
        Client::new(&format!("http://{}", self.proxy.address()))
    }

    /// A session on a WebSocket.
    pub(crate) async fn open(&self) -> WebSocketClient {
        let mut client = WebSocketClient::open(&self.ws()).await;
        client.initialize(VERSION, CAPABLE).await;
        client
    }

    /// A connection on which a WebSocket was opened by hand; what comes after the handshake is raw.
    pub(crate) async fn by_hand(&self) -> RawSocket {
        let mut socket = RawSocket::open(&self.proxy.address().to_string()).await;
        socket.write(handshake(&self.proxy.address().to_string(), &[]).as_bytes()).await.expect("it is read");
        assert!(socket.read_until("\r\n\r\n", SOON).await && socket.text().starts_with("HTTP/1.1 101 "));
        socket
    }
}

/// The opening of a WebSocket with these further header lines.
pub(crate) fn handshake(authority: &str, lines: &[&str]) -> String {
    let further: String = lines.iter().flat_map(|line| [*line, "\r\n"]).collect();
    format!(
        "GET /ws HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{further}\r\n"
    )
}

/// A proxy in front of the remote server at `url`.
pub(crate) async fn remote(url: &str, change: impl FnOnce(&mut Options)) -> Scene {
    let secret = (http::header::AUTHORIZATION, http::HeaderValue::from_static(SECRET));
    let url = url.parse().expect("a URL");
    let server = RemoteServer { url, headers: vec![secret], transport: RemoteTransport::Auto, allow_private: true };
    let mut options = Options::new(Server::Remote(server)).port(0);
    change(&mut options);
    Scene { proxy: proxy::start(options).await.expect("the proxy starts") }
}

/// A scripted server on a WebSocket and a proxy in front of it.
pub(crate) async fn both() -> (WebSocketServer, Scene) {
    both_with(|_| {}).await
}

/// The same with other options.
pub(crate) async fn both_with(change: impl FnOnce(&mut Options)) -> (WebSocketServer, Scene) {
    let server = WebSocketServer::builder().start().await;
    let scene = remote(&server.url(), change).await;
    (server, scene)
}

/// A gateway with these options in front of a program of the testkit; both are words between blanks.
pub(crate) async fn program(options: &str, program: &str) -> Gateway {
    let mut words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    words.push("--".to_owned());
    let mut command = program.split_whitespace();
    let name = gateway::program(command.next().expect("a program"));
    words.push(name.to_str().expect("a path that is text").to_owned());
    words.extend(command.map(str::to_owned));
    Gateway::start(JANUA, &words).await
}

/// A session on a WebSocket of a gateway in a process of its own.
pub(crate) async fn open(gateway: &Gateway) -> WebSocketClient {
    let mut client = WebSocketClient::open(&ws(gateway)).await;
    client.initialize(VERSION, CAPABLE).await;
    client
}

/// Where a gateway serves WebSocket.
pub(crate) fn ws(gateway: &Gateway) -> String {
    format!("ws://{}/ws", gateway.authority())
}

/// The processes below a gateway, its watchman apart.
pub(crate) fn below(gateway: &Gateway) -> Vec<u32> {
    let guardian = |pid: &u32| process::cmdline(*pid).iter().any(|word| word == "--janua-guardian");
    let mut all = process::descendants(gateway.pid());
    all.retain(|pid| !guardian(pid));
    all
}

/// Holds a gateway to having nothing below it, soon, and no session.
pub(crate) async fn empty(gateway: &Gateway) {
    assert!(eventually(SOON, || below(gateway).is_empty()).await, "these go on: {:?}", below(gateway));
    let health = gateway.client().get("/health", &[]).await.json();
    assert_eq!(health["active_sessions"], 0, "{health}");
}

/// The gateway's own code in an error, such as `unreachable`.
pub(crate) fn code(message: &Message) -> &str {
    message.at("/error/data/code").as_str().unwrap_or_default()
}

/// The sentence of an error.
pub(crate) fn sentence(message: &Message) -> &str {
    message.at("/error/message").as_str().unwrap_or_default()
}

/// Whether an error says that the request may have run.
pub(crate) fn may_have_run(message: &Message) -> bool {
    message.at("/error/data/outcome").as_str() == Some("unknown")
}
