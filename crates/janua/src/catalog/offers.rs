//! What there is for callers over plain HTTP: the lists of each address, ready to be described.

use std::sync::Arc;

use futures_util::future::join_all;
use janua_wire::capabilities::Class;
use janua_wire::lists::Item;
use janua_wire::opening::server_info;
use janua_wire::raw;

use super::looking;
use super::merged::Merged;
use super::shelf::List;
use super::{Catalog, Many};
use crate::error::Failure;
use crate::openapi::Offer;

/// The lists that a description is made from.
#[derive(Clone)]
pub(crate) enum Basis {
    /// Of servers and views by name.
    Named(Vec<(String, Arc<Merged>)>),
    /// Of the one server that there is.
    One(Box<Offer>),
}

/// Why there is nothing to describe.
#[derive(Debug)]
pub(crate) enum Missing {
    /// There is nothing of that name.
    Unknown(String),
    /// It cannot be asked.
    Failed(Failure),
}

impl Basis {
    /// Whether nothing has changed since.
    pub(crate) fn is(&self, other: &Basis) -> bool {
        let (Basis::Named(one), Basis::Named(other)) = (self, other) else { return false };
        let same = |at: usize| one[at].0 == other[at].0 && Arc::ptr_eq(&one[at].1, &other[at].1);
        one.len() == other.len() && (0..one.len()).all(same)
    }

    /// What each address has.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        match self {
            Basis::Named(views) => views.iter().map(|(name, merged)| merged.offer(name)).collect(),
            Basis::One(offer) => vec![(**offer).clone()],
        }
    }
}

impl Catalog {
    /// The lists of the server or view of that name, or of each server, after all had the time that a list may take.
    pub(crate) async fn basis(&self, name: Option<&str>) -> Result<Basis, Missing> {
        let bridge = match (self, name) {
            (Catalog::Many(many), _) => {
                self.place(name).map_err(Missing::Unknown)?;
                return Ok(many.basis(name).await);
            }
            (Catalog::One(_), Some(name)) => return Err(Missing::Unknown(format!("there is no server {name}"))),
            (Catalog::One(bridge), None) => bridge,
        };
        let seen = looking::shown(bridge, Class::default(), bridge.limits.call).await.map_err(Missing::Failed)?;
        let [tools, prompts, resources, templates] = &seen.lists;
        Ok(Basis::One(Box::new(Offer {
            name: None,
            about: about(&seen.discovered),
            tools: named(tools),
            prompts: named(prompts),
            resources: !resources.items.is_empty() || !templates.items.is_empty(),
            completions: completes(&seen.discovered),
            unavailable: Vec::new(),
        })))
    }
}

impl Many {
    async fn basis(&self, name: Option<&str>) -> Basis {
        let now = self.now();
        // Views show the same tools again.
        let names = name.map_or_else(|| now.servers.keys().cloned().collect(), |name| vec![name.to_owned()]);
        let views = names.into_iter().filter_map(|name| Some((now.views.get(&name)?.clone(), name)));
        let merged = views.map(|(view, name)| async move { (name, view.settled(Class::default()).await) });
        Basis::Named(join_all(merged).await)
    }
}

impl Merged {
    /// What it shows under the address `name`.
    fn offer(&self, name: &str) -> Offer {
        let [tools, prompts, resources, templates] = self.shown();
        let known = || self.known.iter().flatten();
        Offer {
            name: Some(name.to_owned()),
            about: known().next().filter(|_| self.members.is_lone).and_then(|known| about(&known.discovered)),
            tools,
            prompts,
            resources: !resources.is_empty() || !templates.is_empty(),
            completions: known().any(|known| completes(&known.discovered)),
            unavailable: self.unavailable().into_iter().map(str::to_owned).collect(),
        }
    }
}

fn named(list: &List) -> Vec<(String, bytes::Bytes)> {
    list.items.iter().map(|Item { key, text }| (key.clone(), text.clone())).collect()
}

/// What a server says it is.
fn about(discovered: &[u8]) -> Option<String> {
    let info = server_info(discovered)?;
    let name = raw::peek_string(info, "title").or_else(|| raw::peek_string(info, "name"))?;
    let version = raw::peek_string(info, "version").unwrap_or_default();
    Some(format!("{name} {version}").trim_end().to_owned())
}

fn completes(discovered: &[u8]) -> bool {
    raw::peek(discovered, "capabilities").is_some_and(|capabilities| raw::peek(capabilities, "completions").is_some())
}
