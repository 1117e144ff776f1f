//! A server with three tools that keep texts under keys: a user's are there for all of that user's instances, and an
//! instance that serves nobody in particular keeps its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::lock::Lock;
use crate::servers::in_process::{About, Error, Exchange, Json, Server, Tool, ToolResult, UserContext};

/// What was stored.
type Stored = Arc<Lock<BTreeMap<String, String>>>;

/// One instance.
pub(super) struct SimpleTools(Stored);

/// What was stored for whom.
#[derive(Default)]
pub(super) struct Users(Lock<BTreeMap<Arc<str>, Stored>>);

impl Users {
    /// An instance for whomever `context` names.
    pub(super) fn instance(&self, context: &UserContext) -> SimpleTools {
        const MOST: usize = 1000;
        let Some(user) = context.user() else { return SimpleTools(Stored::default()) };
        let mut users = self.0.lock();
        if users.len() >= MOST && !users.contains_key(&user.id) {
            users.pop_first();
        }
        SimpleTools(users.entry(user.id.clone()).or_default().clone())
    }
}

impl Server for SimpleTools {
    fn about(&self) -> About {
        About::new("simple-tools-server", "1.0.0").tools()
    }

    async fn tools(&self, _: &Exchange) -> Result<Vec<Tool>, Error> {
        let pair = r#"{"type":"object","properties":{"key":{"type":"string"},"value":{"type":"string"}},"required":["key","value"]}"#;
        let key = r#"{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}"#;
        Ok(vec![
            Tool::new("store-data", "Store a key-value pair in the server", pair),
            Tool::new("retrieve-data", "Retrieve a value by its key", key),
            Tool::new("list-data", "List all stored key-value pairs", r#"{"type":"object","properties":{}}"#),
        ])
    }

    async fn call(&self, tool: &str, arguments: Json, _: &Exchange) -> Result<ToolResult, Error> {
        let (key, value) = (arguments.string("key"), arguments.string("value"));
        let said = match (tool, key, value) {
            ("store-data", Ok(key), Ok(value)) => {
                let said = format!("Stored '{key}' with value: {value}");
                self.0.lock().insert(key, value);
                said
            }
            ("store-data", ..) => return Err(Error::tool("Missing key or value")),
            ("retrieve-data", Ok(key), _) => match self.0.lock().get(&key) {
                Some(value) => format!("Value for '{key}': {value}"),
                None => format!("Key '{key}' not found"),
            },
            ("retrieve-data", ..) => return Err(Error::tool("Missing key")),
            ("list-data", ..) => {
                let lines: Vec<String> = self.0.lock().iter().map(|(key, value)| format!("- {key}: {value}")).collect();
                if lines.is_empty() {
                    "No data stored".to_owned()
                } else {
                    format!("Stored data:\n{}", lines.join("\n"))
                }
            }
            _ => return Err(Error::tool(format!("Unknown tool: {tool}"))),
        };
        Ok(ToolResult::text(&said))
    }
}
