//! A tree that knows where each part of it stands in the text, and what lines look like there.

use std::ops::Range;

use super::{EditError, Value};

/// A value and its place, in bytes.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
    pub(super) form: Form,
    /// Whether something elsewhere may refer to it (YAML anchors).
    pub(super) anchored: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Member>),
    /// A reference to something elsewhere.
    Alias,
}

/// How a map is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Between braces; scalars as well.
    Inline,
    /// By indentation (YAML).
    Block,
    /// Under a header, which is its place (TOML).
    Header,
    /// By what is below it (TOML).
    Implied,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) node: Node,
}

/// What is told of each scalar: the keys that lead to it, its text, its place.
pub(super) type See<'a> = dyn FnMut(&[&str], &str, Range<usize>) + 'a;

/// How far a path leads into a tree.
pub(super) struct Walk<'a> {
    /// The nodes on the way, the root first.
    pub(super) nodes: Vec<&'a Node>,
    /// The members that were taken, by their place in the node before.
    pub(super) steps: Vec<usize>,
}

impl Node {
    pub(super) fn new(span: Range<usize>, kind: Kind, form: Form) -> Node {
        Node { span, kind, form, anchored: false }
    }

    pub(super) fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::List(items.iter().map(Node::value).collect()),
            Kind::Map(members) => Value::Map(members.iter().map(|m| (m.key.clone(), m.node.value())).collect()),
            Kind::Alias => Value::Null,
        }
    }

    /// Whether something elsewhere may refer to this or to a part of it.
    pub(super) fn referred_to(&self) -> bool {
        let below = match &self.kind {
            Kind::Map(members) => members.iter().any(|member| member.node.referred_to()),
            Kind::List(items) => items.iter().any(Node::referred_to),
            _ => false,
        };
        self.anchored || below
    }

    /// Whether there is nothing at all: no value, or none that says anything.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Value::Null))
    }

    /// Follows keys as far as they are there; an error if something on the way is no map.
    pub(super) fn walk<'a>(&'a self, path: &[&str]) -> Result<Walk<'a>, EditError> {
        let mut walk = Walk { nodes: vec![self], steps: Vec::new() };
        let mut node = self;
        for (depth, key) in path.iter().enumerate() {
            let here =
                || if depth == 0 { "the whole file".to_owned() } else { format!("`{}`", path[..depth].join(".")) };
            match &node.kind {
                Kind::Map(_) => {}
                Kind::Scalar(Value::Null) => break,
                Kind::Alias => {
                    return Err(EditError::Shape(format!(
                        "{} stands elsewhere (an alias): change it there by hand",
                        here()
                    )));
                }
                _ => return Err(EditError::Shape(format!("{} is not a map of names to values", here()))),
            }
            let mut found = node.members().iter().enumerate().filter(|(_, member)| member.key == *key);
            let Some((at, member)) = found.next() else { break };
            if found.next().is_some() {
                return Err(EditError::Shape(format!(
                    "`{}` is there twice: take one out by hand",
                    path[..=depth].join(".")
                )));
            }
            node = &member.node;
            walk.nodes.push(node);
            walk.steps.push(at);
        }
        Ok(walk)
    }

    /// Calls `see` with the keys, the text and the place of each scalar.
    pub(super) fn scalars<'a>(&'a self, path: &mut Vec<&'a str>, see: &mut See<'_>) {
        match &self.kind {
            Kind::Scalar(value) => {
                if let Some(text) = value.spelled() {
                    see(path, &text, self.span.clone());
                }
            }
            Kind::List(items) => items.iter().for_each(|item| item.scalars(path, see)),
            Kind::Map(members) => {
                for member in members {
                    path.push(&member.key);
                    member.node.scalars(path, see);
                    path.pop();
                }
            }
            Kind::Alias => {}
        }
    }
}

impl<'a> Walk<'a> {
    /// The last node that is there.
    pub(super) fn last(&self) -> &'a Node {
        self.nodes[self.nodes.len() - 1]
    }

    /// The node that holds the last one, and which of its members that is.
    pub(super) fn parent(&self) -> Option<(&'a Node, usize)> {
        let at = *self.steps.last()?;
        Some((self.nodes[self.nodes.len() - 2], at))
    }
}

/// A value below maps for all keys but the first.
pub(super) fn nested(path: &[&str], value: &Value) -> Value {
    path.iter().skip(1).rev().fold(value.clone(), |value, key| Value::Map(vec![((*key).to_owned(), value)]))
}

/// The line and the column of a place, both from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start(before, before.len())..].chars().count() + 1)
}

/// How the text ends its lines.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Where the line begins that holds a place.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line ends that holds a place, its break not included.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    if text[at..end].ends_with('\r') { end - 1 } else { end }
}

/// The spaces and tabs at the beginning of the line that holds a place.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Whether nothing but spaces and tabs stands before a place in its line.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// The lines of `lines`, whole, with the break that makes them lines of their own: the one before, or the one after if
/// they are the first.
pub(super) fn whole_lines(text: &str, lines: Range<usize>) -> Range<usize> {
    let start = line_start(text, lines.start);
    if start > 0 {
        let before = &text[..start - 1];
        return start - 1 - usize::from(before.ends_with('\r'))..lines.end;
    }
    let rest = &text[lines.end..];
    let newline = if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    start..lines.end + newline
}

/// The text with parts replaced; the parts do not overlap.
pub(super) fn splice(text: &str, mut parts: Vec<(Range<usize>, String)>) -> String {
    parts.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len() + parts.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut done = 0;
    for (range, new) in parts {
        out.push_str(&text[done..range.start.max(done)]);
        out.push_str(&new);
        done = range.end.max(done);
    }
    out.push_str(&text[done..]);
    out
}
