//! One client on a WebSocket: the socket is the session.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use janua_wire::error::{self, INVALID_REQUEST};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::listener::Entered;
use super::{Arrival, Edge, answer, duplex};
use crate::config::Limits;
use crate::gateway::Gateway;
use crate::sessions::session::short;
use crate::sessions::stream::Read;
use crate::sessions::{Kind, Session};
use crate::socket::{self, Bounds, Ended, Receiver, SUBPROTOCOL, Sender};

/// The one version of the protocol there is (RFC 6455, 4.1).
const VERSION: &str = "13";

/// A session as long as its socket. Dropped, it ends, and with it its calls and its server.
struct Open {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    /// The socket is still the connection that was let in.
    _entered: Option<Entered>,
}

/// Why a socket is left.
enum Left {
    /// The socket itself has ended, or the client broke its rules.
    Socket(Ended),
    /// The client connected and said nothing.
    Idle,
    /// The session is over.
    Session,
}

/// Turns a request into a session on a WebSocket.
pub(crate) fn open(edge: &Edge, Arrival { place, visitor }: Arrival, parts: &Parts) -> Response<Body> {
    let upgrade = parts.extensions.get::<OnUpgrade>().cloned();
    let (key, upgrade) = match (wanted(&parts.headers), upgrade) {
        (Ok(key), Some(upgrade)) => (key, upgrade),
        (Ok(_), None) => return refuse(StatusCode::BAD_REQUEST, "this connection cannot become a WebSocket"),
        (Err(refused), _) => return refused,
    };
    let session = match edge.gateway.open_session(Kind::WebSocket, place, visitor) {
        Ok(session) => session,
        Err(failure) => return answer::refused(&failure),
    };
    tracing::info!(session = short(&session.id), "session opened");
    let entered = parts.extensions.get::<Entered>().cloned();
    let open = Open { gateway: edge.gateway.clone(), session, _entered: entered };
    edge.gateway.tasks.spawn("websocket", async move {
        match upgrade.await {
            Ok(upgraded) => open.serve(TokioIo::new(upgraded)).await,
            Err(error) => tracing::debug!(%error, "the connection ended before it was a WebSocket"),
        }
    });
    switch(key, offers(&parts.headers))
}

/// The key of a handshake, or what is wrong with it (RFC 6455, 4.2.1).
fn wanted(headers: &HeaderMap) -> Result<&[u8], Response<Body>> {
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        let mut refused = refuse(StatusCode::UPGRADE_REQUIRED, "WebSocket is spoken here, and nothing else");
        refused.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        refused.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(refused);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let mut refused = refuse(StatusCode::UPGRADE_REQUIRED, "the version of WebSocket spoken here is 13");
        refused.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        refused.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        return Err(refused);
    }
    // Sixteen bytes in base64.
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| key.len() == 24);
    key.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "the header Sec-WebSocket-Key is missing or wrong"))
}

/// Whether the client offers MCP's subprotocol. One that offers none speaks MCP all the same.
fn offers(headers: &HeaderMap) -> bool {
    lists(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
}

fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

fn refuse(status: StatusCode, message: &str) -> Response<Body> {
    answer::error(status, None, INVALID_REQUEST, message)
}

fn switch(key: &[u8], mcp: bool) -> Response<Body> {
    let mut answer = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key)) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if mcp {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    answer
}

impl Open {
    /// Serves the client until one side is done.
    async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin) {
        let (gateway, session) = (&self.gateway, &self.session);
        let (mut sender, mut receiver) = socket::open(io, Role::Server, bounds(&gateway.limits)).await;
        let left = tokio::select! {
            left = read(gateway, session, &mut receiver) => left,
            ended = write(session, &mut sender) => match ended {
                Ended::Done => Left::Session,
                ended => Left::Socket(ended),
            },
        };
        tracing::debug!(session = short(&session.id), reason = left.reason(), "socket ends");
        // Now, and not after the farewell: nobody waits for the answers any more.
        gateway.end_session(session);
        if matches!(left, Left::Socket(Ended::TooLarge)) {
            let message = "the message is larger than the limit";
            let _ = sender.send(&error::response(None, INVALID_REQUEST, message, None)).await;
        }
        let (code, reason) = left.goodbye(gateway);
        socket::close(sender, receiver, code, reason).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gateway.end_session(&self.session);
    }
}

impl Left {
    fn reason(&self) -> &'static str {
        match self {
            Left::Socket(Ended::Closed(_)) => "closed by the client",
            Left::Socket(Ended::Cut | Ended::Done) => "the connection ended",
            Left::Socket(ended) => ended.goodbye().1,
            Left::Idle => "the client says nothing",
            Left::Session => "the session is over",
        }
    }

    /// The code and the reason to say goodbye with (RFC 6455, 7.4.1).
    fn goodbye(&self, gateway: &Gateway) -> (CloseCode, &'static str) {
        match self {
            Left::Socket(ended) => ended.goodbye(),
            Left::Idle => (CloseCode::Policy, "nothing was said for too long"),
            Left::Session if gateway.tasks.is_stopping() => (CloseCode::Away, "the gateway is stopping"),
            Left::Session => (CloseCode::Error, "the session is over"),
        }
    }
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        received: limits.request_body,
        // The server's message under an id of the client's.
        sent: limits.server_message.saturating_add(limits.request_body),
        pings: limits.keep_alive.max(Duration::from_millis(1)),
        stall: limits.write_stall,
    }
}

async fn read<S>(gateway: &Arc<Gateway>, session: &Arc<Session>, receiver: &mut Receiver<S>) -> Left
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Pings keep a socket open for good, so one on which nobody ever speaks needs a bound of its own.
    let Ok(mut next) = timeout(gateway.limits.session_idle, receiver.next_alive()).await else { return Left::Idle };
    loop {
        match next {
            Ok(text) => {
                if let Err(refused) = duplex::receive(gateway, session, text).await {
                    duplex::refuse(session, &refused);
                }
            }
            Err(ended) => return Left::Socket(ended),
        }
        next = receiver.next_alive().await;
    }
}

async fn write<S>(session: &Session, sender: &mut Sender<S>) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (ticket, _) = session.outbound.attach(None);
    let next = |cx: &mut std::task::Context<'_>| {
        session.outbound.poll_read(ticket, cx).map(|read| match read {
            Read::Frames(frames) => Some(frames),
            Read::Replaced | Read::End => None,
        })
    };
    sender.pour(next).await
}
