//! What the clients of a view hear of: changes of its lists and resources, and what their servers say of their own
//! accord.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{StreamExt, stream};
use janua_wire::error::INVALID_PARAMS;
use janua_wire::filter::Filter;
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::metadata::tagged;
use janua_wire::method::{META_SUBSCRIPTION, Method};
use janua_wire::raw;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::own::Own;
use super::server::Served;
use super::shelf::LISTS;
use super::view::View;
use crate::bridge::asking::{answer, refused};
use crate::bridge::{lost, of_refusal};
use crate::call::{Call, Caller, Event, Outcome, Reply, Sink};
use crate::random::jitter;
use crate::servers::Place;

/// The notifications of changed lists, each with the lists that it is about.
const CHANGES: [(&str, &[Method]); 3] = [
    ("notifications/tools/list_changed", &[Method::ToolsList]),
    ("notifications/prompts/list_changed", &[Method::PromptsList]),
    ("notifications/resources/list_changed", &[Method::ResourcesList, Method::TemplatesList]),
];
/// First and longest wait before resources are watched again whose server was lost.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Which lists have changed since one looked last.
struct News {
    changes: watch::Receiver<[u64; LISTS.len()]>,
    seen: [u64; LISTS.len()],
    /// Held so that the servers are asked for news.
    interest: Vec<Arc<()>>,
}

impl News {
    fn of(view: &View) -> News {
        let mut changes = view.changes();
        let seen = *changes.borrow_and_update();
        News { changes, seen, interest: interest(view) }
    }

    /// The next notifications; never, once the view is gone.
    async fn next(&mut self, view: &View) -> Vec<Notification> {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let now = *self.changes.borrow_and_update();
        let before = std::mem::replace(&mut self.seen, now);
        self.interest = interest(view);
        let differs = |list: &Method| LISTS.iter().position(|l| l == list).is_some_and(|at| now[at] != before[at]);
        let changed = CHANGES.iter().filter(|(_, lists)| lists.iter().any(differs));
        changed.filter_map(|(name, _)| Notification::new(name, None).ok()).collect()
    }
}

fn interest(view: &View) -> Vec<Arc<()>> {
    view.members().list.iter().map(|member| member.served.shelf.interest()).collect()
}

/// What one session hears, until it ends.
pub(super) async fn of_session(view: &Arc<View>, own: &Own, sink: &Sink) -> Outcome {
    let Some(mut opened) = own.heard.lock().take() else { return std::future::pending().await };
    let mut news = News::of(view);
    let mut links: SelectAll<BoxStream<'static, (Arc<Served>, Event)>> = SelectAll::new();
    loop {
        tokio::select! {
            Some((served, reply)) = opened.recv() => {
                links.push(reply.map(move |event| (served.clone(), event)).boxed());
            }
            Some((served, event)) = links.next(), if !links.is_empty() => match event {
                Event::Done(_) if own.is_bound() && view.members().list.len() == 1 => return Outcome::Failure(lost()),
                Event::Done(_) => {}
                Event::Notify(said) => {
                    if said.method() == Method::ListChanged {
                        own.lists_changed(&served);
                    }
                    if let Some(said) = shown(view, own, &served, said) {
                        sink.send(Event::Notify(said)).await;
                    }
                }
                ask @ Event::Ask(_) => sink.send(ask).await,
            },
            changed = news.next(view) => for said in changed {
                sink.send(Event::Notify(said)).await;
            },
            () = own.ended() => return Outcome::Failure(lost()),
        }
    }
}

/// A notification as the view's client must see it: with the address that a resource has here.
fn shown(view: &View, own: &Own, served: &Arc<Served>, said: Notification) -> Option<Notification> {
    if said.method() != Method::ResourceUpdated {
        return Some(said);
    }
    let uri = said.param("uri").and_then(raw::string)?;
    let (merged, _) = view.now(own.class());
    let member = merged.members.list.iter().position(|member| Arc::ptr_eq(&member.served, served))?;
    let shown = merged.address_of(member, &uri);
    Some(if shown == uri { said } else { said.with_param("uri", quote(&shown).as_bytes()) })
}

/// Serves `subscriptions/listen`.
pub(super) async fn serve(view: Arc<View>, call: Call, sink: Sink) -> Outcome {
    let Some(wanted) = call.request.param("notifications").map(Filter::of) else {
        return refused(INVALID_PARAMS, "what to listen for is missing: notifications");
    };
    let mut news = News::of(&view);
    let class = call.caller.capabilities.class();
    view.prepare(class);
    let mut accepted = Filter { lists: wanted.lists, uris: Vec::new() };
    let mut watched: SelectAll<Reply> = SelectAll::new();
    let mut begun = Vec::new();
    for (name, uris) in by_server(&view, &call, wanted.uris).await {
        let (told, granted) = oneshot::channel();
        begun.push(granted);
        let (view, caller, meta) = (Arc::downgrade(&view), call.caller.clone(), meta(&call.request));
        let watching = Watching { name, uris, caller, meta };
        watched.push(Reply::unfold(move |sink| watching.run(view, Some(told), sink)));
    }
    let id = call.request.id();
    let mut early = Vec::new();
    let end = sleep(view.limits.list);
    tokio::pin!(end);
    let granting = async { futures_util::future::join_all(begun).await };
    tokio::pin!(granting);
    // What the servers say before all have taken note comes after the word that they have.
    loop {
        tokio::select! {
            granted = &mut granting => {
                accepted.uris = granted.into_iter().flatten().flatten().collect();
                break;
            }
            Some(event) = watched.next(), if !watched.is_empty() => early.push(event),
            () = &mut end => break,
        }
    }
    let params = format!("{{\"notifications\":{}}}", accepted.to_json());
    if let Ok(ack) = Notification::new("notifications/subscriptions/acknowledged", Some(&params)) {
        tell(&sink, &ack, &id).await;
    }
    let mut watched = stream::iter(early).chain(watched);
    loop {
        tokio::select! {
            Some(event) = watched.next() => if let Event::Notify(said) = event {
                tell(&sink, &said, &id).await;
            },
            changed = news.next(&view) => for said in changed {
                if accepted.wants(&said) {
                    tell(&sink, &said, &id).await;
                }
            },
            () = view.tasks.stopping() => break,
        }
    }
    let id = String::from_utf8_lossy(id.raw()).into_owned();
    answer(Response::result(&format!("{{\"resultType\":\"complete\",\"_meta\":{{\"{META_SUBSCRIPTION}\":{id}}}}}")))
}

async fn tell(sink: &Sink, said: &Notification, id: &ClientId) {
    if let Ok(said) = tagged(said, Some(id.raw())) {
        sink.send(Event::Notify(said)).await;
    }
}

/// Which resources of which server are to be watched: the address that each has there, and the one it has here.
async fn by_server(view: &View, call: &Call, uris: Vec<String>) -> BTreeMap<String, Vec<(String, String)>> {
    let class = call.caller.capabilities.class();
    let mut by_server: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for uri in uris {
        if let Some((member, real)) = view.locate(class, Method::ResourcesList, &uri).await {
            by_server.entry(member.served.name.clone()).or_default().push((real, uri));
        }
    }
    by_server
}

fn meta(request: &Request) -> String {
    let meta = request.places().1.map_or(&b"{}"[..], |span| &request.text()[span.range()]);
    String::from_utf8_lossy(meta).into_owned()
}

/// Resources of one server that somebody watches.
struct Watching {
    name: String,
    /// The address that each has there, and the one it has here.
    uris: Vec<(String, String)>,
    caller: Arc<Caller>,
    /// The `_meta` of whoever wants to know.
    meta: String,
}

impl Watching {
    /// Watches them, again and again if the server is lost; `told` gets the addresses that the server has accepted.
    async fn run(
        self,
        view: std::sync::Weak<View>,
        mut told: Option<oneshot::Sender<Vec<String>>>,
        sink: Sink,
    ) -> Outcome {
        let mut broke = 0;
        loop {
            if let Some(mut reply) = self.open(&view).await {
                while let Some(event) = reply.next().await {
                    let Event::Notify(said) = event else { continue };
                    match said.method() {
                        Method::Acknowledged => {
                            broke = 0;
                            let accepted = Filter::of(said.param("notifications").unwrap_or(b"{}")).uris;
                            if let Some(told) = told.take() {
                                let shown = accepted.iter().filter_map(|uri| self.shown(uri)).map(str::to_owned);
                                let _ = told.send(shown.collect());
                            }
                        }
                        Method::ResourceUpdated => {
                            let uri = said.param("uri").and_then(raw::string).unwrap_or_default();
                            let shown = self.shown(&uri).unwrap_or(&uri);
                            sink.send(Event::Notify(said.with_param("uri", quote(shown).as_bytes()))).await;
                        }
                        _ => {}
                    }
                }
            }
            // Nobody must wait for what the server does not do.
            drop(told.take());
            let pause = PAUSE.0.saturating_mul(1 << broke.min(6)).min(PAUSE.1).mul_f64(jitter());
            broke += 1;
            sleep(pause).await;
        }
    }

    fn shown(&self, real: &str) -> Option<&str> {
        self.uris.iter().find(|(there, _)| there == real).map(|(_, here)| here.as_str())
    }

    async fn open(&self, view: &std::sync::Weak<View>) -> Option<Reply> {
        let members = view.upgrade()?.members();
        let served = members.list.iter().find(|member| member.served.name == self.name)?.served.clone();
        let filter = Filter { lists: [false; 3], uris: self.uris.iter().map(|(there, _)| there.clone()).collect() };
        let params = format!("{{\"_meta\":{},\"notifications\":{}}}", self.meta, filter.to_json());
        let request = Request::new(&ClientId::number(0), "subscriptions/listen", Some(&params)).ok()?;
        let connecting = served.bridge_of(self.caller.user.as_ref()).ok()?.connect(self.caller.clone());
        let link = timeout(served.limits().start, connecting).await.ok()?.map_err(of_refusal).ok()?;
        Some(link.call(Call { request, caller: self.caller.clone() }))
    }
}
