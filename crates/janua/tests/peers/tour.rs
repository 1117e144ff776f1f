//! What a client of another author does with the reference server, with Janua between them.

use std::error::Error;

use janua_testkit::peers::{Era, Options, Peer, PeerError, Sdk, Transport, text};
use serde_json::{Value, json};

/// How a tour ends.
pub(crate) type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn named(list: &Value, name: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|entry| entry["name"] == name))
}

/// Everything the reference server offers; without a handshake, what the client's era has of it.
pub(crate) async fn everything(sdk: Sdk, era: Era, transport: Transport) -> Outcome {
    let mut peer = Peer::start_with(sdk, &transport, &Options { era, ..Options::default() })?;
    let info = peer.connect().await?;
    let modern = era != Era::Legacy;
    assert_eq!(info["protocolVersion"], if modern { "2026-07-28" } else { "2025-11-25" }, "{sdk:?}");
    // A client that asks nothing first does not know whom it talks to.
    if !(era == Era::Modern && info["serverInfo"].is_null()) {
        assert_eq!(info["serverInfo"]["name"], "mcp-servers/everything", "{sdk:?} {info}");
    }
    let tools = peer.op(json!({"op": "list_tools"})).await?;
    assert!(named(&tools["tools"], "echo"), "{sdk:?} {tools}");
    let echo = peer.call("echo", json!({"message": "é 🚪"})).await?;
    assert_eq!(text(&echo), "Echo: é 🚪", "{sdk:?}");
    asked(&mut peer, sdk, modern).await?;
    reported(&mut peer, sdk).await?;
    cancelled(&mut peer, sdk).await?;
    read(&mut peer, sdk, modern).await?;
    prompted(&mut peer, sdk).await?;
    at_once(&mut peer, sdk).await?;
    if !modern {
        assert_eq!(peer.op(json!({"op": "ping"})).await?, json!({}), "{sdk:?}");
        peer.op(json!({"op": "set_level", "level": "debug"})).await?;
        peer.op(json!({"op": "roots_changed"})).await?;
    }
    peer.close().await?;
    Ok(())
}

/// The server's questions in mid-call, and what it makes of the answers.
async fn asked(peer: &mut Peer, sdk: Sdk, modern: bool) -> Outcome {
    let question = json!({"prompt": "why", "maxTokens": 9});
    let sampled = peer.call("trigger-sampling-request", question).await?;
    assert!(text(&sampled).contains("sampled: Resource"), "{sdk:?} {sampled}");
    let elicited = peer.call("trigger-elicitation-request", json!({})).await?;
    assert!(text(&elicited).contains("Name: ann"), "{sdk:?} {elicited}");
    let roots = peer.call("get-roots-list", json!({})).await?;
    // This server asks for the roots when it opens, outside every call: a client that is asked only in answers to
    // its own requests can then show none, and the server asks no second time.
    assert!(modern || text(&roots).contains("file:///peer/root"), "{sdk:?} {roots}");
    assert!(text(&roots).contains("oots"), "{sdk:?} {roots}");
    let events = peer.events().await?;
    let asked = ["sampling/createMessage", "elicitation/create", "roots/list"];
    for method in asked.into_iter().take(if modern { 2 } else { 3 }) {
        let heard = events.iter().any(|event| event["kind"] == "request" && event["method"] == method);
        assert!(heard, "{sdk:?} was not asked {method}: {events:?}");
    }
    Ok(())
}

/// Progress under the client's own token.
async fn reported(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let tool = "trigger-long-running-operation";
    let mut events = Vec::new();
    // A client that finds progress and result in one read drops the progress, and on a busy machine all come late.
    for duration in [0.3, 3.0, 15.0] {
        peer.events().await?;
        let long = json!({"duration": duration, "steps": 3});
        peer.op(json!({"op": "call", "name": tool, "arguments": long, "progress": true})).await?;
        events = peer.events().await?;
        let progress = events.iter().filter(|event| event["kind"] == "progress");
        let mut steps: Vec<_> = progress.filter_map(|event| event["params"]["progress"].as_f64()).collect();
        if sdk == Sdk::Rmcp {
            // It takes in each notification in a task of its own.
            steps.sort_by(f64::total_cmp);
        }
        // The last one races with the result, and a client may drop it then.
        if steps.starts_with(&[1.0, 2.0]) {
            return Ok(());
        }
    }
    Err(format!("{sdk:?} heard no progress under its own token: {events:?}").into())
}

/// A call given up, and a connection that still works.
async fn cancelled(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let tool = "trigger-long-running-operation";
    let endless = json!({"duration": 600, "steps": 1});
    let command = json!({"op": "cancel_call", "name": tool, "arguments": endless, "after_ms": 50});
    assert_eq!(peer.op(command).await?, json!({"cancelled": true}), "{sdk:?}");
    let late = peer.op(json!({"op": "call", "name": tool, "arguments": endless, "timeout": 0.2})).await;
    assert!(matches!(late, Err(PeerError::Refused(_))), "{sdk:?} {late:?}");
    let echo = peer.call("echo", json!({"message": "still there"})).await?;
    assert_eq!(text(&echo), "Echo: still there", "{sdk:?}");
    Ok(())
}

/// Resources, templates, and an update of what is subscribed to.
async fn read(peer: &mut Peer, sdk: Sdk, modern: bool) -> Outcome {
    let resources = peer.op(json!({"op": "list_resources"})).await?;
    let uri = resources["resources"][0]["uri"].as_str().ok_or("no resource")?.to_owned();
    let read = peer.op(json!({"op": "read", "uri": uri})).await?;
    assert_eq!(read["contents"][0]["uri"], uri, "{sdk:?}");
    let templates = peer.op(json!({"op": "list_templates"})).await?;
    assert!(templates["resourceTemplates"][0]["uriTemplate"].is_string(), "{sdk:?} {templates}");
    peer.op(json!({"op": "subscribe", "uri": uri})).await?;
    peer.call("toggle-subscriber-updates", json!({})).await?;
    let updated = peer.event("notifications/resources/updated").await?;
    assert_eq!(updated["params"]["uri"], uri, "{sdk:?}");
    if !modern {
        peer.op(json!({"op": "unsubscribe", "uri": uri})).await?;
    }
    Ok(())
}

/// Prompts and the completion of their arguments.
async fn prompted(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let prompts = peer.op(json!({"op": "list_prompts"})).await?;
    assert!(named(&prompts["prompts"], "args-prompt"), "{sdk:?} {prompts}");
    let command = json!({"op": "get_prompt", "name": "args-prompt", "arguments": {"city": "Rome"}});
    let prompt = peer.op(command).await?.to_string();
    assert!(prompt.contains("Rome"), "{sdk:?} {prompt}");
    let about = json!({"type": "ref/prompt", "name": "completable-prompt"});
    let argument = json!({"name": "department", "value": "E"});
    let completed = peer.op(json!({"op": "complete", "ref": about, "argument": argument})).await?;
    assert_eq!(completed["completion"]["values"], json!(["Engineering"]), "{sdk:?}");
    Ok(())
}

/// Several requests at once, one of which the server refuses.
async fn at_once(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let mut calls: Vec<Value> = (0..8).map(|n| json!({"name": "get-sum", "arguments": {"a": n, "b": 100}})).collect();
    calls.push(json!({"op": "get_prompt", "name": "no such prompt"}));
    let answers = peer.op(json!({"op": "parallel", "calls": calls})).await?;
    for n in 0..8 {
        let sum = text(&answers[n]["value"]);
        assert!(sum.contains(&(n + 100).to_string()), "{sdk:?} {n} {answers}");
    }
    assert_eq!(answers[8]["error"]["code"], -32602, "{sdk:?} {answers}");
    Ok(())
}
