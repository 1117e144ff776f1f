//! Other authors' clients and the demo server.

use janua_testkit::gateway::Gateway;
use janua_testkit::peers::{Era, Options, Peer, Sdk, Transport, text};
use serde_json::json;

use crate::demo::JANUA;

async fn visit(sdk: Sdk, transport: Transport, era: Era) {
    let at = format!("{sdk:?} {era:?}");
    let mut peer = Peer::start_with(sdk, &transport, &Options { era, ..Options::default() }).expect("the peer starts");
    peer.connect().await.expect("it connects");
    for (tool, arguments, said) in [
        ("add", json!({"a": 1, "b": 2}), "3"),
        ("countdown", json!({"n": 2}), "Lift-off."),
        ("greet", json!({}), "Hello, ann!"),
        ("sample", json!({"prompt": "why"}), "sampled: why"),
        ("roots", json!({}), "file:///peer/root"),
        ("log", json!({"message": "hi"}), "Logged."),
    ] {
        let result = peer.call(tool, arguments).await.unwrap_or_else(|why| panic!("{at} {tool}: {why}"));
        assert_eq!(text(&result), said, "{at} {tool}");
    }
    peer.close().await.expect("it closes");
}

#[tokio::test]
async fn the_rust_sdk_tours_the_demo_in_both_eras() {
    let gateway = Gateway::start(JANUA, &["proxy", "--demo", "-p", "0"]).await;
    for era in [Era::Legacy, Era::Modern] {
        visit(Sdk::Rmcp, Transport::Http(gateway.url("/mcp")), era).await;
    }
}

#[tokio::test]
async fn the_python_and_typescript_sdks_tour_the_demo() {
    let gateway = Gateway::start(JANUA, &["proxy", "--demo", "-p", "0"]).await;
    let words = [JANUA, "connect", "--demo"].map(str::to_owned).to_vec();
    visit(Sdk::Python2, Transport::Http(gateway.url("/mcp")), Era::Modern).await;
    visit(Sdk::TypeScript1, Transport::Stdio(words), Era::Legacy).await;
}
