//! The administration of a gateway that asks for credentials: the command line on its machine, and who has the right.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use http::Method;
use janua_testkit::gateway::Gateway;
use janua_testkit::process::eventually;
use serde_json::Value;

use crate::scene::{ALICE, JANUA, MACHINE, OPS, SOON, Scene, VERSION, client, is_refused, says_no_secret};

/// A command to its end.
async fn run(scene: &Scene, words: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(JANUA);
    command.args(words).current_dir(scene.path()).stdin(Stdio::null()).kill_on_drop(true);
    command
        .env("HOME", scene.path())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("JANUA_CONFIG")
        .env_remove("JANUA_LOG_LEVEL");
    tokio::time::timeout(SOON, command.output()).await.expect("it ends").expect("it runs")
}

/// What the file says that tells where the gateway is.
async fn told(scene: &Scene) -> Value {
    let file = scene.data().join("gateway.json");
    assert!(eventually(SOON, || file.exists()).await);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON")
}

async fn administrate(gateway: &Gateway, credentials: &str, method: Method, path: &str) -> (u16, String) {
    let answer = client(gateway, credentials).send(method, path, "", &[]).await;
    (answer.status.as_u16(), answer.text())
}

#[tokio::test]
async fn the_command_line_goes_on_as_without_authentication() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let session = client(&gateway, ALICE).initialize(VERSION, "{}").await;
    let environment = session.call("env", "{}").await;
    for (words, says) in [
        (&["restart", "probe"][..], "probe is restarted"),
        (&["list"], "running"),
        (&["list", "--json"], "running"),
        (&["logs", "probe"], ""),
        (&["doctor"], "sessions"),
    ] {
        let output = run(&scene, words).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(says), "{words:?}: {said}");
        assert!(!said.contains("401") && !said.contains("nauthorized"), "{words:?}: {said}");
    }
    let exported = run(&scene, &["export", "cursor", "--dry-run"]).await;
    let note = String::from_utf8_lossy(&exported.stderr).into_owned();
    assert!(exported.status.success() && note.contains("a header `Authorization`"), "{note}");
    let token = told(&scene).await["token"].as_str().expect("a token").to_owned();
    assert_eq!(token.len(), 40);
    // It is nowhere else: not in the log, nor in the arguments or the environment of the gateway or a child.
    assert!(!gateway.stderr().contains(&token) && !environment.raw().contains(&token));
    for file in ["cmdline", "environ"] {
        let of_gateway = fs::read(format!("/proc/{}/{file}", gateway.pid())).expect("read");
        assert!(!String::from_utf8_lossy(&of_gateway).contains(&token), "{file}");
    }
    says_no_secret(&gateway);
}

#[tokio::test]
async fn the_token_of_a_run_is_for_its_administration_only() {
    let scene = Scene::new();
    let mut gateway = scene.serve(&[]).await;
    let token = format!("Bearer {}", told(&scene).await["token"].as_str().expect("a token"));
    assert_eq!(administrate(&gateway, &token, Method::GET, "/admin/v1/status").await.0, 200);
    for path in
        ["/mcp", "/health", "/probe", "/admin/v2/status", "/admin/v1", "//admin/v1/status", "/mcp/../admin/v1/status"]
    {
        is_refused(&client(&gateway, &token).get(path, &[]).await, path);
    }
    let almost = &token[..token.len() - 1];
    is_refused(&client(&gateway, almost).get("/admin/v1/status", &[]).await, "a part of it");
    gateway.terminate(SOON).await;
    let gateway = scene.serve(&[]).await;
    assert_ne!(format!("Bearer {}", told(&scene).await["token"].as_str().expect("a token")), token);
    is_refused(&client(&gateway, &token).get("/admin/v1/status", &[]).await, "the token of an earlier run");
}

#[tokio::test]
async fn administration_is_a_right_of_its_own() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    for credentials in [ALICE, MACHINE] {
        for (method, path) in [
            (Method::GET, "/admin/v1/status"),
            (Method::GET, "/admin/v1/servers"),
            (Method::GET, "/admin/v1/servers/probe/logs"),
            (Method::POST, "/admin/v1/servers/probe/restart"),
        ] {
            let (status, said) = administrate(&gateway, credentials, method, path).await;
            assert_eq!(status, 403, "{path}: {said}");
            assert!(said.contains("admin: true"), "{said}");
        }
    }
    assert_eq!(administrate(&gateway, OPS, Method::GET, "/admin/v1/status").await.0, 200);
    assert_eq!(administrate(&gateway, OPS, Method::POST, "/admin/v1/servers/probe/restart").await.0, 200);
    // A browser adds credentials of itself: a page elsewhere may not make use of that.
    let page = [("origin", "https://evil.test")];
    let forged = client(&gateway, OPS).send(Method::POST, "/admin/v1/servers/probe/restart", "", &page).await;
    assert_eq!(forged.status, 403);
    let rebound = client(&gateway, OPS).get("/admin/v1/status", &[("host", "evil.test")]).await;
    assert_eq!(rebound.status, 403);
}

#[tokio::test]
async fn a_gateway_that_others_reach_is_administrated_by_who_may() {
    let scene = Scene::new();
    let gateway = scene.serve(&["--host", "0.0.0.0"]).await;
    let remote = client(&gateway, OPS).get("/admin/v1/status", &[("host", "gateway.example")]).await;
    assert_eq!(remote.status, 200, "{}", remote.text());
    assert_eq!(administrate(&gateway, ALICE, Method::GET, "/admin/v1/status").await.0, 403);
    is_refused(&gateway.client().get("/admin/v1/status", &[]).await, "nobody");
    let output = run(&scene, &["restart", "probe"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
