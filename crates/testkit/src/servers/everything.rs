//! `everything`: a full server of the revisions with a handshake, 2024-11-05 to 2025-11-25.
//!
//! It has what the official conformance suite expects of a server under test. All tools, prompts
//! and resources are entries of `catalog.json`; a tool is a list of steps and a result, and only
//! the step `ask` knows in which way a client is asked.

mod script;
mod template;

use std::collections::{BTreeSet, HashMap};
use std::process;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::servers::everything::script::{Script, Stop};
use crate::servers::everything::template::fill;
use crate::servers::message::Message;
use crate::servers::peer::{Peer, Server, held, serve};

const CATALOG: &str = include_str!("everything/catalog.json");
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

struct Everything {
    peer: Peer,
    catalog: Value,
    state: Mutex<State>,
    /// Ids of running calls, and whether each was cancelled.
    running: Mutex<HashMap<String, bool>>,
}

#[derive(Default)]
struct State {
    /// What the client said in its greeting, and the agreed version.
    session: Value,
    /// Index into `LEVELS` of the least severe message to send.
    level: usize,
    /// The lists whose hidden entry is shown: `tools`, `prompts`.
    shown: BTreeSet<String>,
    subscribed: BTreeSet<String>,
}

/// Serves stdin and stdout until stdin ends.
pub fn run() {
    serve(&Everything {
        peer: Peer::default(),
        catalog: serde_json::from_str(CATALOG).expect("the catalogue is JSON"),
        state: Mutex::default(),
        running: Mutex::default(),
    });
}

impl Server for Everything {
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
        matches!(message.method(), Some("tools/call" | "prompts/get")) && message.id().is_some()
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
        let answer = match method {
            "tools/call" | "prompts/get" => return self.run_entry(id, method, message),
            "initialize" => Ok(self.greet(&message.value()["params"])),
            "ping" => Ok(json!({})),
            "logging/setLevel" => self.set_level(message),
            "tools/list" => Ok(json!({"tools": self.listed("tools", tool)})),
            "prompts/list" => Ok(json!({"prompts": self.listed("prompts", prompt)})),
            "resources/list" => Ok(json!({"resources": self.listed("resources", resource)})),
            "resources/templates/list" => Ok(json!({"resourceTemplates": self.listed("templates", resource)})),
            "resources/read" => self.read(message),
            "resources/subscribe" | "resources/unsubscribe" => Ok(self.subscribe(method, message)),
            "completion/complete" => Ok(self.complete(message)),
            _ => Err(json!({"code": -32601, "message": "Method not found", "data": method})),
        };
        match answer {
            Ok(result) => self.peer.answer(id, &result.to_string()),
            Err(error) => self.peer.refuse(id, &error),
        }
    }
}

impl Everything {
    fn greet(&self, params: &Value) -> Value {
        let versions = self.catalog["versions"].as_array().expect("the versions are a list");
        let asked = &params["protocolVersion"];
        let version = versions.iter().find(|known| *known == asked).or(versions.last());
        let mut result = self.catalog["greeting"].clone();
        result["protocolVersion"] = json!(version);
        held(&self.state).session = json!({
            "pid": process::id(),
            "protocolVersion": version,
            "clientInfo": params["clientInfo"],
            "clientCapabilities": params["capabilities"],
        });
        result
    }

    fn session(&self) -> Value {
        held(&self.state).session.clone()
    }

    fn set_level(&self, message: &Message) -> Result<Value, Value> {
        let level = &message.value()["params"]["level"];
        let Some(at) = LEVELS.iter().position(|known| level == known) else {
            return Err(json!({"code": -32602, "message": "Unknown log level", "data": level}));
        };
        held(&self.state).level = at;
        Ok(json!({}))
    }

    fn log(&self, level: &str, text: &str) {
        let least = held(&self.state).level;
        if LEVELS.iter().position(|known| *known == level) >= Some(least) {
            let params = json!({"level": level, "logger": "everything", "data": text});
            self.peer.notify("notifications/message", Some(&params.to_string()));
        }
    }

    fn toggle(&self, list: &str) {
        let mut state = held(&self.state);
        if !state.shown.remove(list) {
            state.shown.insert(list.to_owned());
        }
        drop(state);
        self.peer.notify(&format!("notifications/{list}/list_changed"), None);
    }

    fn touch(&self, uri: &str) {
        if held(&self.state).subscribed.contains(uri) {
            let params = json!({"uri": uri}).to_string();
            self.peer.notify("notifications/resources/updated", Some(&params));
        }
    }

    /// The entries of one list of the catalogue, with the hidden one while it is shown.
    fn entries(&self, list: &str) -> impl Iterator<Item = &Value> {
        let shown = held(&self.state).shown.contains(list);
        let hidden = shown.then(|| &self.catalog["hidden"][list]);
        self.catalog[list].as_array().into_iter().flatten().chain(hidden)
    }

    fn listed(&self, list: &str, spell: fn(&Value) -> Value) -> Vec<Value> {
        self.entries(list).map(spell).collect()
    }

    fn run_entry(&self, id: &str, method: &str, message: &Message) {
        let list = if method == "tools/call" { "tools" } else { "prompts" };
        let answer = match self.entries(list).find(|entry| entry["name"] == message.name()) {
            None => {
                let what = list.trim_end_matches('s');
                let text = format!("Unknown {what}: {}", message.name());
                Err(Stop::Fail(json!({"code": -32602, "message": text})))
            }
            Some(entry) => {
                let mut script = Script::new(self, message);
                script.run(entry).map(|()| match list {
                    "tools" => tool_result(entry, &script.scope),
                    _ => prompt_result(entry, &script.scope),
                })
            }
        };
        let cancelled = held(&self.running).remove(id).unwrap_or(false);
        match answer {
            _ if cancelled => {}
            Ok(result) => self.peer.answer(id, &result.to_string()),
            Err(Stop::Say(text)) if list == "tools" => self.peer.say(id, &text, true),
            Err(Stop::Say(text)) => self.peer.unknown(id, -32603, &text),
            Err(Stop::Fail(error)) => self.peer.refuse(id, &error),
            Err(Stop::Gone) => {}
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

    fn read(&self, message: &Message) -> Result<Value, Value> {
        let uri = message.value()["params"]["uri"].as_str().unwrap_or_default();
        let mut scope = self.catalog["payloads"].clone();
        let fixed = self.entries("resources").find(|entry| entry["uri"] == uri);
        let found = fixed.or_else(|| {
            self.entries("templates").find(|entry| {
                let id = entry["uri"].as_str().and_then(|pattern| variable(pattern, uri));
                scope["id"] = json!(id);
                id.is_some()
            })
        });
        let Some(entry) = found else {
            let data = json!({"uri": uri});
            return Err(json!({"code": -32002, "message": "Resource not found", "data": data}));
        };
        let mut contents = json!({"uri": uri, "mimeType": entry["mimeType"]});
        for form in ["text", "blob"] {
            if entry.get(form).is_some() {
                contents[form] = fill(&entry[form], &scope);
            }
        }
        Ok(json!({"contents": [contents]}))
    }

    fn subscribe(&self, method: &str, message: &Message) -> Value {
        let uri = message.value()["params"]["uri"].as_str().unwrap_or_default();
        let subscribed = &mut held(&self.state).subscribed;
        if method == "resources/subscribe" {
            subscribed.insert(uri.to_owned());
        } else {
            subscribed.remove(uri);
        }
        json!({})
    }

    fn complete(&self, message: &Message) -> Value {
        let begun = message.value()["params"]["argument"]["value"].as_str().unwrap_or_default();
        let words = self.catalog["words"].as_array().into_iter().flatten();
        let values: Vec<&Value> =
            words.filter(|word| word.as_str().is_some_and(|word| word.starts_with(begun))).collect();
        let total = values.len();
        json!({"completion": {"values": values, "total": total, "hasMore": false}})
    }
}

fn tool(entry: &Value) -> Value {
    let takes = entry["takes"].as_object().cloned().unwrap_or_default();
    let schema = entry.get("schema").cloned().unwrap_or_else(|| {
        let properties: Map<String, Value> =
            takes.iter().map(|(name, kind)| (name.clone(), json!({"type": kind}))).collect();
        let required: Vec<&String> = takes.keys().collect();
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    });
    json!({"name": entry["name"], "description": entry["about"], "inputSchema": schema})
}

fn prompt(entry: &Value) -> Value {
    let mut listed = json!({"name": entry["name"], "description": entry["about"]});
    if let Some(takes) = entry["takes"].as_object() {
        let argument = |(name, about)| json!({"name": name, "description": about, "required": true});
        listed["arguments"] = takes.iter().map(argument).collect();
    }
    listed
}

fn resource(entry: &Value) -> Value {
    let pattern = entry["uri"].as_str().is_some_and(|uri| uri.contains('{'));
    let address = if pattern { "uriTemplate" } else { "uri" };
    let (about, kind) = (&entry["about"], &entry["mimeType"]);
    json!({address: entry["uri"], "name": entry["name"], "description": about, "mimeType": kind})
}

fn tool_result(entry: &Value, scope: &Value) -> Value {
    let content = match entry.get("say") {
        Some(text) => json!([{"type": "text", "text": fill(text, scope)}]),
        None => fill(&entry["content"], scope),
    };
    json!({"content": content, "isError": entry["error"] == true})
}

fn prompt_result(entry: &Value, scope: &Value) -> Value {
    let message = |content: &Value| {
        let filled = fill(content, scope);
        let content = if filled.is_string() { json!({"type": "text", "text": filled}) } else { filled };
        json!({"role": "user", "content": content})
    };
    let messages: Vec<Value> = entry["messages"].as_array().into_iter().flatten().map(message).collect();
    json!({"description": entry["about"], "messages": messages})
}

/// What stands in the address where the pattern has its `{id}`.
fn variable<'a>(pattern: &str, uri: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once("{id}")?;
    let found = uri.strip_prefix(before)?.strip_suffix(after)?;
    (!found.is_empty() && !found.contains('/')).then_some(found)
}
