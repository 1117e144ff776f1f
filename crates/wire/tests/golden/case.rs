//! One kept translation: a file with the message before and after, and how to get from one to the other.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use janua_wire::edits::Edits;
use janua_wire::message::{Message, Response, parse_one};
use janua_wire::method::Method;
use janua_wire::translate::shapes::{question_for_client, with_elicitation_id};
use janua_wire::translate::{errors, results, shapes, tasks};
use janua_wire::version::Version;
use janua_wire::{opening, raw};
use jsonschema::Validator;
use serde_json::{Value, json};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// What a file says.
pub(crate) struct Case {
    /// The file's name.
    pub(crate) name: String,
    /// The revision and the definition there of what is given; some servers give what no revision has.
    pub(crate) from: Option<(String, String)>,
    /// The revision and the definition there of what comes out.
    pub(crate) to: (String, String),
    /// What is given.
    pub(crate) before: Value,
    /// What comes out.
    pub(crate) after: Option<Value>,
    /// Why nothing comes out.
    pub(crate) unfit: Option<String>,
    /// What is given is not valid where it goes.
    pub(crate) refused: bool,
    steps: Vec<String>,
    method: Method,
    server_info: Option<Value>,
}

/// Every kept case.
pub(crate) fn all() -> Vec<Case> {
    let entries = fs::read_dir(format!("{HERE}/golden")).expect("the kept cases");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    assert!(files.len() > 50, "{} cases", files.len());
    files
        .iter()
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(path).expect("a case");
            Case::read(name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
}

impl Case {
    fn read(name: String, mut file: Value) -> Case {
        let mut take = |key: &str| file.get_mut(key).map(Value::take);
        let words = |value: Value| serde_json::from_value::<Vec<String>>(value).expect("words");
        let place = |value: Value| words(value).try_into().map(|[version, name]: [String; 2]| (version, name)).ok();
        let method = take("method").expect("a method");
        Case {
            from: take("from").filter(|from| !from.is_null()).and_then(place),
            to: take("to").and_then(place).expect("a place to go"),
            before: take("before").expect("a message"),
            after: take("after"),
            unfit: take("unfit").and_then(|unfit| unfit.as_str().map(str::to_owned)),
            refused: take("refused") == Some(json!(true)),
            steps: take("steps").map(words).expect("steps"),
            method: Method::of(method.as_str().expect("a method").as_bytes()),
            server_info: take("server_info"),
            name,
        }
    }

    /// What comes out, or why nothing does.
    pub(crate) fn translate(&self) -> Result<Value, String> {
        let version = Version::parse(&self.to.0).expect("a revision");
        let mut text = self.before.to_string();
        for step in &self.steps {
            text = self.step(step, &text, version)?;
        }
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.name)))
    }

    fn step(&self, step: &str, text: &str, version: Version) -> Result<String, String> {
        let raw = text.as_bytes();
        let info = self.server_info.as_ref().map(Value::to_string);
        let edits = match step {
            "initialize" => return Ok(opening::initialize_result(raw, version)),
            "discover" => return Ok(opening::discover_result(raw)),
            "shape" => shapes::for_client(self.method, raw, version),
            "question" => question_for_client(self.method, raw, version).map_err(|unfit| format!("{unfit:?}"))?,
            "elicitation id" => with_elicitation_id(raw, "e-1"),
            "modern" => results::to_modern(self.method, raw, info.as_deref().map(str::as_bytes)),
            "legacy" => results::to_legacy(raw),
            "error to modern" => errors::to_modern(raw),
            "error to legacy" => errors::to_legacy(self.method, raw),
            "task" => tasks::asking(raw, Some(60_000)),
            other => panic!("{}: no step {other}", self.name),
        };
        Ok(in_response(raw, &edits))
    }
}

/// The text with the changes made, both alone and inside a response, whose id stands behind its result.
fn in_response(text: &[u8], edits: &Edits) -> String {
    let around = [br#"{"jsonrpc":"2.0","x":[],"result":"#, text, br#","id":"i"}"#].concat();
    let Ok(Message::Response(response)) = parse_one(Bytes::from(around)) else { panic!("no response") };
    let edited: Response = response.edited(edits);
    let alone = edits.apply(text);
    assert_eq!(edited.body(), alone, "a response differs");
    assert_eq!((edited.id(), raw::peek(edited.text(), "x")), (Some(&b"\"i\""[..]), Some(&b"[]"[..])));
    assert!(parse_one(edited.text().clone()).is_ok());
    String::from_utf8(alone).expect("UTF-8")
}

type Validators = HashMap<(String, String), Arc<Validator>>;

/// What is wrong with a value by a definition of a revision. `A.b` is the property `b` of the definition `A`.
pub(crate) fn errors(version: &str, definition: &str, value: &Value) -> Vec<String> {
    static KNOWN: LazyLock<Mutex<Validators>> = LazyLock::new(Mutex::default);
    let key = (version.to_owned(), definition.to_owned());
    let mut known = KNOWN.lock().expect("no panic");
    let validator = known.entry(key).or_insert_with(|| Arc::new(validator(version, definition))).clone();
    drop(known);
    validator.iter_errors(value).map(|error| error.to_string()).collect()
}

fn validator(version: &str, definition: &str) -> Validator {
    let text = fs::read_to_string(format!("{HERE}/schema/{version}.json")).expect("a schema");
    let mut schema: Value = serde_json::from_str(&text).expect("JSON");
    let definitions = if schema.get("$defs").is_some() { "$defs" } else { "definitions" };
    let path = format!("/{definitions}/{}", definition.replace('.', "/properties/"));
    assert!(schema.pointer(&path).is_some(), "{version} has no {definition}");
    schema["$ref"] = json!(format!("#{path}"));
    jsonschema::validator_for(&schema).expect("a schema")
}
