//! What the gateway takes: samples, their slopes, and what is left when everybody has gone.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use janua_testkit::client::Client;
use janua_testkit::process;
use serde_json::{Value, json};

use crate::ledger::Ledger;

/// What is measured.
const FIGURES: [&str; 7] = ["private_kib", "pss_kib", "fds", "threads", "children", "sessions", "parked"];

/// A row of figures in the order of [`FIGURES`], and when it was taken, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    at: f64,
    figures: [f64; 7],
}

/// All samples, and the file they go into.
pub(super) struct Record {
    pid: u32,
    client: Client,
    file: File,
    samples: Vec<Sample>,
}

impl Record {
    pub(super) fn new(pid: u32, base: &str, path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { pid, client: Client::new(base), file, samples: Vec::new() })
    }

    /// Takes a sample and writes it down.
    pub(super) async fn take(&mut self, ledger: &Ledger) -> Result<Sample> {
        let sample = self.measure(ledger).await?;
        let (requests, under_way, violations) = ledger.totals();
        let mut line = json!({"at": sample.at, "requests": requests, "open": under_way, "violations": violations});
        for (name, figure) in FIGURES.iter().zip(sample.figures) {
            line[name] = json!(figure);
        }
        writeln!(self.file, "{line}").context("write the report")?;
        self.samples.push(sample.clone());
        Ok(sample)
    }

    async fn measure(&self, ledger: &Ledger) -> Result<Sample> {
        let memory = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).context("the gateway is gone")?;
        let kib = |name: &str| -> f64 {
            let line = memory.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0.0)
        };
        let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", self.pid)).map_or(0, Iterator::count);
        let health = self.client.try_send(http::Method::GET, "/health", "", &[]).await.context("ask for the health")?;
        let health: Value = serde_json::from_slice(&health.body).context("the health report is JSON")?;
        let whole = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let private = kib("Private_Clean:") + kib("Private_Dirty:");
        let (fds, threads) = (whole(count("fd")), whole(count("task")));
        // Its guardian is its own program, stays as long as it does, and comes with the first server.
        let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
        let own = program(self.pid);
        let children = process::descendants(self.pid).into_iter().filter(|pid| program(*pid) != own);
        let children = whole(children.count());
        let said = |name: &str| health[name].as_f64().unwrap_or(-1.0);
        let (sessions, parked) = (said("active_sessions"), said("parked_calls"));
        let figures = [private, kib("Pss:"), fds, threads, children, sessions, parked];
        Ok(Sample { at: ledger.age().as_secs_f64(), figures })
    }

    /// Waits until children, sessions, parked calls and descriptors are what they were before; what is left of them.
    pub(super) async fn settle(
        &mut self,
        before: &Sample,
        ledger: &Ledger,
        patience: Duration,
    ) -> Result<Option<String>> {
        let deadline = Instant::now() + patience;
        loop {
            let now = self.take(ledger).await?;
            // A pooled connection to a remote server may be there that was not before.
            let allowed = |name: &str| if name == "fds" { 4.0 } else { 0.0 };
            let left: Vec<String> = (2..FIGURES.len())
                .filter(|&at| FIGURES[at] != "threads" && now.figures[at] > before.figures[at] + allowed(FIGURES[at]))
                .map(|at| format!("{} {} (before: {})", FIGURES[at], now.figures[at], before.figures[at]))
                .collect();
            if left.is_empty() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Ok(Some(left.join(", ")));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// The table of figures: before, at the end of the load, after it, and the slope an hour of the last 80 %.
    pub(super) fn table(&self, before: &Sample, loaded: usize) -> String {
        let under_load = &self.samples[1..loaded.max(2).min(self.samples.len())];
        let late = &under_load[under_load.len() / 5..];
        let mut table =
            format!("{:<12}{:>10}{:>10}{:>10}{:>10}{:>14}", "figure", "before", "mean", "most", "after", "slope/hour");
        for (at, name) in FIGURES.iter().enumerate() {
            let points: Vec<(f64, f64)> = late.iter().map(|sample| (sample.at, sample.figures[at])).collect();
            let count = f64::from(u32::try_from(points.len().max(1)).unwrap_or(1));
            let mean = points.iter().map(|(_, y)| y).sum::<f64>() / count;
            let most = under_load.iter().map(|sample| sample.figures[at]).fold(0.0, f64::max);
            let after = self.samples.last().map_or(0.0, |sample| sample.figures[at]);
            let first = before.figures[at];
            let slope = slope(&points) * 3600.0;
            let _ = write!(table, "\n{name:<12}{first:>10.0}{mean:>10.0}{most:>10.0}{after:>10.0}{slope:>14.1}");
        }
        table
    }

    /// How many samples there are.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }
}

/// The slope of the line of least squares; 0 of fewer than two points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = f64::from(u32::try_from(points.len().max(1)).unwrap_or(1));
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x).powi(2))
    });
    if below == 0.0 { 0.0 } else { above / below }
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn a_line_has_its_slope() {
        assert!((slope(&[(0.0, 1.0), (10.0, 21.0), (20.0, 41.0)]) - 2.0).abs() < 1e-9);
        assert!(slope(&[(1.0, 5.0)]).abs() < 1e-9);
    }
}
