//! A server written with rmcp, in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use janua::proxy::{self, Options};
use janua::servers::rmcp::factory;
use janua_testkit::client::Client;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ElicitRequestParams, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler};
use serde_json::json;
use tokio::sync::Notify;

use crate::{LEGACY, MODERN};

const CAN: &str = r#"{"elicitation":{"form":{}}}"#;

/// One instance: how many calls it has had, and who hears of those that were given up.
struct Handler {
    calls: AtomicU64,
    began: Arc<Notify>,
    gave_up: Arc<Notify>,
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(Vec::new()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = match call.name.as_ref() {
            "calls" => (self.calls.fetch_add(1, Ordering::SeqCst) + 1).to_string(),
            "panic" => panic!("on purpose"),
            "hang" => {
                self.began.notify_one();
                context.ct.cancelled().await;
                self.gave_up.notify_one();
                "given up".to_owned()
            }
            "ask" => {
                let form =
                    json!({"mode": "form", "message": "Who?", "requestedSchema": {"type": "object", "properties": {}}});
                let form: ElicitRequestParams = serde_json::from_value(form).expect("a form");
                let answer = context.peer.create_elicitation(form).await;
                let answer = answer.map_err(|why| ErrorData::internal_error(why.to_string(), None))?;
                json!(answer.content).to_string()
            }
            other => return Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_of_the_sdk_serves_both_eras() {
    let (began, gave_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, given_up) = (began.clone(), gave_up.clone());
    let make = factory(move |_| Handler { calls: AtomicU64::new(0), began: begun.clone(), gave_up: given_up.clone() });
    let proxy = proxy::start(Options::registered("handler", make).port(0)).await.expect("a free port");
    let client = Client::new(&format!("http://{}/mcp", proxy.address()));
    let (one, two) = (client.initialize(LEGACY, CAN).await, client.initialize(LEGACY, "{}").await);
    let modern = client.modern(MODERN, CAN);

    assert_eq!(one.call("calls", "{}").await.text(), "1");
    assert_eq!(one.call("calls", "{}").await.text(), "2");
    assert_eq!(two.call("calls", "{}").await.text(), "1", "every session has its own");
    assert_eq!(modern.call("calls", "{}").await.text(), "1");
    assert_eq!(one.call("none", "{}").await.error_code(), Some(-32602));
    assert_eq!(modern.request("tools/list", "").await.result()["tools"], json!([]));
    // What the SDK has no types for is an error, and nobody waits.
    assert!(one.request("tools/call", r#"{"name":7}"#).await.error_code().is_some());

    assert_eq!(one.call("panic", "{}").await.error_code(), Some(-32603));
    assert_eq!(modern.call("panic", "{}").await.error_code(), Some(-32603));

    let said = || r#"{"action":"accept","content":{"name":"Ann"}}"#.to_owned();
    let params = r#"{"name":"ask","arguments":{}}"#;
    assert_eq!(one.request_answering("tools/call", params, |_| said()).await.text(), r#"{"name":"Ann"}"#);
    let answered = modern.call_answering("ask", "{}", |_, _| said()).await;
    assert_eq!((answered.reply.text(), answered.rounds), (r#"{"name":"Ann"}"#, 1));

    tokio::select! {
        _ = modern.call("hang", "{}") => panic!("it ended"),
        () = began.notified() => {}
    }
    gave_up.notified().await;
    assert_eq!(one.call("calls", "{}").await.text(), "3");
    proxy.stop().await;
}
