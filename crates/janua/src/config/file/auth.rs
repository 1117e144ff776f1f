//! The section `auth`: who may use the gateway.

use super::super::auth::{AuthSettings, Credential, OpenRoute};
use super::super::field::{Field, Kind};
use super::super::finding::Findings;
use super::super::group::Group;
use super::super::tree::{Mark, Node, Value, join};
use crate::secret::Hashed;

static FIELDS: [Field; 3] = [
    Field::new("basic", Kind::Section(basic), "", "User names and passwords (HTTP Basic)."),
    Field::new("bearer", Kind::Section(bearer), "", "Tokens (HTTP Bearer)."),
    Field::new(
        "open",
        Kind::Texts,
        "[\"livez\", \"readyz\"]",
        "What is answered to anybody: `livez`, `readyz`, and `health` if it is named.",
    ),
];

static BASIC: [Field; 2] = [
    Field::new("enabled", Kind::Switch, "true", "Whether this scheme is accepted."),
    Field::new("credentials", Kind::Groups(credential), "[]", "The users; one may have several."),
];

static BEARER: [Field; 2] = [
    Field::new("enabled", Kind::Switch, "true", "Whether this scheme is accepted."),
    Field::new("tokens", Kind::TextsOrGroups(token), "[]", "The tokens: texts, or groups of these keys."),
];

static CREDENTIAL: [Field; 4] = [
    Field::new("username", Kind::Text, "", "The user's name: the principal that sessions belong to."),
    Field::new("password", Kind::Text, "", "The password: as it is, `${…}`, or `sha256:` and its SHA-256 in hex."),
    ADMIN,
    IMPERSONATE,
];

static TOKEN: [Field; 4] = [
    Field::new("token", Kind::Text, "", "The token: as it is, `${…}`, or `sha256:` and its SHA-256 in hex."),
    Field::new("user", Kind::Text, "", "Whose it is; absent: it is a principal of its own."),
    ADMIN,
    IMPERSONATE,
];

const ADMIN: Field =
    Field::new("admin", Kind::Switch, "false", "Whether its holder may administrate the gateway (`/admin/v1`).");
const IMPERSONATE: Field = Field::new(
    "impersonate",
    Kind::Switch,
    "false",
    "Whether its holder may act for other users, where an address names one.",
);

/// The keys of the section.
pub(super) fn fields() -> Vec<&'static Field> {
    FIELDS.iter().collect()
}

fn basic() -> Vec<&'static Field> {
    BASIC.iter().collect()
}

fn bearer() -> Vec<&'static Field> {
    BEARER.iter().collect()
}

fn credential() -> Vec<&'static Field> {
    CREDENTIAL.iter().collect()
}

fn token() -> Vec<&'static Field> {
    TOKEN.iter().collect()
}

/// Reads the section. One that lets nobody in is an error: it is there because somebody is meant to get in.
pub(super) fn read(node: &Node, findings: &mut Findings) -> AuthSettings {
    let fields = fields();
    let group = Group::new(node, &fields);
    let auth = AuthSettings {
        basic: scheme(&group, "basic", "credentials", user, findings),
        bearer: scheme(&group, "bearer", "tokens", holder, findings),
        open: open(&group, findings),
    };
    if let Some(whose) = ambiguous(&auth.bearer) {
        let message = format!("the token of {whose:?} is somebody else's, too");
        findings.error(&node.mark, "auth.bearer.tokens", message).hint("give each user a token of their own");
    }
    let off = |name: &str| enabled(&group, name).is_none();
    if off("basic") && off("bearer") {
        let message = "is there, but no scheme of it is enabled: every request would be refused";
        findings.error(&node.mark, "auth", message).hint("enable `basic` or `bearer`, or take `auth` out");
    } else if auth.basic.is_empty() && auth.bearer.is_empty() && !findings.fatal() {
        let message = "holds no credentials: every request would be refused";
        findings.error(&node.mark, "auth", message).hint("give `basic.credentials` or `bearer.tokens`");
    }
    auth
}

/// Whose token is another's, too.
fn ambiguous(tokens: &[Credential]) -> Option<&str> {
    let same = |one: &Credential, other: &Credential| one.secret == other.secret && one.principal != other.principal;
    let found = tokens.iter().find(|one| tokens.iter().any(|other| same(one, other)));
    found.map(|token| token.principal.as_str())
}

/// A scheme's group, if it is there and not switched off.
fn enabled<'a>(auth: &Group<'a>, name: &str) -> Option<&'a Node> {
    let node = auth.node(name)?;
    let fields = basic();
    (Group::new(node, &fields).switch("enabled") != Some(false)).then_some(node)
}

/// The credentials of a scheme, each read by `one`.
fn scheme(
    auth: &Group<'_>,
    name: &str,
    list: &str,
    one: fn(&Node, &str, &mut Findings) -> Option<Credential>,
    findings: &mut Findings,
) -> Vec<Credential> {
    let Some(items) = enabled(auth, name).and_then(|node| node.get(list)).map(Node::items) else { return Vec::new() };
    let path = join(&join("auth", name), list);
    let read = items.iter().enumerate().filter_map(|(at, item)| one(item, &format!("{path}[{at}]"), findings));
    read.collect()
}

/// A user with a password.
fn user(node: &Node, path: &str, findings: &mut Findings) -> Option<Credential> {
    let fields = credential();
    let group = Group::new(node, &fields);
    let secret = secret(&group, "password", path, findings)?;
    let name = principal(group.node("username"), &node.mark, &join(path, "username"), findings)?;
    if name.contains(':') {
        // RFC 7617, section 2: the name ends at the first colon.
        findings.error(group.mark("username"), &join(path, "username"), "a user name holds no colon");
    }
    Some(with_rights(Credential::new(name, secret), &group))
}

/// A token: a text, or a group that says whose it is.
fn holder(node: &Node, path: &str, findings: &mut Findings) -> Option<Credential> {
    let fields = token();
    if !matches!(node.value, Value::Map(_)) {
        let secret = hashed(node, path, findings)?;
        return Some(Credential::new(secret.name(), secret));
    }
    let group = Group::new(node, &fields);
    let secret = secret(&group, "token", path, findings)?;
    let name = match group.node("user") {
        Some(user) => principal(Some(user), &node.mark, &join(path, "user"), findings)?,
        None => secret.name(),
    };
    Some(with_rights(Credential::new(name, secret), &group))
}

fn with_rights(credential: Credential, group: &Group<'_>) -> Credential {
    let has = |right: &str| group.switch(right).unwrap_or(false);
    Credential { admin: has("admin"), impersonate: has("impersonate"), ..credential }
}

/// The name of a principal.
fn principal(node: Option<&Node>, mark: &Mark, path: &str, findings: &mut Findings) -> Option<String> {
    let name = node.and_then(Node::scalar).unwrap_or_default();
    let mark = node.map_or(mark, |node| &node.mark);
    if name.is_empty() || name.chars().any(char::is_control) {
        findings.error(mark, path, "must be a name");
        return None;
    }
    Some(name.to_owned())
}

/// The secret under a key.
fn secret(group: &Group<'_>, name: &str, path: &str, findings: &mut Findings) -> Option<Hashed> {
    let path = join(path, name);
    let Some(node) = group.node(name) else {
        findings.error(group.mark(""), &path, "is missing");
        return None;
    };
    hashed(node, &path, findings)
}

/// A secret as it is written. What is said about it never repeats it.
fn hashed(node: &Node, path: &str, findings: &mut Findings) -> Option<Hashed> {
    // What is not there, or no text, is a finding already.
    let text = node.scalar().filter(|_| !matches!(node.value, Value::Unset(_)))?;
    if text.is_empty() {
        findings.error(&node.mark, path, "must not be empty");
        return None;
    }
    let hashed = Hashed::written(text);
    if hashed.is_none() {
        findings.error(&node.mark, path, "`sha256:` is followed by the 64 hex digits of a SHA-256");
    }
    hashed
}

/// Which routes are open: as the file says, else those that only say whether the gateway runs.
fn open(group: &Group<'_>, findings: &mut Findings) -> Vec<OpenRoute> {
    let Some(node) = group.node("open") else { return vec![OpenRoute::Livez, OpenRoute::Readyz] };
    let mut routes = Vec::new();
    for item in node.items() {
        let Some(name) = item.scalar() else { continue };
        match OpenRoute::ALL.iter().find(|route| route.name() == name) {
            Some(route) => routes.push(*route),
            None => findings
                .error(&item.mark, "auth.open", "must hold names of routes that may be open")
                .suggest(name, &OpenRoute::ALL.map(OpenRoute::name)),
        }
    }
    routes
}
