//! The schema and the reference are those of this version, and the examples keep to them.

use std::path::Path;

use crate::scene::Scene;
use janua::config::{reference, schema};
use serde_json::Value;

fn docs(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_is_checked_in_is_what_is_made() {
    assert!(docs("janua.schema.json") == schema(), "run `janua schema > docs/janua.schema.json`");
    assert!(docs("config.md") == reference(), "run `janua schema --reference > docs/config.md`");
}

/// A file's value as the validator wants it.
fn value(name: &str, text: &str) -> Value {
    match name.rsplit('.').next() {
        Some("yaml") => serde_saphyr::from_str(text).expect("YAML"),
        Some("json") => {
            let plain: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            serde_json::from_str(&plain.join("\n").replace("},\n}", "}\n}").replace("},\n  }", "}\n  }")).expect("JSON")
        }
        other => panic!("no such format: {other:?}"),
    }
}

#[test]
fn the_examples_are_valid_and_load() {
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema()).expect("JSON")).expect("a schema");
    let scene = Scene::new().with("SEARCH_KEY", "x").with("HOME", "/srv/me");
    for name in ["janua.yaml", "janua.json", "janua.toml"] {
        let text = docs(&format!("examples/{name}"));
        let (loaded, warnings) = scene.good(name, &text);
        assert_eq!(warnings, [""; 0], "{name}");
        assert!(loaded.settings.servers.values().all(|server| server.disabled.is_none()), "{name}");
        if !name.ends_with("toml") {
            let wrong: Vec<String> = schema.iter_errors(&value(name, &text)).map(|error| error.to_string()).collect();
            assert_eq!(wrong, [""; 0], "{name}");
        }
    }
}

#[test]
fn the_schema_refuses_what_loading_refuses() {
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema()).expect("JSON")).expect("a schema");
    let scene = Scene::new();
    for text in [
        "lisen: 1",
        "port: 70000",
        "insecure_no_auth: \"yes\"",
        "limits: { call_timeout: 5 parsecs }",
        "limits: { request_body: 4Q }",
        "limits: { sessions: x }",
        "servers: { \"a b\": { command: x } }",
        "servers: { a: { command: [x] } }",
        "servers: { a: { command: x, share: sesion } }",
        "servers: { a: { command: x, tools: { alow: [] } } }",
        "views: { v: { prefix: maybe } }",
    ] {
        assert!(!schema.is_valid(&value("a.yaml", text)), "{text}");
        scene.bad("janua.yaml", text);
    }
    for text in [
        "limits: { call_timeout: 1h30m, sessions: \"${N:-5}\", request_body: \"${S:-1k}\" }",
        "servers: { a: { command: x } }",
    ] {
        assert!(schema.is_valid(&value("a.yaml", text)), "{text}");
        scene.good("janua.yaml", text);
    }
}
