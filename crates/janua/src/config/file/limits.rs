//! The section `limits`: every bound under the name it has in a file.

use std::time::Duration;

use super::super::Limits;
use super::super::field::{Field, Kind};
use super::super::finding::Findings;
use super::super::group::Group;
use super::super::tree::Node;

/// One bound: its key, and its place among the limits.
struct Limit {
    field: Field,
    place: Place,
}

enum Place {
    Time(fn(&mut Limits) -> &mut Duration),
    Number(fn(&mut Limits) -> &mut usize),
}

const fn time(
    name: &'static str,
    default: &'static str,
    at: fn(&mut Limits) -> &mut Duration,
    meaning: &'static str,
) -> Limit {
    Limit { field: Field::new(name, Kind::Time, default, meaning), place: Place::Time(at) }
}

const fn size(
    name: &'static str,
    default: &'static str,
    at: fn(&mut Limits) -> &mut usize,
    meaning: &'static str,
) -> Limit {
    Limit { field: Field::new(name, Kind::Size, default, meaning), place: Place::Number(at) }
}

const fn count(
    name: &'static str,
    default: &'static str,
    at: fn(&mut Limits) -> &mut usize,
    meaning: &'static str,
) -> Limit {
    Limit { field: Field::new(name, Kind::Count, default, meaning), place: Place::Number(at) }
}

static LIMITS: &[Limit] = &[
    count(
        "user_instances",
        "16",
        |l| &mut l.user_instances,
        "Instances of one server in a folder at once for one user id: one for each API key.",
    ),
    count("users", "10000", |l| &mut l.users, "Users of one server who have links to it."),
    size("request_body", "4MiB", |l| &mut l.request_body, "Largest request body."),
    size("server_message", "16MiB", |l| &mut l.server_message, "Largest message of a server."),
    time("body_idle", "30s", |l| &mut l.body_idle, "Longest wait for the next part of a request body."),
    time(
        "body_total",
        "60s",
        |l| &mut l.body_total,
        "Longest time for a whole request body, besides a second for every 64 KiB of it.",
    ),
    size("body_bytes", "256MiB", |l| &mut l.body_bytes, "Bytes of request bodies that are being read at once."),
    count("streams", "4096", |l| &mut l.streams, "Streams of changes and of events that are open at once."),
    time("header_timeout", "10s", |l| &mut l.header, "Longest time to read a request's header."),
    time("call_timeout", "60s", |l| &mut l.call, "Longest wait for a reply without a sign of progress."),
    time(
        "call_total",
        "15m",
        |l| &mut l.call_total,
        "Longest wait for a reply at all, and for an answer to a server's question.",
    ),
    time("start_timeout", "60s", |l| &mut l.start, "Longest time to start a server and to get its first answer."),
    time(
        "write_stall",
        "30s",
        |l| &mut l.write_stall,
        "Longest time a server may leave its standard input unread while something waits to be written.",
    ),
    count(
        "server_queue_items",
        "128",
        |l| &mut l.server_queue_items,
        "Messages that may wait to be written to one server.",
    ),
    size(
        "server_queue_bytes",
        "8MiB",
        |l| &mut l.server_queue_bytes,
        "Bytes that may wait to be written to one server.",
    ),
    count(
        "session_requests",
        "64",
        |l| &mut l.session_requests,
        "Requests of one session under way at once; a session for plain HTTP may have as many as one server.",
    ),
    count("sessions", "1024", |l| &mut l.sessions, "Sessions at once."),
    time("session_idle", "5m", |l| &mut l.session_idle, "Idle time after which a session ends."),
    time(
        "rest_idle",
        "10m",
        |l| &mut l.rest_idle,
        "Time after the end of its last call after which a session of plain HTTP requests ends.",
    ),
    count(
        "rest_sessions",
        "256",
        |l| &mut l.rest_sessions,
        "Sessions of plain HTTP requests that one principal, or one address, may have at once.",
    ),
    time("session_age", "24h", |l| &mut l.session_age, "Age at which a session ends even if it is used."),
    count(
        "stream_events",
        "256",
        |l| &mut l.stream_events,
        "Events kept per stream: waiting to be read, or kept for a client that comes back.",
    ),
    size("stream_bytes", "4MiB", |l| &mut l.stream_bytes, "Bytes kept per stream."),
    time(
        "stream_kept",
        "5m",
        |l| &mut l.stream_kept,
        "How long a finished stream is kept for a client that comes back.",
    ),
    time(
        "stream_after",
        "15s",
        |l| &mut l.stream_after,
        "Silence after which an answer that could still be plain JSON becomes an event stream.",
    ),
    time("keep_alive", "15s", |l| &mut l.keep_alive, "Time between comments that keep a stream alive."),
    count("connections", "10000", |l| &mut l.connections, "Connections at once."),
    count("source_connections", "256", |l| &mut l.source_connections, "Connections at once from one address."),
    count("requests", "4096", |l| &mut l.requests, "Requests under way at once."),
    count("server_requests", "256", |l| &mut l.server_requests, "Requests under way at once at one server."),
    count("children", "256", |l| &mut l.children, "Programs running at once."),
    count("starts", "8", |l| &mut l.starts, "Servers being started at once."),
    time("list_timeout", "10s", |l| &mut l.list, "Longest wait for one server's part of a list."),
    time(
        "list_fresh",
        "5s",
        |l| &mut l.list_fresh,
        "How long a list is taken for true that its server promises no news of.",
    ),
    count(
        "parked",
        "256",
        |l| &mut l.parked,
        "Calls at once that wait for clients to come back with answers (2026-07-28).",
    ),
    time("parked_for", "15m", |l| &mut l.parked_for, "How long such a call may wait."),
    time(
        "stop_eof",
        "2s",
        |l| &mut l.stop_eof,
        "How long a stopping server may take after its standard input was closed.",
    ),
    time("stop_term", "3s", |l| &mut l.stop_term, "How long it may take after SIGTERM."),
    time("drain", "30s", |l| &mut l.drain, "How long running requests may take when the gateway stops."),
];

/// The keys of the section.
pub(in crate::config) fn fields() -> Vec<&'static Field> {
    LIMITS.iter().map(|limit| &limit.field).collect()
}

/// Reads the section over the defaults.
pub(in crate::config) fn read(node: &Node, limits: &mut Limits, findings: &mut Findings) {
    let fields = fields();
    let group = Group::new(node, &fields);
    for limit in LIMITS {
        let name = limit.field.name;
        match limit.place {
            Place::Time(at) => {
                if let Some(time) = group.time(name) {
                    *at(limits) = time;
                }
            }
            Place::Number(at) => {
                let size = matches!(limit.field.kind, Kind::Size);
                let number = if size { group.size(name) } else { group.count(name) };
                if number == Some(0) {
                    findings.error(group.mark(name), &format!("limits.{name}"), "must be more than nothing");
                } else if let Some(number) = number {
                    *at(limits) = number;
                }
            }
        }
    }
    longer(&group, limits, findings);
}

/// The longest wait for a call cannot be shorter than the wait without progress.
fn longer(group: &Group<'_>, limits: &mut Limits, findings: &mut Findings) {
    if limits.call <= limits.call_total {
        return;
    }
    if group.node("call_total").is_some() {
        let message = "is shorter than limits.call_timeout, which would never be reached";
        findings.error(group.mark("call_total"), "limits.call_total", message);
    }
    limits.call_total = limits.call;
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::{Format, Value, parse};
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_gateway_and_every_limit_has_a_key() {
        let mut other = Limits::default();
        let mut findings = Findings::default();
        let Some(mut root) = parse("{}", Format::Json, &mut findings) else { panic!("it is JSON") };
        let mark = root.mark.clone();
        for limit in LIMITS {
            root.put(limit.field.name, Node::new(Value::Made(limit.field.default.to_owned()), &mark));
            match limit.place {
                Place::Time(at) => *at(&mut other) = Duration::MAX,
                Place::Number(at) => *at(&mut other) = usize::MAX,
            }
        }
        let untouched: Vec<String> = format!("{other:?}")
            .split(", ")
            .filter(|field| !field.contains("18446744073709551615"))
            .map(str::to_owned)
            .collect();
        assert!(untouched.is_empty(), "these limits have no key: {untouched:?}");
        read(&root, &mut other, &mut findings);
        assert_eq!(other, Limits::default());
        assert!(!findings.fatal());
    }
}
