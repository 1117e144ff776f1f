//! The servers behind Janua in these tests, and how each is brought to do what a behaviour is about.

use std::ffi::OsStr;

use janua_testkit::client::message::{self, Message};
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::program;
use janua_testkit::process;
use janua_testkit::upstream::site::Seen;
use janua_testkit::upstream::sse::SseServer;
use janua_testkit::upstream::streamable::StreamableServer;

use super::kinds::ServerKind;
use super::link::{Link, SOON};

/// JSON that no parser would write again as it stands.
pub(crate) const ODD: &str =
    r#"{ "n" : 1.0,"big":12345678901234567890123, "e":1E+2,"s":"\u00e9\/\t","in":{"twice":1,"twice":[ ]}}"#;
/// A cursor with something to get wrong.
pub(crate) const CURSOR: &str = r#""\u00e9/==\"2\"""#;
/// The one resource.
pub(crate) const URI: &str = "test://a";
/// What `ask` tools are answered with: extra members and spelling must reach the server.
pub(crate) const ANSWER: &str = r#"{"action":"accept","content":{"name":"Ann"},"x-n": 1.0,"x-s":"\u0041"}"#;

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
}

enum Remote {
    Http(StreamableServer),
    Sse(SseServer),
}

/// Results of the scripted servers besides their tools, by method.
const RESULTS: [(&str, &str); 9] = [
    ("logging/setLevel", "{}"),
    ("acme/thing", ODD),
    ("resources/list", r#"{"resources":[{"uri":"test://a","name":"a"}]}"#),
    ("resources/read", r#"{"contents":[{"uri":"test://a","mimeType":"text/plain","text":"content of a"}]}"#),
    ("resources/subscribe", "{}"),
    ("resources/unsubscribe", "{}"),
    ("prompts/list", r#"{"prompts":[{"name":"test_simple_prompt"}]}"#),
    ("prompts/get", r#"{"messages":[{"role":"user","content":{"type":"text","text":"arg1='x'"}}]}"#),
    ("completion/complete", r#"{"completion":{"values":["paris","park","party"]}}"#),
];

/// A server of two pages in the words of a shell; it answers whatever the id is.
const PAGES: &str = r#"
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"pages","version":"1"}}' ;;
    *'"cursor":"\u00e9/==\"2\""'*) result='{"tools":[{"name":"second","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/list"'*) result='{"tools":[{"name":"first","inputSchema":{"type":"object"}}],"nextCursor":"\u00e9/==\"2\""}' ;;
    *) result='{}' ;;
  esac
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

/// A server that asks for the roots right before it answers, and waits for nothing; `acme/answers` gives what
/// it was told.
const CURIOUS: &str = r#"
told=''
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"curious","version":"1"}}' ;;
    *'"notifications/'*) id='' ;;
    *'"acme/answers"'*) result="{\"told\":[$told]}" ;;
    *'"method"'*) printf '{"jsonrpc":"2.0","id":"ask %s","method":"roots/list"}\n' "$id"
      result='{"content":[]}' ;;
    *) told="$told${told:+,}$line"; id='' ;;
  esac
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

impl Upstream {
    /// Starts what has to listen before Janua can reach it.
    pub(crate) async fn start(kind: ServerKind, program: Program) -> Self {
        let page =
            format!(r#"{{"tools":[{{"name":"first","inputSchema":{{"type":"object"}}}}],"nextCursor":{CURSOR}}}"#);
        let pages = (program == Program::Pages).then_some(("tools/list", page.as_str()));
        let results = RESULTS.into_iter().chain(pages);
        let remote = match kind {
            ServerKind::Http => {
                // Another path than Janua's own, so that the one is not taken for the other.
                let server = StreamableServer::builder().path("/elsewhere");
                let server = results.fold(server, |s, (method, result)| s.on(method, result));
                Some(Remote::Http(server.start().await))
            }
            ServerKind::Sse => {
                let server = results.fold(SseServer::builder(), |s, (method, result)| s.on(method, result));
                Some(Remote::Sse(server.start().await))
            }
            ServerKind::Stdio | ServerKind::Demo => None,
        };
        Self { kind, program, remote }
    }

    /// How it is named on Janua's command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let path = |name| program(name).display().to_string();
        match (&self.remote, self.kind, self.program) {
            (Some(Remote::Http(server)), ..) => vec![server.url()],
            (Some(Remote::Sse(server)), ..) => vec![server.url()],
            (None, ServerKind::Demo, _) => vec!["--demo".to_owned()],
            (None, _, Program::Probe) => vec!["--".to_owned(), path("probe"), "--full".to_owned()],
            (None, _, Program::Catalog) => vec!["--".to_owned(), path("everything")],
            (None, _, Program::Pages) => ["--", "sh", "-c", PAGES].map(str::to_owned).to_vec(),
            (None, _, Program::Curious) => ["--", "sh", "-c", CURIOUS].map(str::to_owned).to_vec(),
        }
    }

    fn choose(&self, stdio: ToolCall, remote: ToolCall, demo: ToolCall) -> ToolCall {
        match self.kind {
            ServerKind::Stdio => stdio,
            ServerKind::Http | ServerKind::Sse => remote,
            ServerKind::Demo => demo,
        }
    }

    /// A call that reports progress five times, if it is given a token.
    pub(crate) fn progress(&self) -> ToolCall {
        self.choose(
            ("progress", r#"{"n":5,"ms":20}"#.to_owned()),
            ("progress", r#"{"steps":5}"#.to_owned()),
            ("countdown", r#"{"n":5}"#.to_owned()),
        )
    }

    /// A call that takes a while; see [`Upstream::release`].
    pub(crate) fn slow(&self) -> ToolCall {
        self.choose(
            ("slow", r#"{"s":1}"#.to_owned()),
            ("slow", "{}".to_owned()),
            ("countdown", r#"{"n":10}"#.to_owned()),
        )
    }

    /// A call that fails with a JSON-RPC error.
    pub(crate) fn failing(&self) -> ToolCall {
        let args = || "{}".to_owned();
        self.choose(("rpcerror", args()), ("none", args()), ("none", args()))
    }

    /// A call that asks the client `method` before it is answered.
    pub(crate) fn asking(&self, method: &str) -> ToolCall {
        let (tool, demo) = match method {
            "elicitation/create" => ("elicit", "greet"),
            "sampling/createMessage" => ("sample", "sample"),
            "roots/list" => ("roots", "roots"),
            _ => ("pingclient", "pingclient"),
        };
        let args = format!(r#"{{"method":"{method}","params":{{"message":"Who?","requestedSchema":{{}}}}}}"#);
        self.choose((tool, "{}".to_owned()), ("ask", args), (demo, "{}".to_owned()))
    }

    /// The exact text of the error that [`Upstream::failing`] ends in, seen without Janua where that can be.
    pub(crate) async fn error(&self) -> String {
        match self.kind {
            ServerKind::Stdio => {
                let mut direct = StdioClient::start(&program("probe"), &[OsStr::new("--full")]);
                direct.initialize("2025-11-25", "{}").await;
                let error = direct.call("rpcerror", "{}").await;
                error.member("error").expect("an error")
            }
            ServerKind::Http | ServerKind::Sse => r#"{"code":-32602,"message":"no such tool"}"#.to_owned(),
            ServerKind::Demo => {
                let message = "the demo server has the tools echo, add, countdown and greet";
                format!(r#"{{"code":-32602,"message":"{message}"}}"#)
            }
        }
    }

    /// Lets the slow call of a scripted server go on; other slow calls end by themselves.
    pub(crate) fn release(&self) {
        match &self.remote {
            Some(Remote::Http(server)) => server.release(1),
            Some(Remote::Sse(server)) => server.release(1),
            None => {}
        }
    }

    /// The text of each call's message as it reached the server; nothing where the server does not tell.
    pub(crate) fn calls(&self) -> Vec<Message> {
        self.received("tools/call")
    }

    /// The messages with this method that reached a scripted server.
    pub(crate) fn received(&self, method: &str) -> Vec<Message> {
        self.arrived(|message| message.method() == Some(method))
    }

    /// The answers to its questions that reached a scripted server.
    pub(crate) fn responses(&self) -> Vec<Message> {
        self.arrived(Message::is_response)
    }

    fn arrived(&self, fits: impl Fn(&Message) -> bool) -> Vec<Message> {
        let site = match &self.remote {
            Some(Remote::Http(server)) => &server.site,
            Some(Remote::Sse(server)) => &server.site,
            None => return Vec::new(),
        };
        site.seen().iter().filter_map(Seen::message).filter(fits).collect()
    }

    /// What the probe knows about itself and what reached it.
    pub(crate) async fn info(&self, link: &mut Link) -> Message {
        let answer = link.call(&("info", "{}".to_owned())).await;
        Message::parse(answer.text()).expect("the probe's account is JSON")
    }

    /// Waits until a message with this method has reached the server; false where the server does not tell.
    pub(crate) async fn has_heard(&self, link: &mut Link, method: &str) -> bool {
        match self.kind {
            ServerKind::Demo => false,
            ServerKind::Http | ServerKind::Sse => {
                let heard = process::eventually(SOON, || !self.received(method).is_empty()).await;
                assert!(heard, "{method} did not reach the server");
                true
            }
            ServerKind::Stdio => {
                // Each question is a call itself, so one more than those has to be there.
                let mut least = 1;
                loop {
                    let seen = self.info(link).await;
                    least += usize::from(method == "tools/call");
                    let seen = seen.at("/seen").as_array().expect("a list").clone();
                    let heard = |m: &serde_json::Value| m.as_str().and_then(|m| m.split('#').next()) == Some(method);
                    if seen.iter().filter(|m| heard(m)).count() >= least {
                        return true;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Makes the server say something that belongs to no request, and waits until it has.
    pub(crate) async fn announce(&self, link: &mut Link, news: News) {
        if self.kind == ServerKind::Stdio {
            let call = match news {
                News::Log => ("noisy", "{}".to_owned()),
                News::Lists => ("listchanged", r#"{"add":"extra"}"#.to_owned()),
                News::Update => ("touch", "{}".to_owned()),
            };
            link.call(&call).await.result();
            return;
        }
        let texts: Vec<String> = match news {
            News::Log => vec![message::notification("notifications/message", r#"{"level":"info","data":"hello"}"#)],
            News::Lists => ["tools", "prompts", "resources"]
                .map(|list| message::notification(&format!("notifications/{list}/list_changed"), ""))
                .to_vec(),
            News::Update => {
                vec![message::notification("notifications/resources/updated", &format!(r#"{{"uri":"{URI}"}}"#))]
            }
        };
        for text in &texts {
            self.push(text);
        }
    }

    /// Sends a message on the stream of a scripted server that belongs to no request.
    pub(crate) fn push(&self, text: &str) {
        match &self.remote {
            Some(Remote::Http(server)) => server.push(text),
            Some(Remote::Sse(server)) => server.push(text),
            None => panic!("{:?} says nothing of its own accord", self.kind),
        }
    }

    /// How many sessions a scripted server has.
    pub(crate) fn sessions(&self) -> usize {
        match &self.remote {
            Some(Remote::Http(server)) => server.sessions().len(),
            Some(Remote::Sse(server)) => server.sessions().len(),
            None => 0,
        }
    }

    /// Ends a scripted server with everything it has open.
    pub(crate) fn end(&mut self) {
        match self.remote.take() {
            Some(Remote::Http(server)) => server.site.cut_connections(),
            Some(Remote::Sse(server)) => server.site.cut_connections(),
            None => {}
        }
    }
}
