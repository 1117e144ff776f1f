//! The rows of acehoss/mcp-gateway's REST side.

use std::path::Path;
use std::time::{Duration, Instant};

use janua_testkit::client::{Answer, Client};
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::peers::{PeerError, server_filesystem};
use janua_testkit::process::{alive, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
const SOON: Duration = Duration::from_secs(30);
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A gateway of these servers.
async fn serve(folder: &Path, mut settings: Value) -> Gateway {
    settings["data_dir"] = json!(folder.join("data"));
    let file = folder.join("janua.json");
    std::fs::write(&file, settings.to_string()).expect("written");
    Gateway::builder(env!("CARGO_BIN_EXE_janua")).args(&["serve", "--port", "0", "-c"]).arg(&file).start().await
}

fn probe() -> Value {
    json!({"command": program("probe")})
}

/// A gateway with `probe` in it, and with what else the settings say.
async fn probing(more: Value) -> (TempDir, Gateway) {
    let folder = TempDir::new().expect("a folder");
    let mut settings = json!({"servers": {"probe": probe(), "other": probe()}});
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        settings[&name] = value;
    }
    let gateway = serve(folder.path(), settings).await;
    (folder, gateway)
}

fn client(gateway: &Gateway) -> Client {
    gateway.client().deadline(SOON)
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    client(gateway).post(path, body.to_string(), &JSON).await
}

/// What `info` of `probe` says in the session of that name.
async fn info(gateway: &Gateway, server: &str, session: &str) -> Value {
    let answer = post(gateway, &format!("/api/{server}/info?sessionId={session}"), &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.json()["content"][0]["text"].as_str().expect("text")).expect("JSON")
}

fn pid(info: &Value) -> u32 {
    u32::try_from(info["pid"].as_u64().expect("a pid")).expect("a pid")
}

#[tokio::test]
async fn ace_12_a_session_id_is_a_uuid() {
    let (_folder, gateway) = probing(json!({})).await;
    for path in ["/api/sessionid", "/api/sessionid?x=1"] {
        let answer = client(&gateway).get(path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
        let id = answer.json()["sessionId"].as_str().expect("an id").to_owned();
        assert!(id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{id}");
        assert_eq!(answer.json().as_object().map(serde_json::Map::len), Some(1));
    }
    assert_eq!(post(&gateway, "/api/sessionid", &json!({})).await.status, 405);
}

#[tokio::test]
async fn ace_13_a_call_gives_the_result_object() {
    let (_folder, gateway) = probing(json!({})).await;
    let answer = post(&gateway, "/api/probe/echo?sessionId=S", &json!({"text": "hi"})).await;
    assert_eq!(answer.text(), r#"{"content":[{"type":"text","text":"hi"}],"isError":false}"#);
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
}

#[tokio::test]
async fn ace_14_a_session_keeps_its_state_and_is_apart_from_others() {
    let (_folder, gateway) = probing(json!({})).await;
    let first = info(&gateway, "probe", "one").await;
    let second = info(&gateway, "probe", "one").await;
    assert_eq!(pid(&first), pid(&second));
    let seen = |info: &Value| info["seen"].as_array().expect("a list").len();
    assert_eq!(seen(&second), seen(&first) + 1);
    assert_ne!(pid(&info(&gateway, "probe", "two").await), pid(&first));
}

#[tokio::test]
async fn ace_15_a_session_id_may_be_made_up() {
    let (_folder, gateway) = probing(json!({})).await;
    let state = |answer: &Answer| answer.header("mcp-gateway-session").map(str::to_owned);
    for wanted in ["new", "reused"] {
        let answer = post(&gateway, "/api/probe/echo?sessionId=randomSession12345", &json!({"text": "x"})).await;
        assert_eq!((answer.status.as_u16(), state(&answer).as_deref()), (200, Some(wanted)), "{}", answer.text());
    }
    let long = "x".repeat(129);
    for bad in ["a%20b", "a/b", &long] {
        let answer = post(&gateway, &format!("/api/probe/echo?sessionId={bad}"), &json!({"text": "x"})).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn ace_16_one_id_at_two_servers_is_two_sessions() {
    let (_folder, gateway) = probing(json!({})).await;
    let here = info(&gateway, "probe", "same").await;
    let there = info(&gateway, "other", "same").await;
    assert_ne!(pid(&here), pid(&there));
    assert_eq!(pid(&info(&gateway, "probe", "same").await), pid(&here));
}

/// A server that answers calls only after the whole handshake.
const STRICT: &str = r#"
ready=no
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    case "$line" in
    *'"method":"initialize"'*)
        printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"strict","version":"1"}}}\n' "$id" ;;
    *'"notifications/initialized"'*) ready=yes ;;
    *'"method":"tools/list"'*)
        printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
    *'"method":"tools/call"'*)
        if [ $ready = yes ]; then
            printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"ready"}]}}\n' "$id"
        fi ;;
    *'"id"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    esac
done
"#;

#[tokio::test]
async fn ace_17_a_session_begins_with_a_handshake() {
    let folder = TempDir::new().expect("a folder");
    let script = folder.path().join("strict.sh");
    std::fs::write(&script, STRICT).expect("written");
    let servers = json!({"strict": {"command": "sh", "args": [script]}, "probe": probe()});
    let gateway = serve(folder.path(), json!({"servers": servers})).await;
    let answer = post(&gateway, "/api/strict/t?sessionId=s", &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["content"][0]["text"]), (200, &json!("ready")));
    info(&gateway, "probe", "s").await;
    let seen = info(&gateway, "probe", "s").await["seen"].clone();
    let methods: Vec<&str> = seen.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let opened = methods.iter().filter(|method| method.starts_with("initialize")).count();
    assert!(methods[0].starts_with("initialize") && opened == 1, "{methods:?}");
    assert_eq!(methods[1], "notifications/initialized", "{methods:?}");
}

#[tokio::test]
async fn ace_18_calls_of_one_session_run_at_once() {
    let (_folder, gateway) = probing(json!({})).await;
    let slow = |seconds: f64| {
        let gateway = &gateway;
        async move {
            let answer = post(gateway, "/api/probe/slow?sessionId=s", &json!({"s": seconds})).await;
            (answer.json()["content"][0]["text"].clone(), Instant::now())
        }
    };
    let ((long, end), (short, earlier)) = tokio::join!(slow(1.0), slow(0.3));
    assert_eq!((long, short), (json!("slept"), json!("slept")));
    assert!(earlier < end, "the short call waited for the long one");
    let calls = (0..200).map(|number| {
        let gateway = &gateway;
        async move {
            let text = format!("number {number}");
            let answer = post(gateway, "/api/probe/echo?sessionId=s", &json!({"text": text})).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["content"][0]["text"]), (200, &json!(text)));
        }
    });
    futures_join(calls).await;
}

/// Waits for all of them at once.
async fn futures_join(calls: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        calls.retain_mut(|call| call.as_mut().poll(cx).is_pending());
        if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn ace_19_what_is_wrong_with_an_address_is_said() {
    let (_folder, gateway) = probing(json!({"rest": {"sessions": "required"}})).await;
    for (path, status, text) in [
        ("/api/probe/echo", 400, "sessionId query parameter is required"),
        ("/api/probe/echo?sessionId=", 400, "sessionId query parameter is required"),
        ("/api/nope/echo?sessionId=s", 404, "Server not found"),
        ("/api/probe/echo/more?sessionId=s", 404, "Invalid REST route"),
        ("/api/probe/tools/more?sessionId=s", 404, "Invalid REST route"),
    ] {
        let answer = post(&gateway, path, &json!({"text": "x"})).await;
        let said = answer.json();
        assert_eq!((answer.status.as_u16(), &said["message"]), (status, &json!(text)), "{path}");
    }
}

#[tokio::test]
async fn ace_20_a_bad_body_is_refused_and_an_empty_one_means_no_arguments() {
    let (_folder, gateway) = probing(json!({})).await;
    for bad in ["{bad", "[1]", "\"text\"", "{\"a\":1}{}", "{\"a\":1},\"name\":\"crash\"", "{\"a\":1,\"a\":2}", "\u{0}"]
    {
        let answer = client(&gateway).post("/api/probe/info?sessionId=s", bad, &JSON).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
    }
    for empty in ["", "  \n", "{}"] {
        let answer = client(&gateway).post("/api/probe/raw?sessionId=s", empty, &JSON).await;
        assert_eq!(answer.status, 200, "{empty:?}: {}", answer.text());
        let sent: Value =
            serde_json::from_str(answer.json()["content"][0]["text"].as_str().expect("text")).expect("JSON");
        assert_eq!(sent["params"]["arguments"], json!({}));
    }
}

#[tokio::test]
async fn ace_21_a_tools_failure_is_a_result_and_an_error_is_the_error_object() {
    let wanted = json!({"code": -32602, "message": "bad params", "data": {"x": 1}});
    for (settings, status) in [(json!({}), 400), (json!({"rest": {"error_status": false}}), 200)] {
        let (_folder, gateway) = probing(settings).await;
        let failed = post(&gateway, "/api/probe/echo?sessionId=s", &json!({})).await;
        assert_eq!((failed.status.as_u16(), &failed.json()["isError"]), (200, &json!(true)), "{}", failed.text());
        let error = post(&gateway, "/api/probe/rpcerror?sessionId=s", &json!({})).await;
        assert_eq!((error.status.as_u16(), error.json()), (status, wanted.clone()));
        assert_eq!(error.header("content-type"), Some("application/json"));
        let unknown = post(&gateway, "/api/probe/nonesuch?sessionId=s", &json!({})).await;
        let unknown_status = if status == 200 { 200 } else { 404 };
        assert_eq!((unknown.status.as_u16(), &unknown.json()["code"]), (unknown_status, &json!(-32602)));
    }
}

#[tokio::test]
async fn ace_22_the_example_of_the_readme() -> Result<(), PeerError> {
    let folder = TempDir::new().expect("a folder");
    let allowed = folder.path().join("allowed");
    std::fs::create_dir_all(allowed.join("sub")).expect("made");
    std::fs::write(allowed.join("a.txt"), "a").expect("written");
    let mut words = server_filesystem(&allowed)?;
    let command = words.remove(0);
    let settings = json!({"servers": {"filesystem": {"command": command, "args": words}}});
    let gateway = serve(folder.path(), settings).await;
    let id = client(&gateway).get("/api/sessionid", &[]).await.json()["sessionId"].clone();
    let path = format!("/api/filesystem/directory_tree?sessionId={}", id.as_str().expect("an id"));
    let answer = post(&gateway, &path, &json!({"path": allowed})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tree = answer.json()["content"][0]["text"].as_str().expect("text").to_owned();
    let tree: Value = serde_json::from_str(&tree).expect("JSON");
    assert_eq!(tree[0], json!({"name": "a.txt", "type": "file"}), "{tree}");
    Ok(())
}

#[tokio::test]
async fn ace_23_a_session_ends_some_time_after_its_last_call() {
    let (_folder, gateway) = probing(json!({"limits": {"rest_idle": "2s"}})).await;
    let child = pid(&info(&gateway, "probe", "s").await);
    assert!(alive(child));
    let slow = post(&gateway, "/api/probe/slow?sessionId=s", &json!({"s": 4})).await;
    assert_eq!(slow.json()["content"][0]["text"], json!("slept"), "a call outlives the limit: {}", slow.text());
    assert!(eventually(SOON, || !alive(child)).await, "the session did not end");
    let again = post(&gateway, "/api/probe/info?sessionId=s", &json!({})).await;
    assert_eq!(again.header("mcp-gateway-session"), Some("new"));
}

#[tokio::test]
async fn ace_24_the_death_of_a_child_is_an_error_and_the_next_call_works() {
    let (_folder, gateway) = probing(json!({})).await;
    let before = pid(&info(&gateway, "probe", "s").await);
    let crashed = post(&gateway, "/api/probe/crash?sessionId=s", &json!({})).await;
    assert_eq!(crashed.status, 502, "{}", crashed.text());
    let after = post(&gateway, "/api/probe/echo?sessionId=s", &json!({"text": "again"})).await;
    assert_eq!((after.status.as_u16(), after.header("mcp-gateway-session")), (200, Some("new")), "{}", after.text());
    assert_ne!(pid(&info(&gateway, "probe", "s").await), before);
}

#[tokio::test]
async fn ace_36_a_tools_name_may_hold_a_slash_or_a_blank() {
    let (_folder, gateway) = probing(json!({})).await;
    let unknown = |answer: &Answer| answer.json()["message"].as_str().unwrap_or_default().to_owned();
    for path in ["/api/probe/bare%2Fname?sessionId=s", "/api/probe/bare/name?sessionId=s"] {
        let answer = post(&gateway, path, &json!({})).await;
        // The server does not do anything under that name, but says which it was asked for.
        assert!(unknown(&answer).contains("bare/name"), "{path}: {}", answer.text());
    }
    let blank = post(&gateway, "/api/probe/two%20words?sessionId=s", &json!({})).await;
    assert!(unknown(&blank).contains("two words"), "{}", blank.text());
}

#[tokio::test]
async fn ace_37_a_tool_is_called_with_post() {
    let (_folder, gateway) = probing(json!({})).await;
    for method in [http::Method::GET, http::Method::PUT, http::Method::DELETE, http::Method::PATCH] {
        let answer = client(&gateway).send(method.clone(), "/api/probe/echo?sessionId=s", "", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")), "{method}");
    }
    let options = client(&gateway).send(http::Method::OPTIONS, "/api/probe/echo", "", &[]).await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, Some("POST")));
}
