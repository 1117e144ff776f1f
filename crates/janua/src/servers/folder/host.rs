//! A Python process that hosts sessions of one folder's server: its channels, its instances, and how long it lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use janua_wire::json::quote;
use janua_wire::line::Line;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::channel::{Channel, Held};
use super::shim;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::Opening;
use crate::servers::peer::{Outbox, Peer};
use crate::servers::pipes::{Inlet, Output, Stdin};
use crate::servers::process::last_words::LastWords;
use crate::servers::process::{Ending, Process};
use crate::servers::warm::Stock;
use crate::tasks::Tasks;
use crate::user::User;

/// How long a process may say nothing to a ping before it is taken for dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process and who is served in it.
pub(super) struct Host {
    stdin: Arc<Stdin>,
    ending: Ending,
    words: LastWords,
    secrets: Vec<(String, String)>,
    tasks: Tasks,
    state: Lock<State>,
    /// Lines of the process so far.
    heard: AtomicU64,
    /// A session was opened in it: it is a server.
    proven: AtomicBool,
    /// It does not answer any more.
    mute: CancellationToken,
}

struct State {
    channels: HashMap<u64, Arc<Held>>,
    instances: HashMap<Arc<User>, Instance>,
    next: u64,
    /// When the last session left.
    unused: Instant,
    /// It ends with its last session.
    retired: bool,
    over: Option<Failure>,
}

/// What the factory has made for one session key.
struct Instance {
    number: u64,
    /// The sessions that use it.
    open: usize,
    unused: Instant,
}

impl Host {
    /// Follows a process that was just started, and tells it what to do.
    pub(super) fn start(process: Process, stock: &Stock, idle: Duration) -> Arc<Host> {
        let Process { stdin, stdout, words, child } = process;
        let stdin = Arc::new(Stdin::new(stdin, stock.limits.clone(), stock.metrics.clone()));
        let queue = Arc::downgrade(&stdin);
        stock.metrics.watch_queue(move || queue.upgrade()?.queued());
        let (channels, instances) = (HashMap::new(), HashMap::new());
        let state = State { channels, instances, next: 1, unused: Instant::now(), retired: false, over: None };
        let secrets = stock.command.env.clone();
        let host = Arc::new(Host {
            stdin: stdin.clone(),
            ending: Ending::default(),
            words: words.clone(),
            secrets: secrets.clone(),
            tasks: stock.tasks.clone(),
            state: Lock::new(state),
            heard: AtomicU64::new(0),
            proven: AtomicBool::new(false),
            mute: CancellationToken::new(),
        });
        host.say(shim().to_owned());
        let output = Output { stdout, child, words, secrets };
        output.follow(host.clone(), &stdin, &host.ending, &stock.tasks);
        stock.tasks.spawn("folder host", tidy(Arc::downgrade(&host), host.ending.clone(), idle));
        host
    }

    /// A line for the process itself. If it cannot be had, neither can anything that comes later.
    fn say(&self, line: String) {
        if self.stdin.send(Line::One(line.into()), None).is_err() {
            self.end(&Failure::new(Kind::ServerExited, "the server does not take its input"));
        }
    }

    /// A stream of its own for a session of `user`, to the instance that is there for them; `None` if the process is
    /// about to end.
    pub(super) fn join(self: &Arc<Self>, user: &Arc<User>, opening: &Opening) -> Result<Option<Channel>, Failure> {
        let mut state = self.state.lock();
        if state.over.is_some() || state.retired {
            return Ok(None);
        }
        let number = state.next;
        state.next += 2;
        let made = || Instance { number: number + 1, open: 0, unused: Instant::now() };
        let instance = state.instances.entry(user.clone()).or_insert_with(made);
        instance.open += 1;
        let key = user.key.as_deref().map_or_else(|| "null".to_owned(), quote);
        let who = format!("{{\"user_id\":{},\"api_key\":{key}}}", quote(&user.id));
        let line = format!("open {number} {} {who}", instance.number);
        let held = Arc::new(Held::new(number, user.clone(), self.stdin.clone(), opening));
        state.channels.insert(number, held.clone());
        drop(state);
        let channel = Channel::new(self.clone(), held);
        self.stdin.send(Line::One(line.into()), None)?;
        self.tasks.spawn("folder session", watch(self.clone(), channel.held().clone()));
        Ok(Some(channel))
    }

    /// A session has left.
    pub(super) fn leave(&self, held: &Held) {
        let told = self.forget(held.number());
        let over = self.state.lock().over.is_some();
        if told && !over {
            self.say(format!("close {}", held.number()));
        }
        self.end_if_retired();
    }

    /// Takes a channel out; false if it is out already.
    fn forget(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let Some(held) = state.channels.remove(&number) else { return false };
        let now = Instant::now();
        state.unused = now;
        if let Some(instance) = state.instances.get_mut(held.user()) {
            (instance.open, instance.unused) = (instance.open.saturating_sub(1), now);
        }
        true
    }

    /// The process ended a session.
    fn closed(&self, number: u64, why: &str) {
        let held = self.state.lock().channels.get(&number).cloned();
        if let Some(held) = held {
            self.forget(number);
            held.over(why);
        }
    }

    /// A session was opened in it.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// A session could not be opened: unless others were, the process is of no use.
    pub(super) fn give_up(&self) {
        let unused = self.state.lock().channels.is_empty();
        if unused && !self.proven.load(Ordering::Relaxed) {
            self.end(&Failure::new(Kind::StartFailed, "the server did not open"));
        }
    }

    /// It takes no further sessions, and ends with the last.
    pub(super) fn retire(&self) {
        self.state.lock().retired = true;
        self.end_if_retired();
    }

    fn end_if_retired(&self) {
        let state = self.state.lock();
        let ends = state.retired && state.channels.is_empty() && state.over.is_none();
        drop(state);
        if ends {
            self.end(&Failure::new(Kind::Stopping, "the server is not used any more"));
        }
    }

    /// Stops the process.
    fn end(&self, why: &Failure) {
        self.over(why);
        self.stdin.close();
        self.ending.ask();
    }

    pub(super) fn is_over(&self) -> bool {
        let state = self.state.lock();
        state.over.is_some() || state.retired
    }

    /// What it said last.
    pub(super) fn quote(&self) -> Option<String> {
        self.words.quote(&self.secrets)
    }

    /// How many instances it has of one user id.
    pub(super) fn instances_of(&self, id: &str) -> usize {
        self.state.lock().instances.keys().filter(|user| &*user.id == id).count()
    }

    pub(super) fn has_instance(&self, user: &Arc<User>) -> bool {
        self.state.lock().instances.contains_key(user)
    }

    /// The instance of a user id that no session has used for the longest time, and since when.
    pub(super) fn unused_instance_of(&self, id: &str) -> Option<(Arc<User>, Instant)> {
        let state = self.state.lock();
        let unused = state.instances.iter().filter(|(user, instance)| &*user.id == id && instance.open == 0);
        unused.map(|(user, instance)| (user.clone(), instance.unused)).min_by_key(|(_, since)| *since)
    }

    /// Lets go of an instance that no session uses, and ends if it was the only one.
    pub(super) fn let_go(&self, user: &Arc<User>) {
        let mut state = self.state.lock();
        let Some(instance) = state.instances.get(user).filter(|instance| instance.open == 0) else { return };
        let line = format!("drop {}", instance.number);
        state.instances.remove(user);
        let empty = state.instances.is_empty();
        drop(state);
        if empty {
            self.end(&Failure::new(Kind::Stopping, "the server was not used any more"));
        } else {
            self.say(line);
        }
    }

    /// Lets go of what nobody has used for the time `idle`.
    fn tidy(&self, idle: Duration) {
        let state = self.state.lock();
        let old = |unused: &Instant| unused.elapsed() >= idle;
        let ends = state.channels.is_empty() && old(&state.unused);
        let unused = state.instances.iter().filter(|(_, instance)| instance.open == 0 && old(&instance.unused));
        let unused: Vec<Arc<User>> = unused.map(|(user, _)| user.clone()).collect();
        drop(state);
        if ends {
            return self.end(&Failure::new(Kind::Stopping, "the server was not used any more"));
        }
        for user in &unused {
            self.let_go(user);
        }
    }

    /// Since when no session uses it; `None` if one does, or it is about to end.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        (state.channels.is_empty() && state.over.is_none()).then_some(state.unused)
    }

    /// Ends it unless a session has come to use it, and resolves when nothing of it is left.
    pub(super) async fn gone(&self) {
        if self.unused_since().is_some() {
            self.end(&Failure::new(Kind::Stopping, "the server was not used any more"));
            self.ending.gone().await;
        }
    }

    /// Whether the process says anything at all.
    async fn answers(&self) -> bool {
        const STEP: Duration = Duration::from_millis(100);
        let before = self.heard.load(Ordering::Relaxed);
        let end = Instant::now() + PATIENCE;
        self.say("ping".to_owned());
        while self.heard.load(Ordering::Relaxed) == before && Instant::now() < end {
            tokio::time::sleep(STEP).await;
        }
        self.heard.load(Ordering::Relaxed) != before
    }
}

impl Inlet for Host {
    /// Whoever reads slowly loses notices, and holds up nobody else.
    const WAITS: bool = false;

    fn link(&self, line: &Bytes) -> Option<(Arc<Peer>, Bytes)> {
        self.heard.fetch_add(1, Ordering::Relaxed);
        let at = memchr::memchr(b' ', line)?;
        let (word, rest) = (std::str::from_utf8(&line[..at]).ok()?, line.slice(at + 1..));
        if let Ok(number) = word.parse() {
            let held = self.state.lock().channels.get(&number).cloned()?;
            return Some((held.peer().clone(), rest));
        }
        if word == "closed" {
            let said = String::from_utf8_lossy(&rest);
            let (number, why) = said.split_once(' ')?;
            self.closed(number.parse().ok()?, why);
        }
        None
    }

    async fn silent(&self) -> Failure {
        self.mute.cancelled().await;
        Failure::new(Kind::ServerExited, "the server was stopped: it does not answer any more")
    }

    fn over(&self, why: &Failure) {
        let mut state = self.state.lock();
        state.over.get_or_insert_with(|| why.clone());
        let channels = std::mem::take(&mut state.channels);
        drop(state);
        for held in channels.values() {
            held.end(why);
        }
    }
}

/// Sees to it that what nobody uses ends.
async fn tidy(host: Weak<Host>, ending: Ending, idle: Duration) {
    let pace = (idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(15));
    loop {
        tokio::select! {
            () = tokio::time::sleep(pace) => {}
            () = ending.asked() => return,
        }
        let Some(host) = host.upgrade() else { return };
        host.tidy(idle);
    }
}

/// Ends a session that does not answer any more; and the whole process, if nothing in it does.
async fn watch(host: Arc<Host>, held: Arc<Held>) {
    let why = tokio::select! {
        why = held.peer().silent() => why,
        () = held.gone() => return,
    };
    if host.answers().await {
        host.leave(&held);
        held.end(&why);
    } else {
        host.mute.cancel();
    }
}
