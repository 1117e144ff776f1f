//! The command line of mcp-proxy 0.13.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use url::Url;

use super::super::proxy::{address, serve};
use super::super::{Failed, Global, Level, block_on, connect, env};
use super::{command_line, parse, usage, warn_if_exposed};
use janua::config::{
    self, Environment, Limits, RemoteServer, RemoteTransport, Server, ServerCommand, ServerSettings, Settings, Share,
};
use janua::proxy::Options;
use janua::serve::App;

/// What the original's library passes on to a server beside the variables that every server gets here.
const PASSED_ON: [&str; 4] = ["LOGNAME", "SHELL", "TERM", "USER"];

const NOTES: &str = "\
With a URL (or SSE_URL), it is offered on stdio; API_ACCESS_TOKEN goes to it as a bearer token.
With a command, it is served at /sse and /mcp, and /status reports.

Unlike mcp-proxy:
  Every session has an instance of the server of its own; with --stateless, one instance serves all.
  Without --transport, which one a remote server has is found out.
  --sse-port and --sse-host count where --port and --host are not given.
  With named servers only, /mcp and /sse offer all of them together; /mcp/NAME and /sse/NAME are
  there, too.
Not supported: signing in (--client-id, …), --digest, and certificates that are not checked;
SSL_CERT_FILE names authorities to trust.
`janua proxy --help` and `janua connect --help` have more options.";

/// Convert between stdio and HTTP with the command line of mcp-proxy.
#[derive(Debug, Parser)]
#[command(
    name = "janua compat mcp-proxy",
    version,
    infer_long_args = true,
    max_term_width = 100,
    after_help = NOTES
)]
struct Line {
    /// URL of a remote server, or the command that runs a server over stdio; what begins with - goes behind `--`
    #[arg(value_name = "URL | CMD…")]
    server: Vec<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    command: Command,
    #[command(flatten)]
    listening: Listening,
    /// How much to log: DEBUG, INFO, WARNING, ERROR or CRITICAL
    #[arg(long, value_enum, ignore_case = true, hide_possible_values = true, value_name = "LEVEL")]
    log_level: Option<Level>,
    /// The same as --log-level DEBUG, which it beats
    #[arg(long, overrides_with = "no_debug")]
    debug: bool,
    #[arg(long, overrides_with = "debug", hide = true)]
    no_debug: bool,
}

/// How a remote server is reached.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "With a URL")]
struct Remote {
    /// Header put on requests; may be repeated
    #[arg(short = 'H', long = "headers", num_args = 2, value_names = ["NAME", "VALUE"], action = ArgAction::Append)]
    headers: Vec<String>,
    /// Transport of the server [default: found out]
    #[arg(long, value_enum, value_name = "TRANSPORT")]
    transport: Option<Transport>,
    /// Name for the server's own authentication (HTTP Basic)
    #[arg(long)]
    username: Option<String>,
    /// Password for it
    #[arg(long)]
    password: Option<String>,
    /// Digest instead of Basic: refused
    #[arg(long)]
    digest: bool,
    /// Sign in as a client: refused
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Sign in as a client: refused
    #[arg(long, value_name = "SECRET")]
    client_secret: Option<String>,
    /// Sign in as a client: refused
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Check the server's certificate, which is always done
    #[arg(long, value_name = "BOOL | FILE", num_args = 0..=1, default_missing_value = "true")]
    verify_ssl: Option<String>,
    /// Do not: refused
    #[arg(long)]
    no_verify_ssl: bool,
}

/// How a server is started.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "With a command")]
struct Command {
    /// Variable for the server's environment; may be repeated
    #[arg(short = 'e', long = "env", num_args = 2, value_names = ["NAME", "VALUE"], action = ArgAction::Append)]
    env: Vec<String>,
    /// Working directory of the server
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Pass our whole environment on to the server
    #[arg(long, overrides_with = "no_pass_environment")]
    pass_environment: bool,
    #[arg(long, overrides_with = "pass_environment", hide = true)]
    no_pass_environment: bool,
    /// Further server, at /servers/NAME/sse and /servers/NAME/mcp; may be repeated
    #[arg(long, num_args = 2, value_names = ["NAME", "COMMAND"], action = ArgAction::Append)]
    named_server: Vec<String>,
    /// File with further servers under `mcpServers`, in the place of --named-server
    #[arg(long, value_name = "FILE")]
    named_server_config: Option<PathBuf>,
}

/// Where clients reach it.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "With a command: where clients reach it")]
struct Listening {
    /// Port to listen on [default: the system chooses]
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen on; others reach the server without authentication if it is not a loopback address
    /// [default: 127.0.0.1]
    #[arg(long)]
    host: Option<String>,
    /// The same as --port
    #[arg(long, hide = true)]
    sse_port: Option<u16>,
    /// The same as --host
    #[arg(long, hide = true)]
    sse_host: Option<String>,
    /// Serve requests without sessions
    #[arg(long, overrides_with = "no_stateless")]
    stateless: bool,
    #[arg(long, overrides_with = "stateless", hide = true)]
    no_stateless: bool,
    /// Origins whose pages may use the server; * for any
    #[arg(long, value_name = "ORIGIN", num_args = 1..)]
    allow_origin: Vec<String>,
    /// Without effect: pages may read the headers of the protocol
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    expose_header: Vec<String>,
}

/// Transports of remote servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// HTTP+SSE.
    Sse,
    /// Streamable HTTP.
    #[value(name = "streamablehttp")]
    StreamableHttp,
}

/// Runs it.
pub(super) fn run(global: &Global, args: Vec<String>) -> Result<(), Failed> {
    let Some(mut line) = parse::<Line>(args)? else { return Ok(()) };
    if line.server.is_empty() {
        line.server.extend(env(&["SSE_URL"]));
    }
    let global = global.with_level(if line.debug { Some(Level::Debug) } else { line.log_level });
    match line.server.first() {
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            let server = line.remote.server(url, env(&["API_ACCESS_TOKEN"]).as_deref())?;
            let options = Options { limits: limits(), ..Options::new(server) };
            connect::serve(&global, Level::Info, &options)
        }
        _ if line.is_named() => {
            let (settings, default) = line.settings()?;
            warn_if_exposed(settings.host, "--host 127.0.0.1");
            serve_many(&global, settings, default)
        }
        _ => {
            let options = line.options()?;
            warn_if_exposed(options.host, "--host 127.0.0.1");
            serve(&global, options)
        }
    }
}

/// What a server may answer, a client may ask.
fn limits() -> Limits {
    let limits = Limits::default();
    Limits { request_body: limits.server_message, ..limits }
}

impl Remote {
    fn server(&self, url: &str, token: Option<&str>) -> Result<Server, Failed> {
        self.check()?;
        let url = Url::parse(url).map_err(|error| Failed::Usage(format!("{url}: {error}")))?;
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for pair in self.headers.chunks_exact(2) {
            let name = pair[0].trim().parse::<HeaderName>();
            let name = name.map_err(|_| Failed::Usage("--headers: the name is no header name".to_owned()))?;
            headers.retain(|(known, _)| *known != name);
            headers.push((name, secret(&pair[1], "--headers")?));
        }
        let authorization = match (token, &self.username, &self.password) {
            (_, Some(name), Some(password)) => {
                let both = janua_wire::base64::encode(format!("{name}:{password}").as_bytes());
                Some(secret(&format!("Basic {both}"), "--username and --password")?)
            }
            (Some(token), None, None) => Some(secret(&format!("Bearer {token}"), "API_ACCESS_TOKEN")?),
            (None, None, None) => None,
            _ => return usage("--username and --password go together"),
        };
        if let Some(authorization) = authorization {
            headers.retain(|(known, _)| *known != AUTHORIZATION);
            headers.push((AUTHORIZATION, authorization));
        }
        let transport = match self.transport {
            None => RemoteTransport::Auto,
            Some(Transport::Sse) => RemoteTransport::Sse,
            Some(Transport::StreamableHttp) => RemoteTransport::Http,
        };
        Ok(Server::Remote(RemoteServer { url, headers, transport, allow_private: true }))
    }

    /// Refuses what would be promised and not kept.
    fn check(&self) -> Result<(), Failed> {
        if self.client_id.is_some() || self.client_secret.is_some() || self.token_url.is_some() {
            return usage(
                "signing in with --client-id, --client-secret and --token-url is not supported yet: get a token \
                 elsewhere and give it in API_ACCESS_TOKEN",
            );
        }
        if self.digest {
            return usage(
                "--digest is not supported: leave it out for HTTP Basic, or give a token in API_ACCESS_TOKEN",
            );
        }
        match self.verify_ssl.as_deref().map(str::trim).map(str::to_ascii_lowercase).as_deref() {
            _ if self.no_verify_ssl => unchecked("--no-verify-ssl"),
            None | Some("1" | "true" | "yes" | "on") => Ok(()),
            Some("0" | "false" | "no" | "off") => unchecked("--verify-ssl false"),
            Some(_) => usage(format!(
                "--verify-ssl FILE is not supported: set SSL_CERT_FILE={} instead",
                self.verify_ssl.as_deref().unwrap_or_default()
            )),
        }
    }
}

fn unchecked(flag: &str) -> Result<(), Failed> {
    usage(format!(
        "{flag} is not supported, as anybody in between could read the credentials: \
         set SSL_CERT_FILE to the certificate of the server's authority instead"
    ))
}

fn secret(text: &str, whence: &str) -> Result<HeaderValue, Failed> {
    let value = HeaderValue::from_str(text.trim());
    let mut value = value.map_err(|_| Failed::Usage(format!("{whence}: no header can hold this value")))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Line {
    /// The server that the command starts.
    fn command(&self) -> Result<ServerCommand, Failed> {
        let Some(mut command) = ServerCommand::new(self.server.clone()) else {
            return usage("no server given: name a URL, or a command after `--`");
        };
        if let Some(cwd) = self.command.cwd.as_deref().filter(|cwd| !cwd.is_dir()) {
            return usage(format!("--cwd {}: there is no such directory", cwd.display()));
        }
        command.cwd.clone_from(&self.command.cwd);
        command.inherit_env = self.command.pass_environment;
        command.env = passed_on();
        for pair in self.command.env.chunks_exact(2) {
            if pair[0].is_empty() || pair[0].contains(['=', '\0']) || pair[1].contains('\0') {
                return usage("--env: must be a NAME and a VALUE");
            }
            command.env.retain(|(name, _)| *name != pair[0]);
            command.env.push((pair[0].clone(), pair[1].clone()));
        }
        Ok(command)
    }

    fn place(&self) -> Result<(IpAddr, u16), Failed> {
        let at = &self.listening;
        let host = at.host.as_deref().or(at.sse_host.as_deref()).unwrap_or("127.0.0.1");
        Ok((address(host)?, at.port.or(at.sse_port).unwrap_or(0)))
    }

    fn share(&self) -> Share {
        if self.listening.stateless { Share::All } else { Share::Session }
    }

    /// The proxy for a stdio server.
    fn options(&self) -> Result<Options, Failed> {
        let mut options = Options::new(Server::Command(self.command()?));
        (options.host, options.port) = self.place()?;
        // Like the original, which at least does so on loopback only unless it is told otherwise.
        options.insecure_no_auth = true;
        options.share = self.share();
        options.cors_origins.clone_from(&self.listening.allow_origin);
        options.limits = limits();
        "/messages/".clone_into(&mut options.message_path);
        (options.ws_path, options.api_path) = (String::new(), String::new());
        options.health_paths = vec!["/status".to_owned()];
        Ok(options)
    }

    fn is_named(&self) -> bool {
        !self.command.named_server.is_empty() || self.command.named_server_config.is_some()
    }

    /// The gateway of several servers, and the name of the one that the command starts, if there is one.
    fn settings(&self) -> Result<(Settings, Option<&'static str>), Failed> {
        const DEFAULT: &str = "default";
        let mut servers = self.named()?;
        let default = if self.server.is_empty() { None } else { Some(DEFAULT) };
        if default.is_some() {
            let server = ServerSettings::new(Server::Command(self.command()?));
            if servers.insert(DEFAULT.to_owned(), server).is_some() {
                return usage("the name default is that of the command given: choose another for the named server");
            }
        }
        if !servers.values().any(|server| server.disabled.is_none()) {
            return usage("none of the named servers can be served");
        }
        for server in servers.values_mut() {
            server.share = self.share();
        }
        let (host, port) = self.place()?;
        let cors_origins = self.listening.allow_origin.clone();
        let (insecure_no_auth, limits) = (true, limits());
        Ok((Settings { host, port, insecure_no_auth, cors_origins, limits, servers, ..Settings::default() }, default))
    }

    fn named(&self) -> Result<BTreeMap<String, ServerSettings>, Failed> {
        if let Some(path) = &self.command.named_server_config {
            // Only the file counts: the original knows none of our variables.
            let loaded = config::load(Some(path), &Environment::default()).map_err(|findings| {
                let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
                Failed::Usage(format!("--named-server-config {}: {}", path.display(), texts.join("; ")))
            })?;
            loaded.findings.iter().for_each(|finding| eprintln!("janua: {finding}"));
            let mut servers = loaded.settings.servers;
            for server in servers.values_mut() {
                if let Server::Command(command) = &mut server.server {
                    let own = std::mem::take(&mut command.env);
                    command.env = passed_on();
                    command.env.retain(|(name, _)| !own.iter().any(|(given, _)| given == name));
                    command.env.extend(own);
                    command.inherit_env |= self.command.pass_environment;
                }
            }
            return Ok(servers);
        }
        let mut servers = BTreeMap::new();
        for pair in self.command.named_server.chunks_exact(2) {
            let name = &pair[0];
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            if name.is_empty() || !name.bytes().all(plain) {
                return usage(format!("--named-server {name}: a name is made of letters, digits, -, _ and ."));
            }
            let command = command_line::words(&pair[1]);
            let mut command = command.map_err(|why| Failed::Usage(format!("--named-server {name}: {why}")))?;
            (command.env, command.inherit_env) = (passed_on(), self.command.pass_environment);
            servers.insert(name.clone(), ServerSettings::new(Server::Command(command)));
        }
        Ok(servers)
    }
}

fn passed_on() -> Vec<(String, String)> {
    PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env(&[name])?))).collect()
}

/// Serves several servers until told to stop.
fn serve_many(global: &Global, settings: Settings, default: Option<&str>) -> Result<(), Failed> {
    block_on(global, (Level::Info, Level::Info), async {
        let names: Vec<_> = settings.servers.keys().filter(|name| Some(name.as_str()) != default).cloned().collect();
        let running = App::builder().settings(settings).like_mcp_proxy(default).build().serve().await?;
        let base = format!("http://{}", running.address());
        eprintln!(
            "janua {} serves {} servers",
            env!("CARGO_PKG_VERSION"),
            names.len() + usize::from(default.is_some())
        );
        eprintln!("  Streamable HTTP  {base}/mcp\n  HTTP+SSE         {base}/sse");
        for name in names {
            eprintln!("  {name}: {base}/servers/{name}/mcp, {base}/servers/{name}/sse");
        }
        eprintln!("  status           {base}/status");
        running.until_told_to_stop().await;
        Ok(())
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::try_parse_from(std::iter::once("x").chain(text.split_whitespace())).expect("valid")
    }

    fn command(options: &Options) -> (Vec<String>, &ServerCommand) {
        let Server::Command(command) = &options.server else { panic!("no command") };
        (std::iter::once(&command.program).chain(&command.args).cloned().collect(), command)
    }

    #[test]
    fn options_may_stand_anywhere_before_the_double_dash() {
        let options = line("--port 8080 srv a -e K v --host ::1 -e L w --allow-origin=* -- -x --port 9").options();
        let options = options.expect("valid");
        let (words, server) = command(&options);
        assert_eq!(words, ["srv", "a", "-x", "--port", "9"]);
        for pair in [("K", "v"), ("L", "w")] {
            assert!(server.env.iter().any(|(name, value)| (name.as_str(), value.as_str()) == pair), "{pair:?}");
        }
        assert_eq!((options.port, options.host.to_string().as_str()), (8080, "::1"));
        assert_eq!((options.cors_origins, options.share), (vec!["*".to_owned()], Share::Session));
        assert!(Line::try_parse_from(["x", "srv", "--strange"]).is_err());
    }

    #[test]
    fn switches_go_both_ways_and_the_last_one_counts() {
        let server = |text: &str| {
            let options = line(text).options().expect("valid");
            (command(&options).1.inherit_env, options.share)
        };
        assert_eq!(server("srv"), (false, Share::Session));
        assert_eq!(server("--pass-environment --stateless srv"), (true, Share::All));
        assert_eq!(server("--pass-env --no-pass-environment --stateless --no-stateless srv"), (false, Share::Session));
        let old = line("--sse-port 81 --sse-host 127.0.0.2 srv").options().expect("valid");
        assert_eq!((old.port, old.host.to_string().as_str()), (81, "127.0.0.2"));
        assert_eq!(line("--port 0 --sse-port 81 srv").options().expect("valid").port, 0);
        let levels = line("--log-level CRITICAL --debug --expose-header a --expose-header b srv");
        assert_eq!((levels.log_level, levels.debug), (Some(Level::Error), true));
    }

    #[test]
    fn a_remote_server_gets_headers_and_a_token() {
        let sent = |text: &str, token: Option<&str>| {
            let line = line(text);
            let server = line.remote.server(&line.server[0], token).expect("valid");
            let Server::Remote(remote) = server else { panic!("not remote") };
            let texts = remote.headers.iter().map(|(n, v)| format!("{n}={}", v.to_str().expect("text")));
            (texts.collect::<Vec<_>>().join(" "), remote.transport)
        };
        let given = "-H X-A 1 --headers Authorization no --transport streamablehttp http://h.test/mcp";
        assert_eq!(sent(given, Some("t")), ("x-a=1 authorization=Bearer t".to_owned(), RemoteTransport::Http));
        assert_eq!(sent("--transport=sse http://h.test/", None), (String::new(), RemoteTransport::Sse));
        let basic = sent("--username a --password b http://h.test/", Some("t"));
        assert_eq!(basic, ("authorization=Basic YTpi".to_owned(), RemoteTransport::Auto));
    }

    #[test]
    fn what_is_not_kept_is_not_promised() {
        let remote = |text: &str| line(text).remote.server("http://h.test/", None).map(drop);
        for (given, advice) in [
            ("--client-id a http://h.test/", "API_ACCESS_TOKEN"),
            ("--no-verify-ssl http://h.test/", "SSL_CERT_FILE"),
            ("http://h.test/ --verify-ssl off", "SSL_CERT_FILE"),
            ("http://h.test/ --verify-ssl /ca.pem", "SSL_CERT_FILE=/ca.pem"),
            ("--digest http://h.test/", "Basic"),
            ("--username a http://h.test/", "together"),
        ] {
            let Err(Failed::Usage(message)) = remote(given) else { panic!("{given}") };
            assert!(message.contains(advice), "{given}: {message}");
        }
        assert!(remote("http://h.test/ --verify-ssl").is_ok() && remote("--verify-ssl true http://h.test/").is_ok());
        for given in ["--named-server a/b srv", "--named-server a 'x", "--named-server-config /no/such"] {
            assert!(matches!(line(given).settings(), Err(Failed::Usage(_))), "{given}");
        }
        for given in ["", "--cwd /no/such srv", "-e A=B c srv"] {
            assert!(matches!(line(given).options(), Err(Failed::Usage(_))), "{given}");
        }
    }
}
