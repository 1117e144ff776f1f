//! Where the configurations of MCP clients are, and what their servers look like in there.

use std::path::{Path, PathBuf};

use super::edit::{Format, Value};

pub mod entry;
mod known;

pub use known::CLIENTS;

/// A client whose configuration we know.
#[derive(Debug)]
pub struct Client {
    /// Its name on the command line.
    pub id: &'static str,
    /// Its name.
    pub title: &'static str,
    /// Where its servers are in its files.
    pub section: &'static [&'static str],
    /// How it writes them.
    pub dialect: &'static Dialect,
    /// Whether we can write an entry of ours into its file.
    pub writable: bool,
    /// Its own file; of several, the first one that is there.
    user: &'static [Place],
    /// Files of projects, from the project's directory.
    project: &'static [&'static str],
}

/// A file below a directory that depends on the system.
#[derive(Debug)]
enum Place {
    /// Below the home directory.
    Home(&'static str),
    /// Below the directory of applications' settings: `~/.config` (or `XDG_CONFIG_HOME`), `~/Library/Application
    /// Support`, `%APPDATA%`.
    Settings(&'static str),
    /// Below `~/.config` on Linux and macOS, `%APPDATA%` on Windows, where it may have another name.
    DotConfig(&'static str, &'static str),
    /// Below the directory that a variable names.
    Variable(&'static str, &'static str),
}

/// How a client writes a server.
#[derive(Debug)]
pub struct Dialect {
    /// How a program and its arguments are written.
    command: Words,
    env: &'static str,
    url: &'static str,
    headers: &'static str,
    /// The key that says how a server is reached, and its words.
    kind: Option<Kind>,
    /// How a server is switched off.
    switch: Switch,
    /// What else every entry has.
    fixed: &'static [(&'static str, Fixed)],
    /// Whether the client reaches servers by URL; one that does not is given a program to start.
    pub remote: bool,
}

/// How a program and its arguments are written.
#[derive(Clone, Copy, Debug)]
enum Words {
    /// `command` and `args`.
    Apart,
    /// One list under `command`.
    Together,
    /// `cmd` and `args`.
    Cmd,
}

/// The key that says how a server is reached, and its words; none, where nothing is written.
#[derive(Debug)]
struct Kind {
    key: &'static str,
    stdio: Option<&'static str>,
    http: Option<&'static str>,
    sse: &'static str,
}

/// How a server is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    /// `disabled: true`.
    Disabled,
    /// `enabled: false`.
    Enabled,
}

/// A value that every entry has.
#[derive(Debug)]
enum Fixed {
    True,
    Name,
    Everything,
}

/// Where the machine keeps things: all that locations depend on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Which kind of system it is.
    pub system: System,
    /// The home directory.
    pub home: PathBuf,
    /// The working directory, for files of projects.
    pub project: PathBuf,
    /// Variables of the environment that some clients obey, as far as they are set.
    pub variables: Vec<(String, String)>,
}

/// Kinds of systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux and other Unixes.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl System {
    /// The one that this program was built for.
    pub fn this() -> System {
        match std::env::consts::OS {
            "macos" => System::MacOs,
            "windows" => System::Windows,
            _ => System::Linux,
        }
    }
}

impl Machine {
    /// The variables that locations depend on.
    pub const VARIABLES: [&'static str; 7] =
        ["XDG_CONFIG_HOME", "APPDATA", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "GROK_HOME", "COPILOT_HOME", "HOME"];

    fn variable(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.iter().find(|(own, _)| own == name).map(|(_, value)| PathBuf::from(value))?;
        value.is_absolute().then_some(value)
    }

    fn roaming(&self) -> PathBuf {
        self.variable("APPDATA").unwrap_or_else(|| self.home.join("AppData/Roaming"))
    }

    /// The user's `~/.config`.
    pub fn dot_config(&self) -> PathBuf {
        self.variable("XDG_CONFIG_HOME").unwrap_or_else(|| self.home.join(".config"))
    }

    fn settings(&self) -> PathBuf {
        match self.system {
            System::Linux => self.dot_config(),
            System::MacOs => self.home.join("Library/Application Support"),
            System::Windows => self.roaming(),
        }
    }

    fn path(&self, place: &Place) -> Option<PathBuf> {
        Some(match place {
            Place::Home(path) => self.home.join(path),
            Place::Settings(path) => self.settings().join(path),
            Place::DotConfig(_, path) if self.system == System::Windows => self.roaming().join(path),
            Place::DotConfig(path, _) => self.dot_config().join(path),
            Place::Variable(name, path) => self.variable(name)?.join(path),
        })
    }
}

impl Client {
    /// The client of that name.
    pub fn named(name: &str) -> Option<&'static Client> {
        CLIENTS.iter().find(|client| client.id == name)
    }

    /// The file that is the user's own: the first that is there, else the first that the client would read.
    pub fn file(&self, machine: &Machine) -> PathBuf {
        let paths: Vec<PathBuf> = self.user.iter().filter_map(|place| machine.path(place)).collect();
        paths.iter().find(|path| path.is_file()).or(paths.first()).cloned().unwrap_or_default()
    }

    /// The keys that lead to servers in a file of it: those of everybody who uses it, and where it keeps servers of
    /// single projects in the same file, those of this one.
    pub fn sections(&self, machine: &Machine) -> Vec<Vec<String>> {
        let own = self.section.iter().map(|key| (*key).to_owned()).collect();
        let local = ["projects".to_owned(), machine.project.to_string_lossy().into_owned(), "mcpServers".to_owned()];
        if self.id == "claude-code" { vec![own, local.to_vec()] } else { vec![own] }
    }

    /// The files that are there: the user's own, and those of the project.
    pub fn files(&self, machine: &Machine) -> Vec<PathBuf> {
        let project = self.project.iter().map(|path| machine.project.join(path));
        let mut files: Vec<PathBuf> = std::iter::once(self.file(machine)).chain(project).collect();
        files.retain(|path| path.is_file());
        files.dedup();
        files
    }
}

/// Where a file keeps its servers, and how it writes them.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The keys that lead to them.
    pub section: &'static [&'static str],
    /// How they are written.
    pub dialect: &'static Dialect,
}

impl Shape {
    /// The shape that a file's contents show; ours, if they show none.
    ///
    /// `path` tells VS Code's `mcp.json` from a file of ours, as both have `servers`.
    pub fn of(value: &Value, path: &Path) -> Shape {
        let known = known::SHAPES.iter().find(|shape| value.at(shape.section).is_some());
        let shape = known.copied().unwrap_or(known::OWN);
        let vscode = shape.section == known::OWN.section && Format::of(path) == Format::Json && is_vscode(value, path);
        if vscode { known::VSCODE } else { shape }
    }

    /// The shape of a file that a client or a tool wrote, of those that only it has, too.
    pub fn foreign(value: &Value, path: &Path) -> Shape {
        let shape = Shape::of(value, path);
        let clients = || CLIENTS.iter().find(|client| value.at(client.section).is_some());
        let unknown = value.at(shape.section).is_none();
        unknown.then(clients).flatten().map_or(shape, Client::shape)
    }
}

impl Client {
    /// Where its files keep its servers, and how it writes them.
    pub fn shape(&self) -> Shape {
        Shape { section: self.section, dialect: self.dialect }
    }
}

fn is_vscode(value: &Value, path: &Path) -> bool {
    let servers = value.get("servers").map(Value::members).unwrap_or_default();
    let named = path.file_name().is_some_and(|name| name == "mcp.json");
    named || value.get("inputs").is_some() || servers.iter().any(|(_, server)| server.get("type").is_some())
}
