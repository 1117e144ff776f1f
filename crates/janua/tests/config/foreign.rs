//! Files of other tools, used as they are.

use std::net::IpAddr;
use std::time::Duration;

use crate::scene::{Scene, command, remote, server};
use janua::config::{AuthSettings, Hashed, RemoteTransport, Server};

#[test]
fn claude_cursor_and_their_kin() {
    let scene = Scene::new().with("KEY", "k1");
    let text = r#"{
  "numStartups": 412, "projects": { "/srv/me": { "mcpServers": {} } }, "port": "not ours",
  "mcpServers": {
    "filesystem": { "command": "npx", "args": ["-y", "server", "$$HOME"], "env": { "A": "${KEY}", "B": null } },
    "My Server": { "type": "http", "url": "https://one.example/mcp", "headers": { "X": "${KEY}" } },
    "windsurf": { "serverUrl": "https://two.example/sse" },
    "gemini": { "httpUrl": "https://three.example/mcp", "timeout": 600000, "trust": true, "includeTools": ["a"], "excludeTools": ["b"] },
    "cline": { "command": "uvx", "disabled": true, "autoApprove": ["x"], "timeout": 60, "transportType": "stdio" },
    "odd": { "command": "x", "commnd": "y" },
    "empty": { "type": "stdio" },
    "keyless": { "command": "x", "args": ["${NO_SUCH}"] }
  }
}"#;
    let (loaded, warnings) = scene.good(".claude.json", text);
    let filesystem = command(&loaded, "filesystem");
    assert_eq!(filesystem.args, ["-y", "server", "$$HOME"], "a file that is not ours knows no $$");
    assert_eq!(filesystem.env, [("A".to_owned(), "k1".to_owned())]);
    assert_eq!(remote(&loaded, "My-Server"), ("https://one.example/mcp", vec![("x", "k1")]));
    assert_eq!(remote(&loaded, "windsurf").0, "https://two.example/sse");
    let gemini = server(&loaded, "gemini");
    assert_eq!(gemini.call_timeout, Some(Duration::from_secs(600)));
    assert!(gemini.tools.shows("a") && !gemini.tools.shows("b") && !gemini.tools.shows("c"));
    assert_eq!(server(&loaded, "cline").call_timeout, Some(Duration::from_secs(60)));
    assert!(server(&loaded, "cline").disabled.is_some());
    assert_eq!(server(&loaded, "empty").disabled.as_deref(), Some("it has neither `command` nor `url`"));
    assert_eq!(server(&loaded, "keyless").disabled.as_deref(), Some("the environment variable NO_SUCH is not set"));
    assert_eq!(loaded.settings.port, 3000, "keys beside the servers are not ours");
    assert!(
        warnings
            .iter()
            .any(|w| w
                .contains(":9:30: warning: mcpServers.odd.commnd: unknown key, ignored; did you mean \"command\"?")),
        "{warnings:?}"
    );
    assert!(warnings.iter().any(|w| w.contains("it is served as \"My-Server\"")), "{warnings:?}");
}

#[test]
fn our_keys_beside_theirs_count_in_a_file_of_ours() {
    let scene = Scene::new();
    let (loaded, warnings) =
        scene.good("janua.yaml", "port: 4000\nmcpServers: { a: { command: x, disabledTools: [y] } }\n");
    assert_eq!((loaded.settings.port, warnings.len()), (4000, 0));
    assert!(!server(&loaded, "a").tools.shows("y"));
    let found = scene.bad("janua.yaml", "prot: 4000\nmcpServers: { a: { command: x } }\n");
    assert_eq!(found, ["janua.yaml:1:1: error: prot: unknown key; did you mean \"port\"?"]);
}

#[test]
fn vs_code_with_inputs_and_a_file_of_variables() {
    let scene = Scene::new().with("HOME", "/srv/me");
    scene.write("vars.env", "A=b\n");
    scene.write("state/janua/secrets/api-key", "k9\n");
    let state = scene.folder.path().join("state").display().to_string();
    let scene = scene.with("XDG_DATA_HOME", &state);
    let text = r#"{
  // asked for once
  "inputs": [{ "type": "promptString", "id": "api-key", "password": true }],
  "servers": {
    "local": { "type": "stdio", "command": "node", "args": ["${workspaceFolder}/x.js"], "envFile": "${workspaceFolder}/vars.env",
      "env": { "K": "${input:api-key}", "M": "${input:missing}" }, "dev": { "watch": "*" } },
    "far": { "type": "http", "url": "https://far.example", "headers": { "K": "${input:api-key}" } },
  },
}"#;
    let (loaded, _) = scene.good(".vscode/mcp.json", text);
    assert_eq!(remote(&loaded, "far"), ("https://far.example/", vec![("k", "k9")]));
    let Server::Remote(far) = &server(&loaded, "far").server else { panic!("it is remote") };
    assert_eq!(far.transport, RemoteTransport::Http);
    let local = command(&loaded, "local");
    assert_eq!(local.args, [scene.folder.path().join("x.js").display().to_string()]);
    assert_eq!(local.env[0], ("A".to_owned(), "b".to_owned()));
    let why = server(&loaded, "local").disabled.clone().expect("not served");
    assert_eq!(why, "there is no secret \"missing\": write it into secrets/missing in data_dir");
}

#[test]
fn codex() {
    let scene = Scene::new().with("GH", "token").with("PASSED", "on");
    let text = r#"
model = "gpt"
[profiles.x]
model = "other"
[mcp_servers.manual]
command = "npx"
args = ["-y", "docs"]
env_vars = ["PASSED", "NOT_SET"]
startup_timeout_sec = 20.5
tool_timeout_sec = 45
enabled_tools = ["search"]
disabled_tools = ["wipe"]
[mcp_servers.manual.env]
A = "b"
[mcp_servers.github]
url = "https://api.example/mcp"
bearer_token_env_var = "GH"
http_headers = { X-One = "1" }
env_http_headers = { X-Two = "PASSED" }
enabled = false
"#;
    let (loaded, warnings) = scene.good("config.toml", text);
    assert_eq!(warnings, [""; 0]);
    let docs = server(&loaded, "manual");
    assert_eq!(docs.start_timeout, Some(Duration::from_millis(20_500)));
    assert_eq!(docs.call_timeout, Some(Duration::from_secs(45)));
    assert!(docs.tools.shows("search") && !docs.tools.shows("other"));
    let mut env = command(&loaded, "manual").env.clone();
    env.sort();
    assert_eq!(env, [("A", "b"), ("PASSED", "on")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (url, mut headers) = remote(&loaded, "github");
    headers.sort_unstable();
    assert_eq!(url, "https://api.example/mcp");
    assert_eq!(headers, [("authorization", "Bearer token"), ("x-one", "1"), ("x-two", "on")]);
    assert!(server(&loaded, "github").disabled.is_some());
}

#[test]
fn zed() {
    let scene = Scene::new();
    let text = r#"// Zed settings
{
  "theme": "One Dark",
  "context_servers": {
    "new": { "source": "custom", "command": "npx", "args": ["a"], "env": {} },
    "old": { "command": { "path": "uvx", "args": ["b"], "env": { "A": "1" } }, "settings": {} },
    "extension": { "source": "extension", "settings": { "key": "x" } },
  },
}"#;
    let (loaded, _) = scene.good("settings.json", text);
    assert_eq!(command(&loaded, "new").program, "npx");
    assert_eq!((command(&loaded, "old").program.as_str(), command(&loaded, "old").env.len()), ("uvx", 1));
    assert!(server(&loaded, "extension").disabled.is_some());
}

#[test]
fn mcp_gateway_as_it_was() {
    let scene = Scene::new();
    let text = "port: 3001\nservers:\n  fs:\n    command: npx\n    args: [-y, fs]\n    path: /srv\n    restrat: 1\n\
                debug: { level: verbose }\nother: 1\n";
    let (loaded, warnings) = scene.good("config.yaml", text);
    assert_eq!((loaded.settings.host, loaded.settings.port), (IpAddr::from([0, 0, 0, 0]), 3001));
    assert!(loaded.settings.insecure_no_auth);
    let fs = command(&loaded, "fs");
    assert!(fs.inherit_env && fs.cwd.as_deref() == Some("/srv".as_ref()));
    let unknown: Vec<&String> = warnings.iter().filter(|warning| warning.contains("unknown key, ignored")).collect();
    assert_eq!(unknown.len(), 2, "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("nobody has to authenticate")));
}

#[test]
fn mcp_gateway_does_not_start_without_the_protection_it_asks_for() {
    let scene = Scene::new();
    let with = |auth: &str| format!("hostname: 127.0.0.1\nport: 1\nservers: {{ a: {{ command: x }} }}\nauth: {auth}\n");
    let error = |found: Vec<String>| found.into_iter().find(|finding| finding.contains(" error: ")).expect("an error");
    for auth in ["{ basic: { enabled: false } }", "{ basic: { credentials: [{ username: a, password: b }] } }", "{}"] {
        let off = error(scene.bad("config.yaml", &with(auth)));
        assert!(off.contains("auth: is there, but no scheme of it is enabled"), "{auth}: {off}");
    }
    let none = error(scene.bad("config.yaml", &with("{ bearer: { enabled: true } }")));
    assert!(none.contains("auth: holds no credentials"), "{none}");
    let api = error(scene.bad("config.yaml", "port: 1\nservers: { api: { command: x } }\n"));
    assert!(api.contains("servers.api: the name is reserved"), "{api}");
    let none = error(scene.bad("config.yaml", "port: 1\nservers: {}\n"));
    assert!(none.contains("at least one server must be configured"), "{none}");
}

#[test]
fn mcp_gateway_with_its_authentication() {
    let scene = Scene::new();
    let with = |credentials: &str| {
        format!(
            "port: 1\nservers: {{ a: {{ command: x }} }}\nauth:\n  basic: {{ enabled: true, credentials: [{credentials}] }}\n  \
             bearer: {{ enabled: true, tokens: [tok1, 12345] }}\n  digest: {{}}\n"
        )
    };
    let (loaded, warnings) = scene.good("config.yaml", &with("{ username: admin, password: pw }"));
    assert!(!loaded.settings.insecure_no_auth, "it is protected");
    assert!(warnings.iter().any(|warning| warning.contains("its `auth` says who may use it")), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("auth.digest: unknown key, ignored")), "{warnings:?}");
    assert!(!warnings.iter().any(|warning| warning.contains("nobody has to authenticate")), "{warnings:?}");
    let auth = loaded.settings.auth.expect("authentication");
    assert!(auth.open.is_empty());
    let whose = |auth: &AuthSettings| -> Vec<String> {
        auth.basic.iter().chain(&auth.bearer).map(|one| one.principal.clone()).collect()
    };
    assert_eq!(whose(&auth), ["admin"; 3], "the tokens are the only user's");
    assert!(auth.bearer[1].secret == Hashed::of(b"12345"));
    assert!(auth.basic.iter().chain(&auth.bearer).all(|one| !one.admin && !one.impersonate));

    let two = "{ username: a, password: pw }, { username: b, password: pw, role: x }";
    let (loaded, warnings) = scene.good("config.yaml", &with(two));
    assert!(warnings.iter().any(|warning| warning.contains("auth.basic.credentials[1].role")), "{warnings:?}");
    let mut whose = whose(&loaded.settings.auth.expect("authentication"));
    whose.dedup();
    assert_eq!(whose.len(), 4, "each token is somebody of its own: {whose:?}");
}

#[test]
fn hostname_and_port_are_ours_too() {
    let scene = Scene::new();
    let text = "hostname: 127.0.0.1\nport: 3001\nservers: { a: { command: x } }\n";
    for (name, extra) in [("janua.yaml", ""), ("config.yaml", "limits: {}\n")] {
        let (loaded, warnings) = scene.good(name, &format!("{text}{extra}"));
        assert_eq!(warnings, [""; 0], "{name}");
        assert!(!command(&loaded, "a").inherit_env, "{name}");
    }
}
