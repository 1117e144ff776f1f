//! The forms that servers have people fill in (2025-11-25 `client/elicitation`): field by field, over lines of text.

use std::io::{self, BufRead, Write};

use janua_wire::json::{Span, quote, unescape};
use janua_wire::raw;
use serde_json::Value;

use super::arguments::typed;
use super::clean;

/// What became of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// The content, a raw JSON object.
    Accepted(String),
    /// The person does not want to, and why, if there is nobody who could.
    Declined(Option<String>),
}

/// Who fills in the fields that have no answer yet.
pub(super) enum Filler<'a> {
    /// Lines of text, and where the questions go.
    Lines(&'a mut dyn BufRead, &'a mut dyn Write),
    /// Nobody.
    Nobody,
}

/// One choice of several: what it stands for, and what it is called.
type Choice = (String, String);

/// Fills in the form that `schema`, raw JSON, describes, in its order. Fields with an answer in `answers` are not asked for; the end of the
/// input, and an empty line where something is needed, decline.
pub(super) fn fill(schema: &[u8], answers: &[(String, String)], mut filler: Filler<'_>) -> io::Result<Filled> {
    let names = in_order(schema);
    let schema: Value = serde_json::from_slice(schema)?;
    let needed: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut content = Vec::new();
    for name in &names {
        let field = &schema["properties"][name];
        let is_needed = needed.contains(&name.as_str());
        let value = match answers.iter().find(|(key, _)| key == name) {
            Some((_, answer)) => match value(field, answer) {
                Ok(value) => Some(value),
                Err(wrong) => return Ok(Filled::Declined(Some(format!("the answer given for {name} {wrong}")))),
            },
            None => match &mut filler {
                Filler::Lines(input, output) => match ask(name, field, is_needed, input, output)? {
                    Field::Is(value) => Some(value),
                    Field::Empty => None,
                    Field::Declined => return Ok(Filled::Declined(None)),
                },
                Filler::Nobody if field.get("default").is_some() => Some(field["default"].to_string()),
                Filler::Nobody if is_needed => {
                    return Ok(Filled::Declined(Some(format!("there is no answer for {name}"))));
                }
                Filler::Nobody => None,
            },
        };
        content.extend(value.map(|value| format!("{}:{value}", quote(name))));
    }
    Ok(Filled::Accepted(format!("{{{}}}", content.join(","))))
}

/// The names of the fields in the order in which the server wrote them.
fn in_order(schema: &[u8]) -> Vec<String> {
    let properties = raw::find(schema, raw::whole(schema), "properties");
    let members = properties.and_then(|properties| raw::members(schema, properties)).unwrap_or_default();
    let name = |key: Span| String::from_utf8_lossy(&unescape(&schema[key.range()])).into_owned();
    members.into_iter().map(|(key, _)| name(key)).collect()
}

/// What became of one field.
enum Field {
    /// It has this value, raw.
    Is(String),
    /// It stays empty.
    Empty,
    /// The whole form is declined.
    Declined,
}

/// Asks for one field until the answer is valid.
fn ask(
    name: &str,
    field: &Value,
    is_needed: bool,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> io::Result<Field> {
    let choices = choices(field);
    describe(name, field, is_needed, &choices, output)?;
    loop {
        write!(output, "  {}: ", clean(title(name, field)))?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            writeln!(output)?;
            return Ok(Field::Declined);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Ok(match field.get("default") {
                Some(default) => Field::Is(default.to_string()),
                None if is_needed => Field::Declined,
                None => Field::Empty,
            });
        }
        match value(field, line) {
            Ok(value) => return Ok(Field::Is(value)),
            Err(wrong) => writeln!(output, "  {wrong}; try again, or Ctrl-D to decline")?,
        }
    }
}

fn title<'a>(name: &'a str, field: &'a Value) -> &'a str {
    field["title"].as_str().unwrap_or(name)
}

/// What a field is for, what it may be, and what an empty line means.
fn describe(name: &str, field: &Value, is_needed: bool, choices: &[Choice], output: &mut dyn Write) -> io::Result<()> {
    let empty = match field.get("default") {
        Some(default) => {
            let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            format!("empty: {}", clean(&text))
        }
        None if is_needed => "required; empty declines".to_owned(),
        None => "optional".to_owned(),
    };
    let about = field["description"].as_str().map(|about| format!(": {}", clean(about))).unwrap_or_default();
    writeln!(output, "{}{about} ({}; {empty})", clean(title(name, field)), kind(field, choices))?;
    for (at, (value, label)) in choices.iter().enumerate() {
        let label = if label == value { String::new() } else { format!("  {}", clean(label)) };
        writeln!(output, "    {}) {}{label}", at + 1, clean(value))?;
    }
    Ok(())
}

fn kind(field: &Value, choices: &[Choice]) -> String {
    match field["type"].as_str() {
        Some("array") => "any of these, separated by commas".to_owned(),
        _ if !choices.is_empty() => "one of these".to_owned(),
        Some("boolean") => "yes or no".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("number") => "a number".to_owned(),
        _ => field["format"].as_str().map_or_else(|| "text".to_owned(), |format| clean(format).into_owned()),
    }
}

/// The choices of a field, in each of the forms that revisions have for them.
fn choices(field: &Value) -> Vec<Choice> {
    let field = if field["type"] == "array" { &field["items"] } else { field };
    if let Some(values) = field["enum"].as_array() {
        let label = |at: usize, value: &str| field["enumNames"][at].as_str().unwrap_or(value).to_owned();
        let values = values.iter().filter_map(Value::as_str).enumerate();
        return values.map(|(at, value)| (value.to_owned(), label(at, value))).collect();
    }
    let titled = ["oneOf", "anyOf"].iter().find_map(|key| field[*key].as_array());
    let choice = |choice: &Value| {
        let value = choice["const"].as_str()?;
        Some((value.to_owned(), choice["title"].as_str().unwrap_or(value).to_owned()))
    };
    titled.into_iter().flatten().filter_map(choice).collect()
}

/// The raw JSON for an answer, or what is wrong with it.
fn value(field: &Value, answer: &str) -> Result<String, String> {
    let choices = choices(field);
    match field["type"].as_str() {
        Some("array") => several(field, &choices, answer),
        _ if !choices.is_empty() => chosen(&choices, answer).map(|value| quote(&value)),
        Some("boolean") => match answer.trim().to_lowercase().as_str() {
            "y" | "yes" | "true" => Ok("true".to_owned()),
            "n" | "no" | "false" => Ok("false".to_owned()),
            _ => Err("must be yes or no".to_owned()),
        },
        Some(kind @ ("integer" | "number")) => number(field, kind, answer),
        _ => text(field, answer),
    }
}

/// A choice by its number, its value or its title.
fn chosen(choices: &[Choice], answer: &str) -> Result<String, String> {
    let answer = answer.trim();
    let named = choices.iter().find(|(value, label)| value == answer || label.eq_ignore_ascii_case(answer));
    let numbered = || answer.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
    let found = named.or_else(numbered).map(|(value, _)| value.clone());
    found.ok_or_else(|| {
        format!("must be one of {}", choices.iter().map(|(v, _)| clean(v)).collect::<Vec<_>>().join(", "))
    })
}

fn several(field: &Value, choices: &[Choice], answer: &str) -> Result<String, String> {
    let words = answer.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut values = Vec::new();
    for word in words {
        let value = if choices.is_empty() { word.to_owned() } else { chosen(choices, word)? };
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let count = values.len() as u64;
    if field["minItems"].as_u64().is_some_and(|least| count < least) {
        return Err(format!("must be at least {}", field["minItems"]));
    }
    if field["maxItems"].as_u64().is_some_and(|most| count > most) {
        return Err(format!("must be at most {}", field["maxItems"]));
    }
    Ok(format!("[{}]", values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(",")))
}

fn number(field: &Value, kind: &str, answer: &str) -> Result<String, String> {
    let wrong = || if kind == "integer" { "must be a whole number" } else { "must be a number" }.to_owned();
    let raw = typed(answer, &[kind.to_owned()]).map_err(|_| wrong())?;
    let number: f64 = raw.parse().map_err(|_| wrong())?;
    if field["minimum"].as_f64().is_some_and(|least| number < least) {
        return Err(format!("must be at least {}", field["minimum"]));
    }
    if field["maximum"].as_f64().is_some_and(|most| number > most) {
        return Err(format!("must be at most {}", field["maximum"]));
    }
    Ok(raw)
}

fn text(field: &Value, answer: &str) -> Result<String, String> {
    let length = answer.chars().count() as u64;
    if field["minLength"].as_u64().is_some_and(|least| length < least) {
        return Err(format!("must have at least {} characters", field["minLength"]));
    }
    if field["maxLength"].as_u64().is_some_and(|most| length > most) {
        return Err(format!("must have at most {} characters", field["maxLength"]));
    }
    let fits = match field["format"].as_str() {
        Some("email") => answer.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
        Some("uri") => url::Url::parse(answer).is_ok(),
        Some("date") => is_date(answer),
        Some("date-time") => {
            answer.split_once(['T', 't', ' ']).is_some_and(|(date, time)| is_date(date) && is_time(time))
        }
        _ => true,
    };
    let example = match field["format"].as_str() {
        Some("email") => "an e-mail address",
        Some("uri") => "an address with its scheme, such as https://example.com",
        Some("date") => "a date as in 2026-07-28",
        _ => "a time as in 2026-07-28T09:30:00Z",
    };
    if fits { Ok(quote(answer)) } else { Err(format!("must be {example}")) }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |at: usize| parts.get(at).and_then(|part: &&str| part.parse::<u32>().ok());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [4, 2, 2]
        && number(1).is_some_and(|m| (1..=12).contains(&m))
        && number(2).is_some_and(|d| (1..=31).contains(&d))
}

/// `09:30:00`, with a fraction if need be, and a zone.
fn is_time(text: &str) -> bool {
    let (time, zone) = text.split_at(text.find(['Z', 'z', '+', '-']).unwrap_or(text.len()));
    let parts: Vec<&str> = time.split('.').next().unwrap_or_default().split(':').collect();
    let below = |at: usize, most: u32| parts[at].len() == 2 && parts[at].parse::<u32>().is_ok_and(|n| n < most);
    parts.len() == 3 && below(0, 24) && below(1, 60) && below(2, 61) && !zone.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(schema: &Value, typed: &str) -> (Filled, String) {
        let mut output = Vec::new();
        let mut input = typed.as_bytes();
        let outcome = fill(schema.to_string().as_bytes(), &[], Filler::Lines(&mut input, &mut output))
            .expect("memory does not fail");
        (outcome, String::from_utf8(output).expect("text"))
    }

    fn one(field: &Value, is_needed: bool, typed: &str) -> (Filled, String) {
        let required = if is_needed { json!(["f"]) } else { json!([]) };
        filled(&json!({"type": "object", "properties": {"f": field}, "required": required}), typed)
    }

    #[test]
    fn every_kind_of_field_is_read() {
        for (field, typed, wanted) in [
            (json!({"type": "string"}), "Ann\n", r#"{"f":"Ann"}"#),
            (json!({"type": "string", "format": "email"}), "a@b.c\n", r#"{"f":"a@b.c"}"#),
            (json!({"type": "string", "format": "date"}), "2026-07-28\n", r#"{"f":"2026-07-28"}"#),
            (
                json!({"type": "string", "format": "date-time"}),
                "2026-07-28T09:30:00.5Z\n",
                r#"{"f":"2026-07-28T09:30:00.5Z"}"#,
            ),
            (json!({"type": "integer", "minimum": 1}), "5\r\n", r#"{"f":5}"#),
            (json!({"type": "number"}), "1.50", r#"{"f":1.50}"#),
            (json!({"type": "boolean"}), "Y\n", r#"{"f":true}"#),
            (json!({"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}), "green\n", r#"{"f":"g"}"#),
            (json!({"type": "string", "oneOf": [{"const": "r", "title": "Red"}]}), "1\n", r#"{"f":"r"}"#),
            (json!({"type": "array", "items": {"enum": ["a", "b", "c"]}}), "c, 1\n", r#"{"f":["c","a"]}"#),
            (json!({"type": "array", "items": {"anyOf": [{"const": "a", "title": "A a"}]}}), "A a\n", r#"{"f":["a"]}"#),
            (json!({"type": "string", "default": "d"}), "\n", r#"{"f":"d"}"#),
            (json!({"type": "integer"}), "\n", "{}"),
        ] {
            let (outcome, said) = one(&field, false, typed);
            assert_eq!(outcome, Filled::Accepted(wanted.to_owned()), "{said}");
        }
    }

    #[test]
    fn what_is_invalid_is_asked_for_again() {
        for (field, typed, complaint) in [
            (json!({"type": "integer", "minimum": 18}), "x\n7\n21\n", "must be at least 18"),
            (json!({"type": "string", "format": "email"}), "nobody\na@b\n", "must be an e-mail address"),
            (json!({"type": "string", "maxLength": 3}), "four\nx\n", "at most 3 characters"),
            (json!({"type": "string", "enum": ["a", "b"]}), "c\n3\nb\n", "must be one of a, b"),
            (json!({"type": "boolean"}), "maybe\nno\n", "must be yes or no"),
            (json!({"type": "array", "minItems": 2, "items": {"enum": ["a", "b"]}}), "a\na,b\n", "must be at least 2"),
            (json!({"type": "string", "format": "date"}), "28.7.2026\n2026-07-28\n", "must be a date"),
        ] {
            let (outcome, said) = one(&field, true, typed);
            assert!(matches!(outcome, Filled::Accepted(_)), "{said}");
            assert!(said.contains(complaint), "{said}");
        }
    }

    #[test]
    fn the_end_of_the_input_declines() {
        let field = json!({"type": "string"});
        assert_eq!(one(&field, true, "").0, Filled::Declined(None));
        assert_eq!(one(&field, false, "").0, Filled::Declined(None));
        assert_eq!(one(&field, true, "\n").0, Filled::Declined(None));
    }

    #[test]
    fn answers_given_before_are_not_asked_for() {
        let schema = json!({"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a", "b"]});
        let schema = schema.to_string();
        let schema = schema.as_bytes();
        let answers = vec![("a".to_owned(), "4".to_owned())];
        let (mut input, mut output) = (&b"x\n"[..], Vec::new());
        let outcome = fill(schema, &answers, Filler::Lines(&mut input, &mut output)).expect("read");
        assert_eq!(outcome, Filled::Accepted(r#"{"a":4,"b":"x"}"#.to_owned()));
        let Filled::Declined(Some(why)) = fill(schema, &answers, Filler::Nobody).expect("read") else {
            panic!("filled")
        };
        assert!(why.contains('b'), "{why}");
        let wrong = vec![("a".to_owned(), "s3cret".to_owned())];
        let Filled::Declined(Some(why)) = fill(schema, &wrong, Filler::Nobody).expect("read") else { panic!("filled") };
        assert!(why.contains("whole number") && !why.contains("s3cret"), "{why}");
    }

    #[test]
    fn fields_are_asked_for_in_the_order_of_the_server() {
        let schema = br#"{"properties":{"z":{"type":"string"},"a":{"type":"string"}}}"#;
        let (mut input, mut output) = (&b"1\n2\n"[..], Vec::new());
        let outcome = fill(schema, &[], Filler::Lines(&mut input, &mut output)).expect("read");
        assert_eq!(outcome, Filled::Accepted(r#"{"z":"1","a":"2"}"#.to_owned()));
    }

    #[test]
    fn a_server_cannot_write_to_the_terminal_what_it_likes() {
        let field = json!({"type": "string", "title": "\u{1b}[2Jname", "description": "\u{1b}]0;x\u{7}"});
        let (_, said) = one(&field, true, "x\n");
        assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
    }
}
