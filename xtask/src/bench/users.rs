//! `cargo xtask bench users`: many users on one factory server, at each level of isolation.

use crate::repo;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who has a process of their own.
const LEVELS: [&str; 3] = ["session", "user", "all"];
/// Heads of columns, and where their figures are.
const COLUMNS: [(&str, &str); 8] = [
    ("share", "share"),
    ("users", "users"),
    ("processes", "processes"),
    ("KiB a user", "user_kib"),
    ("servers KiB", "servers_kib"),
    ("first p50 ms", "first_p50_ms"),
    ("first p99 ms", "first_p99_ms"),
    ("all s", "all_s"),
];

struct Options {
    users: usize,
    levels: Vec<&'static str>,
    /// Measure a build with checks and without optimisation, which takes less time to make.
    debug: bool,
}

/// The command: builds, measures each level with a fresh gateway, prints a table.
pub(super) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let (janua, load) = build(options.debug)?;
    let heads = COLUMNS.map(|(head, _)| format!("{head:>12}"));
    println!("{}", heads.join("  "));
    for level in &options.levels {
        let said = measure(&janua, &load, level, options.users).with_context(|| format!("share: {level}"))?;
        let figures = COLUMNS.map(|(_, name)| format!("{:>12}", shown(&said[name])));
        println!("{}", figures.join("  "));
    }
    println!("\nmemory is proportional (PSS): what processes share is shared out among them");
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options { users: 200, levels: Vec::new(), debug: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--users" => {
                let count = args.next().context("--users needs a value")?;
                options.users = count.parse::<usize>().context("--users")?.max(1);
            }
            "--debug" => options.debug = true,
            name => match LEVELS.iter().find(|level| **level == name) {
                Some(level) => options.levels.push(level),
                None => bail!("no level {name}; there are {}", LEVELS.join(", ")),
            },
        }
    }
    if options.levels.is_empty() {
        options.levels = LEVELS.to_vec();
    }
    Ok(options)
}

fn build(debug: bool) -> Result<(PathBuf, PathBuf)> {
    println!("building ...");
    let profile = if debug { "dev" } else { "release" };
    for (package, program) in [("janua", "janua"), ("janua-testkit", "benchusers")] {
        let mut build = repo::cargo();
        build.args(["build", "--profile", profile, "--locked", "-p", package, "--bin", program]);
        repo::output(&mut build)?;
    }
    let folder = if debug { "debug" } else { "release" };
    Ok((repo::program(folder, "janua")?, repo::program(folder, "benchusers")?))
}

fn measure(janua: &Path, load: &Path, level: &str, users: usize) -> Result<Value> {
    let said = repo::output(Command::new(load).arg(janua).args([level, &users.to_string()]))?;
    serde_json::from_str(&said).context("read what benchusers printed")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.1}", number.as_f64().unwrap_or(0.0)),
        other => other.to_string(),
    }
}
