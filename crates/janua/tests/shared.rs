//! Servers with a handshake that several clients share: who shares which instance, for how long, and what a client
//! without a handshake is spared.

use std::time::Duration;

use janua_testkit::client::modern::Modern;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{descendants, eventually};

const SOON: Duration = Duration::from_secs(30);
const JANUA: &str = env!("CARGO_BIN_EXE_janua");
const FORM: &str = r#"{"elicitation":{}}"#;
const ELICIT: &str = r#"{"message":"who?"}"#;
const ADDRESS: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;

async fn gateway(options: &str, name: &str) -> Gateway {
    let program = program(name);
    let mut words: Vec<&str> = options.split_whitespace().collect();
    words.extend(["--", program.to_str().expect("a path that is text")]);
    Gateway::start(JANUA, &words).await
}

fn pid(reply: &Reply) -> u64 {
    let info: serde_json::Value = serde_json::from_str(reply.text()).expect("the program tells of itself");
    info["pid"].as_u64().expect("a pid")
}

async fn pid_of(session: &Session) -> u64 {
    pid(&session.call("info", "{}").await)
}

fn modern(gateway: &Gateway, capabilities: &str) -> Modern {
    gateway.client().deadline(SOON).modern("2026-07-28", capabilities)
}

#[tokio::test]
async fn sessions_of_one_class_share_an_instance() {
    let gateway = gateway("--share user", "probe").await;
    let client = gateway.client().deadline(SOON);
    let one = client.initialize("2025-11-25", "{}").await;
    let two = client.initialize("2025-06-18", r#"{"experimental":{}}"#).await;
    let other = client.initialize("2025-11-25", FORM).await;
    assert_eq!(pid_of(&one).await, pid_of(&two).await);
    assert_ne!(pid_of(&one).await, pid_of(&other).await);
    // The end of a session is not the end of what others use.
    one.delete().await;
    assert_eq!(two.call("echo", r#"{"text":"still here"}"#).await.text(), "still here");
    assert_eq!(pid(&modern(&gateway, "{}").call("info", "{}").await), pid_of(&two).await);
}

#[tokio::test]
async fn who_shares_an_instance_is_asked_what_it_is_asked() {
    let gateway = gateway("--share user", "everything").await;
    let client = gateway.client().deadline(SOON);
    let sessions = [client.initialize("2025-11-25", FORM).await, client.initialize("2025-11-25", FORM).await];
    let ask = async |session: &Session, name: &str| {
        let params = r#"{"name":"test_elicitation","arguments":{"message":"who?"}}"#;
        let answer = format!(
            "{{\"action\":\"accept\",\"content\":{{\"username\":\"{name}\",\"email\":\"{name}@example.com\"}}}}"
        );
        session.request_answering("tools/call", params, |_| answer.clone()).await.text().to_owned()
    };
    let (one, two) = tokio::join!(ask(&sessions[0], "ann"), ask(&sessions[1], "bob"));
    assert!(one.contains("ann") && !one.contains("bob"), "{one}");
    assert!(two.contains("bob") && !two.contains("ann"), "{two}");
}

#[tokio::test]
async fn clients_that_can_be_asked_different_things_share_if_the_server_is_told_everything() {
    let info = gateway("--capabilities all", "probe").await;
    let pids = [modern(&info, "{}").call("info", "{}").await, modern(&info, FORM).call("info", "{}").await];
    assert_eq!(pid(&pids[0]), pid(&pids[1]));
    let gateway = gateway("--capabilities all", "everything").await;
    let able = modern(&gateway, FORM).call("test_elicitation", ELICIT).await;
    assert_eq!(able.response().at("/result/resultType"), "input_required", "{}", able.raw());
    let unable = modern(&gateway, "{}").call("test_elicitation", ELICIT).await;
    assert!(unable.raw().contains("-32601") || unable.raw().contains("elicitation"), "{}", unable.raw());
    assert_ne!(unable.response().at("/result/resultType"), "input_required", "{}", unable.raw());
}

#[tokio::test]
async fn nobody_is_asked_if_the_server_is_told_nothing() {
    let gateway = gateway("--capabilities none", "everything").await;
    let reply = modern(&gateway, FORM).call("test_elicitation", ELICIT).await;
    assert_ne!(reply.response().at("/result/resultType"), "input_required", "{}", reply.raw());
    assert!(reply.error_code().is_some() || reply.response().at("/result/isError") == true, "{}", reply.raw());
}

#[tokio::test]
async fn an_instance_that_nobody_uses_is_stopped_and_started_again() {
    let gateway = gateway("--timeout 1", "probe").await;
    let client = modern(&gateway, "{}");
    let first = pid(&client.call("info", "{}").await);
    let serving = || descendants(gateway.pid()).into_iter().any(|child| u64::from(child) == first);
    assert!(serving());
    assert!(eventually(SOON, || !serving()).await, "it still runs");
    assert_ne!(pid(&client.call("info", "{}").await), first);
}

#[tokio::test]
async fn a_user_is_sent_to_an_address_and_the_call_is_made_again() {
    let gateway = gateway("", "everything").await;
    let client = modern(&gateway, ADDRESS);
    let first = client.call("gated", "{}").await;
    let question = first.response().at("/result/inputRequests/visit-1");
    assert_eq!(question["params"]["url"], "https://example.com/in", "{}", first.raw());
    assert!(question["params"].get("elicitationId").is_none());
    let state = first.response().at("/result/requestState").as_str().expect("a state").to_owned();
    let again = async |action: &str| {
        let params = format!(
            "{{\"name\":\"gated\",\"arguments\":{{}},\"requestState\":\"{state}\",\"inputResponses\":{{\"visit-1\":{{\"action\":\"{action}\"}}}}}}"
        );
        client.request("tools/call", &params).await
    };
    // This server is never content: it was called, and asks once more.
    let second = again("accept").await;
    assert_eq!(second.response().at("/result/resultType"), "input_required", "{}", second.raw());
    let declined = again("decline").await;
    assert_eq!(declined.response().at("/result/isError"), true, "{}", declined.raw());

    let unable = modern(&gateway, "{}").call("gated", "{}").await;
    assert_eq!(unable.error_code(), Some(-32021), "{}", unable.raw());
    assert!(unable.response().at("/error/data/requiredCapabilities/elicitation/url").is_object());
}

#[tokio::test]
async fn a_tool_that_runs_as_a_task_only_is_called_by_clients_without_tasks() {
    let command = janua_testkit::peers::server_everything().expect("it is set up");
    let mut words = vec!["--".to_owned()];
    words.extend(command);
    let gateway = Gateway::start(JANUA, &words).await;
    let client = modern(&gateway, "{}");
    let reply = client.call("simulate-research-query", r#"{"topic":"bees"}"#).await;
    assert!(reply.text().contains("bees"), "{}", reply.raw());
    assert_eq!(reply.response().at("/result/resultType"), "complete");
    let tools = client.request("tools/list", "{}").await;
    assert!(!tools.raw().contains("taskSupport"), "what the client does not have is not shown");
}
