//! The command line of supergateway 4.

use std::collections::HashSet;
use std::future::pending;
use std::net::Ipv4Addr;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rustix::fs::FileType;

use super::super::connect;
use super::super::proxy::{address, serve_until};
use super::super::{Failed, Global, Level, header};
use super::{command_line, parse, usage, warn_if_exposed};
use janua::config::{Limits, Protocol, RemoteServer, RemoteTransport, Server, ServerCommand, Share};
use janua::proxy::Options;

/// Idle time after which a stateful session ends unless told otherwise, as in supergateway.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// supergateway waits for answers without end; here that is so long.
const CALL: Duration = Duration::from_secs(3600);
/// And so long for a server to start, which may first have to be installed.
const START: Duration = Duration::from_secs(300);

const NOTES: &str = "\
A --stdio command of words, quotes and backslashes only is started directly; any other goes through /bin/sh -c.
Every session has an instance of the server of its own; without --stateful, one instance answers all requests.
Like supergateway it stops when a pipe on its standard input is closed. `janua proxy --help` has more options.";

/// Convert between stdio and HTTP with the command line of supergateway.
#[derive(Debug, Parser)]
#[command(name = "janua compat supergateway", version, rename_all = "camelCase", max_term_width = 100, after_help = NOTES)]
struct Line {
    /// Command that runs an MCP server over stdio
    #[arg(long, value_name = "COMMAND")]
    stdio: Option<String>,
    /// URL of an HTTP+SSE server to offer on stdio
    #[arg(long, value_name = "URL")]
    sse: Option<String>,
    /// URL of a Streamable HTTP server to offer on stdio
    #[arg(long, value_name = "URL", alias = "streamable-http")]
    streamable_http: Option<String>,
    /// What to speak to clients [default: sse with --stdio, stdio otherwise]
    #[arg(long, value_enum, value_name = "TRANSPORT", alias = "output-transport")]
    output_transport: Option<Output>,
    /// Port to listen on; 0 lets the system choose
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Address to listen on; not an option of supergateway, which listens on every address
    #[arg(long, default_value_t = Ipv4Addr::UNSPECIFIED.to_string())]
    host: String,
    /// Its path is put before the message path that clients are told
    #[arg(long, value_name = "URL", default_value = "", alias = "base-url")]
    base_url: String,
    /// Path of the HTTP+SSE stream
    #[arg(long, value_name = "PATH", default_value = "/sse", alias = "sse-path", value_parser = path)]
    sse_path: String,
    /// Path for messages of HTTP+SSE
    #[arg(long, value_name = "PATH", default_value = "/message", alias = "message-path", value_parser = path)]
    message_path: String,
    /// Path of Streamable HTTP
    #[arg(long, value_name = "PATH", default_value = "/mcp", alias = "streamable-http-path", value_parser = path)]
    streamable_http_path: String,
    /// How much to log: debug, info or none [default: info]
    #[arg(long, value_enum, ignore_case = true, hide_possible_values = true, alias = "log-level")]
    log_level: Option<Level>,
    /// Origins whose pages may use the server; without a value every origin may
    #[arg(long, value_name = "ORIGIN", num_args = 0..)]
    cors: Option<Vec<String>>,
    /// Path that answers `ok`; may be repeated
    #[arg(long, value_name = "PATH", num_args = 1.., alias = "health-endpoint", value_parser = path)]
    health_endpoint: Vec<String>,
    /// Header put on answers (with --stdio) or requests (otherwise), 'NAME: VALUE'; may be repeated
    #[arg(long, value_name = "HEADER", num_args = 1.., value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// Token sent to the remote server as `Authorization: Bearer TOKEN`
    #[arg(long, value_name = "TOKEN", alias = "oauth2-bearer")]
    oauth2_bearer: Option<String>,
    /// Keep sessions (with --outputTransport streamableHttp)
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_value_t = false, default_missing_value = "true")]
    stateful: bool,
    /// Idle time in milliseconds after which a session ends [default: 1800000]
    #[arg(long, value_name = "MS", alias = "session-timeout", value_parser = milliseconds)]
    session_timeout: Option<Duration>,
    /// Without effect: the protocol version is negotiated with the server
    #[arg(long, value_name = "VERSION", alias = "protocol-version")]
    protocol_version: Option<String>,
}

/// Transports toward clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
enum Output {
    Stdio,
    Sse,
    Ws,
    StreamableHttp,
}

/// Runs it.
pub(super) fn run(global: &Global, args: Vec<String>) -> Result<(), Failed> {
    let Some(line) = parse::<Line>(args)? else { return Ok(()) };
    let global = global.with_level(line.log_level);
    match (&line.stdio, &line.sse, &line.streamable_http) {
        (Some(_), None, None) => {
            let options = line.options()?;
            warn_if_exposed(options.host, "--host 127.0.0.1");
            serve_until(&global, options, input_closed())
        }
        (None, Some(url), None) => connected(&global, line.remote(url, RemoteTransport::Sse)?),
        (None, None, Some(url)) => connected(&global, line.remote(url, RemoteTransport::Http)?),
        (None, None, None) => usage("say one of --stdio, --sse and --streamableHttp"),
        _ => usage("say only one of --stdio, --sse and --streamableHttp"),
    }
}

/// Offers a remote server on standard input and output.
fn connected(global: &Global, server: Server) -> Result<(), Failed> {
    let options = Options { protocol: Protocol::Legacy, limits: limits(), ..Options::new(server) };
    connect::serve(global, Level::Info, &options)
}

fn limits() -> Limits {
    let limits =
        Limits { call: CALL, call_total: CALL, start: START, session_idle: SESSION_TIMEOUT, ..Limits::default() };
    // What a server may answer, a client may ask.
    Limits { request_body: limits.server_message, ..limits }
}

impl Line {
    /// The proxy for a stdio server.
    fn options(&self) -> Result<Options, Failed> {
        let stateful = match self.output_transport {
            None | Some(Output::Sse) => true,
            Some(Output::StreamableHttp) => self.stateful,
            Some(Output::Ws) => {
                return usage("WebSocket output is not supported: use --outputTransport streamableHttp or sse");
            }
            Some(Output::Stdio) => {
                return usage("--stdio with --outputTransport stdio is not supported: use `janua connect`");
            }
        };
        self.notes();
        let command = command_line::server(self.stdio.as_deref().unwrap_or_default());
        let command = command.map_err(|why| Failed::Usage(format!("--stdio: {why}")))?;
        let mut options = Options::new(Server::Command(ServerCommand { inherit_env: true, ..command }));
        (options.ws_path, options.api_path) = (String::new(), String::new());
        (options.host, options.port, options.insecure_no_auth) = (address(&self.host)?, self.port, true);
        options.share = if stateful { Share::Session } else { Share::All };
        options.limits = limits();
        if let Some(timeout) = self.session_timeout {
            options.limits.session_idle = timeout;
        }
        options.cors_origins = self.origins()?;
        options.response_headers.clone_from(&self.header);
        options.base_url = self.prefix()?;
        self.place(&mut options)?;
        Ok(options)
    }

    /// Says what is taken, but does nothing here.
    fn notes(&self) {
        if self.oauth2_bearer.is_some() {
            eprintln!("janua: --oauth2Bearer is not used with --stdio: the token would be shown to every client");
        }
        if self.protocol_version.is_some() {
            eprintln!("janua: --protocolVersion is not needed: the version is negotiated with the server");
        }
    }

    /// Sets the paths. Those of the transport asked for have to be free; the other transport is served as well
    /// where that takes nothing from anybody.
    fn place(&self, options: &mut Options) -> Result<(), Failed> {
        let http = self.output_transport == Some(Output::StreamableHttp);
        let (sse, message, mcp) = (&self.sse_path, &self.message_path, &self.streamable_http_path);
        let (asked, other) = if http { (vec![mcp], vec![sse, message]) } else { (vec![sse, message], vec![mcp]) };
        let bare = |path: &str| path.trim_end_matches('/').to_owned();
        let mut taken = HashSet::new();
        let mut health = self.health_endpoint.clone();
        health.dedup();
        for path in asked.into_iter().chain(&health) {
            if !taken.insert(bare(path)) {
                return usage(format!("{path} cannot be used for two things at once: choose different paths"));
            }
        }
        let free = other.iter().all(|path| taken.insert(bare(path)));
        let unless = |dropped: bool, path: &String| if dropped { String::new() } else { path.clone() };
        options.mcp_path = unless(!free && !http, mcp);
        options.sse_path = unless(!free && http, sse);
        options.message_path = unless(!free && http, message);
        (options.health_paths, options.health_text) = (health, Some("ok"));
        Ok(())
    }

    /// Clients are told a path, so that they stay with the address they came by; so much of the URL counts.
    fn prefix(&self) -> Result<String, Failed> {
        if self.base_url.is_empty() || self.base_url.starts_with('/') {
            return Ok(self.base_url.trim_end_matches('/').to_owned());
        }
        match url::Url::parse(&self.base_url) {
            Ok(url) => Ok(url.path().trim_end_matches('/').to_owned()),
            Err(error) => usage(format!("--baseUrl {}: {error}", self.base_url)),
        }
    }

    fn origins(&self) -> Result<Vec<String>, Failed> {
        let Some(origins) = &self.cors else { return Ok(Vec::new()) };
        if origins.is_empty() {
            return Ok(vec!["*".to_owned()]);
        }
        match origins.iter().find(|origin| origin.starts_with('/')) {
            Some(pattern) => usage(format!(
                "--cors {pattern}: regular expressions are not supported: list the origins, or give no value for all"
            )),
            None => Ok(origins.clone()),
        }
    }

    /// The remote server for a client on stdio.
    fn remote(&self, url: &str, transport: RemoteTransport) -> Result<Server, Failed> {
        if !matches!(self.output_transport, None | Some(Output::Stdio)) {
            return usage("a remote server is offered on stdio only here: use `janua proxy URL` for HTTP to HTTP");
        }
        let url = url::Url::parse(url).map_err(|error| Failed::Usage(format!("{url}: {error}")))?;
        let mut headers = self.header.clone();
        if let Some(token) = &self.oauth2_bearer {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value =
                value.map_err(|_| Failed::Usage("--oauth2Bearer: no header can hold this token".to_owned()))?;
            value.set_sensitive(true);
            headers.retain(|(name, _)| *name != AUTHORIZATION);
            headers.push((AUTHORIZATION, value));
        }
        Ok(Server::Remote(RemoteServer { url, headers, transport, allow_private: true }))
    }
}

/// A path without what has a meaning of its own in a route.
fn path(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&',;=@%+".contains(&b);
    if !text.starts_with('/') || text.contains("//") || !text.bytes().all(plain) {
        return Err("must begin with / and be plain, without patterns".to_owned());
    }
    Ok(text.to_owned())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    match Duration::try_from_secs_f64(number / 1000.0) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be a positive number".to_owned()),
    }
}

/// Resolves when whoever holds the other end of a pipe on our standard input lets go of it.
async fn input_closed() {
    let stat = rustix::fs::fstat(std::io::stdin());
    let piped = |mode| matches!(FileType::from_raw_mode(mode), FileType::Fifo | FileType::Socket);
    if !stat.is_ok_and(|stat| piped(stat.st_mode)) {
        return pending().await;
    }
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
    tracing::info!("standard input was closed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    use clap::CommandFactory;

    fn line(words: &[&str]) -> Line {
        Line::try_parse_from(std::iter::once(&"x").chain(words)).expect("a valid line")
    }

    fn options(words: &[&str]) -> Options {
        let options = line(&[&["--stdio", "srv"], words].concat()).options();
        options.unwrap_or_else(|failed| panic!("{words:?}: {failed:?}"))
    }

    fn refused(words: &[&str]) -> String {
        match line(words).options() {
            Err(Failed::Usage(message)) => message,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_supergateways() {
        Line::command().debug_assert();
        let options = options(&[]);
        assert_eq!((options.host, options.port), (IpAddr::from([0, 0, 0, 0]), 8000));
        assert_eq!((options.sse_path.as_str(), options.message_path.as_str()), ("/sse", "/message"));
        assert_eq!((options.share, options.mcp_path.as_str()), (Share::Session, "/mcp"));
        assert_eq!(options.limits.session_idle, SESSION_TIMEOUT);
        assert!(options.insecure_no_auth && options.health_paths.is_empty() && options.cors_origins.is_empty());
    }

    #[test]
    fn its_flags_are_taken_in_both_spellings_and_lists_are_greedy() {
        let words = ["--outputTransport", "streamableHttp", "--stateful", "--sessionTimeout", "1500", "--cors"];
        let camel = options(&[&words[..], &["--healthEndpoint", "/a", "/b", "--healthEndpoint", "/c"]].concat());
        assert_eq!(camel.limits.session_idle, Duration::from_millis(1500));
        assert_eq!((camel.share, camel.cors_origins), (Share::Session, vec!["*".to_owned()]));
        assert_eq!(camel.health_paths, ["/a", "/b", "/c"]);
        let kebab = options(&["--output-transport=streamableHttp", "--cors", "http://a", "http://b", "--sse-path=/x"]);
        assert_eq!((kebab.share, kebab.sse_path.as_str()), (Share::All, "/x"));
        assert_eq!(kebab.cors_origins, ["http://a", "http://b"]);
        assert!(!line(&["--stateful", "false"]).stateful && line(&["--stateful=true"]).stateful);
    }

    #[test]
    fn of_a_base_url_the_path_counts() {
        for (given, wanted) in [("http://h:8000", ""), ("https://h/pre/", "/pre"), ("/pre", "/pre"), ("", "")] {
            assert_eq!(options(&["--baseUrl", given]).base_url, wanted, "{given}");
        }
        assert!(refused(&["--stdio", "srv", "--baseUrl", "h"]).contains("--baseUrl"));
    }

    #[test]
    fn one_path_serves_one_thing_and_what_was_asked_for_comes_first() {
        let sse = options(&["--ssePath", "/mcp"]);
        assert_eq!((sse.sse_path.as_str(), sse.mcp_path.as_str()), ("/mcp", ""));
        let http = options(&["--outputTransport", "streamableHttp", "--stateful", "--streamableHttpPath", "/sse"]);
        assert_eq!((http.mcp_path.as_str(), http.sse_path.as_str(), http.message_path.as_str()), ("/sse", "", ""));
        assert_eq!(options(&["--healthEndpoint", "/mcp"]).mcp_path, "");
        assert!(refused(&["--stdio", "srv", "--ssePath", "/x", "--messagePath", "/x/"]).contains("/x/"));
        assert!(refused(&["--stdio", "srv", "--healthEndpoint", "/sse"]).contains("/sse"));
        assert!(Line::try_parse_from(["x", "--ssePath", "/{x}"]).is_err());
    }

    #[test]
    fn what_is_not_supported_says_what_to_use() {
        assert!(refused(&["--stdio", "srv", "--outputTransport", "ws"]).contains("streamableHttp"));
        assert!(refused(&["--stdio", "srv", "--outputTransport", "stdio"]).contains("janua connect"));
        assert!(refused(&["--stdio", "srv", "--cors", "/a\\.b$/"]).contains("regular expressions"));
        assert!(refused(&["--stdio", "srv 'x"]).contains("quote"));
        assert!(Line::try_parse_from(["x", "--unknown"]).is_err());
        assert!(
            line(&["--sse", "http://h/sse", "--outputTransport", "sse"])
                .remote("http://h", RemoteTransport::Sse)
                .is_err()
        );
    }

    #[test]
    fn headers_and_the_token_go_to_a_remote_server() {
        let line = line(&["--header", "X-A: b", "Authorization: Basic x", "--oauth2Bearer", "t"]);
        let Ok(Server::Remote(remote)) = line.remote("http://h/mcp", RemoteTransport::Http) else { panic!("refused") };
        let shown: Vec<_> = remote.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().expect("text"))).collect();
        assert_eq!(shown, [("x-a", "b"), ("authorization", "Bearer t")]);
    }
}
