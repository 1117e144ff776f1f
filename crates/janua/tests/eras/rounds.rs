//! Questions to clients without a handshake: several, in several rounds, answered in part, wrongly, or withdrawn.

use janua_testkit::client::message::{notification, request};

use crate::scene::{ANN, CAPABLE, Parked, WHO, client, everything, failure, parked_calls, question, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_answered_is_asked_again_under_the_same_key() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = Parked::call(&modern, "ask", WHO).await;
    let again = parked.asked_again(&modern, &[]).await;
    assert_eq!(again.keys(), parked.keys());
    let extra = again.asked_again(&modern, &[("other-9", ANN), ("", "{}")]).await;
    assert_eq!(extra.keys(), parked.keys());
    assert_eq!(scene.answers("\"ask-1\"").len(), 0);
    let key = parked.keys().remove(0);
    let done = extra.retry(&modern, &[("other-9", "7"), (&key, ANN)]).await;
    assert!(done.text().contains("Ann"), "{}", done.raw());
    assert_eq!((scene.calls(), scene.answers("\"ask-1\"").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_form_is_refused_and_the_question_stays_open() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = Parked::call(&modern, "ask", WHO).await;
    let key = parked.keys().remove(0);
    for wrong in ["7", "null", "[]", "{}", r#"{"action":"maybe"}"#, r#"{"error":{"code":1,"message":"no"}}"#] {
        let refused = parked.retry(&modern, &[(&key, wrong)]).await;
        assert_eq!(refused.error_code(), Some(-32602), "{wrong}: {}", refused.raw());
    }
    for wrong in ["7", "[]", "null", "\"x\""] {
        let params = parked.answered().replace(&format!(r#"{{"{key}":{ANN}}}"#), wrong);
        let refused = modern.request("tools/call", &params).await;
        assert_eq!(refused.error_code(), Some(-32602), "{wrong}: {}", refused.raw());
    }
    assert_eq!(scene.answers("\"ask-1\"").len(), 0);
    let done = parked.retry(&modern, &[(&key, &ANN.replace("accept", "\\u0061ccept"))]).await;
    assert!(done.text().contains("Ann"), "{}", done.raw());
    assert_eq!((scene.calls(), scene.answers("\"ask-1\"").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_answers_all_count_or_none() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"a\"", "\"b\""]).await;
    let keys = parked.keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let refused = parked.retry(&modern, &[(&keys[0], ANN), (&keys[1], "7")]).await;
    assert_eq!(refused.error_code(), Some(-32602), "{}", refused.raw());
    assert_eq!((scene.answers("\"a\"").len(), scene.answers("\"b\"").len()), (0, 0));
    // One now, and one later.
    let rest = parked.asked_again(&modern, &[(&keys[0], ANN)]).await;
    assert_eq!(rest.keys(), keys[1..]);
    scene.server.release(1);
    assert_eq!(rest.answer(&modern).await.text(), "waited");
    assert_eq!((scene.answers("\"a\"").len(), scene.answers("\"b\"").len()), (1, 1));
    assert_eq!(scene.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_asks_as_much_as_it_likes_at_once_or_in_rounds() {
    let scene = everything("", "").await;
    let modern = scene.modern(CAPABLE);
    for (tool, rounds, questions) in [
        ("test_input_required_result_multi_round", 2, 2),
        ("multi_input", 1, 2),
        ("test_input_required_result_multiple_inputs", 1, 3),
    ] {
        let answered = modern
            .call_answering(tool, "{}", |key, question| match question.method() {
                Some("elicitation/create") => {
                    ANN.replace("name\"", "name\":\"x\",\"color\"").replace(":\"Ann\"", ":\"y\"")
                }
                Some("sampling/createMessage") => {
                    r#"{"role":"assistant","model":"m","content":{"type":"text","text":"t"}}"#.to_owned()
                }
                Some("roots/list") => r#"{"roots":[{"uri":"file:///r"}]}"#.to_owned(),
                _ => panic!("{key}: {question:?}"),
            })
            .await;
        let found = (answered.rounds, answered.asked.len(), scene.calls(tool));
        assert_eq!(found, (rounds, questions, 1), "{tool}: {}", answered.reply.raw());
        assert_ne!(answered.reply.response().at("/result/isError"), true, "{}", answered.reply.raw());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_behind_is_asked_what_is_open_now() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let first = scene.park_slow(&modern, &["\"a\""]).await;
    let asking = async {
        scene.answered("\"a\"").await;
        scene.server.push(&question("\"b\"")).await;
    };
    let first_key = first.keys().remove(0);
    let answers = [(first_key.as_str(), ANN)];
    let (second, ()) = tokio::join!(first.asked_again(&modern, &answers), asking);
    assert_ne!(first.keys(), second.keys());
    let behind = first.asked_again(&modern, &answers).await;
    assert_eq!(behind.keys(), second.keys());
    // An answer to the second question with the state of the first is none.
    let second_key = second.keys().remove(0);
    let confused = first.asked_again(&modern, &[(&second_key, ANN)]).await;
    assert_eq!((confused.keys(), scene.answers("\"b\"").len()), (second.keys(), 0));
    scene.server.release(1);
    assert_eq!(second.answer(&modern).await.text(), "waited");
    assert_eq!((scene.answers("\"a\"").len(), scene.answers("\"b\"").len(), scene.calls()), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_while_a_question_is_open_comes_after_it() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let first = scene.park_slow(&modern, &["\"a\""]).await;
    scene.server.push(&question("\"b\"")).await;
    // In order on one socket: the answer to the ping says that the question is there, too.
    pong(&scene, "\"ping-1\"").await;
    let key = first.keys().remove(0);
    let second = first.asked_again(&modern, &[(&key, ANN)]).await;
    assert_ne!(first.keys(), second.keys());
    scene.server.release(1);
    assert_eq!(second.answer(&modern).await.text(), "waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_question_needs_no_answer() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"a\""]).await;
    scene.server.push(&notification("notifications/cancelled", r#"{"requestId":"a"}"#)).await;
    scene.server.release(1);
    parked_calls(&client(&scene.proxy), 0).await;
    let reply = parked.answer(&modern).await;
    assert_eq!(reply.text(), "waited");
    assert_eq!((scene.calls(), scene.answers("\"a\"").len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_question_takes_the_place_of_a_withdrawn_one() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"a\""]).await;
    scene.server.push(&question("\"b\"")).await;
    pong(&scene, "\"ping-1\"").await;
    scene.server.push(&notification("notifications/cancelled", r#"{"requestId":"a"}"#)).await;
    pong(&scene, "\"ping-2\"").await;
    let key = parked.keys().remove(0);
    let next = parked.asked_again(&modern, &[(&key, ANN)]).await;
    assert_ne!(next.keys(), parked.keys());
    scene.server.release(1);
    assert_eq!(next.answer(&modern).await.text(), "waited");
    assert_eq!((scene.answers("\"a\"").len(), scene.answers("\"b\"").len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_withdrawn_before_anybody_hears_of_it_is_none() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let asking = async {
        assert!(scene.server.wait_rpc(crate::scene::SOON, "tools/call").await);
        scene.server.push(&question("\"a\"")).await;
        scene.server.push(&notification("notifications/cancelled", r#"{"requestId":"a"}"#)).await;
        scene.server.push(&question("\"b\"")).await;
    };
    let (parked, ()) = tokio::join!(Parked::call(&modern, "slow", "{}"), asking);
    assert_eq!(parked.keys().len(), 1, "{:?}", parked.keys());
    scene.server.release(1);
    assert_eq!(parked.answer(&modern).await.text(), "waited");
    assert_eq!((scene.answers("\"a\"").len(), scene.answers("\"b\"").len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_between_rounds_ends_the_call() {
    let scene = scene(|_| {}).await;
    let modern = scene.modern(CAPABLE);
    let parked = scene.park_slow(&modern, &["\"a\"", "\"b\""]).await;
    let keys = parked.keys();
    let rest = parked.asked_again(&modern, &[(&keys[0], ANN)]).await;
    scene.server.cut_connections().await;
    parked_calls(&client(&scene.proxy), 0).await;
    assert!(!failure(&rest.answer(&modern).await).is_empty());
    assert_eq!(scene.calls(), 1, "it ran again");
}

/// Has the server ping, and waits for its answer.
async fn pong(scene: &crate::scene::Scene, id: &str) {
    scene.server.push(&request(id, "ping", "")).await;
    scene.answered(id).await;
}
