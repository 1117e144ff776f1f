//! What serde_json says of a text, against what `janua_wire::json::check` says.

use janua_wire::json::{Fault, check};
use serde_json::Value;

/// What serde_json refuses and the grammar allows: numbers beyond a double, halves of surrogate pairs, and nesting
/// beyond 127 levels (ours ends at 128).
const NARROWER: [&str; 4] = [
    "number out of range",
    "lone leading surrogate in hex escape",
    "unexpected end of hex escape",
    "recursion limit exceeded",
];

/// Whether serde_json refuses a text only because it is narrower than the grammar.
pub(crate) fn is_narrower(error: &serde_json::Error) -> bool {
    let said = error.to_string();
    NARROWER.iter().any(|reason| said.starts_with(reason))
}

/// Panics unless both say the same of `text`; gives the value where both take it.
pub(crate) fn agree(text: &[u8]) -> Option<Value> {
    let theirs = serde_json::from_slice::<Value>(text);
    match (check(text), theirs) {
        (Ok(()), Ok(value)) => Some(value),
        (Ok(()), Err(error)) => {
            assert!(is_narrower(&error), "accepted, but {error}: {}", text.escape_ascii());
            None
        }
        (Err(fault), Ok(_)) => panic!("{fault}, but it is JSON: {}", text.escape_ascii()),
        (Err(fault), Err(_)) => {
            let utf8 = std::str::from_utf8(text).is_ok();
            assert_eq!(utf8, fault != Fault::Utf8, "{fault}: {}", text.escape_ascii());
            if let Fault::Syntax(at) = fault {
                assert!(at <= text.len(), "{at} is behind the text");
            }
            None
        }
    }
}
