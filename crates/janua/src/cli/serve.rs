//! `janua serve`: the gateway of a configuration, which it follows as it changes.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::openapi::{self, Wanted};
use super::proxy::address;
use super::{Failed, Global, Level, block_on, env};
use janua::config::{self, Environment, Finding, Loaded, Settings};
use janua::serve::{App, Applied, Builder, Running, stop_signal};

/// Serve many servers behind one address: /mcp for all of them, /mcp/NAME for one server or view, /api for their tools as
/// plain HTTP.
///
/// Without -c it is janua.yaml, .yml, .json or .toml in this folder, else in the user's configuration folder. Without any
/// file the built-in demo servers are served. Changes of the file take effect at once, and SIGHUP reads it again: what is
/// defined as before goes on undisturbed, and a file with errors changes nothing.
#[derive(Args, Debug, Default)]
pub(super) struct ServeArgs {
    /// The file: ours, or of Claude, Cursor, VS Code, Codex, Zed, mcp-gateway [env: JANUA_CONFIG, CONFIG_PATH]
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Address to listen on [env: GUMCP_HOST]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) host: Option<String>,
    /// Port to listen on; 0 lets the system choose [env: GUMCP_PORT]
    #[arg(short, long)]
    pub(super) port: Option<u16>,
    /// Folder for what is kept between runs
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: Option<PathBuf>,
    /// Listen on an address that others reach, although nobody has to authenticate
    #[arg(long)]
    pub(super) insecure_no_auth: bool,
    /// Serve nothing; print the OpenAPI document, as `janua openapi` does
    #[arg(long = "schemaDump", alias = "schema-dump")]
    pub(super) schema_dump: bool,
    /// Form of that document: json, else YAML
    #[arg(long = "schemaFormat", alias = "schema-format", value_name = "FORMAT", requires = "schema_dump")]
    pub(super) schema_format: Option<String>,
}

/// Where the settings come from, and whose place the gateway takes.
pub(super) struct Source {
    /// The file; `None`: none, or a folder of servers.
    pub(super) path: Option<PathBuf>,
    /// A folder of servers, instead of a file.
    pub(super) folder: Option<PathBuf>,
    pub(super) environment: Environment,
    /// Makes a gateway that is like another one in what no setting says.
    pub(super) manner: fn(Builder) -> Builder,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: &ServeArgs) -> Result<(), Failed> {
    let environment = Environment::of_process();
    let named = args.config.clone().or_else(|| env(&["JANUA_CONFIG", "CONFIG_PATH"]).map(PathBuf::from));
    let path = named.or_else(|| config::find(&environment));
    run_from(global, args, &Source { path, folder: None, environment, manner: |builder| builder })
}

/// The same for settings that come from somewhere else.
pub(super) fn run_from(global: &Global, args: &ServeArgs, source: &Source) -> Result<(), Failed> {
    let mut loaded = source.load().map_err(|findings| broken(source.path.as_deref(), &findings))?;
    loaded.findings.iter().for_each(|finding| eprintln!("{finding}"));
    override_by(args, &source.environment, &mut loaded.settings)?;
    if args.schema_dump {
        return openapi::dump(global, loaded.settings, &Wanted::of_flags(args.schema_format.as_deref()));
    }
    let level = loaded.settings.log_level.as_deref().and_then(|name| Level::from_str(name, true).ok());
    block_on(global, (level.unwrap_or(Level::Info), Level::Info), async {
        let app = App::builder().settings(loaded.settings.clone()).config(loaded.path.clone());
        let app = app.own_key(source.environment.get("GUMLOOP_API_KEY"));
        let running = (source.manner)(app).build().serve().await?;
        announce(&running, source, &loaded);
        follow(&running, source, loaded, |settings| override_by(args, &source.environment, settings)).await;
        running.stop().await;
        Ok(())
    })?
}

impl Source {
    /// Reads them.
    pub(super) fn load(&self) -> Result<Loaded, Vec<Finding>> {
        match &self.folder {
            Some(folder) => config::load_folder(folder, &self.environment),
            None => config::load(self.path.as_deref(), &self.environment),
        }
    }
}

/// Says what is wrong with a configuration.
pub(super) fn broken(path: Option<&Path>, findings: &[Finding]) -> Failed {
    for finding in findings {
        eprintln!("{finding}");
    }
    let place = path.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
    Failed::Run(anyhow::anyhow!("{place} cannot be served as it is; `janua check` says it again"))
}

/// What stands on the command line comes before the environment and the file.
fn override_by(args: &ServeArgs, environment: &Environment, settings: &mut Settings) -> Result<(), Failed> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if let Some(host) = args.host.as_deref().or_else(|| set("GUMCP_HOST")) {
        settings.host = address(host)?;
    }
    if let Some(port) = set("GUMCP_PORT") {
        let wrong = |_| Failed::Usage(format!("GUMCP_PORT is {port:?}, which is no port"));
        settings.port = port.parse().map_err(wrong)?;
    }
    settings.port = args.port.unwrap_or(settings.port);
    settings.insecure_no_auth |= args.insecure_no_auth;
    if let Some(folder) = &args.data_dir {
        settings.data_dir = Some(folder.clone());
    }
    Ok(())
}

/// Follows the configuration until the process is told to stop.
///
/// `overrule` says what stands on the command line.
pub(super) async fn follow(
    running: &Running,
    source: &Source,
    mut loaded: Loaded,
    overrule: impl Fn(&mut Settings) -> Result<(), Failed>,
) {
    let stop = stop_signal();
    tokio::pin!(stop);
    loop {
        let mut watch = match config::watch(&loaded.files) {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!(%error, "changes of the configuration are not noticed: restart to have them");
                return stop.await;
            }
        };
        tokio::select! {
            () = watch.changed() => {}
            () = &mut stop => return,
        }
        match source.load() {
            Ok(new) if new.is_unsettled() => {
                tracing::warn!("the configuration is empty, or being written: nothing was changed");
                // What has changed since it was read is told at once.
                loaded.files = new.files;
            }
            Ok(mut new) => {
                if let Err(error) = overrule(&mut new.settings) {
                    tracing::error!(?error, "the configuration was not taken over");
                    continue;
                }
                new.findings.iter().for_each(|finding| tracing::warn!("{finding}"));
                report(&running.apply(&new.settings), &loaded.settings, &new.settings);
                loaded = new;
            }
            Err(findings) => {
                for finding in &findings {
                    tracing::error!("{finding}");
                }
                tracing::error!("the configuration has errors: nothing was changed");
                running.refused(&findings);
                // What is wrong now may be in another file than before.
                loaded.files.iter_mut().for_each(config::File::refresh);
            }
        }
    }
}

fn report(applied: &Applied, old: &Settings, new: &Settings) {
    let Applied { added, removed, changed } = applied;
    tracing::info!(?added, ?removed, ?changed, "configuration taken over");
    let fixed = |settings: &Settings| {
        let addresses = (settings.host, settings.port, settings.metrics, settings.data_dir.clone());
        (addresses, settings.limits.clone(), settings.allowed_hosts.clone(), settings.cors_origins.clone())
    };
    if fixed(old) != fixed(new) {
        tracing::warn!("addresses, limits, hosts, origins and data_dir take effect at the next start");
    }
}

/// Says where what is served can be reached, and what could be done next.
fn announce(running: &Running, source: &Source, loaded: &Loaded) {
    let settings = &loaded.settings;
    let base = format!("http://{}", shown(running.address()));
    let from = source.path.as_ref().or(source.folder.as_ref());
    let from = from.map_or_else(|| "no configuration".to_owned(), |path| path.display().to_string());
    eprintln!("janua {} serves {from}", env!("CARGO_PKG_VERSION"));
    eprintln!("  {base}/mcp  all servers (also /sse and /ws)");
    eprintln!("  {base}/api  their tools as plain HTTP");
    let width = settings.servers.keys().chain(settings.views.keys()).map(String::len).max().unwrap_or(0);
    for (name, server) in &settings.servers {
        match &server.disabled {
            None => eprintln!("  {base}/mcp/{name:width$}  {}", server.server.label()),
            Some(why) => eprintln!("  {name} is not served: {why}"),
        }
    }
    for (name, view) in &settings.views {
        let servers = if view.servers.is_empty() { "all servers".to_owned() } else { view.servers.join(", ") };
        eprintln!("  {base}/mcp/{name:width$}  view of {servers}");
    }
    if let Some(address) = running.metrics_address() {
        eprintln!("  http://{}/metrics", shown(address));
    }
    if source.path.is_none() && source.folder.is_none() {
        eprintln!(
            "\nThese are demo servers. Next: `janua add NAME -- COMMAND` writes a configuration, `janua import` takes over \
             the servers of your other clients, and `janua serve -c FILE` serves any of their files as it is."
        );
    }
}

/// An address that can be put into a browser.
pub(super) fn shown(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        host => host,
    };
    SocketAddr::new(host, address.port())
}
