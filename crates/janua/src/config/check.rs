//! Holds a file against the description of its keys: every unknown key and every value of a wrong kind.

use super::field::{Field, Kind, switch};
use super::file::LATER;
use super::finding::Findings;
use super::tree::{Node, Value, join};

/// Checks the keys of a group, and all below them. Keys of `strange` are not reported as unknown.
pub(super) fn section(node: &Node, fields: &[&'static Field], path: &str, findings: &mut Findings) {
    let Value::Map(entries) = &node.value else {
        if !matches!(node.value, Value::Null) {
            findings.error(&node.mark, path, format!("must be a group of keys, is {}", node.kind()));
        }
        return;
    };
    for (key, value) in entries {
        let path = join(path, &key.name);
        match fields.iter().find(|field| field.is(&key.name)) {
            Some(field) => {
                let earlier = entries.iter().find(|(other, _)| field.is(&other.name));
                if let Some((other, _)) = earlier.filter(|(other, _)| other.name != key.name) {
                    let message = format!("means the same as {:?} in line {}", other.name, other.mark.line);
                    findings.error(&key.mark, &path, message).hint("keep one of them");
                }
                held(value, field.kind, &path, findings);
            }
            None if LATER.contains(&key.name.as_str()) => {
                findings.error(&key.mark, &path, "this version does not support this key").hint("take it out");
            }
            None => {
                let known: Vec<&str> = fields
                    .iter()
                    .flat_map(|field| std::iter::once(field.name).chain(field.also.iter().copied()))
                    .collect();
                findings.error(&key.mark, &path, "unknown key").suggest(&key.name, &known);
            }
        }
    }
}

/// Checks one value.
fn held(node: &Node, kind: Kind, path: &str, findings: &mut Findings) {
    match kind {
        Kind::Section(fields) => section(node, &fields(), path, findings),
        Kind::Named(fields) => named(node, &fields(), path, findings),
        Kind::Texts | Kind::Groups(_) | Kind::TextsOrGroups(_) => items(node, kind, path, findings),
        Kind::TextMap => {
            let Value::Map(entries) = &node.value else { return unfit(node, kind, path, findings) };
            for (key, value) in entries {
                held(value, Kind::Text, &join(path, &key.name), findings);
            }
        }
        _ => scalar(node, kind, path, findings),
    }
}

fn named(node: &Node, fields: &[&'static Field], path: &str, findings: &mut Findings) {
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                section(value, fields, &join(path, &key.name), findings);
            }
        }
        _ => unfit(node, Kind::Named(Vec::new), path, findings),
    }
}

fn items(node: &Node, kind: Kind, path: &str, findings: &mut Findings) {
    let Value::List(items) = &node.value else { return unfit(node, kind, path, findings) };
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match (kind, &item.value) {
            (Kind::Groups(fields), _) | (Kind::TextsOrGroups(fields), Value::Map(_)) => {
                section(item, &fields(), &path, findings);
            }
            _ => held(item, Kind::Text, &path, findings),
        }
    }
}

fn scalar(node: &Node, kind: Kind, path: &str, findings: &mut Findings) {
    let fits = match (&node.value, kind) {
        (Value::Null | Value::Unset(_) | Value::Made(_), _)
        | (Value::Text(_) | Value::Number(_) | Value::Switch(_), Kind::Text) => true,
        (Value::Switch(on), Kind::PathOrOff) => !on,
        (Value::Switch(_), _) => matches!(kind, Kind::Switch | Kind::AddressOrOff),
        (Value::Number(_), _) => {
            matches!(kind, Kind::Count | Kind::Port | Kind::Time | Kind::Size | Kind::Address | Kind::AddressOrOff)
        }
        (Value::Text(_), _) => !matches!(kind, Kind::Count | Kind::Port | Kind::Switch),
        (Value::List(_) | Value::Map(_), _) => false,
    };
    if !fits {
        return unfit(node, kind, path, findings);
    }
    if matches!(node.value, Value::Unset(_)) {
        return;
    }
    let Some(why) = node.scalar().and_then(|text| kind.refuses(text)) else { return };
    let finding = findings.error(&node.mark, path, why);
    if let (Value::Text(text), Kind::Choice(words)) = (&node.value, kind) {
        finding.suggest(text, words);
    }
}

/// A value of a wrong kind.
fn unfit(node: &Node, kind: Kind, path: &str, findings: &mut Findings) {
    if matches!(node.value, Value::Null) {
        return;
    }
    let finding = findings.error(&node.mark, path, format!("must be {}, is {}", kind.shape(), node.kind()));
    match (&node.value, kind) {
        (Value::Text(_), Kind::Count | Kind::Port) => finding.hint("write it without quotes"),
        (Value::Text(text), Kind::Switch) => match text.as_str() {
            "yes" | "on" | "True" => finding.hint("write true"),
            "no" | "off" | "False" => finding.hint("write false"),
            _ if switch(text).is_some() => finding.hint("write it without quotes"),
            _ => {}
        },
        (Value::Text(_) | Value::Number(_), Kind::Texts | Kind::TextsOrGroups(_)) => {
            finding.hint("write it as [\"…\"]");
        }
        _ => {}
    }
}
