//! Instances of schemas, made from what they say: examples, defaults, choices, else the least that is allowed.

use serde_json::{Map, Value, json};

use super::schemas::pointed;

/// How deep an instance is followed.
const DEPTH: usize = 12;

/// An instance of a schema, as far as one can be read off it. Whoever needs a valid one has to check.
pub(super) fn of(schema: &Value) -> Option<Value> {
    instance(schema, schema, DEPTH)
}

fn instance(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    if let Some(holds) = schema.as_bool() {
        return holds.then(|| json!(""));
    }
    if let Some(given) = given(schema) {
        return Some(given);
    }
    if let Some(target) = schema["$ref"].as_str() {
        return instance(root, pointed(root, target)?, depth);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut parts: Vec<Value> = parts.iter().filter_map(|part| instance(root, part, depth)).collect();
        parts.extend(schema.get("properties").and_then(|_| object(root, schema, depth)));
        return merged(parts);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array() {
            // Nothing is the least interesting choice.
            let (nothing, other): (Vec<_>, Vec<_>) = choices.iter().partition(|choice| choice["type"] == "null");
            return other.into_iter().chain(nothing).find_map(|choice| instance(root, choice, depth));
        }
    }
    match kind(schema)? {
        "object" => object(root, schema, depth),
        "array" => array(root, schema, depth),
        "string" => Some(json!(text(schema))),
        "integer" => format!("{:.0}", number(schema).ceil()).parse::<i64>().ok().map(Value::from),
        "number" => Some(json!(number(schema))),
        "boolean" => Some(json!(false)),
        _ => Some(Value::Null),
    }
}

/// What the schema itself gives as an instance.
fn given(schema: &Value) -> Option<Value> {
    let first = |key: &str| schema[key].as_array().and_then(|list| list.first());
    let given = first("examples").or(schema.get("example")).or(schema.get("default"));
    given.or(schema.get("const")).or(first("enum")).cloned()
}

fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ if schema.get("properties").is_some() || schema.get("required").is_some() => Some("object"),
        _ if schema.get("items").is_some() => Some("array"),
        _ => Some("string"),
    }
}

/// What is required, and what the schema itself gives besides.
fn object(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let mut object = Map::new();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    for (name, property) in properties {
        let value = if required.contains(&name.as_str()) {
            Some(instance(root, property, depth)?)
        } else {
            given(property).filter(|given| !given.is_null())
        };
        object.extend(value.map(|value| (name.clone(), value)));
    }
    for name in required.into_iter().filter(|name| !properties.contains_key(*name)) {
        object.insert(name.to_owned(), json!(""));
    }
    Some(Value::Object(object))
}

fn array(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let first = schema["prefixItems"].as_array().into_iter().flatten();
    let mut list: Vec<Value> = first.map(|item| instance(root, item, depth)).collect::<Option<_>>()?;
    let wanted = schema["minItems"].as_u64().unwrap_or(0).min(16);
    while (list.len() as u64) < wanted {
        list.push(instance(root, schema.get("items").unwrap_or(&Value::Bool(true)), depth)?);
    }
    Some(Value::Array(list))
}

fn text(schema: &Value) -> String {
    let text = match schema["format"].as_str().unwrap_or_default() {
        "date-time" => "2026-01-02T03:04:05Z",
        "date" => "2026-01-02",
        "time" => "03:04:05Z",
        "duration" => "PT1S",
        "email" => "ann@example.com",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "url" | "iri" | "uri-reference" => "https://example.com/",
        "uuid" => "123e4567-e89b-12d3-a456-426614174000",
        _ => "text",
    };
    let (least, most) = (schema["minLength"].as_u64().unwrap_or(0), schema["maxLength"].as_u64().unwrap_or(u64::MAX));
    let wanted = usize::try_from(least).unwrap_or(usize::MAX).min(256);
    let longer: String = text.chars().chain(std::iter::repeat('x')).take(text.chars().count().max(wanted)).collect();
    longer.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
}

fn number(schema: &Value) -> f64 {
    let limit = |key: &str| schema[key].as_f64();
    let step = limit("multipleOf").filter(|step| *step > 0.0);
    let least = limit("minimum").or_else(|| limit("exclusiveMinimum").map(|least| least + step.unwrap_or(1.0)));
    let most = limit("maximum").or_else(|| limit("exclusiveMaximum").map(|most| most - step.unwrap_or(1.0)));
    let wanted = least.unwrap_or(1.0).min(most.unwrap_or(f64::MAX));
    step.map_or(wanted, |step| (wanted / step).ceil() * step)
}

/// Objects as one, else the last.
fn merged(parts: Vec<Value>) -> Option<Value> {
    parts.into_iter().reduce(|one, other| match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            Value::Object(one)
        }
        (_, other) => other,
    })
}
