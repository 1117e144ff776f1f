//! The opening of a server, whatever carries it: the handshake, or the question what it is; and which of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::error::{METHOD_NOT_FOUND, UNSUPPORTED_VERSION};
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::metadata::envelope;
use janua_wire::raw;
use janua_wire::version::{Era, Version};

use crate::call::{Call, Caller, Event, Outcome, Reply, Scope};
use crate::error::{Failure, Kind};
use crate::servers::peer::Peer;
use crate::servers::{Eras, Opened, Opening, Refusal};
use crate::user::User;

/// How the gateway names itself to servers, as a raw JSON object.
pub(crate) const GATEWAY: &str = concat!("{\"name\":\"janua\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}");

/// How long a server may be silent about `server/discover` before it is sent `initialize` as well: some that know
/// no such method answer nothing, others are still starting.
const PROBE: Duration = Duration::from_secs(5);

impl Opening {
    /// The opening a legacy client asks for with the raw `params` of its `initialize`. The revision offered to the
    /// server is the client's own, or the newest with a handshake if the client's is not known.
    pub fn of_client(params: &[u8]) -> Opening {
        let asked = raw::peek_string(params, "protocolVersion").unwrap_or_default();
        let version = Version::for_initialize(&asked);
        let capabilities = ClientCapabilities::from_initialize(params);
        let mut offered = Bytes::copy_from_slice(params);
        if asked != version.name()
            && let Some(span) = raw::find(params, raw::whole(params), "protocolVersion")
        {
            offered = raw::replace(params, span, quote(version.name()).as_bytes()).into();
        }
        Opening {
            params: offered,
            version,
            capabilities,
            on_own_behalf: false,
            eras: Eras::LegacyFirst,
            user: None,
            bound: false,
        }
    }

    /// The opening of a link that many clients share, who can all be asked the same: the gateway is the client.
    pub fn of_gateway(capabilities: ClientCapabilities, eras: Eras) -> Opening {
        let version = Version::NEWEST_LEGACY;
        let declared = if capabilities.raw().is_empty() { b"{}" } else { &capabilities.raw()[..] };
        let declared = String::from_utf8_lossy(declared);
        let params =
            format!("{{\"protocolVersion\":\"{version}\",\"capabilities\":{declared},\"clientInfo\":{GATEWAY}}}");
        Opening { params: params.into(), version, capabilities, on_own_behalf: true, eras, user: None, bound: false }
    }

    /// The same with other eras.
    #[must_use]
    pub fn speaking(mut self, eras: Eras) -> Opening {
        self.eras = eras;
        self
    }

    /// The same in the name of `user`, unless it is in somebody's name already.
    #[must_use]
    pub fn on_behalf_of(mut self, user: Option<Arc<User>>) -> Opening {
        self.user = self.user.or(user);
        self
    }

    /// Who asks for the opening, seen from the link.
    pub(crate) fn caller(&self) -> Caller {
        let (capabilities, user) = (self.capabilities.clone(), self.user.clone());
        Caller { scope: Scope::Shared, version: Version::NEWEST_LEGACY, capabilities, user }
    }

    /// The `initialize` request itself.
    pub(crate) fn request(&self) -> Result<Request, Failure> {
        let params = std::str::from_utf8(&self.params).unwrap_or("{}");
        Request::new(&ClientId::number(0), "initialize", Some(params))
            .map_err(|refused| Failure::new(Kind::StartFailed, format!("cannot form initialize: {}", refused.why)))
    }
}

/// Opens the server on a link that carries both ways, in the order the opening wants.
pub(crate) async fn agree(peer: &Arc<Peer>, opening: &Opening) -> Result<Opened, Refusal> {
    let opened = match opening.eras {
        Eras::Legacy => handshake(peer, opening).await,
        Eras::Modern => discover(peer, opening).await,
        Eras::LegacyFirst => match handshake(peer, opening).await {
            Err(Refusal::ByServer(refused)) => discover(peer, opening).await.map_err(|_| Refusal::ByServer(refused)),
            opened => opened,
        },
        Eras::ModernFirst => probe(peer, opening).await,
    }?;
    peer.speaks(opened.version);
    if opening.on_own_behalf && opened.version.era() == Era::Legacy {
        let initialized = Notification::new("notifications/initialized", None);
        let initialized = initialized.map_err(|_| Failure::new(Kind::StartFailed, "cannot form initialized"))?;
        peer.notify(&opening.caller(), &initialized);
    }
    Ok(opened)
}

/// Asks what the server is, and opens it with a handshake if it does not know that question. One that says nothing
/// is sent both; whichever it answers first counts.
async fn probe(peer: &Arc<Peer>, opening: &Opening) -> Result<Opened, Refusal> {
    let mut discovering = Box::pin(discover(peer, opening));
    match tokio::time::timeout(PROBE, &mut discovering).await {
        Ok(Err(Refusal::ByServer(_))) => return handshake(peer, opening).await,
        Ok(settled) => return settled,
        Err(_) => tracing::debug!("the server is silent about server/discover: trying initialize"),
    }
    let mut shaking = Box::pin(handshake(peer, opening));
    tokio::select! {
        discovered = &mut discovering => match discovered {
            Err(Refusal::ByServer(_)) => shaking.await,
            settled => settled,
        },
        opened = &mut shaking => match opened {
            Err(Refusal::ByServer(refused)) => discovering.await.map_err(|_| Refusal::ByServer(refused)),
            settled => settled,
        },
    }
}

async fn handshake(peer: &Arc<Peer>, opening: &Opening) -> Result<Opened, Refusal> {
    let request = opening.request()?;
    answered(peer.call(&Call { request, caller: Arc::new(opening.caller()) })).await
}

async fn discover(peer: &Arc<Peer>, opening: &Opening) -> Result<Opened, Refusal> {
    let request = discovery()?;
    discovered(peer.call(&Call { request, caller: Arc::new(opening.caller()) })).await
}

/// `server/discover`, asked by the gateway itself.
pub(crate) fn discovery() -> Result<Request, Failure> {
    let params = format!("{{\"_meta\":{{{}}}}}", envelope(GATEWAY, "{}", None));
    Request::new(&ClientId::number(0), "server/discover", Some(&params))
        .map_err(|refused| Failure::new(Kind::StartFailed, format!("cannot form server/discover: {}", refused.why)))
}

/// Waits for the answer to `server/discover` and reads it. A server that lists no revision without handshake is
/// refused in the name of its own answer: it has to be opened with one.
pub(crate) async fn discovered(reply: Reply) -> Result<Opened, Refusal> {
    let response = settled(reply).await?;
    let listed = raw::peek(response.body(), "supportedVersions");
    let serves = listed.is_some_and(|listed| {
        let versions = raw::elements(listed, raw::whole(listed));
        versions.iter().any(|span| raw::string(&listed[span.range()]).as_deref() == Some(Version::NEWEST.name()))
    });
    if serves { Ok(Opened { response, version: Version::NEWEST }) } else { Err(Refusal::ByServer(response)) }
}

/// Whether a server refused `initialize` as one that knows no handshake does (2026-07-28 `basic/versioning`).
pub(crate) fn is_modern_refusal(refused: &Response) -> bool {
    let code = raw::peek(refused.body(), "code").and_then(|code| std::str::from_utf8(code).ok()?.parse::<i32>().ok());
    matches!(code, Some(UNSUPPORTED_VERSION | METHOD_NOT_FOUND))
}

/// Waits for the answer to `initialize` and reads it.
pub(crate) async fn answered(reply: Reply) -> Result<Opened, Refusal> {
    Ok(read(settled(reply).await?)?)
}

/// The result of an opening request.
async fn settled(mut reply: Reply) -> Result<Response, Refusal> {
    while let Some(event) = reply.next().await {
        match event {
            Event::Done(Outcome::Answer(response)) if response.is_error() => {
                return Err(Refusal::ByServer(response));
            }
            Event::Done(Outcome::Answer(response)) => return Ok(response),
            Event::Done(Outcome::Failure(failure)) => return Err(of_start(failure).into()),
            // Before the end of the handshake a server should say nothing but logs (2025-11-25 basic/lifecycle).
            Event::Notify(_) | Event::Ask(_) => {}
        }
    }
    Err(Failure::new(Kind::InvalidResponse, "the server gave no answer to initialize").into())
}

/// A server that ended before it was opened did not start, and nothing was asked of it that could have had an effect.
fn of_start(mut failure: Failure) -> Failure {
    if failure.kind == Kind::ServerExited {
        (failure.kind, failure.sent) = (Kind::StartFailed, false);
    }
    failure
}

/// Reads the result of `initialize`.
pub(crate) fn read(response: Response) -> Result<Opened, Failure> {
    let chosen = raw::peek_string(response.body(), "protocolVersion");
    let version = chosen.as_deref().and_then(Version::parse).filter(|version| version.era() == Era::Legacy);
    let Some(version) = version else {
        let named = chosen.unwrap_or_else(|| "none".to_owned());
        let message = format!("the server chose a protocol version that is not known: {named}");
        return Err(Failure::new(Kind::InvalidResponse, message));
    };
    Ok(Opened { response, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_quoted_except_for_an_unknown_revision() {
        let known = br#"{"protocolVersion":"2025-06-18","capabilities":{},"x":12345678901234567890123}"#;
        assert_eq!(Opening::of_client(known).params, &known[..]);
        let unknown = br#"{ "protocolVersion" : "2026-07-28" , "x":1.0}"#;
        let opening = Opening::of_client(unknown);
        assert_eq!(opening.params, &br#"{ "protocolVersion" : "2025-11-25" , "x":1.0}"#[..]);
        assert_eq!(opening.version, Version::V2025_11_25);
    }
}
