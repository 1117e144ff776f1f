//! Results of list requests, cut apart and put together again as raw text.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::edits::{Edits, Object};
use crate::json::{Fault, Scanner, Span, quote};
use crate::method::Method;
use crate::raw::{peek, same, string};

/// An element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is asked for by: its `name`, `uri` or `uriTemplate`.
    pub key: String,
    /// The whole element, a slice of the result it came in.
    pub text: Bytes,
}

/// How long a result may be kept and by whom (2026-07-28 `server/utilities/caching`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caching {
    /// Milliseconds from its arrival; 0 is not at all.
    pub ttl_ms: u64,
    /// Whether only those may see it who are the same as the one who asked.
    pub private: bool,
}

/// The member of the result of a `method` that holds its list; `None` if it lists nothing.
pub fn member(method: Method) -> Option<&'static str> {
    method.lists().map(|listing| listing.member)
}

/// The elements in the result of a list `method`, which must have been checked before (see [`crate::json::check`]).
/// What is no object, or has no key that is a string, is left out.
pub fn items(method: Method, result: &Bytes) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(listing) = method.lists() {
        let _ = collect(result, listing.member, listing.key, &mut items); // what breaks off was never checked
    }
    items
}

/// The same element under another name, `uri` or `uriTemplate`, everything else byte for byte.
pub fn renamed(method: Method, item: &Item, key: &str) -> Bytes {
    match method.lists() {
        Some(listing) => changed(&item.text, listing.key, key),
        None => item.text.clone(),
    }
}

/// The same element with another description, everything else byte for byte.
pub fn described(item: &Bytes, text: &str) -> Bytes {
    changed(item, "description", text)
}

/// Puts a list result together: the `items`, raw, the cursor of the next page if there is one, what 2026-07-28 has
/// around a result if `caching` says how long it keeps (without it, the result is for revisions with a handshake), and
/// `meta`, a raw object.
///
/// The items are gone through twice, so that the text is allocated once.
pub fn result<'a>(
    method: Method,
    items: impl Iterator<Item = &'a Bytes> + Clone,
    next_cursor: Option<&str>,
    caching: Option<Caching>,
    meta: Option<&str>,
) -> Vec<u8> {
    let mut rest = next_cursor.map(|cursor| format!(",\"nextCursor\":{}", quote(cursor))).unwrap_or_default();
    if let Some(Caching { ttl_ms, private }) = caching {
        let scope = if private { "private" } else { "public" };
        // Writing to a string cannot fail.
        let _ = write!(rest, ",\"resultType\":\"complete\",\"ttlMs\":{ttl_ms},\"cacheScope\":\"{scope}\"");
    }
    if let Some(meta) = meta {
        rest.extend([",\"_meta\":", meta]);
    }
    rest.push('}');
    let member = member(method).unwrap_or("items");
    let (count, length) = items.clone().fold((0, 0), |(count, length), item| (count + 1_usize, length + item.len()));
    let mut out = Vec::with_capacity("{\"\":[]".len() + member.len() + length + count.saturating_sub(1) + rest.len());
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(member.as_bytes());
    out.extend_from_slice(b"\":[");
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
    out.extend_from_slice(rest.as_bytes());
    out
}

impl Caching {
    /// What a result says of itself; what it does not say, or not properly, is 0 and private.
    pub fn of(result: &[u8]) -> Caching {
        let ttl = peek(result, "ttlMs").and_then(|raw| std::str::from_utf8(raw).ok()?.parse().ok());
        let scope = peek(result, "cacheScope").and_then(string);
        Caching { ttl_ms: ttl.unwrap_or(0), private: scope.as_deref() != Some("public") }
    }

    /// What holds for a result made of two.
    #[must_use]
    pub fn merge(self, other: Caching) -> Caching {
        Caching { ttl_ms: self.ttl_ms.min(other.ttl_ms), private: self.private || other.private }
    }
}

/// Gives the string `key` of an element another value.
fn changed(item: &Bytes, key: &str, value: &str) -> Bytes {
    let mut edits = Edits::none();
    if let Some(object) = Object::of(item) {
        object.change(&mut edits, &[(key, Some(quote(value).as_bytes()))]);
    }
    edits.apply(item).into()
}

/// Goes through the result once; a text that was checked has no faults.
fn collect(result: &Bytes, member: &str, key: &str, items: &mut Vec<Item>) -> Result<(), Fault> {
    let mut scanner = Scanner::new(result);
    scanner.enter_object()?;
    let mut first = true;
    while let Some(name) = scanner.member(first)? {
        first = false;
        if !same(&result[name.range()], member) {
            scanner.value()?;
            continue;
        }
        scanner.enter_array()?;
        let mut first = true;
        while scanner.element(first)? {
            first = false;
            items.extend(item(&mut scanner, result, key)?);
        }
        return Ok(());
    }
    Ok(())
}

/// The element the scanner is before, if it has its key.
fn item(scanner: &mut Scanner<'_>, result: &Bytes, key: &str) -> Result<Option<Item>, Fault> {
    let object = scanner.peek() == Some(b'{');
    let start = scanner.offset();
    let mut found = None;
    if object {
        scanner.enter_object()?;
        let mut first = true;
        while let Some(name) = scanner.member(first)? {
            first = false;
            let value = scanner.value()?;
            if found.is_none() && same(&result[name.range()], key) {
                found = Some(value);
            }
        }
    } else {
        scanner.value()?;
    }
    let text = Span { start, end: scanner.offset() };
    let key = found.and_then(|value| string(&result[value.range()]));
    Ok(key.map(|key| Item { key, text: result.slice(text.range()) }))
}
