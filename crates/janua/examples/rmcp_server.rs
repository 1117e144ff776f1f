//! A server written with rmcp, the Rust SDK, behind HTTP: `cargo run --features rmcp --example rmcp_server`.
//!
//! `PORT` chooses the port (0 for any).

use std::error::Error;

use janua::proxy::{self, Options};
use janua::servers::rmcp::factory;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler};
use serde_json::json;

/// Any `ServerHandler` will do.
struct Adder;

impl ServerHandler for Adder {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("adder", "1.0.0"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        });
        let schema = schema.as_object().cloned().unwrap_or_default();
        Ok(ListToolsResult::with_all_items(vec![Tool::new("add", "Adds two numbers", schema)]))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = call.arguments.unwrap_or_default();
        let number = |name: &str| {
            let found = arguments.get(name).and_then(serde_json::Value::as_f64);
            found.ok_or_else(|| ErrorData::invalid_params(format!("{name} must be a number"), None))
        };
        let sum = number("a")? + number("b")?;
        Ok(CallToolResult::success(vec![ContentBlock::text(sum.to_string())]).into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::registered("adder", factory(|_| Adder));
    if let Some(port) = setting("PORT") {
        options = options.port(port.parse()?);
    }
    let proxy = proxy::start(options).await?;
    eprintln!("http://{}/mcp", proxy.address());
    proxy::stop_signal().await;
    proxy.stop().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program of its own has settings of its own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
