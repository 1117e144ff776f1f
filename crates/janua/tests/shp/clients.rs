//! Clients by others: plain httpx as the tool's documentation uses it, and Python's SDK, old and new.

use std::path::Path;

use janua_testkit::peers::{Peer, Sdk, Transport, server_python};
use serde_json::{Value, json};

use crate::started::probe;

#[tokio::test]
async fn shp_30_the_documented_httpx_client() {
    let gateway = probe(&[]).await;
    // The environment of the SDK has httpx, on which the SDK is built.
    let python = server_python().expect("installed").swap_remove(0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shp/httpx_client.py");
    let mut command = tokio::process::Command::new(python);
    let output = command.arg("-B").arg(script).arg(gateway.base()).kill_on_drop(true).output();
    let output = output.await.expect("run Python");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    let steps: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let [opened, initialized, listed, called] = &steps[..] else { panic!("{said}") };
    for (step, status) in [(opened, 200), (initialized, 202), (listed, 200), (called, 200)] {
        assert_eq!(step["status"], status, "{step}");
    }
    assert_eq!(opened["body"]["result"]["serverInfo"]["name"], "probe");
    assert!(opened["session"].is_string() && initialized["body"].is_null(), "{said}");
    assert!(listed["body"]["result"]["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{listed}");
    assert_eq!(called["body"]["result"]["content"], json!([{"type": "text", "text": "from httpx"}]));
}

#[tokio::test]
async fn shp_31_old_and_new_python_clients() {
    let gateway = probe(&[]).await;
    for sdk in [Sdk::Python1, Sdk::Python2] {
        let mut peer = Peer::start(sdk, &Transport::Http(gateway.url("/mcp"))).expect("installed");
        let server = peer.connect().await.unwrap_or_else(|error| panic!("{sdk:?}: {error}"));
        assert_eq!(server["serverInfo"]["name"], "probe", "{sdk:?}");
        let listed = peer.op(json!({"op": "list_tools"})).await.unwrap_or_else(|error| panic!("{sdk:?}: {error}"));
        let tools = listed["tools"].as_array().expect("a list");
        assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{sdk:?}: {listed}");
        let called = peer.call("echo", json!({"text": "hi"})).await.unwrap_or_else(|error| panic!("{sdk:?}: {error}"));
        assert_eq!(called["content"][0]["text"], "hi", "{sdk:?}");
        peer.close().await.unwrap_or_else(|error| panic!("{sdk:?}: {error}"));
    }
}
