//! The doctor, among servers that are broken in every way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::scene::Scene;

/// Answers every request with that status.
fn refuser(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut head = [0; 8192];
            let _ = socket.read(&mut head);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    port
}

/// A port that nobody listens on.
fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

#[tokio::test]
async fn every_broken_server_is_found_with_what_to_do() {
    let (wants, gone, port) = (refuser("401 Unauthorized"), refuser("404 Not Found"), closed());
    let scene = Scene::new(&format!(
        "
  good: {{ command: PROBE, tools: {{ deny: ['bare/*'] }} }}
  missing: {{ command: no-such-npx }}
  plainfile: {{ command: ./plain }}
  script: {{ command: ./script }}
  nofolder: {{ command: PROBE, cwd: ./nowhere }}
  exits: {{ command: HOSTILE, args: [exit-at-start, '3', \"ModuleNotFoundError: No module named 'mcp'\"] }}
  hangs: {{ command: HOSTILE, args: [never-initialize] }}
  garbage: {{ command: sh, args: [-c, 'echo Listening on port 3000; exec sleep 600'] }}
  wrongurl: {{ url: 'http://no-such-host.invalid/mcp' }}
  refused: {{ url: 'http://127.0.0.1:{port}/mcp' }}
  wants: {{ url: 'http://127.0.0.1:{wants}/mcp' }}
  gone: {{ url: 'http://127.0.0.1:{gone}/mcp' }}
  unset: {{ command: PROBE, env: {{ T: '${{NO_SUCH_VARIABLE}}' }} }}
  off: {{ command: PROBE, enabled: false }}
"
    ));
    fs::write(scene.path().join("plain"), "no program").expect("written");
    fs::write(scene.path().join("script"), "#!/nowhere/python3\n").expect("written");
    fs::set_permissions(scene.path().join("script"), fs::Permissions::from_mode(0o755)).expect("rights");
    let ended = scene.run(&["doctor", "--timeout", "4s", "--json"]).await;
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let notes = report["notes"].as_array().expect("notes");
    for (subject, verdict, what, next) in [
        ("good", "ok", "2025-11-25, 23 tools", ""),
        ("missing", "fail", "no-such-npx is not found in PATH", "install"),
        ("plainfile", "fail", "is not executable", "chmod +x"),
        ("script", "fail", "a script for /nowhere/python3", "install Python"),
        ("nofolder", "fail", "is not there", "cwd"),
        ("exits", "fail", "exited with code 3", "a Python module is missing"),
        ("hangs", "fail", "did not answer", "by hand"),
        ("garbage", "fail", "did not answer", "no message to its standard output"),
        ("wrongurl", "fail", "no-such-host.invalid is not known (DNS)", "spelling"),
        ("refused", "fail", "connection refused", "start the server"),
        ("wants", "fail", "HTTP 401", "credentials"),
        ("gone", "fail", "HTTP 404", "path"),
        ("unset", "warn", "NO_SUCH_VARIABLE", ""),
        ("off", "ok", "switched off", ""),
        ("configuration", "ok", "14 servers", ""),
        ("gateway", "ok", "none runs", ""),
        ("data folder", "ok", "mode 700", ""),
    ] {
        let of_it: Vec<&Value> = notes.iter().filter(|note| note["subject"] == subject).collect();
        let first = of_it.first().unwrap_or_else(|| panic!("nothing of {subject}: {report:#}"));
        let says = |member: &str, text: &str| first[member].as_str().unwrap_or_default().contains(text);
        assert!(first["verdict"] == verdict && says("what", what) && says("next", next), "{subject}: {of_it:#?}");
    }
    let hidden = notes.iter().any(|note| note["what"].as_str().is_some_and(|what| what.contains("1 of its 23 tools")));
    assert!(hidden, "{report:#}");
    let stderr = notes.iter().find(|note| note["subject"] == "exits").map(|note| &note["stderr"][0]);
    assert_eq!(stderr, Some(&Value::from("ModuleNotFoundError: No module named 'mcp'")));
    assert_eq!(report["failed"].as_array().map(Vec::len), Some(11), "{report:#}");
}

#[tokio::test]
async fn what_is_well_ends_well_and_is_a_line_each() {
    let scene = Scene::new("  a: { command: PROBE, tools: { deny: ['bare/*'] } }\n  b: { builtin: everything }\n");
    let ended = scene.run(&["doctor"]).await;
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let first: Vec<&str> = ended.stdout.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    assert!(first.iter().filter(|word| **word == "ok").count() >= 7, "{}", ended.stdout);
    assert!(ended.stdout.trim_end().ends_with("0 warn, 0 FAIL"), "{}", ended.stdout);

    let only = scene.run(&["doctor", "a"]).await;
    assert_eq!(only.code, 0);
    assert!(only.stdout.starts_with("ok    a  2025-11-25, 23 tools, opened in "), "{}", only.stdout);
    let unknown = scene.run(&["doctor", "x"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("there are: a, b"), "{}", unknown.stderr);
}

#[tokio::test]
async fn a_configuration_with_errors_is_told_with_its_places() {
    let scene = Scene::new("  a: { comand: x }\n");
    let ended = scene.run(&["doctor"]).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("FAIL  a  janua.yaml:4:8: servers.a.comand: unknown key"), "{}", ended.stdout);
    assert!(ended.stdout.contains("→ did you mean \"command\"?"), "{}", ended.stdout);
}

#[tokio::test]
async fn servers_that_run_in_the_gateway_are_left_alone() {
    let scene = Scene::new("  a: { command: PROBE, args: [--journal, ./starts] }\n");
    let gateway = scene.serve(&[]).await;
    let session = gateway.client().deadline(crate::scene::SOON).initialize("2025-11-25", "{}").await;
    session.call("echo", r#"{"text":"x"}"#).await;
    let ended = scene.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let of = |subject: &str| {
        let notes = report["notes"].as_array().into_iter().flatten();
        notes.filter(|note| note["subject"] == subject).map(|note| note["what"].to_string()).collect::<String>()
    };
    assert!(of("a").contains("in the running gateway: running"), "{report:#}");
    assert!(of("gateway").contains(&gateway.pid().to_string()), "{report:#}");
}
