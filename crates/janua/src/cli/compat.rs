//! `janua compat`: other tools' command lines, taken unchanged.

use clap::{Args, Subcommand};

use super::{Failed, Global};

mod streamablehttp_proxy;
mod supergateway;

/// Take the place of another tool.
#[derive(Args, Debug)]
pub(super) struct CompatArgs {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// mcp-streamablehttp-proxy (PyPI)
    #[command(disable_help_flag = true)]
    McpStreamablehttpProxy(Rest),
    /// supergateway (npm): stdio to SSE, stdio to Streamable HTTP
    #[command(disable_help_flag = true)]
    Supergateway(Rest),
}

/// The tool's own command line.
#[derive(Args, Debug)]
struct Rest {
    /// The tool's arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Runs the tool's command line.
pub(super) fn run(global: &Global, args: CompatArgs) -> Result<(), Failed> {
    match args.tool {
        Tool::McpStreamablehttpProxy(rest) => streamablehttp_proxy::run(global, rest.args),
        Tool::Supergateway(rest) => supergateway::run(global, rest.args),
    }
}
