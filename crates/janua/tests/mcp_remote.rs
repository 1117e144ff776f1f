//! mcp-remote's command line against the built program, in front of servers by others.

use std::process::Stdio;
use std::time::Duration;

use janua_testkit::client::message::initialize_params;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::peers::{HttpMode, Peer, Sdk, Served, Transport};
use janua_testkit::process;
use janua_testkit::upstream::canned::{Canned, CannedServer};
use janua_testkit::upstream::sse::SseServer;
use janua_testkit::upstream::streamable::StreamableServer;
use serde_json::json;
use tokio::process::Command;

const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
const LONG: Duration = Duration::from_secs(30);

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(JANUA);
    command.args(["compat", "mcp-remote"]).args(words);
    command
}

#[tokio::test]
async fn each_strategy_reaches_the_server_it_is_for() {
    let both = ["http-first", "sse-first"];
    for (mode, only) in [(HttpMode::Streamable, "http-only"), (HttpMode::Sse, "sse-only")] {
        let served = Served::everything(mode).await.expect("installed");
        for strategy in both.into_iter().chain([only]) {
            let words = [served.url(), "9696", "--transport", strategy, "--host", "127.0.0.1", "--silent"];
            let mut client = StdioClient::start_command(command(&words));
            client.initialize("2025-06-18", "{}").await;
            assert_eq!(client.call("echo", r#"{"message":"hi"}"#).await.text(), "Echo: hi", "{mode:?} {strategy}");
            client.close_input();
            assert!(process::wait_gone(client.pid(), LONG).await, "{mode:?} {strategy}: {}", client.stderr());
            assert_eq!(client.stderr(), "", "{mode:?} {strategy}");
        }
    }
}

#[tokio::test]
async fn the_other_transport_is_not_tried_when_only_one_is_wanted() {
    let server = SseServer::builder().start().await;
    let mut client = StdioClient::start_command(command(&[&server.url(), "--transport", "http-only"]));
    let opened = client.request("initialize", &initialize_params("2025-06-18", "{}")).await;
    assert!(opened.error_code().is_some(), "{opened:?}");
    assert!(server.site.seen_http("GET").is_empty(), "{:?}", server.site.seen());
}

/// The SDK that the original is built on.
#[tokio::test]
async fn ignored_tools_are_neither_shown_nor_called() {
    let served = Served::everything(HttpMode::Streamable).await.expect("installed");
    let words = [JANUA, "compat", "mcp-remote", served.url(), "--ignore-tool", "ECHO", "--ignore-tool", "get-*"];
    let transport = Transport::Stdio(words.map(str::to_owned).to_vec());
    for sdk in [Sdk::TypeScript1, Sdk::TypeScript2] {
        let mut peer = Peer::start(sdk, &transport).expect("installed");
        peer.connect().await.expect("connected");
        let listed = peer.op(json!({"op": "list_tools"})).await.expect("listed");
        let names: Vec<_> = listed["tools"].as_array().expect("tools").iter().map(|tool| &tool["name"]).collect();
        assert!(names.iter().any(|name| **name == "trigger-long-running-operation"), "{names:?}");
        let ignored = |name: &str| name == "echo" || name.starts_with("get-");
        assert!(!names.iter().any(|name| name.as_str().is_some_and(ignored)), "{names:?}");
        let refused = peer.call("get-sum", json!({"a": 1, "b": 2})).await.expect_err("it is ignored");
        assert_eq!(refused.code(), Some(-32602), "{refused}");
        assert!(refused.to_string().contains("get-sum"), "{refused}");
        peer.close().await.expect("closed");
    }
}

#[tokio::test]
async fn headers_are_sent_with_their_variables() {
    let server = StreamableServer::builder().start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("headers");
    std::fs::write(&file, "# who we are\nX-Team: ${TEAM}\n").expect("written");
    let file = file.to_str().expect("a path that is text");
    let url = server.url();
    let words = [&url, "--header", "Authorization:${AUTH_HEADER}", "--header-file", file, "--debug"];
    let mut command = command(&words);
    command.env("AUTH_HEADER", "Bearer s3cret word").env("TEAM", "door");
    let mut client = StdioClient::start_command(command);
    client.initialize("2025-06-18", "{}").await;
    let seen = server.site.seen();
    assert!(!seen.is_empty());
    for request in seen {
        let headers = (request.header("authorization"), request.header("x-team"));
        assert_eq!(headers, (Some("Bearer s3cret word"), Some("door")), "{request:?}");
    }
    client.close_input();
    assert!(process::wait_gone(client.pid(), LONG).await, "it still runs");
    assert!(!client.stderr().contains("s3cret"), "{}", client.stderr());
}

#[tokio::test]
async fn a_server_that_wants_authorization_is_named_as_that() {
    let challenge = r#"Bearer resource_metadata="https://h.test/.well-known/oauth-protected-resource""#;
    let refusal = || Canned::new(401, "").header("www-authenticate", challenge);
    let builder = CannedServer::builder().on("POST /mcp", refusal()).on("GET /mcp", refusal());
    let server = builder.start().await;
    let mut client = StdioClient::start_command(command(&[&server.site.url("/mcp")]));
    let opened = client.request("initialize", &initialize_params("2025-06-18", "{}")).await;
    let said = opened.at("/error/message").as_str().expect("a message");
    assert!(said.contains("401") && said.contains("Authorization: Bearer"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_done_is_a_usage_error_with_advice() {
    for (words, advice) in [
        (&["http://h.test/mcp"][..], "--allow-http"),
        (&["ws://127.0.0.1:1/"], "janua connect"),
        (&["h.test"], "h.test"),
        (&["https://h.test/", "--header", "X-A: ${JANUA_TEST_UNSET}"], "JANUA_TEST_UNSET"),
        (&["https://h.test/", "--header", "nonsense"], "NAME: VALUE"),
        (&["https://h.test/", "--header-file", "/no/such"], "/no/such"),
        (&["https://h.test/", "--client-credentials"], "--header"),
        (&["https://h.test/", "--transport", "pigeon"], "pigeon"),
        (&["https://h.test/", "--no-such-flag"], "--no-such-flag"),
        (&[], "URL"),
    ] {
        let mut command = command(words);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LONG, command.output()).await.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(advice) && output.stdout.is_empty(), "{words:?}: {said}");
    }
}

#[tokio::test]
async fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = Command::new(JANUA).args(["completions", shell]).output().await.expect("it starts");
        let script = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        for word in ["proxy", "connect", "compat", "supergateway", "mcp-remote"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // What bash makes of it, for a word that has begun.
    let script = Command::new(JANUA).args(["completions", "bash"]).output().await.expect("it starts").stdout;
    let script = String::from_utf8(script).expect("text");
    let asked =
        format!("{script}\nCOMP_WORDS=(janua comp); COMP_CWORD=1; _janua janua comp janua; echo ${{COMPREPLY[@]}}");
    let output = Command::new("bash").args(["--norc", "-c", &asked]).output().await.expect("bash is there");
    let offered = String::from_utf8_lossy(&output.stdout);
    assert_eq!(offered.trim(), "compat completions", "{}", String::from_utf8_lossy(&output.stderr));
}
