//! From a file and the environment to settings: read, recognise, override, expand, check, in this order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::environment::{self, Environment};
use super::expand::{Expander, said};
use super::finding::{Finding, Findings};
use super::foreign::{self, Form};
use super::tree::{self, LARGEST, Mark, Node, Value, join};
use super::watch::File;
use super::{OpenApiServer, OpenApiSource, Server, Settings, check, file};

/// Servers that something is missing for, and what.
pub(super) type Unserved = BTreeMap<String, String>;

/// Largest JSON file: clients keep more than their servers in theirs.
const LARGEST_JSON: usize = 16 << 20;

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// Warnings.
    pub findings: Vec<Finding>,
    /// The file it was read from; `None` if there is none.
    pub path: Option<PathBuf>,
    /// All files that it depends on, those named by `${file:…}` too.
    pub files: Vec<File>,
}

impl Loaded {
    /// Whether it may be half of what is just being written: a file has changed since it was read, or its own is empty,
    /// as it is before the first byte is written anew.
    pub fn is_unsettled(&self) -> bool {
        let own = self.files.iter().find(|file| Some(&file.path) == self.path.as_ref());
        own.is_some_and(File::was_empty) || self.files.iter().any(File::has_changed)
    }
}

/// The file that is meant if none is named: `janua.yaml`, `.yml`, `.json` or `.toml` in the working directory, else in
/// the user's configuration directory.
pub fn find(environment: &Environment) -> Option<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
    let user = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let folders = std::iter::once(PathBuf::new()).chain(user.map(|user| user.join("janua")));
    let named = |folder: PathBuf| ["yaml", "yml", "json", "toml"].map(|end| folder.join("janua").with_extension(end));
    folders.flat_map(named).find(|path| path.is_file())
}

/// Loads a configuration. Without a file it holds the built-in servers `demo` and `simple-tools-server`, and what the
/// environment says.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Loaded, Vec<Finding>> {
    let mut findings = Findings::new(path.map(Path::to_owned));
    let read = match path {
        Some(path) => from_file(path, environment, &mut findings),
        None => Some((builtin(), Form::Own)),
    };
    from_tree(read, path, environment, findings)
}

/// What a tree says, which was read from the file `path`, if there is one.
fn from_tree(
    read: Option<(Node, Form)>,
    path: Option<&Path>,
    environment: &Environment,
    mut findings: Findings,
) -> Result<Loaded, Vec<Finding>> {
    let Some((mut root, form)) = read else { return Err(findings.sorted()) };
    let mut files: Vec<File> = path.map(File::now).into_iter().collect();
    let folder = path.and_then(Path::parent).filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let fields = file::fields();
    environment::apply(environment, &fields, &mut root, &mut findings);
    let looked = RefCell::default();
    let mut setting = file::Setting {
        environment,
        folder: &folder,
        unserved: &Unserved::new(),
        lenient: form == Form::Client,
        inherit_env: form == Form::McpGateway,
        secrets: None,
        python: None,
        looked: &looked,
    };
    let mut expander =
        Expander { environment, folder: &folder, secrets: None, foreign: form != Form::Own, files: Vec::new() };
    let unserved = expand(&mut root, &mut expander, &setting, &mut findings);
    setting.unserved = &unserved;
    setting.secrets.clone_from(&expander.secrets);
    setting.python = file::python(&root, &setting);
    check::section(&root, &fields, "", &mut findings);
    let settings = file::read(&root, &setting, &mut findings);
    let documents = settings.servers.values().filter_map(|server| match &server.server {
        Server::OpenApi(OpenApiServer { source: OpenApiSource::File(file), .. }) => Some(file.clone()),
        _ => None,
    });
    files.extend(documents);
    for path in expander.files.into_iter().chain(looked.take()) {
        if !files.iter().any(|file| file.path == path) {
            files.push(File::now(&path));
        }
    }
    if findings.fatal() {
        return Err(findings.sorted());
    }
    Ok(Loaded { settings, findings: findings.sorted(), path: path.map(Path::to_owned), files })
}

/// The configuration of the servers in one folder, and of what the environment says.
pub fn load_folder(servers: &Path, environment: &Environment) -> Result<Loaded, Vec<Finding>> {
    let mark = Mark::default();
    let servers = std::path::absolute(servers).unwrap_or_else(|_| servers.to_owned());
    let mut root = Node::empty(&mark);
    let place = Node::new(Value::Made(servers.display().to_string()), &mark);
    root.put("folders", Node::new(Value::List(vec![place]), &mark));
    from_tree(Some((root, Form::Own)), None, environment, Findings::default())
}

/// Reads a file, and gives it as one of ours.
fn from_file(path: &Path, environment: &Environment, findings: &mut Findings) -> Option<(Node, Form)> {
    let nowhere = Mark::default();
    let most = if path.extension().is_some_and(|end| end == "json") { LARGEST_JSON } else { LARGEST };
    let large = fs::metadata(path).is_ok_and(|about| about.len() > most as u64);
    if large {
        findings.error(&nowhere, "", format!("the file is larger than {} MiB", most >> 20));
        return None;
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            findings.error(&nowhere, "", format!("the file cannot be read: {}", said(&error)));
            return None;
        }
    };
    let format = tree::format(path, &text);
    let root = tree::parse(&text, format, findings)?;
    let root = if matches!(root.value, Value::Null) { Node::empty(&root.mark) } else { root };
    if !matches!(root.value, Value::Map(_)) {
        findings.error(&root.mark, "", format!("must hold keys, holds {}", root.kind()));
        return None;
    }
    Some(foreign::ours(root, path, format, environment, findings))
}

/// What is served if nothing is configured.
fn builtin() -> Node {
    let mark = Mark::default();
    let mut servers = Node::empty(&mark);
    for (name, builtin) in [("demo", "everything"), ("simple-tools-server", "simple-tools-server")] {
        let mut server = Node::empty(&mark);
        server.put("builtin", Node::text(builtin, &mark));
        servers.put(name, server);
    }
    let mut root = Node::empty(&mark);
    root.put("servers", servers);
    root
}

/// Expands every value: first where the secrets are, then all else. What is missing is an error, but for a server: it
/// is not served then.
fn expand(
    root: &mut Node,
    expander: &mut Expander<'_>,
    setting: &file::Setting<'_>,
    findings: &mut Findings,
) -> Unserved {
    let mut unserved = Unserved::new();
    let Value::Map(entries) = &mut root.value else { return unserved };
    entries.sort_by_key(|(key, _)| key.name != "data_dir");
    let mut rest = Vec::new();
    for (key, mut node) in std::mem::take(entries) {
        if ["servers", "auth"].contains(&key.name.as_str()) {
            rest.push((key, node));
            continue;
        }
        if let Some((mark, path, what)) = expander.tree(&mut node, &key.name, findings) {
            findings.error(&mark, &path, what);
        }
        entries.push((key, node));
    }
    expander.secrets = file::data_dir(root, setting).map(|folder| folder.join("secrets"));
    if let Value::Map(entries) = &mut root.value {
        for (key, node) in &mut rest {
            if key.name == "auth" {
                if let Some((mark, path, what)) = expander.tree(node, "auth", findings) {
                    findings.error(&mark, &path, what);
                }
                continue;
            }
            let Value::Map(servers) = &mut node.value else { continue };
            for (key, server) in servers {
                let path = join("servers", &key.name);
                if let Some((mark, path, what)) = expander.tree(server, &path, findings) {
                    findings.warning(&mark, &path, format!("not served: {what}"));
                    unserved.insert(key.name.clone(), what);
                }
            }
        }
        entries.extend(rest);
    }
    unserved
}
