//! A configuration in a folder of its own, the command that describes it and the gateway that serves it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use janua_testkit::client::Client;
use janua_testkit::gateway::Gateway;
use janua_testkit::upstream::websocket::WebSocketServer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Where the configuration and the documents are.
pub(crate) struct Folder(TempDir);

/// What the command left behind.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(TempDir::new().expect("a folder"))
    }

    /// The same with this configuration in it.
    pub(crate) fn of(settings: &Value) -> Self {
        let folder = Folder::new();
        folder.write("janua.json", &settings.to_string());
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Runs `janua openapi` with these words on the configuration.
    pub(crate) async fn dump(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(JANUA);
        command.args(["openapi", "-c", "janua.json"]).args(words).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("JANUA_CONFIG").kill_on_drop(true);
        let output = tokio::time::timeout(LONG, command.output()).await.expect("it ends").expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The gateway of the configuration.
    pub(crate) async fn serve(&self) -> Gateway {
        let data = self.path("data").display().to_string();
        let words = ["serve", "-c", "janua.json", "--data-dir", &data, "--port", "0"];
        Gateway::builder(JANUA).args(&words).folder(self.0.path()).start().await
    }
}

impl Ended {
    /// Standard output of a success.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// A client that waits.
pub(crate) fn client(gateway: &Gateway) -> Client {
    gateway.client().deadline(LONG)
}

/// A command line as a server in a configuration.
pub(crate) fn command(words: &[String]) -> Value {
    json!({"command": words[0], "args": words[1..]})
}

/// The servers that Janua brings along.
pub(crate) fn demo() -> Value {
    json!({"demo": {"builtin": "everything"}, "simple-tools-server": {"builtin": "simple-tools-server"}})
}

/// A server with these tools, and its entry in a configuration.
pub(crate) async fn scripted(tools: &Value) -> (WebSocketServer, Value) {
    let server = WebSocketServer::builder().on("tools/list", &json!({"tools": tools}).to_string()).start().await;
    let entry = json!({"url": server.url()});
    (server, entry)
}

/// Tools whose names and schemas make trouble.
pub(crate) fn nasty() -> Value {
    let tree = json!({
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/node"}, "again": {"$ref": "#"}},
        "required": ["tree"],
        "$defs": {"node": {
            "type": "object",
            "properties": {"value": {"type": ["integer", "null"]}, "below": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["value"],
        }},
    });
    let old = json!({
        "$schema": "http://json-schema.org/draft-04/schema#", "id": "http://example.com/old", "type": "object",
        "definitions": {"a b/c~d": {"type": "number", "minimum": 0, "exclusiveMinimum": true}},
        "properties": {
            "n": {"$ref": "#/definitions/a%20b~1c~0d"},
            "pair": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}], "additionalItems": false},
        },
        "dependencies": {"n": ["pair"]},
    });
    let all = json!({
        "type": "object", "additionalProperties": false, "minProperties": 1,
        "properties": {
            "yes": true, "no": false, "const": {"const": {"on": "off"}}, "null": {"type": "null"},
            "several": {"type": ["string", "integer", "array", "null"], "items": {"const": 1}},
            "maybe": {"oneOf": [{"$ref": "#/$defs/x"}, {"type": "null"}], "description": "either"},
            "range": {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2, "multipleOf": 0.5},
            "names": {"type": "object", "propertyNames": {"pattern": "^x"}, "patternProperties": {"^x": {"type": "integer"}},
                "additionalProperties": false, "unevaluatedProperties": false},
            "list": {"type": "array", "prefixItems": [{"type": "string"}], "items": false, "contains": {"minLength": 1},
                "unevaluatedItems": false},
            "if": {"if": {"type": "string"}, "then": {"minLength": 1}, "else": {"type": "integer"}},
            "text": {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png", "examples": ["aGk="]},
            "ü \"{}/": {"type": "string", "$comment": "none", "deprecated": true},
        },
        "dependentSchemas": {"yes": {"required": ["no"]}}, "dependentRequired": {"text": ["list"]},
        "$defs": {"x": {"type": "string", "format": "date"}},
    });
    let tool = |name: &str, schema: Value| json!({"name": name, "inputSchema": schema});
    json!([
        tool("tree", tree), tool("old", old), tool("all", all),
        tool("with blanks", json!({"type": "object"})), tool("with/slash", json!({"type": "object"})),
        tool("with_slash", json!({"type": "object"})), tool("wörld 🦀 {x}?#%", json!({"type": "object"})),
        tool("list", json!({"type": "object"})), tool("prompts", json!({"type": "object"})),
        tool("nowhere", json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}}})),
        tool("elsewhere", json!({"$ref": "https://example.com/schema.json"})),
        tool("circle", json!({"type": "object", "allOf": [{"$ref": "#"}]})),
        tool("number", json!({"type": "number"})), tool("wrong", json!({"type": "object", "properties": []})),
        {"name": "bare"},
        {"name": "told", "title": "Told: a tale", "description": "yes\n- no: 1\n", "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}},
    ])
}
