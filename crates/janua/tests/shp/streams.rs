//! What a server says besides its answers.

use http::StatusCode;
use janua_testkit::client::JSON_POST;
use janua_testkit::client::message::request;
use serde_json::json;

use crate::started::{LONG, VERSION, probe, session};

#[tokio::test]
async fn shp_19_notifications_of_the_server_reach_the_client() {
    let gateway = probe(&[]).await;
    let session = session(&gateway).await;
    let params = r#"{"name":"noisy","arguments":{},"_meta":{"progressToken":"t"}}"#;
    let id = session.id.clone().expect("a session");
    for accept in ["text/event-stream", JSON_POST[1].1] {
        let headers = [JSON_POST[0], ("accept", accept), ("mcp-session-id", id.as_str())];
        let body = request("1", "tools/call", params);
        let reply = gateway.client().exchange("1", body, &headers).await.finish().await;
        assert_eq!(reply.status, StatusCode::OK, "{accept}");
        assert_eq!(reply.headers["content-type"], "text/event-stream", "{accept}");
        let methods: Vec<_> = reply.messages.iter().map(|message| message.method().unwrap_or("answer")).collect();
        assert_eq!(methods, ["notifications/message", "notifications/progress", "answer"], "{accept}");
        assert_eq!(reply.messages[0].at("/params/data"), "hello");
        assert_eq!(reply.messages[1].at("/params/progressToken"), "t");
        assert_eq!(reply.text(), "noised");
    }
    // A client that takes nothing but JSON finds them on the stream of the session.
    let mut stream = session.listen().await;
    let headers = [JSON_POST[0], ("accept", "application/json"), ("mcp-session-id", id.as_str())];
    let reply = gateway.client().exchange("2", request("2", "tools/call", params), &headers).await.finish().await;
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.text(), "noised");
    assert_eq!(stream.message(LONG).await.method(), Some("notifications/message"));
    assert_eq!(stream.message(LONG).await.method(), Some("notifications/progress"));
}

#[tokio::test]
async fn shp_20_questions_of_the_server_are_answered_by_the_client() {
    let gateway = probe(&[]).await;
    let able = gateway.client().initialize(VERSION, r#"{"roots":{}}"#).await;
    let roots = r#"{"roots":[{"uri":"file:///srv/a"}]}"#;
    let reply = able
        .request_answering("tools/call", r#"{"name":"roots","arguments":{}}"#, |question| {
            assert_eq!(question.method(), Some("roots/list"));
            roots.to_owned()
        })
        .await;
    assert_eq!(reply.text(), format!(r#"{{"result":{roots}}}"#));
    // The server hears at once that a client without roots has none, and does not wait.
    let unable = session(&gateway).await;
    let reply = unable.call("roots", "{}").await;
    let told: serde_json::Value = serde_json::from_str(reply.text()).expect("JSON");
    assert_eq!(told["error"]["code"], json!(-32601), "{told}");
    let asked = able.call("ask", "{}").await;
    assert!(asked.text().starts_with("asked;"), "a question nobody waits for does no harm: {}", asked.text());
}
