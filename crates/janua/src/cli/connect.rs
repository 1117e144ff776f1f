//! `janua connect`: stdio to the client that started us, anything to the server.

use std::time::Duration;

use clap::Args;

use super::proxy::{Upstream, demo};
use super::{Failed, Global, Level, block_on, duration};
use janua::connect;
use janua::proxy::Options;

/// Speak stdio to the client that started us, and to a server whatever it speaks.
///
/// For clients that can only start programs: name the server by its URL (Streamable HTTP or HTTP+SSE, found out by
/// trying; WebSocket, if it begins with ws:// or wss://), or a local program after `--`. Standard output carries the protocol; everything else goes to standard
/// error.
#[derive(Args, Debug)]
pub(super) struct ConnectArgs {
    /// Longest wait for an answer without progress
    #[arg(long, value_parser = duration, value_name = "TIME", default_value = "60s")]
    call_timeout: Duration,
    /// Longest time for the server to start and to answer `initialize`
    #[arg(long, value_parser = duration, value_name = "TIME", default_value = "60s")]
    start_timeout: Duration,
    /// Serve the built-in demo server
    #[arg(long, conflicts_with = "server")]
    demo: bool,
    #[command(flatten)]
    upstream: Upstream,
    /// A URL, or the program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "URL | CMD…")]
    server: Vec<String>,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: ConnectArgs) -> Result<(), Failed> {
    let protocol = args.upstream.protocol();
    let server = if args.demo { demo() } else { args.upstream.server(args.server)? };
    let mut options = Options::new(server);
    options.protocol = protocol;
    (options.limits.call, options.limits.start) = (args.call_timeout, args.start_timeout);
    options.limits.call_total = options.limits.call_total.max(args.call_timeout);
    serve(global, Level::Warn, &options)
}

/// Serves the client that started us until it or the server is done; logs at `quiet` unless told otherwise.
pub(super) fn serve(global: &Global, quiet: Level, options: &Options) -> Result<(), Failed> {
    block_on(global, (quiet, Level::Debug), async {
        let end = connect::run(options, tokio::io::stdin(), tokio::io::stdout()).await?;
        match end {
            connect::End::Client => Ok(()),
            connect::End::Server => Err(Failed::Run(anyhow::anyhow!("the server is gone"))),
        }
    })?
}
