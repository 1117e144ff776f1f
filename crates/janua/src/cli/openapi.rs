//! `janua openapi`: the document of what a configuration serves, on standard output and nothing else there.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::{Failed, Global, Level, block_on, env};
use janua::config::{self, Environment, Settings};
use janua::openapi::Version;
use janua::serve::App;

/// Print the OpenAPI document of what a configuration serves as plain HTTP.
///
/// It is what a gateway of that configuration gives at /api/openapi.yaml; none has to run. Servers that do not answer are
/// left out and named on standard error: the command ends with 3 then. Without -c it is the file that `janua serve` would
/// take.
#[derive(Args, Debug)]
pub(super) struct OpenapiArgs {
    /// A server or view of the configuration; all servers if left out
    name: Option<String>,
    /// Print YAML, which is the default
    #[arg(long, conflicts_with = "json")]
    yaml: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Version of OpenAPI: 3.1 or 3.0
    #[arg(long, value_name = "VERSION", default_value = "3.1")]
    openapi: Version,
    /// Where callers reach the gateway; its address in the configuration if left out
    #[arg(long, value_name = "URL")]
    server_url: Option<url::Url>,
    /// The file: ours, or of Claude, Cursor, VS Code, Codex, Zed, mcp-gateway [env: JANUA_CONFIG, CONFIG_PATH]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// End with 1, and print nothing, if any server is left out
    #[arg(long)]
    strict: bool,
}

/// What is to be printed.
pub(super) struct Wanted<'a> {
    /// A server or view; `None` is all servers.
    pub(super) name: Option<&'a str>,
    /// JSON rather than YAML.
    pub(super) json: bool,
    pub(super) version: Version,
    /// Where callers reach the gateway; `None`: where the settings say.
    pub(super) base: Option<String>,
    /// Whether a server that is left out is an error.
    pub(super) strict: bool,
}

impl Wanted<'_> {
    /// What acehoss/mcp-gateway's flag `--schemaDump` means with this `--schemaFormat`: any but `json` is YAML.
    pub(super) fn of_flags(format: Option<&str>) -> Self {
        Wanted { name: None, json: format == Some("json"), version: Version::default(), base: None, strict: false }
    }
}

/// Runs the command.
pub(super) fn run(global: &Global, args: &OpenapiArgs) -> Result<(), Failed> {
    let environment = Environment::of_process();
    let named = args.config.clone().or_else(|| env(&["JANUA_CONFIG", "CONFIG_PATH"]).map(PathBuf::from));
    let path = named.or_else(|| config::find(&environment));
    let loaded = config::load(path.as_deref(), &environment).map_err(|findings| {
        for finding in &findings {
            eprintln!("{finding}");
        }
        Failed::Run(anyhow::anyhow!("the configuration has errors"))
    })?;
    loaded.findings.iter().for_each(|finding| eprintln!("{finding}"));
    let wanted = Wanted {
        name: args.name.as_deref(),
        json: args.json,
        version: args.openapi,
        base: args.server_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()),
        strict: args.strict,
    };
    dump(global, loaded.settings, &wanted)
}

/// Asks the servers of these settings what they have, and prints the document of it.
pub(super) fn dump(global: &Global, mut settings: Settings, wanted: &Wanted<'_>) -> Result<(), Failed> {
    let base = wanted.base.clone().unwrap_or_else(|| base(&settings));
    // Nobody comes back for what is listed later, and what was known of an earlier run is not worth printing.
    settings.limits.list = settings.limits.start;
    settings.data_dir = None;
    let document = block_on(global, (Level::Warn, Level::Debug), async {
        let app = App::builder().settings(settings).build();
        let document = app.openapi(wanted.name, wanted.version, &base).await;
        app.stop().await;
        document
    })?;
    let document = document.map_err(Failed::Usage)?;
    let out = document.unavailable();
    let missing = (!out.is_empty()).then(|| format!("not available, and left out: {}", out.join(", ")));
    if let Some(missing) = missing.clone().filter(|_| wanted.strict) {
        return Err(Failed::Run(anyhow::anyhow!(missing)));
    }
    let text = if wanted.json { document.to_json() } else { document.to_yaml() };
    io::stdout().write_all(text.as_bytes())?;
    missing.map_or(Ok(()), |missing| Err(Failed::Partly(missing)))
}

/// Where the gateway of these settings is reached from here.
fn base(settings: &Settings) -> String {
    let host = match settings.host {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        host => host,
    };
    format!("http://{}", SocketAddr::new(host, settings.port))
}
