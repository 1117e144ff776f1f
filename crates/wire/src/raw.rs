//! Shallow objects: look at a member, replace a member, keep every other byte.

use memchr::memmem;

use crate::json::{Scanner, Span, unescape};

/// Where the value of `key` lies in the JSON object at `object` of `text`; `None` if it is no object or lacks it.
///
/// The text must have been checked before (see [`crate::json::check`]).
pub fn find(text: &[u8], object: Span, key: &str) -> Option<Span> {
    let mut scanner = Scanner::within(text, object);
    scanner.enter_object().ok()?;
    let mut first = true;
    while let Some(name) = scanner.member(first).ok()? {
        first = false;
        let value = scanner.value().ok()?;
        if same(&text[name.range()], key) {
            return Some(value);
        }
    }
    None
}

/// Like [`find`], along a path of nested objects.
pub fn find_path(text: &[u8], object: Span, path: &[&str]) -> Option<Span> {
    path.iter().try_fold(object, |within, key| find(text, within, key))
}

/// The whole of `text` as a span.
pub fn whole(text: &[u8]) -> Span {
    Span { start: 0, end: text.len() }
}

/// The member `key` of a JSON object given as text, as raw JSON.
pub fn peek<'a>(object: &'a [u8], key: &str) -> Option<&'a [u8]> {
    find(object, whole(object), key).map(|span| &object[span.range()])
}

/// The member `key` of a JSON object given as text, if it is a string.
pub fn peek_string(object: &[u8], key: &str) -> Option<String> {
    string(peek(object, key)?)
}

/// The value of raw JSON that is a string.
pub fn string(raw: &[u8]) -> Option<String> {
    let inside = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    String::from_utf8(unescape(inside)).ok()
}

/// Keys, without their quotes, and values of a JSON object at `object` of `text`; `None` if it is no object.
pub fn members(text: &[u8], object: Span) -> Option<Vec<(Span, Span)>> {
    let mut scanner = Scanner::within(text, object);
    scanner.enter_object().ok()?;
    let mut found = Vec::new();
    while let Some(key) = scanner.member(found.is_empty()).ok()? {
        found.push((key, scanner.value().ok()?));
    }
    Some(found)
}

/// Whether a text may hold one of these plain words in a string: it is there, or there are escapes it could be written
/// with. Much cheaper than a scan.
pub fn may_hold(text: &[u8], words: &[&str]) -> bool {
    let has = |word: &str| memmem::find(text, word.as_bytes()).is_some();
    words.iter().any(|word| has(word)) || (!words.is_empty() && has("\\u00"))
}

/// The elements of a JSON array at `array` of `text`; empty if it is no array.
pub fn elements(text: &[u8], array: Span) -> Vec<Span> {
    let mut scanner = Scanner::within(text, array);
    let mut found = Vec::new();
    if scanner.enter_array().is_err() {
        return found;
    }
    while let Ok(true) = scanner.element(found.is_empty()) {
        let Ok(value) = scanner.value() else { break };
        found.push(value);
    }
    found
}

/// `text` with the part at `span` replaced by `with`.
pub fn replace(text: &[u8], span: Span, with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + with.len());
    out.extend_from_slice(&text[..span.start]);
    out.extend_from_slice(with);
    out.extend_from_slice(&text[span.end..]);
    out
}

/// Whether the inside of a JSON string spells `word`, escapes undone.
pub fn same(inside: &[u8], word: &str) -> bool {
    inside == word.as_bytes() || (memchr::memchr(b'\\', inside).is_some() && unescape(inside) == word.as_bytes())
}

/// Writes the raw JSON `text` to `out` so that texts with the same meaning give the same bytes: members in the order
/// of their keys, no white space, strings in one spelling. Numbers keep theirs.
pub fn canonical(text: &[u8], out: &mut Vec<u8>) {
    write_canonical(text, whole(text), out);
}

fn write_canonical(text: &[u8], span: Span, out: &mut Vec<u8>) {
    let mut scanner = Scanner::within(text, span);
    match scanner.peek() {
        Some(b'{') => {
            let mut found = Vec::new();
            let _ = scanner.enter_object();
            while let Ok(Some(key)) = scanner.member(found.is_empty()) {
                let Ok(value) = scanner.value() else { break };
                found.push((unescape(&text[key.range()]), value));
            }
            found.sort_by(|one, other| one.0.cmp(&other.0));
            out.push(b'{');
            for (key, value) in found {
                write_string(&key, out);
                out.push(b':');
                write_canonical(text, value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Some(b'[') => {
            out.push(b'[');
            for element in elements(text, span) {
                write_canonical(text, element, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Some(b'"') => write_string(&unescape(text[span.range()].trim_ascii()), out),
        _ => out.extend_from_slice(text[span.range()].trim_ascii()),
    }
}

/// A string by its length, so that nothing in it can be taken for the end of it.
fn write_string(spelled: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}\"", spelled.len()).as_bytes());
    out.extend_from_slice(spelled);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_meaning_gives_the_same_bytes() {
        let of = |text: &str| {
            let mut out = Vec::new();
            canonical(text.as_bytes(), &mut out);
            out
        };
        let one = of(r#"{"a":1,"b":[true,{"c":"x\/y","d":null}]}"#);
        assert_eq!(one, of(r#" { "b" : [ true , {"d":null,"c":"x/y"} ] , "\u0061" : 1 } "#));
        for other in [
            r#"{"a":1,"b":[true,{"c":"x/y"}]}"#,
            r#"{"a":1,"b":[{"c":"x/y","d":null},true]}"#,
            r#"{"a":"1","b":[true,{"c":"x/y","d":null}]}"#,
            r#"{"a":1,"b":[true,{"c":"x","d":null}]}"#,
        ] {
            assert_ne!(one, of(other), "{other}");
        }
    }
}
