//! Settings: what a server is, and the limits everything runs under.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub mod auth;
pub mod client_files;
pub mod edit;
pub mod limits;
pub mod settings;

mod bundle;
mod check;
mod dotenv;
mod edition;
mod environment;
mod expand;
mod field;
mod file;
mod finding;
mod foreign;
mod group;
mod load;
mod measure;
mod schema;
mod tree;
mod watch;

pub use crate::secret::{Hashed, Secret};
pub use auth::{AuthSettings, Credential, OpenRoute};
pub use dotenv::read as variables;
pub use environment::Environment;
pub(crate) use file::mended;
pub use finding::{Finding, Severity, nearest};
pub use limits::Limits;
pub use load::{Loaded, find, load, load_folder};
pub use measure::{duration, size};
pub use schema::{reference, schema};
pub use settings::{Prefix, RestSessions, RestSettings, ServerSettings, Settings, ToolRules, ViewSettings};
pub use watch::{File, Watch, watch};

/// A program that speaks MCP over its standard input and output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerCommand {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: String,
    /// Its arguments, passed as they are; no shell is involved.
    pub args: Vec<String>,
    /// Variables added to its environment.
    pub env: Vec<(String, String)>,
    /// Its working directory; the gateway's own if absent.
    pub cwd: Option<PathBuf>,
    /// Start from the gateway's environment instead of the minimal one (`PATH`, `HOME`, `LANG`, `TZ`).
    pub inherit_env: bool,
}

impl ServerCommand {
    /// The command given as one list: the program and its arguments. `None` if the list is empty.
    pub fn new<S: Into<String>>(line: impl IntoIterator<Item = S>) -> Option<Self> {
        let mut words = line.into_iter().map(Into::into);
        let program = words.next()?;
        Some(ServerCommand { program, args: words.collect(), ..ServerCommand::default() })
    }
}

/// A guMCP factory server: a folder with a `main.py` that defines `server` and `get_initialization_options`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderServer {
    /// The folder, whose name is the server's name for itself.
    pub folder: PathBuf,
    /// The Python interpreter, which must have the package `mcp` below 2; its environment, and its working directory, the
    /// folder if none is given.
    pub interpreter: ServerCommand,
    /// What the files of the folder were when they were looked at: differs when one of them has changed.
    pub edition: u64,
}

/// Which transport a remote server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoteTransport {
    /// Find out: Streamable HTTP first, then HTTP+SSE.
    #[default]
    Auto,
    /// Streamable HTTP (2025-03-26 and later).
    Http,
    /// HTTP+SSE (2024-11-05).
    Sse,
    /// WebSocket: a message a text frame. No revision describes it; it is what SDKs have in common.
    Ws,
}

/// A server that is reached over HTTP or WebSocket.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteServer {
    /// Its address; `ws:` and `wss:` say that it speaks WebSocket.
    pub url: url::Url,
    /// Headers sent with every HTTP request, the opening of a WebSocket too, credentials among them.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// How it is spoken to.
    pub transport: RemoteTransport,
    /// Whether it may have an address that is not public: of this machine, of a private network, of a cloud's
    /// metadata. True for an address that an operator has named.
    pub allow_private: bool,
}

/// An API that an OpenAPI document describes: its operations are tools.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenApiServer {
    /// Where its document is.
    pub source: OpenApiSource,
    /// Where it is itself, whatever the document says.
    pub base_url: Option<url::Url>,
    /// Headers sent with every request, credentials among them.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Parameters sent in the query of every request, credentials among them.
    pub query: Vec<(String, String)>,
    /// Whether it may have an address that is not public. Absent: if an operator has named the address, which a document
    /// from elsewhere is not.
    pub allow_private: Option<bool>,
}

/// Where an OpenAPI document is.
#[derive(Clone, PartialEq, Eq)]
pub enum OpenApiSource {
    /// A file, as it was when the configuration was read: a changed one makes another server.
    File(File),
    /// An address.
    Url(url::Url),
}

impl OpenApiSource {
    /// The document in the file at `path`, as it is now.
    pub fn file(path: &std::path::Path) -> Self {
        OpenApiSource::File(File::now(path))
    }

    /// A short text naming it for clients, who are told no local paths.
    pub(crate) fn name(&self) -> String {
        match self {
            OpenApiSource::File(file) => {
                file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
            OpenApiSource::Url(_) => self.label(),
        }
    }

    /// A short text naming it, for people, without what may be a credential.
    pub fn label(&self) -> String {
        match self {
            OpenApiSource::File(file) => file.path.display().to_string(),
            OpenApiSource::Url(url) => bare(url),
        }
    }
}

/// Without the values of variables, and of arguments that look like secrets.
impl fmt::Debug for ServerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<&String> = self.env.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("ServerCommand");
        shown.field("program", &self.program).field("args", &masked(&self.args)).field("env", &env);
        shown.field("cwd", &self.cwd).field("inherit_env", &self.inherit_env).finish()
    }
}

/// Without the values of headers, and of what in the address may be a credential.
impl fmt::Debug for RemoteServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&http::HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("RemoteServer");
        shown.field("url", &bare(&self.url)).field("headers", &headers).field("transport", &self.transport);
        shown.field("allow_private", &self.allow_private).finish()
    }
}

/// Without what in an address may be a credential.
impl fmt::Debug for OpenApiSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

/// Without the values of headers and parameters, and of what in an address may be a credential.
impl fmt::Debug for OpenApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&http::HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        let query: Vec<&String> = self.query.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("OpenApiServer");
        shown.field("source", &self.source).field("base_url", &self.base_url.as_ref().map(bare));
        shown.field("headers", &headers).field("query", &query).field("allow_private", &self.allow_private).finish()
    }
}

/// An address without what may be a credential.
fn bare(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string()
}

/// The server that a proxy stands in front of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A local program, started by the gateway.
    Command(ServerCommand),
    /// A remote server.
    Remote(RemoteServer),
    /// An API.
    OpenApi(OpenApiServer),
    /// A guMCP factory server, hosted by Python processes of its own.
    Folder(FolderServer),
    /// A server in this process, by the name that [`Factories`](crate::server::Factories) have it under.
    InProcess(String),
}

/// Which era of the protocol a server is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Each client's own, if the server has it.
    #[default]
    Auto,
    /// With a handshake and a session: 2025-11-25 and earlier.
    Legacy,
    /// Without: 2026-07-28.
    Modern,
}

/// What a server is told that its clients can be asked, where several share an instance of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Declared {
    /// What they can be asked: those that can be asked the same share instances.
    #[default]
    Class,
    /// Nothing: all share, and nobody is asked.
    Nothing,
    /// Everything: all share, and questions that a client cannot be asked are refused in its name. A server may then
    /// offer tools that some of its clients cannot finish.
    Everything,
}

/// Who shares one running instance of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// One instance per client session. Clients without sessions (2026-07-28) share as with [`Share::User`].
    #[default]
    Session,
    /// One instance for all sessions of a person whose clients can be asked the same; calls in which they can be
    /// asked take turns.
    User,
    /// One instance for everybody; requests need no session, and the server cannot ask anything back.
    All,
}

impl Server {
    /// A short text naming the server, for people. Arguments that look like secrets are masked.
    pub fn label(&self) -> String {
        match self {
            Server::Command(command) => {
                let mut words = vec![command.program.clone()];
                words.extend(masked(&command.args));
                words.join(" ")
            }
            Server::Remote(remote) => bare(&remote.url),
            Server::OpenApi(api) => api.source.label(),
            Server::Folder(server) => format!("the folder {}", server.folder.display()),
            Server::InProcess(name) => format!("the built-in server {name}"),
        }
    }
}

const SECRET_WORDS: [&str; 7] = ["key", "token", "secret", "password", "passwd", "auth", "credential"];

/// Arguments with the values of secret-looking options replaced by `***`.
fn masked(args: &[String]) -> Vec<String> {
    let secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        SECRET_WORDS.iter().any(|word| name.contains(word))
    };
    let mut hide_next = false;
    let mask = |arg: &String| {
        let hidden = std::mem::take(&mut hide_next);
        if hidden && !arg.starts_with('-') {
            return "***".to_owned();
        }
        if arg.contains(' ') {
            // A command line for a shell.
            return masked(&arg.split(' ').map(str::to_owned).collect::<Vec<_>>()).join(" ");
        }
        match arg.split_once('=') {
            Some((name, _)) if secret(name) => format!("{name}=***"),
            None if arg.starts_with('-') => {
                hide_next = secret(arg);
                arg.clone()
            }
            _ => arg.clone(),
        }
    };
    args.iter().map(mask).collect()
}

/// What a server's program gets of the gateway's environment: the little that programs need to run at all, or all
/// of it but the gateway's own settings.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(crate) fn passed_on(all: bool) -> Vec<(OsString, OsString)> {
    const NEEDED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
    if all {
        return std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("JANUA_")).collect();
    }
    NEEDED.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))).collect()
}

/// How long a proxy's idle sessions live unless told otherwise.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_arguments_are_masked() {
        let line = ["srv", "--api-key", "abc", "--port", "9", "--token=xyz", "API_KEY=q", "pos"];
        let command = ServerCommand::new(line).expect("not empty");
        let label = Server::Command(command).label();
        assert_eq!(label, "srv --api-key *** --port 9 --token=*** API_KEY=*** pos");
        let shell = ServerCommand::new(["sh", "-c", "A_TOKEN=q srv --key abc | tee x"]).expect("not empty");
        assert_eq!(Server::Command(shell).label(), "sh -c A_TOKEN=*** srv --key *** | tee x");
    }
}
