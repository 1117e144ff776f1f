//! JSON texts in many spellings: white space, escapes, long numbers.

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::prop_oneof;

/// White space, line breaks included.
pub(crate) fn white() -> BoxedStrategy<String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"].boxed()
}

/// An integer of up to 23 digits.
pub(crate) fn integer() -> BoxedStrategy<String> {
    "-?(0|[1-9][0-9]{0,22})".boxed()
}

/// A string, quotes included. No halves of surrogate pairs, which serde_json refuses.
pub(crate) fn string() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        4 => "[^\"\\\\\\x00-\\x1f]{0,12}",
        1 => "\\\\[\"\\\\/bfnrt]",
        1 => "\\\\u[0-9a-cA-CeE][0-9a-fA-F]{3}",
        1 => "\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}",
        1 => "[\u{2028}\u{2029}\u{85}\u{feff}\u{7f}]",
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat())).boxed()
}

/// Any value, nested a few levels.
pub(crate) fn value() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        integer(),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        string(),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let element = (white(), inner.clone(), white()).prop_map(|(a, v, b)| a + &v + &b);
        let array = (white(), vec(element, 0..5)).prop_map(|(gap, all)| match all.len() {
            0 => format!("[{gap}]"),
            _ => format!("[{}]", all.join(",")),
        });
        let member = (white(), string(), white(), white(), inner, white())
            .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
        let object = (white(), vec(member, 0..5)).prop_map(|(gap, all)| match all.len() {
            0 => format!("{{{gap}}}"),
            _ => format!("{{{}}}", all.join(",")),
        });
        prop_oneof![array, object]
    })
    .boxed()
}
