//! A scripted server of 2026-07-28 over WebSocket: `everything`, a message a text frame.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::client::message::Message as Heard;
use crate::servers::everything::duplex::{Duplex, Wire};
use crate::servers::everything::modern::Modern;
use crate::servers::journal::Journal;
use crate::servers::message::Message;
use crate::transcript::Transcript;

/// A running server. Dropping it closes its socket and every connection.
#[derive(Debug)]
pub struct ModernSocketServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    engine: Arc<Modern>,
    transcript: Transcript,
    seen: Mutex<Vec<Heard>>,
}

/// What goes out on one socket; nothing for its end.
struct Frames(UnboundedSender<Option<String>>);

impl Wire for Frames {
    fn line(&self, text: &str) {
        // A socket that is gone takes nothing.
        let _ = self.0.send(Some(text.to_owned()));
    }

    fn die(&self) {
        let _ = self.0.send(None);
    }
}

impl ModernSocketServer {
    /// Starts one; with `pages`, its tools come in two pages.
    pub async fn start(pages: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listen on a free port");
        let addr = listener.local_addr().expect("address of a listening socket");
        let shared = Arc::new(Shared {
            engine: Arc::new(Modern::new(Journal::default(), pages)),
            transcript: Transcript::new("modern websocket server"),
            seen: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, shared, accepting }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }

    /// The server behind the transport: what ran how often, who listens, what was done wrong.
    pub fn engine(&self) -> &Modern {
        &self.shared.engine
    }

    /// Every message received so far, on whichever socket.
    pub fn seen(&self) -> Vec<Heard> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ModernSocketServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).expect("set TCP_NODELAY");
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    // Whoever asks for something else is gone before anything is said.
    let Ok(socket) = accept_hdr_async_with_config(stream, upgrade, Some(config)).await else { return };
    let (sender, mut outward) = unbounded_channel();
    let duplex = Arc::new(Duplex::new(Arc::clone(&shared.engine), Arc::new(Frames(sender))));
    let (mut out, mut incoming): (_, futures_util::stream::SplitStream<WebSocketStream<TcpStream>>) = socket.split();
    loop {
        tokio::select! {
            frame = incoming.next() => match frame {
                Some(Ok(Frame::Text(text))) => shared.take(text.as_str(), &duplex),
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                _ => break,
            },
            Some(text) = outward.recv() => {
                let Some(text) = text else { break };
                shared.transcript.sent(&text);
                if out.send(Frame::text(text)).await.is_err() {
                    break;
                }
            }
        }
    }
    duplex.ended();
}

#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the library's own type")]
fn upgrade(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if request.headers().get("sec-websocket-protocol").is_some_and(|offered| offered == "mcp") {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("mcp"));
    }
    Ok(response)
}

impl Shared {
    fn take(&self, text: &str, duplex: &Arc<Duplex>) {
        self.transcript.received(text);
        let Ok(message) = Message::parse(text.as_bytes().to_vec()) else {
            self.engine.fault("a frame that is not JSON");
            return;
        };
        let heard = Heard::parse(text).expect("it is JSON");
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        duplex.heard(&message);
        if duplex.waits(&message) {
            let duplex = Arc::clone(duplex);
            tokio::task::spawn_blocking(move || duplex.take(&message));
        } else {
            duplex.take(&message);
        }
    }
}
