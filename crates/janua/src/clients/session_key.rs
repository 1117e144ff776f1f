//! The segment of a path that names a user and a key, as guMCP has it: `user` or `user:key`, percent-encoded.

use std::sync::Arc;

use axum::http::StatusCode;
use janua_wire::percent;

use crate::user::User;

/// Longest segment, in bytes after decoding.
const LONGEST: usize = 512;

/// Why a segment names no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is nothing before the first colon.
    Empty,
    /// It is longer than [`LONGEST`].
    Long,
    /// It is not UTF-8, or holds control characters.
    Letters,
    /// The user's name leads out of a folder: a part of it is `.` or `..`.
    Dots,
}

impl Unusable {
    /// What it is answered with.
    pub(crate) fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Unusable::Empty => (StatusCode::BAD_REQUEST, "The session key names no user"),
            Unusable::Long => (StatusCode::URI_TOO_LONG, "The session key is longer than 512 bytes"),
            Unusable::Letters => (StatusCode::BAD_REQUEST, "The session key is not plain text in UTF-8"),
            Unusable::Dots => (StatusCode::BAD_REQUEST, "The session key names no possible user"),
        }
    }
}

/// The user that a segment of a raw path names. The key begins after the first colon; none and an empty one are the same.
pub(crate) fn parse(segment: &str) -> Result<User, Unusable> {
    let text = decoded(segment).ok_or(Unusable::Letters)?;
    if text.len() > LONGEST {
        return Err(Unusable::Long);
    }
    if text.chars().any(char::is_control) {
        return Err(Unusable::Letters);
    }
    let (id, key) = text.split_once(':').unwrap_or((&text, ""));
    if id.is_empty() {
        return Err(Unusable::Empty);
    }
    if id.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
        return Err(Unusable::Dots);
    }
    Ok(User { id: id.into(), key: (!key.is_empty()).then(|| Arc::from(key)) })
}

/// The segment that names a user and a key, in a form that no client changes on its way.
pub(crate) fn segment(id: &str, key: Option<&str>) -> String {
    let mut out = encoded(id);
    if let Some(key) = key {
        out.push_str("%3A");
        out.push_str(&encoded(key));
    }
    out
}

/// A segment of a path, percent-decoded once; `None` if it is not UTF-8 then. A `%` without two digits stands for itself.
pub(crate) fn decoded(segment: &str) -> Option<String> {
    String::from_utf8(percent::decoded(segment).into_owned()).ok()
}

/// Text as a segment of a path: only letters, digits and `_.-~` stand for themselves.
pub(crate) fn encoded(text: &str) -> String {
    percent::encoded(text, b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(segment: &str) -> Result<(String, Option<String>), Unusable> {
        parse(segment).map(|user| (user.id.to_string(), user.key.map(|key| key.to_string())))
    }

    #[test]
    fn every_row_of_the_table() {
        let long = "x".repeat(300);
        for (segment, id, key) in [
            ("alice", "alice", None),
            ("alice:key1", "alice", Some("key1")),
            ("alice%3Akey1", "alice", Some("key1")),
            ("alice%3akey1", "alice", Some("key1")),
            ("a:b:c", "a", Some("b:c")),
            ("u:", "u", None),
            ("al%20ice%40ex.com", "al ice@ex.com", None),
            ("%C3%A9milie:cl%C3%A9", "émilie", Some("clé")),
            ("al+ice", "al+ice", None),
            ("a%252Fb", "a%2Fb", None),
            ("u%2Fv", "u/v", None),
            ("100%", "100%", None),
            ("a..b", "a..b", None),
            (long.as_str(), long.as_str(), None),
        ] {
            assert_eq!(read(segment), Ok((id.to_owned(), key.map(str::to_owned))), "{segment}");
        }
        let (most, more) = ("x".repeat(512), "x".repeat(513));
        assert!(read(&most).is_ok());
        for (segment, why) in [
            ("", Unusable::Empty),
            (":k", Unusable::Empty),
            ("%3Ak", Unusable::Empty),
            (more.as_str(), Unusable::Long),
            ("a%00b", Unusable::Letters),
            ("a%0Ab", Unusable::Letters),
            ("a%C2%85b", Unusable::Letters),
            ("a%FFb", Unusable::Letters),
            ("..", Unusable::Dots),
            (".", Unusable::Dots),
            ("%2e%2E", Unusable::Dots),
            ("..:k", Unusable::Dots),
            ("..%2F..%2Fevil", Unusable::Dots),
        ] {
            assert_eq!(read(segment), Err(why), "{segment}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (id, key) in [("alice", None), ("a b@c+d", Some("k:l/m%")), ("émilie", Some("clé")), ("u/v~_.-", None)] {
            let written = segment(id, key);
            assert!(!written.contains(['/', ':', ' ', '+', '@']), "{written}");
            assert_eq!(read(&written), Ok((id.to_owned(), key.map(str::to_owned))), "{written}");
        }
    }
}
