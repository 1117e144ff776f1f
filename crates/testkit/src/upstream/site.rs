//! A listening socket on a free port, its connections, and a record of every request.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::client::message::Message;
use crate::process::eventually;
use crate::transcript::Transcript;

/// One request that reached the server.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Time since the server started.
    pub at: Duration,
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body as text.
    pub body: String,
}

/// A running server socket. Dropping it closes the socket and every connection.
#[derive(Debug)]
pub struct Site {
    addr: SocketAddr,
    record: Arc<Record>,
    accepting: JoinHandle<()>,
    cut: watch::Sender<u64>,
    transcript: Transcript,
}

/// The answer that is none: the connection is closed instead.
#[derive(Debug)]
pub(crate) struct HangUp;

/// A response body: known as a whole, or written piece by piece.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it, taken by the first read.
    Whole(Bytes),
    /// Pieces as they come, and whether the next poll breaks the connection.
    Piped(mpsc::Receiver<Piece>, bool),
}

/// A part of a piped body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes.
    Data(Bytes),
    /// The connection breaks here, without the body's proper end.
    Cut,
}

#[derive(Debug)]
struct Record {
    started: Instant,
    seen: Mutex<Vec<Seen>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
}

struct Open(Arc<Record>);

impl Seen {
    /// A header's first value, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as a message, when it is one.
    pub fn message(&self) -> Option<Message> {
        Message::parse(&self.body).ok()
    }

    /// The method of the message in the body.
    pub fn rpc(&self) -> Option<String> {
        self.message()?.method().map(str::to_owned)
    }

    /// A parameter of the query, as it stands.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

impl Site {
    /// Listens on 127.0.0.1 at `port`, 0 for a free one, and answers with `respond`.
    pub(crate) async fn start<F, A>(port: u16, transcript: &Transcript, respond: F) -> Self
    where
        F: Fn(Seen) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<Body>, HangUp>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.unwrap_or_else(|e| panic!("listen on port {port}: {e}"));
        let addr = listener.local_addr().expect("address of a listening socket");
        let record = Arc::new(Record {
            started: Instant::now(),
            seen: Mutex::new(Vec::new()),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        transcript.note(format!("listening at {addr}"));
        let (cut, watching) = watch::channel(0);
        let door = Door { record: Arc::clone(&record), transcript: transcript.clone(), respond };
        let accepting = tokio::spawn(accept(listener, Arc::new(door), watching));
        Self { addr, record, accepting, cut, transcript: transcript.clone() }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The full URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.record.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests with this HTTP method.
    pub fn seen_http(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|s| s.method == method).collect()
    }

    /// The requests whose message has this method.
    pub fn seen_rpc(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|s| s.rpc().as_deref() == Some(method)).collect()
    }

    /// Waits until a request fits; false when the deadline passed first.
    #[must_use = "says whether it was seen"]
    pub async fn wait_seen(&self, deadline: Duration, fits: impl Fn(&Seen) -> bool) -> bool {
        eventually(deadline, || self.seen().iter().any(&fits)).await
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.record.accepted.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.record.open.load(Ordering::SeqCst)
    }

    /// Closes every connection without ending what is being sent; new ones are welcome.
    pub fn cut_connections(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    /// What was received and answered so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Body {
    pub(crate) fn whole(text: String) -> Self {
        Body::Whole(text.into())
    }

    /// A piped body and its writing end; the body ends properly when the writing end is dropped.
    pub(crate) fn piped() -> (mpsc::Sender<Piece>, Self) {
        // A full pipe makes the writer wait, as a slow reader should.
        let (sender, receiver) = mpsc::channel(16);
        (sender, Body::Piped(receiver, false))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Piped(_, true) => Poll::Ready(Some(Err(io::Error::other("cut on purpose")))),
            Body::Piped(pieces, cutting) => match ready!(pieces.poll_recv(cx)) {
                None => Poll::Ready(None),
                Some(Piece::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                // hyper drops what it has not flushed when a body fails, and flushes when it waits.
                Some(Piece::Cut) => {
                    *cutting = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Piped(..) => SizeHint::default(),
        }
    }
}

impl fmt::Display for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up on purpose")
    }
}

impl std::error::Error for HangUp {}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Door<F> {
    record: Arc<Record>,
    transcript: Transcript,
    respond: F,
}

async fn accept<F, A>(listener: TcpListener, door: Arc<Door<F>>, mut cut: watch::Receiver<u64>)
where
    F: Fn(Seen) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response<Body>, HangUp>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                door.record.accepted.fetch_add(1, Ordering::SeqCst);
                door.record.open.fetch_add(1, Ordering::SeqCst);
                let open = Open(Arc::clone(&door.record));
                connections.spawn(serve(stream, Arc::clone(&door), open));
            }
            Ok(()) = cut.changed() => connections.abort_all(),
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<F, A>(stream: TcpStream, door: Arc<Door<F>>, _open: Open)
where
    F: Fn(Seen) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response<Body>, HangUp>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { door.answer(request).await }
    });
    // A broken connection is what many tests are about; the client's side tells them.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl<F, A> Door<F>
where
    F: Fn(Seen) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response<Body>, HangUp>> + Send + 'static,
{
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, HangUp> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
        let seen = Seen {
            at: self.record.started.elapsed(),
            method: parts.method,
            path: parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        let Seen { method, path, headers, body, .. } = &seen;
        self.transcript.received(format!("{method} {path} {headers:?} {body}"));
        self.record.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
        let answer = (self.respond)(seen).await;
        match &answer {
            Ok(response) => self.transcript.sent(shown(response)),
            Err(HangUp) => self.transcript.note("hung up"),
        }
        answer
    }
}

fn shown(response: &Response<Body>) -> String {
    let body = match response.body() {
        Body::Whole(bytes) => String::from_utf8_lossy(bytes),
        Body::Piped(..) => "(a stream)".into(),
    };
    format!("{} {:?} {body}", response.status(), response.headers())
}

/// Never returns: for a server that takes a request and stays silent.
pub(crate) async fn silence() -> Infallible {
    std::future::pending().await
}
