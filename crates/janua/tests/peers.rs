//! Other authors' clients with other authors' servers, and Janua between them.

#[path = "peers/tour.rs"]
mod tour;

use std::time::Duration;

use janua_testkit::gateway::Gateway;
use janua_testkit::peers::{
    Era, HttpMode, Options, Peer, Sdk, Served, Transport, server_everything, server_filesystem, server_time,
};
use janua_testkit::process;
use serde_json::json;
use tokio::task::JoinSet;

use tour::{Outcome, everything, text};

const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
const LONG: Duration = Duration::from_secs(60);

/// `janua proxy` with these further words.
async fn proxy(words: &[String]) -> Gateway {
    Gateway::builder(JANUA).args(&["proxy", "--port", "0"]).args(words).start().await
}

/// A server's command behind the double dash.
fn command(words: Vec<String>) -> Vec<String> {
    std::iter::once("--".to_owned()).chain(words).collect()
}

/// `janua connect` with these further words, as a client starts it.
fn connect(words: &[String]) -> Transport {
    let line = [JANUA.to_owned(), "connect".to_owned()].into_iter();
    Transport::Stdio(line.chain(words.iter().cloned()).collect())
}

/// Runs them side by side; most of a tour is waiting for another process.
async fn all<T>(tours: impl IntoIterator<Item = T>) -> Outcome
where
    T: Future<Output = Outcome> + Send + 'static,
{
    let mut running: JoinSet<_> = tours.into_iter().collect();
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// The command lines of the servers below a gateway; what watches over them is part of Janua.
fn servers(gateway: &Gateway) -> Vec<Vec<String>> {
    let lines = process::children(gateway.pid()).into_iter().map(process::cmdline);
    lines.filter(|words| words.first().is_none_or(|program| program != JANUA)).collect()
}

/// Every client has gone, so nothing may be left of their servers.
async fn empty(gateway: &Gateway) {
    let gone = process::eventually(LONG, || servers(gateway).is_empty()).await;
    assert!(gone, "the clients are gone, and these go on: {:?}", servers(gateway));
}

/// Where a gateway listens that names the address of another server before its own.
async fn address(gateway: &Gateway) -> String {
    let mut base = None;
    let told = process::eventually(LONG, || {
        let text = gateway.stderr();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Streamable HTTP"));
        base = line.and_then(|line| line.trim().strip_suffix("/mcp")).map(str::to_owned);
        base.is_some()
    });
    assert!(told.await, "{}", gateway.stderr());
    base.expect("just seen")
}

#[tokio::test]
async fn every_client_over_streamable_http() -> Outcome {
    let gateway = proxy(&command(server_everything()?)).await;
    all(Sdk::ALL.map(|sdk| everything(sdk, Transport::Http(gateway.url("/mcp"))))).await?;
    empty(&gateway).await;
    Ok(())
}

#[tokio::test]
async fn every_client_that_can_over_sse() -> Outcome {
    let gateway = proxy(&command(server_everything()?)).await;
    let able = Sdk::ALL.into_iter().filter(|sdk| sdk.has_sse());
    all(able.map(|sdk| everything(sdk, Transport::Sse(gateway.url("/sse"))))).await?;
    empty(&gateway).await;
    Ok(())
}

#[tokio::test]
async fn every_client_over_stdio() -> Outcome {
    let transport = connect(&command(server_everything()?));
    all(Sdk::ALL.map(|sdk| everything(sdk, transport.clone()))).await
}

/// Each client reaches the remote server in another way.
async fn remote(mode: HttpMode) -> Outcome {
    let server = Served::everything(mode).await?;
    let words = [server.url().to_owned()];
    let gateway = proxy(&words).await;
    let base = address(&gateway).await;
    let (http, sse) = (Transport::Http(format!("{base}/mcp")), Transport::Sse(format!("{base}/sse")));
    let tours = [
        (Sdk::Python1, http.clone()),
        (Sdk::Python2, sse),
        (Sdk::TypeScript1, connect(&words)),
        (Sdk::TypeScript2, http),
        (Sdk::Rmcp, connect(&words)),
    ];
    all(tours.map(|(sdk, transport)| everything(sdk, transport))).await
}

#[tokio::test]
async fn every_client_with_a_remote_server_over_streamable_http() -> Outcome {
    remote(HttpMode::Streamable).await
}

#[tokio::test]
async fn every_client_with_a_remote_server_over_sse() -> Outcome {
    remote(HttpMode::Sse).await
}

/// Lists and calls, which is what there is without a session.
async fn sessionless(sdk: Sdk, transport: Transport) -> Outcome {
    let mut peer = Peer::start(sdk, &transport)?;
    peer.op(json!({"op": "connect", "capabilities": []})).await?;
    let tools = peer.op(json!({"op": "list_tools"})).await?.to_string();
    assert!(tools.contains("get_current_time"), "{sdk:?} {tools}");
    for _ in 0..2 {
        let now = peer.call("get_current_time", json!({"timezone": "UTC"})).await?;
        assert!(text(&now).contains("\"timezone\": \"UTC\""), "{sdk:?} {now}");
    }
    peer.close().await?;
    Ok(())
}

#[tokio::test]
async fn every_client_without_sessions_shares_one_server() -> Outcome {
    let words: Vec<_> = std::iter::once("--stateless".to_owned()).chain(command(server_time()?)).collect();
    let gateway = proxy(&words).await;
    all(Sdk::ALL.map(|sdk| sessionless(sdk, Transport::Http(gateway.url("/mcp"))))).await?;
    assert_eq!(servers(&gateway).len(), 1, "one server for all");
    Ok(())
}

/// Reads a file below the folder, and is refused one above it.
async fn files(sdk: Sdk, transport: Transport, folder: String) -> Outcome {
    let mut peer = Peer::start(sdk, &transport)?;
    // With roots this server would serve those instead of the folder it was given.
    peer.op(json!({"op": "connect", "capabilities": []})).await?;
    let read = peer.call("read_text_file", json!({"path": format!("{folder}/a.txt")})).await?;
    assert_eq!(text(&read), "some text", "{sdk:?}");
    let refused = peer.call("read_text_file", json!({"path": "/etc/passwd"})).await?;
    assert_eq!(refused["isError"], true, "{sdk:?} {refused}");
    peer.close().await?;
    Ok(())
}

#[tokio::test]
async fn every_client_reads_files() -> Outcome {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("a.txt"), "some text")?;
    let words = command(server_filesystem(folder.path())?);
    let gateway = proxy(&words).await;
    let place = folder.path().display().to_string();
    let transport = |sdk| match sdk {
        Sdk::Python2 | Sdk::Rmcp => connect(&words),
        _ => Transport::Http(gateway.url("/mcp")),
    };
    all(Sdk::ALL.map(|sdk| files(sdk, transport(sdk), place.clone()))).await?;
    empty(&gateway).await;
    Ok(())
}

/// A client that tries 2026-07-28 first is told that it is not spoken here, and shakes hands.
async fn fall_back(sdk: Sdk, transport: Transport) -> Outcome {
    let options = Options { era: Era::Auto, ..Options::default() };
    let mut peer = Peer::start_with(sdk, &transport, &options)?;
    let info = peer.connect().await?;
    assert_eq!(info["protocolVersion"], "2025-11-25", "{sdk:?} {transport:?}");
    let now = peer.call("get_current_time", json!({"timezone": "UTC"})).await?;
    assert!(text(&now).contains("\"timezone\": \"UTC\""), "{sdk:?} {now}");
    peer.close().await?;
    Ok(())
}

#[tokio::test]
async fn clients_of_both_eras_fall_back_to_the_handshake() -> Outcome {
    let words = command(server_time()?);
    let gateway = proxy(&words).await;
    let ways = [Transport::Http(gateway.url("/mcp")), connect(&words)];
    let able = Sdk::ALL.into_iter().filter(|sdk| sdk.is_modern());
    all(able.flat_map(|sdk| ways.clone().map(|way| fall_back(sdk, way)))).await?;
    empty(&gateway).await;
    Ok(())
}

#[tokio::test]
async fn clients_of_2026_07_28_alone_are_refused_and_nothing_is_started() -> Outcome {
    let gateway = proxy(&command(server_time()?)).await;
    for sdk in Sdk::ALL.into_iter().filter(|sdk| sdk.is_modern()) {
        let options = Options { era: Era::Modern, ..Options::default() };
        let mut peer = Peer::start_with(sdk, &Transport::Http(gateway.url("/mcp")), &options)?;
        let refused = async {
            peer.connect().await?;
            peer.call("get_current_time", json!({"timezone": "UTC"})).await
        };
        let refused = refused.await;
        assert!(refused.is_err(), "{sdk:?} {refused:?}");
    }
    assert!(servers(&gateway).is_empty(), "a server was started");
    assert!(gateway.running());
    Ok(())
}
