//! Rows of guMCP's remote server: its addresses, session keys and streams.

use std::path::Path;
use std::time::Duration;

use axum::http::Method;
use janua_testkit::client::is_sse;
use janua_testkit::peers::{Peer, Sdk, Transport};
use janua_testkit::process::eventually;
use serde_json::json;

use crate::remote::cache;
use crate::stage::{JSON, NOBODY, OLD, PING, SOON, Stage, answers_pings, first_event, servers, text};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"rec","version":"1"}}}"#;

/// The id in an endpoint below this path; the path and the id's form are checked.
fn id_of(endpoint: &str, path: &str) -> String {
    let id = endpoint.strip_prefix(path).and_then(|rest| rest.strip_prefix("/messages/?session_id="));
    let id = id.unwrap_or_else(|| panic!("the endpoint of {path} is {endpoint}"));
    assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{endpoint}");
    id.to_owned()
}

#[tokio::test]
async fn gum_01_the_root_says_that_it_is_well_and_names_the_servers() {
    let stage = Stage::of_both().await;
    let answer = stage.client().get("/", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    let said = answer.json();
    assert!(said["status"] == "ok" && said["message"].is_string(), "{said}");
    assert_eq!(said["servers"], json!(["probe", "simple-tools-server"]));
}

#[tokio::test]
async fn gum_02_the_health_check_is_there_for_get_and_head_only() {
    let stage = Stage::of_both().await;
    let answer = stage.client().get("/health_check", &[]).await;
    assert_eq!(answer.json(), json!({"status": "ok", "servers": ["probe", "simple-tools-server"]}));
    for path in ["/", "/health_check"] {
        let head = stage.client().send(Method::HEAD, path, "", &[]).await;
        assert!(head.status == 200 && head.body.is_empty(), "{path}: {}", head.status);
        let posted = stage.client().post(path, PING, &JSON).await;
        assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
}

#[tokio::test]
async fn gum_03_a_stream_begins_with_the_address_for_messages() {
    let stage = Stage::of_both().await;
    let client = stage.client();
    let (status, headers, mut events) = client.stream(Method::GET, "/simple-tools-server/alice", "", &[]).await;
    assert!(status == 200 && is_sse(&headers), "{status} {headers:?}");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    let first = events.next(SOON).await.expect("an event").expect("an event");
    assert_eq!(first.event.as_deref(), Some("endpoint"));
    id_of(first.data.as_deref().expect("data"), "/simple-tools-server/alice");
    // A slash more is the same address, and asking for the head alone opens nothing.
    id_of(&stage.stream("/simple-tools-server/alice/").await.endpoint, "/simple-tools-server/alice");
    let head = client.send(Method::HEAD, "/simple-tools-server/bob", "", &[]).await;
    assert!(head.status == 200 && is_sse(&head.headers) && head.body.is_empty(), "{head:?}");
    let posted = client.post("/simple-tools-server/bob/messages/", PING, &JSON).await;
    assert_eq!(posted.status, 404, "a stream of bob was opened");
    for nowhere in ["/nope/alice", "/nope", "/simple-tools-server/a/b", "/simple-tools-server/messages", "/metrics"] {
        let answer = client.get(nowhere, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (404, "Not Found"), "{nowhere}");
    }
}

#[tokio::test]
async fn gum_04_a_message_is_accepted_and_answered_on_the_stream() {
    let stage = Stage::of_both().await;
    let mut session = stage.stream("/simple-tools-server/alice").await;
    let posted = session.post(INITIALIZE).await;
    assert_eq!((posted.status.as_u16(), posted.text().as_str()), (202, "Accepted"));
    let event = first_event(&mut session).await;
    assert_eq!(event.event.as_deref(), Some("message"));
    let answer: serde_json::Value = serde_json::from_str(&event.data.expect("data")).expect("json");
    assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&json!(0), &json!(OLD)));
    let got = stage.client().get(&session.target, &[]).await;
    assert_eq!((got.status.as_u16(), got.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn gum_05_a_whole_session_of_somebody_elses_client() {
    let stage = Stage::of_both().await;
    let at = stage.gateway.url("/simple-tools-server/local");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/oldest_client.py");
    let mut oldest = tokio::process::Command::new(cache().join("py1-first/bin/python"));
    let running = oldest.arg("-B").arg(script).arg(&at).kill_on_drop(true).output();
    let done = tokio::time::timeout(SOON * 3, running).await.expect("it comes to an end");
    let done = done.expect("installed by `cargo xtask setup`");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let wanted =
        "store-data, retrieve-data, list-data\nStored 'k' with value: v1\nValue for 'k': v1\nStored data: / - k: v1\n";
    assert_eq!(said, wanted, "{}", String::from_utf8_lossy(&done.stderr));
    for sdk in [Sdk::Python1, Sdk::TypeScript1] {
        let mut peer = Peer::start(sdk, &Transport::Sse(at.clone())).expect("started");
        peer.connect().await.expect("connected");
        let listed = peer.op(json!({"op": "list_tools"})).await.expect("tools");
        let names: Vec<&str> =
            listed["tools"].as_array().expect("a list").iter().filter_map(|tool| tool["name"].as_str()).collect();
        assert_eq!(names, ["store-data", "retrieve-data", "list-data"]);
        for (tool, args, said) in [
            ("store-data", json!({"key": "k", "value": "v1"}), "Stored 'k' with value: v1"),
            ("retrieve-data", json!({"key": "k"}), "Value for 'k': v1"),
            ("retrieve-data", json!({"key": "zz"}), "Key 'zz' not found"),
            ("list-data", json!({}), "Stored data:\n- k: v1"),
            ("nope", json!({}), "Unknown tool: nope"),
            ("store-data", json!({"key": "k"}), "Missing key or value"),
        ] {
            let result = peer.call(tool, args).await.expect("a result");
            assert_eq!(janua_testkit::peers::text(&result), said, "{sdk:?} {tool}");
        }
        peer.close().await.expect("closed");
    }
}

#[tokio::test]
async fn gum_06_without_a_stream_there_is_no_session() {
    let stage = Stage::of_both().await;
    for query in [format!("?session_id={NOBODY}"), String::new(), "?session_id=zzz".to_owned()] {
        let target = format!("/simple-tools-server/nobody/messages/{query}");
        let answer = stage.client().post(&target, "{}", &JSON).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (404, "Session not found or expired"), "{query}");
    }
    let _open = stage.stream("/simple-tools-server/alice").await;
    let target = format!("/simple-tools-server/alice/messages/?session_id={NOBODY}");
    assert_eq!(stage.client().post(&target, PING, &JSON).await.status, 404);
}

#[tokio::test]
async fn gum_07_a_missing_and_a_malformed_id_are_bad_requests() {
    let stage = Stage::of_both().await;
    let _open = stage.stream("/simple-tools-server/alice").await;
    for (query, said) in [
        ("", "session_id is required"),
        ("?session_id=", "session_id is required"),
        ("?session_id=zzz", "Invalid session ID"),
    ] {
        let target = format!("/simple-tools-server/alice/messages/{query}");
        let answer = stage.client().post(&target, PING, &JSON).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (400, said), "{query}");
    }
}

#[tokio::test]
async fn gum_08_the_last_slash_may_be_missing() {
    let stage = Stage::of_both().await;
    let mut session = stage.session("/simple-tools-server/alice").await;
    session.target = session.target.replace("/messages/?", "/messages?");
    let posted = session.post(PING).await;
    assert_eq!((posted.status.as_u16(), posted.header("location")), (202, None));
    assert_eq!(session.response("7").await.at("/result"), &json!({}));
}

#[tokio::test]
async fn gum_13_users_do_not_see_each_others_data() {
    let stage = Stage::of_both().await;
    let mut erin = stage.session("/simple-tools-server/erin").await;
    let stored = text(&mut erin, "store-data", r#"{"key":"k","value":"v"}"#).await;
    assert_eq!(stored, "Stored 'k' with value: v");
    let mut frank = stage.session("/simple-tools-server/frank").await;
    assert_eq!(text(&mut frank, "list-data", "{}").await, "No data stored");
    let mut keyed = stage.session("/simple-tools-server/erin:k2").await;
    assert_eq!(text(&mut keyed, "list-data", "{}").await, "Stored data:\n- k: v");
    let mut nobody = stage.session("/simple-tools-server").await;
    assert_eq!(text(&mut nobody, "list-data", "{}").await, "No data stored");
    // Whoever knows the id of a stream still has to come through its own door.
    let id = id_of(&erin.endpoint, "/simple-tools-server/erin");
    for elsewhere in [
        format!("/simple-tools-server/frank/messages/?session_id={id}"),
        format!("/simple-tools-server/erin:k/messages/?session_id={id}"),
        format!("/probe/erin/messages/?session_id={id}"),
        format!("/simple-tools-server?sessionId={id}"),
        format!("/messages?session_id={id}"),
    ] {
        assert_eq!(stage.client().post(&elsewhere, PING, &JSON).await.status, 404, "{elsewhere}");
    }
}

#[tokio::test]
async fn gum_14_two_streams_of_one_key_live_side_by_side() {
    let stage = Stage::of_both().await;
    let (mut one, mut two) = (stage.session("/probe/gina").await, stage.session("/probe/gina").await);
    assert_ne!(one.endpoint, two.endpoint);
    answers_pings(&mut one).await;
    answers_pings(&mut two).await;
}

#[tokio::test]
async fn gum_15_the_late_end_of_an_old_stream_leaves_the_new_one_alone() {
    let stage = Stage::of_both().await;
    let mut old = stage.session("/probe/jack").await;
    old.send("tools/call", r#"{"name":"slow","arguments":{"s":1.5}}"#).await;
    let target = old.target.clone();
    drop(old);
    let mut new = stage.session("/probe/jack").await;
    stage.until_status(&target, 404).await;
    // Longer than the call of the old stream would have taken.
    let text = text(&mut new, "slow", r#"{"s":2}"#).await;
    assert!(!text.is_empty());
    answers_pings(&mut new).await;
}

#[tokio::test]
async fn gum_16_a_client_that_leaves_is_noticed() {
    let stage = Stage::of_both().await;
    let session = stage.session("/probe/kate").await;
    let target = session.target.clone();
    assert_eq!(stage.client().post(&target, PING, &JSON).await.status, 202);
    drop(session);
    stage.until_status(&target, 404).await;
    assert_eq!(stage.client().post(&target, PING, &JSON).await.text(), "Session not found or expired");
}

#[tokio::test]
async fn gum_41_an_idle_stream_shows_a_sign_of_life_every_fifteen_seconds() {
    let stage = Stage::of_both().await;
    let mut session = stage.session("/probe/lea").await;
    let event = session.events().next(Duration::from_secs(40)).await.expect("a comment").expect("not the end");
    assert!(event.comment.is_some() && event.event.is_none() && event.data.is_none(), "{event}");
}

#[tokio::test]
async fn gum_42_what_cannot_be_read_is_refused_and_the_stream_lives() {
    let stage = Stage::of_both().await;
    let mut session = stage.session("/probe/ivan").await;
    let batch = format!("[{PING}]");
    for body in ["{not json", "", r#"{"hello":1}"#, batch.as_str(), "[]", "null", "7"] {
        let answer = session.post(body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (400, "Could not parse message"), "{body}");
    }
    let plain = stage.client().post(&session.target, PING, &[("content-type", "text/plain")]).await;
    assert_eq!(plain.status, 415);
    for kind in [&[("content-type", "application/json; charset=utf-8")] as &[(&str, &str)], &[]] {
        assert_eq!(stage.client().post(&session.target, PING, kind).await.status, 202, "{kind:?}");
        assert_eq!(session.response("7").await.at("/result"), &json!({}));
    }
    answers_pings(&mut session).await;
}

#[tokio::test]
async fn gum_43_a_request_before_initialize_is_answered() {
    let stage = Stage::of_both().await;
    let mut session = stage.stream("/probe/hank").await;
    answers_pings(&mut session).await;
    let early = session.request("tools/list", "").await;
    assert!(early.error_code().is_some(), "{}", early.raw());
    session.initialize(OLD, "{}").await;
    assert_eq!(text(&mut session, "echo", r#"{"text":"hi"}"#).await, "hi");
}

#[tokio::test]
async fn gum_44_a_signal_ends_it_with_streams_open() {
    let mut stage = Stage::serve(&json!({"servers": servers(), "limits": {"drain": "2s"}})).await;
    let mut idle = stage.session("/probe/mary").await;
    let mut busy = stage.session("/probe/nora").await;
    busy.send("tools/call", r#"{"name":"slow","arguments":{"s":60}}"#).await;
    let stopped = stage.gateway.terminate(SOON).await;
    assert_eq!(stopped.status.code(), Some(0));
    assert!(idle.events().closed(SOON).await);
    assert!(eventually(SOON, || !stage.gateway.running()).await);
}
