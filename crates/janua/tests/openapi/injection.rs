//! Values that try to be more than values, in every place where one can stand.

use serde_json::{Value, json};

use crate::scene::{Scene, document, fine};

/// What callers may try.
const TRIES: [&str; 30] = [
    "",
    ".",
    "..",
    "../admin",
    "..\\admin",
    "x/../../admin",
    "./x",
    "%2e%2e",
    "%2e%2e/admin",
    "%2e%2e%2fadmin",
    "%252e%252e%252fadmin",
    "..%2fadmin",
    "..%5cadmin",
    "/etc/passwd",
    "//evil.example/",
    "http://evil.example/",
    "@evil.example",
    "x?admin=1",
    "x&admin=1",
    "x#fragment",
    "x;admin=1",
    "x\r\nX-Evil: 1",
    "x\nX-Evil: 1",
    "x\r\n\r\nGET /admin HTTP/1.1\r\n",
    "x\0y",
    "%0d%0aX-Evil: 1",
    "ünïcödé",
    "\u{202e}evil",
    "{id}",
    "a b+c%20d",
];

async fn scene() -> Scene {
    let parameter = |place: &str, name: &str| json!({"in": place, "name": name, "required": place == "path", "schema": {"type": "string"}});
    let operation = json!({"operationId": "try", "parameters": [
        parameter("path", "id"), parameter("query", "q"), parameter("header", "X-Value"), parameter("cookie", "c"),
    ]});
    // Everything else is answered with 404, which is an answer all the same.
    Scene::of(fine(&[]), &document(&json!({"/items/{id}/end": {"get": operation}}))).await
}

/// The value that a server reads out of a path or query.
fn decoded(text: &str) -> String {
    let pairs = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pairs.as_bytes()).next().expect("a pair").1.into_owned()
}

/// Calls, and gives the path and headers that reached the API, if anything did.
async fn tried(scene: &Scene, arguments: &Value) -> Option<janua_testkit::upstream::site::Seen> {
    let before = scene.api.site.seen().len();
    let result = scene.call("try", arguments).await;
    assert_eq!(result["isError"], true, "{result}");
    let seen = scene.api.site.seen();
    assert!(seen.len() <= before + 1, "{arguments}: {seen:?}");
    seen.get(before).cloned()
}

#[tokio::test]
async fn a_value_in_a_path_stays_one_segment() {
    let scene = scene().await;
    let mut passed = 0;
    for value in TRIES {
        let Some(seen) = tried(&scene, &json!({"id": value})).await else {
            continue;
        };
        let segment = seen.path.strip_prefix("/v1/items/").and_then(|rest| rest.strip_suffix("/end"));
        let segment = segment.unwrap_or_else(|| panic!("{value:?} became {}", seen.path));
        assert!(!segment.contains(['/', '?', '#', '\\', '&', ';']), "{value:?} became {segment}");
        assert_eq!(decoded(segment), value);
        let parts: Vec<&str> = value.split(['/', '\\']).collect();
        assert!(!parts.contains(&"..") && !parts.contains(&"."), "{value:?} was sent");
        assert!(!value.to_lowercase().contains("%2e") && !value.contains(char::is_control), "{value:?} was sent");
        assert_eq!(seen.header("x-evil"), None);
        passed += 1;
    }
    assert!(passed >= 10, "values that are harmless pass: {passed}");
}

#[tokio::test]
async fn a_value_in_a_query_stays_one_value() {
    let scene = scene().await;
    for value in TRIES {
        let seen = tried(&scene, &json!({"id": "1", "q": value})).await.expect("sent");
        let text =
            seen.path.strip_prefix("/v1/items/1/end?q=").unwrap_or_else(|| panic!("{value:?} became {}", seen.path));
        assert!(!text.contains(['&', '#', '=', ';']), "{value:?} became {text}");
        assert_eq!((decoded(text).as_str(), seen.header("x-evil")), (value, None));
    }
}

#[tokio::test]
async fn a_value_in_a_header_stays_in_it() {
    let scene = scene().await;
    for value in TRIES {
        let is_plain = value.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        let seen = tried(&scene, &json!({"id": "1", "X-Value": value})).await;
        assert_eq!(seen.is_some(), is_plain, "{value:?}");
        if let Some(seen) = seen {
            assert_eq!((seen.header("x-value"), seen.header("x-evil")), (Some(value), None));
        }
    }
}

#[tokio::test]
async fn a_value_in_a_cookie_stays_one_cookie() {
    let scene = scene().await;
    for value in TRIES {
        let seen = tried(&scene, &json!({"id": "1", "c": value})).await.expect("sent");
        let text = seen.header("cookie").and_then(|cookie| cookie.strip_prefix("c=")).expect("a cookie").to_owned();
        assert!(!text.contains([';', ',', ' ', '"', '=']), "{value:?} became {text}");
        assert_eq!((decoded(&text).as_str(), seen.header("x-evil")), (value, None));
    }
}

#[tokio::test]
async fn names_that_a_document_gives_are_values_too() {
    let parameter = |name: &str| json!({"in": "query", "name": name, "schema": {}});
    let operation = json!({"operationId": "odd", "parameters": [parameter("a&b=c"), parameter("x y#z")]});
    let bad = json!({"operationId": "bad", "parameters": [{"in": "header", "name": "X\r\nEvil", "schema": {}}]});
    let scene =
        Scene::of(fine(&["/v1/odd"]), &document(&json!({"/odd": {"get": operation}, "/bad": {"get": bad}}))).await;
    let seen = scene.sent("odd", &json!({"a_b_c": 1, "x_y_z": 2})).await;
    assert_eq!(seen.path, "/v1/odd?a%26b%3Dc=1&x%20y%23z=2");
    scene.logged("control characters").await;
    assert!(!scene.tools().await.contains_key("bad"));
}
