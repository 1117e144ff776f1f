//! Lists, resources, prompts and completions.

use janua_testkit::peers::{PeerError, server_everything};
use serde_json::{Value, json};

use crate::scene::{Scene, everything, probe, problem};

fn names(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    items.iter().map(|item| item[key].as_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn what_there_is_can_be_listed() {
    let settings = json!({"servers": {"e": everything("--pages"), "probe": probe()}, "views": {"both": {}}});
    let scene = Scene::of(settings).await;
    let all = scene.get("/api").await.json();
    assert_eq!(names(&all["servers"], "address"), ["/api/e", "/api/probe", "/api/both"]);
    assert_eq!(names(&all["servers"], "kind"), ["server", "server", "view"]);
    assert_eq!(scene.get("/api/").await.json(), all);
    let e = scene.get("/api/e").await.json();
    let tools = names(&e["tools"], "name");
    assert!(tools.contains(&"test_simple_text".to_owned()) && tools.contains(&"visit".to_owned()), "{tools:?}");
    assert_eq!(scene.get("/api/e/tools").await.json()["tools"], e["tools"]);
    assert_eq!(scene.get("/api/e/prompts").await.json(), json!({"prompts": e["prompts"]}));
    assert_eq!(scene.get("/api/e/resources").await.json(), json!({"resources": e["resources"]}));
    assert_eq!(scene.get("/api/e/templates").await.json(), json!({"resourceTemplates": e["resourceTemplates"]}));
    let both = names(&scene.get("/api/both/tools").await.json()["tools"], "name");
    assert!(both.contains(&"e__greet".to_owned()) && both.contains(&"probe__echo".to_owned()), "{both:?}");
}

#[tokio::test]
async fn resources_come_as_what_they_are() {
    let scene = Scene::serving(json!({"e": everything(""), "new": everything("--era modern")})).await;
    for server in ["e", "new"] {
        let read = async |uri: &str| scene.get(&format!("/api/{server}/resources/content?uri={uri}")).await;
        let text = read("test://static-text").await;
        assert_eq!((text.status.as_u16(), text.header("content-type")), (200, Some("text/plain")));
        assert_eq!(text.text(), "This is the content of the static text resource.");
        let blob = read("test%3A%2F%2Fstatic-binary").await;
        assert_eq!(blob.header("content-type"), Some("image/png"));
        assert!(blob.body.starts_with(b"\x89PNG"));
        assert_eq!(blob.header("x-content-type-options"), Some("nosniff"));
        let templated = read("test://template/7/data").await;
        assert_eq!(
            (templated.header("content-type"), &templated.json()["id"]),
            (Some("application/json"), &json!("7"))
        );
        problem(&read("test://nonesuch").await, 404);
        problem(&read("").await, 400);
    }
}

#[tokio::test]
async fn prompts_are_filled_in() {
    let scene = Scene::serving(json!({"e": everything("")})).await;
    let path = "/api/e/prompts/test_prompt_with_arguments";
    let filled = scene.post(path, &json!({"arg1": "a", "arg2": "b"})).await.json();
    let text = &filled["messages"][0]["content"]["text"];
    assert_eq!(text, &json!("Prompt with arguments: arg1='a', arg2='b'"));
    let simple = scene.client().post("/api/e/prompts/test_simple_prompt", "", &[]).await;
    assert_eq!(simple.json()["messages"][0]["content"]["text"], json!("This is a simple prompt for testing."));
    problem(&scene.post("/api/e/prompts/nonesuch", &json!({})).await, 404);
    problem(&scene.client().post(path, "{\"arg1\":1", &[]).await, 400);
    let wrong = scene.get(path).await;
    assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn arguments_are_completed() {
    let scene = Scene::serving(json!({"e": everything("")})).await;
    let path = "/api/e/completion/complete";
    let reference = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    let asked = json!({"ref": reference, "argument": {"name": "arg1", "value": "par"}});
    let completed = scene.post(path, &asked).await.json();
    assert_eq!(completed, json!({"values": ["paris", "park", "party"], "total": 3, "hasMore": false}));
    let template = json!({"type": "ref/resource", "uri": "test://template/{id}/data"});
    let asked = json!({"ref": template, "argument": {"name": "id", "value": "te"}});
    assert_eq!(scene.post(path, &asked).await.json()["values"], json!(["test", "test value"]));
    assert_eq!(scene.post(path, &json!({})).await.status, 400);
}

#[tokio::test]
async fn the_reference_server_is_plain_http() -> Result<(), PeerError> {
    let mut words = server_everything()?;
    let command = words.remove(0);
    let scene = Scene::serving(json!({"ref": {"command": command, "args": words}})).await;
    let echoed = scene.post("/api/ref/echo", &json!({"message": "hi"})).await;
    assert_eq!((echoed.status.as_u16(), echoed.json()), (200, json!("Echo: hi")));
    problem(&scene.post("/api/ref/echo", &json!({"message": 5})).await, 400);
    let listed = scene.get("/api/ref").await.json();
    for list in ["tools", "prompts", "resources", "resourceTemplates"] {
        assert!(!listed[list].as_array().expect("a list").is_empty(), "{list}");
    }
    let asked = scene.prefer("/api/ref/trigger-elicitation-request", &json!({})).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let address = asked.json()["answer"].as_str().expect("an address").to_owned();
    let done = scene.post(&address, &json!({"q1": {"action": "decline"}})).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.text().contains("declined"), "{}", done.text());
    Ok(())
}
