//! Fills the placeholders of the catalogue's texts.
//!
//! `${a/b}` is the value at that path: text as it is, anything else as JSON, nothing if it is
//! missing; `${a/b|c}` falls back on `c`. A `*` in the path stands for each element, joined by
//! commas. `${#a}` is the number of elements or members, `${@a}` the member names, sorted.

use serde_json::Value;

/// The value with the placeholders of all its texts filled from the scope.
pub(super) fn fill(value: &Value, scope: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, scope)),
        Value::Array(items) => items.iter().map(|item| fill(item, scope)).collect(),
        Value::Object(members) => {
            let filled = members.iter().map(|(name, value)| (name.clone(), fill(value, scope)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
}

/// The text with its placeholders filled from the scope.
pub(super) fn fill_text(mut text: &str, scope: &Value) -> String {
    let mut filled = String::new();
    while let Some((before, after)) = text.split_once("${") {
        let (place, rest) = after.split_once('}').expect("each placeholder is closed");
        filled.push_str(before);
        let (path, fallback) = place.split_once('|').unwrap_or((place, ""));
        filled.push_str(&found(path, scope).unwrap_or_else(|| fallback.to_owned()));
        text = rest;
    }
    filled + text
}

fn found(path: &str, scope: &Value) -> Option<String> {
    if let Some(path) = path.strip_prefix('#') {
        let value = at(path, scope)?;
        let count = value.as_array().map(Vec::len);
        return count.or(value.as_object().map(serde_json::Map::len)).map(|count| count.to_string());
    }
    if let Some(path) = path.strip_prefix('@') {
        let mut names: Vec<&str> = at(path, scope)?.as_object()?.keys().map(String::as_str).collect();
        names.sort_unstable();
        return Some(names.join(", "));
    }
    if let Some((list, rest)) = path.split_once("/*/") {
        let items = at(list, scope)?.as_array()?;
        let each: Vec<String> = items.iter().filter_map(|item| found(rest, item)).collect();
        return Some(each.join(", "));
    }
    match at(path, scope)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn at<'a>(path: &str, scope: &'a Value) -> Option<&'a Value> {
    scope.pointer(&format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::fill_text;
    use serde_json::json;

    #[test]
    fn each_kind_of_placeholder_is_filled() {
        let scope = json!({"a": {"b": "x", "n": 1.5}, "list": [{"u": 1}, {"u": 2}]});
        for (text, filled) in [
            ("plain", "plain"),
            ("${a/b}-${a/n}", "x-1.5"),
            ("${a/none}|${a/none|else}", "|else"),
            ("${list/*/u}", "1, 2"),
            ("${#list} ${#a}", "2 2"),
            ("${@a}", "b, n"),
            ("all ${list}", r#"all [{"u":1},{"u":2}]"#),
        ] {
            assert_eq!(fill_text(text, &scope), filled);
        }
    }
}
