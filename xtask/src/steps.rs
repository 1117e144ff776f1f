//! `cargo xtask test`: everything a change has to pass, in order, stopping at the first failure.

use crate::conformance::{self, Score};
use crate::rows::Rows;
use crate::{repo, setup, tidy};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The version of cargo-deny this repository is checked with.
const DENY: &str = "0.20.2";

/// What is off by default, and checked all the same.
const FEATURES: &str = "janua/rmcp";

/// A step: its name, and what it does to the count of checks that passed and failed.
type Step = (&'static str, fn(&mut Score) -> Result<()>);

const STEPS: [Step; 9] = [
    ("setup", |_| setup::run()),
    ("format", |_| cargo(&["fmt", "--all", "--check"])),
    ("clippy", |_| cargo(&["clippy", "--workspace", "--all-targets", "--features", FEATURES, "--", "-D", "warnings"])),
    ("tidy", |_| tidy::run()),
    ("licences and bans", |_| deny()),
    ("build", |_| cargo(&["build", "--workspace", "--all-targets", "--features", FEATURES])),
    ("tests", tests),
    ("documentation", |_| documentation()),
    ("conformance", conformance::all),
];

/// Runs the steps and prints, last of all, how many checks passed and failed.
pub(crate) fn run() -> ExitCode {
    let mut score = Score::default();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut done = Ok(());
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let began = Instant::now();
        let failed_before = score.failed;
        done = step(&mut score).with_context(|| format!("step \"{name}\""));
        times.push((name, began.elapsed()));
        if done.is_err() {
            // A step that counts nothing of its own counts as one.
            score.failed = score.failed.max(failed_before + 1);
            break;
        }
    }
    println!();
    for (name, time) in times {
        println!("{:>8.1} s  {name}", time.as_secs_f64());
    }
    if let Err(error) = &done {
        println!("{error:#}");
    }
    println!("{} passed, {} failed", score.passed, score.failed);
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cargo(args: &[&str]) -> Result<()> {
    finish(repo::cargo().args(args))
}

/// Runs a command with our own input and output.
fn finish(command: &mut Command) -> Result<()> {
    let shown = repo::shown(command);
    let status = command.status().with_context(|| format!("run {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

fn documentation() -> Result<()> {
    let args = ["doc", "--no-deps", "-p", "janua", "-p", "janua-wire", "--features", FEATURES];
    finish(repo::cargo().args(args).env("RUSTDOCFLAGS", "-D warnings"))
}

/// cargo-deny, installed into the cache when it is missing or of another version.
fn deny() -> Result<()> {
    let home = setup::cache().join("cargo");
    let program = home.join("bin").join("cargo-deny");
    let present = Command::new(&program).arg("--version").output();
    let right = present.is_ok_and(|o| o.stdout.trim_ascii().ends_with(DENY.as_bytes()));
    if !right {
        println!("installing cargo-deny {DENY}, once");
        let mut install = repo::cargo();
        install.args(["install", "cargo-deny", "--version", DENY, "--locked", "--debug", "--force"]);
        // It runs for a second: building it fast matters more than building it well.
        finish(install.arg("--root").arg(&home).env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    }
    let mut check = Command::new(program);
    finish(check.args(["--locked", "check", "licenses", "bans", "sources"]).current_dir(repo::root()))
}

/// The tests of the workspace, their result lines added up.
fn tests(score: &mut Score) -> Result<()> {
    let mut command = repo::cargo();
    command.args(["test", "--workspace", "--no-fail-fast", "--features", FEATURES]).stdout(Stdio::piped());
    let mut child = command.spawn().context("run cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut counted = Score::default();
    let mut rows = Rows::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("read the output of cargo test")?).into_owned();
        println!("{line}");
        counted.add(result_line(&line));
        rows.note(&line);
    }
    let status = child.wait().context("wait for cargo test")?;
    score.add(counted);
    print!("{rows}");
    if !status.success() {
        bail!("cargo test: {status}, {} failed", counted.failed);
    }
    if counted.passed == 0 {
        bail!("cargo test ran no test");
    }
    rows.complete()
}

/// What one of libtest's closing lines says: `test result: ok. 12 passed; 0 failed; …`.
fn result_line(line: &str) -> Score {
    let Some(rest) = line.trim_start().strip_prefix("test result: ") else {
        return Score::default();
    };
    let words: Vec<&str> = rest.split([' ', ';']).collect();
    let before = |word: &str| {
        let at = words.iter().position(|w| *w == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    Score { passed: before("passed").unwrap_or(0), failed: before("failed").unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted_and_others_are_not() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out";
        assert_eq!(result_line(line), Score { passed: 12, failed: 3 });
        assert_eq!(result_line("test ok. 12 passed; 3 failed"), Score::default());
        assert_eq!(result_line("test result: "), Score::default());
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        assert!(finish(&mut Command::new("true")).is_ok());
        assert!(finish(&mut Command::new("false")).is_err());
    }
}
