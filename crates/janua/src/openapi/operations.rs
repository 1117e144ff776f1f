//! The operations of a document: a path for each tool and prompt, and the few that every server has.

use serde_json::{Map, Value, json};

use super::components::{PROBLEMS, reference, session_id};
use super::names::{Ids, segment};
use super::schemas::{Adopted, adopt};
use super::{Offer, Schemes, Sessions, Terms};

const JSON: &str = "application/json";
/// The words for the lists in paths, and the members that hold them.
const LISTS: [(&str, &str); 4] =
    [("tools", "tools"), ("prompts", "prompts"), ("resources", "resources"), ("templates", "resourceTemplates")];

/// Paths and the schemas they refer to, as they come together.
pub(super) struct Operations<'a> {
    terms: &'a Terms,
    ids: Ids,
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}

impl<'a> Operations<'a> {
    pub(super) fn new(terms: &'a Terms, ids: Ids) -> Self {
        Operations { terms, ids, paths: Map::new(), schemas: Map::new() }
    }

    /// Paths, and schemas by name.
    pub(super) fn finish(self) -> (Map<String, Value>, Map<String, Value>) {
        (self.paths, self.schemas)
    }

    /// Everything that one server or view has.
    pub(super) fn add(&mut self, offer: &Offer) {
        for (name, text) in &offer.tools {
            self.tool(offer, name, text);
        }
        for (name, text) in &offer.prompts {
            self.prompt(offer, name, text);
        }
        self.lists(offer);
        if offer.resources {
            self.content(offer);
        }
        if offer.completions {
            self.completion(offer);
        }
        if !offer.tools.is_empty() || !offer.prompts.is_empty() {
            self.answers(offer);
        }
    }

    /// What there is, getting a session and ending it.
    pub(super) fn add_common(&mut self, one: bool) {
        let (description, schema) =
            if one { ("What the server has", "Listing") } else { ("Servers and views", "Servers") };
        let mut get = json!({
            "operationId": self.ids.other(None, "list"),
            "summary": "What there is",
            "responses": {"200": success(description, schema)},
        });
        self.fail(&mut get, if one { &["400", "401", "429", "502", "503", "504"] } else { &["401"] });
        self.put("/".to_owned(), "get", get);
        let id = json!({"type": "string", "description": "The generated session ID"});
        let schema = json!({"type": "object", "properties": {"sessionId": id}, "required": ["sessionId"]});
        let mut get = json!({
            "operationId": self.ids.other(None, "sessionid"),
            "summary": "Generate a new session ID",
            "description": "Returns a new session ID that can be used for tool calls",
            "responses": {"200": {"description": "A new session ID", "content": {JSON: {"schema": schema}}}},
        });
        self.fail(&mut get, &["401"]);
        self.put("/sessionid".to_owned(), "get", get);
        let mut delete = json!({
            "operationId": self.ids.other(None, "sessionid-end"),
            "summary": "End a session",
            "parameters": [in_path("id", "The session ID")],
            "responses": {"204": {"description": "The session has ended"}},
        });
        self.fail(&mut delete, &["400", "401", "404"]);
        self.put("/sessionid/{id}".to_owned(), "delete", delete);
    }

    fn tool(&mut self, offer: &Offer, name: &str, text: &[u8]) {
        let id = self.ids.tool(offer.name.as_deref(), name);
        let tool: Value = serde_json::from_slice(text).unwrap_or_else(|error| unreadable(&error));
        let input = self.adopted(adopt(tool.get("inputSchema"), &format!("{id}.input")));
        let output = tool.get("outputSchema").filter(|schema| schema.is_object());
        let output = output.map(|schema| self.adopted(adopt(Some(schema), &format!("{id}.output"))).schema);
        let title = tool["title"].as_str().or(tool["annotations"]["title"].as_str()).filter(|title| *title != name);
        let summary = title.map_or_else(|| format!("Call tool: {name}"), |title| format!("Call tool: {title}"));
        let mut post = json!({
            "operationId": id,
            "summary": summary,
            "description": tool["description"].as_str().unwrap_or_default(),
            "parameters": self.call_parameters(),
            "requestBody": body(&input),
            "responses": {"200": self.result(output), "202": reference("responses", "Questions")},
            "x-mcp-tool": name,
        });
        if self.terms.sessions == Sessions::Optional {
            self.fail(&mut post, &["422"]);
        }
        self.fail(&mut post, &["400", "401", "404", "413", "415", "429", "502", "503", "504"]);
        self.tagged(offer, &format!("/{}", segment(name)), "post", post);
    }

    /// How a call of a tool ends well.
    fn result(&self, output: Option<Value>) -> Value {
        let mut content = Map::new();
        if self.terms.sessions == Sessions::Required {
            let result = reference("schemas", "CallToolResult");
            let result = match output {
                Some(output) => json!({"allOf": [result, {"properties": {"structuredContent": output}}]}),
                None => result,
            };
            let schema = if self.terms.errors_as_results {
                json!({"anyOf": [result, reference("schemas", "JsonRpcError")]})
            } else {
                result
            };
            content.insert(JSON.to_owned(), json!({"schema": schema}));
        } else if let Some(output) = output {
            content.insert(JSON.to_owned(), json!({"schema": output}));
        } else {
            content.insert(JSON.to_owned(), json!({"schema": {}}));
            content.insert("*/*".to_owned(), json!({"schema": {"type": "string", "format": "binary"}}));
        }
        content.insert("text/event-stream".to_owned(), json!({"schema": {"type": "string"}}));
        let session = reference("headers", "Mcp-Gateway-Session");
        json!({"description": "Success", "headers": {"Mcp-Gateway-Session": session}, "content": content})
    }

    fn call_parameters(&self) -> Value {
        match self.terms.sessions {
            Sessions::Required => json!([session_id(), reference("parameters", "Prefer")]),
            Sessions::Optional => json!([reference("parameters", "Session"), reference("parameters", "Prefer")]),
        }
    }

    fn prompt(&mut self, offer: &Offer, name: &str, text: &[u8]) {
        let prompt: Value = serde_json::from_slice(text).unwrap_or_default();
        let arguments = || prompt["arguments"].as_array().into_iter().flatten().filter(|one| one["name"].is_string());
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let properties: Map<String, Value> = arguments()
            .map(|one| (text(one, "name"), json!({"type": "string", "description": text(one, "description")})))
            .collect();
        let mut schema = json!({"type": "object", "properties": properties});
        let required: Vec<&Value> = arguments().filter(|one| one["required"] == true).map(|one| &one["name"]).collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let input = adopt(Some(&schema), "");
        let mut post = json!({
            "operationId": self.ids.other(offer.name.as_deref(), &format!("prompts-{name}")),
            "summary": format!("Fill in prompt: {name}"),
            "description": prompt["description"].as_str().unwrap_or_default(),
            "parameters": self.call_parameters(),
            "requestBody": body(&input),
            "responses": {
                "200": success("The messages of the prompt", "GetPromptResult"),
                "202": reference("responses", "Questions"),
            },
            "x-mcp-prompt": name,
        });
        self.fail(&mut post, &["400", "401", "404", "413", "415", "429", "502", "503", "504"]);
        self.tagged(offer, &format!("/prompts/{}", segment(name)), "post", post);
    }

    fn lists(&mut self, offer: &Offer) {
        let everything = success("Tools, prompts, resources and templates", "Listing");
        // Without a name it would be the address of the gateway's own list.
        if let Some(name) = &offer.name {
            let mut get = json!({
                "operationId": self.ids.other(Some(name), "list"),
                "summary": "What there is",
                "responses": {"200": everything},
            });
            self.fail(&mut get, &["401", "404", "502", "503", "504"]);
            self.tagged(offer, "", "get", get);
        }
        for (path, member) in LISTS {
            let items = json!({"type": "array", "items": {"type": "object"}});
            let schema = json!({"type": "object", "properties": {member: items}, "required": [member]});
            let mut get = json!({
                "operationId": self.ids.other(offer.name.as_deref(), &format!("list-{path}")),
                "summary": format!("The list of {path}"),
                "responses": {"200": {"description": "The list", "content": {JSON: {"schema": schema}}}},
            });
            self.fail(&mut get, &["400", "401", "404", "429", "502", "503", "504"]);
            self.tagged(offer, &format!("/{path}"), "get", get);
        }
    }

    fn content(&mut self, offer: &Offer) {
        let uri = json!({"name": "uri", "in": "query", "required": true,
            "schema": {"type": "string", "minLength": 1}, "description": "The address of the resource"});
        let mut parameters = self.call_parameters();
        parameters.as_array_mut().into_iter().for_each(|list| list.insert(0, uri.clone()));
        let mut get = json!({
            "operationId": self.ids.other(offer.name.as_deref(), "resources-content"),
            "summary": "Read a resource",
            "description": "One content is given as its bytes with its media type, several as JSON.",
            "parameters": parameters,
            "responses": {
                "200": {
                    "description": "The content",
                    "content": {
                        JSON: {"schema": {}},
                        "*/*": {"schema": {"type": "string", "format": "binary"}},
                    },
                },
                "202": reference("responses", "Questions"),
            },
        });
        self.fail(&mut get, &["400", "401", "404", "429", "502", "503", "504"]);
        self.tagged(offer, "/resources/content", "get", get);
    }

    fn completion(&mut self, offer: &Offer) {
        let mut post = json!({
            "operationId": self.ids.other(offer.name.as_deref(), "completion-complete"),
            "summary": "Complete an argument",
            "parameters": self.call_parameters(),
            "requestBody": {"required": true, "content": {JSON: {"schema": reference("schemas", "CompletionRequest")}}},
            "responses": {"200": success("What the argument may go on with", "Completion")},
        });
        self.fail(&mut post, &["400", "401", "404", "413", "415", "429", "502", "503", "504"]);
        self.tagged(offer, "/completion/complete", "post", post);
    }

    fn answers(&mut self, offer: &Offer) {
        let mut post = json!({
            "operationId": self.ids.other(offer.name.as_deref(), "questions-answer"),
            "summary": "Answer what a server asks",
            "description": "Gives what the call that was asked about gives next: its result, or more questions.",
            "parameters": [in_path("handle", "The handle of the questions")],
            "requestBody": {"required": true, "content": {JSON: {"schema": reference("schemas", "Answers")}}},
            "responses": {
                "200": {"description": "The result of the call", "content": {
                    JSON: {"schema": {}},
                    "*/*": {"schema": {"type": "string", "format": "binary"}},
                }},
                "202": reference("responses", "Questions"),
                "204": {"description": "The stream of the call goes on"},
            },
        });
        self.fail(&mut post, &["400", "401", "404", "413", "415", "422", "429", "502", "503", "504"]);
        self.tagged(offer, "/questions/{handle}", "post", post);
    }

    /// Adds the ways in which an operation can fail.
    fn fail(&self, operation: &mut Value, statuses: &[&str]) {
        let open = self.terms.schemes == Schemes::default();
        for (status, name, _) in PROBLEMS {
            if statuses.contains(&status) && !(status == "401" && open) {
                operation["responses"][status] = reference("responses", name);
            }
        }
    }

    fn adopted(&mut self, mut adopted: Adopted) -> Adopted {
        self.schemas.extend(std::mem::take(&mut adopted.components));
        adopted
    }

    fn tagged(&mut self, offer: &Offer, rest: &str, method: &str, mut operation: Value) {
        let base = offer.name.as_ref().map(|name| format!("/{}", segment(name))).unwrap_or_default();
        if let Some(name) = &offer.name {
            operation["tags"] = json!([name]);
        }
        self.put(format!("{base}{rest}"), method, operation);
    }

    fn put(&mut self, path: String, method: &str, operation: Value) {
        let item = self.paths.entry(path).or_insert_with(|| json!({}));
        item[method] = operation;
    }
}

/// A tool whose text is no JSON that can be read here: a number beyond all bounds.
fn unreadable(error: &serde_json::Error) -> Value {
    json!({"inputSchema": {"x-mcp-unreadable": error.to_string(), "type": 0}})
}

fn body(input: &Adopted) -> Value {
    let mut content = json!({"schema": input.schema});
    if let Some(example) = &input.example {
        content["example"] = example.clone();
    }
    json!({"required": !input.takes_nothing, "content": {JSON: content}})
}

fn success(description: &str, schema: &str) -> Value {
    json!({"description": description, "content": {JSON: {"schema": reference("schemas", schema)}}})
}

fn in_path(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}, "description": description})
}
