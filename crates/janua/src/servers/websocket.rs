//! WebSocket toward a server: a message a text frame, one engine, one task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::message::Notification;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use crate::call::{Call, Caller, Reply};
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::http_client;
use crate::servers::peer::{Outbox, Peer};
use crate::servers::remote::link::{Reach, messages};
use crate::servers::{Connection, Eras, Opened, Opening, Refusal, opening};
use crate::socket::{self, Bounds, Ended, Receiver, SUBPROTOCOL};

/// How long what a server has left behind may take to be read.
const GRACE: Duration = Duration::from_millis(500);
/// So many messages may wait whatever their size.
const ALWAYS: usize = 16;

/// A server that was opened.
struct WebSocketConnection {
    link: Link,
    opened: Opened,
}

/// One socket and the engine on it. Dropped, it is over.
struct Link {
    peer: Arc<Peer>,
    queue: Arc<Queue>,
    ended: CancellationToken,
    gone: CancellationToken,
}

/// Messages that wait for the socket, in order.
struct Queue {
    state: Lock<Pending>,
    items: usize,
    bytes: usize,
}

#[derive(Default)]
struct Pending {
    lines: VecDeque<Line>,
    bytes: usize,
    closed: bool,
    /// Who writes, while there is nothing to write.
    writer: Option<Waker>,
}

/// Opens a link: the connection, the upgrade, the opening of MCP.
pub(crate) async fn open(reach: &Reach, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
    match start(reach, opening).await {
        // Some servers end a connection whose first message they do not know; with a handshake it may live.
        Err((_, true)) if opening.eras == Eras::ModernFirst => {
            start(reach, &opening.clone().speaking(Eras::Legacy)).await
        }
        settled => settled,
    }
    .map_err(|(refusal, _)| refusal)
}

/// The same in the eras as they are. What goes wrong comes with whether the server ended a socket that it had opened.
async fn start(reach: &Reach, opening: &Opening) -> Result<Arc<dyn Connection>, (Refusal, bool)> {
    let io = connect(reach).await.map_err(|failure| (failure.into(), false))?;
    let limits = &reach.limits;
    let queue = Arc::new(Queue::new(limits));
    let peer = Peer::new(Box::new(queue.clone()), opening.capabilities.clone(), !opening.on_own_behalf);
    let (ended, gone) = (CancellationToken::new(), CancellationToken::new());
    let link = Link { peer: peer.clone(), queue: queue.clone(), ended: ended.clone(), gone: gone.clone() };
    let bounds = bounds(limits);
    reach.tasks.spawn("server socket", async move {
        run(io, bounds, &peer, &queue, &ended).await;
        gone.cancel();
    });
    match opening::agree(&link.peer, opening).await {
        Ok(opened) => Ok(Arc::new(WebSocketConnection { link, opened })),
        Err(refusal) => Err((refusal, link.peer.is_over())),
    }
}

/// Connects and upgrades. Whatever stands between must not make another protocol of it (RFC 6455, 4.1).
async fn connect(reach: &Reach) -> Result<reqwest::Upgraded, Failure> {
    let key = generate_key();
    let failed = |message: &'static str| Failure::new(Kind::StartFailed, message);
    let header = HeaderValue::try_from(&key).map_err(|_| failed("cannot form the key of a WebSocket"))?;
    let response = reach.target.knock(header, HeaderValue::from_static(SUBPROTOCOL)).await?;
    let status = response.status();
    if status.is_redirection() {
        let message = format!("the server redirects (HTTP {}), which a WebSocket does not follow", status.as_u16());
        return Err(Failure::new(Kind::Unreachable, message));
    }
    if status.is_success() {
        return Err(failed("the server does not speak WebSocket at this address"));
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let mut failure = http_client::refusal(status, response.headers());
        failure.sent = false;
        return Err(failure);
    }
    agreed(response.headers(), &key).map_err(failed)?;
    response.upgrade().await.map_err(|_| failed("the connection broke as it became a WebSocket"))
}

/// Whether the server has agreed to what was asked, and to nothing else; otherwise what is wrong.
fn agreed(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    let said = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if !said(UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case("websocket")) {
        return Err("the server changes to a protocol that is not WebSocket");
    }
    if said(SEC_WEBSOCKET_ACCEPT) != Some(&derive_accept_key(key.as_bytes())) {
        return Err("the server answered the opening of another WebSocket");
    }
    // A server that selects none speaks MCP all the same: some do not know the name.
    match headers.get(SEC_WEBSOCKET_PROTOCOL) {
        Some(selected) if selected != SUBPROTOCOL => Err("the server selected a subprotocol that was not offered"),
        _ => Ok(()),
    }
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        received: limits.server_message,
        // A client on stdio may send as much as a server.
        sent: limits.server_message.max(limits.request_body).saturating_add(1 << 20),
        pings: limits.keep_alive.max(Duration::from_millis(1)),
        stall: limits.write_stall,
    }
}

/// Carries messages both ways until one side is done. Pings keep the connection open and find out that it is
/// broken; a server that answers none may be busy with one thing, and is left alone.
async fn run<S>(io: S, bounds: Bounds, peer: &Arc<Peer>, queue: &Queue, ended: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, mut receiver) = socket::open(io, Role::Client, bounds).await;
    let (why, goodbye) = tokio::select! {
        found = read(&mut receiver, peer) => (failure(&found), found.goodbye()),
        found = sender.pour(|cx| queue.poll_next(cx)) => {
            // What the server said before it left counts, and so does its goodbye.
            let found = match found {
                Ended::Cut => timeout(GRACE, read(&mut receiver, peer)).await.unwrap_or(found),
                found => found,
            };
            (failure(&found), found.goodbye())
        }
        why = peer.silent() => (why, Ended::Silent.goodbye()),
        () = ended.cancelled() => (Failure::new(Kind::Stopping, "the link was closed"), Ended::Done.goodbye()),
    };
    tracing::debug!(reason = %why, "server link over");
    peer.over(&why);
    queue.close();
    socket::close(sender, receiver, goodbye.0, goodbye.1).await;
}

/// Reads until the end, and waits for whoever has fallen behind.
async fn read<S>(receiver: &mut Receiver<S>, peer: &Arc<Peer>) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let text = match receiver.next().await {
            Ok(text) => text,
            Err(ended) => return ended,
        };
        for message in messages(text) {
            if let Some(mailbox) = peer.receive(&message, None) {
                mailbox.room().await;
            }
        }
    }
}

/// What the end of the socket means for whoever waits.
fn failure(ended: &Ended) -> Failure {
    match ended {
        Ended::Closed(Some((code, reason))) => {
            let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let said = if reason.is_empty() { format!("{code}") } else { format!("{code}: {reason}") };
            Failure::new(Kind::Unreachable, format!("the server closed the connection ({said})"))
        }
        Ended::Closed(None) => Failure::new(Kind::Unreachable, "the server closed the connection"),
        Ended::Cut | Ended::Done => Failure::new(Kind::Unreachable, "the connection to the server broke"),
        Ended::Deaf | Ended::Silent => {
            Failure::new(Kind::Unreachable, "the connection was given up: the server does not read what it is sent")
        }
        // Whose message it is cannot be told, and nothing behind it can be read.
        Ended::TooLarge => Failure::new(Kind::ResponseTooLarge, "the server sent a message larger than the limit"),
        Ended::Binary => Failure::new(Kind::InvalidResponse, "the server sent a binary frame, which is no message"),
        Ended::NotText => Failure::new(Kind::InvalidResponse, "the server sent a message that is not UTF-8"),
        Ended::Malformed => Failure::new(Kind::InvalidResponse, "the server sent what is not WebSocket"),
    }
}

impl Link {
    fn close(&self, why: &Failure) {
        self.peer.over(why);
        self.queue.close();
        self.ended.cancel();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close(&Failure::new(Kind::Stopping, "the connection to the server was closed"));
    }
}

impl Connection for WebSocketConnection {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn transport(&self) -> Option<&'static str> {
        Some("WebSocket")
    }

    fn call(&self, call: Call) -> Reply {
        self.link.peer.call(&call)
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        self.link.peer.notify(caller, &notification);
    }

    fn listen(&self) -> Reply {
        self.link.peer.listen()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.link.peer.idle_since()
    }

    fn is_over(&self) -> bool {
        self.link.peer.is_over()
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        self.link.close(&why);
        let gone = self.link.gone.clone();
        async move { gone.cancelled().await }.boxed()
    }
}

impl Queue {
    fn new(limits: &Limits) -> Queue {
        Queue { state: Lock::default(), items: limits.server_queue_items, bytes: limits.server_queue_bytes }
    }

    /// The next message to write, `None` when none will come.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state.lock();
        if let Some(line) = state.lines.pop_front() {
            state.bytes -= line.len();
            return Poll::Ready(Some(line.into_bytes()));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.lines.clear();
        state.bytes = 0;
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

impl Outbox for Arc<Queue> {
    fn send(&self, line: Line, _about: Option<LinkId>) -> Result<(), Failure> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Failure::new(Kind::Unreachable, "the connection to the server is over"));
        }
        let waiting = state.lines.len();
        if waiting >= self.items || (waiting >= ALWAYS && state.bytes + line.len() > self.bytes) {
            let message = "the server does not keep up: too many messages wait to be written to it";
            return Err(Failure::new(Kind::Overloaded, message).retry_after(Duration::from_secs(1)));
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        Ok(())
    }
}
