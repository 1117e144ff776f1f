//! What the driver's client says when a server asks it something, and what it remembers of it.
#![expect(deprecated, reason = "sampling and roots are what servers of the handshake era ask for")]

use rmcp::ClientHandler;
use rmcp::model::{
    ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult, ErrorData,
    ListRootsResult, LoggingMessageNotificationParam, ProgressNotificationParam, ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Everything received without asking, oldest first.
#[derive(Default)]
pub(crate) struct Events {
    seen: Mutex<Vec<Value>>,
    grew: Notify,
}

/// The client's side of a connection: fixed replies, and a note of everything that came.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(crate) config: ClientConfig,
    pub(crate) events: Arc<Events>,
}

impl Events {
    fn add(&self, event: Value) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        self.grew.notify_waiters();
    }

    pub(crate) fn notification(&self, method: &str, params: &Value) {
        self.add(json!({"kind": "notification", "method": method, "params": params}));
    }

    pub(crate) fn drain(&self) -> Vec<Value> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_now(&self, command: &Value) -> Option<Value> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |event: &Value, key: &str| command[key].is_null() || command[key] == event[key];
        let place = seen.iter().position(|e| fits(e, "kind") && fits(e, "method"))?;
        Some(seen.remove(place))
    }

    pub(crate) async fn take(&self, command: &Value) -> Result<Value, String> {
        let wait = async {
            loop {
                let grew = self.grew.notified();
                if let Some(event) = self.take_now(command) {
                    return event;
                }
                grew.await;
            }
        };
        let limit = Duration::from_secs_f64(command["timeout"].as_f64().unwrap_or(30.0));
        let late = |_| format!("no event {} {} within {limit:?}", command["kind"], command["method"]);
        timeout(limit, wait).await.map_err(late)
    }
}

impl ClientHandler for Answers {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let params = self.noted("sampling/createMessage", serde_json::to_value(params))?;
        let text = format!("sampled: {}", sampled_text(&params));
        let reply = json!({
            "role": "assistant", "content": {"type": "text", "text": text},
            "model": "peer-model", "stopReason": "endTurn",
        });
        serde_json::from_value(reply).map_err(internal)
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        self.noted("roots/list", Ok(json!({})))?;
        let reply = json!({"roots": [{"uri": "file:///peer/root", "name": "root"}]});
        serde_json::from_value(reply).map_err(internal)
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let params = self.noted("elicitation/create", serde_json::to_value(params))?;
        let mut reply = json!({"action": "accept"});
        if params["mode"] != "url" {
            let asked = params["requestedSchema"]["properties"].as_object().cloned().unwrap_or_default();
            let content: Map<_, _> = asked.into_iter().map(|(k, v)| (k, filled(&v))).collect();
            reply["content"] = content.into();
        }
        serde_json::from_value(reply).map_err(internal)
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        // The SDK chooses the token itself, so the call a notice belongs to is not known here.
        let mut params = serde_json::to_value(params).unwrap_or_default();
        if let Some(params) = params.as_object_mut() {
            params.remove("progressToken");
        }
        self.events.add(json!({
            "kind": "progress", "method": "notifications/progress", "params": params, "call": null,
        }));
    }

    async fn on_logging_message(&self, params: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        let params = serde_json::to_value(params).unwrap_or_default();
        self.events.notification("notifications/message", &params);
    }

    async fn on_resource_updated(&self, params: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        let params = serde_json::to_value(params).unwrap_or_default();
        self.events.notification("notifications/resources/updated", &params);
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.events.notification("notifications/resources/list_changed", &json!({}));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.events.notification("notifications/tools/list_changed", &json!({}));
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.events.notification("notifications/prompts/list_changed", &json!({}));
    }
}

impl Answers {
    fn noted(&self, method: &str, params: serde_json::Result<Value>) -> Result<Value, ErrorData> {
        let params = params.map_err(internal)?;
        self.events.add(json!({"kind": "request", "method": method, "params": params}));
        Ok(params)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` wants")]
fn internal(error: serde_json::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// The last text of the last message of a sampling request.
fn sampled_text(params: &Value) -> &str {
    let last = params["messages"].as_array().and_then(|all| all.last()).map(|one| &one["content"]);
    let blocks = match last {
        Some(Value::Array(blocks)) => blocks.as_slice(),
        Some(block) => std::slice::from_ref(block),
        None => &[],
    };
    let mut texts = blocks.iter().rev().filter(|block| block["type"] == "text");
    texts.find_map(|block| block["text"].as_str()).unwrap_or_default()
}

/// The values a schema lists, in either of the ways the protocol knows.
fn choices(schema: &Value) -> Vec<Value> {
    if let Some(listed) = schema["enum"].as_array() {
        return listed.clone();
    }
    let titled = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    titled.into_iter().flatten().filter_map(|one| one.get("const").cloned()).collect()
}

/// One fixed value that satisfies a primitive schema of an elicitation.
fn filled(schema: &Value) -> Value {
    if let Some(first) = choices(schema).first() {
        return first.clone();
    }
    let size = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
    match schema["type"].as_str() {
        Some("boolean") => true.into(),
        Some("integer") => {
            let least = schema["minimum"].as_i64().unwrap_or(7);
            7.max(least).min(schema["maximum"].as_i64().unwrap_or(i64::MAX)).into()
        }
        Some("number") => {
            let least = schema["minimum"].as_f64().unwrap_or(7.0);
            7.0_f64.max(least).min(schema["maximum"].as_f64().unwrap_or(f64::MAX)).into()
        }
        Some("array") => {
            let mut picked = choices(&schema["items"]);
            picked.truncate(size("minItems").unwrap_or(1).max(1));
            picked.into()
        }
        _ => {
            let text = match schema["format"].as_str() {
                Some("email") => "ann@example.com",
                Some("uri") => "https://example.com/ann",
                Some("date") => "2026-01-02",
                Some("date-time") => "2026-01-02T03:04:05Z",
                _ => "ann",
            };
            let padded = format!("{text:n<width$}", width = size("minLength").unwrap_or(0));
            padded.chars().take(size("maxLength").unwrap_or(usize::MAX)).collect::<String>().into()
        }
    }
}
