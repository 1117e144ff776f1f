//! The lists of several servers as one, and which name or address of them leads to which server.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use janua_wire::base64;
use janua_wire::error::INTERNAL_ERROR;
use janua_wire::json::quote;
use janua_wire::lists::{Caching, Item, described, renamed, result};
use janua_wire::message::Response;
use janua_wire::method::Method;
use janua_wire::names;
use janua_wire::translate::shapes;
use janua_wire::uri_template::Template;
use janua_wire::version::{Era, Version};

use super::shelf::{Known, LISTS, Standing};
use super::view::{Member, Members};
use crate::lock::Lock;

/// What a list says of servers that are left out of it.
pub(crate) const UNAVAILABLE: &str = "io.janua/unavailable";
/// Before the address of a resource that another server has, too.
const APART: &str = "janua://";
/// Elements and bytes of one page.
const PAGE: (usize, usize) = (1000, 2 << 20);

/// The lists of a view for one class of clients.
pub(crate) struct Merged {
    /// What it was made of.
    stamp: Vec<u64>,
    pub(crate) members: Arc<Members>,
    /// In the order of [`LISTS`].
    lists: [Shown; LISTS.len()],
    templates: Vec<(Template, usize)>,
    /// What was known of each member.
    pub(crate) known: Vec<Option<Arc<Known>>>,
    /// The servers left out, and why, as a raw object; empty if none.
    missing: String,
    /// First pages that were asked for.
    pages: Lock<HashMap<(usize, Version), Response>>,
}

/// One list.
#[derive(Default)]
struct Shown {
    items: Vec<Bytes>,
    keys: Vec<String>,
    found: HashMap<String, Found>,
    /// Names without their server's, which lead somewhere as long as only one server has them.
    bare: HashMap<String, Option<Found>>,
    caching: Option<Caching>,
}

/// Where a name or address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which member.
    pub(crate) member: usize,
    /// What its server calls it.
    pub(crate) real: String,
}

/// What the lists of these members were made of, or would be.
pub(super) fn stamp(members: &Members, standings: &[Standing]) -> Vec<u64> {
    let mark = |standing: &Standing| {
        let version = standing.known.as_ref().map_or(0, |known| known.version << 1);
        version | u64::from(standing.trouble.is_some() || standing.known.is_none())
    };
    std::iter::once(members.number).chain(standings.iter().map(mark)).collect()
}

impl Merged {
    pub(super) fn new(members: &Arc<Members>, standings: &[Standing]) -> Merged {
        let mut merged = Merged {
            stamp: stamp(members, standings),
            members: members.clone(),
            lists: Default::default(),
            templates: Vec::new(),
            known: standings.iter().map(|standing| standing.known.clone()).collect(),
            missing: missing(members, standings),
            pages: Lock::default(),
        };
        for (at, member) in members.list.iter().enumerate() {
            if let Some(known) = merged.known[at].clone() {
                merged.add(at, member, &known);
            }
        }
        merged.templates.sort_by_key(|(template, _)| std::cmp::Reverse(template.weight()));
        merged
    }

    /// Whether it was made of the same.
    pub(super) fn is_of(&self, stamp: &[u64]) -> bool {
        self.stamp == stamp
    }

    fn add(&mut self, at: usize, member: &Member, known: &Known) {
        for (number, method) in LISTS.into_iter().enumerate() {
            let list = &known.lists[number];
            let shown = &mut self.lists[number];
            if let Some(caching) = list.caching {
                shown.caching = Some(shown.caching.map_or(caching, |before| before.merge(caching)));
            }
            let rules = (method == Method::ToolsList).then_some(&self.members.rules);
            for item in &list.items {
                match method {
                    Method::ToolsList | Method::PromptsList => shown.name(at, member, method, item, rules),
                    _ => shown.address(at, member, method, item),
                }
            }
            if method == Method::TemplatesList {
                let templates = shown.keys.iter().filter(|key| shown.found.get(*key).is_some_and(|f| f.member == at));
                self.templates.extend(templates.filter_map(|key| Some((Template::parse(key)?, at))));
            }
        }
    }

    /// Whether no server is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    /// The elements of a list as they are shown, each with what it is asked for by.
    pub(crate) fn items(&self, list: Method) -> impl Iterator<Item = (&str, &Bytes)> {
        let list = place(list).map(|at| &self.lists[at]);
        list.into_iter().flat_map(|list| list.keys.iter().map(String::as_str).zip(&list.items))
    }

    /// The servers left out, and why, as a raw array; `None` if none is.
    pub(crate) fn missing(&self) -> Option<&str> {
        (!self.missing.is_empty()).then_some(&*self.missing)
    }

    /// What a name or address of a list leads to.
    pub(crate) fn find(&self, list: Method, key: &str) -> Option<Found> {
        self.find_exactly(list, key).or_else(|| match list {
            Method::ToolsList | Method::PromptsList => self.lists[place(list)?].bare.get(key).cloned().flatten(),
            _ => self.templated(key),
        })
    }

    /// The same for what is listed, or says whose it is: what servers have that are not known yet makes no difference.
    pub(crate) fn find_exactly(&self, list: Method, key: &str) -> Option<Found> {
        if let Some(found) = self.lists[place(list)?].found.get(key) {
            return Some(found.clone());
        }
        if matches!(list, Method::ToolsList | Method::PromptsList) {
            return None;
        }
        if let Some((name, real)) = key.strip_prefix(APART).and_then(|rest| rest.split_once('/')) {
            let member = self.members.list.iter().position(|member| member.served.name == name)?;
            return Some(Found { member, real: real.to_owned() });
        }
        // Templates are completed by their own text.
        self.lists.iter().skip(2).find_map(|list| list.found.get(key)).cloned()
    }

    /// Whose template an address is of.
    fn templated(&self, uri: &str) -> Option<Found> {
        let fits = self.templates.iter().find(|(template, _)| template.fits(uri));
        let fits = fits.or_else(|| self.templates.iter().find(|(template, _)| template.resembles(uri)));
        fits.map(|(_, member)| Found { member: *member, real: uri.to_owned() })
    }

    /// How an address of a member's is shown.
    pub(crate) fn address_of(&self, member: usize, uri: &str) -> String {
        let elsewhere = self.lists[2].found.get(uri).is_some_and(|found| found.member != member);
        if elsewhere { apart(&self.members.list[member].served.name, uri) } else { uri.to_owned() }
    }

    /// A page of a list in the words of `version`; `None`: there is no such page.
    pub(crate) fn page(&self, list: Method, cursor: Option<&str>, version: Version) -> Option<Response> {
        let number = place(list)?;
        let Some(cursor) = cursor else {
            let kept = self.pages.lock().get(&(number, version)).cloned();
            return Some(kept.unwrap_or_else(|| {
                let page = self.made(number, 0, version);
                self.pages.lock().insert((number, version), page.clone());
                page
            }));
        };
        let decoded = String::from_utf8(base64::decode(cursor.as_bytes())?).ok()?;
        let mut parts = decoded.splitn(3, '\n');
        let (of, at, last) = (parts.next()?, parts.next()?.parse::<usize>().ok()?, parts.next()?);
        if of != number.to_string() {
            return None;
        }
        // The list may have changed since the page before; what was shown last says more than its place.
        let keys = &self.lists[number].keys;
        let at = if keys.get(at.checked_sub(1)?).is_some_and(|key| key == last) { Some(at) } else { None };
        let at = at.or_else(|| Some(keys.iter().position(|key| key == last)? + 1))?;
        Some(self.made(number, at, version))
    }

    fn made(&self, number: usize, from: usize, version: Version) -> Response {
        let list = &self.lists[number];
        let mut bytes = 0;
        let fitting = list.items[from..].iter().take(PAGE.0).take_while(|item| {
            let first = bytes == 0;
            bytes += item.len();
            first || bytes <= PAGE.1
        });
        let to = from + fitting.count();
        let next = (to < list.items.len())
            .then(|| base64::encode(format!("{number}\n{to}\n{}", list.keys[to - 1]).as_bytes()));
        let unknown = Caching { ttl_ms: 0, private: true };
        let caching = list.caching.unwrap_or(unknown);
        let caching = if self.missing.is_empty() { caching } else { caching.merge(Caching { ttl_ms: 0, ..caching }) };
        let meta = (!self.missing.is_empty()).then(|| format!("{{\"{UNAVAILABLE}\":{}}}", self.missing));
        let modern = (version.era() == Era::Modern).then_some(caching);
        let items = list.items[from..to].iter();
        let text = result(LISTS[number], items, next.as_deref(), modern, meta.as_deref());
        let response = Response::result(&String::from_utf8_lossy(&text))
            .unwrap_or_else(|_| Response::error(INTERNAL_ERROR, "the gateway could not form its list", None));
        if version.era() == Era::Modern || response.is_error() {
            return response;
        }
        response.edited(&shapes::for_client(LISTS[number], response.body(), version))
    }

    /// What was known of a member that may be another's member by now.
    pub(super) fn known_of(&self, member: &Member) -> Option<Arc<Known>> {
        let at = self.members.list.iter().position(|held| Arc::ptr_eq(&held.served, &member.served))?;
        self.known[at].clone()
    }

    /// Everything that is shown, by name or address, in the order of [`LISTS`].
    pub(super) fn shown(&self) -> [Vec<(String, Bytes)>; LISTS.len()] {
        std::array::from_fn(|at| {
            let Shown { keys, items, .. } = &self.lists[at];
            keys.iter().cloned().zip(items.iter().cloned()).collect()
        })
    }

    /// The names of the servers that are left out.
    pub(crate) fn unavailable(&self) -> Vec<&str> {
        let members = self.members.list.iter().enumerate();
        let out = members.filter(|(at, _)| self.stamp.get(at + 1).is_some_and(|mark| mark & 1 == 1));
        out.map(|(_, member)| member.served.name.as_str()).collect()
    }

    /// Why a list is refused: a server is missing that must not be.
    pub(crate) fn lacks(&self) -> Option<String> {
        let lacking = |(at, member): (usize, &Member)| {
            let without = member.served.settings.required && self.stamp.get(at + 1).is_some_and(|mark| mark & 1 == 1);
            without.then(|| format!("the server {} is required and not available", member.served.name))
        };
        self.members.list.iter().enumerate().find_map(lacking)
    }
}

impl Shown {
    /// A tool or prompt, under the name that it has here.
    fn name(
        &mut self,
        at: usize,
        member: &Member,
        method: Method,
        item: &Item,
        rules: Option<&crate::config::ToolRules>,
    ) {
        let own = rules.map(|_| &member.served.settings.tools);
        if own.is_some_and(|own| !own.shows(&item.key)) {
            return;
        }
        let called = own.and_then(|own| own.rename.get(&item.key)).unwrap_or(&item.key);
        let server = member.prefixed.then_some(member.served.name.as_str());
        let server = server.or_else(|| self.found.contains_key(called).then_some(member.served.name.as_str()));
        let shown = names::shown(server, called, |name| self.found.contains_key(name));
        if rules.is_some_and(|rules| !rules.shows(&shown)) {
            return;
        }
        let said = rules.and_then(|rules| rules.describe.get(&shown));
        let said = said.or_else(|| own.and_then(|own| own.describe.get(&item.key)));
        let shown = rules.and_then(|rules| rules.rename.get(&shown)).cloned().unwrap_or(shown);
        let text = if shown == item.key { item.text.clone() } else { renamed(method, item, &shown) };
        let text = said.map_or(text.clone(), |said| described(&text, said));
        let found = Found { member: at, real: item.key.clone() };
        if server.is_some() {
            self.bare.entry(called.clone()).and_modify(|found| *found = None).or_insert(Some(found.clone()));
        }
        self.put(shown, text, found);
    }

    /// A resource or template, under its own address unless that is taken.
    fn address(&mut self, at: usize, member: &Member, method: Method, item: &Item) {
        if !self.found.contains_key(&item.key) {
            return self.put(item.key.clone(), item.text.clone(), Found { member: at, real: item.key.clone() });
        }
        let shown = apart(&member.served.name, &item.key);
        let text = renamed(method, item, &shown);
        self.put(shown, text, Found { member: at, real: item.key.clone() });
    }

    fn put(&mut self, key: String, text: Bytes, found: Found) {
        if self.found.contains_key(&key) {
            return;
        }
        self.items.push(text);
        self.keys.push(key.clone());
        self.found.insert(key, found);
    }
}

/// Which of the [`LISTS`] it is.
fn place(list: Method) -> Option<usize> {
    LISTS.iter().position(|known| *known == list)
}

fn apart(server: &str, uri: &str) -> String {
    format!("{APART}{server}/{uri}")
}

fn missing(members: &Members, standings: &[Standing]) -> String {
    let mut out = Vec::new();
    for (member, standing) in members.list.iter().zip(standings) {
        let why = match (&standing.trouble, &standing.known) {
            (Some(trouble), _) => trouble.message.to_string(),
            (None, None) => "it is still starting".to_owned(),
            (None, Some(_)) => continue,
        };
        let stale = standing.known.is_some();
        out.push(format!("{{\"server\":{},\"reason\":{},\"stale\":{stale}}}", quote(&member.served.name), quote(&why)));
    }
    if out.is_empty() { String::new() } else { format!("[{}]", out.join(",")) }
}
