//! Schemas of tools as parts of a document: in one dialect, with references that hold there, or replaced if broken.

use std::collections::HashMap;

use janua_wire::percent;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};

use super::examples;

/// Characters of what is wrong with a schema.
const SAID: usize = 300;

/// A schema that fits into a document.
pub(super) struct Adopted {
    /// To be put where the schema is needed.
    pub(super) schema: Value,
    /// What the schema refers to, by the names it has among the document's.
    pub(super) components: Vec<(String, Value)>,
    /// An instance of it.
    pub(super) example: Option<Value>,
    /// Whether an empty object is an instance.
    pub(super) takes_nothing: bool,
}

/// The keywords of JSON Schema that hold one schema, or in older drafts a list.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Those that hold a list of schemas.
const MANY: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Those that hold schemas by name.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependentSchemas", "dependencies", "patternProperties", "properties"];

/// Does something to each schema directly within another.
pub(super) fn each(schema: &mut Value, act: &mut dyn FnMut(&mut Value)) {
    let Some(schema) = schema.as_object_mut() else { return };
    for (key, value) in schema {
        match value {
            Value::Array(list) if MANY.contains(&key.as_str()) => list.iter_mut().for_each(&mut *act),
            Value::Object(map) if NAMED.contains(&key.as_str()) => {
                // An older keyword may hold a list of names instead of a schema.
                map.values_mut().filter(|value| !value.is_array()).for_each(&mut *act);
            }
            Value::Object(_) | Value::Bool(_) if ONE.contains(&key.as_str()) => act(value),
            _ => {}
        }
    }
}

/// Fits the schema of a tool in. `name` is free for it and, with more behind a dot, for its parts.
pub(super) fn adopt(schema: Option<&Value>, name: &str) -> Adopted {
    let Some(schema) = schema else {
        let (schema, components, example) = (json!({"type": "object"}), Vec::new(), Some(json!({})));
        return Adopted { schema, components, example, takes_nothing: true };
    };
    let mut schema = schema.clone();
    modernise(&mut schema);
    match checked(&schema) {
        Ok(validator) => {
            let example = examples::of(&schema).filter(|example| validator.is_valid(example));
            let takes_nothing = validator.is_valid(&json!({}));
            let (schema, components) = hoisted(schema, name);
            Adopted { schema, components, example, takes_nothing }
        }
        Err(why) => {
            let why: String = why.chars().take(SAID).collect();
            let schema = json!({"type": "object", "x-mcp-schema-error": why});
            Adopted { schema, components: Vec::new(), example: None, takes_nothing: true }
        }
    }
}

/// The schema ready to be used, or what is wrong with it.
fn checked(schema: &Value) -> Result<Validator, String> {
    if schema.get("type").is_some_and(|kind| kind != "object") || !schema.is_object() {
        return Err("the schema of a tool must be of type object".to_owned());
    }
    if let Some(circle) = circular(schema) {
        return Err(format!("{circle} refers to itself and to nothing else"));
    }
    let mut options = jsonschema::options().with_draft(Draft::Draft202012);
    options = options.with_pattern_options(PatternOptions::regex());
    options.build(schema).map_err(|error| error.to_string())
}

/// A reference that leads back to itself without going into the instance: nothing could be checked against it.
fn circular(root: &Value) -> Option<String> {
    let (mut left, mut known) = (vec![root], HashMap::new());
    while let Some(schema) = left.pop() {
        if let Some(target) = looping(root, schema, &mut known) {
            return Some(target);
        }
        within(schema, &mut left);
    }
    None
}

/// The same from one schema on. `known` has the references followed so far, and whether that has come to its end.
fn looping<'a>(root: &'a Value, schema: &'a Value, known: &mut HashMap<&'a str, bool>) -> Option<String> {
    if let Some(target) = schema["$ref"].as_str() {
        match known.insert(target, false) {
            Some(false) => return Some(target.to_owned()),
            Some(true) => drop(known.insert(target, true)),
            None => {
                let found = pointed(root, target).and_then(|next| looping(root, next, known));
                known.insert(target, true);
                if found.is_some() {
                    return found;
                }
            }
        }
    }
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
    let mut same = lists.chain(["not", "if", "then", "else"].into_iter().filter_map(|key| schema.get(key)));
    same.find_map(|part| looping(root, part, known))
}

/// The schemas directly within another.
fn within<'a>(schema: &'a Value, parts: &mut Vec<&'a Value>) {
    let Some(schema) = schema.as_object() else { return };
    for (key, value) in schema {
        match value {
            Value::Array(list) if MANY.contains(&key.as_str()) => parts.extend(list),
            Value::Object(map) if NAMED.contains(&key.as_str()) => parts.extend(map.values()),
            Value::Object(_) if ONE.contains(&key.as_str()) => parts.push(value),
            _ => {}
        }
    }
}

/// What a reference within a document leads to.
pub(super) fn pointed<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    root.pointer(&unescaped(pointer))
}

/// A pointer in a fragment may be percent-encoded (RFC 6901 section 6).
fn unescaped(pointer: &str) -> String {
    String::from_utf8_lossy(&percent::decoded(pointer)).into_owned()
}

/// Says in the words of 2020-12 what older drafts said in others. The dialect is the document's business then.
fn modernise(schema: &mut Value) {
    each(schema, &mut modernise);
    let Some(schema) = schema.as_object_mut() else { return };
    schema.remove("$schema");
    schema.remove("$id");
    schema.remove("id");
    for (bound, strict) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        match schema.get(strict) {
            Some(Value::Bool(true)) => {
                let limit = schema.remove(bound);
                schema.remove(strict);
                schema.extend(limit.map(|limit| (strict.to_owned(), limit)));
            }
            Some(Value::Bool(false)) => drop(schema.remove(strict)),
            _ => {}
        }
    }
    if schema.get("items").is_some_and(Value::is_array) {
        let (items, rest) = (schema.remove("items"), schema.remove("additionalItems"));
        schema.extend(items.map(|items| ("prefixItems".to_owned(), items)));
        schema.extend(rest.map(|rest| ("items".to_owned(), rest)));
    }
    if let Some(Value::Object(dependencies)) = schema.remove("dependencies") {
        let (names, schemas): (Map<_, _>, Map<_, _>) =
            dependencies.into_iter().partition(|(_, value)| value.is_array());
        for (key, map) in [("dependentRequired", names), ("dependentSchemas", schemas)] {
            if !map.is_empty() {
                schema.insert(key.to_owned(), Value::Object(map));
            }
        }
    }
}

/// Makes whatever a schema refers to a component of the document, and lets the references lead there. A schema that
/// refers to nothing stays where it is.
fn hoisted(mut schema: Value, name: &str) -> (Value, Vec<(String, Value)>) {
    let mut targets = Vec::new();
    collect(&mut schema, &mut targets);
    let mut parts = Vec::new();
    for holder in ["$defs", "definitions"] {
        let Some(Value::Object(defs)) = schema.as_object_mut().and_then(|schema| schema.remove(holder)) else {
            continue;
        };
        for (key, part) in defs {
            parts.push((format!("/{holder}/{}", key.replace('~', "~0").replace('/', "~1")), key, part));
        }
    }
    if targets.is_empty() {
        return (schema, Vec::new());
    }
    let names: Vec<(String, String)> = named(&parts, name);
    let moved = |part: &mut Value| redirect(part, &names, name);
    let mut components: Vec<(String, Value)> = Vec::new();
    for ((_, component), (_, _, mut part)) in names.iter().zip(parts) {
        moved(&mut part);
        components.push((component.clone(), part));
    }
    moved(&mut schema);
    let at = format!("#/components/schemas/{name}");
    components.push((name.to_owned(), schema));
    (json!({"$ref": at}), components)
}

/// The names that the parts have among the document's.
fn named(parts: &[(String, String, Value)], name: &str) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> = Vec::new();
    for (pointer, key, _) in parts {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let wanted = format!("{name}.{}", key.chars().map(plain).collect::<String>());
        let (mut free, mut count) = (wanted.clone(), 1);
        while names.iter().any(|(_, taken)| *taken == free) {
            count += 1;
            free = format!("{wanted}_{count}");
        }
        names.push((pointer.clone(), free));
    }
    names
}

fn collect(schema: &mut Value, targets: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        targets.push(target.to_owned());
    }
    each(schema, &mut |part| collect(part, targets));
}

fn redirect(schema: &mut Value, names: &[(String, String)], root: &str) {
    each(schema, &mut |part| redirect(part, names, root));
    let Some(Value::String(target)) = schema.get_mut("$ref") else { return };
    let Some(pointer) = target.strip_prefix('#').map(unescaped) else { return };
    let within = |(at, name): &&(String, String)| {
        pointer.strip_prefix(at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && !name.is_empty()
    };
    *target = match names.iter().find(within) {
        Some((at, name)) => format!("#/components/schemas/{name}{}", &pointer[at.len()..]),
        None => format!("#/components/schemas/{root}{pointer}"),
    };
}
