//! Credentials come from the configuration, go to the API, and nowhere else.

use janua_testkit::process::eventually;
use janua_testkit::upstream::canned::{Canned, CannedServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{SOON, Scene, document, fine, served, text, tools};

fn guarded() -> Value {
    let parameter =
        |place: &str, name: &str| json!({"in": place, "name": name, "required": true, "schema": {"type": "string"}});
    let mut api = document(&json!({"/x": {"get": {"operationId": "x", "parameters": [
        parameter("header", "X-Key"), parameter("query", "key"), parameter("cookie", "sid"),
        parameter("header", "Authorization"), parameter("header", "X-Tenant"), parameter("cookie", "theme"), parameter("query", "q"),
    ]}}}));
    api["components"] = json!({"securitySchemes": {
        "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "query": {"type": "apiKey", "in": "query", "name": "key"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "bearer": {"type": "http", "scheme": "bearer"}
    }});
    api
}

#[tokio::test]
async fn credentials_are_no_arguments_and_are_sent() {
    let more = json!({
        "headers": {"X-Key": "k-1", "Authorization": "Bearer t-1", "Cookie": "sid=s-1", "X-Tenant": "acme"},
        "query": {"key": "q&1"},
    });
    let scene = Scene::with(fine(&["/v1/x"]), &guarded(), &more).await;
    let schema = scene.tools().await["x"]["inputSchema"].clone();
    let names: Vec<&String> = schema["properties"].as_object().expect("properties").keys().collect();
    assert_eq!(names, ["q", "theme"]);
    let seen = scene.sent("x", &json!({"q": "a", "theme": "dark"})).await;
    assert_eq!(seen.path, "/v1/x?q=a&key=q%261");
    for (name, value) in
        [("x-key", "k-1"), ("authorization", "Bearer t-1"), ("x-tenant", "acme"), ("cookie", "sid=s-1; theme=dark")]
    {
        assert_eq!(seen.header(name), Some(value));
    }
    for name in ["X-Key", "key", "sid", "Authorization", "X-Tenant"] {
        let said = scene.refused("x", &json!({"q": "a", "theme": "d", name: "evil"})).await;
        assert!(said.contains(name), "{said}");
    }
    let log = scene.gateway.stderr();
    assert!(["k-1", "t-1", "s-1", "q&1"].iter().all(|secret| !log.contains(secret)), "{log}");
}

#[tokio::test]
async fn a_document_from_elsewhere_gets_no_credentials() {
    let (documents, api) = (CannedServer::builder(), fine(&["/v1/x"]).start().await);
    let mut described = document(&json!({"/x": {"get": {}}}));
    described["servers"] = json!([{"url": api.site.url("/v1")}]);
    let documents = documents.on("/api.json", Canned::json(&described.to_string())).start().await;
    let folder = TempDir::new().expect("a folder");
    let server = |more: Value| {
        let mut server = json!({"openapi": documents.site.url("/api.json"), "headers": {"X-Key": "k-1"}});
        server.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        server
    };
    let servers = json!({"servers": {"wary": server(json!({})), "open": server(json!({"allow_private": true}))}});
    let gateway = served(&folder, &servers).await;
    let client = |path: &str| gateway.client().endpoint(path).deadline(SOON);
    let session = client("/mcp/open").initialize("2025-11-25", "{}").await;
    assert_eq!(session.call("get_x", "{}").await.result()["structuredContent"], json!({"ok": true}));
    assert_eq!(api.site.seen()[0].header("x-key"), Some("k-1"));
    assert!(documents.site.seen().iter().all(|seen| seen.header("x-key").is_none()));
    // An address that nobody but a document names may not be one of this machine.
    let wary = client("/mcp/wary").try_initialize("2025-11-25", "{}").await;
    assert!(
        wary.response().at("/error/message").as_str().expect("words").contains("not a public one"),
        "{}",
        wary.raw()
    );
    assert_eq!(api.site.seen().len(), 1);
}

#[tokio::test]
async fn a_document_says_where_its_api_is() {
    let api = fine(&["/v2/x"]);
    let mut described = document(&json!({
        "/x": {"get": {}},
        "/y": {"get": {"servers": [{"url": "https://uploads.example/"}]}},
    }));
    described["servers"] = json!([{"url": "../v2/"}]);
    let api = api.on("/docs/api.json", Canned::json(&described.to_string())).start().await;
    let folder = TempDir::new().expect("a folder");
    let more = json!({"openapi": api.site.url("/docs/api.json"), "headers": {"X-Key": "k-1"}});
    let gateway = served(&folder, &json!({"servers": {"web": more}})).await;
    let session = gateway.client().endpoint("/mcp/web").deadline(SOON).initialize("2025-11-25", "{}").await;
    let names: Vec<String> = tools(&session).await.keys().cloned().collect();
    assert_eq!(names, ["get_x"], "an operation at another host would get this one's credentials");
    let said = || gateway.stderr().contains("it is at https://uploads.example, not where the others are");
    assert!(eventually(SOON, said).await, "{}", gateway.stderr());
    let result = session.call("get_x", "{}").await;
    assert_eq!(text(result.result()), r#"{"ok":true}"#);
    assert_eq!(api.site.seen().last().and_then(|seen| seen.header("x-key").map(str::to_owned)).as_deref(), Some("k-1"));
}
