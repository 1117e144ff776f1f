//! A server's wish for input, put to a client as requests; the client's answers, put into the next attempt.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use janua_wire::error::INTERNAL_ERROR;
use janua_wire::id::ClientId;
use janua_wire::json::{Scanner, Span, quote};
use janua_wire::message::{Refused, Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::translate::{results, shapes};
use tokio::sync::oneshot;

use super::asking::Inner;
use crate::call::{Ask, Asker, Event, Sink};
use crate::lock::Lock;
use crate::random;

/// An attempt that wants to be told something is repeated at once only so often, and then more slowly.
const PACE: Duration = Duration::from_millis(50);

/// How one round of questions ended.
pub(super) enum Round {
    /// With what the next attempt says in addition, as raw members of its parameters.
    Answered(String),
    /// With the end of the call: there is no way to tell a server that a client refused.
    Stopped {
        /// The client's error code.
        code: i32,
        /// What happened, in words.
        why: String,
    },
}

/// Where the answer to one question goes.
struct Slot(Lock<Option<oneshot::Sender<Response>>>);

impl Asker for Slot {
    fn answered(&self, _: &ClientId, response: Response) {
        if let Some(slot) = self.0.lock().take() {
            let _ = slot.send(response);
        }
    }
}

/// What a result of 2026-07-28 is (`basic/patterns/mrtr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The end of the call, or an error.
    Complete,
    /// The wish to be asked again, with input.
    InputRequired,
    /// Something that nobody has asked for.
    Unknown,
}

/// Reads what a result is.
pub(super) fn step(response: &Response) -> Step {
    if response.is_error() || results::is_complete(response.body()) {
        return Step::Complete;
    }
    match raw::peek_string(response.body(), "resultType").as_deref() {
        Some("input_required") => Step::InputRequired,
        _ => Step::Unknown,
    }
}

/// Puts all the questions of `response` to the client at once and waits for the answers.
pub(super) async fn ask(client: &Inner, response: &Response, round: usize, sink: &Sink) -> Round {
    let wanted = raw::peek(response.body(), "inputRequests").unwrap_or(b"{}");
    let mut waiting = Vec::new();
    for (number, (key, question)) in members(wanted).into_iter().enumerate() {
        match prepared(client, number, question) {
            Prepared::Ask(request) => {
                let (slot, answer) = oneshot::channel();
                let method = request.method();
                let ask = Ask::new(request, Arc::new(Slot(Lock::new(Some(slot)))));
                sink.send(Event::Ask(ask)).await;
                waiting.push((key, method, answer));
            }
            Prepared::Declined => {
                let (slot, answer) = oneshot::channel();
                let _ = slot.send(Response::error(INTERNAL_ERROR, "the client cannot be asked that", None));
                waiting.push((key, Method::Elicit, answer));
            }
            Prepared::Stop(code, why) => return Round::Stopped { code, why },
        }
    }
    if waiting.is_empty() {
        // It only wants to be called again: it sheds load, or goes on elsewhere.
        tokio::time::sleep(PACE * u32::try_from(round).unwrap_or(1)).await;
    }
    let answers =
        join_all(waiting.into_iter().map(|(key, method, answer)| async move { (key, method, answer.await.ok()) }));
    let mut given = Vec::new();
    for (key, method, answer) in answers.await {
        match given_answer(method, answer.as_ref()) {
            Ok(answer) => given.push(format!("{key}:{answer}")),
            Err((code, why)) => return Round::Stopped { code, why },
        }
    }
    let mut extra = Vec::new();
    if !given.is_empty() {
        extra.push(format!("\"inputResponses\":{{{}}}", given.join(",")));
    }
    if let Some(state) = raw::peek(response.body(), "requestState") {
        extra.push(format!("\"requestState\":{}", String::from_utf8_lossy(state)));
    }
    Round::Answered(extra.join(","))
}

enum Prepared {
    Ask(Request),
    /// The client's revision has no form for it: it counts as not answered.
    Declined,
    Stop(i32, String),
}

/// One question as a request to the client, if it may be asked that.
fn prepared(client: &Inner, number: usize, question: &[u8]) -> Prepared {
    let Some(method) = raw::peek_string(question, "method") else {
        return Prepared::Stop(INTERNAL_ERROR, "the server asked for input without saying which".to_owned());
    };
    let params = raw::peek(question, "params").map(String::from_utf8_lossy);
    let id = ClientId::number(number as u64);
    let Ok(request) = Request::new(&id, &method, params.as_deref()) else {
        return Prepared::Stop(INTERNAL_ERROR, "the server asked for input in a form that cannot be read".to_owned());
    };
    if let Err(refusal) = client.capabilities.permit(request.method(), request.params()) {
        let why = format!("the server asked what it must not ask: {}", refusal.message);
        return Prepared::Stop(INTERNAL_ERROR, why);
    }
    let edits = match shapes::question_for_client(request.method(), request.params(), client.version) {
        Ok(edits) if request.method() == Method::Elicit && edits.is_empty() => {
            shapes::with_elicitation_id(request.params(), &random::token())
        }
        Ok(edits) => edits,
        Err(unfit) => match unfit.code() {
            None => return Prepared::Declined,
            Some(code) => return Prepared::Stop(code, "the client's revision has no such question".to_owned()),
        },
    };
    if edits.is_empty() {
        return Prepared::Ask(request);
    }
    let params = edits.apply(request.params());
    let shown = Request::new(&id, &method, Some(&String::from_utf8_lossy(&params)));
    shown.map_or(Prepared::Declined, Prepared::Ask)
}

/// A client's answer as the server gets it. There is a form for refused elicitations, and none for anything else
/// that was refused.
fn given_answer(method: Method, answer: Option<&Response>) -> Result<String, (i32, String)> {
    match answer {
        Some(answer) if !answer.is_error() => Ok(String::from_utf8_lossy(answer.body()).into_owned()),
        _ if method == Method::Elicit => Ok("{\"action\":\"cancel\"}".to_owned()),
        Some(error) => {
            let code = raw::peek(error.body(), "code").and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
            let said = raw::peek_string(error.body(), "message").unwrap_or_default();
            Err((code.unwrap_or(INTERNAL_ERROR), format!("the client refused what the server asked: {said}")))
        }
        None => Err((INTERNAL_ERROR, "the client did not answer what the server asked".to_owned())),
    }
}

/// The request with `extra` members in its parameters.
pub(super) fn retry(base: &Request, extra: &str) -> Result<Request, Refused> {
    let Some(params) = base.places().0.filter(|_| !extra.is_empty()) else { return Ok(base.clone()) };
    let at = params.start + 1;
    // There is at least `_meta` behind it.
    base.edited(vec![(Span { start: at, end: at }, format!("{extra},").as_bytes())])
}

/// The members of a raw JSON object: keys as raw strings, values as raw JSON.
pub(super) fn members(object: &[u8]) -> Vec<(String, &[u8])> {
    let mut scanner = Scanner::new(object);
    let mut found = Vec::new();
    if scanner.enter_object().is_err() {
        return found;
    }
    while let Ok(Some(key)) = scanner.member(found.is_empty()) {
        let Ok(value) = scanner.value() else { break };
        let spelled = raw::string(&object[key.start - 1..=key.end]).unwrap_or_default();
        found.push((quote(&spelled), &object[value.range()]));
    }
    found
}
