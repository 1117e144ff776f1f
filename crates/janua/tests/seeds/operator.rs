//! Rows of acehoss/mcp-gateway's configuration, command line and log.

use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::eventually;
use serde_json::json;
use tempfile::TempDir;

use crate::stage::{SOON, Stage, free_port, info, plainly, prepared, shell, text};

/// The words that take its place.
const WORDS: [&str; 4] = ["compat", "mcp-gateway", "--port", "0"];

/// A file of theirs in a folder of its own.
fn folder(text: &str) -> (TempDir, janua_testkit::gateway::Builder) {
    let (folder, builder) = prepared();
    std::fs::write(folder.path().join("config.yaml"), text).expect("written");
    (folder, builder)
}

/// The gateway of such a file.
async fn serve(text: &str) -> Stage {
    let (folder, builder) = folder(text);
    let gateway = builder.args(&WORDS).start().await;
    Stage { gateway, folder }
}

/// `servers:` with the probe, and more keys of it.
fn servers(more: &str) -> String {
    format!("servers:\n  probe:\n    command: {}\n{more}", program("probe").display())
}

/// What it says instead of serving such a file.
async fn refused(text: &str) -> String {
    let (folder, builder) = folder(text);
    let fault = builder.args(&WORDS).try_start().await.expect_err("it must not serve that");
    drop(folder);
    assert_eq!(fault.status.and_then(|status| status.code()), Some(1), "{fault}");
    assert!(!fault.stderr.contains("panicked") && fault.stdout.is_empty(), "{fault}");
    fault.stderr
}

#[tokio::test]
async fn ace_01_the_file_is_the_one_that_the_variable_names_else_config_yaml() {
    let port = free_port();
    let example = format!(
        "hostname: \"127.0.0.1\"\nport: {port}\n\n{}    path: {}\n\nauth:\n  basic:\n    enabled: true\n    credentials:\n      - username: \"admin\"\n        password: \"your-secure-password\"\n  bearer:\n    enabled: true\n    tokens:\n      - \"your-secure-token\"\n\ndebug:\n  level: \"info\"\n",
        servers("    args:\n      - \"words\"\n"),
        std::env::temp_dir().display(),
    );
    for named in [false, true] {
        let (folder, mut builder) = shell();
        let file = if named { "elsewhere.yaml" } else { "config.yaml" };
        std::fs::write(folder.path().join(file), &example).expect("written");
        if named {
            builder = builder.env("CONFIG_PATH", folder.path().join(file));
        }
        let mut gateway = plainly(builder, "compat mcp-gateway").start().await;
        assert_eq!(gateway.base(), format!("http://127.0.0.1:{port}"));
        let client = gateway.client().deadline(SOON);
        assert_eq!(client.get("/", &[]).await.status, 401);
        let said = client.get("/", &[("authorization", "Bearer your-secure-token")]).await.json();
        assert_eq!(said["servers"], json!(["probe"]));
        gateway.terminate(SOON).await;
    }
    // The variable alone is enough for the usual command.
    let (folder, builder) = prepared();
    std::fs::write(folder.path().join("theirs.yaml"), servers("")).expect("written");
    let gateway = builder.env("CONFIG_PATH", "theirs.yaml").args(&["serve", "--port", "0"]).start().await;
    let stage = Stage { gateway, folder };
    let mut session = stage.session("/probe").await;
    assert_eq!(text(&mut session, "echo", r#"{"text":"hi"}"#).await, "hi");
}

#[tokio::test]
async fn ace_02_every_key_is_known_and_a_misspelt_one_is_told() {
    let whole = format!(
        "hostname: 127.0.0.1\nport: 3000\ndebug:\n  level: debug\nauth:\n  basic:\n    enabled: true\n    credentials:\n      - username: admin\n        password: pw\n  bearer:\n    enabled: true\n    tokens: [tok1]\n{}",
        servers("    args: [a]\n    path: /\n")
    );
    let stage = serve(&whole).await;
    assert!(!stage.gateway.stderr().contains("config.yaml:"), "{}", stage.gateway.stderr());
    for (wrong, place, near) in [
        ("hostnam: 127.0.0.1\n", "config.yaml:1:1: warning: hostnam", "hostname"),
        ("debug:\n  levl: info\n", "config.yaml:2:3: warning: debug.levl", "level"),
    ] {
        let stage = serve(&format!("{wrong}{}", servers(""))).await;
        let said = stage.gateway.stderr();
        assert!(said.contains(place) && said.contains(near), "{said}");
    }
    let stage = serve(&servers("    arg: [a]\n")).await;
    let said = stage.gateway.stderr();
    assert!(said.contains("config.yaml:4:5: warning: servers.probe.arg") && said.contains("args"), "{said}");
}

#[tokio::test]
async fn ace_03_the_path_is_the_working_directory() {
    let scratch = TempDir::new().expect("a folder");
    let place = scratch.path().canonicalize().expect("a path");
    let stage = serve(&servers(&format!("    path: {}\n", place.display()))).await;
    let mut session = stage.session("/probe").await;
    assert_eq!(info(&mut session).await["cwd"], json!(place));
    // The whole environment is passed on, as it was.
    let (folder, builder) = folder(&servers(""));
    let gateway = builder.env("PROBE_XYZ", "1").args(&WORDS).start().await;
    let stage = Stage { gateway, folder };
    let mut session = stage.session("/probe").await;
    assert_eq!(info(&mut session).await["probe_env"]["PROBE_XYZ"], "1");
}

#[tokio::test]
async fn ace_04_mistakes_are_told_with_their_place() {
    for (text, said) in [
        ("port: 3000\n", "config.yaml:1:1: error: servers: at least one server must be configured"),
        ("port: 3000\nservers: {}\n", "error: servers: at least one server must be configured"),
        ("port: 3000\nservers:\n  a:\n    args: [x]\n", "config.yaml:4:5: error: servers.a"),
        ("port: 3000\n  servers: [\n", "config.yaml:2:"),
        ("port: high\nservers:\n  a:\n    command: x\n", "config.yaml:1:7: error: port"),
        (
            "debug:\n  level: loud\nservers:\n  a:\n    command: x\n",
            "config.yaml:2:10: error: debug.level: must be one of",
        ),
        ("auth: {}\nservers:\n  a:\n    command: x\n", "config.yaml:1:"),
    ] {
        let stderr = refused(text).await;
        assert!(stderr.contains(said), "{text}: {stderr}");
    }
    let (_folder, builder) = prepared();
    let fault = builder.args(&WORDS).try_start().await.expect_err("there is no file");
    assert_eq!(fault.status.and_then(|status| status.code()), Some(1));
    assert!(fault.stderr.contains("config.yaml: error: the file cannot be read"), "{fault}");
}

/// Lines of the log that show a message.
fn messages(gateway: &Gateway) -> usize {
    gateway.stderr().lines().filter(|line| line.contains(" message server=")).count()
}

#[tokio::test]
async fn ace_33_levels_go_by_name_and_verbose_shows_every_message_once() {
    let mut lines = Vec::new();
    for level in ["error", "warn", "info", "debug", "verbose"] {
        let stage = serve(&format!("debug:\n  level: {level}\n{}", servers(""))).await;
        let mut session = stage.session("/probe").await;
        let hidden = r#"{"text":"seen","api_key":"SECRETKEY123"}"#;
        assert_eq!(text(&mut session, "echo", hidden).await, "seen");
        drop(session);
        let quiet = matches!(level, "error" | "warn");
        let done = || quiet || stage.gateway.stderr().contains("closed SSE connection");
        assert!(eventually(SOON, done).await, "{}", stage.gateway.stderr());
        let said = stage.gateway.stderr();
        assert!(!said.contains("SECRETKEY123") && !said.contains('\u{1b}'), "{said}");
        // initialize and its answer, initialized, the call and its answer.
        assert_eq!(messages(&stage.gateway), if level == "verbose" { 5 } else { 0 }, "{level}:\n{said}");
        lines.push(said.lines().filter(|line| line.contains("Z ")).count());
    }
    assert!(lines.is_sorted() && lines[0] < lines[2] && lines[2] < lines[4], "{lines:?}");
}

#[tokio::test]
async fn ace_35_a_server_may_be_started_by_npx() {
    let cache = std::env::var_os("JANUA_CACHE").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache"),
        std::path::PathBuf::from,
    );
    let place = cache.join("node").canonicalize().expect("installed by `cargo xtask setup`");
    let stage = serve(&format!(
        "servers:\n  everything:\n    command: npx\n    args: [\"-y\", \"@modelcontextprotocol/server-everything\"]\n    path: {}\n",
        place.display()
    ))
    .await;
    let mut session = stage.session("/everything").await;
    assert_eq!(text(&mut session, "echo", r#"{"message":"hi"}"#).await, "Echo: hi");
    let tagged = || stage.gateway.stderr().contains("standard error server=\"everything\" program=\"npx\"");
    assert!(eventually(SOON, tagged).await, "{}", stage.gateway.stderr());
}
