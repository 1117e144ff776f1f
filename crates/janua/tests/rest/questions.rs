//! Questions of servers: asked with a handle, answered once, or asked in a stream.

use janua_testkit::client::Answer;
use janua_testkit::process::eventually_with;
use serde_json::{Value, json};

use crate::scene::{ASK, JSON, SOON, STREAM, Scene, everything, probe, problem};

/// Where the answers to the questions go, and the questions.
fn asked(answer: &Answer) -> (String, Value) {
    assert_eq!(answer.status, 202, "{}", answer.text());
    let told = answer.json();
    assert_eq!(answer.header("location"), told["answer"].as_str());
    assert!(told["answer"].as_str().expect("an address").ends_with(told["handle"].as_str().expect("a handle")));
    (told["answer"].as_str().expect("an address").to_owned(), told["questions"].clone())
}

#[tokio::test]
async fn a_question_is_answered_and_the_call_goes_on() {
    let scene = Scene::serving(json!({"e": everything(""), "new": everything("--era modern")})).await;
    for path in ["/api/e/confirm_delete", "/api/new/confirm_delete"] {
        let first = scene.prefer(path, &json!({"filename": "f"})).await;
        assert_eq!(first.header("preference-applied"), Some("questions"));
        let (address, questions) = asked(&first);
        assert!(address.starts_with(path.trim_end_matches("confirm_delete")), "{address}");
        assert_eq!(questions["q1"]["method"], json!("elicitation/create"));
        assert_eq!(questions["q1"]["params"]["message"], json!("Delete f?"));
        let answers = json!({"q1": {"action": "accept", "content": {"confirm": true}}});
        let done = scene.post(&address, &answers).await;
        assert_eq!((done.status.as_u16(), done.json()), (200, json!("f: accept")), "{path}");
        problem(&scene.post(&address, &answers).await, 404);
    }
    // With a session in the query the result is MCP's object.
    let (address, _) = asked(&scene.prefer("/api/e/confirm_delete?sessionId=s", &json!({"filename": "f"})).await);
    let refused = json!({"q1": {"action": "decline"}});
    assert_eq!(scene.post(&address, &refused).await.json()["content"][0]["text"], json!("f: decline"));
}

#[tokio::test]
async fn rounds_and_several_questions_at_once() {
    let scene = Scene::serving(json!({"new": everything("--era modern"), "probe": probe()})).await;
    let (address, _) = asked(&scene.prefer("/api/new/test_input_required_result_multi_round", &json!({})).await);
    let name = json!({"q1": {"action": "accept", "content": {"name": "Ann"}}});
    let (address, second) = asked(&scene.post(&address, &name).await);
    assert!(second["q1"]["params"]["message"].as_str().expect("text").starts_with("Step 2"), "{second}");
    let color = json!({"q1": {"action": "accept", "content": {"color": "blue"}}});
    assert_eq!(scene.post(&address, &color).await.json(), json!("Ann likes blue"));
    // Both at once, or one after the other: that is the server's pace.
    let mut answer = scene.prefer("/api/probe/ask2", &json!({})).await;
    let mut count = 0;
    while answer.status == 202 {
        let (address, questions) = asked(&answer);
        let questions = questions.as_object().expect("questions");
        count += questions.len();
        let answers: Value = questions
            .iter()
            .map(|(key, question)| {
                (key.clone(), json!({"action": "accept", "content": {"name": question["params"]["message"]}}))
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        answer = scene.post(&address, &answers).await;
    }
    assert_eq!((count, answer.status.as_u16()), (2, 200), "{}", answer.text());
    let said = answer.text();
    assert!(said.contains("First?") && said.contains("Second?"), "{said}");
}

#[tokio::test]
async fn answers_that_do_not_fit_leave_the_question_open() {
    let scene = Scene::serving(json!({"probe": probe(), "other": probe()})).await;
    let (address, _) = asked(&scene.prefer("/api/probe/elicit", &json!({})).await);
    for (bad, said) in [
        (json!({}), "the answer to q1 is missing"),
        (json!({"q1": {}, "q2": {}}), "there is no question q2"),
        (json!({"q1": 5}), "must be a result"),
    ] {
        let refused = problem(&scene.post(&address, &bad).await, 400);
        assert!(refused["detail"].as_str().expect("text").contains(said), "{refused}");
    }
    let good = json!({"q1": {"error": {"code": -32001, "message": "not now"}}});
    problem(&scene.post(&address.replace("/probe/", "/other/"), &good).await, 404);
    problem(&scene.post("/api/probe/questions/0000", &good).await, 404);
    let done = scene.post(&address, &good).await;
    assert!(done.text().contains("-32001"), "{}", done.text());
}

#[tokio::test]
async fn a_handle_is_its_callers() {
    let tokens = json!([{"token": "tok-ann", "user": "ann"}, {"token": "tok-bob", "user": "bob"}]);
    let scene = Scene::of(json!({"servers": {"probe": probe()}, "auth": {"bearer": {"tokens": tokens}}})).await;
    let ann = ("authorization", "Bearer tok-ann");
    let bob = ("authorization", "Bearer tok-bob");
    let (address, _) = asked(&scene.client().post("/api/probe/elicit", "{}", &[JSON, ASK, ann]).await);
    let answers = json!({"q1": {"action": "accept", "content": {"name": "A"}}}).to_string();
    assert_eq!(scene.client().post(&address, answers.clone(), &[JSON, bob]).await.status, 404);
    let done = scene.client().post(&address, answers, &[JSON, ann]).await;
    assert_eq!(done.status, 200, "{}", done.text());
}

#[tokio::test]
async fn questions_are_given_up_when_their_time_is_over() {
    let limits = json!({"parked_for": "1s", "parked": 1});
    let scene = Scene::of(json!({"servers": {"probe": probe()}, "limits": limits})).await;
    let (address, _) = asked(&scene.prefer("/api/probe/elicit", &json!({})).await);
    let full = scene.prefer("/api/probe/elicit", &json!({})).await;
    problem(&full, 503);
    assert!(full.header("retry-after").is_some());
    let (scene, address) = (&scene, &address);
    let answers = json!({"q1": {"action": "decline"}, "q2": {}});
    let answers = &answers;
    let gone = || async move { scene.post(address, answers).await.status == 404 };
    assert!(eventually_with(SOON, gone).await, "the handle is still good");
    let cancelled = || async move {
        let info: Value = scene.prefer("/api/probe/info", &json!({})).await.json();
        !info["cancelled"].as_array().expect("a list").is_empty()
    };
    assert!(eventually_with(SOON, cancelled).await, "the call goes on");
}

#[tokio::test]
async fn who_did_not_ask_for_questions_is_not_asked() {
    let scene = Scene::serving(json!({"probe": probe(), "e": everything("")})).await;
    let refused = scene.post("/api/probe/elicit", &json!({})).await;
    assert_eq!(refused.json()["error"]["code"], json!(-32601), "{}", refused.text());
    let roots = scene.post("/api/probe/ask?sessionId=s", &json!({})).await;
    assert!(roots.text().contains("client messages so far"), "{}", roots.text());
    let pinged = scene.post("/api/probe/pingclient", &json!({})).await;
    assert_eq!(pinged.json(), json!({"result": {}}));
    let told = scene.post("/api/e/test_sampling", &json!({"prompt": "x"})).await;
    assert!(told.text().contains("The client offers no sampling"), "{}", told.text());
}

#[tokio::test]
async fn a_stream_asks_and_goes_on() {
    let scene = Scene::serving(json!({"e": everything("")})).await;
    let headers = [JSON, ASK, STREAM];
    let (_, _, mut events) = scene.client().stream(http::Method::POST, "/api/e/late_question", "{}", &headers).await;
    let mut names = Vec::new();
    let mut address = String::new();
    while let Some(event) = events.next(SOON).await.expect("an event") {
        let Some(name) = event.event else { continue };
        let data: Value = serde_json::from_str(&event.data.expect("data")).expect("JSON");
        if name == "question" {
            data["answer"].as_str().expect("an address").clone_into(&mut address);
            let answers = json!({"q1": {"action": "accept", "content": {"name": "Ann"}}});
            let taken = scene.post(&address, &answers).await;
            assert_eq!((taken.status.as_u16(), taken.body.len()), (204, 0));
        }
        if name == "result" {
            assert_eq!(data, json!("It was Ann."));
        }
        names.push(name);
    }
    assert_eq!(names, ["progress", "question", "progress", "result"]);
    problem(&scene.post(&address, &json!({"q1": {"action": "decline"}})).await, 404);
    // Who leaves the stream leaves its questions.
    let (_, _, mut events) = scene.client().stream(http::Method::POST, "/api/e/late_question", "{}", &headers).await;
    let address = loop {
        let event = events.next(SOON).await.expect("an event").expect("a question");
        if event.event.as_deref() == Some("question") {
            let data: Value = serde_json::from_str(&event.data.expect("data")).expect("JSON");
            break data["answer"].as_str().expect("an address").to_owned();
        }
    };
    drop(events);
    let (scene, address) = (&scene, &address);
    let answers = json!({"q7": {}});
    let answers = &answers;
    let gone = || async move { scene.post(address, answers).await.status == 404 };
    assert!(eventually_with(SOON, gone).await, "the question is still open");
}
