//! One client's end of a connection to Janua, the same to a test whatever carries it.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use janua_testkit::client::message::{self, Message};
use janua_testkit::client::session::Session;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::client::{Answer, Client, JSON_POST};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::kinds::ClientKind;

/// A wait that only a broken machine or a broken gateway exceeds.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An open connection, initialized.
pub(crate) struct Link {
    /// What carries it.
    pub(crate) wire: Wire,
    /// Messages that came while another was awaited, in order.
    pub(crate) passed: Vec<Message>,
    /// Questions of the server that were answered.
    pub(crate) asked: Vec<Message>,
    /// The answer to initialize.
    pub(crate) opening: Message,
    next: u64,
}

/// The raw clients of the testkit.
pub(crate) enum Wire {
    /// Streamable HTTP, with a session or without.
    Http(HttpWire),
    /// HTTP+SSE.
    Sse(SseSession),
    /// Standard input and output of `janua connect`.
    Stdio(StdioClient),
    /// Dropped by the test.
    Gone,
}

/// Streamable HTTP: every answer has a stream of its own, so tasks collect what comes on them.
pub(crate) struct HttpWire {
    /// The session; without an id when Janua keeps none.
    pub(crate) session: Arc<Session>,
    sender: mpsc::Sender<Message>,
    heard: mpsc::Receiver<Message>,
    running: JoinSet<()>,
}

impl Link {
    /// Connects to a gateway at `base` as a client of this kind; `capabilities` is JSON text.
    pub(crate) async fn http(kind: ClientKind, base: &str, capabilities: &str) -> Self {
        if kind == ClientKind::Sse2024 {
            let mut session = SseSession::open(base, "/sse").await;
            let opening = session.initialize(kind.version(), capabilities).await;
            return Self::new(kind, &opening, Wire::Sse(session));
        }
        let session = Client::new(base).initialize(kind.version(), capabilities).await;
        let opening = session.opening.clone();
        let (sender, heard) = mpsc::channel(1024);
        let mut wire = HttpWire { session: Arc::new(session), sender, heard, running: JoinSet::new() };
        if wire.session.id.is_some() {
            wire.listen().await;
        }
        Self::new(kind, &opening, Wire::Http(wire))
    }

    /// Starts `program` and connects over its standard streams.
    pub(crate) async fn stdio(program: &Path, words: &[String], capabilities: &str) -> Self {
        let kind = ClientKind::Stdio;
        let mut client = StdioClient::start(program, words).deadline(SOON);
        let opening = client.initialize(kind.version(), capabilities).await;
        Self::new(kind, &opening, Wire::Stdio(client))
    }

    fn new(kind: ClientKind, opening: &Message, wire: Wire) -> Self {
        assert_eq!(opening.at("/result/protocolVersion"), kind.version(), "{}", opening.raw());
        Self { wire, passed: Vec::new(), asked: Vec::new(), opening: opening.clone(), next: 100 }
    }

    /// The session over Streamable HTTP; any other link fails the test.
    pub(crate) fn session(&self) -> Arc<Session> {
        match &self.wire {
            Wire::Http(http) => Arc::clone(&http.session),
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
            Wire::Gone => panic!("the link was dropped"),
        }
    }

    /// Sends a request with an id of the test's choice; id and params are JSON text.
    pub(crate) async fn send_as(&mut self, id: &str, method: &str, params: &str) {
        self.post(&message::request(id, method, params)).await;
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

    /// Waits for the answer to the request `id`; other messages go to `passed`.
    pub(crate) async fn answer(&mut self, id: &str) -> Message {
        self.until(&format!("the answer to {id}"), |message| message.answers(id)).await
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

    /// Waits for the answer to the request `id`, and answers every question before it with this result; the
    /// questions go to `asked`.
    pub(crate) async fn answering(&mut self, id: &str, result: &str) -> Message {
        loop {
            let found = self.until("an answer or a question", |m| m.answers(id) || m.is_request()).await;
            if found.answers(id) {
                return found;
            }
            let question = found.id().expect("a question has an id");
            self.post(&message::response(&question, result)).await;
            self.asked.push(found);
        }
    }

    /// The next message from anywhere; `None` when nothing came in time or the channel is over.
    async fn next(&mut self) -> Option<Message> {
        match &mut self.wire {
            Wire::Http(http) => timeout(SOON, http.heard.recv()).await.ok().flatten(),
            Wire::Sse(session) => session.events().next_message(SOON).await.ok().flatten(),
            Wire::Stdio(client) => {
                let line = client.read_line_within(SOON).await.flatten()?;
                Some(Message::parse(&line).unwrap_or_else(|error| panic!("{error} in line {line}")))
            }
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

impl HttpWire {
    /// Listens to what belongs to no request, as clients do after the handshake.
    async fn listen(&mut self) {
        let mut events = self.session.listen().await;
        let sender = self.sender.clone();
        self.running.spawn(async move {
            while let Ok(Some(message)) = events.next_message(3 * SOON).await {
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        });
    }

    async fn post(&mut self, text: &str) {
        let request = Message::parse(text).is_ok_and(|message| message.is_request());
        if !request && !text.starts_with('[') {
            let answer: Answer = self.session.post(text.to_owned()).await;
            for message in answer.messages() {
                self.sender.send(message).await.expect("the link holds the receiver");
            }
            return;
        }
        let (session, sender, text) = (Arc::clone(&self.session), self.sender.clone(), text.to_owned());
        self.running.spawn(async move {
            let mut headers: Vec<_> = session.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            headers.extend(JSON_POST);
            let mut exchange = session.client.exchange("any", text, &headers).await;
            while let Some(message) = exchange.next().await {
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}
