//! One client's talk with a scripted server: requests answered, tools run, open questions kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};

use crate::client::message::{self, Message};
use crate::upstream::Script;
use crate::upstream::outlet::Outlet;

/// The versions agreed to, oldest first; any other is answered with the last.
const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The tools every scripted server has.
const TOOLS: &str = r#"{"tools":[
{"name":"echo","description":"Says what it is told","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}},
{"name":"ask","description":"Asks the client first","inputSchema":{"type":"object","properties":{"method":{"type":"string"},"params":{"type":"object"}}}},
{"name":"say","description":"Sends a message before it answers","inputSchema":{"type":"object","properties":{"message":{"type":"string"}}}},
{"name":"progress","description":"Reports progress","inputSchema":{"type":"object","properties":{"steps":{"type":"integer"}}}},
{"name":"slow","description":"Waits","inputSchema":{"type":"object","properties":{"ms":{"type":"integer"}}}}]}"#;

/// The state of one client's talk.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// Where messages go that belong to no request.
    pub(crate) standalone: Arc<Outlet>,
    /// The version agreed on.
    pub(crate) version: String,
    script: Arc<Script>,
    gate: Arc<Semaphore>,
    asks: Mutex<HashMap<String, oneshot::Sender<Message>>>,
    calls: Mutex<HashMap<String, Arc<Notify>>>,
    next_ask: AtomicU64,
}

/// A request being worked on.
#[derive(Debug)]
pub(crate) struct Call {
    id: String,
    cancelled: Arc<Notify>,
    request: Message,
}

impl Conversation {
    /// A talk opened by the message `initialize`; `gate` holds back `slow` calls without a time.
    pub(crate) fn new(opening: &Message, standalone: Arc<Outlet>, script: Arc<Script>, gate: Arc<Semaphore>) -> Self {
        let asked = opening.at("/params/protocolVersion").as_str().unwrap_or_default();
        let agreed = if LEGACY.contains(&asked) { asked } else { LEGACY[LEGACY.len() - 1] };
        let version = script.version.clone().unwrap_or_else(|| agreed.to_owned());
        Self {
            standalone,
            version,
            script,
            gate,
            asks: Mutex::default(),
            calls: Mutex::default(),
            next_ask: AtomicU64::new(1),
        }
    }

    /// Takes a notification or a response.
    pub(crate) fn take(&self, message: &Message) {
        if message.method() == Some("notifications/cancelled") {
            let params = message.member("params").and_then(|p| Message::parse(&p).ok());
            let id = params.and_then(|p| p.member("requestId")).unwrap_or_default();
            let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(call) = calls.get(&id) {
                call.notify_one();
            }
        } else if let Some(id) = message.id() {
            let asked = self.asks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            if let Some(asked) = asked {
                // The call that asked may have been cancelled.
                let _ = asked.send(message.clone());
            }
        }
    }

    /// Notes that a request came; from here on it can be cancelled.
    pub(crate) fn begin(&self, request: &Message) -> Call {
        let id = request.id().expect("a request has an id");
        let cancelled = Arc::new(Notify::new());
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.insert(id.clone(), Arc::clone(&cancelled));
        Call { id, cancelled, request: request.clone() }
    }

    /// Answers a request through `out`; a cancelled one gets no answer. `aside` carries what is said
    /// before the answer.
    pub(crate) async fn answer(&self, call: Call, out: &Outlet, aside: &Outlet) {
        let Call { id, cancelled, request } = call;
        let answer = tokio::select! {
            answer = self.respond(&id, &request, aside) => Some(answer),
            () = cancelled.notified() => None,
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(answer) = answer {
            out.push(&answer);
        }
    }

    async fn respond(&self, id: &str, request: &Message, aside: &Outlet) -> String {
        let method = request.method().unwrap_or_default();
        if let Some(result) = self.script.results.get(method) {
            return message::response(id, result);
        }
        match method {
            "initialize" => message::response(id, &self.opening()),
            "ping" => message::response(id, "{}"),
            "tools/list" => message::response(id, &TOOLS.replace('\n', "")),
            "tools/call" => self.call(id, request, aside).await,
            _ => message::error(id, -32601, &format!("no method {method}")),
        }
    }

    fn opening(&self) -> String {
        let version = message::quoted(&self.version);
        let mut capabilities = r#""tools":{"listChanged":true},"logging":{}"#.to_owned();
        for (method, capability) in [
            ("prompts/list", r#","prompts":{"listChanged":true}"#),
            ("resources/list", r#","resources":{"listChanged":true,"subscribe":true}"#),
            ("completion/complete", r#","completions":{}"#),
        ] {
            // What a test gives results for is what the server has.
            capabilities.push_str(if self.script.results.contains_key(method) { capability } else { "" });
        }
        let server = r#"{"name":"scripted","version":"1.0"}"#;
        format!(r#"{{"protocolVersion":{version},"capabilities":{{{capabilities}}},"serverInfo":{server}}}"#)
    }

    async fn call(&self, id: &str, request: &Message, aside: &Outlet) -> String {
        let params = request.member("params").and_then(|p| Message::parse(&p).ok());
        let args = params.and_then(|p| p.member("arguments")).unwrap_or_else(|| "{}".into());
        let Ok(args) = Message::parse(&args) else {
            return message::error(id, -32602, "arguments are not JSON");
        };
        let text = match request.at("/params/name").as_str() {
            Some("echo") => args.at("/text").as_str().unwrap_or_else(|| args.raw()).to_owned(),
            Some("ask") => self.ask(&args, aside).await,
            Some("say") => {
                aside.push(args.at("/message").as_str().unwrap_or_default());
                "said".to_owned()
            }
            Some("progress") => progress(request, &args, aside),
            Some("slow") => self.slow(&args).await,
            _ => return message::error(id, -32602, "no such tool"),
        };
        let text = message::quoted(&text);
        message::response(id, &format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#))
    }

    /// Asks the client, `roots/list` unless told otherwise; gives the exact text of its answer.
    async fn ask(&self, args: &Message, aside: &Outlet) -> String {
        let number = self.next_ask.fetch_add(1, Ordering::Relaxed);
        let id = message::quoted(&format!("ask-{number}"));
        let (sender, answer) = oneshot::channel();
        self.asks.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        let method = args.at("/method").as_str().unwrap_or("roots/list");
        aside.push(&message::request(&id, method, &args.member("params").unwrap_or_default()));
        let answer = answer.await.map(|m| m.member("result").or(m.member("error")));
        answer.ok().flatten().unwrap_or_else(|| "no answer".into())
    }

    async fn slow(&self, args: &Message) -> String {
        if let Some(ms) = args.at("/ms").as_u64() {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        } else {
            let permit = self.gate.acquire().await.expect("the gate is never closed");
            permit.forget();
        }
        "waited".into()
    }
}

fn progress(request: &Message, args: &Message, aside: &Outlet) -> String {
    let steps = args.at("/steps").as_u64().unwrap_or(3);
    let token = request.at("/params/_meta/progressToken");
    if token.is_null() {
        return "no token".into();
    }
    for step in 1..=steps {
        let params = format!(r#"{{"progressToken":{token},"progress":{step},"total":{steps}}}"#);
        aside.push(&message::notification("notifications/progress", &params));
    }
    "done".into()
}
