//! The documents of mcpo: the names in them are those that its clients have seen before.

use bytes::Bytes;
use janua_wire::opening::server_info;
use janua_wire::raw;
use serde_json::{Map, Value, json};

use super::schemas::adopt;

/// What a document is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) version: String,
}

/// The name of the way to show the key.
const SCHEME: &str = "HTTPBearer";

impl Service {
    /// A server that is served under `name`, by the raw result of its `server/discover`.
    pub(crate) fn of(name: &str, discovered: Option<&[u8]>) -> Self {
        let said = |key: &str| {
            let info = discovered.and_then(server_info)?;
            raw::peek_string(info, key).filter(|text| !text.is_empty())
        };
        let title = said("name").unwrap_or_else(|| name.to_owned());
        let instructions = discovered.and_then(|said| raw::peek_string(said, "instructions"));
        Service {
            description: instructions.filter(|text| !text.is_empty()).unwrap_or_else(|| format!("{title} MCP Server")),
            version: said("version").unwrap_or_else(|| "1.0".to_owned()),
            title,
        }
    }

    /// All servers of a gateway.
    pub(crate) fn of_all() -> Self {
        Service {
            title: "MCP OpenAPI Proxy".to_owned(),
            description: "The tools of MCP servers as plain HTTP".to_owned(),
            version: "1.0".to_owned(),
        }
    }

    fn document(&self, address: &str, paths: Value) -> Map<String, Value> {
        let Service { title, description, version } = self;
        let mut document = Map::from_iter([
            ("openapi".to_owned(), "3.1.0".into()),
            ("info".to_owned(), json!({"title": title, "description": description, "version": version})),
            ("paths".to_owned(), paths),
        ]);
        if !address.is_empty() {
            document.insert("servers".to_owned(), json!([{ "url": address }]));
        }
        document
    }
}

/// The document of a server with these `tools` at `address`: the path before the tools' own, or nothing. `is_locked`:
/// callers must show a key.
pub(crate) fn of_server(service: &Service, address: &str, tools: &[(String, Bytes)], is_locked: bool) -> String {
    let (mut paths, mut schemas) = (Map::new(), failures());
    for (name, text) in tools {
        let tool = serde_json::from_slice::<Value>(text).unwrap_or_default();
        let mut operation = operation(name, &tool, &mut schemas);
        if is_locked {
            operation.insert("security".to_owned(), json!([{ SCHEME: [] }]));
        }
        paths.insert(format!("/{name}"), json!({ "post": operation }));
    }
    let mut document = service.document(address, Value::Object(paths));
    let mut components = json!({ "schemas": schemas });
    if is_locked {
        components["securitySchemes"] = json!({ SCHEME: {"type": "http", "scheme": "bearer"} });
    }
    document.insert("components".to_owned(), components);
    Value::Object(document).to_string()
}

/// The document of all `servers`, which says where their own are.
pub(crate) fn of_all(service: &Service, root_path: &str, prefix: &str, servers: &[String]) -> String {
    let mut service = service.clone();
    let link = |server: &String| format!("\n    - [{server}]({root_path}{prefix}{server}/docs)");
    let links: String = servers.iter().map(link).collect();
    service.description = format!("{}\n\n- **available tools**:{links}", service.description);
    Value::Object(service.document(root_path, json!({}))).to_string()
}

/// One tool, whose schemas go to the others.
fn operation(name: &str, tool: &Value, schemas: &mut Map<String, Value>) -> Map<String, Value> {
    let word = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '_' };
    let plain: String = name.chars().map(word).collect();
    let mut adopted = |schema: Option<&Value>, kind: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let wanted: String = format!("{name}_{kind}_model").chars().map(plain).collect();
        let held = |name: &str| schemas.contains_key(name);
        let numbered = (2..).map(|count| format!("{wanted}_{count}"));
        let key = std::iter::once(wanted.clone()).chain(numbered).find(|name| !held(name)).unwrap_or(wanted.clone());
        let adopted = adopt(schema, &key);
        schemas.extend(adopted.components);
        // One that refers to nothing is not among its own components.
        schemas.entry(key.clone()).or_insert(adopted.schema);
        json!({"$ref": format!("#/components/schemas/{key}")})
    };
    let id = format!("tool_{plain}_post");
    let response_title = titled(&format!("response_{id}"));
    let mut operation =
        Map::from_iter([("summary".to_owned(), titled(name).into()), ("operationId".to_owned(), id.into())]);
    if let Some(description) = tool["description"].as_str() {
        operation.insert("description".to_owned(), description.into());
    }
    let input = &tool["inputSchema"];
    let takes_any = input["properties"].as_object().is_some_and(|properties| !properties.is_empty());
    if takes_any {
        let schema = adopted(Some(input), "form");
        let body = json!({"content": {"application/json": {"schema": schema}}, "required": true});
        operation.insert("requestBody".to_owned(), body);
    }
    let result = match tool.get("outputSchema") {
        Some(schema) => json!({"anyOf": [adopted(Some(schema), "response"), {}], "title": response_title}),
        None => json!({"title": response_title}),
    };
    let good = json!({"description": "Successful Response", "content": {"application/json": {"schema": result}}});
    let mut responses = json!({ "200": good });
    if takes_any {
        let schema = json!({"$ref": "#/components/schemas/HTTPValidationError"});
        responses["422"] =
            json!({"description": "Validation Error", "content": {"application/json": {"schema": schema}}});
    }
    operation.insert("responses".to_owned(), responses);
    operation
}

/// Words with capitals, as Python writes titles: a capital after whatever is no letter.
fn titled(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut begins = true;
    for c in name.chars() {
        let c = if c == '_' { ' ' } else { c };
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        begins = !c.is_alphabetic();
    }
    out
}

/// What a refusal of arguments looks like.
fn failures() -> Map<String, Value> {
    let place =
        json!({"type": "array", "title": "Location", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}});
    let one = json!({
        "title": "ValidationError",
        "type": "object",
        "properties": {
            "loc": place,
            "msg": {"type": "string", "title": "Message"},
            "type": {"type": "string", "title": "Error Type"},
        },
        "required": ["loc", "msg", "type"],
    });
    let items = json!({"$ref": "#/components/schemas/ValidationError"});
    let all = json!({
        "title": "HTTPValidationError",
        "type": "object",
        "properties": {"detail": {"title": "Detail", "type": "array", "items": items}},
    });
    Map::from_iter([("HTTPValidationError".to_owned(), all), ("ValidationError".to_owned(), one)])
}
