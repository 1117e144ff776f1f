//! `${…}` in files: what takes its place, and what happens if it is not there.

use std::os::unix::fs::PermissionsExt;

use crate::scene::{Scene, command, remote, server};

#[test]
fn values_come_from_variables_files_and_secrets() {
    let scene = Scene::new().with("KEY", "k1").with("PORT", "4100");
    scene.write("token", "from a file\r\n");
    let secret = scene.write("data/secrets/search", "s3cret\n");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("rights");
    let text = "data_dir: data
port: ${PORT}
insecure_no_auth: ${OPEN:-false}
limits: { call_timeout: '${WAIT:-5m}' }
servers:
  a: { command: x, env: { T: '${file:token}', P: 'a$${KEY}$b' }, args: ['${KEY}', '${env:KEY}-${NO:-none}'] }
  b: { url: 'https://example.com/${KEY}', headers: { Authorization: 'Bearer ${secret:search}' } }
";
    let (loaded, warnings) = scene.good("janua.yaml", text);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(loaded.settings.port, 4100);
    assert_eq!(loaded.settings.limits.call.as_secs(), 300);
    let a = command(&loaded, "a");
    assert_eq!(a.args, ["k1", "k1-none"]);
    assert_eq!(a.env[0].1, "from a file");
    assert_eq!(a.env[1].1, "a${KEY}$b");
    assert_eq!(remote(&loaded, "b"), ("https://example.com/k1", vec![("authorization", "Bearer s3cret")]));
    let files: Vec<_> = loaded.files.iter().map(|file| file.path.clone()).collect();
    let wanted = ["janua.yaml", "token", "data/secrets/search"].map(|name| scene.folder.path().join(name));
    assert_eq!(files, wanted);
}

#[test]
fn a_server_that_lacks_something_is_not_served_and_the_others_are() {
    let scene = Scene::new();
    let text = "data_dir: data
servers:
  a: { command: x, env: { T: '${NO_SUCH}' } }
  b: { url: '${BASE}/mcp' }
  c: { command: x, args: ['${file:none}'] }
  d: { command: x, args: ['${secret:none}'] }
  e: { command: x, env_file: none.env }
  f: { command: x }
views: { all: { servers: [a, f] } }
";
    let (loaded, warnings) = scene.good("janua.yaml", text);
    let why = |name: &str| server(&loaded, name).disabled.clone().unwrap_or_default();
    assert_eq!(why("a"), "the environment variable NO_SUCH is not set");
    assert_eq!(why("b"), "the environment variable BASE is not set");
    assert!(why("c").ends_with("none cannot be read: it does not exist"), "{}", why("c"));
    assert_eq!(why("d"), "there is no secret \"none\": write it into secrets/none in data_dir");
    assert!(why("e").ends_with("none.env cannot be read: it does not exist"), "{}", why("e"));
    assert_eq!(server(&loaded, "f").disabled, None);
    assert_eq!(warnings.len(), 5);
    assert_eq!(
        warnings[0],
        "janua.yaml:3:30: warning: servers.a.env.T: not served: the environment variable NO_SUCH is not set"
    );
}

#[test]
fn outside_of_servers_it_is_an_error() {
    let scene = Scene::new();
    assert_eq!(
        scene.bad("janua.yaml", "listen: ${WHERE}\n"),
        ["janua.yaml:1:9: error: listen: the environment variable WHERE is not set"]
    );
    let malformed = scene.bad("janua.yaml", "servers: { a: { command: 'x${' } }\n");
    assert_eq!(
        malformed,
        ["janua.yaml:1:26: error: servers.a.command: `${` has no `}`; write $$ for a $ that stands for itself"]
    );
}

#[test]
fn an_expanded_value_is_checked_but_never_shown() {
    let scene = Scene::new().with("SECRET", "hush-hush");
    let text = "port: ${SECRET}\nlimits: { call_timeout: '${SECRET}', request_body: '${SECRET}' }\nservers:
  a: { command: x, share: '${SECRET}' }\n  b: { url: '${SECRET}' }\n  c: { url: 'http://x', headers: { '${SECRET}': x } }\n";
    let found = scene.bad("janua.yaml", text);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(!found.iter().any(|finding| finding.contains("hush")), "{found:?}");
}

#[test]
fn a_secret_that_others_can_read_is_told() {
    let scene = Scene::new();
    let secret = scene.write("data/secrets/open", "x");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("rights");
    let (_, warnings) =
        scene.good("janua.yaml", "data_dir: data\nservers: { a: { command: x, args: ['${secret:open}'] } }\n");
    assert_eq!(
        warnings,
        [
            "janua.yaml:2:36: warning: servers.a.args[0]: the secret \"open\" can be read by others; take the right from \
          them: chmod 600"
        ]
    );
}

#[test]
fn variables_of_a_file_are_below_those_that_are_named() {
    let scene = Scene::new();
    scene.write(".env", "A=file\nB=file\n");
    let (loaded, _) = scene.good("janua.yaml", "servers: { a: { command: x, env_file: .env, env: { B: named } } }\n");
    let env = [("A", "file"), ("B", "named")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(command(&loaded, "a").env, env);
}
