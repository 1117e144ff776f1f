//! One instance of a server in this process, as a link: its calls are futures that whoever holds the reply drives.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use janua_wire::id::ClientId;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answering::{Serve, broken, response};
use super::exchange::{Exchange, Level, level_of};
use super::shapes::Offers;
use super::{Json, Make, Object, Server, Site, UserContext};
use crate::call::{Call, Caller, Event, Outcome, Reply, Scope};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::servers::{Connection, Opened, Opening, Refusal};

/// Makes instances with a function.
pub(super) struct Making<F>(pub(super) F);

impl<S: Server, F: Fn(UserContext) -> S + Send + Sync> Make for Making<F> {
    fn open(&self, opening: Opening, _: &Site) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        // Only revisions with a handshake are spoken here, whatever is asked for: the bridge translates.
        let told = Arc::new(Told::default());
        let user = UserContext::of(&opening, &told);
        let made = catch_unwind(AssertUnwindSafe(|| {
            let server = Arc::new((self.0)(user.clone()));
            let about = server.about();
            (server, about)
        }));
        let opened = made.map_err(|_| Failure::new(Kind::StartFailed, "the server panicked at its start"));
        let opened = opened.and_then(|(server, about)| {
            let result = about.opened(opening.version.name());
            let response = Response::result(result.as_str())
                .map_err(|_| Failure::new(Kind::StartFailed, "what the server says of itself is no JSON"))?;
            let opened = Opened { response, version: opening.version };
            let table = Lock::new(Table { entries: HashMap::new(), used: Some(Instant::now()) });
            let calls = Arc::new(Calls { next: AtomicU64::new(0), table });
            let user = Arc::new(user);
            Ok(Arc::new(Instance { server, name: about.name, offers: about.offers, user, opened, told, calls }))
        });
        std::future::ready(opened.map(|instance| instance as Arc<dyn Connection>).map_err(Refusal::from)).boxed()
    }
}

/// One instance.
struct Instance {
    server: Arc<dyn Serve>,
    name: String,
    offers: Offers,
    user: Arc<UserContext>,
    opened: Opened,
    told: Arc<Told>,
    calls: Arc<Calls>,
}

/// What an instance's clients hear of its own accord.
#[derive(Default)]
pub(super) struct Told(Lock<Listening>);

#[derive(Default)]
struct Listening {
    listeners: Vec<Arc<Mailbox>>,
    /// The resources whose changes are told.
    watched: BTreeSet<String>,
    /// What is to be logged, once somebody has said so.
    level: Option<Level>,
    over: Option<Failure>,
}

/// The calls under way.
struct Calls {
    next: AtomicU64,
    table: Lock<Table>,
}

struct Table {
    entries: HashMap<u64, Entry>,
    /// When a call began or ended last, or the instance was made.
    used: Option<Instant>,
}

struct Entry {
    scope: Scope,
    id: ClientId,
    mailbox: Arc<Mailbox>,
}

impl Told {
    /// Tells everybody who listens. What nobody takes in gives way to what is newer.
    pub(super) fn tell(&self, news: Option<Notification>) {
        let Some(news) = news else { return };
        let listeners = self.0.lock().listeners.clone();
        for mailbox in listeners {
            mailbox.push(Event::Notify(news.clone()));
        }
    }

    pub(super) fn wants(&self, level: Level) -> bool {
        level >= self.0.lock().level.unwrap_or(Level::Info)
    }

    pub(super) fn is_watched(&self, uri: &str) -> bool {
        self.0.lock().watched.contains(uri)
    }

    fn over(&self) -> Option<Failure> {
        self.0.lock().over.clone()
    }
}

impl Connection for Instance {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn call(&self, call: Call) -> Reply {
        let request = &call.request;
        let at_once = match request.method() {
            Method::Ping => Some(Ok(())),
            Method::SetLevel if self.offers.logging => {
                Some(level_of(request.params()).map(|level| self.told.0.lock().level = Some(level)))
            }
            Method::Unsubscribe if self.offers.subscriptions => {
                let uri = raw::peek_string(request.params(), "uri").unwrap_or_default();
                self.told.0.lock().watched.remove(&uri);
                Some(Ok(()))
            }
            _ => None,
        };
        match at_once {
            Some(settled) => Reply::ready(Outcome::Answer(response(settled.map(|()| Object::new().into())))),
            None => self.running(call).map_or_else(Reply::failed, Reply::stream),
        }
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        if notification.method() == Method::Cancelled {
            self.calls.cancel(caller, &notification);
            return;
        }
        let params = Json::raw(Bytes::copy_from_slice(notification.params()));
        let heard = catch_unwind(AssertUnwindSafe(|| self.server.hear(&notification.name(), params)));
        if heard.is_err() {
            tracing::error!(server = self.name, method = %notification.name(), "the server panicked");
        }
    }

    fn listen(&self) -> Reply {
        let mailbox = Arc::new(Mailbox::default());
        let mut told = self.told.0.lock();
        if let Some(why) = &told.over {
            return Reply::failed(why.clone());
        }
        told.listeners.push(mailbox.clone());
        drop(told);
        Reply::stream(Listener { told: self.told.clone(), mailbox })
    }

    fn attributes(&self) -> bool {
        true
    }

    fn idle_since(&self) -> Option<Instant> {
        let listeners = self.told.0.lock().listeners.len();
        let table = self.calls.table.lock();
        table.used.filter(|_| table.entries.is_empty() && listeners <= 1)
    }

    fn is_over(&self) -> bool {
        self.told.over().is_some()
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        let listeners = {
            let mut told = self.told.0.lock();
            told.over.get_or_insert_with(|| why.clone());
            std::mem::take(&mut told.listeners)
        };
        self.calls.end(&why);
        for mailbox in listeners {
            mailbox.finish(Outcome::Failure(why.clone()));
        }
        std::future::ready(()).boxed()
    }
}

impl Instance {
    /// A call that begins when its reply is asked for the first time.
    fn running(&self, call: Call) -> Result<Running, Failure> {
        let (mailbox, over) = (Arc::new(Mailbox::default()), CancellationToken::new());
        let exchange = Exchange::new(self.user.clone(), self.told.clone(), &call, mailbox.clone(), over.clone());
        let number = self.calls.enter(&call, &mailbox);
        if let Some(why) = self.told.over() {
            // Only now: whoever closes the link ends every call that is in the table by then.
            self.calls.leave(number);
            return Err(why);
        }
        let watching = (call.request.method() == Method::Subscribe)
            .then(|| raw::peek_string(call.request.params(), "uri"))
            .flatten();
        let (told, name) = (self.told.clone(), self.name.clone());
        let request: Request = call.request;
        let method = request.name().into_owned();
        let answering = self.server.clone().answer(request, self.offers, exchange);
        let work = async move {
            let Ok(result) = AssertUnwindSafe(answering).catch_unwind().await else {
                tracing::error!(server = name, method, "the server panicked");
                return Outcome::Answer(broken("the server panicked"));
            };
            if let (Ok(_), Some(uri)) = (&result, watching) {
                told.0.lock().watched.insert(uri);
            }
            Outcome::Answer(response(result))
        };
        Ok(Running { work: Some(work.boxed()), mailbox, over, number, calls: self.calls.clone() })
    }
}

impl Calls {
    fn enter(&self, call: &Call, mailbox: &Arc<Mailbox>) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let entry =
            Entry { scope: call.caller.scope.clone(), id: call.request.id().detached(), mailbox: mailbox.clone() };
        let mut table = self.table.lock();
        table.used = Some(Instant::now());
        table.entries.insert(number, entry);
        number
    }

    fn leave(&self, number: u64) {
        let mut table = self.table.lock();
        table.used = Some(Instant::now());
        table.entries.remove(&number);
    }

    /// Cancels the call that this client made under the id it names. With several nobody can say which is meant.
    fn cancel(&self, caller: &Caller, notification: &Notification) {
        let Some(id) = notification.param("requestId") else { return };
        let table = self.table.lock();
        let mut meant = table.entries.values().filter(|entry| entry.id.raw() == id && entry.scope == caller.scope);
        if let (Some(entry), None) = (meant.next(), meant.next()) {
            entry.mailbox.finish(Outcome::Failure(Failure::cancelled()));
        }
    }

    fn end(&self, why: &Failure) {
        let entries = std::mem::take(&mut self.table.lock().entries);
        for entry in entries.into_values() {
            entry.mailbox.finish(Outcome::Failure(why.clone().after_sending()));
        }
    }
}

/// A call under way. What its server says on the way waits in the mailbox, and its end, whoever brings it about.
struct Running {
    work: Option<BoxFuture<'static, Outcome>>,
    mailbox: Arc<Mailbox>,
    over: CancellationToken,
    number: u64,
    calls: Arc<Calls>,
}

impl Running {
    /// Drops the server's future. What panics while it is dropped must not reach whoever holds the reply.
    fn finish(&mut self) {
        self.over.cancel();
        let work = self.work.take();
        if catch_unwind(AssertUnwindSafe(|| drop(work))).is_err() {
            tracing::error!("a server panicked when its call was dropped");
        }
        self.calls.leave(self.number);
    }
}

impl Stream for Running {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        let mut polled = this.mailbox.poll_next(cx);
        if polled.is_pending()
            && let Some(work) = &mut this.work
        {
            if let Poll::Ready(outcome) = work.poll_unpin(cx) {
                this.mailbox.finish(outcome);
            }
            polled = this.mailbox.poll_next(cx);
        }
        if matches!(polled, Poll::Ready(Some(Event::Done(_)))) {
            this.finish();
        }
        polled
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.work.is_some() {
            self.finish();
        }
        let dropped = self.mailbox.dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "notifications dropped: the client reads too slowly");
        }
    }
}

struct Listener {
    told: Arc<Told>,
    mailbox: Arc<Mailbox>,
}

impl Stream for Listener {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.mailbox.poll_next(cx)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.told.0.lock().listeners.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
    }
}
