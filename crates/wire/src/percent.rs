//! Percent-encoding (RFC 3986, section 2.1).

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with all but unreserved characters encoded, and those that are `kept`.
pub fn encoded(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `text` decoded once, which need not be UTF-8 then. A `%` without two digits stands for itself.
pub fn decoded(text: &str) -> Cow<'_, [u8]> {
    let mut rest = text.as_bytes();
    if !rest.contains(&b'%') {
        return Cow::Borrowed(rest);
    }
    let mut out = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        let spelt = if byte == b'%' { spelt(after) } else { None };
        out.push(spelt.unwrap_or(byte));
        rest = if spelt.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(out)
}

/// Whether every `%` is followed by two digits.
pub fn is_sound(text: &str) -> bool {
    text.as_bytes().split(|byte| *byte == b'%').skip(1).all(|after| spelt(after).is_some())
}

/// The byte that two hex digits at the start of the text spell.
pub(crate) fn spelt(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Whether a character never has to be encoded (section 2.3).
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_and_odd_texts_stay() {
        let odd = "a/b c%é+~.\u{0}";
        assert_eq!(encoded(odd, b""), "a%2Fb%20c%25%C3%A9%2B~.%00");
        assert_eq!(encoded("a/b?", b"/"), "a/b%3F");
        assert_eq!(&*decoded(&encoded(odd, b"")), odd.as_bytes());
        for (text, bytes, sound) in [
            ("%2f%2F", &b"//"[..], true),
            ("%252F", b"%2F", true),
            ("%", b"%", false),
            ("%4", b"%4", false),
            ("%+1%zz", b"%+1%zz", false),
            ("%ff", b"\xff", true),
            ("plain", b"plain", true),
        ] {
            assert_eq!((&*decoded(text), is_sound(text)), (bytes, sound), "{text}");
        }
    }
}
