//! A client of our own: one session with a server, a view or all servers, for whoever calls tools from here.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, StreamExt};
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::version::Version;

use crate::bridge::Bridge;
use crate::call::{Ask, Call, Caller, Event, Outcome, Reply, Scope};
use crate::catalog::Catalog;
use crate::catalog::server::{Means, bridge};
use crate::config::{Limits, Protocol, Server, ServerSettings, Settings, Share};
use crate::error::{Failure, Kind};
use crate::servers::in_process::Factories;
use crate::servers::opening::GATEWAY;
use crate::servers::process::orphans;
use crate::servers::{Connection, Opening, Place, Refusal};
use crate::tasks::Tasks;

/// The one session that a client has.
const SESSION: Scope = Scope::Session(1);
/// How long what is left may take to end, besides the stopping of servers.
const REST: Duration = Duration::from_secs(2);

/// What a client speaks to.
#[derive(Clone, Debug)]
pub enum Target {
    /// One server, of which nothing is configured.
    Server(Box<Server>, Protocol),
    /// The server or view of that name in a configuration; without a name, all servers together.
    Named(Box<Settings>, Option<String>),
}

/// The person or program for whom a client works.
pub trait Person: Send + Sync {
    /// The server said something: progress, a log line, a change.
    fn hears(&self, notification: &Notification);

    /// The server asks something: a form, a visit to an address, a sample. May block until there is an answer.
    fn answers(&self, question: &Request) -> Response;
}

/// A session with a server that was not opened yet, or that was.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use janua::client::{Client, Person, Target};
/// use janua::config::{Limits, Protocol, Server};
///
/// # async fn call(person: Arc<dyn Person>) -> Result<(), String> {
/// let server = Server::InProcess("everything".to_owned());
/// let target = Target::Server(Box::new(server), Protocol::Auto);
/// let mut client = Client::new(&target, &Limits::default(), Vec::new(), person)?;
/// client.open().await.map_err(|outcome| format!("{outcome:?}"))?;
/// let outcome = client.request("tools/call", r#"{"name":"echo","arguments":{"text":"hi"}}"#).await;
/// println!("{outcome:?}");
/// client.close().await;
/// # Ok(())
/// # }
/// ```
pub struct Client {
    catalog: Catalog,
    place: Arc<dyn Place>,
    person: Arc<dyn Person>,
    roots: Vec<PathBuf>,
    limits: Arc<Limits>,
    /// Longest wait without a sign of progress, and in all.
    patience: (Duration, Duration),
    tasks: Tasks,
    link: Option<Arc<dyn Connection>>,
    caller: Arc<Caller>,
    /// What the server says of its own accord; `None` once it has nothing more to say.
    news: Option<Reply>,
    /// The id of the last request.
    last: u64,
}

impl Client {
    /// A client of `target` on behalf of `person`, which lets servers see `roots` if there are any. Nothing is started
    /// yet. Fails if the target's name leads nowhere, and says why.
    pub fn new(target: &Target, limits: &Limits, roots: Vec<PathBuf>, person: Arc<dyn Person>) -> Result<Self, String> {
        let mut limits = limits.clone();
        // Nobody comes back for what is listed later.
        limits.list = limits.start;
        let means = Means::new(Factories::built_in(), &limits, &Arc::default());
        let (limits, tasks) = (means.limits.clone(), means.tasks.clone());
        let (catalog, place, patience) = match target {
            Target::Server(server, protocol) => {
                let settings = ServerSettings { protocol: *protocol, ..ServerSettings::new((**server).clone()) };
                let bridge = bridge("server", &settings, &means, None, &Arc::default(), None);
                (Catalog::of_one(bridge.clone()), bridge as Arc<dyn Place>, (limits.call, limits.call_total))
            }
            Target::Named(settings, name) => named(settings, name.as_deref(), means)?,
        };
        orphans::bury(&tasks);
        let capabilities = abilities(!roots.is_empty());
        let caller = Arc::new(Caller { scope: SESSION, version: Version::NEWEST_LEGACY, capabilities, user: None });
        let (link, news) = (None, None);
        Ok(Client { catalog, place, person, roots, limits, patience, tasks, link, caller, news, last: 0 })
    }

    /// Starts or reaches the server. Gives what it said of itself, or why it is not open.
    pub async fn open(&mut self) -> Result<Response, Outcome> {
        let declared = String::from_utf8_lossy(self.caller.capabilities.raw()).into_owned();
        let version = self.caller.version;
        let params =
            format!("{{\"protocolVersion\":\"{version}\",\"capabilities\":{declared},\"clientInfo\":{GATEWAY}}}");
        let opening = Opening::of_client(params.as_bytes());
        let opened = self.place.clone().open_session(SESSION, opening).await;
        let link = opened.map_err(|refusal| match refusal {
            Refusal::ByServer(response) => Outcome::Answer(response),
            Refusal::Failed(failure) => Outcome::Failure(failure),
        })?;
        if let Ok(initialized) = Notification::new("notifications/initialized", None) {
            link.notify(&self.caller, initialized);
        }
        self.news = Some(link.listen());
        let said = link.opened().response.clone();
        self.link = Some(link);
        Ok(said)
    }

    /// Sends a request with raw `params` and gives how it ended. What comes before goes to the person. Dropped, the
    /// request is cancelled at the server.
    pub async fn request(&mut self, method: &str, params: &str) -> Outcome {
        let Some(link) = &self.link else {
            return Outcome::Failure(Failure::new(Kind::Unsupported, "the session is not open"));
        };
        self.last += 1;
        let id = ClientId::number(self.last);
        let request = match Request::new(&id, method, Some(params)) {
            Ok(request) => request,
            Err(refused) => {
                let message = format!("cannot form {method}: {}", refused.why);
                return Outcome::Failure(Failure::new(Kind::Unsupported, message));
            }
        };
        let reply = link.call(Call { request, caller: self.caller.clone() });
        let (idle, total) = self.patience;
        self.follow(reply.within(idle, total)).await
    }

    /// Ends the session: what was started for it is stopped.
    pub async fn close(self) {
        self.tasks.stop();
        let why = Failure::new(Kind::Stopping, "the client is done");
        join_all(self.catalog.close_all(&why)).await;
        self.tasks.finished(self.limits.stop_eof + self.limits.stop_term + REST).await;
    }

    async fn follow(&mut self, mut reply: Reply) -> Outcome {
        let mut questions = VecDeque::new();
        let mut asking: Option<BoxFuture<'static, ()>> = None;
        loop {
            if asking.is_none() {
                asking = questions.pop_front().map(|ask| self.ask(ask));
            }
            tokio::select! {
                biased;
                event = reply.next() => match event {
                    Some(Event::Notify(news)) => self.person.hears(&news),
                    Some(Event::Ask(ask)) => questions.push_back(ask),
                    Some(Event::Done(outcome)) => return outcome,
                    None => return Outcome::Failure(Failure::new(Kind::ServerExited, "the reply ended early")),
                },
                event = next(&mut self.news) => match event {
                    Some(Event::Notify(news)) => self.person.hears(&news),
                    Some(Event::Ask(ask)) => questions.push_back(ask),
                    Some(Event::Done(_)) | None => self.news = None,
                },
                () = settled(&mut asking) => asking = None,
            }
        }
    }

    /// Has the person answer a question, away from what else goes on.
    fn ask(&self, ask: Ask) -> BoxFuture<'static, ()> {
        match ask.request.method() {
            Method::Ping => ask.vouch(),
            Method::ListRoots if !self.roots.is_empty() => match Response::result(&listed(&self.roots)) {
                Ok(response) => ask.answer(response),
                Err(refused) => ask.refuse(refused.why.code(), "the client cannot name its roots"),
            },
            _ => {
                let (person, request) = (self.person.clone(), ask.request.clone());
                return async move {
                    // Without an answer the question is dropped, and so declined.
                    if let Some(response) = Tasks::blocking(move || person.answers(&request)).await {
                        ask.answer(response);
                    }
                }
                .boxed();
            }
        }
        std::future::ready(()).boxed()
    }
}

type Found = (Catalog, Arc<dyn Place>, (Duration, Duration));

/// What a name leads to. A server that is shown as it is, is spoken to without anything in between; what stands for
/// several starts each of them once.
fn named(settings: &Settings, name: Option<&str>, means: Means) -> Result<Found, String> {
    let mut settings = settings.clone();
    // Nobody comes back to see what was known last: it is worth waiting for the truth.
    settings.data_dir = None;
    for server in settings.servers.values_mut().filter(|server| server.share == Share::Session) {
        server.share = Share::User;
    }
    let plain = name.and_then(|name| settings.servers.get_mut(name)).filter(|server| server.tools.is_empty());
    let is_plain = plain.is_some();
    if let Some(server) = plain.filter(|server| server.share == Share::User) {
        server.share = Share::Session;
    }
    let limits = means.limits.clone();
    let catalog = Catalog::of_many(&settings, means);
    let place = catalog.place(name)?;
    let served = name.and_then(|name| catalog.many()?.now().servers.get(name).cloned());
    let patience = served.as_ref().map_or((limits.call, limits.call_total), |served| {
        let limits = served.limits();
        (limits.call, limits.call_total)
    });
    let direct: Option<Arc<Bridge>> = served.filter(|_| is_plain).map(|served| served.bridge.clone());
    let place = direct.map_or(place, |bridge| bridge as Arc<dyn Place>);
    Ok((catalog, place, patience))
}

/// What such a client can be asked: a person can fill in forms and visit addresses, and is no model.
fn abilities(roots: bool) -> ClientCapabilities {
    let roots = if roots { ",\"roots\":{}" } else { "" };
    ClientCapabilities::of(format!("{{\"elicitation\":{{\"form\":{{}},\"url\":{{}}}}{roots}}}").as_bytes())
}

fn listed(roots: &[PathBuf]) -> String {
    let root = |root: &PathBuf| {
        let uri = url::Url::from_directory_path(root).map(String::from).unwrap_or_default();
        format!("{{\"uri\":{}}}", quote(uri.trim_end_matches('/')))
    };
    format!("{{\"roots\":[{}]}}", roots.iter().map(root).collect::<Vec<_>>().join(","))
}

async fn next(reply: &mut Option<Reply>) -> Option<Event> {
    match reply {
        Some(reply) => reply.next().await,
        None => std::future::pending().await,
    }
}

async fn settled(asking: &mut Option<BoxFuture<'static, ()>>) {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}
