//! The command line of guMCP's remote server.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;

use super::super::proxy::address;
use super::super::serve::{ServeArgs, Source, run_from};
use super::super::{Failed, Global, env};
use super::{parse, warn_if_exposed};
use janua::config::{self, Environment};
use janua::serve::Builder;

const NOTES: &str = "\
Clients find a server at /NAME/USER or /NAME/USER:KEY. Metrics are on port 9091 of the same host, unless JANUA_METRICS names
another address; if that port is taken there are none.

Unlike guMCP's start scripts:
  No other process is stopped: if the port is taken this one says so, and ends.
  A server whose files change is loaded anew by itself.
`janua serve` has more: a configuration with `folders:`, authentication, other kinds of servers.";

/// Where guMCP keeps its servers, from where its commands are run.
const FOLDERS: [&str; 2] = ["src/servers", "servers"];

/// Serve a folder of guMCP's servers, as its remote server does.
#[derive(Debug, Parser)]
#[command(name = "janua compat gumcp", version, max_term_width = 100, after_help = NOTES)]
struct Line {
    /// Address to listen on [default: 0.0.0.0] [env: GUMCP_HOST]
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on; 0 lets the system choose [default: 8000] [env: GUMCP_PORT]
    #[arg(long)]
    port: Option<u16>,
    /// Folder of servers [default: src/servers, else servers]
    #[arg(long, value_name = "DIR")]
    servers_dir: Option<PathBuf>,
    /// File of variables to be set before anything else is looked at, such as .env
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Folder for what is kept between runs
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// Runs it.
pub(super) fn run(global: &Global, args: Vec<String>) -> Result<(), Failed> {
    let Some(line) = parse::<Line>(args)? else { return Ok(()) };
    if let Some(file) = &line.env_file {
        return Err(again(file));
    }
    let host = address(&line.host.or_else(|| env(&["GUMCP_HOST"])).unwrap_or_else(|| "0.0.0.0".to_owned()))?;
    let port = line.port.or_else(|| env(&["GUMCP_PORT"]).is_none().then_some(8000));
    let there = || FOLDERS.map(PathBuf::from).into_iter().find(|folder| folder.is_dir());
    let Some(folder) = line.servers_dir.or_else(there) else {
        let message = "there is neither src/servers nor servers here: --servers-dir names the folder of servers";
        return Err(Failed::Run(anyhow::anyhow!(message)));
    };
    if !folder.is_dir() {
        return Err(Failed::Run(anyhow::anyhow!("{} is no folder", folder.display())));
    }
    warn_if_exposed(host, "--host 127.0.0.1");
    let serve = ServeArgs {
        host: Some(host.to_string()),
        port,
        data_dir: line.data_dir,
        insecure_no_auth: true,
        ..ServeArgs::default()
    };
    let environment = Environment::of_process();
    run_from(global, &serve, &Source { path: None, folder: Some(folder), environment, manner: Builder::like_gumcp })
}

/// Starts this program again in the place of this process, with the variables of a file: servers get them, too. Comes back
/// only if that fails.
#[expect(clippy::disallowed_methods, reason = "this is no child: it takes the place of this process")]
fn again(file: &Path) -> Failed {
    let variables = match config::variables(file) {
        Ok(variables) => variables,
        Err(error) => return Failed::Run(anyhow::anyhow!("{}: {error}", file.display())),
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.into(),
    };
    Command::new(program).args(without(std::env::args().skip(1))).envs(variables).exec().into()
}

/// The words of a command line but for `--env-file`.
fn without(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut left = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        if word == "--env-file" {
            words.next();
        } else if !word.starts_with("--env-file=") {
            left.push(word);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_variables_is_read_once() {
        let words = |line: &str| without(line.split(' ').map(str::to_owned)).join(" ");
        assert_eq!(words("compat gumcp --env-file .env --port 1"), "compat gumcp --port 1");
        assert_eq!(words("compat gumcp --port 1 --env-file=.env"), "compat gumcp --port 1");
    }
}
