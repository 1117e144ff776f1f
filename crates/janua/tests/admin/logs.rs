//! What servers write to their standard error: kept across instances, and followed.

use http::Method;
use janua_testkit::client::events::Events;
use janua_testkit::gateway::Gateway;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::scene::{SOON, Scene, ask, get};

/// Writes a line that holds its secret and its process id, and one without an end, then serves.
const SERVERS: &str = "
  a:
    command: sh
    args: [-c, 'echo \"with $TOKEN by $$$$\" >&2; printf \"no end\" >&2; exec PROBE']
    env: { TOKEN: tellnobody }
";

async fn restart(gateway: &Gateway) {
    let answer = ask(gateway, Method::POST, "servers/a/restart", &[]).await;
    assert_eq!(answer.json()["state"], "running", "{}", answer.text());
}

async fn next(events: &mut Events) -> Value {
    loop {
        let event = events.next(SOON).await.expect("an event").expect("no end");
        if let Some(data) = event.data {
            return serde_json::from_str(&data).expect("JSON");
        }
    }
}

#[tokio::test]
async fn lines_are_kept_with_the_instance_that_wrote_them() {
    let scene = Scene::new(SERVERS);
    let gateway = scene.serve(&[]).await;
    assert_eq!(ask(&gateway, Method::GET, "servers/a/logs", &[]).await.text(), "", "it has not been started");
    restart(&gateway).await;
    let path = "/admin/v1/servers/a/logs?follow=true";
    let (status, _, mut events) = gateway.client().deadline(SOON).stream(Method::GET, path, "", &[]).await;
    assert_eq!(status, 200);
    let first = next(&mut events).await;
    let pid = first["pid"].as_u64().expect("a pid");
    assert_eq!(first["line"], format!("with *** by {pid}"), "{first}");
    assert_eq!(next(&mut events).await["line"], "no endprobe: started");
    restart(&gateway).await;
    let second = next(&mut events).await;
    assert_ne!(second["pid"], first["pid"], "the stream goes on with the next instance");
    assert_eq!(next(&mut events).await["pid"], second["pid"]);

    let kept = ask(&gateway, Method::GET, "servers/a/logs?lines=3", &[]).await;
    assert_eq!(kept.header("content-type"), Some("application/x-ndjson"));
    let kept: Vec<Value> = kept.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let pids: Vec<&Value> = kept.iter().map(|line| &line["pid"]).collect();
    assert_eq!(pids, [&first["pid"], &second["pid"], &second["pid"]]);
    assert_eq!(get(&gateway, "servers/a").await["state"], "running");
}

#[tokio::test]
async fn the_command_line_follows_until_the_gateway_stops() {
    let scene = Scene::new(SERVERS);
    let mut gateway = scene.serve(&[]).await;
    restart(&gateway).await;
    let shown = scene.run(&["logs", "a", "-n", "1"]).await;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(
        shown.stdout.ends_with("] no endprobe: started\n") && shown.stdout.lines().count() == 1,
        "{}",
        shown.stdout
    );
    let mut following = scene.start(&["logs", "a", "-f", "--json"]);
    let mut lines = BufReader::new(following.stdout.take().expect("piped")).lines();
    let mut pids = Vec::new();
    for number in 0..4 {
        if number == 2 {
            restart(&gateway).await;
        }
        let line = tokio::time::timeout(SOON, lines.next_line()).await.expect("soon").expect("read").expect("no end");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert!(!line.to_string().contains("tellnobody"), "{line}");
        pids.push(line["pid"].clone());
    }
    assert!(pids[0] == pids[1] && pids[1] != pids[2] && pids[2] == pids[3], "{pids:?}");
    gateway.terminate(SOON).await;
    let status = tokio::time::timeout(SOON, following.wait()).await.expect("soon").expect("waited for");
    assert_eq!(status.code(), Some(1));
}
