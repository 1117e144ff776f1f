//! The section `tools` of a server or a view: which tools are shown, and under which names.

use super::super::ToolRules;
use super::super::field::{Field, Kind};
use super::super::finding::Findings;
use super::super::group::Group;
use super::super::tree::{Node, join};

static FIELDS: [Field; 4] = [
    Field::new("allow", Kind::Texts, "[]", "Patterns of the tools that are shown (`*` for any text); empty: all."),
    Field::new("deny", Kind::Texts, "[]", "Patterns of tools that are not shown, whatever is allowed."),
    Field::new("rename", Kind::TextMap, "{}", "Other names, by the server's own."),
    Field::new("describe", Kind::TextMap, "{}", "Other descriptions, by the server's own names."),
];

/// The keys of the section.
pub(super) fn fields() -> Vec<&'static Field> {
    FIELDS.iter().collect()
}

/// Reads the section `tools` of a group, and finds rules that contradict each other.
pub(super) fn read(node: Option<&Node>, path: &str, findings: &mut Findings) -> ToolRules {
    let Some(node) = node else { return ToolRules::default() };
    let fields = fields();
    let group = Group::new(node, &fields);
    let rules = ToolRules {
        allow: group.texts("allow"),
        deny: group.texts("deny"),
        rename: group.map("rename"),
        describe: group.map("describe"),
    };
    let path = join(path, "tools");
    for denied in group.node("deny").map(Node::items).unwrap_or_default() {
        if denied.scalar().is_some_and(|pattern| rules.allow.iter().any(|allowed| allowed == pattern)) {
            let message = "the same pattern is allowed: nothing that fits it is shown";
            findings.error(&denied.mark, &join(&path, "deny"), message).hint("take it out of one of the lists");
        }
    }
    for name in ["rename", "describe"] {
        for (key, _) in group.node(name).map(Node::entries).unwrap_or_default() {
            let path = join(&join(&path, name), &key.name);
            if key.name.contains('*') {
                findings.error(&key.mark, &path, "must be the name of one tool, not a pattern");
            } else if !rules.shows(&key.name) {
                let message = "has no effect: the rules of allow and deny do not show this tool";
                findings.error(&key.mark, &path, message).hint("rules use the server's own names");
            }
        }
    }
    renames(&group, &path, findings);
    rules
}

/// New names must be names, and each must be had once.
fn renames(group: &Group<'_>, path: &str, findings: &mut Findings) {
    let entries = group.node("rename").map(Node::entries).unwrap_or_default();
    for (index, (key, node)) in entries.iter().enumerate() {
        let Some(name) = node.scalar() else { continue };
        let path = join(&join(path, "rename"), &key.name);
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(plain) {
            let message = "a tool's name has 1 to 128 letters, digits, `_`, `-`, `.` or `/`";
            findings.error(&node.mark, &path, message);
        }
        let earlier = entries[..index].iter().find(|(_, other)| other.scalar() == Some(name));
        if let Some((other, _)) = earlier {
            findings.error(&node.mark, &path, format!("{:?} is renamed to the same name", other.name));
        }
    }
}
