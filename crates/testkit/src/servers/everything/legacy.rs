//! `everything` in the revisions with a handshake, 2024-11-05 to 2025-11-25.

use std::collections::{BTreeSet, HashMap};
use std::process;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::servers::everything::catalog::{Catalog, Kind, LEVELS};
use crate::servers::everything::script::{Question, Script, Stage, Stop};
use crate::servers::everything::tally::Tally;
use crate::servers::message::Message;
use crate::servers::peer::{Peer, Server, held};

/// A server with one client, which has to greet first.
#[derive(Debug)]
pub(super) struct Legacy {
    peer: Arc<Peer>,
    catalog: Catalog,
    tally: Tally,
    state: Mutex<State>,
    /// Ids of running calls, and whether each was cancelled.
    running: Mutex<HashMap<String, bool>>,
    /// Whether `tools/list` comes in two pages.
    pages: bool,
}

#[derive(Debug, Default)]
struct State {
    /// What the client said in its greeting, and the agreed version.
    session: Value,
    /// Index into `LEVELS` of the least severe message to send.
    level: usize,
    subscribed: BTreeSet<String>,
}

/// One running request.
struct Running<'a> {
    server: &'a Legacy,
    request: &'a Message,
}

impl Legacy {
    pub(super) fn new(peer: Arc<Peer>, pages: bool) -> Self {
        Self {
            peer,
            catalog: Catalog::read(),
            tally: Tally::default(),
            state: Mutex::default(),
            running: Mutex::default(),
            pages,
        }
    }
}

impl Server for Legacy {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn heard(&self, message: &Message) {
        if self.waits(message) {
            let id = message.id().unwrap_or_default().to_owned();
            held(&self.running).insert(id, false);
        }
    }

    fn waits(&self, message: &Message) -> bool {
        message.method().and_then(Kind::of).is_some() && message.id().is_some()
    }

    fn take(&self, message: &Message) {
        if message.value().is_array() {
            self.peer.unknown("null", -32600, "arrays are not served");
            return;
        }
        let Some(method) = message.method() else {
            return;
        };
        let Some(id) = message.id() else {
            if method == "notifications/cancelled" {
                self.cancel(message);
            }
            return;
        };
        if method == "tools/call" && message.name() == "rawresult" {
            return self.peer.line(&message.spelled(id));
        }
        if let Some(kind) = Kind::of(method) {
            self.run_entry(id, kind, message);
            return;
        }
        let params = &message.value()["params"];
        let list = |name: &str, list| Ok(json!({name: self.catalog.listed(list)}));
        let answer = match method {
            "initialize" => Ok(self.greet(params)),
            "ping" => Ok(json!({})),
            "logging/setLevel" => self.set_level(params),
            "tools/list" => self.catalog.tools(&params["cursor"], self.pages),
            "prompts/list" => list("prompts", "prompts"),
            "resources/list" => list("resources", "resources"),
            "resources/templates/list" => list("resourceTemplates", "templates"),
            "resources/subscribe" | "resources/unsubscribe" => Ok(self.subscribe(method, params)),
            "completion/complete" => Ok(self.catalog.complete(params)),
            _ => Err(json!({"code": -32601, "message": "Method not found", "data": method})),
        };
        match answer {
            Ok(result) => self.peer.answer(id, &result.to_string()),
            Err(error) => self.peer.refuse(id, &error),
        }
    }
}

impl Legacy {
    fn greet(&self, params: &Value) -> Value {
        let versions = self.catalog.at("versions").as_array().expect("the versions are a list");
        let asked = &params["protocolVersion"];
        let version = versions.iter().find(|known| *known == asked).or(versions.last());
        let mut result = self.catalog.at("greeting").clone();
        result["protocolVersion"] = json!(version);
        held(&self.state).session = json!({
            "pid": process::id(),
            "protocolVersion": version,
            "clientInfo": params["clientInfo"],
            "clientCapabilities": params["capabilities"],
        });
        result
    }

    fn set_level(&self, params: &Value) -> Result<Value, Value> {
        let level = &params["level"];
        let Some(at) = LEVELS.iter().position(|known| level == known) else {
            return Err(json!({"code": -32602, "message": "Unknown log level", "data": level}));
        };
        held(&self.state).level = at;
        Ok(json!({}))
    }

    fn subscribe(&self, method: &str, params: &Value) -> Value {
        let uri = params["uri"].as_str().unwrap_or_default();
        let subscribed = &mut held(&self.state).subscribed;
        if method == "resources/subscribe" {
            subscribed.insert(uri.to_owned());
        } else {
            subscribed.remove(uri);
        }
        json!({})
    }

    fn run_entry(&self, id: &str, kind: Kind, message: &Message) {
        let params = &message.value()["params"];
        let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default();
        self.tally.begin(name, false);
        let answer = Script::play(&Running { server: self, request: message }, &self.catalog, kind, params);
        self.tally.done(name);
        let cancelled = held(&self.running).remove(id).unwrap_or(false);
        match answer {
            _ if cancelled => {}
            Ok(result) => self.peer.answer(id, &result.to_string()),
            Err(Stop::Say(text)) if kind == Kind::Tool => self.peer.say(id, &text, true),
            Err(Stop::Say(text)) => self.peer.unknown(id, -32603, &text),
            Err(Stop::Fail(error)) => self.peer.refuse(id, &error),
            Err(Stop::Ask(_) | Stop::Gone) => {}
        }
    }

    /// A cancelled call is not answered; one that waits for the client waits on all the same.
    fn cancel(&self, message: &Message) {
        let cancelled = message.value()["params"]["requestId"].to_string();
        if let Some(mark) = held(&self.running).get_mut(&cancelled) {
            *mark = true;
        }
        self.peer.nudge();
    }

    fn is_cancelled(&self, message: &Message) -> bool {
        message.id().is_some_and(|id| held(&self.running).get(id) == Some(&true))
    }
}

impl Stage for Running<'_> {
    fn revision(&self) -> String {
        self.session()["protocolVersion"].as_str().unwrap_or_default().to_owned()
    }

    fn capabilities(&self) -> Value {
        self.session()["clientCapabilities"].clone()
    }

    fn session(&self) -> Value {
        held(&self.server.state).session.clone()
    }

    fn tally(&self) -> Value {
        self.server.tally.show()
    }

    fn log(&self, level: &str, text: &str) {
        let least = held(&self.server.state).level;
        if LEVELS.iter().position(|known| *known == level) >= Some(least) {
            let params = json!({"level": level, "logger": "everything", "data": text});
            self.server.peer.notify("notifications/message", Some(&params.to_string()));
        }
    }

    fn progress(&self, done: &Value, total: &Value) {
        let Some(token) = self.request.progress_token() else {
            return;
        };
        let message = Value::from(format!("{done} of {total}"));
        let params = format!(r#"{{"progressToken":{token},"progress":{done},"total":{total},"message":{message}}}"#);
        self.server.peer.notify("notifications/progress", Some(&params));
    }

    fn wait(&self, length: Duration) -> bool {
        self.server.peer.pause(length, || self.server.is_cancelled(self.request))
    }

    /// Asks everything at once and waits for all the answers.
    fn ask(&self, questions: Vec<Question>, _: &Value) -> Result<Map<String, Value>, Stop> {
        let text = |question: &Question| question.params.as_ref().map(Value::to_string);
        let open = self.server.peer.ask_at_once(questions.iter().map(|question| (question.method, text(question))));
        let mut answers = Map::new();
        for (Question { key, method, .. }, asked) in questions.into_iter().zip(open) {
            let answer = asked.recv().map_err(|_| Stop::Gone)?;
            if let Some(error) = answer.member("error") {
                return Err(Stop::Say(format!("The client refused {method}: {error}")));
            }
            answers.insert(key, answer.value()["result"].clone());
        }
        Ok(answers)
    }

    fn toggle(&self, list: &str) {
        self.server.catalog.toggle(list);
        self.server.peer.notify(&format!("notifications/{list}/list_changed"), None);
    }

    fn touch(&self, uri: &str) {
        if held(&self.server.state).subscribed.contains(uri) {
            let params = json!({"uri": uri}).to_string();
            self.server.peer.notify("notifications/resources/updated", Some(&params));
        }
    }

    fn end_subscriptions(&self) {}

    fn crash(&self) {
        process::exit(3);
    }
}
