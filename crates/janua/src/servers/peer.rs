//! The duplex engine: requests under way in both directions over one link, whatever carries the messages.
//!
//! Ids and progress tokens toward the server are minted here and mapped back here, and nowhere else.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use janua_wire::id::{ClientId, LinkId};
use janua_wire::line::Line;
use janua_wire::lines::{guess_id, guess_last_id};
use janua_wire::message::{Invalid, Message, Notification, Refused, Request, Response, parse_one};
use janua_wire::metadata::{subscription, tagged};
use janua_wire::method::{META_LOG_LEVEL, META_SUBSCRIPTION, Method};
use janua_wire::version::{Era, Version};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::call::{Ask, Asker, Call, Caller, Event, Outcome, Reply, Scope};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::servers::opening;

/// Where a link's messages toward the server go.
pub(crate) trait Outbox: Send + Sync {
    /// Accepts a message to be sent, without waiting; `about` names the request it is or belongs to. Fails if the
    /// link is over or its queue is full.
    fn send(&self, line: Line, about: Option<LinkId>) -> Result<(), Failure>;

    /// Accepts a request, to be sent under our id `link`.
    fn request(&self, request: &Request, link: LinkId) -> Result<(), Failure> {
        self.send(request.stamped(link), Some(link))
    }
}

/// Both directions of one link.
pub(crate) struct Peer {
    outbox: Box<dyn Outbox>,
    /// What the server may ask.
    capabilities: ClientCapabilities,
    /// Whether one session owns the link: only then can a question outside every call be attributed.
    owned: bool,
    /// The revision spoken, once that is known.
    version: OnceLock<Version>,
    next: AtomicU64,
    table: Lock<Table>,
    strays: AtomicU64,
    /// Messages of the server so far.
    heard: AtomicU64,
    /// A question came beside every request's own stream, where the transport has such streams.
    astray: AtomicBool,
    /// A request was given up: is anybody there?
    doubt: Notify,
}

#[derive(Default)]
struct Table {
    calls: HashMap<LinkId, Entry>,
    /// Questions of the server that wait for an answer, with the mailbox that carried them.
    asked: HashMap<ClientId, Arc<Mailbox>>,
    listeners: Vec<Arc<Mailbox>>,
    /// When a request began or ended last.
    used: Option<Instant>,
    over: Option<Failure>,
}

impl Table {
    /// The only request under way, if there is exactly one. Streams of changes do not count: nothing but changes
    /// belongs to them.
    fn only(&self) -> Option<(LinkId, &Entry)> {
        let mut calls = self.calls.iter().filter(|(_, entry)| entry.method != Method::Listen);
        let only = calls.next().map(|(link, entry)| (*link, entry));
        only.filter(|_| calls.next().is_none())
    }
}

struct Entry {
    mailbox: Arc<Mailbox>,
    method: Method,
    id: ClientId,
    scope: Scope,
    token: Option<Bytes>,
    /// Whether the request asked for the server's log lines, as those without handshake do.
    logs: bool,
}

impl Peer {
    pub(crate) fn new(outbox: Box<dyn Outbox>, capabilities: ClientCapabilities, owned: bool) -> Arc<Peer> {
        let (next, table) = (AtomicU64::new(1), Lock::default());
        let (strays, heard, doubt) = (AtomicU64::new(0), AtomicU64::new(0), Notify::new());
        let (version, astray) = (OnceLock::new(), AtomicBool::new(false));
        Arc::new(Peer { outbox, capabilities, owned, version, next, table, strays, heard, astray, doubt })
    }

    /// Notes which revision is spoken on the link.
    pub(crate) fn speaks(&self, version: Version) {
        let _ = self.version.set(version);
    }

    fn is_modern(&self) -> bool {
        self.version.get().is_some_and(|version| version.era() == Era::Modern)
    }

    /// Sends a request. The reply is not bounded in time.
    pub(crate) fn call(self: &Arc<Self>, call: &Call) -> Reply {
        let link = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let mailbox = Arc::new(Mailbox::default());
        let entry = Entry {
            mailbox: mailbox.clone(),
            method: call.request.method(),
            id: call.request.id(),
            scope: call.caller.scope.clone(),
            token: call.request.progress_token(),
            logs: call.request.meta(META_LOG_LEVEL).is_some(),
        };
        {
            let mut table = self.table.lock();
            if let Some(why) = &table.over {
                return Reply::failed(why.clone());
            }
            table.used = Some(Instant::now());
            table.calls.insert(link, entry);
        }
        if let Err(failure) = self.outbox.request(&call.request, link) {
            self.table.lock().calls.remove(&link);
            return Reply::failed(failure);
        }
        Reply::stream(Underway { peer: self.clone(), link, mailbox, done: false })
    }

    /// Sends a client's notification.
    pub(crate) fn notify(&self, caller: &Caller, notification: &Notification) {
        if notification.method() == Method::Cancelled {
            self.cancel(caller, notification);
        } else if let Err(failure) = self.outbox.send(notification.line(), None) {
            tracing::debug!(method = %notification.name(), reason = %failure, "notification not delivered");
        }
    }

    /// A client cancels: its id becomes ours. With several requests under one id nobody can say which is meant.
    fn cancel(&self, caller: &Caller, notification: &Notification) {
        let Some(id) = notification.param("requestId") else { return };
        let mut table = self.table.lock();
        let meant =
            |entry: &Entry| entry.id.raw() == id && entry.scope == caller.scope && entry.method != Method::Initialize;
        let mut found = table.calls.iter().filter(|(_, entry)| meant(entry)).map(|(link, _)| *link);
        let (Some(link), None) = (found.next(), found.next()) else { return };
        let entry = table.calls.remove(&link);
        drop(table);
        let line = notification.with_param("requestId", link.to_string().as_bytes()).line();
        let _ = self.outbox.send(line, Some(link));
        if let Some(entry) = entry {
            entry.mailbox.finish(Outcome::Failure(Failure::cancelled()));
        }
    }

    /// What the server says of its own accord.
    pub(crate) fn listen(self: &Arc<Self>) -> Reply {
        let mailbox = Arc::new(Mailbox::default());
        let mut table = self.table.lock();
        if let Some(why) = &table.over {
            return Reply::failed(why.clone());
        }
        table.listeners.push(mailbox.clone());
        Reply::stream(Listening { peer: self.clone(), mailbox })
    }

    /// Takes in one message of the server. `call` says which request's own stream carried it, where the transport
    /// has such streams. Gives a mailbox that has filled up and should be waited for, if there is one.
    pub(crate) fn receive(self: &Arc<Self>, text: &Bytes, call: Option<LinkId>) -> Option<Arc<Mailbox>> {
        self.heard.fetch_add(1, Ordering::Relaxed);
        match parse_one(text.clone()) {
            Ok(Message::Response(response)) => {
                self.settled(response, call);
                None
            }
            Ok(Message::Notification(notification)) => self.told(notification, call),
            Ok(Message::Request(request)) => {
                self.asked(request, call);
                None
            }
            Err(refused) => {
                self.garbled(&refused, text);
                None
            }
        }
    }

    fn settled(&self, response: Response, call: Option<LinkId>) {
        let link = match response.id() {
            Some(id) => LinkId::parse(id),
            // An error for a request that the server could not read: with one under way there is no doubt which.
            None => call.or_else(|| self.only_call()),
        };
        let entry = link.and_then(|link| {
            let mut table = self.table.lock();
            table.used = Some(Instant::now());
            table.calls.remove(&link)
        });
        match entry {
            Some(entry) if entry.method == Method::Listen => {
                let marked = response.with_path(&["_meta", META_SUBSCRIPTION], entry.id.raw());
                entry.mailbox.finish(Outcome::Answer(marked));
            }
            Some(entry) => entry.mailbox.finish(Outcome::Answer(response)),
            None => self.stray("response to a request that is not under way"),
        }
    }

    fn only_call(&self) -> Option<LinkId> {
        self.table.lock().only().map(|(link, _)| link)
    }

    fn told(&self, notification: Notification, call: Option<LinkId>) -> Option<Arc<Mailbox>> {
        let (mailbox, notification) = match notification.method() {
            Method::Progress => {
                let link = notification.param("progressToken").and_then(LinkId::parse)?;
                let table = self.table.lock();
                let entry = table.calls.get(&link)?;
                let shown = notification.with_param("progressToken", entry.token.as_ref()?);
                (entry.mailbox.clone(), shown)
            }
            Method::Cancelled => {
                let id = notification.param("requestId").map(Bytes::copy_from_slice).and_then(ClientId::new)?;
                (self.table.lock().asked.remove(&id)?, notification)
            }
            Method::Acknowledged => self.subscribed(&notification)?,
            method if method.is_ambient() => match self.subscribed(&notification) {
                Some(found) => found,
                None => return self.broadcast(&notification),
            },
            _ => match self.attributed(call, false) {
                Some(mailbox) => (mailbox, notification),
                None => return self.broadcast(&notification),
            },
        };
        mailbox.push(Event::Notify(notification)).then_some(mailbox)
    }

    /// What belongs to a `subscriptions/listen`, with the id under which its client knows it.
    fn subscribed(&self, notification: &Notification) -> Option<(Arc<Mailbox>, Notification)> {
        let link = subscription(notification).and_then(LinkId::parse)?;
        let table = self.table.lock();
        let entry = table.calls.get(&link)?;
        let shown = tagged(notification, Some(entry.id.raw())).ok()?;
        Some((entry.mailbox.clone(), shown))
    }

    fn broadcast(&self, notification: &Notification) -> Option<Arc<Mailbox>> {
        let listeners = self.table.lock().listeners.clone();
        let mut congested = None;
        for mailbox in listeners {
            if mailbox.push(Event::Notify(notification.clone())) {
                congested = Some(mailbox);
            }
        }
        congested
    }

    /// The call that something without a name on it belongs to: the one whose stream carried it, or the only one
    /// under way. With several, a question goes to the newest that may ask (they all lead to the same client); a
    /// notification to the only one that asked for log lines, else to none.
    fn attributed(&self, call: Option<LinkId>, question: bool) -> Option<Arc<Mailbox>> {
        let table = self.table.lock();
        if let Some(entry) = call.and_then(|link| table.calls.get(&link)) {
            return Some(entry.mailbox.clone());
        }
        if let Some((_, only)) = table.only() {
            // A question asked beside a ping or a list is not about it, and must not end with it.
            return Some(only.mailbox.clone()).filter(|_| !question || only.method.may_ask());
        }
        if !question {
            let mut wanting = table.calls.values().filter(|entry| entry.logs);
            return wanting.next().filter(|_| wanting.next().is_none()).map(|entry| entry.mailbox.clone());
        }
        let mut asking: Vec<_> = table.calls.iter().filter(|(_, entry)| entry.method.may_ask()).collect();
        asking.sort_by_key(|(link, _)| **link);
        let newest = asking.last().map(|(_, entry)| entry.mailbox.clone());
        newest.filter(|_| self.owned || asking.len() == 1)
    }

    fn asked(self: &Arc<Self>, request: Request, call: Option<LinkId>) {
        let id = request.id().detached();
        if self.is_modern() {
            let error = Response::error(METHOD_NOT_FOUND, "this revision knows no requests of servers", None);
            return self.answer(&id, &error);
        }
        if let Err(refusal) = self.capabilities.permit(request.method(), request.params()) {
            let error = Response::error(refusal.code, refusal.message, None);
            return self.answer(&id, &error);
        }
        // Clients that share the link are asked only what each of them could be; the gateway is there for all.
        let for_all = matches!(request.method(), Method::CreateMessage | Method::Elicit | Method::ListRoots);
        if !self.owned && !for_all {
            return self.answer(&id, &nobody_asked(request.method()));
        }
        if call.is_none() {
            self.astray.store(true, Ordering::Relaxed);
        }
        let mailbox = self.attributed(call, true).or_else(|| self.only_listener());
        let Some(mailbox) = mailbox else { return self.answer(&id, &nobody_asked(request.method())) };
        self.table.lock().asked.insert(id, mailbox.clone());
        mailbox.push(Event::Ask(Ask::new(request, self.clone())));
    }

    /// A question that belongs to no call reaches a client only if exactly one owns the link.
    fn only_listener(&self) -> Option<Arc<Mailbox>> {
        let table = self.table.lock();
        if self.owned { table.listeners.first().cloned() } else { None }
    }

    fn answer(&self, id: &ClientId, response: &Response) {
        if let Err(failure) = self.outbox.send(response.answering(id.raw()), None) {
            tracing::debug!(reason = %failure, "answer to the server not delivered");
        }
    }

    /// A line that is no message. If it names a request under way, that request fails now rather than later.
    fn garbled(&self, refused: &Refused, text: &[u8]) {
        self.stray(&format!("not a message: {}", refused.why));
        let read = refused.id.as_ref().and_then(|id| LinkId::parse(id.raw()));
        let unread = matches!(refused.why, Invalid::Json(_));
        if let Some(link) = read.or_else(|| guess_answered(text).filter(|_| unread)) {
            let message = format!("the server's answer is no valid message: {}", refused.why);
            self.fail(link, Failure::new(Kind::InvalidResponse, message).after_sending());
        }
    }

    fn stray(&self, what: &str) {
        const SHOWN: u64 = 5;
        if self.strays.fetch_add(1, Ordering::Relaxed) < SHOWN {
            tracing::warn!(what, "ignored output of the server");
        }
    }

    /// Whether the server has asked something without saying by the stream which request it is about.
    pub(crate) fn asks_astray(&self) -> bool {
        self.astray.load(Ordering::Relaxed)
    }

    /// Whether this request is under way.
    pub(crate) fn awaits(&self, link: LinkId) -> bool {
        self.table.lock().calls.contains_key(&link)
    }

    /// Fails one request under way. False if there is none of that id.
    pub(crate) fn fail(&self, link: LinkId, failure: Failure) -> bool {
        let entry = self.table.lock().calls.remove(&link);
        let found = entry.is_some();
        if let Some(entry) = entry {
            entry.mailbox.finish(Outcome::Failure(failure));
        }
        found
    }

    /// Since when nothing is under way and nobody but one listens.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let table = self.table.lock();
        table.used.filter(|_| table.calls.is_empty() && table.listeners.len() <= 1)
    }

    /// Whether the link is over.
    pub(crate) fn is_over(&self) -> bool {
        self.table.lock().over.is_some()
    }

    /// The link is over: everything that waits is answered, everything that comes later too.
    pub(crate) fn over(&self, why: &Failure) {
        let mut table = self.table.lock();
        table.over.get_or_insert_with(|| why.clone());
        let calls = std::mem::take(&mut table.calls);
        let listeners = std::mem::take(&mut table.listeners);
        let asked = std::mem::take(&mut table.asked);
        drop(table);
        // A question that is dropped with its mailbox looks itself up in the table.
        drop(asked);
        for (_, entry) in calls {
            entry.mailbox.finish(Outcome::Failure(why.clone().after_sending()));
        }
        for mailbox in listeners {
            mailbox.finish(Outcome::Failure(why.clone()));
        }
    }

    /// Resolves when the server must be taken for dead: a request was given up, and after that it neither answered
    /// two pings nor said anything else. A server that is merely slow with one request is left alone.
    pub(crate) async fn silent(self: &Arc<Self>) -> Failure {
        const PATIENCE: Duration = Duration::from_secs(10);
        const MISSES: u32 = 2;
        loop {
            self.doubt.notified().await;
            let before = self.heard.load(Ordering::Relaxed);
            let mut misses = 0;
            while misses < MISSES && self.heard.load(Ordering::Relaxed) == before {
                let answered = async {
                    if !self.ping().await {
                        std::future::pending::<()>().await;
                    }
                };
                misses = if timeout(PATIENCE, answered).await.is_ok() { 0 } else { misses + 1 };
            }
            if misses == MISSES && self.heard.load(Ordering::Relaxed) == before {
                return Failure::new(Kind::ServerExited, "the server was stopped: it does not answer any more");
            }
        }
    }

    async fn ping(self: &Arc<Self>) -> bool {
        // Without a handshake there is no ping, but every server must say what it is.
        let modern = self.is_modern().then(|| opening::discovery().ok()).flatten();
        let Some(request) = modern.or_else(|| Request::new(&ClientId::number(0), "ping", None).ok()) else {
            return true;
        };
        let (version, capabilities) = (Version::NEWEST_LEGACY, self.capabilities.clone());
        let caller = Arc::new(Caller { scope: Scope::Shared, version, capabilities, user: None });
        let mut reply = self.call(&Call { request, caller });
        while let Some(event) = reply.next().await {
            if let Event::Done(outcome) = event {
                return matches!(outcome, Outcome::Answer(_));
            }
        }
        false
    }

    fn abandoned(&self, link: LinkId, dropped: u64) {
        if dropped > 0 {
            tracing::warn!(dropped, "notifications dropped: the client reads too slowly");
        }
        let Some(entry) = self.table.lock().calls.remove(&link) else { return };
        // A stream of changes is left because it is not wanted any more, not because nothing came.
        if entry.method != Method::Listen {
            self.doubt.notify_one();
        }
        // A client must never cancel its own initialize (2025-11-25 basic/utilities/cancellation); a server that does
        // not answer server/discover does not know it.
        if !matches!(entry.method, Method::Initialize | Method::Discover) {
            let params = format!("{{\"requestId\":{link},\"reason\":\"nobody waits for it any more\"}}");
            if let Ok(notification) = Notification::new("notifications/cancelled", Some(&params)) {
                let _ = self.outbox.send(notification.line(), Some(link));
            }
        }
    }
}

impl Asker for Peer {
    fn answered(&self, id: &ClientId, response: Response) {
        let asked = self.table.lock().asked.remove(id);
        // Not there any more: the server withdrew the question, or the link is over.
        if asked.is_some() {
            self.answer(id, &response);
        }
    }
}

/// A request under way. Dropped before its end, it is cancelled.
struct Underway {
    peer: Arc<Peer>,
    link: LinkId,
    mailbox: Arc<Mailbox>,
    done: bool,
}

impl Stream for Underway {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let polled = self.mailbox.poll_next(cx);
        if let Poll::Ready(Some(Event::Done(_))) = polled {
            self.done = true;
        }
        polled
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.mailbox.leave();
        let dropped = self.mailbox.dropped();
        if !self.done || dropped > 0 {
            self.peer.abandoned(self.link, dropped);
        }
    }
}

/// The answer to a question that no call can own: nothing is guessed. The gateway is there itself, and has no
/// folders to show.
fn nobody_asked(method: Method) -> Response {
    let answer = match method {
        Method::Ping => Response::result("{}").ok(),
        Method::ListRoots => Response::result("{\"roots\":[]}").ok(),
        Method::CreateMessage | Method::Elicit => None,
        _ => Some(Response::error(METHOD_NOT_FOUND, "no client can be asked that", None)),
    };
    let refused = || Response::error(INVALID_PARAMS, "the question belongs to no request of a client", None);
    answer.unwrap_or_else(refused)
}

/// Which request a line answers that cannot be read but looks like a response. What is not JSON at all is not asked.
fn guess_answered(text: &[u8]) -> Option<LinkId> {
    const NEAR: usize = 8;
    let at = memchr::memmem::find(text, b"\"jsonrpc\"")?;
    if !text.starts_with(b"{") || !text.ends_with(b"}") || memchr::memmem::find(text, b"\"method\"").is_some() {
        return None;
    }
    // Some write the envelope first, some last; an id in the middle is the result's own.
    if at < NEAR { guess_id(text) } else { guess_last_id(text) }
}

struct Listening {
    peer: Arc<Peer>,
    mailbox: Arc<Mailbox>,
}

impl Stream for Listening {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.mailbox.poll_next(cx)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.peer.table.lock().listeners.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
        self.mailbox.leave();
    }
}

#[cfg(test)]
mod tests;
