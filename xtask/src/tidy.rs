//! The checks of the tree that no compiler makes: sizes, import order, bans, dependencies.

mod bans;
mod deps;
mod imports;
mod lengths;
mod order;
mod source;
mod tracked;

use crate::repo;
use anyhow::{Context, Result, bail};
use source::Source;
use std::fmt;
use std::fs;

/// One thing that is wrong, and the way out.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    what: String,
    remedy: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.what, self.remedy)
    }
}

/// Runs every check and prints what it finds.
pub(crate) fn run() -> Result<()> {
    let files = repo::files()?;
    let mut sources = Vec::new();
    for file in files.iter().filter(|f| is_rust(f)) {
        let text = fs::read_to_string(repo::root().join(file)).with_context(|| format!("read {file}"))?;
        sources.push(Source::new(file, &text));
    }
    if sources.is_empty() {
        bail!("no Rust file found: is this a git checkout?");
    }
    let mut findings = tracked::check(&files)?;
    findings.extend(lengths::check(&sources, &read(lengths::EXCEPTIONS)));
    findings.extend(order::check(&sources, &read(order::DOCUMENT)));
    findings.extend(order::cycles(&sources, "crates/wire/src/"));
    findings.extend(sources.iter().flat_map(bans::check));
    findings.extend(deps::check()?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings in {} files", findings.len(), files.len());
    }
    println!("tidy: {} files, of them {} Rust, nothing found", files.len(), sources.len());
    Ok(())
}

/// The text of a file of the repository; empty when it is not there.
fn read(file: &str) -> String {
    fs::read_to_string(repo::root().join(file)).unwrap_or_default()
}

fn is_rust(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, end)| end == "rs")
}
