//! `cargo xtask bench`: what Janua costs beside a server that speaks HTTP itself, in one run.

mod report;
mod users;

use crate::repo;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// A load, the server behind it, and the figures worth showing.
struct Scenario {
    name: &'static str,
    load: &'static [&'static str],
    server: &'static [&'static str],
    figures: &'static [&'static str],
}

const CALL: &[&str] = &["cpu_us", "per_s", "p50_us", "p99_us", "rss_kb"];
const LARGE: &[&str] = &["cpu_us", "per_s", "p50_us", "peak_kb"];

const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "call-c1", load: &["--concurrency", "1"], server: &[], figures: CALL },
    Scenario { name: "call-c16", load: &["--concurrency", "16"], server: &[], figures: CALL },
    Scenario { name: "call-c64", load: &["--concurrency", "64"], server: &[], figures: CALL },
    Scenario {
        name: "big-1m",
        load: &["--operation", "big", "--size", "1000000", "--concurrency", "2"],
        server: &[],
        figures: LARGE,
    },
    Scenario {
        name: "up-1m",
        load: &["--operation", "echo", "--size", "1000000", "--concurrency", "2"],
        server: &[],
        figures: LARGE,
    },
    Scenario {
        name: "list-500",
        load: &["--operation", "list", "--size", "500", "--concurrency", "4"],
        server: &["--tools", "500"],
        figures: LARGE,
    },
    Scenario {
        name: "notify",
        load: &["--operation", "notify", "--size", "200", "--sessions", "8", "--concurrency", "8"],
        server: &[],
        figures: &["cpu_us", "per_s", "notifications_each", "p50_us"],
    },
    Scenario {
        name: "sess-100",
        load: &["--sessions", "100"],
        server: &[],
        figures: &["opened_per_s", "session_kb", "peak_kb"],
    },
    Scenario {
        name: "overload",
        load: &["--sessions", "4", "--concurrency", "64", "--overload", "10"],
        server: &[],
        figures: &["cpu_us", "per_s", "goodput", "refusals_per_s", "refusal_p99_us"],
    },
    Scenario { name: "startup", load: &[], server: &[], figures: &["startup_ms", "rss_kb"] },
];

/// What runs and how long.
struct Options {
    scenarios: Vec<&'static Scenario>,
    seconds: String,
    rounds: usize,
    against: Option<Value>,
    out: PathBuf,
    /// One CPU for load, gateway and servers: figures scatter far less, see `--help`.
    pin: Option<String>,
}

/// The programs of one run.
struct Programs {
    load: PathBuf,
    echo: PathBuf,
    janua: PathBuf,
}

/// The command: builds, measures every round with a fresh process, prints medians and ratios.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let [first, rest @ ..] = args
        && first == "users"
    {
        return users::run(rest);
    }
    let options = parse(args)?;
    let programs = build()?;
    let mut results = serde_json::Map::new();
    for scenario in &options.scenarios {
        let (mut janua, mut direct) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            janua.push(measure(&options, &programs, scenario, true)?);
            direct.push(measure(&options, &programs, scenario, false)?);
        }
        let (janua, direct) = (report::median(&janua), report::median(&direct));
        let earlier = options.against.as_ref().map(|a| &a["results"][scenario.name]["janua"]);
        print!("{}", report::table(scenario.name, scenario.figures, &janua, &direct, earlier));
        results.insert(scenario.name.to_owned(), json!({ "janua": janua, "direct": direct }));
    }
    let saved = json!({
        "seconds": options.seconds, "rounds": options.rounds, "pinned": options.pin, "results": results,
    });
    if let Some(folder) = options.out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    std::fs::write(&options.out, format!("{saved:#}\n")).with_context(|| format!("write {}", options.out.display()))?;
    println!("\ndirect is the server speaking HTTP itself; its CPU time includes making the answers");
    println!("saved: {}", options.out.display());
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let mut options = Options {
        scenarios: Vec::new(),
        seconds: "3".to_owned(),
        rounds: 3,
        against: None,
        out: repo::target()?.join("bench").join(format!("{now}.json")),
        pin: Command::new("taskset").arg("--version").output().is_ok().then(|| "0".to_owned()),
    };
    let mut args = args.iter().cloned();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--seconds" => {
                options.seconds = value()?;
                let seconds: f64 = options.seconds.parse().context("--seconds needs a number")?;
                ensure!(seconds > 0.0, "--seconds needs a number above 0");
            }
            "--rounds" => options.rounds = value()?.parse::<usize>().context("--rounds")?.max(1),
            "--out" => options.out = value()?.into(),
            "--pin" => options.pin = Some(value()?),
            "--no-pin" => options.pin = None,
            "--against" => {
                let file = value()?;
                let text = std::fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
                options.against = Some(serde_json::from_str(&text).with_context(|| format!("read {file}"))?);
            }
            name => match SCENARIOS.iter().find(|s| s.name == name) {
                Some(scenario) => options.scenarios.push(scenario),
                None => bail!("no scenario {name}; there are {}", names().join(", ")),
            },
        }
    }
    if options.scenarios.is_empty() {
        options.scenarios = SCENARIOS.iter().collect();
    }
    Ok(options)
}

fn names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|s| s.name).collect()
}

/// Builds the product as users get it and, apart from it, the two measuring programs.
fn build() -> Result<Programs> {
    println!("building ...");
    let mut janua = repo::cargo();
    repo::output(janua.args(["build", "--release", "--locked", "-p", "janua", "--bin", "janua"]))?;
    let mut tools = repo::cargo();
    tools.args(["build", "--release", "--locked", "-p", "janua-testkit", "--no-default-features"]);
    repo::output(tools.args(["--bin", "benchecho", "--bin", "benchload"]))?;
    Ok(Programs {
        load: repo::program("release", "benchload")?,
        echo: repo::program("release", "benchecho")?,
        janua: repo::program("release", "janua")?,
    })
}

fn measure(options: &Options, programs: &Programs, scenario: &Scenario, janua: bool) -> Result<Value> {
    let mut command = match &options.pin {
        Some(cpus) => {
            let mut command = Command::new("taskset");
            command.args(["-c", cpus]).arg(&programs.load);
            command
        }
        None => Command::new(&programs.load),
    };
    command.args(scenario.load);
    if scenario.figures.contains(&"cpu_us") {
        command.args(["--seconds", &options.seconds]);
    }
    command.arg("--");
    if janua {
        command.arg(&programs.janua).args(["proxy", "--port", "0", "--"]).arg(&programs.echo);
        command.args(scenario.server);
    } else {
        command.arg(&programs.echo).args(scenario.server).args(["--http", "0"]);
    }
    let measured = repo::output(&mut command).with_context(|| format!("scenario {}", scenario.name))?;
    let measured: Value = serde_json::from_str(&measured).context("read what benchload printed")?;
    if measured["errors"].as_u64().unwrap_or(0) > 0 {
        bail!("{}: {} wrong answers, first: {}", scenario.name, measured["errors"], measured["first_error"]);
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &str) -> Result<Options> {
        parse(&args.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn scenarios_are_chosen_by_name() {
        assert_eq!(options("").unwrap().scenarios.len(), SCENARIOS.len());
        let some = options("notify --seconds 1 call-c1 --rounds 0").unwrap();
        assert_eq!(some.scenarios.iter().map(|s| s.name).collect::<Vec<_>>(), ["notify", "call-c1"]);
        assert_eq!(some.rounds, 1);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for args in ["call-c2", "--seconds", "--seconds x", "--seconds 0", "--against no-such-file"] {
            assert!(options(args).is_err(), "{args}");
        }
    }
}
