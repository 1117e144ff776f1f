//! From JSON Schema 2020-12, as OpenAPI 3.1 has it, to the dialect of OpenAPI 3.0.3, which can say less.
//!
//! What cannot be said is left out, so that whatever fitted before still fits.

use serde_json::{Map, Value, json};

use super::schemas::each;

/// What a schema of 3.0.3 may hold (section 4.7.24), besides extensions.
const KEYWORDS: [&str; 35] = [
    "title",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "enum",
    "type",
    "allOf",
    "oneOf",
    "anyOf",
    "not",
    "items",
    "properties",
    "additionalProperties",
    "description",
    "format",
    "default",
    "nullable",
    "discriminator",
    "readOnly",
    "writeOnly",
    "xml",
    "externalDocs",
    "example",
    "deprecated",
];

/// Converts every schema of a document.
pub(super) fn convert(document: &mut Value) {
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        schemas.values_mut().for_each(schema);
    }
    inline(document);
}

/// Schemas that stand where they are used: below a member of that name, but not within a schema.
fn inline(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "schema" => schema(value),
                    "example" | "schemas" | "tags" | "info" => {}
                    _ => inline(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(inline),
        _ => {}
    }
}

fn schema(value: &mut Value) {
    if let Value::Bool(holds) = value {
        *value = if *holds { json!({}) } else { json!({"not": {}}) };
        return;
    }
    closed(value);
    each_below(value);
    let Some(map) = value.as_object_mut() else { return };
    constants(map);
    bounds(map);
    lists(map);
    types(map);
    choices(map);
    if let Some(target) = map.remove("$ref") {
        let is_alone = map.is_empty();
        map.retain(|key, _| allowed(key));
        if is_alone {
            map.insert("$ref".to_owned(), target);
        } else {
            // Beside a reference nothing is heard there.
            push(map, "allOf", json!({"$ref": target}));
        }
        return;
    }
    map.retain(|key, _| allowed(key));
}

fn allowed(key: &str) -> bool {
    KEYWORDS.contains(&key) || key.starts_with("x-")
}

/// The schemas within one; `additionalProperties` may stay a truth value.
fn each_below(value: &mut Value) {
    let plain = value.get("additionalProperties").filter(|value| value.is_boolean()).cloned();
    each(value, &mut schema);
    if let (Some(plain), Some(map)) = (plain, value.as_object_mut()) {
        map.insert("additionalProperties".to_owned(), plain);
    }
}

/// Properties by pattern are not known there, and may not be shut out on that account.
fn closed(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    if let Some(Value::Object(patterns)) = map.remove("patternProperties")
        && map.get("additionalProperties") == Some(&Value::Bool(false))
    {
        let choices: Vec<Value> = patterns.into_iter().map(|(_, schema)| schema).collect();
        map.insert("additionalProperties".to_owned(), json!({"anyOf": choices}));
    }
}

fn constants(map: &mut Map<String, Value>) {
    if let Some(value) = map.remove("const") {
        map.insert("enum".to_owned(), json!([value]));
    }
    if let Some(Value::Array(examples)) = map.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        map.entry("example").or_insert(first);
    }
    if map.get("contentEncoding").is_some_and(|encoding| encoding == "base64") {
        map.entry("format").or_insert(json!("byte"));
    }
}

fn bounds(map: &mut Map<String, Value>) {
    for (bound, strict, stricter) in [
        ("minimum", "exclusiveMinimum", (|strict, plain| strict >= plain) as fn(f64, f64) -> bool),
        ("maximum", "exclusiveMaximum", |strict, plain| strict <= plain),
    ] {
        let Some(limit) = map.remove(strict) else { continue };
        let plain = map.get(bound).and_then(Value::as_f64);
        if limit.as_f64().is_some_and(|limit| plain.is_none_or(|plain| stricter(limit, plain))) {
            map.insert(bound.to_owned(), limit);
            map.insert(strict.to_owned(), json!(true));
        }
    }
}

fn lists(map: &mut Map<String, Value>) {
    if let Some(Value::Array(first)) = map.remove("prefixItems") {
        let rest = map.remove("items");
        let choices: Vec<Value> = first.into_iter().chain(rest.filter(|rest| rest["not"] != json!({}))).collect();
        map.insert("items".to_owned(), json!({"anyOf": choices}));
    }
}

/// Several types become a choice; nothing is a matter of `nullable`.
fn types(map: &mut Map<String, Value>) {
    let kinds: Vec<Value> = match map.remove("type") {
        Some(Value::Array(kinds)) => kinds,
        Some(kind) => vec![kind],
        None => Vec::new(),
    };
    let (nothing, kinds): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|kind| kind == "null");
    let nullable = !nothing.is_empty();
    match kinds.as_slice() {
        [] if nullable => {
            map.insert("type".to_owned(), json!("string"));
            map.insert("enum".to_owned(), json!([null]));
            map.insert("nullable".to_owned(), json!(true));
        }
        [] => {}
        [one] => {
            if one == "array" {
                map.entry("items").or_insert_with(|| json!({}));
            }
            map.insert("type".to_owned(), one.clone());
            if nullable {
                map.insert("nullable".to_owned(), json!(true));
            }
        }
        several => {
            let choice = |kind: &Value| {
                let mut choice = json!({"type": kind});
                if kind == "array" {
                    choice["items"] = map.get("items").cloned().unwrap_or_else(|| json!({}));
                }
                if nullable {
                    choice["nullable"] = json!(true);
                }
                choice
            };
            let choices: Vec<Value> = several.iter().map(choice).collect();
            if map.contains_key("anyOf") {
                push(map, "allOf", json!({"anyOf": choices}));
            } else {
                map.insert("anyOf".to_owned(), Value::Array(choices));
            }
        }
    }
}

/// A choice of which one is nothing is a choice without it that may be nothing.
fn choices(map: &mut Map<String, Value>) {
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(list)) = map.get_mut(key) else { continue };
        let all = list.len();
        list.retain(|choice| choice["enum"] != json!([null]));
        if list.len() == all {
            continue;
        }
        for choice in list.iter_mut() {
            match choice.as_object_mut() {
                Some(one) if one.contains_key("type") => drop(one.insert("nullable".to_owned(), json!(true))),
                _ => {}
            }
        }
        map.insert("nullable".to_owned(), json!(true));
        if map.get(key) == Some(&json!([])) {
            map.remove(key);
            map.insert("type".to_owned(), json!("string"));
            map.insert("enum".to_owned(), json!([null]));
        }
    }
}

fn push(map: &mut Map<String, Value>, key: &str, value: Value) {
    match map.get_mut(key) {
        Some(Value::Array(list)) => list.push(value),
        _ => drop(map.insert(key.to_owned(), json!([value]))),
    }
}
