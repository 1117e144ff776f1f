//! The body of a request: which of the described media types is sent, and how arguments become it.

use std::collections::BTreeMap;

use bytes::Bytes;
use janua_wire::base64;
use serde_json::{Map, Value, json};

use super::document::{Document, entries, text};
use super::schema::is_plain_object;
use super::style::{Style, scalar};
use crate::random;

/// A body as it is described.
pub(super) struct Body<'a> {
    /// What it is at run time.
    pub(super) made: Made,
    /// Whether what is required in it is required of the caller: unless the document says that it may be left out.
    pub(super) is_wanted: bool,
    pub(super) description: Option<&'a str>,
    /// Its schema, references followed.
    pub(super) schema: &'a Value,
    /// Its schema as it is referred to, or the one of the text that stands for it.
    pub(super) whole: &'a Value,
    /// Its properties, if it is a plain object.
    pub(super) properties: Option<&'a Map<String, Value>>,
}

/// How a body is made.
pub(super) struct Made {
    media: String,
    kind: Kind,
    /// Whether it must be there.
    pub(super) is_required: bool,
    /// What is known of the properties of a form.
    fields: BTreeMap<String, Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Json,
    Form,
    Parts,
    Text,
    Binary,
}

/// A property of a form.
struct Field {
    style: Style,
    /// Whether a style is given, rather than the usual one.
    is_styled: bool,
    /// Whether it holds bytes, which come in base64.
    is_file: bool,
    media: Option<String>,
}

impl<'a> Body<'a> {
    /// The body of an operation, if it has one.
    pub(super) fn of(document: &'a Document, operation: &'a Value) -> Result<Option<Body<'a>>, String> {
        let Some(described) = operation.get("requestBody") else { return Ok(None) };
        let described = document.follow(described)?;
        let offered = entries(described, "content").map(|(media, content)| (kind_of(media), media, content));
        let Some((kind, media, content)) =
            offered.min_by_key(|(kind, media, _)| (*kind, media.as_str() != "application/json"))
        else {
            return Ok(None);
        };
        let referred = content.get("schema").unwrap_or(&ANYTHING);
        let schema = document.follow(referred)?;
        let is_form = matches!(kind, Kind::Form | Kind::Parts);
        let splits = kind == Kind::Json || is_form;
        let whole = match kind {
            Kind::Text if schema.get("type").is_none_or(|kind| kind != "string") => &TEXT,
            Kind::Binary => &BYTES,
            _ => referred,
        };
        let properties =
            schema.get("properties").and_then(Value::as_object).filter(|_| splits && is_plain_object(schema));
        let mut fields = BTreeMap::new();
        for (name, property) in entries(schema, "properties").filter(|_| is_form) {
            fields.insert(name.clone(), field(document, content, name, property)?);
        }
        let required = described.get("required").and_then(Value::as_bool);
        Ok(Some(Body {
            made: Made { media: named(kind, media), kind, is_required: required == Some(true), fields },
            is_wanted: required != Some(false),
            description: text(described, "description"),
            schema,
            whole,
            properties,
        }))
    }
}

impl Made {
    /// The body that `members`, raw values by the names of properties, make.
    pub(super) fn of_members(&self, members: &[(&str, &str)]) -> Result<(String, Bytes), String> {
        if self.kind == Kind::Json {
            let pairs = members.iter().map(|(name, raw)| format!("{}:{raw}", janua_wire::json::quote(name)));
            let text = format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
            return Ok((self.media.clone(), text.into()));
        }
        let value = |raw: &str| serde_json::from_str::<Value>(raw).map_err(|error| error.to_string());
        let values = members.iter().map(|(name, raw)| Ok((*name, value(raw)?)));
        self.form(&values.collect::<Result<Vec<_>, String>>()?)
    }

    /// Whether it consists of parts, with a boundary between them that its media type tells.
    pub(super) fn is_parts(&self) -> bool {
        self.kind == Kind::Parts
    }

    /// The body that one value makes.
    pub(super) fn of_whole(&self, raw: &str) -> Result<(String, Bytes), String> {
        if self.kind == Kind::Json {
            return Ok((self.media.clone(), Bytes::copy_from_slice(raw.as_bytes())));
        }
        let value: Value = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        match (self.kind, &value) {
            (Kind::Binary, Value::String(text)) => Ok((self.media.clone(), bytes_of(text)?)),
            (Kind::Text, Value::String(text)) => Ok((self.media.clone(), text.clone().into())),
            (Kind::Form | Kind::Parts, Value::Object(members)) => {
                self.form(&members.iter().map(|(name, value)| (name.as_str(), value.clone())).collect::<Vec<_>>())
            }
            (Kind::Form | Kind::Parts, _) => Err("must be an object: it is sent as a form".to_owned()),
            _ => Err("must be a text".to_owned()),
        }
    }

    fn form(&self, members: &[(&str, Value)]) -> Result<(String, Bytes), String> {
        if self.kind == Kind::Parts {
            return self.parts(members);
        }
        let mut pairs = Vec::new();
        for (name, value) in members {
            let field = self.fields.get(*name);
            let style = match (field, value) {
                (Some(field), _) if field.is_styled => field.style,
                (_, Value::Object(_)) => Style::json(),
                (_, Value::Array(values)) if values.iter().any(|value| scalar(value).is_none()) => Style::json(),
                _ => Style::form(),
            };
            pairs.extend(style.in_query(name, value).map_err(|why| format!("{name:?} {why}"))?);
        }
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok((self.media.clone(), pairs.join("&").into()))
    }

    /// A body of several parts (RFC 7578).
    fn parts(&self, members: &[(&str, Value)]) -> Result<(String, Bytes), String> {
        let boundary = random::token();
        let mut out = Vec::new();
        for (name, value) in members {
            let values = match value {
                Value::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            for value in values {
                let field = self.fields.get(*name);
                let is_file = field.is_some_and(|field| field.is_file);
                let (usual, bytes): (_, Bytes) = match (value, scalar(value)) {
                    (Value::String(text), _) if is_file => {
                        ("application/octet-stream", bytes_of(text).map_err(|why| format!("{name:?} {why}"))?)
                    }
                    (_, Some(text)) => ("text/plain; charset=utf-8", text.into()),
                    (_, None) => ("application/json", value.to_string().into()),
                };
                let media = field.and_then(|field| field.media.as_deref()).unwrap_or(usual);
                let name = quoted(name);
                let file = if is_file { format!("; filename=\"{name}\"") } else { String::new() };
                let head = format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\nContent-Type: {media}\r\n\r\n"
                );
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(&bytes);
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok((format!("{}; boundary={boundary}", self.media), out.into()))
    }
}

static ANYTHING: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({}));
static TEXT: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({"type": "string"}));
static BYTES: std::sync::LazyLock<Value> =
    std::sync::LazyLock::new(|| json!({"type": "string", "format": "binary", "description": "The bytes in base64"}));

/// Which kind a media type is; the first one is preferred.
fn kind_of(media: &str) -> Kind {
    let bare = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match bare.as_str() {
        "*/*" | "application/*" => Kind::Json,
        "application/x-www-form-urlencoded" => Kind::Form,
        "multipart/form-data" => Kind::Parts,
        bare if is_json(bare) => Kind::Json,
        bare if is_text(bare) => Kind::Text,
        _ => Kind::Binary,
    }
}

/// Whether a media type, without parameters and in lower case, is JSON.
pub(super) fn is_json(bare: &str) -> bool {
    bare.ends_with("/json") || bare.ends_with("+json")
}

/// Whether a media type, without parameters and in lower case, is text.
pub(super) fn is_text(bare: &str) -> bool {
    const TEXTS: [&str; 7] = [
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/javascript",
        "application/x-ndjson",
        "application/jsonl",
        "application/graphql",
    ];
    bare.starts_with("text/") || bare.ends_with("+xml") || bare.ends_with("+yaml") || TEXTS.contains(&bare)
}

/// The media type that is sent for one that is described, perhaps as a range.
fn named(kind: Kind, media: &str) -> String {
    let usual = match kind {
        Kind::Json => "application/json",
        Kind::Text => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    if media.contains('*') || media.chars().any(char::is_control) { usual } else { media }.to_owned()
}

fn field(document: &Document, content: &Value, name: &str, property: &Value) -> Result<Field, String> {
    let encoding = content.get("encoding").and_then(|encoding| encoding.get(name)).unwrap_or(&Value::Null);
    let schema = document.follow(property)?;
    let schema = match schema.get("items") {
        Some(items) => document.follow(items)?,
        None => schema,
    };
    let is_file = text(schema, "format") == Some("binary")
        || text(schema, "contentMediaType") == Some("application/octet-stream");
    let media = text(encoding, "contentType").filter(|media| !media.contains(['*', ',']) && media.is_ascii());
    let is_styled = encoding.get("style").is_some() || encoding.get("explode").is_some();
    let media = media.filter(|media| !media.chars().any(char::is_control)).map(str::to_owned);
    Ok(Field { style: Style::of(encoding, Style::form()), is_styled, is_file, media })
}

/// The bytes that a text in base64 stands for.
fn bytes_of(text: &str) -> Result<Bytes, String> {
    let bare: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    base64::decode(&bare).map(Bytes::from).ok_or_else(|| "must be base64, padded: it is sent as bytes".to_owned())
}

/// A name in a header of a part (RFC 7578, 2: as HTML does it).
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Whether an operation's only success is described as an object in JSON, and as which.
pub(super) fn answered<'a>(document: &'a Document, operation: &'a Value) -> Option<&'a Value> {
    let mut successes = entries(operation, "responses").filter(|(status, _)| status.starts_with('2'));
    let (Some((_, response)), None) = (successes.next(), successes.next()) else { return None };
    let content = document.follow(response).ok()?.get("content")?.as_object()?;
    let bare = |media: &str| media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = content.keys().all(|media| is_json(&bare(media)));
    content.values().next().filter(|_| is_json && content.len() == 1)?.get("schema")
}

/// The media types that an operation's successes may have, JSON first.
pub(super) fn accepted(document: &Document, operation: &Value) -> String {
    const MOST: usize = 6;
    let mut medias: Vec<&String> = Vec::new();
    for (_, response) in entries(operation, "responses").filter(|(status, _)| status.starts_with('2')) {
        let content = document.follow(response).ok().and_then(|response| response.get("content")?.as_object());
        medias.extend(content.into_iter().flat_map(Map::keys));
    }
    let lawful = |media: &str| {
        media.contains('/') && media.chars().all(|c| c == ' ' || c.is_ascii_graphic()) && !media.contains(',')
    };
    medias.retain(|media| lawful(media));
    medias.sort_by_key(|media| kind_of(media));
    medias.dedup();
    let mut words: Vec<String> = medias.into_iter().take(MOST).cloned().collect();
    if words.is_empty() {
        words.push("application/json".to_owned());
    }
    if !words.iter().any(|media| media == "*/*") {
        words.push("*/*;q=0.1".to_owned());
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(json: &str, check: impl Fn(&Body<'_>)) {
        let text = format!(r#"{{"openapi":"3.0.0","x":{{"requestBody":{json}}}}}"#);
        let document = Document::parse(text.as_bytes()).expect("a document");
        check(&Body::of(&document, document.get("x")).expect("good").expect("there"));
    }

    #[test]
    fn json_is_preferred_and_raw_values_pass() {
        let described = r#"{"content":{"multipart/form-data":{},"application/json":{"schema":{"type":"object","properties":{"a":{},"b":{}}}}}}"#;
        body(described, |body| {
            assert_eq!(body.properties.map(Map::len), Some(2));
            let (media, text) =
                body.made.of_members(&[("a", "12345678901234567890123"), ("b\"", "null")]).expect("made");
            assert_eq!(
                (media.as_str(), &text[..]),
                ("application/json", &br#"{"a":12345678901234567890123,"b\"":null}"#[..])
            );
        });
    }

    #[test]
    fn forms_are_encoded() {
        let described = r#"{"content":{"application/x-www-form-urlencoded":{
            "schema":{"type":"object","properties":{"a":{},"meta":{"type":"object"},"deep":{"type":"object"}}},
            "encoding":{"deep":{"style":"deepObject","explode":true}}}}}"#;
        body(described, |body| {
            let members = [("a", r#""x&y=z\r\n""#), ("meta", r#"{"k":1}"#), ("deep", r#"{"k":[1]}"#)];
            let (_, text) = body.made.of_members(&members).expect("made");
            assert_eq!(text, &b"a=x%26y%3Dz%0D%0A&meta=%7B%22k%22%3A1%7D&deep%5Bk%5D%5B0%5D=1"[..]);
        });
    }

    #[test]
    fn files_come_in_base64() {
        let described = r#"{"content":{"multipart/form-data":{
            "schema":{"type":"object","properties":{"file":{"type":"string","format":"binary"},"note":{"type":"string"}}}}}}"#;
        body(described, |body| {
            let (media, text) =
                body.made.of_members(&[("file", r#""AAEC""#), ("note", r#""a\r\n--b""#)]).expect("made");
            let boundary = media.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
            let text = String::from_utf8(text.to_vec()).expect("text");
            assert!(text.contains(
                "name=\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n\0\u{1}\u{2}\r\n"
            ));
            assert_eq!(text.matches(boundary).count(), 3);
            let refused = body.made.of_members(&[("file", r#""not base64""#)]).expect_err("refused");
            assert_eq!(refused, "\"file\" must be base64, padded: it is sent as bytes");
        });
        body(r#"{"content":{"image/png":{}}}"#, |body| {
            assert_eq!(
                body.made.of_whole(r#""AAEC""#).expect("made"),
                ("image/png".to_owned(), Bytes::from_static(&[0, 1, 2]))
            );
        });
    }
}
