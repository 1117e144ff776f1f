//! Objects in many spellings, any order of keys, with places left open for ids and tokens.

#[path = "texts.rs"]
pub(crate) mod texts;

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Strategy};
use texts::{string, value, white};

/// A piece of a text; the places of ids and tokens are left open.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Fixed text.
    Text(String),
    /// Where the id belongs.
    Id,
    /// Where the token belongs.
    Token,
}

/// A key, as a JSON string, and its value.
pub(crate) type Member = (String, Vec<Part>);

/// The text with its open places filled.
pub(crate) fn render(parts: &[Part], id: &str, token: &str) -> String {
    let piece = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Id => id.to_owned(),
        Part::Token => token.to_owned(),
    };
    parts.iter().map(piece).collect()
}

/// Members that mean nothing to the gateway, no two with one key.
pub(crate) fn unknown() -> BoxedStrategy<Vec<Member>> {
    let number = |members: Vec<(String, String)>| {
        let key = |at: usize, key: &str| format!("\"x{at} {}", &key[1..]);
        let members = members.into_iter().enumerate();
        members.map(|(at, (name, text))| (key(at, &name), vec![Part::Text(text)])).collect()
    };
    vec((string(), value()), 0..4).prop_map(number).boxed()
}

/// An object of these members in any order, with white space between.
pub(crate) fn object(members: impl Strategy<Value = Vec<Member>> + 'static) -> BoxedStrategy<Vec<Part>> {
    (members.prop_shuffle(), vec(white(), 1..9))
        .prop_map(|(members, gaps)| {
            let mut gaps = gaps.iter().cycle().cloned();
            let mut gap = || Part::Text(gaps.next().unwrap_or_default());
            let mut parts = vec![Part::Text("{".to_owned()), gap()];
            for (at, (key, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    parts.extend([Part::Text(",".to_owned()), gap()]);
                }
                parts.extend([Part::Text(key), gap(), Part::Text(":".to_owned()), gap()]);
                parts.extend(value);
                parts.push(gap());
            }
            parts.push(Part::Text("}".to_owned()));
            parts
        })
        .boxed()
}
