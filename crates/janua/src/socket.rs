//! A WebSocket as both edges use it: a message a text frame, bounds, signs of life, an orderly end (RFC 6455).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The subprotocol that says that the messages are MCP's.
pub(crate) const SUBPROTOCOL: &str = "mcp";

/// How long the other side may take to say goodbye too.
const FAREWELL: Duration = Duration::from_secs(2);
/// So often a peer may leave a ping unanswered before it counts as gone.
const MISSES: u32 = 3;
/// What is read at once; more is reserved for a message that is larger.
const READ: usize = 8 << 10;
/// What is written together.
const WRITE: usize = 64 << 10;

/// The bounds of one socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Largest message that is taken, in bytes. A message may come in one frame, so frames have no other bound.
    pub(crate) received: usize,
    /// Largest message that is ever sent.
    pub(crate) sent: usize,
    /// Time between pings.
    pub(crate) pings: Duration,
    /// Longest time in which nothing moves although something waits to be written.
    pub(crate) stall: Duration,
}

/// Why nothing more comes from a socket, or goes into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The other side said goodbye, with its code and reason if it gave any.
    Closed(Option<(u16, String)>),
    /// The connection ended without a goodbye.
    Cut,
    /// A message is larger than the bound.
    TooLarge,
    /// A binary frame came.
    Binary,
    /// What came is no UTF-8.
    NotText,
    /// What came is no WebSocket frame.
    Malformed,
    /// The other side does not read what is sent to it.
    Deaf,
    /// The other side answers no pings and says nothing else.
    Silent,
    /// There is nothing more to send.
    Done,
}

/// The half that sends.
pub(crate) struct Sender<S> {
    sink: SplitSink<WebSocketStream<Watched<S>>, Message>,
    signs: Arc<Signs>,
    pings: Interval,
    stall: Duration,
}

/// The half that receives.
pub(crate) struct Receiver<S> {
    stream: SplitStream<WebSocketStream<Watched<S>>>,
    signs: Arc<Signs>,
    checks: Interval,
    heard: u64,
    misses: u32,
}

/// What moves on a connection.
#[derive(Default)]
struct Signs {
    read: AtomicU64,
    written: AtomicU64,
    /// A ping went out, and nothing came since.
    asked: AtomicBool,
}

/// A connection that counts what moves on it.
struct Watched<S> {
    io: S,
    signs: Arc<Signs>,
}

/// Begins to speak WebSocket on a connection whose handshake is over.
pub(crate) async fn open<S>(io: S, role: Role, bounds: Bounds) -> (Sender<S>, Receiver<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let signs = Arc::new(Signs::default());
    let config = WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(WRITE)
        // One message waits there at most, and the answers to pings that nobody reads.
        .max_write_buffer_size(bounds.sent.saturating_add(4 * WRITE))
        .max_message_size(Some(bounds.received))
        .max_frame_size(Some(bounds.received));
    let watched = Watched { io, signs: signs.clone() };
    let (sink, stream) = WebSocketStream::from_raw_socket(watched, role, Some(config)).await.split();
    let ticks = || {
        let mut ticks = interval_at(Instant::now() + bounds.pings, bounds.pings);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let sender = Sender { sink, signs: signs.clone(), pings: ticks(), stall: bounds.stall };
    (sender, Receiver { stream, signs, checks: ticks(), heard: 0, misses: 0 })
}

/// Says goodbye with `code` and `reason`, unless the other side did before, and waits a moment for its answer.
pub(crate) async fn close<S>(sender: Sender<S>, receiver: Receiver<S>, code: CloseCode, reason: &'static str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut socket) = sender.sink.reunite(receiver.stream) else { return };
    let goodbye = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let parting = async {
        let _ = socket.close(Some(goodbye)).await;
        while let Some(Ok(_)) = socket.next().await {}
        // After a fault the rest cannot be read as frames. Unread it would become a reset, which may overtake the
        // goodbye.
        let connection = &mut socket.get_mut().io;
        let _ = connection.shutdown().await;
        let mut rest = [0; READ];
        while let Ok(1..) = connection.read(&mut rest).await {}
    };
    let _ = timeout(FAREWELL, parting).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Sends what `next` gives until there is nothing more: texts of messages, several with a line break after each.
    /// What is there at once is written together. Sends pings meanwhile.
    pub(crate) async fn pour(&mut self, mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<Bytes>>) -> Ended {
        loop {
            let mut ready = poll_fn(|cx| Poll::Ready(next(cx))).await;
            if ready.is_pending() {
                if let Err(ended) = self.moving(|sink| sink.flush()).await {
                    return ended;
                }
                ready = tokio::select! {
                    given = poll_fn(&mut next) => Poll::Ready(given),
                    _ = self.pings.tick() => Poll::Pending,
                };
            }
            let sent = match ready {
                Poll::Ready(Some(texts)) => self.feed(&texts).await,
                Poll::Ready(None) => return self.moving(|sink| sink.flush()).await.err().unwrap_or(Ended::Done),
                Poll::Pending => self.ping().await,
            };
            if let Err(ended) = sent {
                return ended;
            }
        }
    }

    /// Sends these messages, and waits until the connection has taken all of them.
    pub(crate) async fn send(&mut self, texts: &Bytes) -> Result<(), Ended> {
        self.feed(texts).await?;
        self.moving(|sink| sink.flush()).await
    }

    async fn feed(&mut self, texts: &Bytes) -> Result<(), Ended> {
        let mut from = 0;
        while from < texts.len() {
            let end = memchr::memchr(b'\n', &texts[from..]).map_or(texts.len(), |length| from + length);
            // The text of a message is UTF-8: it was checked when it came.
            let text = Utf8Bytes::try_from(texts.slice(from..end)).map_err(|_| Ended::NotText)?;
            self.moving(|sink| sink.feed(Message::Text(text))).await?;
            from = end + 1;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Ended> {
        self.moving(|sink| sink.send(Message::Ping(Bytes::new()))).await?;
        self.signs.asked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for something to be written, as long as anything moves.
    async fn moving<'a, F>(
        &'a mut self,
        write: impl FnOnce(&'a mut SplitSink<WebSocketStream<Watched<S>>, Message>) -> F,
    ) -> Result<(), Ended>
    where
        F: Future<Output = Result<(), Error>> + 'a,
    {
        let mut writing = std::pin::pin!(write(&mut self.sink));
        let mut before = self.signs.written.load(Ordering::Relaxed);
        loop {
            if let Ok(written) = timeout(self.stall, &mut writing).await {
                return written.map_err(|error| Ended::of(&error));
            }
            let now = self.signs.written.load(Ordering::Relaxed);
            if std::mem::replace(&mut before, now) == now {
                return Err(Ended::Deaf);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// The next message. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Ended> {
        text(&mut self.stream).await
    }

    /// The next message of a peer that has to answer pings. Dropping the future loses nothing.
    pub(crate) async fn next_alive(&mut self) -> Result<Bytes, Ended> {
        loop {
            tokio::select! {
                // What has come already counts before what is missing.
                biased;
                message = text(&mut self.stream) => return message,
                _ = self.checks.tick() => {}
            }
            let heard = self.signs.read.load(Ordering::Relaxed);
            if std::mem::replace(&mut self.heard, heard) != heard {
                self.misses = 0;
                self.signs.asked.store(false, Ordering::Relaxed);
            } else if self.signs.asked.load(Ordering::Relaxed) {
                self.misses += 1;
                if self.misses >= MISSES {
                    return Err(Ended::Silent);
                }
            }
        }
    }
}

/// The next message of a stream of frames.
async fn text<S>(stream: &mut SplitStream<WebSocketStream<Watched<S>>>) -> Result<Bytes, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.into()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(Ended::Binary),
            Some(Ok(Message::Close(said))) => {
                let said = said.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()));
                return Err(Ended::Closed(said));
            }
            Some(Err(error)) => return Err(Ended::of(&error)),
            None => return Err(Ended::Cut),
        }
    }
}

impl Ended {
    fn of(error: &Error) -> Ended {
        match error {
            Error::Capacity(_) => Ended::TooLarge,
            Error::Utf8(_) => Ended::NotText,
            Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::WriteBufferFull(_) => Ended::Cut,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
                Ended::Cut
            }
            _ => Ended::Malformed,
        }
    }

    /// The code and the reason to say goodbye with, for a side that ends the socket because of this.
    pub(crate) fn goodbye(&self) -> (CloseCode, &'static str) {
        match self {
            Ended::TooLarge => (CloseCode::Size, "the message is larger than the limit"),
            Ended::Binary => (CloseCode::Unsupported, "messages are text frames"),
            Ended::NotText => (CloseCode::Invalid, "the message is not UTF-8"),
            Ended::Malformed => (CloseCode::Protocol, "this is not WebSocket"),
            Ended::Deaf => (CloseCode::Policy, "nothing is read at the other end"),
            Ended::Silent => (CloseCode::Policy, "pings are not answered"),
            Ended::Closed(_) | Ended::Cut | Ended::Done => (CloseCode::Normal, ""),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.signs.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = polled {
            self.signs.written.fetch_add(count as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
