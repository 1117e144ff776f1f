//! What `everything` has, whichever era it speaks: the entries of `catalog.json` and how they are listed.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::servers::everything::template::fill;
use crate::servers::peer::held;

const CATALOG: &str = include_str!("catalog.json");
/// The cursor of the second page, with something to get wrong.
const CURSOR: &str = r#""\u00e9/==\"2\"""#;
/// Log levels, least severe first.
pub(super) const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The tools, prompts, resources and templates, and which hidden ones are shown.
#[derive(Debug)]
pub(super) struct Catalog {
    all: Value,
    /// The lists whose hidden entry is shown.
    shown: Mutex<BTreeSet<String>>,
}

/// The kinds of entries that can be had by a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tool,
    Prompt,
    Resource,
}

impl Catalog {
    pub(super) fn read() -> Self {
        Self { all: serde_json::from_str(CATALOG).expect("the catalogue is JSON"), shown: Mutex::default() }
    }

    /// A member of the catalogue that is not a list of entries.
    pub(super) fn at(&self, name: &str) -> &Value {
        &self.all[name]
    }

    /// Shows or hides the hidden entry of a list.
    pub(super) fn toggle(&self, list: &str) {
        let mut shown = held(&self.shown);
        if !shown.remove(list) {
            shown.insert(list.to_owned());
        }
    }

    /// The entries of one list, with the hidden one while it is shown.
    fn entries(&self, list: &str) -> impl Iterator<Item = &Value> {
        let shown = held(&self.shown).contains(list);
        let hidden = shown.then(|| &self.all["hidden"][list]);
        self.all[list].as_array().into_iter().flatten().chain(hidden)
    }

    /// The entries of one list as they are listed.
    pub(super) fn listed(&self, list: &str) -> Vec<Value> {
        let spell = match list {
            "tools" => tool,
            "prompts" => prompt,
            _ => resource,
        };
        self.entries(list).map(spell).collect()
    }

    /// `tools/list`: everything at once, or in two pages.
    pub(super) fn tools(&self, cursor: &Value, pages: bool) -> Result<Value, Value> {
        let tools = self.listed("tools");
        let known: Value = serde_json::from_str(CURSOR).expect("the cursor is JSON");
        let half = tools.len() / 2;
        match cursor {
            Value::Null if pages => Ok(json!({"tools": tools[..half], "nextCursor": known})),
            Value::Null => Ok(json!({"tools": tools})),
            given if pages && *given == known => Ok(json!({"tools": tools[half..]})),
            given => Err(json!({"code": -32602, "message": "Unknown cursor", "data": given})),
        }
    }

    /// The entry that a request asks for, and what its template's `{id}` stands for; else what to say.
    pub(super) fn find(&self, kind: Kind, params: &Value) -> Result<(&Value, Value), String> {
        let name = params["name"].as_str().unwrap_or_default();
        let (list, what) = match kind {
            Kind::Tool => ("tools", "tool"),
            Kind::Prompt => ("prompts", "prompt"),
            Kind::Resource => return self.resource(params["uri"].as_str().unwrap_or_default()),
        };
        let found = self.entries(list).find(|entry| entry["name"] == name);
        found.map(|entry| (entry, Value::Null)).ok_or_else(|| format!("Unknown {what}: {name}"))
    }

    fn resource(&self, uri: &str) -> Result<(&Value, Value), String> {
        let fixed = self.entries("resources").find(|entry| entry["uri"] == uri);
        let fixed = fixed.map(|entry| (entry, Value::Null));
        let mut templates = self.entries("templates");
        let found =
            fixed.or_else(|| templates.find_map(|entry| Some((entry, json!(variable(entry["uri"].as_str()?, uri)?)))));
        found.ok_or_else(|| "Resource not found".to_owned())
    }

    /// What `completion/complete` offers.
    pub(super) fn complete(&self, params: &Value) -> Value {
        let begun = params["argument"]["value"].as_str().unwrap_or_default();
        let words = self.all["words"].as_array().into_iter().flatten();
        let values: Vec<&Value> =
            words.filter(|word| word.as_str().is_some_and(|word| word.starts_with(begun))).collect();
        let total = values.len();
        json!({"completion": {"values": values, "total": total, "hasMore": false}})
    }
}

impl Kind {
    /// The kind that a method asks for.
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "tools/call" => Some(Self::Tool),
            "prompts/get" => Some(Self::Prompt),
            "resources/read" => Some(Self::Resource),
            _ => None,
        }
    }

    /// The result of an entry whose script has run.
    pub(super) fn result(self, entry: &Value, scope: &Value) -> Value {
        match self {
            Self::Tool => tool_result(entry, scope),
            Self::Prompt => prompt_result(entry, scope),
            Self::Resource => resource_result(entry, scope),
        }
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

fn resource_result(entry: &Value, scope: &Value) -> Value {
    let mut contents = json!({"uri": scope["uri"], "mimeType": entry["mimeType"]});
    for form in ["text", "blob"] {
        if entry.get(form).is_some() {
            contents[form] = fill(&entry[form], scope);
        }
    }
    json!({"contents": [contents]})
}

/// What stands in the address where the pattern has its `{id}`.
fn variable<'a>(pattern: &str, uri: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once("{id}")?;
    let found = uri.strip_prefix(before)?.strip_suffix(after)?;
    (!found.is_empty() && !found.contains('/')).then_some(found)
}
