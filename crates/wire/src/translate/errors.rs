//! Error codes, which the eras divide up differently.

use crate::edits::Edits;
use crate::error::{INTERNAL_ERROR, INVALID_PARAMS, MISSING_CAPABILITY};
use crate::method::Method;
use crate::raw::{find, peek, whole};

/// The revisions with a handshake: there is no such resource.
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// The codes that JSON-RPC leaves to implementations. 2026-07-28 divided them up: what a server with a handshake meant
/// by one of them nobody knows, and clients without would take some for something else.
const FREE: std::ops::RangeInclusive<i64> = -32099..=-32000;

/// What to change in the `error` object of a server with a handshake for a client without.
pub fn to_modern(error: &[u8]) -> Edits {
    let code = match code(error) {
        Some(RESOURCE_NOT_FOUND) => INVALID_PARAMS,
        // It can mean nothing else if it says which: servers of both eras use it in both.
        Some(code) if code == i64::from(MISSING_CAPABILITY) && names_capabilities(error) => return Edits::none(),
        Some(code) if FREE.contains(&code) => INTERNAL_ERROR,
        _ => return Edits::none(),
    };
    recoded(error, i64::from(code))
}

/// What to change in the `error` object of a server without a handshake, which answers a `method`, for a client with.
pub fn to_legacy(method: Method, error: &[u8]) -> Edits {
    let has_uri = || peek(error, "data").is_some_and(|data| peek(data, "uri").is_some());
    let invalid = i64::from(INVALID_PARAMS);
    let missing = i64::from(MISSING_CAPABILITY);
    match code(error) {
        Some(code) if code == invalid && method == Method::ResourcesRead && has_uri() => {
            recoded(error, RESOURCE_NOT_FOUND)
        }
        Some(code) if code != missing && (-32022..=-32020).contains(&code) => recoded(error, i64::from(INTERNAL_ERROR)),
        _ => Edits::none(),
    }
}

fn names_capabilities(error: &[u8]) -> bool {
    let data = peek(error, "data").unwrap_or(b"null");
    peek(data, "requiredCapabilities").is_some_and(|required| required.starts_with(b"{"))
}

fn code(error: &[u8]) -> Option<i64> {
    std::str::from_utf8(peek(error, "code")?).ok()?.parse().ok()
}

fn recoded(error: &[u8], code: i64) -> Edits {
    let mut edits = Edits::none();
    if let Some(place) = find(error, whole(error), "code") {
        edits.replace(place, code.to_string());
    }
    edits
}
