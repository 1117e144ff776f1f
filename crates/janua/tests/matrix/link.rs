//! One client's end of a connection to Janua, the same to a test whatever carries it.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use janua_testkit::client::Client;
use janua_testkit::client::envelope::{Envelope, questions, repeated};
use janua_testkit::client::message::{self, Message};
use janua_testkit::client::session::Session;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::client::websocket::{Came, WebSocketClient};

use super::kinds::ClientKind;
use super::posting::Posting;

/// A wait that only a broken machine or a broken gateway exceeds.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An open connection, initialized where the revision wants it.
pub(crate) struct Link {
    /// What carries it.
    pub(crate) wire: Wire,
    /// Messages that came while another was awaited, in order.
    pub(crate) passed: Vec<Message>,
    /// Questions of the server that were answered.
    pub(crate) asked: Vec<Message>,
    /// How often requests were repeated with answers.
    pub(crate) rounds: usize,
    /// The answer to initialize, or to `server/discover`.
    pub(crate) opening: Message,
    /// What each request carries, in the revision without a handshake.
    pub(crate) envelope: Option<Envelope>,
    kind: ClientKind,
    /// What the names of tools and prompts begin with.
    prefix: String,
    /// Method and params of the requests under way, by id.
    sent: HashMap<String, (String, String)>,
    next: u64,
}

/// The raw clients of the testkit.
pub(crate) enum Wire {
    /// Streamable HTTP, in whichever revision.
    Http(Posting),
    /// HTTP+SSE.
    Sse(SseSession),
    /// Standard input and output of `janua connect`.
    Stdio(StdioClient),
    /// WebSocket.
    Socket(Box<WebSocketClient>),
    /// Dropped by the test.
    Gone,
}

impl Link {
    /// Connects to a gateway at `base` as a client of this kind; `capabilities` is JSON text.
    pub(crate) async fn remote(kind: ClientKind, base: &str, capabilities: &str) -> Self {
        match kind {
            ClientKind::Sse2024 => {
                let mut session = SseSession::open(base, "/sse").await;
                let opening = session.initialize(kind.version(), capabilities).await;
                Self::new(kind, opening, Wire::Sse(session))
            }
            ClientKind::WebSocket => {
                let mut socket = WebSocketClient::open(&socket_url(base)).await.deadline(SOON);
                let opening = socket.initialize(kind.version(), capabilities).await;
                Self::new(kind, opening, Wire::Socket(Box::new(socket)))
            }
            ClientKind::WebSocket2026 => {
                let socket = WebSocketClient::open(&socket_url(base)).await.deadline(SOON);
                Self::discovering(kind, Wire::Socket(Box::new(socket)), capabilities).await
            }
            ClientKind::Http2026 => {
                let modern = Client::new(base).modern(kind.version(), capabilities);
                Self::discovering(kind, Wire::Http(Posting::modern(modern)), capabilities).await
            }
            _ => {
                let session = Client::new(base).initialize(kind.version(), capabilities).await;
                let opening = session.opening.clone();
                Self::new(kind, opening, Wire::Http(Posting::session(session).await))
            }
        }
    }

    /// Starts `program` and connects over its standard streams.
    pub(crate) async fn stdio(kind: ClientKind, program: &Path, words: &[String], capabilities: &str) -> Self {
        let mut client = StdioClient::start(program, words).deadline(SOON);
        if kind.is_modern() {
            return Self::discovering(kind, Wire::Stdio(client), capabilities).await;
        }
        let opening = client.initialize(kind.version(), capabilities).await;
        Self::new(kind, opening, Wire::Stdio(client))
    }

    fn new(kind: ClientKind, opening: Message, wire: Wire) -> Self {
        assert_eq!(opening.at("/result/protocolVersion"), kind.version(), "{}", opening.raw());
        Self::with(kind, opening, wire, None)
    }

    fn with(kind: ClientKind, opening: Message, wire: Wire, envelope: Option<Envelope>) -> Self {
        let (passed, asked, sent) = (Vec::new(), Vec::new(), HashMap::new());
        Self { wire, passed, asked, rounds: 0, opening, envelope, kind, prefix: String::new(), sent, next: 100 }
    }

    /// The same where names of tools and prompts begin with the server's.
    pub(crate) fn naming(mut self, server: &str) -> Self {
        self.prefix = format!("{server}__");
        self
    }

    /// The name under which the client sees a tool or a prompt.
    pub(crate) fn shown(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The params of a request with the name that the client sees.
    fn named(&self, method: &str, params: &str) -> String {
        let begun = format!(r#""name":"{}"#, self.prefix);
        let is_about = matches!(method, "tools/call" | "prompts/get" | "completion/complete");
        if is_about && !params.contains(&begun) {
            return params.replacen(r#""name":""#, &begun, 1);
        }
        params.to_owned()
    }

    async fn discovering(kind: ClientKind, wire: Wire, capabilities: &str) -> Self {
        let nothing = Message::parse("{}").expect("it is JSON");
        let mut link = Self::with(kind, nothing, wire, Some(Envelope::new(kind.version(), capabilities)));
        link.opening = link.request("server/discover", "").await;
        let versions = link.opening.at("/result/supportedVersions").as_array().cloned().unwrap_or_default();
        assert!(versions.contains(&kind.version().into()), "{}", link.opening.raw());
        link
    }

    /// The session over Streamable HTTP; any other link fails the test.
    pub(crate) fn session(&self) -> Arc<Session> {
        match &self.wire {
            Wire::Http(http) => http.stateful(),
            _ => panic!("not a link over Streamable HTTP"),
        }
    }

    /// Sends exactly this text; the answers come with the other messages.
    pub(crate) async fn post(&mut self, text: &str) {
        match &mut self.wire {
            Wire::Http(http) => http.post(text).await,
            Wire::Sse(session) => {
                let answer = session.post(text.to_owned()).await;
                // A refused message is answered where it was posted.
                self.passed.extend(if answer.status.is_success() { Vec::new() } else { answer.messages() });
            }
            Wire::Stdio(client) => client.write_line(text).await,
            Wire::Socket(client) => client.write_line(text).await,
            Wire::Gone => panic!("the link was dropped"),
        }
    }

    /// Sends a request with an id of the test's choice; id and params are JSON text.
    pub(crate) async fn send_as(&mut self, id: &str, method: &str, params: &str) {
        let params = self.named(method, params);
        let wrapped = self.envelope.as_ref().map(|envelope| envelope.wrap(&params));
        self.post(&message::request(id, method, wrapped.as_deref().unwrap_or(&params))).await;
        self.sent.insert(id.to_owned(), (method.to_owned(), params));
    }

    /// Sends a request; gives its id.
    pub(crate) async fn send(&mut self, method: &str, params: &str) -> String {
        self.next += 1;
        let id = self.next.to_string();
        self.send_as(&id, method, params).await;
        id
    }

    /// Sends a call of a tool; gives the request's id.
    pub(crate) async fn send_call(&mut self, call: &(&str, String)) -> String {
        self.send("tools/call", &message::call_params(call.0, &call.1)).await
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn request(&mut self, method: &str, params: &str) -> Message {
        let id = self.send(method, params).await;
        self.answer(&id).await
    }

    /// Calls a tool and waits for its answer.
    pub(crate) async fn call(&mut self, call: &(&str, String)) -> Message {
        let id = self.send_call(call).await;
        self.answer(&id).await
    }

    /// Sends a notification.
    pub(crate) async fn notify(&mut self, method: &str, params: &str) {
        self.post(&message::notification(method, params)).await;
    }

    /// Takes a request back, as the revision and the transport have it; `more` is further members of the
    /// notification's params, each after a comma.
    pub(crate) async fn cancel(&mut self, id: &str, more: &str) {
        if let (Wire::Http(http), true) = (&mut self.wire, self.kind.is_modern()) {
            http.hang_up(id).await;
        } else {
            self.notify("notifications/cancelled", &format!(r#"{{"requestId":{id}{more}}}"#)).await;
        }
    }

    /// Subscribes to what `filter`, JSON text, names, in the revision where that is a request; gives the
    /// request's id and its acknowledgement.
    pub(crate) async fn listen(&mut self, filter: &str) -> (String, Message) {
        let id = self.send("subscriptions/listen", &format!(r#"{{"notifications":{filter}}}"#)).await;
        let method = "notifications/subscriptions/acknowledged";
        let first = self.until(method, |m| m.answers(&id) || m.method() == Some(method)).await;
        assert_eq!(first.method(), Some(method), "{}", first.raw());
        assert_eq!(subscription(&first), id, "{}", first.raw());
        (id, first)
    }

    /// Waits for the answer to the request `id`; other messages go to `passed`.
    pub(crate) async fn answer(&mut self, id: &str) -> Message {
        let answer = self.until(&format!("the answer to {id}"), |message| message.answers(id)).await;
        self.well_formed(&answer, id);
        answer
    }

    /// Results of one era have members that those of the other must not have.
    fn well_formed(&self, answer: &Message, id: &str) {
        let kind = answer.at("/result/resultType");
        if self.envelope.is_none() {
            assert!(kind.is_null(), "of another era: {}", answer.raw());
            return;
        }
        let Some((method, _)) = self.sent.get(id).filter(|_| answer.error_code().is_none()) else { return };
        assert!(kind == "complete" || kind == "input_required", "no type: {}", answer.raw());
        let kept = method == "server/discover" || method == "resources/read" || method.ends_with("/list");
        if kept && kind == "complete" {
            assert!(answer.at("/result/ttlMs").is_u64(), "how long? {}", answer.raw());
            assert!(answer.at("/result/cacheScope").is_string(), "for whom? {}", answer.raw());
        }
    }

    /// Waits for the first message that fits, among those passed over too; other messages go to `passed`.
    pub(crate) async fn until(&mut self, wanted: &str, fits: impl Fn(&Message) -> bool) -> Message {
        if let Some(at) = self.passed.iter().position(&fits) {
            return self.passed.remove(at);
        }
        loop {
            let Some(message) = self.next().await else {
                panic!("nothing more came, wanted {wanted}, after {:?}", self.passed)
            };
            if fits(&message) {
                return message;
            }
            self.passed.push(message);
        }
    }

    /// Waits for a notification or a question with this method.
    pub(crate) async fn until_method(&mut self, method: &str) -> Message {
        self.until(method, |message| message.method() == Some(method)).await
    }

    /// The messages passed over that have this method, which are then gone.
    pub(crate) fn take(&mut self, method: &str) -> Vec<Message> {
        let (taken, rest) = std::mem::take(&mut self.passed).into_iter().partition(|m| m.method() == Some(method));
        self.passed = rest;
        taken
    }

    /// Waits for the answer to the request `id` and answers every question before it with what `result` gives
    /// for it; the questions go to `asked`. Questions that end the request are answered by repeating it.
    pub(crate) async fn answering(&mut self, id: &str, result: impl Fn(&Message) -> String) -> Message {
        let mut id = id.to_owned();
        loop {
            let found = self.until("an answer or a question", |m| m.answers(&id) || m.is_request()).await;
            if found.answers(&id) {
                self.well_formed(&found, &id);
                let Some(next) = self.again(&id, &found, &result).await else { return found };
                id = next;
            } else {
                let question = found.id().expect("a question has an id");
                self.post(&message::response(&question, &result(&found))).await;
                self.asked.push(found);
            }
        }
    }

    /// Repeats the request `id` with answers if `answer` asks for them; gives the new id.
    pub(crate) async fn again(
        &mut self,
        id: &str,
        answer: &Message,
        result: impl Fn(&Message) -> String,
    ) -> Option<String> {
        let questions = questions(answer)?;
        let may_be_asked = ["elicitation/create", "sampling/createMessage", "roots/list"];
        for (key, question) in &questions {
            let known = question.method().is_some_and(|method| may_be_asked.contains(&method));
            let bare = question.id().is_none() && question.member("jsonrpc").is_none();
            let own = question.at("/params/elicitationId").is_null();
            assert!(known && bare && own, "{key} is no question of 2026-07-28: {}", question.raw());
        }
        let answers: Vec<_> = questions.iter().map(|(key, question)| (key.clone(), result(question))).collect();
        self.asked.extend(questions.into_iter().map(|(_, question)| question));
        self.rounds += 1;
        let (method, params) = self.sent.get(id).cloned().expect("it was sent here");
        Some(self.send(&method, &repeated(&params, answer, &answers)).await)
    }

    /// The next message from anywhere; `None` when nothing came in time or the channel is over.
    async fn next(&mut self) -> Option<Message> {
        match &mut self.wire {
            Wire::Http(http) => http.next().await,
            Wire::Sse(session) => session.events().next_message(SOON).await.ok().flatten(),
            Wire::Stdio(client) => {
                let line = client.read_line_within(SOON).await.flatten()?;
                Some(Message::parse(&line).unwrap_or_else(|error| panic!("{error} in line {line}")))
            }
            Wire::Socket(client) => match client.read_within(SOON).await? {
                Came::Text(text) => {
                    Some(Message::parse(&text).unwrap_or_else(|error| panic!("{error} in frame {text}")))
                }
                Came::Closed(..) | Came::End => None,
            },
            Wire::Gone => None,
        }
    }

    /// Ends a link over standard streams as a client does; gives how the process ended.
    pub(crate) async fn hang_up(&mut self) -> Option<ExitStatus> {
        let Wire::Stdio(client) = &mut self.wire else { panic!("not a link over standard streams") };
        client.close_input();
        client.wait(SOON).await
    }
}

/// The subscription that a message belongs to, as JSON text.
pub(crate) fn subscription(message: &Message) -> String {
    message.at("/params/_meta/io.modelcontextprotocol~1subscriptionId").to_string()
}

fn socket_url(base: &str) -> String {
    format!("{}/ws", base.replacen("http://", "ws://", 1))
}
