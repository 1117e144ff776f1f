//! A server that is reached over the network: which era and transport it speaks, and the opening of a link to it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use janua_wire::error::{HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION};
use janua_wire::json::Span;
use janua_wire::message::Response;
use janua_wire::raw;
use janua_wire::version::{Era, Version};
use tokio::time::timeout;

use crate::config::{Limits, RemoteServer, RemoteTransport};
use crate::error::{Failure, Kind};
use crate::servers::http_client::Target;
use crate::servers::inventory::Inventory;
use crate::servers::{Connection, Eras, Opener, Opening, Refusal, sse, stateless_http, streamable_http, websocket};
use crate::tasks::Tasks;

pub(crate) mod link;
pub(crate) mod posts;

use link::Reach;

/// How long a server may be silent about `server/discover` before it is sent `initialize` as well: some that know no
/// such method answer nothing.
const PROBE: Duration = Duration::from_secs(5);

/// Opens links to a remote server.
pub(crate) struct RemoteOpener {
    way: Result<Way, Failure>,
}

/// How the server is reached, and what all links to it know.
#[derive(Clone)]
struct Way {
    reach: Reach,
    transport: RemoteTransport,
    inventory: Arc<Inventory>,
}

/// Why there is no link.
pub(crate) struct Unopened {
    pub(crate) refusal: Refusal,
    /// The HTTP status, if it was no success.
    pub(crate) status: Option<StatusCode>,
    /// A revision that the server would rather be opened in.
    pub(crate) offer: Option<Version>,
}

impl RemoteOpener {
    /// An opener for `server`, whose links learn `inventory`. Nothing is connected, and no client made, before the first
    /// link is opened.
    pub(crate) fn new(server: &RemoteServer, limits: Arc<Limits>, tasks: Tasks, inventory: Arc<Inventory>) -> Self {
        let reach = Target::new(server).map(|target| Reach { target: Arc::new(target), limits, tasks });
        let transport = server.transport;
        RemoteOpener { way: reach.map(|reach| Way { reach, transport, inventory }) }
    }
}

impl Opener for RemoteOpener {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let way = self.way.clone();
        async move {
            let way = way?;
            let limit = way.reach.limits.start;
            let opened = timeout(limit, way.open(&opening)).await;
            opened.unwrap_or_else(|_| {
                let message = format!("the server did not answer within {limit:?} when it was opened");
                Err(Failure::new(Kind::StartFailed, message).into())
            })
        }
        .boxed()
    }
}

impl Way {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
        if self.transport == RemoteTransport::Sse {
            if opening.eras == Eras::Modern {
                let message = "2026-07-28 cannot be spoken over HTTP+SSE";
                return Err(Failure::new(Kind::Unsupported, message).into());
            }
            return sse::open(&self.reach, opening).await;
        }
        if self.reach.target.is_socket() {
            return websocket::open(&self.reach, opening).await;
        }
        match opening.eras {
            Eras::Modern => self.discover(opening).await.map_err(|unopened| unopened.refusal),
            Eras::Legacy => self.shake_hands(opening).await,
            Eras::ModernFirst => self.modern_first(opening).await,
            Eras::LegacyFirst => self.legacy_first(opening).await,
        }
    }

    /// There must be time for a handshake afterwards.
    fn patience(&self) -> Duration {
        PROBE.min(self.reach.limits.start / 4)
    }

    async fn discover(&self, opening: &Opening) -> Result<Arc<dyn Connection>, Unopened> {
        stateless_http::open(&self.reach, &self.inventory, opening).await
    }

    async fn shake_hands(&self, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
        match streamable_http::open(&self.reach, opening).await {
            Ok(ready) => Ok(ready.into_connection(opening)),
            Err(unopened) => self.fall_back(opening, unopened).await,
        }
    }

    /// What is left when `initialize` was refused. "If it fails with 400, 404 or 405: issue a GET request" (2025-11-25
    /// basic/transports, backwards compatibility). Anything else says nothing about the transport.
    async fn fall_back(&self, opening: &Opening, unopened: Unopened) -> Result<Arc<dyn Connection>, Refusal> {
        match (unopened.refusal, unopened.status) {
            (
                Refusal::Failed(first),
                Some(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED),
            ) if self.transport == RemoteTransport::Auto => {
                sse::open(&self.reach, opening).await.map_err(|second| neither(&first, second))
            }
            (refusal, _) => Err(refusal),
        }
    }

    /// 2026-07-28 `basic/transports/streamable-http`, backward compatibility.
    async fn modern_first(&self, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
        let mut discovering = Box::pin(self.discover(opening));
        match timeout(self.patience(), &mut discovering).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(unopened)) if unopened.is_legacy() => return self.shake_hands(opening).await,
            Ok(Err(unopened)) => return Err(unopened.refusal),
            Err(_) => tracing::debug!("the server is silent about server/discover: trying initialize"),
        }
        let mut shaking = Box::pin(self.shake_hands(opening));
        tokio::select! {
            discovered = &mut discovering => match discovered {
                Err(unopened) if unopened.is_legacy() => shaking.await,
                discovered => discovered.map_err(|unopened| unopened.refusal),
            },
            shaken = &mut shaking => match shaken {
                Err(Refusal::ByServer(refused)) => discovering.await.map_err(|_| Refusal::ByServer(refused)),
                shaken => shaken,
            },
        }
    }

    async fn legacy_first(&self, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
        let unopened = match streamable_http::open(&self.reach, opening).await {
            // Without a session it can never ask its client anything; in the other era it can.
            Ok(ready) if !ready.has_session() && !opening.capabilities.class().is_none() => {
                return match timeout(self.patience(), self.discover(opening)).await {
                    Ok(Ok(connection)) => Ok(connection),
                    Ok(Err(_)) | Err(_) => Ok(ready.into_connection(opening)),
                };
            }
            Ok(ready) => return Ok(ready.into_connection(opening)),
            Err(unopened) => unopened,
        };
        if !unopened.is_verdict() {
            return Err(unopened.refusal);
        }
        match timeout(self.patience(), self.discover(opening)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(_)) | Err(_) => self.fall_back(opening, unopened).await,
        }
    }
}

impl Unopened {
    /// Whether the server has shown that it does not speak the era it was asked in. One that is out of order, or wants
    /// authorization, has not said what it speaks.
    fn is_verdict(&self) -> bool {
        match (&self.refusal, self.status) {
            (
                _,
                Some(
                    StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_MANY_REQUESTS,
                ),
            ) => false,
            (_, Some(status)) if status.is_server_error() => status == StatusCode::NOT_IMPLEMENTED,
            (Refusal::ByServer(_), _) | (Refusal::Failed(_), Some(_)) => true,
            (Refusal::Failed(failure), None) => failure.kind == Kind::InvalidResponse,
        }
    }

    /// The same for a server that was asked in 2026-07-28: one that refuses in words of that revision speaks it.
    fn is_legacy(&self) -> bool {
        let speaks = matches!(&self.refusal, Refusal::ByServer(response) if is_modern_refusal(response));
        self.is_verdict() && !speaks
    }
}

/// Whether an error is one that only 2026-07-28 has, and does not offer to shake hands instead.
fn is_modern_refusal(response: &Response) -> bool {
    let code = raw::peek(response.body(), "code").and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    match code.filter(|_| response.is_error()) {
        Some(HEADER_MISMATCH | MISSING_CAPABILITY) => true,
        Some(UNSUPPORTED_VERSION) => {
            let supported = raw::find_path(response.body(), raw::whole(response.body()), &["data", "supported"]);
            let offers = |span: Span| {
                let version = raw::string(&response.body()[span.range()]);
                version.and_then(|version| Version::parse(&version)).is_some_and(|version| version.era() == Era::Legacy)
            };
            !supported.is_some_and(|list| raw::elements(response.body(), list).into_iter().any(offers))
        }
        _ => false,
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
mod tests;
