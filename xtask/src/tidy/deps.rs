//! What the crates may depend on: the protocol crate on nothing that does IO, nobody on other TLS.

use super::Finding;
use crate::repo;
use anyhow::Result;
use std::process::Command;

const PURE: [&str; 3] = ["janua-wire", "bytes", "memchr"];
const UNWANTED: [&str; 4] = ["ring", "openssl-sys", "openssl", "native-tls"];
const WASM: &str = "wasm32-unknown-unknown";

/// Asks cargo for both trees and, where the target is there, builds the protocol crate without IO.
pub(super) fn check() -> Result<Vec<Finding>> {
    let mut findings = purity(&tree("janua-wire", "normal")?);
    findings.extend(tls(&tree("janua", "normal,build")?));
    if wasm_installed() {
        let mut build = repo::cargo();
        build.args(["check", "--quiet", "--locked", "-p", "janua-wire", "--target", WASM]);
        if let Err(error) = repo::output(&mut build) {
            let what = format!("does not build for {WASM}");
            findings.push(Finding::new("crates/wire/Cargo.toml", 1, what, format!("{error:#}")));
        }
    } else {
        println!("tidy: no target {WASM} here, janua-wire was not built for it");
    }
    Ok(findings)
}

/// Names of all packages below one, itself included.
fn tree(package: &str, edges: &str) -> Result<Vec<String>> {
    let mut tree = repo::cargo();
    tree.args(["tree", "--locked", "--prefix", "none", "--format", "{p}", "-p", package, "-e", edges]);
    Ok(names(&repo::output(&mut tree)?))
}

fn names(tree: &str) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut names: Vec<String> = tree.lines().filter_map(first).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn purity(names: &[String]) -> Vec<Finding> {
    let extra = names.iter().filter(|n| !PURE.contains(&n.as_str()));
    extra
        .map(|name| {
            let what = format!("janua-wire depends on {name}");
            let remedy = "keep it to bytes and memchr: the protocol crate does no IO";
            Finding::new("crates/wire/Cargo.toml", 1, what, remedy)
        })
        .collect()
}

fn tls(names: &[String]) -> Vec<Finding> {
    let found = names.iter().filter(|n| UNWANTED.contains(&n.as_str()));
    found
        .map(|name| {
            let what = format!("janua depends on {name}");
            let remedy = "find who brings it with `cargo tree -i` and turn the feature off";
            Finding::new("crates/janua/Cargo.toml", 1, what, remedy)
        })
        .collect()
}

/// Whether this toolchain has the target; without rustup there is no telling, and no check.
fn wasm_installed() -> bool {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    listed.is_ok_and(|l| String::from_utf8_lossy(&l.stdout).lines().any(|t| t == WASM))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "janua-wire v0.1.0 (x)\nbytes v1.12.0\nmemchr v2.8.0\nbytes v1.12.0 (*)\n";

    #[test]
    fn the_pure_tree_passes_and_one_more_name_does_not() {
        assert_eq!(purity(&names(TREE)), []);
        let found = purity(&names(&format!("{TREE}tokio v1.54.1\n")));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "janua-wire depends on tokio");
    }

    #[test]
    fn other_tls_is_found() {
        assert_eq!(tls(&names("rustls v0.23\naws-lc-rs v1\nring-buffer v1")), []);
        assert_eq!(tls(&names("rustls v0.23\nring v0.17 (*)\nnative-tls v0.2")).len(), 2);
    }
}
