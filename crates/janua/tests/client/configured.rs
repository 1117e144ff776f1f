//! Servers by their names in a configuration.

use std::path::PathBuf;

use janua_testkit::gateway::Gateway;
use serde_json::{Value, json};

use crate::scene::{Ended, janua, scripted};

struct Configured {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Configured {
    /// Two servers that keep a journal, one that does not start, one that is off, and a view.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = |name: &str| {
            let journal = folder.path().join(name);
            let words = scripted(&format!("everything --journal {}", journal.display()));
            json!({"command": words[0], "args": words[1..]})
        };
        let mut quiet = server("my.quiet");
        quiet["tools"] = json!({"allow": ["echo", "greet"], "rename": {"greet": "salute"}});
        let settings = json!({
            "data_dir": folder.path().join("data"),
            "servers": {
                "loud": server("loud"),
                "my.quiet": quiet,
                "broken": {"command": "/no/such/program"},
                "off": {"command": "x", "enabled": false}
            },
            "views": {"few": {"servers": ["loud"], "tools": {"allow": ["*echo"]}}}
        });
        let file = folder.path().join("janua.json");
        std::fs::write(&file, settings.to_string()).expect("written");
        Configured { folder, file }
    }

    async fn run(&self, words: &[&str]) -> Ended {
        janua(&[words, &["-c", self.file.to_str().expect("text")]].concat(), &[]).await
    }

    fn started(&self, name: &str) -> usize {
        let journal = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        journal.matches("\"notifications/initialized\"").count()
    }
}

#[tokio::test]
async fn only_the_server_that_is_named_is_started_and_once() {
    let configured = Configured::new();
    assert_eq!(configured.run(&["call", "loud.echo", "text=x"]).await.done(), "x\n");
    assert_eq!((configured.started("loud"), configured.started("my.quiet")), (1, 0));
    // A name may have dots, and a server's tools may be shown in another way.
    let named = configured.run(&["call", "my.quiet.salute", "name=Ann"]).await.done();
    assert_eq!(named, "Hello, Ann!\n");
    assert_eq!((configured.started("loud"), configured.started("my.quiet")), (1, 1));
    let hidden = configured.run(&["call", "my.quiet.report"]).await.failed(2);
    assert!(hidden.contains("there is no tool report"), "{hidden}");
    assert!(!configured.folder.path().join("data").exists(), "a command leaves nothing behind");
}

#[tokio::test]
async fn the_names_of_the_union_are_taken_too() {
    let configured = Configured::new();
    assert_eq!(configured.run(&["call", "loud__echo", "text=x"]).await.done(), "x\n");
    assert_eq!(configured.run(&["call", "salute", "name=Bo"]).await.done(), "Hello, Bo!\n");
    assert_eq!(configured.run(&["call", "few.echo", "text=v"]).await.done(), "v\n");
    let unknown = configured.run(&["call", "laud.echo", "text=x"]).await.failed(2);
    assert!(
        unknown.contains("there is no tool laud.echo") && unknown.contains("configured are: broken, loud"),
        "{unknown}"
    );
}

#[tokio::test]
async fn what_is_not_available_is_named_with_its_reason() {
    let configured = Configured::new();
    let listed = configured.run(&["tools"]).await;
    assert!(listed.stderr.contains("broken is not available: cannot start program"), "{}", listed.stderr);
    assert!(listed.stderr.contains("off is not available: "), "{}", listed.stderr);
    let table = listed.done();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.contains(&"loud") && lines.iter().any(|line| line.starts_with("  loud__echo ")), "{table}");
    assert!(!table.contains("report") || table.contains("loud__report"), "{table}");
    let raw: Value = serde_json::from_str(&configured.run(&["tools", "--json"]).await.done()).expect("JSON");
    assert_eq!(raw["_meta"]["io.janua/unavailable"][0]["server"], "broken");
    let broken = configured.run(&["tools", "broken"]).await.failed(1);
    assert!(broken.contains("no such file"), "{broken}");
    let off = configured.run(&["call", "off.x"]).await.failed(2);
    assert!(off.contains("off is disabled"), "{off}");
}

#[tokio::test]
async fn resources_and_prompts_are_found_at_their_servers() {
    let configured = Configured::new();
    let read = configured.run(&["read", "test://static-text", "--server", "loud"]).await.done();
    assert_eq!(read, "This is the content of the static text resource.");
    assert_eq!(configured.run(&["read", "test://static-text"]).await.done(), read);
    let prompt = configured.run(&["prompt", "loud.test_simple_prompt"]).await.done();
    assert!(prompt.starts_with("user: "), "{prompt}");
    let words = ["call", "few.echo", "text=asked", "--json"];
    assert!(configured.run(&words).await.done().contains("\"asked\""));
}

#[tokio::test]
async fn questions_reach_the_person_through_the_union() {
    let configured = Configured::new();
    let words =
        ["call", "loud__test_elicitation", "message=who", "--answer", "username=ann", "--answer", "email=a@b.c"];
    assert!(configured.run(&words).await.done().contains("\"username\":\"ann\""));
    let missing = configured.run(&["call", "test_elicitation", "message=who"]).await;
    assert_eq!(missing.code, Some(0), "{}", missing.stderr);
    assert!(missing.stdout.contains("action=decline"), "{}", missing.stdout);
}

#[tokio::test]
async fn a_gateway_that_runs_is_asked_instead() {
    let configured = Configured::new();
    let file = configured.file.to_str().expect("text");
    let gateway = Gateway::start(env!("CARGO_BIN_EXE_janua"), &["serve", "-c", file, "--port", "0"]).await;
    let started = gateway.stderr();
    assert_eq!(configured.run(&["call", "loud.echo", "text=x"]).await.done(), "x\n", "{started}");
    assert_eq!(configured.run(&["call", "my.quiet.salute", "name=Ann"]).await.done(), "Hello, Ann!\n");
    let words = ["call", "loud.test_elicitation", "message=who", "--answer", "username=ann", "--answer", "email=a@b.c"];
    assert!(configured.run(&words).await.done().contains("\"username\":\"ann\""));
    let listed = configured.run(&["tools"]).await;
    assert!(listed.stderr.contains("broken is not available"), "{}", listed.stderr);
    assert!(listed.done().contains("  loud__echo "));
    let before = configured.started("loud");
    assert_eq!(configured.run(&["tools", "few"]).await.done().lines().next(), Some("echo"));
    assert_eq!(configured.started("loud"), before, "what the gateway has started is used");
    assert_eq!(configured.run(&["call", "loud.echo", "text=y", "--direct"]).await.done(), "y\n");
    assert_eq!(configured.started("loud"), before + 1);
}
