//! What clients hear of changes: of lists and of resources, from whichever server, in both eras.

use janua_testkit::client::message::{Message, call_params};
use janua_testkit::client::session::Exchange;
use janua_testkit::process::{eventually, eventually_with};
use serde_json::{Value, json};

use crate::scene::{Folder, SOON, Scene, each, everything, heard, scripted, tools_of, tools_seen, until_tools};

const CHANGED: &str = "notifications/tools/list_changed";
const UPDATED: &str = "notifications/resources/updated";
const WATCHED: &str = r#"{"uri":"test://watched-resource"}"#;

async fn told(listening: &mut Exchange, method: &str) -> Message {
    loop {
        let message = listening.message().await;
        if message.method() == Some(method) {
            return message;
        }
    }
}

fn granted(acknowledged: &Message) -> &Value {
    acknowledged.at("/params/notifications")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_a_shared_server_reaches_everybody_who_can_see_it() {
    let folder = Folder::new();
    let mut shared = folder.journaled("a", "");
    shared["share"] = json!("all");
    let servers = json!({"a": shared, "m": everything("--era modern"), "other": everything("")});
    let scene = folder.serve(&json!({"servers": servers})).await;
    for server in ["a", "m"] {
        let path = format!("/mcp/{server}");
        let (all, one, other) =
            (scene.session("/mcp").await, scene.session(&path).await, scene.session("/mcp/other").await);
        let mut streams = [all.listen().await, one.listen().await];
        let mut quiet = other.listen().await;
        let (mut modern, yes) = scene.modern("/mcp").listen(r#"{"toolsListChanged":true}"#).await;
        let (mut lone, also) = scene.modern(&path).listen(r#"{"toolsListChanged":true}"#).await;
        for acknowledged in [&yes, &also] {
            assert_eq!(granted(acknowledged)["toolsListChanged"], true, "{}", acknowledged.raw());
        }
        assert!(!tools_of(&all).await.is_empty() && !tools_of(&one).await.is_empty());
        tools_seen(&scene.modern("/mcp")).await;
        one.call("test_trigger_tool_change", "{}").await.result();
        for stream in &mut streams {
            heard(stream, CHANGED).await;
        }
        for listening in [&mut modern, &mut lone] {
            let said = told(listening, CHANGED).await;
            let id = said.at("/params/_meta/io.modelcontextprotocol~1subscriptionId").to_string();
            assert_eq!(id, listening.id, "{}", said.raw());
        }
        let wanted = format!("{server}__test_dynamic_tool");
        until_tools(&all, |tools| tools.contains(&wanted)).await;
        assert!(tools_seen(&scene.modern("/mcp")).await.contains(&wanted));
        assert!(tools_of(&one).await.contains(&"test_dynamic_tool".to_owned()));
        assert_eq!(all.call(&wanted, "{}").await.text(), "This is a simple text response for testing.");
        // It would have been here before what it says now.
        other.call("report", "{}").await.result();
        other.call("test_trigger_prompt_change", "{}").await.result();
        let first = quiet.message(SOON).await;
        assert_eq!(first.method(), Some("notifications/prompts/list_changed"), "{}", first.raw());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_differ_from_session_to_session_are_each_sessions_own() {
    let scene = Scene::of(json!({"a": everything(""), "b": everything("")})).await;
    let (one, other) = (scene.session("/mcp").await, scene.session("/mcp").await);
    let mut stream = one.listen().await;
    let before = tools_of(&one).await;
    assert_eq!(tools_of(&other).await, before);
    one.call("a__test_trigger_tool_change", "{}").await.result();
    heard(&mut stream, CHANGED).await;
    let now = tools_of(&one).await;
    assert!(now.contains(&"a__test_dynamic_tool".to_owned()), "the next list shows it: {now:?}");
    assert_eq!(now.len(), before.len() + 1);
    assert_eq!(tools_of(&other).await, before, "it is of one session only");
    assert!(!tools_seen(&scene.modern("/mcp")).await.contains(&"a__test_dynamic_tool".to_owned()));
    let called = one.call("a__test_dynamic_tool", "{}").await;
    assert_eq!(called.text(), "This is a simple text response for testing.");
    let refused = other.call("a__test_dynamic_tool", "{}").await;
    assert_eq!(refused.error_code(), Some(-32602), "{}", refused.raw());
    one.call("a__test_trigger_tool_change", "{}").await.result();
    heard(&mut stream, CHANGED).await;
    assert_eq!(tools_of(&one).await, before, "it is gone again");
    let alone = scene.session("/mcp/a").await;
    alone.call("test_trigger_tool_change", "{}").await.result();
    assert!(tools_of(&alone).await.contains(&"test_dynamic_tool".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_and_resources_change_for_their_session_as_well() {
    let scene = Scene::of(json!({"a": everything(""), "b": everything("")})).await;
    let session = scene.session("/mcp").await;
    let mut stream = session.listen().await;
    tools_of(&session).await;
    session.call("b__announce_lists", "{}").await.result();
    for list in ["tools", "prompts", "resources"] {
        heard(&mut stream, &format!("notifications/{list}/list_changed")).await;
    }
    let prompts = session.request("prompts/list", "").await;
    assert!(each(prompts.result(), "prompts", "name").contains(&"b__test_dynamic_prompt".to_owned()));
    let resources = session.request("resources/list", "").await;
    assert!(each(resources.result(), "resources", "uri").contains(&"test://dynamic".to_owned()));
    let read = session.request("resources/read", r#"{"uri":"test://dynamic"}"#).await;
    assert_eq!(read.result()["contents"][0]["text"], "Here for now.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_hears_of_the_resources_it_subscribed_to() {
    for era in ["", "--era modern"] {
        let folder = Folder::new();
        let servers = json!({"a": folder.journaled("a", era), "b": everything("--era modern")});
        let scene = folder.serve(&json!({"servers": servers})).await;
        let (session, other) = (scene.session("/mcp").await, scene.session("/mcp").await);
        let mut stream = session.listen().await;
        let mut silent = other.listen().await;
        tools_of(&session).await;
        session.request("resources/subscribe", WATCHED).await.result();
        let touched = async || session.call("a__test_touch_resource", "{}").await.text().to_owned();
        let news = eventually_with(SOON, || async {
            touched().await;
            true
        });
        assert!(news.await);
        let update = heard(&mut stream, UPDATED).await;
        assert_eq!(update.at("/params/uri"), "test://watched-resource", "{}", update.raw());
        session.request("resources/unsubscribe", WATCHED).await.result();
        other.call("a__test_trigger_prompt_change", "{}").await.result();
        let first = silent.message(SOON).await;
        assert_ne!(first.method(), Some(UPDATED), "nobody else subscribed: {}", first.raw());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_an_address_that_two_servers_have_are_told_apart() {
    let list = r#"{"resources":[{"uri":"memo://shared","name":"memo"}]}"#;
    let results = [("resources/list", list), ("resources/subscribe", "{}"), ("resources/unsubscribe", "{}")];
    let (first, a) = scripted(&results).await;
    let (second, b) = scripted(&results).await;
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    let session = scene.session("/mcp").await;
    let mut stream = session.listen().await;
    let listed = session.request("resources/list", "").await;
    let uris = each(listed.result(), "resources", "uri");
    assert_eq!(uris, ["memo://shared", "janua://b/memo://shared"]);
    let update = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"memo://shared"}}"#;
    for (server, uri) in [(&second, &uris[1]), (&first, &uris[0])] {
        session.request("resources/subscribe", &json!({"uri": uri}).to_string()).await.result();
        assert_eq!(server.seen_rpc("resources/subscribe")[0].at("/params/uri"), "memo://shared");
        server.push(update).await;
        assert_eq!(heard(&mut stream, UPDATED).await.at("/params/uri"), uri.as_str());
    }
    let filter = json!({"resourceSubscriptions": uris}).to_string();
    let (mut listening, acknowledged) = scene.modern("/mcp").listen(&filter).await;
    let mut accepted: Vec<_> = granted(&acknowledged)["resourceSubscriptions"].as_array().expect("a list").clone();
    accepted.sort_by_key(Value::to_string);
    assert_eq!(json!(accepted), json!(["janua://b/memo://shared", "memo://shared"]), "{}", acknowledged.raw());
    for (server, uri) in [(&second, &uris[1]), (&first, &uris[0])] {
        server.push(update).await;
        let said = told(&mut listening, UPDATED).await;
        assert_eq!(said.at("/params/uri"), uri.as_str(), "{}", said.raw());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_without_a_handshake_hears_of_servers_of_both_eras() {
    let folder = Folder::new();
    let servers = json!({"new": folder.journaled("new", "--era modern"), "old": folder.journaled("old", "")});
    let scene = folder.serve(&json!({"servers": servers})).await;
    let modern = scene.modern("/mcp");
    // Until both are known, an address leads to the one that is.
    let both = || async { tools_seen(&modern).await.iter().any(|tool| tool.starts_with("old__")) };
    assert!(eventually_with(SOON, both).await);
    let uris = ["test://watched-resource", "janua://old/test://watched-resource", "test://nobody-has-it"];
    let filter = json!({"resourceSubscriptions": uris, "promptsListChanged": true}).to_string();
    let (mut listening, acknowledged) = modern.listen(&filter).await;
    assert_eq!(granted(&acknowledged)["promptsListChanged"], true, "{}", acknowledged.raw());
    assert!(granted(&acknowledged).get("toolsListChanged").is_none(), "nobody asked: {}", acknowledged.raw());
    let accepted = granted(&acknowledged)["resourceSubscriptions"].to_string();
    assert!(accepted.contains(uris[0]) && accepted.contains(uris[1]), "{accepted}");
    for (server, uri) in [("new", uris[0]), ("old", uris[1])] {
        modern.call(&format!("{server}__test_touch_resource"), "{}").await.result();
        let said = told(&mut listening, UPDATED).await;
        assert_eq!(said.at("/params/uri"), uri, "{server}: {}", said.raw());
    }
    modern.call("new__test_trigger_prompt_change", "{}").await.result();
    told(&mut listening, "notifications/prompts/list_changed").await;
    drop(listening);
    let ended = || scene.folder.seen("new", "notifications/cancelled").len();
    assert!(eventually(SOON, || ended() > 0).await, "the server is told that nobody listens");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_the_news_of_it_stay_with_their_session_at_one_server() {
    let scene = Scene::of(json!({"a": everything(""), "b": everything("")})).await;
    let session = scene.session("/mcp/a").await;
    let mut stream = session.listen().await;
    let before = tools_of(&session).await.len();
    let reply = session.request("tools/call", &call_params("announce_lists", "{}")).await;
    assert_eq!(reply.text(), "The lists changed.");
    heard(&mut stream, CHANGED).await;
    assert_eq!(tools_of(&session).await.len(), before + 1);
}
