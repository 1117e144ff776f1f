//! What the Rust SDK's server offers, and what its tools do.
#![expect(deprecated, reason = "logs, sampling and roots are what clients of the handshake era know")]

use crate::{Shared, result, typed};
use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, CallToolResponse, InputRequiredResult, ProtocolVersion, ServerConfig};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// The address of a note by somebody.
pub(crate) const TEMPLATES: &str = "note://by/{author}";
/// The result of `tools/list`.
pub(crate) const TOOLS: &str = include_str!("tools.json");

type Context = RequestContext<RoleServer>;

/// Who the server is and what it can do.
pub(crate) fn info(modern: bool) -> ServerConfig {
    let info = json!({
        "protocolVersion": if modern { "2026-07-28" } else { "2025-11-25" },
        "capabilities": {
            "tools": {"listChanged": true}, "resources": {"subscribe": true}, "prompts": {},
            "logging": {}, "completions": {},
        },
        "serverInfo": {"name": "rmcp", "version": "3.9"},
    });
    serde_json::from_value(info).expect("the SDK reads its own type")
}

/// A block of content.
pub(crate) fn text(said: &str) -> Value {
    json!({"type": "text", "text": said})
}

fn said(said: &str) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::Complete(result(json!({"content": [text(said)]}))?))
}

/// Runs a tool.
pub(crate) async fn run(
    shared: &Shared,
    call: CallToolRequestParams,
    context: Context,
) -> Result<CallToolResponse, ErrorData> {
    let given = Value::Object(call.arguments.clone().unwrap_or_default());
    let question = given["question"].as_str().unwrap_or_default();
    let name = given["name"].as_str().unwrap_or_default();
    match &*call.name {
        "add" => {
            let sum = given["a"].as_i64().unwrap_or(0) + given["b"].as_i64().unwrap_or(0);
            let done = json!({"content": [text(&sum.to_string())], "structuredContent": {"result": sum}});
            Ok(CallToolResponse::Complete(result(done)?))
        }
        "fail" => {
            let done = json!({"content": [text("it went wrong")], "isError": true});
            Ok(CallToolResponse::Complete(result(done)?))
        }
        "greet_user" => asked(&call, &context, &["person"], question)
            .await?
            .told(|a| format!("hello {}, {}", word(&a["person"]["content"]["name"]), a["person"]["content"]["age"])),
        "ask" => asked(&call, &context, &["reply"], question).await?.told(reply),
        "roots" => asked(&call, &context, &["roots"], question).await?.told(root),
        "survey" => asked(&call, &context, &["person", "reply", "roots"], question)
            .await?
            .told(|a| format!("{}; {}; {}", word(&a["person"]["content"]["name"]), reply(a), root(a))),
        "count" => count(&given, &context).await,
        "wait" => {
            tokio::select! {
                () = sleep(Duration::from_secs_f64(given["seconds"].as_f64().unwrap_or(0.0))) => said("waited"),
                () = context.ct.cancelled() => {
                    shared.give_up(name);
                    Err(ErrorData::internal_error("given up", None))
                }
            }
        }
        "was_cancelled" => said(if shared.was_given_up(name) { "yes" } else { "no" }),
        "touch" => {
            if !is_modern(&context) {
                // A client that is gone hears of nothing.
                let _ = context.peer.notify_tool_list_changed().await;
            }
            // Nobody listening is no error.
            let _ = shared.touched.send(());
            said("touched")
        }
        _ => Err(ErrorData::invalid_params("no such tool", None)),
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn reply(answers: &Value) -> String {
    let content = &answers["reply"]["content"];
    word(if content.is_array() { &content[0]["text"] } else { &content["text"] }).to_owned()
}

fn root(answers: &Value) -> String {
    word(&answers["roots"]["roots"][0]["uri"]).to_owned()
}

fn is_modern(context: &Context) -> bool {
    context.protocol_version() == Some(ProtocolVersion::V_2026_07_28)
}

/// The client's answers by name, or the result that asks for them.
enum Asked {
    Answers(Value),
    Open(InputRequiredResult),
}

impl Asked {
    fn told(self, tell: impl FnOnce(&Value) -> String) -> Result<CallToolResponse, ErrorData> {
        match self {
            Self::Answers(answers) => said(&tell(&answers)),
            Self::Open(more) => Ok(CallToolResponse::InputRequired(more)),
        }
    }
}

fn requests(question: &str) -> Value {
    let properties = json!({"name": {"type": "string"}, "age": {"type": "integer"}});
    let schema = json!({"type": "object", "properties": properties, "required": ["name", "age"]});
    let message = json!({"role": "user", "content": text(question)});
    json!({
        "person": {"method": "elicitation/create",
            "params": {"mode": "form", "message": "Who are you?", "requestedSchema": schema}},
        "reply": {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 10}},
        "roots": {"method": "roots/list"},
    })
}

/// Asks in the way of the client's era.
async fn asked(
    call: &CallToolRequestParams,
    context: &Context,
    names: &[&str],
    question: &str,
) -> Result<Asked, ErrorData> {
    let requests = requests(question);
    if is_modern(context) {
        if let Some(given) = &call.input_responses {
            return Ok(Asked::Answers(given.iter().map(|(name, value)| (name.clone(), value.clone())).collect()));
        }
        let wanted: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), requests[*name].clone())).collect();
        let wanted = json!({"resultType": "input_required", "inputRequests": wanted});
        return Ok(Asked::Open(typed(wanted)?));
    }
    let failed = |error: rmcp::service::ServiceError| ErrorData::internal_error(error.to_string(), None);
    let mut answers = Map::new();
    for name in names {
        let params = requests[*name]["params"].clone();
        let answer = match *name {
            "person" => json!(context.peer.create_elicitation(typed(params)?).await.map_err(failed)?),
            "reply" => json!(context.peer.create_message(typed(params)?).await.map_err(failed)?),
            _ => json!(context.peer.list_roots().await.map_err(failed)?),
        };
        answers.insert((*name).to_owned(), answer);
    }
    Ok(Asked::Answers(Value::Object(answers)))
}

/// Progress and a log line at each step.
async fn count(given: &Value, context: &Context) -> Result<CallToolResponse, ErrorData> {
    let (to, pause) = (given["to"].as_u64().unwrap_or(0), given["pause"].as_f64().unwrap_or(0.0));
    for step in 1..=to {
        let message = format!("step {step}");
        if let Some(token) = context.meta.get_progress_token() {
            let params = json!({"progressToken": token, "progress": step, "total": to, "message": message});
            // A client that is gone hears of nothing.
            let _ = context.peer.notify_progress(typed(params)?).await;
        }
        let _ = context.peer.notify_logging_message(typed(json!({"level": "info", "data": message}))?).await;
        sleep(Duration::from_secs_f64(pause)).await;
    }
    said(&format!("counted to {to}"))
}
