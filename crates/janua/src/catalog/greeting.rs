//! What a view says of itself: the answer to `initialize` and to `server/discover`.

use std::sync::Arc;

use janua_wire::capabilities::Class;
use janua_wire::json::quote;
use janua_wire::message::Response;
use janua_wire::method::META_SERVER;
use janua_wire::version::Version;
use janua_wire::{opening, raw, servers};

use super::merged::Merged;
use super::view::View;
use crate::bridge::asking::answer;
use crate::call::{Caller, Outcome};
use crate::servers::Refusal;
use crate::servers::opening::GATEWAY;

/// What a server may have of which nothing is known yet.
const ANYTHING: &str =
    "{\"tools\":{},\"prompts\":{},\"resources\":{\"subscribe\":true},\"logging\":{},\"completions\":{}}";
/// The lists whose changes the gateway announces itself.
const LISTED: [&str; 3] = ["tools", "prompts", "resources"];

/// The answer to `initialize` of a client that speaks `version`. A view that can be one server only cannot say anything
/// before that has been seen once; others answer at once.
pub(super) async fn initialized(view: &Arc<View>, class: Class, version: Version) -> Result<Response, Refusal> {
    let merged = greeted(view, class).await?;
    let said = said(&merged);
    let said = opening::initialize_result(said.as_bytes(), version);
    let outcome = answer(Response::result(&said));
    match outcome {
        Outcome::Answer(response) => Ok(response),
        Outcome::Failure(failure) => Err(failure.into()),
    }
}

/// The answer to `server/discover`.
pub(super) async fn discovered(view: &Arc<View>, caller: &Caller) -> Outcome {
    match greeted(view, caller.capabilities.class()).await {
        Ok(merged) => answer(Response::result(&said(&merged))),
        Err(Refusal::ByServer(response)) => Outcome::Answer(response),
        Err(Refusal::Failed(failure)) => Outcome::Failure(failure),
    }
}

/// What a connection says that was not opened by any client.
pub(super) fn nothing() -> Response {
    Response::result("{}").unwrap_or_else(|_| Response::error(janua_wire::error::INTERNAL_ERROR, "no result", None))
}

async fn greeted(view: &Arc<View>, class: Class) -> Result<Arc<Merged>, Refusal> {
    let (merged, settled) = view.now(class);
    let is_known = merged.known.iter().all(Option::is_some);
    if !merged.members.is_lone || is_known {
        return Ok(merged);
    }
    let merged = if settled { merged } else { view.settled(class).await };
    if let ([None], [member]) = (merged.known.as_slice(), merged.members.list.as_slice())
        && let Some(trouble) = member.served.shelf.trouble()
    {
        return Err((*trouble).clone().into());
    }
    Ok(merged)
}

/// The result of `server/discover` for what is known of the servers.
fn said(merged: &Merged) -> String {
    if let ([Some(known)], true) = (merged.known.as_slice(), merged.members.is_lone)
        && let Ok(whole) = Response::result(&String::from_utf8_lossy(&known.discovered))
    {
        return lone(&whole);
    }
    let known: Vec<_> = merged.known.iter().flatten().collect();
    let mut capabilities: Vec<&[u8]> = known.iter().map(|known| known.capabilities()).collect();
    if known.len() < merged.known.len() || known.is_empty() {
        capabilities.push(ANYTHING.as_bytes());
    }
    let all = servers::union(&capabilities);
    let told: Vec<String> = LISTED
        .iter()
        .filter(|list| raw::peek(all.as_bytes(), list).is_some())
        .map(|list| format!("\"{list}\":{{\"listChanged\":true}}"))
        .collect();
    let told = format!("{{{}}}", told.join(","));
    let capabilities = servers::union(&[all.as_bytes(), told.as_bytes()]);
    let (info, instructions) = (info(merged), instructions(merged));
    format!(
        "{{\"resultType\":\"complete\",\"supportedVersions\":[\"{}\"],\"capabilities\":{capabilities}{instructions},\
         \"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{{\"{META_SERVER}\":{info}}}}}",
        Version::NEWEST
    )
}

/// What a lone server says of itself; that it announces changes of its lists is the gateway's own doing.
fn lone(whole: &Response) -> String {
    let announcing = LISTED.iter().fold(whole.clone(), |said, list| {
        let capabilities = raw::peek(said.body(), "capabilities").unwrap_or_default();
        let announced = raw::peek(capabilities, list).map(|had| raw::peek(had, "listChanged") == Some(b"true"));
        if announced == Some(false) { said.with_path(&["capabilities", list, "listChanged"], b"true") } else { said }
    });
    String::from_utf8_lossy(announcing.body()).into_owned()
}

/// Who answers: the server if there can be one only, else the gateway.
fn info(merged: &Merged) -> String {
    let lone = merged.known.first().and_then(Option::as_ref).filter(|_| merged.members.is_lone);
    let info = lone.and_then(|known| opening::server_info(&known.discovered));
    info.map_or_else(|| GATEWAY.to_owned(), |info| String::from_utf8_lossy(info).into_owned())
}

/// The instructions of all servers, each under its name; of a lone one as they are.
fn instructions(merged: &Merged) -> String {
    let each = merged.members.list.iter().zip(&merged.known).filter_map(|(member, known)| {
        let said = raw::peek_string(&known.as_ref()?.discovered, "instructions")?;
        Some(if merged.members.is_lone { said } else { format!("# {}\n{said}", member.served.name) })
    });
    let all = each.collect::<Vec<_>>().join("\n\n");
    if all.is_empty() { String::new() } else { format!(",\"instructions\":{}", quote(&all)) }
}
