//! Who meets whom: the revision of the suite, and the revisions of the server behind Janua.

use super::suite;

/// The revisions that the suite speaks here, as clients.
pub(super) const REVISIONS: [&str; 3] = ["2025-06-18", "2025-11-25", "2026-07-28"];
/// What the testkit's server can be told to speak; `gateway` is the one of both eras among three of a `janua serve`.
pub(super) const SERVERS: [&str; 4] = ["legacy", "dual", "modern", GATEWAY];
/// The server among others.
pub(super) const GATEWAY: &str = "gateway";

/// The first revision without a handshake.
const MODERN: &str = "2026-07-28";

/// One revision of the suite against one kind of server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) spec: String,
    /// One of [`SERVERS`]; none for a server that is not ours.
    pub(super) server: Option<String>,
}

impl Row {
    /// Every revision with every kind of server.
    pub(super) fn all(specs: &[String], servers: &[String]) -> Vec<Self> {
        let with = |spec: &String| {
            let spec = spec.clone();
            servers.iter().map(move |server| Self { spec: spec.clone(), server: Some(server.clone()) })
        };
        specs.iter().flat_map(with).collect()
    }

    /// Every revision with the server that runs already.
    pub(super) fn elsewhere(specs: &[String]) -> Vec<Self> {
        specs.iter().map(|spec| Self { spec: spec.clone(), server: None }).collect()
    }

    /// What meets what, for people.
    pub(super) fn title(&self) -> String {
        let era = if self.spec == MODERN { "modern" } else { "legacy" };
        let server = match self.server.as_deref() {
            Some("legacy") => "legacy server (no 2026-07-28)",
            Some("dual") => "server of both eras",
            Some("modern") => "modern server (2026-07-28 only)",
            Some(GATEWAY) => "server of both eras, one of three in a gateway",
            _ => "server that runs already",
        };
        format!("{era} client ({}), {server}", self.spec)
    }

    /// The name that folders and lists know it by.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.spec, self.server.as_deref().unwrap_or("url"))
    }

    /// Those of the wanted versions of the suite that know the revision.
    pub(super) fn suites(&self, wanted: &[String]) -> Vec<String> {
        wanted.iter().filter(|version| suite::knows(version, &self.spec)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_revision_meets_every_server() {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let rows = Row::all(&owned(&REVISIONS), &owned(&SERVERS));
        assert_eq!(rows.len(), 12);
        let titles: Vec<_> = rows.iter().map(Row::title).collect();
        assert_eq!(titles[0], "legacy client (2025-06-18), legacy server (no 2026-07-28)");
        assert_eq!(titles[10], "modern client (2026-07-28), modern server (2026-07-28 only)");
        assert_eq!(rows[0].suites(&owned(&["0.1", "0.2"])), ["0.1", "0.2"]);
        assert_eq!(rows[10].suites(&owned(&["0.1", "0.2"])), ["0.2"]);
        assert_eq!(Row::elsewhere(&owned(&["2025-06-18"]))[0].name(), "2025-06-18-url");
    }
}
