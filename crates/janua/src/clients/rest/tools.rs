//! Calls of tools: what is checked before, and what they give, be it a question first.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{HeaderValue, LOCATION};
use axum::http::{Response, StatusCode};
use janua_wire::capabilities::Class;
use janua_wire::id::ClientId;
use janua_wire::message::Request;
use janua_wire::method::Method;
use tokio::time::Instant;

use super::arguments::{Asked, Tools};
use super::call::{Next, Running};
use super::problem::Problem;
use super::questions::Conversation;
use super::results::{self, Scope, Shown};
use super::sessions::Held;
use super::{Form, STATE, Target, Visit, events, things};
use crate::admission::Slot;
use crate::call::{Call, Outcome};
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::servers::outcome;
use crate::{pipeline, sessions};

/// What a request is about, as far as its answer depends on it.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// A tool, and whether it is in the lists, if that is known already.
    Tool(String, Option<bool>),
    /// A prompt.
    Prompt(String),
    /// The content of a resource.
    Content,
    /// Completions.
    Completion,
}

/// Calls a tool.
pub(super) async fn call(
    visit: &Visit<'_>,
    target: &Target,
    (name, is_split): (&str, bool),
    (body, slot): (Body, Slot),
) -> Result<Response<Body>, Problem> {
    visit.check_name()?;
    let (arguments, _bytes) = visit.read(body).await?;
    let request = Request::tool_call(visit.rest().number(), name, &arguments, visit.stream);
    let request = request.map_err(Problem::unreadable)?;
    let checks = visit.form == Form::Plain || is_split;
    let mut known = None;
    if checks && let Some(listed) = listed(visit, target, name).await {
        known = Some(check(visit, &listed, (name, is_split), &arguments, || {
            visit.rest().sessions.has(&visit.key(target))
        })?);
    }
    let held = visit.enter(target, slot).await?;
    if checks
        && known.is_none()
        && let Some(tools) = asked(visit, target, &held).await
    {
        known = Some(check(visit, &tools, (name, is_split), &arguments, || false)?);
    }
    let running = Running::start(&visit.edge.gateway, target, held, request, visit.asks).await;
    go_on(visit, target, running, About::Tool(name.to_owned(), known)).await
}

/// Goes on with a call that the caller has answered the questions of.
pub(super) async fn answer(
    visit: &Visit<'_>,
    target: &Target,
    handle: &str,
    body: Body,
    slot: Slot,
) -> Result<Response<Body>, Problem> {
    let (text, _bytes) = visit.read(body).await?;
    let asked = visit.rest().questions.answer(handle, &visit.owner(), target.name.as_deref(), &text)?;
    // A stream that the questions were asked in goes on by itself.
    let Some(Conversation { running, about, form }) = asked else {
        return Ok(super::answer::empty(StatusCode::NO_CONTENT));
    };
    let _slot = slot;
    let visit = Visit { form, visitor: visit.visitor.clone(), named: visit.named.clone(), ..*visit };
    go_on(&visit, target, running, about).await
}

/// What a call gives next, as an answer.
pub(super) async fn go_on(
    visit: &Visit<'_>,
    target: &Target,
    mut running: Running,
    about: About,
) -> Result<Response<Body>, Problem> {
    let state = state(&running.held);
    let mut answer = if visit.stream {
        events::answer(visit, target, running, about).await
    } else {
        match running.next().await {
            Next::Asks(asks) => {
                let conversation = Conversation { running, about, form: visit.form };
                let asked = visit.rest().questions.ask(visit, target, asks, Some(conversation))?;
                let mut answer = super::json(asked.text);
                *answer.status_mut() = StatusCode::ACCEPTED;
                if let Ok(address) = HeaderValue::from_str(&asked.address) {
                    answer.headers_mut().insert(LOCATION, address);
                }
                answer
            }
            Next::Done(outcome) => {
                let is_known = knows(visit, target, &running.held, &about, &outcome).await;
                settle(&visit.edge.gateway, target, &running.held, &outcome);
                let shown = shown(&outcome, &about, visit.form, is_known, Scope::Whole);
                shown.map_or_else(|problem| problem.answer(visit.form), Shown::answer)
            }
        }
    };
    if let Some(state) = state {
        answer.headers_mut().insert(STATE, state);
    }
    Ok(answer)
}

/// What an outcome is shown as.
pub(super) fn shown(
    outcome: &Outcome,
    about: &About,
    form: Form,
    is_known: bool,
    scope: Scope,
) -> Result<Shown, Problem> {
    match about {
        About::Tool(..) => results::of_call(outcome, form, is_known, scope),
        About::Content if scope == Scope::Whole => Ok(results::of_resource(results::answered(outcome, is_known)?)),
        About::Prompt(_) | About::Content => results::of_result(outcome, is_known),
        About::Completion => things::completed(results::answered(outcome, is_known)?),
    }
}

impl About {
    /// Whether it is in the lists, if that is known; if not, what a server refuses is refused for another reason.
    pub(super) fn is_known(&self) -> bool {
        match self {
            About::Tool(_, known) => known.unwrap_or(true),
            // Whoever reads says nothing but the address, and what is wrong is that.
            About::Content => false,
            About::Prompt(_) | About::Completion => true,
        }
    }
}

/// The same, found out where it makes a difference: in an error.
async fn knows(visit: &Visit<'_>, target: &Target, held: &Held, about: &About, outcome: &Outcome) -> bool {
    let is_error = matches!(outcome, Outcome::Answer(response) if response.is_error());
    match (about, &target.view) {
        (About::Tool(name, None), _) if is_error => is_listed(visit, target, held, name).await,
        (About::Prompt(name), Some(view)) if is_error => {
            let merged = view.settled(class(visit)).await;
            merged.missing().is_some() || merged.items(Method::PromptsList).any(|(known, _)| known == name)
        }
        _ => about.is_known(),
    }
}

/// Whether a tool is in the lists, or may be.
pub(super) async fn is_listed(visit: &Visit<'_>, target: &Target, held: &Held, name: &str) -> bool {
    let tools = match listed(visit, target, name).await {
        Some(listed) => Some(listed),
        None => asked(visit, target, held).await,
    };
    tools.is_none_or(|tools| !tools.is_whole || tools.tools.get(name).is_some())
}

/// A server that has ended has taken with it what a session at it alone was about.
pub(super) fn settle(gateway: &Gateway, target: &Target, held: &Held, outcome: &Outcome) {
    let ended = |failure: &Failure| matches!(failure.kind, Kind::ServerExited | Kind::SessionLost);
    let is_lone = || target.view.as_ref().is_none_or(|view| view.members().is_lone);
    if let (Outcome::Failure(failure), Some(in_use)) = (outcome, &held.session)
        && ended(failure)
        && is_lone()
    {
        gateway.end_session(&in_use.session);
    }
}

fn state(held: &Held) -> Option<HeaderValue> {
    let in_use = held.session.as_ref()?;
    Some(HeaderValue::from_static(if in_use.is_new { "new" } else { "reused" }))
}

/// Tools, and whether there can be no others.
struct Listed {
    tools: Arc<Tools>,
    is_whole: bool,
}

/// Holds a call against the tools there are. Gives whether the tool is one of them.
fn check(
    visit: &Visit<'_>,
    listed: &Listed,
    (name, is_split): (&str, bool),
    arguments: &[u8],
    has_own: impl Fn() -> bool,
) -> Result<bool, Problem> {
    if let Some(tool) = listed.tools.get(name) {
        if visit.form == Form::Plain {
            visit.rest().schemas.check(tool, arguments)?;
        }
        return Ok(true);
    }
    if is_split {
        return Err(Problem::new(StatusCode::NOT_FOUND, "Invalid REST route"));
    }
    // A session that is there may have been shown tools that others are not.
    if listed.is_whole && !has_own() {
        return Err(Problem::unknown_tool(name));
    }
    Ok(false)
}

/// The tools of a view as the catalogue has them; `None` where there is none.
async fn listed(visit: &Visit<'_>, target: &Target, name: &str) -> Option<Listed> {
    let view = target.view.as_ref()?;
    let class = class(visit);
    let (mut merged, settled) = view.now(class);
    let mut tools = visit.rest().schemas.tools(&merged);
    if !settled && tools.get(name).is_none() {
        merged = view.settled(class).await;
        tools = visit.rest().schemas.tools(&merged);
    }
    Some(Listed { tools, is_whole: merged.missing().is_none() })
}

/// What the caller can be asked, as far as lists depend on it.
pub(super) fn class(visit: &Visit<'_>) -> Class {
    if visit.asks { Class::EVERYTHING } else { Class::default() }
}

/// The tools of the only server there is, asked for in the caller's session unless that is known. `None`: it does not
/// say.
async fn asked(visit: &Visit<'_>, target: &Target, held: &Held) -> Option<Listed> {
    let (entry, news) = match &held.session {
        Some(in_use) => (&in_use.entry, in_use.session.news.load(std::sync::atomic::Ordering::Relaxed)),
        None => (&visit.rest().shared, 0),
    };
    let fresh = visit.edge.gateway.limits.list_fresh;
    if let Some(kept) = &*entry.tools.lock()
        && kept.news == news
        && (entry.announces() || kept.at.elapsed() < fresh)
    {
        return Some(Listed { tools: kept.tools.clone(), is_whole: true });
    }
    let items = list(visit, target, held, Method::ToolsList).await.ok()?;
    let tools = Arc::new(Tools::of(items.iter().map(|item| (&*item.key, &item.text))));
    *entry.tools.lock() = Some(Asked { tools: tools.clone(), news, at: Instant::now() });
    Some(Listed { tools, is_whole: true })
}

/// A whole list of the only server there is.
pub(super) async fn list(
    visit: &Visit<'_>,
    target: &Target,
    held: &Held,
    method: Method,
) -> Result<Vec<janua_wire::lists::Item>, Problem> {
    /// A server that has ever another page for us is given up.
    const PAGES: usize = 100;
    let mut items = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES {
        let params = cursor.map(|cursor: String| format!("{{\"cursor\":{}}}", janua_wire::json::quote(&cursor)));
        let request = Request::new(&ClientId::number(visit.rest().number()), things::path(method), params.as_deref());
        let request = request.map_err(|refused| Problem::unreadable(refused.why))?;
        let call = Call { request, caller: held.caller.clone() };
        let origin = held.session.as_ref().map(|in_use| in_use.session.origin());
        let origin = origin.unwrap_or(crate::observe::Origin { transport: sessions::Kind::Rest.name(), session: None });
        let outcome = outcome(pipeline::handle(&visit.edge.gateway, &target.place, call, origin).await).await;
        let response = results::answered(&outcome, true)?;
        items.extend(janua_wire::lists::items(method, &response.text().slice_ref(response.body())));
        cursor = janua_wire::raw::peek_string(response.body(), "nextCursor");
        if cursor.is_none() {
            break;
        }
    }
    Ok(items)
}
