//! The document as a whole: nasty tools in both versions of OpenAPI.

use bytes::Bytes;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Document, Offer, Schemes, Sessions, Terms, Version};

const BOTH: [Version; 2] = [Version::V31, Version::V30];

fn offer(tools: &[Value]) -> Offer {
    let named = |tool: &Value| (tool["name"].as_str().expect("a name").to_owned(), Bytes::from(tool.to_string()));
    Offer { name: Some("S".to_owned()), tools: tools.iter().map(named).collect(), ..Offer::default() }
}

fn document(tools: &[Value], version: Version) -> Value {
    let terms = Terms { version, url: "http://h:1/api".to_owned(), ..Terms::default() };
    Document::new("t", &[offer(tools)], &terms).value().clone()
}

fn of_schema(schema: &Value, version: Version) -> Value {
    document(&[json!({"name": "t", "inputSchema": schema})], version)
}

fn media(document: &Value) -> &Value {
    &document["paths"]["/S/t"]["post"]["requestBody"]["content"]["application/json"]
}

/// The schema of the arguments as the document means it, its references leading into the document.
fn validator(document: &Value) -> Validator {
    let mut root = document.clone();
    root["$ref"] = json!("#/paths/~1S~1t/post/requestBody/content/application~1json/schema");
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&root)
        .expect("its references lead somewhere")
}

#[test]
fn references_hold_in_the_document() {
    let tree = json!({
        "type": "object",
        "properties": {
            "tree": {"$ref": "#/$defs/node"},
            "again": {"$ref": "#"},
            "odd": {"$ref": "#/$defs/a~1b%20c"},
            "deep": {"$ref": "#/$defs/node/properties/value"},
            "$ref": {"type": "integer"},
        },
        "required": ["tree"],
        "default": {"$ref": "#/nowhere"},
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value"],
            },
            "a/b c": {"enum": ["x"]},
        },
    });
    for version in BOTH {
        let document = of_schema(&tree, version);
        let validator = validator(&document);
        let fits = |instance: Value| validator.is_valid(&instance);
        assert!(fits(json!({"tree": {"value": 1, "children": [{"value": 2}]}, "$ref": 1})), "{document:#}");
        assert!(!fits(json!({"tree": {"value": 1, "children": [{"value": "2"}]}})));
        assert!(!fits(json!({"tree": {"value": 1}, "again": {}})), "the whole is meant by its reference");
        assert!(!fits(json!({"tree": {"value": 1}, "odd": "y"})) && !fits(json!({"tree": {"value": 1}, "deep": "y"})));
        assert!(!fits(json!({"tree": {"value": 1}, "$ref": "a property of that name"})));
        assert_eq!(document["components"]["schemas"]["S-t.input"]["default"], json!({"$ref": "#/nowhere"}));
    }
}

#[test]
fn a_broken_schema_breaks_its_own_tool_only() {
    let broken = [
        json!({"type": "object", "properties": {"a": {"type": "any"}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}}),
        json!({"type": "object", "properties": {"a": {"pattern": "("}}}),
        json!({"type": "object", "required": true}),
        json!({"type": "array"}),
        json!({"$ref": "#"}),
        json!(true),
        json!("object"),
    ];
    for (schema, version) in broken.iter().flat_map(|schema| BOTH.map(|version| (schema, version))) {
        let tools =
            [json!({"name": "t", "inputSchema": schema}), json!({"name": "fine", "inputSchema": {"type": "object"}})];
        let document = document(&tools, version);
        let shown = &media(&document)["schema"];
        assert_eq!(shown["type"], "object", "{schema}");
        assert!(shown["x-mcp-schema-error"].is_string(), "{schema}: {shown}");
        assert_eq!(document["paths"]["/S/fine"]["post"]["operationId"], "S-fine");
    }
}

#[test]
fn numbers_beyond_all_bounds_are_told_too() {
    let text =
        Bytes::from_static(br#"{"name":"t","inputSchema":{"type":"object","properties":{"a":{"maximum":1e999}}}}"#);
    let offer = Offer { name: Some("S".to_owned()), tools: vec![("t".to_owned(), text)], ..Offer::default() };
    let document = Document::new("t", &[offer], &Terms::default());
    assert!(media(document.value())["schema"]["x-mcp-schema-error"].is_string(), "{:#}", document.value());
}

#[test]
fn examples_fit_their_schemas() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 7}, "b": {"type": "integer", "minimum": 5, "multipleOf": 4},
            "c": {"enum": ["red", "blue"]}, "d": {"type": ["null", "array"], "items": {"const": 4}, "minItems": 2},
            "e": {"anyOf": [{"type": "null"}, {"type": "string", "format": "uuid"}]},
            "f": {"allOf": [{"properties": {"x": {"type": "boolean"}}, "required": ["x"]}, {"required": ["y"]}]},
            "g": {"type": "number", "exclusiveMinimum": 2, "maximum": 3}, "h": {"default": 9}, "i": {"type": "string"},
        },
        "required": ["a", "b", "c", "d", "e", "f", "g"],
    });
    for version in BOTH {
        let document = of_schema(&schema, version);
        let example = &media(&document)["example"];
        let plain = jsonschema::validator_for(&schema).expect("a schema");
        assert!(plain.is_valid(example), "{example:#}");
        assert_eq!((&example["b"], &example["c"], &example["h"]), (&json!(8), &json!("red"), &json!(9)));
        assert_eq!(example.get("i"), None, "what nobody needs is not made up");
    }
    let nothing =
        of_schema(&json!({"type": "object", "properties": {"a": {"pattern": "^z{9}$"}}, "required": ["a"]}), BOTH[0]);
    assert_eq!(media(&nothing).get("example"), None, "an example that does not fit is none");
}

#[test]
fn the_older_version_says_what_it_can_say() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "const": {"const": 3}, "null": {"type": ["string", "null"]}, "several": {"type": ["string", "integer"]},
            "above": {"type": "number", "exclusiveMinimum": 4, "minimum": 1}, "any": true, "none": false,
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]}, "bytes": {"type": "string", "contentEncoding": "base64"},
            "beside": {"$ref": "#/$defs/d", "description": "said"}, "list": {"type": "array"},
            "odd": {"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": false},
            "when": {"if": {"type": "string"}, "then": {"minLength": 1}, "examples": ["e"], "$comment": "c"},
        },
        "$defs": {"d": {"type": "integer", "examples": [7]}},
    });
    let document = of_schema(&schema, Version::V30);
    let schemas = &document["components"]["schemas"];
    let property = |name: &str| &schemas["S-t.input"]["properties"][name];
    assert_eq!(property("const"), &json!({"enum": [3]}));
    assert_eq!(property("null"), &json!({"type": "string", "nullable": true}));
    assert_eq!(property("several"), &json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}));
    assert_eq!(property("above"), &json!({"type": "number", "minimum": 4, "exclusiveMinimum": true}));
    assert_eq!((property("any"), property("none")), (&json!({}), &json!({"not": {}})));
    assert_eq!(
        property("pair"),
        &json!({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}})
    );
    assert_eq!(property("maybe"), &json!({"anyOf": [{"type": "integer", "nullable": true}], "nullable": true}));
    assert_eq!(property("bytes"), &json!({"type": "string", "format": "byte"}));
    let beside = json!({"allOf": [{"$ref": "#/components/schemas/S-t.input.d"}], "description": "said"});
    assert_eq!(property("beside"), &beside);
    assert_eq!(property("list"), &json!({"type": "array", "items": {}}));
    assert_eq!(property("odd"), &json!({"type": "object", "additionalProperties": {"anyOf": [{"type": "integer"}]}}));
    assert_eq!(property("when"), &json!({"example": "e"}));
    assert_eq!(schemas["S-t.input.d"], json!({"type": "integer", "example": 7}));
    assert!(!document.to_string().contains("$schema"));
}

#[test]
fn drafts_of_old_are_put_into_the_words_of_today() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "http://example.com/x",
        "type": "object",
        "properties": {
            "n": {"type": "number", "minimum": 1, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false},
            "l": {"type": "array", "items": [{"type": "string"}], "additionalItems": {"type": "integer"}},
        },
        "dependencies": {"n": ["l"], "l": {"required": ["n"]}},
    });
    let document = of_schema(&schema, Version::V31);
    let shown = &media(&document)["schema"];
    assert_eq!(shown["properties"]["n"], json!({"type": "number", "exclusiveMinimum": 1, "maximum": 9}));
    let list = json!({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}});
    assert_eq!(shown["properties"]["l"], list);
    assert_eq!(
        (&shown["dependentRequired"], &shown["dependentSchemas"]),
        (&json!({"n": ["l"]}), &json!({"l": {"required": ["n"]}}))
    );
}

#[test]
fn sessions_and_schemes_stand_where_they_are_needed() {
    let tools = [json!({"name": "a/b ü", "inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}})];
    let schemes = Schemes { basic: true, bearer: true };
    let terms = Terms { url: "https://h/x/api".to_owned(), sessions: Sessions::Required, schemes, ..Terms::default() };
    let document = Document::new("t", &[offer(&tools)], &terms).value().clone();
    assert_eq!(document["servers"][0]["url"], "https://h/x/api");
    assert_eq!(document["security"], json!([{"basic": []}, {"bearer": []}]));
    assert_eq!(document["components"]["securitySchemes"]["bearer"], json!({"type": "http", "scheme": "bearer"}));
    let post = &document["paths"]["/S/a%2Fb%20%C3%BC"]["post"];
    assert_eq!((&post["operationId"], &post["x-mcp-tool"]), (&json!("S-a_b__"), &json!("a/b ü")));
    assert_eq!(
        (&post["summary"], &post["description"], &post["tags"]),
        (&json!("Call tool: a/b ü"), &json!(""), &json!(["S"]))
    );
    assert_eq!(
        (&post["parameters"][0]["name"], &post["parameters"][0]["required"]),
        (&json!("sessionId"), &json!(true))
    );
    assert_eq!(post["responses"]["401"], json!({"$ref": "#/components/responses/Unauthorized"}));
    assert_eq!(post["responses"].get("422"), None, "a failure of the tool is a result there");
    assert!(
        document["paths"]["/sessionid"]["get"].is_object()
            && document["paths"]["/sessionid/{id}"]["delete"].is_object()
    );
}

#[test]
fn yaml_and_json_say_the_same() {
    let tools = [json!({"name": "t", "description": "on: yes\n\tno # 1:20 \u{1f600}\u{85}", "inputSchema": {
        "type": "object", "properties": {"no": {"enum": ["off", "~", "0x1", "1e3", "2026-01-01", "", " x ", "|"]}, "1": {"const": 1.5}}}})];
    let document = Document::new("yes", &[offer(&tools)], &Terms::default());
    let json: Value = serde_json::from_str(&document.to_json()).expect("JSON");
    let yaml: Value = serde_saphyr::from_str(&document.to_yaml()).expect("YAML");
    assert_eq!(json, yaml);
    assert!(document.to_yaml().starts_with("openapi: \"3.1.0\"\ninfo:\n"), "{}", document.to_yaml());
}
