//! Schemas of OpenAPI as JSON Schema 2020-12: what they refer to comes along, and what no validator takes is left out.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value, json};

use super::document::{Document, list, on, reference};

/// How deep a schema is shown, tried in turn until it fits: what lies deeper is left open.
const LEVELS: [usize; 8] = [usize::MAX, 10, 7, 5, 4, 3, 2, 1];
/// So many bytes a schema may have, whatever its share, if nothing can be left open any more.
const LARGEST: usize = 256 << 10;
/// The types that JSON has.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Whether a schema is of what is sent or of what is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A request: what is read-only is no part of it.
    In,
    /// An answer: what is write-only is no part of it.
    Out,
}

/// Why there is no schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is too large.
    TooLarge,
    /// It is wrong, in words.
    Wrong(String),
}

/// Which patterns the validator takes; each is tried once.
#[derive(Default)]
pub(super) struct Patterns(HashMap<String, bool>);

/// One schema in the making, with the definitions that it refers to.
pub(super) struct Translation<'a> {
    document: &'a Document,
    patterns: &'a mut Patterns,
    way: Way,
    /// Parts deeper than this are left open.
    deepest: usize,
    /// Bytes that may still be written.
    room: usize,
    /// The name of each definition, by its reference in the document.
    names: HashMap<String, String>,
    /// Definitions that are still to be translated, and how deep they are found first.
    waiting: VecDeque<(String, usize)>,
    defs: BTreeMap<String, Value>,
}

/// What a keyword's value must be.
#[derive(Clone, Copy)]
enum Holds {
    Schema,
    Schemas,
    SchemaMap,
    PatternMap,
    Text,
    Pattern,
    Number,
    Count,
    Switch,
    Names,
    List,
    Anything,
}

/// The keywords that are kept, and what they hold.
const KEYWORDS: [(&str, Holds); 44] = [
    ("additionalProperties", Holds::Schema),
    ("allOf", Holds::Schemas),
    ("anyOf", Holds::Schemas),
    ("const", Holds::Anything),
    ("contains", Holds::Schema),
    ("contentEncoding", Holds::Text),
    ("contentMediaType", Holds::Text),
    ("default", Holds::Anything),
    ("dependentSchemas", Holds::SchemaMap),
    ("deprecated", Holds::Switch),
    ("description", Holds::Text),
    ("else", Holds::Schema),
    ("enum", Holds::List),
    ("examples", Holds::List),
    ("exclusiveMaximum", Holds::Number),
    ("exclusiveMinimum", Holds::Number),
    ("format", Holds::Text),
    ("if", Holds::Schema),
    ("items", Holds::Schema),
    ("maxContains", Holds::Count),
    ("maxItems", Holds::Count),
    ("maxLength", Holds::Count),
    ("maxProperties", Holds::Count),
    ("maximum", Holds::Number),
    ("minContains", Holds::Count),
    ("minItems", Holds::Count),
    ("minLength", Holds::Count),
    ("minProperties", Holds::Count),
    ("minimum", Holds::Number),
    ("multipleOf", Holds::Number),
    ("not", Holds::Schema),
    ("oneOf", Holds::Schemas),
    ("pattern", Holds::Pattern),
    ("patternProperties", Holds::PatternMap),
    ("prefixItems", Holds::Schemas),
    ("properties", Holds::SchemaMap),
    ("propertyNames", Holds::Schema),
    ("readOnly", Holds::Switch),
    ("required", Holds::Names),
    ("then", Holds::Schema),
    ("title", Holds::Text),
    ("unevaluatedItems", Holds::Schema),
    ("unevaluatedProperties", Holds::Schema),
    ("uniqueItems", Holds::Switch),
];

impl Patterns {
    fn takes(&mut self, pattern: &str) -> bool {
        if let Some(known) = self.0.get(pattern) {
            return *known;
        }
        let taken = validator(&json!({"pattern": pattern})).is_ok();
        self.0.insert(pattern.to_owned(), taken);
        taken
    }
}

/// The validator of a schema; its patterns take time that grows with the text only.
pub(super) fn validator(schema: &Value) -> Result<jsonschema::Validator, String> {
    let options = jsonschema::draft202012::options().with_pattern_options(jsonschema::PatternOptions::regex());
    options.build(schema).map_err(|error| error.to_string())
}

/// Makes a schema of no more than `share` bytes, if that can be had by leaving its deeper parts open, and tells whether
/// anything was.
pub(super) fn fitted(
    document: &Document,
    patterns: &mut Patterns,
    way: Way,
    share: usize,
    make: impl Fn(&mut Translation<'_>) -> Result<Map<String, Value>, Stop>,
) -> Result<(Value, bool), String> {
    for (round, deepest) in LEVELS.into_iter().enumerate() {
        let is_last = round + 1 == LEVELS.len();
        let room = if is_last { share.max(LARGEST) } else { share };
        let mut translation = Translation {
            document,
            patterns: &mut *patterns,
            way,
            deepest,
            room,
            names: HashMap::new(),
            waiting: VecDeque::new(),
            defs: BTreeMap::new(),
        };
        match make(&mut translation).and_then(|schema| translation.finished(schema)) {
            Ok(schema) => return Ok((Value::Object(schema), round > 0)),
            Err(Stop::TooLarge) => {}
            Err(Stop::Wrong(why)) => return Err(why),
        }
    }
    Err("its schema is too large".to_owned())
}

impl Translation<'_> {
    /// The schema with the definitions that it needs.
    fn finished(mut self, mut schema: Map<String, Value>) -> Result<Map<String, Value>, Stop> {
        while let Some((reference, depth)) = self.waiting.pop_front() {
            let document = self.document;
            let found = document.at(&reference).map_err(Stop::Wrong)?;
            document.follow(found).map_err(Stop::Wrong)?;
            let definition = self.schema(found, depth)?;
            if let Some(name) = self.names.get(&reference) {
                self.defs.insert(name.clone(), definition);
            }
        }
        if !self.defs.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(self.defs.into_iter().collect()));
        }
        Ok(schema)
    }

    /// One schema. `depth` counts from the outermost.
    pub(super) fn schema(&mut self, schema: &Value, depth: usize) -> Result<Value, Stop> {
        let Value::Object(members) = schema else {
            return Ok(if schema == &Value::Bool(false) { Value::Bool(false) } else { json!({}) });
        };
        if depth > self.deepest {
            return Ok(self.open(schema));
        }
        let mut out = Map::new();
        if let Some(reference) = reference(schema) {
            let name = self.named(reference, depth + 1);
            self.spend(name.len() + 20)?;
            out.insert("$ref".to_owned(), Value::String(format!("#/$defs/{name}")));
        }
        let alone = out.is_empty() || !self.document.is_old;
        for (key, holds) in KEYWORDS {
            let Some(value) = members.get(key).filter(|_| alone || matches!(key, "description" | "title")) else {
                continue;
            };
            if let Some(value) = self.held(holds, value, depth)? {
                self.spend(key.len() + 4)?;
                out.insert(key.to_owned(), value);
            }
        }
        self.types(members, &mut out);
        self.adjusted(members, &mut out)?;
        Ok(nullable(members, out))
    }

    /// What is shown of a schema whose depth does not fit.
    fn open(&self, schema: &Value) -> Value {
        let followed = self.document.follow(schema).unwrap_or(&Value::Null);
        let kind = followed.get("type").and_then(Value::as_str).filter(|kind| TYPES.contains(kind));
        match kind {
            Some(kind) if !on(schema, "nullable") && !on(followed, "nullable") => json!({"type": kind}),
            _ => json!({}),
        }
    }

    /// The value of a keyword, unless it is not what it must be.
    fn held(&mut self, holds: Holds, value: &Value, depth: usize) -> Result<Option<Value>, Stop> {
        let kept = |fits: bool| Ok(fits.then(|| value.clone()));
        match (holds, value) {
            (Holds::Schema, Value::Object(_) | Value::Bool(_)) => self.schema(value, depth + 1).map(Some),
            (Holds::Schemas, Value::Array(schemas)) if !schemas.is_empty() => {
                let schemas: Result<Vec<_>, _> = schemas.iter().map(|schema| self.schema(schema, depth + 1)).collect();
                schemas.map(|schemas| Some(Value::Array(schemas)))
            }
            (Holds::SchemaMap, Value::Object(schemas)) => self.properties(schemas, depth).map(Some),
            (Holds::PatternMap, Value::Object(schemas)) => {
                let usable = schemas.iter().filter(|(pattern, _)| self.patterns.takes(pattern));
                let usable: Map<String, Value> = usable.map(|(key, schema)| (key.clone(), schema.clone())).collect();
                self.properties(&usable, depth).map(Some)
            }
            (Holds::Pattern, Value::String(pattern)) => kept(self.patterns.takes(pattern)),
            (Holds::Text, Value::String(text)) => {
                self.spend(text.len())?;
                kept(true)
            }
            (Holds::Number, Value::Number(_)) | (Holds::Switch, Value::Bool(_)) => kept(true),
            (Holds::Count, Value::Number(count)) => {
                let whole =
                    count.as_u64().or_else(|| count.as_f64().filter(|count| count.fract() == 0.0).and_then(whole));
                Ok(whole.map(Value::from))
            }
            (Holds::List, Value::Array(values)) => {
                self.spend(values.iter().map(weight).sum())?;
                kept(!values.is_empty())
            }
            (Holds::Names, Value::Array(names)) => {
                let mut names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                names.sort_unstable();
                names.dedup();
                Ok(Some(json!(names)))
            }
            (Holds::Anything, _) => {
                self.spend(weight(value))?;
                kept(true)
            }
            _ => Ok(None),
        }
    }

    /// Schemas by name, without those that are no part of what goes this way.
    fn properties(&mut self, schemas: &Map<String, Value>, depth: usize) -> Result<Value, Stop> {
        let mut out = Map::new();
        for (name, schema) in schemas {
            if self.goes(schema) {
                self.spend(name.len() + 6)?;
                out.insert(name.clone(), self.schema(schema, depth + 1)?);
            }
        }
        Ok(Value::Object(out))
    }

    /// Whether a property is part of what goes this way.
    pub(super) fn goes(&self, schema: &Value) -> bool {
        let other = if self.way == Way::In { "readOnly" } else { "writeOnly" };
        let referred = self.document.follow(schema).unwrap_or(&Value::Null);
        !on(schema, other) && !on(referred, other)
    }

    /// The name of the definition of what `reference` leads to.
    fn named(&mut self, reference: &str, depth: usize) -> String {
        if let Some(name) = self.names.get(reference) {
            return name.clone();
        }
        let last = reference.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let base: String = last.chars().map(plain).collect();
        let taken = |name: &String| self.names.values().any(|known| known == name);
        let mut tried = (1..).map(|at| if at == 1 { base.clone() } else { format!("{base}_{at}") });
        let name = tried.find(|name| !taken(name)).unwrap_or(base.clone());
        self.names.insert(reference.to_owned(), name.clone());
        self.waiting.push_back((reference.to_owned(), depth));
        name
    }

    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Stop> {
        self.room = self.room.checked_sub(bytes).ok_or(Stop::TooLarge)?;
        Ok(())
    }

    /// The types, without those that JSON does not have.
    fn types(&self, members: &Map<String, Value>, out: &mut Map<String, Value>) {
        if out.contains_key("$ref") && self.document.is_old {
            return;
        }
        let known = |kind: &&Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
        match members.get("type") {
            Some(kind @ Value::String(_)) if known(&kind) => drop(out.insert("type".to_owned(), kind.clone())),
            Some(Value::Array(kinds)) => {
                let mut kinds: Vec<&Value> = kinds.iter().filter(known).collect();
                kinds.dedup();
                if !kinds.is_empty() {
                    out.insert("type".to_owned(), json!(kinds));
                }
            }
            _ => {}
        }
    }

    /// What OpenAPI says in other words than JSON Schema, and what holds for what goes this way.
    fn adjusted(&mut self, members: &Map<String, Value>, out: &mut Map<String, Value>) -> Result<(), Stop> {
        for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
            if members.get(exclusive) == Some(&Value::Bool(true))
                && let Some(value) = out.remove(bound)
            {
                out.insert(exclusive.to_owned(), value);
            }
        }
        if out.get("multipleOf").and_then(Value::as_f64).is_some_and(|number| number <= 0.0) {
            out.remove("multipleOf");
        }
        // Descriptions overlap more often than their authors know; the server knows which one it takes.
        if let Some(one) = out.remove("oneOf") {
            if !out.contains_key("anyOf") {
                out.insert("anyOf".to_owned(), one);
            } else if let Value::Array(all) = out.entry("allOf").or_insert_with(|| json!([])) {
                all.push(json!({"anyOf": one}));
            }
        }
        // An API may add to its answers.
        for key in ["additionalProperties", "unevaluatedProperties"] {
            if self.way == Way::Out && out.get(key) == Some(&Value::Bool(false)) {
                out.remove(key);
            }
        }
        if let Some(example) = members.get("example").filter(|_| !out.contains_key("$ref"))
            && !out.contains_key("examples")
        {
            self.spend(weight(example) + 12)?;
            out.insert("examples".to_owned(), json!([example]));
        }
        if let Some(Value::Array(required)) = out.get_mut("required") {
            let declared = members.get("properties");
            required.retain(|name| {
                let schema = declared.and_then(|declared| declared.get(name.as_str()?));
                schema.is_none_or(|schema| self.goes(schema))
            });
            if required.is_empty() {
                out.remove("required");
            }
        }
        let said = |key: &str, word: &str| members.get(key).and_then(Value::as_str) == Some(word);
        if (said("format", "binary") || said("contentMediaType", "application/octet-stream")) && self.way == Way::In {
            out.remove("format");
            out.insert("contentEncoding".to_owned(), json!("base64"));
        }
        Ok(())
    }
}

/// The schema, with null among what it takes if 3.0's `nullable` says so.
fn nullable(members: &Map<String, Value>, mut out: Map<String, Value>) -> Value {
    if members.get("nullable") != Some(&Value::Bool(true)) {
        return Value::Object(out);
    }
    if let Some(Value::Array(values)) = out.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    if ["$ref", "allOf", "anyOf", "not"].iter().any(|key| out.contains_key(*key)) {
        let description = out.remove("description");
        let mut wrapped = Map::new();
        wrapped.insert("anyOf".to_owned(), json!([out, {"type": "null"}]));
        wrapped.extend(description.map(|text| ("description".to_owned(), text)));
        return Value::Object(wrapped);
    }
    if let Some(Value::String(kind)) = out.get("type")
        && kind != "null"
    {
        let both = json!([kind, "null"]);
        out.insert("type".to_owned(), both);
    }
    Value::Object(out)
}

/// About how many bytes a value takes.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 3,
        Value::Array(values) => 2 + values.iter().map(weight).sum::<usize>(),
        Value::Object(members) => 2 + members.iter().map(|(key, value)| key.len() + 4 + weight(value)).sum::<usize>(),
    }
}

/// A whole number that is written with a fraction.
fn whole(count: f64) -> Option<u64> {
    format!("{count:.0}").parse().ok()
}

/// Whether a schema describes an object and nothing else, and can be taken apart into its properties.
pub(super) fn is_plain_object(schema: &Value) -> bool {
    const OTHER: [&str; 13] = [
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "const",
        "enum",
        "patternProperties",
        "dependentSchemas",
        "minProperties",
        "maxProperties",
        "propertyNames",
    ];
    let kind = schema.get("type");
    let properties = schema.get("properties").and_then(Value::as_object);
    let more = schema.get("additionalProperties");
    kind.is_none_or(|kind| kind == "object")
        && properties.is_some_and(|properties| !properties.is_empty())
        && more.is_none_or(|more| more == &Value::Bool(false))
        && !on(schema, "nullable")
        && !OTHER.iter().any(|key| schema.get(*key).is_some())
}

/// Whether every value that a schema takes is an object.
pub(super) fn is_object(document: &Document, schema: &Value, depth: usize) -> bool {
    let Ok(schema) = document.follow(schema) else { return false };
    if on(schema, "nullable") || depth > 8 {
        return false;
    }
    let all = |key: &str| list(schema, key).iter().all(|schema| is_object(document, schema, depth + 1));
    if let Some(kind) = schema.get("type") {
        return kind == "object";
    }
    let some = |key: &str| !list(schema, key).is_empty();
    schema.get("properties").is_some()
        || list(schema, "allOf").iter().any(|schema| is_object(document, schema, depth + 1))
        || (some("anyOf") && all("anyOf"))
        || (some("oneOf") && all("oneOf"))
}
