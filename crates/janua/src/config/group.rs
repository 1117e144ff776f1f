//! The values of a group of keys, read by their names. What is wrong with them is `check`'s to say, not ours.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::field::{Field, address, host, switch};
use super::finding::nearest;
use super::measure::{count, duration, size};
use super::tree::{Mark, Node, Value};

/// A group of keys: absent values, and values of a wrong kind, read as `None`.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    node: &'a Node,
    fields: &'a [&'static Field],
}

impl<'a> Group<'a> {
    pub(super) fn new(node: &'a Node, fields: &'a [&'static Field]) -> Self {
        Group { node, fields }
    }

    /// The value of a key, under whichever of its names it stands.
    pub(super) fn node(&self, name: &str) -> Option<&'a Node> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        let (_, node) = self.node.entries().iter().find(|(key, _)| field.is(&key.name))?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// Whether an unknown key of the group is probably meant to be one of these.
    pub(super) fn almost(&self, names: &[&str]) -> bool {
        let unknown = |name: &str| !self.fields.iter().any(|field| field.is(name));
        self.node.entries().iter().any(|(key, _)| unknown(&key.name) && nearest(&key.name, names).is_some())
    }

    /// Where the value of a key stands; the group's own place if it is absent.
    pub(super) fn mark(&self, name: &str) -> &'a Mark {
        self.node(name).map_or(&self.node.mark, |node| &node.mark)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.node(name)?.scalar()
    }

    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        switch(self.text(name)?)
    }

    pub(super) fn count(&self, name: &str) -> Option<usize> {
        count(self.text(name)?)
    }

    pub(super) fn port(&self, name: &str) -> Option<u16> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn time(&self, name: &str) -> Option<Duration> {
        duration(self.text(name)?).ok()
    }

    pub(super) fn size(&self, name: &str) -> Option<usize> {
        size(self.text(name)?).ok()
    }

    pub(super) fn host(&self, name: &str) -> Option<IpAddr> {
        host(self.text(name)?)
    }

    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        address(self.text(name)?)
    }

    pub(super) fn url(&self, name: &str) -> Option<url::Url> {
        url::Url::parse(self.text(name)?).ok()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.node(name).map(Node::items).unwrap_or_default();
        items.iter().filter_map(Node::scalar).map(str::to_owned).collect()
    }

    /// Texts by name, in the order of the file.
    pub(super) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let entries = self.node(name).map(Node::entries).unwrap_or_default();
        entries.iter().filter_map(|(key, node)| Some((key.name.clone(), node.scalar()?.to_owned()))).collect()
    }

    pub(super) fn map(&self, name: &str) -> BTreeMap<String, String> {
        self.pairs(name).into_iter().collect()
    }
}
