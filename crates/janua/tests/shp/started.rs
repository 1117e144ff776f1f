//! Proxies as the tests start them, and what they ask the server behind.

use std::path::Path;
use std::time::Duration;

use janua_testkit::client::session::Session;
use janua_testkit::gateway::{self, Builder, Gateway};
use serde_json::Value;

/// The program under test.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// The revision the tests speak where none matters.
pub(crate) const VERSION: &str = "2025-06-18";

/// The command line of the tool, ready for its options and the server's command.
pub(crate) fn tool() -> Builder {
    Gateway::builder(JANUA).args(&["compat", "mcp-streamablehttp-proxy"])
}

/// A proxy with these options in front of `probe`.
pub(crate) async fn probe(options: &[&str]) -> Gateway {
    before(options, &gateway::program("probe"), &[]).await
}

/// A proxy with these options in front of `hostile` in a mode.
pub(crate) async fn hostile(options: &[&str], mode: &[&str]) -> Gateway {
    before(options, &gateway::program("hostile"), mode).await
}

/// A proxy with these options in front of a program.
pub(crate) async fn before(options: &[&str], program: &Path, words: &[&str]) -> Gateway {
    tool().args(&["--port", "0"]).args(options).arg(program).args(words).start().await
}

/// A session of its own.
pub(crate) async fn session(gateway: &Gateway) -> Session {
    gateway.client().initialize(VERSION, "{}").await
}

/// What `probe` says of itself.
pub(crate) async fn info(session: &Session) -> Value {
    let reply = session.call("info", "{}").await;
    serde_json::from_str(reply.text()).unwrap_or_else(|error| panic!("{error} in {}", reply.text()))
}

/// The process id of the `probe` behind a session.
pub(crate) async fn pid(session: &Session) -> u32 {
    info(session).await["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}
