//! `soak`: a gateway under mixed load and a fault a second, every request accounted for.
//!
//! `soak --janua PATH [--minutes N] [--report FILE] [--seed N]`; the servers' programs are beside this one.
#![expect(clippy::disallowed_methods, reason = "the bans are about the gateway's own tasks and children")]

mod faults;
mod figures;
mod ledger;
mod load;
mod modern;
mod scene;
mod sessions;
mod sockets;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::figures::Record;
use crate::ledger::Ledger;
use crate::load::{DEADLINE, Dice, Load};
use crate::scene::Scene;

/// Time between two samples.
const SAMPLES: Duration = Duration::from_secs(10);
/// How long it may take until nothing is left: idle sessions, the instances they leave, parked calls.
const SETTLING: Duration = Duration::from_secs(90);

struct Options {
    janua: PathBuf,
    minutes: f64,
    report: PathBuf,
    seed: u64,
}

fn main() -> ExitCode {
    let done = options(std::env::args().skip(1)).and_then(|options| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(run(&options))
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (mut janua, mut report) = (None, std::env::temp_dir().join(format!("soak-{now}.jsonl")));
    let (mut minutes, mut seed) = (1.0, now);
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--janua" => janua = Some(PathBuf::from(value)),
            "--minutes" => minutes = value.parse().context("--minutes needs a number")?,
            "--report" => report = value.into(),
            "--seed" => seed = value.parse().context("--seed needs a whole number")?,
            _ => bail!("there is no option {arg}"),
        }
    }
    Ok(Options { janua: janua.context("--janua PATH is missing")?, minutes, report, seed })
}

/// Whether everything was accounted for.
async fn run(options: &Options) -> Result<bool> {
    let me = std::env::current_exe().context("find this program's own path")?;
    let programs = me.parent().context("this program is in no folder")?;
    let folder = tempfile::tempdir().context("create a folder")?;
    let scene = Arc::new(Scene::start(&options.janua, programs, folder.path()).await?);
    println!("soak: {} minutes at {}, seed {}", options.minutes, scene.gateway.base(), options.seed);
    let ledger = Ledger::new();
    let load = Load {
        base: scene.gateway.base().to_owned(),
        ledger: Arc::clone(&ledger),
        dice: Arc::new(Dice::new(options.seed)),
        over: Arc::new(AtomicBool::new(false)),
    };
    let mut record = Record::new(scene.gateway.pid(), &load.base, &options.report)?;
    let before = record.take(&ledger).await?;
    let clients = load::start(&load);
    let faults = tokio::spawn(faults::go_on(load.clone(), Arc::clone(&scene)));
    let deadline = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let log = options.report.with_extension("stderr");
    while Instant::now() < deadline && scene.gateway.running() {
        tokio::time::sleep(SAMPLES.min(deadline.saturating_duration_since(Instant::now()))).await;
        record.take(&ledger).await?;
        std::fs::write(&log, scene.gateway.stderr()).context("write the gateway's log")?;
    }
    let loaded = record.len();
    load.over.store(true, std::sync::atomic::Ordering::Relaxed);
    if tokio::time::timeout(DEADLINE * 2, clients.join_all()).await.is_err() {
        ledger.violation("clients wait for something that does not come");
    }
    faults.await?;
    if let Some(left) = record.settle(&before, &ledger, SETTLING).await? {
        ledger.violation(&format!("left behind: {left}"));
    }
    scene.faults().iter().for_each(|fault| ledger.violation(&format!("a strict server was told: {fault}")));
    let (requests, open, violations) = ledger.totals();
    println!("{}\n\n{}", ledger.table(), record.table(&before, loaded));
    let rate = requests / (ledger.age().as_secs().max(1));
    println!("\n{requests} requests, about {rate} a second, {open} open, {violations} violations");
    let stopped = stop(scene, &ledger, &log).await?;
    Ok(stopped && ledger.totals().2 == 0)
}

/// Stops the gateway, which has to end well and leave nothing behind.
async fn stop(scene: Arc<Scene>, ledger: &Ledger, log: &std::path::Path) -> Result<bool> {
    let mut scene = Arc::into_inner(scene).context("somebody still holds the scene")?;
    let below = janua_testkit::process::descendants(scene.gateway.pid());
    let stopped = scene.gateway.terminate(Duration::from_secs(30)).await;
    std::fs::write(log, scene.gateway.stderr()).context("write the gateway's log")?;
    let gone = || !below.iter().any(|pid| janua_testkit::process::alive(*pid));
    let all_gone = janua_testkit::process::eventually(Duration::from_secs(10), gone).await;
    println!("stopped within {:.1} s: {}", stopped.took.as_secs_f64(), stopped.status);
    if !stopped.status.success() || !all_gone {
        ledger.violation("the gateway did not end well, or left something behind");
    }
    if scene.gateway.stderr().contains("did not end in time") {
        ledger.violation("tasks of the gateway did not end when it was stopped");
    }
    Ok(stopped.status.success() && all_gone)
}
