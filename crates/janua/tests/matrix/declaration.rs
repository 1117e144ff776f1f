//! `matrix.toml`: what every cell is said to be, read with no more TOML than it is written in.

use std::collections::{BTreeMap, BTreeSet};

use super::behaviours::BEHAVIOURS;
use super::kinds::{ClientKind, ServerKind};
use super::plain::PLAIN;
use super::scene::Way;

/// What is declared.
#[derive(Debug, Default)]
pub(crate) struct Declaration {
    /// The clients in the order of the rows' cells.
    clients: Vec<String>,
    /// Verdicts by the words that stand for them.
    verdicts: BTreeMap<String, String>,
    /// Words by behaviour and server, one for each client, or one for all.
    rows: BTreeMap<(String, String), Vec<String>>,
    /// Where it is otherwise among several servers; the verdict `same` says that it is not.
    union: Option<Box<Declaration>>,
}

/// The verdict of a cell that is as it is with the server alone.
const SAME: &str = "same";

impl Declaration {
    /// The declaration of this repository.
    pub(crate) fn read() -> Self {
        Self::parse(include_str!("../matrix.toml"))
    }

    /// What is declared of one way.
    pub(crate) fn of(way: Way) -> Self {
        let union = (way == Way::Union).then(|| Box::new(Self::parse(include_str!("../matrix-union.toml"))));
        Self { union, ..Self::read() }
    }

    fn parse(text: &str) -> Self {
        let mut all = Self::default();
        let mut section = String::new();
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("line {number}: no `=`"));
            let words = strings(value).unwrap_or_else(|| panic!("line {number}: not text or a list of texts"));
            let fresh = all.enter(&section, key.trim(), words);
            assert!(fresh, "line {number}: {section} {key} is there twice");
        }
        all
    }

    /// Takes in one line; false if there was one like it.
    fn enter(&mut self, section: &str, key: &str, mut words: Vec<String>) -> bool {
        let only = |words: &mut Vec<String>| words.pop().expect("a text");
        match section {
            "" if key == "clients" => {
                let fresh = self.clients.is_empty();
                self.clients = words;
                fresh
            }
            "" => panic!("unknown key {key}"),
            "verdicts" => self.verdicts.insert(key.to_owned(), only(&mut words)).is_none(),
            behaviour => self.rows.insert((behaviour.to_owned(), key.to_owned()), words).is_none(),
        }
    }

    /// What a cell is said to be; `None` if nothing is.
    pub(crate) fn cell(&self, behaviour: &str, server: ServerKind, client: ClientKind) -> Option<&str> {
        let union = self.union.as_ref().and_then(|union| union.cell(behaviour, server, client));
        if let Some(otherwise) = union.filter(|verdict| *verdict != SAME) {
            return Some(otherwise);
        }
        let row = self.rows.get(&(behaviour.to_owned(), server.name().to_owned()))?;
        let at = self.clients.iter().position(|name| name == client.name())?;
        // One word alone stands for all clients.
        let word = if let [word] = &row[..] { word } else { row.get(at)? };
        self.verdicts.get(word).map(String::as_str)
    }

    /// What is declared of programs that call tools as plain HTTP.
    pub(crate) fn plain() -> Self {
        Self::parse(include_str!("../matrix-plain.toml"))
    }

    /// What a cell of theirs is said to be; `None` if nothing is.
    pub(crate) fn plain_cell(&self, behaviour: &str, server: ServerKind) -> Option<&str> {
        match &self.rows.get(&(behaviour.to_owned(), server.name().to_owned()))?[..] {
            [word] => self.verdicts.get(word).map(String::as_str),
            _ => None,
        }
    }

    /// Everything that is missing in their declaration, or stands in it for nothing.
    pub(crate) fn plain_faults(&self) -> Vec<String> {
        let mut faults = self.wordings();
        let mut rows: BTreeSet<_> = self.rows.keys().cloned().collect();
        for (behaviour, server) in PLAIN.iter().flat_map(|it| ServerKind::ALL.map(|server| (it.name, server))) {
            rows.remove(&(behaviour.to_owned(), server.name().to_owned()));
            if self.plain_cell(behaviour, server).is_none() {
                faults.push(format!("not declared: {behaviour} {}", server.name()));
            }
        }
        faults.extend(rows.iter().map(|(behaviour, server)| format!("no such row: {behaviour} {server}")));
        faults
    }

    /// Everything that is missing in the declaration, or stands in it for nothing.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut rows: BTreeSet<_> = self.rows.keys().cloned().collect();
        for (behaviour, server) in BEHAVIOURS.iter().flat_map(|b| ServerKind::ALL.map(|server| (b, server))) {
            rows.remove(&(behaviour.name.to_owned(), server.name().to_owned()));
            for client in ClientKind::ALL {
                if self.cell(behaviour.name, server, client).is_none() {
                    faults.push(format!("not declared: {} {} {}", behaviour.name, server.name(), client.name()));
                }
            }
        }
        faults.extend(rows.iter().map(|(behaviour, server)| format!("no such row: {behaviour} {server}")));
        let names = |kinds: &[&str]| kinds.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        if self.clients != names(&ClientKind::ALL.map(ClientKind::name)) {
            faults.push(format!("the clients are not those there are: {:?}", self.clients));
        }
        faults.extend(self.wordings());
        faults
    }

    /// What stands in the declaration of the union for nothing.
    pub(crate) fn idle(&self) -> Vec<String> {
        let Some(union) = &self.union else { return Vec::new() };
        let alone = Self::read();
        let mut faults = union.wordings();
        let mut rows: BTreeSet<_> = union.rows.keys().cloned().collect();
        for (behaviour, server) in BEHAVIOURS.iter().flat_map(|b| ServerKind::ALL.map(|server| (b.name, server))) {
            let there = rows.remove(&(behaviour.to_owned(), server.name().to_owned()));
            let differs =
                |client: &ClientKind| self.cell(behaviour, server, *client) != alone.cell(behaviour, server, *client);
            if there && !ClientKind::ALL.iter().any(differs) {
                faults.push(format!("not otherwise: {behaviour} {}", server.name()));
            }
        }
        faults.extend(rows.iter().map(|(behaviour, server)| format!("no such row: {behaviour} {server}")));
        let known: Vec<_> =
            ClientKind::ALL.into_iter().filter(|client| client.has_union()).map(ClientKind::name).collect();
        if union.clients != known {
            faults.push(format!("the clients are not those there are: {:?}", union.clients));
        }
        faults
    }

    fn wordings(&self) -> Vec<String> {
        let used: BTreeSet<_> = self.rows.values().flatten().collect();
        let unused = self.verdicts.keys().filter(|word| !used.contains(word));
        let mut faults: Vec<_> = unused.map(|word| format!("no cell is {word}")).collect();
        let long = self.rows.iter().filter(|(_, row)| row.len() > self.clients.len());
        faults.extend(long.map(|(row, _)| format!("more cells than clients: {row:?}")));
        let said = |text: &&String| {
            text.as_str() == "works"
                || text.as_str() == SAME
                || ["degrades: ", "refused: "].iter().any(|start| text.starts_with(start))
        };
        let odd = self.verdicts.values().filter(|text| !said(text));
        faults.extend(odd.map(|text| format!("neither works, degrades nor refused: {text}")));
        faults
    }
}

/// One text in quotes, or several in brackets; texts have no escapes.
fn strings(value: &str) -> Option<Vec<String>> {
    let value = value.trim();
    let quoted = |text: &str| {
        let inside = text.trim().strip_prefix('"')?.strip_suffix('"')?;
        (!inside.contains(['"', '\\'])).then(|| inside.to_owned())
    };
    match value.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.split(',').map(quoted).collect(),
        None => quoted(value).map(|text| vec![text]),
    }
}

#[cfg(test)]
mod tests {
    use super::Declaration;

    #[test]
    fn what_is_missing_or_stands_for_nothing_is_found() {
        let text = r#"
            clients = ["stdio"]
            [verdicts]
            fine = "works"
            odd = "perhaps"
            [list]
            stdio = ["fine", "fine"]
            carrier-pigeon = ["fine"]
            [error]
            stdio = "fine"
        "#;
        let faults = Declaration::parse(text).faults().join("\n");
        for fault in [
            "not declared: call stdio stdio",
            "not declared: list stdio http-2025-06-18",
            "no such row: list carrier-pigeon",
            "the clients are not those there are",
            "no cell is odd",
            "more cells than clients: (\"list\", \"stdio\")",
            "neither works, degrades nor refused: perhaps",
        ] {
            assert!(faults.contains(fault), "no {fault} in\n{faults}");
        }
        for declared in ["not declared: list stdio stdio", "not declared: error stdio stdio"] {
            assert!(faults.lines().all(|fault| fault != declared), "{declared}");
        }
    }
}
