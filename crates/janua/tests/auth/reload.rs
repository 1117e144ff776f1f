//! Credentials that are added, changed and taken away while the gateway runs.

use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::websocket::{Came, WebSocketClient};
use janua_testkit::gateway::Gateway;
use janua_testkit::process::{eventually, eventually_with};

use crate::scene::{ALICE, ALICES_TOKEN, CONFIG, MACHINE, MALLORY, OPS, SOON, Scene, VERSION, client, says_no_secret};

const MALLORYS: &str = "      - { username: mallory, password: elsewhere }\n";

/// Waits until a request with these credentials gets that status.
async fn gets(gateway: &Gateway, credentials: &str, status: u16) {
    let asked = || async { client(gateway, credentials).get("/health", &[]).await.status == status };
    assert!(eventually_with(SOON, asked).await, "not {status} for {credentials}: {}", gateway.stderr());
}

#[tokio::test]
async fn who_is_taken_out_is_out_with_all_that_was_begun() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let url = format!("ws://{}/ws", gateway.authority());
    let socket = async |credentials| {
        let opened = WebSocketClient::try_open(&url, &[("authorization", credentials)]).await.expect("opened");
        let mut opened = opened.deadline(SOON);
        opened.initialize(VERSION, "{}").await;
        opened
    };
    let (mut mallorys, mut alices) = (socket(MALLORY).await, socket(ALICE).await);
    let mut stream = SseSession::open_with(client(&gateway, MALLORY), "/sse").await;
    let session = client(&gateway, MALLORY).initialize(VERSION, "{}").await;
    let mut events = session.listen().await;
    let (mut listening, _) =
        client(&gateway, MALLORY).modern("2026-07-28", "{}").listen(r#"{"toolsListChanged":true}"#).await;
    let kept = client(&gateway, ALICE).initialize(VERSION, "{}").await;

    scene.configure(&CONFIG.replace(MALLORYS, ""));
    gets(&gateway, MALLORY, 401).await;
    while matches!(mallorys.read().await, Came::Text(_)) {}
    assert!(stream.events().closed(SOON).await, "the stream of HTTP+SSE");
    assert!(events.closed(SOON).await, "the stream of the session");
    while listening.next().await.is_some() {}
    assert_eq!(session.post("{}").await.status, 401);

    // She may be admitted again, and what has ended has ended.
    scene.configure(CONFIG);
    gets(&gateway, MALLORY, 200).await;
    assert_eq!(session.request("ping", "").await.status, 404);
    // Others have noticed nothing.
    assert!(kept.call("echo", r#"{"text":"kept"}"#).await.raw().contains("kept"));
    assert!(alices.call("echo", r#"{"text":"kept, too"}"#).await.raw().contains("kept, too"));
    says_no_secret(&gateway);
}

#[tokio::test]
async fn a_changed_password_is_the_only_one_at_once() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let before = client(&gateway, OPS).initialize(VERSION, "{}").await;
    // The file of the secret is followed like the configuration itself.
    std::fs::write(scene.data().join("secrets/ops"), "run:again").expect("written");
    gets(&gateway, OPS, 401).await;
    let now = "Basic b3BzOnJ1bjphZ2Fpbg==";
    gets(&gateway, now, 200).await;
    let headers = [("authorization", now), ("mcp-session-id", before.id.as_deref().expect("an id"))];
    let answer = gateway.client().deadline(SOON).send(http::Method::DELETE, "/mcp", "", &headers).await;
    assert_eq!(answer.status, 404, "who has opened it may have had the password from somebody");
}

#[tokio::test]
async fn authentication_comes_and_goes_and_a_broken_file_changes_nothing() {
    let open = "data_dir: data\nlisten: 127.0.0.1:0\nservers:\n  probe: { command: PROBE, args: [--full] }\n";
    let scene = Scene::with(open);
    let gateway = scene.serve(&[]).await;
    let anonymous = gateway.client().deadline(SOON).initialize(VERSION, "{}").await;
    scene.configure(CONFIG);
    gets(&gateway, "Bearer nobodys", 401).await;
    gets(&gateway, MACHINE, 200).await;
    assert_eq!(anonymous.request("ping", "").await.status, 401);
    let headers = [("authorization", ALICE), ("mcp-session-id", anonymous.id.as_deref().expect("an id"))];
    let taken = gateway.client().deadline(SOON).send(http::Method::DELETE, "/mcp", "", &headers).await;
    assert_eq!(taken.status, 404, "what nobody has opened is nobody's any more");

    for broken in [
        "auth: { basic: { enabled: false } }",
        "auth: { bearer: { tokens: [] } }",
        "auth: { bearer: { tokens: ['${file:nothing}'] } }",
    ] {
        let seen = gateway.stderr().matches("nothing was changed").count();
        scene.configure(&format!("{open}{broken}\n"));
        assert!(eventually(SOON, || gateway.stderr().matches("nothing was changed").count() > seen).await, "{broken}");
        assert_eq!(gateway.client().get("/health", &[]).await.status, 401, "{broken}");
        assert_eq!(client(&gateway, ALICES_TOKEN).get("/health", &[]).await.status, 200, "{broken}");
    }
    let alices = client(&gateway, ALICE).initialize(VERSION, "{}").await;
    scene.configure(open);
    let opened = || async { gateway.client().get("/health", &[]).await.status == 200 };
    assert!(eventually_with(SOON, opened).await, "{}", gateway.stderr());
    let headers = [("mcp-session-id", alices.id.as_deref().expect("an id"))];
    let left = gateway.client().deadline(SOON).send(http::Method::DELETE, "/mcp", "", &headers).await;
    assert_eq!(left.status, 404, "what somebody has opened is not everybody's");
}

#[tokio::test]
async fn a_gateway_that_others_reach_is_not_opened_by_taking_auth_out() {
    let scene = Scene::new();
    // Without --insecure-no-auth: `auth` is what lets it listen there.
    let gateway = scene.serve(&["--host", "0.0.0.0"]).await;
    gets(&gateway, ALICE, 200).await;
    let without = "data_dir: data\nlisten: 127.0.0.1:0\nservers:\n  probe: { command: PROBE, args: [--full] }\n";
    scene.configure(without);
    assert!(eventually(SOON, || gateway.stderr().contains("`auth` was taken out")).await, "{}", gateway.stderr());
    assert!(eventually(SOON, || gateway.stderr().contains("configuration taken over")).await, "{}", gateway.stderr());
    assert_eq!(gateway.client().get("/health", &[]).await.status, 401);
    assert_eq!(client(&gateway, ALICE).get("/health", &[]).await.status, 200);
    scene.configure(&format!("{without}insecure_no_auth: true\n"));
    let opened = || async { gateway.client().get("/health", &[]).await.status == 200 };
    assert!(eventually_with(SOON, opened).await, "{}", gateway.stderr());
}
