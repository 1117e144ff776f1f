//! The servers of other tools' files, one by one, under our keys.

use super::super::environment::Environment;
use super::super::file::{mended, refused};
use super::super::finding::{Findings, nearest};
use super::super::measure::count;
use super::super::tree::{Key, Mark, Node, Value, join};

/// What becomes of a key of theirs.
enum Fate {
    /// It has another name with us, or the same.
    Named(&'static str),
    /// A time in seconds, or in milliseconds if it is so large that it cannot be meant in seconds.
    Time(&'static str),
    /// A time in milliseconds.
    Millis(&'static str),
    /// Names of tools.
    Tools(&'static str),
    /// The variable that holds a token.
    Bearer,
    /// Variables that hold the values of headers.
    Headers,
    /// Variables that are passed on.
    Variables,
    /// It is the client's own affair.
    Theirs,
}

/// Their keys and what becomes of them.
const KEYS: [(&str, Fate); 54] = [
    ("command", Fate::Named("command")),
    ("args", Fate::Named("args")),
    ("env", Fate::Named("env")),
    ("envFile", Fate::Named("env_file")),
    ("cwd", Fate::Named("cwd")),
    ("workingDirectory", Fate::Named("cwd")),
    ("working_directory", Fate::Named("cwd")),
    ("url", Fate::Named("url")),
    ("serverUrl", Fate::Named("url")),
    ("httpUrl", Fate::Named("url")),
    ("uri", Fate::Named("url")),
    ("type", Fate::Named("transport")),
    ("transport", Fate::Named("transport")),
    ("transportType", Fate::Named("transport")),
    ("headers", Fate::Named("headers")),
    ("http_headers", Fate::Named("headers")),
    ("env_http_headers", Fate::Headers),
    ("bearer_token_env_var", Fate::Bearer),
    ("env_vars", Fate::Variables),
    ("disabled", Fate::Named("disabled")),
    ("enabled", Fate::Named("enabled")),
    ("timeout", Fate::Time("call_timeout")),
    ("tool_timeout_sec", Fate::Time("call_timeout")),
    ("startup_timeout_sec", Fate::Time("start_timeout")),
    ("startup_timeout_ms", Fate::Millis("start_timeout")),
    ("initTimeout", Fate::Time("start_timeout")),
    ("allowedTools", Fate::Tools("allow")),
    ("includeTools", Fate::Tools("allow")),
    ("enabled_tools", Fate::Tools("allow")),
    ("disabledTools", Fate::Tools("deny")),
    ("excludeTools", Fate::Tools("deny")),
    ("disabled_tools", Fate::Tools("deny")),
    ("autoApprove", Fate::Theirs),
    ("alwaysAllow", Fate::Theirs),
    ("autoapprove", Fate::Theirs),
    ("trust", Fate::Theirs),
    ("name", Fate::Theirs),
    ("title", Fate::Theirs),
    ("description", Fate::Theirs),
    ("source", Fate::Theirs),
    ("settings", Fate::Theirs),
    ("dev", Fate::Theirs),
    ("gallery", Fate::Theirs),
    ("version", Fate::Theirs),
    ("required", Fate::Named("required")),
    ("tools", Fate::Theirs),
    ("icon", Fate::Theirs),
    ("note", Fate::Theirs),
    ("alwaysLoad", Fate::Theirs),
    ("default_tools_approval_mode", Fate::Theirs),
    ("sandbox", Fate::Theirs),
    ("sandboxEnabled", Fate::Theirs),
    ("remote", Fate::Theirs),
    ("path", Fate::Named("cwd")),
];

/// A client's servers: by name, or a list of groups that have a `name`.
pub(super) fn servers(theirs: &Node, section: &str, environment: &Environment, findings: &mut Findings) -> Node {
    let listed = theirs.items().iter().filter_map(|item| {
        let name = item.get("name")?;
        Some((Key { name: name.scalar()?.to_owned(), mark: name.mark.clone() }, item.clone()))
    });
    let entries = theirs.entries().iter().cloned().chain(listed);
    let mut made: Vec<(Key, Node)> = Vec::new();
    for (mut key, server) in entries {
        let path = join(section, &key.name);
        let Value::Map(_) = server.value else {
            findings.warning(&server.mark, &path, format!("not served: must be a group of keys, is {}", server.kind()));
            continue;
        };
        if let Some(why) = refused(&key.name) {
            let name = mended(&key.name);
            findings.warning(&key.mark, &path, why).hint(format!("it is served as {name:?}"));
            key.name = name;
        }
        if made.iter().any(|(other, _)| other.name == key.name) {
            findings.error(&key.mark, &path, format!("another server is served as {:?}, too", key.name));
            continue;
        }
        let ours = server_of(&server, &path, environment, findings);
        made.push((key, ours));
    }
    Node::new(Value::Map(made), &theirs.mark)
}

/// The servers of acehoss/mcp-gateway.
pub(super) fn gateway(theirs: &Node, findings: &mut Findings) -> Node {
    let mut node = theirs.clone();
    let Value::Map(servers) = &mut node.value else { return node };
    for (key, server) in servers {
        let Value::Map(entries) = &mut server.value else { continue };
        let known = ["command", "args", "path", "env"];
        let path = join("servers", &key.name);
        entries.retain(|(key, _)| {
            let kept = known.contains(&key.name.as_str());
            if !kept {
                let finding = findings.warning(&key.mark, &join(&path, &key.name), "unknown key, ignored");
                finding.suggest(&key.name, &known);
            }
            kept
        });
    }
    node
}

/// One server of a client, under our keys.
fn server_of(theirs: &Node, path: &str, environment: &Environment, findings: &mut Findings) -> Node {
    let mut ours = Node::empty(&theirs.mark);
    for (key, value) in theirs.entries() {
        let Some((_, fate)) = KEYS.iter().find(|(name, _)| *name == key.name) else {
            let known: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
            let finding = findings.warning(&key.mark, &join(path, &key.name), "unknown key, ignored");
            if let Some(near) = nearest(&key.name, &known) {
                finding.hint(format!("did you mean {near:?}?"));
            }
            continue;
        };
        match fate {
            Fate::Named("command") if matches!(value.value, Value::Map(_)) => nested(&mut ours, value),
            Fate::Named(name @ ("env" | "headers")) => texts(&mut ours, name, value),
            Fate::Named(name) => ours.put(name, value.clone()),
            Fate::Time(name) => ours.put(name, time(value, false)),
            Fate::Millis(name) => ours.put(name, time(value, true)),
            Fate::Tools(list) => {
                let mark = value.mark.clone();
                let mut tools = ours.get("tools").cloned().unwrap_or_else(|| Node::empty(&mark));
                tools.put(list, value.clone());
                ours.put("tools", tools);
            }
            Fate::Bearer => {
                let token = value.scalar().map(|name| format!("Bearer ${{env:{name}}}")).unwrap_or_default();
                header(&mut ours, "Authorization", &token, &value.mark);
            }
            Fate::Headers => {
                for (name, variable) in value.entries() {
                    let text = variable.scalar().map(|name| format!("${{env:{name}}}")).unwrap_or_default();
                    header(&mut ours, &name.name, &text, &variable.mark);
                }
            }
            Fate::Variables => passed(&mut ours, value, environment),
            Fate::Theirs => {}
        }
    }
    // Some keep empty keys of both kinds of server.
    let empty = |node: &Node| node.scalar() == Some("");
    for name in ["url", "command"] {
        if let (true, Value::Map(entries)) = (ours.get(name).is_some_and(empty), &mut ours.value) {
            entries.retain(|(key, _)| key.name != name);
        }
    }
    ours
}

/// Zed once wrote program, arguments and environment below `command`.
fn nested(ours: &mut Node, command: &Node) {
    for (key, value) in command.entries() {
        match key.name.as_str() {
            "path" | "command" => ours.put("command", value.clone()),
            "args" => ours.put("args", value.clone()),
            "env" => texts(ours, "env", value),
            _ => {}
        }
    }
}

/// Texts by name, beside those that are there; a `null` leaves a name out.
fn texts(ours: &mut Node, name: &str, value: &Node) {
    let mut group = ours.get(name).cloned().unwrap_or_else(|| Node::empty(&value.mark));
    if !matches!(value.value, Value::Map(_) | Value::Null) {
        ours.put(name, value.clone());
        return;
    }
    for (key, value) in value.entries() {
        if let (false, Value::Map(entries)) = (matches!(value.value, Value::Null), &mut group.value) {
            entries.push((key.clone(), value.clone()));
        }
    }
    ours.put(name, group);
}

fn header(ours: &mut Node, name: &str, text: &str, mark: &Mark) {
    let mut headers = ours.get("headers").cloned().unwrap_or_else(|| Node::empty(mark));
    headers.put(name, Node::text(text, mark));
    ours.put("headers", headers);
}

/// Variables that are passed on if they are set.
fn passed(ours: &mut Node, names: &Node, environment: &Environment) {
    let mut env = ours.get("env").cloned().unwrap_or_else(|| Node::empty(&names.mark));
    for item in names.items() {
        let name = item.get("name").unwrap_or(item);
        if let Some(name) = name.scalar().filter(|name| environment.get(name).is_some()) {
            env.put(name, Node::text(format!("${{env:{name}}}"), &item.mark));
        }
    }
    ours.put("env", env);
}

/// A number as a time. Some tools count seconds, others milliseconds, under the same key.
fn time(node: &Node, millis: bool) -> Node {
    const NO_SECONDS: usize = 1000;
    let Value::Number(number) = &node.value else { return node.clone() };
    let in_millis = millis || count(number).is_some_and(|number| number >= NO_SECONDS);
    if in_millis { Node::text(format!("{number}ms"), &node.mark) } else { node.clone() }
}
