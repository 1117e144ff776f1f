//! Clients that find out by themselves which era they are in, on one process.

use janua_testkit::client::stdio::StdioClient;
use janua_testkit::peers::{server_everything, server_time};

use crate::scene::{JANUA, Outcome, command};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"probing","version":"1"}}"#;

fn started(server: Vec<String>) -> StdioClient {
    let words: Vec<_> = std::iter::once("connect".to_owned()).chain(command(server)).collect();
    StdioClient::start(JANUA.as_ref(), &words)
}

/// `server/discover`, and then `initialize` all the same, as clients do that only asked.
#[tokio::test]
async fn a_client_asks_and_then_shakes_hands_on_the_same_process() -> Outcome {
    let mut client = started(server_time()?);
    let found = client.request("server/discover", &format!("{{{META}}}")).await;
    assert!(found.raw().contains(r#""supportedVersions":["2026-07-28"]"#), "{}", found.raw());
    let opened = client.initialize("2025-11-25", "{}").await;
    assert!(opened.raw().contains(r#""protocolVersion":"2025-11-25""#), "{}", opened.raw());
    let now = client.call("get_current_time", r#"{"timezone":"UTC"}"#).await;
    assert!(now.text().contains(r#""timezone": "UTC""#), "{}", now.raw());
    assert!(!now.raw().contains("resultType"), "{}", now.raw());
    Ok(())
}

/// Requests that describe themselves, beside a session on the same process.
#[tokio::test]
async fn requests_of_both_eras_on_one_process() -> Outcome {
    let mut client = started(server_everything()?);
    client.initialize("2025-06-18", "{}").await;
    let plain = client.call("echo", r#"{"message":"old"}"#).await;
    assert_eq!(plain.text(), "Echo: old");
    assert!(!plain.raw().contains("resultType"), "{}", plain.raw());
    let params = format!(r#"{{"name":"echo","arguments":{{"message":"new"}},{META}}}"#);
    let described = client.request("tools/call", &params).await;
    assert_eq!(described.text(), "Echo: new");
    assert!(described.raw().contains(r#""resultType":"complete""#), "{}", described.raw());
    Ok(())
}
