//! A client over Streamable HTTP: every answer has a stream of its own, so tasks collect what comes on them.

use std::collections::HashMap;
use std::sync::Arc;

use janua_testkit::client::message::Message;
use janua_testkit::client::modern::Modern;
use janua_testkit::client::session::Session;
use janua_testkit::client::{Client, JSON_POST};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::link::SOON;

/// Everything that one client has open.
pub(crate) struct Posting {
    manner: Manner,
    sender: mpsc::Sender<Message>,
    heard: mpsc::Receiver<Message>,
    running: JoinSet<()>,
    /// The tasks that wait for answers, by the request's id.
    waiting: HashMap<String, AbortHandle>,
}

/// What goes with each message.
enum Manner {
    /// A session; without an id when Janua keeps none.
    Session(Arc<Session>),
    /// Headers that say what the message says.
    Modern(Box<Modern>),
}

impl Posting {
    /// A client with this session, which listens to what belongs to no request, as clients do.
    pub(crate) async fn session(session: Session) -> Self {
        let listens = session.id.is_some();
        let session = Arc::new(session);
        let mut posting = Self::new(Manner::Session(Arc::clone(&session)));
        if listens {
            let mut events = session.listen().await;
            let sender = posting.sender.clone();
            posting.running.spawn(async move {
                while let Ok(Some(message)) = events.next_message(3 * SOON).await {
                    if sender.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
        posting
    }

    /// A client without a session.
    pub(crate) fn modern(modern: Modern) -> Self {
        Self::new(Manner::Modern(Box::new(modern)))
    }

    fn new(manner: Manner) -> Self {
        let (sender, heard) = mpsc::channel(1024);
        Self { manner, sender, heard, running: JoinSet::new(), waiting: HashMap::new() }
    }

    /// The session; a client without one fails the test.
    pub(crate) fn stateful(&self) -> Arc<Session> {
        match &self.manner {
            Manner::Session(session) => Arc::clone(session),
            Manner::Modern(_) => panic!("this revision has no sessions"),
        }
    }

    /// The client below.
    pub(crate) fn client(&self) -> Client {
        match &self.manner {
            Manner::Session(session) => session.client.clone(),
            Manner::Modern(modern) => modern.client.clone(),
        }
    }

    /// Sends this text; waits for what comes back unless it is a request.
    pub(crate) async fn post(&mut self, text: &str) {
        let message = Message::parse(text).ok();
        let headers = self.headers(message.as_ref());
        let client = self.client();
        let request = message.as_ref().filter(|message| message.is_request());
        if request.is_none() && !text.starts_with('[') {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = client.post(client.path(), text.to_owned(), &headers).await;
            for message in answer.messages() {
                self.sender.send(message).await.expect("the link holds the receiver");
            }
            return;
        }
        let (sender, text) = (self.sender.clone(), text.to_owned());
        let id = request.and_then(Message::id);
        let task = self.running.spawn(async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut exchange = client.exchange("any", text, &headers).await;
            while let Some(message) = exchange.next().await {
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        });
        if let Some(id) = id {
            self.waiting.insert(id, task);
        }
    }

    fn headers(&self, message: Option<&Message>) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        match &self.manner {
            Manner::Session(session) => session.headers.iter().cloned().chain(JSON_POST.iter().map(own)).collect(),
            Manner::Modern(modern) => {
                let method = message.and_then(Message::method).unwrap_or("none");
                let params = message.and_then(|message| message.member("params"));
                let headers = modern.headers(method, params.as_deref().unwrap_or("{}"));
                headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }
        }
    }

    /// Closes the connection that waits for the answer to this request.
    pub(crate) async fn hang_up(&mut self, id: &str) {
        let task = self.waiting.remove(id).unwrap_or_else(|| panic!("{id} was not sent"));
        task.abort();
        // Until it has ended, the connection may still be open.
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    /// The next message; `None` when nothing came in time.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        timeout(SOON, self.heard.recv()).await.ok().flatten()
    }
}
