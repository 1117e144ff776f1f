//! The walk through an input schema that finds its annotations, and those that are out of place.

use super::{ANNOTATION, Defect, PREFIX, Parameter};
use crate::json::{Fault, Scanner, Span};
use crate::raw::{same, string};

/// Keywords whose value maps names to schemas.
const MAPS: [&str; 6] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Keywords whose value is data and no schema.
const DATA: [&str; 6] = ["default", "const", "enum", "examples", "required", "dependentRequired"];
const TYPES: [&[u8]; 3] = [b"\"string\"", b"\"integer\"", b"\"boolean\""];

/// Finds every annotation of a schema. It is walked with one scanner, which bounds its depth.
pub(super) fn read(schema: &[u8]) -> Result<Vec<Parameter>, Defect> {
    let mut walk = Walk { text: schema, scanner: Scanner::new(schema), path: Vec::new(), found: Vec::new() };
    walk.schema(true)?;
    Ok(walk.found)
}

struct Walk<'a> {
    text: &'a [u8],
    scanner: Scanner<'a>,
    /// The properties entered; only those that `properties` alone lead to.
    path: Vec<String>,
    found: Vec<Parameter>,
}

impl From<Fault> for Defect {
    fn from(_: Fault) -> Self {
        Defect::Unreadable
    }
}

impl Walk<'_> {
    /// A schema. `reachable`: `properties` alone lead here from the root.
    fn schema(&mut self, reachable: bool) -> Result<(), Defect> {
        if self.scanner.peek() != Some(b'{') {
            return self.list();
        }
        self.scanner.enter_object()?;
        let (mut annotation, mut kind) = (None, None);
        let mut first = true;
        while let Some(key) = self.scanner.member(first)? {
            first = false;
            let key = &self.text[key.range()];
            if same(key, ANNOTATION) {
                annotation = Some(self.scanner.value()?);
            } else if same(key, "type") {
                kind = Some(self.scanner.value()?);
            } else if MAPS.iter().any(|name| same(key, name)) && self.scanner.peek() == Some(b'{') {
                self.map(reachable && same(key, "properties"))?;
            } else if DATA.iter().any(|name| same(key, name)) {
                self.scanner.value()?;
            } else {
                self.schema(false)?;
            }
        }
        annotation.map_or(Ok(()), |name| self.annotated(reachable, name, kind))
    }

    /// A list of schemas, or any other value.
    fn list(&mut self) -> Result<(), Defect> {
        if self.scanner.peek() != Some(b'[') {
            self.scanner.value()?;
            return Ok(());
        }
        self.scanner.enter_array()?;
        let mut first = true;
        while self.scanner.element(first)? {
            first = false;
            self.schema(false)?;
        }
        Ok(())
    }

    fn map(&mut self, reachable: bool) -> Result<(), Defect> {
        self.scanner.enter_object()?;
        let mut first = true;
        while let Some(key) = self.scanner.member(first)? {
            first = false;
            if reachable {
                let name = crate::json::unescape(&self.text[key.range()]);
                self.path.push(String::from_utf8_lossy(&name).into_owned());
            }
            self.schema(reachable)?;
            if reachable {
                self.path.pop();
            }
        }
        Ok(())
    }

    fn annotated(&mut self, reachable: bool, name: Span, kind: Option<Span>) -> Result<(), Defect> {
        // The root is no property.
        if !reachable || self.path.is_empty() {
            return Err(Defect::Place);
        }
        let name = string(&self.text[name.range()]).filter(|name| is_token(name)).ok_or(Defect::Name)?;
        if !kind.is_some_and(|kind| TYPES.contains(&&self.text[kind.range()])) {
            return Err(Defect::Type(name));
        }
        let header = format!("{PREFIX}{}", name.to_ascii_lowercase());
        if self.found.iter().any(|parameter| parameter.header == header) {
            return Err(Defect::Double(name));
        }
        self.found.push(Parameter { header, path: self.path.clone() });
        Ok(())
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let mark = |b: u8| b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || mark(b))
}
