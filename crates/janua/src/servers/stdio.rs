//! A server that is a program of its own for each link: newline-delimited messages over its pipes, one engine.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::message::Notification;
use tokio::time::Instant;

use crate::call::{Call, Caller, Reply};
use crate::error::{Failure, Kind};
use crate::servers::peer::Peer;
use crate::servers::pipes::{Inlet, Output, Stdin};
use crate::servers::process::last_words::LastWords;
use crate::servers::process::{Ending, Process};
use crate::servers::warm::Stock;
use crate::servers::{Connection, Eras, Opened, Opener, Opening, Refusal, opening};

/// Starts a program for every link, or takes one that is ready.
pub(crate) struct StdioOpener(pub(crate) Arc<Stock>);

impl Opener for StdioOpener {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        self.0.keep();
        let stock = self.0.clone();
        async move {
            let first = start(&stock, &opening).await;
            match first {
                // Some programs end at a first message that they do not know; with a handshake they may live.
                Err(Unstarted { ended: true, .. }) if opening.eras == Eras::ModernFirst => {
                    let second = start(&stock, &opening.speaking(Eras::Legacy)).await;
                    second.map_err(|unstarted| unstarted.refusal)
                }
                // Some keep to the era they were first spoken to in, even after refusing it.
                Err(Unstarted { refusal: Refusal::ByServer(refused), .. })
                    if opening.eras == Eras::LegacyFirst && opening::is_modern_refusal(&refused) =>
                {
                    let second = start(&stock, &opening.speaking(Eras::Modern)).await;
                    second.map_err(|_| Refusal::ByServer(refused))
                }
                settled => settled.map_err(|unstarted| unstarted.refusal),
            }
        }
        .boxed()
    }

    fn prepare(&self) {
        self.0.keep();
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn retire(&self) {
        self.0.retire();
    }
}

impl Drop for StdioOpener {
    fn drop(&mut self) {
        self.0.retire();
    }
}

/// Why a program does not serve.
struct Unstarted {
    refusal: Refusal,
    /// It ran, and ended by itself.
    ended: bool,
}

async fn start(stock: &Stock, opening: &Opening) -> Result<Arc<dyn Connection>, Unstarted> {
    if let Some(process) = stock.take() {
        match speak(process, stock, opening).await {
            // It may have been about to end before anybody spoke to it.
            Err(Unstarted { ended: true, .. }) if opening.eras != Eras::ModernFirst => {}
            settled => return settled,
        }
    }
    let process = stock.start().await.map_err(|failure| Unstarted { refusal: failure.into(), ended: false })?;
    speak(process, stock, opening).await
}

async fn speak(process: Process, stock: &Stock, opening: &Opening) -> Result<Arc<dyn Connection>, Unstarted> {
    let Stock { command, limits, .. } = stock;
    let link = Link::new(process, stock, opening);
    let opened = tokio::time::timeout(limits.start, opening::agree(&link.peer, opening)).await;
    let outcome = opened.unwrap_or_else(|_| {
        let message = format!("the server did not answer initialize within {:?}", limits.start);
        Err(Failure::new(Kind::StartFailed, message).with_stderr(link.words.quote(&command.env)).into())
    });
    match outcome {
        Ok(opened) => Ok(Arc::new(StdioConnection { link, opened }) as Arc<dyn Connection>),
        Err(refusal) => {
            let ended = link.peer.is_over();
            link.close(&Failure::new(Kind::StartFailed, "the server did not open"));
            Err(Unstarted { refusal, ended })
        }
    }
}

/// A running program that was opened.
struct StdioConnection {
    link: Link,
    opened: Opened,
}

impl Connection for StdioConnection {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn call(&self, call: Call) -> Reply {
        self.link.peer.call(&call)
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        self.link.peer.notify(caller, &notification);
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
        self.link.close(&why);
        let ending = self.link.ending.clone();
        async move { ending.gone().await }.boxed()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close(&Failure::new(Kind::Stopping, "the connection to the server was closed"));
    }
}

/// The engine, the pipes' tasks and the program's end.
struct Link {
    peer: Arc<Peer>,
    stdin: Arc<Stdin>,
    ending: Ending,
    words: LastWords,
}

/// Where the lines of a program go that one link is to.
struct Only {
    peer: Arc<Peer>,
    words: LastWords,
}

impl Inlet for Only {
    const WAITS: bool = true;

    fn link(&self, line: &Bytes) -> Option<(Arc<Peer>, Bytes)> {
        self.words.heard(line);
        Some((self.peer.clone(), line.clone()))
    }

    async fn silent(&self) -> Failure {
        self.peer.silent().await
    }

    fn over(&self, why: &Failure) {
        self.peer.over(why);
    }
}

impl Link {
    fn new(process: Process, stock: &Stock, opening: &Opening) -> Link {
        let Process { stdin, stdout, words, child } = process;
        let stdin = Arc::new(Stdin::new(stdin, stock.limits.clone(), stock.metrics.clone()));
        let queue = Arc::downgrade(&stdin);
        stock.metrics.watch_queue(move || queue.upgrade()?.queued());
        let owned = !opening.on_own_behalf;
        let peer = Peer::new(Box::new(stdin.clone()), opening.capabilities.clone(), owned);
        let inlet = Arc::new(Only { peer: peer.clone(), words: words.clone() });
        let output = Output { stdout, child, words: words.clone(), secrets: stock.command.env.clone() };
        let ending = Ending::default();
        output.follow(inlet, &stdin, &ending, &stock.tasks);
        Link { peer, stdin, ending, words }
    }

    fn close(&self, why: &Failure) {
        self.peer.over(why);
        self.stdin.close();
        self.ending.ask();
    }
}
