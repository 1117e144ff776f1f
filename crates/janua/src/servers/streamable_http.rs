//! Streamable HTTP toward a server (2025-03-26 to 2025-11-25): a POST per message, streams that are taken up again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue, StatusCode};
use janua_wire::headers::{LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID};
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::message::{Message, parse_one};
use janua_wire::method::Method;
use janua_wire::sse::{Event, Item};
use janua_wire::version::Version;
use reqwest::Response;
use tokio::time::{sleep, timeout};

use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::random::jitter;
use crate::servers::http_client::{self, Ended, Events, Media, Outgoing, Owner};
use crate::servers::remote::link::{Link, Reach, Shared};
use crate::servers::remote::posts::{Carrier, Way};
use crate::servers::{Connection, Opening, Refusal};

/// What a request's answer may be.
const BOTH: &str = "application/json, text/event-stream";
/// Time before a stream is taken up again, unless the server names one.
const RETRY: Duration = Duration::from_secs(1);
/// The shortest and the longest time a server can name.
const RETRY_BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_hours(1));
/// The longest time between attempts of ours.
const RETRY_MOST: Duration = Duration::from_secs(30);
/// So long a stream is read on after the answer: the server should close it, but may have more to say.
const LINGER: Duration = Duration::from_secs(5);
/// A longer event id is not sent back: it would not fit into a header.
const ID_MOST: usize = 1024;
/// How long the end of a session may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// One session with the server.
struct Streamable {
    link: Arc<Shared>,
    /// The session's id, if the server gave one.
    session: Lock<Option<HeaderValue>>,
    /// The revision the server chose; unset until it has opened.
    version: OnceLock<Version>,
    listening: AtomicBool,
    /// Whether a GET has ever given a stream.
    streamed: AtomicBool,
    /// The status that refused to open, if no message said why.
    refused: OnceLock<StatusCode>,
}

/// Why there is no link.
pub(crate) struct Unopened {
    pub(crate) refusal: Refusal,
    /// The HTTP status, if there is nothing else to tell.
    pub(crate) status: Option<StatusCode>,
}

/// Where a stream is to be taken up again, and when.
#[derive(Debug, Default)]
struct Mark {
    last: Option<String>,
    retry: Option<Duration>,
    /// Attempts in a row that brought nothing.
    misses: u32,
}

/// Why a GET gave no stream.
enum NoStream {
    /// There will be none.
    Never(Failure),
    /// There may be one later.
    Later(Failure),
}

/// Opens a link: `initialize` is the first POST.
pub(crate) async fn open(reach: &Reach, opening: &Opening) -> Result<Arc<dyn Connection>, Unopened> {
    let shared = Shared::new(reach);
    let carrier = Arc::new(Streamable {
        link: shared.clone(),
        session: Lock::default(),
        version: OnceLock::new(),
        listening: AtomicBool::new(false),
        streamed: AtomicBool::new(false),
        refused: OnceLock::new(),
    });
    let link = Link::new(shared, carrier.clone(), opening);
    match link.initialize(opening).await {
        Ok(opened) => {
            let _ = carrier.version.set(opened.version);
            Ok(link.into_connection(opened, opening))
        }
        Err(refusal) => Err(Unopened { refusal, status: carrier.refused.get().copied() }),
    }
}

impl Carrier for Streamable {
    fn carry(self: Arc<Self>, line: Line, about: Option<LinkId>, way: Way) -> BoxFuture<'static, ()> {
        async move { self.post(line, about, way).await }.boxed()
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
            if self.session.lock().is_some() {
                let outgoing = self.dressed(Outgoing::delete(self.link.target.url().clone()));
                // The server need not know about ends, or may be gone: nothing to be done about it.
                let _ = timeout(FAREWELL, self.link.target.send(outgoing)).await;
            }
        }
        .boxed()
    }
}

fn is_initialized(line: &Line) -> bool {
    let message = parse_one(line.clone().into_bytes());
    matches!(message, Ok(Message::Notification(news)) if news.method() == Method::Initialized)
}

impl Streamable {
    async fn post(&self, message: Line, about: Option<LinkId>, mut way: Way) {
        let url = self.link.target.url().clone();
        let outgoing = Outgoing::post(url, message, way.written()).header(ACCEPT, HeaderValue::from_static(BOTH));
        let mut response = match self.link.target.send(self.dressed(outgoing)).await {
            Ok(response) => response,
            Err(failure) => return self.link.fail(about, failure),
        };
        way.answered();
        if !response.status().is_success() {
            return self.refused(about, response).await;
        }
        let Some(link) = about else {
            http_client::read_aside(&mut response).await;
            return;
        };
        if self.version.get().is_none() {
            self.adopt(&response);
        }
        match Media::of(&response) {
            Media::Json => self.answer(link, response).await,
            Media::EventStream => {
                self.follow(link, Events::new(response, self.link.limits.server_message)).await;
            }
            Media::Other => {
                let number = response.status().as_u16();
                self.invalid(link, format!("the server answered with HTTP {number} and no message"));
            }
        }
    }

    /// The headers of every request after the first.
    fn dressed(&self, mut outgoing: Outgoing) -> Outgoing {
        if let Some(session) = self.session.lock().clone() {
            outgoing = outgoing.header(HeaderName::from_static(SESSION_ID), session);
        }
        // The header came with 2025-06-18.
        match self.version.get() {
            Some(version) if *version >= Version::V2025_06_18 => {
                let value = HeaderValue::from_static(version.name());
                outgoing.header(HeaderName::from_static(PROTOCOL_VERSION), value)
            }
            _ => outgoing,
        }
    }

    /// Takes the session's id from the answer to `initialize`.
    fn adopt(&self, response: &Response) {
        if let Some(id) = response.headers().get(SESSION_ID) {
            let mut id = id.clone();
            id.set_sensitive(true);
            *self.session.lock() = Some(id);
        }
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

    /// Reads a request's stream, and takes it up again where it broke, until the request is settled. The request
    /// itself is never sent again.
    async fn follow(&self, link: LinkId, mut events: Events) {
        let mut mark = Mark::default();
        loop {
            let ended = self.read(&mut events, &mut mark, Some(link)).await;
            if !self.link.awaits(link) {
                return;
            }
            if mark.last.is_none() || ended == Ended::TooLarge {
                return self.link.fail(Some(link), ended.failure());
            }
            events = match self.reopen(&mut mark).await {
                Ok(events) => events,
                Err(failure) => return self.link.fail(Some(link), failure.after_sending()),
            };
        }
    }

    /// Reads the stream that belongs to no request, as long as the server offers one.
    async fn listen(&self) {
        let mut mark = Mark::default();
        let mut opened = self.get(&mark).await;
        loop {
            let mut events = match opened {
                Ok(events) => events,
                Err(NoStream::Never(why)) => return tracing::debug!(reason = %why, "no stream of the server's own"),
                Err(NoStream::Later(why)) => {
                    tracing::debug!(reason = %why, "the server's own stream is not to be had now");
                    mark.misses += 1;
                    opened = self.reopen(&mut mark).await.map_err(NoStream::Never);
                    continue;
                }
            };
            if self.read(&mut events, &mut mark, None).await == Ended::TooLarge {
                tracing::warn!("skipped the server's stream: a message on it is larger than the limit");
                mark.last = None;
            }
            opened = self.reopen(&mut mark).await.map_err(NoStream::Never);
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
    async fn reopen(&self, mark: &mut Mark) -> Result<Events, Failure> {
        loop {
            sleep(mark.wait()).await;
            match self.get(mark).await {
                Ok(events) => return Ok(events),
                Err(NoStream::Never(failure)) => return Err(failure),
                Err(NoStream::Later(failure)) => {
                    tracing::debug!(reason = %failure, "cannot take up a stream of the server");
                    mark.misses += 1;
                }
            }
        }
    }

    async fn get(&self, mark: &Mark) -> Result<Events, NoStream> {
        let mut outgoing = Outgoing::get(self.link.target.url().clone());
        let last = mark.last.as_ref().and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok());
        if let Some(last) = last {
            outgoing = outgoing.header(HeaderName::from_static(LAST_EVENT_ID), last);
        }
        let sent = self.link.target.send(self.dressed(outgoing)).await;
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
        if knows_get && self.is_lost(status, &body) {
            self.lost(None);
        }
        let passing = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        if passing || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
            return Err(NoStream::Later(failure));
        }
        Err(NoStream::Never(failure))
    }

    /// The server answered a POST with an HTTP error.
    async fn refused(&self, about: Option<LinkId>, mut response: Response) {
        let status = response.status();
        let body = http_client::read_aside(&mut response).await;
        let owner = about.and_then(|link| http_client::error_for(&body, link));
        // An error that names the request is about the request, whatever words are in it.
        let own = status == StatusCode::BAD_REQUEST && owner == Some(Owner::Request);
        if !own && self.is_lost(status, &body) {
            return self.lost(about);
        }
        if owner.is_some() {
            return self.link.receive(body, about).await;
        }
        if self.version.get().is_none() {
            let _ = self.refused.set(status);
        }
        self.link.fail(about, http_client::refusal(status, response.headers()));
    }

    /// Whether an answer says that the session is gone: 404 in the specification, 400 with words at servers built
    /// on the TypeScript SDK.
    fn is_lost(&self, status: StatusCode, body: &Bytes) -> bool {
        if self.session.lock().is_none() {
            return false;
        }
        status == StatusCode::NOT_FOUND || (status == StatusCode::BAD_REQUEST && names_session(body))
    }

    fn lost(&self, about: Option<LinkId>) {
        // There is nothing left to delete.
        *self.session.lock() = None;
        let failure = Failure::new(Kind::SessionLost, "the server has ended the session");
        self.link.fail(about, failure.clone());
        self.link.over(&failure);
    }
}

fn names_session(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    text.contains("session") || text.contains("not initialized")
}

impl Mark {
    fn saw(&mut self, event: &Event) {
        self.misses = 0;
        if let Some(id) = &event.id {
            self.last = Some(id.clone()).filter(|id| !id.is_empty() && id.len() <= ID_MOST);
        }
    }

    fn names(&mut self, ms: u64) {
        let (least, most) = RETRY_BOUNDS;
        self.retry = Some(Duration::from_millis(ms).clamp(least, most));
    }

    /// The server's time, or doubled with every attempt that brings nothing; never less than the server's.
    fn wait(&self) -> Duration {
        let base = self.retry.unwrap_or(RETRY);
        if self.misses == 0 {
            return base;
        }
        let doubled = base.saturating_mul(1 << self.misses.min(10)).min(RETRY_MOST);
        doubled.mul_f64(jitter()).max(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>) -> Event {
        Event { id: id.map(str::to_owned), ..Event::default() }
    }

    #[test]
    fn a_stream_is_taken_up_at_the_servers_pace_and_slower_when_it_fails() {
        let mut mark = Mark::default();
        assert_eq!(mark.wait(), RETRY);
        mark.misses = 3;
        let wait = mark.wait();
        assert!((Duration::from_millis(6400)..=Duration::from_millis(9600)).contains(&wait), "{wait:?}");
        mark.misses = 40;
        assert!(mark.wait() <= RETRY_MOST.mul_f64(1.2), "{:?}", mark.wait());
        mark.names(60_000);
        assert_eq!(mark.wait(), Duration::from_secs(60));
        mark.names(0);
        mark.saw(&event(None));
        assert_eq!(mark.wait(), RETRY_BOUNDS.0);
        mark.names(u64::MAX);
        assert_eq!(mark.wait(), RETRY_BOUNDS.1);
    }

    #[test]
    fn the_last_id_is_kept_until_another_comes() {
        let mut mark = Mark::default();
        for (given, kept) in [(None, None), (Some("a"), Some("a")), (None, Some("a")), (Some(""), None)] {
            mark.saw(&event(given));
            assert_eq!(mark.last.as_deref(), kept, "after {given:?}");
        }
        mark.saw(&event(Some(&"x".repeat(ID_MOST + 1))));
        assert_eq!(mark.last, None);
    }

    #[test]
    fn a_dead_session_is_recognised_by_its_words() {
        let said =
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID"},"id":null}"#;
        assert!(names_session(said.as_bytes()));
        assert!(names_session(b"Bad Request: Server not initialized"));
        assert!(!names_session(b"{\"error\":\"unsupported protocol version\"}"));
    }

    #[test]
    fn only_the_notification_opens_the_stream() {
        let line = |text: &'static str| Line::One(Bytes::from_static(text.as_bytes()));
        assert!(is_initialized(&line(r#"{"method":"notifications\/initialized","jsonrpc":"2.0"}"#)));
        assert!(!is_initialized(&line(r#"{"jsonrpc":"2.0","id":1,"result":{"a":"notifications/initialized"}}"#)));
    }
}
