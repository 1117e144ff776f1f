//! JSON-RPC ids: a client's is text that is only echoed, ours toward a server is a number we mint.

use std::fmt;

use bytes::Bytes;

use crate::json::check;

/// The id a peer gave its own request, as raw JSON text (a string or an integer of any length).
///
/// It is compared and echoed byte for byte, never interpreted: `1`, `"1"` and 20-digit numbers stay what they are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientId(Bytes);

impl ClientId {
    /// The id as raw JSON, or `None` if it is neither a string nor an integer.
    pub fn new(raw: Bytes) -> Option<Self> {
        let legal = match raw.first()? {
            b'"' => raw.ends_with(b"\"") && check(&raw).is_ok(),
            b'-' => digits(&raw[1..]),
            _ => digits(&raw),
        };
        legal.then_some(ClientId(raw))
    }

    /// An id for a request that the gateway itself sends.
    pub fn number(number: u64) -> Self {
        ClientId(Bytes::from(number.to_string()))
    }

    /// The raw JSON text.
    pub fn raw(&self) -> &Bytes {
        &self.0
    }

    /// The id without hold on the larger text it was read from.
    #[must_use]
    pub fn detached(&self) -> Self {
        ClientId(Bytes::copy_from_slice(&self.0))
    }
}

fn digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || text[0] != b'0')
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// The id of a request on one link toward a server. Minted by the gateway, unique on the link for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

impl LinkId {
    /// Reads back an id (or progress token) that we minted; `None` if it cannot be one of ours.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        if !digits(raw) {
            return None;
        }
        std::str::from_utf8(raw).ok()?.parse().ok().map(LinkId)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_integers_are_legal() {
        for raw in ["0", "-0", "-1", "9007199254740993", "12345678901234567890123", "\"\"", "\"😀\"", "\"1\""] {
            let id = ClientId::new(Bytes::from_static(raw.as_bytes())).expect(raw);
            assert_eq!(id.raw(), raw.as_bytes());
        }
        for raw in ["", "null", "1.0", "1e3", "01", "true", "{}", "[1]", "-", "\"a", "\"a\"\n", "1 "] {
            assert!(ClientId::new(Bytes::from_static(raw.as_bytes())).is_none(), "{raw}");
        }
    }

    #[test]
    fn only_our_own_form_reads_back() {
        assert_eq!(LinkId::parse(b"42"), Some(LinkId(42)));
        for raw in ["\"42\"", "042", "-1", "4.2", "99999999999999999999999"] {
            assert_eq!(LinkId::parse(raw.as_bytes()), None, "{raw}");
        }
    }
}
