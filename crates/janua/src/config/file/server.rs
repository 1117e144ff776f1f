//! The section `servers`: what each server is, how it is reached, and how it is treated.

use std::path::Path;

use http::{HeaderName, HeaderValue};

use super::super::expand::{placed, said};
use super::super::field::{Field, Kind};
use super::super::finding::Findings;
use super::super::group::Group;
use super::super::tree::{Node, Value, join};
use super::super::{
    Declared, FolderServer, OpenApiServer, OpenApiSource, Protocol, RemoteServer, RemoteTransport, Server,
    ServerCommand, ServerSettings, Share, dotenv,
};
use super::folder::{Contents, contents, factory};
use super::{Setting, tools};

const WEB: &[&str] = &["http", "https"];
const REMOTE: &[&str] = &["http", "https", "ws", "wss"];

static FIELDS: &[Field] = &[
    Field::new(
        "command",
        Kind::Text,
        "",
        "The program to start: a path, or a name looked up in PATH. No shell is involved.",
    ),
    Field::new("args", Kind::Texts, "[]", "Its arguments."),
    Field::new(
        "env",
        Kind::TextMap,
        "{}",
        "Variables added to its environment, which otherwise is PATH, HOME, LANG and TZ.",
    ),
    Field::new("env_file", Kind::Path, "", "A file of NAME=VALUE lines, added to its environment below `env`."),
    Field::new("cwd", Kind::Path, "", "Its working directory.").or(&["path"]),
    Field::new("inherit_env", Kind::Switch, "false", "Pass the gateway's whole environment on to it."),
    Field::new("url", Kind::Url(REMOTE), "", "Address of a remote server, instead of `command`."),
    Field::new(
        "transport",
        Kind::Choice(&[
            "auto",
            "http",
            "streamable-http",
            "streamable_http",
            "streamableHttp",
            "sse",
            "ws",
            "websocket",
            "stdio",
        ]),
        "auto",
        "How it is spoken to: `auto` finds out, `http` is Streamable HTTP, `sse`, `ws`; `stdio` for a program.",
    )
    .or(&["type"]),
    Field::new("headers", Kind::TextMap, "{}", "Headers sent with every request."),
    Field::new(
        "allow_private",
        Kind::Switch,
        "true",
        "Whether its address may be one of this machine or of a private network; an API's that only a document from elsewhere names may not, unless this says so.",
    ),
    Field::new(
        "openapi",
        Kind::Text,
        "",
        "File or http(s) address of an OpenAPI document whose operations become tools, instead of `command` and `url`.",
    ),
    Field::new("base_url", Kind::Url(WEB), "", "Where that API is, whatever its document says."),
    Field::new("query", Kind::TextMap, "{}", "Parameters sent in the query of every request to that API."),
    Field::new(
        "folder",
        Kind::Path,
        "",
        "A folder that is a server: with a main.py (guMCP), a manifest.json (MCPB, unpacked) or a server.yaml of these keys.",
    ),
    Field::new(
        "python",
        Kind::Text,
        "",
        "Interpreter of a folder with a main.py, or of a bundle in Python; absent: `python` at the top of the file.",
    ),
    Field::new("user_config", Kind::TextMap, "{}", "What a bundle asks its user for, by name."),
    Field::new("builtin", Kind::Text, "", "A server that is built in, by its name, instead of `command` and `url`."),
    Field::new(
        "protocol",
        Kind::Choice(&["auto", "legacy", "2026-07-28"]),
        "auto",
        "Era of the protocol it is spoken to in: with a handshake (`legacy`), without (`2026-07-28`), or each client's own.",
    ),
    Field::new(
        "share",
        Kind::Choice(&["session", "user", "all"]),
        "session",
        "Who shares one running instance of it; with a main.py, one process: a user's key, a user, or all.",
    ),
    Field::new(
        "capabilities",
        Kind::Choice(&["class", "none", "all"]),
        "class",
        "What it is told that clients can be asked where they share an instance: what they can, nothing, everything.",
    ),
    Field::new(
        "idle_timeout",
        Kind::Time,
        "",
        "How long an instance goes on that nobody uses; absent: limits.session_idle.",
    ),
    Field::new(
        "call_timeout",
        Kind::Time,
        "",
        "Longest wait for a reply without a sign of progress; absent: limits.call_timeout.",
    )
    .or(&["timeout"]),
    Field::new("start_timeout", Kind::Time, "", "Longest time to start it; absent: limits.start_timeout."),
    Field::new("warm", Kind::Count, "0", "Instances that are kept started, though nobody uses them yet."),
    Field::new(
        "required",
        Kind::Switch,
        "false",
        "Whether a list without this server's part is an error rather than a shorter list.",
    ),
    Field::new("enabled", Kind::Switch, "true", "Whether it is served."),
    Field::new("disabled", Kind::Switch, "false", "The other way round."),
    Field::new("tools", Kind::Section(tools::fields), "", "Which of its tools are shown, and how."),
];

/// The keys of a server.
pub(super) fn fields() -> Vec<&'static Field> {
    FIELDS.iter().collect()
}

/// Keys that not every kind of server has: the keys, the kinds that have them, and whose they are, for people.
const APART: [(&[&str], &[&str], &str); 5] = [
    (&["args"], &["command"], "a program"),
    (&["env", "env_file", "cwd", "inherit_env"], &["command", "folder"], "a program"),
    (&["headers", "allow_private"], &["url", "openapi"], "a remote server or an API"),
    (&["base_url", "query"], &["openapi"], "an API"),
    (&["python", "user_config"], &["folder"], "a folder"),
];
/// What a server can be.
const KINDS: [&str; 5] = ["command", "url", "folder", "openapi", "builtin"];

/// Reads a server. One that something is missing for is disabled, with the reason.
pub(super) fn read(name: &str, node: &Node, setting: &Setting<'_>, findings: &mut Findings) -> ServerSettings {
    let folder = node.get("folder").filter(|node| !matches!(node.value, Value::Unset(_))).and_then(Node::scalar);
    let is_other = |kind: &str| kind != "folder" && node.get(kind).is_some();
    let Some(folder) = folder.filter(|_| !KINDS.into_iter().any(is_other)) else {
        return by_keys(name, node, setting, findings);
    };
    let folder = placed(folder, setting.folder, setting.environment);
    match contents(&folder, node, setting) {
        Contents::Factory => by_keys(name, node, setting, findings),
        Contents::Keys(keys) => {
            let setting = Setting {
                folder: &folder,
                python: setting.python.clone(),
                secrets: setting.secrets.clone(),
                ..*setting
            };
            by_keys(name, &keys, &setting, findings)
        }
        Contents::Nothing(why) => {
            let mut settings = by_keys(name, node, setting, findings);
            if settings.disabled.is_none() {
                findings.warning(&node.mark, &join("servers", name), format!("not served: {why}"));
            }
            settings.disabled.get_or_insert(why);
            settings
        }
    }
}

/// Reads the keys of a server.
fn by_keys(name: &str, node: &Node, setting: &Setting<'_>, findings: &mut Findings) -> ServerSettings {
    let fields = fields();
    let group = Group::new(node, &fields);
    let path = join("servers", name);
    let mut disabled = setting.unserved.get(name).cloned();
    let server = match kind(&group, &path, setting, findings) {
        Ok(server) => server,
        Err(why) => {
            disabled = disabled.or(why);
            Server::Command(ServerCommand::default())
        }
    };
    let server = with_env_file(server, &group, &path, setting, &mut disabled, findings);
    let mut settings = ServerSettings::new(server);
    let enabled = group.switch("enabled");
    if let (Some(on), Some(off)) = (enabled, group.switch("disabled"))
        && on == off
    {
        let message = "`enabled` and `disabled` contradict each other";
        findings.error(group.mark("disabled"), &join(&path, "disabled"), message).hint("keep one of them");
    }
    if enabled == Some(false) || group.switch("disabled") == Some(true) {
        disabled = Some("it is switched off in the configuration".to_owned());
    }
    settings.disabled = disabled;
    settings.protocol = match group.text("protocol") {
        Some("legacy") => Protocol::Legacy,
        Some("2026-07-28") => Protocol::Modern,
        _ => Protocol::Auto,
    };
    settings.share = match group.text("share") {
        // An API keeps nothing of a session, and asks nobody.
        None if matches!(settings.server, Server::OpenApi(_)) => Share::All,
        Some("user") => Share::User,
        Some("all") => Share::All,
        _ => Share::Session,
    };
    settings.declared = match group.text("capabilities") {
        Some("none") => Declared::Nothing,
        Some("all") => Declared::Everything,
        _ => Declared::Class,
    };
    settings.idle_timeout = group.time("idle_timeout");
    settings.call_timeout = group.time("call_timeout");
    settings.start_timeout = group.time("start_timeout");
    settings.warm = group.count("warm").unwrap_or(0);
    settings.required = group.switch("required").unwrap_or(false);
    settings.tools = tools::read(group.node("tools"), &path, findings);
    settings
}

/// Which kind of server it is. An error that holds words is the reason why a server of a lenient file is not served.
fn kind(
    group: &Group<'_>,
    path: &str,
    setting: &Setting<'_>,
    findings: &mut Findings,
) -> Result<Server, Option<String>> {
    let given: Vec<&str> = KINDS.into_iter().filter(|name| group.node(name).is_some()).collect();
    if let [kind] = given.as_slice() {
        for (keys, _, whose) in APART.iter().filter(|(_, kinds, _)| !kinds.contains(kind)) {
            unfit(group, path, keys, whose, setting.lenient, findings);
        }
    }
    match given.as_slice() {
        ["command"] => Ok(Server::Command(command(group, path, setting, findings))),
        ["url"] => remote(group, path, findings).map(Server::Remote).ok_or(None),
        ["openapi"] => api(group, path, setting, findings).map(Server::OpenApi).map_err(Some),
        ["folder"] => {
            lawful_variables(group, path, findings);
            let folder = placed(group.text("folder").unwrap_or_default(), setting.folder, setting.environment);
            Ok(Server::Folder(factory(folder, group, &group.pairs("env"), setting)))
        }
        [_] => Ok(Server::InProcess(group.text("builtin").unwrap_or_default().to_owned())),
        [] if setting.lenient => {
            let why = "it has neither `command` nor `url`";
            findings.warning(group.mark(""), path, format!("not served: {why}"));
            Err(Some(why.to_owned()))
        }
        // What is missing is there, but for a letter: that is a finding already.
        [] if group.almost(&KINDS) => Err(None),
        [] => {
            let what = "needs `command`, `url`, `folder`, `openapi` or `builtin`";
            findings.error(group.mark(""), path, what).hint(
                "a program to start, the address of a remote server, a folder, an API's description, or the name of a \
                 built-in server",
            );
            Err(None)
        }
        [first, second, ..] => {
            let message = format!("a server has `{first}` or `{second}`, not both");
            findings.error(group.mark(second), &join(path, second), message).hint("make two servers of them");
            Err(None)
        }
    }
}

/// Keys of another kind of server.
fn unfit(group: &Group<'_>, path: &str, names: &[&str], whose: &str, lenient: bool, findings: &mut Findings) {
    for name in names {
        let Some(node) = group.node(name) else { continue };
        let empty = node.scalar().is_none() && node.items().is_empty() && node.entries().is_empty();
        if lenient || empty {
            continue;
        }
        findings.error(&node.mark, &join(path, name), format!("only {whose} has this key"));
    }
}

fn command(group: &Group<'_>, path: &str, setting: &Setting<'_>, findings: &mut Findings) -> ServerCommand {
    let program = group.text("command").unwrap_or_default();
    if group.text("command").is_some() && (program.trim().is_empty() || program.contains('\0')) {
        findings.error(group.mark("command"), &join(path, "command"), "must name a program");
    }
    if let Some(transport) = group.text("transport")
        && !["stdio", "auto"].contains(&transport)
        && !setting.lenient
    {
        let message = "a program is spoken to over its standard input and output";
        findings.error(group.mark("transport"), &join(path, "transport"), message).hint("leave it out, or give `url`");
    }
    lawful_variables(group, path, findings);
    ServerCommand {
        program: home(program, setting),
        args: group.texts("args"),
        env: group.pairs("env"),
        cwd: group.text("cwd").map(|cwd| placed(cwd, setting.folder, setting.environment)),
        inherit_env: group.switch("inherit_env").unwrap_or(setting.inherit_env),
    }
}

/// Names and values that no variable can have.
fn lawful_variables(group: &Group<'_>, path: &str, findings: &mut Findings) {
    for (key, node) in group.node("env").map(Node::entries).unwrap_or_default() {
        let broken = key.name.is_empty() || key.name.contains(['=', '\0']);
        if broken || node.scalar().is_some_and(|value| value.contains('\0')) {
            let message = "no variable can have this name or value";
            findings.error(&key.mark, &join(&join(path, "env"), &key.name), message);
        }
    }
}

/// A program below the home folder, written with `~/`.
fn home(program: &str, setting: &Setting<'_>) -> String {
    if program.starts_with("~/") {
        return placed(program, Path::new(""), setting.environment).to_string_lossy().into_owned();
    }
    program.to_owned()
}

/// Adds the variables of `env_file`; those of `env` win. A file that is not there disables the server.
fn with_env_file(
    mut server: Server,
    group: &Group<'_>,
    path: &str,
    setting: &Setting<'_>,
    disabled: &mut Option<String>,
    findings: &mut Findings,
) -> Server {
    let (Server::Command(command) | Server::Folder(FolderServer { interpreter: command, .. }), Some(file)) =
        (&mut server, group.text("env_file"))
    else {
        return server;
    };
    let place = placed(file, setting.folder, setting.environment);
    match dotenv::read(&place) {
        Ok(variables) => {
            let own = std::mem::take(&mut command.env);
            let named = |name: &String| own.iter().any(|(other, _)| other == name);
            command.env = variables.into_iter().filter(|(name, _)| !named(name)).collect();
            command.env.extend(own);
        }
        Err(error) if disabled.is_none() => {
            let why = format!("the file {} cannot be read: {}", place.display(), said(&error));
            findings.warning(group.mark("env_file"), &join(path, "env_file"), format!("not served: {why}"));
            *disabled = Some(why);
        }
        Err(_) => {}
    }
    server
}

fn remote(group: &Group<'_>, path: &str, findings: &mut Findings) -> Option<RemoteServer> {
    let url = group.url("url")?;
    let transport = match group.text("transport") {
        Some("http" | "streamable-http" | "streamable_http" | "streamableHttp") => RemoteTransport::Http,
        Some("sse") => RemoteTransport::Sse,
        Some("ws" | "websocket") => RemoteTransport::Ws,
        Some("stdio") => {
            let message = "a server with a `url` is not spoken to over stdio";
            findings
                .error(group.mark("transport"), &join(path, "transport"), message)
                .hint("use auto, http, sse or ws");
            RemoteTransport::Auto
        }
        _ => RemoteTransport::Auto,
    };
    let socket = matches!(url.scheme(), "ws" | "wss");
    if socket && matches!(transport, RemoteTransport::Http | RemoteTransport::Sse) {
        let message = "a server at a ws: or wss: address is spoken to with `ws`";
        findings.error(group.mark("transport"), &join(path, "transport"), message);
    }
    let headers = headers(group, path, findings);
    let allow_private = group.switch("allow_private").unwrap_or(true);
    Some(RemoteServer { url, headers, transport, allow_private })
}

/// Reads an API. The error is the reason why it is not served.
fn api(group: &Group<'_>, path: &str, setting: &Setting<'_>, findings: &mut Findings) -> Result<OpenApiServer, String> {
    let given = group.text("openapi").unwrap_or_default();
    let is_address = given.starts_with("http://") || given.starts_with("https://");
    let source = match url::Url::parse(given) {
        Ok(url) if is_address => OpenApiSource::Url(url),
        _ if is_address || given.trim().is_empty() => {
            let message = "must be the path of a file, or an http or https URL";
            findings.error(group.mark("openapi"), &join(path, "openapi"), message);
            return Err(message.to_owned());
        }
        _ => {
            let place = placed(given, setting.folder, setting.environment);
            if let Err(error) = std::fs::File::open(&place) {
                let why = format!("the file {} cannot be read: {}", place.display(), said(&error));
                findings.warning(group.mark("openapi"), &join(path, "openapi"), why);
            }
            OpenApiSource::file(&place)
        }
    };
    let (headers, query) = (headers(group, path, findings), group.pairs("query"));
    let (base_url, allow_private) = (group.url("base_url"), group.switch("allow_private"));
    Ok(OpenApiServer { source, base_url, headers, query, allow_private })
}

fn headers(group: &Group<'_>, path: &str, findings: &mut Findings) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (key, node) in group.node("headers").map(Node::entries).unwrap_or_default() {
        let path = join(&join(path, "headers"), &key.name);
        let name = HeaderName::try_from(key.name.as_str());
        let value = node.scalar().map(HeaderValue::try_from);
        match (name, value) {
            (Ok(name), Some(Ok(mut value))) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            (Err(_), _) => drop(findings.error(&key.mark, &path, "no header can have this name")),
            (_, Some(Err(_))) => drop(findings.error(&node.mark, &path, "no header can have this value")),
            (_, None) => {}
        }
    }
    headers
}
