//! The command line of mcp-streamablehttp-proxy 0.2.

use std::time::Duration;

use clap::Parser;

use super::super::proxy::{place, serve};
use super::super::{Failed, Global, Level, duration};
use super::{parse, warn_if_exposed};
use janua::config::{Server, ServerCommand};
use janua::proxy::Options;

/// Put a stdio server behind HTTP with the command line of mcp-streamablehttp-proxy.
///
/// Clients reach it at /mcp (Streamable HTTP); /sse with /messages (HTTP+SSE) and /health are there, too. Every session
/// has an instance of the server of its own, which gets our environment and working directory.
#[derive(Debug, Parser)]
#[command(
    name = "janua compat mcp-streamablehttp-proxy",
    version,
    infer_long_args = true,
    max_term_width = 100,
    after_help = "LOG_FILE names a file to log into, too.\n`janua proxy --help` has more options."
)]
struct Line {
    /// Address to listen on; others reach the server without authentication if it is not a loopback address
    /// [default: 127.0.0.1] [env: MCP_PROXY_HOST, MCP_BIND_HOST]
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on; 0 lets the system choose [default: 3000] [env: MCP_PROXY_PORT, MCP_PORT]
    #[arg(long)]
    port: Option<u16>,
    /// Idle time after which a session ends: seconds, or with ms, s, m, h [default: 300] [env: MCP_PROXY_TIMEOUT]
    #[arg(long, value_parser = duration, value_name = "TIME")]
    timeout: Option<Duration>,
    /// How much to log [default: info] [env: MCP_PROXY_LOG_LEVEL]
    #[arg(long, value_enum, ignore_case = true)]
    log_level: Option<Level>,
    /// The server's command and its arguments; everything from here on is passed as it is
    #[arg(trailing_var_arg = true, required = true, value_name = "SERVER_COMMAND")]
    server: Vec<String>,
}

/// Runs it.
pub(super) fn run(global: &Global, args: Vec<String>) -> Result<(), Failed> {
    let Some(line) = parse::<Line>(args)? else { return Ok(()) };
    let (host, port, timeout) = place(line.host, line.port, line.timeout)?;
    let Some(command) = ServerCommand::new(line.server) else {
        return Err(Failed::Usage("no server command given".to_owned()));
    };
    let mut options = Options::new(Server::Command(ServerCommand { inherit_env: true, ..command }));
    (options.ws_path, options.api_path) = (String::new(), String::new());
    (options.host, options.port, options.insecure_no_auth) = (host, port, true);
    options.limits.session_idle = timeout;
    // There was no limit; what a server may answer, a client may ask.
    options.limits.request_body = options.limits.server_message;
    warn_if_exposed(host, "--host 127.0.0.1");
    serve(&global.with_level(line.log_level), options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Line, clap::Error> {
        Line::try_parse_from(std::iter::once("x").chain(text.split(' ')))
    }

    #[test]
    fn everything_from_the_first_word_on_is_the_servers() {
        let read = line("--port 1 --time 5 python probe.py --alpha 1 pos --port 9 -- --host h").expect("valid");
        assert_eq!((read.port, read.timeout), (Some(1), Some(Duration::from_secs(5))));
        assert_eq!(read.server.join(" "), "python probe.py --alpha 1 pos --port 9 -- --host h");
        assert_eq!(line("--port=1 -- a --port 9").expect("valid").server.join(" "), "a --port 9");
    }

    #[test]
    fn its_log_levels_are_known_and_strange_flags_are_not() {
        assert_eq!(line("--log-level warning a").expect("valid").log_level, Some(Level::Warn));
        assert_eq!(line("--log-level critical a").expect("valid").log_level, Some(Level::Error));
        assert!(line("--log-level loud a").is_err());
        assert!(line("--nothing a").is_err() && line("--port 1").is_err());
    }
}
