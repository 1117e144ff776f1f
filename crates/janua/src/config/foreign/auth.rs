//! The `auth` of acehoss/mcp-gateway, under our keys.

use super::super::finding::Findings;
use super::super::tree::{Node, Value, join};

/// Their keys: of a scheme, of a user, and ours of a token.
const SCHEME: [&str; 3] = ["enabled", "credentials", "tokens"];
const USER: [&str; 4] = ["username", "password", "admin", "impersonate"];
const TOKEN: [&str; 4] = ["token", "user", "admin", "impersonate"];

/// The section under our keys. A scheme is off unless it is enabled, and nothing is open, as it was there. If there is
/// one user, the tokens are that user's: who has both may begin with one and go on with the other.
pub(super) fn auth(theirs: &Node, findings: &mut Findings) -> Node {
    let mut made = known(theirs, "auth", &["basic", "bearer", "open"], findings);
    let Value::Map(schemes) = &mut made.value else { return made };
    let only = only_user(theirs);
    for (key, scheme) in schemes.iter_mut().filter(|(key, _)| key.name != "open") {
        let path = join("auth", &key.name);
        *scheme = known(scheme, &path, &SCHEME, findings);
        let mark = scheme.mark.clone();
        let Value::Map(keys) = &mut scheme.value else { continue };
        for (key, list) in keys.iter_mut() {
            let path = join(&path, &key.name);
            let Value::List(items) = &mut list.value else { continue };
            for (at, item) in items.iter_mut().enumerate() {
                let names = if key.name == "tokens" { &TOKEN } else { &USER };
                *item = known(item, &format!("{path}[{at}]"), names, findings);
                if let (Some(user), "tokens") = (&only, key.name.as_str()) {
                    give(item, user);
                }
            }
        }
        if scheme.get("enabled").is_none_or(|on| matches!(on.value, Value::Null)) {
            scheme.put("enabled", Node::new(Value::Switch(false), &mark));
        }
    }
    if made.get("open").is_none() {
        let mark = made.mark.clone();
        made.put("open", Node::new(Value::List(Vec::new()), &mark));
    }
    made
}

/// A group without the keys that nobody knows.
fn known(theirs: &Node, path: &str, names: &[&str], findings: &mut Findings) -> Node {
    let mut node = theirs.clone();
    if let Value::Map(entries) = &mut node.value {
        entries.retain(|(key, _)| {
            let known = names.contains(&key.name.as_str());
            if !known {
                findings.warning(&key.mark, &join(path, &key.name), "unknown key, ignored").suggest(&key.name, names);
            }
            known
        });
    }
    node
}

/// The name of the only user there is.
fn only_user(auth: &Node) -> Option<Node> {
    let users = auth.get("basic")?.get("credentials")?.items();
    let mut names = users.iter().filter_map(|user| user.get("username"));
    let first = names.next()?;
    names.all(|other| other.scalar() == first.scalar()).then(|| first.clone())
}

/// Makes a token that is nobody's that user's.
fn give(token: &mut Node, user: &Node) {
    let mark = token.mark.clone();
    if !matches!(token.value, Value::Map(_)) {
        let mut group = Node::empty(&mark);
        group.put("token", token.clone());
        *token = group;
    }
    if token.get("user").is_none() {
        token.put("user", user.clone());
    }
}
