//! Asking a server what it is and what it has.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use janua_wire::capabilities::{Class, ClientCapabilities};
use janua_wire::filter::Filter;
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::lists::{Caching, items};
use janua_wire::message::{Request, Response};
use janua_wire::metadata::envelope;
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::version::Era;

use super::shelf::{LISTS, List, Shelf};
use crate::bridge::{Bridge, modern_caller, of_refusal};
use crate::call::{Call, Caller, Outcome, Reply};
use crate::error::{Failure, Kind};
use crate::servers::inventory::Inventory;
use crate::servers::opening::GATEWAY;
use crate::servers::{Connection, Place, outcome};

/// The requests for the [`LISTS`].
const NAMES: [&str; LISTS.len()] = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];
/// More pages of one list are not read, nor more elements.
const MOST: (usize, usize) = (256, 20_000);

/// What a server has shown.
pub(super) struct Seen {
    pub(super) discovered: Bytes,
    pub(super) lists: [List; LISTS.len()],
    /// The link it was asked on.
    pub(super) link: Arc<dyn Connection>,
}

/// Asks the server behind a shelf on behalf of clients of `class`, and starts it if need be.
pub(super) async fn look(shelf: &Shelf, class: Class) -> Result<Seen, Failure> {
    let seen = shown(&shelf.bridge, class, shelf.limits.call).await?;
    let link = shelf.bridge.instance(shelf.bridge.shared_class(class)).unwrap_or(seen.link);
    Ok(Seen { link, ..seen })
}

/// What the server behind a bridge shows to clients of `class`; it has so long for each answer.
pub(super) async fn shown(bridge: &Arc<Bridge>, class: Class, patience: Duration) -> Result<Seen, Failure> {
    let caller = modern_caller(class.capabilities());
    let face = bridge.clone().connect(caller.clone()).await.map_err(of_refusal)?;
    let discovered = match ask(&face, "server/discover", "", &caller, patience).await? {
        Ok(response) => Bytes::copy_from_slice(response.body()),
        Err(refused) => return Err(said(&refused, "server/discover")),
    };
    let capabilities = raw::peek(&discovered, "capabilities").unwrap_or(b"{}");
    let mut lists: [List; LISTS.len()] = Default::default();
    for (at, method) in LISTS.into_iter().enumerate() {
        let area = if method == Method::TemplatesList { "resources" } else { members(method) };
        if raw::peek(capabilities, area).is_some() {
            lists[at] = list(&face, method, &caller, patience, Some(&bridge.inventory)).await?;
            if method == Method::ToolsList {
                bridge.inventory.settle();
            }
        }
    }
    Ok(Seen { discovered, lists, link: face })
}

fn members(method: Method) -> &'static str {
    janua_wire::lists::member(method).unwrap_or_default()
}

/// All pages of a list. A server that refuses to list what it says it has, has nothing to show.
pub(super) async fn list(
    link: &Arc<dyn Connection>,
    method: Method,
    caller: &Arc<Caller>,
    patience: Duration,
    inventory: Option<&Inventory>,
) -> Result<List, Failure> {
    let name = NAMES[LISTS.iter().position(|list| *list == method).unwrap_or_default()];
    let (mut whole, mut cursor) = (List::default(), String::new());
    for _ in 0..MOST.0 {
        let response = match ask(link, name, &cursor, caller, patience).await? {
            Ok(response) => response,
            Err(refused) => {
                tracing::debug!(reason = %said(&refused, name), "a list is missing");
                break;
            }
        };
        if let (Method::ToolsList, Some(inventory)) = (method, inventory) {
            inventory.learn(response.body());
        }
        // The whole text is kept as long as its elements are.
        let page = Bytes::copy_from_slice(response.body());
        let caching = Caching::of(&page);
        whole.caching = Some(whole.caching.map_or(caching, |before| before.merge(caching)));
        let more = items(method, &page);
        let is_empty = more.is_empty();
        whole.items.extend(more);
        match raw::peek_string(&page, "nextCursor") {
            Some(next) if !is_empty && whole.items.len() < MOST.1 => cursor = format!(",\"cursor\":{}", quote(&next)),
            _ => break,
        }
    }
    Ok(whole)
}

/// A request of the gateway's own, with further raw members of its `params`: the result, or the server's error.
async fn ask(
    link: &Arc<dyn Connection>,
    method: &str,
    members: &str,
    caller: &Arc<Caller>,
    patience: Duration,
) -> Result<Result<Response, Response>, Failure> {
    let reply = link.call(Call { request: request(method, members, caller)?, caller: caller.clone() });
    match outcome(reply.within(patience, patience)).await {
        Outcome::Answer(response) if response.is_error() => Ok(Err(response)),
        Outcome::Answer(response) => Ok(Ok(response)),
        Outcome::Failure(failure) => Err(failure),
    }
}

fn request(method: &str, members: &str, caller: &Caller) -> Result<Request, Failure> {
    let declared = String::from_utf8_lossy(caller.capabilities.raw()).into_owned();
    let declared = if declared.is_empty() { "{}" } else { &declared };
    let params = match caller.version.era() {
        Era::Modern => format!("{{\"_meta\":{{{}}}{members}}}", envelope(GATEWAY, declared, None)),
        Era::Legacy => format!("{{{}}}", members.trim_start_matches(',')),
    };
    Request::new(&ClientId::number(0), method, Some(&params))
        .map_err(|refused| Failure::new(Kind::Unsupported, format!("cannot form {method}: {}", refused.why)))
}

fn said(refused: &Response, method: &str) -> Failure {
    let message = raw::peek_string(refused.body(), "message").unwrap_or_default();
    Failure::new(Kind::InvalidResponse, format!("the server refused {method}: {message}"))
}

/// Has a server without a handshake tell of every change of its lists.
pub(super) fn listen(link: &Arc<dyn Connection>) -> Option<Reply> {
    let capabilities = raw::peek(link.opened().response.body(), "capabilities").unwrap_or(b"{}");
    let offered = Filter::offered(capabilities);
    if offered.is_empty() {
        return None;
    }
    let members = format!(",\"notifications\":{}", offered.to_json());
    let caller = modern_caller(ClientCapabilities::default());
    let request = request("subscriptions/listen", &members, &caller).ok()?;
    Some(link.call(Call { request, caller }))
}
