//! A configuration file as a tree in which every value knows its place, whatever the format.

use std::path::Path;
use std::sync::Arc;

use super::finding::Findings;

mod json;
mod toml;
mod yaml;

/// Largest configuration file, in bytes.
pub(super) const LARGEST: usize = 1 << 20;

/// Deepest nesting.
const DEEPEST: usize = 32;

/// Where a value stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// Line, from 1; 0 if it is in no file.
    pub(super) line: usize,
    /// Column in characters, from 1.
    pub(super) column: usize,
    /// The environment variable it comes from, instead.
    pub(super) variable: Option<Arc<str>>,
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) mark: Mark,
}

/// What a file can say at one place.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Switch(bool),
    /// As it is written.
    Number(String),
    Text(String),
    /// What came out of an expansion or an environment variable: perhaps a secret, perhaps a number.
    Made(String),
    /// A text, as it is written, that names something that is not there.
    Unset(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) mark: Mark,
}

/// The formats of configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    /// With comments and trailing commas.
    Json,
    Toml,
}

impl Mark {
    fn at(line: usize, column: usize) -> Self {
        Mark { line, column, variable: None }
    }
}

/// Where the lines of a text begin, and how many characters stand before every so many bytes: a file may be one line.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    characters: Vec<usize>,
}

/// Bytes from one count of characters to the next.
const STEP: usize = 256;

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut characters = vec![0];
        let mut before = 0;
        for piece in text.as_bytes().chunks(STEP) {
            before += begun(piece);
            characters.push(before);
        }
        Lines { text, starts: std::iter::once(0).chain(ends).collect(), characters }
    }

    /// The place of a byte.
    fn mark(&self, offset: usize) -> Mark {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        Mark::at(line, self.before(offset).saturating_sub(self.before(start)) + 1)
    }

    /// How many characters stand before a byte.
    fn before(&self, offset: usize) -> usize {
        let counted = self.characters.get(offset / STEP).copied().unwrap_or_default();
        counted + self.text.as_bytes().get(offset - offset % STEP..offset).map(begun).unwrap_or_default()
    }
}

/// How many characters begin in these bytes.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

impl Node {
    pub(super) fn new(value: Value, mark: &Mark) -> Self {
        Node { value, mark: mark.clone() }
    }

    pub(super) fn text(text: impl Into<String>, mark: &Mark) -> Self {
        Node::new(Value::Text(text.into()), mark)
    }

    /// A map without entries.
    pub(super) fn empty(mark: &Mark) -> Self {
        Node::new(Value::Map(Vec::new()), mark)
    }

    /// The entries of a map; none if it is something else.
    pub(super) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none if it is something else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value under a key of a map.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The text of a scalar, as it is written.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Made(text) | Value::Unset(text) | Value::Number(text) => Some(text),
            Value::Switch(on) => Some(if *on { "true" } else { "false" }),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Switch(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) | Value::Made(_) | Value::Unset(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a group of keys",
        }
    }

    /// Puts a value under a key of a map, in the place of one that is there.
    pub(super) fn put(&mut self, name: &str, node: Node) {
        if let Value::Map(entries) = &mut self.value {
            entries.retain(|(key, _)| key.name != name);
            entries.push((Key { name: name.to_owned(), mark: node.mark.clone() }, node));
        }
    }
}

/// The format of a file: by its extension, else by what it looks like.
pub(super) fn format(path: &Path, text: &str) -> Format {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("yaml" | "yml") => return Format::Yaml,
        Some("json" | "jsonc" | "json5") => return Format::Json,
        Some("toml") => return Format::Toml,
        _ => {}
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(first) = lines.next() else { return Format::Yaml };
    if first.starts_with(['{', '/']) {
        return Format::Json;
    }
    let key = first.split(['=', ':', '"']).next().unwrap_or_default();
    let table = first.starts_with('[') && first.ends_with(']');
    if table || first[key.len()..].starts_with('=') { Format::Toml } else { Format::Yaml }
}

/// Reads a file's text. `None` if it cannot be read at all; keys that occur twice are findings, and the first counts.
pub(super) fn parse(text: &str, format: Format, findings: &mut Findings) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = match format {
        Format::Yaml => yaml::parse(text),
        Format::Json => json::parse(text),
        Format::Toml => toml::parse(text),
    };
    match parsed {
        Ok(mut node) => {
            unite(&mut node, "", findings);
            Some(node)
        }
        Err((mark, message)) => {
            findings.error(&mark, "", message);
            None
        }
    }
}

/// Reports keys that occur twice in a map, and keeps the first of each.
fn unite(node: &mut Node, path: &str, findings: &mut Findings) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| unite(item, path, findings)),
        Value::Map(entries) => {
            let mut seen = std::collections::HashMap::new();
            entries.retain_mut(|(key, node)| {
                let path = join(path, &key.name);
                if let Some(line) = seen.get(&key.name) {
                    findings.error(&key.mark, &path, format!("the key is there twice, first in line {line}"));
                    return false;
                }
                seen.insert(key.name.clone(), key.mark.line);
                unite(node, &path, findings);
                true
            });
        }
        _ => {}
    }
}

/// A key below another, as findings name it.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
