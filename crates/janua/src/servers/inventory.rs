//! Which arguments of a server's tools travel as headers too, learnt from the lists of tools that pass.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use janua_wire::message::{Message, Response, parse_one};
use janua_wire::mirror::{self, Defect, Mirror};
use janua_wire::raw;

use crate::lock::Lock;

/// Tools with mirrored arguments that are remembered of one server; of more, the later are not.
const MOST: usize = 4096;
/// Tools left out of lists that the log tells of.
const TOLD: usize = 64;

/// What is known of the tools of one server.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    state: Lock<State>,
    /// Whoever holds it asks for the tools; the others wait for what comes of it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Tools that mirror something; any other name mirrors nothing.
    mirrors: HashMap<String, Arc<Mirror>>,
    known: bool,
    lists: u64,
    /// Tools that the log has told of.
    told: HashSet<String>,
}

impl Inventory {
    /// Takes in a raw `tools/list` result, or a page of one.
    pub(crate) fn learn(&self, result: &[u8]) {
        {
            let mut state = self.state.lock();
            // Most servers mirror nothing, and say so again with every list.
            if state.known && state.mirrors.is_empty() && !raw::may_hold(result, &["x-mcp-header"]) {
                state.lists += 1;
                return;
            }
        }
        let list = raw::find(result, raw::whole(result), "tools");
        let is_last = raw::peek(result, "nextCursor").is_none_or(|cursor| cursor == b"null");
        let mut state = self.state.lock();
        state.lists += 1;
        state.known |= list.is_some() && is_last;
        for tool in list.map(|list| raw::elements(result, list)).unwrap_or_default() {
            let tool = &result[tool.range()];
            let Some(name) = raw::peek_string(tool, "name") else { continue };
            let mirror = raw::peek(tool, "inputSchema").and_then(|schema| Mirror::of_schema(schema).ok());
            match mirror.filter(|mirror| !mirror.is_empty()) {
                Some(mirror) if state.mirrors.len() < MOST || state.mirrors.contains_key(&name) => {
                    state.mirrors.insert(name, Arc::new(mirror));
                }
                _ => drop(state.mirrors.remove(&name)),
            }
        }
    }

    /// Takes in the answer to `tools/list` of a server that is spoken to in 2026-07-28 over HTTP, and gives it as its
    /// client may see it: a tool whose header annotations are not valid must not be shown (`server/tools`).
    pub(crate) fn sifted(&self, text: Bytes) -> Bytes {
        let Some(response) = answer(&text) else { return text };
        self.learn(response.body());
        let Some(sifted) = mirror::sift(response.body()) else { return text };
        self.tell(&sifted.dropped);
        let Some(result) = raw::find(&text, raw::whole(&text), "result") else { return text };
        sifted.edits.shifted(result.start).apply(&text).into()
    }

    /// One warning for each tool that is left out.
    fn tell(&self, dropped: &[(String, Defect)]) {
        for (tool, defect) in dropped {
            let mut state = self.state.lock();
            let is_new = state.told.len() < TOLD && state.told.insert(tool.clone());
            drop(state);
            if is_new {
                tracing::warn!(tool, reason = %defect, "left a tool out of the server's list: its definition is not valid");
            }
        }
    }

    /// What a tool mirrors; `None` if that is nothing, or if it is not known.
    pub(crate) fn mirror(&self, tool: &str) -> Option<Arc<Mirror>> {
        let state = self.state.lock();
        if state.mirrors.is_empty() { None } else { state.mirrors.get(tool).cloned() }
    }

    /// Whether a list has passed to its end: then a tool without a mirror mirrors nothing.
    pub(crate) fn is_known(&self) -> bool {
        self.state.lock().known
    }

    /// Takes note that there is no more to be learnt now.
    pub(crate) fn settle(&self) {
        self.state.lock().known = true;
    }

    /// Whether any tool is known to mirror anything.
    pub(crate) fn has_mirrors(&self) -> bool {
        !self.state.lock().mirrors.is_empty()
    }

    /// The right to ask the server for its tools.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// How many lists or pages of them were learnt from.
    pub(crate) fn lists(&self) -> u64 {
        self.state.lock().lists
    }

    /// Forgets everything: the tools have changed.
    pub(crate) fn forget(&self) {
        let mut state = self.state.lock();
        state.mirrors.clear();
        state.known = false;
    }
}

fn answer(text: &Bytes) -> Option<Response> {
    match parse_one(text.clone()) {
        Ok(Message::Response(response)) if !response.is_error() => Some(response),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIRRORED: &str =
        r#"{"name":"a","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"Region"}}}}"#;
    const PLAIN: &str = r#"{"name":"b","inputSchema":{"type":"object"}}"#;
    const INVALID: &str =
        r#"{"name":"c","inputSchema":{"type":"object","properties":{"r":{"type":"number","x-mcp-header":"R"}}}}"#;

    fn list(tools: &[&str], more: &str) -> String {
        format!("{{\"tools\":[{}]{more}}}", tools.join(","))
    }

    #[test]
    fn what_a_list_says_is_known_until_another_says_otherwise() {
        let inventory = Inventory::default();
        inventory.learn(list(&[MIRRORED, PLAIN], ",\"nextCursor\":\"2\"").as_bytes());
        assert!(!inventory.is_known(), "the list goes on");
        inventory.learn(list(&[INVALID], "").as_bytes());
        assert!(inventory.is_known());
        let mirror = inventory.mirror("a").expect("it mirrors");
        assert_eq!(mirror.headers(br#"{"r":"eu"}"#), [("mcp-param-region".to_owned(), "eu".to_owned())]);
        assert!(inventory.mirror("b").is_none() && inventory.mirror("c").is_none());
        inventory.learn(list(&[&MIRRORED.replace("x-mcp-header", "x-other")], "").as_bytes());
        assert!(inventory.mirror("a").is_none(), "it does not mirror any more");
        inventory.learn(list(&[MIRRORED], "").as_bytes());
        inventory.forget();
        assert!(inventory.mirror("a").is_none() && !inventory.is_known());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let inventory = Inventory::default();
        let tools: Vec<_> = (0..=MOST).map(|n| MIRRORED.replace("\"a\"", &format!("\"t{n}\""))).collect();
        let tools: Vec<_> = tools.iter().map(String::as_str).collect();
        inventory.learn(list(&tools, "").as_bytes());
        assert!(inventory.mirror("t0").is_some() && inventory.mirror(&format!("t{MOST}")).is_none());
    }

    #[test]
    fn a_tool_that_is_not_valid_is_left_out_and_the_rest_keeps_its_bytes() {
        let inventory = Inventory::default();
        let whole =
            |tools: &[&str]| format!("{{ \"result\" : {} , \"id\":7,\"jsonrpc\":\"2.0\"}}", list(tools, ",\"x\":1.0"));
        let sifted = inventory.sifted(whole(&[MIRRORED, INVALID, PLAIN]).into());
        assert_eq!(sifted, whole(&[MIRRORED, PLAIN]));
        assert!(inventory.mirror("a").is_some() && inventory.is_known());
        for other in
            [whole(&[PLAIN]), r#"{"jsonrpc":"2.0","method":"x-mcp-header"}"#.to_owned(), "x-mcp-header".to_owned()]
        {
            assert_eq!(inventory.sifted(other.clone().into()), other);
        }
    }
}
