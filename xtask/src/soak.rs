//! `cargo xtask soak`: builds the gateway and the testkit's soak, and runs it.

use crate::repo;
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// Builds what is needed and hands the options on; fails on violations.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut tools = repo::cargo();
    tools.args(["build", "--locked", "-p", "janua-testkit", "--no-default-features"]);
    repo::output(tools.args(["--bin", "soak", "--bin", "everything", "--bin", "hostile"]))?;
    let mut soak = Command::new(repo::program("debug", "soak")?);
    if !args.iter().any(|arg| arg == "--janua") {
        repo::output(repo::cargo().args(["build", "--locked", "-p", "janua", "--bin", "janua"]))?;
        soak.arg("--janua").arg(repo::program("debug", "janua")?);
    }
    let status = soak.args(args).status().context("run the soak")?;
    ensure!(status.success(), "not everything was accounted for: {status}");
    Ok(())
}
