//! The servers behind Janua in these tests, and how each is brought to do what a behaviour is about.

use std::ffi::OsStr;

use janua_testkit::client::message::{self, Message};
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::program;
use janua_testkit::process;
use janua_testkit::servers::journal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::kinds::{Make, ServerKind};
use super::link::{Link, SOON};
use super::remote::Remote;

/// JSON that no parser would write again as it stands.
pub(crate) const ODD: &str =
    r#"{ "n" : 1.0,"big":12345678901234567890123, "e":1E+2,"s":"\u00e9\/\t","in":{"twice":1,"twice":[ ]}}"#;
/// A cursor with something to get wrong.
pub(crate) const CURSOR: &str = r#""\u00e9/==\"2\"""#;

/// A tool's name and its arguments as JSON text.
pub(crate) type ToolCall = (&'static str, String);

/// Which program stands for the kind, where one alone does not have everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Program {
    /// Tools that show what reached them, resources.
    #[default]
    Probe,
    /// Prompts, completion.
    Catalog,
    /// Two pages of tools.
    Pages,
    /// Questions that belong to no call.
    Curious,
}

/// What a server may say of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Log,
    Lists,
    Update,
}

/// A server of one kind.
pub(crate) struct Upstream {
    pub(crate) kind: ServerKind,
    program: Program,
    remote: Option<Remote>,
    /// Where programs note what reached them.
    folder: TempDir,
}

/// Results of the scripted servers besides their tools, by method.
const RESULTS: [(&str, &str); 9] = [
    ("logging/setLevel", "{}"),
    ("acme/thing", ODD),
    ("resources/list", r#"{"resources":[{"uri":"test://a","name":"a"}]}"#),
    ("resources/read", r#"{"contents":[{"uri":"test://a","mimeType":"text/plain","text":"content of a"}]}"#),
    ("resources/subscribe", "{}"),
    ("resources/unsubscribe", "{}"),
    ("prompts/list", r#"{"prompts":[{"name":"test_simple_prompt"},{"name":"test_prompt_with_arguments"}]}"#),
    ("prompts/get", r#"{"messages":[{"role":"user","content":{"type":"text","text":"arg1='x'"}}]}"#),
    ("completion/complete", r#"{"completion":{"values":["paris","park","party"]}}"#),
];

/// A server of two pages in the words of a shell; it answers whatever the id is.
const PAGES: &str = r#"
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  what='"result":{}'
  case "$line" in
    *'"initialize"'*) what='"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"pages","version":"1"}}' ;;
    *'"server/discover"'*) what='"error":{"code":-32601,"message":"unknown"}' ;;
    *'"cursor":"\u00e9/==\"2\""'*) what='"result":{"tools":[{"name":"second","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/list"'*) what='"result":{"tools":[{"name":"first","inputSchema":{"type":"object"}}],"nextCursor":"\u00e9/==\"2\""}' ;;
  esac
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$what"
done
"#;

/// A server that asks for the roots right before it answers, and waits for nothing; each line that reaches it
/// goes to the file it is told.
const CURIOUS: &str = r#"
while IFS= read -r line; do
  printf '%s\n' "$line" >> "$0"
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  what='"result":{"content":[]}'
  case "$line" in
    *'"initialize"'*) what='"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"curious","version":"1"}}' ;;
    *'"server/discover"'*) what='"error":{"code":-32601,"message":"unknown"}' ;;
    *'"notifications/'*) id='' ;;
    *'"tools/list"'*) printf '{"jsonrpc":"2.0","id":"ask %s","method":"roots/list"}\n' "$id"
      what='"result":{"tools":[]}' ;;
    *'"method"'*) printf '{"jsonrpc":"2.0","id":"ask %s","method":"roots/list"}\n' "$id" ;;
    *) id='' ;;
  esac
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$what"
done
"#;

impl Upstream {
    /// Starts what has to listen before Janua can reach it.
    pub(crate) async fn start(kind: ServerKind, program: Program) -> Self {
        let page =
            format!(r#"{{"tools":[{{"name":"first","inputSchema":{{"type":"object"}}}}],"nextCursor":{CURSOR}}}"#);
        let pages = program == Program::Pages;
        let mut results = RESULTS.to_vec();
        results.extend(pages.then_some(("tools/list", page.as_str())));
        let remote = Remote::start(kind, &results, pages).await;
        Self { kind, program, remote, folder: tempfile::tempdir().expect("a folder") }
    }

    fn journal(&self) -> String {
        self.folder.path().join("journal").display().to_string()
    }

    /// How it is named on Janua's command line.
    pub(crate) fn words(&self) -> Vec<String> {
        if let Some(remote) = &self.remote {
            return vec![remote.url()];
        }
        let path = |name| program(name).display().to_string();
        let journal = self.journal();
        let command = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned());
            let command: Vec<String> = std::iter::once("--".to_owned()).chain(words).collect();
            command
        };
        let everything = |era: &str| {
            let pages: &[&str] = if self.program == Program::Pages { &["--pages"] } else { &[] };
            command(&[&[path("everything").as_str(), "--era", era, "--journal", &journal], pages].concat())
        };
        match (self.kind, self.program) {
            (ServerKind::Demo, _) => vec!["--demo".to_owned()],
            (ServerKind::Stdio2026, _) => everything("modern"),
            (ServerKind::StdioDual, _) => everything("dual"),
            (_, Program::Probe) => command(&[&path("probe"), "--full", "--journal", &journal]),
            (_, Program::Catalog) => command(&[&path("everything"), "--journal", &journal]),
            (_, Program::Pages) => command(&["sh", "-c", PAGES]),
            (_, Program::Curious) => command(&["sh", "-c", CURIOUS, &journal]),
        }
    }

    /// How it stands in a configuration.
    pub(crate) fn entry(&self) -> Value {
        match &self.words()[..] {
            [demo] if demo == "--demo" => json!({"builtin": "everything"}),
            [url] => json!({"url": url}),
            [_, program, args @ ..] => json!({"command": program, "args": args}),
            [] => panic!("no words"),
        }
    }

    /// Puts a file beside what the server notes; gives its path.
    pub(crate) fn note(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    /// The one of these calls that this server has.
    pub(crate) fn choose(&self, probe: ToolCall, scripted: ToolCall, everything: ToolCall, demo: ToolCall) -> ToolCall {
        match self.kind.make() {
            Make::Probe => probe,
            Make::Scripted => scripted,
            Make::Everything => everything,
            Make::Demo => demo,
        }
    }

    /// A call that reports progress five times, if it is given a token.
    pub(crate) fn progress(&self) -> ToolCall {
        self.choose(
            ("progress", r#"{"n":5,"ms":20}"#.to_owned()),
            ("progress", r#"{"steps":5}"#.to_owned()),
            ("report", "{}".to_owned()),
            ("countdown", r#"{"n":5}"#.to_owned()),
        )
    }

    /// A call that takes a while; see [`Upstream::release`].
    pub(crate) fn slow(&self) -> ToolCall {
        self.choose(
            ("slow", r#"{"s":2}"#.to_owned()),
            ("slow", "{}".to_owned()),
            ("slow_compute", r#"{"seconds":2}"#.to_owned()),
            ("countdown", r#"{"n":20}"#.to_owned()),
        )
    }

    /// A call that fails with a JSON-RPC error.
    pub(crate) fn failing(&self) -> ToolCall {
        let args = || "{}".to_owned();
        self.choose(("rpcerror", args()), ("none", args()), ("rpcerror", args()), ("none", args()))
    }

    /// A call that logs before it is answered, and what the message says; the level is `info`.
    pub(crate) fn logging(&self) -> (ToolCall, &'static str) {
        let said = message::notification("notifications/message", r#"{"level":"info","data":"hello"}"#);
        let call = self.choose(
            ("noisy", "{}".to_owned()),
            ("say", format!(r#"{{"message":{}}}"#, message::quoted(&said))),
            ("test_logging_tool", "{}".to_owned()),
            ("log", r#"{"message":"hello"}"#.to_owned()),
        );
        (call, if self.kind.make() == Make::Everything { "one log line" } else { "hello" })
    }

    /// The one resource that behaviours are about, and its text.
    pub(crate) fn resource(&self) -> (&'static str, &'static str) {
        match self.kind.make() {
            Make::Everything => ("test://watched-resource", "Watched resource content."),
            Make::Demo => ("demo://counter", "0"),
            _ => ("test://a", "content of a"),
        }
    }

    /// A call that asks the client `method` before it is answered.
    pub(crate) fn asking(&self, method: &str) -> ToolCall {
        let (probe, everything, demo) = match method {
            "elicitation/create" => ("elicit", "test_input_required_result_elicitation", "greet"),
            "sampling/createMessage" => ("sample", "test_input_required_result_sampling", "sample"),
            "roots/list" => ("roots", "test_input_required_result_list_roots", "roots"),
            _ => ("pingclient", "pingclient", "pingclient"),
        };
        let args = format!(r#"{{"method":"{method}","params":{{"message":"Who?","requestedSchema":{{}}}}}}"#);
        let none = || "{}".to_owned();
        self.choose((probe, none()), ("ask", args), (everything, none()), (demo, r#"{"prompt":"?"}"#.to_owned()))
    }

    /// A call that asks the user to open an address.
    pub(crate) fn visiting(&self) -> ToolCall {
        let url = r#"{"mode":"url","message":"Please sign in","url":"https://example.com/sign-in?x=1&y=%20","elicitationId":"visit-1"}"#;
        self.choose(
            ("elicit", format!(r#"{{"params":{url}}}"#)),
            ("ask", format!(r#"{{"method":"elicitation/create","params":{url}}}"#)),
            ("visit", "{}".to_owned()),
            ("visit", "{}".to_owned()),
        )
    }

    /// The exact text of the error that [`Upstream::failing`] ends in, seen without Janua where that can be.
    pub(crate) async fn error(&self) -> String {
        match self.kind.make() {
            Make::Probe => {
                let mut direct = StdioClient::start(&program("probe"), &[OsStr::new("--full")]);
                direct.initialize("2025-11-25", "{}").await;
                let error = direct.call("rpcerror", "{}").await;
                error.member("error").expect("an error")
            }
            Make::Everything => {
                let mut direct = StdioClient::start(&program("everything"), &[] as &[&str]);
                direct.initialize("2025-11-25", "{}").await;
                let error = direct.call("rpcerror", "{}").await;
                error.member("error").expect("an error")
            }
            Make::Scripted => r#"{"code":-32602,"message":"no such tool"}"#.to_owned(),
            Make::Demo => r#"{"code":-32602,"message":"the server has no tool none"}"#.to_owned(),
        }
    }

    /// Lets the slow call of a scripted server go on; other slow calls end by themselves.
    pub(crate) fn release(&self) {
        if let Some(remote) = &self.remote {
            remote.release();
        }
    }

    /// The messages with this method that reached the server; nothing where it does not tell.
    pub(crate) fn received(&self, method: &str) -> Vec<Message> {
        self.arrived().into_iter().filter(|message| message.method() == Some(method)).collect()
    }

    /// The answers to its questions that reached the server.
    pub(crate) fn responses(&self) -> Vec<Message> {
        self.arrived().into_iter().filter(Message::is_response).collect()
    }

    fn arrived(&self) -> Vec<Message> {
        match &self.remote {
            Some(remote) => remote.seen(),
            None => journal::lines(self.journal()).iter().filter_map(|line| Message::parse(line).ok()).collect(),
        }
    }

    /// What Janua did to the server that the server's revision forbids.
    pub(crate) fn faults(&self) -> Vec<String> {
        match &self.remote {
            Some(remote) => remote.faults(),
            None => {
                self.arrived().iter().filter_map(|line| line.value()["fault"].as_str().map(str::to_owned)).collect()
            }
        }
    }

    /// Calls of a tool that reached the server, those that repeat one with answers not counted, and those.
    pub(crate) fn runs(&self, tool: &str) -> (usize, usize) {
        let again = |message: &Message| {
            let params = message.at("/params");
            params.get("inputResponses").is_some() || params.get("requestState").is_some()
        };
        let calls = self.received("tools/call");
        let (repeated, begun): (Vec<_>, Vec<_>) =
            calls.into_iter().filter(|call| call.at("/params/name") == tool).partition(again);
        (begun.len(), repeated.len())
    }

    /// Waits until a call of this tool has reached the server; false where the server does not tell.
    pub(crate) async fn has_begun(&self, tool: &str) -> bool {
        if self.kind == ServerKind::Demo {
            return false;
        }
        assert!(process::eventually(SOON, || self.runs(tool).0 > 0).await, "{tool} did not reach the server");
        true
    }

    /// What the probe knows about itself and what reached it.
    pub(crate) async fn info(&self, link: &mut Link) -> Message {
        let tool = if self.kind.make() == Make::Everything { "fixture_info" } else { "info" };
        let answer = link.call(&(tool, "{}".to_owned())).await;
        Message::parse(answer.text()).expect("the server's account is JSON")
    }

    /// Waits until a message with this method has reached the server; false where the server does not tell.
    pub(crate) async fn has_heard(&self, method: &str) -> bool {
        if self.kind == ServerKind::Demo {
            return false;
        }
        let heard = process::eventually(SOON, || !self.received(method).is_empty()).await;
        assert!(heard, "{method} did not reach the server");
        true
    }

    /// Whether a call of this tool was cancelled at the server, where that needs no message.
    pub(crate) async fn has_given_up(&self, tool: &str) -> Option<bool> {
        let remote = self.remote.as_ref()?;
        remote.cancelled(tool)?;
        Some(process::eventually(SOON, || remote.cancelled(tool) == Some(1)).await)
    }

    /// Waits until so many subscriptions that are requests are open, where the server tells.
    pub(crate) async fn has_listeners(&self, count: usize) {
        if let Some(remote) = self.remote.as_ref().filter(|remote| remote.subscriptions().is_some()) {
            let there = process::eventually(SOON, || remote.subscriptions() == Some(count)).await;
            assert!(there, "subscriptions: {:?}, not {count}", remote.subscriptions());
        } else if count > 0 {
            self.has_heard("subscriptions/listen").await;
        }
    }

    /// Makes the server say something that belongs to no request, and waits until it has.
    pub(crate) async fn announce(&self, link: &mut Link, news: News) {
        let call = match (self.kind.make(), news) {
            (Make::Probe, News::Log) => ("noisy", "{}".to_owned()),
            (Make::Probe, News::Lists) => ("listchanged", r#"{"add":"extra"}"#.to_owned()),
            (Make::Probe | Make::Demo, News::Update) => ("touch", "{}".to_owned()),
            (Make::Everything, News::Log) => ("test_logging_tool", "{}".to_owned()),
            (Make::Everything, News::Lists) => ("announce_lists", "{}".to_owned()),
            (Make::Everything, News::Update) => ("test_touch_resource", "{}".to_owned()),
            (Make::Demo, News::Log) => ("log", r#"{"message":"hello"}"#.to_owned()),
            (Make::Demo, News::Lists) => ("add-tool", r#"{"name":"extra"}"#.to_owned()),
            (Make::Scripted, _) => return self.push_news(news).await,
        };
        link.call(&call).await.result();
    }

    async fn push_news(&self, news: News) {
        let (uri, _) = self.resource();
        let texts: Vec<String> = match news {
            News::Log => vec![message::notification("notifications/message", r#"{"level":"info","data":"hello"}"#)],
            News::Lists => ["tools", "prompts", "resources"]
                .map(|list| message::notification(&format!("notifications/{list}/list_changed"), ""))
                .to_vec(),
            News::Update => {
                vec![message::notification("notifications/resources/updated", &format!(r#"{{"uri":"{uri}"}}"#))]
            }
        };
        for text in &texts {
            self.push(text).await;
        }
    }

    /// Sends a message on the stream of a scripted server that belongs to no request.
    pub(crate) async fn push(&self, text: &str) {
        match &self.remote {
            Some(remote) => remote.push(text).await,
            None => panic!("{:?} says nothing of its own accord", self.kind),
        }
    }

    /// How many sessions a scripted server has.
    pub(crate) fn sessions(&self) -> usize {
        self.remote.as_ref().map_or(0, Remote::sessions)
    }

    /// Ends a scripted server with everything it has open.
    pub(crate) async fn end(&mut self) {
        if let Some(remote) = self.remote.take() {
            remote.end().await;
        }
    }
}
