//! A whole document as tools: its servers, its operations, and those that cannot be offered, with the reason.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use url::Url;

use super::document::{Document, entries, list, text};
use super::operation::{Found, Operation};
use super::schema::Patterns;
use super::slots::Fixed;

/// Longest name of a tool.
const LONGEST: usize = 64;
/// So many bytes all schemas of arguments may have together, and all schemas of answers.
const TOGETHER: usize = 4 << 20;
/// The bounds of one schema's share of it.
const SHARE: (usize, usize) = (3 << 10, 64 << 10);

/// What a document comes to.
pub(super) struct Read {
    pub(super) title: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    /// Where its operations are.
    pub(super) base: Url,
    pub(super) operations: Vec<Operation>,
    /// What is left out, as method and path, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// How many are not wanted.
    pub(super) unwanted: usize,
}

/// What is said about a document elsewhere.
pub(super) struct Instructions<'a> {
    /// Where its operations are, whatever it says itself.
    pub(super) base: Option<&'a Url>,
    /// Where it comes from, if it has an address.
    pub(super) origin: Option<&'a Url>,
    /// Parameters that are no arguments, as the configuration has them.
    pub(super) fixed: Fixed,
    /// Whether the operation of that name is wanted.
    pub(super) wanted: &'a dyn Fn(&str) -> bool,
}

impl Read {
    /// Reads a document. The error says what is wrong with it as a whole.
    pub(super) fn of(document: &Document, instructions: &Instructions<'_>) -> Result<Read, String> {
        let base = instructions.base.cloned().map_or_else(|| server(document.get("servers"), instructions.origin), Ok);
        let base = base.map_err(|why| format!("{why}; set `base_url` to where the API is"))?;
        let mut left_out = Vec::new();
        let mut found = operations(document, instructions, &base, &mut left_out);
        let all = found.len();
        found.retain(|found| (instructions.wanted)(&found.name));
        let unwanted = all - found.len();
        let mut fixed = instructions.fixed.clone();
        credentials(document, &mut fixed);
        let mut patterns = Patterns::default();
        let share = (TOGETHER / found.len().max(1)).clamp(SHARE.0, SHARE.1);
        let mut operations = Vec::new();
        for found in found {
            match Operation::read(document, &found, &fixed, &mut patterns, share) {
                Ok(operation) => operations.push(operation),
                Err(why) => left_out.push((format!("{} {}", found.method, found.path), why)),
            }
        }
        if operations.is_empty() {
            return Err(match (left_out.first(), unwanted) {
                (Some((which, why)), _) => format!("none of its operations can be offered; {which}: {why}"),
                (None, 0) => "it has no operations".to_owned(),
                (None, _) => "none of its operations is shown by `tools`".to_owned(),
            });
        }
        let info = document.get("info");
        let version = info.get("version").map(|version| version.as_str().map_or(version.to_string(), str::to_owned));
        Ok(Read {
            title: text(info, "title").unwrap_or("API").to_owned(),
            version: version.unwrap_or_default(),
            description: text(info, "description").map(str::to_owned),
            base,
            operations,
            left_out,
            unwanted,
        })
    }
}

/// Every operation, under a name of its own.
fn operations<'a>(
    document: &'a Document,
    instructions: &Instructions<'_>,
    base: &Url,
    left_out: &mut Vec<(String, String)>,
) -> Vec<Found<'a>> {
    const METHODS: [(&str, Method); 8] = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("options", Method::OPTIONS),
        ("head", Method::HEAD),
        ("patch", Method::PATCH),
        ("trace", Method::TRACE),
    ];
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    for (path, item) in document.get("paths").as_object().into_iter().flatten() {
        if path.starts_with("x-") {
            continue;
        }
        let item = match document.follow(item) {
            Ok(item) => item,
            Err(why) => {
                left_out.push((format!("every method of {path}"), why));
                continue;
            }
        };
        for (key, method) in METHODS {
            let Some(operation) = item.get(key).filter(|operation| operation.is_object()) else { continue };
            let given = text(operation, "operationId").map(str::to_owned);
            let name = named(&given.unwrap_or_else(|| format!("{key}_{path}")), &names);
            let servers = [operation, item].into_iter().find(|value| !list(value, "servers").is_empty());
            let prefix = match servers.filter(|_| instructions.base.is_none()) {
                Some(own) => prefix(&own["servers"], instructions.origin, base),
                None => Ok(base.path().trim_end_matches('/').to_owned()),
            };
            let prefix = match prefix {
                Ok(_) if method == Method::TRACE => Err("no tool can be made of the method TRACE".to_owned()),
                prefix => prefix,
            };
            match prefix {
                Ok(prefix) => {
                    names.insert(name.clone());
                    found.push(Found { name, method, path, prefix, item, operation });
                }
                Err(why) => left_out.push((format!("{method} {path}"), why)),
            }
        }
    }
    found
}

/// The path of an operation's own server.
fn prefix(servers: &Value, origin: Option<&Url>, base: &Url) -> Result<String, String> {
    let own = server(servers, origin)?;
    if own.origin() == base.origin() {
        return Ok(own.path().trim_end_matches('/').to_owned());
    }
    let elsewhere = own.origin().ascii_serialization();
    Err(format!("it is at {elsewhere}, not where the others are: make a server of its own for it, with `base_url`"))
}

/// The address of the first of some servers.
fn server(servers: &Value, origin: Option<&Url>) -> Result<Url, String> {
    let first = servers.get(0).unwrap_or(&Value::Null);
    let mut address = text(first, "url").unwrap_or("/").to_owned();
    for (name, variable) in entries(first, "variables") {
        let default = variable.get("default").map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
        address = address.replace(&format!("{{{name}}}"), &default.unwrap_or_default());
    }
    let url = match origin {
        Some(origin) => origin.join(&address),
        None => Url::parse(&address),
    };
    let url = url.map_err(|_| "the document does not say at which address the API is".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || address.contains('{') {
        return Err("the address of the API in the document is no http or https URL".to_owned());
    }
    Ok(url)
}

/// Adds the parameters that are credentials: their values come from the configuration only.
fn credentials(document: &Document, fixed: &mut Fixed) {
    let components = document.get("components");
    for (_, scheme) in entries(components, "securitySchemes") {
        let Ok(scheme) = document.follow(scheme) else { continue };
        let Some(name) = text(scheme, "name").filter(|_| text(scheme, "type") == Some("apiKey")) else { continue };
        match text(scheme, "in") {
            Some("header") => drop(fixed.0.insert(("header", name.to_ascii_lowercase()))),
            Some("query") => drop(fixed.0.insert(("query", name.to_owned()))),
            Some("cookie") => drop(fixed.0.insert(("cookie", name.to_owned()))),
            _ => {}
        }
    }
}

/// A name that every provider of models takes, and that is not taken.
fn named(given: &str, taken: &BTreeSet<String>) -> String {
    let mut name = String::new();
    for character in given.chars() {
        let plain = character.is_ascii_alphanumeric() || character == '-';
        match if plain { character } else { '_' } {
            '_' if name.ends_with('_') && character != '_' => {}
            character => name.push(character),
        }
    }
    let name = name.trim_matches('_');
    let name: String = if name.is_empty() { "operation".to_owned() } else { name.chars().take(LONGEST).collect() };
    let mut tried = name.clone();
    let mut round = 2;
    while taken.contains(&tried) {
        let end = format!("_{round}");
        tried = name.chars().take(LONGEST - end.len()).chain(end.chars()).collect();
        round += 1;
    }
    tried
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lawful_and_unique() {
        let mut taken = BTreeSet::new();
        for (given, wanted) in [
            ("listPets", "listPets"),
            ("pets/list", "pets_list"),
            ("pets/list", "pets_list_2"),
            ("get_/users/{id}/posts", "get_users_id_posts"),
            ("a  b", "a_b"),
            ("a__b", "a__b"),
            ("日本", "operation"),
        ] {
            let name = named(given, &taken);
            assert_eq!(name, wanted);
            taken.insert(name);
        }
        let long = "x".repeat(100);
        let first = named(&long, &taken);
        taken.insert(first.clone());
        let second = named(&long, &taken);
        assert_eq!((first.len(), second.len()), (64, 64));
        assert!(second.ends_with("_2"));
    }

    #[test]
    fn servers_are_resolved() {
        let origin = Url::parse("https://api.example/v3/openapi.json").expect("a URL");
        for (servers, origin, wanted) in [
            (r#"[{"url":"https://x.example/v1/"}]"#, None, Ok("https://x.example/v1/")),
            (r#"[{"url":"/v2"}]"#, Some(&origin), Ok("https://api.example/v2")),
            ("[]", Some(&origin), Ok("https://api.example/")),
            (
                r#"[{"url":"https://{host}:{port}/{v}","variables":{"host":{"default":"h.example"},"port":{"default":8443},"v":{"default":"x"}}}]"#,
                None,
                Ok("https://h.example:8443/x"),
            ),
            ("null", None, Err("the document does not say at which address the API is")),
            (
                r#"[{"url":"https://h.example/{x}"}]"#,
                None,
                Err("the address of the API in the document is no http or https URL"),
            ),
            (r#"[{"url":"file:///etc"}]"#, None, Err("the address of the API in the document is no http or https URL")),
        ] {
            let servers = serde_json::from_str(servers).expect("JSON");
            let made = server(&servers, origin).map(|url| url.to_string());
            assert_eq!(made, wanted.map(str::to_owned).map_err(str::to_owned));
        }
    }
}
