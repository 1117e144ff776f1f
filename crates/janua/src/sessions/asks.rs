//! Questions of servers that a client has to answer, under ids of ours.

use std::collections::HashMap;

use janua_wire::id::{ClientId, LinkId};
use janua_wire::line::Line;
use janua_wire::message::{Notification, Response};
use janua_wire::method::Method;

use crate::call::Ask;
use crate::lock::Lock;

/// The open questions of one session.
#[derive(Default)]
pub(crate) struct Asks(Lock<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    asks: HashMap<u64, Ask>,
}

impl Asks {
    /// Keeps a question until it is answered. Gives its number and the request as it goes to the client; `None` if
    /// too many wait already, and this one is declined.
    pub(crate) fn add(&self, ask: Ask) -> Option<(u64, Line)> {
        /// A client that answers nothing must not make the gateway remember everything.
        const MANY: usize = 64;
        let mut open = self.0.lock();
        if open.asks.len() >= MANY {
            drop(open);
            drop(ask);
            return None;
        }
        open.next += 1;
        let number = open.next;
        let line = ask.request.asked_as(&ClientId::number(number));
        open.asks.insert(number, ask);
        Some((number, line))
    }

    /// Hands the client's answer to the server that asked. False if nobody waits for it.
    pub(crate) fn answer(&self, response: Response) -> bool {
        let number = response.id().and_then(LinkId::parse);
        let ask = number.and_then(|number| self.0.lock().asks.remove(&number.0));
        ask.map(|ask| ask.answer(response)).is_some()
    }

    /// Drops questions: their call is over, nobody waits for the answers.
    pub(crate) fn withdraw(&self, numbers: &[u64]) {
        if numbers.is_empty() {
            return;
        }
        let mut open = self.0.lock();
        let gone: Vec<Ask> = numbers.iter().filter_map(|number| open.asks.remove(number)).collect();
        drop(open);
        drop(gone);
    }

    /// A server's notification as the client must see it: when it withdraws a question, under the question's id
    /// here. `None` if the client was never asked.
    pub(crate) fn shown(&self, notification: Notification) -> Option<Notification> {
        if notification.method() != Method::Cancelled {
            return Some(notification);
        }
        let id = notification.param("requestId")?;
        let mut open = self.0.lock();
        let number = open.asks.iter().find(|(_, ask)| ask.request.id().raw() == id).map(|(number, _)| *number)?;
        let ask = open.asks.remove(&number);
        drop(open);
        drop(ask);
        Some(notification.with_param("requestId", number.to_string().as_bytes()))
    }

    /// Drops all questions.
    pub(crate) fn clear(&self) {
        let gone = std::mem::take(&mut self.0.lock().asks);
        drop(gone);
    }
}
