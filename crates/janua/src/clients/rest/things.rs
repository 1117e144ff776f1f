//! What servers have besides calls of tools: their lists, resources, prompts and completions.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::message::{self, Request, members_once};
use janua_wire::method::Method;
use janua_wire::{lists as wire, raw};

use super::call::Running;
use super::problem::Problem;
use super::results::Shown;
use super::tools::{self, About};
use super::{Target, Visit, parameter};
use crate::admission::Slot;
use crate::catalog::merged::UNAVAILABLE;

/// The names of the requests that list things.
pub(super) fn path(list: Method) -> &'static str {
    match list {
        Method::PromptsList => "prompts/list",
        Method::ResourcesList => "resources/list",
        Method::TemplatesList => "resources/templates/list",
        _ => "tools/list",
    }
}

/// The servers and views that there are.
pub(super) fn everything(visit: &Visit<'_>) -> Response<Body> {
    let api = format!("{}{}", visit.prefix, visit.edge.paths.api);
    let entry = |kind: &str, name: &String| {
        let address = quote(&format!("{api}/{name}"));
        format!("{{\"name\":{},\"kind\":\"{kind}\",\"address\":{address}}}", quote(name))
    };
    let now = visit.edge.gateway.catalog.many().map(|many| many.now());
    let servers = now.iter().flat_map(|now| now.servers.keys()).map(|name| entry("server", name));
    let views = now.iter().flat_map(|now| now.settings.views.keys()).map(|name| entry("view", name));
    let all: Vec<String> = servers.chain(views).collect();
    super::json(format!("{{\"servers\":[{}]}}", all.join(",")))
}

/// Whole lists, as members of one object.
pub(super) async fn lists(
    visit: &Visit<'_>,
    target: &Target,
    wanted: &[Method],
    slot: Slot,
) -> Result<Response<Body>, Problem> {
    let mut members = Vec::new();
    if let Some(view) = &target.view {
        let merged = view.settled(tools::class(visit)).await;
        members.extend(wanted.iter().map(|list| member(*list, merged.items(*list).map(|(_, item)| item))));
        members.extend(merged.missing().map(|missing| format!("\"_meta\":{{\"{UNAVAILABLE}\":{missing}}}")));
    } else {
        visit.check_name()?;
        let held = visit.enter(target, slot).await?;
        for list in wanted {
            let items = match tools::list(visit, target, &held, *list).await {
                Ok(items) => items,
                // It has none of them.
                Err(problem) if problem.status == StatusCode::NOT_FOUND => Vec::new(),
                Err(problem) => return Err(problem),
            };
            members.push(member(*list, items.iter().map(|item| &item.text)));
        }
    }
    Ok(super::json(format!("{{{}}}", members.join(","))))
}

fn member<'a>(list: Method, items: impl Iterator<Item = &'a Bytes>) -> String {
    let items: Vec<_> = items.map(|item| String::from_utf8_lossy(item)).collect();
    format!("\"{}\":[{}]", wire::member(list).unwrap_or("items"), items.join(","))
}

/// A prompt with its arguments.
pub(super) async fn prompt(
    visit: &Visit<'_>,
    target: &Target,
    name: &str,
    (body, slot): (Body, Slot),
) -> Result<Response<Body>, Problem> {
    visit.check_name()?;
    let (arguments, _bytes) = visit.read(body).await?;
    members_once(&arguments, 2).map_err(Problem::unreadable)?;
    if let Some(name) = not_text(&arguments) {
        let message = format!("arguments of prompts are text, and {name} is not");
        return Err(Problem::new(StatusCode::BAD_REQUEST, message));
    }
    let arguments = match String::from_utf8_lossy(&arguments) {
        none if none.trim().is_empty() => String::new(),
        some => format!(",\"arguments\":{some}"),
    };
    let params = format!("{{\"name\":{}{arguments}}}", quote(name));
    ask(visit, target, "prompts/get", &params, About::Prompt(name.to_owned()), slot).await
}

/// The quoted name of the first member that is no text.
fn not_text(object: &[u8]) -> Option<String> {
    let members = raw::members(object, raw::whole(object))?;
    let (name, _) = members.into_iter().find(|(_, value)| !object[value.range()].starts_with(b"\""))?;
    Some(String::from_utf8_lossy(&object[name.range()]).into_owned())
}

/// What a resource holds.
pub(super) async fn content(visit: &Visit<'_>, target: &Target, slot: Slot) -> Result<Response<Body>, Problem> {
    visit.check_name()?;
    let uri = visit.parts.uri.query().and_then(|query| parameter(query, "uri")).filter(|uri| !uri.is_empty());
    let missing = || Problem::new(StatusCode::BAD_REQUEST, "the query parameter uri is required");
    let params = format!("{{\"uri\":{}}}", quote(&uri.ok_or_else(missing)?));
    ask(visit, target, "resources/read", &params, About::Content, slot).await
}

/// What an argument may be completed to.
pub(super) async fn completion(
    visit: &Visit<'_>,
    target: &Target,
    (body, slot): (Body, Slot),
) -> Result<Response<Body>, Problem> {
    visit.check_name()?;
    let (params, _bytes) = visit.read(body).await?;
    members_once(&params, 1).map_err(Problem::unreadable)?;
    if let Some(why) = incomplete(&params) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, why));
    }
    let params = String::from_utf8_lossy(&params);
    ask(visit, target, "completion/complete", &params, About::Completion, slot).await
}

/// What the params of a completion lack.
fn incomplete(params: &[u8]) -> Option<&'static str> {
    let begins = |path: &[&str], with| {
        let found = raw::find_path(params, raw::whole(params), path);
        found.map(|value| params[value.range()].starts_with(with))
    };
    let text = |path: &[&str]| begins(path, b"\"") == Some(true);
    let kind = raw::find_path(params, raw::whole(params), &["ref", "type"]);
    let names_it = match kind.and_then(|kind| raw::string(&params[kind.range()])).as_deref() {
        Some("ref/prompt") => text(&["ref", "name"]),
        Some("ref/resource") => text(&["ref", "uri"]),
        _ => false,
    };
    if !names_it {
        return Some("`ref` must be an object: `type` `ref/prompt` and a `name`, or `type` `ref/resource` and a `uri`");
    }
    if !text(&["argument", "name"]) || !text(&["argument", "value"]) {
        return Some("`argument` must be an object with the texts `name` and `value`");
    }
    (begins(&["context"], b"{") == Some(false)).then_some("`context` must be an object")
}

/// The completions in a server's result.
pub(super) fn completed(response: &message::Response) -> Result<Shown, Problem> {
    let found = raw::peek(response.body(), "completion");
    let found =
        found.ok_or_else(|| Problem::new(StatusCode::BAD_GATEWAY, "the server's answer holds no completion"))?;
    Ok(Shown::json(response.text().slice_ref(found)))
}

async fn ask(
    visit: &Visit<'_>,
    target: &Target,
    method: &str,
    params: &str,
    about: About,
    slot: Slot,
) -> Result<Response<Body>, Problem> {
    let request = Request::new(&ClientId::number(visit.rest().number()), method, Some(params));
    let request = request.map_err(|refused| Problem::unreadable(refused.why))?;
    let held = visit.enter(target, slot).await?;
    let running = Running::start(&visit.edge.gateway, target, held, request, visit.asks).await;
    tools::go_on(visit, target, running, about).await
}
