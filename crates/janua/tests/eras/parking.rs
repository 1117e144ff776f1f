//! Parked calls and those who come back for them: nothing runs twice, nothing is answered twice, no state is forged.

use std::time::Duration;

use janua_testkit::client::message::call_params;
use tokio::task::JoinSet;

use crate::scene::{ANN, CAPABLE, Parked, SOON, WHO, client, everything, failure, front, parked_calls, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_asks_runs_once() {
    let scene = everything("", "").await;
    let modern = scene.modern(CAPABLE);
    let parked = Parked::call(&modern, "test_input_required_result_elicitation", "{}").await;
    parked_calls(&scene.gateway.client(), 1).await;
    assert_eq!(parked.answer(&modern).await.text(), "Hello, Ann!");
    assert_eq!(scene.calls("test_input_required_result_elicitation"), 1);
    let told = modern.call("tally", "{}").await;
    let tally: serde_json::Value = serde_json::from_str(told.text()).expect("json");
    let counts = &tally["test_input_required_result_elicitation"];
    assert_eq!((&counts["begun"], &counts["done"]), (&1.into(), &1.into()), "{tally}");
    parked_calls(&scene.gateway.client(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_finds_the_same_end() {
    let scene = scene(|_| {}).await;
    let parked = Parked::call(&scene.modern(CAPABLE), "ask", WHO).await;
    let mut attempts = JoinSet::new();
    for _ in 0..10 {
        let (modern, parked) = (scene.modern(CAPABLE), parked.clone());
        attempts.spawn(async move { parked.answer(&modern).await.raw().to_owned() });
    }
    let mut ends = attempts.join_all().await;
    let modern = client(&scene.proxy).modern("2026-07-28", CAPABLE);
    for _ in 0..10 {
        let again = modern.open_id("1", "tools/call", &parked.answered(), &[]).await.finish().await;
        ends.push(again.raw().to_owned());
    }
    ends.dedup();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert!(ends[0].contains("Ann"), "{ends:?}");
    assert_eq!((scene.calls(), scene.answers("\"ask-1\"").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_answer_to_the_same_question_does_not_count() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = Parked::call(&modern, "ask", WHO).await;
    let key = parked.keys().remove(0);
    let first = parked.answer(&modern).await;
    let second = parked.retry(&modern, &[(&key, r#"{"action":"decline"}"#)]).await;
    assert_eq!(first.text(), second.text());
    assert!(first.text().contains("Ann"));
    assert_eq!(scene.answers("\"ask-1\"").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_that_were_not_given_out_for_this_lead_nowhere() {
    let here = scene(|_| {}).await;
    let elsewhere = scene(|_| {}).await;
    let modern = here.modern(CAPABLE);
    let parked = Parked::call(&modern, "ask", WHO).await;
    let foreign = Parked::call(&elsewhere.modern(CAPABLE), "ask", WHO).await;
    let same = call_params("ask", WHO);
    let state = parked.state();
    let turned: String = state.chars().rev().collect();
    let mut forged: Vec<Parked> = ["", "x", &state[..state.len() - 4], &state[4..], &turned, foreign.state()]
        .into_iter()
        .map(|state| parked.forged(state, &same))
        .collect();
    for at in [0, state.len() / 2, state.len() - 6] {
        let letter = if state.as_bytes()[at] == b'A' { "B" } else { "A" };
        let tampered = format!("{}{letter}{}", &state[..at], &state[at + 1..]);
        forged.push(parked.forged(&tampered, &same));
    }
    forged.push(parked.forged(state, &call_params("ask", &WHO.replace("Who?", "You?"))));
    forged.push(parked.forged(state, &call_params("echo", WHO)));
    for one in &forged {
        let refused = one.answer(&modern).await;
        assert_eq!(refused.error_code(), Some(-32602), "{}: {}", one.state(), refused.raw());
    }
    let odd = parked.answered().replace(&format!("\"{state}\""), "[7]");
    assert_eq!(modern.request("tools/call", &odd).await.error_code(), Some(-32602));
    assert_eq!((here.calls(), here.answers("\"ask-1\"").len()), (1, 0), "something ran");
    assert!(parked.answer(&modern).await.text().contains("Ann"));
    assert_eq!(elsewhere.answers("\"ask-1\"").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_a_proxy_that_is_gone_leads_nowhere() {
    let scene = scene(|_| {}).await;
    let parked = Parked::call(&scene.modern(CAPABLE), "ask", WHO).await;
    scene.proxy.stop().await;
    let next = front(&scene.server.url(), |_| {}).await;
    let refused = parked.answer(&client(&next).modern("2026-07-28", CAPABLE)).await;
    assert_eq!(refused.error_code(), Some(-32602), "{}", refused.raw());
    assert_eq!(scene.server.seen_rpc("tools/call").len(), 1, "it ran again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_comes_back_for_is_declined_and_cancelled() {
    let scene = scene(|options| options.limits.parked_for = Duration::from_millis(200)).await;
    let modern = scene.modern(CAPABLE);
    let parked = Parked::call(&modern, "ask", WHO).await;
    assert!(scene.server.wait_rpc(SOON, "notifications/cancelled").await || !scene.answers("\"ask-1\"").is_empty());
    scene.answered("\"ask-1\"").await;
    assert_eq!(scene.answers("\"ask-1\"")[0].at("/result/action"), "cancel");
    parked_calls(&client(&scene.proxy), 0).await;
    // As long as the state may be read, the end is told; from then on, nothing.
    let expired = janua_testkit::process::eventually_with(SOON, || async {
        let reply = parked.answer(&modern).await;
        assert!(reply.error_code() == Some(-32602) || failure(&reply) == "deadline_exceeded", "{}", reply.raw());
        reply.error_code() == Some(-32602)
    });
    assert!(expired.await);
    assert_eq!((scene.calls(), scene.answers("\"ask-1\"").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_call_behind_a_question_that_nobody_answers_is_cancelled() {
    let scene = scene(|options| options.limits.parked_for = Duration::from_millis(200)).await;
    let parked = scene.park_slow(&scene.modern(CAPABLE), &["\"q\""]).await;
    assert!(scene.server.wait_rpc(SOON, "notifications/cancelled").await, "the call goes on");
    let (call, cancelled) =
        (scene.server.seen_rpc("tools/call").remove(0), scene.server.seen_rpc("notifications/cancelled"));
    assert_eq!(cancelled[0].at("/params/requestId"), call.at("/id"));
    assert_eq!(scene.answers("\"q\"")[0].at("/result/action"), "cancel");
    let late = parked.answer(&scene.modern(CAPABLE)).await;
    assert!(late.error_code().is_some(), "{}", late.raw());
    assert_eq!((scene.calls(), scene.answers("\"q\"").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_an_answered_call_is_not_given_up() {
    let scene = scene(|options| options.limits.parked_for = Duration::from_millis(300)).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"q\""]).await;
    let held = std::time::Instant::now();
    let releasing = async {
        scene.answered("\"q\"").await;
        // Longer than a question may stay open.
        assert!(janua_testkit::process::eventually(SOON, || held.elapsed() > Duration::from_millis(900)).await);
        scene.server.release(1);
    };
    let (reply, ()) = tokio::join!(parked.answer(&modern), releasing);
    assert_eq!(reply.text(), "waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_another_kind_of_client_counts_too() {
    let scene = scene(|_| {}).await;
    let parked = Parked::call(&scene.modern(CAPABLE), "ask", WHO).await;
    // A user who goes on elsewhere: the state says it all.
    let reply = parked.answer(&scene.modern("{}")).await;
    assert!(reply.text().contains("Ann"), "{}", reply.raw());
    assert_eq!(scene.calls(), 1);
    assert!(scene.answers("\"ask-1\"")[0].raw().contains(ANN));
}
