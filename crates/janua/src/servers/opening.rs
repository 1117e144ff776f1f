//! The legacy handshake toward a server, whatever carries it.

use bytes::Bytes;
use futures_util::StreamExt;
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::message::{Request, Response};
use janua_wire::raw;
use janua_wire::version::{Era, Version};

use crate::call::{Event, Outcome, Reply};
use crate::error::{Failure, Kind};
use crate::servers::{Opened, Opening, Refusal};

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
        Opening { params: offered, version, capabilities, on_own_behalf: false }
    }

    /// The opening of a link that many clients share: the gateway is the client, and can be asked nothing.
    pub fn of_gateway() -> Opening {
        let version = Version::NEWEST_LEGACY;
        let params = format!(
            "{{\"protocolVersion\":\"{version}\",\"capabilities\":{{}},\"clientInfo\":{{\"name\":\"janua\",\"version\":\"{}\"}}}}",
            env!("CARGO_PKG_VERSION")
        );
        Opening { params: params.into(), version, capabilities: ClientCapabilities::default(), on_own_behalf: true }
    }

    /// The `initialize` request itself.
    pub(crate) fn request(&self) -> Result<Request, Failure> {
        let params = std::str::from_utf8(&self.params).unwrap_or("{}");
        Request::new(&ClientId::number(0), "initialize", Some(params))
            .map_err(|refused| Failure::new(Kind::StartFailed, format!("cannot form initialize: {}", refused.why)))
    }
}

/// Waits for the answer to `initialize` and reads it.
pub(crate) async fn answered(mut reply: Reply) -> Result<Opened, Refusal> {
    while let Some(event) = reply.next().await {
        match event {
            Event::Done(Outcome::Answer(response)) if response.is_error() => {
                return Err(Refusal::ByServer(response));
            }
            Event::Done(Outcome::Answer(response)) => return Ok(read(response)?),
            Event::Done(Outcome::Failure(failure)) => return Err(of_start(failure).into()),
            Event::Done(Outcome::InputRequired(_)) => break,
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

fn read(response: Response) -> Result<Opened, Failure> {
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
