//! One operation of a document as a tool: its name, its arguments, where they go, and what comes back.

use std::sync::OnceLock;

use http::{HeaderValue, Method};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::body::{self, Body, Made};
use super::document::{Document, on, text};
use super::percent;
use super::schema::{self, Patterns, Way};
use super::slots::{self, Fixed, Place};
use crate::servers::in_process::{Json, Object, Tool};

/// Longest description, in characters.
const LONGEST: usize = 2000;
/// Wrong arguments that are told at once.
const FEW: usize = 5;
/// So much of what is wrong with an argument is told, in characters.
const SHORT: usize = 300;

/// An operation that can be called.
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) method: Method,
    /// The path before the document's own: its server's.
    pub(super) prefix: String,
    /// The path, a list of pieces for each segment.
    pub(super) segments: Vec<Vec<Piece>>,
    pub(super) arguments: Vec<Argument>,
    pub(super) body: Option<Made>,
    pub(super) accept: Option<HeaderValue>,
    /// Whether its tool promises an object.
    pub(super) promises: bool,
    pub(super) tool: Tool,
    schema: Json,
    validator: OnceLock<Option<Validator>>,
}

/// A part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is sent.
    Fixed(String),
    /// The value of the parameter of that name.
    Value(String),
}

/// An argument, and where it goes.
pub(super) struct Argument {
    /// The name under which clients give it.
    pub(super) given: String,
    /// The name that it has in the request.
    pub(super) name: String,
    pub(super) place: Place,
}

/// An operation as it is found in a document.
pub(super) struct Found<'a> {
    pub(super) name: String,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) prefix: String,
    pub(super) item: &'a Value,
    pub(super) operation: &'a Value,
}

impl Operation {
    /// Reads an operation; its schemas may have `share` bytes each. The error says why it cannot be offered.
    pub(super) fn read(
        document: &Document,
        found: &Found<'_>,
        fixed: &Fixed,
        patterns: &mut Patterns,
        share: usize,
    ) -> Result<Operation, String> {
        let Found { name, method, path, item, operation, .. } = found;
        let segments = segments(path)?;
        let in_path: Vec<String> = segments.iter().flatten().filter_map(Piece::value).collect();
        let mut slots = slots::parameters(document, (item, operation), &in_path, fixed)?;
        let body = Body::of(document, operation)?;
        if let Some(body) = &body {
            slots.extend(slots::body(body, &slots));
        }
        let (input, _) =
            schema::fitted(document, patterns, Way::In, share, |translation| slots::schema(&slots, translation))?;
        let output = body::answered(document, operation).filter(|schema| schema::is_object(document, schema, 0));
        let output = output.and_then(|answered| output_schema(document, patterns, share, answered));
        let schema = Json::raw(input.to_string());
        let mut tool = Tool::new(name, &description(method, path, operation), schema.as_str());
        if let Some(title) = text(operation, "summary") {
            tool = tool.with("title", title);
        }
        let promises = output.is_some();
        if let Some(output) = output {
            tool = tool.with("outputSchema", Json::raw(output.to_string()));
        }
        let arguments =
            slots.into_iter().map(|slot| Argument { given: slot.argument, name: slot.name, place: slot.place });
        Ok(Operation {
            name: name.clone(),
            method: method.clone(),
            prefix: found.prefix.clone(),
            segments,
            arguments: arguments.collect(),
            body: body.map(|body| body.made),
            accept: HeaderValue::try_from(body::accepted(document, operation)).ok(),
            promises,
            tool: tool.with("annotations", annotations(method)),
            schema,
            validator: OnceLock::new(),
        })
    }

    /// Holds arguments against the tool's schema. The error says what is wrong with them.
    pub(super) fn check(&self, arguments: &Value) -> Result<(), String> {
        let validator = self.validator.get_or_init(|| {
            let schema = serde_json::from_str(self.schema.as_str()).ok()?;
            schema::validator(&schema).inspect_err(|why| tracing::warn!(tool = self.name, why, "no validator")).ok()
        });
        let errors = validator.iter().flat_map(|validator| validator.iter_errors(arguments));
        let told = errors.take(FEW).map(|error| {
            let place = error.instance_path().to_string();
            let place = place.strip_prefix('/').map(|place| format!("{place}: ")).unwrap_or_default();
            format!("{place}{error}").chars().take(SHORT).collect::<String>()
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { Ok(()) } else { Err(format!("the arguments do not fit the tool: {}", told.join("; "))) }
    }
}

impl Piece {
    fn value(&self) -> Option<String> {
        match self {
            Piece::Value(name) => Some(name.clone()),
            Piece::Fixed(_) => None,
        }
    }
}

/// Takes a templated path apart.
fn segments(path: &str) -> Result<Vec<Vec<Piece>>, String> {
    // Some documents tell operations at one path apart by a fragment, which no request carries.
    let path = path.split('#').next().unwrap_or_default();
    let Some(path) = path.strip_prefix('/') else { return Err("its path does not begin with `/`".to_owned()) };
    if path.contains('?') {
        return Err("its path holds a `?`, which begins a query".to_owned());
    }
    path.split('/').map(segment).collect()
}

fn segment(mut text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (fixed, rest) = text.split_once('{').unwrap_or((text, ""));
        if !fixed.is_empty() {
            pieces.push(Piece::Fixed(percent::segment(fixed)));
        }
        if text.len() > fixed.len() {
            let (name, after) = rest.split_once('}').ok_or("a `{` in its path has no `}`")?;
            pieces.push(Piece::Value(name.to_owned()));
            text = after;
        } else {
            text = "";
        }
    }
    Ok(pieces)
}

/// The schema of what is answered, unless it does not fit as a whole.
fn output_schema(document: &Document, patterns: &mut Patterns, share: usize, answered: &Value) -> Option<Value> {
    let made =
        schema::fitted(document, patterns, Way::Out, share, |translation| match translation.schema(answered, 0)? {
            Value::Object(mut members) => {
                members.insert("type".to_owned(), json!("object"));
                Ok(members)
            }
            _ => Err(schema::Stop::TooLarge),
        });
    made.ok().filter(|(_, is_open)| !is_open).map(|(schema, _)| schema)
}

fn description(method: &Method, path: &str, operation: &Value) -> String {
    let mut words = Vec::new();
    if on(operation, "deprecated") {
        words.push("Deprecated.".to_owned());
    }
    words.extend(text(operation, "summary").map(str::to_owned));
    words.extend(
        text(operation, "description").filter(|text| words.last().is_none_or(|last| last != text)).map(str::to_owned),
    );
    if words.is_empty() {
        words.push(format!("{method} {path}"));
    }
    shortened(&words.join("\n\n"), LONGEST)
}

/// The beginning of a text.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What a method means (RFC 9110, 9.2), as hints.
fn annotations(method: &Method) -> Object {
    let hints = Object::new().put("openWorldHint", true);
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => hints.put("readOnlyHint", true),
        Method::DELETE => hints.put("readOnlyHint", false).put("destructiveHint", true).put("idempotentHint", true),
        Method::PUT => hints.put("readOnlyHint", false).put("idempotentHint", true),
        _ => hints.put("readOnlyHint", false),
    }
}
