//! What several servers can do, told as if they were one.

use crate::json::{Span, unescape};
use crate::raw::{members, whole};

/// Tasks as a capability (2025-11-25).
const TASKS: &[u8] = b"tasks";
/// Tasks as an extension (2026-07-28).
const TASKS_EXTENSION: &[u8] = b"io.modelcontextprotocol/tasks";
/// The members whose own members are switches.
const SWITCHED: [&[u8]; 5] = [b"tools", b"prompts", b"resources", b"logging", b"completions"];
/// The members whose own members stand for themselves.
const NAMED: [&[u8]; 2] = [b"experimental", b"extensions"];

/// A member as it stands in some of the objects.
struct Shared<'a> {
    /// The key with its escapes undone.
    name: Vec<u8>,
    /// The key as the first one writes it, without quotes.
    key: &'a [u8],
    /// The values, raw.
    values: Vec<&'a [u8]>,
}

/// The raw `capabilities` of a gateway in front of servers with these raw `capabilities`: what any of them has.
///
/// `listChanged`, `subscribe` and the like hold if they hold for one; of what is named alike in `experimental`,
/// `extensions` or elsewhere, the first server's text stands. Tasks are left out, as capability and as extension. What
/// is not an object, or `null` or `false`, is not there.
pub fn union(capabilities: &[&[u8]]) -> String {
    let mut all = shared(capabilities);
    for member in &mut all {
        member.values.retain(|value| !matches!(*value, b"null" | b"false"));
    }
    all.retain(|member| !member.values.is_empty() && member.name != TASKS);
    object(&all, |member| {
        let name = &member.name[..];
        if NAMED.contains(&name) {
            let mut inner = shared(&member.values);
            inner.retain(|inner| inner.name != TASKS_EXTENSION);
            object(&inner, first)
        } else if SWITCHED.contains(&name) && member.values.len() > 1 {
            object(&shared(&member.values), switch)
        } else {
            first(member)
        }
    })
}

/// The members of these objects in the order they come.
fn shared<'a>(objects: &[&'a [u8]]) -> Vec<Shared<'a>> {
    let mut found: Vec<Shared<'a>> = Vec::new();
    for object in objects {
        let text = |span: Span| &object[span.range()];
        for (key, value) in members(object, whole(object)).unwrap_or_default() {
            let name = unescape(text(key));
            match found.iter_mut().find(|member| member.name == name) {
                Some(member) => member.values.push(text(value)),
                None => found.push(Shared { name, key: text(key), values: vec![text(value)] }),
            }
        }
    }
    found
}

fn object(members: &[Shared<'_>], value: impl Fn(&Shared<'_>) -> String) -> String {
    let member = |member: &Shared<'_>| format!("\"{}\":{}", String::from_utf8_lossy(member.key), value(member));
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

fn first(member: &Shared<'_>) -> String {
    member.values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

fn switch(member: &Shared<'_>) -> String {
    if member.values.contains(&&b"true"[..]) { "true".to_owned() } else { first(member) }
}

#[cfg(test)]
mod tests {
    use super::union;

    #[test]
    fn the_union_has_what_any_has() {
        let cases: &[(&[&str], &str)] = &[
            (&[], "{}"),
            (&["{}", "{}"], "{}"),
            (
                &[r#" { "tools" : { "listChanged":true , "x":1.50e0 } } "#],
                r#"{"tools":{ "listChanged":true , "x":1.50e0 }}"#,
            ),
            (
                &[r#"{"tools":{"listChanged":false}}"#, r#"{"logging":{},"t\u006fols":{"listChanged":true}}"#],
                r#"{"tools":{"listChanged":true},"logging":{}}"#,
            ),
            (
                &[
                    r#"{"resources":{"subscribe":true}}"#,
                    r#"{"resources":{"listChanged":false,"subscribe":false}}"#,
                    "{}",
                ],
                r#"{"resources":{"subscribe":true,"listChanged":false}}"#,
            ),
            (
                &[
                    r#"{"tools":{},"prompts":null,"logging":false}"#,
                    r#"{"tools":{"listChanged":true},"completions":{}}"#,
                ],
                r#"{"tools":{"listChanged":true},"completions":{}}"#,
            ),
            (
                &[r#"{"experimental":{"a":{"é\u00e9" : 12345678901234567890}}}"#, r#"{"experimental":{"a":2,"b":{}}}"#],
                r#"{"experimental":{"a":{"é\u00e9" : 12345678901234567890},"b":{}}}"#,
            ),
            (
                &[
                    r#"{"tasks":{"list":{}},"extensions":{"io.modelcontextprotocol\/tasks":{},"io.modelcontextprotocol/ui":{"v":[1, 2]}}}"#,
                    r#"{"extensions":{"io.modelcontextprotocol/tasks":{},"acme/x":{"listChanged":false}}}"#,
                    r#"{"extensions":{"acme/x":{"listChanged":true}}}"#,
                ],
                r#"{"extensions":{"io.modelcontextprotocol/ui":{"v":[1, 2]},"acme/x":{"listChanged":false}}}"#,
            ),
            (&[r#"{"novel":[ 1 ]}"#, r#"{"novel":{},"tools":{}}"#], r#"{"novel":[ 1 ],"tools":{}}"#),
            (&["null", "[1]", "", r#"{"tools":{}}"#], r#"{"tools":{}}"#),
        ];
        for (capabilities, wanted) in cases {
            let raw: Vec<&[u8]> = capabilities.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(union(&raw), *wanted, "{capabilities:?}");
        }
    }

    #[test]
    fn the_union_of_a_union_is_the_same() {
        let one = union(&[br#"{"tools":{"listChanged":true}}"#, br#"{"tools":{"x":"\ud83d\ude00"},"logging":{}}"#]);
        assert_eq!(one, r#"{"tools":{"listChanged":true,"x":"\ud83d\ude00"},"logging":{}}"#);
        assert_eq!(union(&[one.as_bytes(), one.as_bytes(), b"{}"]), one);
    }
}
