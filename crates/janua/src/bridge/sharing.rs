//! A server with a handshake that several sessions share: those of clients that can be asked the same.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use janua_wire::message::Notification;
use janua_wire::method::Method;
use tokio_util::sync::CancellationToken;

use super::facing::permitted;
use super::turns::Turns;
use super::{Bridge, upgraded};
use crate::call::{Call, Caller, Event, Outcome, Reply, Sink};
use crate::cancels::Cancels;
use crate::error::{Failure, Kind};
use crate::servers::{Connection, Opened};

/// The connection of one session.
pub(super) struct Sharing(Arc<Inner>);

struct Inner {
    bridge: Weak<Bridge>,
    turns: Arc<Turns>,
    opened: Opened,
    cancels: Cancels,
    over: CancellationToken,
}

impl Sharing {
    /// A session's connection to the instances behind `turns`, of which the first said `opened`.
    pub(super) fn open(bridge: &Arc<Bridge>, turns: Arc<Turns>, opened: Opened) -> Arc<dyn Connection> {
        let (cancels, over) = (Cancels::default(), CancellationToken::new());
        Arc::new(Sharing(Arc::new(Inner { bridge: Arc::downgrade(bridge), turns, opened, cancels, over })))
    }
}

impl Inner {
    async fn run(&self, call: Call, sink: Sink) -> Outcome {
        let turn = match upgraded(&self.bridge) {
            Ok(bridge) => self.turns.take(&bridge, call.request.method().may_ask()).await,
            Err(failure) => Err(failure),
        };
        let turn = match turn {
            Ok(turn) => turn,
            Err(failure) => return Outcome::Failure(failure),
        };
        let caller = call.caller.clone();
        let mut reply = turn.link.call(call);
        while let Some(event) = reply.next().await {
            match event {
                Event::Done(outcome) => return outcome,
                Event::Ask(ask) => {
                    if let Some(ask) = permitted(ask, &caller) {
                        sink.send(Event::Ask(ask)).await;
                    }
                }
                news @ Event::Notify(_) => sink.send(news).await,
            }
        }
        Outcome::Failure(Failure::new(Kind::ServerExited, "the reply ended early").after_sending())
    }

    async fn listen(&self, sink: Sink) -> Failure {
        let first = match upgraded(&self.bridge) {
            Ok(bridge) => self.turns.first(&bridge).await,
            Err(failure) => Err(failure),
        };
        let mut heard = match first {
            Ok(link) => link.listen(),
            Err(failure) => return failure,
        };
        while let Some(event) = heard.next().await {
            match event {
                Event::Done(_) => break,
                Event::Ask(ask) => ask.vouch(),
                news @ Event::Notify(_) => sink.send(news).await,
            }
        }
        Failure::new(Kind::SessionLost, "the server of this session has ended, and the session with it")
    }

    /// The end of `work`, or of the session before that.
    async fn unless_over(&self, work: impl Future<Output = Outcome>) -> Outcome {
        tokio::select! {
            outcome = work => outcome,
            () = self.over.cancelled() => {
                Outcome::Failure(Failure::new(Kind::SessionLost, "the session has ended").after_sending())
            }
        }
    }
}

impl Connection for Sharing {
    fn opened(&self) -> &Opened {
        &self.0.opened
    }

    fn call(&self, call: Call) -> Reply {
        let inner = self.0.clone();
        let token = inner.cancels.enter(call.request.id().detached());
        Reply::unfold(|sink| async move {
            let cancelled = async {
                token.cancelled().await;
                Outcome::Failure(Failure::cancelled())
            };
            let settled = async {
                tokio::select! {
                    outcome = inner.run(call, sink) => outcome,
                    outcome = cancelled => outcome,
                }
            };
            inner.unless_over(settled).await
        })
    }

    /// A cancellation ends the request it names. Nothing else is every session's business.
    fn notify(&self, _: &Caller, notification: Notification) {
        if notification.method() == Method::Cancelled
            && let Some(id) = notification.param("requestId")
        {
            self.0.cancels.cancel(id);
        }
    }

    fn listen(&self) -> Reply {
        let inner = self.0.clone();
        Reply::unfold(|sink| async move {
            let ended = async { Outcome::Failure(inner.listen(sink).await) };
            inner.unless_over(ended).await
        })
    }

    fn is_over(&self) -> bool {
        self.0.over.is_cancelled()
    }

    fn close(&self, _: Failure) -> BoxFuture<'static, ()> {
        self.0.over.cancel();
        std::future::ready(()).boxed()
    }
}
