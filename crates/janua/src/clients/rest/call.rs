//! One call on its way: what it gives next, and what becomes of what nobody hears.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt;
use janua_wire::message::Request;
use janua_wire::method::Method;

use super::Target;
use super::sessions::Held;
use crate::call::{Ask, Call, Event, Outcome, Reply};
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::observe::Origin;
use crate::pipeline;
use crate::sessions::Kind as Carrier;

/// A call under way. Dropped before its end, it is cancelled.
pub(super) struct Running {
    reply: Reply,
    pub(super) held: Held,
    /// Whether the caller wants to be asked.
    pub(super) asks: bool,
}

/// What a call gives next.
pub(super) enum Next {
    /// Its end.
    Done(Outcome),
    /// Questions, at least one.
    Asks(Vec<Ask>),
}

impl Running {
    /// Sends a request on its way.
    pub(super) async fn start(
        gateway: &Arc<Gateway>,
        target: &Target,
        held: Held,
        request: Request,
        asks: bool,
    ) -> Running {
        let (caller, in_use) = (held.caller.clone(), held.session.as_ref());
        let origin =
            in_use.map_or(Origin { transport: Carrier::Rest.name(), session: None }, |in_use| in_use.session.origin());
        let reply = pipeline::handle(gateway, &target.place, Call { request, caller }, origin).await;
        Running { reply, held, asks }
    }

    /// The next event that the caller may want to hear of.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            let Some(event) = ready!(self.reply.poll_next_unpin(cx)) else {
                let early = Failure::new(Kind::ServerExited, "the reply ended early").after_sending();
                return Poll::Ready(Event::Done(Outcome::Failure(early)));
            };
            match event {
                Event::Ask(ask) if !self.asks || ask.is_ping() => ask.decline(),
                event => return Poll::Ready(event),
            }
        }
    }

    /// The end of the call, or the questions of the server that are there first. Nobody hears anything else.
    pub(super) async fn next(&mut self) -> Next {
        let mut asks = Vec::new();
        poll_fn(|cx| {
            loop {
                match self.poll_event(cx) {
                    Poll::Ready(Event::Done(outcome)) => {
                        asks.clear();
                        return Poll::Ready(Next::Done(outcome));
                    }
                    Poll::Ready(Event::Ask(ask)) => asks.push(ask),
                    Poll::Ready(Event::Notify(news)) if news.method() == Method::Cancelled => {
                        asks.retain(|ask: &Ask| news.param("requestId") != Some(&ask.request.id().raw()[..]));
                    }
                    Poll::Ready(event) => self.note(event),
                    Poll::Pending if asks.is_empty() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(Next::Asks(std::mem::take(&mut asks))),
                }
            }
        })
        .await
    }

    /// Takes note of what the caller does not hear.
    pub(super) fn note(&self, event: Event) {
        if let Some(in_use) = &self.held.session {
            in_use.session.leave(event);
        }
    }
}
