//! Clients of five SDKs, in both eras, at one address that leads to three reference servers.

use janua_testkit::client::message::quoted;
use janua_testkit::gateway::Gateway;
use janua_testkit::peers::{
    Era, Options, Peer, Sdk, Transport, server_everything, server_filesystem, server_time, text,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{JANUA, Outcome, all};

/// A gateway of three servers, and the folder that one of them reads.
struct Gathered {
    gateway: Gateway,
    folder: TempDir,
}

fn entry(line: &[String]) -> Value {
    json!({"command": line[0], "args": line[1..]})
}

async fn gathered() -> Result<Gathered, Box<dyn std::error::Error + Send + Sync>> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("files"))?;
    std::fs::write(folder.path().join("files/a.txt"), "some text")?;
    let servers = json!({
        "everything": entry(&server_everything()?),
        "files": entry(&server_filesystem(&folder.path().join("files"))?),
        "time": entry(&server_time()?),
    });
    let file = folder.path().join("janua.json");
    std::fs::write(&file, json!({"data_dir": false, "servers": servers}).to_string())?;
    let words = ["serve", "--port", "0", "-c", &file.display().to_string()];
    let gateway = Gateway::builder(JANUA).args(&words).start().await;
    Ok(Gathered { gateway, folder })
}

/// Something of every server, in one session.
async fn tour(sdk: Sdk, era: Era, transport: Transport, folder: String) -> Outcome {
    let mut peer = Peer::start_with(sdk, &transport, &Options { era, ..Options::default() })?;
    // With roots of its client, the server of files would serve those.
    peer.op(json!({"op": "connect", "capabilities": ["sampling", "elicitation"]})).await?;
    let tools = peer.op(json!({"op": "list_tools"})).await?;
    let tools = tools["tools"].as_array().cloned().unwrap_or_default();
    for wanted in ["everything__echo", "files__read_text_file", "time__get_current_time"] {
        assert!(tools.iter().any(|tool| tool["name"] == wanted), "{sdk:?} {era:?}: {wanted} is missing in {tools:?}");
    }
    let echo = peer.call("everything__echo", json!({"message": "é 🚪"})).await?;
    assert_eq!(text(&echo), "Echo: é 🚪", "{sdk:?}");
    let read = peer.call("files__read_text_file", json!({"path": format!("{folder}/a.txt")})).await?;
    assert_eq!(text(&read), "some text", "{sdk:?}");
    let refused = peer.call("files__read_text_file", json!({"path": "/etc/passwd"})).await?;
    assert_eq!(refused["isError"], true, "{sdk:?} {refused}");
    let now = peer.call("time__get_current_time", json!({"timezone": "UTC"})).await?;
    assert!(text(&now).contains("\"timezone\": \"UTC\""), "{sdk:?} {now}");
    let bare = peer.call("get_current_time", json!({"timezone": "UTC"})).await?;
    assert!(text(&bare).contains("\"timezone\": \"UTC\""), "{sdk:?} {bare}");
    let question = json!({"prompt": "why", "maxTokens": 9});
    let sampled = peer.call("everything__trigger-sampling-request", question).await?;
    assert!(text(&sampled).contains("sampled: Resource"), "{sdk:?} {sampled}");
    let elicited = peer.call("everything__trigger-elicitation-request", json!({})).await?;
    assert!(text(&elicited).contains("Name: ann"), "{sdk:?} {elicited}");
    listed(&mut peer, sdk).await?;
    let calls: Vec<Value> = (0..4)
        .flat_map(|n| {
            let sum = json!({"name": "everything__get-sum", "arguments": {"a": n, "b": 100}});
            [sum, json!({"name": "time__get_current_time", "arguments": {"timezone": "UTC"}})]
        })
        .collect();
    let answers = peer.op(json!({"op": "parallel", "calls": calls})).await?;
    for n in 0..4 {
        assert!(text(&answers[2 * n]["value"]).contains(&(n + 100).to_string()), "{sdk:?} {answers}");
        assert!(text(&answers[2 * n + 1]["value"]).contains("UTC"), "{sdk:?} {answers}");
    }
    peer.close().await?;
    Ok(())
}

/// Resources, prompts and completion, which one of the servers has.
async fn listed(peer: &mut Peer, sdk: Sdk) -> Outcome {
    let resources = peer.op(json!({"op": "list_resources"})).await?;
    let uri = resources["resources"][0]["uri"].as_str().ok_or("no resource")?.to_owned();
    let read = peer.op(json!({"op": "read", "uri": uri})).await?;
    assert_eq!(read["contents"][0]["uri"], uri, "{sdk:?}");
    let prompts = peer.op(json!({"op": "list_prompts"})).await?.to_string();
    assert!(prompts.contains(&quoted("everything__args-prompt")), "{sdk:?} {prompts}");
    let wanted = json!({"op": "get_prompt", "name": "everything__args-prompt", "arguments": {"city": "Rome"}});
    let prompt = peer.op(wanted).await?.to_string();
    assert!(prompt.contains("Rome"), "{sdk:?} {prompt}");
    let about = json!({"type": "ref/prompt", "name": "everything__completable-prompt"});
    let argument = json!({"name": "department", "value": "E"});
    let completed = peer.op(json!({"op": "complete", "ref": about, "argument": argument})).await?;
    assert_eq!(completed["completion"]["values"], json!(["Engineering"]), "{sdk:?}");
    Ok(())
}

#[tokio::test]
async fn every_client_tours_three_servers_at_one_address() -> Outcome {
    let there = gathered().await?;
    let files = there.folder.path().join("files").display().to_string();
    let at = Transport::Http(there.gateway.url("/mcp"));
    let legacy = Sdk::ALL.map(|sdk| (sdk, Era::Legacy));
    let modern = Sdk::ALL.into_iter().filter(|sdk| sdk.is_modern()).map(|sdk| (sdk, Era::Modern));
    let tours = legacy.into_iter().chain(modern).map(|(sdk, era)| {
        let (at, files) = (at.clone(), files.clone());
        async move {
            let toured = tour(sdk, era, at, files).await;
            toured.map_err(|error| format!("{sdk:?} {era:?}: {error}").into())
        }
    });
    all(tours.collect::<Vec<_>>()).await
}
