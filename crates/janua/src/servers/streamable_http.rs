//! Streamable HTTP toward a server (2025-03-26 to 2025-11-25): a POST per message, streams that are taken up again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue, StatusCode};
use janua_wire::headers::LAST_EVENT_ID;
use janua_wire::id::LinkId;
use janua_wire::json::quote;
use janua_wire::line::Line;
use janua_wire::message::{Message, Request, parse_one};
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::sse::Item;
use janua_wire::version::Version;
use reqwest::Response;
use tokio::time::{sleep, timeout};

use crate::error::{Failure, Kind};
use crate::servers::http_client::{self, Ended, Events, Media, Outgoing, Owner};
use crate::servers::remote::Unopened;
use crate::servers::remote::link::{Link, Reach, Shared};
use crate::servers::remote::posts::{Carrier, Label, Parcel, Way};
use crate::servers::{Connection, Opened, Opening, Refusal};

mod mark;
mod sessions;

use mark::Mark;
use sessions::{Session, Sessions};

/// What a request's answer may be.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// So long a stream is read on after the answer: the server should close it, but may have more to say.
const LINGER: Duration = Duration::from_secs(5);
/// Time before a session is opened for the sake of its stream only.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end of a session may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// One link: a session with the server, and others after it if the server loses it.
struct Streamable {
    link: Arc<Shared>,
    sessions: Sessions,
    /// The revision the server chose; unset until it has opened.
    version: OnceLock<Version>,
    listening: AtomicBool,
    /// Whether a GET has ever given a stream.
    streamed: AtomicBool,
    /// The answer that refused to open, if it was no success.
    refused: OnceLock<(StatusCode, Bytes)>,
}

/// A link whose server has answered `initialize`.
pub(crate) struct Ready {
    link: Link,
    carrier: Arc<Streamable>,
    opened: Opened,
}

/// What became of a POST.
enum Posted {
    /// It was settled, one way or the other.
    Settled,
    /// The server did not take it: it does not know the session.
    Lost,
}

/// Why a GET gave no stream.
enum NoStream {
    /// There will be none.
    Never(Failure),
    /// There may be one later.
    Later(Failure),
}

/// Opens a link: `initialize` is the first POST. A server that refuses the revision, and names another that both
/// know, is asked again with that one.
pub(crate) async fn open(reach: &Reach, opening: &Opening) -> Result<Ready, Unopened> {
    let unopened = match begin(reach, opening).await {
        Ok(ready) => return Ok(ready),
        Err(unopened) => unopened,
    };
    match unopened.offer {
        Some(offer) => begin(reach, &asking(opening, offer)).await,
        None => Err(unopened),
    }
}

async fn begin(reach: &Reach, opening: &Opening) -> Result<Ready, Unopened> {
    let shared = Shared::new(reach);
    let carrier = Arc::new(Streamable {
        link: shared.clone(),
        sessions: Sessions::new(opening),
        version: OnceLock::new(),
        listening: AtomicBool::new(false),
        streamed: AtomicBool::new(false),
        refused: OnceLock::new(),
    });
    let link = Link::new(shared, carrier.clone(), opening);
    match link.initialize(opening).await {
        Ok(opened) => {
            let _ = carrier.version.set(opened.version);
            Ok(Ready { link, carrier, opened })
        }
        Err(refusal) => {
            let refused = carrier.refused.get();
            let said = match &refusal {
                Refusal::ByServer(response) => response.body(),
                Refusal::Failed(_) => refused.map_or(&b""[..], |(_, body)| body),
            };
            let offer = offered(said, opening.version);
            Err(Unopened { refusal, status: refused.map(|(status, _)| *status), offer })
        }
    }
}

/// The same opening for another revision.
fn asking(opening: &Opening, version: Version) -> Opening {
    let whole = raw::whole(&opening.params);
    let span = raw::find(&opening.params, whole, "protocolVersion");
    let named = quote(version.name());
    let params = span.map(|span| raw::replace(&opening.params, span, named.as_bytes()).into());
    Opening { params: params.unwrap_or_else(|| opening.params.clone()), version, ..opening.clone() }
}

/// The newest revision older than `asked` that a complaint about the revision names.
fn offered(complaint: &[u8], asked: Version) -> Option<Version> {
    let text = String::from_utf8_lossy(complaint).to_ascii_lowercase();
    if !text.contains("version") || !text.contains("support") {
        return None;
    }
    Version::ALL.into_iter().rev().find(|version| *version < asked && text.contains(version.name()))
}

impl Ready {
    /// Whether the server knows its client again. One that does not can never ask it anything.
    pub(crate) fn has_session(&self) -> bool {
        self.carrier.sessions.now().id.is_some()
    }

    /// The link, ready for use.
    pub(crate) fn into_connection(self, opening: &Opening) -> Arc<dyn Connection> {
        self.link.into_connection(self.opened, opening)
    }
}

impl Carrier for Streamable {
    fn label(&self, request: &Request) -> Label {
        self.sessions.note(request);
        Label::default()
    }

    fn carry(self: Arc<Self>, parcel: Parcel, way: Way) -> BoxFuture<'static, ()> {
        async move { self.post(parcel.line, parcel.about, way).await }.boxed()
    }

    /// The GET stream is opened as soon as the server knows that its client is ready: servers ask `roots/list`
    /// just then, and the question is lost if there is no stream for it.
    fn passed(self: Arc<Self>, line: &Line) {
        if self.listening.load(Ordering::Relaxed) || !is_initialized(line) {
            return;
        }
        if !self.listening.swap(true, Ordering::Relaxed) {
            let streamable = self.clone();
            self.link.spawn("server stream", async move { streamable.listen().await });
        }
    }

    fn farewell(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move {
            let session = self.sessions.now();
            if session.id.is_some() {
                let outgoing = self.dressed(Outgoing::delete(self.link.target.url().clone()), &session);
                // The server need not know about ends, or may be gone: nothing to be done about it.
                let _ = timeout(FAREWELL, self.link.target.send(&outgoing)).await;
            }
        }
        .boxed()
    }
}

fn is_initialized(line: &Line) -> bool {
    let message = parse_one(line.clone().into_bytes());
    matches!(message, Ok(Message::Notification(news)) if news.method() == Method::Initialized)
}

/// An answer to a question that was asked in another session means nothing to anybody.
fn is_answer(line: &Line) -> bool {
    matches!(parse_one(line.clone().into_bytes()), Ok(Message::Response(_)))
}

impl Streamable {
    /// Sends a message. If the server has lost the session, it did not take the message: there is a new session, and
    /// it goes there once.
    async fn post(&self, message: Line, about: Option<LinkId>, mut way: Way) {
        let session = self.sessions.now();
        if let Posted::Settled = self.attempt(&message, about, &session, &mut way).await {
            return;
        }
        if let Err(failure) = self.sessions.renew(&self.link, session.number, self.version.get().copied()).await {
            self.link.fail(about, failure.clone());
            return self.link.over(&failure);
        }
        if about.is_none() && is_answer(&message) {
            return;
        }
        let session = self.sessions.now();
        if let Posted::Lost = self.attempt(&message, about, &session, &mut way).await {
            let failure = Failure::new(Kind::SessionLost, "the server ends its sessions as soon as they begin");
            self.link.fail(about, failure.clone());
            self.link.over(&failure);
        }
    }

    async fn attempt(&self, message: &Line, about: Option<LinkId>, session: &Session, way: &mut Way) -> Posted {
        let url = self.link.target.url().clone();
        let outgoing = Outgoing::post(url, message.clone(), way.watcher()).header(ACCEPT, BOTH);
        let mut response = match self.link.target.send(&self.dressed(outgoing, session)).await {
            Ok(response) => response,
            Err(failure) => {
                self.link.fail(about, failure);
                return Posted::Settled;
            }
        };
        if !response.status().is_success() {
            let posted = self.refused(about, session, response).await;
            way.answered();
            return posted;
        }
        way.answered();
        let Some(link) = about else {
            http_client::read_aside(&mut response).await;
            return Posted::Settled;
        };
        if self.version.get().is_none() {
            self.sessions.adopt(&response);
        }
        match Media::of(&response) {
            Media::Json => self.answer(link, response).await,
            Media::EventStream => {
                let events = Events::new(response, self.link.limits.server_message);
                self.follow(link, events, session).await;
            }
            Media::Other => {
                let number = response.status().as_u16();
                self.invalid(link, format!("the server answered with HTTP {number} and no message"));
            }
        }
        Posted::Settled
    }

    /// The headers of every request after the first.
    fn dressed(&self, outgoing: Outgoing, session: &Session) -> Outgoing {
        session.dressed(outgoing, self.version.get().copied())
    }

    async fn answer(&self, link: LinkId, mut response: Response) {
        match http_client::read(&mut response, self.link.limits.server_message).await {
            Ok(body) => {
                self.link.receive(body, Some(link)).await;
                self.invalid(link, "the server's answer holds no result for the request".to_owned());
            }
            Err(ended) => self.link.fail(Some(link), ended.failure()),
        }
    }

    /// Fails a request that is still waiting although its answer has come.
    fn invalid(&self, link: LinkId, message: String) {
        self.link.fail(Some(link), Failure::new(Kind::InvalidResponse, message).after_sending());
    }

    /// Reads a request's stream, and takes it up again where it broke, until the request is settled or its session is
    /// gone. The request itself is never sent again.
    async fn follow(&self, link: LinkId, events: Events, session: &Session) {
        tokio::select! {
            biased;
            () = self.read_to_answer(link, events, session) => {}
            () = self.sessions.after(session.number) => {
                self.link.fail(Some(link), sessions::lost().after_sending());
            }
        }
    }

    async fn read_to_answer(&self, link: LinkId, mut events: Events, session: &Session) {
        let mut mark = Mark::default();
        loop {
            let ended = self.read(&mut events, &mut mark, Some(link)).await;
            if !self.link.awaits(link) {
                return;
            }
            if mark.last.is_none() || ended == Ended::TooLarge {
                return self.link.fail(Some(link), ended.failure());
            }
            events = match self.reopen(&mut mark, session).await {
                Ok(events) => events,
                Err(failure) => return self.link.fail(Some(link), failure.after_sending()),
            };
        }
    }

    /// Reads the streams that belong to no request, one session's after another.
    async fn listen(&self) {
        loop {
            let session = self.sessions.now();
            let why = tokio::select! {
                () = self.sessions.after(session.number) => continue,
                why = self.listen_in(&session) => why,
            };
            if why.kind != Kind::SessionLost {
                return tracing::debug!(reason = %why, "no stream of the server's own");
            }
            // No hurry: a server that ends every session must not be kept busy with them.
            sleep(PAUSE).await;
            if let Err(failure) = self.sessions.renew(&self.link, session.number, self.version.get().copied()).await {
                return self.link.over(&failure);
            }
        }
    }

    /// Reads the session's stream that belongs to no request, as long as the server offers one.
    async fn listen_in(&self, session: &Session) -> Failure {
        let mut mark = Mark::default();
        let mut opened = self.get(&mark, session).await;
        match &opened {
            Ok(_) => self.link.has_own_stream(true),
            Err(NoStream::Never(_)) => self.link.has_own_stream(false),
            Err(NoStream::Later(_)) => {}
        }
        loop {
            let mut events = match opened {
                Ok(events) => events,
                Err(NoStream::Never(why)) => return why,
                Err(NoStream::Later(why)) => {
                    tracing::debug!(reason = %why, "the server's own stream is not to be had now");
                    mark.misses += 1;
                    opened = self.reopen(&mut mark, session).await.map_err(NoStream::Never);
                    continue;
                }
            };
            if self.read(&mut events, &mut mark, None).await == Ended::TooLarge {
                tracing::warn!("skipped the server's stream: a message on it is larger than the limit");
                mark.last = None;
            }
            opened = self.reopen(&mut mark, session).await.map_err(NoStream::Never);
        }
    }

    async fn read(&self, events: &mut Events, mark: &mut Mark, about: Option<LinkId>) -> Ended {
        let mut fruitless = true;
        loop {
            let settled = about.is_some_and(|link| !self.link.awaits(link));
            let next = if settled {
                timeout(LINGER, events.next()).await.unwrap_or(Err(Ended::Closed))
            } else {
                events.next().await
            };
            match next {
                Ok(Item::Retry(ms)) => mark.names(ms),
                Ok(Item::Event(event)) => {
                    fruitless = false;
                    mark.saw(&event);
                    if http_client::is_message(&event) {
                        self.link.receive(event.data, about).await;
                    }
                }
                Err(ended) => {
                    // A server that names a time wants to be polled; others should not be troubled for nothing.
                    mark.misses += u32::from(fruitless && mark.retry.is_none());
                    return ended;
                }
            }
        }
    }

    /// Takes up a stream again after its time, and tries on as long as that may help.
    async fn reopen(&self, mark: &mut Mark, session: &Session) -> Result<Events, Failure> {
        loop {
            sleep(mark.wait()).await;
            match self.get(mark, session).await {
                Ok(events) => return Ok(events),
                Err(NoStream::Never(failure)) => return Err(failure),
                Err(NoStream::Later(failure)) => {
                    tracing::debug!(reason = %failure, "cannot take up a stream of the server");
                    mark.misses += 1;
                }
            }
        }
    }

    async fn get(&self, mark: &Mark, session: &Session) -> Result<Events, NoStream> {
        let mut outgoing = Outgoing::get(self.link.target.url().clone());
        let last = mark.last.as_ref().and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok());
        if let Some(last) = last {
            outgoing = outgoing.header(HeaderName::from_static(LAST_EVENT_ID), last);
        }
        let sent = self.link.target.send(&self.dressed(outgoing, session)).await;
        let mut response = sent.map_err(NoStream::Later)?;
        let status = response.status();
        if status.is_success() {
            if Media::of(&response) == Media::EventStream {
                self.streamed.store(true, Ordering::Relaxed);
                return Ok(Events::new(response, self.link.limits.server_message));
            }
            let message = "the server answered with something that is no event stream";
            return Err(NoStream::Never(Failure::new(Kind::InvalidResponse, message)));
        }
        let body = http_client::read_aside(&mut response).await;
        let failure = http_client::refusal(status, response.headers());
        // Servers that know no GET at all answer 404 as well; then the next POST tells about the session.
        let knows_get = self.streamed.load(Ordering::Relaxed) || names_session(&body);
        if knows_get && is_lost(session, status, &body) {
            return Err(NoStream::Never(sessions::lost()));
        }
        let passing = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        if passing || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
            return Err(NoStream::Later(failure));
        }
        Err(NoStream::Never(failure))
    }

    /// The server answered a POST with an HTTP error.
    async fn refused(&self, about: Option<LinkId>, session: &Session, mut response: Response) -> Posted {
        let status = response.status();
        let body = http_client::read_aside(&mut response).await;
        let owner = about.and_then(|link| http_client::error_for(&body, link));
        // An error that names the request is about the request, whatever words are in it.
        let own = status == StatusCode::BAD_REQUEST && owner == Some(Owner::Request);
        if !own && is_lost(session, status, &body) {
            return Posted::Lost;
        }
        if self.version.get().is_none() {
            let _ = self.refused.set((status, body.clone()));
        }
        if owner.is_some() {
            self.link.receive(body, about).await;
        } else {
            self.link.fail(about, http_client::refusal(status, response.headers()));
        }
        Posted::Settled
    }
}

/// Whether an answer says that the session is gone: 404 in the specification, 400 with words at servers built on the
/// TypeScript SDK.
fn is_lost(session: &Session, status: StatusCode, body: &Bytes) -> bool {
    let says_so = status == StatusCode::NOT_FOUND || (status == StatusCode::BAD_REQUEST && names_session(body));
    session.id.is_some() && says_so
}

fn names_session(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    text.contains("session") || text.contains("not initialized")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_session_is_recognised_by_its_words() {
        let said =
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID"},"id":null}"#;
        assert!(names_session(said.as_bytes()));
        assert!(names_session(b"Bad Request: Server not initialized"));
        assert!(!names_session(b"{\"error\":\"unsupported protocol version\"}"));
    }

    #[test]
    fn a_complaint_about_the_revision_names_others() {
        let told = br#"{"code":-32602,"message":"Unsupported protocol version","data":{"supported":["2024-11-05","2025-06-18","2026-07-28"]}}"#;
        let older = |complaint| offered(complaint, Version::V2025_11_25);
        assert_eq!(older(told), Some(Version::V2025_06_18));
        let words = b"Unsupported protocol version 2025-11-25 (supported versions: 2025-03-26, 2024-11-05)";
        assert_eq!(older(words), Some(Version::V2025_03_26));
        assert_eq!(offered(words, Version::V2025_03_26), Some(Version::V2024_11_05));
        assert_eq!(offered(words, Version::V2024_11_05), None);
        assert_eq!(older(b"unsupported version"), None);
        assert_eq!(older(b"no such tool, as of 2025-06-18"), None);
    }

    #[test]
    fn only_the_notification_opens_the_stream() {
        let line = |text: &'static str| Line::One(Bytes::from_static(text.as_bytes()));
        assert!(is_initialized(&line(r#"{"method":"notifications\/initialized","jsonrpc":"2.0"}"#)));
        assert!(!is_initialized(&line(r#"{"jsonrpc":"2.0","id":1,"result":{"a":"notifications/initialized"}}"#)));
    }
}
