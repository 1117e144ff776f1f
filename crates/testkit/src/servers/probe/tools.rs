//! What each tool of `probe` does.

use std::process;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::json;

use crate::servers::environment;
use crate::servers::message::Message;
use crate::servers::peer::held;
use crate::servers::probe::Probe;
use crate::servers::stray::Stray;

/// Tools that block, or write more than a pipe holds; each call of one gets a thread.
pub(super) const WAITING: &[&str] =
    &["slow", "ask", "flood", "progress", "sample", "elicit", "roots", "pingclient", "ask2"];

impl Probe {
    pub(super) fn call(&self, id: &str, message: &Message) {
        let peer = &self.peer;
        match message.name() {
            "echo" => match message.argument("text").as_str() {
                Some(text) => peer.say(id, text, false),
                None => peer.say(id, "text is required", true),
            },
            "slow" => self.slow(id, message),
            "info" => peer.say(id, &self.info(), false),
            "crash" => process::exit(3),
            "noisy" => self.noisy(id, message),
            "ask" => self.ask(id),
            "garbage" => {
                peer.line("this line is not JSON");
                peer.say(id, "printed garbage", false);
            }
            "rpcerror" => {
                peer.refuse(id, &json!({"code": -32602, "message": "bad params", "data": {"x": 1}}));
            }
            "raw" => peer.say(id, message.raw(), false),
            "rawresult" => peer.line(&message.spelled(id)),
            "flood" => self.flood(id, message),
            "progress" => self.progress(id, message),
            "listchanged" => self.list_changed(id, message),
            "touch" => self.touch(id),
            "env" => peer.say(id, &environment::as_json(""), false),
            "spawn" | "daemon" => self.spawn(id, message),
            name => self.question_or_unknown(id, name, message),
        }
    }

    fn slow(&self, id: &str, message: &Message) {
        let seconds = message.argument("s").as_f64().unwrap_or(1.0);
        let length = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let text = if self.peer.pause(length, || false) { "slept" } else { "interrupted" };
        self.peer.say(id, text, false);
    }

    fn noisy(&self, id: &str, message: &Message) {
        self.peer.notify("notifications/message", Some(r#"{"level":"info","data":"hello"}"#));
        if let Some(token) = message.progress_token() {
            let params = format!(r#"{{"progressToken":{token},"progress":1,"total":2}}"#);
            self.peer.notify("notifications/progress", Some(&params));
        }
        self.peer.say(id, "noised", false);
    }

    /// The question has a fixed id and nobody waits for its answer, as recorded from the original.
    fn ask(&self, id: &str) {
        self.peer.line(r#"{"jsonrpc":"2.0","id":"srv-1","method":"roots/list"}"#);
        self.peer.pause(Duration::from_millis(500), || false);
        let seen = held(&self.seen).join(",");
        self.peer.say(id, &format!("asked; client messages so far: {seen}"), false);
    }

    fn flood(&self, id: &str, message: &Message) {
        let count = message.argument("n").as_u64().unwrap_or(1);
        let size = message.argument("size").as_u64().unwrap_or(0);
        let fill = "x".repeat(usize::try_from(size).unwrap_or(usize::MAX).min(1 << 30));
        for number in 1..=count {
            let params = format!(r#"{{"level":"info","logger":"flood","data":{{"number":{number},"fill":"{fill}"}}}}"#);
            self.peer.notify("notifications/message", Some(&params));
        }
        self.peer.say(id, &format!("sent {count} messages"), false);
    }

    fn progress(&self, id: &str, message: &Message) {
        let count = message.argument("n").as_u64().unwrap_or(1);
        let pause = Duration::from_millis(message.argument("ms").as_u64().unwrap_or(0));
        let Some(token) = message.progress_token() else {
            self.peer.say(id, "no progress token", true);
            return;
        };
        for number in 1..=count {
            self.peer.pause(pause, || false);
            let params = format!(r#"{{"progressToken":{token},"progress":{number},"total":{count}}}"#);
            self.peer.notify("notifications/progress", Some(&params));
        }
        self.peer.say(id, &format!("reported {count} times"), false);
    }

    fn list_changed(&self, id: &str, message: &Message) {
        if let Some(name) = message.argument("add").as_str() {
            held(&self.added).push(name.to_owned());
        }
        for list in ["tools", "prompts", "resources"] {
            self.peer.notify(&format!("notifications/{list}/list_changed"), None);
        }
        self.peer.say(id, "announced", false);
    }

    fn touch(&self, id: &str) {
        let subscribed = held(&self.subscribed).clone();
        for uri in &subscribed {
            let params = json!({"uri": uri}).to_string();
            self.peer.notify("notifications/resources/updated", Some(&params));
        }
        self.peer.say(id, &format!("announced {}", subscribed.len()), false);
    }

    fn spawn(&self, id: &str, message: &Message) {
        let stray = Stray {
            daemon: message.name() == "daemon",
            inherit: message.argument("inherit") == true,
            ignore_term: message.argument("ignore_term") == true,
        };
        match stray.spawn() {
            Ok(pid) => self.peer.say(id, &pid.to_string(), false),
            Err(error) => self.peer.say(id, &error.to_string(), true),
        }
    }

    fn question_or_unknown(&self, id: &str, name: &str, message: &Message) {
        let asked = match name {
            "ask2" => vec![
                self.peer.ask("elicitation/create", Some(&form("First?"))),
                self.peer.ask("elicitation/create", Some(&form("Second?"))),
            ],
            "sample" | "elicit" | "roots" | "pingclient" => {
                let (method, params) = question(name);
                let params = message.raw_argument("params").map(str::to_owned).or(params);
                vec![self.peer.ask(method, params.as_deref())]
            }
            added if held(&self.added).iter().any(|name| name == added) => {
                self.peer.say(id, &format!("{added} was added"), false);
                return;
            }
            other => {
                self.peer.unknown(id, -32602, &format!("Unknown tool: {other}"));
                return;
            }
        };
        let answers: Option<Vec<String>> = asked.iter().map(answer_text).collect();
        match answers {
            Some(answers) if name == "ask2" => {
                self.peer.say(id, &format!("[{}]", answers.join(",")), false);
            }
            Some(answers) => self.peer.say(id, &answers.concat(), false),
            None => self.peer.say(id, "the input ended before the answer", true),
        }
    }
}

fn question(tool: &str) -> (&'static str, Option<String>) {
    match tool {
        "sample" => {
            let prompt = json!({"role": "user", "content": {"type": "text", "text": "Say hello"}});
            let params = json!({"messages": [prompt], "maxTokens": 100});
            ("sampling/createMessage", Some(params.to_string()))
        }
        "elicit" => ("elicitation/create", Some(form("Who are you?"))),
        "roots" => ("roots/list", None),
        _ => ("ping", None),
    }
}

fn form(message: &str) -> String {
    let properties = json!({"name": {"type": "string"}});
    let schema = json!({"type": "object", "properties": properties, "required": ["name"]});
    json!({"message": message, "requestedSchema": schema}).to_string()
}

/// `{"result":...}` or `{"error":...}` with the client's own bytes.
fn answer_text(receiver: &Receiver<Message>) -> Option<String> {
    let answer = receiver.recv().ok()?;
    ["result", "error"].iter().find_map(|name| Some(format!(r#"{{"{name}":{}}}"#, answer.member(name)?)))
}
