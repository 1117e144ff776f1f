//! Other authors' clients and servers on WebSocket, with Janua between them.

use std::path::Path;

use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::Gateway;
use janua_testkit::peers::{Era, Peer, Sdk, Served, Transport, server_everything, text};
use janua_testkit::process::eventually;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::scene::{JANUA, SOON, VERSION, empty, remote, sentence, ws};
use crate::tour::{Outcome, everything};

#[tokio::test]
async fn every_client_that_can_over_websocket() -> Outcome {
    let gateway = Gateway::builder(JANUA).arg("--").args(&server_everything()?).start().await;
    for sdk in Sdk::ALL.into_iter().filter(|sdk| sdk.has_ws()) {
        everything(sdk, Era::Legacy, Transport::Ws(ws(&gateway))).await?;
    }
    empty(&gateway).await;
    Ok(())
}

/// Everything that the server of another author offers on its socket.
async fn tour(sdk: Sdk, transport: Transport) -> Outcome {
    let mut peer = Peer::start(sdk, &transport)?;
    let info = peer.connect().await?;
    assert_eq!((&info["protocolVersion"], &info["serverInfo"]["name"]), (&json!(VERSION), &json!("python-1-ws")));
    let tools = peer.op(json!({"op": "list_tools"})).await?;
    assert_eq!(tools["tools"].as_array().map(Vec::len), Some(6), "{sdk:?} {tools}");
    let sum = peer.call("add", json!({"a": 2, "b": 40})).await?;
    assert_eq!(text(&sum), "42", "{sdk:?}");
    let sampled = peer.call("ask", json!({"question": "why"})).await?;
    assert_eq!(text(&sampled), "sampled: why", "{sdk:?}");
    let roots = peer.call("roots", json!({})).await?;
    assert_eq!(text(&roots), "file:///peer/root", "{sdk:?}");
    let counted = peer.op(json!({"op": "call", "name": "count", "arguments": {"to": 3}, "progress": true})).await?;
    assert_eq!(text(&counted), "counted to 3", "{sdk:?}");
    let steps = peer.events().await?.iter().filter(|event| event["kind"] == "progress").count();
    assert!(steps >= 2, "{sdk:?}: {steps}");
    let read = peer.op(json!({"op": "read", "uri": "note://one"})).await?;
    assert_eq!(read["contents"][0]["text"], "the first note", "{sdk:?}");
    let endless = json!({"op": "cancel_call", "name": "wait", "arguments": {"seconds": 600}});
    assert_eq!(peer.op(endless).await?, json!({"cancelled": true}), "{sdk:?}");
    let calls: Vec<Value> = (0..8).map(|n| json!({"name": "add", "arguments": {"a": n, "b": 100}})).collect();
    let answers = peer.op(json!({"op": "parallel", "calls": calls})).await?;
    for n in 0..8 {
        assert_eq!(text(&answers[n]["value"]), (n + 100).to_string(), "{sdk:?} {answers}");
    }
    peer.close().await?;
    Ok(())
}

#[tokio::test]
async fn clients_of_all_transports_reach_a_server_of_another_author() -> Outcome {
    let server = Served::websocket().await?;
    let scene = remote(server.url(), |_| {}).await;
    let http = format!("http://{}", scene.proxy.address());
    let connect = [JANUA, "connect", server.url()].map(str::to_owned).to_vec();
    for (sdk, transport) in [
        (Sdk::Python1, Transport::Ws(scene.ws())),
        (Sdk::Python2, Transport::Sse(format!("{http}/sse"))),
        (Sdk::TypeScript2, Transport::Http(format!("{http}/mcp"))),
        (Sdk::TypeScript1, Transport::Stdio(connect)),
    ] {
        tour(sdk, transport).await?;
    }
    let cancelled = || server.stderr().lines().filter(|line| *line == "cancelled").count() == 4;
    assert!(eventually(SOON, cancelled).await, "{}", server.stderr());
    Ok(())
}

#[tokio::test]
async fn a_large_result_of_another_author_passes() -> Outcome {
    let server = Served::websocket().await?;
    let scene = remote(server.url(), |_| {}).await;
    let session = scene.http().initialize(VERSION, "{}").await;
    let reply = session.call("big", r#"{"size":5000000}"#).await;
    assert_eq!(reply.text().len(), 5_000_000);
    Ok(())
}

/// `janua connect` to an encrypted server, with these authorities to trust.
fn encrypted(server: &Served, authority: &Path) -> StdioClient {
    let mut command = Command::new(JANUA);
    command.args(["connect", server.url()]).env("SSL_CERT_FILE", authority).env_remove("SSL_CERT_DIR");
    StdioClient::start_command(command)
}

#[tokio::test]
async fn an_encrypted_server_is_reached_if_its_authority_is_trusted() -> Outcome {
    let (folder, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let server = Served::encrypted_websocket(folder.path()).await?;
    let stranger = Served::encrypted_websocket(other.path()).await?;
    assert!(server.url().starts_with("wss://"), "{}", server.url());
    let mut client = encrypted(&server, &folder.path().join("authority.pem"));
    client.initialize(VERSION, "{}").await;
    assert_eq!(client.call("add", r#"{"a":1,"b":2}"#).await.text(), "3");
    client.close_input();
    assert_eq!(client.wait(SOON).await.and_then(|status| status.code()), Some(0));

    let mut wary = encrypted(&stranger, &folder.path().join("authority.pem"));
    let params = janua_testkit::client::message::initialize_params(VERSION, "{}");
    let refused = wary.request("initialize", &params).await;
    assert!(sentence(&refused).contains("certificate"), "{}", refused.raw());
    Ok(())
}
