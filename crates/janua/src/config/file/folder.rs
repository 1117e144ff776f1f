//! Servers that are what their folder says: a guMCP factory server, an MCPB bundle, or keys of ours in `server.yaml`.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::expand::{Expander, placed, said};
use super::super::finding::{Findings, Severity};
use super::super::group::Group;
use super::super::tree::{Format, Mark, Node, Value, join, parse};
use super::super::{FolderServer, ServerCommand, bundle, check, edition};
use super::{Setting, names, server};

/// What makes a folder a server: the first of these that is there.
const SIGNS: [&str; 4] = ["server.yaml", "server.yml", "manifest.json", "main.py"];

/// Variables that guMCP's servers find the credentials of their users by.
const GUMCP: [&str; 4] = ["ENVIRONMENT", "GUMCP_OAUTH_CONFIG_DIR", "GUMCP_CREDENTIALS_DIR", "GUMLOOP_API_BASE_URL"];

/// The interpreter of factory servers if none is named.
const PYTHON: &str = "python3";

/// What a folder holds.
pub(super) enum Contents {
    /// A factory server.
    Factory,
    /// Something that is described by these keys.
    Keys(Node),
    /// Nothing that can be served, and why.
    Nothing(String),
}

/// Looks into a folder. The `entry` that leads there may have to say something, too.
pub(super) fn contents(folder: &Path, entry: &Node, setting: &Setting<'_>) -> Contents {
    setting.looked.borrow_mut().push(folder.to_owned());
    let name = folder.display();
    let Some(sign) = SIGNS.into_iter().find(|sign| folder.join(sign).is_file()) else {
        let why = if folder.is_dir() { "holds no main.py, manifest.json or server.yaml" } else { "is not there" };
        return Contents::Nothing(format!("the folder {name} {why}"));
    };
    if sign == "main.py" {
        return Contents::Factory;
    }
    let keys =
        fs::read_to_string(folder.join(sign)).map_err(|error| format!("{sign} cannot be read: {}", said(&error)));
    let keys = keys.and_then(|text| match sign {
        "manifest.json" => {
            let python = python(entry, setting);
            let wanted = entry.get("user_config");
            bundle::server(folder, &text, wanted, python.as_deref(), setting.environment)
        }
        _ => own(folder, sign, &text, setting),
    });
    match keys {
        Ok(keys) => Contents::Keys(over(keys, entry)),
        Err(why) => Contents::Nothing(why),
    }
}

/// The keys of `server.yaml`.
fn own(folder: &Path, sign: &str, text: &str, setting: &Setting<'_>) -> Result<Node, String> {
    let mut findings = Findings::new(Some(folder.join(sign)));
    let mut root = parse(text, Format::Yaml, &mut findings);
    let mut missing = None;
    if let Some(root) = &mut root {
        let (environment, secrets) = (setting.environment, setting.secrets.clone());
        let mut expander = Expander { environment, folder, secrets, foreign: false, files: Vec::new() };
        missing = expander.tree(root, "", &mut findings).map(|(_, _, what)| what);
        setting.looked.borrow_mut().append(&mut expander.files);
        check::section(root, &server::fields(), "", &mut findings);
    }
    let found = findings.sorted().into_iter().find(|finding| finding.severity == Severity::Error);
    match (root, found.map(|finding| finding.to_string()).or(missing)) {
        (Some(root), None) => Ok(root),
        (_, why) => Err(why.unwrap_or_else(|| format!("{sign} is empty"))),
    }
}

/// Keys with those of the entry that leads to them over them; variables are put together.
fn over(mut keys: Node, entry: &Node) -> Node {
    const APART: [&str; 3] = ["folder", "python", "user_config"];
    for (key, node) in entry.entries().iter().filter(|(key, _)| !APART.contains(&key.name.as_str())) {
        let mut node = node.clone();
        if key.name == "env"
            && let Some(before) = keys.get("env")
            && let Value::Map(own) = &mut node.value
        {
            let given = |name: &str| entry.get("env").is_some_and(|env| env.get(name).is_some());
            own.extend(before.entries().iter().filter(|(key, _)| !given(&key.name)).cloned());
        }
        keys.put(&key.name, node);
    }
    keys
}

/// The factory server of a folder.
pub(super) fn factory(
    folder: PathBuf,
    group: &Group<'_>,
    env: &[(String, String)],
    setting: &Setting<'_>,
) -> FolderServer {
    let given = |name: &str| env.iter().any(|(known, _)| known == name);
    let passed = GUMCP.into_iter().filter(|name| !given(name));
    let passed = passed.filter_map(|name| Some((name.to_owned(), setting.environment.get(name)?.to_owned())));
    let program = group.text("python").map(|python| program(python, setting)).or_else(|| setting.python.clone());
    let edition = edition::now(&folder).digest;
    let interpreter = ServerCommand {
        program: program.unwrap_or_else(|| PYTHON.to_owned()),
        args: Vec::new(),
        env: passed.chain(env.iter().cloned()).collect(),
        cwd: group.text("cwd").map(|cwd| placed(cwd, setting.folder, setting.environment)),
        inherit_env: group.switch("inherit_env").unwrap_or(setting.inherit_env),
    };
    FolderServer { folder, interpreter, edition }
}

/// The interpreter that an entry, or the file as a whole, names.
pub(super) fn python(entry: &Node, setting: &Setting<'_>) -> Option<String> {
    let own = entry.get("python").and_then(Node::scalar);
    own.map(|python| program(python, setting)).or_else(|| setting.python.clone())
}

/// A program: a name looked up in `PATH`, or a path.
fn program(python: &str, setting: &Setting<'_>) -> String {
    if !python.contains('/') {
        return python.to_owned();
    }
    placed(python, setting.folder, setting.environment).display().to_string()
}

/// The servers in a folder of servers: a name and an entry for each. Names beginning with `.` or `_` are passed over.
pub(super) fn scan(folder: &Path, mark: &Mark, setting: &Setting<'_>, findings: &mut Findings) -> Vec<(String, Node)> {
    setting.looked.borrow_mut().push(folder.to_owned());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("the folder {} cannot be read: {}", folder.display(), said(&error));
            findings.warning(mark, "folders", message);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = name.starts_with(['.', '_']);
        if hidden || !SIGNS.iter().any(|sign| path.join(sign).is_file()) {
            continue;
        }
        if let Some(why) = names::refused(&name) {
            findings.warning(mark, &join("folders", &name), format!("not served: {why}")).hint("rename the folder");
            continue;
        }
        let mut entry = Node::empty(mark);
        entry.put("folder", Node::new(Value::Made(path.display().to_string()), mark));
        found.push((name, entry));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}
