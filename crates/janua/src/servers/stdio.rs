//! A server that is a program: newline-delimited messages over its pipes, three tasks, one engine.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::lines::{Framed, Lines, guess_id, guess_last_id};
use janua_wire::message::Notification;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::call::{Call, Caller, Reply};
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::observe::metrics::ServerMetrics;
use crate::servers::peer::{Outbox, Peer};
use crate::servers::process::last_words::LastWords;
use crate::servers::process::{Child, Ending, Process};
use crate::servers::warm::Stock;
use crate::servers::{Connection, Eras, Opened, Opener, Opening, Refusal, opening};
use crate::tasks::Tasks;

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

impl Link {
    fn new(process: Process, stock: &Stock, opening: &Opening) -> Link {
        let Process { stdin, stdout, words, child } = process;
        let (command, limits, tasks) = (&stock.command, stock.limits.clone(), stock.tasks.clone());
        let stdin = Arc::new(Stdin::new(stdin, limits.clone(), stock.metrics.clone()));
        let queue = Arc::downgrade(&stdin);
        stock.metrics.watch_queue(move || queue.upgrade()?.queued());
        let owned = !opening.on_own_behalf;
        let peer = Peer::new(Box::new(stdin.clone()), opening.capabilities.clone(), owned);
        let ending = Ending::default();
        let writer = {
            let (stdin, ending) = (stdin.clone(), ending.clone());
            async move { stdin.write(&ending).await }
        };
        tasks.spawn("server stdin", writer);
        let reader = Reader {
            stdout,
            lines: Lines::new(limits.server_message),
            unsettled: false,
            peer: peer.clone(),
            stdin: stdin.clone(),
            words: words.clone(),
            env: command.env.clone(),
        };
        tasks.clone().spawn("server stdout", reader.run(child, ending.clone(), tasks, limits));
        Link { peer, stdin, ending, words }
    }

    fn close(&self, why: &Failure) {
        self.peer.over(why);
        self.stdin.close();
        self.ending.ask();
    }
}

/// The way in. The first message of a moment is written at once; what else the same turn of the runtime brings is
/// gathered and written together by a task, which also waits when the pipe is full.
struct Stdin {
    state: Lock<Pending>,
    changed: Notify,
    limits: Arc<Limits>,
    metrics: Arc<ServerMetrics>,
}

struct Pending {
    /// `None` once closed.
    pipe: Option<Arc<pipe::Sender>>,
    queue: VecDeque<Bytes>,
    items: usize,
    bytes: usize,
    /// The task is about to write: messages are only queued meanwhile.
    gathering: bool,
}

impl Stdin {
    fn new(pipe: pipe::Sender, limits: Arc<Limits>, metrics: Arc<ServerMetrics>) -> Self {
        let pending =
            Pending { pipe: Some(Arc::new(pipe)), queue: VecDeque::new(), items: 0, bytes: 0, gathering: false };
        Stdin { state: Lock::new(pending), changed: Notify::new(), limits, metrics }
    }

    /// How many messages wait and how large they are; `None` once closed.
    fn queued(&self) -> Option<(usize, usize)> {
        let state = self.state.lock();
        state.pipe.as_ref().map(|_| (state.items, state.bytes))
    }

    fn close(&self) {
        let mut state = self.state.lock();
        // What was gathered goes out as far as there is room: a cancellation may be the last word.
        let _ = state.flush();
        state.pipe = None;
        state.queue.clear();
        drop(state);
        self.changed.notify_one();
    }

    /// Writes what is queued until the pipe is closed. A server that leaves its input unread for too long is
    /// taken for dead.
    async fn write(&self, ending: &Ending) {
        loop {
            let Some(pipe) = self.state.lock().pipe.clone() else {
                // Closed by us, or else by the server: it may be about to end by itself, and to say how.
                return tokio::select! {
                    () = tokio::time::sleep(GRACE) => ending.ask(),
                    () = ending.asked() => {}
                };
            };
            if self.state.lock().queue.is_empty() {
                drop(pipe);
                self.changed.notified().await;
                // Everybody else who is ready has a turn first, and may have something to write too.
                tokio::task::yield_now().await;
                self.state.lock().gathering = false;
                if self.state.lock().flush().is_err() {
                    self.close();
                }
                continue;
            }
            let ready = tokio::select! {
                ready = tokio::time::timeout(self.limits.write_stall, pipe.writable()) => ready,
                () = ending.asked() => return,
            };
            if ready.is_err() {
                let (server, limit) = (&**self.metrics.name(), self.limits.write_stall);
                tracing::warn!(server, ?limit, "the server does not read its input: stopping it");
                return ending.ask();
            }
            if self.state.lock().flush().is_err() {
                self.close();
            }
        }
    }
}

impl Pending {
    /// Writes as much as the pipe takes without waiting.
    fn flush(&mut self) -> io::Result<()> {
        const SLICES: usize = 64;
        while !self.queue.is_empty() {
            let Some(pipe) = &self.pipe else { return Ok(()) };
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count =
                self.queue.iter().take(SLICES).zip(&mut slices).map(|(part, slot)| *slot = IoSlice::new(part)).count();
            match pipe.try_write_vectored(&slices[..count]) {
                Ok(written) => self.written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(part) = self.queue.front_mut() {
            if count < part.len() {
                part.advance(count);
                return;
            }
            count -= part.len();
            if part.ends_with(b"\n") {
                self.items -= 1;
            }
            self.queue.pop_front();
        }
    }
}

impl Outbox for Arc<Stdin> {
    fn send(&self, line: Line, _about: Option<LinkId>) -> Result<(), Failure> {
        /// So many messages may wait whatever their size.
        const ALWAYS: usize = 16;
        let mut state = self.state.lock();
        if state.pipe.is_none() {
            return Err(Failure::new(Kind::ServerExited, "the server has ended"));
        }
        let full = state.items >= self.limits.server_queue_items
            || (state.items >= ALWAYS && state.bytes + line.len() > self.limits.server_queue_bytes);
        if full {
            let message = "the server does not keep up: too many requests wait to be written to it";
            return Err(Failure::new(Kind::Overloaded, message).retry_after(Duration::from_secs(1)));
        }
        let direct = state.queue.is_empty() && !state.gathering;
        state.items += 1;
        state.bytes += line.len() + 1;
        push_framed(&mut state.queue, line);
        if direct && state.flush().is_err() {
            // The reader finds out why, and says so to everybody who waits.
            state.pipe = None;
            state.queue.clear();
            self.changed.notify_one();
            return Ok(());
        }
        let first = !std::mem::replace(&mut state.gathering, true);
        drop(state);
        if first {
            self.changed.notify_one();
        }
        Ok(())
    }
}

/// The parts of a message and its newline; a small message and its newline are one part.
fn push_framed(queue: &mut VecDeque<Bytes>, line: Line) {
    const SMALL: usize = 4096;
    match line {
        Line::One(part) if part.len() <= SMALL => {
            let mut framed = Vec::with_capacity(part.len() + 1);
            framed.extend_from_slice(&part);
            framed.push(b'\n');
            queue.push_back(framed.into());
        }
        line => {
            queue.extend(line.parts().iter().filter(|part| !part.is_empty()).cloned());
            queue.push_back(Bytes::from_static(b"\n"));
        }
    }
}

/// The way out: reads lines, hands them to the engine, and sees the program end.
struct Reader {
    stdout: pipe::Receiver,
    lines: Lines,
    /// A line is too long and its head did not tell which request it answers.
    unsettled: bool,
    peer: Arc<Peer>,
    stdin: Arc<Stdin>,
    words: LastWords,
    env: Vec<(String, String)>,
}

impl Reader {
    async fn run(mut self, mut child: Child, ending: Ending, tasks: Tasks, limits: Arc<Limits>) {
        let peer = self.peer.clone();
        let (why, at_once) = tokio::select! {
            why = self.read(&mut child) => (why, true),
            why = peer.silent() => (why, true),
            () = ending.asked() => {
                (Failure::new(Kind::ServerExited, "the server was stopped"), false)
            }
        };
        if at_once {
            self.stdin.metrics.exited();
            self.words.complete().await;
        }
        let stderr = self.words.quote(&self.env);
        tracing::debug!(server = &**self.stdin.metrics.name(), reason = %why, "server link over");
        self.peer.over(&why.with_stderr(stderr));
        self.stdin.close();
        ending.ask();
        drop(self);
        ending.stop(&tasks, child, limits, at_once);
    }

    /// Reads until the server is done for, and says why.
    async fn read(&mut self, child: &mut Child) -> Failure {
        let ended = tokio::select! {
            ended = child.ended() => ended,
            failure = self.read_lines() => match failure {
                Some(failure) => return failure,
                // It closed its output: it cannot answer any more, so it need not live, but it may say how it ended.
                None => match tokio::time::timeout(GRACE, child.ended()).await {
                    Ok(ended) => ended,
                    Err(_) => "closed its standard output".to_owned(),
                },
            }
        };
        self.read_rest();
        Failure::new(Kind::ServerExited, format!("the server {ended}"))
    }

    /// Reads until the end of the pipe (`None`) or until the server has to be given up.
    async fn read_lines(&mut self) -> Option<Failure> {
        while self.stdout.readable().await.is_ok() {
            match self.stdout.try_read_buf(self.lines.room()) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.lines.rest();
                    continue;
                }
                Err(_) => return None,
            }
            while let Some(framed) = self.lines.next_line() {
                match self.take(framed) {
                    Ok(Some(mailbox)) => mailbox.room().await,
                    Ok(None) => {}
                    Err(failure) => return Some(failure),
                }
            }
            if self.unsettled && self.lines.skipped() > ENDLESS {
                return Some(too_large());
            }
            self.lines.rest();
        }
        None
    }

    /// What the program wrote before it ended still counts, a last line without newline too. Reads past the
    /// runtime, whose idea of readiness may be older than the end of the program.
    fn read_rest(&mut self) {
        let mut chunk = [0; 8192];
        while let Ok(count @ 1..) = rustix::io::read(&self.stdout, &mut chunk) {
            self.lines.room().extend_from_slice(&chunk[..count]);
            while let Some(framed) = self.lines.next_line() {
                let _ = self.take(framed);
            }
        }
        while let Some(framed) = self.lines.finish() {
            let _ = self.take(framed);
        }
    }

    /// Hands one piece to the engine. A line that is too long fails the request it answers; if that cannot be
    /// told, the link has to be given up.
    fn take(&mut self, framed: Framed) -> Result<Option<Arc<Mailbox>>, Failure> {
        let guess = match framed {
            Framed::Line(line) => {
                self.words.heard(&line);
                return Ok(self.peer.receive(&line, None));
            }
            Framed::Outgrown(head) => guess_id(&head),
            Framed::Tail(_) if !std::mem::take(&mut self.unsettled) => return Ok(None),
            Framed::Tail(tail) => match guess_last_id(&tail) {
                Some(link) if self.peer.fail(link, too_large()) => return Ok(None),
                _ => return Err(too_large()),
            },
        };
        self.unsettled = !guess.is_some_and(|link| self.peer.fail(link, too_large()));
        Ok(None)
    }
}

/// How long a server that has closed one of its pipes may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);

/// A line that nobody can attribute is read on for so many bytes, in the hope of its end.
const ENDLESS: usize = 64 << 20;

fn too_large() -> Failure {
    Failure::new(Kind::ResponseTooLarge, "the server sent a message larger than the limit").after_sending()
}
