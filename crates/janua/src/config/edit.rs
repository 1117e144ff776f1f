//! Changes to configuration files as text: one entry set or taken out, every other byte as it was.

use std::fmt;
use std::ops::Range;
use std::path::Path;

pub mod diff;
mod json;
mod located;
pub mod store;
mod toml;
mod value;
mod yaml;

pub use value::Value;

use located::Node;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, with comments and trailing commas if somebody wrote them.
    Json,
    /// YAML 1.2, one document.
    Yaml,
    /// TOML 1.
    Toml,
}

impl Format {
    /// The format that a file's name says, by its ending; YAML, which holds JSON too, if it says none.
    pub fn of(path: &Path) -> Format {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("json" | "jsonc" | "json5" | "mcp") => Format::Json,
            Some("toml") => Format::Toml,
            _ => Format::Yaml,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Json => "JSON",
            Format::Yaml => "YAML",
            Format::Toml => "TOML",
        })
    }
}

/// Why a text was not changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not in its format.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// The text is in order, but written in a way that cannot be changed without touching more than was asked for.
    #[error("{0}")]
    Shape(String),
}

impl EditError {
    fn syntax(text: &str, at: usize, what: impl Into<String>) -> Self {
        let (line, column) = located::position(text, at);
        EditError::Syntax { line, column, what: what.into() }
    }
}

const BOM: &str = "\u{feff}";

/// What a text says. Nothing at all is an empty map.
pub fn read(text: &str, format: Format) -> Result<Value, EditError> {
    Ok(nodes(text.strip_prefix(BOM).unwrap_or(text), format)?.value())
}

/// The text with the value at `path` set to `value` (added if it is not there, with the maps that lead to it), or
/// taken out if there is none.
///
/// The result has been read again, and says what the text said but for this change.
pub fn apply(text: &str, format: Format, path: &[&str], value: Option<&Value>) -> Result<String, EditError> {
    let (mark, body) = text.strip_prefix(BOM).map_or(("", text), |body| (BOM, body));
    let before = nodes(body, format)?.value();
    let wanted = before.with(path, value);
    if wanted.same(&before) {
        return Ok(text.to_owned());
    }
    let edited = match format {
        Format::Json => json::edit(body, path, value)?,
        // YAML holds JSON too, and JSON wants its own layout.
        Format::Yaml if body.starts_with('{') && json::parse(body).is_ok() => json::edit(body, path, value)?,
        Format::Yaml => yaml::edit(body, path, value)?,
        Format::Toml => toml::edit(body, path, value)?,
    };
    let safe = nodes(&edited, format).is_ok_and(|after| after.value().same(&wanted));
    if !safe {
        let what =
            format!("`{}` is written in a way that cannot be changed here alone: change it by hand", path.join("."));
        return Err(EditError::Shape(what));
    }
    Ok(format!("{mark}{edited}"))
}

fn nodes(text: &str, format: Format) -> Result<Node, EditError> {
    match format {
        Format::Json => json::parse(text),
        Format::Yaml => yaml::parse(text),
        Format::Toml => toml::parse(text),
    }
}

/// The places of the values for which `hidden` is true, given the keys that lead to them; all of a text that cannot be
/// read.
fn places(text: &str, format: Format, hidden: &dyn Fn(&[&str], &str) -> bool) -> Vec<Range<usize>> {
    let body = text.strip_prefix(BOM).unwrap_or(text);
    let shift = text.len() - body.len();
    let Ok(root) = nodes(body, format) else { return std::iter::once(0..text.len()).collect() };
    let mut found = Vec::new();
    root.scalars(&mut Vec::new(), &mut |path, text, span| {
        if hidden(path, text) {
            found.push(span.start + shift..span.end + shift);
        }
    });
    found
}
