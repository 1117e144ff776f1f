//! Calls that run at a server with a handshake while a client without one answers its questions.
//!
//! A question in mid-call ends the client's exchange: it is told what is wanted, and a sealed state. The call itself
//! is kept here, and goes on when the client comes back with the answers. It is never sent a second time: however
//! often the client comes back, it finds the same call.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use janua_wire::error::INVALID_PARAMS;
use janua_wire::json::quote;
use janua_wire::message::{Notification, Response};
use janua_wire::metadata::without_params;
use janua_wire::method::Method;
use janua_wire::raw;
use tokio::time::Instant;

use super::asking::{answer, refused, stopped};
use super::facing::{Facing, Running, is_wanted, permitted};
use super::parked::{Slot, Stage, Waiting};
use super::seal::{Seal, Ticket};
use super::tasks::Driven;
use super::turns::Turn;
use super::visits::{self, VISIT};
use crate::call::{Ask, Call, Caller, Event, Outcome, Reply, Sink};
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::tasks::Tasks;

/// Several questions asked at about the same time go to the client together.
const GATHER: Duration = Duration::from_millis(20);
/// How long a call goes on with nobody waiting for it, once its questions are answered.
const GRACE: Duration = Duration::from_secs(30);
/// How long the end of a call is kept for a client that comes back again.
const KEPT: Duration = Duration::from_secs(60);

/// The calls that are parked at one bridge.
pub(crate) struct Parking {
    lot: Arc<Lot>,
    /// Tells its calls from those of other bridges to the same server.
    own: u64,
    limits: Arc<Limits>,
    tasks: Tasks,
}

/// Where calls are parked, at whichever definition of a server: clients find theirs again after that has changed.
struct Lot {
    /// The calls, and whose they are.
    slots: Lock<HashMap<u64, (u64, Arc<Slot>)>>,
    next: AtomicU64,
    seal: Result<Seal, Failure>,
}

impl Parking {
    /// For a server that was another one `before`, in whose stead it is.
    pub(super) fn new(before: Option<&Parking>, limits: Arc<Limits>, tasks: Tasks) -> Self {
        let new = || Arc::new(Lot { slots: Lock::default(), next: AtomicU64::new(1), seal: Seal::new() });
        let lot = before.map_or_else(new, |before| before.lot.clone());
        Parking { own: lot.number(), lot, limits, tasks }
    }

    /// How many calls are parked now; those that are over and kept for clients that come back do not count.
    pub(crate) fn count(&self) -> usize {
        let over = |slot: &Slot| matches!(slot.stage(), Stage::Over | Stage::Collected);
        let slots = self.lot.slots.lock();
        slots.values().filter(|(owner, slot)| *owner == self.own && !over(slot)).count()
    }

    /// Gives up all of them.
    pub(super) fn clear(&self) {
        self.lot.slots.lock().retain(|_, (owner, slot)| {
            let stays = *owner != self.own;
            if !stays {
                slot.abandon();
            }
            stays
        });
    }

    /// What the client is told: the questions that are open, and the state to come back with.
    fn question(&self, slot: &Slot, call: &Call) -> Outcome {
        let (round, questions) = slot.questions();
        self.told(Ticket { slot: slot.number, round }, &questions, call)
    }

    /// That input is required, with a state that leads back to `ticket`.
    pub(super) fn told(&self, ticket: Ticket, questions: &str, call: &Call) -> Outcome {
        let state = self.lot.seal.as_ref().ok().and_then(|seal| seal.state(ticket, call, self.limits.parked_for));
        let Some(state) = state else {
            return Outcome::Failure(Failure::new(Kind::Unsupported, "the call cannot be parked").after_sending());
        };
        let state = quote(&state);
        answer(Response::result(&format!(
            "{{\"resultType\":\"input_required\",\"inputRequests\":{{{questions}}},\"requestState\":{state}}}"
        )))
    }

    /// Keeps a call whose server has asked, and says what its client is told.
    fn keep(&self, running: Running, asks: Vec<Ask>) -> Outcome {
        let number = self.lot.number();
        let slot = Arc::new(Slot::new(number, asks));
        {
            let mut slots = self.lot.slots.lock();
            if slots.len() >= self.limits.parked && !make_room(&mut slots) {
                let message = format!("{} calls wait for answers of their clients, the most there may be", slots.len());
                return Outcome::Failure(Failure::new(Kind::Overloaded, message).after_sending());
            }
            slots.insert(number, (self.own, slot.clone()));
        }
        let outcome = self.question(&slot, &running.call);
        let patience = self.limits.parked_for;
        let seen = (Stage::Asked, slot.round());
        // The request itself is not needed any more, and would keep the whole buffer it was read into.
        let Running { reply, _turn: turn, _task: task, level, call, .. } = running;
        let until = Some(Instant::now() + patience);
        let caller = call.caller.clone();
        let keeper = Keeper { slot, reply, caller, level, patience, seen, until, _turn: turn, _task: task };
        let lot = self.lot.clone();
        self.tasks.spawn("parked call", async move {
            let number = keeper.slot.number;
            keeper.run().await;
            lot.slots.lock().remove(&number);
        });
        outcome
    }

    /// Goes on with a call whose client has come back.
    pub(super) fn resume(&self, face: &Arc<Facing>, call: Call) -> Reply {
        let unknown = || Reply::ready(refused(INVALID_PARAMS, "invalid or expired requestState"));
        let state = call.request.param("requestState").and_then(raw::string).unwrap_or_default();
        let Some(ticket) = self.lot.seal.as_ref().ok().and_then(|seal| seal.open(&state, &call)) else {
            return unknown();
        };
        if ticket == VISIT {
            return visited(face, call);
        }
        let Some((_, slot)) = self.lot.slots.lock().get(&ticket.slot).cloned() else { return unknown() };
        let given = call.request.param("inputResponses").unwrap_or(b"{}");
        match slot.answer(ticket.round, given) {
            Err(why) => return Reply::ready(refused(INVALID_PARAMS, why)),
            // Some answers are missing, or the client is behind: it is asked what is open now.
            Ok(true) => return Reply::ready(self.question(&slot, &call)),
            Ok(false) => {}
        }
        let (face, waiting) = (face.clone(), slot.wait(call.request.progress_token()));
        Reply::unfold(|sink| async move {
            match until_settled(waiting, &sink).await {
                Some(outcome) => face.ended(&call, outcome),
                None => match face.bridge() {
                    Ok(bridge) => bridge.parking.question(&slot, &call),
                    Err(failure) => Outcome::Failure(failure),
                },
            }
        })
    }
}

impl Lot {
    /// A number that nothing else here has.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// Sends a call anew whose user has visited an address: its first attempt has ended.
fn visited(face: &Arc<Facing>, mut call: Call) -> Reply {
    if !visits::agreed(call.request.param("inputResponses").unwrap_or(b"{}")) {
        return Reply::ready(stopped(&call.request, INVALID_PARAMS, visits::DECLINED));
    }
    match without_params(&call.request, &["inputResponses", "requestState"]) {
        Ok(request) => call.request = request,
        Err(why) => return Reply::ready(refused(INVALID_PARAMS, &why.why.to_string())),
    }
    let face = face.clone();
    Reply::unfold(|sink| face.forward(call, sink))
}

/// Lets go of the end of a call that is over: one that its client has got, if there is one. False if none is over.
fn make_room(slots: &mut HashMap<u64, (u64, Arc<Slot>)>) -> bool {
    let over = slots.iter().filter_map(|(number, (_, slot))| match slot.stage() {
        Stage::Collected => Some((false, *number)),
        Stage::Over => Some((true, *number)),
        Stage::Asked | Stage::Awaited | Stage::Deserted => None,
    });
    let oldest = over.min().and_then(|(_, number)| slots.remove(&number));
    oldest.is_some_and(|(_, slot)| {
        slot.forget();
        true
    })
}

/// Hands on what a call says until it ends, or (`None`) until its server has asked again.
async fn until_settled(mut waiting: Waiting, sink: &Sink) -> Option<Outcome> {
    loop {
        match waiting.next().await {
            Some(Event::Done(outcome)) => return Some(outcome),
            Some(event) => sink.send(event).await,
            None => return None,
        }
    }
}

impl Running {
    /// Gathers what else is asked, and parks the call. If it ends meanwhile, that is its end.
    pub(super) async fn park(mut self, first: Ask, sink: &Sink) -> Outcome {
        let mut asks = vec![first];
        let enough = tokio::time::sleep(GATHER);
        tokio::pin!(enough);
        loop {
            let event = tokio::select! {
                // What is there already belongs to this round, however late we are.
                biased;
                event = self.reply.next() => event,
                () = &mut enough, if !asks.is_empty() => break,
            };
            match event {
                Some(Event::Ask(ask)) => asks.extend(permitted(ask, &self.call.caller)),
                Some(Event::Notify(news)) => {
                    withdraw(&mut asks, &news);
                    if is_wanted(&news, self.level) {
                        sink.send(Event::Notify(news)).await;
                    }
                    if enough.is_elapsed() && !asks.is_empty() {
                        break;
                    }
                }
                Some(Event::Done(outcome)) => return self.face.ended(&self.call, outcome),
                None => return Outcome::Failure(Failure::new(Kind::ServerExited, "the reply ended early")),
            }
        }
        match self.face.bridge() {
            Ok(bridge) => bridge.parking.keep(self, asks),
            Err(failure) => Outcome::Failure(failure),
        }
    }
}

/// The server does not want to know any more.
fn withdraw(asks: &mut Vec<Ask>, news: &Notification) {
    if news.method() == Method::Cancelled
        && let Some(id) = news.param("requestId")
    {
        asks.retain(|ask| ask.request.id().raw() != id);
    }
}

/// Keeps the end of a call for whoever comes back for it: as long as a state that was given out is good, and for a
/// while after somebody has had it.
async fn kept(slot: &Slot, good: Option<Instant>) {
    let mut until = good.unwrap_or_else(Instant::now).max(Instant::now() + KEPT);
    let mut collected = false;
    while !slot.is_abandoned() {
        if slot.stage() == Stage::Collected && !std::mem::replace(&mut collected, true) {
            until = Instant::now() + KEPT;
        }
        tokio::select! {
            () = slot.changed() => {}
            () = tokio::time::sleep_until(until) => return,
        }
    }
}

/// Sees to one parked call from its first question to its end.
struct Keeper {
    slot: Arc<Slot>,
    reply: Reply,
    caller: Arc<Caller>,
    /// Log messages that the client wants to see.
    level: Option<usize>,
    /// How long its client may take to answer.
    patience: Duration,
    /// What it waits for, and in which round of questions.
    seen: (Stage, u32),
    /// When it is given up if nothing changes.
    until: Option<Instant>,
    /// Held to the end: whoever has the turn is asked.
    _turn: Turn,
    /// Dropped with the call.
    _task: Option<Driven>,
}

impl Keeper {
    async fn run(mut self) {
        let outcome = loop {
            self.look();
            let late = async {
                match self.until {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.reply.next() => match event {
                    Some(Event::Done(outcome)) => break outcome,
                    Some(Event::Ask(ask)) => self.asked(ask).await,
                    Some(Event::Notify(news)) => self.told(&news),
                    None => break Outcome::Failure(Failure::new(Kind::ServerExited, "the reply ended early")),
                },
                () = self.slot.changed() => {
                    if self.slot.is_abandoned() {
                        return;
                    }
                }
                () = late => {
                    self.slot.decline();
                    break Outcome::Failure(
                        Failure::new(Kind::DeadlineExceeded, "the call was given up: its client did not come back")
                            .after_sending(),
                    );
                }
            }
        };
        // Whoever was asked has had the turn; the end is kept without it.
        let Keeper { slot, reply, until, _turn: turn, .. } = self;
        drop((reply, turn));
        slot.finish(outcome);
        kept(&slot, until).await;
    }

    /// How long it is kept follows from what it waits for: a client has so long for every round of questions, and
    /// one that broke off some time to come back. To one that waits its own request sets an end.
    fn look(&mut self) {
        let now = (self.slot.stage(), self.slot.round());
        if now == self.seen {
            return;
        }
        self.until = match (self.seen.0, now.0) {
            (_, Stage::Awaited) => None,
            (_, Stage::Asked) if now.1 != self.seen.1 => Some(Instant::now() + self.patience),
            (Stage::Awaited, _) => Some(Instant::now() + self.patience.min(GRACE)),
            _ => self.until,
        };
        self.seen = now;
    }

    /// The server asks once more: with what it asks at the same time, that is the next round.
    async fn asked(&mut self, first: Ask) {
        let mut asks: Vec<Ask> = permitted(first, &self.caller).into_iter().collect();
        let enough = tokio::time::sleep(GATHER);
        tokio::pin!(enough);
        loop {
            let event = tokio::select! {
                biased;
                event = self.reply.next() => event,
                () = &mut enough => break,
            };
            match event {
                Some(Event::Ask(ask)) => asks.extend(permitted(ask, &self.caller)),
                Some(Event::Notify(news)) => {
                    withdraw(&mut asks, &news);
                    self.told(&news);
                    if enough.is_elapsed() {
                        break;
                    }
                }
                Some(Event::Done(outcome)) => {
                    self.reply = Reply::ready(outcome);
                    break;
                }
                None => break,
            }
        }
        self.slot.ask(asks);
    }

    fn told(&self, news: &Notification) {
        if news.method() == Method::Cancelled {
            self.slot.withdraw(news);
        } else if is_wanted(news, self.level) {
            self.slot.tell(news);
        }
    }
}
