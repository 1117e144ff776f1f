//! The commands, as people type them, in a home of their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const JANUA: &str = env!("CARGO_BIN_EXE_janua");

/// A home with nothing in it.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(TempDir::new().expect("dir"));
        fs::create_dir(home.path("work")).expect("dir");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().expect("parent")).expect("dir");
        fs::write(self.path(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn run(&self, args: &[&str]) -> Output {
        self.shell(r#"exec "$0" "$@""#, args)
    }

    /// Runs the program from a shell script that gets it as `$0` and its arguments as `$@`.
    #[expect(clippy::disallowed_methods, reason = "a test is who runs the program")]
    fn shell(&self, script: &str, args: &[&str]) -> Output {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).arg(JANUA).args(args).env_clear().env("HOME", self.0.path());
        command.current_dir(self.path("work")).output().expect("the program runs")
    }

    /// What a command prints that succeeds.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {out}{err}");
        out
    }

    fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(args);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}"))
    }

    /// The exit code and the complaint of a command that fails.
    fn fails(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?} succeeds");
        (output.status.code(), text(&output.stderr))
    }

    /// All files and what they say.
    fn all(&self) -> BTreeMap<PathBuf, String> {
        fn below(dir: &Path, found: &mut BTreeMap<PathBuf, String>) {
            for entry in fs::read_dir(dir).expect("dir") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    below(&path, found);
                } else {
                    found.insert(path.clone(), fs::read_to_string(&path).expect("text"));
                }
            }
        }
        let mut found = BTreeMap::new();
        below(self.0.path(), &mut found);
        found
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const OWN: &str = ".config/janua/janua.yaml";

#[test]
fn servers_come_and_go_in_the_grammar_of_claude_mcp_add() {
    let home = Home::new();
    home.ok(&["add", "files", "-e", "TOKEN=s3cret", "--", "npx", "-y", "server-files", "--root", "/srv"]);
    home.ok(&[
        "add",
        "--transport",
        "http",
        "notion",
        "https://mcp.notion.com/mcp",
        "--header",
        "Authorization: Bearer s3cret",
    ]);
    home.ok(&["add", "-t", "sse", "--disabled", "old", "https://x.example/sse"]);
    home.ok(&["add", "plain", "node", "server.js", "--cwd", "/srv", "--share", "all"]);
    home.ok(&["add-json", "gh", r#"{"type":"stdio","command":"gh","args":["mcp"],"env":{"GH":"s3cret"}}"#]);
    let wanted = "servers:\n  files:\n    command: npx\n    args: [\"-y\", server-files, \"--root\", /srv]\n    env:\n      \
         TOKEN: s3cret\n  notion:\n    transport: http\n    url: https://mcp.notion.com/mcp\n    headers:\n      \
         Authorization: \"Bearer s3cret\"\n  old:\n    transport: sse\n    url: https://x.example/sse\n    disabled: true\n  \
         plain:\n    command: node\n    args: [server.js]\n    cwd: /srv\n    share: all\n  gh:\n    command: gh\n    \
         args: [mcp]\n    env:\n      GH: s3cret\n";
    assert_eq!(home.read(OWN), wanted);
    let table = home.ok(&["list"]);
    let starts: Vec<_> = table.lines().map(|line| line.find("  ").map(|_| line.len() > 20)).collect();
    assert_eq!(starts.len(), 6, "{table}");
    let columns: Vec<usize> =
        table.lines().filter_map(|line| line.find(&home.0.path().display().to_string())).collect();
    assert_eq!(columns.len(), 5, "{table}");
    assert!(columns.iter().all(|column| *column == columns[0]), "not aligned:\n{table}");
    let list = home.json(&["list", "--json"]);
    let row = |at: usize| (list[at]["name"].clone(), list[at]["transport"].clone(), list[at]["enabled"].clone());
    assert_eq!(row(1), (json!("notion"), json!("http"), json!(true)));
    assert_eq!(row(2), (json!("old"), json!("sse"), json!(false)));
    assert_eq!(list[0]["server"], "npx -y server-files --root /srv");
    for name in ["files", "notion", "plain", "gh", "old"] {
        home.ok(&["remove", name]);
    }
    assert_eq!(home.read(OWN), "servers: {}\n");
}

#[test]
fn secrets_are_written_and_not_shown() {
    let home = Home::new();
    let mut shown = home.ok(&["add", "a", "-e", "K=s3cret", "--", "x", "--api-key", "s3cret", "TOKEN=s3cret"]);
    shown += &home.ok(&["add", "b", "https://me:s3cret@x.example/mcp?key=s3cret", "-H", "X-Key: s3cret"]);
    shown += &home.ok(&["add", "c", "-e", "K=${env:K}", "--", "x"]);
    for args in
        [&["list"][..], &["list", "--json"], &["get", "a"], &["get", "b"], &["get", "b", "--json"], &["disable", "a"]]
    {
        shown += &home.ok(args);
    }
    home.write(".cursor/mcp.json", &home.read(OWN).replace("s3cret", "0ther"));
    home.write(
        "work/.cursor/mcp.json",
        r#"{"mcpServers": {"d": {"command": "x", "args": ["--token", "s3cret"], "env": {"A": "s3cret"}}}}"#,
    );
    shown += &home.ok(&["import", "work/.cursor/mcp.json".trim_start_matches("work/"), "--dry-run"]);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(home.ok(&["get", "c"]).contains("${env:K}"), "a reference is no secret");
    assert!(home.ok(&["get", "a", "--show-secrets"]).contains("s3cret"));
    let mode = fs::metadata(home.path(OWN)).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn wrong_usage_is_named_and_changes_nothing() {
    let home = Home::new();
    home.ok(&["add", "a", "--", "x"]);
    let before = home.all();
    for (args, code, wanted) in [
        (&["add", "a", "--", "y"][..], 1, "--force"),
        (&["add", "b", "-t", "http", "--", "x"], 2, "URL"),
        (&["add", "b", "https://x/mcp", "-e", "A=1"], 2, "--header"),
        (&["add", "b", "-H", "A: 1", "--", "x"], 2, "--env"),
        (&["add", "b", "-e", "A", "--", "x"], 2, "NAME=VALUE"),
        (&["add", "b c", "--", "x"], 2, "b-c"),
        (&["add", "api", "--", "x"], 2, "server-api"),
        (&["add", "b"], 2, "CMD"),
        (&["add-json", "b", "{"], 2, "line 1"),
        (&["add-json", "b", "{}"], 2, "neither"),
        (&["get", "b"], 1, "it has a"),
        (&["remove", "b"], 1, "it has a"),
        (&["disable", "b"], 1, "it has a"),
        (&["import", "nobody"], 2, "cursor"),
        (&["import", "cursor"], 1, ".cursor/mcp.json"),
        (&["export", "nobody"], 2, "cursor"),
        (&["export", "cursor", "--rollback"], 1, "no backup"),
        (&["export", "continue"], 2, "by hand"),
    ] {
        let (status, complaint) = home.fails(args);
        assert_eq!(status, Some(code), "{args:?}: {complaint}");
        assert!(complaint.contains(wanted), "{args:?}: {complaint}");
    }
    assert_eq!(home.all(), before);
}

#[test]
fn switching_twice_is_switching_once() {
    let home = Home::new();
    for (file, wanted) in
        [("a.yaml", "disabled: true"), ("b.json", "\"disabled\": true"), ("c.toml", "enabled = false")]
    {
        let original = match file {
            "a.yaml" => "servers:\n  a:\n    command: x # mine\n",
            "b.json" => "{\n\t\"mcpServers\": {\n\t\t\"a\": { // mine\n\t\t\t\"command\": \"x\"\n\t\t}\n\t}\n}\n",
            _ => "[mcp_servers.a]\ncommand = \"x\" # mine\nenabled = true\n",
        };
        home.write(&format!("work/{file}"), original);
        home.ok(&["disable", "-c", file, "a"]);
        let off = home.read(&format!("work/{file}"));
        assert!(off.contains(wanted), "{off}");
        assert!(home.ok(&["disable", "a", "-c", file]).contains("already"));
        assert_eq!(home.read(&format!("work/{file}")), off);
        home.ok(&["enable", "a", "-c", file]);
        home.ok(&["enable", "a", "-c", file]);
        assert_eq!(home.read(&format!("work/{file}")), original);
    }
}

#[test]
fn the_nearest_file_is_the_one_that_is_meant() {
    let home = Home::new();
    home.ok(&["add", "user", "--", "x"]);
    home.write("work/janua.toml", "[servers.here]\ncommand = \"x\"\n");
    home.ok(&["add", "more", "--", "x"]);
    assert_eq!(home.read("work/janua.toml"), "[servers.here]\ncommand = \"x\"\n\n[servers.more]\ncommand = \"x\"\n");
    home.write("work/janua.json", "{\"servers\": {}}");
    assert_eq!(home.json(&["list", "--json"]), json!([]));
    assert_eq!(home.json(&["list", "--json", "-c", "nowhere.yaml"]), json!([]));
}

#[test]
fn a_broken_file_is_not_touched() {
    let home = Home::new();
    home.write("work/janua.json", "{\n  \"servers\": {\n");
    home.write(".cursor/mcp.json", "{ not json");
    let before = home.all();
    for args in [
        &["add", "a", "--", "x"][..],
        &["list"],
        &["remove", "a"],
        &["export", "cursor"],
        &["import", "cursor", "-c", "x.yaml"],
    ] {
        let (code, complaint) = home.fails(args);
        assert_eq!(code, Some(1));
        assert!(complaint.contains("line "), "{args:?}: {complaint}");
    }
    assert_eq!(home.all(), before);
}

#[test]
fn a_write_that_fails_leaves_the_original() {
    let home = Home::new();
    home.write("work/janua.yaml", "servers: {}\n");
    let before = home.all();
    // No file may grow: what a full disk does, without one.
    let output = home.shell(r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@" 2>/dev/null"#, &["add", "a", "--", "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(home.all(), before, "not even a backup or a half-written file is left");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let home = Home::new();
    home.write("work/ro/janua.yaml", "servers: {}\n");
    let before = home.all();
    fs::set_permissions(home.path("work/ro"), fs::Permissions::from_mode(0o555)).expect("chmod");
    // Permissions do not hold root back.
    let free = fs::write(home.path("work/ro/probe"), "").is_ok();
    if free {
        fs::remove_file(home.path("work/ro/probe")).expect("removed");
        home.write("work/file", "");
        let (code, complaint) = home.fails(&["add", "a", "-c", "file/janua.yaml", "--", "x"]);
        assert!(code == Some(1) && complaint.contains("file"), "{complaint}");
        home.fails(&["add", "a", "-c", "/proc/janua.yaml", "--", "x"]);
        fs::remove_file(home.path("work/file")).expect("removed");
    } else {
        let (code, complaint) = home.fails(&["add", "a", "-c", "ro/janua.yaml", "--", "x"]);
        assert!(code == Some(1) && complaint.contains("ro"), "{complaint}");
    }
    fs::set_permissions(home.path("work/ro"), fs::Permissions::from_mode(0o755)).expect("chmod");
    assert_eq!(home.all(), before);
}

const CURSOR: &str = "{\n\t// Cursor's\n\t\"mcpServers\": {\n\t\t\"git\": {\n\t\t\t\"command\": \"uvx\",\n\t\t\t\"args\": [\"mcp-server-git\"],\n\t\t\t\"autoApprove\": [\"log\"],\n\t\t},\n\t\t\"My Search\": { \"url\": \"https://x.example/mcp\", \"headers\": { \"K\": \"v\" } },\n\t},\n}\n";
const CODEX: &str = "model = \"o3\"\r\n\r\n[mcp_servers.git]\r\ncommand = \"uvx\"\r\nargs = [\"other\"]\r\nstartup_timeout_sec = 20\r\nenabled_tools = [\"log\"]\r\nenabled = false\r\n\r\n[tui]\r\nnotifications = true\r\n";
const OPENCODE: &str = r#"{
  "$schema": "https://opencode.ai/config.json",
  "mcp": {
    "ev": { "type": "local", "command": ["npx", "-y", "ev"], "environment": { "A": "{env:A}" }, "enabled": true },
    "far": { "type": "remote", "url": "https://y.example/mcp", "oauth": {} }
  }
}
"#;
const CONTINUE: &str =
    "name: Local\nmcpServers:\n  - name: lite\n    command: npx\n    args:\n      - -y\n      - lite\n";
const CLAUDE: &str = r#"{"numStartups": 3, "mcpServers": {"git": {"type": "stdio", "command": "uvx", "args": ["mcp-server-git"], "env": {}}},
 "projects": {"WORK": {"mcpServers": {"local": {"type": "sse", "url": "https://z.example/sse"}}}}}"#;

#[test]
fn every_clients_servers_are_taken_over() {
    let home = Home::new();
    let work = fs::canonicalize(home.path("work")).expect("work");
    home.write(".cursor/mcp.json", CURSOR);
    home.write(".codex/config.toml", CODEX);
    home.write(".config/opencode/opencode.json", OPENCODE);
    home.write(".continue/config.yaml", CONTINUE);
    home.write(".claude.json", &CLAUDE.replace("WORK", &work.display().to_string()));
    home.write("work/.mcp.json", r#"{"mcpServers": {"me": {"url": "http://localhost:3000/mcp"}, "bad": {}}}"#);
    let before = home.all();
    let found = home.json(&["import", "--json"]);
    assert_eq!(found.as_array().expect("list").len(), 6, "{found}");
    let diff = home.ok(&["import", "--all", "--dry-run"]);
    assert!(diff.contains("+  git:") && diff.contains("+++ "), "{diff}");
    assert_eq!(home.all(), before, "a dry run writes nothing");
    let taken = home.json(&["import", "--all", "--json"]);
    let outcome = |name: &str, at: usize| {
        let all: Vec<&Value> = taken.as_array().expect("list").iter().filter(|one| one["name"] == name).collect();
        (all[at]["outcome"].as_str().expect("text").to_owned(), all[at]["notes"].to_string())
    };
    assert_eq!(outcome("git", 0), ("added".into(), "[]".into()));
    assert_eq!(outcome("git", 1).0, "there already");
    assert!(outcome("git", 1).1.contains("autoApprove"));
    assert_eq!(outcome("git-2", 0), ("added".into(), r#"["was \"git\""]"#.into()));
    assert_eq!(outcome("My-Search", 0).0, "added");
    assert!(outcome("far", 0).1.contains("oauth"));
    assert_eq!(outcome("me", 0), ("left out".into(), r#"["leads to Janua itself"]"#.into()));
    assert!(outcome("bad", 0).1.contains("neither"));
    for (path, text) in &before {
        assert_eq!(fs::read_to_string(path).expect("text"), *text, "a client's file was written");
    }
    let wanted = "servers:\n  git:\n    command: uvx\n    args: [mcp-server-git]\n  local:\n    transport: sse\n    url: https://z.example/sse\n  \
        My-Search:\n    url: https://x.example/mcp\n    headers:\n      K: v\n  git-2:\n    command: uvx\n    args: [other]\n    \
        start_timeout: \"20s\"\n    tools:\n      allow: [log]\n    disabled: true\n  ev:\n    command: npx\n    args: [\"-y\", ev]\n    \
        env:\n      A: \"${env:A}\"\n  far:\n    url: https://y.example/mcp\n  lite:\n    command: npx\n    args: [\"-y\", lite]\n";
    assert_eq!(home.read(OWN), wanted);
    home.ok(&["check"]);
    let again = home.json(&["import", "--all", "--json"]);
    assert!(again.as_array().expect("list").iter().all(|one| one["outcome"] != "added"), "{again}");
    assert_eq!(home.read(OWN), wanted);
}

#[test]
fn what_is_exported_is_rolled_back_byte_for_byte() {
    let home = Home::new();
    home.write("work/janua.yaml", "listen: 0.0.0.0:4444\nservers: {}\n");
    let files = [
        ("cursor", ".cursor/mcp.json", CURSOR, "\"url\": \"http://127.0.0.1:4444/mcp\""),
        ("codex", ".codex/config.toml", CODEX, "[mcp_servers.janua]\r\nurl = \"http://127.0.0.1:4444/mcp\"\r\n"),
        ("opencode", ".config/opencode/opencode.json", OPENCODE, "\"type\": \"remote\""),
        ("vscode", ".config/Code/User/mcp.json", "{\r\n\t\"servers\": {}\r\n}", "\"type\": \"http\""),
        ("zed", ".config/zed/settings.json", "// Zed\n{\n  \"vim_mode\": true,\n}\n", "\"context_servers\": {"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json", "{}", "\"connect\""),
        ("goose", ".config/goose/config.yaml", "extensions:\n  a:\n    cmd: x # y\n", "type: streamable_http"),
        ("windsurf", ".codeium/windsurf/mcp_config.json", "", "serverUrl"),
        ("amp", ".config/amp/settings.json", "{\"amp.mcpServers\": {\"a\": {}}}", "\"janua\": {\"url\""),
        ("kilo", ".config/kilo/kilo.jsonc", "{ /* k */ }", "\"mcp\""),
    ];
    for (client, file, original, wanted) in files {
        home.write(file, original);
        let before = home.all();
        assert!(home.ok(&["export", client, "--dry-run"]).contains('+'), "{client}");
        assert_eq!(home.all(), before, "{client}: a dry run writes nothing");
        let said = home.ok(&["export", client]);
        assert!(said.contains(&format!("janua export {client} --rollback")), "{said}");
        assert!(home.read(file).contains(wanted), "{client}: {}", home.read(file));
        assert!(home.ok(&["export", client]).contains("already"));
        home.ok(&["export", client, "--rollback"]);
        assert_eq!(home.read(file), original, "{client}");
    }
}

#[test]
fn an_export_says_what_it_writes_and_replaces_nothing_unasked() {
    let home = Home::new();
    home.write(".cursor/mcp.json", r#"{"mcpServers": {"janua": {"command": "other"}}}"#);
    let (_, complaint) = home.fails(&["export", "cursor"]);
    assert!(complaint.contains("other") && complaint.contains("--force"), "{complaint}");
    home.ok(&["export", "cursor", "--name", "door", "--as-command", "--url", "https://gw.example/mcp"]);
    let value: Value = serde_json::from_str(&home.read(".cursor/mcp.json")).expect("JSON");
    assert_eq!(value["mcpServers"]["door"], json!({"command": JANUA, "args": ["connect", "https://gw.example/mcp"]}));
    let said = home.json(&["export", "cursor", "--force", "--json"]);
    assert_eq!((said["client"].clone(), said["changed"].clone()), (json!("cursor"), json!(true)));
    let value: Value = serde_json::from_str(&home.read(".cursor/mcp.json")).expect("JSON");
    assert_eq!(value["mcpServers"]["janua"], json!({"url": "http://127.0.0.1:3000/mcp"}));
}
