//! Texts: an entry goes in, comes out, and nothing else is another.

use janua::config::edit::{EditError, Format, Value, apply, diff, read};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::samples::{SAMPLES, Sample};

fn json(text: &str) -> Value {
    read(text, Format::Json).expect("JSON")
}

fn program() -> Value {
    json(r#"{"command": "npx", "args": ["-y", "pkg", "yes", "1", "a: b"], "n": 3, "env": {"TÖKEN": "a\"b'c\\d # e"}}"#)
}

fn with<'a>(sample: &Sample, rest: &[&'a str]) -> Vec<&'a str> {
    sample.section.iter().copied().chain(rest.iter().copied()).collect()
}

#[test]
fn what_is_added_and_removed_leaves_no_trace() {
    for sample in SAMPLES {
        let path = with(sample, &["new one"]);
        let added = apply(sample.text, sample.format, &path, Some(&program()));
        let added = added.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        let there = read(&added, sample.format).expect("still readable");
        assert_eq!(there.at(&path), Some(&program()), "{}:\n{added}", sample.name);
        let removed = apply(&added, sample.format, &path, None).expect("removed");
        assert_eq!(removed, sample.text, "{}", sample.name);
    }
}

#[test]
fn each_line_that_was_there_is_there_after_an_addition() {
    let in_lines = |text: &str| text.lines().count() > 2 && !text.contains("{}") && !text.contains("{ a = {");
    for sample in SAMPLES.iter().filter(|sample| in_lines(sample.text)) {
        let added = apply(sample.text, sample.format, &with(sample, &["new"]), Some(&program())).expect("added");
        let mut lines = added.split_inclusive('\n');
        for line in sample.text.split_inclusive('\n') {
            // The entry before may have got a comma, the last line a break.
            let same =
                |new: &str| new.trim_end() == line.trim_end() || new.replacen(',', "", 1) == line.replacen(',', "", 1);
            assert!(lines.any(same), "{}: {line:?} is lost in\n{added}", sample.name);
        }
        let carriage = |text: &str| text.matches("\r\n").count();
        let feeds = added.matches('\n').count();
        assert!(carriage(&added) == 0 || carriage(&added) == feeds, "{}: mixed line ends", sample.name);
    }
}

#[test]
fn a_switch_goes_into_every_server_and_out_again() {
    for sample in SAMPLES {
        let value = read(sample.text, sample.format).expect("readable");
        let Some(servers) = value.at(sample.section) else { continue };
        for (name, _) in servers.members() {
            let path = with(sample, &[name, "disabled"]);
            let off = apply(sample.text, sample.format, &path, Some(&Value::Bool(true)));
            let off = off.unwrap_or_else(|error| panic!("{}: {name}: {error}", sample.name));
            assert_eq!(apply(&off, sample.format, &path, Some(&Value::Bool(true))), Ok(off.clone()), "idempotent");
            let on = apply(&off, sample.format, &path, Some(&Value::Bool(false))).expect("changed");
            let (wanted, other) = (on.matches("false").count(), on.matches("true").count());
            assert_eq!((wanted, other), (off.matches("false").count() + 1, off.matches("true").count() - 1), "{on}");
            assert_eq!(
                read(&on, sample.format).expect("readable").at(&path),
                Some(&Value::Bool(false)),
                "{}",
                sample.name
            );
            assert_eq!(apply(&off, sample.format, &path, None).as_deref(), Ok(sample.text), "{}: {name}", sample.name);
        }
    }
}

#[test]
fn servers_are_removed_and_replaced_alone() {
    for sample in SAMPLES {
        let value = read(sample.text, sample.format).expect("readable");
        let Some(servers) = value.at(sample.section) else { continue };
        for (name, _) in servers.members() {
            let path = with(sample, &[name]);
            let removed = apply(sample.text, sample.format, &path, None);
            let removed = removed.unwrap_or_else(|error| panic!("{}: {name}: {error}", sample.name));
            let after = read(&removed, sample.format).expect("readable");
            assert_eq!(after.at(&path), None, "{}", sample.name);
            for comment in ["// mine", "# the house's", "# end", "\"old\": {", "# about figma", "and \"me\""] {
                assert_eq!(removed.contains(comment), sample.text.contains(comment), "{}: {comment}", sample.name);
            }
            let replaced = apply(sample.text, sample.format, &path, Some(&program())).expect("replaced");
            assert_eq!(
                read(&replaced, sample.format).expect("readable").at(&path),
                Some(&program()),
                "{}",
                sample.name
            );
        }
    }
}

#[test]
fn files_that_say_nothing_yet_get_their_first_server() {
    let comment = |format| if format == Format::Json { "// nothing yet\n{}\n" } else { "# nothing yet\n" };
    for format in [Format::Json, Format::Yaml, Format::Toml] {
        for text in ["", "\n", comment(format)] {
            let new = apply(text, format, &["servers", "a"], Some(&program())).expect("added");
            assert_eq!(read(&new, format).expect("readable").at(&["servers", "a"]), Some(&program()), "{new}");
            assert!(new.ends_with('\n') && new.contains(text.lines().next().unwrap_or_default()), "{new:?}");
        }
    }
    let null = apply("servers:\n# none\n", Format::Yaml, &["servers", "a", "command"], Some(&Value::text("x")));
    assert_eq!(null.as_deref(), Ok("servers:\n  a:\n    command: x\n# none\n"));
}

#[test]
fn what_cannot_be_changed_alone_is_refused_and_named() {
    let refused = |text: &str, format, path: &[&str], value: Option<&Value>| match apply(text, format, path, value) {
        Err(EditError::Shape(what)) => what,
        other => panic!("not refused: {other:?}"),
    };
    let yes = Value::Bool(true);
    let alias = "x: &x {command: a}\nservers:\n  a: *x\n";
    assert!(refused(alias, Format::Yaml, &["servers", "a", "disabled"], Some(&yes)).contains("alias"));
    let anchor = "servers:\n  a: &a\n    command: x\n  b: *a\n";
    assert!(refused(anchor, Format::Yaml, &["servers", "a"], None).contains("line 2"));
    let twice = r#"{"mcpServers": {"a": {}, "a": {"command": "x"}}}"#;
    assert!(refused(twice, Format::Json, &["mcpServers", "a"], None).contains("twice"));
    let list = "mcpServers:\n- name: a\n";
    assert!(refused(list, Format::Yaml, &["mcpServers", "a"], Some(&yes)).contains("`mcpServers`"));
    let question = "servers:\n  ? a\n  : command: x\n";
    assert!(refused(question, Format::Yaml, &["servers", "a"], None).contains("by hand"));
}

#[test]
fn broken_texts_are_refused_with_their_place() {
    for (format, text, wanted) in [
        (Format::Json, "{\n  \"a\": 1\n  \"b\": 2\n}", (3, 3)),
        (Format::Json, "{\"a\": \"x", (1, 8)),
        (Format::Json, "{\"a\": tru}", (1, 7)),
        (Format::Json, "{} /* ", (1, 4)),
        (Format::Yaml, "a: 1\nb: [1\nc: 2\n", (3, 2)),
        (Format::Yaml, "a: 1\n---\nb: 1\n", (2, 1)),
        (Format::Toml, "a = 1\nb = = 2\n", (2, 5)),
    ] {
        match apply(text, format, &["servers", "x"], Some(&Value::Bool(true))) {
            Err(EditError::Syntax { line, column, what }) => assert_eq!((line, column), wanted, "{text}: {what}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(read(&deep, Format::Json), Err(EditError::Syntax { .. })));
}

#[test]
fn differences_are_shown_without_secrets() {
    let before = "{\n  \"a\": 1,\n  \"env\": {\"K\": \"s3cret\"},\n  \"z\": 1\n}\n";
    let after = before.replace("\"z\": 1", "\"z\": 2");
    let hidden = |path: &[&str], _: &str| path.contains(&"env");
    let shown = diff::diff("f", before, &after, Format::Json, &hidden);
    assert_eq!(
        shown,
        "--- f\n+++ f\n@@ -1,5 +1,5 @@\n {\n   \"a\": 1,\n   \"env\": {\"K\": ***},\n-  \"z\": 1\n+  \"z\": 2\n }\n"
    );
    let marked = diff::diff("f", &format!("\u{feff}{before}"), &format!("\u{feff}{after}"), Format::Json, &hidden);
    assert!(!marked.contains("s3cret") && marked.contains("***"), "{marked}");
    assert_eq!(diff::diff("f", before, before, Format::Json, &hidden), "");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_can_be_a_name_and_a_value(name in any::<String>(), text in any::<String>(), sample in 0..SAMPLES.len()) {
        let sample = &SAMPLES[sample];
        let value = read(sample.text, sample.format).expect("readable");
        let path = with(sample, &[&name]);
        let entry = Value::Map(vec![("command".into(), Value::text(text.as_str())), (format!("k{text}"), Value::Bool(true))]);
        if value.at(&path).is_none() {
            let added = apply(sample.text, sample.format, &path, Some(&entry)).expect("added");
            let read_back = read(&added, sample.format).expect("readable");
            prop_assert_eq!(read_back.at(&path), Some(&entry));
            let removed = apply(&added, sample.format, &path, None).expect("removed");
            prop_assert_eq!(removed.as_str(), sample.text);
        }
    }
}
