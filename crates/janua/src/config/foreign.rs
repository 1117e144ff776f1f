//! Configurations of other tools: recognised by their keys, and written anew as ours.

use std::path::Path;

use super::environment::Environment;
use super::file;
use super::finding::Findings;
use super::tree::{Format, Key, Node, Value, join};

mod auth;
mod entries;

/// Whose configuration a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Ours.
    Own,
    /// Of an MCP client: servers under a key of its own, among much else.
    Client,
    /// Of acehoss/mcp-gateway.
    McpGateway,
}

/// Keys under which clients keep their servers.
const SERVERS: [&str; 4] = ["mcpServers", "mcp_servers", "context_servers", "amp.mcpServers"];

/// Keys of acehoss/mcp-gateway.
const GATEWAY: [&str; 5] = ["hostname", "port", "servers", "auth", "debug"];

/// Recognises whose file it is, and gives it as one of ours.
pub(super) fn ours(
    root: Node,
    path: &Path,
    format: Format,
    environment: &Environment,
    findings: &mut Findings,
) -> (Node, Form) {
    if let Some(name) = SERVERS.iter().find(|name| root.get(name).is_some()) {
        return (client(&root, name, path, environment, findings), Form::Client);
    }
    // VS Code nests its servers in its settings.
    if let Some(inner) = root.get("mcp").filter(|inner| inner.get("servers").is_some()) {
        return (client(inner, "servers", path, environment, findings), Form::Client);
    }
    if format == Format::Json && is_vscode(&root) {
        return (client(&root, "servers", path, environment, findings), Form::Client);
    }
    // It says itself where its file is.
    let named = environment.get("CONFIG_PATH").is_some_and(|named| Path::new(named) == path);
    if format == Format::Yaml && is_gateway(&root, path, named) {
        return (gateway(&root, named, findings), Form::McpGateway);
    }
    (root, Form::Own)
}

/// Whether a file is ours by its name.
fn is_named_ours(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "janua")
}

/// `servers` is our key, too: what else there is tells VS Code's file.
fn is_vscode(root: &Node) -> bool {
    let known = ["servers", "inputs", "$schema"];
    let Some(servers) = root.get("servers") else { return false };
    let own = |(_, server): &(Key, Node)| server.get("type").is_some() || server.get("envFile").is_some();
    let alone = root.entries().iter().all(|(key, _)| known.contains(&key.name.as_str()));
    root.get("inputs").is_some() || alone && servers.entries().iter().any(own)
}

/// `hostname` and `port` are our keys, too: a file with one that only we have, or with our name, is ours. One that is
/// `named` as theirs need not have any.
fn is_gateway(root: &Node, path: &Path, named: bool) -> bool {
    let fields = file::fields();
    let only_ours = |name: &str| !GATEWAY.contains(&name) && fields.iter().any(|field| field.is(name));
    let theirs = named || ["hostname", "port", "debug"].iter().any(|name| root.get(name).is_some());
    let own_server = |(_, server): &(Key, Node)| server.get("url").is_some() || server.get("builtin").is_some();
    let servers = root.get("servers").map(Node::entries).unwrap_or_default();
    theirs
        && !is_named_ours(path)
        && !root.entries().iter().any(|(key, _)| only_ours(&key.name))
        && !servers.iter().any(own_server)
}

/// A client's file: its servers, and if the file has our name, our keys beside them.
fn client(root: &Node, name: &str, path: &Path, environment: &Environment, findings: &mut Findings) -> Node {
    let mut servers = Node::empty(&root.mark);
    if let Some(theirs) = root.get(name) {
        servers = entries::servers(theirs, name, environment, findings);
    }
    let mut made = Node::empty(&root.mark);
    let fields = file::fields();
    for (key, node) in root.entries() {
        let ours = key.name != "servers" && key.name != name && fields.iter().any(|field| field.is(&key.name));
        if is_named_ours(path) && key.name != name {
            push(&mut made, key, node.clone());
        } else if ours && key.name != "$schema" && name != "servers" {
            let message = format!("ignored: a file with `{name}` is read for its servers only");
            findings
                .warning(&key.mark, &key.name, message)
                .hint("name the file janua.yaml or janua.json to use our keys, too");
        }
    }
    made.put("servers", servers);
    made
}

/// A file of acehoss/mcp-gateway: reached by everybody unless told otherwise, as it was.
fn gateway(root: &Node, named: bool, findings: &mut Findings) -> Node {
    let mut made = Node::empty(&root.mark);
    let mark = root.mark.clone();
    let asks = root.get("auth").is_some_and(|auth| !matches!(auth.value, Value::Null));
    let who = if asks { "its `auth` says who may use it" } else { "nobody has to authenticate" };
    let words = format!("read as a file of mcp-gateway: its programs get the whole environment, and {who}");
    if !named {
        findings.warning(&mark, "", words).hint("a file named janua.yaml, or with `listen`, is read as ours");
    }
    if root.get("hostname").is_none() {
        made.put("hostname", Node::text("0.0.0.0", &mark));
    }
    if !asks {
        made.put("insecure_no_auth", Node::new(Value::Switch(true), &mark));
    }
    // Its calls had to name their session, and their results were MCP's own objects.
    let mut rest = Node::empty(&mark);
    rest.put("sessions", Node::text("required", &mark));
    made.put("rest", rest);
    for (key, node) in root.entries() {
        match key.name.as_str() {
            "auth" if asks => push(&mut made, key, auth::auth(node, findings)),
            "servers" => push(&mut made, key, entries::gateway(node, findings)),
            "hostname" | "port" => push(&mut made, key, node.clone()),
            "debug" => debug(node, &mut made, findings),
            "auth" => {}
            name => findings.warning(&key.mark, name, "unknown key, ignored").suggest(name, &GATEWAY),
        }
    }
    if made.get("servers").is_none_or(|servers| servers.entries().is_empty()) {
        findings.error(&mark, "servers", "at least one server must be configured");
    }
    made
}

/// How much is logged: winston's names, where ours for the most is another one.
fn debug(debug: &Node, made: &mut Node, findings: &mut Findings) {
    const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "verbose"];
    for (key, node) in debug.entries() {
        match node.scalar() {
            _ if key.name != "level" => {
                findings
                    .warning(&key.mark, &join("debug", &key.name), "unknown key, ignored")
                    .suggest(&key.name, &["level"]);
            }
            Some(level) if LEVELS.contains(&level) => made.put("log_level", node.clone()),
            level => {
                let message = format!("must be one of {}", LEVELS.join(", "));
                findings.error(&node.mark, "debug.level", message).suggest(level.unwrap_or_default(), &LEVELS);
            }
        }
    }
}

fn push(group: &mut Node, key: &Key, node: Node) {
    if let Value::Map(entries) = &mut group.value {
        entries.push((key.clone(), node));
    }
}
