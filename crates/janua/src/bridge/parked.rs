//! One parked call: its open questions, those who wait for it, and its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use janua_wire::message::{Message, Notification, Response, parse_one};
use janua_wire::metadata::without;
use janua_wire::method::Method;
use janua_wire::raw;
use tokio::sync::Notify;

use super::questions::members;
use crate::call::{Ask, Event, Outcome};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::mailbox::Mailbox;

/// A parked call.
pub(super) struct Slot {
    pub(super) number: u64,
    state: Lock<State>,
    changed: Notify,
}

struct State {
    /// Which round of questions is the newest.
    round: u32,
    /// Questions without an answer, by the key the client knows them under.
    open: Vec<(String, Ask)>,
    /// Questions that came while others were open.
    later: Vec<Ask>,
    asked: usize,
    waiting: Vec<(Arc<Mailbox>, Option<Bytes>)>,
    outcome: Option<Outcome>,
    /// Whether the outcome has reached somebody.
    collected: bool,
    abandoned: bool,
}

/// What a parked call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// For its client's answers.
    Asked,
    /// For its server, and a client with it.
    Awaited,
    /// For its server, and nobody with it.
    Deserted,
    /// For nothing: it is over, and its outcome has reached nobody.
    Over,
    /// For nothing any more.
    Collected,
}

/// Somebody who waits for a parked call. The stream ends without an outcome when there is something to answer.
pub(super) struct Waiting {
    slot: Arc<Slot>,
    mailbox: Arc<Mailbox>,
}

impl Slot {
    pub(super) fn new(number: u64, asks: Vec<Ask>) -> Self {
        let mut state = State {
            round: 0,
            open: Vec::new(),
            later: Vec::new(),
            asked: 0,
            waiting: Vec::new(),
            outcome: None,
            collected: false,
            abandoned: false,
        };
        state.put(asks);
        Slot { number, state: Lock::new(state), changed: Notify::new() }
    }

    /// Resolves when something has changed since it resolved last.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The newest round, and its open questions as the members of an object.
    pub(super) fn questions(&self) -> (u32, String) {
        let state = self.state.lock();
        let shown: Vec<String> = state.open.iter().map(|(key, ask)| format!("\"{key}\":{}", shown(ask))).collect();
        (state.round, shown.join(","))
    }

    /// Takes the answers of a client that has come back with the state of `round`. True if it has to be asked (again)
    /// what is open now. The answers to one question count once.
    pub(super) fn answer(&self, round: u32, given: &[u8]) -> Result<bool, &'static str> {
        if given.first() != Some(&b'{') {
            return Err("inputResponses must be an object");
        }
        let answered = self.state.lock().take(round, members(given))?;
        for (ask, response) in answered {
            ask.answer(response);
        }
        self.changed.notify_one();
        Ok(!self.state.lock().open.is_empty())
    }

    /// Waits for the end, or for the next question.
    pub(super) fn wait(self: &Arc<Self>, token: Option<Bytes>) -> Waiting {
        let mailbox = Arc::new(Mailbox::default());
        let mut state = self.state.lock();
        match &state.outcome {
            Some(outcome) => {
                mailbox.finish(Some(outcome.clone()));
                state.collected = true;
            }
            None if !state.open.is_empty() => mailbox.finish(None),
            None => state.waiting.push((mailbox.clone(), token)),
        }
        drop(state);
        self.changed.notify_one();
        Waiting { slot: self.clone(), mailbox }
    }

    /// The server asks something new.
    pub(super) fn ask(&self, asks: Vec<Ask>) {
        let mut state = self.state.lock();
        if asks.is_empty() {
            return;
        }
        state.later.extend(asks);
        state.next_round();
    }

    /// The server does not want to know something any more.
    pub(super) fn withdraw(&self, news: &Notification) {
        let Some(id) = news.param("requestId") else { return };
        let mut state = self.state.lock();
        state.open.retain(|(_, ask)| ask.request.id().raw() != id);
        state.later.retain(|ask| ask.request.id().raw() != id);
        state.next_round();
    }

    /// Hands on what the server says to those who wait, under their own tokens.
    pub(super) fn tell(&self, news: &Notification) {
        for (mailbox, token) in &self.state.lock().waiting {
            let shown = match (news.method(), token) {
                (Method::Progress, Some(token)) => news.with_param("progressToken", token),
                (Method::Progress, None) => continue,
                _ => news.clone(),
            };
            mailbox.push(Event::Notify(shown));
        }
    }

    /// The call is over.
    pub(super) fn finish(&self, outcome: Outcome) {
        let mut state = self.state.lock();
        state.collected = !state.waiting.is_empty();
        for (mailbox, _) in state.waiting.drain(..) {
            mailbox.finish(Some(outcome.clone()));
        }
        state.outcome = Some(outcome);
        let dropped = (std::mem::take(&mut state.open), std::mem::take(&mut state.later));
        drop(state);
        drop(dropped);
    }

    /// Answers what is open as a client would that gives up.
    pub(super) fn decline(&self) {
        let (open, later) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.open), std::mem::take(&mut state.later))
        };
        for ask in open.into_iter().map(|(_, ask)| ask).chain(later) {
            let given = match ask.request.method() {
                Method::Elicit => Response::result("{\"action\":\"cancel\"}"),
                Method::ListRoots => Response::result("{\"roots\":[]}"),
                _ => Ok(Response::error(REJECTED, "the client did not answer", None)),
            };
            if let Ok(given) = given {
                ask.answer(given);
            }
        }
    }

    /// What it waits for.
    pub(super) fn stage(&self) -> Stage {
        let state = self.state.lock();
        match &state.outcome {
            Some(_) if state.collected => Stage::Collected,
            Some(_) => Stage::Over,
            None if !state.open.is_empty() => Stage::Asked,
            None if state.waiting.is_empty() => Stage::Deserted,
            None => Stage::Awaited,
        }
    }

    /// The newest round.
    pub(super) fn round(&self) -> u32 {
        self.state.lock().round
    }

    /// Gives the call up at once.
    pub(super) fn abandon(&self) {
        self.finish(Outcome::Failure(Failure::new(Kind::Stopping, "the gateway is stopping").after_sending()));
        self.forget();
    }

    /// Nobody is to come back for its end.
    pub(super) fn forget(&self) {
        self.state.lock().abandoned = true;
        self.changed.notify_one();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }
}

/// What a user's refusal to let a model be asked is told as (2025-11-25 client/sampling).
const REJECTED: i32 = -1;
const MALFORMED: &str = "an answer in inputResponses has not the form of one";

impl State {
    /// The open questions that are answered here, with the answers. If one has not the form of an answer, none counts.
    fn take(&mut self, round: u32, given: Vec<(String, &[u8])>) -> Result<Vec<(Ask, Response)>, &'static str> {
        if round != self.round {
            return Ok(Vec::new());
        }
        let mut fit = Vec::new();
        for (key, answer) in given {
            let key = key.trim_matches('"').to_owned();
            let Some((_, ask)) = self.open.iter().find(|(known, _)| *known == key) else { continue };
            is_answer(ask.request.method(), answer)?;
            fit.push((key, Response::result(&String::from_utf8_lossy(answer)).map_err(|_| MALFORMED)?));
        }
        let mut answered = Vec::new();
        for (key, response) in fit {
            if let Some(at) = self.open.iter().position(|(known, _)| *known == key) {
                answered.push((self.open.remove(at).1, response));
            }
        }
        self.next_round();
        Ok(answered)
    }

    /// Once everything is answered, it is the turn of what was asked meanwhile, and nobody waits for the end.
    fn next_round(&mut self) {
        if !self.open.is_empty() || self.later.is_empty() {
            return;
        }
        let asks = std::mem::take(&mut self.later);
        self.put(asks);
        for (mailbox, _) in self.waiting.drain(..) {
            mailbox.finish(None);
        }
    }

    fn put(&mut self, asks: Vec<Ask>) {
        self.round += 1;
        for mut ask in asks {
            // What it was read from is larger than what it is.
            if let Ok(Message::Request(own)) = parse_one(Bytes::copy_from_slice(ask.request.text())) {
                ask.request = own;
            }
            self.asked += 1;
            let kind = match ask.request.method() {
                Method::Elicit => "elicitation",
                Method::CreateMessage => "sampling",
                Method::ListRoots => "roots",
                _ => "question",
            };
            self.open.push((format!("{kind}-{}", self.asked), ask));
        }
    }
}

/// A question as it stands in an `InputRequiredResult`: without what only requests have.
fn shown(ask: &Ask) -> String {
    let (request, params) = (&ask.request, ask.request.params());
    let only_requests_have = |key: &[u8]| ["_meta", "task", "elicitationId"].iter().any(|name| raw::same(key, name));
    let mut kept = without(params, raw::whole(params), only_requests_have);
    if request.method() == Method::Elicit && raw::peek(kept.as_bytes(), "mode").is_none() {
        let rest = if kept == "{}" { "}".to_owned() } else { format!(",{}", &kept[1..]) };
        kept = format!("{{\"mode\":\"form\"{rest}");
    }
    format!("{{\"method\":{},\"params\":{kept}}}", janua_wire::json::quote(&request.name()))
}

/// Whether a raw value has the form of an answer to such a question.
fn is_answer(method: Method, answer: &[u8]) -> Result<(), &'static str> {
    let has = |key| raw::peek(answer, key);
    let well_formed = match method {
        Method::Elicit => {
            matches!(raw::peek_string(answer, "action").as_deref(), Some("accept" | "decline" | "cancel"))
        }
        Method::CreateMessage => has("content").is_some() && has("role").is_some(),
        Method::ListRoots => has("roots").is_some_and(|roots| roots.starts_with(b"[")),
        _ => answer.starts_with(b"{"),
    };
    if well_formed { Ok(()) } else { Err(MALFORMED) }
}

impl Stream for Waiting {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.mailbox.poll_next(cx)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.slot.state.lock().waiting.retain(|(mailbox, _)| !Arc::ptr_eq(mailbox, &self.mailbox));
        self.slot.changed.notify_one();
    }
}
