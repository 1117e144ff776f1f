//! `janua add`, `add-json`, `list`, `get`, `remove`, `enable`, `disable`: the servers of a configuration file.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::edits::{ConfigFile, Page, applied, print_json, print_table, report};
use super::live;
use super::{Failed, header};
use janua::config::client_files::entry::{self, Entry, Target};
use janua::config::edit::{Format, Value, read, store};
use janua::config::{self, Environment, Server, ServerSettings};
use janua::report::ServerReport;

/// Add a server to the configuration.
///
/// The server is a program, given after `--`, or the URL of a remote server: `janua add NAME -- CMD ARGS…`,
/// `janua add NAME URL`. A gateway that runs takes it up by itself.
#[derive(Args, Debug)]
pub(super) struct AddArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// How the server is reached; found out if not given
    #[arg(short, long, value_enum)]
    transport: Option<Transport>,
    /// A variable of the program's environment; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A header for every request to a remote server; may be repeated
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The program's working directory
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// Who shares a running instance
    #[arg(long, value_enum, value_name = "WHO")]
    share: Option<Sharing>,
    /// Add it switched off
    #[arg(long)]
    disabled: bool,
    /// Replace the server that has the name
    #[arg(long)]
    force: bool,
    /// Claude Code's choice of a file; here there is one
    #[arg(short, long, hide = true)]
    scope: Option<String>,
    /// The server's name
    name: String,
    /// A URL, or the program and its arguments
    #[arg(required = true, value_name = "URL | CMD…")]
    server: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    Stdio,
    #[value(alias = "streamable-http")]
    Http,
    Sse,
    Ws,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sharing {
    Session,
    User,
    All,
}

/// Add a server to the configuration, given as JSON in the words of any client.
#[derive(Args, Debug)]
pub(super) struct AddJsonArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Replace the server that has the name
    #[arg(long)]
    force: bool,
    /// The server's name
    name: String,
    /// What it is, such as {"command": "npx"}; `-` reads it from standard input
    json: String,
}

/// List the servers of the configuration.
#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show a server of the configuration.
#[derive(Args, Debug)]
pub(super) struct GetArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show values of the environment, of headers and of addresses, too
    #[arg(long)]
    show_secrets: bool,
    /// The server's name
    name: String,
}

/// A server by its name.
#[derive(Args, Debug)]
pub(super) struct NameArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// The server's name
    name: String,
}

/// Runs `janua add`.
pub(super) fn add(args: AddArgs) -> Result<(), Failed> {
    if args.scope.is_some() {
        eprintln!("janua: --scope means nothing here: use -c FILE to choose a file");
    }
    let (path, name, force) = (args.file.path()?, args.name.clone(), args.force);
    insert(&path, &name, &args.entry()?, force)
}

/// Runs `janua add-json`.
pub(super) fn add_json(args: &AddJsonArgs) -> Result<(), Failed> {
    let mut text = args.json.clone();
    if text == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
    }
    let value = read(&text, Format::Json).map_err(|error| Failed::Usage(format!("the JSON: {error}")))?;
    let (entry, unknown) = entry::read(&value).map_err(|why| Failed::Usage(format!("the server {why}")))?;
    for key in unknown {
        eprintln!("janua: {}: {key} means nothing here and was left out", args.name);
    }
    insert(&args.file.path()?, &args.name, &entry, args.force)
}

impl AddArgs {
    fn entry(self) -> Result<Entry, Failed> {
        let usage = |what: &str| Err(Failed::Usage(what.to_owned()));
        let first = self.server.first().map(String::as_str).unwrap_or_default();
        let url = ["http://", "https://", "ws://", "wss://"].iter().any(|scheme| first.starts_with(scheme));
        let remote = self.transport.map_or(url, |transport| transport != Transport::Stdio);
        let target = if remote {
            if !url || self.server.len() > 1 {
                return usage("a remote server is one URL that begins with http://, https://, ws:// or wss://");
            }
            if !self.env.is_empty() || self.cwd.is_some() {
                return usage("--env and --cwd are for programs: a remote server takes --header");
            }
            let headers = self.header.iter().map(|text| pair_of_header(text)).collect::<Result<_, _>>()?;
            Target::Remote { url: first.to_owned(), transport: self.transport.map(word), headers }
        } else {
            if !self.header.is_empty() {
                return usage("--header is for remote servers: a program takes --env");
            }
            let env = self.env.iter().map(|text| pair_of_variable(text)).collect::<Result<_, _>>()?;
            let program = first.to_owned();
            Target::Command { program, args: self.server[1..].to_vec(), env, cwd: self.cwd }
        };
        let share = self.share.and_then(|share| share.to_possible_value().map(|value| value.get_name().to_owned()));
        let settings = share.into_iter().map(|share| ("share".to_owned(), Value::text(share))).collect();
        Ok(Entry { target, disabled: self.disabled, settings })
    }
}

fn word(transport: Transport) -> String {
    transport.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn pair_of_header(text: &str) -> Result<(String, String), Failed> {
    header(text).map_err(|why| Failed::Usage(format!("--header: {why}")))?;
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn pair_of_variable(text: &str) -> Result<(String, String), Failed> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failed::Usage("--env: must be NAME=VALUE".to_owned())),
    }
}

fn insert(path: &Path, name: &str, entry: &Entry, force: bool) -> Result<(), Failed> {
    let mended = entry::lawful_name(name);
    if mended != name {
        return Err(Failed::Usage(format!(
            "{name:?} cannot be a server's name, as it is part of addresses: {mended:?} can"
        )));
    }
    let written = store::edit(path, |text| {
        let page = Page::of(path, text)?;
        if page.server(name).is_some() && !force {
            let what = anyhow!("{} has a server {name:?}: `janua remove {name}` first, or use --force", path.display());
            return Err(Failed::Run(what));
        }
        applied(path, text, &page.path(&[name]), Some(&entry.write(page.shape.dialect, name)))
    })?;
    println!("added {name} ({}) to {}", entry.label(), path.display());
    report(&written, None);
    Ok(())
}

/// Runs `janua list`.
pub(super) fn list(args: &ListArgs) -> Result<(), Failed> {
    let path = args.file.path()?;
    let page = Page::load(&path)?;
    let mut rows: Vec<Row> = page.servers().iter().map(|(name, value)| Row::of(name, value)).collect();
    rows.extend(found(&page, &path));
    if args.json {
        let states = live::states_of(&path).unwrap_or_default();
        print_json(&Value::List(rows.iter().map(|row| row.json(&path, states.get(&row.name))).collect()));
        return Ok(());
    }
    if rows.is_empty() {
        let why = if page.there { "no servers in" } else { "no configuration yet:" };
        eprintln!("janua: {why} {}: `janua add` and `janua import` add some", path.display());
        return Ok(());
    }
    let states = live::states_of(&path);
    let mut head = ["NAME", "TRANSPORT", "ENABLED", "SERVER", "FILE"].map(str::to_owned).to_vec();
    head.extend(states.as_ref().map(|_| "STATE".to_owned()));
    let body = rows.into_iter().map(|row| {
        let enabled = if row.enabled { "yes" } else { "no" }.to_owned();
        let state = states.as_ref().map(|states| states.get(&row.name).map_or_else(String::new, live::standing));
        let mut columns = vec![row.name, row.transport, enabled, row.label, path.display().to_string()];
        columns.extend(state);
        columns
    });
    print_table(&std::iter::once(head).chain(body).collect::<Vec<_>>());
    Ok(())
}

struct Row {
    name: String,
    transport: String,
    label: String,
    enabled: bool,
}

/// The servers that are not in the file itself, but in folders that it names.
fn found(page: &Page, path: &Path) -> Vec<Row> {
    let Ok(loaded) = config::load(Some(path), &Environment::of_process()) else { return Vec::new() };
    let named = |name: &String| page.servers().iter().any(|(known, _)| known == name);
    let found = loaded.settings.servers.into_iter().filter(|(name, _)| !named(name));
    let row = |(name, settings): (String, ServerSettings)| {
        let transport = if matches!(settings.server, Server::Folder(_)) { "folder" } else { "stdio" };
        let (label, enabled) = (settings.server.label(), settings.disabled.is_none());
        Row { name, transport: transport.to_owned(), label, enabled }
    };
    found.map(row).collect()
}

impl Row {
    fn of(name: &str, value: &Value) -> Row {
        let name = name.to_owned();
        if let Some(folder) = value.get("folder").and_then(Value::as_str) {
            let switched_off = ["enabled", "disabled"].map(|key| value.get(key).and_then(Value::as_bool));
            let enabled = !matches!(switched_off, [Some(false), _] | [_, Some(true)]);
            return Row { name, transport: "folder".to_owned(), label: folder.to_owned(), enabled };
        }
        match entry::read(value) {
            Ok((entry, _)) => {
                Row { name, transport: entry.transport().to_owned(), label: entry.label(), enabled: !entry.disabled }
            }
            Err(why) => Row { name, transport: "?".to_owned(), label: format!("({why})"), enabled: false },
        }
    }

    fn json(&self, path: &Path, state: Option<&ServerReport>) -> Value {
        let member = |(name, value): (&str, Value)| (name.to_owned(), value);
        let members = [
            ("name", Value::text(&self.name)),
            ("transport", Value::text(&self.transport)),
            ("server", Value::text(&self.label)),
            ("enabled", Value::Bool(self.enabled)),
            ("file", Value::text(path.display().to_string())),
        ];
        let state = state.map(|state| ("state", Value::text(live::standing(state))));
        Value::Map(members.into_iter().chain(state).map(member).collect())
    }
}

/// Runs `janua get`.
pub(super) fn get(args: &GetArgs) -> Result<(), Failed> {
    let path = args.file.path()?;
    let page = Page::load(&path)?;
    let value = page.server(&args.name).ok_or_else(|| missing(&page, &path, &args.name))?;
    let hidden = entry::secrets();
    let shown = if args.show_secrets { value.clone() } else { masked(value, &mut Vec::new(), &hidden) };
    let mut members = vec![("name".to_owned(), Value::text(&args.name))];
    members.extend(shown.members().iter().cloned());
    members.push(("file".to_owned(), Value::text(path.display().to_string())));
    let states = live::states_of(&path).unwrap_or_default();
    members.extend(states.get(&args.name).map(|state| ("state".to_owned(), Value::text(live::standing(state)))));
    if args.json {
        print_json(&Value::Map(members));
        return Ok(());
    }
    let mut rows = Vec::new();
    for (key, value) in &members {
        match value {
            Value::Map(below) => {
                rows.extend(below.iter().map(|(name, value)| vec![format!("{key}.{name}"), plain(value)]));
            }
            value => rows.push(vec![key.clone(), plain(value)]),
        }
    }
    print_table(&rows);
    Ok(())
}

fn plain(value: &Value) -> String {
    value.spelled().unwrap_or_else(|| value.to_json())
}

/// The value without what may be secret in it.
fn masked<'a>(value: &'a Value, path: &mut Vec<&'a str>, hidden: &dyn Fn(&[&str], &str) -> bool) -> Value {
    match value {
        Value::Map(members) => {
            let mut shown = Vec::with_capacity(members.len());
            for (key, value) in members {
                path.push(key);
                shown.push((key.clone(), masked(value, path, hidden)));
                path.pop();
            }
            Value::Map(shown)
        }
        Value::List(items) => Value::List(items.iter().map(|item| masked(item, path, hidden)).collect()),
        scalar => match scalar.spelled() {
            Some(text) if hidden(path, &text) => {
                let url = text.contains("://");
                Value::Text(if url { entry::masked_url(&text) } else { entry::masked(&text) })
            }
            _ => scalar.clone(),
        },
    }
}

fn missing(page: &Page, path: &Path, name: &str) -> Failed {
    let names: Vec<&str> = page.servers().iter().map(|(name, _)| name.as_str()).collect();
    let there = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    Failed::Run(anyhow!("{} has no server {name:?}: {there}", path.display()))
}

/// Runs `janua remove`.
pub(super) fn remove(args: &NameArgs) -> Result<(), Failed> {
    let path = args.file.path()?;
    let name = args.name.as_str();
    let written = store::edit(&path, |text| {
        let page = Page::of(&path, text)?;
        page.server(name).ok_or_else(|| missing(&page, &path, name))?;
        applied(&path, text, &page.path(&[name]), None)
    })?;
    println!("removed {name} from {}", path.display());
    report(&written, None);
    Ok(())
}

/// Runs `janua enable` and `janua disable`.
pub(super) fn switch(args: &NameArgs, on: bool) -> Result<(), Failed> {
    let path = args.file.path()?;
    let name = args.name.as_str();
    let written = store::edit(&path, |text| {
        let page = Page::of(&path, text)?;
        let server = page.server(name).ok_or_else(|| missing(&page, &path, name))?;
        switched(&path, text, &page, name, server, on)
    })?;
    let word = if on { "enabled" } else { "disabled" };
    if written.before.as_ref() == Some(&written.after) {
        println!("{name} is {word} already in {}", path.display());
    } else {
        println!("{word} {name} in {}", path.display());
    }
    report(&written, None);
    Ok(())
}

/// The text with a server switched on or off, in whichever of the two words it uses already.
fn switched(path: &Path, text: &str, page: &Page, name: &str, server: &Value, on: bool) -> Result<String, Failed> {
    let is = |key: &str| server.get(key).and_then(Value::as_bool);
    let (enabled, disabled) = (is("enabled"), is("disabled"));
    if on {
        let mut text = text.to_owned();
        if disabled == Some(true) {
            text = applied(path, &text, &page.path(&[name, "disabled"]), None)?;
        }
        if enabled == Some(false) {
            text = applied(path, &text, &page.path(&[name, "enabled"]), Some(&Value::Bool(true)))?;
        }
        return Ok(text);
    }
    if enabled == Some(false) || disabled == Some(true) {
        return Ok(text.to_owned());
    }
    let (key, value) = match (enabled, disabled) {
        (Some(_), _) => ("enabled", Value::Bool(false)),
        (None, Some(_)) => ("disabled", Value::Bool(true)),
        (None, None) => page.shape.dialect.switched_off(),
    };
    applied(path, text, &page.path(&[name, key]), Some(&value))
}
