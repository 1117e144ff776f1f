//! `janua proxy`: one server behind HTTP.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::{Failed, Global, Level, block_on, duration, env, header, size};
use janua::config::{
    AuthSettings, Credential, Declared, Hashed, OpenRoute, Protocol, RemoteServer, RemoteTransport, SESSION_TIMEOUT,
    Server, ServerCommand, Share,
};
use janua::proxy::{self, Options};

/// Put one server behind HTTP.
///
/// The server is a program that speaks MCP over its standard input and output, given after `--`, or the URL of a
/// remote server. Clients reach it at /mcp (Streamable HTTP, revisions 2025-03-26 to 2026-07-28), at /sse with
/// /messages (HTTP+SSE, 2024-11-05), at /ws (WebSocket, a message a text frame), and its tools at /api/TOOL (plain HTTP);
/// /health reports. Every session has an instance of the program of its own, unless --stateless is given.
#[derive(Args, Debug)]
pub(super) struct ProxyArgs {
    /// Address to listen on [default: 127.0.0.1] [env: MCP_PROXY_HOST, MCP_BIND_HOST]
    ///
    /// An address that others can reach needs a token (--auth-token-file), or --insecure-no-auth.
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on; 0 lets the system choose [default: 3000] [env: MCP_PROXY_PORT, MCP_PORT]
    #[arg(short, long)]
    port: Option<u16>,
    /// Idle time after which a session ends: seconds, or with ms, s, m, h [default: 300] [env: MCP_PROXY_TIMEOUT]
    ///
    /// Running requests and open streams keep a session alive.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Longest wait for an answer without progress
    #[arg(long, value_parser = duration, value_name = "TIME", default_value = "60s")]
    call_timeout: Duration,
    /// Longest time for the server to start and to answer `initialize`
    #[arg(long, value_parser = duration, value_name = "TIME", default_value = "60s")]
    start_timeout: Duration,
    /// Silence after which an answer becomes an event stream
    ///
    /// Until then it is plain JSON, which has no limit of size; some clients read no event above 1 MiB.
    #[arg(long, value_parser = duration, value_name = "TIME", default_value = "15s")]
    stream_after: Duration,
    /// Largest request body
    #[arg(long, value_parser = size, value_name = "SIZE", default_value = "4M")]
    max_body: usize,
    /// Largest message of the server
    #[arg(long, value_parser = size, value_name = "SIZE", default_value = "16M")]
    max_message: usize,
    /// Origin of a web page that may use the proxy and read its answers; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// Host name the proxy is reached under; may be repeated [default: loopback names on loopback, any elsewhere]
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<String>,
    /// Serve metrics on this address, apart from everything else: 127.0.0.1:9091, or only a port
    #[arg(long, value_parser = metrics, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Send traces to an OpenTelemetry collector, OTLP over HTTP [env: OTEL_EXPORTER_OTLP_ENDPOINT]
    #[arg(long, value_name = "URL")]
    traces: Option<url::Url>,
    /// Who shares one running instance of the server [default: session]
    ///
    /// `all` needs no sessions, and the server cannot ask anything back.
    #[arg(long, value_enum, value_name = "WHO", conflicts_with = "stateless")]
    share: Option<Sharing>,
    /// What the server is told that clients can be asked, where they share an instance
    ///
    /// `class`: what they can be asked, and those that can be asked the same share. `none`: nothing. `all`: everything,
    /// and questions that a client cannot be asked are refused in its name.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "class")]
    capabilities: Told,
    /// The same as --share all
    #[arg(long)]
    stateless: bool,
    /// Instances of the program that are kept started, for the sessions to come
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm: usize,
    /// File with the token that clients have to send as `Authorization: Bearer …` [env: JANUA_AUTH_TOKEN, the token]
    ///
    /// Its first line is the token, or `sha256:` and the SHA-256 of it in hex.
    #[arg(long, value_name = "FILE")]
    auth_token_file: Option<PathBuf>,
    /// Listen on an address that others can reach although nobody has to authenticate
    #[arg(long)]
    insecure_no_auth: bool,
    /// Serve the built-in demo server
    #[arg(long, conflicts_with = "server")]
    demo: bool,
    #[command(flatten)]
    upstream: Upstream,
    /// The program and its arguments (everything from here on is passed as it is), or a URL
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD… | URL")]
    server: Vec<String>,
}

/// Who may use the proxy: whoever has the token, if there is one.
fn token(file: Option<&Path>) -> Result<Option<AuthSettings>, Failed> {
    let token = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Some(text.lines().next().unwrap_or_default().trim().to_owned())
        }
        None => env(&["JANUA_AUTH_TOKEN"]),
    };
    let Some(token) = token else { return Ok(None) };
    let Some(hashed) = Hashed::written(&token).filter(|_| !token.is_empty()) else {
        let what = "the token is empty, or not followed by the 64 hex digits that `sha256:` announces";
        return Err(Failed::Usage(what.to_owned()));
    };
    let bearer = vec![Credential::new("client", hashed)];
    Ok(Some(AuthSettings { bearer, open: vec![OpenRoute::Livez, OpenRoute::Readyz], ..AuthSettings::default() }))
}

/// How the server is started or reached.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Upstream {
    /// Variable for the program's environment: NAME=VALUE, or NAME to pass ours on; may be repeated
    ///
    /// The program otherwise gets PATH, HOME, LANG and TZ only.
    #[arg(short = 'e', long = "env", value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Pass our whole environment on to the program
    #[arg(long)]
    inherit_env: bool,
    /// Working directory of the program
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Header for a remote server, 'NAME: VALUE'; may be repeated
    #[arg(short = 'H', long = "header", value_parser = header, value_name = "NAME: VALUE")]
    header: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Transport of a remote server
    #[arg(long, value_enum, default_value = "auto")]
    transport: Transport,
    /// Era of the protocol that the server is spoken to in
    #[arg(long, value_enum, default_value = "auto")]
    protocol: Era,
}

/// Who shares an instance.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sharing {
    /// Nobody: each session has its own.
    Session,
    /// All sessions whose clients can be asked the same.
    User,
    /// Everybody.
    All,
}

/// What a server is told of clients that share an instance.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Told {
    /// What they can be asked.
    Class,
    /// Nothing.
    None,
    /// Everything.
    All,
}

/// Eras of the protocol.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Era {
    /// Each client's own, if the server has it.
    #[default]
    Auto,
    /// With a handshake: 2025-11-25 and earlier.
    Legacy,
    /// Without.
    #[value(name = "2026-07-28")]
    Modern,
}

/// Transports of remote servers.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Transport {
    /// Find out.
    #[default]
    Auto,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE.
    Sse,
    /// WebSocket; what ws:// and wss:// say already.
    Ws,
}

impl Upstream {
    /// The era of the protocol that the server is spoken to in.
    pub(super) fn protocol(&self) -> Protocol {
        match self.protocol {
            Era::Auto => Protocol::Auto,
            Era::Legacy => Protocol::Legacy,
            Era::Modern => Protocol::Modern,
        }
    }

    /// The server that `words` name: a URL, or a program with its arguments.
    pub(super) fn server(self, words: Vec<String>) -> Result<Server, Failed> {
        const REMOTE: [&str; 4] = ["http://", "https://", "ws://", "wss://"];
        if let [url] = &words[..]
            && REMOTE.iter().any(|scheme| url.starts_with(scheme))
        {
            return self.remote(url);
        }
        if let [url] = &words[..]
            && url.contains("://")
        {
            return Err(Failed::Usage(format!(
                "{url}: only servers at http://, https://, ws:// and wss:// can be reached"
            )));
        }
        let Some(mut command) = ServerCommand::new(words) else {
            let message = "no server given: name a program after `--`, or a URL, or use --demo";
            return Err(Failed::Usage(message.to_owned()));
        };
        if let Some(cwd) = &self.cwd
            && !cwd.is_dir()
        {
            return Err(Failed::Usage(format!("--cwd {}: there is no such directory", cwd.display())));
        }
        command.env = self.env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?;
        command.cwd = self.cwd;
        command.inherit_env = self.inherit_env;
        Ok(Server::Command(command))
    }

    fn remote(self, url: &str) -> Result<Server, Failed> {
        let url = url::Url::parse(url).map_err(|error| Failed::Usage(format!("{url}: {error}")))?;
        let transport = match self.transport {
            Transport::Auto => RemoteTransport::Auto,
            Transport::Http => RemoteTransport::Http,
            Transport::Sse => RemoteTransport::Sse,
            Transport::Ws => RemoteTransport::Ws,
        };
        let socket = matches!(url.scheme(), "ws" | "wss");
        if socket && matches!(transport, RemoteTransport::Http | RemoteTransport::Sse) {
            return Err(Failed::Usage(format!("{url}: a server at such an address is spoken to with --transport ws")));
        }
        Ok(Server::Remote(RemoteServer { url, headers: self.header, transport, allow_private: true }))
    }
}

fn variable(text: &str) -> Result<(String, String), Failed> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => match env(&[text]) {
            Some(value) => (text, value),
            None => return Err(Failed::Usage(format!("--env {text}: the variable is not set here; use {text}=VALUE"))),
        },
    };
    if name.is_empty() || text.contains('\0') {
        return Err(Failed::Usage("--env: must be NAME=VALUE, or the NAME of a variable set here".to_owned()));
    }
    Ok((name.to_owned(), value))
}

/// Reads the address of a host given by name or number.
pub(super) fn address(host: &str) -> Result<IpAddr, Failed> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(address);
    }
    let mut found = (host, 0).to_socket_addrs().with_context(|| format!("cannot find the address of host {host}"))?;
    Ok(found.next().with_context(|| format!("host {host} has no address"))?.ip())
}

/// A setting out of the environment; what is wrong in it is named with the variable.
fn setting<T>(names: &[&str], read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Failed> {
    let Some(text) = env(names) else { return Ok(None) };
    read(&text).map(Some).map_err(|error| Failed::Usage(format!("{} is {text:?}: {error}", names.join(" or "))))
}

/// Reads where to serve metrics: an address with a port, or a port of loopback.
fn metrics(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port));
    }
    text.parse().map_err(|_| "must be an address with a port, as 127.0.0.1:9091, or only a port".to_owned())
}

/// Where traces go: what was said, else what the environment says to every program.
fn traces(said: Option<url::Url>) -> Result<Option<url::Url>, Failed> {
    let parse = |text: &str| url::Url::parse(text).map_err(|error| error.to_string());
    let found = match said {
        Some(url) => Some(url),
        None if cfg!(feature = "otel") => setting(&["OTEL_EXPORTER_OTLP_ENDPOINT"], parse)?,
        // Meant for every program in that environment: one that has no traces has nothing to refuse.
        None => None,
    };
    match found {
        Some(url) if !matches!(url.scheme(), "http" | "https") => {
            Err(Failed::Usage(format!("{url}: a collector is at an http:// or https:// address")))
        }
        found => Ok(found),
    }
}

/// Where to listen and how long sessions live: flag, environment, default.
pub(super) fn place(
    host: Option<String>,
    port: Option<u16>,
    timeout: Option<Duration>,
) -> Result<(IpAddr, u16, Duration), Failed> {
    let host = host.or_else(|| env(&["MCP_PROXY_HOST", "MCP_BIND_HOST"])).unwrap_or_else(|| "127.0.0.1".to_owned());
    let number = |text: &str| text.parse::<u16>().map_err(|error| error.to_string());
    let port = match port {
        Some(port) => Some(port),
        None => setting(&["MCP_PROXY_PORT", "MCP_PORT"], number)?,
    };
    let timeout = match timeout {
        Some(timeout) => Some(timeout),
        None => setting(&["MCP_PROXY_TIMEOUT"], duration)?,
    };
    Ok((address(&host)?, port.unwrap_or(3000), timeout.unwrap_or(SESSION_TIMEOUT)))
}

/// Runs the command.
pub(super) fn run(global: &Global, args: ProxyArgs) -> Result<(), Failed> {
    let (host, port, timeout) = place(args.host, args.port, args.timeout)?;
    let protocol = args.upstream.protocol();
    let server = if args.demo { demo() } else { args.upstream.server(args.server)? };
    if args.warm > 0 && !matches!(server, Server::Command(_)) {
        return Err(Failed::Usage("--warm: only programs can be started ahead".to_owned()));
    }
    let mut options = Options::new(server);
    options.protocol = protocol;
    (options.host, options.port) = (host, port);
    options.share = match args.share {
        Some(Sharing::All) => Share::All,
        Some(Sharing::User) => Share::User,
        None if args.stateless => Share::All,
        Some(Sharing::Session) | None => Share::Session,
    };
    options.declared = match args.capabilities {
        Told::Class => Declared::Class,
        Told::None => Declared::Nothing,
        Told::All => Declared::Everything,
    };
    options.metrics = args.metrics;
    options.traces = traces(args.traces)?;
    options.warm = args.warm;
    options.insecure_no_auth = args.insecure_no_auth;
    options.auth = token(args.auth_token_file.as_deref())?;
    options.allowed_hosts = args.allowed_host;
    options.cors_origins = args.cors_origin;
    options.limits.session_idle = timeout;
    options.limits.call = args.call_timeout;
    options.limits.call_total = options.limits.call_total.max(args.call_timeout);
    options.limits.start = args.start_timeout;
    options.limits.stream_after = args.stream_after;
    options.limits.request_body = args.max_body;
    options.limits.server_message = args.max_message;
    serve(global, options)
}

/// The server that `--demo` means.
pub(super) fn demo() -> Server {
    Server::InProcess("everything".to_owned())
}

/// Serves until told to stop.
pub(super) fn serve(global: &Global, options: Options) -> Result<(), Failed> {
    serve_until(global, options, std::future::pending())
}

/// Serves until told to stop, or until `done`.
pub(super) fn serve_until(global: &Global, options: Options, done: impl Future<Output = ()>) -> Result<(), Failed> {
    block_on(global, (Level::Info, Level::Debug), async {
        let shown = options.clone();
        let proxy = proxy::start(options).await?;
        announce(&proxy, &shown);
        tokio::select! {
            () = proxy::stop_signal() => {}
            () = done => {}
        }
        proxy.stop().await;
        Ok(())
    })?
}

/// Says where the server can be reached now, and how to try it.
fn announce(proxy: &proxy::Proxy, options: &Options) {
    let base = format!("http://{}", proxy.address());
    eprintln!("janua {} serves {}", env!("CARGO_PKG_VERSION"), options.server.label());
    if !options.mcp_path.is_empty() {
        eprintln!("  Streamable HTTP  {base}{}", options.mcp_path);
    }
    if options.share != Share::All && !options.sse_path.is_empty() {
        eprintln!("  HTTP+SSE         {base}{}", options.sse_path);
    }
    if options.share == Share::Session && !options.ws_path.is_empty() {
        eprintln!("  WebSocket        {}{}", base.replacen("http", "ws", 1), options.ws_path);
    }
    if !options.api_path.is_empty() {
        eprintln!("  plain HTTP       {base}{}", options.api_path);
    }
    if let Some(address) = proxy.metrics_address() {
        eprintln!("  metrics          http://{address}/metrics");
    }
    for path in &options.health_paths {
        eprintln!("  health           {base}{path}");
    }
    if options.server == demo() {
        eprintln!("\nTry it:\n{}", trial(&format!("{base}{}", options.mcp_path)));
    }
}

fn trial(url: &str) -> String {
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}"#;
    format!(
        "  curl -i {url} -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d '{hello}'"
    )
}
