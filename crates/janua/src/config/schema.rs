//! The description of the configuration for others: a JSON Schema, and a reference for people.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::field::{Field, Kind};
use super::file;

/// What a text with something to expand looks like.
const EXPANDED: &str = r"\$\{";

/// The JSON Schema (draft 2020-12) of a configuration file of ours.
pub fn schema() -> String {
    let mut root = group(&file::fields());
    if let Value::Object(members) = &mut root {
        members.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        members.insert("title".to_owned(), json!("Configuration of janua serve"));
    }
    format!("{root:#}\n")
}

fn group(fields: &[&'static Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        for name in std::iter::once(&field.name).chain(field.also) {
            properties.insert((*name).to_owned(), described(field, name));
        }
    }
    json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false })
}

fn described(field: &Field, name: &str) -> Value {
    let mut schema = of(field.kind);
    if let Value::Object(members) = &mut schema {
        let alias = if name == field.name { String::new() } else { format!("The same as `{}`. ", field.name) };
        members.insert("description".to_owned(), json!(format!("{alias}{}", field.meaning)));
        if !field.default.is_empty() {
            let default = serde_json::from_str(field.default).unwrap_or_else(|_| json!(field.default));
            members.insert("default".to_owned(), default);
        }
    }
    schema
}

/// The schema of a value. Where a text is read as something else, one with `${…}` will do, too.
fn of(kind: Kind) -> Value {
    let expanded = json!({ "type": "string", "pattern": EXPANDED });
    let text = |pattern: &str| json!({ "type": "string", "pattern": format!("{EXPANDED}|{pattern}") });
    let number = json!({ "type": "number", "exclusiveMinimum": 0 });
    match kind {
        Kind::Text => json!({ "type": ["string", "number", "boolean", "null"] }),
        Kind::Path => json!({ "type": ["string", "null"], "minLength": 1 }),
        Kind::PathOrOff => json!({ "anyOf": [{ "type": ["string", "null"] }, { "const": false }] }),
        Kind::Switch => json!({ "anyOf": [{ "type": ["boolean", "null"] }, expanded] }),
        Kind::Count => json!({ "anyOf": [{ "type": ["integer", "null"], "minimum": 0 }, expanded] }),
        Kind::Port => json!({ "anyOf": [{ "type": ["integer", "null"], "minimum": 0, "maximum": 65535 }, expanded] }),
        Kind::Time => {
            json!({ "anyOf": [number, { "type": "null" }, text(r"^\s*[0-9.]+\s*((ms|s|m|h|d)\s*([0-9.]+\s*(ms|s|m|h|d)\s*)*)?$")] })
        }
        Kind::Size => {
            json!({ "anyOf": [{ "type": ["integer", "null"], "minimum": 1 }, text(r"^\s*[0-9]+\s*([kKmMgG]?i?B*)$")] })
        }
        Kind::Host | Kind::Url(_) => json!({ "type": ["string", "null"] }),
        Kind::Address => json!({ "type": ["string", "integer", "null"] }),
        Kind::AddressOrOff => json!({ "type": ["string", "integer", "boolean", "null"] }),
        Kind::Choice(words) => json!({ "anyOf": [{ "enum": words }, { "type": "null" }, expanded] }),
        Kind::Texts => json!({ "type": ["array", "null"], "items": of(Kind::Text) }),
        Kind::TextMap => json!({ "type": ["object", "null"], "additionalProperties": of(Kind::Text) }),
        Kind::Section(fields) => group(&fields()),
        Kind::Groups(fields) => json!({ "type": ["array", "null"], "items": group(&fields()) }),
        Kind::TextsOrGroups(fields) => {
            json!({ "type": ["array", "null"], "items": { "anyOf": [of(Kind::Text), group(&fields())] } })
        }
        Kind::Named(fields) => json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" },
            "additionalProperties": group(&fields()),
        }),
    }
}

/// A page for people: every key, its values, its default and its meaning.
pub fn reference() -> String {
    let mut page = "# Keys of the configuration\n\nThis page is made by `janua schema --reference`; `docs/janua.schema.json` says the same to editors.\n".to_owned();
    section(&mut page, "", &file::fields());
    page
}

fn section(page: &mut String, path: &str, fields: &[&'static Field]) {
    let title = if path.is_empty() { "At the top".to_owned() } else { format!("`{path}`") };
    let _ = write!(page, "\n## {title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for field in fields {
        let also = field.also.iter().fold(String::new(), |mut also, name| {
            let _ = write!(also, ", `{name}`");
            also
        });
        let default = if field.default.is_empty() { String::new() } else { format!("`{}`", field.default) };
        let _ = writeln!(page, "| `{}`{also} | {} | {default} | {} |", field.name, field.kind.shape(), field.meaning);
    }
    for field in fields {
        let path = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        match field.kind {
            Kind::Section(fields) => section(page, &path, &fields()),
            Kind::Named(fields) => section(page, &format!("{path}.NAME"), &fields()),
            Kind::Groups(fields) | Kind::TextsOrGroups(fields) => section(page, &format!("{path}[]"), &fields()),
            _ => {}
        }
    }
}
