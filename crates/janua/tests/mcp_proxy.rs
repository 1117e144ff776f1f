//! mcp-proxy's command line against the built program, with clients and servers by others.

use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::{self, Gateway};
use janua_testkit::peers::{HttpMode, Peer, Sdk, Served, Transport};
use janua_testkit::process;
use janua_testkit::upstream::streamable::StreamableServer;
use serde_json::{Value, json};
use tokio::process::Command;

const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
const LONG: Duration = Duration::from_secs(30);

fn program(name: &str) -> String {
    gateway::program(name).to_str().expect("a path that is text").to_owned()
}

async fn start(words: &[&str]) -> Gateway {
    let builder = Gateway::builder(JANUA).args(&["compat", "mcp-proxy", "--port", "0"]).args(words);
    builder.env("PROBE_X", "ours").start().await
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(JANUA);
    command.args(["compat", "mcp-proxy"]).args(words);
    command
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The SDK that the original is built on.
#[tokio::test]
async fn a_command_is_served_over_both_transports() {
    let probe = program("probe");
    let gateway = start(&[&probe, "one", "--", "--two"]).await;
    for transport in [Transport::Sse(gateway.url("/sse")), Transport::Http(gateway.url("/mcp"))] {
        let mut peer = Peer::start(Sdk::Python1, &transport).expect("installed");
        peer.connect().await.expect("connected");
        let info = peer.call("info", json!({})).await.expect("called");
        let info = parsed(info["content"][0]["text"].as_str().expect("a text"));
        assert_eq!(info["argv"], json!(["one", "--two"]), "{transport:?}");
        peer.close().await.expect("closed");
    }
    let stream = SseSession::open(gateway.base(), "/sse").await;
    assert!(stream.endpoint.starts_with("/messages/?session_id="), "{}", stream.endpoint);
    let status = gateway.client().get("/status", &[]).await;
    assert_eq!(status.status, StatusCode::OK, "{}", status.text());
    assert_eq!(gateway.client().get("/health", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_server_gets_the_environment_it_is_to_get() {
    let probe = program("probe");
    for (words, wanted) in [
        (&[probe.as_str()][..], None),
        (&["--pass-environment", &probe], Some("ours")),
        (&["--pass-environment", "--no-pass-environment", &probe], None),
        (&[&probe, "-e", "PROBE_X", "given", "--cwd", "/", "-e", "PROBE_XY", "a b"], Some("given")),
    ] {
        let gateway = start(words).await;
        let session = gateway.client().initialize("2025-06-18", "{}").await;
        let info = parsed(session.call("info", "{}").await.text());
        assert_eq!(info["probe_env"]["PROBE_X"].as_str(), wanted, "{words:?}");
        assert_eq!(info["cwd"] == "/", words.contains(&"--cwd"), "{words:?}");
        assert_eq!(info["probe_env"]["PROBE_XY"].as_str(), words.contains(&"-e").then_some("a b"), "{words:?}");
    }
}

#[tokio::test]
async fn without_sessions_all_share_one_server() {
    let gateway = start(&["--stateless", &program("probe")]).await;
    let mut pids = Vec::new();
    for _ in 0..2 {
        let session = gateway.client().initialize("2025-06-18", "{}").await;
        assert_eq!(session.id, None);
        pids.push(parsed(session.call("info", "{}").await.text())["pid"].as_u64().expect("a pid"));
    }
    assert_eq!(pids[0], pids[1]);
}

/// What a server says of the words and the environment it was started with.
async fn info_at(url: String) -> Value {
    let mut peer = Peer::start(Sdk::Python1, &Transport::Http(url)).expect("installed");
    peer.connect().await.expect("connected");
    let info = peer.call("info", json!({})).await.expect("called");
    peer.close().await.expect("closed");
    parsed(info["content"][0]["text"].as_str().expect("a text"))
}

#[tokio::test]
async fn named_servers_have_addresses_of_their_own() {
    let probe = program("probe");
    let line = format!("'{probe}' named 'two words'");
    let gateway = start(&["--named-server", "one", &line, "--named-server", "other", &probe, &probe, "plain"]).await;
    for (path, words) in [
        ("/servers/one/mcp", json!(["named", "two words"])),
        ("/servers/other/mcp", json!([])),
        ("/mcp", json!(["plain"])),
    ] {
        assert_eq!(info_at(gateway.url(path)).await["argv"], words, "{path}");
    }
    let mut stream = SseSession::open(gateway.base(), "/servers/one/sse").await;
    stream.initialize("2024-11-05", "{}").await;
    assert_eq!(parsed(stream.call("info", "{}").await.text())["argv"], json!(["named", "two words"]));
    assert_eq!(gateway.client().get("/status", &[]).await.status, StatusCode::OK);
    assert_eq!(gateway.client().get("/servers/none/sse", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn named_servers_come_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("servers.json");
    let probe = program("probe");
    let servers = json!({"mcpServers": {
        "one": {"command": probe, "args": ["a"], "env": {"PROBE_XY": "given"}},
        "off": {"enabled": false, "command": probe},
    }});
    std::fs::write(&file, servers.to_string()).expect("written");
    let file = file.to_str().expect("a path that is text");
    let gateway = start(&["--named-server-config", file, "--pass-environment"]).await;
    let info = info_at(gateway.url("/servers/one/mcp")).await;
    assert_eq!((&info["argv"], &info["probe_env"]), (&json!(["a"]), &json!({"PROBE_X": "ours", "PROBE_XY": "given"})));
    assert_eq!(gateway.client().get("/servers/off/sse", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_of_named_origins_may_use_it() {
    let probe = program("probe");
    let gateway = start(&[&probe, "--allow-origin", "http://a.test", "http://b.test"]).await;
    for (origin, shared) in [("http://b.test", true), ("http://c.test", false)] {
        let asked = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = gateway.client().send(http::Method::OPTIONS, "/mcp", "", &asked).await;
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, shared.then_some(origin), "{origin}");
    }
}

#[tokio::test]
async fn remote_servers_are_offered_on_stdio() {
    for (mode, named) in [(HttpMode::Streamable, "streamablehttp"), (HttpMode::Sse, "sse")] {
        let served = Served::everything(mode).await.expect("installed");
        for words in [&["--log-level", "ERROR", served.url()][..], &["--transport", named, served.url()]] {
            let mut client = StdioClient::start_command(command(words));
            client.initialize("2025-06-18", "{}").await;
            assert_eq!(client.call("echo", r#"{"message":"hi"}"#).await.text(), "Echo: hi", "{words:?}");
            client.close_input();
            assert!(process::wait_gone(client.pid(), LONG).await, "{words:?}: {}", client.stderr());
        }
        let mut by_env = command(&[]);
        by_env.env("SSE_URL", served.url());
        let mut client = StdioClient::start_command(by_env);
        client.initialize("2025-06-18", "{}").await;
        assert_eq!(client.call("echo", r#"{"message":"hi"}"#).await.text(), "Echo: hi", "SSE_URL");
    }
}

#[tokio::test]
async fn headers_and_the_token_reach_a_remote_server() {
    let server = StreamableServer::builder().start().await;
    let url = server.url();
    let mut command = command(&["-H", "X-One", "1", "--headers", "Authorization", "old", "--debug", &url]);
    command.env("API_ACCESS_TOKEN", "s3cret");
    let mut client = StdioClient::start_command(command);
    client.initialize("2025-06-18", "{}").await;
    let seen = server.site.seen();
    assert!(!seen.is_empty());
    for request in seen {
        let headers = (request.header("x-one"), request.header("authorization"));
        assert_eq!(headers, (Some("1"), Some("Bearer s3cret")), "{request:?}");
    }
    client.close_input();
    assert!(process::wait_gone(client.pid(), LONG).await, "it still runs");
    assert!(!client.stderr().contains("s3cret"), "{}", client.stderr());
}

#[tokio::test]
async fn what_is_not_supported_is_a_usage_error_with_advice() {
    let url = "http://127.0.0.1:1/sse";
    for (words, advice) in [
        (&["--client-id", "a", "--client-secret", "b", "--token-url", "https://t.test/", url][..], "API_ACCESS_TOKEN"),
        (&["--no-verify-ssl", url], "SSL_CERT_FILE"),
        (&["--username", "a", url], "--password"),
        (&["--transport", "pigeon", url], "pigeon"),
        (&["--no-such-flag", "srv"], "--no-such-flag"),
        (&["-e", "A"], "--env"),
        (&["--cwd", "/no/such", "srv"], "/no/such"),
        (&[], "URL"),
    ] {
        let mut command = command(words);
        command.stdin(Stdio::null()).kill_on_drop(true).env_remove("SSE_URL");
        let output = tokio::time::timeout(LONG, command.output()).await.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(advice) && output.stdout.is_empty(), "{words:?}: {said}");
    }
}
