//! Sessions: whose they are, how many there may be, and how they end.

use std::time::Duration;

use janua_testkit::process::{alive, eventually, eventually_with};
use serde_json::{Value, json};

use crate::scene::{JSON, SOON, Scene, probe, problem};

#[tokio::test]
async fn a_caller_has_a_session_and_any_more_by_name() {
    let scene = Scene::serving(json!({"probe": probe()})).await;
    let own = scene.pid("/api/probe/info", &[]).await;
    assert_eq!(scene.pid("/api/probe/info", &[]).await, own);
    let named = scene.pid("/api/probe/info", &[("janua-session", "a")]).await;
    assert_ne!(named, own);
    assert_eq!(scene.pid("/api/probe/info", &[("janua-session", "a")]).await, named);
    let ended = scene.client().send(http::Method::DELETE, "/api/sessionid/a", "", &[]).await;
    assert_eq!(ended.status, 204);
    assert!(eventually(SOON, || !alive(named)).await, "its program is left");
    assert!(alive(own));
    let again = scene.client().send(http::Method::DELETE, "/api/sessionid/a", "", &[]).await;
    problem(&again, 404);
}

#[tokio::test]
async fn a_session_for_one_call_leaves_nothing() {
    let scene = Scene::of(json!({"servers": {"probe": probe()}, "rest": {"sessions": "ephemeral"}})).await;
    let first = scene.pid("/api/probe/info", &[]).await;
    let second = scene.pid("/api/probe/info", &[]).await;
    assert_ne!(first, second);
    assert!(eventually(SOON, || !alive(first) && !alive(second)).await, "programs are left");
    let named = scene.pid("/api/probe/info", &[("janua-session", "a")]).await;
    assert_eq!(scene.pid("/api/probe/info", &[("janua-session", "a")]).await, named);
}

#[tokio::test]
async fn programs_are_shared_as_the_server_is_set() {
    let mut shared = probe();
    shared["share"] = json!("all");
    let scene = Scene::serving(json!({"shared": shared})).await;
    let one = scene.pid("/api/shared/info", &[("janua-session", "a")]).await;
    assert_eq!(scene.pid("/api/shared/info", &[("janua-session", "b")]).await, one);
}

#[tokio::test]
async fn principals_are_kept_apart_under_one_name() {
    let tokens = json!([{"token": "tok-ann", "user": "ann"}, {"token": "tok-bob", "user": "bob"}]);
    let scene = Scene::of(json!({"servers": {"probe": probe()}, "auth": {"bearer": {"tokens": tokens}}})).await;
    let ann = ("authorization", "Bearer tok-ann");
    let bob = ("authorization", "Bearer tok-bob");
    let name = ("janua-session", "same");
    let hers = scene.pid("/api/probe/info", &[ann, name]).await;
    assert_ne!(scene.pid("/api/probe/info", &[bob, name]).await, hers);
    let his = scene.pid("/api/probe/info", &[bob]).await;
    assert_ne!(scene.pid("/api/probe/info", &[ann]).await, his);
    let ended = scene.client().send(http::Method::DELETE, "/api/sessionid/same", "", &[bob]).await;
    assert_eq!(ended.status, 204);
    assert_eq!(scene.pid("/api/probe/info", &[ann, name]).await, hers);
    let nobody = scene.client().post("/api/probe/info", "", &[JSON]).await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn a_caller_has_so_many_sessions_and_no_more() {
    let limits = json!({"rest_sessions": 2, "rest_idle": "1s"});
    let scene = Scene::of(json!({"servers": {"probe": probe()}, "limits": limits})).await;
    for name in ["a", "b"] {
        scene.pid("/api/probe/info", &[("janua-session", name)]).await;
    }
    let refused = scene.client().post("/api/probe/info", "", &[JSON, ("janua-session", "c")]).await;
    let said = problem(&refused, 429);
    assert!(refused.header("retry-after").is_some() && said["data"]["code"] == json!("overloaded"), "{said}");
    let scene = &scene;
    let later = || async move {
        scene.client().post("/api/probe/info", "", &[JSON, ("janua-session", "c")]).await.status == 200
    };
    assert!(eventually_with(SOON, later).await, "no room after the others have ended");
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_its_call() {
    let scene = Scene::serving(json!({"probe": probe()})).await;
    scene.pid("/api/probe/info", &[]).await;
    let hasty = scene.gateway.client().deadline(Duration::from_millis(700));
    let left = hasty.try_send(http::Method::POST, "/api/probe/slow", r#"{"s":30}"#, &[JSON]).await;
    assert!(left.is_err(), "it was answered");
    let scene = &scene;
    let cancelled = || async move {
        let info: Value = scene.post("/api/probe/info", &json!({})).await.json();
        !info["cancelled"].as_array().expect("a list").is_empty()
    };
    assert!(eventually_with(SOON, cancelled).await, "the server was not told");
}

#[tokio::test]
async fn sessions_go_on_when_the_configuration_changes() {
    let scene = Scene::serving(json!({"probe": probe()})).await;
    let before = scene.pid("/api/probe/info", &[]).await;
    let slow = json!({"s": 2});
    let running = scene.post("/api/probe/slow", &slow);
    let changing = async {
        scene.rewrite(json!({"servers": {"probe": probe(), "more": probe()}}));
        let taken = || scene.gateway.stderr().contains("configuration taken over");
        assert!(eventually(SOON, taken).await, "{}", scene.gateway.stderr());
        assert_eq!(scene.post("/api/more/echo", &json!({"text": "x"})).await.json(), json!("x"));
    };
    let (answer, ()) = tokio::join!(running, changing);
    assert_eq!(answer.json(), json!("slept"));
    assert_eq!(scene.pid("/api/probe/info", &[]).await, before);
}
