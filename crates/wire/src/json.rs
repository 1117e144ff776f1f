//! Strict JSON, looked at in place: one pass that checks the grammar and says where things lie.
//!
//! Nothing here builds a tree. A [`Scanner`] walks bytes that are known to be UTF-8 and returns spans, so that
//! what the gateway need not change keeps its bytes (numbers of any length, key order, unknown members).

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::ops::Range;

/// Deepest nesting of arrays and objects accepted, the outermost value counting as one.
pub const MAX_DEPTH: u32 = 128;

/// Where a value lies in the text it was read from, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The span as a range, for slicing.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Why a text is not accepted as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are not UTF-8.
    Utf8,
    /// The grammar is broken at this byte offset.
    Syntax(usize),
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`].
    Depth,
    /// An object that the gateway reads has one key twice, at this byte offset.
    Duplicate(usize),
    /// A key differs from one of the protocol's only in case, at this byte offset.
    Lookalike(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Utf8 => f.write_str("text is not valid UTF-8"),
            Fault::Syntax(at) => write!(f, "invalid JSON at byte {at}"),
            Fault::Depth => write!(f, "nesting is deeper than {MAX_DEPTH} levels"),
            Fault::Duplicate(at) => write!(f, "duplicate key at byte {at}"),
            Fault::Lookalike(at) => {
                write!(f, "key at byte {at} differs from a protocol key only in case")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Checks that `text` is UTF-8 and holds exactly one JSON value.
pub fn check(text: &[u8]) -> Result<(), Fault> {
    std::str::from_utf8(text).map_err(|_| Fault::Utf8)?;
    let mut scanner = Scanner::new(text);
    scanner.value()?;
    scanner.end()
}

/// A cursor over JSON text.
///
/// The text must be UTF-8; the scanner itself looks at ASCII only.
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    breaks: bool,
}

impl<'a> Scanner<'a> {
    /// Starts at the first byte of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, at: 0, depth: 0, breaks: false }
    }

    /// Starts inside `text` at `span`, for a second look at a part that was checked before.
    pub fn within(text: &'a [u8], span: Span) -> Self {
        Scanner { text: &text[..span.end], at: span.start, depth: 0, breaks: false }
    }

    /// Starts at the first byte of `text`, which is going to stand inside so many arrays and objects.
    pub fn nested(text: &'a [u8], depth: u32) -> Self {
        Scanner { text, at: 0, depth, breaks: false }
    }

    /// The next byte that is not white space, not consumed.
    pub fn peek(&mut self) -> Option<u8> {
        self.white();
        self.text.get(self.at).copied()
    }

    /// Whether a line break was passed between tokens so far.
    pub fn has_breaks(&self) -> bool {
        self.breaks
    }

    /// The cursor's place, in bytes.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Fails unless only white space is left.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Fault::Syntax(self.at)),
        }
    }

    /// Consumes one value of any kind, checking it, and says where it lies.
    pub fn value(&mut self) -> Result<Span, Fault> {
        self.white();
        let start = self.at;
        self.skip()?;
        Ok(Span { start, end: self.at })
    }

    /// Enters an object: `{` is consumed. Follow with [`Scanner::member`] until it gives `None`.
    pub fn enter_object(&mut self) -> Result<(), Fault> {
        self.enter(b'{')
    }

    /// The next key of the object entered last (its text without the quotes), the cursor being before its
    /// value; `None` when the object is over. `first` is true for the first call after entering.
    pub fn member(&mut self, first: bool) -> Result<Option<Span>, Fault> {
        if !self.more(first, b'}')? {
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// Enters an array: `[` is consumed. Follow with [`Scanner::element`] until it gives false.
    pub fn enter_array(&mut self) -> Result<(), Fault> {
        self.enter(b'[')
    }

    /// True with the cursor before the next element; false when the array entered last is over.
    pub fn element(&mut self, first: bool) -> Result<bool, Fault> {
        self.more(first, b']')
    }

    fn enter(&mut self, open: u8) -> Result<(), Fault> {
        if self.peek() != Some(open) {
            return Err(Fault::Syntax(self.at));
        }
        self.at += 1;
        self.deeper()
    }

    fn more(&mut self, first: bool, close: u8) -> Result<bool, Fault> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(Fault::Syntax(self.at)),
        }
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Fault::Depth) } else { Ok(()) }
    }

    /// Skips one value without recursion: what is open is a bit per level.
    fn skip(&mut self) -> Result<(), Fault> {
        let base = self.depth;
        let mut objects: u128 = 0;
        'value: loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.deeper()?;
                    let bit = 1 << (self.depth - 1);
                    objects = if open == b'{' { objects | bit } else { objects & !bit };
                    if self.more(true, if open == b'{' { b'}' } else { b']' })? {
                        if open == b'{' {
                            self.key()?;
                        }
                        continue 'value;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(Fault::Syntax(self.at)),
            }
            loop {
                if self.depth == base {
                    return Ok(());
                }
                let object = objects & (1 << (self.depth - 1)) != 0;
                if self.more(false, if object { b'}' } else { b']' })? {
                    if object {
                        self.key()?;
                    }
                    continue 'value;
                }
            }
        }
    }

    fn key(&mut self) -> Result<Span, Fault> {
        if self.peek() != Some(b'"') {
            return Err(Fault::Syntax(self.at));
        }
        let start = self.at + 1;
        self.string()?;
        let end = self.at - 1;
        if self.peek() != Some(b':') {
            return Err(Fault::Syntax(self.at));
        }
        self.at += 1;
        Ok(Span { start, end })
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Fault::Syntax(self.at)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(Fault::Syntax(self.at));
                }
                self.at += 6;
            }
            _ => return Err(Fault::Syntax(self.at)),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let count = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return Err(Fault::Syntax(self.at));
        }
        self.at += count;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Fault::Syntax(self.at));
        }
        self.at += word.len();
        Ok(())
    }

    fn white(&mut self) {
        while let Some(&byte @ (b' ' | b'\n' | b'\r' | b'\t')) = self.text.get(self.at) {
            self.breaks |= byte == b'\n' || byte == b'\r';
            self.at += 1;
        }
    }
}

/// How many bytes at the start of `text` are plain string content: no quote, backslash or control character.
fn plain(text: &[u8]) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    let mut short = 8;
    while let Some(chunk) = text.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let quote = word ^ (LOW * 0x22);
        let slash = word ^ (LOW * 0x5c);
        let special = (quote.wrapping_sub(LOW) & !quote)
            | (slash.wrapping_sub(LOW) & !slash)
            | (word.wrapping_sub(LOW * 0x20) & !word);
        if special & HIGH != 0 {
            return at + ((special & HIGH).trailing_zeros() / 8) as usize;
        }
        at += 8;
        short -= 1;
        if short == 0 {
            // A long string: strides that the compiler turns into vector instructions.
            at += text[at..].chunks_exact(64).take_while(|c| !special_in(c)).count() * 64;
            short = 16;
        }
    }
    let rest = text[at..].iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20)).count();
    at + rest
}

#[expect(clippy::needless_bitwise_bool, reason = "branches would keep this from becoming vector instructions")]
fn special_in(chunk: &[u8]) -> bool {
    chunk.iter().fold(false, |any, &b| any | (b == b'"') | (b == b'\\') | (b < 0x20))
}

/// The keys seen so far in one object, to refuse doubles. Small objects cost no allocation.
#[derive(Default)]
pub struct Keys<'a> {
    few: [&'a [u8]; 12],
    count: usize,
    many: Option<HashSet<Vec<u8>>>,
}

impl<'a> Keys<'a> {
    /// Takes note of the key at `span` of `text`; fails if the object already had it, however it was escaped.
    pub fn add(&mut self, text: &'a [u8], span: Span) -> Result<(), Fault> {
        let key = &text[span.range()];
        let plain = memchr::memchr(b'\\', key).is_none();
        if plain && self.many.is_none() && self.count < self.few.len() {
            if self.few[..self.count].contains(&key) {
                return Err(Fault::Duplicate(span.start));
            }
            self.few[self.count] = key;
            self.count += 1;
            return Ok(());
        }
        let few = &self.few[..self.count];
        let many = self.many.get_or_insert_with(|| few.iter().map(|k| k.to_vec()).collect());
        if many.insert(unescape(key)) { Ok(()) } else { Err(Fault::Duplicate(span.start)) }
    }
}

/// The text of a JSON string's inside with its escapes undone; lone surrogates become U+FFFD.
pub fn unescape(inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (character, used) = escaped(&rest[at..]);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
    out
}

fn escaped(text: &[u8]) -> (char, usize) {
    let single = match text.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(text),
        Some(&other) => other as char,
        None => return ('\u{fffd}', 1),
    };
    (single, 2)
}

fn unicode(text: &[u8]) -> (char, usize) {
    let unit = |from: usize| {
        let digits = text.get(from..from + 4)?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(first) = unit(2) else {
        return ('\u{fffd}', 2);
    };
    if (0xd800..0xdc00).contains(&first)
        && text.get(6..8) == Some(b"\\u")
        && let Some(second @ 0xdc00..=0xdfff) = unit(8)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), 12);
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), 6)
}

/// `text` as a JSON string, quotes included.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}
