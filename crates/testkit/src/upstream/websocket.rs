//! A scripted server over WebSocket: a message a text frame, a session a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

pub use tokio_tungstenite::tungstenite::Message as Frame;

use crate::client::message::{self, Message};
use crate::process::eventually;
use crate::transcript::Transcript;
use crate::upstream::Script;
use crate::upstream::conversation::Conversation;
use crate::upstream::outlet::Outlet;

/// Which subprotocol the server selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// `mcp`, when it is offered.
    Offered,
    /// None, whatever is offered.
    Nothing,
    /// This one, offered or not.
    Always(&'static str),
}

/// What the server does; made by [`WebSocketServer::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    port: u16,
    selected: Selected,
    answer: Option<(StatusCode, Vec<(&'static str, String)>)>,
    hanging_up: Option<&'static str>,
    handshake: bool,
    script: Script,
}

/// A running server. Dropping it closes its socket and every connection.
#[derive(Debug)]
pub struct WebSocketServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// One upgrade that was asked for.
#[derive(Clone, Debug)]
pub struct Knock {
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
}

#[derive(Debug)]
struct Shared {
    options: Builder,
    script: Arc<Script>,
    gate: Arc<Semaphore>,
    transcript: Transcript,
    knocks: Mutex<Vec<Knock>>,
    seen: Mutex<Vec<Message>>,
    farewells: Mutex<Vec<Option<u16>>>,
    sockets: Mutex<Vec<mpsc::Sender<Order>>>,
    pings: AtomicUsize,
    open: AtomicUsize,
}

#[derive(Clone, Debug)]
enum Order {
    Send(Frame),
    Cut,
}

struct Open(Arc<Shared>);

impl Builder {
    /// Listens on this port, to come back where another server was.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets which subprotocol is selected.
    #[must_use]
    pub fn selected(mut self, selected: Selected) -> Self {
        self.selected = selected;
        self
    }

    /// Answers every upgrade with this status and these headers instead.
    #[must_use]
    pub fn refusing(mut self, status: u16, headers: &[(&'static str, &str)]) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        self.answer = Some((status, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()));
        self
    }

    /// Answers initialize with this version whatever the client asked for.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.script.version = Some(version.to_owned());
        self
    }

    /// Breaks the connection when a message of this method comes.
    #[must_use]
    pub fn hanging_up(mut self, method: &'static str) -> Self {
        self.hanging_up = Some(method);
        self
    }

    /// Knows no initialize: only what is scripted is answered.
    #[must_use]
    pub fn without_handshake(mut self) -> Self {
        self.handshake = false;
        self
    }

    /// Answers a method with this result, JSON text; before initialize, too.
    #[must_use]
    pub fn on(mut self, method: &str, result: &str) -> Self {
        self.script.results.insert(method.to_owned(), result.to_owned());
        self
    }

    /// Starts it.
    pub async fn start(self) -> WebSocketServer {
        let port = self.port;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.unwrap_or_else(|e| panic!("listen on port {port}: {e}"));
        let addr = listener.local_addr().expect("address of a listening socket");
        let shared = Arc::new(Shared {
            script: Arc::new(self.script.clone()),
            gate: Arc::new(Semaphore::new(0)),
            transcript: Transcript::new("websocket server"),
            knocks: Mutex::default(),
            seen: Mutex::default(),
            farewells: Mutex::default(),
            sockets: Mutex::default(),
            pings: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            options: self,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        WebSocketServer { addr, shared, accepting }
    }
}

impl WebSocketServer {
    /// A server that selects `mcp`.
    pub fn builder() -> Builder {
        Builder {
            port: 0,
            selected: Selected::Offered,
            answer: None,
            hanging_up: None,
            handshake: true,
            script: Script::default(),
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Every upgrade asked for so far.
    pub fn knocks(&self) -> Vec<Knock> {
        lock(&self.shared.knocks).clone()
    }

    /// Every message received so far, on whichever socket.
    pub fn seen(&self) -> Vec<Message> {
        lock(&self.shared.seen).clone()
    }

    /// The messages with this method.
    pub fn seen_rpc(&self, method: &str) -> Vec<Message> {
        self.seen().into_iter().filter(|message| message.method() == Some(method)).collect()
    }

    /// Waits until a message of this method came; false when the deadline passed first.
    #[must_use = "says whether it was seen"]
    pub async fn wait_rpc(&self, deadline: Duration, method: &str) -> bool {
        eventually(deadline, || !self.seen_rpc(method).is_empty()).await
    }

    /// Codes with which clients said goodbye; `None` for one that gave no code.
    pub fn farewells(&self) -> Vec<Option<u16>> {
        lock(&self.shared.farewells).clone()
    }

    /// Pings received so far.
    pub fn pings(&self) -> usize {
        self.shared.pings.load(Ordering::SeqCst)
    }

    /// Sockets open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Lets so many `slow` calls without a time go on.
    pub fn release(&self, calls: usize) {
        self.shared.gate.add_permits(calls);
    }

    /// Sends a message on every socket.
    pub async fn push(&self, message: &str) {
        self.push_frame(Frame::text(message)).await;
    }

    /// Sends a frame on every socket.
    pub async fn push_frame(&self, frame: Frame) {
        self.order(&Order::Send(frame)).await;
    }

    /// Says goodbye on every socket.
    pub async fn close(&self, code: u16, reason: &str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        self.push_frame(Frame::Close(Some(frame))).await;
    }

    /// Breaks every connection without a goodbye.
    pub async fn cut_connections(&self) {
        self.order(&Order::Cut).await;
    }

    /// What was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.shared.transcript
    }

    async fn order(&self, order: &Order) {
        let sockets = lock(&self.shared.sockets).clone();
        for socket in sockets {
            // One that has ended takes no orders.
            let _ = socket.send(order.clone()).await;
        }
    }
}

impl Drop for WebSocketServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                shared.open.fetch_add(1, Ordering::SeqCst);
                let open = Open(Arc::clone(&shared));
                connections.spawn(serve(stream, Arc::clone(&shared), open));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, _open: Open) {
    stream.set_nodelay(true).expect("set TCP_NODELAY");
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let upgrade = |request: &Request, response: Response| shared.answer(request, response);
    // A client that is refused is what some tests are about.
    let Ok(mut socket) = accept_hdr_async_with_config(stream, upgrade, Some(config)).await else { return };
    let (orders, mut given) = mpsc::channel(64);
    lock(&shared.sockets).push(orders);
    let out = Outlet::new(None, &shared.transcript);
    let (mut talk, mut calls, mut sent) = (None, JoinSet::new(), 0);
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(frame)) => {
                    shared.take(frame, &out, &mut talk, &mut calls);
                    if shared.hangs_up() {
                        return cut(&socket);
                    }
                }
                _ => return,
            },
            Some(message) = out.message(sent) => {
                sent += 1;
                if socket.send(Frame::text(message)).await.is_err() {
                    return;
                }
            }
            Some(order) = given.recv() => match order {
                Order::Send(frame) => drop(socket.send(frame).await),
                Order::Cut => return cut(&socket),
            }
        }
    }
}

fn cut(socket: &WebSocketStream<TcpStream>) {
    socket.get_ref().set_zero_linger().expect("set SO_LINGER");
}

impl Shared {
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    fn answer(&self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let headers = request.headers().clone();
        self.transcript.received(format!("GET {path} {headers:?}"));
        let offered = headers.get("sec-websocket-protocol").is_some_and(|offered| offered == "mcp");
        lock(&self.knocks).push(Knock { path, headers });
        if let Some((status, headers)) = &self.options.answer {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = *status;
            for (name, value) in headers {
                refusal.headers_mut().insert(*name, value.parse().expect("a header's value"));
            }
            return Err(refusal);
        }
        let selected = match self.options.selected {
            Selected::Offered => offered.then_some("mcp"),
            Selected::Nothing => None,
            Selected::Always(name) => Some(name),
        };
        if let Some(name) = selected {
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(name));
        }
        Ok(response)
    }

    fn take(&self, frame: Frame, out: &Arc<Outlet>, talk: &mut Option<Arc<Conversation>>, calls: &mut JoinSet<()>) {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Ping(_) => {
                self.pings.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Frame::Close(said) => {
                self.transcript.note(format!("goodbye: {said:?}"));
                return lock(&self.farewells).push(said.map(|said| said.code.into()));
            }
            _ => return,
        };
        self.transcript.received(text.as_str());
        let Ok(message) = Message::parse(&text) else {
            return self.transcript.note("that is not JSON");
        };
        lock(&self.seen).push(message.clone());
        if message.method() == Some("initialize") && self.options.handshake {
            let (script, gate) = (Arc::clone(&self.script), Arc::clone(&self.gate));
            *talk = Some(Arc::new(Conversation::new(&message, Arc::clone(out), script, gate)));
        }
        let Some(talk) = talk.clone() else { return self.early(&message, out) };
        if message.is_request() {
            let (call, out) = (talk.begin(&message), Arc::clone(out));
            calls.spawn(async move { talk.answer(call, &out, &out).await });
        } else {
            talk.take(&message);
        }
    }

    /// Answers what comes before initialize: a scripted method, and everything else with an error.
    fn early(&self, message: &Message, out: &Outlet) {
        let Some(id) = message.id() else { return };
        match self.script.results.get(message.method().unwrap_or_default()) {
            Some(result) => out.push(&message::response(&id, result)),
            None => out.push(&message::error(&id, -32601, "nobody has said initialize")),
        }
    }

    /// Whether the last message is one to hang up at.
    fn hangs_up(&self) -> bool {
        let seen = lock(&self.seen);
        self.options.hanging_up.is_some() && seen.last().and_then(Message::method) == self.options.hanging_up
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
