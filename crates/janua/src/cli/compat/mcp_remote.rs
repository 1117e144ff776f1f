//! The command line of mcp-remote 0.15.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use http::{HeaderName, HeaderValue};
use url::{Host, Url};

use super::super::{Failed, Global, Level, connect, env, header};
use super::{parse, usage};
use janua::config::{Protocol, RemoteServer, RemoteTransport, Server};
use janua::proxy::{Options, Shown};

const NOTES: &str = "\
Unlike mcp-remote:
  Nobody is signed in: give a token with --header or --header-file. The flags about signing in
  are taken, and do nothing yet; a server that wants authorization is named as that.
  A ${VAR} that is not set and a --header that is none are errors, not sent or left out.
  sse-first is http-first: which transport and which era the server has is found out.
  Proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) are used, except for loopback.
`janua connect --help` has more options.";

/// Offer a remote server on stdio with the command line of mcp-remote.
#[derive(Debug, Parser)]
#[command(name = "janua compat mcp-remote", version, max_term_width = 100, after_help = NOTES)]
struct Line {
    /// URL of the server; http:// only on this machine, unless --allow-http is given
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    sign_in: SignIn,
    /// Header put on requests, 'NAME: VALUE', with variables of the environment as ${VAR}; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// File of such headers, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    header_file: Vec<PathBuf>,
    /// Which transports to try
    #[arg(long, value_enum, value_name = "STRATEGY", default_value = "http-first")]
    transport: Strategy,
    /// Era of the protocol [default: auto; mcp-remote's is legacy]
    #[arg(long, value_enum, value_name = "MODE", default_value = "auto", hide_default_value = true)]
    protocol: Mode,
    /// Allow http:// to other machines
    #[arg(long)]
    allow_http: bool,
    /// Tools that are neither shown nor called; * stands for any text, case does not matter; may be repeated
    #[arg(long, value_name = "PATTERN")]
    ignore_tool: Vec<String>,
    /// Log how things come about, on standard error
    #[arg(long)]
    debug: bool,
    /// Log nothing
    #[arg(long)]
    silent: bool,
    #[command(flatten)]
    idle: Idle,
}

/// How mcp-remote signs a person in. Taken, so that configurations need no change.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Signing in (not yet)")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct SignIn {
    /// Port for the answer of the authorization server
    #[arg(value_name = "CALLBACK_PORT")]
    port: Option<u16>,
    /// Host name for it
    #[arg(long)]
    host: Option<String>,
    /// Path for it
    #[arg(long, value_name = "PATH")]
    callback_path: Option<String>,
    /// Page that is shown in the end
    #[arg(long, value_name = "URL")]
    auth_success_url: Option<String>,
    /// Seconds to wait for the person
    #[arg(long, value_name = "SECONDS")]
    auth_timeout: Option<f64>,
    /// Resource to ask access to
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// Ask for no resource
    #[arg(long)]
    disable_resource_parameter: bool,
    /// Parameter for the authorization server
    #[arg(long, value_name = "KEY=VALUE")]
    authorize_param: Vec<String>,
    /// Metadata of the client
    #[arg(long, value_name = "JSON | @FILE")]
    static_oauth_client_metadata: Option<String>,
    /// Registration of the client
    #[arg(long, value_name = "JSON | @FILE")]
    static_oauth_client_info: Option<String>,
    /// Document about the client
    #[arg(long, value_name = "URL")]
    client_metadata_url: Option<String>,
    /// Use the ID token
    #[arg(long)]
    use_id_token: bool,
    /// Sign in on another device
    #[arg(long)]
    device_code: bool,
    /// Sign in without a person: refused
    #[arg(long)]
    client_credentials: bool,
    /// Where to do that: refused
    #[arg(long, value_name = "URL")]
    token_endpoint: Option<String>,
}

/// What there is no need for here.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Without effect")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Idle {
    /// Proxies of the environment are always used
    #[arg(long)]
    enable_proxy: bool,
    /// No cookies are kept
    #[arg(long)]
    disable_cookies: bool,
    /// A connection is given 5 seconds
    #[arg(long, value_name = "SECONDS")]
    connect_timeout: Option<f64>,
    /// An answer is given 60 seconds from the last sign of progress
    #[arg(long, value_name = "SECONDS")]
    headers_timeout: Option<f64>,
    /// A quiet stream is left open
    #[arg(long, value_name = "SECONDS")]
    body_timeout: Option<f64>,
    /// A session that the server has forgotten is opened again
    #[arg(long)]
    keep_alive: bool,
    /// The same
    #[arg(long, value_name = "SECONDS")]
    ping_interval: Option<f64>,
    /// Both kinds of addresses are tried
    #[arg(long)]
    ipv4: bool,
}

/// Which transports to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// Streamable HTTP, else HTTP+SSE.
    HttpFirst,
    /// The same.
    SseFirst,
    /// Streamable HTTP.
    HttpOnly,
    /// HTTP+SSE.
    SseOnly,
}

/// Eras of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// With a handshake: 2025-11-25 and earlier.
    Legacy,
    /// Whatever the server has.
    Auto,
}

/// Runs it.
pub(super) fn run(global: &Global, args: Vec<String>) -> Result<(), Failed> {
    let Some(line) = parse::<Line>(args)? else { return Ok(()) };
    let level = match (line.debug, line.silent) {
        (true, _) => Some(Level::Debug),
        (false, true) => Some(Level::Off),
        (false, false) => None,
    };
    let server = line.server()?;
    let protocol = if line.protocol == Mode::Legacy { Protocol::Legacy } else { Protocol::Auto };
    let mut options = Options::new(server);
    (options.protocol, options.shown) = (protocol, line.shown());
    connect::serve(&global.with_level(level), Level::Warn, &options)
}

impl Line {
    fn server(&self) -> Result<Server, Failed> {
        if self.sign_in.client_credentials || self.sign_in.token_endpoint.is_some() {
            return usage(
                "--client-credentials is not supported yet: get a token elsewhere and give it with \
                 --header 'Authorization: Bearer ${TOKEN}'",
            );
        }
        let url = Url::parse(&self.url).map_err(|error| Failed::Usage(format!("{}: {error}", self.url)))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http || is_local(&url) => {}
            "http" => {
                return usage(format!(
                    "{}: http:// is for servers on this machine only; use https://, or add --allow-http in a network \
                     that you trust",
                    url.origin().ascii_serialization()
                ));
            }
            other => return usage(format!("{other}:// is not spoken by mcp-remote: see `janua connect --help`")),
        }
        let transport = match self.transport {
            Strategy::HttpFirst | Strategy::SseFirst => RemoteTransport::Auto,
            Strategy::HttpOnly => RemoteTransport::Http,
            Strategy::SseOnly => RemoteTransport::Sse,
        };
        let headers = self.headers(|name| env(&[name]))?;
        Ok(Server::Remote(RemoteServer { url, headers, transport, allow_private: true }))
    }

    /// Every header once: the one that is named last.
    fn headers(&self, set: impl Fn(&str) -> Option<String>) -> Result<Vec<(HeaderName, HeaderValue)>, Failed> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let mut add = |text: &str, whence: &str| {
            // What the text holds may be secret.
            let read = expanded(text, &set).and_then(|text| header(&text));
            let (name, value) = read.map_err(|why| Failed::Usage(format!("{whence}: {why}")))?;
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value));
            Ok::<(), Failed>(())
        };
        for text in &self.header {
            add(text, "--header")?;
        }
        for path in &self.header_file {
            for (number, text) in lines(path)?.lines().enumerate() {
                let text = text.trim();
                if !text.is_empty() && !text.starts_with('#') {
                    add(text, &format!("{} line {}", path.display(), number + 1))?;
                }
            }
        }
        Ok(headers)
    }

    fn shown(&self) -> Option<Shown> {
        if self.ignore_tool.is_empty() {
            return None;
        }
        let deny = self.ignore_tool.iter().map(|pattern| pattern.to_lowercase()).collect();
        let rules = janua::config::ToolRules { deny, ..Default::default() };
        Some(Shown::new(move |name| rules.shows(&name.to_lowercase())))
    }
}

fn lines(path: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(path).map_err(|error| Failed::Usage(format!("--header-file {}: {error}", path.display())))
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The text with what is `set` in the place of each `${VAR}`.
fn expanded(text: &str, set: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&set(name).ok_or_else(|| format!("the variable {name} is not set here"))?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Line {
        Line::try_parse_from([&["x"], words].concat()).expect("valid")
    }

    #[track_caller]
    fn refused(words: &[&str]) -> String {
        match line(words).server() {
            Err(Failed::Usage(message)) => message,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn every_flag_of_the_tool_is_taken() {
        let words = "https://h.test/sse 9696 --host 127.0.0.1 --callback-path /c --auth-success-url https://a.test/ \
            --auth-timeout 60 --resource https://t.test/ --disable-resource-parameter --authorize-param a=b \
            --authorize-param prompt=consent --static-oauth-client-metadata {} --static-oauth-client-info @f \
            --client-metadata-url https://c.test/c --use-id-token --device-code --enable-proxy --disable-cookies \
            --connect-timeout 3 --headers-timeout 4 --body-timeout 0 --keep-alive --ping-interval 60 --ipv4 --debug \
            --silent --allow-http --protocol auto --transport sse-first --ignore-tool a* --ignore-tool b";
        let words: Vec<&str> = words.split_whitespace().collect();
        let read = line(&words);
        assert_eq!((read.sign_in.port, read.ignore_tool.len()), (Some(9696), 2));
        let Ok(Server::Remote(remote)) = read.server() else { panic!("refused") };
        assert_eq!((remote.url.as_str(), remote.transport), ("https://h.test/sse", RemoteTransport::Auto));
        assert!(Line::try_parse_from(["x", "https://h.test/", "--nothing"]).is_err());
    }

    #[test]
    fn plain_http_needs_leave() {
        for local in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]/", "https://h.test/"] {
            assert!(line(&[local]).server().is_ok(), "{local}");
        }
        assert!(refused(&["http://h.test/mcp"]).contains("--allow-http"));
        assert!(line(&["http://h.test/", "--allow-http"]).server().is_ok());
        assert!(refused(&["ws://h.test/"]).contains("janua connect"));
        assert!(refused(&["https://h.test/", "--client-credentials"]).contains("--header"));
    }

    #[test]
    fn headers_take_variables_and_the_last_one_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("headers");
        std::fs::write(&file, "# a comment\n\nX-B: from the file\r\nX-C: ${TOKEN}\n").expect("written");
        let file = file.to_str().expect("a path that is text");
        let words =
            ["https://h.test/", "--header", "Authorization:${AUTH}", "--header", "X-B: 1", "--header-file", file];
        let set = |name: &str| match name {
            "AUTH" => Some("Bearer a b".to_owned()),
            "TOKEN" => Some("t".to_owned()),
            _ => None,
        };
        let headers = line(&words).headers(set).expect("valid");
        let shown: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().expect("text"))).collect();
        assert_eq!(shown, [("authorization", "Bearer a b"), ("x-b", "from the file"), ("x-c", "t")]);
        assert!(headers.iter().all(|(_, value)| value.is_sensitive()));
        assert!(refused(&["https://h.test/", "--header", "X-A: ${JANUA_TEST_UNSET}"]).contains("JANUA_TEST_UNSET"));
        assert!(!refused(&["https://h.test/", "--header", "secret"]).contains("secret"));
        assert!(refused(&["https://h.test/", "--header-file", "/no/such"]).contains("/no/such"));
        assert_eq!(expanded("a${b", |_| None).as_deref(), Ok("a${b"));
    }

    #[test]
    fn patterns_of_tools_do_not_mind_case() {
        let shown = line(&["https://h.test/", "--ignore-tool", "Delete*"]).shown().expect("some are ignored");
        assert!(!shown.has("deleteTask") && !shown.has("DELETE") && shown.has("undelete"));
        assert!(line(&["https://h.test/"]).shown().is_none());
    }
}
