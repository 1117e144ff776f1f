//! The section `views`: named selections of servers and tools.

use std::collections::BTreeMap;

use super::super::field::{Field, Kind};
use super::super::finding::Findings;
use super::super::group::Group;
use super::super::tree::{Key, Node, join};
use super::super::{Prefix, ServerSettings, ViewSettings};
use super::tools;

static FIELDS: [Field; 3] = [
    Field::new("servers", Kind::Texts, "[]", "Names of its servers; empty: all."),
    Field::new(
        "prefix",
        Kind::Choice(&["auto", "always", "never"]),
        "auto",
        "Whether the names of tools and prompts begin with their server's: `auto` if there are several servers.",
    ),
    Field::new("tools", Kind::Section(tools::fields), "", "Which tools are shown, by the names they have in the view."),
];

/// The keys of a view.
pub(super) fn fields() -> Vec<&'static Field> {
    FIELDS.iter().collect()
}

/// Whether a view's name and servers are what they should be.
pub(super) fn fits(
    key: &Key,
    node: &Node,
    servers: &BTreeMap<String, ServerSettings>,
    findings: &mut Findings,
) -> bool {
    let path = join("views", &key.name);
    if servers.contains_key(&key.name) {
        findings
            .error(&key.mark, &path, "a server has the same name, and so the same address")
            .hint("rename one of them");
        return false;
    }
    let fields = fields();
    let names: Vec<&str> = servers.keys().map(String::as_str).collect();
    let mut known = true;
    for item in Group::new(node, &fields).node("servers").map(Node::items).unwrap_or_default() {
        let Some(name) = item.scalar() else { continue };
        if !servers.contains_key(name) {
            let finding = findings.error(&item.mark, &join(&path, "servers"), format!("there is no server {name:?}"));
            finding.suggest(name, &names);
            known = false;
        }
    }
    known
}

/// Reads a view.
pub(super) fn read(key: &Key, node: &Node, findings: &mut Findings) -> ViewSettings {
    let fields = fields();
    let group = Group::new(node, &fields);
    ViewSettings {
        servers: group.texts("servers"),
        prefix: match group.text("prefix") {
            Some("always") => Prefix::Always,
            Some("never") => Prefix::Never,
            _ => Prefix::Auto,
        },
        tools: tools::read(group.node("tools"), &join("views", &key.name), findings),
    }
}
