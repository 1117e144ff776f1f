//! Facing MCP servers: what a live link to one is, and how it is opened.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::message::{Notification, Response};
use janua_wire::mirror::Mirror;
use janua_wire::version::Version;
use tokio::time::Instant;

use crate::admission::Slot;
use crate::call::{Call, Caller, Event, Outcome, Reply, Scope};
use crate::error::Failure;
use crate::observe::metrics::ServerMetrics;
use crate::user::User;

pub(crate) mod demo;
pub(crate) mod folder;
pub(crate) mod hiding;
pub(crate) mod http_client;
pub mod in_process;
pub(crate) mod inventory;
pub(crate) mod openapi;
pub(crate) mod opening;
pub(crate) mod peer;
mod pipes;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod remote;
#[cfg(feature = "rmcp")]
pub mod rmcp;
pub(crate) mod sse;
pub(crate) mod starts;
pub(crate) mod stateless_http;
pub(crate) mod stdio;
pub(crate) mod streamable_http;
mod trouble;
pub(crate) mod vitals;
pub(crate) mod warm;
pub(crate) mod websocket;

/// Which eras may be spoken on a link, and which is tried first.
///
/// A server that speaks both may have to be spoken to in one only, from its first message on (`basic/versioning`
/// of 2026-07-28: a process keeps to the era it was first spoken to in).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eras {
    /// With a handshake only.
    Legacy,
    /// Without a handshake only.
    Modern,
    /// With a handshake; without, if the server refuses it.
    LegacyFirst,
    /// Without a handshake; with, if the server does not know that.
    ModernFirst,
}

/// How a server is opened: what its first client says to it.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The `params` of `initialize`, raw, naming a revision with a handshake.
    pub params: Bytes,
    /// The revision named in them.
    pub version: Version,
    /// What the server may ask on this link.
    pub capabilities: ClientCapabilities,
    /// Whether the gateway is the client, and says `notifications/initialized` itself.
    pub on_own_behalf: bool,
    /// How the server may be spoken to.
    pub eras: Eras,
    /// In whose name it is used on this link; `None`: in nobody's.
    pub user: Option<Arc<User>>,
    /// Whether the client's session is over when the link to its only server is.
    pub bound: bool,
}

/// What a server said when it was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its answer to `initialize`, or to `server/discover` if it is spoken to without a handshake; as it came.
    pub response: Response,
    /// The revision spoken on the link.
    pub version: Version,
}

/// Why a link could not be opened.
#[derive(Debug)]
pub enum Refusal {
    /// The server answered `initialize` with an error.
    ByServer(Response),
    /// There is no answer to pass on.
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal::Failed(failure)
    }
}

/// One live link to one server, in one era: a call must come in a revision of that era. (`bridge` has connections
/// that translate.)
///
/// A call is a plain function that gives a stream: dropping the stream cancels the call.
pub trait Connection: Send + Sync {
    /// What the server said when it was opened.
    fn opened(&self) -> &Opened;

    /// Sends a request and gives what comes back.
    fn call(&self, call: Call) -> Reply;

    /// Sends a client's notification. A cancellation reaches the request that this caller sent under the id it
    /// names, if exactly one is under way.
    fn notify(&self, caller: &Caller, notification: Notification);

    /// What the server says of its own accord, belonging to no call. Ends when the link does.
    fn listen(&self) -> Reply;

    /// What carries it over a network, for people; `None` if nothing does.
    fn transport(&self) -> Option<&'static str> {
        None
    }

    /// Whether a server's question in mid-call comes with the call that it belongs to. Otherwise it can be told only
    /// if no other call is under way that may be asked about.
    fn attributes(&self) -> bool {
        false
    }

    /// Whether the server can say anything of its own accord, as far as that shows soon after the opening. Over HTTP it
    /// may have no stream for it.
    fn tells(&self) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(true))
    }

    /// Since when nothing was asked of the server and nobody but one listens to it; `None` if something is.
    fn idle_since(&self) -> Option<Instant> {
        None
    }

    /// Whether the link has ended: whatever is called on it fails.
    fn is_over(&self) -> bool;

    /// Ends the link: whatever waits is answered with `why`, then the server is stopped or left. Resolves when
    /// nothing of it is left.
    fn close(&self, why: Failure) -> BoxFuture<'static, ()>;
}

impl fmt::Debug for dyn Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("version", &self.opened().version).finish_non_exhaustive()
    }
}

/// Opens links to one server.
pub trait Opener: Send + Sync {
    /// Starts or reaches the server and performs the handshake.
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>>;

    /// Starts what is to be ready before anybody asks for it.
    fn prepare(&self) {}

    /// Whether something is ready, so that opening a link starts nothing.
    fn is_ready(&self) -> bool {
        false
    }

    /// Ends what is ready and was asked for by nobody, for good.
    fn retire(&self) {}
}

/// What an address leads to: one server, or several as one.
pub(crate) trait Place: Send + Sync {
    /// Opens it for a client with a session, whose connection it is until the session is closed.
    fn open_session(
        self: Arc<Self>,
        scope: Scope,
        opening: Opening,
    ) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>>;

    /// The connection that serves a caller, if it is there already.
    fn ready(&self, caller: &Caller) -> Option<Arc<dyn Connection>>;

    /// The connection that serves a caller, opened if need be. The one of a session is there, or lost.
    fn connect(self: Arc<Self>, caller: Arc<Caller>) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>>;

    /// Closes what was opened for a session. The future resolves when nothing of it is left.
    fn close_session(&self, scope: &Scope, why: &Failure) -> Vec<BoxFuture<'static, ()>>;

    /// Lets a request in, or refuses it because as many are under way as there may be. `None`: whoever it is passed on to
    /// does so.
    fn admit(&self) -> Result<Option<Slot>, Failure>;

    /// What is counted of it.
    fn metrics(&self) -> &Arc<ServerMetrics>;

    /// Takes note of what passes: lists of tools, and the news that they have changed.
    fn observe(&self, event: &Event);

    /// Whether it may be that tools have arguments that travel as headers, too. False: nothing is to be checked.
    fn may_mirror(&self) -> bool;

    /// Which arguments of a tool travel as headers, too; asks for the tools if nobody has yet. A server that cannot be
    /// asked cannot be called either.
    fn mirror(
        self: Arc<Self>,
        tool: String,
        caller: Arc<Caller>,
    ) -> BoxFuture<'static, Result<Option<Arc<Mirror>>, Failure>>;

    /// Calls that wait for their clients to come back (2026-07-28).
    fn parked(&self) -> usize;

    /// Why it cannot be opened, if that shows without trying.
    fn obstacle(&self) -> Option<Failure> {
        None
    }
}

/// The outcome of a reply, whatever comes before it.
pub(crate) async fn outcome(mut reply: Reply) -> Outcome {
    while let Some(event) = futures_util::StreamExt::next(&mut reply).await {
        match event {
            Event::Done(outcome) => return outcome,
            Event::Ask(ask) => ask.vouch(),
            Event::Notify(_) => {}
        }
    }
    Outcome::Failure(Failure::new(crate::error::Kind::ServerExited, "the reply ended early").after_sending())
}
