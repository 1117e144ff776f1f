//! The one place that builds HTTP clients: one origin per server, redirects by hand, answers read within bounds.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Frame, SizeHint};
use janua_wire::headers::{EVENT_STREAM, JSON};
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::message::{Message, parse_one};
use janua_wire::sse::{Decoder, Event, Item};
use reqwest::{Client, Response};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use url::Url;

use crate::config::{RemoteServer, RemoteTransport};
use crate::error::{Failure, Kind};

mod addresses;
mod dial;

use dial::{Range, cause, unreachable};

/// Redirects followed for one request.
const REDIRECTS: usize = 3;
/// So much of a body that is no answer is read, and for so long.
const ASIDE: (usize, Duration) = (64 << 10, Duration::from_secs(5));
/// A longer wait is not what a server means.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Somebody who wants to know when the last byte of a body was given to the connection.
pub(crate) trait Watcher: Send + Sync {
    fn written(&self);
}

/// Nobody wants to know.
pub(crate) struct Unwatched;

impl Watcher for Unwatched {
    fn written(&self) {}
}

/// A remote server as it was configured, and the client that reaches it.
pub(crate) struct Target {
    url: Url,
    /// Whether it speaks WebSocket, which begins as HTTP/1.1.
    socket: bool,
    headers: HeaderMap,
    range: Range,
    /// Made when it is needed: it reads certificates, which costs a start that may never use them.
    client: OnceCell<Client>,
}

/// One request on its way.
pub(crate) struct Outgoing {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<(Line, Arc<dyn Watcher>)>,
}

/// What an answer's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    EventStream,
    Other,
}

/// Why a body could not be read to its end, or that there is no more of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The stream ended properly.
    Closed,
    /// The connection broke.
    Broken(String),
    /// A message is larger than the limit; nothing behind it can be read.
    TooLarge,
}

/// The events of one answer.
pub(crate) struct Events {
    response: Response,
    decoder: Decoder,
}

impl Target {
    /// What `server` says, checked.
    pub(crate) fn new(server: &RemoteServer) -> Result<Target, Failure> {
        let wrong = |message: &'static str| Err(Failure::new(Kind::StartFailed, message));
        let range = if server.allow_private { Range::Anywhere } else { Range::Public };
        if range == Range::Public {
            // A redirect cannot lead to another host, so this holds for all that is sent.
            addresses::check(&server.url).map_err(|refused| Failure::new(Kind::StartFailed, refused.to_string()))?;
        }
        let mut url = server.url.clone();
        let plain = match url.scheme() {
            "http" | "https" => None,
            "ws" => Some("http"),
            "wss" => Some("https"),
            _ => return wrong("a remote server's address must begin with http://, https://, ws:// or wss://"),
        };
        if !url.has_host() {
            return wrong("a remote server's address must name a host");
        }
        if plain.is_some() && matches!(server.transport, RemoteTransport::Http | RemoteTransport::Sse) {
            return wrong("an address that begins with ws:// or wss:// is one of a WebSocket");
        }
        if plain.is_some_and(|plain| url.set_scheme(plain).is_err()) {
            return wrong("the remote server's address is not understood");
        }
        let socket = plain.is_some() || server.transport == RemoteTransport::Ws;
        url.set_fragment(None);
        let mut headers = HeaderMap::new();
        for (name, value) in &server.headers {
            let mut value = value.clone();
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(Target { url, socket, headers, range, client: OnceCell::new() })
    }

    /// The configured address.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the server speaks WebSocket.
    pub(crate) fn is_socket(&self) -> bool {
        self.socket
    }

    /// Asks the server to go on with WebSocket (RFC 6455, 4.1). No redirect is followed.
    pub(crate) async fn knock(&self, key: HeaderValue, protocol: HeaderValue) -> Result<Response, Failure> {
        let mut outgoing = Outgoing::bare(Method::GET, self.url.clone());
        for (name, value) in [
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_PROTOCOL, protocol),
            (SEC_WEBSOCKET_KEY, key),
        ] {
            outgoing = outgoing.header(name, value);
        }
        self.once(&outgoing, &outgoing.url).await
    }

    /// A reference of the server's, seen from `base`, if it stays where the credentials may go: same scheme, host
    /// and port. Otherwise the origin it leads to.
    pub(crate) fn resolve(&self, base: &Url, reference: &str) -> Result<Url, String> {
        let Ok(mut url) = base.join(reference) else { return Err("no address".to_owned()) };
        let origin = url.origin();
        if origin != self.url.origin() {
            return Err(origin.ascii_serialization());
        }
        // The user and password of the configured address, whatever the reference says.
        let _ = url.set_username(self.url.username());
        let _ = url.set_password(self.url.password());
        url.set_fragment(None);
        Ok(url)
    }

    /// Sends a request and gives the answer as soon as its head is there. A redirect is followed where it is
    /// certain that the server has not acted and that the same message goes to the same origin.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Result<Response, Failure> {
        let mut elsewhere = None;
        for _ in 0..=REDIRECTS {
            let url = elsewhere.as_ref().unwrap_or(&outgoing.url);
            let response = self.once(outgoing, url).await?;
            match self.redirected(url, &response)? {
                Some(next) => elsewhere = Some(next),
                None => return Ok(response),
            }
        }
        Err(Failure::new(Kind::Unreachable, "the server redirects again and again"))
    }

    async fn once(&self, outgoing: &Outgoing, url: &Url) -> Result<Response, Failure> {
        let client = self.client.get_or_try_init(|| dial::client(self.url.clone(), self.range, self.socket)).await?;
        // The builder makes a header of the address's user and password.
        let bare = client.request(outgoing.method.clone(), url.clone()).build();
        let mut request = bare.map_err(unreachable)?;
        let headers = request.headers_mut();
        headers.reserve(outgoing.headers.len() + self.headers.len());
        self.headers.keys().for_each(|name| drop(headers.remove(name)));
        for (name, value) in self.headers.iter().filter(|(name, _)| !outgoing.headers.contains_key(*name)) {
            headers.append(name.clone(), value.clone());
        }
        for (name, value) in &outgoing.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some((line, watcher)) = &outgoing.body {
            let pieces = line.parts().iter().filter(|part| !part.is_empty()).cloned().collect();
            *request.body_mut() = Some(reqwest::Body::wrap(Pieces { pieces, watcher: watcher.clone() }));
        }
        client.execute(request).await.map_err(unreachable)
    }

    fn redirected(&self, from: &Url, response: &Response) -> Result<Option<Url>, Failure> {
        let status = response.status().as_u16();
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let refuse = |message: String| Err(Failure::new(Kind::Unreachable, message));
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        match location.map(|location| self.resolve(from, location)) {
            Some(Ok(next)) if matches!(status, 307 | 308) => Ok(Some(next)),
            Some(Ok(next)) => refuse(format!(
                "the server redirects (HTTP {status}) within {}, where a message cannot follow",
                next.origin().ascii_serialization()
            )),
            Some(Err(origin)) => refuse(format!(
                "the server redirects (HTTP {status}) to {origin}, which is not followed: \
                 if that is right, it has to be configured as the server's address"
            )),
            None => refuse(format!("the server redirects (HTTP {status}) without saying where to")),
        }
    }
}

impl Outgoing {
    /// A message.
    pub(crate) fn post(url: Url, line: Line, watcher: Arc<dyn Watcher>) -> Outgoing {
        let outgoing = Outgoing { body: Some((line, watcher)), ..Outgoing::bare(Method::POST, url) };
        outgoing.header(CONTENT_TYPE, HeaderValue::from_static(JSON))
    }

    /// The opening of an event stream.
    pub(crate) fn get(url: Url) -> Outgoing {
        Outgoing::bare(Method::GET, url).header(ACCEPT, HeaderValue::from_static(EVENT_STREAM))
    }

    /// The end of a session.
    pub(crate) fn delete(url: Url) -> Outgoing {
        Outgoing::bare(Method::DELETE, url)
    }

    /// A request without a message.
    pub(crate) fn bare(method: Method, url: Url) -> Outgoing {
        Outgoing { method, url, headers: HeaderMap::new(), body: None }
    }

    /// The same with these headers beside what a message has anyway.
    pub(crate) fn headers(mut self, mut headers: HeaderMap) -> Outgoing {
        headers.extend(self.headers.drain());
        self.headers = headers;
        self
    }

    /// The same with a body that is no message of ours.
    pub(crate) fn carrying(mut self, body: Bytes) -> Outgoing {
        self.body = Some((Line::from(body), Arc::new(Unwatched)));
        self
    }

    /// The message in it.
    pub(crate) fn message(&self) -> Option<&Line> {
        self.body.as_ref().map(|(line, _)| line)
    }

    /// Whether the other one has the same headers.
    pub(crate) fn is_headed_like(&self, other: &Outgoing) -> bool {
        self.headers == other.headers
    }

    /// The same with a header; it comes before one that is configured.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Outgoing {
        self.headers.insert(name, value);
        self
    }
}

impl Media {
    /// What the answer says it is.
    pub(crate) fn of(response: &Response) -> Media {
        let named = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = named.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case(JSON) {
            Media::Json
        } else if media.eq_ignore_ascii_case(EVENT_STREAM) {
            Media::EventStream
        } else {
            Media::Other
        }
    }
}

impl Ended {
    /// What it means for a request whose answer was to be read.
    pub(crate) fn failure(&self) -> Failure {
        let failure = match self {
            Ended::Closed => Failure::new(Kind::Unreachable, "the server ended its answer before the result"),
            Ended::Broken(cause) => Failure::new(Kind::Unreachable, format!("the server's answer broke off: {cause}")),
            Ended::TooLarge => Failure::new(Kind::ResponseTooLarge, "the server sent a message larger than the limit"),
        };
        failure.after_sending()
    }
}

impl Events {
    /// The events of `response`, of at most `limit` bytes each.
    pub(crate) fn new(response: Response, limit: usize) -> Events {
        Events { response, decoder: Decoder::new(limit) }
    }

    /// The next event or reconnection time. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Item, Ended> {
        loop {
            match self.decoder.next_item() {
                Ok(Some(item)) => return Ok(item),
                Ok(None) => {}
                Err(_) => return Err(Ended::TooLarge),
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.decoder.feed(&chunk),
                Ok(None) => return Err(Ended::Closed),
                Err(error) => return Err(Ended::Broken(cause(&error.without_url()))),
            }
        }
    }
}

/// Whether an event carries a message; events without data only open a stream, or keep it open.
pub(crate) fn is_message(event: &Event) -> bool {
    !event.data.is_empty() && event.name.as_deref().is_none_or(|name| name == "message")
}

/// The whole body, if it is not larger than `limit`.
pub(crate) async fn read(response: &mut Response, limit: usize) -> Result<Bytes, Ended> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Ended::TooLarge);
    }
    let mut whole = BytesMut::new();
    loop {
        match response.chunk().await {
            // One piece needs no copy.
            Ok(Some(chunk)) if whole.is_empty() && announced == Some(chunk.len()) => return Ok(chunk),
            Ok(Some(chunk)) if whole.len() + chunk.len() > limit => return Err(Ended::TooLarge),
            Ok(Some(chunk)) => whole.extend_from_slice(&chunk),
            Ok(None) => return Ok(whole.freeze()),
            Err(error) => return Err(Ended::Broken(cause(&error.without_url()))),
        }
    }
}

/// What a body that is no answer says, as far as it is short; read, so that the connection can be used again.
pub(crate) async fn read_aside(response: &mut Response) -> Bytes {
    let (limit, patience) = ASIDE;
    timeout(patience, read(response, limit)).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// Whether `body` is the JSON-RPC error for the request `link`, or one for a request that the server could not name.
pub(crate) fn error_for(body: &Bytes, link: LinkId) -> Option<Owner> {
    match parse_one(body.clone()) {
        Ok(Message::Response(response)) if response.is_error() => match response.id() {
            None => Some(Owner::Nobody),
            Some(id) => (LinkId::parse(id) == Some(link)).then_some(Owner::Request),
        },
        _ => None,
    }
}

/// Whose error a JSON-RPC error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The request's, by its id.
    Request,
    /// It has no id.
    Nobody,
}

/// What a status that is no success means for a request, if its body says no better.
pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap) -> Failure {
    let number = status.as_u16();
    let failure = match status {
        StatusCode::UNAUTHORIZED => {
            "the server wants authorization (HTTP 401): give a token as the header 'Authorization: Bearer TOKEN'"
                .to_owned()
        }
        StatusCode::FORBIDDEN => "the server wants authorization, or another one (HTTP 403)".to_owned(),
        _ => format!("the server answered with HTTP {number}"),
    };
    let failure = Failure::new(Kind::Unreachable, failure);
    let waits = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let failure = match wait.filter(|_| waits) {
        Some(seconds) => failure.retry_after(Duration::from_secs(seconds).min(LONGEST_WAIT)),
        None => failure,
    };
    // A request that is at fault was not run; after a fault of the server nobody knows.
    if status.is_client_error() { failure } else { failure.after_sending() }
}

/// A body in pieces that are never joined, whose length is known.
struct Pieces {
    pieces: VecDeque<Bytes>,
    watcher: Arc<dyn Watcher>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        if self.pieces.is_empty() {
            self.watcher.written();
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, Failure> {
        let url = Url::parse(url).expect("a URL");
        Target::new(&RemoteServer { url, headers: Vec::new(), transport: RemoteTransport::Auto, allow_private: true })
    }

    #[test]
    fn credentials_stay_with_the_origin() {
        let target = target("https://user:pass@mcp.example/a/sse#x").expect("valid");
        let resolve = |reference| target.resolve(target.url(), reference).map(String::from);
        let here = |path: &str| Ok(format!("https://user:pass@mcp.example{path}"));
        assert_eq!(resolve("/messages?id=1"), here("/messages?id=1"));
        assert_eq!(resolve("messages"), here("/a/messages"));
        assert_eq!(resolve("?id=1"), here("/a/sse?id=1"));
        assert_eq!(resolve("https://mcp.example:443/m"), here("/m"));
        assert_eq!(resolve("https://eve@mcp.example/m"), here("/m"));
        for (foreign, origin) in [
            ("http://mcp.example/m", "http://mcp.example"),
            ("https://mcp.example:8443/m", "https://mcp.example:8443"),
            ("//evil.example/m", "https://evil.example"),
            ("https://mcp.example@evil.example/m", "https://evil.example"),
            ("https://mcp.example.evil.example/", "https://mcp.example.evil.example"),
            ("\\\\evil.example\\m", "https://evil.example"),
            ("file:///etc/passwd", "null"),
            ("https://", "no address"),
        ] {
            assert_eq!(resolve(foreign), Err(origin.to_owned()), "{foreign}");
        }
    }

    #[test]
    fn only_http_and_websocket_are_spoken() {
        for (url, reached, socket) in [
            ("http://127.0.0.1:1/mcp", "http://127.0.0.1:1/mcp", false),
            ("ws://127.0.0.1:1/ws?a=b", "http://127.0.0.1:1/ws?a=b", true),
            ("wss://mcp.example/ws", "https://mcp.example/ws", true),
        ] {
            let target = target(url).expect("valid");
            assert_eq!((target.url().as_str(), target.is_socket()), (reached, socket), "{url}");
        }
        let url = Url::parse("ws://127.0.0.1:1/").expect("a URL");
        let pinned = RemoteServer { url, headers: Vec::new(), transport: RemoteTransport::Sse, allow_private: true };
        assert!(Target::new(&pinned).is_err());
        for wrong in ["ftp://mcp.example/", "file:///tmp/x", "unix:/run/x"] {
            assert_eq!(target(wrong).err().map(|failure| failure.kind), Some(Kind::StartFailed), "{wrong}");
        }
    }

    fn for_strangers(url: &str) -> Result<Target, Failure> {
        let url = Url::parse(url).expect("a URL");
        let transport = RemoteTransport::Auto;
        Target::new(&RemoteServer { url, headers: Vec::new(), transport, allow_private: false })
    }

    #[tokio::test]
    async fn only_an_operator_can_name_an_address_of_our_own() {
        for url in ["http://127.1/mcp", "http://[::1]/mcp", "https://0xa9fea9fe/latest/meta-data"] {
            assert!(target(url).is_ok());
            let refused = for_strangers(url).err().expect("it is not public");
            assert!(refused.message.contains("public"), "{refused}");
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let named = for_strangers(&format!("http://localhost:{port}/")).expect("a name can be anything");
        let refused = named.send(&Outgoing::get(named.url().clone())).await.expect_err("it is not public");
        assert!(refused.message.contains("public") && !refused.sent, "{refused}");
        listener.set_nonblocking(true).expect("it can be asked");
        assert!(listener.accept().is_err(), "somebody connected");
    }

    #[test]
    fn a_status_says_whether_the_request_may_have_run() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let busy = refusal(StatusCode::TOO_MANY_REQUESTS, &headers);
        assert_eq!((busy.sent, busy.retry_after), (false, Some(Duration::from_secs(7))));
        let broken = refusal(StatusCode::BAD_GATEWAY, &headers);
        assert_eq!((broken.sent, broken.retry_after), (true, None));
        assert!(broken.message.contains("502"), "{broken}");
    }

    #[test]
    fn an_error_belongs_to_its_request_or_to_nobody() {
        let whose = |text: &'static str| error_for(&Bytes::from_static(text.as_bytes()), LinkId(7));
        let error = r#""error":{"code":-32000,"message":"no"}}"#;
        let of = |id: &str| error_for(&format!("{{\"jsonrpc\":\"2.0\",{id}{error}").into(), LinkId(7));
        assert_eq!(of("\"id\":7,"), Some(Owner::Request));
        assert_eq!(of("\"id\":null,"), Some(Owner::Nobody));
        assert_eq!(of(""), Some(Owner::Nobody));
        assert_eq!(of("\"id\":8,"), None);
        assert_eq!(whose(r#"{"error":"invalid_token"}"#), None);
        assert_eq!(whose(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), None);
        assert_eq!(whose("<html>"), None);
    }
}
