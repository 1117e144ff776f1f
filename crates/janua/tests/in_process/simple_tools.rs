//! The server that keeps texts, held against what guMCP's says word by word, with a state for every session.

use janua::config::Server;
use janua::proxy::{self, Options};
use janua_testkit::client::Client;

use crate::{LEGACY, MODERN};

const TOOLS: &str = r#"[{"name":"store-data","description":"Store a key-value pair in the server","inputSchema":{"type":"object","properties":{"key":{"type":"string"},"value":{"type":"string"}},"required":["key","value"]}},{"name":"retrieve-data","description":"Retrieve a value by its key","inputSchema":{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}},{"name":"list-data","description":"List all stored key-value pairs","inputSchema":{"type":"object","properties":{}}}]"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_session_has_data_of_its_own() {
    let options = Options::new(Server::InProcess("simple-tools-server".to_owned())).port(0);
    let proxy = proxy::start(options).await.expect("a free port");
    let client = Client::new(&format!("http://{}/mcp", proxy.address()));
    let (one, two) = (client.initialize(LEGACY, "{}").await, client.initialize("2024-11-05", "{}").await);
    let info = one.opening.at("/result/serverInfo");
    assert_eq!((&info["name"], &info["version"]), (&"simple-tools-server".into(), &"1.0.0".into()));
    assert!(one.request("tools/list", "").await.raw().contains(TOOLS));
    for (tool, args, text) in [
        ("list-data", "{}", "No data stored"),
        ("store-data", r#"{"key":"k","value":"v1"}"#, "Stored 'k' with value: v1"),
        ("retrieve-data", r#"{"key":"k"}"#, "Value for 'k': v1"),
        ("retrieve-data", r#"{"key":"zz"}"#, "Key 'zz' not found"),
        ("list-data", "{}", "Stored data:\n- k: v1"),
        ("nope", "{}", "Unknown tool: nope"),
        ("store-data", r#"{"key":"k"}"#, "Missing key or value"),
    ] {
        let reply = one.call(tool, args).await;
        assert_eq!(reply.text(), text);
        let failed = text.starts_with("Unknown") || text.starts_with("Missing");
        assert_eq!(reply.result()["isError"] == true, failed, "{}", reply.raw());
    }
    assert_eq!(one.request("resources/list", "").await.error_code(), Some(-32601));
    assert_eq!(two.call("list-data", "{}").await.text(), "No data stored");
    assert_eq!(client.modern(MODERN, "{}").call("list-data", "{}").await.text(), "No data stored");
    proxy.stop().await;
}
