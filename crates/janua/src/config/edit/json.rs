//! JSON as people write it into configuration files, with comments and trailing commas, changed in place.

use std::ops::Range;

use super::located::{Form, Kind, Member, Node, begins_line, indent, line_end, nested, newline, splice, whole_lines};
use super::value::quoted;
use super::{EditError, Value};

/// Deepest nesting that is read.
const DEPTH: usize = 200;

/// Reads a text; an empty one is an empty map.
pub(super) fn parse(text: &str) -> Result<Node, EditError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.trivia()?;
    if reader.at == text.len() {
        return Ok(Node::new(text.len()..text.len(), Kind::Map(Vec::new()), Form::Inline));
    }
    let root = reader.value()?;
    reader.trivia()?;
    if reader.at < text.len() {
        return Err(reader.wrong("something after the end"));
    }
    Ok(root)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> EditError {
        EditError::syntax(self.text, self.at, what)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Passes over white space and comments.
    fn trivia(&mut self) -> Result<(), EditError> {
        let end = after_trivia(self.text, self.at);
        if self.text[end..].starts_with("/*") {
            self.at = end;
            return Err(self.wrong("a comment that does not end"));
        }
        self.at = end;
        Ok(())
    }

    fn value(&mut self) -> Result<Node, EditError> {
        let start = self.at;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong("nested too deeply"));
        }
        let kind = match self.peek() {
            Some(b'{') => self.map()?,
            Some(b'[') => self.list()?,
            Some(b'"') => Kind::Scalar(Value::Text(self.string()?)),
            _ => Kind::Scalar(self.word()?),
        };
        self.depth -= 1;
        Ok(Node::new(start..self.at, kind, Form::Inline))
    }

    fn map(&mut self) -> Result<Kind, EditError> {
        let mut members = Vec::new();
        self.at += 1;
        loop {
            self.trivia()?;
            if self.take(b'}') {
                return Ok(Kind::Map(members));
            }
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong("expected a name in double quotes, or `}`"));
            }
            let key = self.string()?;
            let key_span = start..self.at;
            self.trivia()?;
            if !self.take(b':') {
                return Err(self.wrong("expected `:`"));
            }
            self.trivia()?;
            members.push(Member { key, key_span, node: self.value()? });
            self.trivia()?;
            if !self.take(b',') && self.peek() != Some(b'}') {
                return Err(self.wrong("expected `,` or `}`"));
            }
        }
    }

    fn list(&mut self) -> Result<Kind, EditError> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.trivia()?;
            if self.take(b']') {
                return Ok(Kind::List(items));
            }
            items.push(self.value()?);
            self.trivia()?;
            if !self.take(b',') && self.peek() != Some(b']') {
                return Err(self.wrong("expected `,` or `]`"));
            }
        }
    }

    fn word(&mut self) -> Result<Value, EditError> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(rest.len());
        let value = match &rest[..length] {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            word if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Value::Number(word.to_owned()),
            _ => return Err(self.wrong("expected a value")),
        };
        self.at += length;
        Ok(value)
    }

    fn string(&mut self) -> Result<String, EditError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(['"', '\\', '\n']).ok_or_else(|| self.wrong("a text that does not end"))?;
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.wrong("a text that does not end in its line")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, EditError> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.code_point()?,
            _ => {
                self.at -= 2;
                return Err(self.wrong("an escape that JSON does not have"));
            }
        })
    }

    fn code_point(&mut self) -> Result<char, EditError> {
        let high = self.unit()?;
        if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let low = self.unit()?;
            let code = 0x10000 + ((high - 0xd800) << 10) + low.wrapping_sub(0xdc00);
            return char::from_u32(code).ok_or_else(|| self.wrong("half a character"));
        }
        char::from_u32(high).ok_or_else(|| self.wrong("half a character"))
    }

    fn unit(&mut self) -> Result<u32, EditError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or_else(|| self.wrong("expected four hex digits"))?;
        let unit = u32::from_str_radix(digits, 16).map_err(|_| self.wrong("expected four hex digits"))?;
        self.at += 4;
        Ok(unit)
    }
}

/// Where white space and comments end that begin at a place; at a comment that has no end, its beginning.
fn after_trivia(text: &str, mut at: usize) -> usize {
    loop {
        at = text.len() - text[at..].trim_start_matches([' ', '\t', '\r', '\n']).len();
        let rest = &text[at..];
        if rest.starts_with("//") {
            at = line_end(text, at);
        } else if let Some(end) = rest.strip_prefix("/*").and_then(|comment| comment.find("*/")) {
            at += end + 4;
        } else {
            return at;
        }
    }
}

/// The end of the line that holds a place, if only comments are left in it.
fn tail(text: &str, at: usize) -> Option<usize> {
    let end = line_end(text, at);
    (after_trivia(text, at) >= end).then_some(end)
}

/// The text with the value at a path set, or taken out.
pub(super) fn edit(text: &str, path: &[&str], value: Option<&Value>) -> Result<String, EditError> {
    let root = parse(text)?;
    let walk = root.walk(path)?;
    let (node, depth) = (walk.last(), walk.steps.len());
    let style = Style::of(text, &root);
    let parts = match (value, walk.parent()) {
        (Some(value), _) if depth == path.len() => {
            vec![(node.span.clone(), style.render(value, indent(text, node.span.start)))]
        }
        (Some(value), _) if node.is_null() => {
            let value = Value::Map(vec![(path[depth].to_owned(), nested(&path[depth..], value))]);
            vec![(node.span.clone(), style.render(&value, indent(text, node.span.start)))]
        }
        (Some(value), _) if node.span.is_empty() => {
            let value = Value::Map(vec![(path[depth].to_owned(), nested(&path[depth..], value))]);
            vec![(node.span.clone(), style.render(&value, "") + style.newline)]
        }
        (Some(value), _) => insert(text, node, path[depth], &nested(&path[depth..], value), &style),
        (None, Some((parent, at))) => remove(text, parent, at),
        (None, None) => Vec::new(),
    };
    Ok(splice(text, parts))
}

/// How the file is written.
struct Style {
    newline: &'static str,
    unit: String,
    compact: bool,
}

impl Style {
    fn of(text: &str, root: &Node) -> Style {
        let first = root.members().first().map(|member| member.key_span.start);
        let compact = first.is_some_and(|_| !text.trim_end().contains('\n'));
        let unit = first.filter(|at| *at > 0 && begins_line(text, *at)).map(|at| indent(text, at)).unwrap_or_default();
        let unit = if unit.is_empty() { "  " } else { unit };
        Style { newline: newline(text), unit: unit.to_owned(), compact }
    }

    fn render(&self, value: &Value, indent: &str) -> String {
        if self.compact { value.to_json() } else { value.to_pretty_json(indent, &self.unit, self.newline) }
    }
}

fn insert(text: &str, map: &Node, key: &str, value: &Value, style: &Style) -> Vec<(Range<usize>, String)> {
    let outer = indent(text, map.span.start);
    let Some(last) = map.members().last() else {
        let inside = map.span.start + 1..map.span.end - 1;
        let inner = format!("{outer}{}", style.unit);
        let entry = format!("{}: {}", quoted(key), style.render(value, &inner));
        let comments = text[inside.clone()].trim_end().len();
        return if comments > 0 {
            let at = inside.start + comments;
            vec![(at..at, format!("{}{inner}{entry}", style.newline))]
        } else if style.compact {
            vec![(inside, entry)]
        } else {
            vec![(inside, format!("{nl}{inner}{entry}{nl}{outer}", nl = style.newline))]
        };
    };
    let first = map.members()[0].key_span.start;
    let comma = after_trivia(text, last.node.span.end);
    let trailing = text[comma..].starts_with(',');
    let end = if trailing { comma + 1 } else { last.node.span.end };
    let mut parts = Vec::new();
    if !trailing {
        parts.push((end..end, ",".to_owned()));
    }
    let close = if trailing { "," } else { "" };
    if text[map.span.start..first].contains('\n') {
        let inner =
            if begins_line(text, first) { indent(text, first).to_owned() } else { format!("{outer}{}", style.unit) };
        let at = tail(text, end).unwrap_or(end);
        parts
            .push((at..at, format!("{}{inner}{}: {}{close}", style.newline, quoted(key), style.render(value, &inner))));
    } else {
        parts.push((end..end, format!(" {}: {}{close}", quoted(key), value.to_json())));
    }
    parts
}

fn remove(text: &str, map: &Node, at: usize) -> Vec<(Range<usize>, String)> {
    let members = map.members();
    let own = &members[at];
    let comma = after_trivia(text, own.node.span.end);
    let mut end = if text[comma..].starts_with(',') { comma + 1 } else { own.node.span.end };
    let has_comma = end == comma + 1;
    let mut parts = Vec::new();
    let mut drop = |range: Range<usize>| parts.push((range, String::new()));
    let lines = begins_line(text, own.key_span.start).then(|| tail(text, end)).flatten();
    let range = if let Some(tail) = lines {
        end = tail;
        whole_lines(text, own.key_span.start..end)
    } else if let Some(next) = members.get(at + 1) {
        own.key_span.start..next.key_span.start
    } else {
        let before = text[..own.key_span.start].trim_end().len();
        before.max(map.span.start + 1)..end
    };
    if !has_comma && at > 0 && at + 1 == members.len() {
        let comma = after_trivia(text, members[at - 1].node.span.end);
        drop(comma..comma + 1);
    }
    let inside = map.span.start + 1..map.span.end - 1;
    let bare = |range: Range<usize>| text[range].trim().is_empty();
    if members.len() == 1
        && bare(inside.start..range.start.max(inside.start))
        && bare(range.end.min(inside.end)..inside.end)
    {
        drop(inside);
    } else {
        drop(range);
    }
    parts
}
