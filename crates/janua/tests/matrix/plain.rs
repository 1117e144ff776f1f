//! Programs that call tools as plain HTTP: what they can do with each kind of server.

use futures_util::future::BoxFuture;
use janua_testkit::client::Answer;
use janua_testkit::gateway::Gateway;
use janua_testkit::servers::message::members;
use serde_json::Value;

use super::kinds::{Make, ServerKind};
use super::scene::{JANUA, Verdict};
use super::upstream::{Program, ToolCall, Upstream};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Janua in front of one server.
pub(crate) struct Site {
    gateway: Gateway,
    server: Upstream,
}

/// Something that such a program does.
pub(crate) struct Plain {
    /// Its name in the declaration.
    pub(crate) name: &'static str,
    /// What the page says it is.
    pub(crate) about: &'static str,
    program: Program,
    run: for<'a> fn(&'a mut Site) -> BoxFuture<'a, Verdict>,
}

macro_rules! plain {
    ($($name:literal, $program:ident, $function:ident, $about:literal;)*) => {
        /// All of it, in the order of the page.
        pub(crate) const PLAIN: &[Plain] = &[$(Plain {
            name: $name,
            about: $about,
            program: Program::$program,
            run: |site| Box::pin($function(site)),
        }),*];
    };
}

plain! {
    "list", Probe, list, "the tools are listed";
    "call", Probe, call, "a tool is called, its one text is the answer";
    "error", Probe, error, "a JSON-RPC error of the server is a problem with its code, message and data";
    "prompts", Catalog, prompts, "a prompt is filled in";
    "resources", Probe, resources, "the content of a resource is the answer";
    "completion", Catalog, completion, "an argument is completed";
    "progress", Probe, progress, "progress arrives as events, the result is the last";
    "cancel", Probe, cancel, "a caller that leaves takes its call back";
    "ask", Probe, ask, "a caller that wants to be asked gets the question, and the result for its answer";
    "unasked", Probe, unasked, "a caller that does not is not asked, and the call does not hang";
    "big", Probe, big, "arguments and results of 1 MB";
}

/// Tries one cell.
pub(crate) async fn tried(kind: ServerKind, plain: &'static Plain) -> Verdict {
    let server = Upstream::start(kind, plain.program).await;
    let gateway = Gateway::builder(JANUA).args(&["proxy", "--port", "0"]).args(&server.words()).start().await;
    let mut site = Site { gateway, server };
    let verdict = (plain.run)(&mut site).await;
    let faults = site.server.faults();
    assert!(faults.is_empty(), "the server's revision forbids what Janua did: {faults:?}");
    verdict
}

impl Site {
    async fn call(&self, (tool, arguments): &ToolCall, headers: &[(&str, &str)]) -> Answer {
        let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
        self.gateway.client().post(&format!("/api/{tool}"), arguments.clone(), &headers).await
    }
}

async fn list(site: &mut Site) -> Verdict {
    let answer = site.gateway.client().get("/api/tools", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let listed = answer.json();
    let tools = listed["tools"].as_array().expect("a list");
    assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{listed}");
    Verdict::Works
}

async fn call(site: &mut Site) -> Verdict {
    let answer = site.call(&("echo", r#"{"text":"é \u00e9 \" 🚪"}"#.to_owned()), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, Value::from("é é \" 🚪")), "{}", answer.text());
    Verdict::Works
}

async fn error(site: &mut Site) -> Verdict {
    let failing = site.server.failing();
    let answer = site.call(&failing, &[]).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem = answer.json();
    if failing.0 == "none" {
        assert_eq!((problem["status"].as_u64(), problem["code"].as_i64()), (Some(404), Some(-32602)), "{problem}");
        return Verdict::degrades("a tool that no list has is refused by Janua (HTTP 404)");
    }
    let wanted = site.server.error().await;
    for (name, text) in members(&wanted) {
        let value: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(problem[&name], value, "{problem}");
    }
    assert_eq!(u64::from(answer.status.as_u16()), problem["status"].as_u64().expect("a status"));
    Verdict::Works
}

async fn prompts(site: &mut Site) -> Verdict {
    let (path, arguments, said) = match site.server.kind.make() {
        Make::Demo => ("/api/prompts/welcome", r#"{"name":"x"}"#, "welcome x"),
        _ => ("/api/prompts/test_prompt_with_arguments", r#"{"arg1":"x","arg2":"y"}"#, "arg1='x'"),
    };
    let answer = site.gateway.client().post(path, arguments, &[JSON]).await;
    if answer.status != 200 {
        return Verdict::status(answer.status.as_u16());
    }
    let text = answer.json()["messages"][0]["content"]["text"].as_str().map(str::to_owned).expect("a text");
    assert!(text.contains(said), "{text}");
    Verdict::Works
}

async fn resources(site: &mut Site) -> Verdict {
    let (uri, text) = site.server.resource();
    let answer = site.gateway.client().get(&format!("/api/resources/content?uri={uri}"), &[]).await;
    if answer.status != 200 {
        return Verdict::status(answer.status.as_u16());
    }
    assert_eq!(answer.text(), text);
    Verdict::Works
}

async fn completion(site: &mut Site) -> Verdict {
    let (prompt, argument, typed, wanted) = match site.server.kind.make() {
        Make::Demo => ("welcome", "tone", "f", r#"["formal","friendly"]"#),
        _ => ("test_prompt_with_arguments", "arg1", "par", r#"["paris","park","party"]"#),
    };
    let params = format!(
        r#"{{"ref":{{"type":"ref/prompt","name":"{prompt}"}},"argument":{{"name":"{argument}","value":"{typed}"}}}}"#
    );
    let answer = site.gateway.client().post("/api/completion/complete", params, &[JSON]).await;
    if answer.status != 200 {
        return Verdict::status(answer.status.as_u16());
    }
    assert_eq!(answer.json()["values"].to_string(), wanted);
    Verdict::Works
}

async fn progress(site: &mut Site) -> Verdict {
    let answer = site.call(&site.server.progress(), &[("accept", "text/event-stream")]).await;
    let text = answer.text();
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(events.last(), Some(&"result"), "{text}");
    let steps = events.iter().filter(|event| **event == "progress").count();
    if !site.server.kind.says_besides() {
        assert_eq!(steps, 0, "{text}");
        return Verdict::not_offered();
    }
    assert_eq!(steps, 5, "{text}");
    Verdict::Works
}

async fn cancel(site: &mut Site) -> Verdict {
    if site.server.kind == ServerKind::Demo {
        // It tells nobody that a call was dropped; the tests of servers in process look inside.
        return Verdict::degrades("not to be seen from outside");
    }
    let (tool, arguments) = site.server.slow();
    let client = site.gateway.client();
    let waiting = tokio::spawn(async move { client.post(&format!("/api/{tool}"), arguments, &[JSON]).await.status });
    site.server.has_begun(tool).await;
    waiting.abort();
    let gave_up = site.server.has_given_up(tool).await;
    assert_ne!(gave_up, Some(false), "the server was not told");
    if gave_up.is_none() {
        assert!(site.server.has_heard("notifications/cancelled").await, "the server was not told");
    }
    Verdict::Works
}

async fn ask(site: &mut Site) -> Verdict {
    if !site.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    let call = site.server.asking("elicitation/create");
    let answer = site.call(&call, &[("prefer", "questions")]).await;
    if answer.status != 202 {
        return Verdict::degrades("the server's question is refused");
    }
    let asked = answer.json();
    let questions = asked["questions"].as_object().expect("questions");
    let (key, question) = questions.iter().next().expect("a question");
    assert_eq!((questions.len(), &question["method"]), (1, &"elicitation/create".into()), "{asked}");
    let path = asked["answer"].as_str().expect("an address");
    let given = format!(r#"{{"{key}":{{"action":"accept","content":{{"name":"Ann"}}}}}}"#);
    let answer = site.gateway.client().post(path, given.clone(), &[JSON]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    if site.server.kind.make() == Make::Everything {
        let calls = site.server.received("tools/call");
        let told = calls.iter().any(|call| call.raw().contains("Ann"))
            || site.server.responses().iter().any(|answer| answer.raw().contains("Ann"));
        assert!(told, "{calls:?}");
    } else {
        assert!(answer.text().contains("Ann"), "{}", answer.text());
    }
    let again = site.gateway.client().post(path, given, &[JSON]).await;
    assert_eq!(again.status, 404, "an answer counts once: {}", again.text());
    Verdict::Works
}

async fn unasked(site: &mut Site) -> Verdict {
    if !site.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    let answer = site.call(&site.server.asking("elicitation/create"), &[]).await;
    assert!(matches!(answer.status.as_u16(), 200 | 422), "{}: {}", answer.status, answer.text());
    Verdict::Works
}

async fn big(site: &mut Site) -> Verdict {
    let text = "x".repeat(1_000_000);
    let answer = site.call(&("echo", format!(r#"{{"text":"{text}"}}"#)), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, Value::from(text)));
    Verdict::Works
}
