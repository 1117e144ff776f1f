//! The demo server through every edge, in both eras.

use std::path::Path;

use janua_testkit::client::message::call_params;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::Gateway;
use serde_json::Value;

use crate::{LEGACY, MODERN};

pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
const CAN: &str = r#"{"elicitation":{"form":{}},"sampling":{},"roots":{}}"#;

/// What the client of these tests says to a question.
fn answer(method: Option<&str>) -> String {
    match method {
        Some("elicitation/create") => r#"{"action":"accept","content":{"name":"Ann"}}"#,
        Some("sampling/createMessage") => {
            r#"{"role":"assistant","content":{"type":"text","text":"and so on"},"model":"none"}"#
        }
        Some("roots/list") => r#"{"roots":[{"uri":"file:///one","name":"one"},{"uri":"file:///two"}]}"#,
        other => panic!("asked for {other:?}"),
    }
    .to_owned()
}

/// Tools, their arguments, and what they say to such a client.
const CALLS: [(&str, &str, &str); 6] = [
    ("echo", r#"{"text":"é \u00e9"}"#, "é é"),
    ("add", r#"{"a":1.5,"b":2}"#, "3.5"),
    ("countdown", r#"{"n":2}"#, "Lift-off."),
    ("greet", "{}", "Hello, Ann!"),
    ("sample", r#"{"prompt":"once"}"#, "and so on"),
    ("roots", "{}", "file:///one\nfile:///two"),
];

#[tokio::test]
async fn with_a_handshake_over_http() {
    let gateway = Gateway::start(JANUA, &["proxy", "--demo", "-p", "0"]).await;
    let session = gateway.client().initialize(LEGACY, CAN).await;
    for (tool, args, text) in CALLS {
        let params = call_params(tool, args);
        let reply = session.request_answering("tools/call", &params, |asked| answer(asked.method())).await;
        assert_eq!(reply.text(), text, "{tool}");
    }
    for (params, result) in READS {
        assert_eq!(session.request(params.0, params.1).await.result().to_string(), *result, "{params:?}");
    }
    let missing = session.request("resources/read", r#"{"uri":"demo://none"}"#).await;
    assert_eq!(missing.error_code(), Some(-32002));

    // What is less important than the client wants to hear is not logged.
    let log = |level: &str| format!(r#"{{"name":"log","arguments":{{"message":"hi","level":"{level}"}}}}"#);
    for (wanted, level, count) in
        [(None, "debug", 0), (None, "info", 1), (Some("error"), "warning", 0), (Some("debug"), "debug", 1)]
    {
        if let Some(wanted) = wanted {
            session.request("logging/setLevel", &format!(r#"{{"level":"{wanted}"}}"#)).await.result();
        }
        let reply = session.request("tools/call", &log(level)).await;
        assert_eq!(reply.text(), "Logged.");
        let logs = reply.notifications("notifications/message");
        assert_eq!(logs.len(), count, "{wanted:?} {level}");
        assert!(logs.iter().all(|log| log.at("/params/level") == level && log.at("/params/data") == "hi"));
    }
    assert_eq!(session.request("logging/setLevel", r#"{"level":"loud"}"#).await.error_code(), Some(-32602));
}

/// What reads give, byte by byte.
const READS: &[((&str, &str), &str)] = &[
    (
        ("resources/read", r#"{"uri":"demo://note"}"#),
        r#"{"contents":[{"mimeType":"text/plain","text":"A door has two sides.","uri":"demo://note"}]}"#,
    ),
    (
        ("resources/read", r#"{"uri":"demo://picture"}"#),
        r#"{"contents":[{"blob":"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAEALAAAAAABAAEAAAICRAEAOw==","mimeType":"image/gif","uri":"demo://picture"}]}"#,
    ),
    (
        ("resources/read", r#"{"uri":"demo://square/-12"}"#),
        r#"{"contents":[{"mimeType":"text/plain","text":"144","uri":"demo://square/-12"}]}"#,
    ),
    (
        ("prompts/get", r#"{"name":"welcome","arguments":{"name":"Ann","tone":"brief"}}"#),
        r#"{"messages":[{"content":{"text":"Please welcome Ann in a brief way.","type":"text"},"role":"user"}]}"#,
    ),
    (
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"welcome"},"argument":{"name":"tone","value":"f"}}"#,
        ),
        r#"{"completion":{"hasMore":false,"total":2,"values":["formal","friendly"]}}"#,
    ),
];

#[tokio::test]
async fn changes_with_a_handshake() {
    let gateway = Gateway::start(JANUA, &["proxy", "--demo", "-p", "0"]).await;
    let session = gateway.client().initialize(LEGACY, "{}").await;
    let patience = session.client.patience();
    let mut events = session.listen().await;
    let counter = r#"{"uri":"demo://counter"}"#;
    assert_eq!(session.call("touch", "{}").await.text(), "The counter is at 1.");
    session.request("resources/subscribe", counter).await.result();
    assert_eq!(session.request("resources/subscribe", r#"{"uri":"demo://none"}"#).await.error_code(), Some(-32002));
    session.call("touch", "{}").await.result();
    let updated = events.message(patience).await;
    assert_eq!(
        (updated.method(), updated.at("/params/uri")),
        (Some("notifications/resources/updated"), &"demo://counter".into())
    );
    session.request("resources/unsubscribe", counter).await.result();
    session.call("touch", "{}").await.result();
    session.call("add-tool", r#"{"name":"mine"}"#).await.result();
    let changed = events.message(patience).await;
    assert_eq!(changed.method(), Some("notifications/tools/list_changed"), "{}", changed.raw());
    assert!(session.request("tools/list", "").await.raw().contains(r#""name":"mine""#));
    assert_eq!(session.call("mine", "{}").await.text(), "I am mine.");
    assert_eq!(session.call("add-tool", r#"{"name":"Not This"}"#).await.error_code(), Some(-32602));
    session.call("remove-tool", r#"{"name":"mine"}"#).await.result();
    assert_eq!(events.message(patience).await.method(), Some("notifications/tools/list_changed"));
    assert_eq!(session.call("mine", "{}").await.error_code(), Some(-32602));
}

#[tokio::test]
async fn without_a_handshake_over_http() {
    let gateway = Gateway::start(JANUA, &["proxy", "--demo", "-p", "0"]).await;
    let modern = gateway.client().modern(MODERN, CAN);
    let found = modern.request("server/discover", "").await;
    assert!(found.result()["capabilities"]["resources"]["subscribe"] == true, "{}", found.raw());
    for (tool, args, text) in CALLS {
        let answered = modern.call_answering(tool, args, |_, asked| answer(asked.at("/method").as_str())).await;
        assert_eq!(answered.reply.text(), text, "{tool}");
    }
    for (params, result) in READS {
        let read = modern.request(params.0, params.1).await;
        let (read, wanted): (&Value, Value) = (read.result(), serde_json::from_str(result).expect("JSON"));
        for (name, member) in wanted.as_object().expect("an object") {
            assert_eq!(&read[name], member, "{params:?}");
        }
    }
    let missing = modern.request("resources/read", r#"{"uri":"demo://none"}"#).await;
    assert_eq!(missing.error_code(), Some(-32602));

    let filter = r#"{"toolsListChanged":true,"resourceSubscriptions":["demo://counter"]}"#;
    let (mut listening, first) = modern.listen(filter).await;
    assert_eq!(first.at("/params/notifications/resourceSubscriptions/0"), "demo://counter", "{}", first.raw());
    modern.call("touch", "{}").await.result();
    assert_eq!(listening.message().await.method(), Some("notifications/resources/updated"));
    modern.call("add-tool", r#"{"name":"mine"}"#).await.result();
    assert_eq!(listening.message().await.method(), Some("notifications/tools/list_changed"));
}

#[tokio::test]
async fn over_standard_input_and_output() {
    let mut client = StdioClient::start(Path::new(JANUA), &["connect", "--demo"]);
    let opened = client.initialize(LEGACY, CAN).await;
    assert_eq!(opened.at("/result/serverInfo/name"), "janua-everything");
    for (tool, args, text) in CALLS {
        let id = client.send("tools/call", &call_params(tool, args)).await;
        let answered = loop {
            let message = client.message().await;
            match message.id() {
                Some(asked) if message.is_request() => client.respond(&asked, &answer(message.method())).await,
                Some(answered) if answered == id => break message,
                _ => {}
            }
        };
        assert_eq!(answered.text(), text, "{tool}");
    }
    // Progress comes as often as there are steps.
    let id = client.send("tools/call", r#"{"name":"countdown","arguments":{"n":3},"_meta":{"progressToken":7}}"#).await;
    for step in 1..=3 {
        let told = client.message().await;
        assert_eq!(
            (told.at("/params/progressToken"), told.at("/params/progress")),
            (&7.into(), &step.into()),
            "{}",
            told.raw()
        );
    }
    assert_eq!(client.message().await.id(), Some(id));
}
