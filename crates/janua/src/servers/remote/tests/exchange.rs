//! Requests of 2026-07-28 over HTTP: headers, answers, ends.

use std::sync::Arc;

use janua_testkit::process::eventually;
use janua_testkit::upstream::canned::{Canned, CannedServer};
use janua_testkit::upstream::modern::ModernServer;
use janua_testkit::upstream::site::Seen;
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::message::Notification;
use janua_wire::version::Version;

use super::{SOON, answer, call, end, failure, open};
use crate::call::{Caller, Scope};
use crate::error::{Failure, Kind};
use crate::servers::{Connection, Eras};

const TOOL: &str = r#""name":"echo","arguments":{"text":"hi"}"#;

async fn both() -> [ModernServer; 2] {
    [ModernServer::builder().start().await, ModernServer::builder().streaming().start().await]
}

async fn link(server: &ModernServer) -> Arc<dyn Connection> {
    open(&server.url(), Eras::Modern).await.expect("it opens")
}

#[tokio::test]
async fn a_request_is_one_post_that_says_what_it_is() {
    for server in both().await {
        let link = link(&server).await;
        assert_eq!(link.opened().version, Version::NEWEST);
        assert!(answer(call(&link, "tools/call", TOOL, "")).await.contains(r#""text":"hi""#));
        for (method, members) in [
            ("prompts/get", r#""name":"test_simple_prompt""#),
            ("resources/read", r#""uri":"test://static-text""#),
            ("completion/complete", r#""ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":"p"}"#),
        ] {
            let answered = answer(call(&link, method, members, "")).await;
            assert!(answered.contains("resultType"), "{answered}");
        }
        // One that no header can hold as it is.
        let members = "\"uri\":\"test://gr\u{fc}n/\\u00e9 \"";
        assert!(answer(call(&link, "resources/read", members, "")).await.contains("-32602"));
        let odd = server.site.seen_rpc("resources/read").pop().expect("a request");
        assert_eq!(odd.header("mcp-name"), Some("=?base64?dGVzdDovL2dyw7xuL8OpIA==?="));
        link.close(Failure::new(Kind::Stopping, "enough")).await;
        assert_eq!(server.faults(), [""; 0]);
        let seen = server.site.seen();
        assert!(seen.iter().all(|seen| seen.method == "POST"), "{seen:?}");
        assert!(seen.iter().all(|seen| seen.header("mcp-protocol-version") == Some("2026-07-28")));
        assert_eq!(seen.len(), 6, "{seen:?}");
    }
}

#[tokio::test]
async fn tasks_are_named_by_their_id() {
    let discovered = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
    let server = CannedServer::builder()
        .on("/mcp", Canned::json(discovered))
        .on("/mcp", Canned::json(r#"{"jsonrpc":"2.0","id":2,"result":{"n":1.0}}"#))
        .start()
        .await;
    let link = open(&server.site.url("/mcp"), Eras::Modern).await.expect("it opens");
    assert_eq!(answer(call(&link, "tasks/get", r#""taskId":"t-1""#, "")).await, r#"{"n":1.0}"#);
    let seen = server.site.seen().pop().expect("a request");
    assert_eq!((seen.header("mcp-method"), seen.header("mcp-name")), (Some("tasks/get"), Some("t-1")));
    assert!(seen.body.contains(r#""params":{"taskId":"t-1","_meta":{"io."#), "{}", seen.body);
}

#[tokio::test]
async fn what_is_said_before_the_answer_comes_first() {
    for server in both().await {
        let link = link(&server).await;
        let reply = call(&link, "tools/call", r#""name":"report""#, r#","progressToken":"mine""#);
        let (before, _) = end(reply).await;
        assert_eq!(before.len(), 5, "{before:?}");
        assert!(before.iter().all(|told| told.contains(r#""progressToken":"mine""#)), "{before:?}");
        assert_eq!(server.faults(), [""; 0]);
    }
}

#[tokio::test]
async fn errors_with_a_status_are_answers() {
    for server in both().await {
        let link = link(&server).await;
        for (method, members, code) in [
            ("acme/none", "", "-32601"),
            ("tools/call", r#""name":"test_missing_capability""#, "-32021"),
            ("tools/call", r#""name":"rpcerror""#, "-32602"),
            ("resources/read", r#""uri":"test://none""#, "-32602"),
        ] {
            let answered = answer(call(&link, method, members, "")).await;
            assert!(answered.contains(&format!("\"code\":{code}")), "{method} {members}: {answered}");
        }
    }
}

#[tokio::test]
async fn a_reply_that_is_dropped_or_cancelled_leaves_the_exchange() {
    for server in both().await {
        let link = link(&server).await;
        let begun = |times: u64| {
            let server = &server;
            async move { eventually(SOON, || server.engine().tally()["slow_compute"]["begun"] == times).await }
        };
        let slow = r#""name":"slow_compute","arguments":{"seconds":600}"#;
        let dropped = call(&link, "tools/call", slow, "");
        assert!(begun(1).await);
        drop(dropped);
        assert!(eventually(SOON, || server.engine().tally()["slow_compute"]["cancelled"] == 1).await);
        let cancelled = call(&link, "tools/call", slow, "");
        assert!(begun(2).await);
        let (version, capabilities) = (Version::NEWEST, ClientCapabilities::default());
        let caller = Caller { scope: Scope::Shared, version, capabilities, user: None };
        let params = r#"{"requestId":"own"}"#;
        link.notify(&caller, Notification::new("notifications/cancelled", Some(params)).expect("valid"));
        assert_eq!(failure(cancelled).await.kind, Kind::Cancelled);
        assert!(eventually(SOON, || server.engine().tally()["slow_compute"]["cancelled"] == 2).await);
        assert!(server.site.seen_rpc("notifications/cancelled").is_empty());
        assert_eq!(server.faults(), [""; 0]);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_a_request_of_unknown_end_and_never_sent_again() {
    for server in both().await {
        let link = link(&server).await;
        let failed = failure(call(&link, "tools/call", r#""name":"crash""#, "")).await;
        assert_eq!((failed.kind, failed.sent), (Kind::Unreachable, true), "{failed}");
        assert_eq!(server.site.seen_rpc("tools/call").len(), 1);
        assert!(!link.is_over() && answer(call(&link, "tools/call", TOOL, "")).await.contains("hi"));
    }
    // One that ends properly, with no response on it.
    let stream = |text: &str| Canned::new(200, text).header("content-type", "text/event-stream");
    let discovered =
        r#"data: {"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
    let server = CannedServer::builder()
        .on("/mcp", stream(&format!(": hello\n\n{discovered}\n\n")))
        .on("/mcp", stream("id: 7\nretry: 1\ndata:\n\n"));
    let server = server.start().await;
    let link = open(&server.site.url("/mcp"), Eras::Modern).await.expect("it opens");
    let failed = failure(call(&link, "tools/call", TOOL, "")).await;
    assert_eq!((failed.kind, failed.sent), (Kind::Unreachable, true), "{failed}");
    assert_eq!(server.site.seen().len(), 2, "it was taken up again");
}

#[tokio::test]
async fn arguments_that_travel_as_headers_are_learnt_when_they_are_missed() {
    let region = r#""name":"test_x_mcp_header","arguments":{"note":"n","region":"M\u00fcnchen"}"#;
    for server in [ModernServer::builder(), ModernServer::builder().pages(), ModernServer::builder().streaming()] {
        let server = server.start().await;
        let link = link(&server).await;
        let calls: Vec<_> = (0..4).map(|_| call(&link, "tools/call", region, "")).collect();
        for reply in calls {
            assert!(answer(reply).await.contains("region=M\u{fc}nchen"));
        }
        let lists = server.site.seen_rpc("tools/list").len();
        assert!((1..=2).contains(&lists), "{lists} looks at the tools");
        assert_eq!(server.engine().tally()["test_x_mcp_header"]["begun"], 4, "one ran twice, or never");
        let refused = server.site.seen_rpc("tools/call").len();
        assert!(answer(call(&link, "tools/call", region, "")).await.contains("region="));
        assert_eq!(server.site.seen_rpc("tools/call").len(), refused + 1, "it is known now");
        assert_eq!(server.faults(), [""; 0]);
    }
}

#[tokio::test]
async fn headers_that_cannot_be_made_right_are_the_servers_error() {
    let refused = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32020,"message":"header"}}"#;
    let discovered = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
    let json = |status, text: &str| Canned::new(status, text).header("content-type", "application/json");
    let server = CannedServer::builder()
        .on("/mcp", json(200, discovered))
        .on("/mcp", json(400, refused))
        .on("/mcp", json(200, r#"{"jsonrpc":"2.0","id":3,"result":{"tools":[]}}"#))
        .start()
        .await;
    let link = open(&server.site.url("/mcp"), Eras::Modern).await.expect("it opens");
    assert!(answer(call(&link, "tools/call", TOOL, "")).await.contains("-32020"));
    let methods: Vec<_> = server.site.seen().iter().filter_map(Seen::rpc).collect();
    assert_eq!(methods, ["server/discover", "tools/call", "tools/list"]);
}

#[tokio::test]
async fn tools_that_are_not_valid_are_not_shown() {
    let tool = |name: &str, kind: &str| {
        format!(
            r#"{{"name":"{name}","inputSchema":{{"type":"object","properties":{{"a":{{"type":"{kind}","x-mcp-header":"A"}}}}}}}}"#
        )
    };
    let (valid, invalid) = (tool("valid", "string"), tool("invalid", "object"));
    let discovered = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
    let listed = format!("{{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{{\"tools\":[{invalid},{valid}],\"x\":1.0}}}}");
    let server = CannedServer::builder()
        .on("/mcp", Canned::json(discovered))
        .on("/mcp", Canned::json(&listed))
        .on("/mcp", Canned::json(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#));
    let server = server.start().await;
    let link = open(&server.site.url("/mcp"), Eras::Modern).await.expect("it opens");
    assert_eq!(answer(call(&link, "tools/list", "", "")).await, format!("{{\"tools\":[{valid}],\"x\":1.0}}"));
    answer(call(&link, "tools/call", r#""name":"valid","arguments":{"a":" x"}"#, "")).await;
    let seen = server.site.seen().pop().expect("a call");
    assert_eq!(seen.header("mcp-param-a"), Some("=?base64?IHg=?="));
}

#[tokio::test]
async fn a_notification_is_posted_and_a_question_of_the_servers_is_not_answered() {
    let discovered = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
    let question = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#;
    let answered = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
    let stream = format!("data: {question}\n\ndata: {answered}\n\n");
    let server = CannedServer::builder()
        .on("/mcp", Canned::json(discovered))
        .on("/mcp", Canned::new(200, &stream).header("content-type", "text/event-stream"))
        .on("/mcp", Canned::new(202, ""));
    let server = server.start().await;
    let link = open(&server.site.url("/mcp"), Eras::Modern).await.expect("it opens");
    answer(call(&link, "tools/call", TOOL, "")).await;
    let (version, capabilities) = (Version::NEWEST, ClientCapabilities::default());
    let caller = Caller { scope: Scope::Shared, version, capabilities, user: None };
    link.notify(&caller, Notification::new("notifications/acme", None).expect("valid"));
    assert!(server.site.wait_seen(SOON, |seen| seen.rpc().as_deref() == Some("notifications/acme")).await);
    let seen = server.site.seen();
    assert_eq!(seen.len(), 3, "{seen:?}");
    let headers = ["accept", "mcp-protocol-version", "mcp-method"].map(|name| seen[2].header(name));
    assert_eq!(headers, [Some("application/json, text/event-stream"), Some("2026-07-28"), Some("notifications/acme")]);
}

#[tokio::test]
async fn calls_one_after_another_share_connections() {
    for server in both().await {
        let link = link(&server).await;
        for _ in 0..100 {
            answer(call(&link, "tools/call", TOOL, "")).await;
        }
        let connections = server.site.accepted();
        assert!(connections <= 5, "{connections} connections for a hundred calls");
    }
}
