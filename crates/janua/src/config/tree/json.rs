//! JSON into a tree with places; comments and trailing commas, which editors write, are let pass.

use super::{DEEPEST, Key, Lines, Mark, Node, Value};

/// Reads a JSON text.
pub(super) fn parse(text: &str) -> Result<Node, (Mark, String)> {
    let mut reader = Reader { text, lines: Lines::new(text), at: 0 };
    let node = reader.value(0)?;
    reader.skip()?;
    if reader.at < text.len() { Err(reader.wrong("something stands after the end")) } else { Ok(node) }
}

type Parsed<T> = Result<T, (Mark, String)>;

struct Reader<'a> {
    text: &'a str,
    lines: Lines<'a>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: impl Into<String>) -> (Mark, String) {
        (self.mark(), what.into())
    }

    fn mark(&self) -> Mark {
        self.lines.mark(self.at)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes a character if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        let there = self.next() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    /// Passes white space and comments.
    fn skip(&mut self) -> Parsed<()> {
        loop {
            let rest = self.rest();
            let bare = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            let passed = if let Some(comment) = bare.strip_prefix("//") {
                bare.len() - comment.find('\n').map_or(0, |end| comment.len() - end)
            } else if let Some(comment) = bare.strip_prefix("/*") {
                let end = comment.find("*/").ok_or_else(|| self.wrong("the comment has no end"))?;
                end + 4
            } else {
                0
            };
            self.at += rest.len() - bare.len() + passed;
            if passed == 0 {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Parsed<Node> {
        self.skip()?;
        if depth > DEEPEST {
            return Err(self.wrong(format!("nested deeper than {DEEPEST} levels")));
        }
        let mark = self.mark();
        let value = match self.next() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some(_) => self.word()?,
            None => return Err(self.wrong("the text ends too early")),
        };
        Ok(Node { value, mark })
    }

    fn map(&mut self, depth: usize) -> Parsed<Value> {
        let mut entries = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            if self.take('}') {
                return Ok(Value::Map(entries));
            }
            if self.next() != Some('"') {
                return Err(self.wrong("a key in quotes or `}` is missing here"));
            }
            let mark = self.mark();
            let name = self.string()?;
            self.skip()?;
            if !self.take(':') {
                return Err(self.wrong("a `:` is missing here"));
            }
            entries.push((Key { name, mark }, self.value(depth + 1)?));
            self.skip()?;
            if !self.take(',') && self.next() != Some('}') {
                return Err(self.wrong("a `,` or `}` is missing here"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Parsed<Value> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            if self.take(']') {
                return Ok(Value::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip()?;
            if !self.take(',') && self.next() != Some(']') {
                return Err(self.wrong("a `,` or `]` is missing here"));
            }
        }
    }

    /// A string; what it means is left to the JSON library once its end is found.
    fn string(&mut self) -> Parsed<String> {
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find(|(_, next)| {
            let ends = *next == '"' && !escaped || *next == '\n';
            escaped = *next == '\\' && !escaped;
            ends
        });
        let Some((end, '"')) = end else { return Err(self.wrong("the text in quotes has no end")) };
        let parsed = serde_json::from_str(&self.rest()[..=end]);
        let text = parsed.map_err(|_| self.wrong("the text in quotes is not valid: a control character or escape"))?;
        self.at += end + 1;
        Ok(text)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Parsed<Value> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "true" => Value::Switch(true),
            "false" => Value::Switch(false),
            "null" => Value::Null,
            _ if serde_json::from_str::<f64>(word).is_ok() => Value::Number(word.to_owned()),
            _ => return Err(self.wrong("a value is missing here: texts stand in double quotes")),
        };
        self.at += end;
        Ok(value)
    }
}
