//! A server of one's own behind HTTP, without a process or a pipe between: `cargo run --example rust_server`.
//!
//! `PORT` chooses the port (0 for any).

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Mutex;
use std::time::Duration;

use janua::proxy::{self, Options};
use janua::server::{About, Answer, Error, Exchange, Json, Level, News, Server, Tool, ToolResult};

/// A counter for whoever comes: a client's session has an instance of its own.
struct Counters {
    counts: Mutex<BTreeMap<String, i64>>,
    /// Tells the client what belongs to no call.
    news: News,
}

const NAMED: &str = r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;
const SURE: &str = r#"{"type":"object","properties":{"sure":{"type":"boolean"}},"required":["sure"]}"#;

impl Server for Counters {
    fn about(&self) -> About {
        About::new("counters", "1.0.0").instructions("Counts things by name.").tools().logging()
    }

    async fn tools(&self, _: &Exchange) -> Result<Vec<Tool>, Error> {
        let mut tools = vec![
            Tool::new("count", "Counts one more of a thing", NAMED),
            Tool::new("wait", "Waits three seconds, and says how far it is", r#"{"type":"object"}"#),
        ];
        if !self.counts.lock().is_ok_and(|counts| counts.is_empty()) {
            tools.push(Tool::new("forget", "Forgets all counts, if the person agrees", r#"{"type":"object"}"#));
        }
        Ok(tools)
    }

    async fn call(&self, tool: &str, arguments: Json, exchange: &Exchange) -> Result<ToolResult, Error> {
        match tool {
            "count" => self.count(&arguments.string("name")?),
            "wait" => wait(exchange).await,
            "forget" => self.forget(exchange).await,
            other => Err(Error::no_tool(other)),
        }
    }
}

impl Counters {
    fn count(&self, name: &str) -> Result<ToolResult, Error> {
        let mut counts = self.counts.lock().map_err(|_| Error::internal("the counts are lost"))?;
        if counts.is_empty() {
            // From now on there is something to forget.
            self.news.tools_changed();
        }
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        Ok(ToolResult::text(&format!("{name}: {count}")))
    }

    async fn forget(&self, exchange: &Exchange) -> Result<ToolResult, Error> {
        // Clients with and without a handshake are asked alike.
        match exchange.elicit("Forget everything?", SURE).await? {
            Answer::Accepted(form) if form.boolean("sure")? => {
                self.counts.lock().map_err(|_| Error::internal("the counts are lost"))?.clear();
                self.news.tools_changed();
                Ok(ToolResult::text("Forgotten."))
            }
            // A failure that the model reads, rather than an error of the protocol.
            _ => Err(Error::tool("The person does not want that.")),
        }
    }
}

async fn wait(exchange: &Exchange) -> Result<ToolResult, Error> {
    exchange.log(Level::Debug, "waiting").await;
    for second in 1..=3 {
        // If nobody waits for the answer any more, this future is dropped here.
        tokio::time::sleep(Duration::from_secs(1)).await;
        exchange.progress(f64::from(second), Some(3.0), None).await;
    }
    Ok(ToolResult::text("Done."))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let make = |user: janua::server::UserContext| Counters { counts: Mutex::default(), news: user.news() };
    let mut options = Options::in_process("counters", make);
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
