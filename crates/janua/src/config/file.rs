//! The configuration file: its sections, and from their values to settings.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Settings;
use super::environment::Environment;
use super::expand::placed;
use super::field::{Field, Kind};
use super::finding::Findings;
use super::group::Group;
use super::load::Unserved;
use super::tree::{Node, Value};

mod auth;
mod folder;
pub(super) mod limits;
mod names;
mod rest;
mod server;
mod tools;
mod view;

use names::lawful;
pub(crate) use names::mended;
pub(super) use names::refused;

/// Keys that a later version understands: using one is an error rather than silence.
pub(super) const LATER: [&str; 5] = ["services", "discovery", "registry", "cluster", "health"];

const WEB: &[&str] = &["http", "https"];

static FIELDS: &[Field] = &[
    Field::new("$schema", Kind::Text, "", "Where the schema of this file is, for editors."),
    Field::new(
        "listen",
        Kind::Address,
        "127.0.0.1:3000",
        "Address and port to listen on; a port alone means loopback.",
    ),
    Field::new("hostname", Kind::Host, "127.0.0.1", "Address to listen on, instead of `listen`."),
    Field::new("port", Kind::Port, "3000", "Port to listen on, instead of `listen`; 0 lets the system choose."),
    Field::new(
        "metrics",
        Kind::AddressOrOff,
        "false",
        "Address of the listener that serves metrics; `true` means 127.0.0.1:9091.",
    ),
    Field::new(
        "data_dir",
        Kind::PathOrOff,
        "~/.local/share/janua",
        "Folder for what is kept between runs, and for secrets; `false`: nothing is kept.",
    ),
    Field::new(
        "insecure_no_auth",
        Kind::Switch,
        "false",
        "Listen on an address that others reach, although nobody has to authenticate.",
    ),
    Field::new(
        "allowed_hosts",
        Kind::Texts,
        "[]",
        "Host names under which the gateway is reached, besides those of loopback.",
    ),
    Field::new(
        "auth",
        Kind::Section(auth::fields),
        "",
        "Who may use the gateway; absent: whoever reaches it. With it every request is refused that does not say who asks.",
    ),
    Field::new(
        "log_level",
        Kind::Choice(&["off", "error", "warn", "info", "debug", "trace", "verbose"]),
        "info",
        "How much is logged, unless the command line or the environment says it; `verbose` shows every message, secrets masked.",
    ),
    Field::new("cors", Kind::Section(cors), "", "Web pages of other origins."),
    Field::new("traces", Kind::Url(WEB), "", "OTLP endpoint that traces are sent to; absent: none are."),
    Field::new("rest", Kind::Section(rest::fields), "", "Tools as plain HTTP, below /api."),
    Field::new("limits", Kind::Section(limits::fields), "", "Bounds of everything."),
    Field::new("servers", Kind::Named(server::fields), "", "The servers, by name."),
    Field::new(
        "folders",
        Kind::Texts,
        "[]",
        "Folders in which each folder is a server: with a main.py (guMCP), a manifest.json (MCPB) or a server.yaml. Watched.",
    ),
    Field::new(
        "python",
        Kind::Text,
        "python3",
        "Interpreter of servers with a main.py; it must have the package mcp below 2.",
    ),
    Field::new("views", Kind::Named(view::fields), "", "Named selections of servers and tools, each at /mcp/{view}."),
];

static CORS: [Field; 1] =
    [Field::new("origins", Kind::Texts, "[]", "Origins of web pages that may use the gateway; `*` for any.")];

fn cors() -> Vec<&'static Field> {
    CORS.iter().collect()
}

/// The keys at the top of a file.
pub(super) fn fields() -> Vec<&'static Field> {
    FIELDS.iter().collect()
}

/// What is known of a file besides its values.
pub(super) struct Setting<'a> {
    pub(super) environment: &'a Environment,
    /// The folder that relative paths are meant from.
    pub(super) folder: &'a Path,
    /// Servers that something is missing for, and what.
    pub(super) unserved: &'a Unserved,
    /// Whether the file is another tool's: its servers' programs may lack what ours must have.
    pub(super) lenient: bool,
    /// The folder that holds a file for each secret.
    pub(super) secrets: Option<PathBuf>,
    /// The interpreter of servers in folders, unless they name another.
    pub(super) python: Option<String>,
    /// Files and folders that were looked at, or for.
    pub(super) looked: &'a RefCell<Vec<PathBuf>>,
    /// Whether programs get the gateway's whole environment unless told otherwise.
    pub(super) inherit_env: bool,
}

/// Reads the values of a file whose keys have been checked. What cannot be read keeps its default.
pub(super) fn read(root: &Node, setting: &Setting<'_>, findings: &mut Findings) -> Settings {
    let fields = fields();
    let group = Group::new(root, &fields);
    let mut settings = Settings::default();
    let place = listen(&group, findings);
    (settings.host, settings.port) = (place.ip(), place.port());
    settings.insecure_no_auth = group.switch("insecure_no_auth").unwrap_or(settings.insecure_no_auth);
    settings.metrics = match group.switch("metrics") {
        Some(on) => on.then(|| SocketAddr::from(([127, 0, 0, 1], 9091))),
        None => group.address("metrics"),
    };
    settings.data_dir = data_dir(root, setting);
    settings.log_level = group.text("log_level").map(str::to_owned);
    settings.allowed_hosts = group.texts("allowed_hosts");
    settings.auth = group.node("auth").map(|node| auth::read(node, findings));
    settings.cors_origins = origins(&group, findings);
    settings.traces = group.url("traces");
    if let Some(node) = group.node("rest") {
        settings.rest = rest::read(node);
    }
    if let Some(node) = group.node("limits") {
        limits::read(node, &mut settings.limits, findings);
    }
    let servers = group.node("servers").map(Node::entries).unwrap_or_default();
    for (key, node) in servers {
        let group = matches!(node.value, Value::Map(_) | Value::Null);
        if group && lawful(key, "servers", findings) {
            settings.servers.insert(key.name.clone(), server::read(&key.name, node, setting, findings));
        }
    }
    for item in group.node("folders").map(Node::items).unwrap_or_default() {
        let Some(place) = item.scalar() else { continue };
        let place = placed(place, setting.folder, setting.environment);
        for (name, node) in folder::scan(&place, &item.mark, setting, findings) {
            if !settings.servers.contains_key(&name) {
                settings.servers.insert(name.clone(), server::read(&name, &node, setting, findings));
            }
        }
    }
    let views = group.node("views").map(Node::entries).unwrap_or_default();
    for (key, node) in views {
        if lawful(key, "views", findings) && view::fits(key, node, &settings.servers, findings) {
            settings.views.insert(key.name.clone(), view::read(key, node, findings));
        }
    }
    exposed(&settings, &group, findings);
    settings
}

/// Where to listen.
fn listen(group: &Group<'_>, findings: &mut Findings) -> SocketAddr {
    let default = Settings::default();
    if let Some(address) = group.address("listen") {
        for name in ["hostname", "port"] {
            if group.node(name).is_some() {
                findings.error(group.mark(name), name, "says the same as `listen`").hint("keep one of them");
            }
        }
        return address;
    }
    SocketAddr::new(group.host("hostname").unwrap_or(default.host), group.port("port").unwrap_or(default.port))
}

/// Says so if others can reach a gateway that asks nobody who they are.
fn exposed(settings: &Settings, group: &Group<'_>, findings: &mut Findings) {
    let local = |host: IpAddr| host.is_loopback();
    if local(settings.host) || settings.auth.is_some() {
        return;
    }
    let name = if group.node("listen").is_some() { "listen" } else { "hostname" };
    let message = format!("others can reach {}, and nobody has to authenticate", settings.host);
    let finding = findings.warning(group.mark(name), name, message);
    if !settings.insecure_no_auth {
        finding.hint("the gateway refuses to start like this without `auth`, unless insecure_no_auth is true");
    }
}

fn origins(group: &Group<'_>, findings: &mut Findings) -> Vec<String> {
    let fields = cors();
    let Some(node) = group.node("cors") else { return Vec::new() };
    let cors = Group::new(node, &fields);
    let items = cors.node("origins").map(Node::items).unwrap_or_default();
    for item in items {
        let Some(text) = item.scalar().filter(|text| *text != "*" && *text != "null") else { continue };
        let origin = url::Url::parse(text).ok().map(|url| url.origin());
        if origin.is_none_or(|origin| origin.ascii_serialization() != text.trim_end_matches('/')) {
            let message = "must be an origin: scheme, host and perhaps port, nothing else";
            findings.error(&item.mark, "cors.origins", message).hint("for example https://app.example.com");
        }
    }
    cors.texts("origins")
}

/// The interpreter of servers in folders that the file names.
pub(super) fn python(root: &Node, setting: &Setting<'_>) -> Option<String> {
    folder::python(root, setting)
}

/// Where the gateway keeps what it knows: as the file says, else where the system keeps such things.
pub(super) fn data_dir(root: &Node, setting: &Setting<'_>) -> Option<PathBuf> {
    let fields = fields();
    let group = Group::new(root, &fields);
    if group.switch("data_dir") == Some(false) {
        return None;
    }
    if let Some(path) = group.text("data_dir") {
        return Some(placed(path, setting.folder, setting.environment));
    }
    let set = |name: &str| setting.environment.get(name).filter(|path| Path::new(path).is_absolute());
    let share = set("XDG_DATA_HOME").map(Into::into);
    let share: Option<PathBuf> = share.or_else(|| Some(Path::new(set("HOME")?).join(".local/share")));
    share.map(|share| share.join("janua"))
}
