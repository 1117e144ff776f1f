//! The command line: what was typed, what it means, and the exit code.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tokio::runtime::Builder;

mod call;
mod check;
pub(crate) mod compat;
mod connect;
mod doctor;
mod edits;
mod export;
mod import;
mod live;
mod local;
mod logs;
mod openapi;
mod prompt;
mod proxy;
mod reach;
mod read;
mod schema;
mod serve;
mod servers;
mod tools;

pub(crate) use janua::config::{duration, size};

/// Exit code of a wrong command line.
const USAGE: i32 = 2;
/// Exit code of what was done in part.
const PARTLY: i32 = 3;

const EXAMPLES: &str = "\
Examples:
  Put a stdio server behind HTTP on http://127.0.0.1:3000/mcp:
      janua -- npx -y @modelcontextprotocol/server-everything

  Let a client that only starts programs reach a remote server:
      janua connect https://example.com/mcp

  Try it without any server:
      janua proxy --demo

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but for something that is missing.";

/// A gateway between any MCP client and any MCP server.
///
/// Without a command, `janua [OPTIONS] -- CMD ARGS…` is `janua proxy [OPTIONS] -- CMD ARGS…`.
#[derive(Debug, Parser)]
#[command(name = "janua", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Debug, Default)]
pub(crate) struct Global {
    /// How much to log, on standard error [env: JANUA_LOG_LEVEL, MCP_PROXY_LOG_LEVEL]
    ///
    /// Message contents are logged at the last level only, with secrets masked.
    #[arg(long, global = true, value_enum, ignore_case = true)]
    log_level: Option<Level>,
    /// Form of the log
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: Format,
}

impl Global {
    /// The same with another level, if one is given.
    pub(crate) fn with_level(&self, level: Option<Level>) -> Global {
        Global { log_level: level.or(self.log_level), log_format: self.log_format }
    }
}

/// Levels of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// Nothing.
    #[value(alias = "none")]
    Off,
    /// Somebody should look now.
    #[value(alias = "critical")]
    Error,
    /// Unexpected, but survived.
    #[value(alias = "warning")]
    Warn,
    /// What changed.
    Info,
    /// How it came about.
    Debug,
    /// Everything but messages.
    Trace,
    /// Every message, too: once in each direction, with secrets masked.
    Verbose,
}

/// Forms of the log.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put one server behind HTTP: /mcp, /sse, /ws, /health
    Proxy(Box<proxy::ProxyArgs>),
    /// Put many servers behind one address, as a configuration says
    Serve(serve::ServeArgs),
    /// Speak stdio to the client that started us, and to a server whatever it speaks
    Connect(connect::ConnectArgs),
    Local(local::LocalArgs),
    /// Give a server of the running gateway new instances
    Restart(live::RestartArgs),
    /// Show what a server of the running gateway writes to its standard error
    Logs(live::LogsArgs),
    /// Find out what is wrong and what to do about it
    Doctor(doctor::DoctorArgs),
    /// Show the tools of all servers, or of one
    Tools(tools::ToolsArgs),
    /// Call a tool
    Call(call::CallArgs),
    /// Read a resource
    Read(read::ReadArgs),
    /// Fill in a prompt
    Prompt(prompt::PromptArgs),
    /// Take the place of another tool: its flags, unchanged
    Compat(compat::CompatArgs),
    /// Add a server to the configuration
    Add(servers::AddArgs),
    /// Add a server to the configuration, given as JSON
    AddJson(servers::AddJsonArgs),
    /// List the servers of the configuration
    List(servers::ListArgs),
    /// Show a server of the configuration
    Get(servers::GetArgs),
    /// Take a server out of the configuration
    Remove(servers::NameArgs),
    /// Switch a server of the configuration on
    Enable(servers::NameArgs),
    /// Switch a server of the configuration off
    Disable(servers::NameArgs),
    /// Take over the servers of a client's configuration
    Import(import::ImportArgs),
    /// Write an entry that leads here into a client's configuration
    Export(export::ExportArgs),
    /// Print the OpenAPI document of what a configuration serves
    Openapi(openapi::OpenapiArgs),
    /// Validate a configuration, and show what it would serve
    Check(check::CheckArgs),
    /// Print the JSON Schema of the configuration file
    Schema(schema::SchemaArgs),
    /// Print a script that completes these commands in a shell
    ///
    /// For bash: janua completions bash > ~/.local/share/bash-completion/completions/janua
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs the command line of this process and gives its exit code.
pub(crate) fn run() -> i32 {
    let args: Vec<OsString> = std::env::args_os().collect();
    if args.len() == 1 {
        println!("janua {}: a gateway between any MCP client and any MCP server\n", env!("CARGO_PKG_VERSION"));
        println!("{EXAMPLES}\n\n`janua --help` says more.");
        return 0;
    }
    let cli = match Cli::try_parse_from(with_command(args)) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { 0 };
        }
    };
    let outcome = match cli.command {
        Command::Proxy(args) => proxy::run(&cli.global, *args),
        Command::Connect(args) => connect::run(&cli.global, args),
        Command::Local(args) => local::run(&cli.global, &args),
        Command::Tools(args) => tools::run(&cli.global, args),
        Command::Call(args) => call::run(&cli.global, args),
        Command::Read(args) => read::run(&cli.global, args),
        Command::Prompt(args) => prompt::run(&cli.global, args),
        Command::Compat(args) => compat::run(&cli.global, args),
        Command::Serve(args) => serve::run(&cli.global, &args),
        Command::Add(args) => servers::add(args),
        Command::AddJson(args) => servers::add_json(&args),
        Command::List(args) => servers::list(&args),
        Command::Get(args) => servers::get(&args),
        Command::Remove(args) => servers::remove(&args),
        Command::Enable(args) => servers::switch(&args, true),
        Command::Disable(args) => servers::switch(&args, false),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Restart(args) => live::restart(&cli.global, &args),
        Command::Logs(args) => live::logs(&cli.global, &args),
        Command::Doctor(args) => doctor::run(&cli.global, &args),
        Command::Openapi(args) => openapi::run(&cli.global, &args),
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => {
            schema::run(&args);
            Ok(())
        }
        Command::Completions { shell } => complete(shell),
    };
    match outcome {
        Ok(()) => 0,
        Err(Failed::Usage(message)) => {
            eprintln!("janua: {message}\n`janua --help` shows how it is used.");
            USAGE
        }
        Err(Failed::Run(error)) => {
            eprintln!("janua: {error:#}");
            1
        }
        Err(Failed::Partly(message)) => {
            eprintln!("janua: {message}");
            PARTLY
        }
    }
}

/// Prints the completions of `shell`.
fn complete(shell: Shell) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "janua", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}

/// `janua -- CMD` and `janua --port 1 -- CMD` mean `janua proxy …`.
fn with_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let before = args.iter().skip(1).take_while(|arg| *arg != "--");
    let commands = Cli::command();
    let is_command = |arg: &OsString| arg == "help" || commands.get_subcommands().any(|known| arg == known.get_name());
    let named = before.clone().any(is_command);
    let asks = args.get(1).is_some_and(|arg| ["-h", "--help", "-V", "--version"].iter().any(|flag| arg == flag));
    let option = args.get(1).is_some_and(|arg| arg.to_string_lossy().starts_with('-'));
    if !named && !asks && option {
        args.insert(1, "proxy".into());
    }
    args
}

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It was asked for wrongly.
    Usage(String),
    /// It did not work.
    Run(anyhow::Error),
    /// It worked but for something that is missing.
    Partly(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed::Run(error.into())
    }
}

/// The first of these environment variables that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
pub(crate) fn env(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Starts the log and a runtime, and runs `work` on it to its end. The log is as much as `usual` says unless another
/// level is asked for; it has a line for each call from the level `calls` on.
pub(crate) fn block_on<T>(
    global: &Global,
    (usual, calls): (Level, Level),
    work: impl Future<Output = T>,
) -> Result<T, Failed> {
    logs::start(global, usual, calls)?;
    raise_descriptor_limit();
    // With one processor to run on, handing work between threads costs and gains nothing.
    let alone = std::thread::available_parallelism().is_ok_and(|count| count.get() == 1);
    let mut runtime = if alone { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(work);
    // A thread may still be blocked reading our standard input; the process ends without it.
    runtime.shutdown_background();
    Ok(outcome)
}

/// Four descriptors per server and one per connection add up; the soft limit is often no more than 1024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Reads `NAME: VALUE`.
pub(crate) fn header(text: &str) -> Result<(http::HeaderName, http::HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| "the name is no header name".to_owned())?;
    let mut value: http::HeaderValue = value.trim().parse().map_err(|_| "the value is no header value".to_owned())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Whether a person looks at standard error.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let args = line.split(' ').map(OsString::from).collect();
        with_command(args).into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn proxy_is_meant_when_nothing_is_said() {
        assert_eq!(words("janua -- cmd proxy")[1], "proxy");
        assert_eq!(words("janua --port 1 -- cmd").join(" "), "janua proxy --port 1 -- cmd");
        assert_eq!(words("janua connect http://x").join(" "), "janua connect http://x");
        assert_eq!(words("janua --log-level debug connect x")[1], "--log-level");
        assert_eq!(words("janua --version")[1], "--version");
    }
}
