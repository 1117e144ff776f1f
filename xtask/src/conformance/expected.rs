//! Scenarios known to fail, each named in a file: a failure it does not name and a line that no
//! longer fails both count as failures.

use super::suite::Status;
use super::{Score, Table};
use crate::repo;
use anyhow::{Result, bail};
use std::fs;

/// Lines `SUITE REVISION SCENARIO # reason`.
const FILE: &str = "xtask/conformance-expected.txt";

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    suite: String,
    spec: String,
    scenario: String,
}

/// The list; empty when there is no file.
pub(super) fn read() -> Result<Vec<Expected>> {
    parse(&fs::read_to_string(repo::root().join(FILE)).unwrap_or_default())
}

fn parse(text: &str) -> Result<Vec<Expected>> {
    let mut list = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (entry, reason) = line.split_once('#').unwrap_or((line, ""));
        let words: Vec<&str> = entry.split_whitespace().collect();
        match words[..] {
            [] => {}
            [suite, spec, scenario] if !reason.trim().is_empty() => {
                list.push(Expected { suite: suite.to_owned(), spec: spec.to_owned(), scenario: scenario.to_owned() });
            }
            _ => bail!("{FILE}:{}: write `SUITE REVISION SCENARIO # reason`", at + 1),
        }
    }
    Ok(list)
}

/// Counts one revision; expected failures count neither way and are told.
pub(super) fn judge(list: &[Expected], spec: &str, suites: &[String], table: &Table) -> Score {
    let mut score = Score::default();
    let (mut known, mut skipped) = (0, 0);
    for (scenario, suite, run) in table
        .iter()
        .flat_map(|(scenario, runs)| runs.iter().map(move |(suite, run)| (scenario, suite, run)))
        .filter(|(_, suite, _)| suites.contains(suite))
    {
        let expected = list.iter().any(|e| e.suite == *suite && e.spec == spec && e.scenario == *scenario);
        match (run.status, expected) {
            (Status::Failed, true) => known += 1,
            (Status::Failed, false) => score.failed += 1,
            (_, true) => {
                println!("{FILE}: {suite} {spec} {scenario} no longer fails: remove the line");
                score.failed += 1;
            }
            (Status::Passed, false) => score.passed += 1,
            (Status::Skipped, false) => skipped += 1,
        }
    }
    println!(
        "{spec}: {} passed, {} failed, {known} expected to fail, {skipped} with nothing to check",
        score.passed, score.failed
    );
    score
}

#[cfg(test)]
mod tests {
    use super::super::suite::Run;
    use super::*;

    fn score(list: &str, status: Status) -> Score {
        let run = Run { status, checks: 1, passed: 0, warnings: 0, problems: vec![] };
        let table = Table::from([("ping".to_owned(), [("0.1".to_owned(), run)].into())]);
        judge(&parse(list).unwrap(), "2025-06-18", &["0.1".to_owned()], &table)
    }

    #[test]
    fn failures_pass_only_when_named() {
        assert_eq!(score("", Status::Failed), Score { passed: 0, failed: 1 });
        assert_eq!(score("0.1 2025-06-18 ping # why", Status::Failed), Score { passed: 0, failed: 0 });
        assert_eq!(score("0.2 2025-06-18 ping # why", Status::Failed), Score { passed: 0, failed: 1 });
        assert_eq!(score("", Status::Passed), Score { passed: 1, failed: 0 });
        assert_eq!(score("", Status::Skipped), Score { passed: 0, failed: 0 });
    }

    #[test]
    fn a_stale_line_fails() {
        assert_eq!(score("0.1 2025-06-18 ping # why", Status::Passed), Score { passed: 0, failed: 1 });
    }

    #[test]
    fn a_line_needs_a_reason() {
        assert!(parse("0.1 2025-06-18 ping").is_err());
        assert!(parse("0.1 ping # why").is_err());
        assert_eq!(parse("# nothing\n\n").unwrap(), []);
    }
}
