//! A client on one channel that carries everything both ways: HTTP+SSE, a pair of pipes.

use std::sync::Arc;

use bytes::Bytes;
use janua_wire::error::{self, INVALID_REQUEST};
use janua_wire::id::ClientId;
use janua_wire::line::Line;
use janua_wire::message::{self, Incoming, Message, Notification, Refused, Request, Response};
use janua_wire::method::Method;
use janua_wire::version::Era;

use super::envelope;
use super::streamable_http::last_line;
use crate::admission::overloaded;
use crate::call::{Call, Caller, Outcome, Reply};
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::servers::Refusal;
use crate::sessions::Session;
use crate::sessions::session::Running;
use crate::{local, pipeline};

/// Takes in one message. Every answer goes to the session's outbound stream; what cannot be read is given back.
pub(crate) async fn receive(gateway: &Arc<Gateway>, session: &Arc<Session>, text: Bytes) -> Result<(), Refused> {
    session.touch();
    match message::parse(text)? {
        Incoming::Single(message) => take(gateway, session, message).await,
        // On such a channel the answers to a batch may go back one by one.
        Incoming::Batch(messages) if session.caller().is_some_and(|caller| caller.version.has_batches()) => {
            for message in messages {
                match message {
                    Ok(message) => take(gateway, session, message).await,
                    Err(refused) => refuse(session, &refused),
                }
            }
        }
        Incoming::Batch(_) => return Err(Refused { why: message::Invalid::Batch, id: None }),
    }
    Ok(())
}

/// Answers a message that cannot be read, on the channel itself.
pub(crate) fn refuse(session: &Session, refused: &Refused) {
    let why = refused.why;
    put(session, &error::response(refused.id.as_ref(), why.code(), &why.to_string(), None).into());
}

async fn take(gateway: &Arc<Gateway>, session: &Arc<Session>, message: Message) {
    match message {
        Message::Request(request) if request.method() == Method::Initialize => open(gateway, session, request),
        // Without a handshake every request says itself who asks (2026-07-28 basic/transports/stdio).
        Message::Request(request) if request.claimed_version().is_some() => {
            match envelope::caller(&request, &session.visitor) {
                Ok(caller) => run(gateway, session, Some(caller), request).await,
                Err(refused) => put(session, &refused.answering(request.id().raw())),
            }
        }
        Message::Request(request) => {
            let caller = session.settled().await.cloned();
            run(gateway, session, caller, request).await;
        }
        Message::Notification(notification) => {
            if notification.method() == Method::Cancelled
                && let Some(id) = notification.param("requestId")
            {
                session.cancels.cancel(id);
            }
            if let Some(caller) = session.settled().await {
                pipeline::notify(&session.place, caller, notification).await;
            }
        }
        Message::Response(response) => {
            session.answered(response);
        }
    }
}

fn put(session: &Session, line: &Line) {
    session.put(0, &session.outbound, line, false);
}

fn open(gateway: &Arc<Gateway>, session: &Arc<Session>, request: Request) {
    let id = request.id();
    let running = match enter(gateway, session) {
        Ok(running) => running,
        Err(failure) => return put(session, &failure.response().answering(id.raw())),
    };
    if !session.begin_opening() {
        return put(session, &error::response(Some(&id), INVALID_REQUEST, "Session already initialized", None).into());
    }
    let (tasks, gateway, session) = (gateway.tasks.clone(), gateway.clone(), session.clone());
    tasks.spawn("open session", async move {
        let _running = running;
        let opened = tokio::select! {
            opened = local::initialize(&gateway, &session, &request) => opened,
            () = session.ended() => return,
        };
        let line = match opened {
            Ok(response) | Err(Refusal::ByServer(response)) => response.answering(id.raw()),
            Err(Refusal::Failed(failure)) => failure.response().answering(id.raw()),
        };
        put(&session, &line);
        session.opening_over();
        // The session may have ended while its server was being opened.
        if session.is_over() {
            let why = Failure::new(Kind::SessionLost, "the session has ended");
            for closing in session.place.close_session(&session.scope(), &why) {
                closing.await;
            }
        }
    });
}

/// Takes a place among the requests of the session, and of the gateway.
fn enter(gateway: &Gateway, session: &Arc<Session>) -> Result<Running, Failure> {
    let requests = &gateway.admission.requests;
    let slot = requests.take().ok_or_else(|| overloaded(requests))?;
    session.enter(Some(slot)).ok_or_else(|| session.too_many())
}

async fn run(gateway: &Arc<Gateway>, session: &Arc<Session>, caller: Option<Arc<Caller>>, request: Request) {
    let id = request.id().detached();
    let Some(caller) = caller else { return put(session, &unopened(&request, &id)) };
    let listens = request.method() == Method::Listen;
    let running = match enter(gateway, session) {
        Ok(running) => running,
        Err(failure) => return put(session, &failure.response().answering(id.raw())),
    };
    // Nobody waits for a stream of changes to end.
    let (running, listening) = if listens { (None, session.listens.take()) } else { (Some(running), None) };
    if listens && listening.is_none() {
        return put(session, &session.too_many().response().answering(id.raw()));
    }
    // Before the next message is looked at: a cancellation must find what it cancels.
    let cancelled = (caller.version.era() == Era::Modern).then(|| session.cancels.enter(id.clone()));
    let reply = pipeline::handle(gateway, &session.place, Call { request, caller }, session.origin()).await;
    let session = session.clone();
    gateway.tasks.spawn("request", async move {
        let _under_way = (running, listening);
        let cancelling = async {
            match &cancelled {
                Some(token) => token.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = exchange(&session, &id, reply) => if listens {
                farewell(&session, &id);
            },
            () = cancelling => {}
            () = session.ended() => {}
        }
    });
}

/// What a request is answered before the session is opened: a ping may be sent at any time (2025-11-25
/// `basic/lifecycle`).
fn unopened(request: &Request, id: &ClientId) -> Line {
    match Response::result("{}") {
        Ok(pong) if request.method() == Method::Ping => pong.answering(id.raw()),
        _ => error::response(Some(id), INVALID_REQUEST, "the session is not initialized yet", None).into(),
    }
}

/// A stream of changes that the server ends is taken back as well, where it shares a channel with others
/// (2026-07-28 `basic/patterns/cancellation`).
fn farewell(session: &Session, id: &ClientId) {
    let params = format!("{{\"requestId\":{}}}", String::from_utf8_lossy(id.raw()));
    if let Ok(cancelled) = Notification::new("notifications/cancelled", Some(&params)) {
        put(session, &cancelled.line());
    }
}

async fn exchange(session: &Arc<Session>, id: &ClientId, mut reply: Reply) {
    let Some(outcome) = session.pour(0, &session.outbound, &mut reply).await else { return };
    // On such a channel a cancelled request is not answered (2025-11-25 basic/utilities/cancellation).
    if matches!(&outcome, Outcome::Failure(failure) if failure.kind == Kind::Cancelled) {
        return;
    }
    put(session, &last_line(id, outcome));
}
