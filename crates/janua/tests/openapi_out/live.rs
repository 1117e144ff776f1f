//! The document of a running gateway, and the page that shows it.

use http::Method;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::eventually_with;
use serde_json::{Value, json};

use crate::scene::{Folder, JANUA, LONG, client, demo};

#[tokio::test]
async fn an_unchanged_document_is_not_sent_again() {
    let folder = Folder::of(&json!({"servers": demo()}));
    let gateway = folder.serve().await;
    let client = client(&gateway);
    let first = client.get("/api/openapi.json", &[]).await;
    assert_eq!((first.status.as_u16(), first.header("content-type")), (200, Some("application/json")));
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert_eq!(first.json()["servers"][0]["url"], format!("{}/api", gateway.base()));
    let tag = first.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");

    for held in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = client.get("/api/openapi.json", &[("if-none-match", &held)]).await;
        assert_eq!((again.status.as_u16(), again.text().as_str()), (304, ""), "{held}");
        assert_eq!(again.header("etag"), Some(&*tag));
    }
    let other = client.get("/api/openapi.json", &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status.as_u16(), other.body), (200, first.body.clone()));
    assert_eq!(client.get("/openapi.json", &[]).await.body, first.body, "one document at two addresses");
    let elsewhere = client.get("/api/openapi.json", &[("host", "localhost:9")]).await;
    assert_eq!(elsewhere.json()["servers"][0]["url"], "http://localhost:9/api", "as the caller sees it");
    assert_ne!(elsewhere.header("etag"), Some(&*tag));
    let forwarded =
        client.get("/api/openapi.json", &[("x-forwarded-host", "evil.test"), ("x-forwarded-proto", "https")]).await;
    assert_eq!(forwarded.body, first.body, "what anybody may claim is not believed");
}

#[tokio::test]
async fn each_server_and_view_has_a_document_in_both_forms_and_versions() {
    let views = json!({"few": {"servers": ["simple-tools-server"], "tools": {"deny": ["store-data"]}}});
    let folder = Folder::of(&json!({"servers": demo(), "views": views}));
    let gateway = folder.serve().await;
    let client = client(&gateway);
    let paths = |document: &Value| -> Vec<String> {
        let paths = document["paths"].as_object().expect("paths").iter();
        paths.filter(|(_, item)| !item["post"]["x-mcp-tool"].is_null()).map(|(path, _)| path.clone()).collect()
    };
    let server = client.get("/api/simple-tools-server/openapi.json", &[]).await.json();
    let at = |name: &str| format!("/simple-tools-server/{name}");
    assert_eq!(paths(&server), [at("list-data"), at("retrieve-data"), at("store-data")]);
    let view = client.get("/api/few/openapi.json?openapi=3.0", &[]).await.json();
    assert_eq!(view["openapi"], "3.0.3");
    assert_eq!(paths(&view), ["/few/list-data", "/few/retrieve-data"]);
    let yaml = client.get("/api/few/openapi.yaml?openapi=3.0", &[]).await;
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(yaml.text().starts_with("openapi: \"3.0.3\"\n"), "{}", yaml.text());

    for (path, status, detail) in
        [("/api/nobody/openapi.json", 404, "nobody"), ("/api/openapi.json?openapi=4", 400, "3.1 and 3.0")]
    {
        let refused = client.get(path, &[]).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("content-type")),
            (status, Some("application/problem+json"))
        );
        assert!(refused.json()["detail"].as_str().is_some_and(|said| said.contains(detail)), "{}", refused.text());
    }
    let head = client.send(Method::HEAD, "/api/openapi.json", "", &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let posted = client.post("/openapi.json", "{}", &[]).await;
    assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[tokio::test]
async fn a_document_follows_the_lists() {
    let missing = json!({"command": "/nowhere/at/all"});
    let folder =
        Folder::of(&json!({"servers": {"probe": {"command": program("probe"), "share": "user"}, "gone": missing}}));
    let gateway = folder.serve().await;
    let client = client(&gateway);
    let before = client.get("/api/openapi.json", &[]).await;
    assert_eq!(before.json()["x-janua-unavailable"], json!(["gone"]));
    assert!(before.json()["paths"]["/probe/echo"].is_object() && before.json()["paths"]["/probe/fresh"].is_null());
    let session = client.clone().endpoint("/mcp/probe").initialize("2025-11-25", "{}").await;
    session.call("listchanged", r#"{"add":"fresh"}"#).await;
    let there = eventually_with(LONG, || async {
        client.get("/api/openapi.json", &[]).await.json()["paths"]["/probe/fresh"].is_object()
    });
    assert!(there.await, "the new tool is not described:\n{}", gateway.stderr());
    assert_ne!(client.get("/api/openapi.json", &[]).await.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn one_server_without_a_name_is_described_too() {
    let gateway = Gateway::builder(JANUA).args(&["proxy", "--port", "0", "--demo"]).start().await;
    let client = client(&gateway);
    let document = client.get("/api/openapi.json", &[]).await.json();
    assert_eq!(document["paths"]["/echo"]["post"]["operationId"], "echo");
    assert_eq!(document["servers"][0]["url"], format!("{}/api", gateway.base()));
    assert!(document["paths"]["/sessionid"]["get"].is_object());
    assert!(client.get("/docs", &[]).await.text().contains("data-url=\"/api/openapi.json\""));
}

#[tokio::test]
async fn the_page_names_its_document_and_needs_nothing_from_elsewhere() {
    let folder = Folder::of(&json!({"servers": demo()}));
    let gateway = folder.serve().await;
    let client = client(&gateway);
    let page = client.get("/docs/demo", &[]).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("data-url=\"/api/demo/openapi.json\""), "{}", page.text());
    assert!(!page.text().contains("//"), "every address in it is of this gateway");
    assert!(!page.text().contains("<script>") && !page.text().contains(" on"), "nothing is inline");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    for (file, kind) in
        [("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css"), ("start.js", "text/javascript")]
    {
        assert!(page.text().contains(&format!("\"/docs/-/{file}\"")), "{}", page.text());
        let answer = client.get(&format!("/docs/-/{file}"), &[]).await;
        assert!(answer.header("content-type").is_some_and(|said| said.starts_with(kind)), "{file}");
        assert_eq!((answer.status.as_u16(), answer.header("x-content-type-options")), (200, Some("nosniff")));
        assert!(file == "start.js" || answer.body.starts_with(&[0x1f, 0x8b, 8]), "{file} is compressed");
    }
    for nothing in ["/docs/nobody", "/docs/-/other.js"] {
        assert_eq!(client.get(nothing, &[]).await.status.as_u16(), 404, "{nothing}");
    }
}
