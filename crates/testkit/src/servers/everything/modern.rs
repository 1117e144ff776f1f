//! `everything` in the revision without a handshake, 2026-07-28, whatever carries its messages.
//!
//! It is strict: what the revision forbids a client to do is refused, and noted as a fault.

mod envelope;
mod rounds;
mod subscriptions;

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::servers::everything::catalog::{Catalog, Kind, LEVELS};
use crate::servers::everything::modern::envelope::{CACHED, METHODS};
use crate::servers::everything::modern::rounds::Rounds;
use crate::servers::everything::modern::subscriptions::{Listener, Subscriptions};
use crate::servers::everything::script::{Question, Script, Stage, Stop};
use crate::servers::everything::tally::Tally;
use crate::servers::journal::Journal;
use crate::servers::message::Message;
use crate::servers::peer::held;

pub use crate::servers::everything::modern::envelope::{Envelope, MODERN};

/// Where the messages about one request go.
pub trait Out: Send + Sync {
    /// A notification that belongs to the request, before its answer.
    fn note(&self, message: &str);
    /// The answer; nothing comes after it.
    fn answer(&self, message: &str);
    /// A subscription that was answered is over; said once more where a pipe wants that.
    fn over(&self, id: &str);
    /// The server dies.
    fn crash(&self);
}

/// A server that knows nothing of its clients from one request to the next.
#[derive(Debug)]
pub struct Modern {
    catalog: Catalog,
    tally: Tally,
    rounds: Rounds,
    subscriptions: Subscriptions,
    journal: Journal,
    faults: Mutex<Vec<String>>,
    /// Calls that were cancelled while they ran, by name.
    cancelled: Mutex<BTreeMap<String, u64>>,
    /// Whether `tools/list` comes in two pages.
    pages: bool,
}

/// A request that runs until it is answered or cancelled.
#[derive(Debug, Default)]
pub struct Running {
    cancelled: Mutex<bool>,
    changed: Condvar,
}

/// One running request for an entry.
struct Call<'a> {
    server: &'a Modern,
    envelope: &'a Envelope,
    request: &'a Message,
    running: &'a Running,
    out: &'a dyn Out,
}

impl Running {
    /// Ends it; there will be no answer.
    pub fn cancel(&self) {
        *held(&self.cancelled) = true;
        self.changed.notify_all();
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        *held(&self.cancelled)
    }

    /// Waits that long; false if it was cancelled meanwhile.
    fn wait(&self, length: Duration) -> bool {
        let deadline = Instant::now() + length;
        let mut cancelled = held(&self.cancelled);
        while !*cancelled {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            cancelled = self.changed.wait_timeout(cancelled, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

impl Modern {
    /// A server that writes what is wrong into `journal`; with `pages`, its tools come in two pages.
    pub fn new(journal: Journal, pages: bool) -> Self {
        Self {
            catalog: Catalog::read(),
            tally: Tally::default(),
            rounds: Rounds::default(),
            subscriptions: Subscriptions::default(),
            journal,
            faults: Mutex::default(),
            cancelled: Mutex::default(),
            pages,
        }
    }

    /// Notes that the client did something that the revision forbids.
    pub fn fault(&self, what: &str) {
        self.journal.fault(what);
        held(&self.faults).push(what.to_owned());
    }

    /// What the client did that the revision forbids.
    pub fn faults(&self) -> Vec<String> {
        held(&self.faults).clone()
    }

    /// How often each entry was begun, continued, ended and cancelled, as JSON.
    pub fn tally(&self) -> Value {
        let mut tally = self.tally.show();
        for (name, times) in &*held(&self.cancelled) {
            tally[name]["cancelled"] = json!(times);
        }
        tally
    }

    /// How many subscriptions are open.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.count()
    }

    /// The `x-mcp-header` names of a tool by the argument that each mirrors.
    pub fn mirrored(&self, tool: &str) -> BTreeMap<String, String> {
        let listed = self.catalog.listed("tools");
        let found = listed.iter().find(|entry| entry["name"] == tool);
        let properties = found.and_then(|entry| entry["inputSchema"]["properties"].as_object());
        let header =
            |(name, schema): (&String, &Value)| Some((name.clone(), schema["x-mcp-header"].as_str()?.to_owned()));
        properties.into_iter().flatten().filter_map(header).collect()
    }

    /// Reads what a request says about itself; the error is the JSON-RPC error it is owed.
    pub fn admit(&self, request: &Message) -> Result<Envelope, Value> {
        let read = envelope::read(request);
        if let Err((error, Some(fault))) = &read {
            self.fault(&format!("{fault}: {}", request.raw()));
            return Err(error.clone());
        }
        read.map_err(|(error, _)| error)
    }

    /// Announces changes to those who listen, as tools do.
    pub fn announce(&self, list: &str) {
        self.catalog.toggle(list);
        self.subscriptions.list_changed(list);
    }

    /// Announces that a resource changed.
    pub fn touch(&self, uri: &str) {
        self.subscriptions.updated(uri);
    }

    /// Serves a request until it is answered or cancelled, and blocks as long; a subscription goes on behind it.
    pub fn serve(&self, envelope: &Envelope, request: &Message, running: &Arc<Running>, out: &Arc<dyn Out>) {
        let id = request.id().unwrap_or("null");
        let method = request.method().unwrap_or_default();
        let params = &request.value()["params"];
        let list = |name: &str, list| Ok(json!({name: self.catalog.listed(list)}));
        let answer = match method {
            "subscriptions/listen" => return self.listen(request, running, out),
            "server/discover" => Ok(self.discovered()),
            "tools/list" => self.catalog.tools(&params["cursor"], self.pages),
            "prompts/list" => list("prompts", "prompts"),
            "resources/list" => list("resources", "resources"),
            "resources/templates/list" => list("resourceTemplates", "templates"),
            "completion/complete" => Ok(self.catalog.complete(params)),
            "tools/call" if params["name"] == "rawresult" => return out.answer(&request.spelled(id)),
            _ => match Kind::of(method) {
                Some(kind) => {
                    let call = Call { server: self, envelope, request, running, out: &**out };
                    let Some(answer) = call.run(kind, params) else { return };
                    answer
                }
                None => Err(json!({"code": -32601, "message": "Method not found", "data": method})),
            },
        };
        let answer = match answer {
            Ok(result) => ("result", complete(method, result)),
            Err(error) => ("error", error),
        };
        if !running.is_cancelled() {
            out.answer(&format!(r#"{{"jsonrpc":"2.0","id":{id},"{}":{}}}"#, answer.0, answer.1));
        }
    }

    fn discovered(&self) -> Value {
        let greeting = self.catalog.at("greeting");
        json!({
            "supportedVersions": [MODERN],
            "capabilities": greeting["capabilities"],
            "instructions": greeting["instructions"],
        })
    }

    fn listen(&self, request: &Message, running: &Arc<Running>, out: &Arc<dyn Out>) {
        let id = request.id().unwrap_or("null");
        let filter = &request.value()["params"]["notifications"];
        if !filter.is_object() {
            self.fault(&format!("a subscription to nothing: {}", request.raw()));
            let error = json!({"code": -32602, "message": "`notifications` is required"});
            out.answer(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
            return;
        }
        let known = |uri: &str| self.catalog.find(Kind::Resource, &json!({"uri": uri})).is_ok();
        let listener = Listener { running: Arc::clone(running), out: Arc::clone(out) };
        self.subscriptions.open(id, filter, known, listener);
    }
}

impl Call<'_> {
    /// The answer, or nothing where there is none to give.
    fn run(&self, kind: Kind, params: &Value) -> Option<Result<Value, Value>> {
        let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default();
        let again = self.envelope.responses.is_some() || self.envelope.state.is_some();
        self.server.tally.begin(name, again);
        let played = Script::play(self, &self.server.catalog, kind, params);
        if self.running.is_cancelled() {
            *held(&self.server.cancelled).entry(name.to_owned()).or_default() += 1;
            return None;
        }
        if !matches!(played, Err(Stop::Ask(_) | Stop::Gone)) {
            self.server.tally.done(name);
        }
        match played {
            Ok(result) | Err(Stop::Ask(result)) => Some(Ok(result)),
            Err(Stop::Say(text)) if kind == Kind::Tool => {
                Some(Ok(json!({"content": [{"type": "text", "text": text}], "isError": true})))
            }
            Err(Stop::Say(text)) => Some(Err(json!({"code": -32603, "message": text}))),
            Err(Stop::Fail(error)) => Some(Err(error)),
            Err(Stop::Gone) => None,
        }
    }

    fn note(&self, method: &str, params: &str) {
        self.out.note(&format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#));
    }
}

impl Stage for Call<'_> {
    fn revision(&self) -> String {
        MODERN.to_owned()
    }

    fn capabilities(&self) -> Value {
        self.envelope.capabilities.clone()
    }

    fn session(&self) -> Value {
        json!({
            "pid": process::id(),
            "protocolVersion": MODERN,
            "clientInfo": self.envelope.info,
            "clientCapabilities": self.envelope.capabilities,
        })
    }

    fn tally(&self) -> Value {
        self.server.tally()
    }

    fn log(&self, level: &str, text: &str) {
        let rank = LEVELS.iter().position(|known| *known == level);
        if self.envelope.level.is_some() && rank >= self.envelope.level {
            let params = json!({"level": level, "logger": "everything", "data": text});
            self.note("notifications/message", &params.to_string());
        }
    }

    fn progress(&self, done: &Value, total: &Value) {
        if let Some(token) = self.request.progress_token() {
            let message = Value::from(format!("{done} of {total}"));
            let params =
                format!(r#"{{"progressToken":{token},"progress":{done},"total":{total},"message":{message}}}"#);
            self.note("notifications/progress", &params);
        }
    }

    fn wait(&self, length: Duration) -> bool {
        self.running.wait(length)
    }

    /// What is not answered yet ends the request: the client comes again.
    fn ask(&self, questions: Vec<Question>, state: &Value) -> Result<Map<String, Value>, Stop> {
        rounds::may_ask(&questions, &self.envelope.capabilities).map_err(Stop::Fail)?;
        let asked = self.server.rounds.ask(self.request, self.envelope, &questions, state);
        asked.inspect_err(|stop| {
            if let Stop::Fail(error) = stop {
                self.server.fault(&format!("{error}: {}", self.request.raw()));
            }
        })
    }

    fn toggle(&self, list: &str) {
        self.server.announce(list);
    }

    fn touch(&self, uri: &str) {
        self.server.touch(uri);
    }

    fn end_subscriptions(&self) {
        self.server.subscriptions.end(|| complete("subscriptions/listen", json!({})));
    }

    fn crash(&self) {
        self.out.crash();
    }
}

/// The result as the revision wants it: with its type, who answers, and how long it may be kept.
fn complete(method: &str, mut result: Value) -> Value {
    if result["resultType"].is_null() {
        result["resultType"] = json!("complete");
    }
    result["_meta"]["io.modelcontextprotocol/serverInfo"] =
        json!({"name": "everything", "title": "Everything", "version": "1.0.0"});
    if CACHED.contains(&method) && result["resultType"] == "complete" {
        let read = method == "resources/read";
        result["ttlMs"] = json!(if read { 0 } else { 60_000 });
        result["cacheScope"] = json!(if read { "private" } else { "public" });
    }
    result
}

/// The status that HTTP gives an answer with this error code, if nothing was said before it.
pub fn status_of(code: i64) -> u16 {
    match code {
        -32022..=-32020 => 400,
        -32601 => 404,
        _ => 200,
    }
}

/// Whether the revision has a request of this name.
pub fn has_method(method: &str) -> bool {
    METHODS.contains(&method)
}
