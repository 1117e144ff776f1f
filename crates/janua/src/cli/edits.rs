//! What the commands that change configuration files share: which file, what is in it, and what was done to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::{Failed, env};
use janua::config::client_files::{Machine, Shape, System, entry};
use janua::config::edit::store::{self, Written};
use janua::config::edit::{Format, Value, diff, read};
use janua::config::{self, Environment};

/// The machine that we run on.
pub(super) fn machine() -> Result<Machine, Failed> {
    let variables = Machine::VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), env(&[name])?)));
    let home = env(&["HOME", "USERPROFILE"]).context("find the home directory: HOME is not set")?;
    let project = std::env::current_dir().context("find the working directory")?;
    Ok(Machine { system: System::this(), home: home.into(), project, variables: variables.collect() })
}

/// Which configuration file is meant.
#[derive(Args, Clone, Debug)]
pub(super) struct ConfigFile {
    /// The file: ours, or a client's that `janua serve` reads [env: JANUA_CONFIG] [default: as `janua serve` finds it,
    /// else janua.yaml in the user's configuration folder]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The one that is named, else the first that is there, else the user's.
    pub(super) fn path(&self) -> Result<PathBuf, Failed> {
        let environment = Environment::of_process();
        let named = self.config.clone().or_else(|| environment.get("JANUA_CONFIG").map(PathBuf::from));
        match named.or_else(|| config::find(&environment)) {
            Some(path) => Ok(path),
            None => Ok(machine()?.dot_config().join("janua/janua.yaml")),
        }
    }
}

/// A configuration file as it is now.
pub(super) struct Page {
    pub(super) value: Value,
    pub(super) shape: Shape,
    pub(super) there: bool,
}

impl Page {
    /// Reads a file of ours, or of another's that the gateway reads.
    pub(super) fn load(path: &Path) -> Result<Page, Failed> {
        let text = store::load(path)?;
        let page = Page::of(path, text.as_deref().unwrap_or_default())?;
        Ok(Page { there: text.is_some(), ..page })
    }

    pub(super) fn of(path: &Path, text: &str) -> Result<Page, Failed> {
        let value = parsed(path, text)?;
        let shape = Shape::of(&value, path);
        Ok(Page { value, shape, there: true })
    }

    /// The servers by name.
    pub(super) fn servers(&self) -> &[(String, Value)] {
        self.value.at(self.shape.section).map(Value::members).unwrap_or_default()
    }

    pub(super) fn server(&self, name: &str) -> Option<&Value> {
        self.servers().iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The keys that lead to a server, or into one.
    pub(super) fn path<'a>(&self, rest: &[&'a str]) -> Vec<&'a str> {
        self.shape.section.iter().copied().chain(rest.iter().copied()).collect()
    }
}

/// What a file says.
pub(super) fn parsed(path: &Path, text: &str) -> Result<Value, Failed> {
    let format = Format::of(path);
    read(text, format).map_err(|error| {
        let why = anyhow!("{error} (read as {format}); nothing was changed");
        Failed::Run(why.context(path.display().to_string()))
    })
}

/// The text with the value at a path set, or taken out.
pub(super) fn applied(path: &Path, text: &str, keys: &[&str], value: Option<&Value>) -> Result<String, Failed> {
    let changed = janua::config::edit::apply(text, Format::of(path), keys, value);
    changed.map_err(|error| Failed::Run(anyhow!("{}: {error}; nothing was changed", path.display())))
}

/// Says where the file is that was written, and how to go back.
pub(super) fn report(written: &Written, undo: Option<&str>) {
    if written.before.is_none() {
        println!("undo:   rm -- {}", quoted(&written.path));
    }
    let Some(backup) = &written.backup else { return };
    println!("backup: {}", backup.display());
    match undo {
        Some(command) => println!("undo:   {command}"),
        None => println!("undo:   cp -- {} {}", quoted(backup), quoted(&written.path)),
    }
}

/// What would change, without what may be secret.
pub(super) fn print_diff(path: &Path, before: &str, after: &str) {
    let text = diff::diff(&path.display().to_string(), before, after, Format::of(path), &entry::secrets());
    print!("{text}");
}

/// The members of an object as JSON for people, on standard output.
pub(super) fn print_json(value: &Value) {
    println!("{}", value.to_pretty_json("", "  ", "\n"));
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Rows with aligned columns; the last column is as long as it is.
pub(super) fn print_table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
