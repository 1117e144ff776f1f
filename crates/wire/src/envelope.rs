//! The outer layer of one JSON-RPC message: where the members lie that the gateway reads.

use crate::json::{Fault, Keys, Scanner, Span, unescape};
use crate::{method, raw};

/// Where the protocol's members of one message lie. What was read before a fault stays.
#[derive(Default)]
pub(crate) struct Envelope {
    /// `jsonrpc` is `"2.0"`.
    pub(crate) version: bool,
    pub(crate) id: Option<Span>,
    pub(crate) method: Option<Span>,
    pub(crate) params: Option<Span>,
    pub(crate) meta: Meta,
    pub(crate) result: Option<Span>,
    pub(crate) error: Option<Span>,
    /// There are line breaks between tokens.
    pub(crate) breaks: bool,
}

/// Where the members of `params._meta` lie.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meta {
    /// The object itself.
    pub(crate) whole: Option<Span>,
    pub(crate) token: Option<Span>,
    /// The revision that a request without handshake speaks.
    pub(crate) version: Option<Span>,
    pub(crate) capabilities: Option<Span>,
}

const TOP: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: [&str; 1] = ["_meta"];
const META: [&str; 4] = ["progressToken", method::META_VERSION, method::META_CAPABILITIES, method::META_CLIENT];

impl Envelope {
    /// Checks the whole of `text`, which must be UTF-8 and hold one object.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<(), Fault> {
        let mut scanner = Scanner::new(text);
        self.members(text, &mut scanner)?;
        scanner.end()?;
        self.breaks = scanner.has_breaks();
        Ok(())
    }

    fn members(&mut self, text: &[u8], scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.enter_object()?;
        let mut keys = Keys::default();
        let mut first = true;
        while let Some(key) = scanner.member(first)? {
            first = false;
            keys.add(text, key)?;
            let known = known(&TOP, text, key)?;
            if known == Some(3) && scanner.peek() == Some(b'{') {
                self.params = Some(self.read_params(text, scanner)?);
                continue;
            }
            let value = scanner.value()?;
            match known {
                Some(0) => self.version = &text[value.range()] == b"\"2.0\"",
                Some(1) => self.id = Some(value),
                Some(2) => self.method = Some(value),
                Some(3) => self.params = Some(value),
                Some(4) => self.result = Some(value),
                Some(5) => self.error = Some(value),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_params(&mut self, text: &[u8], scanner: &mut Scanner<'_>) -> Result<Span, Fault> {
        let mut keys = Keys::default();
        let start = scanner.offset();
        scanner.enter_object()?;
        let mut first = true;
        while let Some(key) = scanner.member(first)? {
            first = false;
            keys.add(text, key)?;
            if known(&PARAMS, text, key)?.is_some() && scanner.peek() == Some(b'{') {
                self.read_meta(text, scanner)?;
            } else {
                scanner.value()?;
            }
        }
        Ok(Span { start, end: scanner.offset() })
    }

    fn read_meta(&mut self, text: &[u8], scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let mut keys = Keys::default();
        let start = scanner.offset();
        scanner.enter_object()?;
        let mut first = true;
        while let Some(key) = scanner.member(first)? {
            first = false;
            keys.add(text, key)?;
            let known = known(&META, text, key)?;
            let value = scanner.value()?;
            match known {
                Some(0) => self.meta.token = Some(value),
                Some(1) => self.meta.version = Some(value),
                Some(2) => self.meta.capabilities = Some(value),
                _ => {}
            }
        }
        self.meta.whole = Some(Span { start, end: scanner.offset() });
        Ok(())
    }
}

/// Which of `names` the key is, if any. Refuses a key that some lenient parser down the line could take for one of
/// them (Go SDK CVE-2026-27896).
fn known(names: &[&str], text: &[u8], key: Span) -> Result<Option<usize>, Fault> {
    let inside = &text[key.range()];
    if let Some(found) = names.iter().position(|name| raw::same(inside, name)) {
        return Ok(Some(found));
    }
    // Most keys are plain ASCII of another length: nothing to fold.
    let odd = inside.iter().any(|&b| b == b'\\' || !b.is_ascii());
    if !odd && !names.iter().any(|name| name.len() == inside.len()) {
        return Ok(None);
    }
    let spelled = unescape(inside);
    let folded: String = String::from_utf8_lossy(&spelled)
        .chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect();
    if names.iter().any(|name| name.eq_ignore_ascii_case(&folded)) {
        return Err(Fault::Lookalike(key.start));
    }
    Ok(None)
}
