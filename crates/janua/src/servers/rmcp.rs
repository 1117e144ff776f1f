//! Servers written with the Rust SDK, rmcp, in this process: messages pass as values, without a pipe.
//!
//! ```
//! use janua::proxy::Options;
//! use janua::servers::rmcp::factory;
//! use rmcp::ServerHandler;
//!
//! struct Mine;
//!
//! impl ServerHandler for Mine {}
//!
//! let options = Options::registered("mine", factory(|_| Mine));
//! # let _ = options;
//! ```

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::error::INVALID_PARAMS;
use janua_wire::id::{ClientId, LinkId};
use janua_wire::line::Line;
use janua_wire::message::Notification;
use rmcp::model::{ErrorData, ProtocolVersion};
use rmcp::service::{
    NotificationContext, RequestContext, RoleServer, RxJsonRpcMessage, Service, ServiceRole, TxJsonRpcMessage,
};
use rmcp::transport::Transport;
use rmcp::{ServerHandler, ServiceExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::in_process::{Factory, Make, Site, UserContext};
use super::opening::agree;
use super::peer::{Outbox, Peer};
use super::{Connection, Eras, Opened, Opening, Refusal};
use crate::call::{Call, Caller, Reply};
use crate::error::{Failure, Kind};

/// Instances of a server written with rmcp. What `make` gives is served by rmcp's own engine, in tasks of its own; a panic
/// is an error of that call alone.
pub fn factory<H: ServerHandler>(make: impl Fn(UserContext) -> H + Send + Sync + 'static) -> Factory {
    Factory::of(Making(make))
}

struct Making<F>(F);

impl<H: ServerHandler, F: Fn(UserContext) -> H + Send + Sync> Make for Making<F> {
    fn open(&self, opening: Opening, site: &Site) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let user = UserContext::apart(&opening);
        let Ok(server) = catch_unwind(AssertUnwindSafe(|| (self.0)(user))) else {
            return ready(Err(Failure::new(Kind::StartFailed, "the server panicked at its start").into())).boxed();
        };
        let (limits, tasks) = (site.limits.clone(), site.tasks.clone());
        let (sender, inbox) = mpsc::channel(limits.server_queue_items);
        let peer = Peer::new(Box::new(Inbox(sender)), opening.capabilities.clone(), !opening.on_own_behalf);
        let end = CancellationToken::new();
        let (channel, ending) = (Channel { inbox, peer: peer.clone() }, end.clone());
        let serving = peer.clone();
        tasks.spawn("rmcp server", async move {
            let why = match Guarded(server).serve_with_ct(channel, ending).await {
                Ok(running) => {
                    // Its end says nothing that whoever closed the link does not know.
                    drop(running.waiting().await);
                    "the server has ended".to_owned()
                }
                Err(why) => format!("the server did not open: {why}"),
            };
            serving.over(&Failure::new(Kind::ServerExited, why));
        });
        async move {
            // rmcp asks its client in mid-call only where there was a handshake; the bridge translates.
            let eras = if opening.eras == Eras::Modern { Eras::Modern } else { Eras::LegacyFirst };
            let opening = opening.speaking(eras);
            let late = Failure::new(Kind::StartFailed, format!("the server did not open within {:?}", limits.start));
            let guard = end.drop_guard();
            let opened = tokio::time::timeout(limits.start, agree(&peer, &opening)).await;
            let opened = opened.unwrap_or_else(|_| Err(late.into()))?;
            Ok(Arc::new(Linked { peer, opened, end: guard.disarm() }) as Arc<dyn Connection>)
        }
        .boxed()
    }
}

/// The way in: messages wait until rmcp takes them.
struct Inbox(mpsc::Sender<(Bytes, Option<LinkId>)>);

impl Outbox for Inbox {
    fn send(&self, line: Line, about: Option<LinkId>) -> Result<(), Failure> {
        let text = match line {
            Line::One(text) => text,
            Line::Many(pieces) => pieces.concat().into(),
        };
        self.0.try_send((text, about)).map_err(|full| match full {
            mpsc::error::TrySendError::Full(_) => {
                Failure::new(Kind::Overloaded, "the server does not take in requests")
            }
            mpsc::error::TrySendError::Closed(_) => Failure::new(Kind::ServerExited, "the server has ended"),
        })
    }
}

/// The link as rmcp sees it.
struct Channel {
    inbox: mpsc::Receiver<(Bytes, Option<LinkId>)>,
    peer: Arc<Peer>,
}

impl Transport<RoleServer> for Channel {
    type Error = Infallible;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        let taken = match serde_json::to_vec(&item) {
            Ok(text) => self.peer.receive(&text.into(), None),
            Err(why) => {
                tracing::warn!(reason = %why, "a message of rmcp is no JSON");
                None
            }
        };
        async move {
            if let Some(congested) = taken {
                congested.room().await;
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let (text, about) = self.inbox.recv().await?;
            match serde_json::from_slice(&text) {
                Ok(message) => return Some(message),
                Err(why) => self.unread(about, &why),
            }
        }
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        self.inbox.close();
        Ok(())
    }
}

impl Channel {
    /// What rmcp's types cannot hold is answered here; nobody else would.
    fn unread(&self, about: Option<LinkId>, why: &serde_json::Error) {
        tracing::debug!(reason = ?why.classify(), "rmcp cannot read a message");
        if let Some(link) = about {
            let id = ClientId::new(link.to_string().into());
            let message = "rmcp cannot read this request";
            let text = janua_wire::error::response(id.as_ref(), INVALID_PARAMS, message, None);
            drop(self.peer.receive(&text, None));
        }
    }
}

/// A server whose panics are errors of the calls they happened in.
struct Guarded<H>(H);

impl<H: ServerHandler> Service<RoleServer> for Guarded<H> {
    async fn handle_request(
        &self,
        request: <RoleServer as ServiceRole>::PeerReq,
        context: RequestContext<RoleServer>,
    ) -> Result<<RoleServer as ServiceRole>::Resp, ErrorData> {
        let answered = AssertUnwindSafe(self.0.handle_request(request, context)).catch_unwind().await;
        answered.unwrap_or_else(|_| {
            tracing::error!("the server panicked");
            Err(ErrorData::internal_error("the server panicked", None))
        })
    }

    async fn handle_notification(
        &self,
        notification: <RoleServer as ServiceRole>::PeerNot,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let heard = AssertUnwindSafe(self.0.handle_notification(notification, context)).catch_unwind().await;
        heard.unwrap_or_else(|_| Err(ErrorData::internal_error("the server panicked", None)))
    }

    fn get_info(&self) -> <RoleServer as ServiceRole>::Info {
        Service::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.0)
    }
}

/// An open link.
struct Linked {
    peer: Arc<Peer>,
    opened: Opened,
    end: CancellationToken,
}

impl Connection for Linked {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn call(&self, call: Call) -> Reply {
        self.peer.call(&call)
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        self.peer.notify(caller, &notification);
    }

    fn listen(&self) -> Reply {
        self.peer.listen()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.peer.idle_since()
    }

    fn is_over(&self) -> bool {
        self.peer.is_over()
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        self.peer.over(&why);
        self.end.cancel();
        ready(()).boxed()
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.end.cancel();
    }
}
