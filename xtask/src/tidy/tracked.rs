//! What no tracked file may hold: paths of one machine, addresses of package registries.

use super::Finding;
use crate::repo;
use anyhow::{Context, Result};
use std::fs;

/// What is looked for and why, put together so that this file does not hold it.
const NEEDLES: [(&str, &str); 8] = [
    (concat!("/ho", "me/"), MACHINE),
    (concat!("/ro", "ot/"), MACHINE),
    (concat!("/wo", "rk/"), MACHINE),
    (concat!("registry.npm", "js.org"), REGISTRY),
    (concat!("py", "pi.org"), REGISTRY),
    (concat!("files.python", "hosted.org"), REGISTRY),
    (concat!("deb.deb", "ian.org"), REGISTRY),
    (concat!("security.deb", "ian.org"), REGISTRY),
];

const MACHINE: &str = "a path of one machine";
const REGISTRY: &str = "the address of a package registry";

/// Looks through the files as they are on disk.
pub(super) fn check(files: &[String]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in files {
        let bytes = fs::read(repo::root().join(file)).with_context(|| format!("read {file}"))?;
        findings.extend(search(file, &String::from_utf8_lossy(&bytes)));
    }
    Ok(findings)
}

fn search(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (needle, why) in NEEDLES.iter().filter(|(needle, _)| line.contains(needle)) {
            let remedy = match *why {
                MACHINE => "use a relative path, a variable or a made-up one such as /srv",
                _ => "leave it to the client's configuration (npm: omit-lockfile-registry-resolved)",
            };
            findings.push(Finding::new(file, at + 1, format!("{needle}, {why}"), remedy));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_needle_is_found_on_its_line() {
        for (needle, _) in NEEDLES {
            let found = search("a.json", &format!("{{\n \"x\": \"{needle}y\"\n}}"));
            assert_eq!(found.len(), 1, "{needle}");
            assert_eq!((found[0].file.as_str(), found[0].line), ("a.json", 2));
        }
    }

    #[test]
    fn paths_that_every_machine_has_pass() {
        assert_eq!(search("a.md", "see src/main.rs, /srv/files, ~/x and https://crates.io"), []);
    }
}
