//! Lists cut apart and put together: what is not named keeps every byte, and nothing is copied that need not be.

use bytes::Bytes;
use janua_wire::lists::{Caching, Item, described, items, member, renamed, result};
use janua_wire::method::{LISTS, Method};
use serde_json::{Value, json};

/// The inside of an object, its keys and numbers in spellings that no writer of JSON would keep.
const ODD: &str = r#" "big" : 12345678901234567890 ,"x":1.50e+00, "\u00e9": "naïve \ud83d\ude00 \/ 😀""#;

fn texts(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| std::str::from_utf8(&item.text).expect("UTF-8")).collect()
}

fn keys(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| &item.key[..]).collect()
}

fn one(method: Method, text: &str) -> Item {
    let member = member(method).expect("a list");
    let found = items(method, &format!("{{\"{member}\":[{text}]}}").into());
    let [item] = &found[..] else { panic!("{text}: {found:?}") };
    item.clone()
}

#[test]
fn elements_keep_their_bytes() {
    let first = format!(r#"{{ "na\u006de" : "a\"\u0062" ,{ODD}}}"#);
    let second = r#"{"inputSchema":{"name":"inner"},"name":"名前","tools":[1]}"#;
    let text = format!(" {{\"_meta\":{{\"tools\":[{{\"name\":\"no\"}}]}}, \"t\\u006fols\" : [ {first} ,{second} ] }} ");
    let text = Bytes::from(text);
    let found = items(Method::ToolsList, &text);
    assert_eq!(keys(&found), ["a\"b", "名前"]);
    assert_eq!(texts(&found), [&first[..], second]);
    let within = text.as_ptr_range();
    assert!(found.iter().all(|item| within.contains(&item.text.as_ptr())), "no copies");
}

#[test]
fn what_has_no_key_is_left_out() {
    let odd = r#"1,"name",null,[{"name":"x"}],{},{"name":3},{"name":null},{"Name":"x"},{"name":"y"},{"uri":"z"}"#;
    for method in LISTS {
        let text = format!("{{\"{}\":[{odd},{{\"uriTemplate\":\"t\"}}]}}", member(method).expect("a list"));
        let wanted = match method {
            Method::ResourcesList => "z",
            Method::TemplatesList => "t",
            _ => "y",
        };
        assert_eq!(keys(&items(method, &text.into())), [wanted]);
    }
    for none in ["{}", r#"{"tools":null}"#, r#"{"tools":{"name":"x"}}"#, r#"{"prompts":[{"name":"x"}]}"#, "[]", ""] {
        assert_eq!(items(Method::ToolsList, &Bytes::from(none)), [], "{none}");
    }
    assert_eq!(items(Method::ToolsCall, &Bytes::from(r#"{"tools":[{"name":"x"}]}"#)), []);
}

#[test]
fn another_name_changes_nothing_else() {
    let cases = [
        (Method::ToolsList, r#"{"name":"a"}"#, r#"{"name":"s__\"ü"}"#),
        (Method::PromptsList, r#"{"title":"name","na\u006de" : "a" }"#, r#"{"title":"name","na\u006de" : "s__\"ü" }"#),
        (Method::ResourcesList, r#"{"name":"n","uri":"a:b"}"#, r#"{"name":"n","uri":"s__\"ü"}"#),
        (Method::TemplatesList, r#"{"uriTemplate":"{x}","uri":1}"#, r#"{"uriTemplate":"s__\"ü","uri":1}"#),
    ];
    for (method, text, wanted) in cases {
        assert_eq!(renamed(method, &one(method, text), "s__\"ü"), wanted);
        let [with, wanted] = [text, wanted].map(|text| format!("{},{ODD}}}", &text[..text.len() - 1]));
        assert_eq!(renamed(method, &one(method, &with), "s__\"ü"), wanted);
    }
}

#[test]
fn a_description_is_replaced_or_added() {
    let cases = [
        (r#"{"name":"a","description":"old" }"#, r#"{"name":"a","description":"new\n" }"#),
        (r#"{"descripti\u006fn":null,"name":"a"}"#, r#"{"descripti\u006fn":"new\n","name":"a"}"#),
        (
            r#"{ "name":"a","inputSchema":{"description":"d"}}"#,
            r#"{"description":"new\n", "name":"a","inputSchema":{"description":"d"}}"#,
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(described(&Bytes::from(text), "new\n"), wanted);
    }
}

#[test]
fn a_result_is_put_together() {
    let all: Vec<Bytes> = [r#"{"name":"a"}"#, r#"{ "name":"b" }"#].map(Bytes::from).into();
    let public = Caching { ttl_ms: 60_000, private: false };
    let private = Caching { ttl_ms: 0, private: true };
    let hints = |ttl: u64, scope: &str| format!(r#""resultType":"complete","ttlMs":{ttl},"cacheScope":"{scope}""#);
    for (count, cursor, caching, meta, wanted) in [
        (0, None, None, None, r#"{"tools":[]}"#.to_owned()),
        (1, None, None, None, r#"{"tools":[{"name":"a"}]}"#.to_owned()),
        (2, Some(""), None, None, r#"{"tools":[{"name":"a"},{ "name":"b" }],"nextCursor":""}"#.to_owned()),
        (0, None, Some(public), None, format!("{{\"tools\":[],{}}}", hints(60_000, "public"))),
        (
            1,
            Some("\"x\""),
            Some(private),
            Some(r#"{"m" : 1}"#),
            format!(r#"{{"tools":[{{"name":"a"}}],"nextCursor":"\"x\"",{},"_meta":{{"m" : 1}}}}"#, hints(0, "private")),
        ),
    ] {
        let made = result(Method::ToolsList, all[..count].iter(), cursor, caching, meta);
        assert_eq!(std::str::from_utf8(&made), Ok(&wanted[..]));
        assert_eq!(made.capacity(), made.len());
        assert!(serde_json::from_slice::<Value>(&made).is_ok());
    }
}

#[test]
fn every_list_comes_back_from_its_result() {
    for method in LISTS {
        let listing = method.lists().expect("a list");
        let elements: Vec<Value> =
            (0..500).map(|n| json!({ listing.key: format!("x{n}"), "n": n, "text": "long ".repeat(100) })).collect();
        let text = Bytes::from(json!({ listing.member: elements }).to_string());
        let found = items(method, &text);
        assert_eq!(found.len(), 500);
        assert_eq!(found[499].key, "x499");
        let made = result(method, found.iter().map(|item| &item.text), None, None, None);
        assert_eq!(made.capacity(), made.len());
        assert_eq!(made, text);
    }
}

#[test]
fn caching_is_what_is_said_properly() {
    let of = |ttl_ms, private| Caching { ttl_ms, private };
    for (text, wanted) in [
        (r#"{"ttlMs":5,"cacheScope":"public"}"#, of(5, false)),
        (r#"{"ttlM\u0073" : 5 ,"cacheScope":"publi\u0063"}"#, of(5, false)),
        (r#"{"ttlMs":5,"cacheScope":"private"}"#, of(5, true)),
        (r#"{"ttlMs":5}"#, of(5, true)),
        (r#"{"cacheScope":"public"}"#, of(0, false)),
        (r#"{"ttlMs":-5,"cacheScope":"Public"}"#, of(0, true)),
        (r#"{"ttlMs":1.5,"cacheScope":true}"#, of(0, true)),
        (r#"{"ttlMs":"5","cacheScope":null}"#, of(0, true)),
        (r#"{"ttlMs":99999999999999999999}"#, of(0, true)),
        ("{}", of(0, true)),
        ("null", of(0, true)),
    ] {
        assert_eq!(Caching::of(text.as_bytes()), wanted, "{text}");
    }
    assert_eq!(of(5, false).merge(of(9, false)), of(5, false));
    assert_eq!(of(5, true).merge(of(0, false)), of(0, true));
    assert_eq!(of(5, false).merge(of(7, true)), of(5, true));
}
