//! Translations of any JSON: what they do not name keeps every byte, and what they do is as a model says.

#[path = "targets/templates.rs"]
#[expect(dead_code, reason = "these texts have no places for ids and tokens")]
mod templates;
#[path = "targets/translate.rs"]
mod translate;

use janua_wire::method::{META_SERVER, Method};
use janua_wire::raw;
use janua_wire::translate::tasks::{Status, Task, required};
use janua_wire::translate::{results, shapes};
use janua_wire::version::Version;
use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::sample::{select, subsequence};
use proptest::{prop_oneof, proptest};
use serde_json::{Value, json};
use templates::texts::value;
use templates::{Member, Part, object, render, unknown};
use translate::settled;

const WORDS: &[&str] = &[
    "_meta",
    "annotations",
    "audio",
    "cacheScope",
    "complete",
    "const",
    "content",
    "data",
    "enum",
    "execution",
    "form",
    "inputSchema",
    "messages",
    "mimeType",
    "mode",
    "name",
    "object",
    "oneOf",
    "outputSchema",
    "properties",
    "requestedSchema",
    "resource_link",
    "resultType",
    "string",
    "structuredContent",
    "task",
    "taskId",
    "text",
    "title",
    "toolChoice",
    "tools",
    "ttlMs",
    "type",
    "uri",
    "x-mcp-header",
];

/// JSON made of the protocol's own words, mostly in the wrong places.
fn jumble() -> BoxedStrategy<Value> {
    let word = select(WORDS).prop_map(|word| json!(word));
    let leaf = prop_oneof![3 => word, 1 => Just(json!(null)), 1 => Just(json!(7)), 1 => Just(json!({}))];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array);
        let keys = subsequence(WORDS, 0..6).prop_shuffle();
        let map = (keys, proptest::collection::vec(inner, 6))
            .prop_map(|(keys, values)| Value::Object(keys.into_iter().map(str::to_owned).zip(values).collect()));
        prop_oneof![list, map]
    })
    .boxed()
}

fn fixed(members: &[(&str, &str)]) -> Vec<Member> {
    members.iter().map(|(key, value)| (format!("\"{key}\""), vec![Part::Text((*value).to_owned())])).collect()
}

/// A message of these members among unknown ones, and the unknown ones.
fn among(members: &'static [(&'static str, &'static str)]) -> BoxedStrategy<(String, Vec<Member>)> {
    let whole = |unknown: Vec<Member>| {
        let all = [unknown.clone(), fixed(members)].concat();
        (object(Just(all)), Just(unknown))
    };
    unknown()
        .prop_flat_map(whole)
        .prop_map(|(parts, unknown)| {
            let unknown =
                unknown.into_iter().map(|(key, value)| (key, vec![Part::Text(one_line(&render(&value, "", "")))]));
            (one_line(&render(&parts, "", "")), unknown.collect())
        })
        .boxed()
}

/// As a message keeps it: line breaks can only be white space.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn kept(out: &[u8], unknown: &[Member]) {
    for (key, value) in unknown {
        let name: String = serde_json::from_str(key).expect("a key");
        assert_eq!(raw::peek(out, &name), Some(render(value, "", "").as_bytes()), "{name}");
    }
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("JSON")
}

proptest! {
    #[test]
    fn nothing_is_too_odd(text in value(), jumble in jumble()) {
        translate::run(one_line(&text).as_bytes());
        translate::run(jumble.to_string().as_bytes());
    }

    #[test]
    fn unknown_members_keep_every_byte(
        (modern, of_modern) in among(&[("resultType", "\"complete\""), ("ttlMs", "5"), ("structuredContent", "[1]")]),
        (legacy, of_legacy) in among(&[("content", r#"[{"type":"audio"}]"#), ("_meta", "{}")]),
        (block, of_block) in among(&[("type", "\"resource_link\""), ("name", "\"n\"")]),
    ) {
        kept(&settled(modern.as_bytes(), results::to_legacy), &of_modern);
        let shaped = |text: &[u8]| shapes::for_client(Method::ToolsCall, text, Version::V2024_11_05);
        kept(&settled(modern.as_bytes(), shaped), &of_modern);
        kept(&settled(legacy.as_bytes(), shaped), &of_legacy);
        let info = Some(&b"{}"[..]);
        kept(&settled(legacy.as_bytes(), |text| results::to_modern(Method::ToolsList, text, info)), &of_legacy);
        let out = settled(format!("{{\"content\":[{block}]}}").as_bytes(), shaped);
        let blocks = raw::elements(&out, raw::find(&out, raw::whole(&out), "content").expect("content"));
        kept(&out[blocks[0].range()], &of_block);
    }

    #[test]
    fn the_envelope_of_a_result_is_as_a_model_says(result in jumble()) {
        let text = result.to_string();
        let legacy = results::to_legacy(text.as_bytes()).apply(text.as_bytes());
        let modern = results::to_modern(Method::ToolsList, text.as_bytes(), Some(b"1")).apply(text.as_bytes());
        let (mut less, mut more) = (result.clone(), result);
        if let (Some(less), Some(more)) = (less.as_object_mut(), more.as_object_mut()) {
            for (key, value) in [("resultType", json!("complete")), ("ttlMs", json!(0)), ("cacheScope", json!("private"))] {
                less.remove(key);
                more.entry(key).or_insert(value);
            }
            let meta = more.entry("_meta").or_insert(json!({}));
            if !meta.is_object() {
                *meta = json!({});
            }
            meta[META_SERVER] = json!(1);
            for tool in more.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(tool) = tool.as_object_mut() {
                    tool.remove("execution");
                }
            }
        }
        assert_eq!(parsed(&legacy), less);
        assert_eq!(parsed(&modern), more);
    }

    #[test]
    fn old_clients_get_no_new_shapes(result in jumble(), list in proptest::collection::vec(jumble(), 0..4)) {
        let mut result = if result.is_object() { result } else { json!({"structuredContent": result}) };
        result["content"] = json!(list);
        for version in Version::ALL.into_iter().filter(|version| *version <= Version::NEWEST_LEGACY) {
            let text = result.to_string();
            let shaped = parsed(&shapes::for_client(Method::ToolsCall, text.as_bytes(), version).apply(text.as_bytes()));
            assert!(shaped.get("structuredContent").is_none_or(Value::is_object), "{shaped}");
            let kinds: Vec<_> = shaped["content"].as_array().expect("a list").iter().map(|block| &block["type"]).collect();
            assert!(version > Version::V2024_11_05 || !kinds.contains(&&json!("audio")), "{shaped}");
            assert!(version > Version::V2025_03_26 || !kinds.contains(&&json!("resource_link")), "{shaped}");
        }
    }
}

#[test]
fn a_result_is_complete_unless_it_says_otherwise() {
    for (result, complete) in [
        (r#"{"content":[]}"#, true),
        (r#"{"resultType":"complete"}"#, true),
        (r#"{"resultType":"input_required","requestState":"s"}"#, false),
        (r#"{"resultType":"task"}"#, false),
        (r#"{"resultType":null}"#, false),
    ] {
        assert_eq!(results::is_complete(result.as_bytes()), complete, "{result}");
    }
}

#[test]
fn tasks_are_told_from_results() {
    let text = r#"{"task":{"taskId":"786\"x","status":"working","statusMessage":"soon","createdAt":"2025-11-25T10:30:00Z","lastUpdatedAt":"2025-11-25T10:40:00Z","ttl":60000,"pollInterval":5000}}"#;
    let task = Task::announced(text.as_bytes()).expect("a task");
    let wanted = Task {
        id: "786\"x".to_owned(),
        status: Status::Working,
        poll_ms: Some(5000),
        message: Some("soon".to_owned()),
    };
    assert_eq!(task, wanted);
    assert_eq!(task.params(), r#"{"taskId":"786\"x"}"#);
    for (status, wanted) in [
        ("working", Some((Status::Working, false))),
        ("input_required", Some((Status::InputRequired, false))),
        ("completed", Some((Status::Completed, true))),
        ("failed", Some((Status::Failed, true))),
        ("cancelled", Some((Status::Cancelled, true))),
        ("dancing", None),
    ] {
        let text = format!(r#"{{"taskId":"1","status":"{status}","ttl":null}}"#);
        let told = Task::told(text.as_bytes()).map(|task| (task.status, task.status.is_over()));
        assert_eq!(told, wanted, "{status}");
    }
    for result in [r#"{"content":[]}"#, r#"{"task":1}"#, r#"{"task":{"status":"working"}}"#, "[]"] {
        assert_eq!(Task::announced(result.as_bytes()), None, "{result}");
    }
}

#[test]
fn tools_that_run_as_tasks_only_are_named() {
    let tool = |name: &str, support: &str| json!({"name": name, "execution": {"taskSupport": support}});
    let list =
        json!({"tools": [tool("a", "required"), tool("b", "optional"), {"name": "c"}, tool("d", "required"), 7]});
    assert_eq!(required(list.to_string().as_bytes()), ["a", "d"]);
    assert_eq!(required(b"{\"tools\":[{\"name\":\"taskSupport\"}]}"), [""; 0]);
}
