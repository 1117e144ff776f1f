//! What a client wants to hear of: the filter of `subscriptions/listen` (2026-07-28 `basic/patterns/subscriptions`).

use std::fmt::Write;

use crate::json::quote;
use crate::message::Notification;
use crate::method::Method;
use crate::raw::{self, find_path, peek};

/// Kinds of changes, and resources watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `notifications/tools/list_changed`, `…/prompts/…` and `…/resources/…`, in this order.
    pub lists: [bool; 3],
    /// `notifications/resources/updated` for these addresses.
    pub uris: Vec<String>,
}

/// For each kind of list: its capability, its member in a filter, its notification.
const LISTS: [(&str, &str, &str); 3] = [
    ("tools", "toolsListChanged", "notifications/tools/list_changed"),
    ("prompts", "promptsListChanged", "notifications/prompts/list_changed"),
    ("resources", "resourcesListChanged", "notifications/resources/list_changed"),
];
const URIS: &str = "resourceSubscriptions";

impl Filter {
    /// Reads a raw filter object.
    pub fn of(raw: &[u8]) -> Filter {
        let lists = LISTS.map(|(_, member, _)| peek(raw, member) == Some(b"true"));
        let uris = peek(raw, URIS).unwrap_or(b"[]");
        let texts =
            raw::elements(uris, raw::whole(uris)).into_iter().filter_map(|span| raw::string(&uris[span.range()]));
        Filter { lists, uris: texts.collect() }
    }

    /// The lists whose changes a server announces, by the raw `capabilities` it declared.
    pub fn offered(capabilities: &[u8]) -> Filter {
        let lists = LISTS.map(|(capability, _, _)| is_true(capabilities, &[capability, "listChanged"]));
        Filter { lists, uris: Vec::new() }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.uris.is_empty() && self.lists == [false; 3]
    }

    /// What both want of the lists; no address.
    #[must_use]
    pub fn shared_lists(&self, other: &Filter) -> Filter {
        let mut lists = self.lists;
        lists.iter_mut().zip(other.lists).for_each(|(mine, theirs)| *mine &= theirs);
        Filter { lists, uris: Vec::new() }
    }

    /// The filter as a raw object.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (_, (_, member, _)) in self.lists.iter().zip(LISTS).filter(|(wanted, _)| **wanted) {
            let _ = write!(out, "{}\"{member}\":true", if out.len() > 1 { "," } else { "" });
        }
        if !self.uris.is_empty() {
            let uris: Vec<String> = self.uris.iter().map(|uri| quote(uri)).collect();
            let _ = write!(out, "{}\"{URIS}\":[{}]", if out.len() > 1 { "," } else { "" }, uris.join(","));
        }
        out.push('}');
        out
    }

    /// Whether this notification is wanted.
    pub fn wants(&self, notification: &Notification) -> bool {
        match notification.method() {
            Method::ListChanged => {
                let name = notification.name();
                LISTS.iter().zip(self.lists).any(|((_, _, known), wanted)| wanted && name == *known)
            }
            Method::ResourceUpdated => {
                let uri = notification.param("uri").and_then(raw::string).unwrap_or_default();
                // A change below a watched address is a change of it (2025-11-25 server/resources).
                self.uris.iter().any(|watched| uri == *watched || is_below(&uri, watched))
            }
            _ => false,
        }
    }

    /// The notifications that say all of it may have changed.
    pub fn everything(&self) -> Vec<Notification> {
        let lists = LISTS.iter().zip(self.lists).filter(|(_, wanted)| *wanted);
        let lists = lists.filter_map(|((_, _, name), _)| Notification::new(name, None).ok());
        let updates = self.uris.iter().filter_map(|uri| {
            Notification::new("notifications/resources/updated", Some(&format!("{{\"uri\":{}}}", quote(uri)))).ok()
        });
        lists.chain(updates).collect()
    }
}

fn is_below(uri: &str, watched: &str) -> bool {
    let rest = uri.strip_prefix(watched);
    rest.is_some_and(|rest| watched.ends_with('/') || rest.starts_with('/'))
}

/// Whether a raw object says `true` at the end of a path.
pub fn is_true(object: &[u8], path: &[&str]) -> bool {
    find_path(object, raw::whole(object), path).is_some_and(|span| &object[span.range()] == b"true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lets_through_what_it_names() {
        let text =
            r#"{"toolsListChanged":true,"resourcesListChanged":false,"resourceSubscriptions":["a:b","file:///d/"]}"#;
        let filter = Filter::of(text.as_bytes());
        assert_eq!(filter.to_json(), r#"{"toolsListChanged":true,"resourceSubscriptions":["a:b","file:///d/"]}"#);
        let told = |name: &str, params: Option<&str>| filter.wants(&Notification::new(name, params).expect("valid"));
        assert!(told("notifications/tools/list_changed", None));
        assert!(!told("notifications/prompts/list_changed", None));
        for (uri, wanted) in [("a:b", true), ("a:bc", false), ("file:///d/e", true), ("file:///e", false)] {
            let params = format!("{{\"uri\":\"{uri}\"}}");
            assert_eq!(told("notifications/resources/updated", Some(&params)), wanted, "{uri}");
        }
        assert_eq!(filter.everything().len(), 3);
        let offered = Filter::offered(br#"{"tools":{"listChanged":true},"prompts":{}}"#);
        assert_eq!(filter.shared_lists(&offered).to_json(), r#"{"toolsListChanged":true}"#);
        assert!(Filter::of(b"{}").is_empty());
    }
}
