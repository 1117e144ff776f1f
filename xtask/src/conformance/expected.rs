//! Scenarios known to fail, each named in a file: a failure it does not name and a line that no
//! longer fails both count as failures.

use super::rows::Row;
use super::suite::Status;
use super::{Score, Table};
use crate::repo;
use anyhow::{Result, bail};
use std::fs;

/// Lines `SUITE REVISION SERVER SCENARIO # reason`.
const FILE: &str = "xtask/conformance-expected.txt";

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    suite: String,
    /// The revision that the suite speaks, and what the server speaks.
    row: Row,
    scenario: String,
    reason: String,
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
            [suite, spec, server, scenario] if !reason.trim().is_empty() => {
                let row = Row { spec: spec.to_owned(), server: Some(server.to_owned()) };
                let [suite, scenario, reason] = [suite, scenario, reason.trim()].map(str::to_owned);
                list.push(Expected { suite, row, scenario, reason });
            }
            _ => bail!("{FILE}:{}: write `SUITE REVISION SERVER SCENARIO # reason`", at + 1),
        }
    }
    Ok(list)
}

/// Counts one row; expected failures count neither way and are told.
pub(super) fn judge(list: &[Expected], row: &Row, table: &Table) -> Score {
    let mut score = Score::default();
    let (mut known, mut skipped) = (0, 0);
    for (scenario, suite, run) in
        table.iter().flat_map(|(scenario, runs)| runs.iter().map(move |(suite, run)| (scenario, suite, run)))
    {
        let expected = list.iter().find(|e| e.suite == *suite && e.row == *row && e.scenario == *scenario);
        match (run.status, expected) {
            (Status::Failed, Some(line)) => {
                println!("expected to fail: {scenario}: {}", line.reason);
                known += 1;
            }
            (Status::Failed, None) => score.failed += 1,
            (_, Some(_)) => {
                println!("{FILE}: {scenario} of suite {suite} no longer fails: remove the line");
                score.failed += 1;
            }
            (Status::Passed, None) => score.passed += 1,
            (Status::Skipped, None) => skipped += 1,
        }
    }
    println!(
        "{}: {} passed, {} failed, {known} expected to fail, {skipped} with nothing to check",
        row.title(),
        score.passed,
        score.failed
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
        let row = Row { spec: "2025-06-18".to_owned(), server: Some("legacy".to_owned()) };
        judge(&parse(list).unwrap(), &row, &table)
    }

    #[test]
    fn failures_pass_only_when_named() {
        assert_eq!(score("", Status::Failed), Score { passed: 0, failed: 1 });
        assert_eq!(score("0.1 2025-06-18 legacy ping # why", Status::Failed), Score { passed: 0, failed: 0 });
        assert_eq!(score("0.1 2025-06-18 modern ping # why", Status::Failed), Score { passed: 0, failed: 1 });
        assert_eq!(score("0.2 2025-06-18 legacy ping # why", Status::Failed), Score { passed: 0, failed: 1 });
        assert_eq!(score("", Status::Passed), Score { passed: 1, failed: 0 });
        assert_eq!(score("", Status::Skipped), Score { passed: 0, failed: 0 });
    }

    #[test]
    fn a_stale_line_fails() {
        assert_eq!(score("0.1 2025-06-18 legacy ping # why", Status::Passed), Score { passed: 0, failed: 1 });
    }

    #[test]
    fn a_line_needs_a_reason() {
        assert!(parse("0.1 2025-06-18 legacy ping").is_err());
        assert!(parse("0.1 2025-06-18 ping # why").is_err());
        assert_eq!(parse("# nothing\n\n").unwrap(), []);
    }
}
