//! `janua local`: one configured server over stdio, for one user.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Failed, Global, Level, block_on, env};
use janua::config::{self, Environment, Settings};
use janua::connect::End;
use janua::serve::App;
use janua::user::User;

/// Serve one configured server over standard input and output, for one user.
///
/// What guMCP's `local.py` does, for servers of any kind: those of the configuration, or, with --servers-dir, of a folder
/// of servers. The API key that goes with the user is read from GUMLOOP_API_KEY. Standard output carries the protocol;
/// everything else goes to standard error.
#[derive(Args, Debug)]
pub(super) struct LocalArgs {
    /// The server
    #[arg(long, value_name = "NAME")]
    server: String,
    /// In whose name it is used
    #[arg(long, value_name = "ID", default_value = "local")]
    user_id: String,
    /// The file that names it [env: JANUA_CONFIG]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A folder of servers, instead of a file
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    servers_dir: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: &LocalArgs) -> Result<(), Failed> {
    let environment = Environment::of_process();
    let settings = settings(args, &environment)?;
    let Some(server) = settings.servers.get(&args.server) else {
        let known = settings.servers.keys().map(String::as_str).collect::<Vec<_>>().join("\n  ");
        return Err(Failed::Run(anyhow::anyhow!("there is no server {}; there are:\n  {known}", args.server)));
    };
    if let Some(why) = &server.disabled {
        return Err(Failed::Run(anyhow::anyhow!("the server {} is not served: {why}", args.server)));
    }
    let mut user = User::new(args.user_id.as_str());
    user.key = environment.get("GUMLOOP_API_KEY").filter(|key| !key.is_empty()).map(Arc::from);
    let only =
        Settings { servers: [(args.server.clone(), server.clone())].into(), data_dir: None, ..Settings::default() };
    let only = Settings { limits: settings.limits, ..only };
    block_on(global, (Level::Warn, Level::Debug), async {
        let app = App::builder().settings(only).build();
        app.load(&args.server).await?;
        match app.speak(&args.server, user, tokio::io::stdin(), tokio::io::stdout()).await? {
            End::Client => Ok(()),
            End::Server => Err(Failed::Run(anyhow::anyhow!("the server is gone"))),
        }
    })?
}

fn settings(args: &LocalArgs, environment: &Environment) -> Result<Settings, Failed> {
    let loaded = if let Some(folder) = &args.servers_dir {
        config::load_folder(folder, environment)
    } else {
        let named = args.config.clone().or_else(|| env(&["JANUA_CONFIG"]).map(PathBuf::from));
        let path = named.or_else(|| config::find(environment));
        config::load(path.as_deref(), environment)
    };
    match loaded {
        Ok(loaded) => {
            loaded.findings.iter().for_each(|finding| eprintln!("{finding}"));
            Ok(loaded.settings)
        }
        Err(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            Err(Failed::Run(anyhow::anyhow!("the configuration has errors")))
        }
    }
}
