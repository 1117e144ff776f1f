//! The stage of these tests: a proxy in this process, a raw client before it, a scripted server behind it.

use std::time::Duration;

use janua::config::{RemoteServer, RemoteTransport, Server};
use janua::proxy::{self, Options, Proxy};
use janua_testkit::client::Client;
use janua_testkit::client::message::Message;

/// How long a test waits for something that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The secret that every proxy of these tests sends to its server.
pub(crate) const SECRET: &str = "Bearer s3cret";
/// A client that can be asked everything.
pub(crate) const CAPABLE: &str = r#"{"roots":{},"sampling":{},"elicitation":{}}"#;

/// A proxy and a client of it.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) client: Client,
}

/// A proxy in front of the server at `url`, which finds out the transport.
pub(crate) async fn front(url: &str) -> Scene {
    front_with(url, RemoteTransport::Auto, |_| {}).await
}

/// The same with a pinned transport or other options.
pub(crate) async fn front_with(url: &str, transport: RemoteTransport, change: impl FnOnce(&mut Options)) -> Scene {
    let secret = (http::header::AUTHORIZATION, http::HeaderValue::from_static(SECRET));
    let url = url.parse().expect("a URL");
    let server = RemoteServer { url, headers: vec![secret], transport, allow_private: true };
    let mut options = Options::new(Server::Remote(server)).port(0);
    change(&mut options);
    let proxy = proxy::start(options).await.expect("the proxy starts");
    let client = Client::new(&format!("http://{}", proxy.address()));
    Scene { proxy, client }
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
