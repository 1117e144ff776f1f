//! `janua export`: an entry in a client's own configuration that leads here.

use std::path::Path;

use anyhow::{Context, anyhow};
use clap::Args;

use super::Failed;
use super::edits::{ConfigFile, Page, applied, machine, parsed, print_diff, print_json, report};
use janua::config::client_files::entry::{self, Entry, Target};
use janua::config::client_files::{CLIENTS, Client};
use janua::config::edit::Value;
use janua::config::edit::store::{self, Written};

/// Where the gateway listens unless told otherwise.
const PORT: u16 = 3000;

/// Write an entry that leads to this gateway into a client's configuration.
///
/// The entry has the gateway's URL, or, for clients that only start programs, the command `janua connect URL`. What
/// else is in the file stays as it is; a backup is made beside it.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that is given or not")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Put back what the newest backup of the client's file says
    #[arg(long, conflicts_with_all = ["dry_run", "name", "as_url", "as_command", "url", "force"])]
    rollback: bool,
    /// What the entry is called
    #[arg(long, default_value = "janua")]
    name: String,
    /// Write the URL, also for a client that is not known to take one
    #[arg(long)]
    as_url: bool,
    /// Write the command `janua connect URL`
    #[arg(long, conflicts_with = "as_url")]
    as_command: bool,
    /// The gateway's URL [default: as our configuration says]
    #[arg(long)]
    url: Option<String>,
    /// Replace an entry of that name that leads elsewhere
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The client: claude-desktop, claude-code, cursor, vscode, windsurf, codex, zed, …
    client: String,
}

/// Where a gateway listens, as its configuration says.
pub(super) struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Reads `listen`, or `hostname` and `port`.
    pub(super) fn of(value: &Value) -> Address {
        let text = |key: &str| value.get(key).and_then(Value::spelled);
        let listen = text("listen").unwrap_or_default();
        let (host, port) = listen.rsplit_once(':').unwrap_or(("", &listen));
        let host =
            if host.is_empty() { text("hostname").or(text("host")).unwrap_or_default() } else { host.to_owned() };
        let port = port.parse().ok().or(text("port").and_then(|port| port.parse().ok())).unwrap_or(PORT);
        let anywhere = ["", "0.0.0.0", "::", "[::]", "*"].contains(&host.as_str());
        Address { host: if anywhere { "127.0.0.1".to_owned() } else { host }, port }
    }

    fn url(&self) -> String {
        let host = if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        format!("http://{host}:{}/mcp", self.port)
    }

    /// Whether a URL leads here.
    pub(super) fn is(&self, url: &str) -> bool {
        let Ok(url) = url::Url::parse(url) else { return false };
        let host = url.host_str().unwrap_or_default();
        let local = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"];
        let same = host == self.host || (local.contains(&host) && local.contains(&self.host.as_str()));
        same && url.port_or_known_default() == Some(self.port)
    }
}

/// Runs the command.
pub(super) fn run(args: &ExportArgs) -> Result<(), Failed> {
    let Some(client) = Client::named(&args.client) else {
        let names: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
        return Err(Failed::Usage(format!("{:?} is no client that is known: {}", args.client, names.join(", "))));
    };
    let machine = machine()?;
    let path = client.file(&machine);
    if args.rollback {
        return roll_back(client, &path, args.json);
    }
    if !client.writable {
        let what = format!(
            "{} keeps a list of servers: add an entry with `url: URL` to {} by hand",
            client.title,
            path.display()
        );
        return Err(Failed::Usage(what));
    }
    let url = if let Some(url) = &args.url {
        url.clone()
    } else {
        let page = Page::load(&args.file.path()?)?;
        if page.value.get("auth").is_some() {
            eprintln!("the gateway asks for credentials: give the entry a header `Authorization`");
        }
        Address::of(&page.value).url()
    };
    let entry = Entry::new(target(client, args, url)?);
    let change = |text: &str| changed(client, &path, text, args, &entry);
    if args.dry_run {
        let before = store::load(&path)?.unwrap_or_default();
        let after = change(&before)?;
        print_diff(&path, &before, &after);
        return Ok(());
    }
    let written = store::edit(&path, change)?;
    say(client, args, &entry, &written);
    Ok(())
}

fn target(client: &Client, args: &ExportArgs, url: String) -> Result<Target, Failed> {
    if args.as_url || (client.dialect.remote && !args.as_command) {
        return Ok(Target::Remote { url, transport: None, headers: Vec::new() });
    }
    // Clients with a window of their own have another PATH than a shell.
    let program = std::env::current_exe().context("find this program")?;
    let args = vec!["connect".to_owned(), url];
    Ok(Target::Command { program: program.to_string_lossy().into_owned(), args, env: Vec::new(), cwd: None })
}

fn changed(client: &Client, path: &Path, text: &str, args: &ExportArgs, entry: &Entry) -> Result<String, Failed> {
    let value = parsed(path, text)?;
    let keys: Vec<&str> = client.section.iter().copied().chain([args.name.as_str()]).collect();
    let new = entry.write(client.dialect, &args.name);
    match value.at(&keys) {
        Some(old) if *old == new => return Ok(text.to_owned()),
        Some(old) if !args.force => {
            let what = entry::read(old).map(|(old, _)| old.label()).unwrap_or_default();
            let what =
                anyhow!("{} has an entry {:?} already ({what}): use --name or --force", path.display(), args.name);
            return Err(Failed::Run(what));
        }
        _ => {}
    }
    applied(path, text, &keys, Some(&new))
}

fn say(client: &Client, args: &ExportArgs, entry: &Entry, written: &Written) {
    let changed = written.before.as_deref() != Some(written.after.as_str());
    if args.json {
        return print_outcome(client, Some(&args.name), written, changed);
    }
    if !changed {
        println!("{} leads here already, as {:?} in {}", client.title, args.name, written.path.display());
        return;
    }
    println!("{}: {:?} leads to {} now, in {}", client.title, args.name, entry.label(), written.path.display());
    report(written, Some(&format!("janua export {} --rollback", client.id)));
    println!("Restart {} for it to be seen; `janua serve` has to run.", client.title);
}

fn roll_back(client: &Client, path: &Path, json: bool) -> Result<(), Failed> {
    let (written, backup) = store::roll_back(path)?;
    if json {
        print_outcome(client, None, &written, true);
        return Ok(());
    }
    println!("{}: {} is as it was in {}", client.title, written.path.display(), backup.display());
    if let Some(kept) = &written.backup {
        println!("what it said until now is in {}", kept.display());
    }
    Ok(())
}

fn print_outcome(client: &Client, name: Option<&str>, written: &Written, changed: bool) {
    let text = |path: &Path| Value::text(path.display().to_string());
    let members = [
        ("client", Value::text(client.id)),
        ("name", name.map_or(Value::Null, Value::text)),
        ("file", text(&written.path)),
        ("changed", Value::Bool(changed)),
        ("backup", written.backup.as_deref().map_or(Value::Null, text)),
    ];
    print_json(&Value::Map(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()));
}
