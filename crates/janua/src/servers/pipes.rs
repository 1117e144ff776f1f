//! A program's pipes: messages to its standard input in order, lines of its standard output to whom they belong, and its end.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::lines::{Framed, Lines, guess_id, guess_last_id};
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::observe::metrics::ServerMetrics;
use crate::servers::peer::{Outbox, Peer};
use crate::servers::process::last_words::LastWords;
use crate::servers::process::{Child, Ending};
use crate::tasks::Tasks;

/// Where a program's lines go: to the only link there is, or to one of several.
pub(super) trait Inlet: Send + Sync + 'static {
    /// Whether a link whose client reads slowly holds up the program.
    const WAITS: bool;

    /// The link that a line belongs to, and the message in it. `None` if it is about something else.
    fn link(&self, line: &Bytes) -> Option<(Arc<Peer>, Bytes)>;

    /// Resolves when the program must be taken for dead although it runs.
    fn silent(&self) -> impl Future<Output = Failure> + Send;

    /// The program is done for: whatever waits is answered.
    fn over(&self, why: &Failure);
}

/// The way out of a program and how it ends; see [`Output::follow`].
pub(super) struct Output {
    pub(super) stdout: pipe::Receiver,
    pub(super) child: Child,
    pub(super) words: LastWords,
    /// What is masked in what it said last.
    pub(super) secrets: Vec<(String, String)>,
}

impl Output {
    /// Starts the tasks that write to the program, read from it and see it end.
    pub(super) fn follow<I: Inlet>(self, inlet: Arc<I>, stdin: &Arc<Stdin>, ending: &Ending, tasks: &Tasks) {
        let Output { stdout, child, words, secrets } = self;
        let limits = stdin.limits.clone();
        let writer = {
            let (stdin, ending) = (stdin.clone(), ending.clone());
            async move { stdin.write(&ending).await }
        };
        tasks.spawn("server stdin", writer);
        let lines = Lines::new(limits.server_message);
        let reader = Reader { stdout, lines, unsettled: None, inlet, stdin: stdin.clone(), words, secrets };
        tasks.spawn("server stdout", reader.run(child, ending.clone(), tasks.clone(), limits));
    }
}

/// The way in. The first message of a moment is written at once; what else the same turn of the runtime brings is
/// gathered and written together by a task, which also waits when the pipe is full.
pub(super) struct Stdin {
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
    pub(super) fn new(pipe: pipe::Sender, limits: Arc<Limits>, metrics: Arc<ServerMetrics>) -> Self {
        let pending =
            Pending { pipe: Some(Arc::new(pipe)), queue: VecDeque::new(), items: 0, bytes: 0, gathering: false };
        Stdin { state: Lock::new(pending), changed: Notify::new(), limits, metrics }
    }

    /// How many messages wait and how large they are; `None` once closed.
    pub(super) fn queued(&self) -> Option<(usize, usize)> {
        let state = self.state.lock();
        state.pipe.as_ref().map(|_| (state.items, state.bytes))
    }

    pub(super) fn close(&self) {
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
struct Reader<I> {
    stdout: pipe::Receiver,
    lines: Lines,
    /// The link of a line that is too long and whose head did not tell which request it answers.
    unsettled: Option<Arc<Peer>>,
    inlet: Arc<I>,
    stdin: Arc<Stdin>,
    words: LastWords,
    secrets: Vec<(String, String)>,
}

impl<I: Inlet> Reader<I> {
    async fn run(mut self, mut child: Child, ending: Ending, tasks: Tasks, limits: Arc<Limits>) {
        let inlet = self.inlet.clone();
        let (why, at_once) = tokio::select! {
            why = self.read(&mut child) => (why, true),
            why = inlet.silent() => (why, true),
            () = ending.asked() => {
                (Failure::new(Kind::ServerExited, "the server was stopped"), false)
            }
        };
        if at_once {
            self.stdin.metrics.exited();
            self.words.complete().await;
        }
        let stderr = self.words.quote(&self.secrets);
        tracing::debug!(server = &**self.stdin.metrics.name(), reason = %why, "server link over");
        self.inlet.over(&why.with_stderr(stderr));
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
            if self.unsettled.is_some() && self.lines.skipped() > ENDLESS {
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
    /// told, the program has to be given up.
    fn take(&mut self, framed: Framed) -> Result<Option<Arc<Mailbox>>, Failure> {
        let (peer, guess) = match framed {
            Framed::Line(line) => {
                let Some((peer, message)) = self.inlet.link(&line) else { return Ok(None) };
                return Ok(peer.receive(&message, None).filter(|_| I::WAITS));
            }
            Framed::Outgrown(head) => match self.inlet.link(&head) {
                Some((peer, head)) => (peer, guess_id(&head)),
                None => return Err(too_large()),
            },
            Framed::Tail(tail) => match (self.unsettled.take(), guess_last_id(&tail)) {
                (None, _) => return Ok(None),
                (Some(peer), Some(link)) if peer.fail(link, too_large()) => return Ok(None),
                _ => return Err(too_large()),
            },
        };
        let settled = guess.is_some_and(|link| peer.fail(link, too_large()));
        self.unsettled = (!settled).then_some(peer);
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
