//! The lists of several servers as one: whole, in pages, kept for as long as the shortest of them, and what a gateway
//! says of itself.

use std::collections::BTreeSet;

use janua_testkit::client::session::Reply;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::websocket::WebSocketClient;
use serde_json::{Value, json};

use crate::scene::{CAPABLE, Folder, LEGACY, MODERN, SOON, Scene, each, everything, scripted, tools, unavailable};

/// So many tools of one server, as its result.
fn many(from: usize, count: usize) -> String {
    let names: Vec<String> = (from..from + count).map(|number| format!("t{number}")).collect();
    tools(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn cursor(page: &Reply) -> Option<String> {
    page.result()["nextCursor"].as_str().map(str::to_owned)
}

fn names(page: &Reply) -> Vec<String> {
    each(page.result(), "tools", "name")
}

fn after(cursor: &str) -> String {
    json!({"cursor": cursor}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_five_hundred_tools_come_in_pages() {
    let (_a, a) = scripted(&[("tools/list", &many(0, 1200))]).await;
    let (_b, b) = scripted(&[("tools/list", &many(0, 1300))]).await;
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    let session = scene.session("/mcp").await;
    let modern = scene.modern("/mcp");
    for legacy in [true, false] {
        let (mut seen, mut next, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let params = next.as_deref().map(after).unwrap_or_default();
            let page = if legacy {
                session.request("tools/list", &params).await
            } else {
                modern.request("tools/list", &params).await
            };
            assert!(unavailable(page.result()).is_empty(), "{}", page.result()["_meta"]);
            seen.extend(names(&page));
            pages += 1;
            next = cursor(&page);
            if next.is_none() {
                break;
            }
        }
        assert_eq!((seen.len(), pages), (2500, 3));
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 2500, "each once");
        assert_eq!((seen[0].as_str(), seen[2499].as_str()), ("a__t0", "b__t1299"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_was_not_given_for_this_list_is_refused() {
    let (_a, a) = scripted(&[("tools/list", &many(0, 1001)), ("resources/list", r#"{"resources":[]}"#)]).await;
    let scene = Scene::of(json!({"a": a, "b": everything("")})).await;
    let (session, modern) = (scene.session("/mcp").await, scene.modern("/mcp"));
    let given = cursor(&session.request("tools/list", "").await).expect("a second page");
    let mut forged = given.clone();
    forged.replace_range(0..1, if given.starts_with('A') { "B" } else { "A" });
    for (method, params) in [
        ("tools/list", after(&forged)),
        ("tools/list", after("")),
        ("tools/list", after("é/==\"2\"")),
        ("tools/list", r#"{"cursor":7}"#.to_owned()),
        ("prompts/list", after(&given)),
        ("resources/list", after(&given)),
        ("resources/templates/list", after(&given)),
    ] {
        for reply in [session.request(method, &params).await, modern.request(method, &params).await] {
            assert_eq!(reply.error_code(), Some(-32602), "{method} {params}: {}", reply.raw());
        }
    }
    assert!(!names(&session.request("tools/list", &after(&given)).await).is_empty());
    // Nothing is as good as no cursor at all.
    assert_eq!(names(&session.request("tools/list", r#"{"cursor":null}"#).await).len(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_changes_between_pages_loses_nothing() {
    let (_b, b) = scripted(&[("tools/list", &many(0, 1500))]).await;
    let (_c, c) = scripted(&[("tools/list", &many(0, 800))]).await;
    let (_a, a) = scripted(&[("tools/list", &many(0, 300))]).await;
    let scene = Scene::of(json!({"b": b, "c": c})).await;
    let session = scene.session("/mcp").await;
    let first = session.request("tools/list", "").await;
    let given = cursor(&first).expect("a second page");
    // Three hundred come before all that was shown.
    let mut stream = session.listen().await;
    scene.reload(&json!({"servers": {"a": a, "b": b, "c": c}})).await;
    assert_eq!(stream.message(SOON).await.method(), Some("notifications/tools/list_changed"));
    let (mut seen, mut next) = (names(&first), Some(given));
    while let Some(cursor_of) = next {
        let page = session.request("tools/list", &after(&cursor_of)).await;
        seen.extend(names(&page));
        next = cursor(&page);
    }
    let expected = (0..1500).map(|n| format!("b__t{n}")).chain((0..800).map(|n| format!("c__t{n}")));
    let seen: BTreeSet<String> = seen.into_iter().collect();
    let lost: Vec<String> = expected.filter(|name| !seen.contains(name)).collect();
    assert!(lost.is_empty(), "{} lost, from {:?}", lost.len(), lost.first());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_server_are_all_in_the_list() {
    let scene = Scene::of(json!({"a": everything("--pages"), "b": everything("--era modern --pages")})).await;
    let whole = Scene::of(json!({"a": everything("")})).await;
    let wanted = names(&whole.session("/mcp").await.request("tools/list", "").await).len();
    let listed = names(&scene.session("/mcp").await.request("tools/list", "").await);
    assert_eq!(listed.len(), 2 * wanted, "{listed:?}");
    let of_b = names(&scene.modern("/mcp/b").request("tools/list", "").await);
    assert_eq!(of_b.len(), wanted, "{of_b:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_keeps_for_as_long_as_the_shortest_and_is_private_if_one_is() {
    let list = |ttl: u64, scope: &str| format!(r#"{{"tools":[],"ttlMs":{ttl},"cacheScope":"{scope}"}}"#);
    let page = |text: String| -> Value { serde_json::from_str(&text).expect("json") };
    let folder = Folder::new();
    let server = |name: &str, result: Value| {
        let text = include_str!("caching.sh").replace("RESULT", &result.to_string());
        crate::scene::script(&folder.write(name, &text))
    };
    let servers = json!({
        "long": server("long.sh", page(list(60_000, "public"))),
        "short": server("short.sh", page(list(5_000, "public"))),
        "mine": server("mine.sh", page(list(90_000, "private"))),
    });
    let views = json!({"both": {"servers": ["long", "short"]}, "all": {"servers": ["long", "short", "mine"]}});
    let scene = folder.serve(&json!({"servers": servers, "views": views})).await;
    for (path, ttl, scope) in [
        ("/mcp/long", 60_000, "public"),
        ("/mcp/both", 5_000, "public"),
        ("/mcp/all", 5_000, "private"),
        ("/mcp", 5_000, "private"),
    ] {
        let listed = scene.modern(path).request("tools/list", "").await;
        assert_eq!(listed.result()["ttlMs"], ttl, "{path}: {}", listed.raw());
        assert_eq!(listed.result()["cacheScope"], scope, "{path}: {}", listed.raw());
        let listed = scene.session(path).await.request("tools/list", "").await;
        assert!(listed.result().get("ttlMs").is_none() && listed.result().get("cacheScope").is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_can_what_any_of_its_servers_can_and_says_whose_instructions_are_whose() {
    let (_plain, plain) = scripted(&[]).await;
    let scene = Scene::of(json!({"a": everything(""), "b": everything("--era modern"), "plain": plain})).await;
    // What is announced before the servers were seen may be more.
    scene.session("/mcp").await.request("tools/list", "").await.result();
    let session = scene.session("/mcp").await;
    let discovered = scene.modern("/mcp").request("server/discover", "").await;
    for said in [session.opening.result(), discovered.result()] {
        let capabilities = &said["capabilities"];
        for list in ["tools", "prompts", "resources"] {
            assert_eq!(capabilities[list]["listChanged"], true, "{list}: {said}");
        }
        assert_eq!(capabilities["resources"]["subscribe"], true, "{said}");
        assert!(capabilities["completions"].is_object() && capabilities["logging"].is_object(), "{said}");
        let instructions = said["instructions"].as_str().expect("instructions");
        let own = "A server for tests. No tool changes anything outside of it.";
        assert_eq!(instructions, format!("# a\n{own}\n\n# b\n{own}"));
    }
    assert_eq!(discovered.result()["supportedVersions"], json!([MODERN]));
    let alone = scene.session("/mcp/plain").await;
    assert_eq!(alone.opening.result()["serverInfo"]["name"], "scripted", "{}", alone.opening.raw());
    assert!(alone.opening.result()["capabilities"].get("prompts").is_none(), "{}", alone.opening.raw());
    assert!(alone.opening.result().get("instructions").is_none(), "{}", alone.opening.raw());
    let alone = scene.session("/mcp/a").await;
    assert_eq!(alone.opening.result()["serverInfo"]["name"], "everything");
    assert_eq!(alone.opening.result()["instructions"], "A server for tests. No tool changes anything outside of it.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_transports_have_the_same_lists_and_calls() {
    let scene = Scene::of(json!({"a": everything(""), "b": everything("--era modern")})).await;
    let wanted = names(&scene.session("/mcp").await.request("tools/list", "").await);
    assert!(wanted.contains(&"b__echo".to_owned()));
    let text = r#"{"text":"through"}"#;

    let mut sse = SseSession::open(scene.gateway.base(), "/sse").await;
    sse.initialize("2024-11-05", CAPABLE).await;
    assert_eq!(each(sse.request("tools/list", "").await.result(), "tools", "name"), wanted);
    for tool in ["a__echo", "b__echo"] {
        assert_eq!(sse.call(tool, text).await.text(), "through");
    }
    let mut sse = SseSession::open(scene.gateway.base(), "/sse/b").await;
    sse.initialize("2024-11-05", CAPABLE).await;
    assert_eq!(sse.call("echo", text).await.text(), "through");

    let base = scene.gateway.base().replacen("http://", "ws://", 1);
    let mut socket = WebSocketClient::open(&format!("{base}/ws")).await.deadline(SOON);
    socket.initialize(LEGACY, CAPABLE).await;
    assert_eq!(each(socket.request("tools/list", "").await.result(), "tools", "name"), wanted);
    for tool in ["a__echo", "b__echo"] {
        assert_eq!(socket.call(tool, text).await.text(), "through");
    }
    let mut socket = WebSocketClient::open(&format!("{base}/ws/a")).await.deadline(SOON);
    socket.initialize(LEGACY, CAPABLE).await;
    assert_eq!(socket.call("echo", text).await.text(), "through");
}
