//! The life of a call: which link serves it, how long it may take, and what comes back.

use std::sync::Arc;

use futures_util::StreamExt;
use janua_wire::error::HEADER_MISMATCH;
use janua_wire::id::ClientId;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::metadata::envelope;
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::version::Era;

use crate::bridge::of_refusal;
use crate::call::{Call, Caller, Event, Outcome, Reply, Scope};
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::servers::Connection;
use crate::servers::inventory::Inventory;
use crate::servers::opening::GATEWAY;

/// Sends a request on its way.
pub(crate) async fn handle(gateway: &Arc<Gateway>, call: Call) -> Reply {
    let link = match connect(gateway, &call.caller).await {
        Ok(link) => link,
        Err(failure) => return Reply::failed(failure),
    };
    match call.request.method() {
        // A stream of changes has no end that one could wait for.
        Method::Listen => watched(link.call(call), gateway.bridge.inventory.clone()),
        Method::ToolsList => watched(bounded(gateway, link.call(call)), gateway.bridge.inventory.clone()),
        _ => bounded(gateway, link.call(call)),
    }
}

fn bounded(gateway: &Gateway, reply: Reply) -> Reply {
    reply.within(gateway.limits.call, gateway.limits.call_total)
}

/// The same reply; what it says of the server's tools is taken note of.
fn watched(reply: Reply, inventory: Arc<Inventory>) -> Reply {
    Reply::stream(reply.inspect(move |event| match event {
        Event::Done(Outcome::Answer(response)) if !response.is_error() => inventory.learn(response.body()),
        Event::Notify(news) if news.method() == Method::ListChanged => inventory.forget(),
        _ => {}
    }))
}

/// Whether the headers that mirror a tool's arguments say what the arguments say (2026-07-28 `server/tools`); the
/// error if they do not. `values` gives all values of the header with a name in lower case.
pub(crate) async fn check_mirror<'a, V>(
    gateway: &Arc<Gateway>,
    call: &Call,
    values: impl Fn(&str) -> V,
) -> Result<(), Outcome>
where
    V: IntoIterator<Item = &'a [u8]>,
{
    if call.request.method() != Method::ToolsCall {
        return Ok(());
    }
    let inventory = &gateway.bridge.inventory;
    if !inventory.is_known() {
        learn(gateway, &call.caller).await.map_err(Outcome::Failure)?;
    }
    if !inventory.has_mirrors() {
        return Ok(());
    }
    let tool = call.request.param("name").and_then(raw::string).unwrap_or_default();
    let Some(mirror) = inventory.mirror(&tool) else { return Ok(()) };
    let arguments = call.request.param("arguments").unwrap_or(b"{}");
    mirror
        .check(arguments, values)
        .map_err(|mismatch| Outcome::Answer(Response::error(HEADER_MISMATCH, &mismatch.to_string(), None)))
}

/// Asks the server for its tools, as nobody has yet. If it does not say, calls pass unchecked; a server that cannot be
/// asked cannot be called either.
async fn learn(gateway: &Arc<Gateway>, caller: &Arc<Caller>) -> Result<(), Failure> {
    /// More pages are not read: what is on them is not checked.
    const PAGES: usize = 64;
    let inventory = &gateway.bridge.inventory;
    let _turn = inventory.turn().await;
    let declared = String::from_utf8_lossy(caller.capabilities.raw()).into_owned();
    let members = envelope(GATEWAY, &declared, None);
    let mut cursor = String::new();
    for _ in 0..PAGES {
        if inventory.is_known() {
            return Ok(());
        }
        let params = format!("{{\"_meta\":{{{members}}}{cursor}}}");
        let Ok(request) = Request::new(&ClientId::number(0), "tools/list", Some(&params)) else { break };
        let mut reply = handle(gateway, Call { request, caller: caller.clone() }).await;
        let outcome = loop {
            match reply.next().await {
                Some(Event::Done(outcome)) => break outcome,
                Some(_) => {}
                None => return Ok(()),
            }
        };
        let response = match outcome {
            // A server without tools says so with an error, and need not be asked again.
            Outcome::Answer(response) => response,
            Outcome::Failure(failure) if failure.sent => return Ok(()),
            Outcome::Failure(failure) => return Err(failure),
        };
        match raw::peek(response.body(), "nextCursor").filter(|_| !response.is_error()) {
            Some(next) => cursor = format!(",\"cursor\":{}", String::from_utf8_lossy(next)),
            None => break,
        }
    }
    inventory.settle();
    Ok(())
}

/// Sends a client's notification on its way. There is nobody to tell if it cannot be delivered.
pub(crate) async fn notify(gateway: &Arc<Gateway>, caller: &Caller, notification: Notification) {
    if let Ok(link) = connect(gateway, caller).await {
        link.notify(caller, notification);
    }
}

async fn connect(gateway: &Arc<Gateway>, caller: &Caller) -> Result<Arc<dyn Connection>, Failure> {
    if caller.version.era() == Era::Modern {
        return gateway.bridge.modern(caller).await;
    }
    if caller.scope != Scope::Shared {
        // The session is about to end, too: the client needs a new one.
        let lost = || Failure::new(Kind::SessionLost, "the server of this session has ended, and the session with it");
        return gateway.bridge.of_session(&caller.scope).ok_or_else(lost);
    }
    gateway.bridge.shared().await.map_err(of_refusal)
}
