//! A raw client on a WebSocket: frames out, frames in, with a deadline on every read.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

pub use tokio_tungstenite::tungstenite::Message as Frame;

use crate::client::PATIENCE;
use crate::client::message::{self, Message};
use crate::transcript::Transcript;

/// One socket. Dropping it breaks the connection without a goodbye.
#[derive(Debug)]
pub struct WebSocketClient {
    /// Messages that came while another was awaited, in order.
    pub passed: Vec<Message>,
    /// The subprotocol that was selected.
    pub subprotocol: Option<String>,
    /// Pings that came.
    pub pings: usize,
    socket: WebSocketStream<TcpStream>,
    deadline: Duration,
    next: u64,
    transcript: Transcript,
}

/// An upgrade that was refused: the status and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A text frame.
    Text(String),
    /// A goodbye with its code and reason.
    Closed(u16, String),
    /// The end of the connection.
    End,
}

impl WebSocketClient {
    /// Connects to `ws://HOST:PORT/PATH` and offers `mcp`; a refusal fails the test.
    pub async fn open(url: &str) -> Self {
        let opened = Self::try_open(url, &[("sec-websocket-protocol", "mcp")]).await;
        opened.unwrap_or_else(|refused| panic!("{url}: {refused:?}"))
    }

    /// Connects with just these further headers.
    pub async fn try_open(url: &str, headers: &[(&str, &str)]) -> Result<Self, Refused> {
        let uri: Uri = url.parse().unwrap_or_else(|e| panic!("URL {url}: {e}"));
        let authority = uri.authority().unwrap_or_else(|| panic!("URL {url} has no host"));
        let stream = TcpStream::connect(authority.as_str()).await;
        let stream = stream.unwrap_or_else(|e| panic!("connect to {authority}: {e}"));
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        let mut request = url.into_client_request().unwrap_or_else(|e| panic!("URL {url}: {e}"));
        for (name, value) in headers {
            let (name, value) = super::header(name, value);
            request.headers_mut().insert(name, value);
        }
        let transcript = Transcript::new(url);
        transcript.sent(format!("{:?}", request.headers()));
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let opening = timeout(PATIENCE, client_async_with_config(request, stream, Some(config))).await;
        let (socket, response) = match opening.unwrap_or_else(|_| panic!("{url}: no answer in time")) {
            Ok(opened) => opened,
            Err(Error::Http(refused)) => {
                let body = refused.body().as_deref().unwrap_or_default();
                let body = String::from_utf8_lossy(body).into_owned();
                return Err(Refused { status: refused.status().as_u16(), body });
            }
            Err(error) => panic!("{url}: {error}"),
        };
        transcript.received(format!("{} {:?}", response.status(), response.headers()));
        let selected = response.headers().get("sec-websocket-protocol");
        let subprotocol = selected.map(|name| name.to_str().expect("text").to_owned());
        let passed = Vec::new();
        Ok(Self { passed, subprotocol, pings: 0, socket, deadline: PATIENCE, next: 1, transcript })
    }

    /// Sets the deadline of each read that has none of its own.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What was said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Sends one text frame.
    pub async fn write_line(&mut self, text: &str) {
        let wrote = self.write(Frame::text(text)).await;
        wrote.unwrap_or_else(|e| panic!("write to the socket: {e}"));
    }

    /// Sends one frame.
    pub async fn write(&mut self, frame: Frame) -> Result<(), tungstenite::Error> {
        self.transcript.sent(frame.to_string());
        let sent = timeout(self.deadline, self.socket.send(frame)).await;
        sent.unwrap_or_else(|_| panic!("the socket takes nothing"))
    }

    /// The connection under the socket, to write what is no frame.
    pub fn connection(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }

    /// What comes next; silence fails the test. Pings are answered and counted.
    pub async fn read(&mut self) -> Came {
        let deadline = self.deadline;
        self.read_within(deadline).await.unwrap_or_else(|| panic!("nothing within {deadline:?}"))
    }

    /// What comes next; `None` when nothing came in time.
    pub async fn read_within(&mut self, deadline: Duration) -> Option<Came> {
        let came = timeout(deadline, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Frame::Text(text))) => return Came::Text(text.as_str().to_owned()),
                    Some(Ok(Frame::Ping(_))) => self.pings += 1,
                    Some(Ok(Frame::Close(said))) => {
                        let said = said.map(|said| (said.code.into(), said.reason.as_str().to_owned()));
                        let (code, reason) = said.unwrap_or((1005, String::new()));
                        return Came::Closed(code, reason);
                    }
                    Some(Ok(other)) => panic!("unexpected frame: {other:?}"),
                    Some(Err(_)) | None => return Came::End,
                }
            }
        });
        let came = came.await.ok()?;
        match &came {
            Came::Text(text) => self.transcript.received(text),
            Came::Closed(code, reason) => self.transcript.note(format!("goodbye: {code} {reason}")),
            Came::End => self.transcript.note("the connection ended"),
        }
        Some(came)
    }

    /// The next message; an end or a frame that is not JSON fails the test.
    pub async fn message(&mut self) -> Message {
        match self.read().await {
            Came::Text(text) => Message::parse(&text).unwrap_or_else(|e| panic!("{e} in {text}")),
            other => panic!("no message, but {other:?}"),
        }
    }

    /// Reads to the end of the socket; gives the code and reason of the goodbye, if there was one.
    pub async fn end(&mut self) -> Option<(u16, String)> {
        loop {
            match self.read().await {
                Came::Text(text) => self.passed.extend(Message::parse(&text)),
                Came::Closed(code, reason) => return Some((code, reason)),
                Came::End => return None,
            }
        }
    }

    /// Performs the handshake of MCP; gives the answer to initialize.
    pub async fn initialize(&mut self, version: &str, capabilities: &str) -> Message {
        let params = message::initialize_params(version, capabilities);
        let opening = self.request("initialize", &params).await;
        opening.result();
        self.notify("notifications/initialized", "").await;
        opening
    }

    /// Sends a request and waits for its answer; `params` is JSON text.
    pub async fn request(&mut self, method: &str, params: &str) -> Message {
        let id = self.send(method, params).await;
        self.response(&id).await
    }

    /// Sends a request without waiting; gives its id as JSON text.
    pub async fn send(&mut self, method: &str, params: &str) -> String {
        let id = self.next.to_string();
        self.next += 1;
        self.write_line(&message::request(&id, method, params)).await;
        id
    }

    /// Waits for the answer to the request `id`; other messages go to `passed`.
    pub async fn response(&mut self, id: &str) -> Message {
        loop {
            let message = self.message().await;
            if message.answers(id) {
                return message;
            }
            self.passed.push(message);
        }
    }

    /// Calls a tool; `args` is JSON text.
    pub async fn call(&mut self, tool: &str, args: &str) -> Message {
        self.request("tools/call", &message::call_params(tool, args)).await
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: &str) {
        self.write_line(&message::notification(method, params)).await;
    }

    /// Answers a request of the server; `id` and `result` are JSON text.
    pub async fn respond(&mut self, id: &str, result: &str) {
        self.write_line(&message::response(id, result)).await;
    }

    /// Says goodbye, and waits for the other side's.
    pub async fn close(mut self) {
        let _ = self.write(Frame::Close(None)).await;
        let _ = self.end().await;
    }

    /// Breaks the connection with a reset.
    pub fn reset(self) {
        self.socket.get_ref().set_zero_linger().expect("set SO_LINGER");
    }
}
