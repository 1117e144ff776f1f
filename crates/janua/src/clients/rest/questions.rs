//! Questions of servers that callers have been asked and have not answered yet, each under a handle that is used once.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use janua_wire::json::{check, quote};
use janua_wire::message::{Response, members_once};
use janua_wire::raw;
use tokio::sync::oneshot;

use super::call::Running;
use super::problem::Problem;
use super::sessions::Owner;
use super::tools::About;
use super::{Form, Rest, Target, Visit};
use crate::call::Ask;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::random;

/// A call that waits for its caller.
pub(super) struct Conversation {
    pub(super) running: Running,
    pub(super) about: About,
    pub(super) form: Form,
}

/// Questions that wait. Dropped, they are declined, and the call that waits with them is cancelled.
struct Waiting {
    owner: Owner,
    server: Option<String>,
    asks: Vec<Ask>,
    /// `None`: the call goes on as a stream.
    conversation: Option<Conversation>,
    /// Ends the task that would give them up.
    _over: oneshot::Sender<()>,
}

/// All that wait.
#[derive(Default)]
pub(super) struct Questions(Lock<HashMap<String, Waiting>>);

/// What the caller is told.
pub(super) struct Told {
    pub(super) handle: String,
    /// Where the answers go.
    pub(super) address: String,
    /// The questions as JSON.
    pub(super) text: String,
}

impl Questions {
    /// Keeps questions until they are answered, or their time is over.
    pub(super) fn ask(
        &self,
        visit: &Visit<'_>,
        target: &Target,
        asks: Vec<Ask>,
        conversation: Option<Conversation>,
    ) -> Result<Told, Problem> {
        let place = Place::of(visit, target);
        self.keep(&place, asks, conversation).map_err(Problem::from)
    }

    /// The same where the request is not there any more.
    pub(super) fn keep(
        &self,
        place: &Place,
        asks: Vec<Ask>,
        conversation: Option<Conversation>,
    ) -> Result<Told, Failure> {
        let limits = &place.gateway.limits;
        let handle = random::token();
        let server = place.server.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let address = format!("{}{server}/questions/{handle}", place.api);
        let asked: Vec<String> = asks.iter().enumerate().map(|(at, ask)| asked(at, ask)).collect();
        let text =
            format!("{{\"handle\":\"{handle}\",\"answer\":{},\"questions\":{{{}}}}}", quote(&address), asked.join(","));
        let (over, answered) = oneshot::channel();
        let waiting =
            Waiting { owner: place.owner.clone(), server: place.server.clone(), asks, conversation, _over: over };
        {
            let mut all = self.0.lock();
            if all.len() >= limits.parked {
                drop(all);
                drop(waiting);
                let message = format!("there are {} calls that wait for answers, the most there may be", limits.parked);
                return Err(Failure::new(Kind::Overloaded, message).retry_after(limits.parked_for));
            }
            all.insert(handle.clone(), waiting);
        }
        let (patience, rest, tasks) = (limits.parked_for, place.rest.clone(), place.gateway.tasks.clone());
        let kept = handle.clone();
        place.gateway.tasks.spawn("question", async move {
            tokio::select! {
                _ = answered => return,
                () = tokio::time::sleep(patience) => {}
                () = tasks.stopping() => {}
            }
            rest.questions.withdraw(&kept);
        });
        Ok(Told { handle, address, text })
    }

    /// Takes answers, and gives the call that waits for them, unless it goes on as a stream.
    pub(super) fn answer(
        &self,
        handle: &str,
        owner: &Owner,
        server: Option<&str>,
        text: &[u8],
    ) -> Result<Option<Conversation>, Problem> {
        members_once(text, 0).map_err(Problem::unreadable)?;
        let mut all = self.0.lock();
        let waiting = all.get(handle).filter(|held| held.owner == *owner && held.server.as_deref() == server);
        let Some(waiting) = waiting else {
            let message = "there is no such question: it was answered already, its time is over, or its call is";
            return Err(Problem::new(StatusCode::NOT_FOUND, message));
        };
        let answers = answers(text, waiting.asks.len())?;
        let waiting = all.remove(handle);
        drop(all);
        let Some(Waiting { asks, conversation, .. }) = waiting else { return Ok(None) };
        asks.into_iter().zip(answers).for_each(|(ask, answer)| ask.answer(answer));
        Ok(conversation)
    }

    /// Gives up questions.
    pub(super) fn withdraw(&self, handle: &str) {
        let gone = self.0.lock().remove(handle);
        drop(gone);
    }
}

/// Where questions are asked from.
pub(super) struct Place {
    pub(super) gateway: Arc<crate::gateway::Gateway>,
    pub(super) rest: Arc<Rest>,
    owner: Owner,
    server: Option<String>,
    /// The path of the API, as the caller sees it.
    api: String,
}

impl Place {
    pub(super) fn of(visit: &Visit<'_>, target: &Target) -> Place {
        Place {
            gateway: visit.edge.gateway.clone(),
            rest: visit.rest().clone(),
            owner: visit.owner(),
            server: target.name.clone(),
            api: format!("{}{}", visit.prefix, visit.edge.paths.api),
        }
    }
}

fn key(at: usize) -> String {
    format!("q{}", at + 1)
}

/// A question as a member of all.
fn asked(at: usize, ask: &Ask) -> String {
    let method = quote(&ask.request.name());
    let params = String::from_utf8_lossy(ask.request.params());
    format!("\"{}\":{{\"method\":{method},\"params\":{params}}}", key(at))
}

/// The answers to so many questions, each by its key.
fn answers(text: &[u8], count: usize) -> Result<Vec<Response>, Problem> {
    let refuse = |message: String| Problem::new(StatusCode::BAD_REQUEST, message);
    let members = raw::members(text, raw::whole(text)).unwrap_or_default();
    let keys: Vec<String> = (0..count).map(key).collect();
    let is_key = |name: &[u8]| keys.iter().any(|key| raw::same(name, key));
    if let Some((name, _)) = members.iter().find(|(name, _)| !is_key(&text[name.range()])) {
        let name: String = String::from_utf8_lossy(&text[name.range()]).chars().take(64).collect();
        return Err(refuse(format!("there is no question {name}; there are: {}", keys.join(", "))));
    }
    let answer = |key: &String| {
        let found = members.iter().find(|(name, _)| raw::same(&text[name.range()], key));
        let value = found.map(|(_, value)| &text[value.range()]);
        let value = value.ok_or_else(|| refuse(format!("the answer to {key} is missing")))?;
        let wrong =
            || refuse(format!("the answer to {key} must be a result, an object, or {{\"error\":{{code,message}}}}"));
        if !value.starts_with(b"{") || check(value).is_err() {
            return Err(wrong());
        }
        match (raw::members(value, raw::whole(value)).unwrap_or_default().len(), raw::peek(value, "error")) {
            (1, Some(error)) => {
                let code = raw::peek(error, "code").and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
                let (code, message) = (code.ok_or_else(wrong)?, raw::peek_string(error, "message").ok_or_else(wrong)?);
                let data = raw::peek(error, "data").map(String::from_utf8_lossy);
                Ok(Response::error(code, &message, data.as_deref()))
            }
            _ => Response::result(&String::from_utf8_lossy(value)).map_err(|_| wrong()),
        }
    };
    keys.iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_answered_by_its_key() {
        let given =
            answers(br#"{"q2":{"error":{"code":-1,"message":"no"}},"q1":{"action":"accept"}}"#, 2).expect("answers");
        assert_eq!(given[0].body(), br#"{"action":"accept"}"#);
        assert!(given[1].is_error());
        for (text, count, said) in [
            ("{}", 1, "the answer to q1 is missing"),
            (r#"{"q1":{},"q3":{}}"#, 1, "there is no question q3; there are: q1"),
            (r#"{"q1":[]}"#, 1, "must be a result"),
            (r#"{"q1":{"error":{"message":"x"}}}"#, 1, "must be a result"),
        ] {
            let problem = answers(text.as_bytes(), count).expect_err(text).text(Form::Plain);
            assert!(problem.contains(said), "{problem}");
        }
    }
}
