//! Percent-encoding as OpenAPI has it, and which texts a path may not hold, however often it is decoded.

use janua_wire::percent;

/// What `allowReserved` lets through: reserved characters that do not end a parameter or the query.
const RESERVED: &[u8] = b":/?@!$'()*,;";
/// What stands in a path as it is, besides what stands everywhere (RFC 3986, 3.3).
const SEGMENT: &[u8] = b"!$&'()*+,;=:@%";
/// How often a server and those before it may decode a path.
const DECODED: usize = 3;

/// `text` with all but unreserved characters encoded: it can end or begin nothing in a URL.
pub(super) fn encoded(text: &str) -> String {
    percent::encoded(text, b"")
}

/// The same, but reserved characters that are harmless in a query stay.
pub(super) fn reserved(text: &str) -> String {
    percent::encoded(text, RESERVED)
}

/// Text of a path that is part of a document: what is encoded there stays encoded.
pub(super) fn segment(text: &str) -> String {
    percent::encoded(text, SEGMENT)
}

/// `text` decoded once. What is no encoding stays, and what is no UTF-8 then becomes U+FFFD.
pub(super) fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent::decoded(text)).into_owned()
}

/// What is wrong with a text as part of a path, if anything: it must not lead elsewhere, even for servers that decode
/// a path before they take it apart, or more than once.
pub(super) fn astray(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("must not be empty: it is part of the path");
    }
    let mut text = text.to_owned();
    for _ in 0..=DECODED {
        if text.chars().any(char::is_control) {
            return Some("must not hold control characters: it is part of the path");
        }
        if text.split(['/', '\\']).any(|part| part == "." || part == "..") {
            return Some("must not hold the path segments `.` and `..`");
        }
        text = decoded(&text);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        for (text, wanted) in [
            ("a b/c", "a%20b%2Fc"),
            ("ü?x=1&y#z", "%C3%BC%3Fx%3D1%26y%23z"),
            ("%2e%2e", "%252e%252e"),
            ("a\r\n\0", "a%0D%0A%00"),
            ("-._~", "-._~"),
        ] {
            assert_eq!(encoded(text), wanted);
            assert_eq!(decoded(wanted), text);
        }
        assert_eq!(reserved("a/b?c=d&e#f"), "a/b?c%3Dd%26e%23f");
        assert_eq!(segment("v1/%41 b"), "v1%2F%41%20b");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%+1%zz%e"), "%+1%zz%e");
        assert_eq!(decoded("%ff"), "\u{fffd}");
        assert_eq!(decoded("%ü"), "%ü");
    }

    #[test]
    fn nothing_leads_astray() {
        for text in [
            "",
            ".",
            "..",
            "../x",
            "x/..",
            "a/./b",
            "..\\x",
            "%2e%2e",
            "%2E%2e/x",
            "%252e%252e",
            "..%2fx",
            "%2e.%5cx",
            "a\0",
            "a%00",
            "a\r\nb",
            "a%0d%0ab",
            "\u{85}",
        ] {
            assert!(astray(text).is_some(), "{text:?}");
        }
        for text in ["a", "...", "a..b", "v1.2", ".hidden", "a/b", "100%", "ü", "?x=1", "#", "%2fx", "a b"] {
            assert_eq!(astray(text), None, "{text:?}");
        }
    }
}
