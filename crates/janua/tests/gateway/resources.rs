//! Resources of several servers by their addresses, templates, prompts and completion.

use janua_testkit::client::session::Reply;
use serde_json::{Value, json};

use crate::scene::{Scene, each, everything, scripted};

fn address(uri: &str) -> String {
    json!({"uri": uri}).to_string()
}

fn content(reply: &Reply) -> (Value, Value) {
    let content = &reply.result()["contents"][0];
    (content["uri"].clone(), content["text"].clone())
}

fn resources(entries: &[(&str, &str)]) -> String {
    let entries: Vec<Value> = entries.iter().map(|(uri, name)| json!({"uri": uri, "name": name})).collect();
    json!({"resources": entries}).to_string()
}

fn contents(uri: &str, text: &str) -> String {
    json!({"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_is_read_at_the_server_that_has_it() {
    let list = resources(&[("file:///a/1.txt", "one")]);
    let (mine, a) =
        scripted(&[("resources/list", &list), ("resources/read", &contents("file:///a/1.txt", "from a"))]).await;
    let scene = Scene::of(json!({"a": a, "b": everything(""), "c": everything("--era modern")})).await;
    let (session, modern) = (scene.session("/mcp").await, scene.modern("/mcp"));
    let listed = each(session.request("resources/list", "").await.result(), "resources", "uri");
    assert_eq!(listed.iter().filter(|uri| *uri == "file:///a/1.txt").count(), 1, "{listed:?}");
    for read in [
        session.request("resources/read", &address("file:///a/1.txt")).await,
        modern.request("resources/read", &address("file:///a/1.txt")).await,
    ] {
        assert_eq!(content(&read), (json!("file:///a/1.txt"), json!("from a")));
    }
    let read = session.request("resources/read", &address("test://static-text")).await;
    assert_eq!(content(&read).1, "This is the content of the static text resource.");
    assert_eq!(mine.seen_rpc("resources/read").len(), 2, "the other one is not its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_two_servers_have_leads_to_both() {
    let list = resources(&[("memo://shared", "memo")]);
    let (first, a) =
        scripted(&[("resources/list", &list), ("resources/read", &contents("memo://shared", "a's"))]).await;
    let (second, b) =
        scripted(&[("resources/list", &list), ("resources/read", &contents("memo://shared", "b's"))]).await;
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    let (session, modern) = (scene.session("/mcp").await, scene.modern("/mcp"));
    let listed = session.request("resources/list", "").await;
    assert_eq!(each(listed.result(), "resources", "uri"), ["memo://shared", "janua://b/memo://shared"]);
    for (uri, text) in
        [("memo://shared", "a's"), ("janua://b/memo://shared", "b's"), ("janua://a/memo://shared", "a's")]
    {
        for read in [
            session.request("resources/read", &address(uri)).await,
            modern.request("resources/read", &address(uri)).await,
        ] {
            assert_eq!(content(&read), (json!(uri), json!(text)), "under the address that was asked for");
        }
    }
    for (server, times) in [(&first, 4), (&second, 2)] {
        let reads = server.seen_rpc("resources/read");
        assert_eq!(reads.len(), times);
        assert!(reads.iter().all(|read| read.at("/params/uri") == "memo://shared"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_leads_to_its_server_also_where_it_is_loose_about_characters() {
    let templates = r#"{"resourceTemplates":[{"uriTemplate":"notes://{name}","name":"notes"},
        {"uriTemplate":"files://host/{+path}","name":"files"}]}"#
        .replace('\n', "");
    let (server, a) = scripted(&[
        ("resources/list", r#"{"resources":[]}"#),
        ("resources/templates/list", &templates),
        ("resources/read", &contents("notes://x", "from a")),
    ])
    .await;
    let other = r#"{"resourceTemplates":[{"uriTemplate":"other://{name}","name":"other"}]}"#;
    let (wrong, b) = scripted(&[
        ("resources/list", r#"{"resources":[]}"#),
        ("resources/templates/list", other),
        ("resources/read", &contents("other://x", "from b")),
    ])
    .await;
    let scene = Scene::of(json!({"b": b, "a": a, "c": everything("")})).await;
    let session = scene.session("/mcp").await;
    let shown = session.request("resources/templates/list", "").await;
    let shown = each(shown.result(), "resourceTemplates", "uriTemplate");
    assert!(shown.contains(&"notes://{name}".to_owned()) && shown.contains(&"other://{name}".to_owned()), "{shown:?}");
    // The SDKs let a variable stand for anything but a slash, whatever RFC 6570 has to say of it.
    for uri in ["notes://plain", "notes://with blank", "notes://a@b:c,d", "notes://größe", "files://host/a/b c.txt"] {
        let before = server.seen_rpc("resources/read").len();
        session.request("resources/read", &address(uri)).await.result();
        let reads = server.seen_rpc("resources/read");
        assert_eq!(reads.len(), before + 1, "{uri}");
        assert_eq!(reads[before].at("/params/uri"), uri);
    }
    assert!(wrong.seen_rpc("resources/read").is_empty(), "it has no such template");
    let read = session.request("resources/read", &address("test://template/42/data")).await;
    assert!(content(&read).1.as_str().is_some_and(|text| text.contains("Data for ID: 42")), "{}", read.raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_nobody_lists_is_looked_for_and_one_that_nobody_has_is_refused() {
    let (_plain, plain) = scripted(&[]).await;
    // It reads whatever it is asked for, and lists nothing.
    let (reader, quiet) =
        scripted(&[("resources/list", r#"{"resources":[]}"#), ("resources/read", &contents("odd://x", "found"))]).await;
    let scene = Scene::of(json!({"plain": plain, "modern": everything("--era modern"), "quiet": quiet})).await;
    let read = scene.session("/mcp").await.request("resources/read", &address("odd://x")).await;
    assert_eq!(content(&read), (json!("odd://x"), json!("found")));
    let read = scene.modern("/mcp").request("resources/read", &address("odd://x")).await;
    assert_eq!(content(&read).1, "found", "{}", read.raw());
    assert_eq!(reader.seen_rpc("resources/read").len(), 2);

    let scene = Scene::of(json!({"one": everything(""), "two": everything("--era modern")})).await;
    let missing = address("test://no/such/thing");
    let refused = scene.session("/mcp").await.request("resources/read", &missing).await;
    assert_eq!(refused.error_code(), Some(-32002), "{}", refused.raw());
    let refused = scene.modern("/mcp").request("resources/read", &missing).await;
    assert_eq!(refused.error_code(), Some(-32602), "{}", refused.raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_and_completions_go_to_the_server_they_are_about() {
    let folder = crate::scene::Folder::new();
    let servers = json!({"a": folder.journaled("a", ""), "b": folder.journaled("b", "--era modern")});
    let scene = folder.serve(&json!({"servers": servers})).await;
    let (session, modern) = (scene.session("/mcp").await, scene.modern("/mcp"));
    let get = |name: &str| json!({"name": name, "arguments": {"arg1": "x", "arg2": "y"}}).to_string();
    for server in ["a", "b"] {
        let name = format!("{server}__test_prompt_with_arguments");
        for got in [session.request("prompts/get", &get(&name)).await, modern.request("prompts/get", &get(&name)).await]
        {
            let text = &got.result()["messages"][0]["content"]["text"];
            assert_eq!(text, "Prompt with arguments: arg1='x', arg2='y'", "{}", got.raw());
        }
        let seen = scene.folder.seen(server, "prompts/get");
        assert_eq!(seen.len(), 2, "{server}");
        assert!(seen.iter().all(|get| get.at("/params/name") == "test_prompt_with_arguments"));

        let about = json!({"type": "ref/prompt", "name": name});
        let complete = json!({"ref": about, "argument": {"name": "arg1", "value": "par"}}).to_string();
        let completed = session.request("completion/complete", &complete).await;
        assert_eq!(completed.result()["completion"]["values"], json!(["paris", "park", "party"]));
        modern.request("completion/complete", &complete).await.result();
        let seen = scene.folder.seen(server, "completion/complete");
        assert_eq!(seen.len(), 2, "{server}");
        assert!(seen.iter().all(|asked| asked.at("/params/ref/name") == "test_prompt_with_arguments"));
    }
    for name in ["a__nothing", "nothing", "c__test_simple_prompt"] {
        for reply in [session.request("prompts/get", &get(name)).await, modern.request("prompts/get", &get(name)).await]
        {
            assert_eq!(reply.error_code(), Some(-32602), "{name}: {}", reply.raw());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_of_a_template_go_to_the_server_that_has_it() {
    let shared = r#"{"resourceTemplates":[{"uriTemplate":"shared://{id}","name":"shared"}]}"#;
    let results = |word: &str| format!(r#"{{"completion":{{"values":["{word}"]}}}}"#);
    let mut servers = Vec::new();
    for word in ["first", "second"] {
        let results = results(word);
        let given = [
            ("resources/list", r#"{"resources":[]}"#),
            ("resources/templates/list", shared),
            ("completion/complete", results.as_str()),
        ];
        servers.push(scripted(&given).await);
    }
    let scene = Scene::of(json!({"a": servers[0].1, "b": servers[1].1})).await;
    let session = scene.session("/mcp").await;
    let shown = session.request("resources/templates/list", "").await;
    let shown = each(shown.result(), "resourceTemplates", "uriTemplate");
    assert_eq!(shown, ["shared://{id}", "janua://b/shared://{id}"]);
    for (uri, word) in shown.iter().zip(["first", "second"]) {
        let about = json!({"type": "ref/resource", "uri": uri});
        let complete = json!({"ref": about, "argument": {"name": "id", "value": ""}}).to_string();
        let completed = session.request("completion/complete", &complete).await;
        assert_eq!(completed.result()["completion"]["values"], json!([word]), "{uri}");
    }
    for (server, _) in &servers {
        let seen = server.seen_rpc("completion/complete");
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].at("/params/ref/uri"), "shared://{id}");
    }
}
