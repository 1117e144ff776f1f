//! The servers' questions in mid-call through the union, for every pair of eras.

use janua_testkit::client::envelope::{questions, repeated};
use janua_testkit::client::message::{Message, call_params};
use serde_json::json;

use crate::scene::{ANN, CAPABLE, Folder, LEGACY, MODERN, Scene};

const GREETS: &str = "test_input_required_result_elicitation";

/// A gateway of a server of each era.
async fn both() -> Scene {
    let folder = Folder::new();
    let servers = json!({"old": folder.journaled("old", ""), "new": folder.journaled("new", "--era modern")});
    folder.serve(&json!({"servers": servers})).await
}

fn calls(scene: &Scene, server: &str) -> usize {
    scene.folder.seen(server, "tools/call").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_handshake_is_asked_by_servers_of_both_eras() {
    let scene = both().await;
    let session = scene.session("/mcp").await;
    for (server, attempts) in [("old", 1), ("new", 2)] {
        let params = call_params(&format!("{server}__{GREETS}"), "{}");
        let mut asked = Vec::new();
        let reply = session
            .request_answering("tools/call", &params, |question: &Message| {
                asked.push(question.method().unwrap_or_default().to_owned());
                ANN.to_owned()
            })
            .await;
        assert_eq!(reply.text(), "Hello, Ann!");
        assert_eq!(asked, ["elicitation/create"], "{server}");
        assert_eq!(calls(&scene, server), attempts, "{server}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_handshake_answers_questions_of_every_kind() {
    let scene = both().await;
    let session = scene.session("/mcp").await;
    for server in ["old", "new"] {
        let params = call_params(&format!("{server}__test_input_required_result_multiple_inputs"), "{}");
        let reply = session
            .request_answering("tools/call", &params, |question: &Message| match question.method() {
                Some("roots/list") => r#"{"roots":[{"uri":"file:///here"}]}"#.to_owned(),
                Some("sampling/createMessage") => {
                    r#"{"role":"assistant","model":"m","content":{"type":"text","text":"Hi"}}"#.to_owned()
                }
                _ => ANN.to_owned(),
            })
            .await;
        assert_eq!(reply.text(), "Hello, Ann! 1 roots, and: Hi", "{server}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_one_comes_back_to_the_very_call() {
    let scene = both().await;
    let modern = scene.modern("/mcp");
    for server in ["old", "new"] {
        let tool = format!("{server}__{GREETS}");
        let answered = modern.call_answering(&tool, "{}", |_, _| ANN.to_owned()).await;
        assert_eq!(answered.reply.text(), "Hello, Ann!", "{server}");
        assert_eq!((answered.asked.len(), answered.rounds), (1, 1), "{server}");
    }
    assert_eq!(calls(&scene, "old"), 1, "the parked call went on");
    assert_eq!(calls(&scene, "new"), 2, "the server is asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_between_sides_of_the_newest_revision_is_untouched() {
    let scene = both().await;
    let modern = scene.modern("/mcp");
    let state = "test_input_required_result_request_state";
    let params = call_params(&format!("new__{state}"), "{}");
    let asked = modern.request("tools/call", &params).await;
    let keys: Vec<String> = questions(asked.response()).expect("questions").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["confirm"], "the server's own key");
    let given = repeated(&params, asked.response(), &[("confirm".to_owned(), ANN.to_owned())]);
    assert_eq!(modern.request("tools/call", &given).await.text(), "state-ok");
    let lines = scene.folder.seen("new", "tools/call");
    assert_eq!(lines[1].at("/params/requestState"), asked.response().at("/result/requestState"));
    assert_eq!(lines[1].at("/params/name"), state);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_leads_nowhere_at_another_server_or_for_another_call() {
    let folder = Folder::new();
    let servers = json!({"one": folder.journaled("one", ""), "two": folder.journaled("two", "")});
    let scene = folder.serve(&json!({"servers": servers})).await;
    let modern = scene.modern("/mcp");
    let params = call_params(&format!("one__{GREETS}"), "{}");
    let asked = modern.request("tools/call", &params).await;
    let keys = questions(asked.response()).expect("questions");
    let answers = [(keys[0].0.clone(), ANN.to_owned())];
    let other = call_params(&format!("two__{GREETS}"), "{}");
    let astray = modern.request("tools/call", &repeated(&other, asked.response(), &answers)).await;
    assert!(astray.error_code().is_some(), "{}", astray.raw());
    let done = modern.request("tools/call", &repeated(&params, asked.response(), &answers)).await;
    assert_eq!(done.text(), "Hello, Ann!", "it waits for the right one all the same");
    assert_eq!((calls(&scene, "one"), calls(&scene, "two")), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_at_once_never_see_each_others_questions_and_answers() {
    let scene = both().await;
    let one = async |session: usize| {
        let name = format!("Client{session}");
        let client = scene.client("/mcp").initialize(LEGACY, CAPABLE).await;
        for server in ["old", "new"] {
            for _ in 0..5 {
                let params = call_params(&format!("{server}__{GREETS}"), "{}");
                let answer = json!({"action": "accept", "content": {"name": name}}).to_string();
                let reply = client.request_answering("tools/call", &params, |_| answer.clone()).await;
                assert_eq!(reply.text(), format!("Hello, {name}!"));
            }
        }
    };
    let other = async |number: usize| {
        let name = format!("Modern{number}");
        let client = scene.client("/mcp").modern(MODERN, CAPABLE);
        for server in ["old", "new"] {
            for _ in 0..5 {
                let answer = json!({"action": "accept", "content": {"name": name}}).to_string();
                let tool = format!("{server}__{GREETS}");
                let answered = client.call_answering(&tool, "{}", |_, _| answer.clone()).await;
                assert_eq!(answered.reply.text(), format!("Hello, {name}!"));
            }
        }
    };
    tokio::join!(one(1), one(2), one(3), other(1), other(2), other(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_cannot_be_asked_is_not() {
    let scene = both().await;
    let session = scene.client("/mcp").initialize(LEGACY, "{}").await;
    let modern = scene.client("/mcp").modern(MODERN, "{}");
    for server in ["old", "new"] {
        for reply in [
            session.call(&format!("{server}__test_elicitation"), r#"{"message":"?"}"#).await,
            modern.call(&format!("{server}__test_elicitation"), r#"{"message":"?"}"#).await,
        ] {
            assert_eq!(reply.text(), "The client offers no elicitation", "{server}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_and_a_prompt_may_ask_as_well() {
    let scene = both().await;
    let session = scene.session("/mcp").await;
    for server in ["old", "new"] {
        let params = json!({"name": format!("{server}__test_input_required_result_prompt")}).to_string();
        let answer = r#"{"action":"accept","content":{"context":"all of it"}}"#;
        let reply = session.request_answering("prompts/get", &params, |_| answer.to_owned()).await;
        let text = &reply.result()["messages"][0]["content"]["text"];
        assert_eq!(text, "Use this context: all of it", "{server}");
    }
    let params = json!({"uri": "test://guarded/7"}).to_string();
    let reply = session.request_answering("resources/read", &params, |_| ANN.to_owned()).await;
    assert_eq!(reply.result()["contents"][0]["text"], "7: accept");
}
