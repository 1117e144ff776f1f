//! Which era and transport a server is found to speak.

use std::sync::Arc;
use std::time::Duration;

use janua_testkit::upstream::canned::{Canned, CannedServer, Plan};
use janua_testkit::upstream::modern::ModernServer;
use janua_testkit::upstream::sse::SseServer;
use janua_testkit::upstream::streamable::StreamableServer;
use janua_wire::version::Version;

use super::{open, opener, opener_within, opening};
use crate::config::{Limits, RemoteServer, RemoteTransport};
use crate::servers::remote::RemoteOpener;
use crate::servers::{Eras, Opener, Refusal};
use crate::tasks::Tasks;

const DISCOVERED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;
const OPENED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"canned","version":"1"}}}"#;

fn said(server: &CannedServer) -> Vec<String> {
    let seen = server.site.seen();
    seen.iter().map(|seen| seen.rpc().unwrap_or_else(|| seen.method.to_string())).collect()
}

fn error(status: u16, code: i32, data: &str) -> Canned {
    let body = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"no","data":{data}}}}}"#);
    Canned::new(status, &body).header("content-type", "application/json")
}

#[tokio::test]
async fn each_server_is_found_in_each_order() {
    let modern = ModernServer::builder().start().await;
    let streamable = StreamableServer::builder().start().await;
    let old = SseServer::builder().start().await;
    for (url, first, second) in [
        (modern.url(), Version::V2026_07_28, Version::V2026_07_28),
        (streamable.url(), Version::V2025_11_25, Version::V2025_11_25),
        (old.url(), Version::V2025_11_25, Version::V2025_11_25),
    ] {
        for (eras, version) in [(Eras::ModernFirst, first), (Eras::LegacyFirst, second)] {
            let link = open(&url, eras).await.expect("it opens");
            assert_eq!(link.opened().version, version, "{url} {eras:?}");
        }
    }
    assert!(open(&streamable.url(), Eras::Modern).await.is_err());
    assert!(open(&modern.url(), Eras::Legacy).await.is_err());
}

#[tokio::test]
async fn what_is_no_word_of_2026_07_28_leads_to_the_handshake() {
    for refused in [
        Canned::new(400, ""),
        Canned::new(404, "<html>"),
        Canned::new(405, ""),
        Canned::new(501, ""),
        error(400, -32000, "null"),
        error(400, -32602, "null"),
        error(404, -32601, "null"),
        error(200, -32601, "null"),
        error(400, -32022, r#"{"supported":["2025-06-18"],"requested":"2026-07-28"}"#),
        Canned::json(&DISCOVERED.replace("2026-07-28", "2025-11-25")),
        Canned::new(202, ""),
        Canned::new(200, "<html>").header("content-type", "text/html"),
    ] {
        let server = CannedServer::builder().on("POST /mcp", refused.clone()).on("POST /mcp", Canned::json(OPENED));
        let server = server.start().await;
        let link = open(&server.site.url("/mcp"), Eras::ModernFirst).await;
        let link = link.unwrap_or_else(|refusal| panic!("{refused:?}: {refusal:?}"));
        assert_eq!(link.opened().version, Version::V2025_11_25, "{refused:?}");
        assert_eq!(said(&server)[..2], ["server/discover", "initialize"], "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_no_verdict_is_an_error() {
    for eras in [Eras::ModernFirst, Eras::LegacyFirst] {
        for refused in [
            Canned::new(401, ""),
            Canned::new(403, ""),
            Canned::new(429, ""),
            Canned::new(500, ""),
            Canned::new(503, "<html>"),
            error(401, -32001, "null"),
            error(500, -32603, "null"),
        ] {
            let server = CannedServer::builder().on("/mcp", refused.clone()).start().await;
            assert!(open(&server.site.url("/mcp"), eras).await.is_err());
            assert_eq!(server.site.seen().len(), 1, "{refused:?}: {:?}", said(&server));
        }
        let server = CannedServer::builder().plan("/mcp", Plan::HangUp).start().await;
        assert!(open(&server.site.url("/mcp"), eras).await.is_err());
        assert_eq!(server.site.seen().len(), 1, "{:?}", said(&server));
    }
    // It speaks 2026-07-28, whatever is wrong.
    for refused in
        [error(400, -32020, "null"), error(400, -32021, "{}"), error(400, -32022, r#"{"supported":["2027-01-01"]}"#)]
    {
        let server = CannedServer::builder().on("/mcp", refused.clone()).start().await;
        let refusal = open(&server.site.url("/mcp"), Eras::ModernFirst).await.expect_err("it refuses");
        assert!(matches!(refusal, Refusal::ByServer(_)), "{refused:?}");
        assert_eq!(said(&server), ["server/discover"], "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_handshake_is_asked_what_it_is() {
    for refused in [
        Canned::new(404, ""),
        error(400, -32022, r#"{"supported":["2026-07-28"]}"#),
        error(404, -32601, "null"),
        error(200, -32601, "null"),
    ] {
        let server = CannedServer::builder().on("POST /mcp", refused.clone()).on("POST /mcp", Canned::json(DISCOVERED));
        let server = server.start().await;
        let link = open(&server.site.url("/mcp"), Eras::LegacyFirst).await.expect("it opens");
        assert_eq!(link.opened().version, Version::V2026_07_28, "{refused:?}");
        assert_eq!(said(&server), ["initialize", "server/discover"], "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_without_sessions_is_asked_whether_it_can_ask_in_another_way() {
    for (capabilities, answer, version) in [
        (r#"{"roots":{}}"#, Canned::json(DISCOVERED), Version::V2026_07_28),
        (r#"{"roots":{}}"#, Canned::new(400, ""), Version::V2025_11_25),
        ("{}", Canned::json(DISCOVERED), Version::V2025_11_25),
    ] {
        let server = CannedServer::builder().on("POST /mcp", Canned::json(OPENED)).on("POST /mcp", answer);
        let server = server.on("POST /mcp", Canned::new(202, "")).start().await;
        let opener = opener(&server.site.url("/mcp"), &Tasks::default());
        let link = opener.open(opening(Eras::LegacyFirst, capabilities)).await.expect("it opens");
        assert_eq!(link.opened().version, version, "{capabilities}");
    }
    // One with sessions can ask as it is.
    let server = StreamableServer::builder().start().await;
    let opener = opener(&server.url(), &Tasks::default());
    opener.open(opening(Eras::LegacyFirst, r#"{"roots":{}}"#)).await.expect("it opens");
    assert!(server.site.seen_rpc("server/discover").is_empty());
}

#[tokio::test]
async fn silence_about_one_question_is_not_the_end() {
    let server = CannedServer::builder().plan("POST /mcp", Plan::Silence).on("POST /mcp", Canned::json(OPENED));
    let server = server.start().await;
    let limits = Limits { start: Duration::from_secs(8), ..Limits::default() };
    let opener = opener_within(&server.site.url("/mcp"), &Tasks::default(), limits);
    let link = opener.open(opening(Eras::ModernFirst, "{}")).await.expect("it opens");
    assert_eq!(link.opened().version, Version::V2025_11_25);
}

#[tokio::test]
async fn an_older_revision_that_the_server_names_is_spoken() {
    for complaint in [
        error(400, -32602, r#"{"supported":["2024-11-05","2025-06-18"],"requested":"2025-11-25"}"#),
        Canned::new(400, "Bad Request: Unsupported protocol version (supported versions: 2025-06-18, 2025-03-26)"),
    ] {
        let complaint =
            Canned { body: complaint.body.replace("\"no\"", "\"Unsupported protocol version\""), ..complaint };
        let server = CannedServer::builder()
            .on("POST /mcp", complaint)
            .on("POST /mcp", Canned::json(&OPENED.replace("2025-11-25", "2025-06-18")))
            .on("POST /mcp", Canned::new(202, ""))
            .start()
            .await;
        let link = open(&server.site.url("/mcp"), Eras::Legacy).await.expect("it opens");
        assert_eq!(link.opened().version, Version::V2025_06_18);
        let asked = server.site.seen_rpc("initialize");
        let asked: Vec<_> =
            asked.iter().filter_map(|seen| Some(seen.message()?.at("/params/protocolVersion").to_string())).collect();
        assert_eq!(asked, ["\"2025-11-25\"", "\"2025-06-18\""]);
    }
}

#[tokio::test]
async fn the_old_transport_knows_the_old_era_only() {
    let server = SseServer::builder().start().await;
    let (url, transport) = (server.url().parse().expect("a URL"), RemoteTransport::Sse);
    let server = RemoteServer { url, headers: Vec::new(), transport, allow_private: true };
    let opener = RemoteOpener::new(&server, Arc::default(), Tasks::default(), Arc::default());
    for (eras, opens) in [(Eras::Modern, false), (Eras::ModernFirst, true), (Eras::LegacyFirst, true)] {
        assert_eq!(opener.open(opening(eras, "{}")).await.is_ok(), opens, "{eras:?}");
    }
}
