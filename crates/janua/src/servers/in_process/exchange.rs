//! What a call can do besides being answered: report, log, ask its client, see that nobody waits any more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use janua_wire::error::METHOD_NOT_FOUND;
use janua_wire::id::ClientId;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::instance::Told;
use super::{Error, Json, News, Object, UserContext};
use crate::call::{Ask, Asker, Call, Caller, Event};
use crate::lock::Lock;
use crate::mailbox::Mailbox;

/// A call under way, as its server sees it. A clone may go to a task of the server's own.
#[derive(Clone)]
pub struct Exchange(Arc<Inner>);

struct Inner {
    user: Arc<UserContext>,
    caller: Arc<Caller>,
    token: Option<Bytes>,
    meta: Option<Json>,
    told: Arc<Told>,
    mailbox: Arc<Mailbox>,
    over: CancellationToken,
}

/// How important a log message is (RFC 5424), the least important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For debugging.
    Debug,
    /// Normal operation.
    Info,
    /// Normal, but worth a look.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// A part has failed.
    Critical,
    /// Somebody must act at once.
    Alert,
    /// Nothing works.
    Emergency,
}

/// What a person said to a form or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, with what was filled in: an object.
    Accepted(Json),
    /// No.
    Declined,
    /// Neither: the question was closed.
    Cancelled,
}

/// A folder or file that a client lets the server work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its address.
    pub uri: String,
    /// Its name for people.
    pub name: Option<String>,
}

impl Exchange {
    pub(super) fn new(
        user: Arc<UserContext>,
        told: Arc<Told>,
        call: &Call,
        mailbox: Arc<Mailbox>,
        over: CancellationToken,
    ) -> Self {
        let meta = call.request.param("_meta").map(|meta| Json::raw(call.request.text().slice_ref(meta)));
        let (caller, token) = (call.caller.clone(), call.request.progress_token());
        Exchange(Arc::new(Inner { user, caller, token, meta, told, mailbox, over }))
    }

    /// For whom this instance of the server is there.
    pub fn user(&self) -> &UserContext {
        &self.0.user
    }

    /// The `_meta` of the request.
    pub fn meta(&self) -> Option<&Json> {
        self.0.meta.as_ref()
    }

    /// How to tell what belongs to no call.
    pub fn news(&self) -> News {
        News(self.0.told.clone())
    }

    /// Resolves when nobody waits for the call any more: it was cancelled, or it has ended. The server's future is
    /// dropped then by itself; this is for what it has set going elsewhere.
    pub async fn over(&self) {
        self.0.over.cancelled().await;
    }

    /// Whether nobody waits for the call any more.
    pub fn is_over(&self) -> bool {
        self.0.over.is_cancelled()
    }

    /// Reports progress, if the client wants to hear of it. `done` must grow from report to report.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = &self.0.token else { return };
        let token = Json::raw(token.clone());
        let params = Object::new().put("progressToken", token).put("progress", done);
        self.notify("notifications/progress", params.put_some("total", total).put_some("message", message)).await;
    }

    /// Logs to the client, unless it wants to hear only what is more important. `data` is any JSON value.
    pub async fn log(&self, level: Level, data: impl Into<Json>) {
        if self.0.told.wants(level) {
            self.send(logged(level, data.into())).await;
        }
    }

    /// Sends any other notification along with this call. `params` is an object.
    pub async fn notify(&self, method: &str, params: impl Into<Json>) {
        self.send(announced(method, params)).await;
    }

    /// Waits if the client has fallen behind, for a moment; then the oldest gives way.
    async fn send(&self, news: Option<Notification>) {
        let Some(news) = news else { return };
        if self.0.mailbox.push(Event::Notify(news)) {
            self.0.mailbox.room().await;
        }
    }

    /// Whether the client of this call can be asked to fill in forms.
    pub fn can_elicit(&self) -> bool {
        self.permit(Method::Elicit, b"{}").is_ok()
    }

    /// Whether the client of this call can be asked for what its model says.
    pub fn can_sample(&self) -> bool {
        self.permit(Method::CreateMessage, b"{}").is_ok()
    }

    /// Whether the client of this call has roots.
    pub fn can_list_roots(&self) -> bool {
        self.permit(Method::ListRoots, b"{}").is_ok()
    }

    /// Asks the person at the client to fill in a form. `schema` is a flat JSON Schema as text (2025-11-25
    /// `client/elicitation`). Fails if the client cannot be asked or does not answer.
    pub async fn elicit(&self, message: &str, schema: &str) -> Result<Answer, Error> {
        let params = Object::new().put("message", message).put("requestedSchema", Json::raw(schema.to_owned()));
        let said = self.ask("elicitation/create", params).await?;
        Ok(match said.string("action")?.as_str() {
            "accept" => Answer::Accepted(said.get("content").unwrap_or_else(|| Object::new().into())),
            "decline" => Answer::Declined,
            _ => Answer::Cancelled,
        })
    }

    /// Asks the client's model to go on after `prompt`, and gives the text it says. See [`Exchange::ask`] with
    /// `sampling/createMessage` for the rest of what can be asked.
    pub async fn sample(&self, prompt: &str, max_tokens: u64) -> Result<String, Error> {
        let content = Object::new().put("type", "text").put("text", prompt);
        let message = Object::new().put("role", "user").put("content", content);
        let params = Object::new().put("messages", vec![message]).put("maxTokens", max_tokens);
        let said = self.ask("sampling/createMessage", params).await?;
        let content = said.get("content").ok_or_else(|| Error::internal("the model said nothing"))?;
        let blocks = if content.get("type").is_some() { vec![content] } else { content.elements() };
        Ok(blocks.iter().filter_map(|block| block.string("text").ok()).collect())
    }

    /// The client's roots.
    pub async fn roots(&self) -> Result<Vec<Root>, Error> {
        let said = self.ask("roots/list", Object::new()).await?;
        let roots = said.get("roots").map(|roots| roots.elements()).unwrap_or_default();
        Ok(roots
            .iter()
            .filter_map(|root| Some(Root { uri: root.string("uri").ok()?, name: root.string("name").ok() }))
            .collect())
    }

    /// Asks the client anything that MCP lets a server ask, and gives the result. Fails if the client cannot be asked
    /// that, and with its error if that is its answer. Dropped before the answer, the question is withdrawn.
    pub async fn ask(&self, method: &str, params: impl Into<Json>) -> Result<Json, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = ClientId::number(NEXT.fetch_add(1, Ordering::Relaxed));
        let params = params.into();
        let question = Request::new(&id, method, Some(params.as_str()))
            .map_err(|refused| Error::internal(format!("the question {method} is no request: {}", refused.why)))?;
        self.permit(question.method(), params.as_str().as_bytes())?;
        let (sender, answer) = oneshot::channel();
        let mut asked = Asked { id, mailbox: &self.0.mailbox, waits: true };
        self.0.mailbox.push(Event::Ask(Ask::new(question, Arc::new(Waiting(Lock::new(Some(sender)))))));
        let response = answer.await;
        asked.waits = false;
        let response = response.map_err(|_| Error::internal("the call is over"))?;
        let body = Json::raw(response.text().slice_ref(response.body()));
        if !response.is_error() {
            return Ok(body);
        }
        let code = body.integer("code").ok().and_then(|code| i32::try_from(code).ok()).unwrap_or(METHOD_NOT_FOUND);
        Err(Error::Rpc { code, message: body.string("message").unwrap_or_default(), data: body.get("data") })
    }

    /// Whether this may be asked: of all that the instance serves, and of this very client.
    fn permit(&self, method: Method, params: &[u8]) -> Result<(), Error> {
        let known =
            method == Method::Ping || matches!(method, Method::Elicit | Method::CreateMessage | Method::ListRoots);
        if !known || self.is_over() {
            return Err(Error::rpc(METHOD_NOT_FOUND, "no client can be asked that"));
        }
        let permitted = self.0.user.capabilities.permit(method, params);
        let permitted = permitted.and_then(|()| self.0.caller.capabilities.permit(method, params));
        permitted.map_err(|refusal| Error::rpc(refusal.code, refusal.message))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("user", &self.0.user).finish_non_exhaustive()
    }
}

impl Level {
    const ALL: [(Level, &str); 8] = [
        (Level::Debug, "debug"),
        (Level::Info, "info"),
        (Level::Notice, "notice"),
        (Level::Warning, "warning"),
        (Level::Error, "error"),
        (Level::Critical, "critical"),
        (Level::Alert, "alert"),
        (Level::Emergency, "emergency"),
    ];

    /// The level of that name, as MCP spells it.
    pub fn named(name: &str) -> Option<Level> {
        Level::ALL.iter().find(|(_, known)| *known == name).map(|(level, _)| *level)
    }

    /// Its name, as MCP spells it.
    pub fn name(self) -> &'static str {
        Level::ALL.iter().find(|(level, _)| *level == self).map_or("info", |(_, name)| name)
    }
}

/// A notification. One whose parameters are no JSON is not told.
pub(super) fn announced(method: &str, params: impl Into<Json>) -> Option<Notification> {
    let made = Notification::new(method, Some(params.into().as_str()));
    made.inspect_err(|why| tracing::warn!(method, reason = %why.why, "a server's notification is no message")).ok()
}

/// A log message.
pub(super) fn logged(level: Level, data: Json) -> Option<Notification> {
    announced("notifications/message", Object::new().put("level", level.name()).put("data", data))
}

/// A question that waits for its answer. Dropped meanwhile, it is withdrawn.
struct Asked<'a> {
    id: ClientId,
    mailbox: &'a Mailbox,
    waits: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.waits {
            let id = Json::raw(self.id.raw().to_vec());
            if let Some(withdrawn) = announced("notifications/cancelled", Object::new().put("requestId", id)) {
                self.mailbox.push(Event::Notify(withdrawn));
            }
        }
    }
}

/// Hands the answer to a question to the call that asked it.
struct Waiting(Lock<Option<oneshot::Sender<Response>>>);

impl Asker for Waiting {
    fn answered(&self, _: &ClientId, response: Response) {
        if let Some(sender) = self.0.lock().take() {
            let _ = sender.send(response);
        }
    }
}

/// The level that `logging/setLevel` names.
pub(super) fn level_of(params: &[u8]) -> Result<Level, Error> {
    let named = raw::peek_string(params, "level").and_then(|name| Level::named(&name));
    named.ok_or_else(|| {
        Error::invalid("\"level\" must be one of debug, info, notice, warning, error, critical, alert, emergency")
    })
}
