//! `janua compat`: other tools' command lines, taken unchanged.

use std::net::IpAddr;

use clap::{Args, Parser, Subcommand};

use super::{Failed, Global};

mod command_line;
mod gumcp;
mod mcp_gateway;
mod mcp_proxy;
mod mcp_remote;
mod mcpo;
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
    /// guMCP's remote server: a folder of servers behind HTTP+SSE
    #[command(disable_help_flag = true)]
    Gumcp(Rest),
    /// mcp-gateway (acehoss): many servers behind HTTP+SSE and REST
    #[command(disable_help_flag = true)]
    McpGateway(Rest),
    /// mcp-proxy (PyPI): between stdio and SSE or Streamable HTTP
    #[command(disable_help_flag = true)]
    McpProxy(Rest),
    /// mcpo (PyPI): tools as plain HTTP
    #[command(disable_help_flag = true)]
    Mcpo(Rest),
    /// mcp-remote (npm): a remote server on stdio
    #[command(disable_help_flag = true)]
    McpRemote(Rest),
    /// mcp-streamablehttp-proxy (PyPI)
    #[command(disable_help_flag = true)]
    McpStreamablehttpProxy(Rest),
    /// supergateway (npm): between stdio and SSE or Streamable HTTP
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
        Tool::Gumcp(rest) => gumcp::run(global, rest.args),
        Tool::McpGateway(rest) => mcp_gateway::run(global, rest.args),
        Tool::McpProxy(rest) => mcp_proxy::run(global, rest.args),
        Tool::Mcpo(rest) => mcpo::run(global, rest.args),
        Tool::McpRemote(rest) => mcp_remote::run(global, rest.args),
        Tool::McpStreamablehttpProxy(rest) => streamablehttp_proxy::run(global, rest.args),
        Tool::Supergateway(rest) => supergateway::run(global, rest.args),
    }
}

fn usage<T>(message: impl Into<String>) -> Result<T, Failed> {
    Err(Failed::Usage(message.into()))
}

/// Reads a tool's command line. `None`: it asked for help, which was given.
fn parse<T: Parser>(args: Vec<String>) -> Result<Option<T>, Failed> {
    match T::try_parse_from(std::iter::once(String::new()).chain(args)) {
        Ok(line) => Ok(Some(line)),
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            let text = text.split("\n\nFor more information").next().unwrap_or(&text);
            Err(Failed::Usage(text.trim_start_matches("error: ").to_owned()))
        }
        Err(help) => {
            help.print()?;
            Ok(None)
        }
    }
}

/// These tools know no authentication; whoever opens one to others should at least be told.
fn warn_if_exposed(host: IpAddr, remedy: &str) {
    if host.is_loopback() {
        return;
    }
    eprintln!("janua: WARNING: listening on {host} without authentication.");
    eprintln!("janua: WARNING: whoever reaches this address can use the server with all it may do here.");
    eprintln!("janua: WARNING: keep it behind something that authenticates, or use {remedy}.");
}
