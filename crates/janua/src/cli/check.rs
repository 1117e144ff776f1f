//! `janua check`: what a configuration says, and everything that is wrong with it.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Failed;
use janua::config::{self, Environment, Finding, Loaded, ServerSettings, Severity};

/// Validate a configuration: every finding with its place, and what would be served.
///
/// Nothing is started. Without -c it is the file that `janua serve` would take: janua.yaml, .yml, .json or .toml in
/// this folder, else in the user's configuration folder. Ends with 1 if there are errors; warnings are none.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The file: ours, or of Claude, Cursor, VS Code, Codex, Zed, mcp-gateway [env: JANUA_CONFIG]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs) -> Result<(), Failed> {
    let environment = Environment::of_process();
    let named = args.config.clone().or_else(|| environment.get("JANUA_CONFIG").map(PathBuf::from));
    let path = named.or_else(|| config::find(&environment));
    let loaded = config::load(path.as_deref(), &environment);
    let findings = match &loaded {
        Ok(loaded) => &loaded.findings,
        Err(findings) => findings,
    };
    if args.json {
        print(&format!("{:#}\n", report(path.as_ref(), loaded.as_ref().ok(), findings)));
    } else {
        for finding in findings {
            eprintln!("{finding}");
        }
        if let Ok(loaded) = &loaded {
            print(&table(loaded));
        }
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let place = path.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
    match errors {
        0 => Ok(()),
        1 => Err(Failed::Run(anyhow::anyhow!("1 error in {place}"))),
        _ => Err(Failed::Run(anyhow::anyhow!("{errors} errors in {place}"))),
    }
}

/// Prints to whom may have seen enough before the end.
fn print(text: &str) {
    let _ = io::Write::write_all(&mut io::stdout(), text.as_bytes());
}

fn report(path: Option<&PathBuf>, loaded: Option<&Loaded>, findings: &[Finding]) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "severity": finding.severity.to_string(),
            "path": finding.path,
            "line": finding.line,
            "column": finding.column,
            "key": finding.key,
            "message": finding.message,
            "hint": finding.hint,
        })
    };
    let findings: Vec<_> = findings.iter().map(finding).collect();
    let servers = loaded.map(|loaded| {
        let server = |(name, server): (&String, &ServerSettings)| {
            json!({ "name": name, "server": server.server.label(), "disabled": server.disabled })
        };
        loaded.settings.servers.iter().map(server).collect::<Vec<_>>()
    });
    let views = loaded.map(|loaded| loaded.settings.views.keys().collect::<Vec<_>>());
    json!({ "file": path, "valid": loaded.is_some(), "findings": findings, "servers": servers, "views": views })
}

/// What would be served, a line each.
fn table(loaded: &Loaded) -> String {
    let settings = &loaded.settings;
    let place = std::net::SocketAddr::new(settings.host, settings.port);
    let from = loaded.path.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    let mut lines = format!("{from}: http://{place}/mcp\n");
    let wide = settings.servers.keys().chain(settings.views.keys()).map(String::len).max().unwrap_or_default();
    for (name, server) in &settings.servers {
        let what = match &server.disabled {
            Some(why) => format!("not served: {why}"),
            None => server.server.label(),
        };
        let _ = writeln!(lines, "  /mcp/{name:wide$}  {what}");
    }
    for (name, view) in &settings.views {
        let servers = if view.servers.is_empty() { "all servers".to_owned() } else { view.servers.join(", ") };
        let _ = writeln!(lines, "  /mcp/{name:wide$}  view of {servers}");
    }
    lines
}
