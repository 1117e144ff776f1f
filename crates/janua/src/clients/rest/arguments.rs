//! Arguments held against the schemas of tools: each schema is made ready once, when it is first needed.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use janua_wire::json::quote;
use janua_wire::raw;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use tokio::time::Instant;

use super::problem::Problem;
use crate::catalog::merged::Merged;
use crate::lock::Lock;

/// The tools of one list.
#[derive(Default)]
pub(super) struct Tools(HashMap<String, Tool>);

/// A schema that can be held against arguments.
struct Ready {
    validator: Validator,
    /// Whether parts of it are named, so that it may lead back to itself.
    refers: bool,
}

/// One tool.
pub(super) struct Tool {
    /// Its `inputSchema`, raw.
    schema: Option<Bytes>,
    ready: OnceLock<Option<Arc<Ready>>>,
}

/// Tools that a session has asked for, with the count of its news then.
pub(super) struct Asked {
    pub(super) tools: Arc<Tools>,
    pub(super) news: u64,
    pub(super) at: Instant,
}

/// Schemas that are ready, whoever lists them, and the tools of lists that others keep.
#[derive(Default)]
pub(super) struct Schemas {
    /// By their text. `None`: everything fits, or nothing can be said.
    ready: Lock<HashMap<Bytes, Option<Arc<Ready>>>>,
    listed: Lock<Vec<(Weak<Merged>, Arc<Tools>)>>,
}

/// Schemas kept ready; beyond, all are made anew.
const MANY_SCHEMAS: usize = 4096;
/// A larger schema is not used: making it ready would hold up everybody.
const LARGEST_SCHEMA: usize = 256 * 1024;
/// Deepest nesting of arguments that are held against a schema that may lead back to itself: where it has choices, every
/// level can double the work. Deeper ones are for the server to check.
const DEEPEST: usize = 12;
/// What is wrong is said of so many places.
const MANY_ERRORS: usize = 16;
/// Nobody reads a longer message of one error.
const LONGEST_MESSAGE: usize = 300;

impl Tools {
    /// The tools of these names and raw objects.
    pub(super) fn of<'a>(items: impl Iterator<Item = (&'a str, &'a Bytes)>) -> Tools {
        let tool = |text: &Bytes| {
            let schema = raw::peek(text, "inputSchema").map(|schema| text.slice_ref(schema));
            Tool { schema, ready: OnceLock::new() }
        };
        Tools(items.map(|(name, text)| (name.to_owned(), tool(text))).collect())
    }

    /// The tool of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Tool> {
        self.0.get(name)
    }
}

impl Schemas {
    /// The tools of a list, the same as long as the list is.
    pub(super) fn tools(&self, merged: &Arc<Merged>) -> Arc<Tools> {
        let mut listed = self.listed.lock();
        if let Some((_, tools)) = listed.iter().find(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(merged))) {
            return tools.clone();
        }
        listed.retain(|(of, _)| of.strong_count() > 0);
        let tools = Arc::new(Tools::of(merged.items(janua_wire::method::Method::ToolsList)));
        listed.push((Arc::downgrade(merged), tools.clone()));
        tools
    }

    /// Holds arguments, one JSON object or nothing, against the schema of a tool.
    pub(super) fn check(&self, tool: &Tool, arguments: &[u8]) -> Result<(), Problem> {
        let ready = tool.ready.get_or_init(|| self.ready(tool.schema.as_ref()?));
        let Some(Ready { validator, refers }) = ready.as_deref() else { return Ok(()) };
        let arguments = if arguments.trim_ascii().is_empty() { b"{}" } else { arguments };
        let value: Value = serde_json::from_slice(arguments).map_err(|error| {
            Problem::new(http::StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))
        })?;
        if *refers && !fits_in(&value, DEEPEST) || validator.is_valid(&value) {
            return Ok(());
        }
        let errors: Vec<String> = validator.iter_errors(&value).take(MANY_ERRORS).map(|error| said(&error)).collect();
        Err(Problem::invalid_arguments(&format!("[{}]", errors.join(","))))
    }

    fn ready(&self, schema: &Bytes) -> Option<Arc<Ready>> {
        if is_permissive(schema) {
            return None;
        }
        if let Some(ready) = self.ready.lock().get(schema) {
            return ready.clone();
        }
        let ready = made(schema).inspect_err(|error| {
            tracing::warn!(%error, "the schema of a tool cannot be used: its arguments are not checked");
        });
        let ready = ready.ok().map(Arc::new);
        let mut all = self.ready.lock();
        if all.len() >= MANY_SCHEMAS {
            all.clear();
        }
        all.insert(Bytes::copy_from_slice(schema), ready.clone());
        ready
    }
}

/// Whether a value is nested no deeper than so many levels.
fn fits_in(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| fits_in(item, levels - 1)),
        Value::Object(members) => levels > 0 && members.values().all(|member| fits_in(member, levels - 1)),
        _ => true,
    }
}

fn made(schema: &[u8]) -> Result<Ready, String> {
    if schema.len() > LARGEST_SCHEMA {
        return Err(format!("it is larger than {LARGEST_SCHEMA} bytes"));
    }
    let refers = raw::may_hold(schema, &["$ref", "$dynamicRef", "$recursiveRef"]);
    let schema: Value = serde_json::from_slice(schema).map_err(|error| error.to_string())?;
    // The engine without look-around and back-references: its time is bounded, whatever a server writes.
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    let built = options.build(&schema).map_err(|error| error.to_string().chars().take(LONGEST_MESSAGE).collect());
    built.map(|validator| Ready { validator, refers })
}

/// Whether every object fits a schema, by looks.
fn is_permissive(schema: &[u8]) -> bool {
    let Some(members) = raw::members(schema, raw::whole(schema)) else { return false };
    members.iter().all(|(key, value)| {
        let value = &schema[value.range()];
        match &schema[key.range()] {
            b"type" => value == b"\"object\"",
            b"$schema" | b"title" | b"description" => true,
            b"additionalProperties" => value == b"true" || value == b"{}",
            b"properties" => value == b"{}",
            b"required" => value == b"[]",
            _ => false,
        }
    })
}

/// One error: which field it is about, as a JSON pointer, and what is wrong.
fn said(error: &ValidationError<'_>) -> String {
    let mut field = error.instance_path().to_string();
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match error.kind() {
        ValidationErrorKind::Required { property: Value::String(name) } => {
            field = format!("{field}/{}", escaped(name));
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            if let [name] = unexpected.as_slice() {
                field = format!("{field}/{}", escaped(name));
            }
        }
        _ => {}
    }
    let message: String = error.to_string().chars().take(LONGEST_MESSAGE).collect();
    format!("{{\"field\":{},\"message\":{}}}", quote(&field), quote(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, arguments: &str) -> Result<(), String> {
        let text = Bytes::from(format!("{{\"name\":\"t\",\"inputSchema\":{schema}}}"));
        let tools = Tools::of([("t", &text)].into_iter());
        let schemas = Schemas::default();
        let checked = schemas.check(tools.get("t").expect("the tool"), arguments.as_bytes());
        checked.map_err(|problem| problem.text(super::super::Form::Plain))
    }

    #[test]
    fn errors_name_the_field() {
        let schema = r##"{"type":"object","required":["n"],"additionalProperties":false,
            "properties":{"n":{"type":"integer"},"t":{"$ref":"#/$defs/tree"}},
            "$defs":{"tree":{"type":"object","required":["v"],"properties":{"v":{"type":"string"},"k":{"type":"array","items":{"$ref":"#/$defs/tree"}}}}}}"##;
        assert_eq!(check(schema, r#"{"n":1,"t":{"v":"a","k":[{"v":"b"}]}}"#), Ok(()));
        for (arguments, field) in [
            ("{}", "/n"),
            ("", "/n"),
            (r#"{"n":"x"}"#, "/n"),
            (r#"{"n":1,"a/b":2}"#, "/a~1b"),
            (r#"{"n":1,"t":{"v":"a","k":[{"v":"b"},{"v":5}]}}"#, "/t/k/1/v"),
            (r#"{"n":1,"t":{"v":"a","k":[{}]}}"#, "/t/k/0/v"),
        ] {
            let said = check(schema, arguments).expect_err(arguments);
            assert!(said.contains(&format!("\"field\":\"{field}\"")), "{arguments}: {said}");
        }
    }

    #[test]
    fn schemas_that_lead_back_to_themselves_do_no_harm() {
        for schema in [
            r##"{"$ref":"#"}"##,
            r##"{"allOf":[{"$ref":"#"}]}"##,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}"##,
            r##"{"$dynamicRef":"#a","$dynamicAnchor":"a"}"##,
            r##"{"not":{"$ref":"#"}}"##,
        ] {
            // Whatever it says of them: it comes to an end.
            let _ = check(schema, r#"{"any":1}"#);
        }
    }

    #[test]
    fn deep_arguments_do_not_make_endless_work() {
        let schema = r##"{"type":"object","properties":{"n":{"$ref":"#/$defs/node"}},"$defs":{"node":{"oneOf":[
            {"type":"object","properties":{"children":{"items":{"$ref":"#/$defs/node"}},"kind":{"const":"a"}}},
            {"type":"object","properties":{"children":{"items":{"$ref":"#/$defs/node"}},"kind":{"const":"b"}}}]}}}"##;
        let nested = |levels: usize| {
            let (open, close) = ("{\"kind\":\"b\",\"children\":[".repeat(levels), "]}".repeat(levels));
            format!("{{\"n\":{open}{{\"kind\":\"b\"}}{close}}}")
        };
        assert_eq!(check(schema, &nested(4)), Ok(()));
        assert!(check(schema, &nested(4).replace("{\"kind\":\"b\"}", "{\"kind\":\"c\"}")).is_err());
        assert_eq!(check(schema, &nested(50)), Ok(()));
    }

    #[test]
    fn what_cannot_be_checked_is_let_through() {
        for schema in
            ["{}", r#"{"type":"object","properties":{}}"#, r#"{"type":7}"#, r#"{"$ref":"https://x.example/s"}"#]
        {
            assert_eq!(check(schema, r#"{"any":1}"#), Ok(()), "{schema}");
        }
    }
}
