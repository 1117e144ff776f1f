//! guMCP's factory servers: discovery, instances, isolation, and the local runner.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use janua_testkit::gateway::Gateway;
use janua_testkit::process::eventually;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::scene::{JANUA, SOON, Scene, session, text, whoami};

/// A server as the administration of the gateway sees it, once it is so.
async fn reported(gateway: &Gateway, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = tokio::time::Instant::now() + SOON;
    loop {
        let answer = gateway.client().get(&format!("/admin/v1/servers/{name}"), &[]).await;
        let report = answer.json();
        if wanted(&report) {
            return report;
        }
        assert!(tokio::time::Instant::now() < end, "{name} is not as it should be: {report}\n{}", gateway.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The names that the front page lists.
async fn listed(gateway: &Gateway) -> Vec<String> {
    let front = gateway.client().get("/", &[]).await.json();
    let names = front["servers"].as_array().expect("a list").iter();
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn gum_12_an_instance_and_its_state_survive_reconnection() {
    let scene = Scene::new("1.30", &["whoami"]);
    let gateway = scene.serve().await;
    let mut first = session(&gateway, "/whoami/alice:key1").await;
    let one = whoami(&mut first).await;
    let two = whoami(&mut first).await;
    assert_eq!((&one["calls"], &two["calls"]), (&json!(1), &json!(2)));
    let endpoint = first.endpoint.clone();
    drop(first);
    let mut second = session(&gateway, "/whoami/alice%3Akey1").await;
    assert_ne!(second.endpoint, endpoint, "another session");
    let three = whoami(&mut second).await;
    assert_eq!((&three["calls"], &three["instance"], &three["pid"]), (&json!(3), &two["instance"], &two["pid"]));
}

#[tokio::test]
async fn gum_17_servers_are_found_and_those_that_cannot_load_say_why() {
    let scene = Scene::new("1.30", &["whoami", "notes", "nameless", "broken"]);
    scene.add("whoami", "_draft");
    scene.add("whoami", ".hidden");
    fs::create_dir(scene.path().join("servers/empty")).expect("a folder");
    let gateway = scene.serve().await;
    let nameless = reported(&gateway, "nameless", |report| report["enabled"] == false).await;
    assert_eq!(nameless["reason"], "main.py does not define server and get_initialization_options");
    let broken = reported(&gateway, "broken", |report| report["enabled"] == false).await;
    let why = broken["reason"].as_str().expect("a reason");
    assert!(why.contains("ModuleNotFoundError") && why.contains("a_package_that_nobody_has"), "{why}");
    assert_eq!(listed(&gateway).await, ["notes", "whoami"]);
    let refused = gateway.client().get("/broken/alice", &[("accept", "text/event-stream")]).await;
    assert_eq!(refused.status, 404);
    let mut served = session(&gateway, "/notes/alice").await;
    assert_eq!(text(&mut served, "list-data", "{}").await, "No data stored");
}

#[tokio::test]
async fn gum_18_the_factory_gets_the_user_and_the_key() {
    let scene = Scene::new("1.30", &["whoami"]);
    let gateway = scene.serve_with(&[("GUMLOOP_API_KEY", "own-key-of-the-operator")]).await;
    let mut with = session(&gateway, "/whoami/alice:key:with:colons").await;
    let said = whoami(&mut with).await;
    assert_eq!((&said["user_id"], &said["api_key"]), (&json!("alice"), &json!("key:with:colons")));
    let mut without = session(&gateway, "/whoami/bob").await;
    let said = whoami(&mut without).await;
    assert_eq!((&said["user_id"], &said["api_key"]), (&json!("bob"), &Value::Null));
    let environment = said["environment"].to_string();
    assert!(!environment.contains("GUMLOOP_API_KEY"), "{environment}");
    let mut own = session(&gateway, "/whoami/local").await;
    let said = whoami(&mut own).await;
    assert_eq!((&said["user_id"], &said["api_key"]), (&json!("local"), &json!("own-key-of-the-operator")));
    assert!(!gateway.stderr().contains("own-key-of-the-operator"));
}

#[tokio::test]
async fn gum_19_a_server_in_the_original_style_runs_with_the_oldest_sdk() {
    let scene = Scene::new("1.4", &["notes"]);
    let gateway = scene.serve().await;
    let mut erin = session(&gateway, "/notes/erin").await;
    let tools = erin.request("tools/list", "{}").await.result()["tools"].clone();
    let names: Vec<&str> = tools.as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["store-data", "retrieve-data", "list-data"]);
    let stored = text(&mut erin, "store-data", r#"{"key":"k","value":"v"}"#).await;
    assert_eq!(stored, "Stored 'k' with value 'v'");
    assert_eq!(text(&mut erin, "retrieve-data", r#"{"key":"k"}"#).await, "Value for 'k': v");
    let unknown = erin.request("no/such/method", "{}").await;
    assert_eq!(unknown.error_code(), Some(-32601));
    assert_eq!(text(&mut erin, "list-data", "{}").await, r#"{"k": "v"}"#, "the session goes on");
    let mut frank = session(&gateway, "/notes/frank").await;
    assert_eq!(text(&mut frank, "list-data", "{}").await, "No data stored");
}

#[tokio::test]
async fn gum_20_what_a_server_prints_does_not_disturb_the_protocol() {
    let scene = Scene::new("1.4", &["whoami"]);
    let gateway = scene.serve().await;
    let mut session = session(&gateway, "/whoami/alice").await;
    for calls in 1..=3 {
        assert_eq!(whoami(&mut session).await["calls"], calls);
    }
    let said = ["whoami is being imported", "a tool prints: whoami", "a program of the server prints, too"];
    let printed = || said.iter().all(|line| gateway.stderr().contains(line));
    assert!(eventually(SOON, printed).await, "{}", gateway.stderr());
}

/// What four sessions see: `alice` with two keys, the first of them twice, and `bob`.
async fn four(share: &str) -> [Value; 4] {
    let scene = Scene::new("1.30", &["whoami"]);
    scene.configure("1.30", &format!("servers: {{ whoami: {{ folder: servers/whoami, share: {share} }} }}"));
    let gateway = scene.serve().await;
    let mut said = Vec::new();
    let mut open = Vec::new();
    for key in ["alice:k1", "alice:k1", "alice:k2", "bob"] {
        let mut session = session(&gateway, &format!("/whoami/{key}")).await;
        said.push(whoami(&mut session).await);
        open.push(session);
    }
    said.try_into().expect("four")
}

#[tokio::test]
async fn gum_21_isolation_for_each_session_key_for_each_user_or_none() {
    let pids = |said: &[Value; 4]| {
        let pids: Vec<&Value> = said.iter().map(|said| &said["pid"]).collect();
        [pids[0] == pids[1], pids[0] == pids[2], pids[0] == pids[3]]
    };
    let totals = |said: &[Value; 4]| said.iter().map(|said| said["calls_of_all"].clone()).collect::<Vec<_>>();
    let own = |said: &[Value; 4]| said.iter().map(|said| said["calls"].clone()).collect::<Vec<_>>();
    let session = four("session").await;
    assert_eq!(
        (pids(&session), totals(&session)),
        ([true, false, false], vec![json!(1), json!(2), json!(1), json!(1)])
    );
    let user = four("user").await;
    assert_eq!((pids(&user), totals(&user)), ([true, true, false], vec![json!(1), json!(2), json!(3), json!(1)]));
    let all = four("all").await;
    assert_eq!((pids(&all), totals(&all)), ([true, true, true], vec![json!(1), json!(2), json!(3), json!(4)]));
    for said in [&session, &user, &all] {
        assert_eq!(own(said), [json!(1), json!(2), json!(1), json!(1)], "an instance for each session key");
        let users: Vec<&Value> = said.iter().map(|said| &said["user_id"]).collect();
        assert_eq!(users, ["alice", "alice", "alice", "bob"]);
    }
}

#[tokio::test]
async fn gum_22_an_sdk_that_is_too_new_is_told_plainly() {
    let scene = Scene::new("2", &["whoami"]);
    let gateway = scene.serve().await;
    let report = reported(&gateway, "whoami", |report| report["enabled"] == false).await;
    let why = report["reason"].as_str().expect("a reason");
    assert!(why.contains("the interpreter has mcp 2.") && why.contains("needs mcp below 2"), "{why}");
    assert!(why.contains("`python:`") && why.contains("py2"), "{why}");
}

/// Runs `janua local` with these words and this input: its code, standard output and standard error.
async fn local(scene: &Scene, words: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(JANUA);
    command.arg("local").args(words).current_dir(scene.path()).env("GUMLOOP_API_KEY", "key-of-alice");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("started");
    let mut stdin = child.stdin.take().expect("an input");
    stdin.write_all(input.as_bytes()).await.expect("written");
    drop(stdin);
    let output = tokio::time::timeout(SOON, child.wait_with_output()).await.expect("it ends").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn gum_28_the_local_runner() {
    let scene = Scene::new("1.4", &["whoami", "broken"]);
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}});
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let call =
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}});
    let input = format!("{initialize}\n{initialized}\n{call}\n");
    let file = ["-c", "janua.yaml"];
    for (words, user) in [(&["--user-id", "alice"][..], "alice"), (&[], "local")] {
        let words = [&file[..], &["--server", "whoami"], words].concat();
        let (code, stdout, stderr) = local(&scene, &words, &input).await;
        assert_eq!(code, 0, "{stderr}");
        let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        assert_eq!(lines.len(), 2, "{stdout}");
        let said = lines[1]["result"]["content"][0]["text"].as_str().expect("a text");
        let said: Value = serde_json::from_str(said).expect("json");
        assert_eq!((&said["user_id"], &said["api_key"]), (&json!(user), &json!("key-of-alice")));
    }
    let (code, stdout, stderr) = local(&scene, &["--server", "nope", "--servers-dir", "servers"], "").await;
    assert!(code == 1 && stdout.is_empty() && stderr.contains("whoami"), "{code} {stdout} {stderr}");
    let (code, stdout, stderr) = local(&scene, &["--server", "broken", "-c", "janua.yaml"], "").await;
    assert!(code == 1 && stdout.is_empty() && stderr.contains("a_package_that_nobody_has"), "{code} {stdout} {stderr}");
    let (code, stdout, stderr) = local(&scene, &[], "").await;
    assert!(code == 2 && stdout.is_empty() && stderr.contains("--server"), "{code} {stdout} {stderr}");
}

#[tokio::test]
async fn gum_45_new_sessions_see_changed_code_and_others_notice_nothing() {
    let scene = Scene::new("1.30", &["whoami", "notes"]);
    let gateway = scene.serve().await;
    let mut still = session(&gateway, "/notes/alice").await;
    text(&mut still, "store-data", r#"{"key":"k","value":"v"}"#).await;
    let mut before = session(&gateway, "/whoami/alice").await;
    let old = whoami(&mut before).await;
    let main = scene.path().join("servers/whoami/main.py");
    let code = fs::read_to_string(&main).expect("read");
    fs::write(&main, code.replace(r#"EDITION = "first""#, r#"EDITION = "second""#)).expect("written");
    let end = tokio::time::Instant::now() + SOON;
    let new = loop {
        let mut after = session(&gateway, "/whoami/alice").await;
        let said = whoami(&mut after).await;
        if said["edition"] == "second" {
            break said;
        }
        assert!(tokio::time::Instant::now() < end, "{said}\n{}", gateway.stderr());
    };
    assert!(old["edition"] == "first" && old["pid"] != new["pid"]);
    assert_eq!(text(&mut still, "list-data", "{}").await, r#"{"k": "v"}"#, "the other server has its process");
    scene.add("notes", "more");
    let added = || async { listed(&gateway).await.contains(&"more".to_owned()) };
    while !added().await {
        assert!(tokio::time::Instant::now() < end, "{}", gateway.stderr());
    }
    fs::remove_dir_all(scene.path().join("servers/more")).expect("removed");
    while added().await {
        assert!(tokio::time::Instant::now() < end, "{}", gateway.stderr());
    }
}
