//! The command line of mcpo 0.0.20.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser, ValueEnum};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::super::proxy::address;
use super::super::serve::{Source, broken, follow, shown};
use super::super::{Failed, Global, Level, block_on, env};
use super::{parse, usage};
use janua::config::{
    self, Environment, Limits, Loaded, RemoteServer, RemoteTransport, Secret, Server, ServerCommand, ServerSettings,
    Settings, Share,
};
use janua::serve::{App, Mcpo, Running};

const NOTES: &str = "\
Each tool is a POST: /TOOL of the one server behind `--`, /SERVER/TOOL of those in a file. /openapi.json and /docs
describe them, for each server at /SERVER/openapi.json and /SERVER/docs.

Unlike mcpo:
  /mcp is there, too, and /mcp/SERVER: the same servers for MCP clients, with the key if there is one.
  Arguments are checked against the tool's whole schema before they are passed on.
  A server that ends is started again when it is called next; the call it ended under is answered with 502.
  A tool called mcp cannot be reached at the root, and a server called so is served as server-mcp.
  A call without an answer or progress ends after 15 minutes with 504.
Not supported: oauth in the file, --ssl-certfile and --ssl-keyfile (put something that ends TLS in front), and
client_header_forwarding, which mcpo reads but does not heed.
All callers share one instance of each server. `janua serve` gives each its own, unless a server says `share: all`.";

/// Serve the tools of MCP servers as plain HTTP with the command line of mcpo.
#[derive(Debug, Parser)]
#[command(
    name = "janua compat mcpo",
    disable_help_flag = true,
    disable_version_flag = true,
    max_term_width = 100,
    override_usage = "janua compat mcpo [OPTIONS] -- CMD…\n       janua compat mcpo [OPTIONS] --type TYPE -- URL\n       \
                      janua compat mcpo [OPTIONS] --config FILE",
    after_help = NOTES
)]
struct Line {
    /// Address to listen on
    #[arg(short = 'h', long, default_value = "0.0.0.0")]
    host: String,
    /// Port to listen on
    #[arg(short, long, default_value_t = 8000)]
    port: u16,
    /// Origin whose pages may use the tools; * for any; may be repeated
    #[arg(long, value_name = "ORIGIN", default_value = "*", action = ArgAction::Append)]
    cors_allow_origins: Vec<String>,
    /// Key that callers of tools show as a bearer token
    #[arg(short = 'k', long, value_name = "KEY")]
    api_key: Option<String>,
    /// Ask for the key for descriptions, too; it may be the password of HTTP Basic then
    #[arg(long)]
    strict_auth: bool,
    /// Variable for the servers' environment: NAME=VALUE; may be repeated
    #[arg(short = 'e', long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// File of such variables
    #[arg(long, value_name = "FILE")]
    env_path: Option<PathBuf>,
    /// What the server is: a command, or at a URL
    #[arg(long = "type", visible_alias = "server-type", value_enum, default_value = "stdio", value_name = "TYPE")]
    kind: Kind,
    /// File with servers under `mcpServers`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Title of the description
    #[arg(short, long)]
    name: Option<String>,
    /// Text of the description
    #[arg(short, long)]
    description: Option<String>,
    /// Version in the description
    #[arg(short, long)]
    version: Option<String>,
    /// Serve TLS: refused
    #[arg(short = 't', long, value_name = "FILE")]
    ssl_certfile: Option<PathBuf>,
    /// Serve TLS: refused
    #[arg(short = 'K', long, value_name = "FILE")]
    ssl_keyfile: Option<PathBuf>,
    /// Path that something in front puts before all others
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    root_path: String,
    /// Path before the servers of a file
    #[arg(long, value_name = "PATH", default_value = "/")]
    path_prefix: String,
    /// Headers for a server at a URL, as a JSON object
    #[arg(short = 'H', long, value_name = "JSON")]
    header: Option<String>,
    /// Follow changes of the file
    #[arg(long)]
    hot_reload: bool,
    /// How much to log: DEBUG, INFO, WARNING, ERROR or CRITICAL [env: LOG_LEVEL]
    #[arg(long, value_enum, ignore_case = true, hide_possible_values = true, value_name = "LEVEL")]
    log_level: Option<Level>,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A command.
    Stdio,
    /// At a URL, over HTTP+SSE.
    Sse,
    /// At a URL, over Streamable HTTP.
    #[value(name = "streamable-http", aliases = ["streamable_http", "streamablehttp"])]
    StreamableHttp,
}

/// The name of the only server.
const ONLY: &str = "default";

/// Runs it.
pub(super) fn run(global: &Global, args: Vec<String>) -> Result<(), Failed> {
    let (options, server) = split(args, std::env::args_os().any(|word| word == "--"));
    let Some(line) = parse::<Line>(options)? else { return Ok(()) };
    line.check()?;
    let level = line.log_level.or_else(|| Level::from_str(&env(&["LOG_LEVEL"])?, true).ok());
    let global = global.with_level(level);
    match &line.config {
        Some(path) => line.serve_file(&global, path),
        None => line.serve_one(&global, server),
    }
}

/// The options, and what follows the first `--`. It may have been taken away already, if it came first.
fn split(mut args: Vec<String>, is_parted: bool) -> (Vec<String>, Vec<String>) {
    match args.iter().position(|word| word == "--") {
        Some(at) => {
            let server = args.split_off(at).split_off(1);
            (args, server)
        }
        None if is_parted => (Vec::new(), args),
        None => (args, Vec::new()),
    }
}

impl Line {
    /// Refuses what would be promised and not kept.
    fn check(&self) -> Result<(), Failed> {
        if self.ssl_certfile.is_some() || self.ssl_keyfile.is_some() {
            return usage(
                "--ssl-certfile and --ssl-keyfile are not supported yet: refusing to serve in the clear what is to be \
                 protected; put something that ends TLS in front, and leave them out",
            );
        }
        if self.strict_auth && self.api_key.as_deref().unwrap_or_default().is_empty() {
            return usage("--strict-auth needs --api-key KEY: without one everything is open to everybody");
        }
        Ok(())
    }

    fn serve_one(&self, global: &Global, words: Vec<String>) -> Result<(), Failed> {
        let settings = self.settings_of(ONLY, self.server(words)?)?;
        self.warn(&settings);
        block_on(global, (Level::Info, Level::Info), async {
            let app = App::builder().settings(settings).like_mcpo(self.mcpo(Some(ONLY))).build();
            let running = app.serve().await?;
            announce(&running, "", &[]);
            running.until_told_to_stop().await;
            Ok(())
        })?
    }

    fn serve_file(&self, global: &Global, path: &Path) -> Result<(), Failed> {
        // Only the file counts: the original knows none of our variables.
        let environment = Environment::default();
        let source = Source { path: Some(path.to_owned()), folder: None, environment, manner: |builder| builder };
        let mut loaded = source.load().map_err(|findings| broken(Some(path), &findings))?;
        loaded.findings.iter().for_each(|finding| eprintln!("janua: {finding}"));
        self.apply(&mut loaded.settings)?;
        refuse_oauth(path, &loaded)?;
        self.warn(&loaded.settings);
        block_on(global, (Level::Info, Level::Info), async {
            let mcpo = self.mcpo(None);
            let prefix = mcpo.path_prefix.clone();
            let app = App::builder().settings(loaded.settings.clone()).config(loaded.path.clone()).like_mcpo(mcpo);
            let running = app.build().serve().await?;
            announce(&running, &prefix, &loaded.settings.servers.keys().collect::<Vec<_>>());
            if self.hot_reload {
                follow(&running, &source, loaded, |settings| self.apply(settings)).await;
                running.stop().await;
            } else {
                running.until_told_to_stop().await;
            }
            Ok(())
        })?
    }

    fn mcpo(&self, only: Option<&str>) -> Mcpo {
        let bare = self.path_prefix.trim_matches('/');
        let path_prefix = if bare.is_empty() { "/".to_owned() } else { format!("/{bare}/") };
        let root = self.root_path.trim_matches('/');
        Mcpo {
            only: only.map(str::to_owned),
            path_prefix,
            root_path: if root.is_empty() { String::new() } else { format!("/{root}") },
            name: self.name.clone(),
            description: self.description.clone(),
            version: self.version.clone(),
            api_key: self.api_key.as_deref().filter(|key| !key.is_empty()).map(Secret::new),
            strict_auth: self.strict_auth,
        }
    }

    /// The server that the words behind `--` name.
    fn server(&self, words: Vec<String>) -> Result<Server, Failed> {
        let transport = match self.kind {
            Kind::Sse => RemoteTransport::Sse,
            Kind::StreamableHttp => RemoteTransport::Http,
            Kind::Stdio => {
                let command = ServerCommand::new(words).filter(|command| !command.program.is_empty());
                return match command {
                    Some(command) => Ok(Server::Command(command)),
                    None => usage("no server given: name a command after `--`, or a file with --config"),
                };
            }
        };
        let Some(url) = words.first() else { return usage("no server given: name its URL after `--`") };
        let url = Url::parse(url).map_err(|error| Failed::Usage(format!("{url}: {error}")))?;
        Ok(Server::Remote(RemoteServer { url, headers: self.headers()?, transport, allow_private: true }))
    }

    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Failed> {
        let Some(text) = &self.header else { return Ok(Vec::new()) };
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return usage(r#"--header: must be a JSON object, as {"Authorization": "Bearer …"}"#);
        };
        let header = |(name, value): (String, Value)| {
            let given = value.as_str().and_then(|value| HeaderValue::from_str(value.trim()).ok());
            let (Ok(key), Some(mut value)) = (name.parse::<HeaderName>(), given) else {
                return usage(format!("--header: {name:?} is no header's name, or its value is no text"));
            };
            value.set_sensitive(true);
            Ok((key, value))
        };
        members.into_iter().map(header).collect()
    }

    /// The settings for one server.
    fn settings_of(&self, name: &str, server: Server) -> Result<Settings, Failed> {
        let mut settings = Settings::default();
        settings.servers.insert(name.to_owned(), ServerSettings::new(server));
        self.apply(&mut settings)?;
        Ok(settings)
    }

    /// What the command line says of all servers, and of the addresses.
    fn apply(&self, settings: &mut Settings) -> Result<(), Failed> {
        settings.host = address(&self.host)?;
        settings.port = self.port;
        // Like the original.
        settings.insecure_no_auth = true;
        settings.cors_origins.clone_from(&self.cors_allow_origins);
        let limits = Limits::default();
        // The original waits for ever.
        settings.limits = Limits { call: limits.call_total, request_body: limits.server_message, ..limits };
        let given = self.variables()?;
        for server in settings.servers.values_mut() {
            server.share = Share::All;
            if let Server::Command(command) = &mut server.server {
                command.inherit_env = true;
                let own = command.env.clone();
                command.env =
                    given.iter().filter(|(name, _)| !own.iter().any(|(own, _)| own == name)).cloned().collect();
                command.env.extend(own);
            }
        }
        Ok(())
    }

    /// Variables for every program: of the file, but those that are set here; and those given.
    fn variables(&self) -> Result<Vec<(String, String)>, Failed> {
        let mut variables = Vec::new();
        if let Some(path) = &self.env_path {
            let read = config::variables(path);
            variables = read.map_err(|error| Failed::Usage(format!("--env-path {}: {error}", path.display())))?;
            let set = Environment::of_process();
            variables.retain(|(name, _)| set.get(name).is_none());
        }
        for text in &self.env {
            let pair = text.split_once('=').filter(|(name, _)| !name.is_empty() && !text.contains('\0'));
            let Some((name, value)) = pair else { return usage("--env: must be NAME=VALUE") };
            variables.retain(|(known, _)| known != name);
            variables.push((name.to_owned(), value.to_owned()));
        }
        Ok(variables)
    }

    /// Whoever opens servers to others should at least be told.
    fn warn(&self, settings: &Settings) {
        if self.api_key.as_deref().is_some_and(|key| !key.is_empty()) {
            return;
        }
        super::warn_if_exposed(settings.host, "--api-key KEY, or --host 127.0.0.1");
        if self.cors_allow_origins.iter().any(|origin| origin == "*") {
            eprintln!(
                "janua: WARNING: without --api-key, every web page that is open on this machine can call the tools;"
            );
            eprintln!("janua: WARNING: --cors-allow-origins names the pages that may.");
        }
    }
}

/// A server that is to be signed in to would refuse every call.
fn refuse_oauth(path: &Path, loaded: &Loaded) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let file: Value = serde_json::from_str(&text).unwrap_or_default();
    let asks = |name: &&String| file["mcpServers"][name.as_str()].get("oauth").is_some_and(|oauth| !oauth.is_null());
    match loaded.settings.servers.keys().find(asks) {
        Some(name) => usage(format!(
            "{}: mcpServers.{name}.oauth is not supported yet: take it out, and put a token into `headers`",
            path.display()
        )),
        None => Ok(()),
    }
}

fn announce(running: &Running, prefix: &str, servers: &[&String]) {
    let base = format!("http://{}", shown(running.address()));
    eprintln!("janua {} serves tools at {base}{prefix}", env!("CARGO_PKG_VERSION"));
    eprintln!("  described  {base}/docs, {base}/openapi.json");
    for server in servers {
        eprintln!("  {server}: {base}{prefix}{server}/docs");
    }
    eprintln!("  for MCP    {base}/mcp");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::try_parse_from(std::iter::once("x").chain(text.split_whitespace())).expect("valid")
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_follows_the_double_dash_is_the_server() {
        for (args, is_parted, options, server) in [
            ("-p 1 -- srv -x -- y", true, "-p 1", "srv -x -- y"),
            ("srv --port 9", true, "", "srv --port 9"),
            ("--config f", false, "--config f", ""),
        ] {
            assert_eq!(split(words(args), is_parted), (words(options), words(server)), "{args}");
        }
    }

    #[test]
    fn every_option_is_known_in_both_spellings() {
        let long = "--host 127.0.0.1 --port 9 --cors-allow-origins http://a --cors-allow-origins http://b --api-key k \
                    --strict-auth --env A=1 --server-type sse --name n --description d --version 2 --root-path /r/ \
                    --path-prefix p --log-level WARNING";
        let short = "-h 127.0.0.1 -p9 --cors-allow-origins=http://a --cors-allow-origins=http://b -k k --strict-auth \
                     -e A=1 --type sse -n n -d d -v 2 --root-path=r --path-prefix=/p/ --log-level warning";
        for text in [long, short] {
            let line = line(text);
            let mcpo = line.mcpo(None);
            assert_eq!((mcpo.path_prefix.as_str(), mcpo.root_path.as_str()), ("/p/", "/r"));
            assert_eq!((mcpo.name.as_deref(), mcpo.version.as_deref()), (Some("n"), Some("2")));
            assert_eq!((mcpo.api_key.as_ref().map(Secret::expose), mcpo.strict_auth), (Some("k"), true));
            let server = line.server(words("http://h.test/sse")).expect("a server");
            let settings = line.settings_of("s", server).expect("settings");
            assert_eq!((settings.host.to_string().as_str(), settings.port), ("127.0.0.1", 9));
            assert_eq!(settings.cors_origins, ["http://a", "http://b"]);
            assert_eq!((line.kind, settings.servers["s"].share), (Kind::Sse, Share::All));
        }
        let usual = line("").settings_of("s", line("").server(words("srv -x")).expect("a server")).expect("settings");
        assert_eq!((usual.host.to_string().as_str(), usual.port), ("0.0.0.0", 8000));
        assert_eq!(usual.cors_origins, ["*"]);
        for kind in ["streamable-http", "streamable_http", "streamablehttp"] {
            assert_eq!(line(&format!("--type {kind}")).kind, Kind::StreamableHttp);
        }
    }

    #[test]
    fn headers_are_a_json_object() {
        let mut line = line("--type streamable-http");
        line.header = Some(r#"{"X-A": "1", "Authorization": "Bearer t"}"#.to_owned());
        let Server::Remote(remote) = line.server(words("http://h.test/mcp")).expect("a server") else {
            panic!("remote")
        };
        let mut names: Vec<_> = remote.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "x-a"]);
        assert!(remote.headers.iter().all(|(_, value)| value.is_sensitive()));
        for text in ["X-A: 1", "[1]", r#"{"a": 1}"#, r#"{"a b": "1"}"#] {
            line.header = Some(text.to_owned());
            assert!(matches!(line.server(words("http://h.test/mcp")), Err(Failed::Usage(_))), "{text}");
        }
    }

    #[test]
    fn what_is_not_kept_is_not_promised() {
        for (text, advice) in [
            ("-t cert.pem -K key.pem", "TLS"),
            ("--ssl-keyfile key.pem", "TLS"),
            ("--strict-auth", "--api-key"),
            ("--strict-auth --api-key=", "--api-key"),
        ] {
            let Err(Failed::Usage(message)) = line(text).check() else { panic!("{text}") };
            assert!(message.contains(advice), "{text}: {message}");
        }
        for (text, server) in
            [("", ""), ("--type sse", ""), ("--type sse", "no-url"), ("-e A", "srv"), ("-e =v", "srv")]
        {
            let line = line(text);
            let made = line.server(words(server)).and_then(|server| line.settings_of("s", server));
            assert!(matches!(made, Err(Failed::Usage(_))), "{text} -- {server}");
        }
    }
}
