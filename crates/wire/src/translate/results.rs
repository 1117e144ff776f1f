//! What 2026-07-28 has around a result and the revisions with a handshake do not.

use crate::edits::{Edits, Object};
use crate::method::{META_SERVER, Method};
use crate::raw::{elements, find, may_hold, whole};

/// What to add to the result of a `method` of a server with a handshake, for a client without: that it is complete,
/// that it must not be cached if it could be, and who answered (`server_info`, raw). What is there stays.
/// `execution`, which told that a tool can be run as a task, goes.
pub fn to_modern(method: Method, result: &[u8], server_info: Option<&[u8]>) -> Edits {
    let mut edits = Edits::none();
    let Some(object) = Object::of(result) else { return edits };
    let mut added: Vec<(&str, &[u8])> = vec![("resultType", b"\"complete\"")];
    if method.is_cacheable() {
        added.extend([("ttlMs", &b"0"[..]), ("cacheScope", b"\"private\"")]);
    }
    let mut changes: Vec<(&str, Option<&[u8]>)> = Vec::new();
    changes
        .extend(added.into_iter().filter(|(key, _)| object.find(key).is_none()).map(|(key, value)| (key, Some(value))));
    let named = server_info.map(|info| [format!("{{\"{META_SERVER}\":").as_bytes(), info, b"}"].concat());
    if let (Some(named), Some(info)) = (&named, server_info) {
        match object.find("_meta").and_then(|meta| Object::at(result, meta)) {
            Some(meta) if meta.find(META_SERVER).is_none() => meta.change(&mut edits, &[(META_SERVER, Some(info))]),
            Some(_) => {}
            None => changes.push(("_meta", Some(named))),
        }
    }
    object.change(&mut edits, &changes);
    if method == Method::ToolsList && may_hold(result, &["execution"]) {
        let tools = object.find("tools").map(|tools| elements(result, tools)).unwrap_or_default();
        for tool in tools.into_iter().filter_map(|tool| Object::at(result, tool)) {
            tool.change(&mut edits, &[("execution", None)]);
        }
    }
    edits
}

/// What to take out of a result of a server without a handshake, for a client with: what it is and how long it keeps.
pub fn to_legacy(result: &[u8]) -> Edits {
    let mut edits = Edits::none();
    if let Some(object) = Object::of(result) {
        object.change(&mut edits, &[("resultType", None), ("ttlMs", None), ("cacheScope", None)]);
    }
    edits
}

/// Whether a result of 2026-07-28 is the end of its request, and not a question or a task: its `resultType` is
/// `complete` or missing.
pub fn is_complete(result: &[u8]) -> bool {
    find(result, whole(result), "resultType").is_none_or(|kind| &result[kind.range()] == b"\"complete\"")
}
