//! Documents of Swagger 2.0, written anew as OpenAPI 3.0.

use serde_json::{Map, Value, json};

use super::document::{list, on, text};

/// What a parameter of 2.0 says of itself that a schema says in 3.0.
const OF_SCHEMA: [&str; 17] = [
    "type",
    "format",
    "items",
    "default",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "enum",
    "multipleOf",
    "example",
];
const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data";

/// The document as one of 3.0. References stay as they are, and lead to the same places; what they lead to is written
/// anew in its place.
pub(super) fn renewed(mut root: Value) -> Value {
    let servers = servers(&root);
    let usual = |root: &Value, key: &str| -> Vec<Value> { list(root, key).to_vec() };
    let (consumes, produces) = (usual(&root, "consumes"), usual(&root, "produces"));
    let shared = root.get("parameters").cloned().unwrap_or_default();
    for (_, item) in members(&mut root, "paths") {
        let inherited = taken_list(item, "parameters");
        for method in ["get", "put", "post", "delete", "options", "head", "patch"] {
            if let Some(operation) = item.get_mut(method).filter(|operation| operation.is_object()) {
                operation_renewed(operation, &inherited, &shared, (&consumes, &produces));
            }
        }
    }
    for (_, response) in members(&mut root, "responses") {
        response_renewed(response, &produces);
    }
    let schemes = root.get("securityDefinitions").cloned().unwrap_or_default();
    if let Value::Object(root) = &mut root {
        root.insert("openapi".to_owned(), json!("3.0.3"));
        root.insert("components".to_owned(), json!({"securitySchemes": schemes}));
        root.insert("servers".to_owned(), servers);
    }
    root
}

fn servers(root: &Value) -> Value {
    let path = text(root, "basePath").unwrap_or("/");
    let Some(host) = text(root, "host") else { return json!([{"url": path}]) };
    let schemes: Vec<&str> = list(root, "schemes").iter().filter_map(Value::as_str).collect();
    let scheme = if schemes.contains(&"http") && !schemes.contains(&"https") { "http" } else { "https" };
    json!([{"url": format!("{scheme}://{host}{path}")}])
}

fn operation_renewed(
    operation: &mut Value,
    inherited: &[Value],
    shared: &Value,
    (consumes, produces): (&[Value], &[Value]),
) {
    let own = |operation: &Value, key: &str, usual: &[Value]| -> Vec<Value> {
        operation.get(key).and_then(Value::as_array).cloned().unwrap_or_else(|| usual.to_vec())
    };
    let (consumes, produces) = (own(operation, "consumes", consumes), own(operation, "produces", produces));
    let mut given = taken_list(operation, "parameters");
    let same = |a: &Value, b: &Value| text(a, "name") == text(b, "name") && text(a, "in") == text(b, "in");
    let resolved = |parameter: &Value| -> Value {
        let name = parameter.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/parameters/"));
        name.and_then(|name| shared.get(name)).unwrap_or(parameter).clone()
    };
    given = given.iter().map(resolved).collect();
    for parameter in inherited.iter().map(resolved) {
        if !given.iter().any(|own| same(own, &parameter)) {
            given.push(parameter);
        }
    }
    let (mut parameters, mut fields, mut body) = (Vec::new(), Vec::new(), None);
    for parameter in given {
        match text(&parameter, "in") {
            Some("body") => body = Some(parameter),
            Some("formData") => fields.push(parameter),
            _ => parameters.push(parameter_renewed(parameter)),
        }
    }
    let Value::Object(members) = operation else { return };
    members.insert("parameters".to_owned(), Value::Array(parameters));
    if let Some(body) = body {
        members.insert("requestBody".to_owned(), whole_body(&body, &consumes));
    } else if !fields.is_empty() {
        members.insert("requestBody".to_owned(), form(&fields, &consumes));
    }
    if let Some(Value::Object(responses)) = members.get_mut("responses") {
        responses.values_mut().for_each(|response| response_renewed(response, &produces));
    }
}

fn parameter_renewed(mut parameter: Value) -> Value {
    let schema = schema_of(&parameter);
    let Value::Object(members) = &mut parameter else { return parameter };
    let place = members.get("in").and_then(Value::as_str).unwrap_or_default();
    let (style, explode) = match members.get("collectionFormat").and_then(Value::as_str) {
        Some("multi") => ("form", true),
        Some("ssv") => ("spaceDelimited", false),
        Some("pipes") => ("pipeDelimited", false),
        _ if place == "query" => ("form", false),
        _ => ("simple", false),
    };
    if members.get("type").is_some_and(|kind| kind == "array") {
        members.insert("style".to_owned(), json!(style));
        members.insert("explode".to_owned(), json!(explode));
    }
    members.insert("schema".to_owned(), schema);
    parameter
}

fn schema_of(parameter: &Value) -> Value {
    let mut schema = Map::new();
    for key in OF_SCHEMA {
        if let Some(value) = parameter.get(key) {
            schema.insert(key.to_owned(), value.clone());
        }
    }
    if schema.get("type").is_some_and(|kind| kind == "file") {
        schema.insert("type".to_owned(), json!("string"));
        schema.insert("format".to_owned(), json!("binary"));
    }
    Value::Object(schema)
}

fn whole_body(body: &Value, consumes: &[Value]) -> Value {
    let schema = body.get("schema").cloned().unwrap_or_default();
    let medias = consumes.iter().filter_map(Value::as_str).filter(|media| ![FORM, PARTS].contains(media));
    let content: Map<String, Value> = medias.map(|media| (media.to_owned(), json!({"schema": schema}))).collect();
    let content =
        if content.is_empty() { json!({"application/json": {"schema": schema}}) } else { Value::Object(content) };
    let description = body.get("description").cloned().unwrap_or_default();
    json!({"content": content, "required": on(body, "required"), "description": description})
}

fn form(fields: &[Value], consumes: &[Value]) -> Value {
    let has_file = fields.iter().any(|field| field.get("type").is_some_and(|kind| kind == "file"));
    let media = if has_file || consumes.iter().any(|media| media == PARTS) { PARTS } else { FORM };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields {
        let Some(name) = text(field, "name") else { continue };
        let mut schema = schema_of(field);
        if let (Some(description), Value::Object(members)) = (field.get("description"), &mut schema) {
            members.insert("description".to_owned(), description.clone());
        }
        if on(field, "required") {
            required.push(name);
        }
        properties.insert(name.to_owned(), schema);
    }
    let mut encoding = Map::new();
    for field in fields.iter().filter(|field| field.get("type").is_some_and(|kind| kind == "array")) {
        let explode = text(field, "collectionFormat") == Some("multi");
        let name = text(field, "name").unwrap_or_default().to_owned();
        encoding.insert(name, json!({"style": "form", "explode": explode}));
    }
    let schema = json!({"type": "object", "properties": properties, "required": required});
    json!({"content": {media: {"schema": schema, "encoding": encoding}}, "required": true})
}

fn response_renewed(response: &mut Value, produces: &[Value]) {
    let Value::Object(members) = response else { return };
    let Some(schema) = members.remove("schema") else { return };
    let medias = produces.iter().filter_map(Value::as_str);
    let content: Map<String, Value> = medias.map(|media| (media.to_owned(), json!({"schema": schema}))).collect();
    let content =
        if content.is_empty() { json!({"application/json": {"schema": schema}}) } else { Value::Object(content) };
    members.insert("content".to_owned(), content);
}

/// The members under a key that are to be changed.
fn members<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    value.get_mut(key).and_then(Value::as_object_mut).into_iter().flat_map(Map::iter_mut)
}

/// Takes the list under a key out.
fn taken_list(value: &mut Value, key: &str) -> Vec<Value> {
    match value.as_object_mut().and_then(|members| members.remove(key)) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_2_0_becomes_one_of_3_0() {
        let old = json!({
            "swagger": "2.0", "host": "api.example", "basePath": "/v1", "schemes": ["https"], "consumes": ["application/json"],
            "parameters": {"page": {"name": "page", "in": "query", "type": "integer", "minimum": 1}},
            "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
            "paths": {"/pets": {
                "parameters": [{"$ref": "#/parameters/page"}],
                "get": {
                    "parameters": [{"name": "tags", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"}],
                    "responses": {"200": {"description": "ok", "schema": {"type": "object"}}}
                },
                "post": {"parameters": [{"name": "pet", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Pet"}}]},
                "put": {"consumes": [PARTS], "parameters": [
                    {"name": "photo", "in": "formData", "type": "file", "required": true},
                    {"name": "note", "in": "formData", "type": "string"}
                ]}
            }}
        });
        let new = renewed(old);
        assert_eq!(new["servers"][0]["url"], "https://api.example/v1");
        assert_eq!(new["components"]["securitySchemes"]["key"]["name"], "X-Key");
        let pets = &new["paths"]["/pets"];
        assert_eq!(pets["get"]["parameters"][0]["style"], "pipeDelimited");
        assert_eq!(pets["get"]["parameters"][1]["schema"], json!({"type": "integer", "minimum": 1}));
        assert_eq!(pets["get"]["responses"]["200"]["content"]["application/json"]["schema"]["type"], "object");
        assert_eq!(pets["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"], "#/definitions/Pet");
        assert_eq!(pets["post"]["requestBody"]["required"], true);
        let form = &pets["put"]["requestBody"]["content"][PARTS]["schema"];
        assert_eq!(form["properties"]["photo"], json!({"type": "string", "format": "binary"}));
        assert_eq!(form["required"], json!(["photo"]));
    }
}
