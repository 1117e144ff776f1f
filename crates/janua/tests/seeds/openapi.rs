//! The rows about the OpenAPI document: `--schemaDump` of acehoss/mcp-gateway, and what it lacked.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use janua_testkit::gateway::{Gateway, program};
use janua_testkit::peers::valid_openapi;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// The gateway's own program.
const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
const LONG: Duration = Duration::from_secs(60);
/// What a caller of the gateway with authentication shows.
const TOKEN: &str = "tok1";

/// A folder with a file of the older gateway's, under the name that it looked for.
struct Folder(TempDir);

/// What a command left behind.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Folder {
    /// `probe`, more servers, and more sections, as they would be written there.
    fn of(servers: &str, more: &str) -> Folder {
        let folder = TempDir::new().expect("a folder");
        let probe = program("probe");
        let text = format!(
            "hostname: \"127.0.0.1\"\nport: 18400\nservers:\n  probe:\n    command: {}\n    args: []\n{servers}{more}",
            probe.display()
        );
        std::fs::write(folder.path().join("config.yaml"), text).expect("written");
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the gateway's command line with the file at `CONFIG_PATH`.
    async fn run(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(JANUA);
        command.args(words).env("CONFIG_PATH", self.path("config.yaml")).env_remove("JANUA_CONFIG");
        command.current_dir(self.0.path()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LONG, command.output()).await.expect("it ends").expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The gateway of the file.
    async fn serve(&self) -> Gateway {
        let (file, data) = (self.path("config.yaml").display().to_string(), self.path("data").display().to_string());
        Gateway::builder(JANUA).args(&["serve", "-c", &file, "--data-dir", &data, "--port", "0"]).start().await
    }
}

impl Ended {
    /// Standard output of a success, which is JSON and nothing else.
    fn json(self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {}", self.stdout))
    }
}

fn paths(document: &Value) -> Vec<&str> {
    document["paths"].as_object().expect("paths").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn ace_29_the_dump_is_yaml_by_default_and_json_if_asked_for() {
    let folder = Folder::of("", "");
    let document = folder.run(&["serve", "--schemaDump", "--schemaFormat", "json"]).await.json();
    let post = &document["paths"]["/probe/echo"]["post"];
    assert_eq!((&post["operationId"], &post["summary"]), (&json!("probe-echo"), &json!("Call tool: echo")));
    assert_eq!(post["requestBody"]["content"]["application/json"]["schema"]["type"], "object");
    let nameless = &document["paths"]["/probe/bare%2Fname"]["post"];
    assert_eq!((&nameless["operationId"], &nameless["description"]), (&json!("probe-bare_name"), &json!("")));
    let session = &document["paths"]["/sessionid"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(session["required"], json!(["sessionId"]));
    assert_eq!(
        document["info"],
        json!({"title": "MCP Gateway Tools", "version": "1.0.0", "description": document["info"]["description"]})
    );

    let first = folder.run(&["serve", "--schemaDump"]).await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stdout.starts_with("openapi: "), "nothing stands before it: {}", first.stdout);
    for words in [["--schemaFormat", "yaml"], ["--schemaFormat", "toml"]] {
        let ended = folder.run(&["serve", "--schemaDump", words[0], words[1]]).await;
        assert_eq!((ended.code, ended.stdout), (Some(0), first.stdout.clone()), "any other form is YAML: {words:?}");
    }
    std::fs::write(folder.path("dump.yaml"), &first.stdout).expect("written");
    let complaints = valid_openapi(&[&folder.path("dump.yaml")]).await.expect("validators");
    assert_eq!(complaints, "", "the YAML is read by others");
}

#[tokio::test]
async fn ace_30_every_path_of_the_dump_leads_to_its_tool() {
    let auth = format!(
        "auth:\n  basic:\n    enabled: true\n    credentials: [{{username: ann, password: pw}}]\n  bearer:\n    enabled: true\n    tokens: [{TOKEN}]\n"
    );
    let folder = Folder::of("", &auth);
    let gateway = folder.serve().await;
    let words = ["openapi", "-c", "config.yaml", "--json", "--server-url", gateway.base()];
    let document = folder.run(&words).await.json();
    std::fs::write(folder.path("dump.json"), format!("{document:#}")).expect("written");
    let complaints = valid_openapi(&[&folder.path("dump.json")]).await.expect("validators");
    assert_eq!(complaints, "");
    let schemes = json!({"basic": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"}});
    assert_eq!(document["components"]["securitySchemes"], schemes);
    assert_eq!(document["security"], json!([{"basic": []}, {"bearer": []}]));

    let url = document["servers"][0]["url"].as_str().expect("an address").strip_prefix(gateway.base()).expect("ours");
    let client = gateway.client().deadline(LONG).header("authorization", &format!("Bearer {TOKEN}"));
    let session = client.get(&format!("{url}/sessionid"), &[]).await.json()["sessionId"].clone();
    let mut called = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let post = &item["post"];
        if !post["x-mcp-tool"].is_string() {
            continue;
        }
        let parameter = json!({"name": "sessionId", "in": "query", "required": true});
        let shown = &post["parameters"][0];
        let shown = json!({"name": shown["name"], "in": shown["in"], "required": shown["required"]});
        assert_eq!(shown, parameter, "a file of the older gateway's means its sessions");
        let body = post["requestBody"]["content"]["application/json"]["example"].to_string();
        let target = format!("{url}{path}?sessionId={}", session.as_str().expect("an id"));
        let answer = client.post(&target, body, &[("content-type", "application/json")]).await;
        let described = &post["responses"][answer.status.as_str()];
        assert!(described.is_object(), "{path} gives {}: {}", answer.status, answer.text());
        assert!(
            ![401, 405, 504].contains(&answer.status.as_u16()),
            "{path} gives {}: {}",
            answer.status,
            answer.text()
        );
        // The probe lists this one and does not know it.
        let known = post["x-mcp-tool"] != "bare/name";
        assert!(answer.status.as_u16() != 404 || !known, "{path}: {}", answer.text());
        called += 1;
    }
    assert!(called > 15, "{called} tools were called");
}

#[tokio::test]
async fn ace_31_a_dead_server_is_left_out_and_told() {
    let folder = Folder::of("  dead:\n    command: /nowhere/at/all\n    args: []\n", "");
    let ended = folder.run(&["serve", "--schemaDump", "--schemaFormat", "json"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("left out: dead"), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert!(paths(&document).contains(&"/probe/echo") && !paths(&document).contains(&"/dead/echo"));
    assert_eq!(document["x-janua-unavailable"], json!(["dead"]));

    let strict = folder.run(&["openapi", "-c", "config.yaml", "--strict"]).await;
    assert_eq!((strict.code, strict.stdout.as_str()), (Some(1), ""), "{}", strict.stderr);
}

#[tokio::test]
async fn ace_32_the_live_document_is_the_dump() {
    let folder = Folder::of("", &format!("auth:\n  bearer:\n    enabled: true\n    tokens: [{TOKEN}]\n"));
    let gateway = folder.serve().await;
    let client = gateway.client().deadline(LONG).header("authorization", &format!("Bearer {TOKEN}"));
    for (kind, words) in [("json", &["--json"] as &[&str]), ("yaml", &[])] {
        let live = client.get(&format!("/api/openapi.{kind}"), &[]).await;
        assert_eq!(live.status.as_u16(), 200, "{}", live.text());
        let words = [&["openapi", "-c", "config.yaml", "--server-url", gateway.base()], words].concat();
        let dump = folder.run(&words).await;
        assert_eq!((dump.code, dump.stdout), (Some(0), live.text()), "{}", dump.stderr);
    }
    assert_eq!(gateway.client().get("/api/openapi.json", &[]).await.status.as_u16(), 401, "it is not for everybody");
}
