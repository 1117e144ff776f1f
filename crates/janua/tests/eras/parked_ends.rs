//! How parked calls end when something else does: servers, clients, the gateway, its room and its memory.

use std::time::Duration;

use janua_testkit::gateway::Gateway;
use janua_testkit::process::{self, eventually};
use janua_testkit::upstream::streamable::StreamableServer;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::scene::{CAPABLE, JANUA, MODERN, Parked, SOON, WHO, client, everything, failure, parked_calls, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_a_call_is_parked_ends_it() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = Parked::call(&modern, "ask", WHO).await;
    scene.server.cut_connections().await;
    parked_calls(&client(&scene.proxy), 0).await;
    let first = parked.answer(&modern).await;
    assert!(!failure(&first).is_empty());
    assert_eq!(failure(&parked.answer(&modern).await), failure(&first));
    assert_eq!(scene.calls(), 1, "it ran again");
    assert_eq!(modern.call("echo", r#"{"text":"on"}"#).await.text(), "on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_a_client_waits_ends_the_call() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"q\""]).await;
    let dying = async {
        scene.answered("\"q\"").await;
        scene.server.cut_connections().await;
    };
    let (reply, ()) = tokio::join!(parked.answer(&modern), dying);
    assert!(!failure(&reply).is_empty());
    assert_eq!(scene.calls(), 1, "it ran again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_dies_while_a_call_is_parked_ends_it() {
    let scene = everything("", "").await;
    let modern = scene.modern(CAPABLE);
    let parked = Parked::call(&modern, "test_tool_with_task", "{}").await;
    let pids = programs(&scene.gateway);
    assert_eq!(pids.len(), 1);
    let pid = rustix::process::Pid::from_raw(pids[0].try_into().expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    parked_calls(&scene.gateway.client(), 0).await;
    assert_eq!(failure(&parked.answer(&modern).await), "server_exited");
    assert_eq!(scene.calls("test_tool_with_task"), 1, "it ran again");
    assert_eq!(modern.call("greet", "{}").await.text(), "Hello, World!");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_breaks_off_finds_its_call_again() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"q\""]).await;
    for _ in 0..3 {
        let breaking = scene.modern(CAPABLE);
        let params = parked.answered();
        let mut attempt = JoinSet::new();
        attempt.spawn(async move { breaking.request("tools/call", &params).await });
        scene.answered("\"q\"").await;
        assert!(attempt.try_join_next().is_none(), "it was not to end");
        attempt.shutdown().await;
    }
    assert!(scene.server.seen_rpc("notifications/cancelled").is_empty(), "the call was cancelled");
    parked_calls(&client(&scene.proxy), 1).await;
    scene.server.release(1);
    assert_eq!(parked.answer(&modern).await.text(), "waited");
    assert_eq!((scene.calls(), scene.answers("\"q\"").len()), (1, 1));
    assert!(scene.server.seen_rpc("notifications/cancelled").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_breaks_off_and_stays_away_has_its_call_cancelled() {
    let scene = scene(|options| options.limits.parked_for = Duration::from_millis(300)).await;
    let parked = scene.park_slow(&scene.modern(CAPABLE), &["\"q\""]).await;
    let (breaking, params) = (scene.modern(CAPABLE), parked.answered());
    let mut attempt = JoinSet::new();
    attempt.spawn(async move { breaking.request("tools/call", &params).await });
    scene.answered("\"q\"").await;
    attempt.shutdown().await;
    assert!(scene.server.wait_rpc(SOON, "notifications/cancelled").await, "the call goes on");
    parked_calls(&client(&scene.proxy), 0).await;
    assert_eq!(scene.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_calls_are_parked() {
    let server = StreamableServer::builder().start().await;
    let proxy = crate::scene::front(&server.url(), |options| options.limits.parked = 2).await;
    let modern = client(&proxy).modern(MODERN, CAPABLE);
    let first = Parked::call(&modern, "ask", WHO).await;
    let second = Parked::call(&modern, "ask", WHO).await;
    let refused = modern.call("ask", WHO).await;
    assert_eq!(failure(&refused), "overloaded", "{}", refused.raw());
    // It was asked, so it may have run; it is not left behind.
    assert_eq!(refused.response().at("/error/data/outcome"), "unknown");
    let cancelled =
        |seen: &janua_testkit::upstream::site::Seen| seen.rpc().as_deref() == Some("notifications/cancelled");
    assert!(server.site.wait_seen(SOON, cancelled).await, "the call goes on");
    parked_calls(&client(&proxy), 2).await;
    assert!(first.answer(&modern).await.text().contains("Ann"));
    // What is over makes room.
    for _ in 0..5 {
        assert!(Parked::call(&modern, "ask", WHO).await.answer(&modern).await.text().contains("Ann"));
    }
    assert!(second.answer(&modern).await.text().contains("Ann"));
    assert_eq!(server.site.seen_rpc("tools/call").len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_stops_at_once_with_calls_parked() {
    let mut scene = everything("", "").await;
    let modern = scene.modern(CAPABLE);
    for tool in ["test_streaming_elicitation", "test_input_required_result_elicitation"] {
        Parked::call(&modern, tool, "{}").await;
    }
    parked_calls(&scene.gateway.client(), 2).await;
    let pids = programs(&scene.gateway);
    assert_eq!(pids.len(), 2);
    // Far below the time that running requests are given.
    let stopped = scene.gateway.terminate(Duration::from_secs(15)).await;
    assert!(stopped.status.success(), "{:?}", stopped.status);
    for pid in pids {
        assert!(process::wait_gone(pid, SOON).await, "{pid} is left behind");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_is_told_that_the_gateway_stops() {
    let scene = scene(|options| options.limits.drain = Duration::from_millis(100)).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"q\""]).await;
    let (waiting, params) = (scene.modern(CAPABLE), parked.answered());
    let mut attempt = JoinSet::new();
    attempt.spawn(async move { waiting.request("tools/call", &params).await });
    scene.answered("\"q\"").await;
    timeout(SOON, scene.proxy.stop()).await.expect("it stops");
    assert_eq!(failure(&attempt.join_next().await.expect("one").expect("an answer")), "stopping");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_for_its_client_holds_up_nobody() {
    let scene = everything("", "").await;
    let modern = scene.modern(CAPABLE);
    let before = pid(&modern.call("fixture_info", "{}").await);
    let parked = Parked::call(&modern, "test_streaming_elicitation", "{}").await;
    let meanwhile = pid(&modern.call("fixture_info", "{}").await);
    assert_ne!(before, meanwhile, "an instance of its own");
    let other = Parked::call(&modern, "test_input_required_result_elicitation", "{}").await;
    assert_eq!(other.answer(&modern).await.text(), "Hello, Ann!");
    assert!(parked.answer(&modern).await.text().contains("action=accept"));
    assert_eq!(pid(&modern.call("fixture_info", "{}").await), before, "the instance is free again");
    let clients = scene.modern("{}");
    assert!(![&before, &meanwhile].contains(&&pid(&clients.call("fixture_info", "{}").await)), "another class");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_call_takes_little_room() {
    const CALLS: u64 = 200;
    // A path that is not taken for the gateway's own address.
    let server = StreamableServer::builder().path("/upstream").start().await;
    let gateway = Gateway::start(JANUA, &["--port", "0", &server.url()]).await;
    let modern = gateway.client().deadline(SOON).modern(MODERN, CAPABLE);
    // The first calls bring what all of them share.
    for _ in 0..20 {
        Parked::call(&modern, "ask", WHO).await.answer(&modern).await;
    }
    let before = gateway.rss_kib();
    let mut parked = Vec::new();
    for _ in 0..CALLS {
        parked.push(Parked::call(&modern, "ask", WHO).await);
    }
    parked_calls(&gateway.client(), CALLS).await;
    let each = gateway.rss_kib().saturating_sub(before) * 1024 / CALLS;
    println!("{each} bytes for each parked call");
    assert!(each <= 64 << 10, "{each} bytes for each parked call");
    for one in &parked {
        assert!(one.answer(&modern).await.text().contains("Ann"));
    }
    assert!(eventually(SOON, || server.site.seen_rpc("tools/call").len() == 220).await);
}

/// The process id of the instance that answered.
fn pid(told: &janua_testkit::client::session::Reply) -> Value {
    let told: Value = serde_json::from_str(told.text()).expect("json");
    told["pid"].clone()
}

/// The programs under a gateway.
fn programs(gateway: &Gateway) -> Vec<u32> {
    let is_program = |pid: &u32| process::cmdline(*pid).first().is_some_and(|word| word.ends_with("everything"));
    process::descendants(gateway.pid()).into_iter().filter(is_program).collect()
}
