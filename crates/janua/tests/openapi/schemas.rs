//! What tools say of themselves: schemas with what they refer to, names, hints; and what is left out, with the reason.

use janua_testkit::upstream::canned::{Canned, CannedServer};
use serde_json::{Value, json};

use crate::scene::{Scene, document, fine, text};

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

#[tokio::test]
async fn recursive_schemas_stay_finite_and_whole() {
    let mut api = document(&json!({"/trees": {"post": {
        "operationId": "plant",
        "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}},
        "responses": {"201": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}}
    }}}));
    api["components"] = json!({"schemas": {
        "Tree": {"type": "object", "required": ["kind"], "properties": {
            "kind": {"$ref": "#/components/schemas/Kind"},
            "left": {"$ref": "#/components/schemas/Tree"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
        }},
        "Kind": {"type": "string", "enum": ["oak", "elm"]},
        "Unused": {"type": "string"}
    }});
    let scene = Scene::of(fine(&["/v1/trees"]), &api).await;
    let tools = scene.tools().await;
    let schema = &tools["plant"]["inputSchema"];
    let defs: Vec<&String> = schema["$defs"].as_object().expect("definitions").keys().collect();
    assert_eq!(defs, ["Kind", "Tree"], "only what is needed");
    let validator = validator(schema);
    assert!(validator.is_valid(&json!({"kind": "oak", "left": {"kind": "elm", "children": [{"kind": "oak"}]}})));
    assert!(!validator.is_valid(&json!({"kind": "oak", "left": {"kind": "elm", "children": [{"kind": "ash"}]}})));
    assert_eq!(tools["plant"]["outputSchema"]["$ref"], "#/$defs/Tree");
    let seen = scene.sent("plant", &json!({"kind": "oak", "left": {"kind": "elm"}})).await;
    assert_eq!(seen.body, r#"{"kind":"oak","left":{"kind":"elm"}}"#);
    let said = scene.refused("plant", &json!({"kind": "oak", "left": {"kind": "ash"}})).await;
    assert!(said.contains("left/kind: "), "{said}");
}

#[tokio::test]
async fn everything_can_be_referred_to() {
    let mut api = document(&json!({"/a/{id}": {"$ref": "#/components/pathItems/A"}}));
    api["components"] = json!({
        "pathItems": {"A": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "put": {"operationId": "a", "requestBody": {"$ref": "#/components/requestBodies/A"},
                    "responses": {"200": {"$ref": "#/components/responses/A"}}}
        }},
        "parameters": {"Id": {"in": "path", "name": "id", "required": true, "description": "Which one", "schema": {"$ref": "#/components/schemas/Id"}}},
        "requestBodies": {"A": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}},
        "responses": {"A": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}},
        "schemas": {"Id": {"type": "integer", "minimum": 1}, "A": {"type": "object", "properties": {"x/y": {"type": "string"}, "z": {"$ref": "#/components/schemas/A/properties/x~1y"}}}}
    });
    let scene = Scene::of(fine(&["/v1/a/3"]), &api).await;
    let tool = scene.tools().await["a"].clone();
    assert_eq!(tool["inputSchema"]["properties"]["id"], json!({"$ref": "#/$defs/Id", "description": "Which one"}));
    assert_eq!(tool["inputSchema"]["$defs"]["Id"], json!({"type": "integer", "minimum": 1}));
    assert_eq!(tool["annotations"], json!({"openWorldHint": true, "readOnlyHint": false, "idempotentHint": true}));
    let seen = scene.sent("a", &json!({"id": 3, "x_y": "v", "z": "w"})).await;
    assert_eq!((seen.method.as_str(), seen.body.as_str()), ("PUT", r#"{"x/y":"v","z":"w"}"#));
    assert!(scene.refused("a", &json!({"id": 0})).await.contains("minimum"));
}

#[tokio::test]
async fn what_openapi_3_0_says_otherwise_is_translated() {
    let schema = json!({"type": "object", "properties": {
        "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": true, "maximum": 150, "exclusiveMaximum": false, "example": 30},
        "pet": {"nullable": true, "allOf": [{"type": "object"}]},
        "size": {"type": "string", "enum": ["s", "l"], "nullable": true},
        "one": {"oneOf": [{"type": "object"}, {"type": "object", "properties": {"x": {}}}]},
        "word": {"type": "string", "pattern": "^(?=a)b$"},
        "odd": {"type": "file", "required": true, "x-more": 1, "xml": {}, "minimum": "3"}
    }});
    let api = document(
        &json!({"/x": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema": schema}}}}}}),
    );
    let scene = Scene::of(fine(&["/v1/x"]), &api).await;
    let schema = scene.tools().await["post_x"]["inputSchema"].clone();
    let properties = &schema["properties"];
    assert_eq!(properties["age"], json!({"type": "integer", "exclusiveMinimum": 0, "maximum": 150, "examples": [30]}));
    assert_eq!(properties["word"], json!({"type": "string"}), "no engine of linear time takes it");
    assert_eq!(properties["odd"], json!({}));
    let validator = validator(&schema);
    for (good, arguments) in [
        (true, json!({"age": 1, "pet": null, "size": null, "one": {"x": 1}})),
        (true, json!({"pet": {}, "size": "s"})),
        (false, json!({"age": 0})),
        (false, json!({"age": null})),
        (false, json!({"pet": 1})),
        (false, json!({"size": "m"})),
    ] {
        assert_eq!(validator.is_valid(&arguments), good, "{arguments}");
    }
    scene.sent("post_x", &json!({"one": {"x": 1}})).await;
}

#[tokio::test]
async fn documents_of_3_1_and_in_yaml_are_read() {
    let yaml = "
openapi: 3.1.0
info: {title: Shop, version: '1', description: Sells things.}
servers: [{url: 'https://shop.example/api'}]
paths:
  /items/{id}:
    get:
      summary: Shows an item
      description: With its price.
      parameters:
        - {in: path, name: id, required: true, schema: {type: [string, 'null'], minLength: 2, examples: [ab]}}
        - {in: query, name: since, schema: {$ref: '#/components/schemas/Time', description: Not before}}
      responses:
        200: {description: ok, content: {application/json: {schema: {type: array}}}}
    delete: {operationId: drop}
components:
  schemas:
    Time: {type: string, format: date-time}
";
    let api = fine(&["/v1/items/ab"]);
    let scene = Scene::with(api, &Value::Null, &json!({"openapi": "shop.yaml"})).await;
    std::fs::write(scene.folder.path().join("shop.yaml"), yaml).expect("written");
    scene.logged("configuration taken over").await;
    let tools = scene.tools().await;
    let get = &tools["get_items_id"];
    assert_eq!(
        (&get["title"], &get["description"]),
        (&json!("Shows an item"), &json!("Shows an item\n\nWith its price."))
    );
    assert_eq!(get["annotations"], json!({"openWorldHint": true, "readOnlyHint": true}));
    assert_eq!(get["inputSchema"]["properties"]["id"]["type"], json!(["string", "null"]));
    assert_eq!(get["inputSchema"]["properties"]["since"], json!({"$ref": "#/$defs/Time", "description": "Not before"}));
    assert_eq!(get.get("outputSchema"), None, "an array is no structured content");
    assert_eq!(tools["drop"]["annotations"]["destructiveHint"], true);
    assert_eq!(scene.sent("get_items_id", &json!({"id": "ab"})).await.path, "/v1/items/ab");
}

#[tokio::test]
async fn what_cannot_be_offered_is_left_out_and_said() {
    let body =
        |reference: &str| json!({"requestBody": {"content": {"application/json": {"schema": {"$ref": reference}}}}});
    let mut api = document(&json!({
        "/good": {"get": {}},
        "/elsewhere": {"post": body("https://other.example/schema.json#/X")},
        "/file": {"post": body("./common.yaml#/X")},
        "/nowhere": {"post": body("#/components/schemas/Nothing")},
        "/circle": {"post": body("#/components/schemas/Circle")},
        "/trace": {"trace": {}},
        "/query?x=1": {"get": {}},
        "/item": {"$ref": "paths.yaml#/item"},
    }));
    api["components"] = json!({"schemas": {"Circle": {"$ref": "#/components/schemas/Circle"}}});
    let scene = Scene::of(fine(&["/v1/good"]), &api).await;
    let names: Vec<String> = scene.tools().await.keys().cloned().collect();
    assert_eq!(names, ["get_good"]);
    for words in [
        "tools=1 left_out=7",
        r#"the reference "https://other.example/schema.json#/X" leads out of the document"#,
        r#"the reference "./common.yaml#/X" leads out of the document"#,
        r##"the reference "#/components/schemas/Nothing" leads nowhere"##,
        r##"the reference "#/components/schemas/Circle" leads in a circle"##,
        "no tool can be made of the method TRACE",
        "its path holds a `?`",
        r#"the reference "paths.yaml#/item" leads out of the document"#,
    ] {
        scene.logged(words).await;
    }
}

#[tokio::test]
async fn tools_are_chosen_renamed_and_called_by_every_kind_of_client() {
    let api = document(&json!({
        "/pets": {"get": {"operationId": "listPets"}, "post": {"operationId": "addPet"}},
        "/pets/{id}": {"get": {"operationId": "pets/show"}, "delete": {"operationId": "pets/drop"}},
    }));
    let more = json!({"tools": {"allow": ["list*", "pets_*"], "deny": ["*drop"], "rename": {"listPets": "pets"}}});
    let scene = Scene::with(fine(&["/v1/pets"]), &api, &more).await;
    let names: Vec<String> = scene.tools().await.keys().cloned().collect();
    assert_eq!(names, ["pets", "pets_show"]);
    assert_eq!(scene.sent("pets", &json!({})).await.path, "/v1/pets");
    let modern = scene.client("/mcp").modern("2026-07-28", "{}");
    let reply = modern.call("pets", "{}").await;
    assert_eq!(reply.result()["structuredContent"], json!({"ok": true}));
}

#[tokio::test]
async fn documents_of_2_0_are_read() {
    let api = json!({
        "swagger": "2.0", "info": {"title": "Old", "version": "1"}, "basePath": "/v1",
        "paths": {"/pets": {"post": {
            "operationId": "add",
            "parameters": [
                {"in": "query", "name": "tags", "type": "array", "items": {"type": "string"}},
                {"in": "body", "name": "pet", "required": true, "schema": {"$ref": "#/definitions/Pet"}}
            ],
            "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Pet"}}}
        }}},
        "definitions": {"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}
    });
    let scene = Scene::of(fine(&["/v1/pets"]), &api).await;
    let seen = scene.sent("add", &json!({"name": "Rex", "tags": ["a", "b"]})).await;
    assert_eq!((seen.path.as_str(), seen.body.as_str()), ("/v1/pets?tags=a,b", r#"{"name":"Rex"}"#));
}

#[tokio::test]
async fn a_large_schema_is_shown_as_deep_as_it_fits() {
    let leaf = json!({"type": "string", "description": "word ".repeat(20)});
    let wide = |inner: &Value| {
        let names: serde_json::Map<String, Value> = (0..20).map(|at| (format!("p{at}"), inner.clone())).collect();
        json!({"type": "object", "properties": names})
    };
    let schema = wide(&wide(&wide(&leaf)));
    let body = json!({"requestBody": {"required": true, "content": {"application/json": {"schema": schema}}}});
    let api = CannedServer::builder().on("/v1/x", Canned::json("{}"));
    let scene = Scene::of(api, &document(&json!({"/x": {"post": body}}))).await;
    let schema = scene.tools().await["post_x"]["inputSchema"].clone();
    let size = schema.to_string().len();
    assert!(size < 100_000, "{size}");
    assert_eq!(schema["properties"]["p3"]["properties"]["p4"]["type"], "object");
    // What is not shown is taken all the same.
    let result = scene.call("post_x", &json!({"p3": {"p4": {"p5": "x"}}})).await;
    assert_eq!(text(&result), "{}");
}
