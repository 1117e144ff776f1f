//! One server as a configuration file defines it, read whoever wrote it and written in anybody's words.

use std::cell::Cell;

use super::super::edit::Value;
use super::super::file::{mended, refused};
use super::super::{Server, ServerCommand};
use super::{Dialect, Fixed, Switch, Words};

/// A server as a file defines it. References to the environment and to files stand as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub target: Target,
    /// Whether it is switched off.
    pub disabled: bool,
    /// What else we know to say about a server, in our words.
    pub settings: Vec<(String, Value)>,
}

/// What a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A program.
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
        /// Variables of its environment.
        env: Vec<(String, String)>,
        /// Its working directory.
        cwd: Option<String>,
    },
    /// A remote server.
    Remote {
        /// Its address.
        url: String,
        /// `http`, `sse` or `ws`; found out if absent.
        transport: Option<String>,
        /// Headers sent with every request.
        headers: Vec<(String, String)>,
    },
    /// A server that is built in.
    Builtin(String),
}

/// Keys of ours that are kept as they are.
const OURS: [&str; 11] = [
    "share",
    "capabilities",
    "idle_timeout",
    "call_timeout",
    "start_timeout",
    "warm",
    "required",
    "protocol",
    "inherit_env",
    "allow_private",
    "env_file",
];

/// Keys that others write and that say nothing about the server.
const SAY_NOTHING: [&str; 9] =
    ["name", "title", "description", "source", "gallery", "version", "note", "icon", "bundled"];

/// Reads a server that anybody may have written, and names the keys that were not understood.
///
/// # Errors
/// Says why it cannot be a server.
pub fn read(value: &Value) -> Result<(Entry, Vec<String>), String> {
    if !matches!(value, Value::Map(_)) {
        return Err("is not a group of keys".to_owned());
    }
    let mut reader = Reader::default();
    for (key, value) in value.members() {
        reader.take(key, value);
    }
    reader.entry()
}

#[derive(Default)]
struct Reader {
    words: Vec<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: Option<String>,
    url: Option<String>,
    kind: Option<String>,
    headers: Vec<(String, String)>,
    builtin: Option<String>,
    disabled: bool,
    allow: Option<Value>,
    deny: Option<Value>,
    settings: Vec<(String, Value)>,
    unknown: Vec<String>,
}

impl Reader {
    fn take(&mut self, key: &str, value: &Value) {
        let truth = value.as_bool();
        match key {
            "command" | "cmd" => self.command(value),
            "args" => self.args.extend(texts(value)),
            "env" | "environment" | "envs" => self.env.extend(pairs(value)),
            "cwd" | "path" | "workingDirectory" | "working_directory" => {
                self.cwd = value.spelled().filter(|cwd| !cwd.is_empty());
            }
            "url" | "serverUrl" | "uri" => self.url = self.url.take().or(value.spelled().filter(|url| !url.is_empty())),
            "httpUrl" => {
                self.url = value.spelled();
                self.kind = Some("http".to_owned());
            }
            "type" | "transport" | "transportType" => self.kind = self.kind.take().or(value.spelled()),
            "headers" | "http_headers" => self.headers.extend(pairs(value)),
            "builtin" => self.builtin = value.spelled(),
            "disabled" => self.disabled |= truth == Some(true),
            "enabled" | "active" => self.disabled |= truth == Some(false),
            "bearer_token_env_var" => {
                let token = value.spelled().unwrap_or_default();
                self.headers.push(("Authorization".to_owned(), format!("Bearer ${{{token}}}")));
            }
            "env_http_headers" => {
                let header = |(name, variable): (String, String)| (name, format!("${{{variable}}}"));
                self.headers.extend(pairs(value).into_iter().map(header));
            }
            "env_vars" => self.env.extend(texts(value).into_iter().map(|name| (name.clone(), format!("${{{name}}}")))),
            "envFile" => self.settings.push(("env_file".to_owned(), value.clone())),
            // Some count seconds, others milliseconds, under the same key.
            "timeout" => {
                self.time("call_timeout", value, if value.spelled().is_some_and(|n| n.len() > 3) { "ms" } else { "s" })
            }
            "startup_timeout_sec" => self.time("start_timeout", value, "s"),
            "startup_timeout_ms" => self.time("start_timeout", value, "ms"),
            "tool_timeout_sec" => self.time("call_timeout", value, "s"),
            "allowedTools" | "includeTools" | "enabled_tools" => self.allow = Some(value.clone()),
            "disabledTools" | "excludeTools" | "disabled_tools" => self.deny = Some(value.clone()),
            "tools" if matches!(value, Value::Map(_)) => self.settings.push((key.to_owned(), value.clone())),
            "tools" if value.items() == [Value::text("*")] => {}
            _ if OURS.contains(&key) => self.settings.push((key.to_owned(), value.clone())),
            _ if SAY_NOTHING.contains(&key) => {}
            _ => self.unknown.push(key.to_owned()),
        }
    }

    /// A program alone, with its arguments in a list, or, as Zed once wrote it, in a group of its own.
    fn command(&mut self, value: &Value) {
        match value {
            Value::List(_) => self.words = texts(value),
            Value::Map(members) => {
                for (key, value) in members {
                    match key.as_str() {
                        "path" | "command" => self.words = value.spelled().into_iter().collect(),
                        "args" => self.args.extend(texts(value)),
                        "env" => self.env.extend(pairs(value)),
                        other => self.unknown.push(format!("command.{other}")),
                    }
                }
            }
            value => self.words = value.spelled().filter(|word| !word.is_empty()).into_iter().collect(),
        }
    }

    fn time(&mut self, name: &str, value: &Value, unit: &str) {
        if let Value::Number(number) = value {
            self.settings.push((name.to_owned(), Value::text(format!("{number}{unit}"))));
        }
    }

    fn entry(mut self) -> Result<(Entry, Vec<String>), String> {
        let rules = [("allow", self.allow.take()), ("deny", self.deny.take())];
        let rules: Vec<_> = rules.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        if !rules.is_empty() {
            self.settings.push(("tools".to_owned(), Value::Map(rules)));
        }
        let target = match (self.url, self.words.is_empty(), self.builtin) {
            (Some(url), true, _) => {
                let (transport, odd) = transport(self.kind.as_deref());
                self.unknown.extend(odd.map(|word| format!("type {word:?}")));
                Target::Remote { url, transport, headers: self.headers }
            }
            (None, false, _) => {
                let program = self.words.remove(0);
                self.words.append(&mut self.args);
                Target::Command { program, args: self.words, env: self.env, cwd: self.cwd }
            }
            (None, true, Some(name)) => Target::Builtin(name),
            (Some(_), false, _) => return Err("has a command and a URL: which of them?".to_owned()),
            (None, true, None) => return Err("has neither a command nor a URL".to_owned()),
        };
        Ok((Entry { target, disabled: self.disabled, settings: self.settings }, self.unknown))
    }
}

/// Our word for how a remote server is reached, and the word that was not understood.
fn transport(kind: Option<&str>) -> (Option<String>, Option<String>) {
    let word = match kind {
        None | Some("remote" | "auto" | "stdio") => None,
        Some("http" | "streamable-http" | "streamableHttp" | "streamable_http" | "streamablehttp") => Some("http"),
        Some("sse") => Some("sse"),
        Some("ws" | "websocket") => Some("ws"),
        Some(other) => return (None, Some(other.to_owned())),
    };
    (word.map(str::to_owned), None)
}

fn texts(value: &Value) -> Vec<String> {
    value.items().iter().filter_map(Value::spelled).collect()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.members().iter().filter_map(|(key, value)| Some((key.clone(), value.spelled()?))).collect()
}

impl Entry {
    /// A server with nothing special about it.
    pub fn new(target: Target) -> Entry {
        Entry { target, disabled: false, settings: Vec::new() }
    }

    /// The entry in a client's words. `name` is what it is called, which some write into it, too.
    pub fn write(&self, dialect: &Dialect, name: &str) -> Value {
        let mut out: Vec<(String, Value)> = Vec::new();
        let mut put = |key: &str, value: Value| out.push((key.to_owned(), value));
        let fixed = |fixed: &Fixed| match fixed {
            Fixed::True => Value::Bool(!self.disabled),
            Fixed::Name => Value::text(name),
            Fixed::Everything => Value::texts(["*"]),
        };
        dialect.fixed.iter().for_each(|(key, value)| put(key, fixed(value)));
        if let (Some(kind), Some(word)) = (&dialect.kind, self.kind_word(dialect)) {
            put(kind.key, Value::text(word));
        }
        match &self.target {
            Target::Command { program, args, env, cwd } => {
                match dialect.command {
                    Words::Together => put("command", Value::texts(std::iter::once(program).chain(args).cloned())),
                    Words::Apart => put("command", Value::text(program)),
                    Words::Cmd => put("cmd", Value::text(program)),
                }
                if !matches!(dialect.command, Words::Together) && !args.is_empty() {
                    put("args", Value::texts(args.iter().cloned()));
                }
                if !env.is_empty() {
                    put(dialect.env, Value::pairs(env));
                }
                if let Some(cwd) = cwd {
                    put("cwd", Value::text(cwd));
                }
            }
            Target::Remote { url, headers, .. } => {
                put(dialect.url, Value::text(url));
                if !headers.is_empty() {
                    put(dialect.headers, Value::pairs(headers));
                }
            }
            Target::Builtin(name) => put("builtin", Value::text(name)),
        }
        self.settings.iter().for_each(|(key, value)| put(key, value.clone()));
        let switched = dialect.fixed.iter().any(|(key, _)| *key == "enabled");
        if self.disabled && !switched {
            let (key, value) = dialect.switched_off();
            put(key, value);
        }
        Value::Map(out)
    }

    fn kind_word<'a>(&'a self, dialect: &'a Dialect) -> Option<&'a str> {
        let kind = dialect.kind.as_ref()?;
        match &self.target {
            Target::Command { .. } => kind.stdio,
            Target::Builtin(_) => None,
            Target::Remote { transport, .. } => match transport.as_deref() {
                Some("sse") => Some(kind.sse),
                Some("ws") => Some("ws"),
                // Our own files find out by themselves; those of others want to be told.
                None if kind.key == "transport" => None,
                _ => kind.http,
            },
        }
    }

    /// How it is reached, in a word.
    pub fn transport(&self) -> &str {
        match &self.target {
            Target::Command { .. } => "stdio",
            Target::Remote { transport: Some(transport), .. } => transport,
            Target::Remote { url, .. } if url.starts_with("ws:") || url.starts_with("wss:") => "ws",
            Target::Remote { .. } => "auto",
            Target::Builtin(_) => "builtin",
        }
    }

    /// Its address or its command line in one line; what looks like a secret is masked.
    pub fn label(&self) -> String {
        match &self.target {
            Target::Command { program, args, .. } => {
                let command =
                    ServerCommand { program: program.clone(), args: args.clone(), ..ServerCommand::default() };
                Server::Command(command).label()
            }
            Target::Remote { url, .. } => masked_url(url),
            Target::Builtin(name) => name.clone(),
        }
    }
}

impl Dialect {
    /// The key and the value that switch a server off.
    pub fn switched_off(&self) -> (&'static str, Value) {
        match self.switch {
            Switch::Disabled => ("disabled", Value::Bool(true)),
            Switch::Enabled => ("enabled", Value::Bool(false)),
        }
    }
}

/// An address without what may be secret in it: the query, and a name with a password.
pub fn masked_url(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, _)| (address, "?***"));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}://***{}{query}", &rest[at..]),
        None => format!("{address}{query}"),
    }
}

/// A value that may be secret, as it is shown: references to where it comes from are shown, all else is not.
pub fn masked(value: &str) -> String {
    let (word, rest) = match value.split_once(' ') {
        Some((word @ ("Bearer" | "Basic" | "Token" | "token"), rest)) => (format!("{word} "), rest),
        _ => (String::new(), value),
    };
    let reference = rest.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let plain = reference.is_some_and(|name| !name.contains(['$', '{', '}']) && !name.contains(":-"));
    if plain || value.is_empty() { value.to_owned() } else { format!("{word}***") }
}

/// Tells, of the scalars of a configuration in their order, those that may be secret: what is in environments and
/// headers, what its key says to be, and arguments that a secret-looking option announces.
pub fn secrets() -> impl Fn(&[&str], &str) -> bool {
    const GROUPS: [&str; 5] = ["env", "environment", "envs", "headers", "http_headers"];
    const WORDS: [&str; 7] = ["key", "token", "secret", "password", "passwd", "auth", "credential"];
    let named = |key: &str| WORDS.iter().any(|word| key.to_ascii_lowercase().contains(word));
    let announced = Cell::new(false);
    move |path, value| {
        let Some((last, above)) = path.split_last() else { return false };
        let was_announced = announced.take();
        match *last {
            "args" | "command" => {
                let option = value.starts_with('-');
                announced.set(option && named(value) && !value.contains('='));
                (was_announced && !option) || (named(value) && value.contains('='))
            }
            "url" | "serverUrl" | "httpUrl" | "uri" => masked_url(value) != value,
            last => (named(last) || above.iter().any(|key| GROUPS.contains(key))) && masked(value) != value,
        }
    }
}

/// The nearest name that a server can have here; the name itself, if it can have that.
pub fn lawful_name(name: &str) -> String {
    if refused(name).is_none() { name.to_owned() } else { mended(name) }
}
