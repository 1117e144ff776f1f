//! What goes wrong: bodies, addresses, servers that fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use janua_testkit::process::eventually_with;
use serde_json::json;

use crate::scene::{JSON, SOON, Scene, everything, probe, problem};

#[tokio::test]
async fn bodies_that_are_no_object_are_refused() {
    let scene = Scene::of(json!({"servers": {"probe": probe()}, "limits": {"request_body": "64k"}})).await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(130), "]".repeat(130));
    for (body, said) in [
        ("{bad", "invalid JSON at byte 1"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        (r#"{"a":1,"a":2}"#, "duplicate key"),
        (r#"{"a":1},"b":{}"#, "invalid JSON"),
        (deep.as_str(), "nesting is deeper"),
    ] {
        let refused = problem(&scene.client().post("/api/probe/info", body.to_owned(), &[JSON]).await, 400);
        assert!(refused["detail"].as_str().expect("text").contains(said), "{body}: {refused}");
    }
    let latin = scene.client().post("/api/probe/info", &b"{\"a\":\"\xe4\"}"[..], &[JSON]).await;
    problem(&latin, 400);
    let huge = json!({"text": "x".repeat(70_000)});
    problem(&scene.post("/api/probe/echo", &huge).await, 413);
    let typed = scene.client().post("/api/probe/info", "{}", &[("content-type", "text/plain")]).await;
    problem(&typed, 415);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    problem(&scene.client().post("/api/probe/info", "{}", &form).await, 415);
    // As `curl -d` says it unless told otherwise, which was taken before.
    assert_eq!(scene.client().post("/api/probe/info?sessionId=s", "{}", &form).await.status, 200);
}

#[tokio::test]
async fn large_arguments_and_results_pass() {
    let scene = Scene::serving(json!({"probe": probe()})).await;
    let text = "äöü ".repeat(200_000);
    let answer = scene.post("/api/probe/echo", &json!({"text": text})).await;
    assert!(answer.json() == json!(text), "{} bytes", answer.body.len());
    let pretty = scene.client().post("/api/probe/echo", "{\r\n  \"text\": \"a\"\r\n}\n", &[JSON]).await;
    assert_eq!(pretty.json(), json!("a"));
}

#[tokio::test]
async fn addresses_that_lead_nowhere_say_so() {
    let scene = Scene::serving(json!({"probe": probe()})).await;
    assert_eq!(problem(&scene.post("/api/nope/echo", &json!({})).await, 404)["detail"], json!("Server not found"));
    assert_eq!(problem(&scene.post("/api/probe/a/b", &json!({})).await, 404)["detail"], json!("Invalid REST route"));
    let unknown = problem(&scene.post("/api/probe/nonesuch", &json!({})).await, 404);
    assert_eq!((&unknown["code"], &unknown["detail"]), (&json!(-32602), &json!("Unknown tool: nonesuch")));
    let wrong = scene.client().send(http::Method::PUT, "/api/probe/echo", "", &[]).await;
    problem(&wrong, 405);
    assert_eq!(wrong.header("allow"), Some("POST"));
    let lists = scene.client().send(http::Method::DELETE, "/api/probe", "", &[]).await;
    assert_eq!((lists.status.as_u16(), lists.header("allow")), (405, Some("GET, HEAD")));
    let head = scene.client().send(http::Method::HEAD, "/api/probe/tools", "", &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let page = scene.client().post("/api/probe/info", "{}", &[JSON, ("origin", "https://evil.example")]).await;
    assert_eq!(page.status, 403);
}

#[tokio::test]
async fn servers_that_fail_are_told_apart() {
    let servers = json!({"gone": {"command": "/nonexistent/program"}, "probe": probe(), "e": everything("")});
    let limits = json!({"call_timeout": "1s"});
    let scene = Scene::of(json!({"servers": servers, "limits": limits})).await;
    let unstarted = scene.post("/api/gone/echo", &json!({})).await;
    problem(&unstarted, 503);
    assert_eq!(scene.post("/api/gone/echo?sessionId=s", &json!({})).await.status, 503);
    let late = problem(&scene.post("/api/probe/slow", &json!({"s": 20})).await, 504);
    assert_eq!(late["data"]["code"], json!("deadline_exceeded"));
    let dead = problem(&scene.post("/api/e/crash", &json!({})).await, 502);
    assert_eq!(dead["data"]["code"], json!("server_exited"));
    let next = scene.post("/api/e/greet", &json!({"name": "Ann"})).await;
    assert_eq!((next.json(), next.header("mcp-gateway-session")), (json!("Hello, Ann!"), Some("new")));
}

#[tokio::test]
async fn a_death_ends_the_calls_of_its_session_and_no_other() {
    let scene = Scene::proxy(&[]).await;
    let other = scene.pid("/api/info", &[("janua-session", "other")]).await;
    scene.pid("/api/info", &[]).await;
    let slow = json!({"s": 20});
    let asked = AtomicUsize::new(1);
    let (scene, asked) = (&scene, &asked);
    let crash = async {
        let started = || async move {
            let own = asked.fetch_add(1, Ordering::Relaxed) + 1;
            let seen = scene.post("/api/info", &json!({})).await.json()["seen"].to_string();
            seen.matches("tools/call").count() > own
        };
        assert!(eventually_with(SOON, started).await, "the slow call did not reach the server");
        scene.post("/api/crash", &json!({})).await
    };
    let (slow, crashed) = tokio::join!(scene.post("/api/slow", &slow), crash);
    problem(&slow, 502);
    problem(&crashed, 502);
    let next = scene.post("/api/echo", &json!({"text": "x"})).await;
    assert_eq!((next.json(), next.header("mcp-gateway-session")), (json!("x"), Some("new")));
    assert_eq!(scene.pid("/api/info", &[("janua-session", "other")]).await, other);
}
