//! The gateway that runs, asked from the command line: `janua restart`, `janua logs`, and how servers are.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::{Failed, Global, Level, block_on};
use janua::config::{self, Environment};
use janua::report::{Counts, LogLine, ServerReport, State};
use janua::running::{self, Gateway, Place};

/// Which gateway is meant.
#[derive(Args, Debug)]
pub(super) struct Which {
    /// The configuration of the gateway; the one that `janua serve` would take [env: JANUA_CONFIG]
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The data folder of the gateway, if it is not the one of the configuration
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: Option<PathBuf>,
}

/// Give a server of the running gateway new instances.
///
/// New calls go to them at once; what runs comes to its end on the old ones, and clients stay connected.
#[derive(Args, Debug)]
pub(super) struct RestartArgs {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The server's name
    name: String,
}

/// Show what a server of the running gateway writes to its standard error.
///
/// The gateway keeps the last 1000 lines of each server, across its restarts.
#[derive(Args, Debug)]
pub(super) struct LogsArgs {
    #[command(flatten)]
    which: Which,
    /// Go on with lines as they come, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// How many lines at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
    /// The server's name
    name: String,
}

impl Which {
    /// The file that is meant.
    pub(super) fn path(&self, environment: &Environment) -> Option<PathBuf> {
        let named = self.config.clone().or_else(|| environment.get("JANUA_CONFIG").map(PathBuf::from));
        named.or_else(|| config::find(environment))
    }

    /// The data folder of the gateway.
    fn folder(&self, environment: &Environment) -> Option<PathBuf> {
        let of_file = |path: Option<&Path>| config::load(path, environment).ok();
        let configured = || {
            // The gateway may run with a file that was broken since.
            of_file(self.path(environment).as_deref()).or_else(|| of_file(None))?.settings.data_dir
        };
        self.data_dir.clone().or_else(configured)
    }

    /// The running gateway, or what to do if there is none.
    async fn gateway(&self) -> Result<Gateway, Failed> {
        let environment = Environment::of_process();
        let Some(folder) = self.folder(&environment) else {
            return Err(Failed::Run(anyhow!(
                "the configuration says `data_dir: false`, so nothing tells where its gateway runs; \
                 name the folder of the gateway with --data-dir"
            )));
        };
        match running::find(&folder).await {
            Some(place) => Ok(Gateway::at(&place)?),
            None => Err(Failed::Run(anyhow!(
                "no gateway runs with the data folder {}: start it with `janua serve`, or name its configuration \
                 with -c or its folder with --data-dir",
                folder.display()
            ))),
        }
    }
}

/// Runs `janua restart`.
pub(super) fn restart(global: &Global, args: &RestartArgs) -> Result<(), Failed> {
    block_on(global, (Level::Warn, Level::Warn), async {
        let report = args.which.gateway().await?.restart(&args.name).await?;
        if args.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            println!("{} is restarted: {}", report.name, standing(&report));
        }
        match &report.trouble {
            None => Ok(()),
            Some(_) => Err(Failed::Run(anyhow!("{0} does not serve; `janua doctor {0}` says more", report.name))),
        }
    })?
}

/// Runs `janua logs`.
pub(super) fn logs(global: &Global, args: &LogsArgs) -> Result<(), Failed> {
    let print = |line: &LogLine| -> io::Result<()> {
        let mut out = io::stdout().lock();
        if args.json {
            writeln!(out, "{}", serde_json::to_string(line)?)
        } else {
            writeln!(out, "{} [{}] {}", line.time, line.pid, shown(&line.line))
        }
    };
    let work = async {
        let gateway = args.which.gateway().await?;
        if !args.follow {
            let lines = gateway.logs(&args.name, args.lines).await?;
            let is_empty = lines.is_empty();
            lines.iter().try_for_each(&print)?;
            if is_empty && super::is_watched() {
                eprintln!("{} has written nothing to its standard error", args.name);
            }
            return Ok(());
        }
        let mut lines = gateway.follow(&args.name, args.lines).await?;
        while let Some(line) = lines.next().await? {
            print(&line)?;
        }
        Err(Failed::Run(anyhow!("the gateway has stopped, or does not serve {} any more", args.name)))
    };
    match block_on(global, (Level::Warn, Level::Warn), work)? {
        // Whoever reads has seen enough: `janua logs NAME | head`.
        Err(Failed::Run(error)) if is_broken_pipe(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A line for a terminal: what would steer it is shown instead of done.
pub(super) fn shown(line: &str) -> String {
    let tame = |c: char| if c.is_control() && c != '\t' { c.escape_default().collect() } else { c.to_string() };
    line.chars().map(tame).collect()
}

/// The place of the gateway that runs with this data folder, and its servers by name; `None` if there is none that
/// answers.
pub(super) async fn states(folder: Option<&Path>) -> Option<(Place, BTreeMap<String, ServerReport>)> {
    let place = running::find(folder?).await?;
    let servers = Gateway::at(&place).ok()?.servers().await.ok()?;
    Some((place, servers.into_iter().map(|server| (server.name.clone(), server)).collect()))
}

/// The servers of the gateway that runs with this configuration, by name; `None` if there is none.
pub(super) fn states_of(path: &Path) -> Option<BTreeMap<String, ServerReport>> {
    let settings = config::load(Some(path), &Environment::of_process()).ok()?.settings;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(states(settings.data_dir.as_deref())).map(|(_, servers)| servers)
}

/// How a server is, in a few words.
pub(super) fn standing(report: &ServerReport) -> String {
    let state = match report.state {
        State::Disabled => format!("disabled: {}", report.reason.as_deref().unwrap_or("no reason")),
        State::Known => "not started yet".to_owned(),
        State::Starting => "starting".to_owned(),
        State::Running => "running".to_owned(),
        State::Unavailable => "unavailable".to_owned(),
    };
    if let Some(trouble) = &report.trouble {
        return format!("{state} since {}: {}", trouble.since, trouble.message);
    }
    let mut words = vec![state];
    words.extend(report.version.clone());
    if let Some(Counts { tools, prompts, resources, templates }) = report.lists {
        let counts = [(tools, "tool"), (prompts, "prompt"), (resources, "resource"), (templates, "template")];
        let some = counts.into_iter().filter(|(count, _)| *count > 0);
        words.extend(some.map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" })));
    }
    words.join(", ")
}
