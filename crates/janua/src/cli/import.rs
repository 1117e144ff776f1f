//! `janua import`: the servers of other configurations, taken over into ours.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::Failed;
use super::edits::{ConfigFile, Page, applied, machine, parsed, print_diff, print_json, print_table, report};
use super::export::Address;
use janua::config::client_files::entry::{self, Entry, Target};
use janua::config::client_files::{CLIENTS, Client, Machine, Shape};
use janua::config::edit::Value;
use janua::config::edit::store::{self, StoreError};

/// Take over the servers of a client's configuration.
///
/// Reads the client's own file and the one of this project, or any file that a client could read, and adds what is
/// there to our configuration. The client's file is not touched. Without a client, shows which ones are found.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that is given or not")]
pub(super) struct ImportArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Take over from every client that is found
    #[arg(long, conflicts_with = "source")]
    all: bool,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Replace servers that have the same name, instead of adding a number to it
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A client (claude-desktop, claude-code, cursor, vscode, windsurf, codex, zed, …) or a file; may be repeated
    #[arg(value_name = "CLIENT | FILE")]
    source: Vec<String>,
}

/// A server that was found, and where.
struct Found {
    name: String,
    value: Value,
    file: PathBuf,
}

/// What became of a server.
struct Taken {
    name: String,
    file: PathBuf,
    outcome: &'static str,
    notes: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &ImportArgs) -> Result<(), Failed> {
    let machine = machine()?;
    if args.source.is_empty() && !args.all {
        show_clients(&machine, args.json);
        return Ok(());
    }
    let found = found(&machine, args)?;
    let path = args.file.path()?;
    let mut taken = Vec::new();
    let mut merge = |text: &str| -> Result<String, Failed> {
        let (text, outcome) = merged(&path, text, &found, args.force)?;
        taken = outcome;
        Ok(text)
    };
    let written = if args.dry_run {
        let before = store::load(&path)?.unwrap_or_default();
        let after = merge(&before)?;
        if !args.json {
            print_diff(&path, &before, &after);
        }
        None
    } else {
        Some(store::edit(&path, merge)?)
    };
    print(&taken, args.json);
    if let (Some(written), false) = (&written, args.json) {
        report(written, None);
    }
    Ok(())
}

fn show_clients(machine: &Machine, json: bool) {
    let mut rows = Vec::new();
    let mut items = Vec::new();
    for client in CLIENTS {
        for file in client.files(machine) {
            let count = servers_of(client, machine, &file).map(|servers| servers.len().to_string());
            let count = count.unwrap_or_else(|_| "?".to_owned());
            let cells = [client.id.to_owned(), count, file.display().to_string()];
            let keys = ["client", "servers", "file"].map(str::to_owned);
            items.push(Value::Map(keys.into_iter().zip(cells.iter().map(Value::text)).collect()));
            rows.push(cells.to_vec());
        }
    }
    if json {
        print_json(&Value::List(items));
        return;
    }
    if rows.is_empty() {
        let names: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
        eprintln!("janua: no client's configuration was found; these are looked for: {}", names.join(", "));
        return;
    }
    rows.insert(0, ["CLIENT", "SERVERS", "FILE"].map(str::to_owned).to_vec());
    print_table(&rows);
    eprintln!("`janua import CLIENT` takes its servers over, `janua import --all` those of all");
}

/// All servers of the sources that are asked for.
fn found(machine: &Machine, args: &ImportArgs) -> Result<Vec<Found>, Failed> {
    let mut found = Vec::new();
    if args.all {
        for client in CLIENTS {
            for file in client.files(machine) {
                match servers_of(client, machine, &file) {
                    Ok(servers) => found.extend(servers),
                    Err(Failed::Usage(why) | Failed::Partly(why)) => eprintln!("janua: {why}"),
                    Err(Failed::Run(why)) => eprintln!("janua: {why:#}"),
                }
            }
        }
    }
    for source in &args.source {
        let file = Path::new(source);
        match Client::named(source) {
            Some(client) => {
                let files = client.files(machine);
                if files.is_empty() {
                    let path = client.file(machine);
                    return Err(Failed::Run(anyhow!(
                        "{} has no configuration here: no {}",
                        client.title,
                        path.display()
                    )));
                }
                for file in files {
                    found.extend(servers_of(client, machine, &file)?);
                }
            }
            None if file.is_file() => {
                let value = parsed(file, &text_of(file)?)?;
                let shape = Shape::foreign(&value, file);
                found.extend(listed(value.at(shape.section), file));
            }
            None => {
                let names: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
                let what = format!("{source:?} is neither a file nor a client that is known: {}", names.join(", "));
                return Err(Failed::Usage(what));
            }
        }
    }
    Ok(found)
}

fn text_of(file: &Path) -> Result<String, StoreError> {
    Ok(store::load(file)?.unwrap_or_default())
}

fn servers_of(client: &Client, machine: &Machine, file: &Path) -> Result<Vec<Found>, Failed> {
    let value = parsed(file, &text_of(file)?)?;
    let mut found = Vec::new();
    for section in client.sections(machine) {
        let keys: Vec<&str> = section.iter().map(String::as_str).collect();
        found.extend(listed(value.at(&keys), file));
    }
    if client.id == "opencode" || client.id == "kilo" {
        for server in &mut found {
            server.value = our_references(&server.value);
        }
    }
    // Goose has what it brings along beside its servers.
    found.retain(|server| !matches!(server.value.get("type").and_then(Value::as_str), Some("builtin" | "platform")));
    Ok(found)
}

/// Servers by name, or in a list of groups with a name.
fn listed(section: Option<&Value>, file: &Path) -> Vec<Found> {
    let Some(section) = section else { return Vec::new() };
    let found =
        |name: &str, value: &Value| Found { name: name.to_owned(), value: value.clone(), file: file.to_owned() };
    let named = section.members().iter().map(|(name, value)| found(name, value));
    let items = section.items().iter();
    named.chain(items.filter_map(|item| Some(found(item.get("name")?.as_str()?, item)))).collect()
}

/// `{env:NAME}` and `{file:PATH}` as we write them.
fn our_references(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::text(text.replace("{env:", "${env:").replace("{file:", "${file:")),
        Value::List(items) => Value::List(items.iter().map(our_references).collect()),
        Value::Map(members) => {
            Value::Map(members.iter().map(|(key, value)| (key.clone(), our_references(value))).collect())
        }
        other => other.clone(),
    }
}

/// The text of our file with what was found, and what became of each.
fn merged(path: &Path, text: &str, found: &[Found], force: bool) -> Result<(String, Vec<Taken>), Failed> {
    let mut text = text.to_owned();
    let mut taken = Vec::new();
    let address = Address::of(&Page::of(path, &text)?.value);
    for server in found {
        let page = Page::of(path, &text)?;
        let mut note =
            Taken { name: server.name.clone(), file: server.file.clone(), outcome: "left out", notes: Vec::new() };
        match entry::read(&server.value) {
            Err(why) => note.notes.push(why),
            Ok((entry, _)) if leads_here(&entry, &address) => note.notes.push("leads to Janua itself".to_owned()),
            Ok((entry, unknown)) => {
                let name = entry::lawful_name(&server.name);
                let (name, outcome) = place(&page, &name, &entry, force);
                if name != server.name {
                    note.notes.push(format!("was {:?}", server.name));
                }
                note.notes.extend(unknown.iter().map(|key| format!("{key} means nothing here and was left out")));
                note.notes.extend(open_questions(&entry, page.shape.dialect, &name));
                if outcome != "there already" {
                    text = applied(path, &text, &page.path(&[&name]), Some(&entry.write(page.shape.dialect, &name)))?;
                }
                (note.name, note.outcome) = (name, outcome);
            }
        }
        taken.push(note);
    }
    Ok((text, taken))
}

/// The name that a server gets, and what happens under it.
fn place(page: &Page, name: &str, entry: &Entry, force: bool) -> (String, &'static str) {
    let same = |value: &Value| entry::read(value).is_ok_and(|(own, _)| own == *entry);
    let numbered = |number: usize| if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
    for number in 1.. {
        let candidate = numbered(number);
        match page.server(&candidate) {
            None => return (candidate, "added"),
            Some(value) if same(value) => return (candidate, "there already"),
            Some(_) if force => return (candidate, "replaced"),
            Some(_) => {}
        }
    }
    (name.to_owned(), "added")
}

/// Whether a client reaches this gateway through an entry: taking it over would make a loop.
fn leads_here(entry: &Entry, address: &Address) -> bool {
    match &entry.target {
        Target::Remote { url, .. } => address.is(url),
        Target::Command { program, args, .. } => {
            let janua = Path::new(program).file_stem().is_some_and(|stem| stem == "janua");
            janua && args.first().is_some_and(|word| word == "connect") && args.iter().any(|word| address.is(word))
        }
        Target::Builtin(_) => false,
    }
}

/// What a client fills in and we cannot.
fn open_questions(entry: &Entry, dialect: &janua::config::client_files::Dialect, name: &str) -> Vec<String> {
    let text = entry.write(dialect, name).to_json();
    let mut asked: Vec<&str> =
        text.match_indices("${input:").filter_map(|(at, _)| text[at..].split('}').next()).collect();
    asked.dedup();
    asked.iter().map(|word| format!("{word}}} is asked for by its client: store it as a secret of that name")).collect()
}

fn print(taken: &[Taken], json: bool) {
    if json {
        let item = |one: &Taken| {
            let members = [
                ("name", Value::text(&one.name)),
                ("outcome", Value::text(one.outcome)),
                ("from", Value::text(one.file.display().to_string())),
                ("notes", Value::texts(one.notes.iter().cloned())),
            ];
            Value::Map(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        return print_json(&Value::List(taken.iter().map(item).collect()));
    }
    let row = |one: &Taken| {
        vec![one.name.clone(), one.outcome.to_owned(), one.file.display().to_string(), one.notes.join("; ")]
    };
    print_table(&taken.iter().map(row).collect::<Vec<_>>());
    let count = |outcome: &str| taken.iter().filter(|one| one.outcome == outcome).count();
    println!(
        "{} added, {} replaced, {} there already, {} left out",
        count("added"),
        count("replaced"),
        count("there already"),
        count("left out")
    );
}
