//! What the commands that use a server share: which server is meant, a session with it, and what is said of failures.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use janua::call::Outcome;
use janua::client::{Client, Target};
use janua::config::{self, Environment, Limits, Protocol, RemoteServer, RemoteTransport, Server, Settings, nearest};
use janua::proxy::stop_signal;
use janua::running;
use janua_wire::json::quote;
use janua_wire::message::Response;
use janua_wire::raw;
use serde_json::Value;
use url::Url;

use super::proxy::Upstream;
use super::{Failed, Global, Level, block_on, duration};

pub(super) mod arguments;
mod form;
pub(super) mod schema;
pub(super) mod shown;
mod terminal;
mod trouble;

use terminal::Terminal;

/// How long a start may take before it is worth a word.
const PATIENCE: Duration = Duration::from_millis(500);
/// More pages of a list are not read.
const MOST_PAGES: usize = 256;
/// What a list says of servers that are left out of it.
const UNAVAILABLE: &str = "io.janua/unavailable";

/// Which server is meant, and how it is spoken to.
#[derive(Args, Debug)]
pub(super) struct Reach {
    /// The configuration that names the servers [env: JANUA_CONFIG]
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["url", "command"])]
    config: Option<PathBuf>,
    /// A server that no configuration names, by its address
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    url: Option<String>,
    /// Start servers here also if a gateway of this configuration runs
    #[arg(long)]
    direct: bool,
    /// Longest time for the server to start, and for the call [default: 60s without progress, 15m in all]
    #[arg(long, value_parser = duration, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Decline whatever the server asks, also on a terminal
    #[arg(long)]
    no_input: bool,
    /// Answer to a field of a form that the server may show: NAME=VALUE; may be repeated
    #[arg(long, value_parser = answer, value_name = "NAME=VALUE")]
    answer: Vec<(String, String)>,
    /// Folder that the server may ask for as a root; may be repeated
    #[arg(long, value_name = "DIR")]
    root: Vec<PathBuf>,
    /// Least level of the server's log lines that are shown
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "info")]
    server_log: LogLevel,
    #[command(flatten)]
    upstream: Upstream,
    /// A server that no configuration names: a program and its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Levels of a server's log (2025-11-25 `server/utilities/logging`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogLevel {
    /// As much as there is.
    Debug,
    /// What happens.
    Info,
    /// What is unexpected.
    Warning,
    /// What failed.
    Error,
    /// Whatever the server sends unasked.
    Off,
}

fn answer(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The servers that there are.
pub(super) enum Site {
    /// One, named on the command line.
    Alone(Box<Server>, Protocol),
    /// Those of a configuration, and its file.
    Configured(Box<Settings>, Option<PathBuf>),
}

/// A session with a server, a view, or all servers.
pub(super) struct Session {
    client: Client,
    terminal: Arc<Terminal>,
    label: String,
    /// The name in the configuration, if it is one.
    name: Option<String>,
    level: LogLevel,
    /// Whether errors are printed as they are, too.
    pub(super) json: bool,
}

/// A whole list.
pub(super) struct List {
    pages: Vec<Response>,
    pub(super) items: Vec<Value>,
    /// Servers that are left out, and why.
    pub(super) missing: Vec<(String, String)>,
}

impl Reach {
    /// The servers that the command line or the configuration names.
    pub(super) fn site(&self) -> Result<Site, Failed> {
        let protocol = self.upstream.protocol();
        let alone = match &self.url {
            Some(url) => vec![url.clone()],
            None => self.command.clone(),
        };
        if !alone.is_empty() {
            return Ok(Site::Alone(Box::new(self.upstream.clone().server(alone)?), protocol));
        }
        let environment = Environment::of_process();
        let named = self.config.clone().or_else(|| environment.get("JANUA_CONFIG").map(PathBuf::from));
        let path = named.or_else(|| config::find(&environment));
        match config::load(path.as_deref(), &environment) {
            Ok(loaded) => Ok(Site::Configured(Box::new(loaded.settings), loaded.path)),
            Err(findings) => {
                for finding in &findings {
                    eprintln!("{finding}");
                }
                Err(anyhow!("the configuration cannot be used as it is; `janua check` says more").into())
            }
        }
    }

    /// Opens a session with the server or view `name`, or all, does `work` in it, and ends it.
    pub(super) fn run<T>(
        self,
        global: &Global,
        site: Site,
        name: Option<&str>,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let file = match &site {
            Site::Configured(_, file) if !self.direct => {
                file.as_deref().and_then(|file| std::path::absolute(file).ok())
            }
            _ => None,
        };
        let (mut target, label) = site.target(name, self.timeout);
        let mut limits = match &target {
            Target::Named(settings, _) => settings.limits.clone(),
            Target::Server(..) => Limits::default(),
        };
        if let Some(timeout) = self.timeout {
            (limits.start, limits.call, limits.call_total) = (timeout, timeout, timeout);
        }
        let roots = self.root.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
        block_on(global, (Level::Error, Level::Error), async {
            if let Some(file) = &file {
                target = running(target, file).await?;
            }
            let terminal = Arc::new(Terminal::new(label.clone(), self.no_input, self.answer));
            let client = Client::new(&target, &limits, roots, terminal.clone());
            let client = client.map_err(Failed::Usage)?;
            let name = name.map(str::to_owned);
            let mut session = Session { client, terminal, label, name, level: self.server_log, json: false };
            let outcome = tokio::select! {
                outcome = async { session.open().await?; work(&mut session).await } => outcome,
                () = stop_signal() => Err(anyhow!("cancelled").into()),
            };
            session.terminal.wipe();
            tokio::select! {
                () = session.client.close() => {}
                () = stop_signal() => {}
            }
            outcome
        })?
    }
}

impl Site {
    /// Takes `NAME.THING` apart at the first dot behind a configured name. Whatever has none belongs to the only
    /// server, or to all together.
    pub(super) fn split<'a>(&self, word: &'a str) -> (Option<&'a str>, &'a str) {
        let dots = word.match_indices('.').map(|(at, _)| (&word[..at], &word[at + 1..]));
        let found = dots.into_iter().find(|(name, _)| self.has(name));
        found.map_or((None, word), |(name, thing)| (Some(name), thing))
    }

    /// Whether a configured server or view is called that.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Site::Alone(..) => false,
            Site::Configured(settings, _) => settings.servers.contains_key(name) || settings.views.contains_key(name),
        }
    }

    /// The names of the configured servers.
    pub(super) fn servers(&self) -> Vec<String> {
        match self {
            Site::Alone(..) => Vec::new(),
            Site::Configured(settings, _) => settings.servers.keys().cloned().collect(),
        }
    }

    /// Servers that are not served, and why.
    pub(super) fn disabled(&self) -> Vec<(String, String)> {
        match self {
            Site::Alone(..) => Vec::new(),
            Site::Configured(settings, _) => {
                let why =
                    |(name, server): (&String, &config::ServerSettings)| Some((name.clone(), server.disabled.clone()?));
                settings.servers.iter().filter_map(why).collect()
            }
        }
    }

    /// What there is to say to somebody who named something that is not there.
    pub(super) fn known(&self) -> String {
        match self {
            Site::Alone(..) => String::new(),
            Site::Configured(settings, _) => {
                let names: Vec<&str> =
                    settings.servers.keys().chain(settings.views.keys()).map(String::as_str).collect();
                format!("; configured are: {}", names.join(", "))
            }
        }
    }

    fn target(self, name: Option<&str>, timeout: Option<Duration>) -> (Target, String) {
        match self {
            Site::Alone(server, protocol) => {
                let label = short(&server);
                (Target::Server(server, protocol), label)
            }
            Site::Configured(mut settings, _) => {
                for server in settings.servers.values_mut().filter(|_| timeout.is_some()) {
                    (server.start_timeout, server.call_timeout) = (timeout, timeout);
                }
                let count = settings.servers.len();
                let label = name.map_or_else(|| format!("{count} servers"), str::to_owned);
                (Target::Named(settings, name.map(str::to_owned)), label)
            }
        }
    }
}

impl Session {
    async fn open(&mut self) -> Result<(), Failed> {
        let note = format!("starting {} …", self.label);
        let opened = noted(&self.terminal, &note, self.client.open()).await;
        let said = opened.map_err(|outcome| self.failed(&outcome))?;
        let capabilities = raw::peek(said.body(), "capabilities").unwrap_or(b"{}");
        let level = match self.level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
            LogLevel::Off => return Ok(()),
        };
        if raw::peek(capabilities, "logging").is_some() {
            // A server that does not want to is none that cannot be used.
            self.client.request("logging/setLevel", &format!("{{\"level\":\"{level}\"}}")).await;
        }
        Ok(())
    }

    /// Sends a request with raw `members` of its `params`, and gives the answer if it is a result.
    pub(super) async fn ask(&mut self, method: &str, members: &str) -> Result<Response, Failed> {
        let params = format!("{{{members},\"_meta\":{{\"progressToken\":\"janua\"}}}}");
        let outcome = self.client.request(method, &params).await;
        self.terminal.wipe();
        match outcome {
            Outcome::Answer(response) if !response.is_error() => Ok(response),
            outcome => {
                if self.json {
                    shown::put_raw(trouble::object(&outcome).body())?;
                }
                Err(self.failed(&outcome))
            }
        }
    }

    /// All pages of a list.
    pub(super) async fn list(&mut self, method: &str, member: &str) -> Result<List, Failed> {
        let mut list = List { pages: Vec::new(), items: Vec::new(), missing: Vec::new() };
        let mut params = "{}".to_owned();
        let note = format!("starting {} …", self.label);
        for _ in 0..MOST_PAGES {
            let outcome = noted(&self.terminal, &note, self.client.request(method, &params)).await;
            let Outcome::Answer(page) = &outcome else { return Err(self.failed(&outcome)) };
            if page.is_error() {
                return Err(self.failed(&outcome));
            }
            let result: Value = serde_json::from_slice(page.body())?;
            list.items.extend(result[member].as_array().into_iter().flatten().cloned());
            if list.pages.is_empty() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let missing = result["_meta"][UNAVAILABLE].as_array().into_iter().flatten();
                list.missing = missing.map(|one| (text(&one["server"]), text(&one["reason"]))).collect();
            }
            list.pages.push(page.clone());
            match result["nextCursor"].as_str() {
                Some(cursor) => params = format!("{{\"cursor\":{}}}", quote(cursor)),
                None => break,
            }
        }
        Ok(list)
    }

    /// What the server says of the thing called `name`; without it, an error that names the nearest.
    pub(super) async fn find(&mut self, kind: &str, name: &str, known: &str) -> Result<Value, Failed> {
        let mut list = self.list(&format!("{kind}s/list"), &format!("{kind}s")).await?;
        // Where there are several servers, what only one of them has is found without its name, too.
        let is_it = |item: &Value| item["name"] == name;
        let ends = |item: &Value| item["name"].as_str().is_some_and(|shown| shown.ends_with(&format!("__{name}")));
        let bare: Vec<usize> = (0..list.items.len()).filter(|at| ends(&list.items[*at])).collect();
        let at = list.items.iter().position(is_it).or(if let [only] = bare[..] { Some(only) } else { None });
        if let Some(at) = at {
            return Ok(list.items.swap_remove(at));
        }
        self.tell_missing(&list.missing);
        let names: Vec<&str> = list.items.iter().filter_map(|item| item["name"].as_str()).collect();
        let near = nearest(name, &names).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let whose = &self.label;
        Err(Failed::Usage(format!("{whose}: there is no {kind} {name}{near}{known}")))
    }

    /// Says which servers are left out.
    pub(super) fn tell_missing(&self, missing: &[(String, String)]) {
        for (name, reason) in missing {
            self.terminal.say(&format!("janua: {name} is not available: {reason}"));
        }
    }

    fn failed(&self, outcome: &Outcome) -> Failed {
        self.terminal.wipe();
        trouble::told(outcome, &self.label, self.name.as_deref())
    }
}

impl List {
    /// The list as raw JSON: the only page as it came, or one object with the elements of all.
    pub(super) fn raw(&self, member: &str) -> Vec<u8> {
        if let [page] = &self.pages[..] {
            return page.body().to_vec();
        }
        let mut elements: Vec<&[u8]> = Vec::new();
        for page in &self.pages {
            let body = page.body();
            if let Some(all) = raw::find(body, raw::whole(body), member) {
                elements.extend(raw::elements(body, all).iter().map(|span| &body[span.range()]));
            }
        }
        [format!("{{{}:[", quote(member)).as_bytes(), &elements.join(&b','), b"]}"].concat()
    }
}

/// The same at the gateway that runs with this configuration, if one does: what it has started already is used.
async fn running(target: Target, file: &Path) -> Result<Target, Failed> {
    let Target::Named(settings, name) = &target else { return Ok(target) };
    // Who comes to a gateway that asks for credentials has to have some: `--url` with `-H` shows them.
    if settings.auth.is_some() {
        return Ok(target);
    }
    let Some(folder) = &settings.data_dir else { return Ok(target) };
    let Some(place) = running::find(folder).await.filter(|place| place.config.as_deref() == Some(file)) else {
        return Ok(target);
    };
    let mut url = Url::parse(&format!("http://{}/mcp", place.reached()))?;
    if let (Some(name), Ok(mut path)) = (name, url.path_segments_mut()) {
        path.push(name);
    }
    let (headers, transport) = (Vec::new(), RemoteTransport::Http);
    let server = RemoteServer { url, headers, transport, allow_private: true };
    Ok(Target::Server(Box::new(Server::Remote(server)), Protocol::Auto))
}

/// What to call a server that no configuration names: its program's name, or its host's.
fn short(server: &Server) -> String {
    match server {
        Server::Command(command) => command.program.rsplit('/').next().unwrap_or(&command.program).to_owned(),
        Server::Remote(remote) => remote.url.host_str().unwrap_or("the server").to_owned(),
        Server::OpenApi(api) => api.source.label(),
        Server::Folder(server) => {
            server.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        }
        Server::InProcess(name) => name.clone(),
    }
}

/// Does `work`; a note passes by if it takes long.
async fn noted<T>(terminal: &Terminal, note: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    terminal.pass(note);
    let done = work.await;
    terminal.wipe();
    done
}

/// Text of somebody else's that cannot steer a terminal.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(steers) { text.replace(steers, "\u{fffd}").into() } else { text.into() }
}
