//! What is wrong is found, all of it, where it stands, in every format.

use crate::scene::Scene;

#[test]
fn unknown_keys_of_every_level_are_found_with_their_place() {
    let scene = Scene::new();
    let yaml = "lisen: 1\nlimits:\n  call_timout: 5s\nservers:\n  files:\n    comand: npx\n    \
                tools: { alow: [] }\n  ok: { command: x }\nviews:\n  v: { server: [ok] }\ncors: { origin: [] }\n";
    assert_eq!(
        scene.bad("janua.yaml", yaml),
        [
            "janua.yaml:1:1: error: lisen: unknown key; did you mean \"listen\"?",
            "janua.yaml:3:3: error: limits.call_timout: unknown key; did you mean \"call_timeout\"?",
            "janua.yaml:6:5: error: servers.files.comand: unknown key; did you mean \"command\"?",
            "janua.yaml:7:14: error: servers.files.tools.alow: unknown key; did you mean \"allow\"?",
            "janua.yaml:10:8: error: views.v.server: unknown key; did you mean \"servers\"?",
            "janua.yaml:11:9: error: cors.origin: unknown key; did you mean \"origins\"?",
        ]
    );
    let json = "{\n  // ü\n  \"lisen\": 1,\n  \"servers\": { \"fü\\u0041\": {}, \"ok\": { \"comand\": \"x\" } }\n}";
    assert_eq!(
        scene.bad("janua.json", json),
        [
            "janua.json:3:3: error: lisen: unknown key; did you mean \"listen\"?",
            "janua.json:4:16: error: servers.füA: a name begins with a letter or digit and holds only letters, digits, \
             `.`, `_` and `-`; for example \"f-A\"",
            "janua.json:4:40: error: servers.ok.comand: unknown key; did you mean \"command\"?",
        ]
    );
    let toml = "lisen = 1\n[limits]\n\"über\" = 1\n[servers.x]\ncomand = 'ü'\nurll = 'ü'\n";
    assert_eq!(
        scene.bad("janua.toml", toml),
        [
            "janua.toml:1:1: error: lisen: unknown key; did you mean \"listen\"?",
            "janua.toml:3:1: error: limits.über: unknown key",
            "janua.toml:5:1: error: servers.x.comand: unknown key; did you mean \"command\"?",
            "janua.toml:6:1: error: servers.x.urll: unknown key; did you mean \"url\"?",
        ]
    );
}

const WRONG: &[(&str, &str)] = &[
    ("listen: [1]", "listen: must be an address such as 127.0.0.1:3000, is a list"),
    ("listen: nowhere:1", "listen: must be an address such as 127.0.0.1:3000"),
    ("hostname: no such", "hostname: must be an IP address or localhost"),
    ("port: 70000", "port: must be a port (0 to 65535)"),
    ("port: '80'", "port: must be a port (0 to 65535), is a text; write it without quotes"),
    ("metrics: maybe", "metrics: must be an address such as 127.0.0.1:9091, or false"),
    ("data_dir: true", "data_dir: must be a path or false, is true or false"),
    ("insecure_no_auth: yes", "insecure_no_auth: must be true or false, is a text; write true"),
    ("allowed_hosts: x", "allowed_hosts: must be a list of texts, is a text; write it as [\"…\"]"),
    ("traces: ftp://x", "traces: must be a URL (http, https): not with this scheme"),
    ("traces: nothing", "traces: must be a URL (http, https): relative URL without a base"),
    ("cors: []", "cors: must be a group of keys, is a list"),
    (
        "cors: { origins: [\"https://a/b\"] }",
        "cors.origins: must be an origin: scheme, host and perhaps port, nothing else; for example https://app.example.com",
    ),
    (
        "limits: { call_timeout: 5 parsecs }",
        "limits.call_timeout: must be a time such as 90s, 5m or 1h30m: unknown unit: use ms, s, m, h or d",
    ),
    (
        "limits: { call_timeout: 0 }",
        "limits.call_timeout: must be a time such as 90s, 5m or 1h30m: must be more than nothing",
    ),
    (
        "limits: { request_body: 4Q }",
        "limits.request_body: must be a size such as 64k or 4MiB: unknown unit: use k, M or G",
    ),
    ("limits: { sessions: -1 }", "limits.sessions: must be a whole number"),
    ("limits: { sessions: 0 }", "limits.sessions: must be more than nothing"),
    (
        "limits: { call_total: 5s }",
        "limits.call_total: is shorter than limits.call_timeout, which would never be reached",
    ),
    ("servers: [a]", "servers: must be groups of keys by name, is a list"),
    ("servers: { a: x }", "servers.a: must be a group of keys, is a text"),
    (
        "servers: { a: {} }",
        "servers.a: needs `command`, `url`, `folder`, `openapi` or `builtin`; a program to start, the address of a remote \
         server, a folder, an API's description, or the name of a built-in server",
    ),
    ("servers: { a: { openapi: '' } }", "servers.a.openapi: must be the path of a file, or an http or https URL"),
    (
        "servers: { a: { openapi: 'https://' } }",
        "servers.a.openapi: must be the path of a file, or an http or https URL",
    ),
    ("servers: { a: { url: 'http://x', query: { k: v } } }", "servers.a.query: only an API has this key"),
    ("servers: { a: { openapi: 'http://x', cwd: y } }", "servers.a.cwd: only a program has this key"),
    ("servers: { a: { command: [x] } }", "servers.a.command: must be a text, is a list"),
    ("servers: { a: { command: '' } }", "servers.a.command: must name a program"),
    ("servers: { a: { command: x, args: [[y]] } }", "servers.a.args[0]: must be a text, is a list"),
    ("servers: { a: { command: x, env: [A=b] } }", "servers.a.env: must be texts by name, is a list"),
    ("servers: { a: { command: x, env: { 'A=': b } } }", "servers.a.env.A=: no variable can have this name or value"),
    (
        "servers: { a: { command: x, url: 'http://x' } }",
        "servers.a.url: a server has `command` or `url`, not both; make two servers of them",
    ),
    (
        "servers: { a: { command: x, headers: { A: b } } }",
        "servers.a.headers: only a remote server or an API has this key",
    ),
    (
        "servers: { a: { command: x, transport: http } }",
        "servers.a.transport: a program is spoken to over its standard input and output; leave it out, or give `url`",
    ),
    (
        "servers: { a: { command: x, enabled: true, disabled: true } }",
        "servers.a.disabled: `enabled` and `disabled` contradict each other; keep one of them",
    ),
    (
        "servers: { a: { command: x, cwd: /, path: / } }",
        "servers.a.path: means the same as \"cwd\" in line 1; keep one of them",
    ),
    (
        "servers: { a: { command: x, share: sesion } }",
        "servers.a.share: must be one of session, user, all; did you mean \"session\"?",
    ),
    ("servers: { a: { url: 'http://x', args: [y] } }", "servers.a.args: only a program has this key"),
    (
        "servers: { a: { url: 'http://x', transport: stdio } }",
        "servers.a.transport: a server with a `url` is not spoken to over stdio; use auto, http, sse or ws",
    ),
    (
        "servers: { a: { url: 'ws://x', transport: sse } }",
        "servers.a.transport: a server at a ws: or wss: address is spoken to with `ws`",
    ),
    (
        "servers: { a: { url: 'http://x', headers: { 'a b': c } } }",
        "servers.a.headers.a b: no header can have this name",
    ),
    (
        "servers: { a: { url: 'http://x', headers: { a: \"b\\nc\" } } }",
        "servers.a.headers.a: no header can have this value",
    ),
    (
        "servers: { api: { command: x } }",
        "servers.api: the name is reserved: it means something else in addresses; for example \"server-api\"",
    ),
    ("servers: { .a: { command: x } }", "servers..a: a name that begins with a dot is reserved; for example \"a\""),
    (
        "servers: { a: { command: x, health: {} } }",
        "servers.a.health: this version does not support this key; take it out",
    ),
    (
        "auth: { bearer: {} }",
        "auth: holds no credentials: every request would be refused; give `basic.credentials` or `bearer.tokens`",
    ),
    (
        "auth: { bearer: { enabled: false, tokens: [a] } }",
        "auth: is there, but no scheme of it is enabled: every request would be refused; enable `basic` or `bearer`, or \
         take `auth` out",
    ),
    ("auth: { bearer: { tokens: [a, ''] } }", "auth.bearer.tokens[1]: must not be empty"),
    (
        "auth: { bearer: { tokens: a } }",
        "auth.bearer.tokens: must be a list of texts or groups of keys, is a text; write it as [\"…\"]",
    ),
    (
        "auth: { bearer: { tokens: ['sha256:abc'] } }",
        "auth.bearer.tokens[0]: `sha256:` is followed by the 64 hex digits of a SHA-256",
    ),
    (
        "auth: { bearer: { tokens: [{ tokn: a, token: b }] } }",
        "auth.bearer.tokens[0].tokn: unknown key; did you mean \"token\"?",
    ),
    (
        "auth: { bearer: { tokens: [{ token: a, user: b }, a] } }",
        "auth.bearer.tokens: the token of \"b\" is somebody else's, too; give each user a token of their own",
    ),
    ("auth: { bearer: { tokens: ['${HUSH}'] } }", "auth.bearer.tokens[0]: the environment variable HUSH is not set"),
    ("auth: { basic: { credentials: [{ username: a }] } }", "auth.basic.credentials[0].password: is missing"),
    ("auth: { basic: { credentials: [{ password: a }] } }", "auth.basic.credentials[0].username: must be a name"),
    (
        "auth: { basic: { credentials: [{ username: 'a:b', password: c }] } }",
        "auth.basic.credentials[0].username: a user name holds no colon",
    ),
    (
        "auth: { open: [helth], bearer: { tokens: [a] } }",
        "auth.open: must hold names of routes that may be open; did you mean \"health\"?",
    ),
    ("cluster: nats://x", "cluster: this version does not support this key; take it out"),
];

#[test]
fn every_wrong_value_is_found() {
    let scene = Scene::new();
    for (line, wanted) in WRONG {
        let found = scene.bad("janua.yaml", line);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert_eq!(found[0].split_once("error: ").map(|(_, rest)| rest), Some(*wanted), "{line}");
    }
}

#[test]
fn rules_that_contradict_each_other_are_found() {
    let scene = Scene::new();
    let text = "servers:
  a:
    command: x
    tools:
      allow: [read_*, same]
      deny: [same]
      rename: { read_a: one, read_b: one, write: two, 'read_*': three, read_c: 'a b' }
      describe: { write: text }
views:
  a: { servers: [a] }
  b: { servers: [aa] }
";
    assert_eq!(
        scene.bad("janua.yaml", text),
        [
            "janua.yaml:6:14: error: servers.a.tools.deny: the same pattern is allowed: nothing that fits it is shown; \
             take it out of one of the lists",
            "janua.yaml:7:38: error: servers.a.tools.rename.read_b: \"read_a\" is renamed to the same name",
            "janua.yaml:7:43: error: servers.a.tools.rename.write: has no effect: the rules of allow and deny do not \
             show this tool; rules use the server's own names",
            "janua.yaml:7:55: error: servers.a.tools.rename.read_*: must be the name of one tool, not a pattern",
            "janua.yaml:7:80: error: servers.a.tools.rename.read_c: a tool's name has 1 to 128 letters, digits, `_`, \
             `-`, `.` or `/`",
            "janua.yaml:8:19: error: servers.a.tools.describe.write: has no effect: the rules of allow and deny do not \
             show this tool; rules use the server's own names",
            "janua.yaml:10:3: error: views.a: a server has the same name, and so the same address; rename one of them",
            "janua.yaml:11:18: error: views.b.servers: there is no server \"aa\"; did you mean \"a\"?",
        ]
    );
}

#[test]
fn keys_that_are_there_twice_are_found_in_every_format() {
    let scene = Scene::new();
    let yaml =
        "port: 1\nservers:\n  a: { command: x, command: y }\n  '1': { command: x }\n  '1': { command: y }\nport: 2\n";
    assert_eq!(
        scene.bad("janua.yaml", yaml),
        [
            "janua.yaml:3:20: error: servers.a.command: the key is there twice, first in line 3",
            "janua.yaml:5:3: error: servers.1: the key is there twice, first in line 4",
            "janua.yaml:6:1: error: port: the key is there twice, first in line 1",
        ]
    );
    let json = "{\"port\": 1,\n \"port\": 2}";
    assert_eq!(scene.bad("janua.json", json), ["janua.json:2:2: error: port: the key is there twice, first in line 1"]);
    let toml = scene.bad("janua.toml", "port = 1\nport = 2\n");
    assert!(toml.len() == 1 && toml[0].starts_with("janua.toml:2:1: error: "), "{toml:?}");
}

#[test]
fn a_text_that_does_not_parse_has_a_place() {
    let scene = Scene::new();
    for (name, text, place) in [
        ("a.yaml", "listen: 1\nservers: [\n", "a.yaml:2:10: error: "),
        ("b.yaml", "a: 1\n\tb: 2\n", "b.yaml:1:4: error: "),
        ("c.json", "{\n  \"listen\": }", "c.json:2:13: error: a value is missing here"),
        ("d.json", "{\n  \"listen\": \"x\n}", "d.json:2:13: error: the text in quotes has no end"),
        ("e.json", "{} {}", "e.json:1:4: error: something stands after the end"),
        ("f.json", "{\"a\": 1 /* ", "f.json:1:8: error: the comment has no end"),
        ("g.toml", "a = \n", "g.toml:1:5: error: "),
        ("h.yaml", "- a\n- b\n", "h.yaml:1:1: error: must hold keys, holds a list"),
        ("i.yaml", "a: 1\n---\nb: 2\n", "i.yaml:"),
        ("j.json", "", "j.json:1:1: error: the text ends too early"),
    ] {
        let found = scene.bad(name, text);
        assert!(found.len() == 1 && found[0].starts_with(place), "{name}: {found:?}");
    }
}

#[test]
fn what_could_blow_up_is_refused() {
    let scene = Scene::new();
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(", ");
        bomb.extend([format!("a{level}: &a{level} [{items}]\n")]);
    }
    assert_eq!(scene.bad("bomb.yaml", &bomb).len(), 1);
    let deep = "[".repeat(100_000);
    for name in ["deep.json", "deep.yaml", "deep.toml"] {
        let text = if name == "deep.toml" { format!("a = {deep}") } else { deep.clone() };
        assert_eq!(scene.bad(name, &text).len(), 1, "{name}");
    }
    let entries: Vec<String> = (0..200_000).map(|n| format!("\"ü{n}\":{n}")).collect();
    let line = format!("{{\"history\":{{{}}},\"mcpServers\":{{\"a\":1}}}}", entries.join(","));
    let (_, told) = scene.good("one-line.json", &line);
    let column = line.chars().count() - 2;
    assert_eq!(
        told,
        [format!("one-line.json:1:{column}: warning: mcpServers.a: not served: must be a group of keys, is a number")]
    );
    let large = format!("# {}\n", "x".repeat(1 << 20));
    assert_eq!(scene.bad("large.yaml", &large), ["large.yaml: error: the file is larger than 1 MiB"]);
    scene.write("binary.yaml", [0xff, 0xfe, 0x00]);
    assert_eq!(
        scene.load("binary.yaml").expect_err("binary"),
        ["binary.yaml: error: the file cannot be read: it is not UTF-8"]
    );
    assert_eq!(
        scene.load("none.yaml").expect_err("none"),
        ["none.yaml: error: the file cannot be read: it does not exist"]
    );
}

#[test]
fn anchors_are_read_where_they_stand() {
    let scene = Scene::new();
    let text = "servers:\n  a: &a { command: x, args: [y] }\n  b: *a\n  c: { <<: *a, command: z }\n";
    let (loaded, _) = scene.good("janua.yaml", text);
    let programs: Vec<String> = loaded.settings.servers.values().map(|server| server.server.label()).collect();
    assert_eq!(programs, ["x y", "x y", "z y"]);
}
