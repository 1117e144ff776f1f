//! The section `rest`: how tools are plain HTTP.

use super::super::field::{Field, Kind};
use super::super::group::Group;
use super::super::tree::Node;
use super::super::{RestSessions, RestSettings};

static FIELDS: [Field; 2] = [
    Field::new(
        "sessions",
        Kind::Choice(&["caller", "ephemeral", "required"]),
        "caller",
        "Which session a request belongs to that names none: the caller's, one of its own, or none, so that it is refused.",
    ),
    Field::new(
        "error_status",
        Kind::Switch,
        "true",
        "Whether errors of servers have statuses that say so in the answers to requests with `?sessionId=`.",
    ),
];

/// The keys of the section.
pub(in crate::config) fn fields() -> Vec<&'static Field> {
    FIELDS.iter().collect()
}

/// Reads the section over the defaults.
pub(in crate::config) fn read(node: &Node) -> RestSettings {
    let fields = fields();
    let group = Group::new(node, &fields);
    let sessions = match group.text("sessions") {
        Some("ephemeral") => RestSessions::Ephemeral,
        Some("required") => RestSessions::Required,
        _ => RestSessions::Caller,
    };
    RestSettings { sessions, error_status: group.switch("error_status").unwrap_or(true) }
}
