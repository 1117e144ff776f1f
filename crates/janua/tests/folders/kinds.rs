//! What a folder may hold: keys of ours, a bundle for the clients that install such, a factory server, or nothing.

use std::fs;
use std::path::Path;

use janua::config::{Environment, Loaded, Server, ServerCommand, load};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a configuration that has these lines, and these files.
fn folder(lines: &str, files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("janua.yaml", lines)].iter().chain(files) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

fn loaded(folder: &TempDir) -> Loaded {
    let variables = [("HOME", "/srv/me"), ("TOKEN", "t-o-k-e-n"), ("GUMCP_CREDENTIALS_DIR", "/credentials")];
    let environment: Environment =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    load(Some(&folder.path().join("janua.yaml")), &environment).expect("a good configuration")
}

fn command(loaded: &Loaded, name: &str) -> ServerCommand {
    match &loaded.settings.servers[name].server {
        Server::Command(command) => command.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

const MANIFEST: &str = r#"{
  "manifest_version": "0.3", "name": "files", "version": "1.0.0",
  "server": {"type": "node", "entry_point": "server/index.js", "mcp_config": {
    "command": "node", "args": ["${__dirname}/server/index.js", "--root=${HOME}", "${user_config.folders}"],
    "env": {"API_KEY": "${user_config.api_key}", "MODE": "plain"},
    "platform_overrides": {"win32": {"command": "node.exe"}}}},
  "user_config": {
    "api_key": {"type": "string", "title": "API key", "required": true, "sensitive": true},
    "folders": {"type": "directory", "multiple": true, "default": ["${HOME}/a", "b"]}}
}"#;

#[test]
fn a_bundle_says_how_it_is_started_and_the_entry_what_the_user_wants() {
    let lines = r#"
servers:
  files:
    folder: bundle
    user_config: { api_key: "${TOKEN}", folders: "/x\n/y" }
    env: { MODE: fancy }
    call_timeout: 5s
"#;
    let folder = folder(lines, &[("bundle/manifest.json", MANIFEST)]);
    let loaded = loaded(&folder);
    let (command, place) = (command(&loaded, "files"), folder.path().join("bundle"));
    assert_eq!(command.program, "node");
    assert_eq!(command.args, [&text(&place.join("server/index.js")), "--root=/srv/me", "/x", "/y"]);
    let mut env = command.env.clone();
    env.sort();
    assert_eq!(env, [("API_KEY", "t-o-k-e-n"), ("MODE", "fancy")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(command.cwd.as_deref(), Some(place.as_path()));
    assert_eq!(loaded.settings.servers["files"].call_timeout, Some(std::time::Duration::from_secs(5)));
}

#[test]
fn a_bundle_without_what_it_asks_for_is_not_served() {
    let folder = folder("folders: [all]", &[("all/files/manifest.json", MANIFEST)]);
    let loaded = loaded(&folder);
    let why = loaded.settings.servers["files"].disabled.as_deref().expect("a reason");
    assert!(why.contains("user_config") && why.contains("api_key") && why.contains("API key"), "{why}");
}

/// A manifest with this server and nothing that the user is asked.
fn manifest(server: &Value) -> String {
    json!({"manifest_version": "0.3", "name": "x", "version": "1", "server": server}).to_string()
}

#[test]
fn the_kinds_of_bundles() {
    let python = json!({"type": "python", "entry_point": "server/main.py", "mcp_config": {
        "command": "python", "args": ["${__dirname}/server/main.py"], "env": {"PYTHONPATH": "${__dirname}/server/lib"}}});
    let binary = json!({"type": "binary", "entry_point": "server/run"});
    let uv = json!({"type": "uv", "entry_point": "src/server.py"});
    let strange = json!({"type": "wasm", "entry_point": "x"});
    let files = [("python", python), ("binary", binary), ("uv", uv), ("strange", strange)];
    let files = files.map(|(name, server)| (format!("all/{name}/manifest.json"), manifest(&server)));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = folder("python: /opt/py/bin/python\nfolders: [all]", &files);
    let loaded = loaded(&folder);
    let all = folder.path().join("all");
    let python = command(&loaded, "python");
    assert_eq!(
        (python.program.as_str(), python.args),
        ("/opt/py/bin/python", vec![text(&all.join("python/server/main.py"))])
    );
    assert_eq!(python.env, [("PYTHONPATH".to_owned(), text(&all.join("python/server/lib")))]);
    let binary = command(&loaded, "binary");
    assert_eq!((binary.program, binary.args), (text(&all.join("binary/server/run")), vec![]));
    let uv = command(&loaded, "uv");
    assert_eq!(uv.program, "uv");
    assert_eq!(uv.args, ["run", "--directory", &text(&all.join("uv")), &text(&all.join("uv/src/server.py"))]);
    let why = loaded.settings.servers["strange"].disabled.as_deref().expect("a reason");
    assert!(why.contains("wasm"), "{why}");
}

#[test]
fn a_folder_may_hold_our_own_keys() {
    let yaml = "command: ./run\nargs: [a]\ncwd: sub\nenv: { T: \"${TOKEN}\" }\nshare: user\n";
    let broken = "comand: ./run\n";
    let lines = "folders: [all]\nservers: { other: { folder: all/own, args: [b], share: all } }";
    let folder = folder(lines, &[("all/own/server.yaml", yaml), ("all/broken/server.yaml", broken)]);
    let loaded = loaded(&folder);
    let place = folder.path().join("all/own");
    let own = command(&loaded, "own");
    assert_eq!((own.args, own.cwd), (vec!["a".to_owned()], Some(place.join("sub"))));
    assert_eq!(own.env, [("T".to_owned(), "t-o-k-e-n".to_owned())]);
    assert_eq!(command(&loaded, "other").args, ["b"], "what the entry says comes first");
    let why = loaded.settings.servers["broken"].disabled.as_deref().expect("a reason");
    assert!(why.contains("server.yaml:1:1") && why.contains("comand"), "{why}");
}

#[test]
fn a_factory_server_has_its_interpreter_and_the_variables_of_its_kind() {
    let lines = "
python: py/bin/python
folders: [all, missing]
servers:
  named: { folder: all/one, python: python3.9, env: { GUMCP_CREDENTIALS_DIR: /own, X: y }, share: all }
  gone: { folder: nowhere }
  one: { command: cat }
";
    let folder = folder(lines, &[("all/one/main.py", ""), ("all/two/main.py", ""), ("all/_no/main.py", "")]);
    let loaded = loaded(&folder);
    let servers = &loaded.settings.servers;
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["gone", "named", "one", "two"]);
    assert!(matches!(servers["one"].server, Server::Command(_)), "what is named itself comes first");
    let factory = |name: &str| match &servers[name].server {
        Server::Folder(server) => server.clone(),
        other => panic!("{name} is {other:?}"),
    };
    let two = factory("two");
    assert_eq!(two.folder, folder.path().join("all/two"));
    assert_eq!(two.interpreter.program, text(&folder.path().join("py/bin/python")));
    assert_eq!(two.interpreter.env, [("GUMCP_CREDENTIALS_DIR".to_owned(), "/credentials".to_owned())]);
    let named = factory("named");
    assert_eq!(named.interpreter.program, "python3.9");
    let own = [("GUMCP_CREDENTIALS_DIR", "/own"), ("X", "y")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(named.interpreter.env, own);
    let why = servers["gone"].disabled.as_deref().expect("a reason");
    assert!(why.contains("nowhere") && why.contains("is not there"), "{why}");
    let warned = loaded.findings.iter().any(|finding| finding.message.contains("missing") && finding.key == "folders");
    assert!(warned, "{:?}", loaded.findings);
}

#[test]
fn a_changed_file_makes_another_edition() {
    let folder = folder("folders: [all]", &[("all/one/main.py", "1"), ("all/two/main.py", "1")]);
    let before = loaded(&folder).settings.servers;
    fs::create_dir(folder.path().join("all/one/__pycache__")).expect("a folder");
    fs::write(folder.path().join("all/one/__pycache__/x.pyc"), "x").expect("written");
    assert_eq!(loaded(&folder).settings.servers, before, "what the interpreter puts there does not count");
    fs::write(folder.path().join("all/one/notes.txt"), "new").expect("written");
    let after = loaded(&folder).settings.servers;
    assert_ne!(after["one"], before["one"]);
    assert_eq!(after["two"], before["two"]);
}
