//! Our own files in their three formats, the environment over them, and no file at all.

use std::net::SocketAddr;
use std::time::Duration;

use crate::scene::{Scene, command, remote, server};
use janua::config::{
    Environment, Hashed, OpenApiSource, OpenRoute, Prefix, Protocol, RemoteTransport, Server, Share, load,
};

const YAML: &str = "\u{feff}# Grüße\r
listen: 127.0.0.1:4000\r
metrics: 127.0.0.1:9091\r
data_dir: ~/state\r
limits: { call_timeout: 1h30m, request_body: 64k, sessions: 7 }\r
cors: { origins: ['https://app.example.com'] }\r
servers:\r
  files:\r
    command: npx\r
    args: [-y, 1.10, 0123, true, \"ünï\"]\r
    env: { PORT: 8080, VERSION: 1.10 }\r
    path: work\r
    share: user\r
    timeout: 90\r
    tools: { allow: ['read_*'], rename: { read_file: read } }\r
  search:\r
    url: https://example.com/mcp\r
    type: sse\r
    headers: { Authorization: Bearer x }\r
    protocol: 2026-07-28\r
  here: { builtin: everything, enabled: false }\r
views:\r
  research: { servers: [search], prefix: never }\r
";

const JSON: &str = r#"// ours, in JSON
{ "listen": "127.0.0.1:4000", "metrics": "127.0.0.1:9091", "data_dir": "~/state",
  "limits": { "call_timeout": "1h30m", "request_body": "64k", "sessions": 7 },
  "cors": { "origins": ["https://app.example.com"] },
  "servers": {
    "files": { "command": "npx", "args": ["-y", 1.10, "0123", true, "ünï"], "env": { "PORT": 8080, "VERSION": 1.10 },
      "path": "work", "share": "user", "timeout": 90, /* more */
      "tools": { "allow": ["read_*"], "rename": { "read_file": "read" } } },
    "search": { "url": "https://example.com/mcp", "type": "sse", "headers": { "Authorization": "Bearer x" },
      "protocol": "2026-07-28" },
    "here": { "builtin": "everything", "enabled": false, },
  },
  "views": { "research": { "servers": ["search"], "prefix": "never" } }
}"#;

const TOML: &str = r#"
listen = "127.0.0.1:4000"
metrics = "127.0.0.1:9091"
data_dir = "~/state"
cors.origins = ["https://app.example.com"]
[limits]
call_timeout = "1h30m"
request_body = "64k"
sessions = 7
[servers.files]
command = "npx"
args = ["-y", 1.10, "0123", true, "ünï"]
env = { PORT = 8080, VERSION = 1.10 }
path = "work"
share = "user"
timeout = 90
[servers.files.tools]
allow = ["read_*"]
rename.read_file = "read"
[servers.search]
url = "https://example.com/mcp"
type = "sse"
headers = { Authorization = "Bearer x" }
protocol = "2026-07-28"
[servers.here]
builtin = "everything"
enabled = false
[views.research]
servers = ["search"]
prefix = "never"
"#;

#[test]
fn the_three_formats_say_the_same() {
    let scene = Scene::new().with("HOME", "/srv/me");
    let mut told = Vec::new();
    for (name, text) in
        [("janua.yaml", YAML), ("janua.json", JSON), ("janua.toml", TOML), ("plain", JSON), ("conf", TOML)]
    {
        let (loaded, warnings) = scene.good(name, text);
        assert_eq!(warnings, [""; 0], "{name}");
        let settings = loaded.settings;
        told.push((settings.servers, settings.views, settings.limits, settings.data_dir, settings.port));
    }
    assert!(told.iter().all(|other| *other == told[0]), "{told:#?}");
}

#[test]
fn every_value_arrives() {
    let scene = Scene::new().with("HOME", "/srv/me");
    let (loaded, _) = scene.good("janua.yaml", YAML);
    let settings = &loaded.settings;
    assert_eq!((settings.host.to_string().as_str(), settings.port), ("127.0.0.1", 4000));
    assert_eq!(settings.metrics, Some(SocketAddr::from(([127, 0, 0, 1], 9091))));
    assert_eq!(settings.data_dir.as_deref(), Some("/srv/me/state".as_ref()));
    assert_eq!(settings.limits.call, Duration::from_secs(5400));
    assert_eq!(settings.limits.call_total, Duration::from_secs(5400), "it is never shorter than a call may take");
    assert_eq!((settings.limits.request_body, settings.limits.sessions), (64 << 10, 7));
    assert_eq!(settings.cors_origins, ["https://app.example.com"]);
    let files = command(&loaded, "files");
    assert_eq!(files.args, ["-y", "1.10", "0123", "true", "ünï"], "numbers are taken as they are written");
    assert_eq!(files.env, [("PORT".to_owned(), "8080".to_owned()), ("VERSION".to_owned(), "1.10".to_owned())]);
    assert_eq!(files.cwd, Some(scene.folder.path().join("work")));
    assert!(!files.inherit_env);
    let files = server(&loaded, "files");
    assert_eq!((files.share, files.call_timeout), (Share::User, Some(Duration::from_secs(90))));
    assert!(files.tools.shows("read_file") && !files.tools.shows("write_file"));
    assert_eq!(files.tools.rename["read_file"], "read");
    assert_eq!(remote(&loaded, "search"), ("https://example.com/mcp", vec![("authorization", "Bearer x")]));
    assert_eq!(server(&loaded, "search").protocol, Protocol::Modern);
    let Server::Remote(search) = &server(&loaded, "search").server else { panic!("it is remote") };
    assert!(search.transport == RemoteTransport::Sse && search.allow_private);
    assert!(search.headers[0].1.is_sensitive());
    assert_eq!(server(&loaded, "here").server, Server::InProcess("everything".to_owned()));
    assert_eq!(server(&loaded, "here").disabled.as_deref(), Some("it is switched off in the configuration"));
    assert_eq!(settings.views["research"].servers, ["search"]);
    assert_eq!(settings.views["research"].prefix, Prefix::Never);
}

#[test]
fn an_api_is_its_document_and_what_goes_with_every_request() {
    let scene = Scene::new().with("KEY", "k-1");
    let text = "servers:\n  pets: { openapi: pets.yaml, base_url: 'http://127.0.0.1:9/v1', query: { key: '${KEY}' } }\n  \
                far: { openapi: 'https://x.example/api.json', headers: { X-Key: '${KEY}' }, share: session, allow_private: true }\n";
    let (loaded, warnings) = scene.good("janua.yaml", text);
    assert_eq!(warnings.len(), 1, "the file is not there: {warnings:?}");
    let Server::OpenApi(pets) = &server(&loaded, "pets").server else { panic!("it is an API") };
    let place = scene.folder.path().join("pets.yaml");
    assert_eq!(pets.source, OpenApiSource::file(&place));
    assert!(loaded.files.iter().any(|file| file.path == place), "it is watched");
    assert_eq!(pets.base_url.as_ref().map(url::Url::as_str), Some("http://127.0.0.1:9/v1"));
    assert_eq!((&pets.query[..], pets.allow_private), (&[("key".to_owned(), "k-1".to_owned())][..], None));
    assert_eq!(server(&loaded, "pets").share, Share::All, "an API keeps nothing of a session");
    let Server::OpenApi(far) = &server(&loaded, "far").server else { panic!("it is an API") };
    assert_eq!((far.source.label().as_str(), far.allow_private), ("https://x.example/api.json", Some(true)));
    assert!(far.headers[0].1.is_sensitive() && server(&loaded, "far").share == Share::Session);
    assert!(!format!("{:?}", loaded.settings).contains("k-1"), "secrets are not shown");
}

#[test]
fn the_environment_wins_over_the_file() {
    let scene = Scene::new()
        .with("JANUA_LISTEN", "0.0.0.0:80")
        .with("JANUA_INSECURE_NO_AUTH", "true")
        .with("JANUA_LIMITS__CALL_TIMEOUT", "5s")
        .with("JANUA_SERVERS__MY_FILES__COMMAND", "uvx")
        .with("JANUA_SERVERS__MY_FILES__ARGS", "a, b")
        .with("JANUA_SERVERS__MY_FILES__ENV__A_TOKEN", "hush ${X} $$")
        .with("JANUA_SERVERS__EXTRA__URL", "https://extra.example/mcp")
        .with("JANUA_LOG_LEVEL", "debug")
        .with("JANUA_LIMITS__SESIONS", "3");
    let (loaded, warnings) = scene.good("janua.yaml", "servers: { my-files: { command: npx, args: [x] } }\n");
    assert_eq!((loaded.settings.host.to_string().as_str(), loaded.settings.port), ("0.0.0.0", 80));
    assert_eq!(loaded.settings.limits.call, Duration::from_secs(5));
    let files = command(&loaded, "my-files");
    assert_eq!((files.program.as_str(), &files.args[..]), ("uvx", &["a".to_owned(), "b".to_owned()][..]));
    assert_eq!(files.env, [("A_TOKEN".to_owned(), "hush ${X} $$".to_owned())], "it is taken as it is");
    assert_eq!(remote(&loaded, "extra").0, "https://extra.example/mcp");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("JANUA_LIMITS__SESIONS") && warnings[0].contains("did you mean \"SESSIONS\"?"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("others can reach 0.0.0.0"), "{warnings:?}");
}

#[test]
fn a_wrong_variable_is_named_and_its_value_is_not() {
    let scene = Scene::new().with("JANUA_LIMITS__SESSIONS", "hush-hush");
    let findings = scene.bad("janua.yaml", "");
    assert_eq!(findings, ["error: JANUA_LIMITS__SESSIONS (limits.sessions): must be a whole number"]);
}

#[test]
fn without_a_file_the_built_in_servers_are_served() {
    let loaded = load(None, &Environment::default()).expect("usable");
    assert_eq!(server(&loaded, "demo").server, Server::InProcess("everything".to_owned()));
    assert_eq!(server(&loaded, "simple-tools-server").server, Server::InProcess("simple-tools-server".to_owned()));
    assert_eq!((loaded.settings.servers.len(), loaded.settings.data_dir, loaded.files.len()), (2, None, 0));
}

#[test]
fn an_empty_file_is_the_defaults() {
    let scene = Scene::new();
    for (name, text) in
        [("a.yaml", ""), ("b.yaml", "# nothing\n"), ("c.json", "{}"), ("d.toml", ""), ("e.yaml", "servers:\n")]
    {
        let (loaded, warnings) = scene.good(name, text);
        assert_eq!(warnings, [""; 0]);
        assert_eq!((loaded.settings.port, loaded.settings.servers.len()), (3000, 0), "{name}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let scene = Scene::new();
    let text = "servers:\n  a: { command: x, env: { T: hush-1 }, args: [--token, hush-2] }\n  \
                b: { url: 'https://hush-3@example.com', headers: { X: hush-4 } }\n";
    let (loaded, _) = scene.good("janua.yaml", text);
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn who_may_use_it_is_told_by_the_file_and_the_environment() {
    let scene = Scene::new().with("JANUA_AUTH__BEARER__TOKENS", "one, two").with("PW", "sesame");
    scene.write("data/secrets/ops", "open\n");
    let text = "data_dir: data\nauth:\n  basic:\n    credentials:\n      - { username: a, password: '${PW}' }\n      \
                - { username: b, password: '${secret:ops}', admin: true, impersonate: true }\nservers: { s: { command: x } }\n";
    let (loaded, _) = scene.good("janua.yaml", text);
    let auth = loaded.settings.auth.expect("authentication");
    assert_eq!(auth.open, [OpenRoute::Livez, OpenRoute::Readyz]);
    let [a, b] = &auth.basic[..] else { panic!("{auth:?}") };
    assert!(a.secret == Hashed::of(b"sesame") && !a.admin && !a.impersonate);
    assert!(b.secret == Hashed::of(b"open") && b.admin && b.impersonate);
    assert!(auth.bearer.iter().map(|one| &one.secret).eq([&Hashed::of(b"one"), &Hashed::of(b"two")]));
    assert!(auth.bearer[0].principal.starts_with("token-") && auth.bearer[0].principal != auth.bearer[1].principal);
    assert!(loaded.files.iter().any(|file| file.path.ends_with("secrets/ops")), "its changes are noticed");
}
