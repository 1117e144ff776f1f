//! A server with a handshake, as a client without one sees it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use janua_wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::level::{LEVELS, rank};
use janua_wire::message::{Notification, Request, Response};
use janua_wire::metadata::without_envelope;
use janua_wire::method::{META_LOG_LEVEL, Method};
use janua_wire::translate::tasks::Task;
use janua_wire::{opening, raw};

use super::asking::{answer, refused};
use super::tasks::{self, Driven, Tasked};
use super::turns::{Turn, Turns};
use super::{Bridge, listening, telling, upgraded, visits};
use crate::call::{Ask, Call, Caller, Event, Outcome, Reply, Sink};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::{Connection, Opened};

/// What one class of clients sees.
pub(crate) struct Facing {
    me: Weak<Facing>,
    bridge: Weak<Bridge>,
    opened: Opened,
    turns: Arc<Turns>,
    /// How many listen for changes of a resource.
    watched: Lock<HashMap<String, usize>>,
    /// Tools that run as tasks only, which clients of this era do not have.
    tasked: Tasked,
    /// What each link was told to log.
    told: Lock<Vec<(Weak<dyn Connection>, usize)>>,
}

/// A resource that is watched for somebody; dropped, it is not any more.
pub(super) struct Watched {
    face: Arc<Facing>,
    link: Arc<dyn Connection>,
    uri: String,
}

impl Facing {
    /// What clients see that share the instances behind `turns`; `first` is the first of them.
    pub(super) fn new(bridge: &Arc<Bridge>, turns: Arc<Turns>, first: &Arc<dyn Connection>) -> Arc<Self> {
        let opened = first.opened().clone();
        Arc::new_cyclic(|me| Facing {
            me: me.clone(),
            bridge: Arc::downgrade(bridge),
            opened,
            turns,
            watched: Lock::default(),
            tasked: Tasked::default(),
            told: Lock::default(),
        })
    }

    /// The link that answers for all.
    pub(super) async fn first(&self) -> Result<Arc<dyn Connection>, Failure> {
        self.turns.first(&upgraded(&self.bridge)?).await
    }

    async fn turn(&self, asks: bool) -> Result<Turn, Failure> {
        self.turns.take(&upgraded(&self.bridge)?, asks).await
    }

    /// The calls that are parked.
    pub(super) fn bridge(&self) -> Result<Arc<Bridge>, Failure> {
        upgraded(&self.bridge)
    }

    fn server_info(&self) -> Option<&[u8]> {
        raw::peek(self.opened.response.body(), "serverInfo")
    }

    /// The result of the server as this face shows it.
    pub(super) fn shown(&self, method: Method, response: &Response) -> Response {
        telling::for_modern(method, response, self.server_info())
    }

    /// Sends a request on, in the words of the other era.
    pub(super) async fn forward(self: Arc<Self>, call: Call, sink: Sink) -> Outcome {
        let method = call.request.method();
        let mut request = match without_envelope(&call.request) {
            Ok(request) => request,
            Err(why) => return refused(INVALID_PARAMS, &why.why.to_string()),
        };
        let level = call.request.meta(META_LOG_LEVEL).and_then(raw::string);
        let Ok(level) = level.map(|level| rank(&level).ok_or(())).transpose() else {
            return refused(INVALID_PARAMS, "the log level is not one of those that there are");
        };
        let turn = match self.turn(method.may_ask()).await {
            Ok(turn) => turn,
            Err(failure) => return Outcome::Failure(failure),
        };
        if let Some(level) = level {
            self.log_at(&turn.link, level, &call.caller).await;
        }
        if method == Method::ToolsCall
            && self.tasked.wants(&turn.link, &call).await
            && let Ok(asking) = tasks::asking(&request)
        {
            request = asking;
        }
        let mut task = None;
        let mut reply = turn.link.call(Call { request, caller: call.caller.clone() });
        while let Some(event) = reply.next().await {
            match event {
                Event::Done(outcome) => match (announced(method, &outcome), self.bridge()) {
                    (Some(announced), Ok(bridge)) if task.is_none() => {
                        match tasks::follow(&turn.link, &announced, &call.caller, &bridge.tasks) {
                            Ok((result, driven)) => (reply, task) = (result, Some(driven)),
                            Err(failure) => return Outcome::Failure(failure),
                        }
                    }
                    _ => {
                        if let (Some(task), Outcome::Answer(_)) = (task, &outcome) {
                            task.ended();
                        }
                        return self.ended(&call, outcome);
                    }
                },
                Event::Notify(news) => {
                    if is_wanted(&news, level) {
                        sink.send(Event::Notify(news)).await;
                    }
                }
                Event::Ask(ask) if parks(method) => {
                    let Some(ask) = permitted(ask, &call.caller) else { continue };
                    let running = Running { face: self, call, reply, _turn: turn, _task: task, level };
                    return running.park(ask, &sink).await;
                }
                Event::Ask(ask) => ask.vouch(),
            }
        }
        Outcome::Failure(Failure::new(Kind::ServerExited, "the reply ended early").after_sending())
    }

    /// How a request ends for the client.
    pub(super) fn ended(&self, call: &Call, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Answer(response) if visits::wanted(call.request.method(), &response) => match self.bridge() {
                Ok(bridge) => bridge.parking.visit(call, &response),
                Err(failure) => Outcome::Failure(failure),
            },
            Outcome::Answer(response) => Outcome::Answer(self.shown(call.request.method(), &response)),
            failure @ Outcome::Failure(_) => failure,
        }
    }

    /// Sees to it that the server logs what somebody wants to hear. It is told only when more is wanted than before.
    async fn log_at(&self, link: &Arc<dyn Connection>, level: usize, caller: &Arc<Caller>) {
        let capabilities = raw::peek(self.opened.response.body(), "capabilities").unwrap_or(b"{}");
        if raw::peek(capabilities, "logging").is_none() {
            return;
        }
        {
            let mut told = self.told.lock();
            told.retain(|(link, _)| link.strong_count() > 0);
            let known =
                told.iter_mut().find(|(known, _)| known.upgrade().is_some_and(|known| Arc::ptr_eq(&known, link)));
            match known {
                Some((_, told)) if *told <= level => return,
                Some((_, told)) => *told = level,
                None => told.push((Arc::downgrade(link), level)),
            }
        }
        let params = format!("{{\"level\":\"{}\"}}", LEVELS[level]);
        settled(link, "logging/setLevel", &params, caller).await;
    }

    /// Has the server tell of changes of `uri`; `None` if it does not.
    pub(super) async fn watch(self: &Arc<Self>, link: &Arc<dyn Connection>, uri: &str) -> Option<Watched> {
        let first = {
            let mut watched = self.watched.lock();
            let count = watched.entry(uri.to_owned()).or_default();
            *count += 1;
            *count == 1
        };
        let watched = Watched { face: self.clone(), link: link.clone(), uri: uri.to_owned() };
        if !first {
            return Some(watched);
        }
        let caller = super::modern_caller(janua_wire::capabilities::ClientCapabilities::default());
        let params = format!("{{\"uri\":{}}}", quote(uri));
        let done = settled(link, "resources/subscribe", &params, &caller).await.is_some();
        // Dropping what was refused takes the count back.
        done.then_some(watched)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let last = {
            let mut watched = self.face.watched.lock();
            let count = watched.get_mut(&self.uri).map_or(0, |count| {
                *count -= 1;
                *count
            });
            if count == 0 {
                watched.remove(&self.uri);
            }
            count == 0
        };
        if last && !self.link.is_over() {
            let (link, params) = (self.link.clone(), format!("{{\"uri\":{}}}", quote(&self.uri)));
            let Ok(bridge) = self.face.bridge() else { return };
            bridge.tasks.spawn("unsubscribe", async move {
                let caller = super::modern_caller(janua_wire::capabilities::ClientCapabilities::default());
                settled(&link, "resources/unsubscribe", &params, &caller).await;
            });
        }
    }
}

/// A call that runs at the server while its client is asked.
pub(super) struct Running {
    pub(super) face: Arc<Facing>,
    pub(super) call: Call,
    pub(super) reply: Reply,
    /// Held to the end: whoever has the turn is asked.
    pub(super) _turn: Turn,
    /// Dropped with the call: a task that nobody waits for is cancelled.
    pub(super) _task: Option<Driven>,
    pub(super) level: Option<usize>,
}

impl Connection for Facing {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn call(&self, call: Call) -> Reply {
        let Some(face) = self.me.upgrade() else {
            return Reply::failed(Failure::new(Kind::Stopping, "the gateway is stopping"));
        };
        match call.request.method() {
            Method::Discover => {
                let said = opening::discover_result(self.opened.response.body());
                Reply::ready(answer(Response::result(&said)))
            }
            Method::Listen => Reply::unfold(|sink| listening::serve(face, call, sink)),
            Method::Tasks => Reply::ready(refused(METHOD_NOT_FOUND, "the server has no such method")),
            method if parks(method) && call.request.param("requestState").is_some() => {
                face.bridge().map_or_else(Reply::failed, |bridge| bridge.parking.resume(&face, call))
            }
            _ => Reply::unfold(|sink| face.forward(call, sink)),
        }
    }

    /// Notifications of clients without a handshake tell nothing that a server with one knows.
    fn notify(&self, _: &Caller, _: Notification) {}

    fn listen(&self) -> Reply {
        Reply::unfold(|_| std::future::pending())
    }

    fn is_over(&self) -> bool {
        false
    }

    fn close(&self, _: Failure) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

/// The methods whose clients can be told to answer questions first (2026-07-28 `basic/patterns/mrtr`).
fn parks(method: Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

/// A question, if this very client can be asked it. If not, it is refused: the server was told of all its clients.
pub(super) fn permitted(ask: Ask, caller: &Caller) -> Option<Ask> {
    match caller.capabilities.permit(ask.request.method(), ask.request.params()) {
        Ok(()) => Some(ask),
        Err(refusal) => {
            ask.refuse(refusal.code, refusal.message);
            None
        }
    }
}

/// Whether a client that asked for log messages of `level` wants to see this with its call.
pub(super) fn is_wanted(news: &Notification, level: Option<usize>) -> bool {
    match news.method() {
        Method::LogMessage => {
            let said = news.param("level").and_then(raw::string).and_then(|said| rank(&said));
            level.is_some_and(|wanted| said.is_none_or(|said| said >= wanted))
        }
        Method::Progress => true,
        _ => false,
    }
}

/// The task that an answer announces instead of being one.
fn announced(method: Method, outcome: &Outcome) -> Option<Task> {
    match outcome {
        Outcome::Answer(response) if method == Method::ToolsCall && !response.is_error() => {
            Task::announced(response.body())
        }
        _ => None,
    }
}

/// Sends a request of the gateway's own and gives its result, if there is one.
pub(super) async fn settled(
    link: &Arc<dyn Connection>,
    method: &str,
    params: &str,
    caller: &Arc<Caller>,
) -> Option<Response> {
    let request = Request::new(&ClientId::number(0), method, Some(params)).ok()?;
    let limits = (std::time::Duration::from_secs(10), std::time::Duration::from_secs(10));
    let mut reply = link.call(Call { request, caller: caller.clone() }).within(limits.0, limits.1);
    while let Some(event) = reply.next().await {
        if let Event::Done(outcome) = event {
            let Outcome::Answer(response) = outcome else { return None };
            return Some(response).filter(|response| !response.is_error());
        }
    }
    None
}
