//! Rows about the older systems together: one listener, reserved names, one server through every door, and the table of
//! their start commands.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use janua_testkit::client::stdio::StdioClient;
use janua_testkit::client::websocket::WebSocketClient;
use janua_testkit::gateway::{Gateway, program};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::remote::{put, with_python};
use crate::stage::{JANUA, OLD, SOON, Stage, free_port, prepared, text};

/// The newest revision with a session.
const NEW: &str = "2025-11-25";

#[tokio::test]
async fn all_01_four_spaces_of_addresses_are_on_one_listener() {
    let stage = Stage::of_both().await;
    let mut gumcp = stage.session("/simple-tools-server/local").await;
    let mut acehoss = stage.session("/probe").await;
    let newest = stage.client().initialize(NEW, "{}").await;
    let rest = stage.client().post("/api/probe/echo?sessionId=all01", r#"{"text":"hi"}"#, &crate::stage::JSON).await;
    assert_eq!(rest.json(), json!({"content": [{"type": "text", "text": "hi"}], "isError": false}));
    assert!(newest.id.is_some(), "{}", newest.opening.raw());
    assert_eq!(newest.call("probe__echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert_eq!(text(&mut acehoss, "echo", r#"{"text":"hi"}"#).await, "hi");
    let stored = text(&mut gumcp, "store-data", r#"{"key":"k","value":"v"}"#).await;
    assert_eq!(stored, "Stored 'k' with value: v");
    for path in ["/", "/health_check", "/health", "/livez", "/readyz", "/api/sessionid"] {
        assert_eq!(stage.client().get(path, &[]).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn all_02_names_that_are_addresses_are_refused() {
    let names = [
        "admin",
        "api",
        "docs",
        "favicon.ico",
        "health",
        "health_check",
        "livez",
        "mcp",
        "messages",
        "metrics",
        "oauth",
        "openapi.json",
        "readyz",
        "robots.txt",
        "sse",
        "ui",
        "ws",
        ".well-known",
        ".hidden",
    ];
    for name in names {
        let (folder, builder) = prepared();
        let settings = json!({"servers": {name: {"builtin": "everything"}}});
        std::fs::write(folder.path().join("janua.json"), settings.to_string()).expect("written");
        let started = builder.args(&["serve", "-c", "janua.json", "--port", "0"]).try_start().await;
        let fault = started.err().unwrap_or_else(|| panic!("{name} is served"));
        assert_eq!(fault.status.and_then(|status| status.code()), Some(1), "{fault}");
        assert!(
            fault.stderr.contains(&format!("error: servers.{name}")) && fault.stderr.contains("reserved"),
            "{fault}"
        );
    }
    // Below a server, three names are no users.
    let stage = Stage::of_both().await;
    for path in ["/probe/messages", "/probe/mcp", "/probe/sse", "/probe/messages/messages"] {
        assert_eq!(stage.client().get(path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn all_03_a_server_says_the_same_through_every_door() {
    const WORDS: &str = "äöü \u{1f980} \"quoted\" \\ and\nlines";
    let stage = Stage::of_both().await;
    let args = json!({"text": WORDS}).to_string();
    let mut said = Vec::new();
    for path in ["/probe", "/probe/alice", "/sse/probe"] {
        said.push((path, text(&mut stage.session(path).await, "echo", &args).await));
    }
    for path in ["/mcp/probe", "/probe/alice:key", "/probe"] {
        let session = stage.client().endpoint(path).initialize(NEW, "{}").await;
        said.push((path, session.call("echo", &args).await.text().to_owned()));
    }
    let modern = stage.client().endpoint("/probe").modern("2026-07-28", "{}").call("echo", &args).await;
    said.push(("without a session", modern.text().to_owned()));
    let mut socket = WebSocketClient::open(&format!("ws://{}/ws/probe", stage.gateway.authority())).await;
    socket.initialize(NEW, "{}").await;
    let answer = socket.call("echo", &args).await;
    said.push(("/ws/probe", answer.at("/result/content/0/text").as_str().expect("text").to_owned()));
    let mut bridge = StdioClient::start(Path::new(JANUA), &["connect", &stage.gateway.url("/mcp/probe")]);
    bridge.initialize(OLD, "{}").await;
    let answer = bridge.call("echo", &args).await;
    said.push(("janua connect", answer.at("/result/content/0/text").as_str().expect("text").to_owned()));
    let rest = stage.client().post("/api/probe/echo?sessionId=all03", args.clone(), &crate::stage::JSON).await;
    said.push(("/api/probe/echo", rest.json()["content"][0]["text"].as_str().expect("text").to_owned()));
    for (door, said) in said {
        assert_eq!(said, WORDS, "{door}");
    }
}

/// The commands of the table in the guide, ours beside theirs.
fn commands() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let rows = guide.lines().filter(|line| line.starts_with("| guMCP: ") || line.starts_with("| mcp-"));
    let code = |cell: &str| cell.split('`').nth(1).unwrap_or_default().to_owned();
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(str::to_owned).collect::<Vec<_>>();
    rows.map(cells).map(|cells| (code(&cells[0]), code(&cells[1]))).collect()
}

/// A folder like those of the two systems, in which `port` is where to listen.
fn scene(port: u16) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    put(&folder, &["whoami"]);
    std::fs::create_dir(folder.path().join("src")).expect("made");
    std::fs::rename(folder.path().join("servers"), folder.path().join("src/servers")).expect("moved");
    write(".env", &format!("GUMCP_PORT={port}\nGUMCP_HOST=127.0.0.1\n"));
    let probe = program("probe");
    let config = format!("hostname: 127.0.0.1\nport: {port}\nservers:\n  probe:\n    command: {}\n", probe.display());
    write("config.yaml", &config);
    let stub = folder.path().join("bin/python");
    write("bin/python", &format!("#!/bin/sh\nexec {} \"$@\"\n", probe.display()));
    std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).expect("executable");
    std::os::unix::fs::symlink(JANUA, folder.path().join("bin/janua")).expect("linked");
    folder
}

/// The words of a command that ends by itself, run with `input`; what it says.
async fn output(folder: &TempDir, line: &str, input: &str) -> String {
    let path = format!("{}/bin:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder.path()).env("PATH", path).kill_on_drop(true);
    command.env("JANUA_PYTHON", crate::remote::python()).env("XDG_DATA_HOME", folder.path().join("data"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await.expect("written");
    let lines = input.lines().filter(|line| line.contains("\"id\"")).count();
    let mut said = tokio::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut text = String::new();
    for _ in 0..lines {
        let reading = tokio::io::AsyncBufReadExt::read_line(&mut said, &mut text);
        tokio::time::timeout(SOON * 2, reading).await.expect("in time").expect("read");
    }
    drop(stdin);
    tokio::time::timeout(SOON, tokio::io::AsyncReadExt::read_to_string(&mut said, &mut text)).await.expect("ends").ok();
    assert!(child.wait().await.expect("ended").success(), "{line}: {text}");
    text
}

#[tokio::test]
async fn all_04_every_start_command_of_theirs_has_one_of_ours() {
    let rows = commands();
    let mut seen = BTreeSet::new();
    for (theirs, ours) in &rows {
        let port = free_port();
        let folder = scene(port);
        let line =
            ours.replace("--port 8000", &format!("--port {port}")).replace("--port 3000", &format!("--port {port}"));
        let kind = ours.split("janua ").nth(1).unwrap_or_else(|| panic!("not ours: {ours}"));
        if kind.starts_with("local ") {
            let hello = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"{OLD}\",\"capabilities\":{{}},\"clientInfo\":{{\"name\":\"t\",\"version\":\"1\"}}}}}}\n{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}}\n{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{{\"name\":\"whoami\",\"arguments\":{{}}}}}}\n"
            );
            let said = output(&folder, &line, &hello).await;
            assert!(said.lines().count() == 2 && said.contains("ann"), "{line}: {said}");
            seen.insert("local");
        } else if kind.contains("--schemaDump") {
            let said: Value = serde_json::from_str(&output(&folder, &line, "").await).expect("JSON and nothing else");
            assert!(said["paths"]["/probe/echo"]["post"].is_object(), "{said}");
            seen.insert("schemaDump");
        } else {
            let path = format!("{}/bin:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
            let builder = with_python(Gateway::builder("sh").folder(folder.path())).env("PATH", path);
            let builder = builder.env("JANUA_METRICS", "127.0.0.1:0").env("XDG_DATA_HOME", folder.path().join("data"));
            let words = format!("exec env {line}");
            let gateway = builder.args(&["-c", &words, "sh", "--port", "0"]).start().await;
            assert_eq!(gateway.base(), format!("http://127.0.0.1:{port}"), "{line}");
            let (page, member) = match theirs {
                gumcp if gumcp.contains("remote.py") => ("/", "whoami"),
                gumcp if gumcp.contains("start_sse_dev_server") => ("/health_check", "whoami"),
                proxy if proxy.contains("mcp-streamablehttp-proxy") => ("/health", "healthy"),
                _ => ("/", "probe"),
            };
            let said = gateway.client().deadline(SOON).get(page, &[]).await;
            assert!(said.status == 200 && said.text().contains(member), "{line}: {}", said.text());
            seen.insert(if page == "/" { member } else { page });
        }
    }
    let wanted = ["/health", "/health_check", "local", "probe", "schemaDump", "whoami"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), wanted, "{rows:?}");
}
