//! The life of a call: which link serves it, how long it may take, and what comes back.

use std::sync::Arc;

use futures_util::StreamExt;
use janua_wire::error::HEADER_MISMATCH;
use janua_wire::message::{Notification, Response};
use janua_wire::method::Method;
use janua_wire::raw;

use crate::admission::overloaded;
use crate::bridge::of_refusal;
use crate::call::{Call, Caller, Outcome, Reply};
use crate::error::Failure;
use crate::gateway::Gateway;
use crate::observe::Origin;
use crate::observe::messages::{self, Between, Way};
use crate::servers::{Connection, Place};

/// Sends a request on its way to what `place` leads to, and watches it to its end.
pub(crate) async fn handle(
    gateway: &Arc<Gateway>,
    place: &Arc<dyn Place>,
    mut call: Call,
    origin: Origin<'_>,
) -> Reply {
    let observation = gateway.observer.begin(place.metrics(), &call.request, call.caller.version, origin);
    let shown = messages::are_shown().then(|| {
        let between = between(place, &call.caller, origin.session.map(str::to_owned));
        messages::show(Way::ToServer, &between, call.request.text());
        (between, call.request.id().detached())
    });
    call.request = observation.traced(call.request);
    let reply = send(gateway, place, call).await.observed(observation);
    match shown {
        Some((between, id)) => reply.shown(between, Some(id)),
        None => reply,
    }
}

async fn send(gateway: &Arc<Gateway>, place: &Arc<dyn Place>, call: Call) -> Reply {
    let streams = &gateway.admission.streams;
    let admitted = match call.request.method() {
        Method::Listen => streams.take().map(Some).ok_or_else(|| overloaded(streams)),
        _ => place.admit(),
    };
    let opened = match admitted {
        Ok(slot) => connect(place, &call.caller).await.map(|link| (link, slot)),
        Err(failure) => Err(failure),
    };
    let (link, slot) = match opened {
        Ok(opened) => opened,
        Err(failure) => return Reply::failed(failure),
    };
    let reply = match call.request.method() {
        // A stream of changes has no end that one could wait for.
        Method::Listen => noted(link.call(call), place.clone()),
        Method::ToolsList => noted(bounded(gateway, link.call(call)), place.clone()),
        _ => bounded(gateway, link.call(call)),
    };
    match slot {
        Some(slot) => reply.holding(slot),
        None => reply,
    }
}

fn bounded(gateway: &Gateway, reply: Reply) -> Reply {
    reply.within(gateway.limits.call, gateway.limits.call_total)
}

/// The same reply; the place takes note of what it says.
fn noted(reply: Reply, place: Arc<dyn Place>) -> Reply {
    Reply::stream(reply.inspect(move |event| place.observe(event)))
}

/// Whether the headers that mirror a tool's arguments say what the arguments say (2026-07-28 `server/tools`); the
/// error if they do not. `values` gives all values of the header with a name in lower case.
pub(crate) async fn check_mirror<'a, V>(
    place: &Arc<dyn Place>,
    call: &Call,
    values: impl Fn(&str) -> V,
) -> Result<(), Outcome>
where
    V: IntoIterator<Item = &'a [u8]>,
{
    if call.request.method() != Method::ToolsCall || !place.may_mirror() {
        return Ok(());
    }
    let Some(tool) = call.request.param("name").and_then(raw::string) else { return Ok(()) };
    let mirror = place.clone().mirror(tool, call.caller.clone()).await.map_err(Outcome::Failure)?;
    let Some(mirror) = mirror else { return Ok(()) };
    let arguments = call.request.param("arguments").unwrap_or(b"{}");
    mirror
        .check(arguments, values)
        .map_err(|mismatch| Outcome::Answer(Response::error(HEADER_MISMATCH, &mismatch.to_string(), None)))
}

/// Sends a client's notification on its way. There is nobody to tell if it cannot be delivered.
pub(crate) async fn notify(place: &Arc<dyn Place>, caller: &Arc<Caller>, notification: Notification) {
    if messages::are_shown() {
        messages::show(Way::ToServer, &between(place, caller, None), notification.text());
    }
    if let Ok(link) = connect(place, caller).await {
        link.notify(caller, notification);
    }
}

/// Between whom messages of that caller go.
fn between(place: &Arc<dyn Place>, caller: &Caller, session: Option<String>) -> Between {
    let key = caller.user.as_ref().and_then(|user| user.key.clone());
    Between { server: place.metrics().name().clone(), session, key }
}

async fn connect(place: &Arc<dyn Place>, caller: &Arc<Caller>) -> Result<Arc<dyn Connection>, Failure> {
    if let Some(link) = place.ready(caller) {
        return Ok(link);
    }
    place.clone().connect(caller.clone()).await.map_err(of_refusal)
}
