//! What a JSON Schema says of the parameters of a tool, as far as people who call it need to know.

use std::fmt::Write as _;

use serde_json::Value;

/// References are followed no deeper.
const DEEPEST: usize = 8;
/// More alternatives are not looked at.
const MANY: usize = 64;

/// What a schema that refers to another place of its document leads to.
fn followed<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..DEEPEST {
        let Some(pointer) = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#')) else { break };
        let Some(found) = root.pointer(pointer) else { break };
        schema = found;
    }
    schema
}

/// The schema of a property.
pub(super) fn property<'a>(root: &'a Value, within: &'a Value, name: &str) -> Option<&'a Value> {
    followed(root, within)["properties"].get(name)
}

/// The names of all properties.
pub(super) fn names(within: &Value) -> Vec<&str> {
    within["properties"].as_object().map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// The names of the properties that must be there.
pub(super) fn required(within: &Value) -> Vec<&str> {
    within["required"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// Whether a name that is not among the properties is a mistake. A schema that names some and says nothing of others
/// is taken to have named all.
pub(super) fn is_closed(root: &Value, within: &Value) -> bool {
    let within = followed(root, within);
    let open = !matches!(within["additionalProperties"], Value::Null | Value::Bool(false));
    let told = within["properties"].as_object().is_some_and(|all| !all.is_empty());
    let shut = within["additionalProperties"] == false || told;
    shut && !open && within.get("patternProperties").is_none()
}

/// The schema of a list's items.
pub(super) fn items<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    variants(root, schema).into_iter().find_map(|schema| schema.get("items"))
}

/// The types that a value may have; none if the schema does not say.
pub(super) fn kinds(root: &Value, schema: &Value) -> Vec<String> {
    let mut kinds = Vec::new();
    for schema in variants(root, schema) {
        let named: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => schema["enum"].as_array().into_iter().flatten().chain(schema.get("const")).map(kind).collect(),
        };
        for kind in named {
            if !kinds.iter().any(|known| known == kind) {
                kinds.push(kind.to_owned());
            }
        }
    }
    kinds
}

/// A schema, or the alternatives that it stands for.
fn variants<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    for _ in 0..MANY {
        let Some(schema) = open.pop() else { break };
        let schema = followed(root, schema);
        match ["anyOf", "oneOf"].iter().find_map(|key| schema[*key].as_array()) {
            Some(inner) => open.extend(inner.iter().rev()),
            None => found.push(schema),
        }
    }
    found
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The parameters that a schema describes, a line each, the required ones first.
pub(in crate::cli) fn parameters(schema: &Value) -> String {
    let required = required(schema);
    let mut names = names(schema);
    names.sort_by_key(|name| (!required.contains(name), required.iter().position(|known| known == name)));
    let rows: Vec<(String, &Value)> = names
        .iter()
        .filter_map(|name| {
            let property = property(schema, schema, name)?;
            let sign = if required.contains(name) { " (required)" } else { "" };
            Some((format!("{name}={}{sign}", described(schema, property)), property))
        })
        .collect();
    let mut out = String::new();
    for (head, property) in rows {
        let about = followed(schema, property)["description"].as_str().or(property["description"].as_str());
        let _ = writeln!(out, "  {head}");
        for line in about.unwrap_or_default().trim().lines() {
            let _ = writeln!(out, "      {line}");
        }
    }
    out
}

/// What a value may be, in words.
fn described(root: &Value, property: &Value) -> String {
    let choices: Vec<String> = variants(root, property)
        .into_iter()
        .flat_map(|schema| schema["enum"].as_array().into_iter().flatten().chain(schema.get("const")))
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    let mut text = match kinds(root, property) {
        _ if !choices.is_empty() => choices.join("|"),
        kinds if kinds.is_empty() => "ANY".to_owned(),
        kinds => kinds.join("|").to_uppercase(),
    };
    if let Some(items) = items(root, property) {
        let _ = write!(text, " of {}", described(root, items));
    }
    if let Some(default) = property.get("default") {
        let _ = write!(text, " [default: {default}]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_are_told_the_required_ones_first() {
        let schema = json!({
            "properties": {
                "depth": {"type": "integer", "default": 3, "description": "How deep."},
                "mode": {"enum": ["r", "w"]},
                "path": {"type": "string", "description": "Where."},
                "tags": {"type": "array", "items": {"type": "string"}}
            },
            "required": ["path"]
        });
        let wanted = "  path=STRING (required)\n      Where.\n  depth=INTEGER [default: 3]\n      How deep.\n  \
                      mode=r|w\n  tags=ARRAY of STRING\n";
        assert_eq!(parameters(&schema), wanted);
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_an_end() {
        let schema = json!({"anyOf": [{"type": "string"}, {"$ref": "#"}, {"$ref": "#"}]});
        assert_eq!(kinds(&schema, &schema), ["string"]);
        assert!(kinds(&json!({"$ref": "#"}), &json!({"$ref": "#"})).is_empty());
    }
}
