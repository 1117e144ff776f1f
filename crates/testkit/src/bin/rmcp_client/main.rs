//! Drives the Rust SDK's client from JSON lines on standard input.
#![expect(clippy::disallowed_methods, reason = "a program of the tests: its tasks and children end when it does")]

mod answers;

use answers::{Answers, Events};
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest, GetPromptRequestParams, Implementation,
    ProtocolVersion, ReadResourceRequestParams, SubscriptionFilter,
};
use rmcp::service::{
    ClientCacheConfig, ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService, ServiceError,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Where to connect, and how.
#[derive(Default)]
struct Settings {
    transport: String,
    url: String,
    era: String,
    headers: Vec<(String, String)>,
    command: Vec<String>,
}

type Service = RunningService<RoleClient, Answers>;

struct Driver {
    settings: Settings,
    events: Arc<Events>,
    service: RwLock<Option<Arc<Service>>>,
}

/// What went wrong, in the form of the answer line.
struct Failure(Value);

type Outcome = Result<Value, Failure>;

#[tokio::main]
async fn main() {
    let driver = Arc::new(Driver {
        settings: Settings::from_args(std::env::args().skip(1)),
        events: Arc::default(),
        service: RwLock::default(),
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut out = tokio::io::stdout();
    while let Some(line) = lines.next_line().await.expect("read a command") {
        let command: Value = serde_json::from_str(&line).expect("a command is a line of JSON");
        let last = command["op"] == "close";
        let answer = Arc::clone(&driver).answer(command).await;
        out.write_all(format!("{answer}\n").as_bytes()).await.expect("write an answer");
        out.flush().await.expect("write an answer");
        if last {
            break;
        }
    }
    // A close that fails here has nobody left to be told.
    let _ = driver.close().await;
}

impl Settings {
    fn from_args(mut args: impl Iterator<Item = String>) -> Self {
        let mut settings = Self { era: "legacy".into(), ..Self::default() };
        while let Some(name) = args.next() {
            if name == "--" {
                settings.command = args.collect();
                break;
            }
            let value = args.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--transport" => settings.transport = value,
                "--url" => settings.url = value,
                "--era" => settings.era = value,
                "--header" => {
                    let (name, value) = value.split_once(": ").expect("--header NAME: VALUE");
                    settings.headers.push((name.to_owned(), value.to_owned()));
                }
                _ => panic!("no option {name}"),
            }
        }
        settings
    }

    fn lifecycle(&self, handshake: &ProtocolVersion) -> ClientLifecycleMode {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        match self.era.as_str() {
            "legacy" => ClientLifecycleMode::Initialize,
            "modern" => ClientLifecycleMode::Discover { preferred_versions },
            "auto" => ClientLifecycleMode::Auto { preferred_versions, legacy_version: Some(handshake.clone()) },
            other => panic!("no era {other}"),
        }
    }

    fn http(&self) -> Result<StreamableHttpClientTransportConfig, Failure> {
        let mut headers = HashMap::new();
        for (name, value) in &self.headers {
            let name = http::HeaderName::try_from(name).map_err(failure)?;
            headers.insert(name, http::HeaderValue::try_from(value).map_err(failure)?);
        }
        let config = StreamableHttpClientTransportConfig::with_uri(self.url.as_str());
        Ok(config.custom_headers(headers))
    }
}

impl Driver {
    /// Boxed, because `parallel` answers commands inside a command.
    fn answer(self: Arc<Self>, command: Value) -> Pin<Box<dyn Future<Output = Value> + Send>> {
        Box::pin(async move {
            match self.run(&command).await {
                Ok(value) => json!({"ok": true, "value": value}),
                Err(Failure(error)) => json!({"ok": false, "error": error}),
            }
        })
    }

    async fn run(self: &Arc<Self>, command: &Value) -> Outcome {
        let text = |key: &str| command[key].as_str().unwrap_or_default().to_owned();
        let op = text("op");
        match op.as_str() {
            "connect" => self.connect(command).await,
            "server_info" => self.described().await,
            "events" => Ok(self.events.drain().into()),
            "wait_event" => self.events.take(command).await.map_err(failure),
            "list_tools" => self.pages("tools/list", "tools", command).await,
            "list_resources" => self.pages("resources/list", "resources", command).await,
            "list_templates" => self.pages("resources/templates/list", "resourceTemplates", command).await,
            "list_prompts" => self.pages("prompts/list", "prompts", command).await,
            "call" => self.call(command).await,
            "cancel_call" => self.cancel_call(command).await,
            "parallel" => self.parallel(command).await,
            "read" => {
                let params: ReadResourceRequestParams =
                    serde_json::from_value(json!({"uri": text("uri")})).map_err(failure)?;
                value(self.service().await?.read_resource(params).await)
            }
            "get_prompt" => {
                let params = json!({"name": text("name"), "arguments": command["arguments"]});
                let params: GetPromptRequestParams = serde_json::from_value(params).map_err(failure)?;
                value(self.service().await?.get_prompt(params).await)
            }
            "complete" => {
                let mut params = json!({"ref": command["ref"], "argument": command["argument"]});
                if let Some(known) = command["arguments"].as_object() {
                    params["context"] = json!({"arguments": known});
                }
                self.ask("completion/complete", params).await
            }
            "subscribe" => self.subscribe(&text("uri")).await,
            "unsubscribe" => self.ask("resources/unsubscribe", json!({"uri": text("uri")})).await,
            "listen" => self.listen(command).await,
            "set_level" => self.ask("logging/setLevel", json!({"level": text("level")})).await,
            "ping" => self.ask("ping", Value::Null).await,
            "roots_changed" => value(self.service().await?.notify_roots_list_changed().await.map(|()| json!({}))),
            "close" => self.close().await,
            _ => Err(failure(format!("no command {op}"))),
        }
    }

    async fn connect(&self, command: &Value) -> Outcome {
        let settings = &self.settings;
        let handshake = match &command["version"] {
            Value::Null => ProtocolVersion::LATEST_WITH_INITIALIZE,
            given => serde_json::from_value(given.clone()).map_err(failure)?,
        };
        let name = command["name"].as_str().unwrap_or("rmcp");
        let config = ClientConfig::new(capabilities(&command["capabilities"])?, Implementation::new(name, "0"))
            .with_protocol_version(handshake.clone());
        let answers = Answers { config, events: Arc::clone(&self.events) };
        let lifecycle = settings.lifecycle(&handshake);
        let service = match settings.transport.as_str() {
            "http" => {
                let transport = StreamableHttpClientTransport::from_config(settings.http()?);
                answers.serve_with_lifecycle(transport, lifecycle).await
            }
            "stdio" => {
                let (program, args) = settings.command.split_first().expect("stdio takes a command after --");
                let mut child = Command::new(program);
                child.args(args);
                let child = TokioChildProcess::new(child).map_err(failure)?;
                answers.serve_with_lifecycle(child, lifecycle).await
            }
            other => return Err(failure(format!("this SDK has no transport {other}"))),
        };
        let service = service.map_err(failure)?;
        // Each command is to reach the server, whatever it allows to be kept.
        service.set_response_cache_config(ClientCacheConfig::disabled()).await;
        *self.service.write().await = Some(Arc::new(service));
        self.described().await
    }

    async fn service(&self) -> Result<Arc<Service>, Failure> {
        self.service.read().await.clone().ok_or_else(|| failure("not connected"))
    }

    async fn described(&self) -> Outcome {
        let service = self.service().await?;
        let info = service.peer_info().ok_or_else(|| failure("the server was not asked who it is"))?;
        let mut described = serde_json::to_value(&*info).map_err(failure)?;
        described["sessionId"] = Value::Null;
        let legacy = info.protocol_version.has_initialize();
        described["era"] = if legacy { "legacy" } else { "modern" }.into();
        Ok(described)
    }

    /// Sends one request; the SDK still checks it and its result against its own types.
    async fn ask(&self, method: &str, params: Value) -> Outcome {
        let mut request = json!({"method": method});
        if !params.is_null() {
            request["params"] = params;
        }
        let request: ClientRequest = serde_json::from_value(request).map_err(failure)?;
        value(self.service().await?.send_request(request).await)
    }

    async fn pages(&self, method: &str, member: &str, command: &Value) -> Outcome {
        if !command["cursor"].is_null() {
            return self.ask(method, json!({"cursor": command["cursor"]})).await;
        }
        let mut whole = self.ask(method, Value::Null).await?;
        while let Some(cursor) = whole.as_object_mut().and_then(|page| page.remove("nextCursor")) {
            let mut next = self.ask(method, json!({"cursor": cursor})).await?;
            if let Some(more) = next[member].as_array_mut() {
                let gathered = whole[member].as_array_mut().ok_or_else(|| failure("a page without a list"))?;
                gathered.append(more);
            }
            if let Some(cursor) = next.get("nextCursor") {
                whole["nextCursor"] = cursor.clone();
            }
        }
        Ok(whole)
    }

    async fn call(&self, command: &Value) -> Outcome {
        let mut params = json!({"name": command["name"], "arguments": command["arguments"]});
        if params["arguments"].is_null() {
            params["arguments"] = json!({});
        }
        if !command["meta"].is_null() {
            params["_meta"] = command["meta"].clone();
        }
        let params: CallToolRequestParams = serde_json::from_value(params).map_err(failure)?;
        let service = self.service().await?;
        let call = service.call_tool(params);
        match command["timeout"].as_f64() {
            None => value(call.await),
            // Dropping the call is how this SDK gives up: it tells the server.
            Some(seconds) => match timeout(Duration::from_secs_f64(seconds), call).await {
                Ok(result) => value(result),
                Err(_) => Err(failure(format!("no result within {seconds} s"))),
            },
        }
    }

    async fn cancel_call(&self, command: &Value) -> Outcome {
        let after = Duration::from_millis(command["after_ms"].as_u64().unwrap_or(100));
        tokio::select! {
            result = self.call(command) => Ok(json!({"cancelled": false, "result": result?})),
            () = sleep(after) => Ok(json!({"cancelled": true})),
        }
    }

    async fn parallel(self: &Arc<Self>, command: &Value) -> Outcome {
        let calls = command["calls"].as_array().ok_or_else(|| failure("parallel needs calls"))?;
        let mut running = JoinSet::new();
        for (place, call) in calls.iter().enumerate() {
            let mut call = call.clone();
            if call["op"].is_null() {
                call["op"] = "call".into();
            }
            let answer = Arc::clone(self).answer(call);
            running.spawn(async move { (place, answer.await) });
        }
        let mut answers = running.join_all().await;
        answers.sort_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    async fn subscribe(&self, uri: &str) -> Outcome {
        if self.described().await?["era"] == "modern" {
            return self.listen(&json!({"uris": [uri]})).await;
        }
        self.ask("resources/subscribe", json!({"uri": uri})).await
    }

    async fn listen(&self, command: &Value) -> Outcome {
        let mut filter = Map::new();
        for (ours, theirs) in [
            ("tools", "toolsListChanged"),
            ("prompts", "promptsListChanged"),
            ("resources", "resourcesListChanged"),
            ("uris", "resourceSubscriptions"),
        ] {
            if !command[ours].is_null() {
                filter.insert(theirs.into(), command[ours].clone());
            }
        }
        let filter: SubscriptionFilter = serde_json::from_value(filter.into()).map_err(failure)?;
        let mut stream = self.service().await?.listen(filter).await.map_err(Failure::from)?;
        let honoured = serde_json::to_value(stream.acknowledged()).map_err(failure)?;
        let events = Arc::clone(&self.events);
        tokio::spawn(async move {
            while let Ok(Some(notice)) = stream.next().await {
                let notice = serde_json::to_value(notice).unwrap_or_default();
                events.notification(notice["method"].as_str().unwrap_or_default(), &notice["params"]);
            }
        });
        Ok(honoured)
    }

    async fn close(&self) -> Outcome {
        let Some(service) = self.service.write().await.take() else {
            return Ok(json!({}));
        };
        let service = Arc::into_inner(service).ok_or_else(|| failure("a command still runs"))?;
        service.cancel().await.map_err(failure)?;
        Ok(json!({}))
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let ServiceError::McpError(given) = error else {
            return Self(json!({"kind": "ServiceError", "code": null, "message": error.to_string(), "data": null}));
        };
        Self(json!({
            "kind": "McpError", "code": given.code.0, "message": given.message, "data": given.data,
        }))
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure(json!({"kind": "rmcp_client", "code": null, "message": error.to_string(), "data": null}))
}

fn value<T: Serialize>(result: Result<T, ServiceError>) -> Outcome {
    serde_json::to_value(result.map_err(Failure::from)?).map_err(failure)
}

fn capabilities(names: &Value) -> Result<ClientCapabilities, Failure> {
    let mut all = json!({
        "roots": {"listChanged": true}, "sampling": {}, "elicitation": {"form": {}, "url": {}},
    });
    if let (Some(wanted), Some(all)) = (names.as_array(), all.as_object_mut()) {
        all.retain(|name, _| wanted.iter().any(|w| w == name.as_str()));
    }
    serde_json::from_value(all).map_err(failure)
}
