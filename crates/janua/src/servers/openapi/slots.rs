//! The arguments of an operation: which value each one is, and where it goes in the request.

use std::collections::BTreeSet;

use http::HeaderName;
use serde_json::{Map, Value, json};

use super::body::Body;
use super::document::{Document, list, on, text};
use super::schema::{Stop, Translation};
use super::style::Style;

/// Longest name of an argument; some providers of models take no longer one.
const LONGEST: usize = 64;
/// Headers that belong to the request itself (OpenAPI 3.1, 4.8.12.1) or to the connection it travels on.
const OWN_HEADERS: [&str; 14] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One argument.
pub(super) struct Slot<'a> {
    /// The name under which clients give it.
    pub(super) argument: String,
    /// The name that it has in the request.
    pub(super) name: String,
    pub(super) place: Place,
    is_required: bool,
    schema: &'a Value,
    description: Option<&'a str>,
}

/// Where an argument goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path(Style),
    Query(Style),
    Header(Style),
    Cookie(Style),
    /// A property of the body.
    Property,
    /// The whole body.
    Body,
}

/// What is sent whatever the arguments say: names of headers in lower case, parameters of the query, cookies.
#[derive(Clone, Debug, Default)]
pub(super) struct Fixed(pub(super) BTreeSet<(&'static str, String)>);

impl Fixed {
    /// Whether the parameter at that place comes from the configuration and from nowhere else.
    fn holds(&self, place: &str, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        match place {
            "header" => OWN_HEADERS.contains(&lower.as_str()) || self.0.contains(&("header", lower)),
            "query" => self.0.contains(&("query", name.to_owned())),
            "cookie" => self.0.contains(&("cookie", name.to_owned())),
            _ => false,
        }
    }
}

/// The arguments that are parameters: those of the path's item and of the operation, which win.
pub(super) fn parameters<'a>(
    document: &'a Document,
    (item, operation): (&'a Value, &'a Value),
    in_path: &[String],
    fixed: &Fixed,
) -> Result<Vec<Slot<'a>>, String> {
    let mut found: Vec<(&str, &str, &Value)> = Vec::new();
    for parameter in list(operation, "parameters").iter().chain(list(item, "parameters")) {
        let parameter = document.follow(parameter)?;
        let (Some(place), Some(name)) = (text(parameter, "in"), text(parameter, "name")) else {
            return Err("a parameter has no `name` or no `in`".to_owned());
        };
        if !found.iter().any(|(other, known, _)| *other == place && *known == name) {
            found.push((place, name, parameter));
        }
    }
    let undeclared =
        in_path.iter().filter(|name| !found.iter().any(|(place, known, _)| *place == "path" && known == name));
    let mut slots: Vec<Slot<'_>> = undeclared.map(|name| undescribed(name)).collect();
    for order in ["path", "query", "header", "cookie"] {
        for (place, name, parameter) in found.iter().filter(|(place, ..)| *place == order) {
            let is_gone = *place == "path" && !in_path.iter().any(|known| known == name);
            if !is_gone && !fixed.holds(place, name) {
                slots.push(parameter_slot(place, name, parameter)?);
            }
        }
    }
    let mut taken = BTreeSet::new();
    for slot in &mut slots {
        slot.argument = free(&plain(&slot.name), slot.place.word(), &taken);
        taken.insert(slot.argument.clone());
    }
    Ok(slots)
}

fn parameter_slot<'a>(place: &str, name: &str, parameter: &'a Value) -> Result<Slot<'a>, String> {
    let described = parameter.get("content").and_then(Value::as_object).and_then(|content| content.values().next());
    let style = |usual| if described.is_some() { Style::json() } else { Style::of(parameter, usual) };
    let place = match place {
        "path" => Place::Path(style(Style::simple())),
        "query" => Place::Query(style(Style::form())),
        "header" => Place::Header(style(Style::simple())),
        _ => Place::Cookie(style(Style::form())),
    };
    if name.chars().any(char::is_control) {
        return Err("a parameter's name holds control characters".to_owned());
    }
    if matches!(place, Place::Header(_)) && HeaderName::try_from(name).is_err() {
        return Err(format!("no header can have the name {name:?} of a parameter"));
    }
    Ok(Slot {
        argument: String::new(),
        name: name.to_owned(),
        place,
        is_required: on(parameter, "required") || matches!(place, Place::Path(_)),
        schema: described.unwrap_or(parameter).get("schema").unwrap_or(&Value::Null),
        description: text(parameter, "description"),
    })
}

/// A parameter that the path names and nothing describes.
fn undescribed(name: &str) -> Slot<'static> {
    Slot {
        argument: String::new(),
        name: name.to_owned(),
        place: Place::Path(Style::simple()),
        is_required: true,
        schema: &Value::Null,
        description: None,
    }
}

/// The arguments that make the body: its properties if it is a plain object and no name is taken, else the whole.
pub(super) fn body<'a>(body: &Body<'a>, slots: &[Slot<'a>]) -> Vec<Slot<'a>> {
    let required: BTreeSet<&str> = list(body.schema, "required").iter().filter_map(Value::as_str).collect();
    let properties = body.properties.into_iter().flatten();
    let split: Vec<Slot<'_>> = properties
        .map(|(name, schema)| Slot {
            argument: plain(name),
            name: name.clone(),
            place: Place::Property,
            is_required: required.contains(name.as_str()) && body.is_wanted,
            schema,
            description: None,
        })
        .collect();
    let mut names: BTreeSet<&str> = slots.iter().map(|slot| slot.argument.as_str()).collect();
    if !split.is_empty() && split.iter().all(|slot| names.insert(&slot.argument)) {
        return split;
    }
    let taken = slots.iter().map(|slot| slot.argument.clone()).collect();
    vec![Slot {
        argument: free("body", "request", &taken),
        name: "body".to_owned(),
        place: Place::Body,
        is_required: body.made.is_required,
        schema: body.whole,
        description: body.description,
    }]
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Place::Path(_) => "path",
            Place::Query(_) => "query",
            Place::Header(_) => "header",
            Place::Cookie(_) => "cookie",
            Place::Property | Place::Body => "body",
        }
    }
}

/// The schema of all arguments together.
pub(super) fn schema(slots: &[Slot<'_>], translation: &mut Translation<'_>) -> Result<Map<String, Value>, Stop> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for slot in slots {
        if slot.place == Place::Property && !translation.goes(slot.schema) {
            continue;
        }
        let mut schema = match slot.schema {
            Value::Null => json!({"type": "string"}),
            schema => translation.schema(schema, 1)?,
        };
        if let (Some(text), Value::Object(members)) = (slot.description, &mut schema) {
            translation.spend(text.len() + 18)?;
            members.insert("description".to_owned(), json!(text));
        }
        translation.spend(slot.argument.len() + 6)?;
        properties.insert(slot.argument.clone(), schema);
        if slot.is_required {
            required.push(slot.argument.as_str());
        }
    }
    let mut out = Map::new();
    out.insert("type".to_owned(), json!("object"));
    if !required.is_empty() {
        out.insert("required".to_owned(), json!(required));
    }
    out.insert("properties".to_owned(), Value::Object(properties));
    out.insert("additionalProperties".to_owned(), json!(false));
    Ok(out)
}

/// A name that every provider of models takes for an argument.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    let name = if name.trim_matches('_').is_empty() { name } else { name.trim_end_matches('_').to_owned() };
    name.chars().take(LONGEST).collect()
}

/// `name`, or the like that is not taken.
fn free(name: &str, word: &str, taken: &BTreeSet<String>) -> String {
    let mut tried = name.to_owned();
    let mut round = 1;
    while taken.contains(&tried) {
        let end = if round == 1 { format!("_{word}") } else { format!("_{word}_{round}") };
        tried = name.chars().take(LONGEST - end.len()).chain(end.chars()).collect();
        round += 1;
    }
    tried
}
