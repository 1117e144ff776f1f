//! The stage of these tests: a scripted API, its document, and the gateway that serves it.

use std::time::Duration;

use janua_testkit::client::Client;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::gateway::Gateway;
use janua_testkit::process::eventually;
use janua_testkit::upstream::canned::{Builder, Canned, CannedServer};
use janua_testkit::upstream::site::Seen;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A gateway in front of an API.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) api: CannedServer,
    pub(crate) folder: TempDir,
}

/// A document of these paths, without servers.
pub(crate) fn document(paths: &Value) -> Value {
    json!({"openapi": "3.0.3", "info": {"title": "Scripted", "version": "7"}, "paths": paths})
}

/// An API that answers `{"ok":true}` at these paths.
pub(crate) fn fine(paths: &[&str]) -> Builder {
    paths.iter().fold(CannedServer::builder(), |api, path| api.on(path, Canned::json(r#"{"ok":true}"#)))
}

impl Scene {
    /// The document of an API in a file.
    pub(crate) async fn of(api: Builder, document: &Value) -> Scene {
        Scene::with(api, document, &json!({})).await
    }

    /// The same with more settings of the server.
    pub(crate) async fn with(api: Builder, document: &Value, more: &Value) -> Scene {
        let (api, folder) = (api.start().await, TempDir::new().expect("a folder"));
        std::fs::write(folder.path().join("api.json"), document.to_string()).expect("written");
        let mut server = json!({"openapi": "api.json", "base_url": api.site.url("/v1")});
        let more: Map<String, Value> = more.as_object().cloned().expect("settings");
        server.as_object_mut().expect("an object").extend(more);
        server.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let gateway = served(&folder, &json!({"servers": {"web": server}})).await;
        Scene { gateway, api, folder }
    }

    pub(crate) fn client(&self, path: &str) -> Client {
        self.gateway.client().endpoint(path).deadline(SOON)
    }

    pub(crate) async fn session(&self) -> Session {
        self.client("/mcp/web").initialize("2025-11-25", "{}").await
    }

    /// Calls a tool and gives the result.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Value {
        self.reply(tool, arguments).await.result().clone()
    }

    pub(crate) async fn reply(&self, tool: &str, arguments: &Value) -> Reply {
        self.session().await.call(tool, &arguments.to_string()).await
    }

    /// Calls a tool that must succeed, and gives the request that reached the API.
    pub(crate) async fn sent(&self, tool: &str, arguments: &Value) -> Seen {
        let before = self.api.site.seen().len();
        let result = self.call(tool, arguments).await;
        assert_eq!(result.get("isError"), None, "{arguments}: {result}");
        let seen = self.api.site.seen();
        assert_eq!(seen.len(), before + 1, "{seen:?}");
        seen[before].clone()
    }

    /// Calls a tool with arguments that must be refused before anything is sent, and gives what is said.
    pub(crate) async fn refused(&self, tool: &str, arguments: &Value) -> String {
        let before = self.api.site.seen().len();
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{arguments}: {result}");
        assert_eq!(self.api.site.seen().len(), before, "{arguments} was sent");
        text(&result)
    }

    /// The tools, by name.
    pub(crate) async fn tools(&self) -> Map<String, Value> {
        tools(&self.session().await).await
    }

    /// Waits until the gateway has logged this.
    pub(crate) async fn logged(&self, words: &str) {
        let there = eventually(SOON, || self.gateway.stderr().replace("\\\"", "\"").contains(words)).await;
        assert!(there, "no {words:?} in\n{}", self.gateway.stderr());
    }
}

/// A gateway of this configuration.
pub(crate) async fn served(folder: &TempDir, settings: &Value) -> Gateway {
    let file = folder.path().join("janua.json");
    std::fs::write(&file, settings.to_string()).expect("written");
    let (file, data) = (file.display().to_string(), folder.path().join("data").display().to_string());
    let gateway = Gateway::builder(env!("CARGO_BIN_EXE_janua"));
    gateway.args(&["serve", "-c", &file, "--data-dir", &data, "--port", "0"]).start().await
}

/// All tools that a session sees, whatever the pages.
pub(crate) async fn tools(session: &Session) -> Map<String, Value> {
    let (mut tools, mut params) = (Map::new(), String::new());
    loop {
        let reply = session.request("tools/list", &params).await;
        for tool in reply.result()["tools"].as_array().expect("tools") {
            let before = tools.insert(tool["name"].as_str().expect("a name").to_owned(), tool.clone());
            assert_eq!(before, None, "twice");
        }
        match &reply.result()["nextCursor"] {
            Value::Null => return tools,
            cursor => params = json!({"cursor": cursor}).to_string(),
        }
    }
}

/// The first text of a result.
pub(crate) fn text(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}")).to_owned()
}
