//! The arguments of a call as callers of mcpo write them: checked against the tool's schema, mended where it is plain
//! what is meant, and what is wrong with them in FastAPI's form.

use std::borrow::Cow;

use bytes::Bytes;
use janua_wire::json::{self, Fault};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{JsonType, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

/// What the arguments of one tool must be.
pub(super) struct Arguments(Option<Validator>);

/// What is wrong with a body, one element for each fault.
pub(super) type Faults = Vec<Value>;

/// What is changed in arguments that do not fit.
enum Mend {
    Set(String, Value),
    Drop(String, String),
}

/// What is put right can make the next thing visible; nobody means something that has to be put right more often.
const ROUNDS: usize = 4;

impl Arguments {
    /// Those that a tool's `schema` describes. One that cannot be used checks nothing: the server does that itself.
    pub(super) fn of(schema: Option<&Value>) -> Self {
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        Arguments(schema.and_then(|schema| options.build(schema).ok()))
    }

    /// The arguments in a body: as they are if they fit, mended if that makes them fit.
    ///
    /// A caller that quotes a number or names a null means what the schema says; what the schema does not know is not
    /// passed on to a server that would refuse it.
    pub(super) fn read<'a>(&self, body: &'a Bytes) -> Result<Cow<'a, [u8]>, Faults> {
        let text = if body.iter().all(u8::is_ascii_whitespace) { &b"{}"[..] } else { body };
        json::check(text).map_err(|fault| vec![broken(fault)])?;
        let Ok(mut value) = serde_json::from_slice::<Value>(text) else { return Err(vec![broken(Fault::Syntax(0))]) };
        if !value.is_object() {
            return Err(vec![fault("model_attributes_type", &[], OBJECT, &value)]);
        }
        let Some(validator) = &self.0 else { return Ok(Cow::Borrowed(text)) };
        if validator.is_valid(&value) {
            return Ok(Cow::Borrowed(text));
        }
        for _ in 0..ROUNDS {
            let mends: Vec<Mend> = validator.iter_errors(&value).filter_map(|error| mend(&error)).flatten().collect();
            if mends.is_empty() {
                break;
            }
            for mend in mends {
                mend.apply(&mut value);
            }
            if validator.is_valid(&value) {
                return Ok(Cow::Owned(value.to_string().into_bytes()));
            }
        }
        Err(validator.iter_errors(&value).flat_map(|error| told(&error)).collect())
    }
}

/// What makes the place that an error is about fit, if it is plain.
fn mend(error: &ValidationError<'_>) -> Option<Vec<Mend>> {
    let at = error.instance_path();
    match error.kind() {
        ValidationErrorKind::Type { .. } if error.instance().is_null() => {
            let (holder, name) = at.as_str().rsplit_once('/')?;
            Some(vec![Mend::Drop(holder.to_owned(), unescaped(name))])
        }
        ValidationErrorKind::Type { kind } => {
            let value = types(kind).into_iter().find_map(|kind| converted(error.instance(), kind))?;
            Some(vec![Mend::Set(at.as_str().to_owned(), value)])
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            Some(unexpected.iter().map(|name| Mend::Drop(at.as_str().to_owned(), name.clone())).collect())
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => context
            .iter()
            .find_map(|branch| branch.iter().map(mend).collect::<Option<Vec<_>>>())
            .map(|mends| mends.into_iter().flatten().collect()),
        _ => None,
    }
}

impl Mend {
    fn apply(self, arguments: &mut Value) {
        match self {
            Mend::Set(at, value) => {
                if let Some(place) = arguments.pointer_mut(&at) {
                    *place = value;
                }
            }
            Mend::Drop(holder, name) => {
                if let Some(Value::Object(members)) = arguments.pointer_mut(&holder) {
                    members.remove(&name);
                }
            }
        }
    }
}

/// A token of a JSON pointer as the name it stands for (RFC 6901, section 4).
fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn types(kind: &TypeKind) -> Vec<JsonType> {
    match kind {
        TypeKind::Single(kind) => vec![*kind],
        TypeKind::Multiple(kinds) => kinds.iter().collect(),
    }
}

/// The value that was written in another type.
fn converted(value: &Value, kind: JsonType) -> Option<Value> {
    match (kind, value) {
        (JsonType::Integer, Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        (JsonType::Integer | JsonType::Number, Value::Bool(set)) => Some(Value::from(u8::from(*set))),
        (JsonType::Number, Value::String(text)) => {
            let number = text.trim().parse::<f64>().ok()?;
            serde_json::Number::from_f64(number).map(Value::Number)
        }
        (JsonType::Boolean, Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(Value::Bool(true)),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        (JsonType::Boolean, Value::Number(number)) => match number.as_f64() {
            Some(0.0) => Some(Value::Bool(false)),
            Some(1.0) => Some(Value::Bool(true)),
            _ => None,
        },
        _ => None,
    }
}

const OBJECT: &str = "Input should be a valid dictionary or object to extract fields from";

/// What is wrong with a body that is no JSON.
fn broken(fault: Fault) -> Value {
    let at = match fault {
        Fault::Syntax(at) | Fault::Duplicate(at) | Fault::Lookalike(at) => at,
        Fault::Utf8 | Fault::Depth => 0,
    };
    let error = fault.to_string();
    json!({"type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error", "input": {}, "ctx": {"error": error}})
}

fn fault(kind: &str, at: &[Value], message: &str, input: &Value) -> Value {
    let place: Vec<&Value> = at.iter().collect();
    let mut place = json!(place);
    if let Some(list) = place.as_array_mut() {
        list.insert(0, "body".into());
    }
    json!({"type": kind, "loc": place, "msg": message, "input": input})
}

/// An error of a check in FastAPI's words; one about alternatives says what is wrong with each but null.
fn told(error: &ValidationError<'_>) -> Faults {
    let input = error.instance();
    let mut at = place(error.instance_path());
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            at.push(property.clone());
            vec![fault("missing", &at, "Field required", input)]
        }
        ValidationErrorKind::Type { kind } => {
            let kinds = types(kind);
            let said = kinds.iter().filter(|kind| **kind != JsonType::Null || kinds.len() == 1);
            said.map(|kind| typed(*kind, input)).map(|(kind, message)| fault(kind, &at, message, input)).collect()
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let is_null = |error: &&ValidationError<'_>| {
                matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) })
            };
            context.iter().flatten().filter(|error| !is_null(error)).flat_map(told).collect()
        }
        _ => {
            let mut faults = fault("value_error", &at, &error.masked_with("the value").to_string(), input);
            if let Some(fault) = faults.as_object_mut() {
                fault.insert("ctx".to_owned(), Value::Object(Map::from_iter([keyword(error)])));
            }
            vec![faults]
        }
    }
}

/// Which rule of the schema is broken.
fn keyword(error: &ValidationError<'_>) -> (String, Value) {
    ("rule".to_owned(), error.kind().keyword().into())
}

fn place(location: &Location) -> Vec<Value> {
    let segment = |segment| match segment {
        LocationSegment::Property(name) => Value::from(name.into_owned()),
        LocationSegment::Index(at) => Value::from(at),
    };
    location.iter().map(segment).collect()
}

/// The kind and the words of a value of the wrong type.
fn typed(wanted: JsonType, input: &Value) -> (&'static str, &'static str) {
    match (wanted, input) {
        (JsonType::Integer, Value::String(_)) => {
            ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
        }
        (JsonType::Integer, Value::Number(_)) => {
            ("int_from_float", "Input should be a valid integer, got a number with a fractional part")
        }
        (JsonType::Integer, _) => ("int_type", "Input should be a valid integer"),
        (JsonType::Number, Value::String(_)) => {
            ("float_parsing", "Input should be a valid number, unable to parse string as a number")
        }
        (JsonType::Number, _) => ("float_type", "Input should be a valid number"),
        (JsonType::Boolean, Value::String(_) | Value::Number(_)) => {
            ("bool_parsing", "Input should be a valid boolean, unable to interpret input")
        }
        (JsonType::Boolean, _) => ("bool_type", "Input should be a valid boolean"),
        (JsonType::String, _) => ("string_type", "Input should be a valid string"),
        (JsonType::Array, _) => ("list_type", "Input should be a valid list"),
        (JsonType::Object, _) => ("model_attributes_type", OBJECT),
        (JsonType::Null, _) => ("none_required", "Input should be None"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema whose tool was shown to mcpo 0.0.20, and what that made of these bodies.
    fn arguments() -> Arguments {
        Arguments::of(Some(&json!({
            "type": "object",
            "properties": {
                "a": {"type": "integer"},
                "b": {"type": "number"},
                "s": {"type": "string"},
                "o": {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]},
                "l": {"type": "array", "items": {"type": "integer"}},
                "u": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "v": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
                "m": {"type": ["string", "number"]},
                "h": {"type": "boolean"},
                "r": {"$ref": "#/$defs/R"},
            },
            "required": ["a"],
            "$defs": {"R": {"type": "object", "properties": {"z": {"type": "integer"}}, "required": ["z"]}},
            "additionalProperties": false,
        })))
    }

    fn read(body: &str) -> Result<String, Faults> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        arguments().read(&body).map(|text| String::from_utf8(text.into_owned()).expect("text"))
    }

    #[test]
    fn what_fits_goes_on_byte_for_byte() {
        for body in [r#"{"a": 12345678901234567890123, "u": null}"#, r#"{ "a":5.0, "l":[ ] }"#] {
            assert_eq!(read(body).as_deref(), Ok(body));
        }
        let none = Arguments::of(Some(&json!({"type": "object", "pattern": "("})));
        assert_eq!(none.read(&Bytes::from_static(b" ")).as_deref(), Ok(&b"{}"[..]));
    }

    #[test]
    fn what_is_plainly_meant_is_mended() {
        for (body, wanted) in [
            (r#"{"a":"5","b":"3","extra":1}"#, json!({"a": 5, "b": 3.0})),
            (r#"{"a":true,"h":"yes","s":null}"#, json!({"a": 1, "h": true})),
            (r#"{"a":1,"v":"7","l":["8"]}"#, json!({"a": 1, "v": 7, "l": [8]})),
            (
                r#"{"a":1,"r":{"z":" 9 "},"o":{"k":"v","free":0}}"#,
                json!({"a": 1, "r": {"z": 9}, "o": {"k": "v", "free": 0}}),
            ),
        ] {
            let read: Value = serde_json::from_str(&read(body).expect(body)).expect("JSON");
            assert_eq!(read, wanted, "{body}");
        }
    }

    #[track_caller]
    fn refused(body: &str, wanted: &Value) {
        let told = read(body).expect_err(body);
        assert_eq!(&json!(told), wanted, "{body}");
    }

    #[test]
    fn the_rest_is_told_as_mcpo_tells_it() {
        refused("{}", &json!([{"type": "missing", "loc": ["body", "a"], "msg": "Field required", "input": {}}]));
        let whole = "Input should be a valid integer, got a number with a fractional part";
        refused(r#"{"a":5.5}"#, &json!([{"type": "int_from_float", "loc": ["body", "a"], "msg": whole, "input": 5.5}]));
        refused("[1]", &json!([{"type": "model_attributes_type", "loc": ["body"], "msg": OBJECT, "input": [1]}]));
        let told = read(r#"{"a":"x","o":{},"l":["q"],"r":{"z":"w"},"b":"zz","s":5,"u":4,"m":[]}"#);
        let mut told: Vec<_> = told
            .expect_err("refused")
            .iter()
            .map(|fault| format!("{} {}", fault["type"].as_str().expect("a kind"), fault["loc"]))
            .collect();
        told.sort();
        let wanted = [
            r#"float_parsing ["body","b"]"#,
            r#"float_type ["body","m"]"#,
            r#"int_parsing ["body","a"]"#,
            r#"int_parsing ["body","l",0]"#,
            r#"int_parsing ["body","r","z"]"#,
            r#"missing ["body","o","k"]"#,
            r#"string_type ["body","m"]"#,
            r#"string_type ["body","s"]"#,
            r#"string_type ["body","u"]"#,
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_body_that_is_no_json_says_where() {
        for (body, at) in [("{bad", 1), ("{\"a\":1", 6), ("nope", 0)] {
            let told = read(body).expect_err(body);
            assert_eq!((&told[0]["type"], &told[0]["loc"]), (&json!("json_invalid"), &json!(["body", at])), "{body}");
        }
    }
}
