//! What there is, told to those who run the gateway.

use std::time::SystemTime;

use janua_wire::capabilities::Class;
use janua_wire::version::Era;
use tokio::time::Instant;

use super::server::Served;
use super::shelf::{Known, LISTS};
use super::{Many, Now};
use crate::config::{Server, ServerSettings};
use crate::report::{Counts, ServerReport, State, Trouble};
use crate::servers::vitals::Vital;

impl Now {
    /// Every server, those too that are not served.
    pub(crate) fn reports(&self) -> Vec<ServerReport> {
        let mut reports: Vec<_> = self.settings.servers.keys().filter_map(|name| self.report(name)).collect();
        for report in &mut reports {
            report.tools.clear();
        }
        reports
    }

    /// One server; `None` if there is none of that name.
    pub(crate) fn report(&self, name: &str) -> Option<ServerReport> {
        match self.servers.get(name) {
            Some(served) => Some(served.report()),
            None => Some(bare(name, self.settings.servers.get(name)?, self.disabled.get(name).cloned())),
        }
    }
}

impl Many {
    /// How a server is after it was asked what it has, or when the time is over that this may take. Starts it if need be.
    pub(crate) async fn look(&self, name: &str, end: Instant) -> Option<ServerReport> {
        let served = self.now().servers.get(name).cloned();
        let Some(served) = served else { return self.now().report(name) };
        served.look(end).await;
        Some(served.report())
    }
}

impl Served {
    /// Asks it what it has, and waits for the answer until then.
    pub(crate) async fn look(&self, end: Instant) {
        self.shelf.asked(Class::default(), end).await;
    }

    /// How it is.
    pub(crate) fn report(&self) -> ServerReport {
        let vital = self.vitals.now();
        // A server that opens may still refuse to say what it has.
        let later = |since: &SystemTime| vital.opened.is_some_and(|opened| opened <= *since);
        let told = || self.shelf.troubled().filter(|(_, since)| later(since));
        let trouble = vital.trouble.as_ref().map(|(failure, since)| Trouble::new(failure, *since));
        let trouble = trouble.or_else(|| told().map(|(failure, since)| Trouble::new(&failure, since)));
        let known = self.shelf.any();
        ServerReport {
            state: state(&vital, trouble.is_some()),
            trouble,
            eras: vital.eras.iter().map(|era| name_of(*era).to_owned()).collect(),
            version: vital.version.map(|version| version.name().to_owned()),
            transport: vital.transport.map(str::to_owned),
            instances: vital.links,
            opened_ms: vital.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            lists: known.as_deref().map(counts),
            tools: known.as_deref().map(names).unwrap_or_default(),
            ..bare(&self.name, &self.settings, None)
        }
    }
}

/// A server of which nothing is known but its settings.
fn bare(name: &str, settings: &ServerSettings, reason: Option<String>) -> ServerReport {
    let kind = match &settings.server {
        Server::Command(_) => "command",
        Server::Remote(_) => "remote",
        Server::OpenApi(_) => "openapi",
        Server::Folder(_) => "folder",
        Server::InProcess(_) => "built-in",
    };
    ServerReport {
        name: name.to_owned(),
        kind: kind.to_owned(),
        target: settings.server.label(),
        enabled: reason.is_none(),
        state: if reason.is_none() { State::Known } else { State::Disabled },
        reason,
        trouble: None,
        eras: Vec::new(),
        version: None,
        transport: None,
        instances: 0,
        opened_ms: None,
        lists: None,
        tools: Vec::new(),
    }
}

fn state(vital: &Vital, is_troubled: bool) -> State {
    match vital {
        _ if is_troubled => State::Unavailable,
        Vital { links: 1.., .. } => State::Running,
        Vital { starting: 1.., .. } => State::Starting,
        _ => State::Known,
    }
}

fn name_of(era: Era) -> &'static str {
    match era {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
    }
}

fn counts(known: &Known) -> Counts {
    let [tools, prompts, resources, templates] =
        std::array::from_fn::<_, { LISTS.len() }, _>(|at| known.lists[at].items.len());
    Counts { tools, prompts, resources, templates }
}

fn names(known: &Known) -> Vec<String> {
    known.lists[0].items.iter().map(|item| item.key.clone()).collect()
}
