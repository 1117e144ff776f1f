//! Tests of the server of 2026-07-28 over HTTP with this package's own client.

use std::time::Duration;

use crate::client::Client;
use crate::client::envelope::{Envelope, questions, repeated};
use crate::client::message::{Message, call_params};
use crate::client::modern::Modern;
use crate::client::websocket::WebSocketClient;
use crate::process::eventually;
use crate::upstream::modern::ModernServer;
use crate::upstream::modern_socket::ModernSocketServer;

const SOON: Duration = Duration::from_secs(20);
const ALL: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#;

fn result_for(question: &Message) -> String {
    match question.method() {
        Some("elicitation/create") => r#"{"action":"accept","content":{"name":"Ann"}}"#,
        Some("sampling/createMessage") => r#"{"role":"assistant","model":"m","content":{"type":"text","text":"hi"}}"#,
        _ => r#"{"roots":[{"uri":"file:///r"}]}"#,
    }
    .to_owned()
}

async fn pair(capabilities: &str) -> (ModernServer, Modern) {
    let server = ModernServer::builder().start().await;
    let modern = Client::new(&server.url()).modern("2026-07-28", capabilities);
    (server, modern)
}

#[tokio::test]
async fn requests_are_answered_with_type_and_times() {
    let (server, modern) = pair("{}").await;
    let found = modern.request("server/discover", "").await;
    assert_eq!(found.result()["supportedVersions"], serde_json::json!(["2026-07-28"]));
    for method in ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        let reply = modern.request(method, "").await;
        let result = reply.result();
        assert_eq!((&result["resultType"], &result["cacheScope"]), (&"complete".into(), &"public".into()));
        assert!(result["ttlMs"].is_u64() && !reply.headers.contains_key("mcp-session-id"));
    }
    let call = modern.call("echo", r#"{"text":"é"}"#).await;
    assert_eq!((call.text(), call.result()["ttlMs"].is_null()), ("é", true));
    assert_eq!(call.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "everything");
    let missing = modern.request("resources/read", r#"{"uri":"test://none"}"#).await;
    assert_eq!((missing.status.as_u16(), missing.error_code()), (200, Some(-32602)));
    assert_eq!(server.faults(), [] as [&str; 0]);
    assert_eq!(server.engine().tally()["echo"], serde_json::json!({"begun": 1, "rounds": 0, "done": 1}));
}

#[tokio::test]
async fn what_the_revision_forbids_is_refused_and_noted() {
    let (server, modern) = pair("{}").await;
    let mut faults = 0;
    for (method, status, code) in [("ping", 404, -32601), ("logging/setLevel", 404, -32601)] {
        let reply = modern.request(method, "").await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (status, Some(code)));
        faults += 1;
    }
    for header in [("mcp-method", "tools/list"), ("mcp-name", "other"), ("mcp-protocol-version", "2025-11-25")] {
        let exchange = modern.open_with("tools/call", &call_params("echo", "{}"), &[header]).await;
        let reply = exchange.finish().await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (400, Some(-32020)), "{header:?}");
        faults += 1;
    }
    let bare = modern.client.exchange(
        "1",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.into(),
        &[
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-method", "tools/list"),
            ("mcp-protocol-version", "2026-07-28"),
        ],
    );
    assert_eq!(bare.await.finish().await.error_code(), Some(-32020));
    assert_eq!(modern.client.get("/mcp", &[]).await.status.as_u16(), 405);
    assert_eq!(server.faults().len(), faults + 1);
    let opening = modern.client.try_initialize("2025-11-25", "{}").await;
    assert_eq!((opening.status.as_u16(), opening.error_code()), (400, Some(-32022)));
    assert_eq!(opening.response().at("/error/data/supported/0"), "2026-07-28");
    let mut later = modern;
    later.envelope = Envelope::new("2099-01-01", "{}");
    assert_eq!(later.request("tools/list", "").await.error_code(), Some(-32022));
    assert_eq!(server.faults().len(), faults + 1);
}

#[tokio::test]
async fn arguments_are_mirrored_where_a_tool_wants_it() {
    let (server, modern) = pair("{}").await;
    let params = call_params("test_x_mcp_header", r#"{"region":"é 1"}"#);
    assert_eq!(modern.request("tools/call", &params).await.error_code(), Some(-32020));
    let mirrored = [("mcp-param-region", "=?base64?w6kgMQ==?=")];
    let reply = modern.open_with("tools/call", &params, &mirrored).await.finish().await;
    assert_eq!(reply.text(), "region=é 1");
    assert_eq!(server.faults(), [] as [&str; 0]);
}

#[tokio::test]
async fn questions_come_as_endings_and_states_are_looked_at() {
    let (server, modern) = pair(ALL).await;
    for (tool, rounds, asked, text) in [
        ("test_input_required_result_elicitation", 1, 1, "Hello, Ann!"),
        ("test_input_required_result_multi_round", 2, 2, "Ann likes "),
        ("test_input_required_result_multiple_inputs", 1, 3, "Hello, Ann! 1 roots, and: hi"),
        ("visit", 1, 1, "visited: accept"),
        ("shed", 1, 0, "You came again."),
        ("late_question", 1, 1, "It was Ann."),
    ] {
        let answered = modern.call_answering(tool, "{}", |_, question| result_for(question)).await;
        assert_eq!((answered.rounds, answered.asked.len(), answered.reply.text()), (rounds, asked, text));
        let tally = server.engine().tally()[tool].clone();
        assert_eq!(tally, serde_json::json!({"begun": 1, "rounds": rounds, "done": 1}), "{tool}");
    }
    let read = modern.request("resources/read", r#"{"uri":"test://guarded/7"}"#).await;
    assert_eq!(read.result()["resultType"], "input_required");
    assert_eq!(server.faults(), [] as [&str; 0]);
    let params = call_params("shed", "{}");
    let asked = modern.request("tools/call", &params).await;
    assert_eq!(questions(asked.response()).map(|all| all.len()), Some(0));
    let other = call_params("shed", r#"{"x":1}"#);
    let made_up = params.replacen('{', r#"{"requestState":"made up","#, 1);
    for wrong in [repeated(&other, asked.response(), &[]), made_up] {
        assert_eq!(modern.request("tools/call", &wrong).await.error_code(), Some(-32602), "{wrong}");
    }
    assert_eq!(server.faults().len(), 2);
    let deaf = modern.client.modern("2026-07-28", "{}");
    let refused = deaf.call("test_input_required_result_elicitation", "{}").await;
    assert_eq!((refused.status.as_u16(), refused.error_code()), (400, Some(-32021)));
}

#[tokio::test]
async fn progress_and_logs_come_to_those_who_want_them() {
    let (_server, mut modern) = pair("{}").await;
    assert_eq!(modern.call("test_logging_tool", "{}").await.messages.len(), 1);
    modern.envelope.meta = r#""progressToken":"t","io.modelcontextprotocol/logLevel":"info""#.to_owned();
    assert_eq!(modern.call("test_logging_tool", "{}").await.notifications("notifications/message").len(), 1);
    assert_eq!(modern.call("report", "{}").await.notifications("notifications/progress").len(), 5);
    modern.envelope.meta = r#""io.modelcontextprotocol/logLevel":"error""#.to_owned();
    assert_eq!(modern.call("test_logging_tool", "{}").await.messages.len(), 1);
}

#[tokio::test]
async fn a_closed_connection_cancels() {
    let (server, modern) = pair("{}").await;
    let call = call_params("slow_compute", r#"{"seconds":3600}"#);
    let waiting = tokio::spawn({
        let modern = modern.client.modern("2026-07-28", "{}");
        async move { modern.request("tools/call", &call).await }
    });
    assert!(eventually(SOON, || server.engine().tally()["slow_compute"]["begun"] == 1).await);
    waiting.abort();
    assert!(eventually(SOON, || server.engine().tally()["slow_compute"]["cancelled"] == 1).await);
    let (stream, _) = modern.listen(r#"{"toolsListChanged":true}"#).await;
    assert_eq!(server.engine().subscriptions(), 1);
    drop(stream);
    assert!(eventually(SOON, || server.engine().subscriptions() == 0).await);
}

#[tokio::test]
async fn listeners_hear_what_they_asked_for() {
    let (server, modern) = pair("{}").await;
    let filter = r#"{"toolsListChanged":true,"resourceSubscriptions":["test://watched-resource","test://none"]}"#;
    let (mut stream, first) = modern.listen(filter).await;
    assert_eq!(first.at("/params/notifications/resourceSubscriptions").as_array().map(Vec::len), Some(1));
    modern.call("announce_lists", "{}").await.result();
    modern.call("test_touch_resource", "{}").await.result();
    let id = first.at("/params/_meta/io.modelcontextprotocol~1subscriptionId").clone();
    for method in ["notifications/tools/list_changed", "notifications/resources/updated"] {
        let heard = stream.message().await;
        assert_eq!(heard.method(), Some(method));
        assert_eq!(heard.at("/params/_meta/io.modelcontextprotocol~1subscriptionId"), &id);
    }
    modern.call("end_subscriptions", "{}").await.result();
    let end = stream.finish().await;
    assert_eq!(end.result()["_meta"]["io.modelcontextprotocol/subscriptionId"], id);
    assert_eq!(server.faults(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_socket_serves_the_same() {
    let server = ModernSocketServer::start(false).await;
    let envelope = Envelope::new("2026-07-28", ALL);
    let mut client = WebSocketClient::open(&server.url()).await;
    client.request("server/discover", &envelope.wrap("")).await.result();
    let params = envelope.wrap(&call_params("test_input_required_result_elicitation", "{}"));
    let asked = client.request("tools/call", &params).await;
    let questions = questions(&asked).expect("questions");
    let answers = [(questions[0].0.clone(), result_for(&questions[0].1))];
    assert_eq!(client.request("tools/call", &repeated(&params, &asked, &answers)).await.text(), "Hello, Ann!");
    client.request("subscriptions/listen", &envelope.wrap("")).await.error_code().expect("an error");
    client.send("tools/call", &envelope.wrap(&call_params("slow_compute", r#"{"seconds":3600}"#))).await;
    assert!(eventually(SOON, || server.engine().tally()["slow_compute"]["begun"] == 1).await);
    client.close().await;
    assert!(eventually(SOON, || server.engine().tally()["slow_compute"]["cancelled"] == 1).await);
    assert_eq!((server.engine().faults().len(), server.seen().len()), (1, 5));
}
