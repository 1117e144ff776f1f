//! YAML configuration files, changed in place line by line.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::located::{
    Form, Kind, Member, Node, Walk, begins_line, indent, line_end, line_start, nested, newline, splice, whole_lines,
};
use super::value::quoted;
use super::{EditError, Value};

/// Deepest nesting that is read.
const DEPTH: usize = 200;
/// What each level is indented by, where the file does not show it.
const UNIT: usize = 2;

/// Reads a text of one document; an empty one is an empty map.
pub(super) fn parse(text: &str) -> Result<Node, EditError> {
    let mut reader = Reader { text, events: Parser::new_from_str(text), depth: 0 };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(..) if root.is_some() => {
                return Err(reader.wrong(&span, "a second document: a configuration is one document"));
            }
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => root = Some(reader.node(event, &span)?),
        }
    }
    let empty = || Node::new(text.len()..text.len(), Kind::Map(Vec::new()), Form::Block);
    Ok(root.filter(|root| !root.is_null()).unwrap_or_else(empty))
}

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, granit_parser::StrInput<'a>>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, span: &Span, what: &str) -> EditError {
        EditError::syntax(self.text, range(span).start, what)
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), EditError> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
                Err(EditError::syntax(self.text, at, error.info()))
            }
            None => Err(EditError::syntax(self.text, self.text.len(), "the document does not end")),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span) -> Result<Node, EditError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong(span, "nested too deeply"));
        }
        let anchored = event.anchor_id().is_some();
        let place = range(span);
        let mut node = match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain { resolved(&text) } else { Value::Text(text.into_owned()) };
                Node::new(place, Kind::Scalar(value), Form::Inline)
            }
            Event::SequenceStart(style, ..) => {
                let (items, end) = self.items()?;
                Node::new(place.start..end.max(place.end), Kind::List(items), form(style))
            }
            Event::MappingStart(style, ..) => {
                let (members, end) = self.members()?;
                Node::new(place.start..end.max(place.end), Kind::Map(members), form(style))
            }
            Event::Alias(_) => Node::new(place, Kind::Alias, Form::Inline),
            _ => return Err(self.wrong(span, "expected a value")),
        };
        node.anchored = anchored;
        self.depth -= 1;
        Ok(node)
    }

    fn items(&mut self) -> Result<(Vec<Node>, usize), EditError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, span) => return Ok((items, range(&span).end)),
                (event, span) => items.push(self.node(event, &span)?),
            }
        }
    }

    fn members(&mut self) -> Result<(Vec<Member>, usize), EditError> {
        let mut members: Vec<Member> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok((members, range(&span).end));
            }
            let key = self.node(event, &span)?;
            let name = match &key.kind {
                Kind::Scalar(value) => value.spelled().unwrap_or_default(),
                _ => return Err(self.wrong(&span, "a name that is not plain text")),
            };
            let (event, span) = self.next()?;
            members.push(Member { key: name, key_span: key.span, node: self.node(event, &span)? });
        }
    }
}

fn range(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or(0..0)
}

fn form(style: StructureStyle) -> Form {
    if style == StructureStyle::Flow { Form::Inline } else { Form::Block }
}

/// What a plain scalar means (YAML 1.2, core schema).
fn resolved(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let based = |prefix, digits: fn(&u8) -> bool| {
        text.strip_prefix(prefix).is_some_and(|rest: &str| !rest.is_empty() && rest.as_bytes().iter().all(digits))
    };
    let decimal = body.starts_with(|c: char| c == '.' || c.is_ascii_digit()) && text.parse::<f64>().is_ok();
    decimal
        || based("0x", u8::is_ascii_hexdigit)
        || based("0o", |digit| (b'0'..=b'7').contains(digit))
        || [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&body)
}

/// The text with the value at a path set, or taken out.
pub(super) fn edit(text: &str, path: &[&str], value: Option<&Value>) -> Result<String, EditError> {
    let root = parse(text)?;
    let walk = root.walk(path)?;
    let page = Page { text, newline: newline(text), unit: unit(text, &root) };
    let parts = match value {
        Some(value) if walk.steps.len() == path.len() => page.replace(&walk, path, value)?,
        Some(value) => {
            let rest = &path[walk.steps.len()..];
            page.insert(&walk, rest[0], &nested(rest, value))?
        }
        None if walk.steps.len() == path.len() => page.remove(&walk, path)?,
        None => Vec::new(),
    };
    Ok(splice(text, parts))
}

type Parts = Vec<(Range<usize>, String)>;

struct Page<'a> {
    text: &'a str,
    newline: &'static str,
    unit: usize,
}

impl Page<'_> {
    fn by_hand(&self, at: usize, why: &str) -> EditError {
        let (line, _) = super::located::position(self.text, at);
        EditError::Shape(format!("line {line}: {why}: change it by hand"))
    }

    /// The colon after a name.
    fn colon(&self, member: &Member) -> Result<usize, EditError> {
        let end = member.key_span.end;
        let rest = &self.text[end..];
        let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let there = rest[gap..].starts_with(':');
        there.then_some(end + gap + 1).ok_or_else(|| self.by_hand(end, "a name with `?` before it"))
    }

    /// Where a member's last character stands, comments not counted.
    fn end(&self, member: &Member) -> Result<usize, EditError> {
        let colon = self.colon(member)?;
        Ok(self.end_of(&member.node)?.max(colon))
    }

    fn end_of(&self, node: &Node) -> Result<usize, EditError> {
        match (&node.kind, node.form) {
            (Kind::Map(members), Form::Block) => members.last().map_or(Ok(0), |member| self.end(member)),
            (Kind::List(items), Form::Block) => items.last().map_or(Ok(0), |item| self.end_of(item)),
            _ => Ok(node.span.start + self.text[node.span.clone()].trim_end().len()),
        }
    }

    /// The end of the line that holds a place, in which only a comment may follow.
    fn tail(&self, at: usize) -> Result<usize, EditError> {
        let end = line_end(self.text, at);
        let rest = &self.text[at..end];
        let bare = rest.trim().is_empty() || (rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#'));
        bare.then_some(end).ok_or_else(|| self.by_hand(at, "something else follows in the line"))
    }

    fn insert(&self, walk: &Walk<'_>, key: &str, value: &Value) -> Result<Parts, EditError> {
        let map = walk.last();
        let inline = || format!("{}: {}", key_in_flow(key), value.to_json());
        match (map.members().last(), map.form) {
            (Some(last), Form::Inline) => {
                let at = last.node.span.end.max(last.key_span.end);
                Ok(vec![(at..at, format!(", {}", inline()))])
            }
            (Some(last), _) => {
                let at = self.tail(self.end(last)?)?;
                let column = self.column(&map.members()[0])?;
                Ok(vec![(at..at, self.lines(key, value, column))])
            }
            (None, _) => match walk.parent() {
                None if map.form == Form::Inline => Ok(vec![(map.span.clone(), format!("{{{}}}", inline()))]),
                None => Ok(vec![(self.text.len()..self.text.len(), self.at_the_end(key, value))]),
                Some((parent, _)) if parent.form == Form::Inline => {
                    Ok(vec![(map.span.clone(), format!("{{{}}}", inline()))])
                }
                Some((parent, at)) => self.open(&parent.members()[at], key, value),
            },
        }
    }

    /// Gives a member that is empty its first entry, on a line below.
    fn open(&self, member: &Member, key: &str, value: &Value) -> Result<Parts, EditError> {
        let colon = self.colon(member)?;
        if member.node.anchored {
            return Err(self.by_hand(colon, "an anchor"));
        }
        let span = member.node.span.clone();
        let mut parts = Vec::new();
        let mut end = colon;
        if !span.is_empty() {
            let written = self.text[span.clone()].trim_start_matches('{').trim_end_matches('}').trim();
            if !written.is_empty() && !member.node.is_null() {
                return Err(self.by_hand(span.start, "a comment between braces"));
            }
            parts.push((colon..span.end, String::new()));
            end = span.end;
        }
        let at = self.tail(end)?;
        let column = self.column(member)? + self.unit;
        parts.push((at..at, self.lines(key, value, column)));
        Ok(parts)
    }

    fn replace(&self, walk: &Walk<'_>, path: &[&str], value: &Value) -> Result<Parts, EditError> {
        let node = walk.last();
        let Some((parent, at)) = walk.parent() else { return Ok(Vec::new()) };
        let member = &parent.members()[at];
        if node.referred_to() || matches!(node.kind, Kind::Alias) {
            return Err(
                self.by_hand(member.key_span.start, &format!("`{}` holds an anchor or an alias", path.join(".")))
            );
        }
        if parent.form == Form::Inline {
            return Ok(vec![(node.span.clone(), value.to_json())]);
        }
        let scalar = |kind: &Kind| matches!(kind, Kind::Scalar(value) if *value != Value::Null);
        if scalar(&node.kind) && !matches!(value, Value::Map(_) | Value::List(_)) {
            return Ok(vec![(node.span.start..self.end(member)?, scalar_text(value))]);
        }
        let column = self.column(member)?;
        let lines = self.lines(key(path), value, column);
        let lines = lines.trim_start().to_owned();
        Ok(vec![(member.key_span.start..self.end(member)?, lines)])
    }

    fn remove(&self, walk: &Walk<'_>, path: &[&str]) -> Result<Parts, EditError> {
        let Some((parent, at)) = walk.parent() else { return Ok(Vec::new()) };
        let members = parent.members();
        let own = &members[at];
        if own.node.referred_to() {
            let why = format!("`{}` holds an anchor that others may use", path.join("."));
            return Err(self.by_hand(own.key_span.start, &why));
        }
        if parent.form == Form::Inline {
            let end = own.node.span.end.max(own.key_span.end);
            let range = match (members.get(at + 1), at.checked_sub(1)) {
                (Some(next), _) => own.key_span.start..next.key_span.start,
                (None, Some(before)) => members[before].node.span.end.max(members[before].key_span.end)..end,
                (None, None) => parent.span.start + 1..parent.span.end - 1,
            };
            return Ok(vec![(range, String::new())]);
        }
        self.column(own)?;
        let end = self.tail(self.end(own)?)?;
        let mut parts = vec![(whole_lines(self.text, own.key_span.start..end), String::new())];
        if members.len() == 1 && walk.nodes.len() > 2 {
            let (holder, step) = (walk.nodes[walk.nodes.len() - 3], walk.steps[walk.steps.len() - 2]);
            let colon = self.colon(&holder.members()[step])?;
            parts.push((colon..colon, " {}".to_owned()));
        }
        Ok(parts)
    }

    /// The column at which a name begins that is the first thing in its line.
    fn column(&self, member: &Member) -> Result<usize, EditError> {
        let at = member.key_span.start;
        let alone = begins_line(self.text, at) && !indent(self.text, at).contains('\t');
        alone.then(|| at - line_start(self.text, at)).ok_or_else(|| self.by_hand(at, "something before a name"))
    }

    /// An entry, each line with the break before it.
    fn lines(&self, key: &str, value: &Value, column: usize) -> String {
        let mut out = String::new();
        self.write(&mut out, key, value, column);
        out
    }

    fn write(&self, out: &mut String, key: &str, value: &Value, column: usize) {
        out.push_str(self.newline);
        out.push_str(&" ".repeat(column));
        out.push_str(&text(key));
        out.push(':');
        match value {
            Value::Map(members) if !members.is_empty() => {
                for (key, value) in members {
                    self.write(out, key, value, column + self.unit);
                }
            }
            value => {
                out.push(' ');
                out.push_str(&scalar_text(value));
            }
        }
    }

    /// The first entry of a file that says nothing yet.
    fn at_the_end(&self, key: &str, value: &Value) -> String {
        let lines = self.lines(key, value, 0);
        let fresh = self.text.is_empty() || self.text.ends_with('\n');
        let lines = if fresh { lines.trim_start().to_owned() } else { lines };
        lines + self.newline
    }
}

fn key<'a>(path: &[&'a str]) -> &'a str {
    path.last().copied().unwrap_or_default()
}

/// What the first map below another is indented by.
fn unit(text: &str, root: &Node) -> usize {
    let columns = |member: &Member| {
        let first = member.node.members().first().filter(|_| member.node.form == Form::Block)?;
        let column = |at: usize| at - line_start(text, at);
        column(first.key_span.start).checked_sub(column(member.key_span.start))
    };
    root.members().iter().find_map(columns).filter(|unit| *unit > 0).unwrap_or(UNIT)
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::Text(value) => text(value),
        Value::List(items) if items.iter().all(|item| !matches!(item, Value::Map(_) | Value::List(_))) => {
            format!("[{}]", items.iter().map(scalar_text).collect::<Vec<_>>().join(", "))
        }
        value => value.to_json(),
    }
}

fn key_in_flow(key: &str) -> String {
    text(key)
}

/// Text as a scalar: plain if nothing can be read into it, else between double quotes.
fn text(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "y"];
    let lower = text.to_ascii_lowercase();
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@+".contains(c));
    if begins && plain && !text.ends_with(':') && lower != "n" && !WORDS.contains(&lower.as_str()) {
        return text.to_owned();
    }
    quoted(text)
}
