//! mcpo's command line, addresses and answers against the built program, beside mcpo itself where that is right.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::{Method, StatusCode};
use janua_testkit::client::{Answer, Client};
use janua_testkit::gateway::{self, Gateway};
use janua_testkit::peers::{HttpMode, Mcpo, Served, forms, valid_openapi};
use janua_testkit::upstream::streamable::StreamableServer;
use serde_json::{Value, json};
use tokio::process::Command;

const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
const LONG: Duration = Duration::from_secs(30);
const KEY: (&str, &str) = ("authorization", "Bearer sesame");

fn program(name: &str) -> String {
    gateway::program(name).to_str().expect("a path that is text").to_owned()
}

async fn start(words: &[&str]) -> Gateway {
    let builder = Gateway::builder(JANUA).args(&["compat", "mcpo", "--host", "127.0.0.1", "--port", "0"]).args(words);
    builder.env("PROBE_X", "ours").start().await
}

/// The words that start the server with all forms of answers.
fn forms_words() -> Vec<String> {
    let words = forms().expect("installed");
    words.iter().map(|word| word.to_str().expect("text").to_owned()).collect()
}

async fn start_forms(options: &[&str]) -> Gateway {
    let server = forms_words();
    let words: Vec<&str> = options.iter().copied().chain(["--"]).chain(server.iter().map(String::as_str)).collect();
    start(&words).await
}

/// A file with servers in a folder of its own.
fn file(servers: &Value) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.json");
    write(&path, servers);
    let path = path.to_str().expect("a path that is text").to_owned();
    (folder, path)
}

fn write(path: &Path, servers: &Value) {
    std::fs::write(path, json!({ "mcpServers": servers }).to_string()).expect("written");
}

async fn post(client: &Client, path: &str, body: &str) -> (u16, Value) {
    seen(&client.post(path, body.to_owned(), &[]).await)
}

fn seen(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), serde_json::from_str(&answer.text()).unwrap_or(Value::Null))
}

/// Bodies for `/form` whose answers are mcpo's: what results and errors look like.
const SAME_FORMS: [&str; 15] = [
    "text",
    "json",
    "number",
    "null",
    "float",
    "big",
    "empty",
    "two",
    "none",
    "image",
    "captioned",
    "-32700",
    "-32601",
    "-32602",
    "-32000",
];

/// Requests whose answers are mcpo's.
const SAME: [(&str, &str, &str); 20] = [
    ("POST", "/add", r#"{"a": 1, "b": 2.5, "s": "x", "l": [1], "o": {"k": "v"}, "r": {"z": 3}, "x": {"y": 1}}"#),
    ("POST", "/add", r#"{"a": 1, "b": "3"}"#),
    ("POST", "/add", r#"{"a": "5", "b": 1.5}"#),
    ("POST", "/add", r#"{"a": true, "b": 1.5}"#),
    ("POST", "/add", "{}"),
    ("POST", "/add", r#"{"a": "x"}"#),
    ("POST", "/add", r#"{"a": 5.5}"#),
    ("POST", "/add", r#"{"a": 1, "s": 5}"#),
    ("POST", "/add", r#"{"a": 1, "u": 4}"#),
    ("POST", "/add", r#"{"a": 1, "l": ["q"]}"#),
    ("POST", "/add", r#"{"a": 1, "o": {}}"#),
    ("POST", "/add", r#"{"a": 1, "r": {"z": "w"}}"#),
    ("POST", "/add", "[1]"),
    ("POST", "/add", "\"x\""),
    ("POST", "/no_args", ""),
    ("POST", "/bare/name", r#"{"v": "1"}"#),
    ("POST", "/bare%2Fname", r#"{"v": "1"}"#),
    ("GET", "/add", ""),
    ("DELETE", "/add", ""),
    ("POST", "/nothing", "{}"),
];

/// mcpo fills in what a schema says is usual if it is not given, which is the server's affair here.
fn without_defaults(mut answer: (u16, Value)) -> (u16, Value) {
    if let Some(Value::Object(given)) = answer.1.get_mut("arguments") {
        given.remove("b");
    }
    answer
}

#[tokio::test]
async fn answers_are_those_of_mcpo() {
    let server = forms_words();
    let words: Vec<&str> = std::iter::once("--").chain(server.iter().map(String::as_str)).collect();
    let theirs = Mcpo::start(&words).await.expect("installed");
    let theirs = Client::new(theirs.base());
    let ours = start_forms(&[]).await;
    let ours = ours.client();
    let forms = SAME_FORMS.map(|kind| ("POST", "/form", json!({ "kind": kind }).to_string()));
    let others = SAME.map(|(method, path, body)| (method, path, body.to_owned()));
    for (method, path, body) in forms.into_iter().chain(others) {
        let method: Method = method.parse().expect("a method");
        let kind = [("content-type", "application/json")];
        let wanted = theirs.send(method.clone(), path, body.clone(), &kind).await;
        let given = ours.send(method, path, body.clone(), &kind).await;
        assert_eq!(without_defaults(seen(&given)), without_defaults(seen(&wanted)), "{path} {body}");
        assert_eq!(given.header("content-type"), wanted.header("content-type"), "{path} {body}");
        assert_eq!(given.header("allow"), wanted.header("allow"), "{path} {body}");
    }
}

#[tokio::test]
async fn what_mcpo_loses_or_confuses_is_answered() {
    let gateway = start_forms(&[]).await;
    let client = gateway.client();
    let failed = json!({"detail": {"message": "it broke"}});
    for (kind, wanted) in [
        ("audio", (200, json!("data:audio/wav;base64,aGk="))),
        ("resource", (200, json!("body"))),
        ("link", (200, json!({"type": "resource_link", "uri": "x://y", "name": "y"}))),
        ("failed", (500, failed)),
    ] {
        assert_eq!(post(&client, "/form", &json!({ "kind": kind }).to_string()).await, wanted, "{kind}");
    }
    assert_eq!(post(&client, "/structured", r#"{"q": "only"}"#).await, (200, json!({"n": 1})));
    // A body that is no JSON is refused whatever the tool takes, and where it breaks off is said.
    let (status, said) = post(&client, "/no_args", "{bad").await;
    assert_eq!((status, &said["detail"][0]["type"]), (422, &json!("json_invalid")));
    assert_eq!(said["detail"][0]["loc"], json!(["body", 1]));
    // What was given is not thrown away where the schema lets it be.
    let (_, echoed) = post(&client, "/add", r#"{"a": 1, "x": null, "more": [null]}"#).await;
    assert_eq!(echoed["arguments"], json!({"a": 1, "x": null, "more": [null]}));
    // A body as it is, whatever is said to be in it: numbers keep their digits.
    let text = r#"{"a": 12345678901234567890123, "x": 1.10}"#;
    let answer = client.post("/add", text, &[("content-type", "text/plain")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.text().contains("12345678901234567890123"), "{}", answer.text());
}

#[tokio::test]
async fn a_server_that_ends_is_there_for_the_next_call() {
    let gateway = start_forms(&[]).await;
    let client = gateway.client();
    let (status, said) = post(&client, "/form", r#"{"kind": "die"}"#).await;
    assert_eq!(status, 502, "{said}");
    assert!(said["detail"]["message"].as_str().is_some_and(|text| text.contains("code 3")), "{said}");
    assert_eq!(post(&client, "/form", r#"{"kind": "text"}"#).await, (200, json!("hello")));
    let nowhere = start(&["--", "/no/such/program"]).await;
    let (status, said) = post(&nowhere.client(), "/form", "{}").await;
    assert_eq!(status, 503, "{said}");
    assert!(said["detail"]["message"].as_str().is_some_and(|text| text.contains("no such file")), "{said}");
}

/// The members of a description that clients use: Open WebUI shows tools by `operationId`, and sends the request body.
#[tokio::test]
async fn descriptions_have_the_names_that_mcpo_gives() {
    let server = forms_words();
    let words: Vec<&str> = ["--api-key", "sesame", "--"].into_iter().chain(server.iter().map(String::as_str)).collect();
    let theirs = Mcpo::start(&words).await.expect("installed");
    let theirs = Client::new(theirs.base()).get("/openapi.json", &[]).await.json();
    let gateway = start_forms(&["--api-key", "sesame"]).await;
    let ours = gateway.client().get("/openapi.json", &[]).await.json();
    assert_eq!(ours["info"], theirs["info"]);
    assert_eq!(ours["components"]["securitySchemes"], theirs["components"]["securitySchemes"]);
    let paths = |document: &Value| document["paths"].as_object().expect("paths").clone();
    assert_eq!(paths(&ours).keys().collect::<Vec<_>>(), paths(&theirs).keys().collect::<Vec<_>>());
    for (path, theirs) in paths(&theirs) {
        let (ours, theirs) = (&ours["paths"][&path]["post"], &theirs["post"]);
        for member in ["operationId", "summary", "description", "requestBody", "security"] {
            assert_eq!(ours[member], theirs[member], "{path} {member}");
        }
    }
    let add = &ours["components"]["schemas"]["add_form_model"];
    assert_eq!((&add["required"], &add["properties"]["a"]["type"]), (&json!(["a"]), &json!("integer")));
    let part = add["properties"]["r"]["$ref"].as_str().expect("a reference");
    let pointer = part.strip_prefix('#').expect("a reference within the document");
    assert_eq!(ours.pointer(pointer).expect("what it refers to")["required"], json!(["z"]));
    let folder = tempfile::tempdir().expect("a folder");
    let document = folder.path().join("openapi.json");
    // One of the validators takes a text of one line for the name of a file.
    std::fs::write(&document, format!("{ours:#}")).expect("written");
    assert_eq!(valid_openapi(&[&document]).await.expect("installed"), "");
}

#[tokio::test]
async fn servers_of_a_file_are_at_their_names() {
    let probe = program("probe");
    let (_folder, path) = file(&json!({
        "one": {"command": probe, "args": ["a"], "disabledTools": ["crash"], "env": {"PROBE_XY": "own"}},
        "api": {"command": probe, "args": ["b"], "disabled_tools": ["echo"]},
        "gone": {"command": "/no/such/program"},
    }));
    let gateway = start(&["--path-prefix", "tools", "--root-path", "/front", "-n", "All", "-c", &path]).await;
    let client = gateway.client();
    for (path, wanted) in [
        ("/tools/one/echo", (200, json!("hi"))),
        ("/front/tools/one/echo", (200, json!("hi"))),
        ("/tools/one/crash", (404, json!({"detail": "Not Found"}))),
        ("/tools/api/echo", (404, json!({"detail": "Not Found"}))),
        ("/tools/none/echo", (404, json!({"detail": "Not Found"}))),
        ("/one/echo", (404, json!({"detail": "Not Found"}))),
        ("/echo", (404, json!({"detail": "Not Found"}))),
        ("/tools/one", (404, json!({"detail": "Not Found"}))),
        ("/admin/v1/status", (404, json!({"detail": "Not Found"}))),
    ] {
        assert_eq!(post(&client, path, r#"{"text": "hi"}"#).await, wanted, "{path}");
    }
    let (_, info) = post(&client, "/tools/one/info", "").await;
    assert_eq!((&info["argv"], &info["probe_env"]), (&json!(["a"]), &json!({"PROBE_X": "ours", "PROBE_XY": "own"})));
    let (_, info) = post(&client, "/tools/api/info", "").await;
    assert_eq!(info["argv"], json!(["b"]));
    let all = client.get("/openapi.json", &[]).await.json();
    assert_eq!((&all["info"]["title"], &all["paths"]), (&json!("All"), &json!({})));
    let said = all["info"]["description"].as_str().expect("a description");
    assert!(said.contains("[one](/front/tools/one/docs)"), "{said}");
    let one = client.get("/tools/one/openapi.json", &[]).await.json();
    assert_eq!(one["servers"], json!([{"url": "/front/tools/one"}]));
    assert!(one["paths"].get("/echo").is_some() && one["paths"].get("/crash").is_none(), "{one}");
}

#[tokio::test]
async fn pages_show_the_descriptions_beside_them() {
    let probe = program("probe");
    let (_folder, path) = file(&json!({ "one": {"command": probe} }));
    let gateway = start(&["--config", &path]).await;
    let client = gateway.client();
    for place in ["", "/one"] {
        let page = client.get(&format!("{place}/docs"), &[]).await;
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{place}");
        assert!(page.text().contains("data-url=\"openapi.json\""), "{}", page.text());
        assert!(page.text().contains("src=\"docs/-/start.js\""), "{}", page.text());
        let script = client.get(&format!("{place}/docs/-/start.js"), &[]).await;
        assert_eq!(
            (script.status, script.header("content-type")),
            (StatusCode::OK, Some("text/javascript; charset=utf-8"))
        );
    }
    assert_eq!(client.get("/none/docs", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.post("/docs", "", &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// What the original answers to these headers, on a tool and on its description.
#[tokio::test]
async fn the_key_protects_what_mcpo_protects_with_it() {
    let basic = |pair: &str| format!("Basic {}", encoded(pair));
    let (password, wrong) = (basic("anybody:sesame"), basic("anybody:guess"));
    let missing = "Missing or invalid Authorization header";
    for strict in [false, true] {
        let options: &[&str] = if strict { &["-k", "sesame", "--strict-auth"] } else { &["-k", "sesame"] };
        let gateway = start_forms(options).await;
        let client = gateway.client();
        let unstrict = |at_strict: (u16, &'static str)| if strict { at_strict } else { (401, missing) };
        for (header, (status, said)) in [
            (None, (401, missing)),
            (Some("Bearer guess"), (403, "Invalid API key")),
            (Some("Bearer sesame"), (200, "")),
            (Some("bearer sesame"), (200, "")),
            (Some(password.as_str()), unstrict((200, ""))),
            (Some(wrong.as_str()), unstrict((403, "Invalid credentials"))),
            (Some("Basic !!"), unstrict((401, "Invalid Basic Authentication format"))),
            (Some("Digest x"), unstrict((401, "Unsupported authorization method"))),
        ] {
            let headers: Vec<(&str, &str)> = header.map(|value| ("authorization", value)).into_iter().collect();
            let answer = client.post("/no_args", "", &headers).await;
            assert_eq!(answer.status.as_u16(), status, "{header:?} strict: {strict}");
            if status != 200 {
                assert_eq!(answer.json(), json!({ "detail": said }), "{header:?} strict: {strict}");
            }
            let challenge = if strict { "Bearer, Basic" } else { "Bearer" };
            assert_eq!(answer.header("www-authenticate"), (status == 401).then_some(challenge), "{header:?}");
        }
        for path in ["/openapi.json", "/docs", "/nothing"] {
            let open = if path == "/nothing" { 404 } else { 200 };
            assert_eq!(client.get(path, &[]).await.status.as_u16(), if strict { 401 } else { open }, "{path}");
            assert_eq!(client.get(path, &[KEY]).await.status.as_u16(), open, "{path}");
        }
        // What mcpo does not have is behind the key in any case.
        assert_eq!(client.post("/mcp", "{}", &[]).await.status, StatusCode::UNAUTHORIZED);
        let session = client.header(KEY.0, KEY.1).initialize("2025-06-18", "{}").await;
        assert_eq!(session.call("form", r#"{"kind": "text"}"#).await.text(), "hello");
    }
}

/// Base64 of a text, by hand: the tests do not take the product's word for it.
fn encoded(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(ALPHABET[(bits & 63) as usize]);
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        let digits = [18, 12, 6, 0].map(|shift| digit(bits >> shift));
        out.extend(digits.iter().take(chunk.len() + 1));
        out.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    out
}

#[tokio::test]
async fn all_callers_share_one_server() {
    let gateway = start(&["--", &program("probe")]).await;
    let client = gateway.client();
    let (_, one) = post(&client, "/info", "").await;
    let (_, other) = post(&Client::new(gateway.base()), "/info", "").await;
    assert!(one["pid"].is_u64() && one["pid"] == other["pid"], "{one} {other}");
    let session = client.initialize("2025-06-18", "{}").await;
    let info: Value = serde_json::from_str(session.call("info", "{}").await.text()).expect("JSON");
    assert_eq!(info["pid"], one["pid"]);
}

#[tokio::test]
async fn variables_come_from_the_line_and_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let variables = folder.path().join("variables");
    std::fs::write(&variables, "PROBE_X=file\nPROBE_XA=file\nPROBE_XB=file\n").expect("written");
    let variables = variables.to_str().expect("text");
    let probe = program("probe");
    let gateway = start(&["-e", "PROBE_XB=line", "--env-path", variables, "--env", "PROBE_XC=a=b", "--", &probe]).await;
    let (_, info) = post(&gateway.client(), "/info", "").await;
    let wanted = json!({"PROBE_X": "ours", "PROBE_XA": "file", "PROBE_XB": "line", "PROBE_XC": "a=b"});
    assert_eq!(info["probe_env"], wanted);
}

#[tokio::test]
async fn remote_servers_are_reached_in_the_way_that_is_named() {
    for (mode, kind) in [(HttpMode::Streamable, "streamablehttp"), (HttpMode::Sse, "sse")] {
        let served = Served::everything(mode).await.expect("installed");
        let gateway = start(&["--server-type", kind, "--", served.url()]).await;
        let (status, said) = post(&gateway.client(), "/echo", r#"{"message": "hi"}"#).await;
        assert_eq!((status, said), (200, json!("Echo: hi")), "{kind}");
    }
    let server = StreamableServer::builder().on("tools/list", r#"{"tools":[]}"#).start().await;
    let header = r#"{"X-One": "1", "Authorization": "Bearer t0ken"}"#;
    let gateway = start(&["--type", "streamable-http", "--header", header, "--", &server.url()]).await;
    assert_eq!(post(&gateway.client(), "/nothing", "{}").await.0, 404);
    let seen = server.site.seen();
    assert!(!seen.is_empty());
    for request in seen {
        assert_eq!((request.header("x-one"), request.header("authorization")), (Some("1"), Some("Bearer t0ken")));
    }
}

#[tokio::test]
async fn a_file_that_changes_is_followed_if_that_is_wanted() {
    let probe = program("probe");
    let (_folder, path) = file(&json!({ "one": {"command": probe} }));
    let gateway = start(&["--hot-reload", "--config", &path]).await;
    let client = gateway.client();
    let (_, before) = post(&client, "/one/info", "").await;
    write(Path::new(&path), &json!({ "one": {"command": probe}, "two": {"command": probe, "args": ["new"]} }));
    let mut info = Value::Null;
    let deadline = tokio::time::Instant::now() + LONG;
    while info.is_null() && tokio::time::Instant::now() < deadline {
        let (status, said) = post(&client, "/two/info", "").await;
        if status == 200 {
            info = said;
        }
    }
    assert_eq!(info["argv"], json!(["new"]));
    let (_, after) = post(&client, "/one/info", "").await;
    assert_eq!(before["pid"], after["pid"], "what is defined as before is not touched");
}

#[tokio::test]
async fn pages_of_any_origin_may_call_unless_some_are_named() {
    for (options, origin, shared) in [
        (&[][..], "http://any.test", true),
        (&["--cors-allow-origins", "http://a.test", "--cors-allow-origins", "http://b.test"], "http://b.test", true),
        (&["--cors-allow-origins", "http://a.test"], "http://c.test", false),
    ] {
        let gateway = start_forms(options).await;
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization"),
        ];
        let answer = gateway.client().send(Method::OPTIONS, "/no_args", "", &asked).await;
        assert_eq!(answer.header("access-control-allow-origin"), shared.then_some(origin), "{options:?}");
        let called = gateway.client().post("/no_args", "", &[("origin", origin)]).await;
        assert_eq!(called.status == StatusCode::OK, shared, "{options:?}: {}", called.text());
    }
}

#[tokio::test]
async fn what_is_not_supported_is_a_usage_error_with_advice() {
    let (_folder, signed_in) = file(&json!({ "one": {"url": "http://127.0.0.1:1/mcp", "oauth": {"server_url": "x"}} }));
    for (words, advice) in [
        (&[][..], "--config"),
        (&["--ssl-certfile", "c.pem", "--ssl-keyfile", "k.pem", "--", "srv"], "TLS"),
        (&["--strict-auth", "--", "srv"], "--api-key"),
        (&["--type", "pigeon", "--", "srv"], "pigeon"),
        (&["--type", "sse", "--", "no-url"], "no-url"),
        (&["--header", "X: 1", "--type", "sse", "--", "http://127.0.0.1:1/"], "JSON object"),
        (&["--env", "A", "--", "srv"], "NAME=VALUE"),
        (&["--env-path", "/no/such/file", "--", "srv"], "/no/such/file"),
        (&["-c", &signed_in], "mcpServers.one.oauth"),
        (&["-c", "/no/such/file"], "/no/such/file"),
    ] {
        let mut command = Command::new(JANUA);
        command.args(["compat", "mcpo", "--port", "0"]).args(words).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LONG, command.output()).await.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(advice), "{words:?}: {said}");
    }
}
