//! The environment as configuration: a copy that can be looked at, and `JANUA_SECTION__KEY` over the file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::field::{Field, Kind};
use super::finding::{Findings, nearest};
use super::tree::{Format, Key, Mark, Node, Value, parse};

/// Variables of ours that are no keys of the configuration.
const APART: [&str; 5] = ["JANUA_AUTH_TOKEN", "JANUA_CONFIG", "JANUA_INSTANCE", "JANUA_LOG_LEVEL", "JANUA_LOG_FORMAT"];

/// Environment variables, as they were at one time.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process; variables that are not UTF-8 are left out.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The same with another value of a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Environment(variables.into_iter().collect())
    }
}

/// The names only: values are often secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Puts the values of `JANUA_…` variables over those of the file.
pub(super) fn apply(environment: &Environment, fields: &[&'static Field], root: &mut Node, findings: &mut Findings) {
    for (variable, value) in &environment.0 {
        let Some(name) = variable.strip_prefix("JANUA_") else { continue };
        let mark = Mark { variable: Some(Arc::from(variable.as_str())), ..Mark::default() };
        if !APART.contains(&variable.as_str()) {
            let words: Vec<&str> = name.split("__").collect();
            if let Err(known) = put(root, fields, &words, value, &mark, findings) {
                let finding =
                    findings.warning(&mark, &name.to_lowercase(), "no key of the configuration has this name");
                let known: Vec<&str> = known.iter().map(|field| field.name).collect();
                if let Some(near) = nearest(&words.last().unwrap_or(&name).to_lowercase(), &known) {
                    finding.hint(format!("did you mean {:?}?", near.to_uppercase()));
                }
            }
        }
    }
}

/// Puts one value where its words lead, or gives the keys that are known where they part from what is known.
fn put(
    group: &mut Node,
    fields: &[&'static Field],
    words: &[&str],
    value: &str,
    mark: &Mark,
    findings: &mut Findings,
) -> Result<(), Vec<&'static Field>> {
    let Some((word, rest)) = words.split_first() else { return Err(Vec::new()) };
    let wanted = word.to_lowercase();
    let Some(field) = fields.iter().find(|field| field.is(&wanted)) else { return Err(fields.to_vec()) };
    let there = group.entries().iter().find(|(key, _)| field.is(&key.name)).map(|(key, _)| key.name.clone());
    let name = there.unwrap_or_else(|| field.name.to_owned());
    match (field.kind, rest) {
        (Kind::Section(inner), [_, ..]) => {
            put(below(group, &name, mark).ok_or_else(Vec::new)?, &inner(), rest, value, mark, findings)
        }
        (Kind::Named(inner), [entry, deeper @ ..]) if !deeper.is_empty() => {
            let named = below(group, &name, mark).ok_or_else(Vec::new)?;
            let entry = spelled(named, entry);
            put(below(named, &entry, mark).ok_or_else(Vec::new)?, &inner(), deeper, value, mark, findings)
        }
        (Kind::TextMap, [_, ..]) => {
            below(group, &name, mark)
                .ok_or_else(Vec::new)?
                .put(&rest.join("__"), Node::new(Value::Made(value.to_owned()), mark));
            Ok(())
        }
        (Kind::Section(_) | Kind::Named(_), _) => Err(Vec::new()),
        (_, []) => {
            let node = read(value, field.kind, mark, findings);
            group.put(&name, node);
            Ok(())
        }
        _ => Err(Vec::new()),
    }
}

/// The group under a key, made if it is not there.
fn below<'a>(group: &'a mut Node, name: &str, mark: &Mark) -> Option<&'a mut Node> {
    if !matches!(group.value, Value::Map(_)) {
        group.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut group.value else { return None };
    let at = entries.iter().position(|(key, _)| key.name == name).unwrap_or_else(|| {
        entries.push((Key { name: name.to_owned(), mark: mark.clone() }, Node::empty(mark)));
        entries.len() - 1
    });
    entries.get_mut(at).map(|(_, node)| node)
}

/// The name that a variable means: one that is there, in capitals and with `_` for what variables cannot hold; else
/// a new one in small letters.
fn spelled(named: &Node, word: &str) -> String {
    let capital = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_uppercase();
    let there = named.entries().iter().find(|(key, _)| capital(&key.name) == word.to_uppercase());
    there.map_or_else(|| word.to_lowercase(), |(key, _)| key.name.clone())
}

/// A variable's value: lists are JSON or separated by commas, texts by name are JSON.
fn read(value: &str, kind: Kind, mark: &Mark, findings: &mut Findings) -> Node {
    let json = value.trim_start().starts_with(['[', '{']);
    match kind {
        Kind::Texts | Kind::TextMap | Kind::Groups(_) | Kind::TextsOrGroups(_) if json => {
            let parsed = parse(value, Format::Json, findings);
            parsed.map_or_else(|| Node::new(Value::Null, mark), |node| moved(node, mark))
        }
        Kind::Texts | Kind::TextsOrGroups(_) => {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            Node::new(Value::List(items.map(|item| Node::new(Value::Made(item.to_owned()), mark)).collect()), mark)
        }
        _ => Node::new(Value::Made(value.to_owned()), mark),
    }
}

/// The same value, come from a variable.
fn moved(node: Node, mark: &Mark) -> Node {
    let value = match node.value {
        Value::Text(text) => Value::Made(text),
        Value::List(items) => Value::List(items.into_iter().map(|item| moved(item, mark)).collect()),
        Value::Map(entries) => {
            let entry = |(key, node): (Key, Node)| (Key { name: key.name, mark: mark.clone() }, moved(node, mark));
            Value::Map(entries.into_iter().map(entry).collect())
        }
        other => other,
    };
    Node::new(value, mark)
}
