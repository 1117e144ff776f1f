//! Where arguments go: paths, queries, headers, cookies, bodies.

use serde_json::{Value, json};

use crate::scene::{Scene, document, fine};

fn parameter(place: &str, name: &str, more: &Value) -> Value {
    let mut parameter = json!({"in": place, "name": name, "required": place == "path", "schema": {}});
    parameter.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
    parameter
}

#[tokio::test]
async fn every_place_gets_its_values() {
    let operation = json!({"operationId": "show", "parameters": [
        parameter("path", "id", &json!({"schema": {"type": "integer"}})),
        parameter("query", "q", &json!({})),
        parameter("query", "filter[state]", &json!({})),
        parameter("header", "X-Trace", &json!({})),
        parameter("cookie", "theme", &json!({})),
    ]});
    let api = document(&json!({"/users/{id}/posts": {"get": operation}}));
    let scene = Scene::of(fine(&["/v1/users/12/posts"]), &api).await;
    let arguments = json!({"id": 12, "q": "a b&c=d", "filter_state": "open", "X-Trace": "t-1", "theme": "dark; x=y"});
    let seen = scene.sent("show", &arguments).await;
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.path, "/v1/users/12/posts?q=a%20b%26c%3Dd&filter%5Bstate%5D=open");
    assert_eq!(seen.header("x-trace"), Some("t-1"));
    assert_eq!(seen.header("cookie"), Some("theme=dark%3B%20x%3Dy"));
    assert_eq!(seen.header("accept"), Some("application/json, */*;q=0.1"));
    // What is optional may be left out, or be null.
    let seen = scene.sent("show", &json!({"id": 12, "q": null})).await;
    assert_eq!((seen.path.as_str(), seen.header("cookie")), ("/v1/users/12/posts", None));
}

#[tokio::test]
async fn each_style_is_written_as_the_specification_says() {
    let style = |style: &str, explode: bool| json!({"style": style, "explode": explode});
    let one = |place: &str, style: &Value| json!({"get": {"parameters": [parameter(place, "color", style)]}});
    let api = document(&json!({
        "/label/{color}": one("path", &style("label", false)),
        "/matrix/{color}": one("path", &style("matrix", true)),
        "/simple/{color}.json": one("path", &style("simple", false)),
        "/form": one("query", &style("form", true)),
        "/list": one("query", &style("form", false)),
        "/spaces": one("query", &style("spaceDelimited", false)),
        "/pipes": one("query", &style("pipeDelimited", false)),
        "/deep": one("query", &style("deepObject", true)),
        "/json": one("query", &json!({"content": {"application/json": {"schema": {}}}})),
        "/reserved": one("query", &json!({"allowReserved": true})),
    }));
    let paths = ["/form", "/list", "/spaces", "/pipes", "/deep", "/json", "/reserved"].map(|path| format!("/v1{path}"));
    let mut known: Vec<&str> = paths.iter().map(String::as_str).collect();
    known.extend(["/v1/label/.a,b", "/v1/matrix/;color=a;color=b", "/v1/simple/a,b.json"]);
    let scene = Scene::of(fine(&known), &api).await;
    let (list, object) = (json!(["a", "b"]), json!({"R": 1, "G": "x y"}));
    for (tool, value, wanted) in [
        ("get_label_color", &list, "/label/.a,b"),
        ("get_matrix_color", &list, "/matrix/;color=a;color=b"),
        ("get_simple_color_json", &list, "/simple/a,b.json"),
        ("get_form", &list, "/form?color=a&color=b"),
        ("get_form", &object, "/form?G=x%20y&R=1"),
        ("get_list", &list, "/list?color=a,b"),
        ("get_list", &object, "/list?color=G,x%20y,R,1"),
        ("get_spaces", &list, "/spaces?color=a%20b"),
        ("get_pipes", &list, "/pipes?color=a%7Cb"),
        ("get_deep", &object, "/deep?color%5BG%5D=x%20y&color%5BR%5D=1"),
        ("get_json", &object, "/json?color=%7B%22G%22%3A%22x%20y%22%2C%22R%22%3A1%7D"),
        ("get_reserved", &json!("a/b?c&d"), "/reserved?color=a/b?c%26d"),
    ] {
        let seen = scene.sent(tool, &json!({"color": value})).await;
        assert_eq!(seen.path, format!("/v1{wanted}"), "{tool}");
    }
}

#[tokio::test]
async fn a_body_is_its_properties_unless_a_name_is_taken() {
    let pet = json!({"type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {"name": {"type": "string"}, "tag": {"type": "string", "nullable": true}, "id": {"readOnly": true, "type": "integer"}}});
    let body = |schema: &Value| json!({"required": true, "content": {"application/json": {"schema": schema}}});
    let id = json!([parameter("path", "name", &json!({}))]);
    let api = document(&json!({
        "/pets": {"post": {"requestBody": body(&pet)}},
        "/pets/{name}": {"parameters": id, "put": {"requestBody": body(&pet)}},
        "/lists": {"post": {"requestBody": body(&json!({"type": "array", "items": {"type": "integer"}}))}},
    }));
    let scene = Scene::of(fine(&["/v1/pets", "/v1/pets/rex", "/v1/lists"]), &api).await;
    let seen = scene.sent("post_pets", &json!({"name": "Rex", "tag": null})).await;
    assert_eq!(
        (seen.body.as_str(), seen.header("content-type")),
        (r#"{"name":"Rex","tag":null}"#, Some("application/json"))
    );
    let seen = scene.sent("put_pets_name", &json!({"name": "rex", "body": {"name": "Rex"}})).await;
    assert_eq!((seen.path.as_str(), seen.body.as_str()), ("/v1/pets/rex", r#"{"name":"Rex"}"#));
    let seen = scene.sent("post_lists", &json!({"body": [1, 2]})).await;
    assert_eq!(seen.body, "[1,2]");
    let tools = scene.tools().await;
    let schema = &tools["post_pets"]["inputSchema"];
    assert_eq!(schema["required"], json!(["name"]));
    assert_eq!(schema["properties"]["tag"], json!({"type": ["string", "null"]}));
    assert_eq!(schema["properties"].get("id"), None, "what is read-only is not sent");
    // What does not fit is told, and not sent.
    let said = scene.refused("post_pets", &json!({"tag": "x"})).await;
    assert!(said.contains("\"name\" is a required property"), "{said}");
    let said = scene.refused("post_lists", &json!({"body": [1, "x"]})).await;
    assert!(said.contains("body/1: "), "{said}");
    let said = scene.refused("post_pets", &json!({"name": "x", "owner": 1})).await;
    assert!(said.contains("owner"), "{said}");
}

#[tokio::test]
async fn numbers_pass_as_they_are_written() {
    let body = json!({"required": true, "content": {"application/json": {"schema": {"type": "object", "properties": {"n": {}}}}}});
    let scene = Scene::of(fine(&["/v1/n"]), &document(&json!({"/n": {"post": {"requestBody": body}}}))).await;
    let session = scene.session().await;
    let digits = "1234567890123456789012345678901234567890.10";
    session.call("post_n", &format!(r#"{{"n":{digits}}}"#)).await;
    assert_eq!(scene.api.site.seen()[0].body, format!(r#"{{"n":{digits}}}"#));
    let twice = session.call("post_n", r#"{"n":1,"\u006e":2}"#).await;
    assert_eq!((twice.error_code(), scene.api.site.seen().len()), (Some(-32602), 1));
}

#[tokio::test]
async fn forms_and_files_and_texts_are_bodies_too() {
    let body = |media: &str, schema: &Value| json!({"post": {"requestBody": {"required": true, "content": {media: {"schema": schema}}}}});
    let form =
        json!({"type": "object", "properties": {"a": {"type": "string"}, "list": {"type": "array", "items": {}}}});
    let parts = json!({"type": "object", "properties": {"note": {"type": "string"}, "file": {"type": "string", "format": "binary"}}});
    let api = document(&json!({
        "/form": body("application/x-www-form-urlencoded", &form),
        "/parts": body("multipart/form-data", &parts),
        "/text": body("text/plain", &json!({"type": "string"})),
        "/bytes": body("application/octet-stream", &json!({})),
    }));
    let scene = Scene::of(fine(&["/v1/form", "/v1/parts", "/v1/text", "/v1/bytes"]), &api).await;
    let seen = scene.sent("post_form", &json!({"a": "x&b=y", "list": [1, 2]})).await;
    assert_eq!(seen.body, "a=x%26b%3Dy&list=1&list=2");
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    let seen = scene.sent("post_parts", &json!({"note": "hello", "file": "Rk9P"})).await;
    let media = seen.header("content-type").expect("a type").to_owned();
    let boundary = media.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
    let wanted = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\nFOO\r\n\
         --{boundary}--\r\n"
    );
    let other = wanted.split(&format!("--{boundary}\r\n")).collect::<Vec<_>>();
    assert!(
        other.iter().all(|part| seen.body.contains(part.trim_end_matches(&format!("--{boundary}--\r\n")))),
        "{}",
        seen.body
    );
    let seen = scene.sent("post_text", &json!({"body": "line\nline"})).await;
    assert_eq!((seen.body.as_str(), seen.header("content-type")), ("line\nline", Some("text/plain")));
    let seen = scene.sent("post_bytes", &json!({"body": "Rk9P"})).await;
    assert_eq!((seen.body.as_str(), seen.header("content-type")), ("FOO", Some("application/octet-stream")));
    let said = scene.refused("post_bytes", &json!({"body": "no base64!"})).await;
    assert!(said.contains("base64"), "{said}");
}

#[tokio::test]
async fn parameters_of_an_object_cannot_stand_for_others() {
    let operation = json!({"parameters": [
        parameter("query", "filter", &json!({"schema": {"type": "object"}})),
        parameter("query", "admin", &json!({})),
    ]});
    let more = json!({"query": {"key": "fixed"}});
    let scene = Scene::with(fine(&["/v1/x"]), &document(&json!({"/x": {"get": operation}})), &more).await;
    let seen = scene.sent("get_x", &json!({"filter": {"a": 1}})).await;
    assert_eq!(seen.path, "/v1/x?a=1&key=fixed");
    for member in ["admin", "key"] {
        let said = scene.refused("get_x", &json!({"filter": {member: 1}})).await;
        assert!(said.contains("another parameter"), "{said}");
    }
}
