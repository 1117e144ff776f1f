//! The library: the examples, built and run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use janua_testkit::client::Client;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::gateway::{self, Gateway};
use janua_testkit::process::{self, eventually};

use crate::started::{JANUA, LONG, VERSION, pid, session};

const IDLE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn shp_25_a_server_is_run_by_the_library() {
    let mut gateway = start("proxy_run").await;
    let session = session(&gateway).await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let used = Instant::now();
    let server = pid(&session).await;
    assert!(process::wait_gone(server, LONG).await, "it never expires");
    assert!(used.elapsed() >= IDLE, "{:?}", used.elapsed());
    assert_eq!(session.request("tools/list", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.terminate(LONG).await.status.code(), Some(0));
}

#[tokio::test]
async fn shp_25_a_router_is_nested_and_its_sessions_expire() {
    let mut gateway = start("proxy_nested").await;
    assert_eq!(gateway.client().get("/", &[]).await.text(), "the application's own page");
    assert_eq!(gateway.client().get("/mcp", &[]).await.status, StatusCode::NOT_FOUND);
    let client = Client::new(&gateway.url("/mcp-proxy/mcp"));
    let session = client.initialize(VERSION, "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let health = client.get("/mcp-proxy/health", &[]).await;
    assert_eq!(health.json()["active_sessions"], 1);
    let used = Instant::now();
    let server = pid(&session).await;
    assert!(process::wait_gone(server, LONG).await, "it never expires");
    assert!(used.elapsed() >= IDLE, "{:?}", used.elapsed());
    assert_eq!(session.request("tools/list", "").await.status, StatusCode::NOT_FOUND);
    // What is left when the application ends, ends with it.
    let last = pid(&client.initialize(VERSION, "{}").await).await;
    assert_eq!(gateway.terminate(LONG).await.status.code(), Some(0));
    assert!(process::wait_gone(last, LONG).await, "the server outlives the application");
}

#[tokio::test]
async fn shp_25_a_nested_sse_stream_names_the_whole_path() {
    let gateway = start("proxy_nested").await;
    let mut stream = SseSession::open(gateway.base(), "/mcp-proxy/sse").await;
    assert!(stream.endpoint.starts_with("/mcp-proxy/messages?session_id="), "{}", stream.endpoint);
    stream.initialize("2024-11-05", "{}").await;
    let info = stream.call("info", "{}").await;
    let info: serde_json::Value = serde_json::from_str(info.text()).expect("JSON");
    let server = info["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id");
    drop(stream);
    assert!(eventually(LONG, || !process::alive(server)).await, "the server outlives its stream");
}

#[tokio::test]
async fn a_server_in_rust_is_run_by_the_library() {
    let mut gateway = Gateway::builder(example("rust_server")).env("PORT", "0").start().await;
    let session = gateway.client().initialize(VERSION, r#"{"elicitation":{}}"#).await;
    assert_eq!(session.call("count", r#"{"name":"door"}"#).await.text(), "door: 1");
    assert_eq!(session.call("count", r#"{"name":"door"}"#).await.text(), "door: 2");
    assert!(session.request("tools/list", "").await.raw().contains(r#""name":"forget""#));
    let forget = r#"{"name":"forget","arguments":{}}"#;
    let sure = |_: &_| r#"{"action":"accept","content":{"sure":true}}"#.to_owned();
    assert_eq!(session.request_answering("tools/call", forget, sure).await.text(), "Forgotten.");
    assert_eq!(session.call("count", r#"{"name":"door"}"#).await.text(), "door: 1");
    assert_eq!(gateway.terminate(LONG).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_server_of_the_rust_sdk_is_run_by_the_library() {
    let mut gateway = Gateway::builder(example("rmcp_server")).env("PORT", "0").start().await;
    let session = gateway.client().initialize(VERSION, "{}").await;
    assert_eq!(session.call("add", r#"{"a":1.5,"b":2}"#).await.text(), "3.5");
    assert_eq!(gateway.terminate(LONG).await.status.code(), Some(0));
}

async fn start(name: &str) -> Gateway {
    let builder = Gateway::builder(example(name)).env("PORT", "0").env("TIMEOUT", IDLE.as_secs().to_string());
    builder.arg("--").arg(gateway::program("probe")).start().await
}

/// The built example. Cargo builds examples with all tests, but not with one named on its command line.
fn example(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let folder = Path::new(JANUA).parent().expect("the program is in a folder");
    let place = folder.join("examples");
    BUILT.call_once(|| {
        let names = ["proxy_run", "proxy_nested", "rust_server", "rmcp_server"];
        if !names.iter().all(|name| is_current(&place.join(name))) {
            build(folder, &names);
        }
    });
    place.join(name)
}

fn is_current(program: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let Some(built) = changed(program) else { return false };
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    folders.extend(folders[0].parent().map(|package| package.join("examples")));
    let mut newest = SystemTime::UNIX_EPOCH;
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => newest = newest.max(changed(&entry.path()).unwrap_or(SystemTime::UNIX_EPOCH)),
            }
        }
    }
    newest <= built
}

fn build(folder: &Path, names: &[&str]) {
    let profile = folder.file_name().and_then(OsStr::to_str).filter(|name| *name != "debug");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "-p", "janua", "--features", "rmcp"]);
    command.args(["--profile", profile.unwrap_or("dev")]).arg("--target-dir").arg(folder.parent().unwrap_or(folder));
    for name in names {
        command.args(["--example", name]);
    }
    let status = command.status().expect("run cargo");
    assert!(status.success(), "building the examples: {status}");
}
