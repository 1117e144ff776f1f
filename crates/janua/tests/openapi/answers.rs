//! What becomes of an API's answers, and of those that do not come.

use janua_testkit::upstream::canned::{Canned, CannedServer, Plan};
use serde_json::{Value, json};

use crate::scene::{SOON, Scene, document, text};

fn get(paths: &[&str]) -> Value {
    let paths = paths.iter().map(|path| ((*path).to_owned(), json!({"get": {}}))).collect();
    document(&Value::Object(paths))
}

fn typed(status: u16, media: &str, body: &str) -> Canned {
    Canned::new(status, body).header("content-type", media)
}

#[tokio::test]
async fn each_kind_of_answer_becomes_what_it_is() {
    let api = CannedServer::builder()
        .on("/v1/object", typed(200, "application/vnd.x+json; charset=utf-8", "{\n \"a\": [1, 2.50]\n}"))
        .on("/v1/list", typed(200, "application/json", "[1,\n2]"))
        .on("/v1/text", typed(201, "text/csv", "a;b\nc;d"))
        .on("/v1/none", Canned::new(204, ""))
        .on("/v1/broken", typed(200, "application/json", "{\"a\":"))
        .on("/v1/image", typed(200, "image/png", "PNG"))
        .on("/v1/audio", typed(200, "audio/mpeg", "MP3"))
        .on("/v1/bytes", typed(200, "application/zip", "ZIP"));
    let scene =
        Scene::of(api, &get(&["/object", "/list", "/text", "/none", "/broken", "/image", "/audio", "/bytes"])).await;
    let object = scene.call("get_object", &json!({})).await;
    assert_eq!(object["structuredContent"], json!({"a": [1, 2.5]}));
    assert_eq!(text(&object), "{\n \"a\": [1, 2.50]\n}");
    assert_eq!(text(&scene.call("get_list", &json!({})).await), "[1,\n2]");
    assert_eq!(text(&scene.call("get_text", &json!({})).await), "a;b\nc;d");
    assert_eq!(text(&scene.call("get_none", &json!({})).await), "HTTP 204 No Content");
    assert_eq!(text(&scene.call("get_broken", &json!({})).await), "{\"a\":");
    let image = scene.call("get_image", &json!({})).await;
    assert_eq!(image["content"], json!([{"type": "image", "data": "UE5H", "mimeType": "image/png"}]));
    let audio = scene.call("get_audio", &json!({})).await;
    assert_eq!(audio["content"], json!([{"type": "audio", "data": "TVAz", "mimeType": "audio/mpeg"}]));
    let bytes = scene.call("get_bytes", &json!({})).await;
    let resource = json!({"uri": scene.api.site.url("/v1/bytes"), "mimeType": "application/zip", "blob": "WklQ"});
    assert_eq!(bytes["content"], json!([{"type": "resource", "resource": resource}]));
}

#[tokio::test]
async fn errors_of_the_api_are_results_that_say_so() {
    let api = CannedServer::builder()
        .on("/v1/gone", typed(404, "application/json", r#"{"message":"no such thing"}"#))
        .on("/v1/locked", Canned::new(401, ""))
        .on("/v1/busy", Canned::new(429, "later").header("retry-after", "7"))
        .on("/v1/broken", typed(500, "text/html", &"x".repeat(200_000)))
        .redirect("/v1/away", 302, "http://evil.example/");
    let scene = Scene::of(api, &get(&["/gone", "/locked", "/busy", "/broken", "/away", "/other"])).await;
    let failed = async |tool: &str| {
        let result = scene.call(tool, &json!({})).await;
        assert_eq!(result["isError"], true, "{result}");
        text(&result)
    };
    assert_eq!(failed("get_gone").await, "HTTP 404 Not Found\n{\"message\":\"no such thing\"}");
    assert!(failed("get_locked").await.contains("`headers`"));
    assert_eq!(failed("get_busy").await, "HTTP 429 Too Many Requests\nretry-after: 7\nlater");
    assert_eq!(failed("get_broken").await.chars().count(), "HTTP 500 Internal Server Error\n".len() + (64 << 10) + 1);
    let away = failed("get_away").await;
    assert!(away.contains("redirects") && away.contains("http://evil.example"), "{away}");
    let unknown = scene.reply("nothing", &json!({})).await;
    assert_eq!(unknown.error_code(), Some(-32602));
}

#[tokio::test]
async fn an_api_that_is_gone_is_named_without_its_secrets() {
    let more = json!({"headers": {"Authorization": "Bearer s3cret"}, "query": {"key": "s3cret"}});
    let api = CannedServer::builder().plan("/v1/x", Plan::HangUp);
    let scene = Scene::with(api, &get(&["/x"]), &more).await;
    let host = scene.api.site.base().replace("http://", "");
    let hung = text(&scene.call("get_x", &json!({})).await);
    assert!(hung.starts_with(&host) && hung.contains("broke before it answered"), "{hung}");
    let Scene { gateway, api, folder } = scene;
    drop(api);
    let session = gateway.client().endpoint("/mcp/web").deadline(SOON).initialize("2025-11-25", "{}").await;
    let gone = session.call("get_x", "{}").await;
    let said = text(gone.result());
    assert!(said.starts_with(&host) && said.contains("cannot connect"), "{said}");
    assert!(!said.contains("s3cret") && !hung.contains("s3cret") && !gateway.stderr().contains("s3cret"));
    drop(folder);
}

#[tokio::test]
async fn an_api_that_hangs_is_given_up() {
    let api = CannedServer::builder().plan("/v1/slow", Plan::Silence);
    let scene = Scene::with(api, &get(&["/slow"]), &json!({"call_timeout": "1s"})).await;
    let reply = scene.reply("get_slow", &json!({})).await;
    assert_eq!(reply.response().at("/error/data/code"), "deadline_exceeded");
    // The request was ended with the call.
    let ended = janua_testkit::process::eventually(SOON, || scene.api.site.open() == 0).await;
    assert!(ended, "the connection is still open");
}

#[tokio::test]
async fn a_call_that_is_cancelled_ends_its_request() {
    let api = CannedServer::builder().plan("/v1/slow", Plan::Silence);
    let scene = Scene::of(api, &get(&["/slow"])).await;
    let session = scene.session().await;
    let call = session.open_id("77", "tools/call", r#"{"name":"get_slow","arguments":{}}"#);
    let cancel = async {
        assert!(scene.api.site.wait_seen(SOON, |seen| seen.path == "/v1/slow").await);
        session.cancel("77").await;
        janua_testkit::process::eventually(SOON, || scene.api.site.open() == 0).await
    };
    let (_, ended) = tokio::join!(call, cancel);
    assert!(ended, "the connection is still open");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_an_error() {
    let api = CannedServer::builder().on("/v1/huge", typed(200, "text/plain", &"x".repeat(17 << 20)));
    let scene = Scene::of(api, &get(&["/huge"])).await;
    let result = scene.call("get_huge", &json!({})).await;
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("limits.server_message"), "{result}");
}

#[tokio::test]
async fn a_promise_of_an_object_is_kept_or_said_to_be_broken() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let success = json!({"200": {"description": "", "content": {"application/json": {"schema": schema}}}});
    let api =
        CannedServer::builder().on("/v1/x", Canned::json(r#"{"n":1}"#)).on("/v1/x", typed(200, "text/plain", "sorry"));
    let scene = Scene::of(api, &document(&json!({"/x": {"get": {"responses": success}}}))).await;
    assert_eq!(scene.tools().await["get_x"]["outputSchema"]["properties"]["n"], json!({"type": "integer"}));
    assert_eq!(scene.call("get_x", &json!({})).await["structuredContent"], json!({"n": 1}));
    let broken = scene.call("get_x", &json!({})).await;
    assert_eq!((&broken["isError"], text(&broken).as_str()), (&json!(true), "sorry"));
}
