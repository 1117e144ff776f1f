//! Processes that several sessions share: what one session does to the others, how they end, and how many there may be.

use janua_testkit::client::sse_session::SseSession;
use janua_testkit::gateway::Gateway;
use janua_testkit::process::{alive, cmdline, eventually};
use serde_json::{Value, json};

use crate::scene::{SOON, Scene, session, whoami};

fn pid(said: &Value) -> u32 {
    said["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}

/// `whoami`, shared as told.
fn shared(share: &str, more: &str) -> Scene {
    let scene = Scene::new("1.30", &["whoami"]);
    scene.configure("1.30", &format!("servers: {{ whoami: {{ folder: servers/whoami, share: {share} }} }}\n{more}"));
    scene
}

#[tokio::test]
async fn a_server_that_blocks_blocks_its_own_process_only() {
    let scene = shared("session", "");
    let gateway = scene.serve().await;
    let mut alice = session(&gateway, "/whoami/alice").await;
    let mut bob = session(&gateway, "/whoami/bob").await;
    let blocked = alice.send("tools/call", r#"{"name":"block","arguments":{"seconds":3}}"#).await;
    assert_eq!(whoami(&mut bob).await["user_id"], "bob");
    let said = alice.response(&blocked).await;
    assert!(said.result()["content"][0]["text"].as_str().expect("a text").contains("alice"));
}

#[tokio::test]
async fn calls_run_side_by_side_and_one_that_is_cancelled_disturbs_nobody() {
    let scene = shared("all", "");
    let gateway = scene.serve().await;
    let mut alice = session(&gateway, "/whoami/alice").await;
    let mut again = session(&gateway, "/whoami/alice").await;
    let hanging = alice.send("tools/call", r#"{"name":"slow","arguments":{"seconds":3600}}"#).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(alice.send("tools/call", r#"{"name":"slow","arguments":{"seconds":0.2}}"#).await);
    }
    let first = whoami(&mut again).await;
    while !ids.is_empty() {
        // They come as they are done.
        let answer = alice.message().await;
        let (before, answered) = (ids.len(), answer.value()["id"].to_string());
        ids.retain(|id| *id != answered);
        assert!(ids.len() == before || answer.error_code().is_none(), "{answer:?}");
    }
    alice.notify("notifications/cancelled", &format!(r#"{{"requestId":{hanging}}}"#)).await;
    let second = whoami(&mut alice).await;
    assert_eq!((&second["instance"], &second["calls"]), (&first["instance"], &json!(22)));
    assert_eq!(whoami(&mut again).await["calls"], 23);
}

#[tokio::test]
async fn a_process_that_dies_ends_what_it_did_and_the_next_session_has_another() {
    let scene = shared("all", "");
    let gateway = scene.serve().await;
    let mut alice = session(&gateway, "/whoami/alice").await;
    let mut bob = session(&gateway, "/whoami/bob").await;
    let before = whoami(&mut bob).await;
    let waiting = bob.send("tools/call", r#"{"name":"slow","arguments":{"seconds":3600}}"#).await;
    let died = alice.call("exit", "{}").await;
    assert!(died.error_code().is_some(), "{died:?}");
    let lost = bob.response(&waiting).await;
    assert!(lost.error_code().is_some(), "{lost:?}");
    let mut after = session(&gateway, "/whoami/bob").await;
    let after = whoami(&mut after).await;
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(after["calls_of_all"], 1);
}

#[tokio::test]
async fn what_nobody_uses_ends_and_keys_stand_nowhere() {
    let scene = Scene::new("1.30", &["whoami"]);
    scene.configure("1.30", "servers: { whoami: { folder: servers/whoami, idle_timeout: 1s } }");
    let gateway = scene.serve().await;
    let mut alice = session(&gateway, "/whoami/alice:SECRETKEY123").await;
    let said = whoami(&mut alice).await;
    assert_eq!(said["api_key"], "SECRETKEY123");
    let process = pid(&said);
    let environment = std::fs::read(format!("/proc/{process}/environ")).expect("readable");
    let words = cmdline(process).join(" ") + &String::from_utf8_lossy(&environment);
    assert!(words.contains("whoami") && !words.contains("SECRETKEY123"), "{words}");
    drop(alice);
    assert!(eventually(SOON, || !alive(process)).await, "process {process} goes on");
    assert!(!gateway.stderr().contains("SECRETKEY123"));
}

#[tokio::test]
async fn a_user_has_so_many_instances_and_an_unused_one_gives_way() {
    let scene = shared("session", "limits: { user_instances: 2 }");
    let gateway = scene.serve().await;
    let mut first = session(&gateway, "/whoami/alice:k1").await;
    let mut second = session(&gateway, "/whoami/alice:k2").await;
    let held = pid(&whoami(&mut second).await);
    let given_up = pid(&whoami(&mut first).await);
    let mut third = open(&gateway, "/whoami/alice:k3").await;
    let refused = asked(&mut third).await;
    let said = refused.to_string();
    assert!(said.contains("the most there may be") && said.contains("alice") && !said.contains("k1"), "{said}");
    let mut bob = session(&gateway, "/whoami/bob").await;
    assert_eq!(whoami(&mut bob).await["user_id"], "bob", "others are not concerned");
    drop((first, third));
    let end = tokio::time::Instant::now() + SOON;
    loop {
        let mut fourth = open(&gateway, "/whoami/alice:k4").await;
        let said = asked(&mut fourth).await;
        if said.get("result").is_some() {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{said}");
    }
    assert!(eventually(SOON, || !alive(given_up)).await, "the unused one has given way");
    assert_eq!(pid(&whoami(&mut second).await), held);
}

#[tokio::test]
async fn unused_processes_give_way_when_there_are_as_many_as_there_may_be() {
    let scene = shared("session", "limits: { children: 3 }");
    let gateway = scene.serve().await;
    let end = tokio::time::Instant::now() + SOON;
    let mut seen = Vec::new();
    for user in 1..=5 {
        // The process of the user before is not free before the gateway has noticed that the user is gone.
        let said = loop {
            let mut session = open(&gateway, &format!("/whoami/user{user}")).await;
            let said = asked(&mut session).await;
            if let Some(result) = said.get("result") {
                break result["content"][0]["text"].as_str().expect("a text").to_owned();
            }
            assert!(said.to_string().contains("the most there may be"), "{said}");
            assert!(tokio::time::Instant::now() < end, "{said}");
        };
        let said: Value = serde_json::from_str(&said).expect("json");
        assert_eq!(said["user_id"], format!("user{user}"));
        seen.push(pid(&said));
    }
    let left = seen.iter().filter(|&&pid| alive(pid)).count();
    assert!(left <= 3, "{left} of {seen:?} go on");
}

/// A stream with a handshake, whatever becomes of it.
async fn open(gateway: &Gateway, address: &str) -> SseSession {
    SseSession::open_with(gateway.client().deadline(SOON), address).await
}

/// What a call right after the handshake gives, or the handshake itself if it is refused.
async fn asked(session: &mut SseSession) -> Value {
    let hello =
        json!({"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
    let opened = session.request("initialize", &hello.to_string()).await;
    if opened.error_code().is_some() {
        return opened.value().clone();
    }
    session.notify("notifications/initialized", "").await;
    session.call("whoami", "{}").await.value().clone()
}
