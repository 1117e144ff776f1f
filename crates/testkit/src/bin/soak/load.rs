//! The load: who asks what, how often, and what a right answer holds.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use janua_testkit::client::Client;
use janua_testkit::client::message::{Message, call_params, quoted};
use tokio::task::JoinSet;

use crate::ledger::{Ledger, Ticket};
use crate::scene::{FAR_MODERN, SERVERS, Served};
use crate::{modern, sessions, sockets};

/// How long any answer may take: longer than every limit of the gateway together.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// What legacy clients can be asked.
pub(super) const CAPABILITIES: &str = r#"{"elicitation":{}}"#;
/// How a question is answered.
pub(super) const ACCEPT: &str = r#"{"action":"accept","content":{"confirm":true}}"#;

/// What one kind of client needs.
#[derive(Clone)]
pub(super) struct Load {
    /// The gateway's address.
    pub(super) base: String,
    /// Where everything is accounted for.
    pub(super) ledger: Arc<Ledger>,
    /// Chance.
    pub(super) dice: Arc<Dice>,
    /// Set when clients are to end.
    pub(super) over: Arc<AtomicBool>,
}

/// Chance with a seed.
pub(super) struct Dice(AtomicU64);

/// Something to ask a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// `tools/list`.
    List,
    /// `echo` of a few bytes.
    Echo,
    /// `echo` of a few hundred kilobytes.
    Big,
    /// A tool that reports progress.
    Progress,
    /// A tool that asks its user.
    Question,
    /// A slow tool, cancelled on its way.
    Cancel,
    /// A slow tool whose connection is cut.
    Cut,
    /// A tool that crashes its server, or is never answered.
    Trouble,
}

/// A request that is about to be sent.
pub(super) struct Ask {
    /// Its place in the ledger.
    pub(super) ticket: Ticket,
    /// Its id as JSON text.
    pub(super) id: String,
    /// The method.
    pub(super) method: &'static str,
    /// The params as JSON text.
    pub(super) params: String,
    /// What its answer holds.
    pub(super) wanted: String,
    /// Whether an error is due.
    pub(super) due: bool,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `end`.
    pub(super) fn below(&self, end: u64) -> u64 {
        // SplitMix64, which any number is a seed for.
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    /// One of these.
    pub(super) fn one<T: Copy>(&self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }
}

impl Load {
    /// A client of one address.
    pub(super) fn client(&self, path: &str) -> Client {
        Client::new(&self.base).endpoint(path).deadline(DEADLINE)
    }

    /// Whether clients are to end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits about that long.
    pub(super) async fn pause(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis / 2 + self.dice.below(millis))).await;
    }

    /// Any server, for a client of 2026-07-28 if so.
    pub(super) fn any(&self, modern: bool) -> Served {
        if modern && self.dice.below(12) == 0 {
            return FAR_MODERN;
        }
        self.dice.one(&SERVERS)
    }

    /// Something that this server can be asked.
    pub(super) fn wish(&self, served: Served) -> Wish {
        let trouble = ["crashy", "hangs"].contains(&served.name);
        match self.dice.below(40) {
            0 if trouble => Wish::Trouble,
            0..4 => Wish::List,
            4..7 => Wish::Big,
            7..12 if served.everything => Wish::Progress,
            12..16 if served.everything => Wish::Question,
            16..18 if served.everything => Wish::Cancel,
            18..20 if served.everything => Wish::Cut,
            _ => Wish::Echo,
        }
    }

    /// Puts the wish into words; `prefix` comes before the names of tools, and `since` is when the session began.
    pub(super) fn ask(&self, served: Served, wish: Wish, prefix: &str, since: Option<std::time::Instant>) -> Ask {
        let ticket = self.ledger.send(
            served.name,
            &format!("{wish:?}{}", if prefix.is_empty() { "" } else { " of many" }),
            since,
        );
        let nonce = ticket.nonce.clone();
        let call = |tool: &str, args: &str| call_params(&format!("{prefix}{tool}"), args);
        let (params, wanted) = match wish {
            Wish::List => ("{}".to_owned(), format!("\"{prefix}echo\"")),
            Wish::Echo => (call("echo", &format!(r#"{{"text":"{nonce}."}}"#)), format!("{nonce}.")),
            Wish::Big => {
                let size = usize::try_from(50_000 + self.dice.below(300_000)).unwrap_or(0);
                let text = quoted(&format!("{}{nonce}.", "x".repeat(size)));
                (call("echo", &format!(r#"{{"text":{text}}}"#)), format!("x{nonce}."))
            }
            Wish::Progress => {
                let call = call("test_tool_with_progress", "{}");
                let token = format!(r#"{{"_meta":{{"progressToken":"{nonce}"}},"#);
                (call.replacen('{', &token, 1), "Reported three times.".to_owned())
            }
            Wish::Question => {
                let args = format!(r#"{{"filename":"{nonce}."}}"#);
                (call("confirm_delete", &args), format!("{nonce}.: accept"))
            }
            Wish::Cancel | Wish::Cut => (call("slow_compute", r#"{"seconds":3}"#), "computed".to_owned()),
            Wish::Trouble => (call("act", "{}"), "never".to_owned()),
        };
        let method = if wish == Wish::List { "tools/list" } else { "tools/call" };
        Ask { id: format!("\"{nonce}\""), ticket, method, params, wanted, due: wish == Wish::Trouble }
    }

    /// Checks what came before an answer: progress under the token of this request only.
    pub(super) fn hear(&self, ask: &mut Ask, message: &Message) {
        let token = message.at("/params/progressToken");
        if message.method() == Some("notifications/progress") && *token != ask.ticket.nonce.as_str() {
            self.ledger.violation(&format!("progress of somebody else, at {}: {}", ask.ticket.nonce, message.raw()));
        }
        if !message.is_response() {
            ask.ticket.note(crate::ledger::shown(message.raw()));
        }
    }
}

/// Starts all clients; they go on until they are told to end.
pub(super) fn start(load: &Load) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for _ in 0..7 {
        clients.spawn(again(load.clone(), |load| async move { modern::round(&load).await }));
    }
    for _ in 0..8 {
        clients.spawn(again(load.clone(), |load| async move { sessions::round(&load).await }));
    }
    for _ in 0..2 {
        clients.spawn(again(load.clone(), |load| async move { sessions::of_many(&load).await }));
        clients.spawn(again(load.clone(), |load| async move { sockets::websocket(&load).await }));
        clients.spawn(again(load.clone(), |load| async move { sockets::event_stream(&load).await }));
    }
    clients
}

/// Lets a client live again and again. One that ends in a panic has met something it did not expect at all.
async fn again<F, A>(load: Load, round: F)
where
    F: Fn(Load) -> A,
    A: Future<Output = ()> + Send + 'static,
{
    while !load.is_over() {
        if let Err(error) = tokio::spawn(round(load.clone())).await {
            load.ledger.violation(&format!("a client gave up: {error}"));
        }
    }
}
