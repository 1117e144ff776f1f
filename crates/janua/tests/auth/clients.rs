//! Other authors' clients, which send what they are told in a header.

use janua_testkit::gateway::{Gateway, program};
use janua_testkit::peers::{Era, Options, Peer, Sdk, Transport, text};
use serde_json::json;

use crate::scene::{ALICE, ALICES_TOKEN, JANUA, SOON, Scene, client, says_no_secret};

async fn visit(sdk: Sdk, transport: &Transport, credentials: &str, era: Era) {
    let headers = vec![("Authorization".to_owned(), credentials.to_owned())];
    let mut peer = Peer::start_with(sdk, transport, &Options { era, headers }).expect("started");
    peer.connect().await.unwrap_or_else(|error| panic!("{sdk:?} {transport:?}: {error}"));
    let said = peer.call("echo", json!({"text": "admitted"})).await.expect("an answer");
    assert_eq!(text(&said), "admitted", "{sdk:?}");
    peer.close().await.expect("closed");
    let wrong = Options { era, headers: vec![("Authorization".to_owned(), "Bearer wrong".to_owned())] };
    let mut stranger = Peer::start_with(sdk, transport, &wrong).expect("started");
    stranger.connect().await.expect_err("a stranger is not admitted");
}

#[tokio::test]
async fn of_python_and_typescript_are_admitted_with_headers() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let (http, sse) = (Transport::Http(gateway.url("/mcp")), Transport::Sse(gateway.url("/probe")));
    visit(Sdk::Python1, &http, ALICE, Era::Legacy).await;
    visit(Sdk::Python1, &sse, ALICES_TOKEN, Era::Legacy).await;
    visit(Sdk::TypeScript1, &http, ALICES_TOKEN, Era::Legacy).await;
    visit(Sdk::TypeScript1, &sse, ALICE, Era::Legacy).await;
    visit(Sdk::Python2, &http, ALICES_TOKEN, Era::Auto).await;
    says_no_secret(&gateway);
}

#[tokio::test]
async fn of_a_proxy_have_its_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "looking-glass\n").expect("written");
    let probe = program("probe").display().to_string();
    let file = file.display().to_string();
    let by_file = Gateway::builder(JANUA).args(&["--host", "0.0.0.0", "--auth-token-file", &file, "--", &probe]);
    let by_variable = Gateway::builder(JANUA).args(&["--", &probe]).env("JANUA_AUTH_TOKEN", "looking-glass");
    for builder in [by_file, by_variable] {
        let gateway = builder.start().await;
        let anybody = gateway.client().deadline(SOON);
        assert_eq!(anybody.get("/health", &[]).await.status, 401);
        assert_eq!(anybody.get("/livez", &[]).await.status, 200);
        assert_eq!(client(&gateway, ALICES_TOKEN).get("/health", &[]).await.status, 200);
        says_no_secret(&gateway);
    }
    for token in ["", "sha256:12"] {
        std::fs::write(&file, token).expect("written");
        let refused = Gateway::builder(JANUA).args(&["--auth-token-file", &file, "--", &probe]).try_start().await;
        let fault = refused.expect_err("it does not start");
        assert!(fault.stderr.contains("the token is empty, or not"), "{}", fault.stderr);
    }
}
