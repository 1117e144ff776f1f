//! Changes across the eras: a stream that is asked for, and notifications that simply come.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use janua_wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use janua_wire::filter::{Filter, is_true};
use janua_wire::id::ClientId;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::metadata::tagged;
use janua_wire::method::{META_SUBSCRIPTION, Method};
use janua_wire::raw;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::asking::{Inner, answer, empty_result, refused};
use super::facing::Facing;
use crate::call::{Call, Event, Outcome, Reply, Sink};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::random::jitter;

/// First and longest time before a stream that broke is asked for again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// How long a stream is still read after the one in its place has begun: they may arrive on different connections.
const OVERLAP: Duration = Duration::from_millis(100);

/// What one client with a handshake hears of: what its server announces, and the resources it watches.
pub(super) struct Wishes {
    offered: Filter,
    subscribes: bool,
    watched: Lock<BTreeSet<String>>,
    /// The newest wish.
    asked: watch::Sender<u64>,
    /// The newest wish that the server has taken note of, with the addresses it watches.
    granted: watch::Sender<(u64, Vec<String>)>,
}

impl Wishes {
    /// The wishes of a client of a server that said `discovered` of itself.
    pub(super) fn of_server(discovered: &[u8]) -> Self {
        let capabilities = raw::peek(discovered, "capabilities").unwrap_or(b"{}");
        Wishes {
            offered: Filter::offered(capabilities),
            subscribes: is_true(capabilities, &["resources", "subscribe"]),
            watched: Lock::default(),
            asked: watch::Sender::new(0),
            granted: watch::Sender::new((0, Vec::new())),
        }
    }

    fn filter(&self) -> Filter {
        Filter { lists: self.offered.lists, uris: self.watched.lock().iter().cloned().collect() }
    }

    /// `resources/subscribe` and `resources/unsubscribe`: the stream is asked for anew, with the other addresses.
    pub(super) async fn change(&self, request: &Request, patience: Duration) -> Outcome {
        if !self.subscribes {
            return refused(METHOD_NOT_FOUND, "the server does not tell of changes of single resources");
        }
        let Some(uri) = request.param("uri").and_then(raw::string) else {
            return refused(INVALID_PARAMS, "the address of the resource is missing");
        };
        if request.method() == Method::Unsubscribe {
            self.watched.lock().remove(&uri);
            self.asked.send_modify(|number| *number += 1);
            return empty_result();
        }
        let mut granted = self.granted.subscribe();
        self.watched.lock().insert(uri.clone());
        self.asked.send_modify(|number| *number += 1);
        let mine = *self.asked.borrow();
        let settled = granted.wait_for(|(number, _)| *number >= mine);
        let accepted = match tokio::time::timeout(patience, settled).await {
            Ok(Ok(granted)) => granted.1.contains(&uri),
            _ => false,
        };
        if accepted {
            return empty_result();
        }
        self.watched.lock().remove(&uri);
        refused(INVALID_PARAMS, "the server does not watch that resource")
    }

    fn grant(&self, number: u64, uris: Vec<String>) {
        self.granted.send_replace((number, uris));
    }
}

/// Keeps a stream of changes open as long as it is polled, and hands on what comes.
pub(super) async fn follow(client: &Inner, sink: &Sink) {
    let wishes = &client.wishes;
    let mut asked = wishes.asked.subscribe();
    let mut current: Option<Reply> = None;
    let mut broke = 0;
    loop {
        let number = *asked.borrow_and_update();
        let filter = wishes.filter();
        if filter.is_empty() {
            current = None;
            wishes.grant(number, Vec::new());
            if asked.changed().await.is_err() {
                return;
            }
            continue;
        }
        let stream = open(client, &filter).await;
        let (resync, old) = (broke > 0, current.take());
        let mut round =
            Following { wishes, sink, filter, number, begun: None, resync, old, late: Vec::new(), told: Vec::new() };
        match stream {
            Ok(stream) => current = round.read(stream, &mut asked).await,
            Err(why) => tracing::debug!(reason = %why, "no stream of changes"),
        }
        if current.is_some() {
            // Something else is wanted now.
            broke = 0;
            continue;
        }
        let pause = PAUSE.0.saturating_mul(1 << broke.min(10)).min(PAUSE.1).mul_f64(jitter());
        broke += 1;
        tokio::time::sleep(pause).await;
    }
}

/// Asks the server for a stream of changes.
async fn open(client: &Inner, filter: &Filter) -> Result<Reply, Failure> {
    let link = client.link().await?;
    let params = format!("{{\"_meta\":{{{}}},\"notifications\":{}}}", client.envelope(), filter.to_json());
    let request = Request::new(&ClientId::number(0), "subscriptions/listen", Some(&params))
        .map_err(|refused| Failure::new(Kind::Unsupported, refused.why.to_string()))?;
    Ok(link.call(Call { request, caller: client.caller.clone() }))
}

/// One stream of changes for a client with a handshake.
struct Following<'a> {
    wishes: &'a Wishes,
    sink: &'a Sink,
    filter: Filter,
    number: u64,
    /// Since when the server has taken note.
    begun: Option<Instant>,
    /// Changes may have been missed.
    resync: bool,
    /// The stream before; it is left soon after this one has begun.
    old: Option<Reply>,
    /// What the stream before has said since. What this one says, too, is said once.
    late: Vec<Notification>,
    /// What this one has said as long as there were two.
    told: Vec<Notification>,
}

impl Following<'_> {
    /// Reads until the stream ends (`None`) or, once it has begun, something else is wanted: what a stream before it
    /// still says, and what was missed, is seen to first.
    async fn read(&mut self, mut stream: Reply, asked: &mut watch::Receiver<u64>) -> Option<Reply> {
        loop {
            let two = self.old.is_some() || !self.late.is_empty();
            let overlap = self.begun.filter(|_| two).map(|begun| begun + OVERLAP);
            let event = tokio::select! {
                event = stream.next() => event,
                late = said(&mut self.old), if overlap.is_some() && self.old.is_some() => {
                    self.heard_late(late);
                    continue;
                }
                () = sleep_until(overlap.unwrap_or_else(Instant::now)), if overlap.is_some() => {
                    self.leave().await;
                    continue;
                }
                changed = asked.changed(), if self.begun.is_some() => {
                    self.leave().await;
                    return changed.ok().map(|()| stream);
                }
            };
            match event {
                Some(Event::Notify(news)) if news.method() == Method::Acknowledged => self.begun(&news).await,
                Some(Event::Notify(news)) => {
                    if let Some(news) = wanted(&self.filter, &news) {
                        self.late.retain(|late| late.text() != news.text());
                        if self.old.is_some() {
                            self.told.push(news.clone());
                        }
                        self.sink.send(Event::Notify(news)).await;
                    }
                }
                Some(Event::Ask(ask)) => drop(ask),
                Some(Event::Done(outcome)) => {
                    self.leave().await;
                    // Nobody must wait for what the server does not do.
                    self.wishes.grant(self.number, Vec::new());
                    tracing::debug!(?outcome, "stream of changes over");
                    return None;
                }
                None => return None,
            }
        }
    }

    async fn begun(&mut self, acknowledged: &Notification) {
        if let Some(old) = &mut self.old {
            while let Some(Some(Event::Notify(news))) = old.next().now_or_never() {
                if let Some(news) = wanted(&self.filter, &news) {
                    self.sink.send(Event::Notify(news)).await;
                }
            }
        }
        self.begun = Some(Instant::now());
        let accepted = Filter::of(acknowledged.param("notifications").unwrap_or(b"{}"));
        self.wishes.grant(self.number, accepted.uris);
        if std::mem::take(&mut self.resync) {
            // There is no replay: whatever the client knows may be stale.
            for news in self.filter.everything() {
                self.sink.send(Event::Notify(news)).await;
            }
        }
    }

    /// What the stream before says after this one has begun; `None` when it is over.
    fn heard_late(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Notify(news)) => {
                let news = wanted(&self.filter, &news);
                let is_told = |news: &Notification| self.told.iter().any(|told| told.text() == news.text());
                self.late.extend(news.filter(|news| !is_told(news)));
            }
            Some(Event::Ask(ask)) => drop(ask),
            Some(Event::Done(_)) | None => self.old = None,
        }
    }

    /// Leaves the stream before. What only that one has said was said before this one began.
    async fn leave(&mut self) {
        (self.old, self.told) = (None, Vec::new());
        for news in std::mem::take(&mut self.late) {
            self.sink.send(Event::Notify(news)).await;
        }
    }
}

/// The next that a stream says, if there is one.
async fn said(stream: &mut Option<Reply>) -> Option<Event> {
    match stream {
        Some(stream) => stream.next().await,
        None => None,
    }
}

/// What a client with a handshake wants to hear, without a mark.
fn wanted(filter: &Filter, news: &Notification) -> Option<Notification> {
    if filter.wants(news) { tagged(news, None).ok() } else { None }
}

/// Serves `subscriptions/listen` in front of a server with a handshake.
pub(super) async fn serve(face: Arc<Facing>, call: Call, sink: Sink) -> Outcome {
    let Some(wanted) = call.request.param("notifications").map(Filter::of) else {
        return refused(INVALID_PARAMS, "what to listen for is missing: notifications");
    };
    let link = match face.first().await {
        Ok(link) => link,
        Err(failure) => return Outcome::Failure(failure),
    };
    let mut heard = link.listen();
    let capabilities = raw::peek(link.opened().response.body(), "capabilities").unwrap_or(b"{}");
    // What can never arrive is not promised.
    let tells = link.tells().await;
    let mut accepted = if tells { wanted.shared_lists(&Filter::offered(capabilities)) } else { Filter::default() };
    let mut watching = Vec::new();
    if tells && is_true(capabilities, &["resources", "subscribe"]) {
        for uri in wanted.uris {
            if let Some(watched) = face.watch(&link, &uri).await {
                watching.push(watched);
                accepted.uris.push(uri);
            }
        }
    }
    let id = call.request.id();
    let params = format!("{{\"notifications\":{}}}", accepted.to_json());
    let begun = Notification::new("notifications/subscriptions/acknowledged", Some(&params));
    if let Ok(begun) = begun.and_then(|begun| tagged(&begun, Some(id.raw()))) {
        sink.send(Event::Notify(begun)).await;
    }
    while let Some(event) = heard.next().await {
        match event {
            Event::Notify(news) if accepted.wants(&news) => {
                if let Ok(news) = tagged(&news, Some(id.raw())) {
                    sink.send(Event::Notify(news)).await;
                }
            }
            Event::Notify(_) => {}
            Event::Ask(ask) => ask.vouch(),
            Event::Done(_) => break,
        }
    }
    drop(watching);
    let id = String::from_utf8_lossy(id.raw()).into_owned();
    answer(Response::result(&format!("{{\"resultType\":\"complete\",\"_meta\":{{\"{META_SUBSCRIPTION}\":{id}}}}}")))
}
