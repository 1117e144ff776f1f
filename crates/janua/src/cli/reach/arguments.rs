//! Arguments of a tool or prompt as people type them, and the JSON that they stand for.

use std::fmt::Write as _;
use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use janua_wire::json::quote;
use serde_json::Value;

use super::schema;
use janua::config::nearest;

/// A JSON object as it comes about; values keep the text they were given in.
#[derive(Debug, Default)]
struct Object(Vec<(String, Part)>);

#[derive(Debug)]
enum Part {
    /// Any JSON value, raw.
    Raw(String),
    Object(Object),
    /// A list that further words add to.
    List(Vec<String>),
}

/// One word: `key=text`, `key:=json`, either with `@file` or `@-` behind the sign.
struct Word<'a> {
    key: &'a str,
    value: String,
    is_json: bool,
}

/// The arguments that `words` stand for, as raw JSON, typed by `schema`. They go over those of `base`, a raw object.
/// Problems are all told at once; none shows a value, which may be a secret.
pub(in crate::cli) fn read(words: &[String], schema: &Value, base: Option<&str>) -> Result<String> {
    let mut object = base.map(of_text).transpose()?.unwrap_or_default();
    let mut wrong = Vec::new();
    for word in words {
        let word = Word::read(word)?;
        if let Err(error) = object.put(&word, schema) {
            wrong.push(format!("{error:#}"));
        }
    }
    let is_given = |name: &str| {
        let typed =
            words.iter().any(|word| word.strip_prefix(name).is_some_and(|rest| rest.starts_with(['=', ':', '.'])));
        typed || object.0.iter().any(|(key, _)| key == name)
    };
    let missing = schema::required(schema).into_iter().filter(|name| !is_given(name));
    wrong.extend(missing.map(|name| format!("{name} is missing")));
    if wrong.is_empty() { Ok(object.text()) } else { bail!("{}", wrong.join("; ")) }
}

/// The raw JSON object that `text` holds or leads to: `{…}`, `@file`, `-` for standard input.
pub(in crate::cli) fn whole(text: &str) -> Result<String> {
    let text = match text.strip_prefix('@') {
        Some(path) => file(path)?,
        None if text == "-" => file("-")?,
        None => text.to_owned(),
    };
    let text = text.trim().to_owned();
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(_)) => Ok(text),
        Ok(_) => bail!("the arguments must be a JSON object"),
        Err(error) => bail!("the arguments are no JSON: line {}, column {}", error.line(), error.column()),
    }
}

fn of_text(text: &str) -> Result<Object> {
    let map: serde_json::Map<String, Value> = serde_json::from_str(text).context("the arguments are no JSON object")?;
    Ok(Object(map.into_iter().map(|(key, value)| (key, Part::Raw(value.to_string()))).collect()))
}

fn file(path: &str) -> Result<String> {
    if path == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("read {path}"))
}

impl<'a> Word<'a> {
    fn read(word: &'a str) -> Result<Self> {
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty() && *key != ":") else {
            bail!("an argument is written NAME=VALUE, NAME:=JSON or NAME=@FILE, not as the word {word:?} alone");
        };
        let (key, is_json) = key.strip_suffix(':').map_or((key, false), |key| (key, true));
        let value = match value.strip_prefix('@') {
            Some(path) => file(path).with_context(|| format!("argument {key}"))?,
            None => value.to_owned(),
        };
        Ok(Word { key, value, is_json })
    }
}

impl Object {
    /// Puts a word's value where its key says. A name with dots that the schema knows as a whole is one name.
    fn put(&mut self, word: &Word<'_>, schema: &Value) -> Result<()> {
        let mut path: Vec<&str> = word.key.split('.').collect();
        if schema::property(schema, schema, word.key).is_some() {
            path = vec![word.key];
        }
        let (mut object, mut within) = (self, Some(schema));
        for (at, name) in path.iter().enumerate() {
            let known = within.and_then(|within| schema::property(schema, within, name));
            if known.is_none() && within.is_some_and(|within| schema::is_closed(schema, within)) {
                let near = nearest(name, &schema::names(within.unwrap_or(schema)));
                bail!(
                    "{} is not known{}",
                    path[..=at].join("."),
                    near.map(|n| format!(", did you mean {n}?")).unwrap_or_default()
                );
            }
            if at + 1 == path.len() {
                return object.set(name, word, schema, known);
            }
            object = object
                .below(name)
                .with_context(|| format!("{} has a value of its own already", path[..=at].join(".")))?;
            within = known;
        }
        Ok(())
    }

    fn below(&mut self, name: &str) -> Option<&mut Object> {
        let at = self.0.iter().position(|(key, _)| key == name).unwrap_or_else(|| {
            self.0.push((name.to_owned(), Part::Object(Object::default())));
            self.0.len() - 1
        });
        match &mut self.0[at].1 {
            Part::Object(object) => Some(object),
            Part::Raw(_) | Part::List(_) => None,
        }
    }

    fn set(&mut self, name: &str, word: &Word<'_>, root: &Value, known: Option<&Value>) -> Result<()> {
        let key = word.key;
        let kinds = known.map(|known| schema::kinds(root, known)).unwrap_or_default();
        let lists =
            !word.is_json && kinds.iter().any(|kind| kind == "array") && !word.value.trim_start().starts_with('[');
        if lists && !kinds.iter().any(|kind| kind == "string") {
            let items = known.and_then(|known| schema::items(root, known));
            let of_items = items.map(|items| schema::kinds(root, items)).unwrap_or_default();
            let item = typed(&word.value, &of_items).with_context(|| format!("{key} takes a list, its items"))?;
            return self.add(name, item).with_context(|| format!("{key} is given as a whole already"));
        }
        let raw = if word.is_json {
            check(&word.value).with_context(|| format!("{key} is no JSON"))?
        } else {
            typed(&word.value, &kinds).with_context(|| key.to_owned())?
        };
        self.0.retain(|(key, _)| key != name);
        self.0.push((name.to_owned(), Part::Raw(raw)));
        Ok(())
    }

    fn add(&mut self, name: &str, item: String) -> Option<()> {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, Part::List(items))) => items.push(item),
            Some(_) => return None,
            None => self.0.push((name.to_owned(), Part::List(vec![item]))),
        }
        Some(())
    }

    fn text(&self) -> String {
        let mut out = String::from("{");
        for (at, (key, part)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let value = match part {
                Part::Raw(raw) => raw.clone(),
                Part::Object(object) => object.text(),
                Part::List(items) => format!("[{}]", items.join(",")),
            };
            let _ = write!(out, "{comma}{}:{value}", quote(key));
        }
        out.push('}');
        out
    }
}

/// The raw JSON for `text` where the schema allows `kinds`; without any, it is text.
pub(super) fn typed(text: &str, kinds: &[String]) -> Result<String> {
    let allows = |kind: &str| kinds.iter().any(|allowed| allowed == kind);
    if kinds.is_empty() || kinds == ["string"] {
        return Ok(quote(text));
    }
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let fits = match &value {
            // What reads like nothing is more likely a word.
            Value::Null => allows("null") && !allows("string"),
            Value::Bool(_) => allows("boolean"),
            Value::Number(number) => {
                allows("number") || (allows("integer") && !number.is_f64()) || whole_number(text, &allows)
            }
            Value::String(_) => false,
            Value::Array(_) => allows("array"),
            Value::Object(_) => allows("object"),
        };
        if fits {
            return Ok(text.trim().to_owned());
        }
    }
    if allows("string") {
        return Ok(quote(text));
    }
    bail!("must be {}", kinds.join(" or "))
}

/// An integer that is too large for the types of Rust, or written with an empty fraction.
fn whole_number(text: &str, allows: &impl Fn(&str) -> bool) -> bool {
    let text = text.trim().trim_start_matches('-');
    let digits = text.strip_suffix(".0").unwrap_or(text);
    allows("integer") && digits.bytes().all(|b| b.is_ascii_digit())
}

fn check(text: &str) -> Result<String> {
    let text = text.trim();
    if janua_wire::json::check(text.as_bytes()).is_err() {
        bail!("it cannot be read");
    }
    Ok(text.replace(['\r', '\n'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(words: &[&str], schema: &Value) -> Result<String> {
        read(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(), schema, None)
    }

    fn everything() -> Value {
        json!({
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "count": {"type": "integer"},
                "ratio": {"type": "number"},
                "deep": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "sizes": {"type": "array", "items": {"type": "integer"}},
                "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "either": {"type": ["string", "integer"]},
                "level": {"$ref": "#/$defs/Level"},
                "a.b": {"type": "string"},
                "nested": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
            },
            "$defs": {"Level": {"enum": [1, 2, 3]}}
        })
    }

    #[test]
    fn the_schema_says_what_a_word_is() {
        for (words, wanted) in [
            (&["text=5"][..], r#"{"text":"5"}"#),
            (&["text=a=b"], r#"{"text":"a=b"}"#),
            (&["text="], r#"{"text":""}"#),
            (&["count=5"], r#"{"count":5}"#),
            (&["count=123456789012345678901234567890"], r#"{"count":123456789012345678901234567890}"#),
            (&["ratio=1.50"], r#"{"ratio":1.50}"#),
            (&["deep=true"], r#"{"deep":true}"#),
            (&["tags=a", "tags=5"], r#"{"tags":["a","5"]}"#),
            (&["tags=[\"x\"]"], r#"{"tags":["x"]}"#),
            (&["sizes=4"], r#"{"sizes":[4]}"#),
            (&["maybe=null"], r#"{"maybe":null}"#),
            (&["maybe=7"], r#"{"maybe":7}"#),
            (&["either=7"], r#"{"either":7}"#),
            (&["either=x"], r#"{"either":"x"}"#),
            (&["level=2"], r#"{"level":2}"#),
            (&["a.b=x"], r#"{"a.b":"x"}"#),
            (&["nested.n=3", "text=x"], r#"{"nested":{"n":3},"text":"x"}"#),
            (&["nested={\"n\": 1}"], r#"{"nested":{"n": 1}}"#),
            (&["text:=[1]"], r#"{"text":[1]}"#),
        ] {
            assert_eq!(given(words, &everything()).expect("valid"), wanted, "{words:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_value() {
        for (words, wanted) in [
            (&["count=s3cret"][..], "count: must be integer"),
            (&["count=1.5"], "count: must be integer"),
            (&["deep=yes"], "deep: must be boolean"),
            (&["sizes=s3cret"], "sizes takes a list, its items: must be integer"),
            (&["cuont=1"], "cuont is not known, did you mean count?"),
            (&["nested.m=1"], "nested.m is not known"),
            (&["text:={s3cret"], "text is no JSON: it cannot be read"),
            (&["tags=[1]", "tags=2"], "tags is given as a whole already"),
            (&["nested={}", "nested.n=2"], "nested has a value of its own already"),
            (&["deep=1", "nope=2"], "deep: must be boolean; nope is not known"),
        ] {
            let error = given(words, &everything()).expect_err("wrong").to_string();
            assert!(error.contains(wanted) && !error.contains("s3cret"), "{words:?}: {error}");
        }
        assert!(given(&["alone"], &everything()).is_err());
    }

    #[test]
    fn what_is_required_must_be_there() {
        let schema = json!({"properties": {"path": {"type": "string"}}, "required": ["path", "mode"]});
        assert_eq!(given(&["path=x"], &schema).expect_err("wrong").to_string(), "mode is missing");
        let schema = json!({"properties": {"n": {"type": "integer"}}, "required": ["n"]});
        assert_eq!(given(&["n=x"], &schema).expect_err("wrong").to_string(), "n: must be integer");
        let words = ["mode=w".to_owned()];
        let schema = json!({"properties": {"path": {}, "mode": {}}, "required": ["path", "mode"]});
        assert_eq!(
            read(&words, &schema, Some(r#"{"path":"p","mode":"r"}"#)).expect("valid"),
            r#"{"path":"p","mode":"w"}"#
        );
    }

    #[test]
    fn a_schema_that_says_nothing_takes_everything_as_text() {
        assert_eq!(given(&["x=1", "y.z=2"], &json!({"type": "object"})).expect("valid"), r#"{"x":"1","y":{"z":"2"}}"#);
    }

    #[test]
    fn a_file_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        std::fs::write(&path, "from the file").expect("written");
        let word = format!("text=@{}", path.display());
        assert_eq!(given(&[&word], &everything()).expect("valid"), r#"{"text":"from the file"}"#);
        assert!(whole("[1]").is_err() && whole("{\"a\":1}").is_ok());
    }
}
