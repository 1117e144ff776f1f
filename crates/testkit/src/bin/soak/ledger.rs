//! The ledger: every request that was sent, what became of it, and the faults that may explain an error.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use janua_testkit::client::message::Message;

/// How long after a fault its server may still answer with errors: it is started again, later and later.
const GRACE: Duration = Duration::from_secs(8);
/// How long a server is not started again that failed to start too often.
const CIRCUIT: Duration = Duration::from_secs(75);
/// Faults that are over for so long explain nothing any more, as no session is that old.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// Violations that are printed whole.
const PRINTED: usize = 50;
/// How much of an answer is printed, in characters.
const SHOWN: usize = 600;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// A right answer.
    Answered,
    /// An error that is due: the request asked for trouble.
    Due,
    /// An error that a fault of the server explains.
    Explained,
    /// We cancelled it.
    Cancelled,
    /// We cut its connection.
    Cut,
    /// Anything else.
    Violation,
}

/// All requests and all faults.
pub(super) struct Ledger {
    begun: Instant,
    next: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<(String, Fate), u64>,
    faults: Vec<Fault>,
    kinds: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<String, u64>,
    open: u64,
    violations: u64,
}

/// Something that was done to a server.
struct Fault {
    id: u64,
    server: String,
    kind: &'static str,
    from: Instant,
    until: Option<Instant>,
}

/// One request under way. Dropping it before its fate is known is a violation.
pub(super) struct Ticket {
    /// What the answer must carry; also the request's id.
    pub(super) nonce: String,
    ledger: Arc<Ledger>,
    server: String,
    what: String,
    sent: Instant,
    /// From when on faults of the server matter: a session may have lost its server before.
    since: Instant,
    history: Vec<String>,
    settled: bool,
}

impl Ledger {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), next: AtomicU64::new(1), inner: Mutex::default() })
    }

    /// Time since the ledger was opened.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Notes a request to `server` that is about to be sent by somebody whose session began at `since`.
    pub(super) fn send(self: &Arc<Self>, server: &str, what: &str, since: Option<Instant>) -> Ticket {
        let sent = Instant::now();
        self.inner().open += 1;
        Ticket {
            nonce: format!("n-{}", self.next.fetch_add(1, Ordering::Relaxed)),
            ledger: Arc::clone(self),
            server: server.to_owned(),
            what: what.to_owned(),
            sent,
            since: since.unwrap_or(sent),
            history: Vec::new(),
            settled: false,
        }
    }

    /// Notes that something is done to a server now; it goes on until [`Ledger::over`].
    pub(super) fn fault(&self, server: &str, kind: &'static str) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.inner();
        *inner.kinds.entry(kind).or_default() += 1;
        inner.faults.retain(|fault| fault.until.is_none_or(|until| until.elapsed() < FORGOTTEN));
        let from = Instant::now();
        inner.faults.push(Fault { id, server: server.to_owned(), kind, from, until: None });
        id
    }

    /// Notes that a fault has ended.
    pub(super) fn over(&self, id: u64) {
        if let Some(fault) = self.inner().faults.iter_mut().find(|fault| fault.id == id) {
            fault.until = Some(Instant::now());
        }
    }

    /// Notes a fault that is over at once.
    pub(super) fn blow(&self, server: &str, kind: &'static str) {
        let id = self.fault(server, kind);
        self.over(id);
    }

    /// Notes something wrong that belongs to no request.
    pub(super) fn violation(&self, what: &str) {
        let mut inner = self.inner();
        inner.violations += 1;
        if inner.violations <= u64::try_from(PRINTED).unwrap_or(u64::MAX) {
            eprintln!("[{:8.2}] VIOLATION {what}", self.begun.elapsed().as_secs_f64());
        }
    }

    /// Requests sent, requests under way, violations.
    pub(super) fn totals(&self) -> (u64, u64, u64) {
        let inner = self.inner();
        (inner.counts.values().sum::<u64>() + inner.open, inner.open, inner.violations)
    }

    /// The table of fates by server, the faults by kind, and the errors that were explained.
    pub(super) fn table(&self) -> String {
        const FATES: [Fate; 6] =
            [Fate::Answered, Fate::Due, Fate::Explained, Fate::Cancelled, Fate::Cut, Fate::Violation];
        let inner = self.inner();
        let mut table = format!("{:<10}", "server");
        for fate in FATES {
            let _ = write!(table, "{:>11}", format!("{fate:?}").to_lowercase());
        }
        let mut servers: Vec<&String> = inner.counts.keys().map(|(server, _)| server).collect();
        servers.dedup();
        for server in servers {
            let _ = write!(table, "\n{server:<10}");
            for fate in FATES {
                let count = inner.counts.get(&(server.clone(), fate)).copied().unwrap_or(0);
                let _ = write!(table, "{count:>11}");
            }
        }
        let kinds: Vec<String> = inner.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let _ = write!(table, "\nfaults: {}", kinds.join(", "));
        let reasons: Vec<String> = inner.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let _ = write!(table, "\nerrors explained: {}", reasons.join(", "));
        table
    }

    fn explains(&self, server: &str, since: Instant, grace: Duration) -> bool {
        let over = |fault: &Fault| fault.until.is_some_and(|until| until + grace < since);
        self.inner().faults.iter().any(|fault| fault.server == server && !over(fault))
    }

    fn around(&self, server: &str, since: Instant) -> String {
        let mut said = String::new();
        for fault in &self.inner().faults {
            if fault.until.is_none_or(|until| until + GRACE + GRACE >= since) {
                let mark = if fault.server == server { "  <-- its own" } else { "" };
                let from = (fault.from - self.begun).as_secs_f64();
                let until = fault.until.map_or("now".to_owned(), |u| format!("{:.2}", (u - self.begun).as_secs_f64()));
                let _ = write!(said, "\n    fault {} of {} from {from:.2} to {until}{mark}", fault.kind, fault.server);
            }
        }
        said
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Adds to what is printed should this go wrong.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        let at = self.ledger.age().as_secs_f64();
        self.history.push(format!("[{at:8.2}] {}", what.into()));
    }

    /// Settles it by what came: exactly one answer, which must carry `wanted` unless it is an error.
    pub(super) fn settle(mut self, answers: &[&Message], wanted: &str, due: bool) -> bool {
        for answer in answers {
            self.note(shown(answer.raw()));
        }
        let [answer] = answers else {
            self.wrong(&format!("{} answers", answers.len()));
            return false;
        };
        let failed = answer.error_code().is_some();
        if !failed && !answer.raw().contains(wanted) && shorter(answer) {
            return self.failed(answer);
        }
        match (failed, answer.raw().contains(wanted)) {
            (false, true) if !due => self.close(Fate::Answered),
            (false, _) => self.wrong(&format!("the answer is not {wanted}")),
            (true, _) if due => self.close(Fate::Due),
            (true, _) => return self.failed(answer),
        }
        !failed
    }

    /// Settles it by an answer that is an error, right if a fault explains it.
    pub(super) fn failed(mut self, answer: &Message) -> bool {
        self.note(shown(answer.raw()));
        let code = answer.at("/error/data/code").as_str().map(str::to_owned);
        let backs_off = answer.raw().contains("times in a row");
        if self.ledger.explains(&self.server, self.since, if backs_off { CIRCUIT } else { GRACE }) {
            let message = answer.at("/error/message").as_str().unwrap_or("not in the list");
            let reason = code.unwrap_or_else(|| message.split([':', '(']).next().unwrap_or_default().trim().to_owned());
            *self.ledger.inner().reasons.entry(reason).or_default() += 1;
            self.close(Fate::Explained);
        } else {
            self.wrong("an error that nothing explains");
        }
        false
    }

    /// Settles it by the end of the connection that it was sent on, right if a fault explains it.
    pub(super) fn ended(mut self, how: &str) {
        if self.ledger.explains(&self.server, self.since, GRACE) {
            *self.ledger.inner().reasons.entry("connection ended".to_owned()).or_default() += 1;
            self.close(Fate::Explained);
        } else {
            self.wrong(how);
        }
    }

    /// We cancelled it.
    pub(super) fn cancelled(mut self) {
        self.close(Fate::Cancelled);
    }

    /// We cut its connection.
    pub(super) fn cut(mut self) {
        self.close(Fate::Cut);
    }

    /// Settles it as wrong.
    pub(super) fn wrong(&mut self, why: &str) {
        let now = Instant::now();
        let sent = (self.sent - self.ledger.begun).as_secs_f64();
        let mut text = format!("{why}: {} {} to {}, sent {sent:.2}", self.nonce, self.what, self.server);
        let _ = write!(text, ", open for {:.2} s", (now - self.sent).as_secs_f64());
        for line in &self.history {
            let _ = write!(text, "\n    {line}");
        }
        text.push_str(&self.ledger.around(&self.server, self.since));
        self.close(Fate::Violation);
        self.ledger.violation(&text);
    }

    fn close(&mut self, fate: Fate) {
        let mut inner = self.ledger.inner();
        *inner.counts.entry((self.server.clone(), fate)).or_default() += 1;
        inner.open -= 1;
        drop(inner);
        self.settled = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.wrong("no answer");
        }
    }
}

/// Whether it is a list that says that a server's part is missing, or the empty one of a server that was taken away.
fn shorter(answer: &Message) -> bool {
    let empty = answer.at("/result/tools").as_array().is_some_and(Vec::is_empty);
    empty || answer.at("/result/_meta/io.janua~1unavailable/0").is_object()
}

/// As much of a message as is worth printing.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
