//! What a request of 2026-07-28 says about itself, and everything that can be wrong with it.

use serde_json::{Value, json};

use crate::servers::everything::catalog::LEVELS;
use crate::servers::message::Message;

/// The revision.
pub const MODERN: &str = "2026-07-28";
/// Its requests.
pub(super) const METHODS: [&str; 10] = [
    "server/discover",
    "subscriptions/listen",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "completion/complete",
];
/// Those whose results say how long they may be kept.
pub(super) const CACHED: [&str; 6] =
    ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];
/// Those that may be answered with questions.
const ASKING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];
/// Those of earlier revisions, which a client of this one must not send.
const OLD: [&str; 8] = [
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/list",
    "tasks/result",
    "roots/list",
    "elicitation/create",
];

/// What one request says about itself.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// What the client can be asked.
    pub capabilities: Value,
    /// Who the client is; null if it does not say.
    pub info: Value,
    /// Index into the levels of the least severe log message wanted; `None` for no messages.
    pub(super) level: Option<usize>,
    /// Answers to what was asked before.
    pub(super) responses: Option<Value>,
    /// The state that came with the questions.
    pub(super) state: Option<String>,
}

/// An error that the request is owed, and why it is a fault of the client, if it is one.
type Refusal = (Value, Option<&'static str>);

fn invalid(what: &'static str) -> Refusal {
    (json!({"code": -32602, "message": what}), Some(what))
}

/// Reads the envelope.
pub(super) fn read(request: &Message) -> Result<Envelope, Refusal> {
    let method = request.method().unwrap_or_default();
    let params = &request.value()["params"];
    let meta = &params["_meta"];
    let at = |name: &str| &meta[format!("io.modelcontextprotocol/{name}")];
    if method == "initialize" {
        let requested = &params["protocolVersion"];
        return Err((unsupported(requested), None));
    }
    if !matches!(request.value()["id"], Value::String(_) | Value::Number(_)) {
        return Err(invalid("the id is neither text nor a number"));
    }
    let Some(version) = at("protocolVersion").as_str() else {
        return Err(invalid("no io.modelcontextprotocol/protocolVersion in _meta"));
    };
    if version != MODERN {
        return Err((unsupported(&json!(version)), None));
    }
    if !at("clientCapabilities").is_object() {
        return Err(invalid("no io.modelcontextprotocol/clientCapabilities in _meta"));
    }
    let info = at("clientInfo");
    if !info.is_null() && (!info["name"].is_string() || !info["version"].is_string()) {
        return Err(invalid("a clientInfo without name and version"));
    }
    if !matches!(meta["progressToken"], Value::Null | Value::String(_) | Value::Number(_)) {
        return Err(invalid("the progress token is neither text nor a number"));
    }
    if !METHODS.contains(&method) {
        let fault = OLD.contains(&method).then_some("a method of earlier revisions");
        return Err((json!({"code": -32601, "message": "Method not found", "data": method}), fault));
    }
    let level = match at("logLevel") {
        Value::Null => None,
        given => Some(LEVELS.iter().position(|known| given == known).ok_or_else(|| invalid("no such log level"))?),
    };
    let (responses, state) = answers(method, params)?;
    Ok(Envelope { capabilities: at("clientCapabilities").clone(), info: info.clone(), level, responses, state })
}

fn answers(method: &str, params: &Value) -> Result<(Option<Value>, Option<String>), Refusal> {
    let (responses, state) = (&params["inputResponses"], &params["requestState"]);
    if responses.is_null() && state.is_null() {
        return Ok((None, None));
    }
    if !ASKING.contains(&method) {
        return Err(invalid("answers on a request that is never answered with questions"));
    }
    if !matches!(responses, Value::Null | Value::Object(_)) {
        return Err(invalid("inputResponses are not an object"));
    }
    if !matches!(state, Value::Null | Value::String(_)) {
        return Err(invalid("requestState is not text"));
    }
    let responses = (!responses.is_null()).then(|| responses.clone());
    Ok((responses, state.as_str().map(str::to_owned)))
}

fn unsupported(requested: &Value) -> Value {
    let data = json!({"supported": [MODERN], "requested": requested});
    json!({"code": -32022, "message": "Unsupported protocol version", "data": data})
}
