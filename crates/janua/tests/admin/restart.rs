//! A restart: new instances for what comes, the old ones for what runs, and clients that notice nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use janua_testkit::client::session::Session;
use janua_testkit::gateway::Gateway;
use janua_testkit::process::{alive, eventually};
use serde_json::Value;

use crate::scene::{SOON, Scene, ask};

const SERVERS: &str = "  a: { command: PROBE }\n  b: { command: PROBE, share: all }\n";

async fn open(gateway: &Gateway) -> Session {
    gateway.client().deadline(SOON).initialize("2025-11-25", "{}").await
}

async fn pid(session: &Session, server: &str) -> u32 {
    let reply = session.call(&format!("{server}__info"), "{}").await;
    let info: Value = serde_json::from_str(reply.text()).expect("JSON");
    info["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid")
}

#[tokio::test]
async fn what_runs_ends_on_the_old_instance_and_sessions_go_on() {
    let scene = Scene::new(SERVERS);
    let gateway = scene.serve(&[]).await;
    let session = open(&gateway).await;
    let before = pid(&session, "a").await;
    let other = pid(&session, "b").await;
    let mut slow = session.open_call("a__progress", r#"{"n":100,"ms":100}"#).await;
    slow.message().await;
    let answer = ask(&gateway, Method::POST, "servers/a/restart", &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &Value::from("running")), "{}", answer.text());
    let after = pid(&session, "a").await;
    assert_ne!(before, after);
    assert!(alive(before), "it still has a call");
    let ended = slow.finish().await;
    assert!(ended.response().at("/result").is_object(), "{}", ended.raw());
    assert!(eventually(SOON, || !alive(before)).await);
    assert_eq!(pid(&session, "a").await, after);
    assert_eq!(pid(&session, "b").await, other, "the other server was not touched");
}

#[tokio::test]
async fn no_call_is_lost_when_a_server_is_restarted_again_and_again() {
    let scene = Scene::new(SERVERS);
    let gateway = Arc::new(scene.serve(&[]).await);
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for (number, server) in ["a", "a", "b", "b"].into_iter().enumerate() {
        let (gateway, over) = (gateway.clone(), over.clone());
        clients.spawn(async move {
            let session = open(&gateway).await;
            let (mut calls, mut pids) = (0, HashSet::new());
            while !over.load(Ordering::Relaxed) {
                let text = format!("{number} {calls}");
                let reply = session.call(&format!("{server}__echo"), &format!(r#"{{"text":"{text}"}}"#)).await;
                assert_eq!(reply.text(), text, "{}", reply.raw());
                pids.insert(pid(&session, server).await);
                calls += 1;
            }
            (calls, pids.len())
        });
    }
    for _ in 0..5 {
        for server in ["a", "b"] {
            let answer = ask(&gateway, Method::POST, &format!("servers/{server}/restart"), &[]).await;
            assert_eq!(answer.json()["state"], "running", "{}", answer.text());
        }
    }
    over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        let (calls, instances) = client.expect("every call is answered");
        assert!(calls > 0 && instances > 1, "{calls} calls on {instances} instances");
    }
}

#[tokio::test]
async fn the_command_line_restarts_and_says_how_it_went() {
    let scene = Scene::new(&format!("{SERVERS}  dead: {{ command: HOSTILE, args: [exit-at-start, '3'] }}\n"));
    let nobody = scene.run(&["restart", "a"]).await;
    assert_eq!(nobody.code, 1);
    assert!(nobody.stderr.contains("no gateway runs"), "{}", nobody.stderr);
    let gateway = scene.serve(&[]).await;
    let session = open(&gateway).await;
    let before = pid(&session, "a").await;
    let ended = scene.run(&["restart", "a"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "a is restarted: running, 2025-11-25, 23 tools\n"));
    assert_ne!(pid(&session, "a").await, before);
    let listed = scene.run(&["list"]).await;
    let of_a = listed.stdout.lines().find(|line| line.starts_with("a "));
    assert!(of_a.is_some_and(|line| line.ends_with("  running, 2025-11-25, 23 tools")), "{}", listed.stdout);
    let ended = scene.run(&["restart", "dead"]).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("exited with code 3"), "{}", ended.stdout);
    assert!(ended.stderr.contains("janua doctor dead"), "{}", ended.stderr);
    let ended = scene.run(&["restart", "x"]).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("there are: a, b, dead"), "{}", ended.stderr);
}
