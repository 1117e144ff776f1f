//! What operations and paths are called: names of servers and tools in the characters that clients can take.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::Offer;

/// The ids of operations, each given once. Those of tools come first, so that nothing else changes them; and those
/// among them that need no change come before those that do.
pub(super) struct Ids {
    taken: HashSet<String>,
    tools: HashMap<(Option<String>, String), String>,
}

impl Ids {
    /// The ids of all tools.
    pub(super) fn of(offers: &[Offer]) -> Ids {
        let mut ids = Ids { taken: HashSet::new(), tools: HashMap::new() };
        let tools = || offers.iter().flat_map(|offer| offer.tools.iter().map(move |(tool, _)| (&offer.name, tool)));
        let (plain, other): (Vec<_>, Vec<_>) = tools().partition(|(server, tool)| {
            let wanted = joined(server.as_deref(), tool);
            reduced(&wanted) == wanted
        });
        for (server, tool) in plain.into_iter().chain(other) {
            let id = ids.take(&joined(server.as_deref(), tool));
            ids.tools.insert((server.clone(), tool.clone()), id);
        }
        ids
    }

    /// The id of a tool.
    pub(super) fn tool(&self, server: Option<&str>, tool: &str) -> String {
        self.tools.get(&(server.map(str::to_owned), tool.to_owned())).cloned().unwrap_or_default()
    }

    /// An id for something else of a server.
    pub(super) fn other(&mut self, server: Option<&str>, what: &str) -> String {
        self.take(&joined(server, what))
    }

    fn take(&mut self, wanted: &str) -> String {
        let wanted = reduced(wanted);
        let mut id = wanted.clone();
        let mut count = 1;
        while !self.taken.insert(id.clone()) {
            count += 1;
            id = format!("{wanted}_{count}");
        }
        id
    }
}

fn joined(server: Option<&str>, what: &str) -> String {
    server.map_or_else(|| what.to_owned(), |server| format!("{server}-{what}"))
}

/// The same in letters, digits, `-` and `_`.
fn reduced(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    name.chars().map(plain).collect()
}

/// A name as a segment of a path (RFC 3986 section 3.3): everything escaped but unreserved characters.
pub(super) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}"); // a string takes everything
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(server: &str, tools: &[&str]) -> Offer {
        let tools = tools.iter().map(|tool| ((*tool).to_owned(), bytes::Bytes::new())).collect();
        Offer { name: Some(server.to_owned()), tools, ..Offer::default() }
    }

    #[test]
    fn ids_are_the_older_gateways_where_the_name_permits() {
        let mut ids = Ids::of(&[offer("probe", &["bare name", "bare/name", "bare_name", "echo", "wörld"])]);
        let id = |tool| ids.tool(Some("probe"), tool);
        assert_eq!(id("echo"), "probe-echo");
        assert_eq!(id("bare_name"), "probe-bare_name", "what needs no change keeps its name");
        assert_eq!((id("bare name"), id("bare/name")), ("probe-bare_name_2".into(), "probe-bare_name_3".into()));
        assert_eq!(id("wörld"), "probe-w_rld");
        assert_eq!(ids.other(Some("probe"), "echo"), "probe-echo_2");
    }

    #[test]
    fn servers_and_tools_that_make_the_same_name_are_told_apart() {
        let ids = Ids::of(&[offer("a", &["b-c"]), offer("a-b", &["c"])]);
        assert_eq!((ids.tool(Some("a"), "b-c"), ids.tool(Some("a-b"), "c")), ("a-b-c".into(), "a-b-c_2".into()));
    }

    #[test]
    fn segments_hold_nothing_that_means_anything() {
        assert_eq!(segment("a b/{c}?#%é"), "a%20b%2F%7Bc%7D%3F%23%25%C3%A9");
        assert_eq!(segment("read_file-2.0~"), "read_file-2.0~");
    }
}
