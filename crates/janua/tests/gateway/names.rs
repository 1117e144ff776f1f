//! Under which names tools and prompts are shown, which of them, and what each address leads to.

use janua_testkit::client::Client;
use janua_testkit::client::message::{initialize_params, request};
use serde_json::json;

use crate::scene::{
    CAPABLE, Folder, LEGACY, Scene, each, everything, scripted, tools, tools_of, tools_seen, until_tools,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_begin_with_the_servers_only_where_there_are_several() {
    let scene = Scene::of(json!({"one": everything("")})).await;
    let alone = tools_of(&scene.session("/mcp").await).await;
    assert!(alone.contains(&"echo".to_owned()), "{alone:?}");

    let scene = Scene::of(json!({"one": everything(""), "two": everything("--era modern")})).await;
    let session = scene.session("/mcp").await;
    until_tools(&session, |tools| tools.len() == 2 * alone.len()).await;
    for seen in [tools_of(&session).await, tools_seen(&scene.modern("/mcp")).await] {
        let (one, two): (Vec<_>, Vec<_>) = seen.iter().partition(|name| name.starts_with("one__"));
        let of = |server: &str| alone.iter().map(|tool| format!("{server}__{tool}")).collect::<Vec<_>>();
        assert_eq!(one.into_iter().cloned().collect::<Vec<_>>(), of("one"));
        assert_eq!(two.into_iter().cloned().collect::<Vec<_>>(), of("two"));
    }
    let prompts = session.request("prompts/list", "").await;
    let prompts = each(prompts.result(), "prompts", "name");
    assert!(prompts.contains(&"one__test_simple_prompt".to_owned()), "{prompts:?}");
    assert!(prompts.contains(&"two__test_simple_prompt".to_owned()), "{prompts:?}");
    assert_eq!(tools_of(&scene.session("/mcp/one").await).await, alone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_name_fits_what_providers_of_models_take_and_leads_to_its_tool() {
    let long = "x".repeat(80);
    let (first, a) = scripted(&[("tools/list", &tools(&[&long, "with.dot/and blank", "grüße"]))]).await;
    let (_second, b) = scripted(&[("tools/list", &tools(&["with.dot/and blank"]))]).await;
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    let session = scene.session("/mcp").await;
    let names = tools_of(&session).await;
    assert_eq!(names.len(), 4, "{names:?}");
    let plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    assert!(names.iter().all(|name| name.len() <= 64 && plain(name)), "{names:?}");
    assert!(names.contains(&"a__with_dot_and_blank".to_owned()), "{names:?}");
    let (cut, tail) = names[0].split_at(55);
    assert_eq!(cut, format!("a__{}", "x".repeat(52)));
    assert!(tail.starts_with('_') && tail[1..].chars().all(|c| c.is_ascii_hexdigit()), "{tail}");
    for name in names.iter().filter(|name| name.starts_with("a__")) {
        session.call(name, "{}").await;
    }
    let called: Vec<_> = first.seen_rpc("tools/call").iter().map(|call| call.at("/params/name").clone()).collect();
    assert_eq!(called, [json!(long), json!("with.dot/and blank"), json!("grüße")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_become_the_same_are_told_apart() {
    let (server, a) = scripted(&[("tools/list", &tools(&["get.it", "get/it"]))]).await;
    let (_other, b) = scripted(&[("tools/list", &tools(&["c"]))]).await;
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    let session = scene.session("/mcp").await;
    let names = tools_of(&session).await;
    assert_eq!(names[0], "a__get_it");
    assert!(names[1].starts_with("a__get_it_") && names[1].len() == "a__get_it_".len() + 8, "{names:?}");
    session.call(&names[1], "{}").await;
    session.call(&names[0], "{}").await;
    let called: Vec<_> = server.seen_rpc("tools/call").iter().map(|call| call.at("/params/name").clone()).collect();
    assert_eq!(called, ["get/it", "get.it"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_name_leads_to_the_only_server_that_has_it() {
    let (mine, a) = scripted(&[("tools/list", &tools(&["mine", "both"]))]).await;
    let (_other, b) = scripted(&[("tools/list", &tools(&["both"]))]).await;
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    let (session, modern) = (scene.session("/mcp").await, scene.modern("/mcp"));
    session.call("mine", "{}").await;
    modern.call("mine", "{}").await;
    assert_eq!(mine.seen_rpc("tools/call").len(), 2);
    for reply in [session.call("both", "{}").await, modern.call("both", "{}").await] {
        assert_eq!(reply.error_code(), Some(-32602), "{}", reply.raw());
    }
    assert_eq!(mine.seen_rpc("tools/call").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_keep_their_form_when_another_server_joins() {
    let (_one, a) = scripted(&[("tools/list", &tools(&["first"]))]).await;
    let (_two, b) = scripted(&[("tools/list", &tools(&["second", "first"]))]).await;
    let scene = Scene::of(json!({"a": a})).await;
    let session = scene.session("/mcp").await;
    assert_eq!(tools_of(&session).await, ["first"]);
    let mut stream = session.listen().await;
    scene.reload(&json!({"servers": {"a": a, "b": b}})).await;
    let told = stream.message(crate::scene::SOON).await;
    assert_eq!(told.method(), Some("notifications/tools/list_changed"), "{}", told.raw());
    until_tools(&session, |tools| tools == ["first", "b__second", "b__first"]).await;
    let echoed = session.call("first", "{}").await;
    assert_eq!(echoed.response().at("/error/message"), "no such tool", "it must reach the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_shows_what_its_rules_say_and_nothing_else_can_be_called() {
    let (server, mut a) =
        scripted(&[("tools/list", &tools(&["read_file", "read_secret", "write_file", "echo"]))]).await;
    let (_other, b) = scripted(&[]).await;
    a["tools"] = json!({
        "allow": ["read_*", "echo"], "deny": ["*secret*"],
        "rename": {"read_file": "look"}, "describe": {"echo": "Says it again"},
    });
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    for path in ["/mcp", "/mcp/a"] {
        let prefix = if path == "/mcp" { "a__" } else { "" };
        let (session, modern) = (scene.session(path).await, scene.modern(path));
        let listed = session.request("tools/list", "").await;
        let names = each(listed.result(), "tools", "name");
        let own: Vec<_> = names.iter().filter(|name| !name.starts_with("b__")).collect();
        assert_eq!(own, [&format!("{prefix}look"), &format!("{prefix}echo")]);
        assert_eq!(listed.result()["tools"][1]["description"], "Says it again");
        let before = server.seen_rpc("tools/call").len();
        for hidden in ["read_secret", "write_file", "read_file", "a__read_secret", "a__write_file", "a__read_file"] {
            for reply in [session.call(hidden, "{}").await, modern.call(hidden, "{}").await] {
                assert_eq!(reply.error_code(), Some(-32602), "{path} {hidden}: {}", reply.raw());
            }
        }
        assert_eq!(server.seen_rpc("tools/call").len(), before, "a hidden tool was called");
        session.call(&format!("{prefix}look"), "{}").await;
        modern.call(&format!("{prefix}look"), "{}").await;
        let calls = server.seen_rpc("tools/call");
        assert_eq!(calls.len(), before + 2);
        assert!(calls[before..].iter().all(|call| call.at("/params/name") == "read_file"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_shows_what_its_rules_say_of_the_names_it_has() {
    let (server, a) = scripted(&[("tools/list", &tools(&["get", "put"]))]).await;
    let (_b, b) = scripted(&[("tools/list", &tools(&["get"]))]).await;
    let (_c, c) = scripted(&[("tools/list", &tools(&["never"]))]).await;
    let views = json!({
        "pair": {"servers": ["a", "b"], "tools": {
            "deny": ["a__put"], "rename": {"b__get": "fetch"}, "describe": {"b__get": "Fetches", "a__get": "Gets"}}},
        "bare": {"servers": ["a", "b"], "prefix": "never"},
        "single": {"servers": ["a"], "prefix": "always", "tools": {"allow": ["a__get"]}},
    });
    let scene = Folder::new().serve(&json!({"servers": {"a": a, "b": b, "c": c}, "views": views})).await;
    let pair = scene.session("/mcp/pair").await;
    let listed = pair.request("tools/list", "").await;
    assert_eq!(each(listed.result(), "tools", "name"), ["a__get", "fetch"]);
    assert_eq!(each(listed.result(), "tools", "description"), ["Gets", "Fetches"]);
    for hidden in ["a__put", "put", "c__never", "never", "b__get"] {
        let reply = pair.call(hidden, "{}").await;
        assert_eq!(reply.error_code(), Some(-32602), "{hidden}: {}", reply.raw());
        let reply = scene.modern("/mcp/pair").call(hidden, "{}").await;
        assert_eq!(reply.error_code(), Some(-32602), "{hidden}: {}", reply.raw());
    }
    let bare = tools_of(&scene.session("/mcp/bare").await).await;
    assert_eq!(bare[..2], ["get", "put"]);
    assert!(bare[2].starts_with("b__get"), "{bare:?}");
    let single = scene.session("/mcp/single").await;
    assert_eq!(tools_of(&single).await, ["a__get"]);
    assert_eq!(single.call("put", "{}").await.error_code(), Some(-32602));
    assert_eq!(single.call("a__put", "{}").await.error_code(), Some(-32602));
    assert!(server.seen_rpc("tools/call").is_empty());
    single.call("a__get", "{}").await;
    assert_eq!(server.seen_rpc("tools/call").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_lead_nowhere_say_why() {
    let mut off = everything("");
    off["enabled"] = json!(false);
    let scene = Scene::of(json!({"one": everything(""), "off": off})).await;
    let greeting = request("0", "initialize", &initialize_params(LEGACY, CAPABLE));
    for (path, reason) in [
        ("/mcp/nobody", "there is no server or view nobody; there are: one"),
        ("/mcp/off", "the server off is disabled"),
        ("/sse/nobody", "there is no server or view nobody"),
        ("/ws/off", "the server off is disabled"),
    ] {
        let client: Client = scene.client(path);
        let answer = if path.starts_with("/mcp") {
            client.post_json(greeting.clone()).await
        } else {
            client.get(path, &[]).await
        };
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        let said = answer.json()["error"]["message"].as_str().expect("a reason").to_owned();
        assert!(said.contains(reason), "{path}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_of_the_address_it_was_opened_at() {
    let scene = Scene::of(json!({"one": everything(""), "two": everything("")})).await;
    for (home, elsewhere) in [("/mcp/one", "/mcp/two"), ("/mcp/one", "/mcp"), ("/mcp", "/mcp/one")] {
        let mut session = scene.session(home).await;
        session.client = session.client.clone().endpoint(elsewhere);
        let answer = session.post(request("5", "tools/list", "")).await;
        assert_eq!(answer.status, 404, "{home} {elsewhere}: {}", answer.text());
        assert_eq!(session.open_get(None).await.0, 404, "{home} {elsewhere}");
        assert_eq!(session.delete().await.status, 404, "{home} {elsewhere}");
        session.client = session.client.clone().endpoint(home);
        assert!(!tools_of(&session).await.is_empty(), "it is still there");
    }
}
