//! What a configuration file says, in any of its formats.

use std::fmt::Write;

/// A value of a configuration file. Maps keep their order; numbers and dates keep their spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number or a date, as it is written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of the file.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// An empty map.
    pub const EMPTY: Value = Value::Map(Vec::new());

    /// Text as a value.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// A list of texts.
    pub fn texts<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Value {
        Value::List(texts.into_iter().map(Value::text).collect())
    }

    /// A map of texts.
    pub fn pairs(pairs: &[(String, String)]) -> Value {
        Value::Map(pairs.iter().map(|(key, value)| (key.clone(), Value::text(value))).collect())
    }

    /// The member of a map under a key; the last one, if there are several.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.members().iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// What is at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The members of a map; none, if this is not a map.
    pub fn members(&self) -> &[(String, Value)] {
        match self {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    /// The items of a list; none, if this is not a list.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as people would write it into an environment variable or an argument.
    pub fn spelled(&self) -> Option<String> {
        match self {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The same with the value at `path` set, or taken out.
    pub(super) fn with(&self, path: &[&str], value: Option<&Value>) -> Value {
        let Some((key, rest)) = path.split_first() else { return value.cloned().unwrap_or(Value::EMPTY) };
        let mut members = self.members().to_vec();
        let at = members.iter().rposition(|(name, _)| name == key);
        match (at, value) {
            (Some(at), None) if rest.is_empty() => drop(members.remove(at)),
            (Some(at), _) => members[at].1 = members[at].1.with(rest, value),
            (None, Some(_)) => members.push(((*key).to_owned(), Value::EMPTY.with(rest, value))),
            (None, None) => {}
        }
        Value::Map(members)
    }

    /// Whether both say the same. The order of maps counts for nothing, and neither do members that are empty:
    /// where the last server is taken out, one format keeps an empty table and the other none.
    pub(super) fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Map(one), Value::Map(other)) => {
                let (one, other) = (sorted(one), sorted(other));
                one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| a.0 == b.0 && a.1.same(&b.1))
            }
            (Value::List(one), Value::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
            }
            _ => self == other,
        }
    }

    fn says_nothing(&self) -> bool {
        matches!(self, Value::Null) || *self == Value::EMPTY
    }

    /// The value as JSON in one line.
    pub fn to_json(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) if is_json_number(number) => number.clone(),
            Value::Number(text) | Value::Text(text) => quoted(text),
            Value::List(items) => format!("[{}]", items.iter().map(Value::to_json).collect::<Vec<_>>().join(", ")),
            Value::Map(members) => {
                let members = members.iter().map(|(key, value)| format!("{}: {}", quoted(key), value.to_json()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The value as JSON for people: a member a line, lists of scalars in one.
    ///
    /// `indent` is what the lines after the first begin with, `unit` what each level adds.
    pub fn to_pretty_json(&self, indent: &str, unit: &str, newline: &str) -> String {
        let inner = format!("{indent}{unit}");
        let lines = |open: char, parts: Vec<String>, close: char| {
            let body = parts.join(&format!(",{newline}{inner}"));
            format!("{open}{newline}{inner}{body}{newline}{indent}{close}")
        };
        match self {
            Value::Map(members) if !members.is_empty() => {
                let part = |(key, value): &(String, Value)| {
                    format!("{}: {}", quoted(key), value.to_pretty_json(&inner, unit, newline))
                };
                lines('{', members.iter().map(part).collect(), '}')
            }
            Value::List(items) if items.iter().any(|item| matches!(item, Value::List(_) | Value::Map(_))) => {
                lines('[', items.iter().map(|item| item.to_pretty_json(&inner, unit, newline)).collect(), ']')
            }
            _ => self.to_json(),
        }
    }
}

fn sorted(members: &[(String, Value)]) -> Vec<&(String, Value)> {
    let mut members: Vec<_> = members.iter().filter(|(_, value)| !value.says_nothing()).collect();
    members.sort_by(|one, other| one.0.cmp(&other.0));
    members
}

/// RFC 8259, section 6.
fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(one, other)| (one, Some(other)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(one, other)| (one, Some(other)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// A JSON string, which is a YAML and a TOML string too.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
