//! A server made with the Rust SDK that speaks both eras, over stdio or Streamable HTTP.
#![expect(clippy::disallowed_methods, reason = "a program of the tests: its tasks and children end when it does")]
#![expect(deprecated, reason = "levels of logs are what clients of the handshake era set")]

mod catalog;

use catalog::{TEMPLATES, TOOLS, info, text};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, GetPromptRequestParams,
    GetPromptResponse, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, ServiceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// What all sessions and requests share.
pub(crate) struct Shared {
    given_up: Mutex<HashSet<String>>,
    touched: broadcast::Sender<()>,
    /// Ears of those who will listen: a client may act on the acknowledgement before `listen` runs.
    ears: Mutex<VecDeque<broadcast::Receiver<()>>>,
    modern: bool,
}

#[derive(Clone)]
struct Server(Arc<Shared>);

impl Shared {
    fn give_up(&self, name: &str) {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    fn was_given_up(&self, name: &str) -> bool {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

/// A value of the SDK from its JSON form.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// The same for a complete result; the SDK takes the mark away where the older era has none.
pub(crate) fn result<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = "complete".into();
    typed(value)
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        info(self.0.modern)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        if self.0.modern {
            return Cow::Owned(vec![ProtocolVersion::V_2026_07_28]);
        }
        Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        result(serde_json::from_str(TOOLS).expect("the list is JSON"))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        catalog::run(&self.0, call, context).await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        result(json!({"resources": [{"uri": "note://one", "name": "note"}]}))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        result(json!({"resourceTemplates": [{"uriTemplate": TEMPLATES, "name": "note_by"}]}))
    }

    async fn read_resource(
        &self,
        wanted: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let said = match wanted.uri.strip_prefix("note://by/") {
            Some(author) => format!("a note by {author}"),
            None if wanted.uri == "note://one" => "the first note".to_owned(),
            None => return Err(ErrorData::resource_not_found("no such note", Some(json!({"uri": wanted.uri})))),
        };
        let contents = json!({"contents": [{"uri": wanted.uri, "mimeType": "text/plain", "text": said}]});
        Ok(ReadResourceResponse::Complete(result(contents)?))
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        result(json!({"prompts": [{"name": "greeting", "arguments": [{"name": "name", "required": true}]}]}))
    }

    async fn get_prompt(
        &self,
        wanted: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if wanted.name != "greeting" {
            return Err(ErrorData::invalid_params("no such prompt", None));
        }
        let name = wanted.arguments.as_ref().and_then(|given| given.get("name")).and_then(Value::as_str);
        let said = text(&format!("Greet {}.", name.unwrap_or_default()));
        Ok(GetPromptResponse::Complete(result(json!({"messages": [{"role": "user", "content": said}]}))?))
    }

    async fn complete(
        &self,
        wanted: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = ["Ann", "Anna", "Bob"];
        let fitting: Vec<_> = known.into_iter().filter(|name| name.starts_with(&wanted.argument.value)).collect();
        result(json!({"completion": {"values": fitting}}))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, wanted: SubscribeRequestParams, on: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let mut touched = self.0.touched.subscribe();
        tokio::spawn(async move {
            while touched.recv().await.is_ok() {
                let Ok(params) = typed(json!({"uri": wanted.uri})) else { return };
                if on.peer.notify_resource_updated(params).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.0.ears.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.0.touched.subscribe());
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let ready = self.0.ears.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut touched = ready.unwrap_or_else(|| self.0.touched.subscribe());
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                again = touched.recv() => if again.is_err() { return Ok(()) },
            }
            // What was not asked for is refused here, and nobody waits for it.
            let _ = context.sink().notify_tool_list_changed().await;
            if context.accepted().resource_subscriptions.is_some() {
                let _ = context.sink().notify_resource_updated("note://one").await;
            }
        }
    }
}

async fn over_http(shared: Arc<Shared>, port: u16) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("running on http://{}", listener.local_addr()?);
    let sessions = Arc::new(LocalSessionManager::default());
    let factory = move || Ok(Server(Arc::clone(&shared)));
    let service = StreamableHttpService::new(factory, sessions, StreamableHttpServerConfig::default());
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            // A client that breaks off is no concern of the others.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let modern = words.iter().any(|word| word == "--modern");
    let port = words.iter().position(|word| word == "--http").and_then(|at| words.get(at + 1)?.parse().ok());
    let (touched, _) = broadcast::channel(16);
    let shared = Arc::new(Shared { given_up: Mutex::default(), touched, ears: Mutex::default(), modern });
    if let Some(port) = port {
        return over_http(shared, port).await;
    }
    let service = Server(shared).serve(rmcp::transport::stdio()).await.map_err(std::io::Error::other)?;
    service.waiting().await.map_err(std::io::Error::other)?;
    Ok(())
}
