//! The promises to users of older gateways, row by row: which test checks each, and how it ended.

use crate::repo;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// The rows that there must be: guMCP's without its credential clients, acehoss/mcp-gateway's, and those of both.
const FAMILIES: [(&str, &[(u32, u32)]); 3] = [("GUM", &[(1, 28), (39, 45)]), ("ACE", &[(1, 37)]), ("ALL", &[(1, 4)])];

/// What the tests have said of the rows.
#[derive(Default)]
pub(crate) struct Rows(BTreeMap<Id, Row>);

/// A family and a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Id(&'static str, u32);

struct Row {
    check: String,
    passed: bool,
}

/// Runs the tests of the rows alone, and prints the table.
pub(crate) fn run() -> Result<()> {
    let mut command = repo::cargo();
    command.args(["test", "-p", "janua", "--test", "seeds", "--no-fail-fast"]).stdout(Stdio::piped());
    let mut child = command.spawn().context("run cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut rows = Rows::default();
    for line in BufReader::new(output).lines() {
        rows.note(&line.context("read the output of cargo test")?);
    }
    child.wait().context("wait for cargo test")?;
    print!("{rows}");
    rows.complete()
}

impl Rows {
    /// Takes note of a line of libtest's output: `test rest::ace_13_a_call_gives_its_result ... ok`. A row that several
    /// tests check has passed when all have.
    pub(crate) fn note(&mut self, line: &str) {
        let Some((name, end)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) else { return };
        let Some((id, check)) = read(name.rsplit("::").next().unwrap_or(name)) else { return };
        let row = self.0.entry(id).or_insert_with(|| Row { check: check.clone(), passed: true });
        if row.check != check {
            let _ = write!(row.check, "; {check}");
        }
        row.passed &= end.trim() == "ok";
    }

    /// Whether every row was checked, and has passed.
    pub(crate) fn complete(&self) -> Result<()> {
        let wrong: Vec<String> =
            wanted().filter(|id| !self.0.get(id).is_some_and(|row| row.passed)).map(shown).collect();
        if !wrong.is_empty() {
            bail!("rows without a test, or with one that failed: {}", wrong.join(", "));
        }
        Ok(())
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| row | check | result |\n|---|---|---|")?;
        for (id, row) in &self.0 {
            writeln!(f, "| {} | {} | {} |", shown(*id), row.check, if row.passed { "passed" } else { "FAILED" })?;
        }
        let passed = self.0.values().filter(|row| row.passed).count();
        writeln!(f, "{passed} of {} rows passed", wanted().count())
    }
}

fn wanted() -> impl Iterator<Item = Id> {
    let family = |(name, ranges): (&'static str, &'static [(u32, u32)])| {
        ranges.iter().flat_map(move |(first, last)| (*first..=*last).map(move |number| Id(name, number)))
    };
    FAMILIES.into_iter().flat_map(family)
}

fn shown(Id(family, number): Id) -> String {
    format!("{family}-{number:02}")
}

/// What a test's name says: `gum_09_keys_raw_and_escaped` is row 9 of guMCP's.
fn read(name: &str) -> Option<(Id, String)> {
    let (family, rest) = name.split_once('_')?;
    let (number, check) = rest.split_once('_')?;
    let (known, _) = FAMILIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(family))?;
    Some((Id(known, number.parse().ok()?), check.replace('_', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_passed_when_all_its_tests_have() {
        let mut rows = Rows::default();
        rows.note("test rest::ace_13_a_call_gives_its_result ... ok");
        rows.note("test rest::ace_13_so_does_another ... FAILED");
        rows.note("test gumcp::gum_09_keys_raw_and_escaped ... ok");
        rows.note("test other::nothing_of_the_kind ... ok");
        assert_eq!(rows.0.len(), 2);
        assert!(!rows.0[&Id("ACE", 13)].passed && rows.0[&Id("GUM", 9)].passed);
        assert!(rows.to_string().contains("| GUM-09 | keys raw and escaped | passed |"));
        let why = rows.complete().expect_err("most are missing").to_string();
        assert!(why.contains("ACE-13") && why.contains("ALL-04") && !why.contains("GUM-09"), "{why}");
        assert_eq!(wanted().count(), 28 + 7 + 37 + 4);
    }
}
