//! One session in a process that hosts several: a link like any other, over lines that carry its number.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::message::Notification;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::host::Host;
use crate::call::{Call, Caller, Reply};
use crate::error::{Failure, Kind};
use crate::servers::peer::{Outbox, Peer};
use crate::servers::pipes::Stdin;
use crate::servers::{Connection, Opened, Opening};
use crate::user::User;

/// What the process's end keeps of a session.
pub(super) struct Held {
    number: u64,
    user: Arc<User>,
    peer: Arc<Peer>,
    /// Why the server ended it, if it did.
    said: OnceLock<String>,
    gone: CancellationToken,
}

/// A session's stream. Dropped, it is closed.
pub(super) struct Channel {
    host: Arc<Host>,
    held: Arc<Held>,
}

/// A session that was opened.
pub(super) struct Session {
    channel: Channel,
    opened: Opened,
}

/// Puts the session's number before its messages.
struct Numbered {
    prefix: Bytes,
    stdin: Arc<Stdin>,
}

impl Outbox for Numbered {
    fn send(&self, line: Line, about: Option<LinkId>) -> Result<(), Failure> {
        const SMALL: usize = 4096;
        let parts = [&self.prefix].into_iter().chain(line.parts());
        let line = if line.len() > SMALL {
            Line::Many(parts.cloned().collect())
        } else {
            Line::One(parts.flat_map(|part| part.iter().copied()).collect())
        };
        self.stdin.send(line, about)
    }
}

impl Held {
    pub(super) fn new(number: u64, user: Arc<User>, stdin: Arc<Stdin>, opening: &Opening) -> Self {
        let outbox = Box::new(Numbered { prefix: format!("{number} ").into(), stdin });
        let peer = Peer::new(outbox, opening.capabilities.clone(), !opening.on_own_behalf);
        Held { number, user, peer, said: OnceLock::new(), gone: CancellationToken::new() }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn user(&self) -> &Arc<User> {
        &self.user
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The server ended it.
    pub(super) fn over(&self, why: &str) {
        let _ = self.said.set(why.to_owned());
        self.end(&Failure::new(Kind::ServerExited, format!("the server ended the session: {why}")));
    }

    pub(super) fn end(&self, why: &Failure) {
        self.peer.over(why);
        self.gone.cancel();
    }

    /// Resolves when it has ended.
    pub(super) async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

impl Channel {
    pub(super) fn new(host: Arc<Host>, held: Arc<Held>) -> Self {
        Channel { host, held }
    }

    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.held.peer
    }

    /// Why the server ended it, if it did.
    pub(super) fn ended_because(&self) -> Option<String> {
        self.held.said.get().cloned()
    }

    /// The same, after the server has opened it.
    pub(super) fn opened(self, opened: Opened) -> Session {
        self.host.prove();
        Session { channel: self, opened }
    }

    fn close(&self, why: &Failure) {
        self.held.end(why);
        self.host.leave(&self.held);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close(&Failure::new(Kind::Stopping, "the connection to the server was closed"));
    }
}

impl Connection for Session {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn call(&self, call: Call) -> Reply {
        self.channel.held.peer.call(&call)
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        self.channel.held.peer.notify(caller, &notification);
    }

    fn listen(&self) -> Reply {
        self.channel.held.peer.listen()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.channel.held.peer.idle_since()
    }

    fn is_over(&self) -> bool {
        self.channel.held.peer.is_over()
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        self.channel.close(&why);
        std::future::ready(()).boxed()
    }
}
