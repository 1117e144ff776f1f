//! Calls: what results look like, arguments that are checked, event streams.

use serde_json::{Value, json};

use crate::scene::{JSON, SOON, STREAM, Scene, everything, probe, problem};

#[tokio::test]
async fn a_result_has_the_simplest_form_that_says_all() {
    let scene = Scene::serving(json!({"probe": probe()})).await;
    let object = r#"{"content":[{"type":"text","text":"{\"a\": 1}"}],"structuredContent":{"a":1}}"#;
    let json_text = r#"{"content":[{"type":"text","text":"[1, 2]"}]}"#;
    let two = r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#;
    for (result, shown) in [
        (object, r#"{"a":1}"#),
        (json_text, "[1, 2]"),
        (two, r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#),
        (r#"{"content":[]}"#, "[]"),
    ] {
        let answer = scene.post("/api/probe/rawresult", &json!({"json": result})).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, shown));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let text = scene.post("/api/probe/echo", &json!({"text": "plain \"words\""})).await;
    assert_eq!(text.json(), json!("plain \"words\""));
}

#[tokio::test]
async fn media_come_as_what_they_are() {
    let scene = Scene::serving(json!({"e": everything("")})).await;
    for (tool, media, begins) in
        [("test_image_content", "image/png", &b"\x89PNG"[..]), ("test_audio_content", "audio/wav", &b"RIFF"[..])]
    {
        let answer = scene.post(&format!("/api/e/{tool}"), &json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(media)));
        assert!(answer.body.starts_with(begins), "{tool}");
        assert_eq!(answer.header("content-security-policy"), Some("sandbox; default-src 'none'"));
        // The same with a session in the query is MCP's object.
        let bare = scene.post(&format!("/api/e/{tool}?sessionId=s"), &json!({})).await;
        assert_eq!(bare.json()["content"][0]["mimeType"], json!(media));
    }
    let embedded = scene.post("/api/e/test_embedded_resource", &json!({})).await;
    assert_eq!(embedded.json()[0]["resource"]["mimeType"], json!("text/plain"));
}

#[tokio::test]
async fn servers_of_both_eras_are_called_alike() {
    let scene = Scene::of(json!({"servers": {"old": everything(""), "new": everything("--era modern")},
        "views": {"both": {}}}))
    .await;
    for path in ["/api/old/greet", "/api/new/greet", "/api/both/old__greet", "/api/both/new__greet"] {
        let answer = scene.post(path, &json!({"name": "Ann"})).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!("Hello, Ann!")), "{path}");
    }
}

#[tokio::test]
async fn the_failure_of_a_tool_is_a_problem_with_what_it_said() {
    let scene = Scene::serving(json!({"e": everything("")})).await;
    let failed = problem(&scene.post("/api/e/test_error_handling", &json!({})).await, 422);
    assert_eq!(failed["detail"], json!("This tool intentionally returns an error for testing"));
    assert_eq!(failed["content"][0]["type"], json!("text"));
    let error = problem(&scene.post("/api/e/rpcerror", &json!({})).await, 400);
    assert_eq!(
        (&error["code"], &error["message"], &error["data"]),
        (&json!(-32602), &json!("bad params"), &json!({"x": 1}))
    );
    let other = problem(&scene.post("/api/e/protocol_error_job", &json!({})).await, 502);
    assert_eq!(other["code"], json!(-32603));
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_before_the_call_and_name_the_field() {
    let scene = Scene::serving(json!({"e": everything(""), "probe": probe()})).await;
    let errors = |problem: &Value| {
        let errors = problem["errors"].as_array().expect("errors").iter();
        errors.map(|error| error["field"].as_str().expect("a field").to_owned()).collect::<Vec<_>>()
    };
    let refused = problem(&scene.post("/api/probe/slow", &json!({})).await, 400);
    assert_eq!((errors(&refused), &refused["code"]), (vec!["/s".to_owned()], &json!(-32602)));
    let refused = problem(&scene.post("/api/probe/flood", &json!({"n": "x", "size": 1.5})).await, 400);
    assert_eq!(errors(&refused), ["/n", "/size"]);
    assert_eq!(refused["data"]["errors"], refused["errors"]);
    let path = "/api/e/json_schema_2020_12_tool";
    let deep = json!({"name": "a", "phone": "1", "contactMethod": "phone", "address": {"street": 5}});
    assert_eq!(errors(&problem(&scene.post(path, &deep).await, 400)), ["/address/street"]);
    let more = json!({"name": "a", "phone": "1", "contactMethod": "phone", "more": 1});
    assert_eq!(errors(&problem(&scene.post(path, &more).await, 400)), ["/more"]);
    let good = json!({"name": "a", "phone": "1", "contactMethod": "phone", "address": {"street": "b"}});
    assert_eq!(scene.post(path, &good).await.status, 200);
    let info = scene.post("/api/probe/info", &json!({})).await.json();
    let calls = info["seen"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|seen| seen.as_str().expect("text").starts_with("tools/call"));
    assert_eq!(calls.count(), 1, "what was refused reached the server: {info}");
}

#[tokio::test]
async fn a_stream_tells_of_progress_and_ends_with_the_result() {
    let scene = Scene::serving(json!({"probe": probe(), "e": everything("")})).await;
    let read = async |path: &str, body: Value| {
        let body = body.to_string();
        let (status, _, mut events) = scene.client().stream(http::Method::POST, path, body, &[JSON, STREAM]).await;
        assert_eq!(status, 200);
        let told = events.rest(SOON).await.into_iter().filter_map(|event| Some((event.event?, event.data?)));
        told.map(|(name, data)| (name, serde_json::from_str(&data).expect("JSON"))).collect::<Vec<(String, Value)>>()
    };
    let told = read("/api/probe/progress", json!({"n": 3, "ms": 50})).await;
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["progress", "progress", "progress", "result"]);
    assert_eq!((&told[1].1, &told[3].1), (&json!({"progress": 2, "total": 3}), &json!("reported 3 times")));
    let logged = read("/api/e/test_tool_with_logging", json!({})).await;
    assert!(
        logged.iter().any(|(name, data)| name == "log" && data["data"] == json!("Tool execution started")),
        "{logged:?}"
    );
    let image = read("/api/e/test_image_content", json!({})).await;
    assert_eq!((image[0].0.as_str(), &image[0].1[0]["type"]), ("result", &json!("image")));
    let failed = read("/api/e/test_error_handling", json!({})).await;
    assert_eq!((failed[0].0.as_str(), &failed[0].1["status"]), ("error", &json!(422)));
    let bare = read("/api/e/rpcerror?sessionId=s", json!({})).await;
    assert_eq!(bare[0], ("error".to_owned(), json!({"code": -32602, "message": "bad params", "data": {"x": 1}})));
}

#[tokio::test]
async fn one_server_needs_no_name() {
    let scene = Scene::proxy(&[]).await;
    assert_eq!(scene.post("/api/echo", &json!({"text": "hi"})).await.json(), json!("hi"));
    let bare = scene.post("/api/echo?sessionId=s", &json!({"text": "hi"})).await;
    assert_eq!(bare.json(), json!({"content": [{"type": "text", "text": "hi"}], "isError": false}));
    assert_eq!(
        problem(&scene.post("/api/nonesuch", &json!({})).await, 404)["message"],
        json!("Unknown tool: nonesuch")
    );
    assert_eq!(problem(&scene.post("/api/echo", &json!({})).await, 400)["errors"][0]["field"], json!("/text"));
    let listed = scene.get("/api/tools").await.json();
    assert!(listed["tools"].as_array().expect("tools").iter().any(|tool| tool["name"] == "echo"), "{listed}");
    assert_eq!(scene.get("/api").await.json()["resources"][0]["uri"], json!("test://a"));
    // A tool that is added is known as soon as that was announced.
    assert_eq!(scene.post("/api/listchanged", &json!({"add": "later"})).await.status, 200);
    assert_eq!(scene.post("/api/later", &json!({})).await.json(), json!("later was added"));
    let shared = Scene::proxy(&["--stateless"]).await;
    assert_eq!(shared.post("/api/echo", &json!({"text": "hi"})).await.json(), json!("hi"));
    let one = shared.pid("/api/info", &[]).await;
    assert_eq!(one, shared.pid("/api/info", &[("janua-session", "other")]).await);
}
