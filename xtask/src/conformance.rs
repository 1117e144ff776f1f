//! `cargo xtask conformance`: the official MCP suite of both eras against Janua in front of servers of both.

mod expected;
mod gateway;
mod rows;
mod suite;

use crate::{repo, setup};
use anyhow::{Context, Result, bail};
use gateway::Gateway;
use rows::{REVISIONS, Row, SERVERS};
use std::collections::BTreeMap;
use suite::{Run, Status, Suite};

/// How many checks passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Score {
    pub(crate) fn add(&mut self, other: Score) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// What to run, and against what.
struct Options {
    specs: Vec<String>,
    servers: Vec<String>,
    suites: Vec<String>,
    scenarios: Vec<String>,
    url: Option<String>,
    profile: &'static str,
    extra: Vec<String>,
}

/// Runs by scenario and version of the suite, of one row.
type Table = BTreeMap<String, BTreeMap<String, Run>>;

/// The command: brings everything up to date, runs, and fails unless every scenario passed.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    setup::run()?;
    if options.url.is_none() {
        let mut build = repo::cargo();
        build.args(["build", "--workspace", "--bins"]);
        if options.profile == "release" {
            build.arg("--release");
        }
        repo::output(&mut build)?;
    }
    verdict(measure(&options)?)
}

/// All rows with both versions of the suite, against what is built; counts into `score`.
pub(crate) fn all(score: &mut Score) -> Result<()> {
    let measured = measure(&parse(&[])?)?;
    score.add(measured);
    verdict(measured)
}

fn verdict(score: Score) -> Result<()> {
    match score {
        Score { failed: 0, passed: 1.. } => Ok(()),
        Score { failed: 0, .. } => bail!("no scenario that counts was run"),
        Score { failed, .. } => bail!("{failed} scenarios failed"),
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        specs: Vec::new(),
        servers: Vec::new(),
        suites: Vec::new(),
        scenarios: Vec::new(),
        url: None,
        profile: "debug",
        extra: Vec::new(),
    };
    let mut args = args.iter().cloned();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--spec" => options.specs.push(value()?),
            "--server" => options.servers.push(value()?),
            "--suite" => options.suites.push(value()?),
            "--scenario" => options.scenarios.push(value()?),
            "--url" => options.url = Some(value()?),
            "--release" => options.profile = "release",
            "--" => options.extra = args.by_ref().collect(),
            _ => bail!("unknown argument {arg}; see cargo xtask --help"),
        }
    }
    if let Some(spec) = options.specs.iter().find(|s| !REVISIONS.contains(&s.as_str())) {
        bail!("no revision {spec} here, only {}", REVISIONS.join(", "));
    }
    if let Some(server) = options.servers.iter().find(|s| !SERVERS.contains(&s.as_str())) {
        bail!("no server {server} here, only {}", SERVERS.join(", "));
    }
    if options.url.is_some() && !options.servers.is_empty() {
        bail!("--server chooses what stands behind janua; with --url there is nothing to choose");
    }
    if options.specs.is_empty() {
        options.specs = REVISIONS.map(str::to_owned).to_vec();
    }
    if options.servers.is_empty() {
        options.servers = SERVERS.map(str::to_owned).to_vec();
    }
    if options.suites.is_empty() {
        options.suites = suite::VERSIONS.map(|(short, _)| short.to_owned()).to_vec();
    }
    Ok(options)
}

/// Runs every combination; the last line printed is the score.
fn measure(options: &Options) -> Result<Score> {
    let mut score = Score::default();
    let list = expected::read()?;
    let rows = match options.url {
        Some(_) => Row::elsewhere(&options.specs),
        None => Row::all(&options.specs, &options.servers),
    };
    for row in rows {
        let suites = row.suites(&options.suites);
        let mut table = Table::new();
        for version in &suites {
            for (name, run) in one(options, &Suite::find(version)?, &row)? {
                table.entry(name).or_default().insert(version.clone(), run);
            }
        }
        if !table.is_empty() {
            print(&row, &suites, &table);
            score.add(expected::judge(&list, &row, &table));
        }
    }
    println!("\nconformance: {} passed, {} failed", score.passed, score.failed);
    Ok(score)
}

/// One version of the suite, one row, one freshly started gateway.
fn one(options: &Options, suite: &Suite, row: &Row) -> Result<BTreeMap<String, Run>> {
    let mut wanted = suite.scenarios(&row.spec)?;
    let one_by_one = !options.scenarios.is_empty();
    if one_by_one {
        wanted.retain(|name| options.scenarios.contains(name));
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
    }
    let folder = repo::target()?.join("conformance").join(format!("{}-{}", suite.version, row.name()));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("clear {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let measured = |url: &str| suite.run(url, &row.spec, &wanted, one_by_one, &folder, &options.extra);
    let Some(server) = &row.server else {
        return measured(options.url.as_deref().context("no URL to measure")?);
    };
    let log = folder.join("janua.log");
    let gateway = Gateway::start(options.profile, server, &log)?;
    let runs = measured(&gateway.url)?;
    if runs.values().any(|r| r.status == Status::Failed) {
        println!("Janua's own output: {}", log.display());
    }
    Ok(runs)
}

fn print(row: &Row, suites: &[String], table: &Table) {
    let width = table.keys().map(String::len).max().unwrap_or(0).max(10);
    let line = |first: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<12}")).collect();
        println!("{}", format!("{first:<width$}  {}", cells.concat()).trim_end());
    };
    println!("\n{}", row.title());
    line("", suites.to_vec());
    for (name, runs) in table {
        let cell = |suite| runs.get(suite).map_or_else(String::new, Run::to_string);
        line(name, suites.iter().map(cell).collect());
        for problem in runs.values().flat_map(|r| r.problems.iter().take(3)) {
            line("", vec![format!("  {problem}")]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &str) -> Result<Options> {
        parse(&args.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn without_arguments_everything_is_run() {
        let all = options("").unwrap();
        assert_eq!(all.specs, REVISIONS);
        assert_eq!(all.servers, SERVERS);
        assert_eq!(all.suites, ["0.1", "0.2"]);
    }

    #[test]
    fn arguments_narrow_and_the_rest_goes_to_the_suite() {
        let some = options("--spec 2025-06-18 --suite 0.1 --release -- --verbose --spec x").unwrap();
        assert_eq!((some.specs.len(), some.suites.len(), some.profile), (1, 1, "release"));
        assert_eq!(some.extra, ["--verbose", "--spec", "x"]);
        assert!(options("--spec 2020-01-01").is_err());
        assert_eq!(options("--server modern").unwrap().servers, ["modern"]);
        assert!(options("--server old").is_err());
        assert!(options("--server modern --url http://127.0.0.1:1/mcp").is_err());
        assert!(options("--spec").is_err());
        assert!(options("--bogus").is_err());
    }

    #[test]
    fn nothing_run_is_not_a_pass() {
        assert!(verdict(Score { passed: 3, failed: 0 }).is_ok());
        assert!(verdict(Score { passed: 0, failed: 0 }).is_err());
        assert!(verdict(Score { passed: 3, failed: 1 }).is_err());
    }
}
