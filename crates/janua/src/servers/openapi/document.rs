//! An OpenAPI document as a tree: read within bounds, and its references followed.

use super::percent;
use serde_json::{Map, Value};

use super::swagger;

/// Largest document, in bytes.
pub(super) const LARGEST: usize = 16 << 20;
/// Most values and keys of a document in YAML, aliases expanded.
const MOST: usize = 1 << 20;
/// So many of them may come from aliases: what is written once is read again for each.
const ALIASED: usize = 100_000;
/// Deepest nesting; JSON's parser has the same bound.
const DEEPEST: usize = 127;
/// Longest chain of references.
const CHAIN: usize = 16;

/// A document of OpenAPI 3.0 or 3.1; one of Swagger 2.0 was written anew as 3.0.
pub(super) struct Document {
    root: Value,
    /// Whether schemas are those of 3.0, which are not quite JSON Schema.
    pub(super) is_old: bool,
}

/// Names by which parts of a document are found.
type Entries<'a> = Box<dyn Iterator<Item = (&'a String, &'a Value)> + 'a>;

impl Document {
    /// Reads a document. The error says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Document, String> {
        if text.len() > LARGEST {
            return Err(too_large());
        }
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text.trim_start_matches('\u{feff}');
        let root: Value = if text.trim_start().starts_with(['{', '[']) {
            serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?
        } else {
            yaml(text)?
        };
        let version =
            |key: &str| root.get(key).map(|version| version.as_str().map_or(version.to_string(), str::to_owned));
        match (version("openapi"), version("swagger")) {
            (Some(version), _) if version.starts_with("3.0") => Ok(Document { root, is_old: true }),
            (Some(version), _) if version.starts_with("3.1") => Ok(Document { root, is_old: false }),
            (None, Some(version)) if version.starts_with('2') => {
                Ok(Document { root: swagger::renewed(root), is_old: true })
            }
            (Some(version), _) | (None, Some(version)) => {
                let shown: String = version.chars().take(20).collect();
                Err(format!("it is of version {shown:?}: OpenAPI 3.0 and 3.1 and Swagger 2.0 are understood"))
            }
            (None, None) => Err("it is no OpenAPI document: it has neither `openapi` nor `swagger`".to_owned()),
        }
    }

    /// A member of the whole.
    pub(super) fn get(&self, key: &str) -> &Value {
        self.root.get(key).unwrap_or(&Value::Null)
    }

    /// What a reference leads to. The error names a reference that leads nowhere.
    pub(super) fn at(&self, reference: &str) -> Result<&Value, String> {
        let Some(pointer) = reference.strip_prefix('#') else {
            let shown: String = reference.chars().take(200).collect();
            return Err(format!("the reference {shown:?} leads out of the document, which is not followed"));
        };
        let pointer = percent::decoded(pointer);
        let found = self.root.pointer(&pointer);
        found.ok_or_else(|| format!("the reference {reference:?} leads nowhere"))
    }

    /// A value itself, or what it refers to.
    pub(super) fn follow<'a>(&'a self, value: &'a Value) -> Result<&'a Value, String> {
        let mut value = value;
        for _ in 0..CHAIN {
            match reference(value) {
                Some(reference) => value = self.at(reference)?,
                None => return Ok(value),
            }
        }
        let reference = reference(value).unwrap_or_default();
        Err(format!("the reference {reference:?} leads in a circle"))
    }
}

/// The reference that a value is, if it is one.
pub(super) fn reference(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()
}

/// The text under a key.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The elements under a key; none if it is no list.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The members under a key, without extensions; none if it is no object.
pub(super) fn entries<'a>(value: &'a Value, key: &str) -> Entries<'a> {
    let members = value.get(key).and_then(Value::as_object).map(Map::iter);
    Box::new(members.into_iter().flatten().filter(|(name, _)| !name.starts_with("x-")))
}

/// Whether the switch under a key is on.
pub(super) fn on(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// That a document is too large.
pub(super) fn too_large() -> String {
    format!("it is larger than {} MiB", LARGEST >> 20)
}

fn yaml(text: &str) -> Result<Value, String> {
    let budget = serde_saphyr::budget! {
        max_nodes: MOST,
        max_events: 3 * MOST,
        max_depth: DEEPEST,
        max_documents: 1,
        max_total_scalar_bytes: 2 * LARGEST,
    };
    let aliases = serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: aliases,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let first = error.to_string().lines().next().unwrap_or_default().to_owned();
        format!("it is no YAML: {first}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for (text, wanted) in [
            (r#"{"openapi":"3.0.3"}"#, Ok(true)),
            ("openapi: 3.1.0\n", Ok(false)),
            ("swagger: 2.0\n", Ok(true)),
            ("swagger: '2.0'\npaths: {}\n", Ok(true)),
            ("openapi: 4.0.0\n", Err("it is of version \"4.0.0\": OpenAPI 3.0 and 3.1 and Swagger 2.0 are understood")),
            ("a: b\n", Err("it is no OpenAPI document: it has neither `openapi` nor `swagger`")),
        ] {
            let read = Document::parse(text.as_bytes()).map(|document| document.is_old);
            assert_eq!(read, wanted.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn yaml_reads_as_json_does() {
        let text = "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      responses:\n        200: {description: yes}\n        default: {description: 'no'}\n";
        let document = Document::parse(text.as_bytes()).expect("a document");
        let responses = document.at("#/paths/~1a/get/responses").expect("there");
        assert_eq!(responses.to_string(), r#"{"200":{"description":"yes"},"default":{"description":"no"}}"#);
    }

    #[test]
    fn yaml_that_grows_is_refused() {
        let lists = (1..12).map(|level| {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("a{level}: &a{level} [{aliases}]\n")
        });
        let text = "openapi: 3.0.0\na0: &a0 [x]\n".to_owned() + &lists.collect::<String>();
        let refused = Document::parse(text.as_bytes()).map(drop).expect_err("too much");
        assert!(refused.starts_with("it is no YAML: "), "{refused}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let json = format!("{{\"openapi\":\"3.0.0\",\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(Document::parse(json.as_bytes()).is_err());
        let yaml = format!("openapi: 3.0.0\na: {}{}\n", "[".repeat(5000), "]".repeat(5000));
        assert!(Document::parse(yaml.as_bytes()).is_err());
    }

    #[test]
    fn references_lead_inside_the_document_only() {
        let text = r##"{"openapi":"3.0.0","a":{"$ref":"#/b"},"b":{"x":1},"c":{"$ref":"#/c"},"d":{"$ref":"other.yaml#/d"},"e/f":{"y":2}}"##;
        let document = Document::parse(text.as_bytes()).expect("a document");
        assert_eq!(document.follow(document.get("a")).expect("there")["x"], 1);
        assert_eq!(document.at("#/e~1f/y").expect("there"), 2);
        assert_eq!(document.at("#/e%7E1f/y").expect("there"), 2);
        let wrong = |key: &str| document.follow(document.get(key)).expect_err("wrong");
        assert_eq!(wrong("c"), "the reference \"#/c\" leads in a circle");
        assert_eq!(wrong("d"), "the reference \"other.yaml#/d\" leads out of the document, which is not followed");
    }
}
