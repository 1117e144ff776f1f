//! Runs the steps of a tool, prompt or resource from the catalogue, in whichever era.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::servers::everything::catalog::{Catalog, Kind};
use crate::servers::everything::template::{fill, fill_text};

/// Why a script ended before its last step.
pub(super) enum Stop {
    /// With a tool result that is an error, saying this.
    Say(String),
    /// With this JSON-RPC error.
    Fail(Value),
    /// With this result, which asks the client to come again with answers.
    Ask(Value),
    /// The call was cancelled or the input ended.
    Gone,
}

/// What differs between the eras: how a running request speaks to its client.
pub(super) trait Stage {
    /// The revision spoken.
    fn revision(&self) -> String;
    /// What the client said it can be asked.
    fn capabilities(&self) -> Value;
    /// Who serves and who asks.
    fn session(&self) -> Value;
    /// What ran how often.
    fn tally(&self) -> Value;
    /// Sends a log message, if it is wanted.
    fn log(&self, level: &str, text: &str);
    /// Reports progress, if it is wanted.
    fn progress(&self, done: &Value, total: &Value);
    /// Waits; false if the request was cancelled meanwhile.
    fn wait(&self, length: Duration) -> bool;
    /// Has the questions answered; the answers by key.
    fn ask(&self, questions: Vec<Question>, state: &Value) -> Result<Map<String, Value>, Stop>;
    /// Shows or hides an entry and says so.
    fn toggle(&self, list: &str);
    /// Says that a resource changed.
    fn touch(&self, uri: &str);
    /// Ends all subscriptions, where they are requests.
    fn end_subscriptions(&self);
    /// Dies.
    fn crash(&self);
}

/// Something to ask the client.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) key: String,
    pub(super) method: &'static str,
    pub(super) params: Option<Value>,
}

/// One running request for an entry.
pub(super) struct Script<'a> {
    stage: &'a dyn Stage,
    /// What the placeholders see: `args`, `answers`, `session`, `tally` and the payloads.
    scope: Value,
}

impl<'a> Script<'a> {
    /// Finds the entry and runs it; its result, or why there is none.
    pub(super) fn play(stage: &'a dyn Stage, catalog: &Catalog, kind: Kind, params: &Value) -> Result<Value, Stop> {
        let (entry, id) = catalog.find(kind, params).map_err(|text| {
            let missing = json!({"code": -32602, "message": text});
            Stop::Fail(if kind == Kind::Resource { not_found(stage, params) } else { missing })
        })?;
        let mut scope = catalog.at("payloads").clone();
        let args = &params["arguments"];
        scope["args"] = if args.is_object() { args.clone() } else { json!({}) };
        scope["answers"] = json!({});
        scope["session"] = stage.session();
        scope["tally"] = stage.tally();
        scope["id"] = id;
        scope["uri"] = params["uri"].clone();
        let mut script = Self { stage, scope };
        for step in entry["do"].as_array().into_iter().flatten() {
            script.step(step)?;
        }
        Ok(kind.result(entry, &script.scope))
    }

    fn step(&mut self, step: &Value) -> Result<(), Stop> {
        if let Some(text) = step["log"].as_str() {
            self.stage.log("info", &fill_text(text, &self.scope));
        } else if let Some(seconds) = step["wait"].as_str() {
            let seconds = fill_text(seconds, &self.scope).parse().unwrap_or(0.0);
            let length = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            if !self.stage.wait(length) {
                return Err(Stop::Gone);
            }
        } else if let Some(progress) = step["progress"].as_array() {
            self.stage.progress(&progress[0], &progress[1]);
        } else if step["ask"].is_object() {
            self.ask(&step["ask"], &step["state"])?;
        } else if let Some(list) = step["toggle"].as_str() {
            self.stage.toggle(list);
        } else if let Some(uri) = step["touch"].as_str() {
            self.stage.touch(uri);
        } else if let Some(capability) = step["need"].as_str() {
            if !self.offers(capability) {
                return Err(stop_of(step));
            }
        } else if step["end"] == "subscriptions" {
            self.stage.end_subscriptions();
        } else if step["crash"] == true {
            self.stage.crash();
            return Err(Stop::Gone);
        } else {
            return Err(stop_of(step));
        }
        Ok(())
    }

    /// The answers join the scope under their keys.
    fn ask(&mut self, wanted: &Value, state: &Value) -> Result<(), Stop> {
        let wanted = wanted.as_object().into_iter().flatten();
        let open = |(_, one): &(&String, &Value)| one["if"].as_str().is_none_or(|name| self.offers(name));
        let questions = wanted.filter(open).map(|(key, one)| self.question(key, one)).collect();
        for (key, answer) in self.stage.ask(questions, state)? {
            self.scope["answers"][key] = answer;
        }
        Ok(())
    }

    fn question(&self, key: &str, wanted: &Value) -> Question {
        let (method, params) = self.asked(wanted);
        Question { key: key.to_owned(), method, params }
    }

    fn asked(&self, wanted: &Value) -> (&'static str, Option<Value>) {
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
        let message = fill_text(message, &self.scope);
        let revision = self.stage.revision();
        if let Some(url) = wanted["visit"].as_str() {
            let mut params = json!({"mode": "url", "message": message, "url": url});
            if revision.as_str() < "2026" {
                params["elicitationId"] = json!("visit-1");
            }
            return ("elicitation/create", Some(params));
        }
        let properties = fill(&wanted["form"], &self.scope);
        let all = || properties.as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let required = wanted["required"].as_array().cloned();
        let required = required.unwrap_or_else(|| all().map(Value::from).collect());
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = Value::from(required);
        }
        let mut params = json!({"message": message, "requestedSchema": schema});
        // The member came with this revision; earlier ones know forms only.
        if revision.as_str() >= "2025-11-25" {
            params["mode"] = json!("form");
        }
        ("elicitation/create", Some(params))
    }

    fn offers(&self, capability: &str) -> bool {
        self.stage.capabilities().get(capability).is_some()
    }
}

/// The error for a resource that does not exist, under the code of the revision.
fn not_found(stage: &dyn Stage, params: &Value) -> Value {
    let code = if stage.revision().as_str() < "2026" { -32002 } else { -32602 };
    json!({"code": code, "message": "Resource not found", "data": {"uri": params["uri"]}})
}

fn stop_of(step: &Value) -> Stop {
    match step["say"].as_str() {
        Some(text) => Stop::Say(text.to_owned()),
        None => Stop::Fail(step["fail"].clone()),
    }
}
