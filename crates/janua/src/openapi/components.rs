//! What the operations of a document have in common: errors, results, parameters, ways to authenticate.

use serde_json::{Map, Value, json};

use super::{Schemes, Sessions, Terms};

/// The answers that are problem details: status, name, and when.
pub(super) const PROBLEMS: [(&str, &str, &str); 10] = [
    ("400", "BadRequest", "The request cannot be understood, or the arguments do not fit the schema."),
    ("401", "Unauthorized", "Credentials are missing or wrong."),
    ("404", "NotFound", "There is no such server, tool, prompt, resource or session."),
    ("413", "TooLarge", "The body is too large."),
    ("415", "NotJson", "The body is of another media type than JSON."),
    ("422", "Failed", "The tool was called and reports a failure."),
    ("429", "TooMany", "Too much is under way; `Retry-After` says when to try again."),
    ("502", "BadGateway", "The server broke off or answered with an error."),
    ("503", "Unavailable", "The server cannot be started or reached, or the gateway is overloaded."),
    ("504", "TimedOut", "The server took too long."),
];

/// The media type of problem details (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// The name under which another part of the document refers to a component.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// All components of a document, with the schemas of its tools.
pub(super) fn all(terms: &Terms, tools: Map<String, Value>) -> Value {
    let mut schemas = schemas();
    schemas.extend(tools);
    let mut components = Map::new();
    components.insert("schemas".to_owned(), Value::Object(schemas));
    components.insert("responses".to_owned(), responses(terms));
    components.insert("headers".to_owned(), headers());
    components.insert("parameters".to_owned(), parameters(terms));
    let schemes = schemes(terms.schemes);
    if !schemes.is_empty() {
        components.insert("securitySchemes".to_owned(), Value::Object(schemes));
    }
    Value::Object(components)
}

/// What a caller needs: any of the schemes.
pub(super) fn requirements(schemes: Schemes) -> Value {
    let named = [("basic", schemes.basic), ("bearer", schemes.bearer)];
    named.into_iter().filter(|(_, on)| *on).map(|(name, _)| json!({ name: [] })).collect()
}

fn schemes(schemes: Schemes) -> Map<String, Value> {
    let named = [("basic", schemes.basic), ("bearer", schemes.bearer)];
    let on = named.into_iter().filter(|(_, on)| *on);
    on.map(|(name, _)| (name.to_owned(), json!({"type": "http", "scheme": name}))).collect()
}

fn responses(terms: &Terms) -> Value {
    let required = terms.sessions == Sessions::Required;
    let mut responses = Map::new();
    for (status, name, description) in PROBLEMS {
        let mut content = json!({PROBLEM: {"schema": reference("schemas", "Problem")}});
        // The older gateway's form of a server's error.
        if required && status != "401" {
            content["application/json"] = json!({"schema": reference("schemas", "JsonRpcError")});
        }
        responses.insert(name.to_owned(), json!({"description": description, "content": content}));
    }
    let questions = json!({
        "description": "The server asks something before it goes on. Post the answers to the address in `answer`.",
        "content": {"application/json": {"schema": reference("schemas", "Questions")}},
    });
    responses.insert("Questions".to_owned(), questions);
    Value::Object(responses)
}

fn headers() -> Value {
    json!({
        "Mcp-Gateway-Session": {
            "description": "Whether the call has opened its session or found it there.",
            "schema": {"type": "string", "enum": ["new", "reused"]},
        },
    })
}

fn parameters(terms: &Terms) -> Value {
    let mut parameters = json!({
        "Prefer": {
            "name": "Prefer",
            "in": "header",
            "required": false,
            "description": "`questions` (RFC 7240): the server may ask something in mid-call, which gives 202.",
            "schema": {"type": "string"},
        },
    });
    if terms.sessions == Sessions::Optional {
        parameters["Session"] = json!({
            "name": "Janua-Session",
            "in": "header",
            "required": false,
            "description": "The session that the call belongs to. Get one from GET /api/sessionid, or make one up.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,128}$"},
        });
    }
    parameters
}

/// The older gateway's parameter, as it stands at each call.
pub(super) fn session_id() -> Value {
    json!({
        "name": "sessionId",
        "in": "query",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,128}$"},
        "required": true,
        "description": "Session ID for the tool call. Get one from GET /api/sessionid",
    })
}

/// The schemas that every document has.
fn schemas() -> Map<String, Value> {
    let parts = [errors(), results(), questions(), completions(), lists()];
    parts.iter().filter_map(Value::as_object).flatten().map(|(name, schema)| (name.clone(), schema.clone())).collect()
}

/// What went wrong.
fn errors() -> Value {
    json!({
        "Problem": {
            "type": "object",
            "description": "Problem details (RFC 9457), with the JSON-RPC error if there was one.",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "code": {"type": "integer", "description": "The code of the JSON-RPC error."},
                "message": {"type": "string", "description": "The message of the JSON-RPC error."},
                "data": {"description": "The data of the JSON-RPC error."},
                "errors": {
                    "type": "array",
                    "description": "The arguments that do not fit.",
                    "items": {
                        "type": "object",
                        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                        "required": ["field", "message"],
                    },
                },
            },
        },
        "JsonRpcError": {
            "type": "object",
            "description": "An error of the server, as it came.",
            "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {}},
            "required": ["code", "message"],
        },
    })
}

/// What tools and prompts give, in MCP's own objects.
fn results() -> Value {
    json!({
        "CallToolResult": {
            "type": "object",
            "description": "The result of a call as MCP has it.",
            "properties": {
                "content": {"type": "array", "items": reference("schemas", "ContentBlock")},
                "structuredContent": {"type": "object"},
                "isError": {"type": "boolean"},
                "_meta": {"type": "object"},
            },
            "required": ["content"],
        },
        "ContentBlock": {
            "type": "object",
            "description": "A piece of content: text, an image, a sound, a resource or a link to one.",
            "properties": {
                "type": {"type": "string"},
                "text": {"type": "string"},
                "data": {"type": "string", "description": "Base64."},
                "mimeType": {"type": "string"},
            },
            "required": ["type"],
        },
        "GetPromptResult": {
            "type": "object",
            "properties": {
                "description": {"type": "string"},
                "messages": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"role": {"type": "string"}, "content": {"type": "object"}},
                        "required": ["role", "content"],
                    },
                },
            },
            "required": ["messages"],
        },
    })
}

/// What a server asks in mid-call, and the answers.
fn questions() -> Value {
    json!({
        "Questions": {
            "type": "object",
            "description": "What a server asks, and where the answers go.",
            "properties": {
                "handle": {"type": "string"},
                "answer": {"type": "string", "description": "The path to post the answers to."},
                "questions": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {"method": {"type": "string"}, "params": {"type": "object"}},
                        "required": ["method"],
                    },
                },
            },
            "required": ["handle", "answer", "questions"],
        },
        "Answers": {
            "type": "object",
            "description": "By the keys of the questions: MCP's result object, or `error`.",
            "additionalProperties": {"type": "object"},
        },
    })
}

/// How an argument may go on.
fn completions() -> Value {
    json!({
        "Completion": {
            "type": "object",
            "properties": {
                "values": {"type": "array", "items": {"type": "string"}},
                "total": {"type": "integer"},
                "hasMore": {"type": "boolean"},
            },
            "required": ["values"],
        },
        "CompletionRequest": {
            "type": "object",
            "properties": {
                "ref": {"oneOf": [
                    {
                        "type": "object",
                        "properties": {"type": {"type": "string", "enum": ["ref/prompt"]}, "name": {"type": "string"}},
                        "required": ["type", "name"],
                    },
                    {
                        "type": "object",
                        "properties": {"type": {"type": "string", "enum": ["ref/resource"]}, "uri": {"type": "string"}},
                        "required": ["type", "uri"],
                    },
                ]},
                "argument": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                    "required": ["name", "value"],
                },
                "context": {"type": "object"},
            },
            "required": ["ref", "argument"],
        },
    })
}

/// What there is.
fn lists() -> Value {
    json!({
        "Servers": {
            "type": "object",
            "properties": {
                "servers": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "kind": {"type": "string", "enum": ["server", "view"]},
                            "address": {"type": "string"},
                        },
                        "required": ["name", "kind", "address"],
                    },
                },
            },
            "required": ["servers"],
        },
        "Listing": {
            "type": "object",
            "description": "What a server has, in MCP's own objects.",
            "properties": {
                "tools": {"type": "array", "items": {"type": "object"}},
                "prompts": {"type": "array", "items": {"type": "object"}},
                "resources": {"type": "array", "items": {"type": "object"}},
                "resourceTemplates": {"type": "array", "items": {"type": "object"}},
            },
        },
    })
}
