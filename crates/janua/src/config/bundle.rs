//! MCPB bundles: what the `manifest.json` of an unpacked one says, as the keys of a server.

use std::path::Path;

use super::environment::Environment;
use super::finding::Findings;
use super::tree::{Format, Key, Mark, Node, Value, parse};

/// What a bundle's texts may refer to.
struct Terms<'a> {
    folder: &'a Path,
    environment: &'a Environment,
    /// What the user has to say, by name; several values stand in a line each.
    values: Vec<(String, Vec<String>)>,
}

/// The keys of the server that a manifest describes; `wanted` has the user's values, `python` an interpreter to be used
/// instead of the manifest's. An error is the reason why it cannot be served.
pub(super) fn server(
    folder: &Path,
    text: &str,
    wanted: Option<&Node>,
    python: Option<&str>,
    environment: &Environment,
) -> Result<Node, String> {
    let mut findings = Findings::default();
    let root = parse(text, Format::Json, &mut findings).ok_or("manifest.json is no JSON")?;
    let server = root.get("server").ok_or("manifest.json lacks `server`")?;
    let kind = server.get("type").and_then(Node::scalar).unwrap_or_default();
    let terms = Terms { folder, environment, values: values(root.get("user_config"), wanted)? };
    let config = server.get("mcp_config");
    let special = config.and_then(|config| config.get("platform_overrides")?.get("linux"));
    let find = |name: &str| special.and_then(|special| special.get(name)).or_else(|| config?.get(name));
    let entry = server.get("entry_point").and_then(Node::scalar).map(|entry| folder.join(entry).display().to_string());
    let (usual, first) = match kind {
        "node" => ("node", vec![]),
        "python" => ("python3", vec![]),
        "uv" => ("uv", vec!["run".to_owned(), "--directory".to_owned(), folder.display().to_string()]),
        "binary" => ("", vec![]),
        other => return Err(format!("manifest.json: the server type {other:?} is not known")),
    };
    let mut command = match find("command").and_then(Node::scalar) {
        Some(command) => terms.one(command)?,
        None if kind == "binary" => entry.clone().ok_or("manifest.json names no command")?,
        None => usual.to_owned(),
    };
    if kind == "python" && ["python", "python3"].contains(&command.as_str()) {
        python.unwrap_or("python3").clone_into(&mut command);
    }
    let args = match find("args") {
        Some(args) => {
            let mut all = Vec::new();
            for item in args.items().iter().filter_map(Node::scalar) {
                all.extend(terms.several(item)?);
            }
            all
        }
        None if kind == "binary" => Vec::new(),
        None => first.into_iter().chain(entry).collect(),
    };
    let mut env = Vec::new();
    for (key, node) in find("env").map(Node::entries).unwrap_or_default() {
        env.push((key.clone(), made(terms.one(node.scalar().unwrap_or_default())?)));
    }
    let mark = Mark::default();
    let mut keys = Node::empty(&mark);
    keys.put("command", made(command));
    keys.put("args", Node::new(Value::List(args.into_iter().map(made).collect()), &mark));
    keys.put("env", Node::new(Value::Map(env), &mark));
    keys.put("cwd", made(folder.display().to_string()));
    Ok(keys)
}

fn made(text: String) -> Node {
    Node::new(Value::Made(text), &Mark::default())
}

/// What the user has to say, by what the manifest asks for: as configured, else as the manifest has it.
fn values(asked: Option<&Node>, wanted: Option<&Node>) -> Result<Vec<(String, Vec<String>)>, String> {
    let lines = |node: &Node| node.scalar().map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let items = |node: &Node| node.items().iter().filter_map(Node::scalar).map(str::to_owned).collect::<Vec<_>>();
    let mut values = Vec::new();
    for (Key { name, .. }, about) in asked.map(Node::entries).unwrap_or_default() {
        let given = wanted.and_then(|wanted| wanted.get(name)).and_then(lines);
        let usual = || about.get("default").map(|node| lines(node).unwrap_or_else(|| items(node)));
        match given.or_else(usual) {
            Some(value) => values.push((name.clone(), value)),
            None if about.get("required").and_then(Node::scalar) == Some("true") => {
                let title = about.get("title").and_then(Node::scalar).unwrap_or(name);
                return Err(format!("the bundle asks for `user_config: {{ {name}: … }}` ({title})"));
            }
            None => values.push((name.clone(), Vec::new())),
        }
    }
    Ok(values)
}

impl Terms<'_> {
    /// A text with what it refers to.
    fn one(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let end = rest[at..].find('}').ok_or_else(|| "manifest.json: a `${` is not closed".to_owned())? + at;
            out.push_str(&rest[..at]);
            out.push_str(&self.meaning(&rest[at + 2..end])?);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The same; a text that is nothing but a reference to several values is as many texts.
    fn several(&self, text: &str) -> Result<Vec<String>, String> {
        let name = text.strip_prefix("${user_config.").and_then(|rest| rest.strip_suffix('}'));
        match name.and_then(|name| self.values.iter().find(|(known, _)| known == name)) {
            Some((_, values)) => Ok(values.clone()),
            None => Ok(vec![self.one(text)?]),
        }
    }

    fn meaning(&self, name: &str) -> Result<String, String> {
        let home = |folder: &str| {
            let home = self.environment.get("HOME").unwrap_or("/");
            Path::new(home).join(folder).display().to_string()
        };
        Ok(match name {
            "__dirname" => self.folder.display().to_string(),
            "HOME" => self.environment.get("HOME").unwrap_or("/").to_owned(),
            "DESKTOP" => home("Desktop"),
            "DOCUMENTS" => home("Documents"),
            "DOWNLOADS" => home("Downloads"),
            "/" | "pathSeparator" => "/".to_owned(),
            other => {
                let known = other.strip_prefix("user_config.");
                let value = known.and_then(|name| self.values.iter().find(|(known, _)| known == name));
                value.ok_or_else(|| format!("manifest.json refers to ${{{other}}}, which there is not"))?.1.join("\n")
            }
        })
    }
}
