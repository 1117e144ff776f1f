//! The command line of acehoss/mcp-gateway.

use std::path::PathBuf;

use clap::Parser;

use super::super::serve::{ServeArgs, Source, run_from};
use super::super::{Failed, Global};
use super::parse;
use janua::config::Environment;

/// Put the servers of mcp-gateway's config.yaml behind HTTP+SSE and REST.
///
/// The file is the one that CONFIG_PATH names, else config.yaml in this folder. Clients find a server at /NAME, and its tools
/// at /api/NAME/TOOL.
#[derive(Debug, Parser)]
#[command(
    name = "janua compat mcp-gateway",
    version,
    max_term_width = 100,
    after_help = "`janua serve --help` says what else there is."
)]
struct Line {
    #[command(flatten)]
    serve: ServeArgs,
}

/// Runs it.
pub(super) fn run(global: &Global, args: Vec<String>) -> Result<(), Failed> {
    let Some(Line { serve }) = parse::<Line>(args)? else { return Ok(()) };
    let environment = Environment::of_process();
    let named = serve.config.clone().or_else(|| environment.get("CONFIG_PATH").map(PathBuf::from));
    let path = named.unwrap_or_else(|| PathBuf::from("config.yaml"));
    // Whatever stands in it, it is a file of that form.
    let environment = environment.with("CONFIG_PATH", &path.to_string_lossy());
    run_from(global, &serve, &Source { path: Some(path), folder: None, environment, manner: |builder| builder })
}
