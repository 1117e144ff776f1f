//! The suite as a program: which scenarios it has, how it is called, how its results read.

use crate::setup;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The versions in use: the short name of the option, and the exact one.
pub(super) const VERSIONS: [(&str, &str); 2] = [("0.1", "0.1.16"), ("0.2", "0.2.0-alpha.12")];

/// Whether a version of the suite can speak a revision: the earlier one ends before 2026-07-28.
pub(super) fn knows(short: &str, spec: &str) -> bool {
    short != "0.1" || spec < "2026"
}

/// For a run over all scenarios, and for one of them.
const WHOLE: Duration = Duration::from_mins(7);
const SINGLE: Duration = Duration::from_secs(45);

/// One installed version.
pub(super) struct Suite {
    pub(super) version: &'static str,
    script: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Passed,
    Failed,
    /// The scenario found nothing it could check.
    Skipped,
}

/// What became of one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) status: Status,
    pub(super) checks: usize,
    pub(super) passed: usize,
    pub(super) warnings: usize,
    pub(super) problems: Vec<String>,
}

impl Suite {
    /// The suite of that short name, as it was installed.
    pub(super) fn find(short: &str) -> Result<Self> {
        let Some((_, version)) = VERSIONS.into_iter().find(|(name, _)| *name == short) else {
            bail!("no suite {short}, only 0.1 and 0.2");
        };
        let home = setup::node_modules().join(format!("suite-{short}"));
        let about = fs::read_to_string(home.join("package.json"))
            .with_context(|| format!("the suite is not in {}: run cargo xtask setup", home.display()))?;
        let about: Value = serde_json::from_str(&about).context("read the suite's package.json")?;
        if about["version"] != version {
            bail!("suite {} is installed where {version} is expected", about["version"]);
        }
        Ok(Self { version, script: home.join("dist/index.js") })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(setup::node());
        command.arg(&self.script).args(args).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// The server scenarios that apply to a revision, in the suite's order.
    pub(super) fn scenarios(&self, spec: &str) -> Result<Vec<String>> {
        let listed = self.command(&["list"]).output().context("list the suite's scenarios")?;
        let names = server_scenarios(&String::from_utf8_lossy(&listed.stdout), spec);
        if names.is_empty() {
            bail!("suite {} lists no server scenario for {spec}", self.version);
        }
        Ok(names)
    }

    /// Runs the wanted scenarios, all in one process first, then one by one what is missing.
    pub(super) fn run(
        &self,
        url: &str,
        spec: &str,
        wanted: &[String],
        one_by_one: bool,
        folder: &Path,
        extra: &[String],
    ) -> Result<BTreeMap<String, Run>> {
        let log = folder.join("suite.log");
        let output = folder.join("results");
        let base = ["server", "--url", url, "--spec-version", spec, "--output-dir"];
        if !one_by_one {
            let mut command = self.command(&base);
            command.arg(&output).args(["--suite", "all"]).args(extra);
            bounded(&mut command, WHOLE, &log)?;
        }
        let mut runs = collect(&output)?;
        for name in wanted {
            if runs.contains_key(name) {
                continue;
            }
            let each = folder.join(format!("single-{name}"));
            let mut command = self.command(&base);
            command.arg(&each).args(["--scenario", name]).args(extra);
            let ended = bounded(&mut command, SINGLE, &log)?;
            let single = collect(&each)?.remove(name);
            runs.insert(name.clone(), single.unwrap_or_else(|| missing(ended, &log)));
        }
        runs.retain(|name, _| wanted.contains(name));
        Ok(runs)
    }
}

/// A scenario that left no result behind.
fn missing(ended: bool, log: &Path) -> Run {
    let why = if ended { "the suite left no result" } else { "stopped after the time limit" };
    let problems = vec![format!("{why}, see {}", log.display())];
    Run { status: Status::Failed, checks: 1, passed: 0, warnings: 0, problems }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.status {
            Status::Passed => "pass",
            Status::Failed => "FAIL",
            Status::Skipped => "skip",
        };
        write!(f, "{word} {}/{}", self.passed, self.checks)?;
        if self.warnings > 0 { write!(f, " {}w", self.warnings) } else { Ok(()) }
    }
}

/// Reads lines such as `  - ping [2025-06-18,2025-11-25]` below the heading of the server side.
fn server_scenarios(listed: &str, spec: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in listed.lines() {
        if let Some(rest) = line.strip_prefix("  - ") {
            let applies = rest
                .split_once(" [")
                .is_some_and(|(_, revisions)| revisions.trim_end_matches(']').split(',').any(|r| r == spec));
            if inside && applies {
                names.extend(rest.split(' ').next().map(str::to_owned));
            }
        } else if !line.is_empty() {
            inside = line.starts_with("Server scenarios");
        }
    }
    names
}

/// Runs a command into a log file; false when it had to be stopped.
fn bounded(command: &mut Command, limit: Duration, log: &Path) -> Result<bool> {
    let out = File::options().create(true).append(true).open(log).context("open the suite's log")?;
    let both = out.try_clone().context("open the suite's log")?;
    let mut child = command.stdout(out).stderr(both).spawn().context("start the suite")?;
    let deadline = Instant::now() + limit;
    while child.try_wait().context("wait for the suite")?.is_none() {
        if Instant::now() > deadline {
            child.kill().context("stop the suite")?;
            child.wait().context("wait for the suite")?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

/// Every `<server-NAME-TIME>/checks.json` of an output folder, by scenario.
fn collect(output: &Path) -> Result<BTreeMap<String, Run>> {
    let mut runs = BTreeMap::new();
    let Ok(entries) = fs::read_dir(output) else {
        return Ok(runs);
    };
    for entry in entries {
        let folder = entry.with_context(|| format!("read {}", output.display()))?;
        let Some(name) = scenario_of(&folder.file_name().to_string_lossy()) else {
            continue;
        };
        let Ok(text) = fs::read_to_string(folder.path().join("checks.json")) else {
            continue;
        };
        let checks = serde_json::from_str(&text).with_context(|| format!("read the checks of {name}"))?;
        runs.insert(name, judge(&checks));
    }
    Ok(runs)
}

/// `server-ping-2026-11-21T00-01-56-123Z` is of `ping`.
fn scenario_of(folder: &str) -> Option<String> {
    let stamped = folder.strip_prefix("server-")?;
    let date = stamped.rfind('T')?.checked_sub("-2026-11-21".len())?;
    stamped.get(..date).filter(|_| stamped.ends_with('Z')).map(str::to_owned)
}

/// A scenario fails with any failed check, and passes only with one that succeeded on its subject.
fn judge(checks: &Value) -> Run {
    let checks = checks.as_array().map_or(&[][..], Vec::as_slice);
    let with = |status: &str| checks.iter().filter(|c| c["status"] == status).count();
    let about_schema = |c: &Value| c["id"].as_str().is_some_and(|id| id.starts_with("wire-schema"));
    let (passed, failed) = (with("SUCCESS"), with("FAILURE"));
    let status = if failed > 0 {
        Status::Failed
    } else if checks.iter().any(|c| matches!(c["status"].as_str(), Some("SUCCESS" | "WARNING")) && !about_schema(c)) {
        Status::Passed
    } else {
        Status::Skipped
    };
    let problem = |c: &Value| {
        let said = c["errorMessage"].as_str().or(c["description"].as_str()).unwrap_or("");
        let short: String = said.chars().take(200).collect();
        format!("{}: {short}", c["id"].as_str().unwrap_or("?"))
    };
    let problems = checks.iter().filter(|c| c["status"] == "FAILURE").map(problem).collect();
    Run { status, checks: passed + failed, passed, warnings: with("WARNING"), problems }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scenarios_of_the_revision_and_side_are_listed() {
        let listed = "Server scenarios (test against a server):\n  - ping [2025-06-18,2025-11-25]\n  \
                      - polling [2025-11-25]\n\nClient scenarios (test against a client):\n  \
                      - initialize [2025-06-18]\n";
        assert_eq!(server_scenarios(listed, "2025-06-18"), ["ping"]);
        assert_eq!(server_scenarios(listed, "2025-11-25"), ["ping", "polling"]);
        assert_eq!(server_scenarios("nothing", "2025-11-25"), [] as [&str; 0]);
    }

    #[test]
    fn a_result_folder_names_its_scenario() {
        let name = |folder| scenario_of(folder).unwrap_or_default();
        assert_eq!(name("server-tools-list-2026-11-21T00-01-56-123Z"), "tools-list");
        assert_eq!(name("server-json-schema-2020-12-2026-11-21T00-01-56-123Z"), "json-schema-2020-12");
        assert_eq!(name("client-initialize-2026-11-21T00-01-56-123Z"), "");
        assert_eq!(name("server-T"), "");
    }

    #[test]
    fn one_failed_check_fails_and_none_at_all_does_not_pass() {
        let of = |statuses: &[&str]| {
            let checks = statuses.iter().map(|s| json!({"id": "x", "status": s, "errorMessage": "e"}));
            judge(&checks.collect())
        };
        assert_eq!(of(&["SUCCESS", "SUCCESS"]).status, Status::Passed);
        assert_eq!(of(&["SUCCESS", "WARNING"]).status, Status::Passed);
        let failed = of(&["SUCCESS", "FAILURE"]);
        assert_eq!((failed.status, &failed.problems[..]), (Status::Failed, &["x: e".to_owned()][..]));
        assert_eq!(of(&["SKIPPED", "INFO"]).status, Status::Skipped);
        assert_eq!(of(&[]).status, Status::Skipped);
        let schema = judge(&json!([{"id": "wire-schema-x", "status": "SUCCESS"}]));
        assert_eq!(schema.status, Status::Skipped);
    }
}
