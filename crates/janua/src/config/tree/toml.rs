//! TOML into a tree with places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{DEEPEST, Key, Lines, Mark, Node, Value};

/// Reads a TOML text.
pub(super) fn parse(text: &str) -> Result<Node, (Mark, String)> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| {
        let mark = lines.mark(error.span().map_or(0, |span| span.start));
        (mark, error.message().to_owned())
    })?;
    let mark = Mark::at(1, 1);
    let value = entries(&lines, table.get_ref(), &mark, 0)?;
    Ok(Node { value, mark })
}

fn entries(lines: &Lines<'_>, table: &DeTable<'_>, mark: &Mark, depth: usize) -> Result<Value, (Mark, String)> {
    if depth > DEEPEST {
        return Err((mark.clone(), format!("nested deeper than {DEEPEST} levels")));
    }
    let mut entries = Vec::new();
    for (key, value) in table {
        let key = Key { name: key.get_ref().to_string(), mark: lines.mark(key.span().start) };
        entries.push((key, node(lines, value, depth)?));
    }
    Ok(Value::Map(entries))
}

fn node(lines: &Lines<'_>, spanned: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, (Mark, String)> {
    let mark = lines.mark(spanned.span().start);
    let written = || lines.text.get(spanned.span()).unwrap_or_default().to_owned();
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) => Value::Number(written()),
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Datetime(_) => Value::Text(written()),
        DeValue::Array(items) => {
            if depth > DEEPEST {
                return Err((mark, format!("nested deeper than {DEEPEST} levels")));
            }
            Value::List(items.iter().map(|item| node(lines, item, depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => entries(lines, table, &mark, depth + 1)?,
    };
    Ok(Node { value, mark })
}
