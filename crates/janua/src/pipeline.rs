//! The life of a call: which link serves it, how long it may take, and what comes back.

use std::sync::Arc;

use janua_wire::message::Notification;
use janua_wire::method::Method;
use janua_wire::version::Era;

use crate::bridge::of_refusal;
use crate::call::{Call, Caller, Reply, Scope};
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::servers::Connection;

/// Sends a request on its way.
pub(crate) async fn handle(gateway: &Arc<Gateway>, call: Call) -> Reply {
    match connect(gateway, &call.caller).await {
        // A stream of changes has no end that one could wait for.
        Ok(link) if call.request.method() == Method::Listen => link.call(call),
        Ok(link) => link.call(call).within(gateway.limits.call, gateway.limits.call_total),
        Err(failure) => Reply::failed(failure),
    }
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
