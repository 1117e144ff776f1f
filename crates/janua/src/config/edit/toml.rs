//! TOML configuration files, changed in place statement by statement.

use std::ops::Range;

use toml_edit::{Document, InlineTable, Item, Table};

use super::located::{
    Form, Kind, Member, Node, Walk, indent, line_end, line_start, nested, newline, position, splice, whole_lines,
};
use super::value::quoted;
use super::{EditError, Value};

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Node, EditError> {
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        EditError::syntax(text, at, error.message().trim().replace('\n', " "))
    })?;
    Ok(table(text, document.as_table()))
}

fn table(text: &str, table: &Table) -> Node {
    let members = table.iter().filter_map(|(name, item)| {
        let key_span = table.key(name)?.span().unwrap_or(0..0);
        Some(Member { key: name.to_owned(), key_span, node: item_node(text, item) })
    });
    let kind = Kind::Map(members.collect());
    match table.span().filter(|span| !table.is_implicit() && !table.is_dotted() && !span.is_empty()) {
        Some(span) => Node::new(span, kind, Form::Header),
        None => Node::new(0..0, kind, Form::Implied),
    }
}

fn item_node(text: &str, item: &Item) -> Node {
    match item {
        Item::None => Node::new(0..0, Kind::Scalar(Value::Null), Form::Inline),
        Item::Value(value) => value_node(text, value),
        Item::Table(below) => table(text, below),
        Item::ArrayOfTables(tables) => {
            let kind = Kind::List(tables.iter().map(|one| table(text, one)).collect());
            Node::new(tables.span().unwrap_or(0..0), kind, Form::Header)
        }
    }
}

fn value_node(text: &str, value: &toml_edit::Value) -> Node {
    let span = value.span().unwrap_or(0..0);
    let kind = match value {
        toml_edit::Value::String(value) => Kind::Scalar(Value::text(value.value())),
        toml_edit::Value::Boolean(value) => Kind::Scalar(Value::Bool(*value.value())),
        toml_edit::Value::Array(items) => Kind::List(items.iter().map(|item| value_node(text, item)).collect()),
        toml_edit::Value::InlineTable(below) => Kind::Map(inline(text, below)),
        _ => Kind::Scalar(Value::Number(text[span.clone()].to_owned())),
    };
    let dotted = matches!(value, toml_edit::Value::InlineTable(table) if table.is_dotted());
    Node::new(span, kind, if dotted { Form::Implied } else { Form::Inline })
}

fn inline(text: &str, table: &InlineTable) -> Vec<Member> {
    let members = table.iter().filter_map(|(name, value)| {
        let key_span = table.key(name)?.span().unwrap_or(0..0);
        Some(Member { key: name.to_owned(), key_span, node: value_node(text, value) })
    });
    members.collect()
}

/// A header, or a name with its value.
struct Statement {
    path: Vec<String>,
    /// From the beginning of its line to its last character.
    span: Range<usize>,
    header: bool,
}

/// All statements in the order of the text.
fn statements(text: &str, root: &Node) -> Vec<Statement> {
    let mut found = Vec::new();
    collect(text, root, &mut Vec::new(), &mut found);
    found.sort_by_key(|statement| statement.span.start);
    found
}

fn collect(text: &str, node: &Node, path: &mut Vec<String>, found: &mut Vec<Statement>) {
    let mut add = |at: usize, end: usize, path: &[String], header| {
        found.push(Statement { path: path.to_vec(), span: line_start(text, at)..end, header });
    };
    match &node.kind {
        Kind::List(tables) if node.form == Form::Header => {
            for one in tables {
                collect(text, one, path, found);
            }
        }
        Kind::Map(members) if node.form != Form::Inline => {
            if node.form == Form::Header {
                add(node.span.start, node.span.end, path, true);
            }
            for member in members {
                path.push(member.key.clone());
                if member.node.form == Form::Inline {
                    add(member.key_span.start, member.node.span.end, path, false);
                }
                path.pop();
            }
            for member in members.iter().filter(|member| member.node.form != Form::Inline) {
                path.push(member.key.clone());
                collect(text, &member.node, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The text with the value at a path set, or taken out.
pub(super) fn edit(text: &str, path: &[&str], value: Option<&Value>) -> Result<String, EditError> {
    let root = parse(text)?;
    let walk = root.walk(path)?;
    let page = Page { text, newline: newline(text), statements: statements(text, &root) };
    let whole = walk.steps.len() == path.len();
    let parts = match value {
        Some(value) if whole && walk.last().form == Form::Inline => {
            vec![(walk.last().span.clone(), inline_text(value))]
        }
        Some(_) if whole => {
            let without = splice(text, page.remove(&walk, path));
            return edit(&without, path, value);
        }
        Some(value) => page.insert(&walk, path, value)?,
        None if whole => page.remove(&walk, path),
        None => Vec::new(),
    };
    Ok(splice(text, parts))
}

type Parts = Vec<(Range<usize>, String)>;

struct Page<'a> {
    text: &'a str,
    newline: &'static str,
    statements: Vec<Statement>,
}

impl Page<'_> {
    fn insert(&self, walk: &Walk<'_>, path: &[&str], value: &Value) -> Result<Parts, EditError> {
        let depth = walk.steps.len();
        let map = walk.last();
        let below = nested(&path[depth..], value);
        if map.form == Form::Inline {
            let entry = format!("{} = {}", key(path[depth]), inline_text(&below));
            return Ok(match map.members().last() {
                Some(last) => vec![(last.node.span.end..last.node.span.end, format!(", {entry}"))],
                None => vec![(map.span.clone(), format!("{{ {entry} }}"))],
            });
        }
        if matches!(value, Value::Map(_)) {
            return Ok(self.section(path, value));
        }
        if let (Some((last, table)), true) = (path.split_last(), depth + 1 < path.len()) {
            return Ok(self.section(table, &Value::Map(vec![((*last).to_owned(), value.clone())])));
        }
        if map.form != Form::Header {
            let (line, _) = position(self.text, map.members().first().map_or(0, |member| member.key_span.start));
            let what =
                format!("line {line}: `{}` has no header of its own: change it by hand", path[..depth].join("."));
            return Err(EditError::Shape(what));
        }
        let header =
            self.statements.iter().position(|one| one.header && one.span.contains(&map.span.start)).unwrap_or(0);
        let last = &self.statements[self.section_end(header)];
        let at = line_end(self.text, last.span.end);
        let indent = indent(self.text, last.span.start);
        Ok(vec![(at..at, format!("{}{indent}{} = {}", self.newline, key(path[depth]), inline_text(&below)))])
    }

    /// The last statement of the section that a statement belongs to.
    fn section_end(&self, statement: usize) -> usize {
        let rest = self.statements[statement + 1..].iter();
        statement + rest.take_while(|one| !one.header).count()
    }

    /// A new section for a table, after the last one of its family.
    fn section(&self, path: &[&str], value: &Value) -> Parts {
        let mut out = Vec::new();
        tables(&path.iter().map(|name| key(name)).collect::<Vec<_>>(), value, &mut out);
        let lines = out.join(self.newline);
        let gap = self.newline.repeat(2);
        let family = self.statements.iter().rposition(|one| one.path.first().is_some_and(|first| first == path[0]));
        let last = family.map(|at| self.section_end(at)).or(self.statements.len().checked_sub(1));
        let Some(last) = last else {
            let end = self.text.len();
            let gap = if self.text.is_empty() {
                ""
            } else if self.text.ends_with('\n') {
                self.newline
            } else {
                &gap
            };
            return vec![(end..end, format!("{gap}{lines}{}", self.newline))];
        };
        let at = line_end(self.text, self.statements[last].span.end);
        vec![(at..at, format!("{gap}{lines}"))]
    }

    fn remove(&self, walk: &Walk<'_>, path: &[&str]) -> Parts {
        if let Some((parent, at)) = walk.parent()
            && parent.form == Form::Inline
        {
            let members = parent.members();
            let own = &members[at];
            let range = match (members.get(at + 1), at.checked_sub(1)) {
                (Some(next), _) => own.key_span.start..next.key_span.start,
                (None, Some(before)) => members[before].node.span.end..own.node.span.end,
                (None, None) => parent.span.start + 1..parent.span.end - 1,
            };
            return vec![(range, String::new())];
        }
        let mine = |one: &Statement| one.path.len() >= path.len() && path.iter().zip(&one.path).all(|(a, b)| a == b);
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut before = false;
        for statement in &self.statements {
            let own = mine(statement);
            let end = line_end(self.text, statement.span.end);
            match parts.last_mut() {
                Some(open) if own && before => open.end = end,
                _ if own => parts.push(self.with_blank_line(statement, end)),
                _ => {}
            }
            before = own;
        }
        parts.into_iter().map(|range| (range, String::new())).collect()
    }

    /// Whole lines; of a section, with the empty line before it.
    fn with_blank_line(&self, statement: &Statement, end: usize) -> Range<usize> {
        let lines = whole_lines(self.text, statement.span.start..end);
        if !statement.header || lines.start == statement.span.start {
            return statement.span.start.min(lines.start)..lines.end;
        }
        let before = &self.text[..lines.start];
        let shorter = before.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
        shorter.map_or(lines.start, str::len)..lines.end
    }
}

/// A table with those below it as sections, a line each.
fn tables(path: &[String], value: &Value, out: &mut Vec<String>) {
    let (below, own): (Vec<_>, Vec<_>) = value.members().iter().partition(|(_, value)| matches!(value, Value::Map(_)));
    if !own.is_empty() || below.is_empty() {
        out.push(format!("[{}]", path.join(".")));
        out.extend(own.iter().map(|(name, value)| format!("{} = {}", key(name), inline_text(value))));
    }
    for (name, value) in below {
        if !out.is_empty() {
            out.push(String::new());
        }
        let path: Vec<String> = path.iter().cloned().chain([key(name)]).collect();
        tables(&path, value, out);
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

/// A value in one line. TOML has no word for nothing: it becomes an empty text.
fn inline_text(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(inline_text).collect::<Vec<_>>().join(", ")),
        Value::Map(members) if members.is_empty() => "{}".to_owned(),
        Value::Map(members) => {
            let members = members.iter().map(|(name, value)| format!("{} = {}", key(name), inline_text(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
    }
}
