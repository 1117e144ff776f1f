//! What the routes say, whom they refuse, and the file that says where the gateway is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use http::Method;
use janua_testkit::process::eventually;
use serde_json::{Value, json};

use crate::scene::{SOON, Scene, ask, get};

const SERVERS: &str = "
  good: { command: PROBE, args: [--full], env: { API_TOKEN: tellnobody } }
  dead: { command: HOSTILE, args: [exit-at-start, '3', 'the disk is full'] }
  off: { command: x, args: [--token, tellnobody], enabled: false }
  unset: { command: x, env: { T: '${NO_SUCH_VARIABLE}' } }
";

#[tokio::test]
async fn servers_are_told_as_they_are() {
    let scene = Scene::new(SERVERS);
    let gateway = scene.serve(&[]).await;
    let servers = get(&gateway, "servers").await;
    let states: Vec<_> = servers.as_array().expect("a list").iter().map(|s| (&s["name"], &s["state"])).collect();
    let wanted = [("dead", "known"), ("good", "known"), ("off", "disabled"), ("unset", "disabled")];
    let wanted: Vec<(Value, Value)> = wanted.iter().map(|(name, state)| (json!(name), json!(state))).collect();
    assert_eq!(states, wanted.iter().map(|(name, state)| (name, state)).collect::<Vec<_>>());
    assert!(servers[3]["reason"].as_str().is_some_and(|reason| reason.contains("NO_SUCH_VARIABLE")), "{servers}");
    assert!(!servers.to_string().contains("tellnobody"), "{servers}");

    let session = gateway.client().deadline(SOON).initialize("2025-11-25", "{}").await;
    let listed = session.request("tools/list", "{}").await;
    assert!(listed.raw().contains("good__echo"), "{}", listed.raw());
    session.call("good__echo", r#"{"text":"x"}"#).await;
    let good = get(&gateway, "servers/good").await;
    assert_eq!(good["state"], "running", "{good}");
    assert_eq!(good["eras"], json!(["legacy"]), "{good}");
    assert_eq!(good["version"], "2025-11-25", "{good}");
    assert!(good["instances"].as_u64() >= Some(1), "{good}");
    assert_eq!(good["lists"]["tools"], 23, "{good}");
    assert!(good["tools"].as_array().is_some_and(|tools| tools.contains(&json!("echo"))), "{good}");

    let dead = get(&gateway, "servers/dead").await;
    assert_eq!(dead["state"], "unavailable", "{dead}");
    assert_eq!(dead["trouble"]["code"], "start_failed", "{dead}");
    assert!(dead["trouble"]["message"].as_str().is_some_and(|message| message.contains("code 3")), "{dead}");
    assert_eq!(dead["trouble"]["stderr"], "the disk is full", "{dead}");
    assert!(dead["trouble"]["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{dead}");
}

#[tokio::test]
async fn what_is_not_there_or_not_meant_is_refused() {
    let scene = Scene::new(SERVERS);
    let gateway = scene.serve(&[]).await;
    for (method, path, headers, status, said) in [
        (Method::GET, "servers/god", &[][..], 404, "there are: dead, good, off, unset"),
        (Method::POST, "servers/off/restart", &[], 404, "switched off"),
        (Method::GET, "servers/off/logs", &[], 404, "switched off"),
        (Method::GET, "servers/good/restart", &[], 405, "POST"),
        (Method::POST, "status", &[], 405, "GET"),
        (Method::GET, "servers/good/logs?lines=many", &[], 400, "lines=many"),
        (Method::GET, "servers/good/logs?follow=yes", &[], 400, "follow=yes"),
        (Method::GET, "servers/good/logs?since=1", &[], 400, "lines, follow"),
        (Method::GET, "status", &[("origin", "https://evil.test")], 403, "origin"),
        (Method::POST, "servers/good/restart", &[("origin", "https://evil.test")], 403, "origin"),
        (Method::GET, "status", &[("host", "evil.test")], 403, "host"),
    ] {
        let answer = ask(&gateway, method, path, headers).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(said), "{path}: {}", answer.text());
    }
    let status = get(&gateway, "status").await;
    assert_eq!(status["calls"], 0, "{status}");
    let good = get(&gateway, "servers/good").await;
    assert_eq!(good["state"], "known", "nothing of that started it: {good}");
}

#[tokio::test]
async fn a_gateway_that_others_reach_is_not_administrated_over_the_network() {
    let scene = Scene::new(SERVERS);
    let gateway = scene.serve(&["--host", "0.0.0.0", "--insecure-no-auth"]).await;
    for (method, path) in [(Method::GET, "status"), (Method::POST, "servers/good/restart")] {
        let answer = ask(&gateway, method, path, &[]).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("127.0.0.1"), "{}", answer.text());
    }
}

#[tokio::test]
async fn changes_of_the_configuration_are_told_good_or_bad() {
    let scene = Scene::new("  a: { command: PROBE }");
    let gateway = scene.serve(&[]).await;
    scene.configure("  a: { command: PROBE }\n  b: { command: PROBE }");
    let added = async || get(&gateway, "status").await["reload"]["added"] == json!(["b"]);
    assert!(holds(added).await, "{}", gateway.stderr());
    scene.configure("  a: { comand: PROBE }");
    let refused = async || get(&gateway, "status").await["reload"]["refused"].is_object();
    assert!(holds(refused).await, "{}", gateway.stderr());
    let status = get(&gateway, "status").await;
    let finding = &status["reload"]["refused"]["findings"][0];
    assert_eq!((&finding["line"], &finding["key"]), (&json!(4), &json!("servers.a.comand")), "{status}");
    assert_eq!(status["reload"]["added"], json!(["b"]), "what holds is still told: {status}");
    assert_eq!(get(&gateway, "servers").await.as_array().map(Vec::len), Some(2));
}

async fn holds(condition: impl AsyncFn() -> bool) -> bool {
    let look = async {
        while !condition().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, look).await.is_ok()
}

#[tokio::test]
async fn where_a_gateway_is_can_be_looked_up_as_long_as_it_runs() {
    let scene = Scene::new("  a: { command: PROBE }");
    let file = scene.data().join("gateway.json");
    let mut gateway = scene.serve(&[]).await;
    assert!(eventually(SOON, || file.exists()).await);
    let told: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
    assert_eq!(told["address"], gateway.authority(), "{told}");
    assert_eq!(told["pid"], gateway.pid(), "{told}");
    assert!(told["config"].as_str().is_some_and(|path| path.ends_with("/janua.yaml")), "{told}");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    gateway.terminate(SOON).await;
    assert!(!file.exists());

    // One that is killed leaves it behind, and nobody is misled by that.
    let mut gateway = scene.serve(&[]).await;
    assert!(eventually(SOON, || file.exists()).await);
    gateway.kill().await;
    assert!(file.exists());
    let ended = scene.run(&["restart", "a"]).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("no gateway runs") && ended.stderr.contains("janua serve"), "{}", ended.stderr);
}
