//! Clients of five SDKs, in both eras, with the reference servers, which have the handshake only.

use janua_testkit::peers::{
    Era, HttpMode, Options, Peer, Sdk, Served, Transport, server_everything, server_filesystem, server_time, text,
};
use serde_json::json;

use crate::scene::{Outcome, Way, address, all, command, connect, empty, proxy, servers};
use crate::tour::everything;

#[tokio::test]
async fn every_client_over_streamable_http() -> Outcome {
    let gateway = proxy(&command(server_everything()?)).await;
    all(Sdk::ALL.map(|sdk| everything(sdk, Era::Legacy, Transport::Http(gateway.url("/mcp"))))).await?;
    empty(&gateway).await;
    Ok(())
}

#[tokio::test]
async fn every_client_that_can_over_sse() -> Outcome {
    let gateway = proxy(&command(server_everything()?)).await;
    let able = Sdk::ALL.into_iter().filter(|sdk| sdk.has_sse());
    all(able.map(|sdk| everything(sdk, Era::Legacy, Transport::Sse(gateway.url("/sse"))))).await?;
    empty(&gateway).await;
    Ok(())
}

#[tokio::test]
async fn every_client_over_stdio() -> Outcome {
    let transport = connect(&command(server_everything()?));
    all(Sdk::ALL.map(|sdk| everything(sdk, Era::Legacy, transport.clone()))).await
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
    let toured = all(tours.map(|(sdk, transport)| everything(sdk, Era::Legacy, transport))).await;
    if toured.is_err() {
        eprintln!("--- gateway\n{}\n--- server\n{}", gateway.stderr(), server.stderr());
    }
    toured
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
async fn files(sdk: Sdk, era: Era, transport: Transport, folder: String) -> Outcome {
    let mut peer = Peer::start_with(sdk, &transport, &Options { era, ..Options::default() })?;
    // With roots of a session this server would serve those instead of the folder it was given.
    let capabilities = if era == Era::Legacy { json!([]) } else { json!(["roots", "elicitation"]) };
    peer.op(json!({"op": "connect", "capabilities": capabilities})).await?;
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
    all(Sdk::ALL.map(|sdk| files(sdk, Era::Legacy, transport(sdk), place.clone()))).await?;
    empty(&gateway).await;
    all(modern().map(|sdk| files(sdk, Era::Auto, transport(sdk), place.clone()))).await?;
    assert_eq!(servers(&gateway).len(), 1, "one server for clients without a handshake that can be asked the same");
    Ok(())
}

/// The clients that can do without a handshake.
fn modern() -> impl Iterator<Item = Sdk> {
    Sdk::ALL.into_iter().filter(|sdk| sdk.is_modern())
}

/// One client without a handshake, with a server of its own.
async fn without_handshake(sdk: Sdk, era: Era, way: Way, mode: HttpMode) -> Outcome {
    let served = if way.is_remote() { Some(Served::everything(mode).await?) } else { None };
    let reached = way.to(&[], server_everything()?, served).await;
    let toured = everything(sdk, era, reached.transport.clone()).await;
    toured.map_err(|error| format!("{sdk:?} {era:?} {way:?} {mode:?}: {error}").into())
}

#[tokio::test]
async fn clients_without_a_handshake_in_every_way() -> Outcome {
    use HttpMode::{Sse, Streamable};
    let ways =
        [(Way::Proxy, Streamable), (Way::ProxyUrl, Streamable), (Way::Connect, Streamable), (Way::ConnectUrl, Sse)];
    let tours = modern().flat_map(|sdk| ways.map(|(way, mode)| without_handshake(sdk, Era::Modern, way, mode)));
    all(tours.collect::<Vec<_>>()).await
}

#[tokio::test]
async fn clients_that_ask_first_find_no_need_to_shake_hands() -> Outcome {
    let way = |sdk| if sdk == Sdk::Python2 { Way::Connect } else { Way::Proxy };
    all(modern().map(|sdk| without_handshake(sdk, Era::Auto, way(sdk), HttpMode::Streamable))).await
}
