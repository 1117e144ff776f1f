//! The adapters of other authors' clients, proven against other authors' servers.

use janua_testkit::peers::{
    Era, HttpMode, Maker, Options, Peer, PeerError, Sdk, Served, Transport, server_everything, server_filesystem,
    server_time, text, tour,
};
use janua_testkit::process;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// A deadline that only a broken machine misses.
const LONG: Duration = Duration::from_mins(1);

type Outcome = anyhow::Result<()>;

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["kind"] == kind).collect()
}

/// Runs them side by side; most of a tour is waiting for the other process.
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

/// Everything the reference server offers, through one client.
async fn reference(sdk: Sdk, transport: Transport) -> Outcome {
    let mut peer = Peer::start(sdk, &transport)?;
    let info = peer.connect().await?;
    assert_eq!(info["protocolVersion"], "2025-11-25", "{sdk:?}");
    assert_eq!(info["serverInfo"]["name"], "mcp-servers/everything", "{sdk:?}");
    let shown = !matches!(transport, Transport::Http(_)) || sdk == Sdk::Rmcp;
    assert!(shown || info["sessionId"].is_string(), "{sdk:?} {info}");
    let tools = peer.op(json!({"op": "list_tools"})).await?;
    let tools = tools["tools"].as_array().expect("a list of tools");
    assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{sdk:?}");
    let echo = peer.call("echo", json!({"message": "hi"})).await?;
    assert_eq!(text(&echo), "Echo: hi", "{sdk:?}");
    asked(&mut peer, sdk).await?;
    progressed(&mut peer, sdk).await?;
    others(&mut peer, sdk).await?;
    peer.close().await?;
    Ok(())
}

/// What the server asks the client for.
async fn asked(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let sampled = peer.call("trigger-sampling-request", json!({"prompt": "why", "maxTokens": 9})).await?;
    assert!(text(&sampled).contains("sampled: Resource"), "{sdk:?} {sampled}");
    let elicited = peer.call("trigger-elicitation-request", json!({})).await?;
    for answer in ["Name: ann", "Agreed to terms: true", "Favorite Integer: 7"] {
        assert!(text(&elicited).contains(answer), "{sdk:?} {elicited}");
    }
    assert!(text(&elicited).contains(r#""legacyTitledEnum": "pet-1""#), "{sdk:?} {elicited}");
    let roots = peer.call("get-roots-list", json!({})).await?;
    assert!(text(&roots).contains("file:///peer/root"), "{sdk:?} {roots}");
    let events = peer.events().await?;
    let requests: Vec<_> = of_kind(&events, "request").iter().map(|event| event["method"].clone()).collect();
    for method in ["sampling/createMessage", "elicitation/create", "roots/list"] {
        assert!(requests.contains(&method.into()), "{sdk:?} {requests:?}");
    }
    Ok(())
}

/// Progress, then a cancelled call and a connection that still works.
async fn progressed(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let long = json!({"duration": 0.3, "steps": 3});
    let tool = "trigger-long-running-operation";
    peer.op(json!({"op": "call", "name": tool, "arguments": long, "progress": true})).await?;
    let events = peer.events().await?;
    let steps = of_kind(&events, "progress");
    // The last one races with the result and may be dropped by a client.
    assert!(steps.len() >= 2, "{sdk:?} {events:?}");
    assert_eq!(steps[0]["params"]["progress"].as_f64(), Some(1.0), "{sdk:?}");
    assert_eq!(steps[0]["params"]["total"].as_f64(), Some(3.0), "{sdk:?}");
    assert!(sdk == Sdk::Rmcp || steps[0]["call"] == tool, "{sdk:?}");
    let endless = json!({"duration": 600, "steps": 1});
    let cancelled = peer.op(json!({"op": "cancel_call", "name": tool, "arguments": endless, "after_ms": 50})).await?;
    assert_eq!(cancelled, json!({"cancelled": true}), "{sdk:?}");
    let late = peer
        .op(json!({"op": "call", "name": tool, "arguments": endless, "timeout": 0.2}))
        .await
        .expect_err("a call that outlasts its timeout");
    assert!(matches!(late, PeerError::Refused(_)), "{sdk:?} {late}");
    Ok(())
}

async fn others(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let calls = json!([
        {"name": "echo", "arguments": {"message": "a"}},
        {"name": "get-sum", "arguments": {"a": 2, "b": 3}},
        {"op": "ping"},
        {"op": "get_prompt", "name": "no such prompt"},
    ]);
    let answers = peer.op(json!({"op": "parallel", "calls": calls})).await?;
    assert_eq!(text(&answers[0]["value"]), "Echo: a", "{sdk:?}");
    assert!(text(&answers[1]["value"]).contains('5'), "{sdk:?}");
    assert_eq!(answers[2], json!({"ok": true, "value": {}}), "{sdk:?}");
    assert_eq!(answers[3]["error"]["code"], -32602, "{sdk:?} {answers}");
    let resources = peer.op(json!({"op": "list_resources"})).await?;
    let uri = resources["resources"][0]["uri"].as_str().expect("a first resource").to_owned();
    let read = peer.op(json!({"op": "read", "uri": uri})).await?;
    assert_eq!(read["contents"][0]["uri"], uri, "{sdk:?}");
    let templates = peer.op(json!({"op": "list_templates"})).await?;
    assert!(templates["resourceTemplates"][0]["uriTemplate"].is_string(), "{sdk:?}");
    let prompt = json!({"op": "get_prompt", "name": "args-prompt", "arguments": {"city": "Rome"}});
    let prompt = peer.op(prompt).await?;
    assert!(prompt["messages"][0]["content"]["text"].as_str().unwrap_or("").contains("Rome"));
    let department = json!({"name": "department", "value": "E"});
    let prompt = json!({"type": "ref/prompt", "name": "completable-prompt"});
    let complete = peer.op(json!({"op": "complete", "ref": prompt, "argument": department})).await?;
    assert_eq!(complete["completion"]["values"], json!(["Engineering"]), "{sdk:?}");
    peer.op(json!({"op": "set_level", "level": "debug"})).await?;
    peer.op(json!({"op": "subscribe", "uri": uri})).await?;
    peer.call("toggle-subscriber-updates", json!({})).await?;
    let updated = peer.event("notifications/resources/updated").await?;
    assert_eq!(updated["params"]["uri"], uri, "{sdk:?}");
    peer.op(json!({"op": "unsubscribe", "uri": uri})).await?;
    peer.op(json!({"op": "roots_changed"})).await?;
    Ok(())
}

#[tokio::test]
async fn every_client_tours_the_reference_server_over_stdio() -> Outcome {
    let transport = Transport::Stdio(server_everything()?);
    all(Sdk::ALL.map(|sdk| reference(sdk, transport.clone()))).await
}

#[tokio::test]
async fn every_client_tours_the_reference_server_over_streamable_http() -> Outcome {
    let server = Served::everything(HttpMode::Streamable).await?;
    all(Sdk::ALL.map(|sdk| reference(sdk, Transport::Http(server.url().to_owned())))).await
}

#[tokio::test]
async fn every_client_that_can_tours_the_reference_server_over_sse() -> Outcome {
    let server = Served::everything(HttpMode::Sse).await?;
    let able = Sdk::ALL.into_iter().filter(|sdk| sdk.has_sse());
    all(able.map(|sdk| reference(sdk, Transport::Sse(server.url().to_owned())))).await
}

/// Every client of `era` with every server of the common catalogue: half of the pairs over stdio, half over HTTP.
async fn catalogue(era: Era) -> Outcome {
    let able = Sdk::ALL.into_iter().filter(|sdk| era == Era::Legacy || sdk.is_modern());
    let pairs = able.enumerate().flat_map(|(row, sdk)| {
        Maker::ALL.into_iter().enumerate().map(move |(column, maker)| (sdk, maker, (row + column) % 2 == 0))
    });
    all(pairs.map(|(sdk, maker, over_http)| async move {
        let words = maker.command()?;
        let served = if over_http { Some(Served::catalogue(&words).await?) } else { None };
        let at = served.as_ref().map_or(Transport::Stdio(words), |server| Transport::Http(server.url().to_owned()));
        Ok(tour(sdk, at, era, &maker.lacks(era != Era::Legacy, over_http)).await?)
    }))
    .await
}

#[tokio::test]
async fn clients_with_a_handshake_tour_every_catalogue() -> Outcome {
    catalogue(Era::Legacy).await
}

#[tokio::test]
async fn clients_without_a_handshake_tour_every_catalogue() -> Outcome {
    catalogue(Era::Modern).await
}

async fn fall_back(sdk: Sdk, transport: Transport) -> Outcome {
    let options = Options { era: Era::Auto, ..Options::default() };
    let mut peer = Peer::start_with(sdk, &transport, &options)?;
    let info = peer.connect().await?;
    assert_eq!(info["protocolVersion"], "2025-11-25", "{sdk:?} {transport:?}");
    assert_eq!(text(&peer.call("echo", json!({"message": "x"})).await?), "Echo: x", "{sdk:?}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_asks_first_falls_back_to_the_handshake() -> Outcome {
    let server = Served::everything(HttpMode::Streamable).await?;
    let ways = [Transport::Stdio(server_everything()?), Transport::Http(server.url().to_owned())];
    let able = Sdk::ALL.into_iter().filter(|sdk| sdk.is_modern());
    all(able.flat_map(|sdk| ways.clone().map(|at| fall_back(sdk, at)))).await
}

#[tokio::test]
async fn the_revision_and_the_capabilities_offered_can_be_chosen() -> Outcome {
    for sdk in Sdk::ALL {
        let mut peer = Peer::start(sdk, &Transport::Stdio(server_everything()?))?;
        let connect = json!({"op": "connect", "version": "2025-06-18", "capabilities": ["sampling"]});
        assert_eq!(peer.op(connect).await?["protocolVersion"], "2025-06-18", "{sdk:?}");
        // This server offers a tool only to clients that can do what the tool asks for.
        let tools = peer.op(json!({"op": "list_tools"})).await?.to_string();
        assert!(tools.contains("trigger-sampling-request"), "{sdk:?}");
        assert!(!tools.contains("trigger-elicitation-request"), "{sdk:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_other_servers_answer() -> Outcome {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("a.txt"), "some text")?;
    let mut files = Peer::start(Sdk::TypeScript1, &Transport::Stdio(server_filesystem(folder.path())?))?;
    // With roots this server would serve those instead of the folder it was given.
    files.op(json!({"op": "connect", "capabilities": []})).await?;
    let read = files.call("read_text_file", json!({"path": folder.path().join("a.txt")})).await?;
    assert_eq!(text(&read), "some text");
    let mut time = Peer::start(Sdk::Python1, &Transport::Stdio(server_time()?))?;
    time.connect().await?;
    let now = time.call("get_current_time", json!({"timezone": "UTC"})).await?;
    assert!(text(&now).contains("\"timezone\": \"UTC\""), "{now}");
    Ok(())
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_an_error_with_the_transcript() -> Outcome {
    let silent = ["sh", "-c", "echo noise >&2; exec sleep 600"].map(str::to_owned);
    let mut peer = Peer::start(Sdk::Python1, &Transport::Stdio(silent.to_vec()))?;
    let late = peer.op_within(json!({"op": "connect"}), Duration::from_millis(200)).await;
    let late = late.expect_err("a server that never answers").to_string();
    for part in ["Python1: no answer within 200ms", "> {\"op\":\"connect\"}", "--- stderr"] {
        assert!(late.contains(part), "no {part} in {late}");
    }
    let heard = process::eventually(LONG, || peer.stderr().contains("noise")).await;
    assert!(heard, "the server's standard error is lost: {}", peer.stderr());
    let next = peer.op(json!({"op": "events"})).await.expect_err("a client out of step");
    assert!(matches!(next, PeerError::Silent(_)), "{next}");
    Ok(())
}

#[tokio::test]
async fn a_dropped_client_leaves_no_process_behind() -> Outcome {
    let stubborn = ["sh", "-c", "trap '' TERM HUP; while :; do sleep 600; done"].map(str::to_owned);
    for sdk in Sdk::ALL {
        let mut peer = Peer::start(sdk, &Transport::Stdio(stubborn.to_vec()))?;
        let pid = peer.pid();
        tokio::select! {
            connected = peer.connect() => panic!("{sdk:?} connected to nothing: {connected:?}"),
            started = process::eventually(LONG, || !process::descendants(pid).is_empty()) => {
                assert!(started, "{sdk:?} started no server");
            }
        }
        let started = process::descendants(pid);
        drop(peer);
        for pid in started {
            assert!(process::wait_gone(pid, LONG).await, "{sdk:?} left {pid}");
        }
    }
    Ok(())
}
