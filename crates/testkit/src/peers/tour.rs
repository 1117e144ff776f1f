//! What any client does with a server of the common catalogue (`peers/README.md`), step by step.

use super::{Era, Options, Peer, PeerError, Sdk, Transport};
use serde_json::{Value, json};
use std::fmt;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a cancellation may take to reach the server.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One thing that clients and servers do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The list of tools.
    Lists,
    /// A call with structured content, and several at once.
    Calls,
    /// A tool that fails, a tool that is not there, a resource that is not there.
    Errors,
    /// A question to the person.
    Elicits,
    /// A question to the model.
    Samples,
    /// A question for the roots.
    Roots,
    /// All three for one call.
    Survey,
    /// Progress of a call.
    Progress,
    /// Log lines of a call.
    Logs,
    /// Resources and their templates.
    Resources,
    /// Prompts.
    Prompts,
    /// Completion of an argument.
    Completes,
    /// The notice that the list of tools changed.
    ListChanged,
    /// The notice that a resource changed.
    Updates,
    /// A call given up, which the server is told.
    Cancels,
}

/// A tour that did not go well: which steps failed, and how.
pub struct Tripped {
    at: String,
    steps: Vec<(String, String)>,
}

/// How a step ends; the text says what was wrong.
type Ended = Result<(), String>;

impl Step {
    /// Every one, in the order they are taken.
    pub const ALL: [Self; 15] = [
        Self::Lists,
        Self::Calls,
        Self::Errors,
        Self::Elicits,
        Self::Samples,
        Self::Roots,
        Self::Survey,
        Self::Progress,
        Self::Logs,
        Self::Resources,
        Self::Prompts,
        Self::Completes,
        Self::ListChanged,
        Self::Updates,
        Self::Cancels,
    ];
    /// What a server needs a way back to the client for.
    pub const QUESTIONS: [Self; 4] = [Self::Elicits, Self::Samples, Self::Roots, Self::Survey];

    async fn take(self, peer: &mut Peer, modern: bool) -> Ended {
        match self {
            Self::Lists => lists(peer).await,
            Self::Calls => calls(peer).await,
            Self::Errors => errors(peer).await,
            Self::Elicits => says(peer, "greet_user", json!({}), "hello ann, 7").await,
            Self::Samples => says(peer, "ask", json!({"question": "why"}), "sampled: why").await,
            Self::Roots => says(peer, "roots", json!({}), "file:///peer/root").await,
            Self::Survey => {
                says(peer, "survey", json!({"question": "who"}), "ann; sampled: who; file:///peer/root").await
            }
            Self::Progress => progress(peer).await,
            Self::Logs => logs(peer, modern).await,
            Self::Resources => resources(peer).await,
            Self::Prompts => prompts(peer).await,
            Self::Completes => completes(peer).await,
            Self::ListChanged => list_changed(peer, modern).await,
            Self::Updates => updates(peer, modern).await,
            Self::Cancels => cancels(peer).await,
        }
    }
}

/// Takes every step that is not in `without`, and then closes the client as its SDK does.
///
/// # Errors
/// [`Tripped`] names every step that failed; one that `without` lists and that would have gone well is no error.
pub async fn tour(sdk: Sdk, transport: Transport, era: Era, without: &[Step]) -> Result<(), Tripped> {
    let mut tripped = Tripped { at: format!("{sdk:?} {era:?} {transport:?}"), steps: Vec::new() };
    if let Err(error) = walk(sdk, &transport, era, without, &mut tripped).await {
        tripped.steps.push(("connection".to_owned(), error.to_string()));
    }
    if tripped.steps.is_empty() { Ok(()) } else { Err(tripped) }
}

async fn walk(
    sdk: Sdk,
    transport: &Transport,
    era: Era,
    without: &[Step],
    tripped: &mut Tripped,
) -> Result<(), PeerError> {
    let mut peer = Peer::start_with(sdk, transport, &Options { era, ..Options::default() })?;
    let info = peer.op(json!({"op": "connect", "log_level": "info"})).await?;
    let modern = info["era"] == "modern";
    let expected = if era == Era::Legacy { "2025-11-25" } else { "2026-07-28" };
    // A client that asks nothing first knows nothing of the server.
    let told = info["capabilities"]["tools"].is_object() || (modern && info["capabilities"] == json!({}));
    if info["protocolVersion"] != expected || !told {
        tripped.steps.push(("opening".to_owned(), info.to_string()));
    }
    for step in Step::ALL {
        if without.contains(&step) {
            continue;
        }
        if let Err(what) = step.take(&mut peer, modern).await {
            tripped.steps.push((format!("{step:?}"), what));
        }
    }
    peer.close().await
}

/// The texts of a result's content, one a line.
pub fn text(result: &Value) -> String {
    let blocks = result["content"].as_array().cloned().unwrap_or_default();
    blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

fn ensure(good: bool, what: &Value) -> Ended {
    if good { Ok(()) } else { Err(what.to_string()) }
}

async fn op(peer: &mut Peer, command: Value) -> Result<Value, String> {
    peer.op(command).await.map_err(|error| error.to_string())
}

async fn call(peer: &mut Peer, tool: &str, arguments: Value) -> Result<Value, String> {
    op(peer, json!({"op": "call", "name": tool, "arguments": arguments})).await
}

async fn says(peer: &mut Peer, tool: &str, arguments: Value, expected: &str) -> Ended {
    let result = call(peer, tool, arguments).await?;
    ensure(text(&result) == expected, &result)
}

async fn lists(peer: &mut Peer) -> Ended {
    let listed = op(peer, json!({"op": "list_tools"})).await?;
    let tools = listed["tools"].as_array().cloned().unwrap_or_default();
    let add = tools.iter().find(|tool| tool["name"] == "add");
    ensure(add.is_some_and(|add| add["inputSchema"]["type"] == "object"), &listed)
}

async fn calls(peer: &mut Peer) -> Ended {
    let sum = call(peer, "add", json!({"a": 1, "b": 2})).await?;
    ensure(text(&sum) == "3" && sum["structuredContent"]["result"] == 3, &sum)?;
    let calls: Vec<_> = (0..6).map(|n| json!({"name": "add", "arguments": {"a": n, "b": 100}})).collect();
    let sums = op(peer, json!({"op": "parallel", "calls": calls})).await?;
    ensure((0..6).all(|n| text(&sums[n]["value"]) == (n + 100).to_string()), &sums)
}

async fn errors(peer: &mut Peer) -> Ended {
    let failed = call(peer, "fail", json!({})).await?;
    ensure(failed["isError"] == true && text(&failed).contains("it went wrong"), &failed)?;
    match peer.call("no such tool", json!({})).await {
        Ok(result) => ensure(result["isError"] == true, &result)?,
        Err(error) => ensure(error.code() == Some(-32602), &json!(error.to_string()))?,
    }
    match peer.op(json!({"op": "read", "uri": "note://none"})).await {
        Ok(result) => Err(result.to_string()),
        // The code of resources that are not there differs between the eras (2026-07-28 `server/resources`).
        Err(error) => ensure(matches!(error.code(), Some(-32602 | -32002)), &json!(error.to_string())),
    }
}

fn of<'a>(events: &'a Value, key: &'a str, value: &'a str) -> impl Iterator<Item = &'a Value> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter(move |event| event[key] == value)
}

async fn progress(peer: &mut Peer) -> Ended {
    let mut events = Value::Null;
    // A client that finds progress and result in one read drops the progress, and on a busy machine all come late.
    for pause in [0.05, 0.5, 3.0] {
        op(peer, json!({"op": "events"})).await?;
        let steps = json!({"to": 3, "pause": pause});
        let counted = op(peer, json!({"op": "call", "name": "count", "arguments": steps, "progress": true})).await?;
        ensure(text(&counted) == "counted to 3", &counted)?;
        events = op(peer, json!({"op": "events"})).await?;
        let told = |n: f64| of(&events, "kind", "progress").any(|e| e["params"]["progress"].as_f64() == Some(n));
        if told(1.0) && told(2.0) {
            return Ok(());
        }
    }
    Err(events.to_string())
}

async fn logs(peer: &mut Peer, modern: bool) -> Ended {
    let mut command = json!({"op": "call", "name": "count", "arguments": {"to": 2}});
    if modern {
        command["meta"] = json!({"io.modelcontextprotocol/logLevel": "info"});
    }
    op(peer, json!({"op": "events"})).await?;
    op(peer, command).await?;
    let said = op(peer, json!({"op": "wait_event", "method": "notifications/message"})).await?;
    let data = &said["params"]["data"];
    // FastMCP wraps what is logged, and not every client keeps the order.
    ensure(data.to_string().contains("step ") && said["params"]["level"] == "info", &said)
}

async fn resources(peer: &mut Peer) -> Ended {
    let listed = op(peer, json!({"op": "list_resources"})).await?;
    ensure(listed["resources"][0]["uri"] == "note://one", &listed)?;
    let templates = op(peer, json!({"op": "list_templates"})).await?;
    ensure(templates["resourceTemplates"][0]["uriTemplate"] == "note://by/{author}", &templates)?;
    for (uri, expected) in [("note://one", "the first note"), ("note://by/ann", "a note by ann")] {
        let read = op(peer, json!({"op": "read", "uri": uri})).await?;
        ensure(read["contents"][0]["text"] == expected, &read)?;
    }
    Ok(())
}

async fn prompts(peer: &mut Peer) -> Ended {
    let listed = op(peer, json!({"op": "list_prompts"})).await?;
    ensure(listed["prompts"][0]["name"] == "greeting", &listed)?;
    let prompt = op(peer, json!({"op": "get_prompt", "name": "greeting", "arguments": {"name": "Ann"}})).await?;
    ensure(prompt["messages"][0]["content"]["text"] == "Greet Ann.", &prompt)
}

async fn completes(peer: &mut Peer) -> Ended {
    let about = json!({"type": "ref/prompt", "name": "greeting"});
    let argument = json!({"name": "name", "value": "An"});
    let completed = op(peer, json!({"op": "complete", "ref": about, "argument": argument})).await?;
    ensure(completed["completion"]["values"] == json!(["Ann", "Anna"]), &completed)
}

async fn list_changed(peer: &mut Peer, modern: bool) -> Ended {
    if modern {
        let honoured = op(peer, json!({"op": "listen", "tools": true})).await?;
        ensure(honoured["toolsListChanged"] == true, &honoured)?;
    }
    says(peer, "touch", json!({}), "touched").await?;
    op(peer, json!({"op": "wait_event", "method": "notifications/tools/list_changed"})).await?;
    Ok(())
}

async fn updates(peer: &mut Peer, modern: bool) -> Ended {
    let granted = op(peer, json!({"op": "subscribe", "uri": "note://one"})).await?;
    ensure(!modern || granted["resourceSubscriptions"] == json!(["note://one"]), &granted)?;
    says(peer, "touch", json!({}), "touched").await?;
    let updated = op(peer, json!({"op": "wait_event", "method": "notifications/resources/updated"})).await?;
    ensure(updated["params"]["uri"] == "note://one", &updated)?;
    if modern {
        return Ok(());
    }
    op(peer, json!({"op": "unsubscribe", "uri": "note://one"})).await.map(drop)
}

async fn cancels(peer: &mut Peer) -> Ended {
    // On a busy machine a call may be given up before its tool has begun, and then nobody is told.
    for (attempt, after) in [200, 1000, 5000].into_iter().enumerate() {
        // Servers may be shared, so every call has a name of its own.
        let name = format!("wait {attempt} of {}", peer.pid());
        let wait = json!({"seconds": 600, "name": name});
        let given_up = op(peer, json!({"op": "cancel_call", "name": "wait", "arguments": wait, "after_ms": after}));
        let given_up = given_up.await?;
        ensure(given_up == json!({"cancelled": true}), &given_up)?;
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            let told = call(peer, "was_cancelled", json!({"name": name})).await?;
            if text(&told) == "yes" {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Err("the server was never told that a call was cancelled".to_owned())
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        for (step, what) in &self.steps {
            write!(f, "\n  {step}: {what}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Tripped {}
