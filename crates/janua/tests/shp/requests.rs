//! One request, one answer: routes, statuses, ids, sizes.

use http::{Method, StatusCode};
use janua_testkit::client::message::{call_params, initialize_params, quoted, request};
use janua_testkit::client::{Client, JSON_POST};
use janua_testkit::gateway::{self, Gateway};
use janua_testkit::peers::{server_everything, server_time};
use serde_json::json;

use crate::started::{LONG, VERSION, hostile, info, probe, session, tool};

/// Whatever speaks MCP over stdio: a scripted server, one in Python, one in JavaScript.
#[tokio::test]
async fn shp_01_any_stdio_server_is_wrapped() {
    let ours = vec![gateway::program("probe").display().to_string()];
    let python = server_time().expect("installed");
    let node = server_everything().expect("installed");
    for (command, tool_name) in [(ours, "echo"), (python, "get_current_time"), (node, "echo")] {
        let gateway = tool().args(&["--port", "0"]).args(&command).start().await;
        let session = session(&gateway).await;
        let listed = session.request("tools/list", "").await;
        let tools = listed.result()["tools"].as_array().expect("a list");
        assert!(tools.iter().any(|tool| tool["name"] == tool_name), "{command:?}: {}", listed.raw());
    }
}

#[tokio::test]
async fn shp_02_initialize_gives_json_and_a_session() {
    let gateway = probe(&[]).await;
    let body = request("1", "initialize", &initialize_params(VERSION, "{}"));
    let answer = gateway.client().post("/mcp", body, &JSON_POST).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let id = answer.header("mcp-session-id").expect("a session id");
    assert!(id.len() >= 16 && id.bytes().all(|b| b.is_ascii_graphic()), "{id}");
    let message = answer.message();
    assert!(message.answers("1"), "{}", answer.text());
    assert_eq!(message.result()["serverInfo"]["name"], "probe");
    assert_eq!(message.result()["protocolVersion"], VERSION);
}

#[tokio::test]
async fn shp_03_requests_in_a_session() {
    let gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let listed = session.request("tools/list", "").await;
    assert_eq!(listed.status, StatusCode::OK);
    assert!(!listed.result()["tools"].as_array().expect("a list").is_empty());
    let echo = call_params("echo", r#"{"text":"hi"}"#);
    for id in ["\"abc\"", "\"7\"", "7", "9007199254740993", "-1"] {
        let reply = session.request_id(id, "tools/call", &echo).await;
        assert_eq!((reply.text(), reply.response().id().as_deref()), ("hi", Some(id)));
        let repeated = reply.headers.get("mcp-session-id").and_then(|value| value.to_str().ok());
        assert_eq!(repeated, session.id.as_deref(), "the session header is repeated");
    }
    let unknown = session.request("no/such", "").await;
    assert_eq!((unknown.status, unknown.error_code()), (StatusCode::OK, Some(-32601)));
    let refused = session.call("rpcerror", "{}").await;
    assert_eq!(refused.response().at("/error"), &json!({"code": -32602, "message": "bad params", "data": {"x": 1}}));
}

#[tokio::test]
async fn shp_04_a_final_slash_makes_no_difference() {
    let gateway = probe(&[]).await;
    let client = Client::new(&gateway.url("/mcp/"));
    let session = client.initialize(VERSION, "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    drop(session.listen().await);
    assert!(session.delete().await.status.is_success());
}

#[tokio::test]
async fn shp_05_health() {
    let gateway = tool()
        .args(&["--port", "0"])
        .arg(gateway::program("probe"))
        .args(&["--api-key", "sesame", "--token=sesame", "plain"])
        .start()
        .await;
    let before = gateway.client().get("/health", &[]).await;
    assert_eq!(before.json()["active_sessions"], 0);
    let _session = session(&gateway).await;
    let health = gateway.client().get("/health", &[]).await;
    assert_eq!((health.status, health.header("content-type")), (StatusCode::OK, Some("application/json")));
    let health = health.json();
    assert_eq!((&health["status"], &health["active_sessions"]), (&json!("healthy"), &json!(1)));
    let command = health["server_command"].as_str().expect("text");
    assert!(command.contains("probe") && command.ends_with("plain") && !command.contains("sesame"), "{command}");
}

#[tokio::test]
async fn shp_09_a_missing_session_is_400_and_an_unknown_one_404() {
    let gateway = probe(&[]).await;
    let body = request("\"q\"", "tools/list", "");
    let missing = gateway.client().post_json(body.clone()).await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    let text = "Session ID required. Please include Mcp-Session-Id header from initialize response.";
    assert_eq!(missing.json()["error"], json!({"code": -32002, "message": text}));
    let headers = [JSON_POST[0], JSON_POST[1], ("mcp-session-id", "gone")];
    let unknown = gateway.client().post("/mcp", body, &headers).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let text = "Invalid session ID: gone. Session may have expired or does not exist.";
    assert_eq!(unknown.json()["error"], json!({"code": -32002, "message": text}));
    for answer in [missing, unknown] {
        assert_eq!((&answer.json()["id"], answer.header("mcp-session-id")), (&json!("q"), None));
    }
}

#[tokio::test]
async fn shp_10_a_session_is_initialized_once() {
    let gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let again = session.post(request("5", "initialize", &initialize_params(VERSION, "{}"))).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(again.json()["error"]["message"], "Session already initialized");
    assert_eq!(again.json()["id"], 5);
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert_eq!(gateway.client().get("/health", &[]).await.json()["active_sessions"], 1);
}

#[tokio::test]
async fn shp_11_a_notification_stays_one() {
    let gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let answer = session.notify("notifications/roots/list_changed", "").await;
    assert_eq!((answer.status, answer.text()), (StatusCode::ACCEPTED, String::new()));
    let seen = info(&session).await["seen"].clone();
    let seen: Vec<_> = seen.as_array().expect("a list").iter().map(|line| line.as_str().expect("text")).collect();
    let wanted = ["initialize#", "notifications/initialized", "notifications/roots/list_changed", "tools/call#"];
    let bare: Vec<_> = seen.iter().map(|line| line.find('#').map_or(*line, |at| &line[..=at])).collect();
    assert_eq!(bare, wanted, "nothing is invented, nothing is lost");
}

#[tokio::test]
async fn shp_13_what_is_no_request_is_400() {
    let gateway = probe(&[]).await;
    let bad_id = r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#;
    let no_version = r#"{"id":1,"method":"ping"}"#;
    let session = session(&gateway).await;
    for (body, code) in [
        ("{bad", -32700),
        ("", -32700),
        ("\"str\"", -32600),
        ("{}", -32600),
        ("12", -32600),
        (bad_id, -32600),
        (no_version, -32600),
    ] {
        for answer in [gateway.client().post_json(body).await, session.post(body).await] {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body:?}: {}", answer.text());
            let error = answer.json();
            assert_eq!(error["error"]["code"], code, "{body:?}: {error}");
            assert_eq!(error["jsonrpc"], "2.0");
        }
    }
    let plain = gateway.client().post("/mcp", "{}", &[("content-type", "text/plain")]).await;
    assert_eq!(plain.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let html = gateway.client().post("/mcp", "{}", &[JSON_POST[0], ("accept", "text/html")]).await;
    assert_eq!(html.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}

#[tokio::test]
async fn shp_16_requests_of_a_session_run_in_parallel() {
    let gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let slow = async |seconds: &str| {
        let reply = session.call("slow", &format!(r#"{{"s":{seconds}}}"#)).await;
        assert_eq!(reply.text(), "slept");
        std::time::Instant::now()
    };
    let (first, second, third) = tokio::join!(slow("3"), slow("1"), slow("2"));
    assert!(second < third && third < first, "they come back in the order they are done");
    let twice = call_params("slow", r#"{"s":0.3}"#);
    let echo = call_params("echo", r#"{"text":"same id"}"#);
    let (one, other) =
        tokio::join!(session.request_id("7", "tools/call", &twice), session.request_id("7", "tools/call", &echo));
    assert_eq!((one.text(), other.text()), ("slept", "same id"));
    assert_eq!((one.response().id(), other.response().id()), (Some("7".to_owned()), Some("7".to_owned())));
}

#[tokio::test]
async fn shp_17_large_answers() {
    let gateway = probe(&[]).await;
    let session = gateway.client().deadline(LONG * 2).initialize(VERSION, "{}").await;
    for size in [70_000, 10_000_000] {
        let text = "x".repeat(size);
        let reply = session.call("echo", &format!(r#"{{"text":{}}}"#, quoted(&text))).await;
        assert_eq!(reply.status, StatusCode::OK, "{size}: {:.200}", reply.body);
        assert!(reply.text() == text, "{size} characters came back as {}", reply.text().chars().count());
    }
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
}

#[tokio::test]
async fn shp_18_a_server_may_write_to_stderr_as_it_likes() {
    let gateway = hostile(&[], &["stderr-flood", "1000000"]).await;
    let session = session(&gateway).await;
    for _ in 0..3 {
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    }
}

#[tokio::test]
async fn shp_26_batches_belong_to_one_revision() {
    let gateway = probe(&[]).await;
    let batch = format!(
        "[{},{},{}]",
        request("1", "ping", ""),
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        request("\"2\"", "tools/call", &call_params("echo", r#"{"text":"hi"}"#))
    );
    let old = gateway.client().initialize("2025-03-26", "{}").await;
    let answer = old.post(batch.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let messages = answer.messages();
    assert_eq!(messages.len(), 2, "{}", answer.text());
    let find = |id: &str| messages.iter().find(|message| message.answers(id)).expect("an answer");
    assert_eq!((find("1").result(), find("\"2\"").text()), (&json!({}), "hi"));
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let answer = gateway.client().initialize(version, "{}").await.post(batch.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{version}");
    }
}

#[tokio::test]
async fn shp_27_cors_for_the_origins_allowed() {
    let allowed = ["proxy", "--port", "0", "--cors-origin", "http://app.test", "--"];
    let gateway = Gateway::builder(crate::started::JANUA).args(&allowed).arg(gateway::program("probe")).start().await;
    let ask = async |origin: &str| {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type, mcp-session-id, x-own"),
        ];
        gateway.client().send(Method::OPTIONS, "/mcp", "", &asked).await
    };
    let yes = ask("http://app.test").await;
    assert!(yes.status.is_success(), "{}", yes.status);
    assert_eq!(yes.header("access-control-allow-origin"), Some("http://app.test"));
    assert!(yes.header("access-control-allow-methods").is_some_and(|methods| methods.contains("DELETE")));
    assert!(yes.header("access-control-allow-headers").is_some_and(|names| names.contains("mcp-session-id, x-own")));
    let no = ask("http://evil.test").await;
    assert_eq!(no.header("access-control-allow-origin"), None);
    let client = gateway.client().header("origin", "http://app.test");
    let body = request("1", "initialize", &initialize_params(VERSION, "{}"));
    let answer = client.post_json(body).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://app.test"));
    assert!(answer.header("access-control-expose-headers").is_some_and(|names| names.contains("mcp-session-id")));
}

#[tokio::test]
async fn shp_28_foreign_pages_and_names_are_refused_on_loopback() {
    let gateway = probe(&[]).await;
    let body = request("1", "initialize", &initialize_params(VERSION, "{}"));
    for (name, value, status) in [
        ("origin", "http://evil.test", 403),
        ("origin", "null", 403),
        ("host", "evil.test", 403),
        ("host", "127.0.0.1.evil.test", 403),
        ("origin", "http://localhost:1234", 200),
        ("host", "localhost", 200),
    ] {
        let headers = [JSON_POST[0], JSON_POST[1], (name, value)];
        let answer = gateway.client().post("/mcp", body.clone(), &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {value}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}
