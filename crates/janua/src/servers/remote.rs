//! A server that is reached over the network: which transport it speaks, and the opening of a link to it.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;

use crate::config::{Limits, RemoteServer, RemoteTransport};
use crate::error::{Failure, Kind};
use crate::servers::http_client::Target;
use crate::servers::{Connection, Opener, Opening, Refusal, sse, streamable_http, websocket};
use crate::tasks::Tasks;

pub(crate) mod link;
pub(crate) mod posts;

use link::Reach;

/// Opens links to a remote server.
pub(crate) struct RemoteOpener {
    reach: Result<Reach, Failure>,
    transport: RemoteTransport,
}

impl RemoteOpener {
    /// An opener for `server`. Nothing is connected, and no client made, before the first link is opened.
    pub(crate) fn new(server: &RemoteServer, limits: Arc<Limits>, tasks: Tasks) -> Self {
        let reach = Target::new(server).map(|target| Reach { target: Arc::new(target), limits, tasks });
        RemoteOpener { reach, transport: server.transport }
    }
}

impl Opener for RemoteOpener {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let (reach, transport) = (self.reach.clone(), self.transport);
        async move {
            let reach = reach?;
            let limit = reach.limits.start;
            let opened = tokio::time::timeout(limit, open(&reach, transport, &opening)).await;
            opened.unwrap_or_else(|_| {
                let message = format!("the server did not answer initialize within {limit:?}");
                Err(Failure::new(Kind::StartFailed, message).into())
            })
        }
        .boxed()
    }
}

async fn open(reach: &Reach, transport: RemoteTransport, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
    match transport {
        RemoteTransport::Sse => return sse::open(reach, opening).await,
        _ if reach.target.is_socket() => return websocket::open(reach, opening).await,
        _ => {}
    }
    let unopened = match streamable_http::open(reach, opening).await {
        Ok(connection) => return Ok(connection),
        Err(unopened) => unopened,
    };
    match (unopened.refusal, unopened.status) {
        // "If it fails with 400, 404 or 405: issue a GET request" (2025-11-25 basic/transports, backwards
        // compatibility). Anything else says nothing about the transport.
        (
            Refusal::Failed(first),
            Some(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED),
        ) if transport == RemoteTransport::Auto => {
            sse::open(reach, opening).await.map_err(|second| neither(&first, second))
        }
        (refusal, _) => Err(refusal),
    }
}

fn neither(first: &Failure, second: Refusal) -> Refusal {
    match second {
        Refusal::ByServer(_) => second,
        Refusal::Failed(mut failure) => {
            let message = format!("the server speaks neither Streamable HTTP ({first}) nor HTTP+SSE ({failure})");
            failure.message = message.into();
            Refusal::Failed(failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use janua_testkit::upstream::canned::{CannedServer, Plan};
    use janua_testkit::upstream::sse::SseServer;
    use janua_testkit::upstream::streamable::StreamableServer;
    use janua_testkit::upstream::websocket::WebSocketServer;
    use janua_wire::capabilities::ClientCapabilities;
    use janua_wire::version::Era;

    use super::*;
    use crate::servers::Eras;

    const SOON: Duration = Duration::from_secs(20);

    fn opener(url: &str, tasks: &Tasks) -> RemoteOpener {
        let url = url.parse().expect("a URL");
        let server = RemoteServer { url, headers: Vec::new(), transport: RemoteTransport::Auto };
        RemoteOpener::new(&server, Arc::default(), tasks.clone())
    }

    fn nobody() -> Opening {
        Opening::of_gateway(ClientCapabilities::default(), Eras::Legacy)
    }

    #[tokio::test]
    async fn a_link_that_is_dropped_leaves_nothing_behind() {
        let (new, old) = (StreamableServer::builder().start().await, SseServer::builder().start().await);
        for url in [new.url(), old.url()] {
            let tasks = Tasks::default();
            let opened = opener(&url, &tasks).open(nobody()).await;
            drop(opened.expect("it opens"));
            assert!(tasks.finished(SOON).await, "{url}: a task is left");
        }
        assert!(new.sessions().is_empty(), "the session was not ended");
        assert!(janua_testkit::process::eventually(SOON, || old.sessions().is_empty()).await);
    }

    #[tokio::test]
    async fn a_socket_that_is_dropped_leaves_nothing_behind() {
        let server = WebSocketServer::builder().start().await;
        let tasks = Tasks::default();
        let opened = opener(&server.url(), &tasks).open(nobody()).await;
        drop(opened.expect("it opens"));
        assert!(tasks.finished(SOON).await, "a task is left");
        assert!(janua_testkit::process::eventually(SOON, || server.open() == 0).await);
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
            let opened = opener(&server.url(), &tasks).open(nobody().speaking(eras)).await;
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
            _ = opener.open(nobody()) => panic!("it opened"),
            seen = server.site.wait_seen(SOON, |_| true) => assert!(seen),
        }
        assert!(tasks.finished(SOON).await, "a task is left");
    }
}
