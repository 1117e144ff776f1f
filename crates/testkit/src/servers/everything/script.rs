//! Runs the steps of a tool or prompt from the catalogue.

use std::time::Duration;

use serde_json::{Value, json};

use crate::servers::everything::Everything;
use crate::servers::everything::template::{fill, fill_text};
use crate::servers::message::Message;

/// Why a script ended before its last step.
pub(super) enum Stop {
    /// With a tool result that is an error, saying this.
    Say(String),
    /// With this JSON-RPC error.
    Fail(Value),
    /// The call was cancelled or the input ended.
    Gone,
}

/// One running tool call or prompt request.
pub(super) struct Script<'a> {
    server: &'a Everything,
    request: &'a Message,
    /// What the placeholders see: `args`, `answers`, `session` and the payloads.
    pub(super) scope: Value,
}

impl<'a> Script<'a> {
    pub(super) fn new(server: &'a Everything, request: &'a Message) -> Self {
        let mut scope = server.catalog["payloads"].clone();
        let args = &request.value()["params"]["arguments"];
        scope["args"] = if args.is_object() { args.clone() } else { json!({}) };
        scope["answers"] = json!({});
        scope["session"] = server.session();
        Self { server, request, scope }
    }

    /// Runs all steps of the entry.
    pub(super) fn run(&mut self, entry: &Value) -> Result<(), Stop> {
        for step in entry["do"].as_array().into_iter().flatten() {
            self.step(step)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Value) -> Result<(), Stop> {
        if let Some(text) = step["log"].as_str() {
            self.server.log("info", &fill_text(text, &self.scope));
        } else if let Some(seconds) = step["wait"].as_str() {
            self.wait(&fill_text(seconds, &self.scope))?;
        } else if let Some(progress) = step["progress"].as_array() {
            self.progress(progress);
        } else if step["ask"].is_object() {
            self.ask(&step["ask"])?;
        } else if let Some(list) = step["toggle"].as_str() {
            self.server.toggle(list);
        } else if let Some(uri) = step["touch"].as_str() {
            self.server.touch(uri);
        } else if let Some(capability) = step["need"].as_str() {
            if !self.offers(capability) {
                return Err(stop_of(step));
            }
        } else {
            return Err(stop_of(step));
        }
        Ok(())
    }

    fn wait(&self, seconds: &str) -> Result<(), Stop> {
        let seconds = seconds.parse().unwrap_or(0.0);
        let length = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let gone = || self.server.is_cancelled(self.request);
        if self.server.peer.pause(length, gone) { Ok(()) } else { Err(Stop::Gone) }
    }

    fn progress(&self, progress: &[Value]) {
        let Some(token) = self.request.progress_token() else {
            return;
        };
        let (done, total) = (&progress[0], &progress[1]);
        let message = Value::from(format!("{done} of {total}"));
        let params = format!(r#"{{"progressToken":{token},"progress":{done},"total":{total},"message":{message}}}"#);
        self.server.peer.notify("notifications/progress", Some(&params));
    }

    /// Asks one thing after the other; the answers join the scope under their keys.
    fn ask(&mut self, requests: &Value) -> Result<(), Stop> {
        for (key, wanted) in requests.as_object().into_iter().flatten() {
            if wanted["if"].as_str().is_some_and(|capability| !self.offers(capability)) {
                continue;
            }
            let (method, params) = self.question(wanted);
            let asked = self.server.peer.ask(method, params.map(|it| it.to_string()).as_deref());
            let answer = asked.recv().map_err(|_| Stop::Gone)?;
            if let Some(error) = answer.member("error") {
                return Err(Stop::Say(format!("The client refused {method}: {error}")));
            }
            self.scope["answers"][key] = answer.value()["result"].clone();
        }
        Ok(())
    }

    fn question(&self, wanted: &Value) -> (&'static str, Option<Value>) {
        if let Some(prompt) = wanted["sample"].as_str() {
            let text = fill_text(prompt, &self.scope);
            let message = json!({"role": "user", "content": {"type": "text", "text": text}});
            let limit = wanted["max"].as_u64().unwrap_or(100);
            let params = json!({"messages": [message], "maxTokens": limit});
            return ("sampling/createMessage", Some(params));
        }
        let Some(message) = wanted["elicit"].as_str() else {
            return ("roots/list", None);
        };
        let properties = fill(&wanted["form"], &self.scope);
        let all = || properties.as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let required = wanted["required"].as_array().cloned();
        let required = required.unwrap_or_else(|| all().map(Value::from).collect());
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = Value::from(required);
        }
        let message = fill_text(message, &self.scope);
        let mut params = json!({"message": message, "requestedSchema": schema});
        // The member came with this revision; earlier ones know forms only.
        if self.scope["session"]["protocolVersion"] == "2025-11-25" {
            params["mode"] = json!("form");
        }
        ("elicitation/create", Some(params))
    }

    fn offers(&self, capability: &str) -> bool {
        self.scope["session"]["clientCapabilities"].get(capability).is_some()
    }
}

fn stop_of(step: &Value) -> Stop {
    match step["say"].as_str() {
        Some(text) => Stop::Say(text.to_owned()),
        None => Stop::Fail(step["fail"].clone()),
    }
}
