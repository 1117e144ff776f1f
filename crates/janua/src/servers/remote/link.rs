//! What every link to a remote server has: the engine, its tasks, and an end that leaves nothing behind.

use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use janua_wire::id::LinkId;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::version::Era;
use janua_wire::{json, raw};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::posts::{Carrier, Posts};
use crate::call::{Call, Caller, Event, Outcome, Reply};
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::servers::http_client::Target;
use crate::servers::peer::Peer;
use crate::servers::{Connection, Opened, Opening, Refusal, opening};
use crate::tasks::Tasks;

/// How a server is reached: the same for all its links.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) target: Arc<Target>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tasks: Tasks,
}

/// What the tasks of one link share.
pub(crate) struct Shared {
    pub(crate) target: Arc<Target>,
    pub(crate) limits: Arc<Limits>,
    tasks: Tasks,
    peer: OnceLock<Weak<Peer>>,
    /// Whether the server has a stream of its own, once that is known.
    own_stream: watch::Sender<Option<bool>>,
    ended: CancellationToken,
    gone: CancellationToken,
}

/// One link. Dropped, it is over.
pub(crate) struct Link {
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    attributes: bool,
    transport: &'static str,
}

/// A link whose server has answered `initialize`.
struct RemoteConnection {
    link: Link,
    opened: Opened,
}

impl Shared {
    pub(crate) fn new(reach: &Reach) -> Arc<Shared> {
        let Reach { target, limits, tasks } = reach.clone();
        let (ended, gone) = (CancellationToken::new(), CancellationToken::new());
        let (peer, own_stream) = (OnceLock::new(), watch::Sender::new(None));
        Arc::new(Shared { target, limits, tasks, peer, own_stream, ended, gone })
    }

    /// Notes whether the server has a stream of its own.
    pub(crate) fn has_own_stream(&self, has: bool) {
        self.own_stream.send_replace(Some(has));
    }

    /// Runs `work` until it is done or the link is over.
    pub(crate) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        self.tasks.spawn(name, async move {
            tokio::select! {
                // Work that has not begun when the link ends must not begin.
                biased;
                () = ended.cancelled() => {}
                () = work => {}
            }
        });
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Takes in a message of the server, or a batch of them (2025-03-26), and waits for a reader that has fallen
    /// behind. `about` names the request whose own answer carried it.
    pub(crate) async fn receive(&self, text: Bytes, about: Option<LinkId>) {
        for message in messages(text) {
            let Some(peer) = self.peer() else { return };
            let congested = peer.receive(&message, about);
            drop(peer);
            if let Some(mailbox) = congested {
                mailbox.room().await;
            }
        }
    }

    /// Whether the request is still under way.
    pub(crate) fn awaits(&self, link: LinkId) -> bool {
        self.peer().is_some_and(|peer| peer.awaits(link))
    }

    /// A message did not reach the server, or its answer did not reach us.
    pub(crate) fn fail(&self, about: Option<LinkId>, failure: Failure) {
        let reason = failure.to_string();
        let settled = |link: LinkId| self.peer().is_some_and(|peer| !peer.fail(link, failure));
        if !about.is_some_and(settled) {
            tracing::debug!(request = ?about, reason, "exchange with the server failed");
        }
    }

    /// The link is over: whatever waits is answered, every task ends.
    pub(crate) fn over(&self, why: &Failure) {
        if !self.is_over() {
            tracing::debug!(reason = %why, "server link over");
        }
        if let Some(peer) = self.peer() {
            peer.over(why);
        }
        self.ended.cancel();
    }

    /// Sends a request of the gateway's own over the link, and gives the result.
    pub(crate) async fn ask(&self, request: Request, caller: Caller) -> Option<Response> {
        let mut reply = self.peer()?.call(&Call { request, caller: Arc::new(caller) });
        while let Some(event) = reply.next().await {
            if let Event::Done(outcome) = event {
                let Outcome::Answer(response) = outcome else { return None };
                return Some(response).filter(|response| !response.is_error());
            }
        }
        None
    }

    fn peer(&self) -> Option<Arc<Peer>> {
        self.peer.get().and_then(Weak::upgrade)
    }
}

/// The messages in a text, which are several only in a batch.
pub(crate) fn messages(text: Bytes) -> Vec<Bytes> {
    let is_batch = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_batch || json::check(&text).is_err() {
        return vec![text];
    }
    raw::elements(&text, raw::whole(&text)).into_iter().map(|span| text.slice(span.range())).collect()
}

impl Link {
    /// A link whose messages `carrier` takes to the server.
    pub(crate) fn new(shared: Arc<Shared>, carrier: Arc<dyn Carrier>, opening: &Opening) -> Link {
        let posts = Posts::new(shared.clone(), carrier.clone());
        let owned = !opening.on_own_behalf;
        let peer = Peer::new(Box::new(posts), opening.capabilities.clone(), owned);
        let _ = shared.peer.set(Arc::downgrade(&peer));
        let (attributes, transport) = (carrier.attributes(), carrier.transport());
        let (ended, gone) = (shared.ended.clone(), shared.gone.clone());
        // Not `Shared::spawn`: this is what is left to do when all else has ended.
        shared.tasks.spawn("farewell to server", async move {
            ended.cancelled().await;
            carrier.farewell().await;
            gone.cancel();
        });
        Link { peer, shared, attributes, transport }
    }

    /// Asks the server to open.
    pub(crate) async fn initialize(&self, opening: &Opening) -> Result<Opened, Refusal> {
        let request = opening.request()?;
        opening::answered(self.peer.call(&Call { request, caller: Arc::new(opening.caller()) })).await
    }

    /// Asks the server what it is.
    pub(crate) async fn discover(&self, opening: &Opening) -> Result<Opened, Refusal> {
        let request = opening::discovery()?;
        opening::discovered(self.peer.call(&Call { request, caller: Arc::new(opening.caller()) })).await
    }

    /// The link, ready for use. Where the gateway is the client and there is a handshake, it ends it.
    pub(crate) fn into_connection(self, opened: Opened, opening: &Opening) -> Arc<dyn Connection> {
        if opening.on_own_behalf
            && opened.version.era() == Era::Legacy
            && let Ok(initialized) = Notification::new("notifications/initialized", None)
        {
            self.peer.notify(&opening.caller(), &initialized);
        }
        self.peer.speaks(opened.version);
        Arc::new(RemoteConnection { link: self, opened })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let why = Failure::new(Kind::Stopping, "the connection to the server was closed");
        self.shared.over(&why);
    }
}

impl Connection for RemoteConnection {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn call(&self, call: Call) -> Reply {
        self.link.peer.call(&call)
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        self.link.peer.notify(caller, &notification);
    }

    fn transport(&self) -> Option<&'static str> {
        Some(self.link.transport)
    }

    fn attributes(&self) -> bool {
        // Servers made with some SDKs ask on the session's own stream, whatever call they are at.
        self.link.attributes && !self.link.peer.asks_astray()
    }

    fn tells(&self) -> BoxFuture<'static, bool> {
        /// A server that has not said by then whether it has a stream is given the benefit of the doubt.
        const SOON: Duration = Duration::from_secs(2);
        let mut known = self.link.shared.own_stream.subscribe();
        async move {
            match timeout(SOON, known.wait_for(Option::is_some)).await {
                Ok(Ok(known)) => *known == Some(true),
                Ok(Err(_)) | Err(_) => true,
            }
        }
        .boxed()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.link.peer.idle_since()
    }

    fn is_over(&self) -> bool {
        self.link.peer.is_over()
    }

    fn listen(&self) -> Reply {
        self.link.peer.listen()
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        self.link.shared.over(&why);
        let gone = self.link.shared.gone.clone();
        async move { gone.cancelled().await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_taken_apart_and_nothing_else() {
        let parts = |text: &'static str| messages(Bytes::from_static(text.as_bytes()));
        assert_eq!(parts(r#" [{"a":[1]} , {"b":2}]"#), [&br#"{"a":[1]}"#[..], br#"{"b":2}"#]);
        for whole in [r#"{"a":[1]}"#, "[{}", "nonsense", ""] {
            assert_eq!(parts(whole), [whole.as_bytes()], "{whole}");
        }
    }
}
