//! Documents that change, are missing or wrong, and what commands say of them.

use janua_testkit::process::eventually_with;
use janua_testkit::upstream::canned::{Canned, CannedServer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::scene::{SOON, Scene, document, fine, served};

async fn janua(folder: &TempDir, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_janua"));
    command.args(words).arg("-c").arg(folder.path().join("janua.json")).kill_on_drop(true);
    command.env("JANUA_DATA_DIR", folder.path().join("other-data"));
    let output = tokio::time::timeout(SOON, command.output()).await.expect("it ends").expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn a_document_that_changes_is_read_again() {
    let scene = Scene::of(fine(&["/v1/a", "/v1/b"]), &document(&json!({"/a": {"get": {}}}))).await;
    assert!(scene.tools().await.contains_key("get_a"));
    let changed = document(&json!({"/b": {"get": {}}}));
    std::fs::write(scene.folder.path().join("api.json"), changed.to_string()).expect("written");
    let scene = &scene;
    let there = eventually_with(SOON, || async move { scene.tools().await.contains_key("get_b") }).await;
    assert!(there, "{}", scene.gateway.stderr());
    assert_eq!(scene.sent("get_b", &json!({})).await.path, "/v1/b");
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_named_with_the_reason() {
    let documents = CannedServer::builder().on("/none.json", Canned::new(403, "")).start().await;
    let folder = TempDir::new().expect("a folder");
    for (name, text) in [
        ("old.json", r#"{"swagger":"1.2"}"#.to_owned()),
        ("words.yaml", "just words".to_owned()),
        ("broken.json", "{\"openapi\": ".to_owned()),
        ("empty.json", r#"{"openapi":"3.0.0","servers":[{"url":"http://x.example"}],"paths":{}}"#.to_owned()),
        ("nowhere.json", document(&json!({"/x": {"get": {}}})).to_string()),
        ("bomb.yaml", bomb()),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    std::fs::write(folder.path().join("large.json"), vec![b' '; (16 << 20) + 1]).expect("written");
    let entry = |document: &str| json!({"openapi": document});
    let servers = json!({
        "old": entry("old.json"), "words": entry("words.yaml"), "broken": entry("broken.json"), "empty": entry("empty.json"),
        "nowhere": entry("nowhere.json"), "bomb": entry("bomb.yaml"), "large": entry("large.json"), "missing": entry("missing.json"),
        "forbidden": entry(&documents.site.url("/none.json")),
    });
    let gateway = served(&folder, &json!({"servers": servers})).await;
    for (name, reason) in [
        ("old", "it is of version \"1.2\""),
        ("words", "it is no OpenAPI document"),
        ("broken", "it is no JSON"),
        ("empty", "it has no operations"),
        ("nowhere", "set `base_url`"),
        ("bomb", "it is no YAML"),
        ("large", "it is larger than 16 MiB"),
        ("missing", "it cannot be read"),
        ("forbidden", "HTTP 403"),
    ] {
        let client = gateway.client().endpoint(&format!("/mcp/{name}")).deadline(SOON);
        let refused = client.try_initialize("2025-11-25", "{}").await;
        let message = refused.response().at("/error/message").as_str().expect("words").to_owned();
        assert!(message.contains(reason), "{name}: {message}");
        assert!(!message.contains(&folder.path().display().to_string()), "{message}");
        assert_eq!(refused.response().at("/error/data/code"), "start_failed");
    }
}

/// A small text that would become a large tree.
fn bomb() -> String {
    let lists = (1..12).map(|level| {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        format!("a{level}: &a{level} [{aliases}]\n")
    });
    "openapi: 3.0.0\na0: &a0 [x]\n".to_owned() + &lists.collect::<String>()
}

#[tokio::test]
async fn commands_use_it_and_say_what_is_wrong() {
    let api = fine(&["/v1/greetings/Ann"]).start().await;
    let folder = TempDir::new().expect("a folder");
    let name = json!({"in": "path", "name": "name", "required": true, "schema": {"type": "string"}});
    let described = document(&json!({"/greetings/{name}": {"get": {"operationId": "greet", "parameters": [name]}}}));
    std::fs::write(folder.path().join("api.json"), described.to_string()).expect("written");
    std::fs::write(folder.path().join("bad.json"), "{}").expect("written");
    let settings =
        |servers: Value| std::fs::write(folder.path().join("janua.json"), json!({"servers": servers}).to_string());
    let good = json!({"openapi": "api.json", "base_url": api.site.url("/v1")});
    settings(json!({"web": good})).expect("written");
    let (code, said) = janua(&folder, &["call", "web.greet", "name=Ann"]).await;
    assert!(code == Some(0) && said.contains("\"ok\""), "{code:?} {said}");
    let (code, said) = janua(&folder, &["call", "web.greet", "name=.."]).await;
    assert!(code != Some(0) && said.contains("path segments"), "{code:?} {said}");
    assert_eq!(api.site.seen().len(), 1);
    settings(json!({"web": good, "bad": {"openapi": "bad.json"}, "gone": {"openapi": "gone.json"}})).expect("written");
    let (_, said) = janua(&folder, &["doctor"]).await;
    assert!(said.contains("it is no OpenAPI document") && said.contains("correct the document"), "{said}");
    assert!(said.contains("gone.json") && said.contains("it cannot be read"), "{said}");
    let (_, said) = janua(&folder, &["check"]).await;
    assert!(said.contains("gone.json cannot be read: it does not exist"), "{said}");
    settings(json!({"web": {"openapi": "ftp//x", "url": "http://x.example"}, "b": {"openapi": "http://"}}))
        .expect("written");
    let (code, said) = janua(&folder, &["check"]).await;
    assert!(code != Some(0) && said.contains("not both") && said.contains("http or https URL"), "{code:?} {said}");
}
