//! Opening links, and calls on links of 2026-07-28, against scripted servers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use janua_testkit::process::eventually;
use janua_testkit::upstream::canned::{CannedServer, Plan};
use janua_testkit::upstream::sse::SseServer;
use janua_testkit::upstream::streamable::StreamableServer;
use janua_testkit::upstream::websocket::WebSocketServer;
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::message::{Message, Request, parse_one};
use janua_wire::version::{Era, Version};

use super::RemoteOpener;
use crate::call::{Call, Caller, Event, Outcome, Reply, Scope};
use crate::config::{Limits, RemoteServer, RemoteTransport};
use crate::error::Failure;
use crate::servers::{Connection, Eras, Opener, Opening, Refusal};
use crate::tasks::Tasks;

mod detection;
mod exchange;

const SOON: Duration = Duration::from_secs(20);
/// What every request of these tests says of itself.
const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"hand","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;

fn opener(url: &str, tasks: &Tasks) -> RemoteOpener {
    opener_within(url, tasks, Limits::default())
}

fn opener_within(url: &str, tasks: &Tasks, limits: Limits) -> RemoteOpener {
    let (url, transport) = (url.parse().expect("a URL"), RemoteTransport::Auto);
    let server = RemoteServer { url, headers: Vec::new(), transport, allow_private: true };
    RemoteOpener::new(&server, Arc::new(limits), tasks.clone(), Arc::default())
}

fn opening(eras: Eras, capabilities: &str) -> Opening {
    Opening::of_gateway(ClientCapabilities::of(capabilities.as_bytes()), eras)
}

async fn open(url: &str, eras: Eras) -> Result<Arc<dyn Connection>, Refusal> {
    opener(url, &Tasks::default()).open(opening(eras, "{}")).await
}

fn of_gateway() -> Opening {
    opening(Eras::Legacy, "{}")
}

/// A request of 2026-07-28 by hand; `members` stand beside `_meta` in the parameters.
fn request(method: &str, members: &str, meta: &str) -> Request {
    let comma = if members.is_empty() { "" } else { "," };
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":"own","method":"{method}","params":{{{members}{comma}"_meta":{{{META}{meta}}}}}}}"#
    );
    match parse_one(text.into()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn call(link: &Arc<dyn Connection>, method: &str, members: &str, meta: &str) -> Reply {
    let (version, capabilities) = (Version::NEWEST, ClientCapabilities::default());
    let caller = Arc::new(Caller { scope: Scope::Shared, version, capabilities, user: None });
    link.call(Call { request: request(method, members, meta), caller })
}

/// What came before the end, and the end.
async fn end(mut reply: Reply) -> (Vec<String>, Outcome) {
    let mut before = Vec::new();
    loop {
        match reply.next().await.expect("an end") {
            Event::Notify(told) => before.push(String::from_utf8_lossy(told.text()).into_owned()),
            Event::Ask(asked) => panic!("{asked:?}"),
            Event::Done(outcome) => return (before, outcome),
        }
    }
}

/// The raw result or error.
async fn answer(reply: Reply) -> String {
    match end(reply).await.1 {
        Outcome::Answer(response) => String::from_utf8_lossy(response.body()).into_owned(),
        Outcome::Failure(failure) => panic!("{failure:?}"),
    }
}

async fn failure(reply: Reply) -> Failure {
    match end(reply).await.1 {
        Outcome::Failure(failure) => failure,
        Outcome::Answer(response) => panic!("{response:?}"),
    }
}

#[tokio::test]
async fn a_link_that_is_dropped_leaves_nothing_behind() {
    let (new, old) = (StreamableServer::builder().start().await, SseServer::builder().start().await);
    for url in [new.url(), old.url()] {
        let tasks = Tasks::default();
        let opened = opener(&url, &tasks).open(of_gateway()).await;
        drop(opened.expect("it opens"));
        assert!(tasks.finished(SOON).await, "{url}: a task is left");
    }
    assert!(new.sessions().is_empty(), "the session was not ended");
    assert!(eventually(SOON, || old.sessions().is_empty()).await);
}

#[tokio::test]
async fn a_socket_that_is_dropped_leaves_nothing_behind() {
    let server = WebSocketServer::builder().start().await;
    let tasks = Tasks::default();
    let opened = opener(&server.url(), &tasks).open(of_gateway()).await;
    drop(opened.expect("it opens"));
    assert!(tasks.finished(SOON).await, "a task is left");
    assert!(eventually(SOON, || server.open() == 0).await);
    assert_eq!(server.farewells(), [Some(1000)]);
}

#[tokio::test]
async fn a_socket_is_opened_in_the_era_that_its_server_speaks() {
    let modern = r#"{"supportedVersions":["2026-07-28"],"capabilities":{},"resultType":"complete"}"#;
    let knows = || WebSocketServer::builder().on("server/discover", modern);
    let plain = WebSocketServer::builder;
    let ends = || WebSocketServer::builder().hanging_up("server/discover");
    for (server, eras, era, sockets) in [
        (knows(), Eras::ModernFirst, Some(Era::Modern), 1),
        (knows(), Eras::LegacyFirst, Some(Era::Legacy), 1),
        (plain(), Eras::ModernFirst, Some(Era::Legacy), 1),
        (plain(), Eras::Modern, None, 1),
        (ends(), Eras::ModernFirst, Some(Era::Legacy), 2),
        (ends(), Eras::Modern, None, 1),
    ] {
        let server = server.start().await;
        let tasks = Tasks::default();
        let opened = opener(&server.url(), &tasks).open(of_gateway().speaking(eras)).await;
        let found = opened.as_ref().ok().map(|connection| connection.opened().version.era());
        assert_eq!((found, server.knocks().len()), (era, sockets), "{eras:?}: {opened:?}");
        if era == Some(Era::Legacy) {
            assert!(server.wait_rpc(SOON, "notifications/initialized").await, "{eras:?}");
        }
        drop(opened);
        assert!(tasks.finished(SOON).await, "{eras:?}: a task is left");
    }
}

#[tokio::test]
async fn an_opening_that_is_given_up_leaves_nothing_behind() {
    let server = CannedServer::builder().plan("/mcp", Plan::Silence).start().await;
    let tasks = Tasks::default();
    let opener = opener(&server.site.url("/mcp"), &tasks);
    tokio::select! {
        _ = opener.open(of_gateway()) => panic!("it opened"),
        seen = server.site.wait_seen(SOON, |_| true) => assert!(seen),
    }
    assert!(tasks.finished(SOON).await, "a task is left");
}
