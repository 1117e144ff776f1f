//! YAML into a tree with places; what could blow a file up is bounded.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::{DEEPEST, Key, LARGEST, Mark, Node, Value};

/// Most values and keys of a file, aliases expanded.
const MOST: usize = 20_000;

/// Reads a YAML text.
pub(super) fn parse(text: &str) -> Result<Node, (Mark, String)> {
    let budget = serde_saphyr::budget! {
        max_nodes: MOST,
        max_events: 3 * MOST,
        max_depth: DEEPEST,
        max_documents: 1,
        max_total_scalar_bytes: 2 * LARGEST,
    };
    let aliases = serde_saphyr::alias_limits! { max_total_replayed_events: MOST };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: aliases,
        strict_booleans: true,
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let tree = serde_saphyr::from_str_with_options::<Option<Spanned<Tree>>>(text, options).map_err(|error| {
        let place = error.location().map_or_else(|| Mark::at(1, 1), mark);
        (place, said(&error.to_string()))
    })?;
    Ok(tree.map_or_else(|| Node::empty(&Mark::at(1, 1)), |tree| node(tree, text)))
}

/// The parser's words without the place, which the finding says in its own way.
fn said(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let bare = first.split_once(": ").filter(|(place, _)| place.contains("line "));
    let bare = bare.map_or(first, |(_, rest)| rest);
    bare.split_once(" at line ").map_or(bare, |(words, _)| words).to_owned()
}

/// What the parser gives, before places and spellings are put to it.
enum Tree {
    Null,
    Switch(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

fn mark(location: Location) -> Mark {
    let whole = |number: u64| usize::try_from(number).unwrap_or_default();
    Mark::at(whole(location.line()), whole(location.column()))
}

fn node(tree: Spanned<Tree>, text: &str) -> Node {
    let place = mark(tree.referenced);
    let value = match tree.value {
        Tree::Null => Value::Null,
        Tree::Switch(on) => Value::Switch(on),
        Tree::Number(parsed) => Value::Number(written(tree.defined, text).unwrap_or(parsed)),
        Tree::Text(text) => Value::Text(text),
        Tree::List(items) => Value::List(items.into_iter().map(|item| node(item, text)).collect()),
        Tree::Map(entries) => {
            let key = |key: Spanned<String>| Key { name: key.value, mark: mark(key.referenced) };
            Value::Map(entries.into_iter().map(|(name, value)| (key(name), node(value, text))).collect())
        }
    };
    Node { value, mark: place }
}

/// A number as it is written: a version such as 1.10 is not 1.1.
fn written(location: Location, text: &str) -> Option<String> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let end = start + usize::try_from(span.byte_len()?).ok()?;
    let written = text.get(start..end)?.trim();
    (!written.is_empty()).then(|| written.to_owned())
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Grower)
    }
}

struct Grower;

impl<'de> Visitor<'de> for Grower {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Tree, E> {
        Ok(Tree::Switch(on))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}
