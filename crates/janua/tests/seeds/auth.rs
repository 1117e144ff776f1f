//! Authentication of acehoss/mcp-gateway, asked for by its own `config.yaml`.

use std::fs;
use std::process::Output;
use std::time::Duration;

use janua_testkit::client::faults::{http_request, raw_socket};
use janua_testkit::client::message::Message;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::gateway::{Gateway, program};
use serde_json::json;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);
const JANUA: &str = env!("CARGO_BIN_EXE_janua");

/// The file as its README has it, with a server of ours.
const CONFIG: &str = "\
hostname: 127.0.0.1
port: 3000
auth:
  basic:
    enabled: true
    credentials:
      - username: admin
        password: \"pw\"
      - username: admin
        password: \"pass:with:colons\"
  bearer:
    enabled: true
    tokens:
      - \"tok1\"
debug:
  level: verbose
servers:
  probe:
    command: PROBE
    args: [--full]
";

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;

/// A folder with that file, and the gateway that serves it.
struct Scene {
    gateway: Gateway,
    _folder: TempDir,
}

async fn scene(options: &[&str]) -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yaml");
    fs::write(&file, CONFIG.replace("PROBE", &program("probe").display().to_string())).expect("written");
    let words = ["serve", "--port", "0", "--config", "config.yaml", "--data-dir", "data"];
    let gateway = Gateway::builder(JANUA).args(options).args(&words).folder(folder.path()).start().await;
    Scene { gateway, _folder: folder }
}

impl Scene {
    /// What a request by hand with these further header lines is answered.
    async fn ask(&self, method: &str, path: &str, lines: &[&str], body: &str) -> String {
        let host = format!("Host: {}", self.gateway.authority());
        let mut all = vec![host.as_str(), "Connection: close"];
        all.extend(lines);
        let answer = raw_socket(self.gateway.authority(), &http_request(method, path, &all, body)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status of an `initialize` with this header line.
    async fn opens(&self, line: &str) -> String {
        let lines = ["Content-Type: application/json", "Accept: application/json, text/event-stream", line];
        status(&self.ask("POST", "/probe", &lines, INITIALIZE).await)
    }

    async fn curl(&self, words: &[&str], path: &str) -> Output {
        let url = self.gateway.url(path);
        let curl = tokio::process::Command::new("curl").arg("-si").args(words).arg(url).kill_on_drop(true).output();
        tokio::time::timeout(SOON, curl).await.expect("it ends").expect("it runs")
    }
}

fn status(answer: &str) -> String {
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn ace_25_basic_authentication() {
    let scene = scene(&[]).await;
    for (user, wanted) in [
        ("admin:pw", "200"),
        ("admin:pass:with:colons", "200"),
        ("admin:bad", "401"),
        ("admin:pass", "401"),
        ("root:pw", "401"),
    ] {
        let answer = scene.curl(&["-u", user], "/health").await;
        assert_eq!(status(&String::from_utf8_lossy(&answer.stdout)), wanted, "{user}");
    }
    for (line, wanted) in [
        ("Authorization: Basic YWRtaW46cHc=", "200"),
        ("Authorization: basic YWRtaW46cHc=", "200"),
        ("Authorization: Basic YWRtaW46YmFk", "401"),
        ("Authorization: Basic !!!", "401"),
        ("Authorization: Basic YWRtaW4=", "401"),
        ("Authorization: Digest x", "401"),
    ] {
        assert_eq!(scene.opens(line).await, wanted, "{line}");
    }
}

#[tokio::test]
async fn ace_26_bearer_authentication() {
    let scene = scene(&[]).await;
    for (line, wanted) in [
        ("Authorization: Bearer tok1", "200"),
        ("Authorization: bearer tok1", "200"),
        ("Authorization: BEARER tok1", "200"),
        ("Authorization: Bearer bad", "401"),
        ("Authorization: Bearer  tok1", "401"),
        ("Authorization: Bearer", "401"),
        ("X-Authorization: Bearer tok1", "401"),
    ] {
        assert_eq!(scene.opens(line).await, wanted, "{line}");
    }
    assert_eq!(status(&scene.ask("GET", "/health?access_token=tok1", &[], "").await), "401");
    let answer = scene.curl(&["-H", "Authorization: bearer tok1"], "/health").await;
    assert_eq!(status(&String::from_utf8_lossy(&answer.stdout)), "200");
}

#[tokio::test]
async fn ace_27_every_path_is_refused_with_the_challenges() {
    let scene = scene(&[]).await;
    let paths = ["/nope", "/", "/probe", "/probe?sessionId=x", "/api/sessionid", "/api/probe/echo", "/mcp", "/health"];
    let more = [
        "/livez",
        "/readyz",
        "/health_check",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/admin/v1/status",
        "/probe/alice",
    ];
    for path in paths.iter().chain(&more) {
        for method in ["GET", "POST", "OPTIONS", "PUT"] {
            let answer = scene.ask(method, path, &[], "").await;
            assert_eq!(status(&answer), "401", "{method} {path}");
            let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("www-authenticate: ")).collect();
            assert_eq!(lines, ["www-authenticate: Basic realm=\"MCP Gateway\"", "www-authenticate: Bearer"], "{path}");
            assert!(answer.ends_with("\r\n\r\nUnauthorized"), "{method} {path}: {answer}");
        }
    }
    // Only a preflight is answered before.
    let lines = ["Origin: http://x.test", "Access-Control-Request-Method: GET"];
    assert_ne!(status(&scene.ask("OPTIONS", "/probe", &lines, "").await), "401");
    let answer = scene.curl(&[], "/nope").await;
    let said = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(said.contains("Basic realm=\"MCP Gateway\"") && said.contains("Bearer"), "{said}");
}

#[tokio::test]
async fn ace_28_either_scheme_suffices_and_a_message_needs_one() {
    let scene = scene(&[]).await;
    let client = scene.gateway.client().deadline(SOON);
    let mut stream = SseSession::open_with(client.header("authorization", "Bearer tok1"), "/probe").await;
    let json = "Content-Type: application/json";
    for (line, wanted) in
        [(None, "401"), (Some("Authorization: Bearer bad"), "401"), (Some("Authorization: Basic YWRtaW46cHc="), "202")]
    {
        let lines: Vec<&str> = [json].into_iter().chain(line).collect();
        let answer = scene.ask("POST", &stream.target, &lines, PING).await;
        assert_eq!(status(&answer), wanted, "{line:?}: {answer}");
    }
    assert_eq!(stream.response("5").await.result(), &json!({}));
    assert!(stream.passed.iter().all(Message::is_notification), "what was refused was not heard: {:?}", stream.passed);
}

#[tokio::test]
async fn ace_34_the_authorization_is_never_logged() {
    let scene = scene(&["--log-level", "trace"]).await;
    for line in [
        "Authorization: Basic YWRtaW46cHc=",
        "Authorization: Basic YWRtaW46cGFzczp3aXRoOmNvbG9ucw==",
        "Authorization: Bearer tok1",
        "Authorization: Bearer not-the-token",
        "Authorization: Basic YWRtaW46bm90LXRoZS1wYXNzd29yZA==",
        "Authorization: Digest username=somebody",
    ] {
        scene.opens(line).await;
        scene.ask("GET", "/probe/user:key?access_token=tok1", &[line], "").await;
    }
    let said = scene.gateway.stderr() + &scene.gateway.stdout();
    assert!(said.contains("session opened") && said.contains("request refused"), "it says what happens: {said}");
    let secrets = ["YWRtaW46", "tok1", "not-the-", "pass:with", "somebody", "80b3ad2d438bfafa", "uthorization: "];
    for secret in secrets {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}
