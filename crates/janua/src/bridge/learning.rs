//! The server's tools, asked for by the gateway itself.

use std::sync::Arc;

use janua_wire::id::ClientId;
use janua_wire::message::Request;
use janua_wire::metadata::envelope;
use janua_wire::raw;

use super::Bridge;
use crate::call::{Call, Caller, Outcome};
use crate::error::Failure;
use crate::servers::opening::GATEWAY;
use crate::servers::outcome;

/// Asks the server for its tools, as nobody has yet. If it does not say, calls pass unchecked; a server that cannot be
/// asked cannot be called either.
pub(super) async fn learn(bridge: &Arc<Bridge>, caller: &Arc<Caller>) -> Result<(), Failure> {
    /// More pages are not read: what is on them is not checked.
    const PAGES: usize = 64;
    let inventory = &bridge.inventory;
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
        let link = bridge.modern(caller).await?;
        let reply = link.call(Call { request, caller: caller.clone() });
        let outcome = outcome(reply.within(bridge.limits.call, bridge.limits.call_total)).await;
        let response = match outcome {
            // A server without tools says so with an error, and need not be asked again.
            Outcome::Answer(response) => response,
            Outcome::Failure(failure) if failure.sent => return Ok(()),
            Outcome::Failure(failure) => return Err(failure),
        };
        if !response.is_error() {
            inventory.learn(response.body());
        }
        match raw::peek(response.body(), "nextCursor").filter(|_| !response.is_error()) {
            Some(next) => cursor = format!(",\"cursor\":{}", String::from_utf8_lossy(next)),
            None => break,
        }
    }
    inventory.settle();
    Ok(())
}
