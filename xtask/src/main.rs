//! `cargo xtask`: the repository's own tasks, one module per command.
#![expect(
    clippy::disallowed_methods,
    reason = "these tasks run programs and wait for them; none of this is in the product"
)]

mod bench;
mod conformance;
mod repo;
mod rows;
mod setup;
mod soak;
mod steps;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  setup                      install what the checks need into .cache
  test                       everything a change has to pass, in order
  tidy                       sizes, import order, bans, dependencies of the tree
  rows                       the promises to users of older gateways: a table of row, check, result
  conformance [OPTIONS]      the official MCP conformance suite against the built janua
      --spec REVISION        2025-06-18, 2025-11-25 or 2026-07-28: what the suite speaks;
                             repeatable (default: all)
      --server ERA           legacy, dual, modern: what the server behind janua speaks; gateway: one of three;
                             repeatable (default: all)
      --suite 0.1|0.2        version of the suite; repeatable (default: both)
      --scenario NAME        only this one; repeatable
      --url URL              a server that is running already, instead of janua
      --release              binaries of the release profile
      -- ARGS                handed to the suite as they are
  bench [OPTIONS] [SCENARIO...]
      --against FILE         compare with an earlier result
      --seconds N            seconds of load per measurement (default 3)
      --rounds N             measurements per scenario, the median counts (default 3)
      --out FILE             where to save (default target/bench/<time>.json)
      --pin CPUS             keep load, gateway and servers on these CPUs (default 0, where
                             there is a taskset): ratios are steady then, throughput is not
                             that of a whole machine
      --no-pin               leave it to the scheduler
  bench users [session|user|all...]
                             200 users on one factory server: memory, time to the first answer
      --users N              how many
      --debug                of a build without optimisation
  soak [OPTIONS]             a gateway under mixed load and a fault a second, every request
                             accounted for; fails on anything that no fault explains
      --minutes N            how long (default 1)
      --report FILE          where samples go, as JSON lines (default in the temporary folder);
                             the gateway's log is beside it
      --janua PATH           the gateway (default: the debug profile's)
      --seed N               chance, to do the same again
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    if rest.iter().take_while(|a| *a != "--").any(|a| a == "--help" || a == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let done = match (command.as_str(), rest.is_empty()) {
        ("setup", true) => set_up(),
        ("test", true) => return steps::run(),
        ("tidy", true) => tidy::run(),
        ("conformance", _) => conformance::run(&rest),
        ("rows", true) => rows::run(),
        ("bench", _) => bench::run(&rest),
        ("soak", _) => soak::run(&rest),
        ("--help" | "-h" | "help", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Installs, and says where things are for whoever wants to use them by hand.
fn set_up() -> anyhow::Result<()> {
    setup::run()?;
    println!("setup: all there, in {}", setup::cache().display());
    println!("  node             {}", setup::node().display());
    println!("  node packages    {}", setup::node_modules().display());
    println!("  python, SDK 1    {}", setup::python(1).display());
    println!("  python, SDK 2    {}", setup::python(2).display());
    println!("  python servers   {}", setup::python_servers().display());
    Ok(())
}
