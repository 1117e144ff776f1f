//! A server without a handshake, as a client with one sees it: it opens, it asks, it tells of changes.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use janua_wire::level::rank;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::metadata::{envelope, with_envelope};
use janua_wire::method::Method;
use janua_wire::version::Version;
use janua_wire::{opening, raw};
use tokio_util::sync::CancellationToken;

use super::listening::Wishes;
use super::questions::{self, Round, Step};
use super::{Bridge, modern_caller, telling, upgraded};
use crate::call::{Call, Caller, Event, Outcome, Reply, Sink};
use crate::cancels::Cancels;
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::opening::GATEWAY;
use crate::servers::{Connection, Opened, Opening};

/// So often a server may ask for more before it is stopped (2026-07-28 `basic/patterns/mrtr` leaves it to clients).
const ROUNDS: usize = 10;

/// The connection of one client.
pub(crate) struct Asking(Arc<Inner>);

pub(super) struct Inner {
    pub(super) bridge: Weak<Bridge>,
    limits: Arc<Limits>,
    opened: Opened,
    /// The revision spoken with the client.
    pub(super) version: Version,
    /// What the client can be asked, as it declared it.
    pub(super) capabilities: ClientCapabilities,
    /// The client itself, as a raw JSON object.
    client: String,
    /// The caller that the client is at the server.
    pub(super) caller: Arc<Caller>,
    log_level: Lock<Option<String>>,
    /// Whether the server has anything to log.
    logs: bool,
    pub(super) wishes: Wishes,
    cancels: Cancels,
    over: CancellationToken,
}

impl Asking {
    /// The connection of the client that opened with `opening`, to a server that said `discovered` of itself.
    pub(crate) fn open(bridge: &Arc<Bridge>, opening: &Opening, discovered: &Opened) -> Arc<dyn Connection> {
        let said = opening::initialize_result(discovered.response.body(), opening.version);
        let response = Response::result(&said).unwrap_or_else(|_| discovered.response.clone());
        let client = raw::peek(&opening.params, "clientInfo").unwrap_or(GATEWAY.as_bytes());
        let declared = opening::client_capabilities(opening.capabilities.raw(), opening.version);
        let inner = Inner {
            wishes: Wishes::of_server(discovered.response.body()),
            opened: Opened { response, version: opening.version },
            version: opening.version,
            capabilities: opening.capabilities.clone(),
            client: String::from_utf8_lossy(client).into_owned(),
            caller: modern_caller(ClientCapabilities::of(declared.as_bytes())),
            log_level: Lock::default(),
            logs: raw::peek(discovered.response.body(), "capabilities")
                .is_some_and(|c| raw::peek(c, "logging").is_some()),
            cancels: Cancels::default(),
            over: CancellationToken::new(),
            limits: bridge.limits.clone(),
            bridge: Arc::downgrade(bridge),
        };
        Arc::new(Asking(Arc::new(inner)))
    }
}

impl Inner {
    /// What stands in the `_meta` of every request of this client.
    pub(super) fn envelope(&self) -> String {
        // A server with a handshake logs of its own accord until it is told otherwise. Servers are asked for it also
        // if they do not declare that they log: those made with the Python SDK log all the same.
        let level = self.log_level.lock().clone().or_else(|| Some("info".to_owned()));
        let declared = String::from_utf8_lossy(self.caller.capabilities.raw()).into_owned();
        envelope(&self.client, &declared, level.as_deref())
    }

    /// `logging/setLevel`: remembered, and said with every request from now on.
    fn set_level(&self, request: &Request) -> Outcome {
        if !self.logs {
            return refused(METHOD_NOT_FOUND, "the server does not log");
        }
        let level = request.param("level").and_then(raw::string);
        match level.filter(|level| rank(level).is_some()) {
            Some(level) => {
                *self.log_level.lock() = Some(level);
                empty_result()
            }
            None => refused(INVALID_PARAMS, "the log level is not one of those that there are"),
        }
    }

    /// A request whose answer the server may make depend on the client: asked as often as it takes.
    async fn run(&self, call: Call, sink: Sink) -> Outcome {
        let base = match with_envelope(&call.request, &self.envelope()) {
            Ok(base) => base,
            Err(why) => return refused(INVALID_PARAMS, &why.why.to_string()),
        };
        let mut request = base.clone();
        for round in 0..=ROUNDS {
            let response = match self.once(request, &sink).await {
                Outcome::Answer(response) => response,
                failure @ Outcome::Failure(_) => return failure,
            };
            match questions::step(&response) {
                Step::InputRequired if round == ROUNDS => break,
                Step::InputRequired => {}
                Step::Complete => {
                    return Outcome::Answer(telling::for_legacy(call.request.method(), &response, self.version));
                }
                Step::Unknown => {
                    let failure = Failure::new(Kind::InvalidResponse, "the server's result is of a kind unknown here");
                    return Outcome::Failure(failure.after_sending());
                }
            }
            match questions::ask(self, &response, round, &sink).await {
                Round::Answered(extra) => match questions::retry(&base, &extra) {
                    Ok(next) => request = next,
                    Err(why) => return refused(INVALID_PARAMS, &why.why.to_string()),
                },
                Round::Stopped { code, why } => return stopped(&call.request, code, &why),
            }
        }
        let message = format!("the server asked for input more than {ROUNDS} times");
        Outcome::Failure(Failure::new(Kind::InvalidResponse, message).after_sending())
    }

    /// The link that serves everybody.
    pub(super) async fn link(&self) -> Result<Arc<dyn Connection>, Failure> {
        upgraded(&self.bridge)?.without_handshake().await
    }

    async fn once(&self, request: Request, sink: &Sink) -> Outcome {
        let link = match self.link().await {
            Ok(link) => link,
            Err(failure) => return Outcome::Failure(failure),
        };
        let mut reply = link.call(Call { request, caller: self.caller.clone() });
        while let Some(event) = reply.next().await {
            match event {
                Event::Done(outcome) => return outcome,
                notify @ Event::Notify(_) => sink.send(notify).await,
                // There are no requests of servers in this era: the link has refused it.
                Event::Ask(ask) => drop(ask),
            }
        }
        Outcome::Failure(Failure::new(Kind::ServerExited, "the reply ended early").after_sending())
    }
}

impl Connection for Asking {
    fn opened(&self) -> &Opened {
        &self.0.opened
    }

    fn call(&self, call: Call) -> Reply {
        let inner = self.0.clone();
        match call.request.method() {
            Method::Ping => Reply::ready(empty_result()),
            Method::SetLevel => Reply::ready(inner.set_level(&call.request)),
            Method::Subscribe | Method::Unsubscribe => {
                Reply::unfold(|_| async move { inner.wishes.change(&call.request, inner.limits.call).await })
            }
            Method::Initialize | Method::Discover | Method::Listen | Method::Tasks | Method::TaskResult => {
                Reply::ready(refused(METHOD_NOT_FOUND, "the server has no such method in this revision"))
            }
            _ => {
                let token = inner.cancels.enter(call.request.id().detached());
                Reply::unfold(|sink| async move {
                    tokio::select! {
                        outcome = inner.run(call, sink) => outcome,
                        () = token.cancelled() => Outcome::Failure(Failure::cancelled()),
                        () = inner.over.cancelled() => {
                            let failure = Failure::new(Kind::SessionLost, "the session has ended");
                            Outcome::Failure(failure.after_sending())
                        }
                    }
                })
            }
        }
    }

    /// A cancellation ends the request it names. Everything else tells of a session, of which the server knows
    /// nothing.
    fn notify(&self, _: &Caller, notification: Notification) {
        if notification.method() == Method::Cancelled
            && let Some(id) = notification.param("requestId")
        {
            self.0.cancels.cancel(id);
        }
    }

    fn listen(&self) -> Reply {
        let inner = self.0.clone();
        Reply::unfold(|sink| async move {
            let over = inner.over.clone();
            tokio::select! {
                () = super::listening::follow(&inner, &sink) => {}
                () = over.cancelled() => {}
            }
            Outcome::Failure(Failure::new(Kind::SessionLost, "the session has ended"))
        })
    }

    fn is_over(&self) -> bool {
        self.0.over.is_cancelled()
    }

    fn close(&self, _: Failure) -> BoxFuture<'static, ()> {
        self.0.over.cancel();
        std::future::ready(()).boxed()
    }
}

pub(crate) fn empty_result() -> Outcome {
    answer(Response::result("{}"))
}

pub(crate) fn answer<E>(response: Result<Response, E>) -> Outcome {
    Outcome::Answer(response.unwrap_or_else(|_| {
        Response::error(janua_wire::error::INTERNAL_ERROR, "the gateway could not form its answer", None)
    }))
}

pub(crate) fn refused(code: i32, message: &str) -> Outcome {
    Outcome::Answer(Response::error(code, message, None))
}

pub(super) fn refused_with(code: i32, message: &str, data: &str) -> Outcome {
    Outcome::Answer(Response::error(code, message, Some(data)))
}

/// How a request ends whose server did not get its input: a tool has failed, in words that a model can read.
pub(super) fn stopped(request: &Request, code: i32, why: &str) -> Outcome {
    if request.method() != Method::ToolsCall {
        return refused(code, why);
    }
    let text = janua_wire::json::quote(why);
    answer(Response::result(&format!("{{\"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"isError\":true}}")))
}
