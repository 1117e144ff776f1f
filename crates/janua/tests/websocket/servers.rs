//! Servers on a WebSocket: the upgrade, messages both ways, faults, ends.

use std::fmt::Write as _;
use std::time::Duration;

use janua::config::Share;
use janua_testkit::process::{eventually, eventually_with};
use janua_testkit::upstream::canned::{Canned, CannedServer};
use janua_testkit::upstream::websocket::{Frame, Selected, WebSocketServer};

use crate::scene::{CAPABLE, SECRET, SOON, VERSION, both, both_with, code, may_have_run, remote, sentence};

#[tokio::test]
async fn everything_passes_from_http_to_a_socket() {
    let (server, scene) = both().await;
    let session = scene.http().initialize(VERSION, CAPABLE).await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let params = r#"{"name":"progress","arguments":{},"_meta":{"progressToken":"tok"}}"#;
    assert_eq!(session.request("tools/call", params).await.notifications("notifications/progress").len(), 3);
    let asked = session
        .request_answering("tools/call", r#"{"name":"ask","arguments":{}}"#, |_| r#"{"roots":[]}"#.to_owned())
        .await;
    assert_eq!(asked.text(), r#"{"roots":[]}"#);
    session.delete().await;
    assert!(eventually(SOON, || server.open() == 0).await, "the socket is still open");
    assert_eq!(server.farewells(), [Some(1000)]);
}

#[tokio::test]
async fn the_upgrade_carries_what_is_configured() {
    let server = WebSocketServer::builder().start().await;
    let url = format!("{}?tenant=a%20b", server.url());
    let scene = remote(&url, |_| {}).await;
    scene.http().initialize(VERSION, "{}").await;
    let knock = server.knocks().remove(0);
    assert_eq!(knock.path, "/ws?tenant=a%20b");
    let said = |name: &str| knock.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(said("authorization"), Some(SECRET));
    assert_eq!(said("sec-websocket-protocol"), Some("mcp"));
    assert_eq!((said("origin"), said("sec-websocket-extensions")), (None, None));
    let order: Vec<_> = server.seen().iter().filter_map(|m| m.method().map(str::to_owned)).collect();
    assert_eq!(order, ["initialize", "notifications/initialized"]);
}

#[tokio::test]
async fn a_server_that_selects_no_subprotocol_works_and_one_that_selects_another_does_not() {
    let plain = WebSocketServer::builder().selected(Selected::Nothing).start().await;
    let scene = remote(&plain.url(), |_| {}).await;
    let session = scene.http().initialize(VERSION, "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let other = WebSocketServer::builder().selected(Selected::Always("graphql-ws")).start().await;
    let scene = remote(&other.url(), |_| {}).await;
    let reply = scene.http().try_initialize(VERSION, "{}").await;
    assert_eq!(code(reply.response()), "start_failed", "{}", reply.raw());
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_refused_upgrade_is_told_and_no_redirect_is_followed() {
    let elsewhere = WebSocketServer::builder().start().await;
    for (status, wanted, said) in [
        (401, "unreachable", "401"),
        (403, "unreachable", "403"),
        (404, "unreachable", "404"),
        (500, "unreachable", "500"),
        (307, "unreachable", "307"),
    ] {
        let target = elsewhere.url().replacen("ws", "http", 1);
        let server = WebSocketServer::builder().refusing(status, &[("location", &target)]).start().await;
        let scene = remote(&server.url(), |_| {}).await;
        let reply = scene.http().try_initialize(VERSION, "{}").await;
        assert_eq!(code(reply.response()), wanted, "{status}: {}", reply.raw());
        assert!(sentence(reply.response()).contains(said), "{status}: {}", reply.raw());
        assert!(!may_have_run(reply.response()), "{status}: {}", reply.raw());
    }
    assert!(elsewhere.knocks().is_empty());
    let page = CannedServer::builder().on("GET /ws", Canned::new(200, "<html>")).start().await;
    let scene = remote(&page.site.url("/ws").replacen("http", "ws", 1), |_| {}).await;
    let reply = scene.http().try_initialize(VERSION, "{}").await;
    assert_eq!(code(reply.response()), "start_failed", "{}", reply.raw());
    assert!(sentence(reply.response()).contains("does not speak WebSocket"), "{}", reply.raw());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let server = WebSocketServer::builder().start().await;
    let url = server.url();
    let port = server.port();
    drop(server);
    let scene = remote(&url, |_| {}).await;
    let reply = scene.http().try_initialize(VERSION, "{}").await;
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    // It comes, and is found.
    let server = WebSocketServer::builder().port(port).start().await;
    let open = async || scene.http().try_initialize(VERSION, "{}").await.status == 200;
    assert!(eventually_with(SOON, open).await);
    drop(server);
}

#[tokio::test]
async fn a_goodbye_or_a_cut_ends_the_session_and_the_next_opens_another() {
    for cut in [false, true] {
        let (server, scene) = both().await;
        let session = scene.http().initialize(VERSION, "{}").await;
        let ending = async {
            assert!(server.wait_rpc(SOON, "tools/call").await);
            if cut { server.cut_connections().await } else { server.close(1012, "back at five").await }
        };
        let (reply, ()) = tokio::join!(session.call("slow", "{}"), ending);
        assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
        assert!(may_have_run(reply.response()), "{}", reply.raw());
        assert_eq!(sentence(reply.response()).contains("1012: back at five"), !cut, "{}", reply.raw());
        let gone = async || session.request("ping", "").await.status == 404;
        assert!(eventually_with(SOON, gone).await, "the session is still there");
        let again = scene.http().initialize(VERSION, "{}").await;
        assert_eq!(again.call("echo", r#"{"text":"again"}"#).await.text(), "again");
    }
}

#[tokio::test]
async fn text_that_is_no_message_is_passed_over() {
    let (server, scene) = both().await;
    let session = scene.http().initialize(VERSION, "{}").await;
    let talk = async {
        assert!(server.wait_rpc(SOON, "tools/call").await);
        for text in ["", "nonsense", "{}", "[]", "null", r#"{"jsonrpc":"2.0","id":777,"result":{}}"#] {
            server.push(text).await;
        }
        server.push_frame(Frame::Ping(b"there?"[..].into())).await;
        server.push_frame(Frame::Pong(b"unasked"[..].into())).await;
        server.release(1);
    };
    let (reply, ()) = tokio::join!(session.call("slow", "{}"), talk);
    assert_eq!(reply.text(), "waited");
}

#[tokio::test]
async fn frames_that_carry_no_text_end_the_link() {
    let (server, scene) = both().await;
    let session = scene.http().initialize(VERSION, "{}").await;
    let talk = async {
        assert!(server.wait_rpc(SOON, "tools/call").await);
        server.push_frame(Frame::binary(&b"\x00\x01"[..])).await;
    };
    let (reply, ()) = tokio::join!(session.call("slow", "{}"), talk);
    assert_eq!(code(reply.response()), "invalid_response", "{}", reply.raw());
    assert!(eventually(SOON, || server.farewells() == [Some(1003)]).await, "{:?}", server.farewells());
}

#[tokio::test]
async fn large_messages_pass_and_larger_ones_do_not() {
    let big = format!(r#"{{"text":"{}"}}"#, "x".repeat(10_000_000));
    let server = WebSocketServer::builder().on("acme/big", &big).start().await;
    let scene = remote(&server.url(), |_| {}).await;
    let session = scene.http().initialize(VERSION, "{}").await;
    let reply = session.request("acme/big", "").await;
    assert_eq!(reply.response().member("result").map(|result| result.len()), Some(big.len()));
    let mut text = String::new();
    for number in 0..400_000 {
        write!(text, "{number} ").expect("a string grows");
    }
    assert_eq!(session.call("echo", &format!(r#"{{"text":"{text}"}}"#)).await.text(), text);

    let scene = remote(&server.url(), |options| options.limits.server_message = 64 << 10).await;
    let session = scene.http().initialize(VERSION, "{}").await;
    let reply = session.request("acme/big", "").await;
    assert_eq!(code(reply.response()), "response_too_large", "{:.300}", reply.raw());
    assert!(eventually(SOON, || server.farewells().contains(&Some(1009))).await, "{:?}", server.farewells());
}

#[tokio::test]
async fn a_socket_in_use_or_not_is_kept_open_by_pings() {
    let (server, scene) = both_with(|options| options.limits.keep_alive = Duration::from_millis(30)).await;
    let session = scene.http().initialize(VERSION, "{}").await;
    assert!(eventually(SOON, || server.pings() > 5).await);
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    assert_eq!(server.knocks().len(), 1);
}

#[tokio::test]
async fn everybody_can_share_one_socket() {
    let (server, scene) = both_with(|options| options.share = Share::All).await;
    let calls = (0..20).map(|number| {
        let client = scene.http();
        async move {
            let params = format!(r#"{{"name":"echo","arguments":{{"text":"{number}"}}}}"#);
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            assert_eq!(client.post_json(body).await.message().text(), number.to_string());
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(server.knocks().len(), 1);
    assert!(server.seen_rpc("tools/call").iter().all(|call| call.id().is_some()));
}
