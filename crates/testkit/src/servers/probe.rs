//! `probe`: a well-behaved server that shows what reached it and sends whatever a test asks for.
//!
//! `probe [--full] [--journal FILE] [ANY ...]`; the words are only reported by `info`. With `--full` the server
//! also declares prompts, resources, subscriptions and list changes, and lists an empty set of
//! prompts; the methods behind them work either way.

mod tools;

use std::collections::BTreeSet;
use std::env;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::servers::environment;
use crate::servers::journal::Journal;
use crate::servers::message::Message;
use crate::servers::peer::{Journaled, Peer, Server, held, serve};
use crate::servers::stray;

const LISTED: &str = include_str!("probe/tools.json");
const URI: &str = "test://a";

struct Probe {
    peer: Peer,
    words: Vec<String>,
    /// `method#id` of each line, as they came.
    seen: Mutex<Vec<String>>,
    /// The untouched params of each cancellation.
    cancelled: Mutex<Vec<String>>,
    subscribed: Mutex<BTreeSet<String>>,
    added: Mutex<Vec<String>>,
}

/// Serves stdin and stdout until stdin ends.
pub fn run(words: Vec<String>) {
    stray::become_one(&words);
    eprintln!("probe: started");
    let journal = Journal::asked_for(&words);
    let server = Probe {
        peer: Peer::default(),
        words,
        seen: Mutex::default(),
        cancelled: Mutex::default(),
        subscribed: Mutex::default(),
        added: Mutex::default(),
    };
    serve(&Journaled { server, journal });
}

impl Server for Probe {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn heard(&self, message: &Message) {
        let method = message.method().unwrap_or("None");
        let id = message
            .id()
            .map_or_else(String::new, |id| format!("#{}", serde_json::from_str(id).unwrap_or_else(|_| id.to_owned())));
        held(&self.seen).push(format!("{method}{id}"));
        if method == "notifications/cancelled" {
            let params = message.member("params").unwrap_or("null");
            held(&self.cancelled).push(params.to_owned());
        }
    }

    fn waits(&self, message: &Message) -> bool {
        message.method() == Some("tools/call") && tools::WAITING.contains(&message.name())
    }

    fn take(&self, message: &Message) {
        if message.value().is_array() {
            self.peer.unknown("null", -32600, "arrays are not served");
            return;
        }
        let (Some(method), Some(id)) = (message.method(), message.id()) else {
            return;
        };
        match method {
            "initialize" => self.peer.answer(id, &self.greeting(message).to_string()),
            "ping" | "logging/setLevel" => self.peer.answer(id, "{}"),
            "tools/list" => self.peer.answer(id, &format!(r#"{{"tools":{}}}"#, self.tools())),
            "tools/call" => self.call(id, message),
            "prompts/list" => self.peer.answer(id, r#"{"prompts":[]}"#),
            "resources/list" => {
                let listed = json!({"resources": [{"uri": URI, "name": "a"}]});
                self.peer.answer(id, &listed.to_string());
            }
            "resources/templates/list" => self.peer.answer(id, r#"{"resourceTemplates":[]}"#),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                self.resource(id, method, message);
            }
            other => self.peer.unknown(id, -32601, &format!("Method not found: {other}")),
        }
    }
}

impl Probe {
    fn greeting(&self, message: &Message) -> Value {
        let mut capabilities = json!({"tools": {}, "logging": {}});
        if self.words.iter().any(|word| word == "--full") {
            capabilities["tools"] = json!({"listChanged": true});
            capabilities["prompts"] = json!({"listChanged": true});
            capabilities["resources"] = json!({"subscribe": true, "listChanged": true});
        }
        json!({
            "protocolVersion": message.value()["params"]["protocolVersion"],
            "capabilities": capabilities,
            "serverInfo": {"name": "probe", "version": "1.0"},
        })
    }

    fn tools(&self) -> String {
        let mut listed: Value = serde_json::from_str(LISTED).expect("the tool table is JSON");
        let tools = listed.as_array_mut().expect("the tool table is a list");
        tools.extend(
            held(&self.added)
                .iter()
                .map(|name| json!({"name": name, "description": "Was added", "inputSchema": {"type": "object"}})),
        );
        listed.to_string()
    }

    fn resource(&self, id: &str, method: &str, message: &Message) {
        let uri = message.value()["params"]["uri"].as_str().unwrap_or_default();
        if uri != URI {
            let error = json!({"code": -32002, "message": "Resource not found", "data": {"uri": uri}});
            self.peer.refuse(id, &error);
            return;
        }
        let result = match method {
            "resources/read" => {
                json!({"contents": [{"uri": URI, "mimeType": "text/plain", "text": "content of a"}]})
            }
            "resources/subscribe" => {
                held(&self.subscribed).insert(uri.to_owned());
                json!({})
            }
            _ => {
                held(&self.subscribed).remove(uri);
                json!({})
            }
        };
        self.peer.answer(id, &result.to_string());
    }

    fn info(&self) -> String {
        let cwd = env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
        // Spliced and not parsed, so that the params stay as they were sent.
        let cancelled = held(&self.cancelled).join(",");
        format!(
            r#"{{"pid":{},"cwd":{},"argv":{},"probe_env":{},"seen":{},"cancelled":[{cancelled}]}}"#,
            std::process::id(),
            json!(cwd),
            json!(self.words),
            environment::as_json("PROBE_X"),
            json!(*held(&self.seen)),
        )
    }
}
