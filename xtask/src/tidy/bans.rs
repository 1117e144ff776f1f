//! What no line of Rust here may hold, and where the few exceptions are.

use super::Finding;
use super::source::{Source, closing, words};

/// Marks of unfinished work, put together so that this file does not hold them.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const SPAWNS: [&str; 3] = ["spawn_blocking", "spawn_local", "spawn"];
/// Names that say nothing about what is inside.
const NAMES: [&str; 10] =
    ["manager", "handler", "helper", "helpers", "util", "utils", "common", "context", "base", "misc"];
const READS: [&str; 4] = ["var", "var_os", "vars", "vars_os"];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    head(source, &mut findings);
    unfinished(source, &mut findings);
    attributes(source, &mut findings);
    globs(source, &mut findings);
    spawns(source, &mut findings);
    environment(source, &mut findings);
    findings
}

fn head(source: &Source, findings: &mut Vec<Finding>) {
    if !source.text.starts_with("//!") {
        let remedy = "begin with one `//!` sentence that says what the file owns";
        findings.push(Finding::new(&source.path, 1, "no first sentence", remedy));
    }
    let mut parts = source.path.trim_end_matches(".rs").split('/');
    if let Some(name) = parts.find(|part| NAMES.contains(part)) {
        let remedy = "name it for what it holds";
        findings.push(Finding::new(&source.path, 1, format!("a module called {name}"), remedy));
    }
    if source.path.ends_with("/mod.rs") {
        let remedy = "name it after its module, beside the folder";
        findings.push(Finding::new(&source.path, 1, "mod.rs", remedy));
    }
}

fn unfinished(source: &Source, findings: &mut Vec<Finding>) {
    for (at, line) in source.text.lines().enumerate() {
        for mark in MARKS.iter().filter(|m| words(line).iter().any(|(_, w)| w == *m)) {
            findings.push(Finding::new(&source.path, at + 1, *mark, "do it, or say in an issue what is left"));
        }
    }
    for (at, word) in words(&source.code) {
        if matches!(word, "todo" | "unimplemented") && source.code[at + word.len()..].starts_with('!') {
            let line = source.line(at);
            findings.push(Finding::new(&source.path, line, format!("{word}!"), "write the code"));
        }
    }
}

fn attributes(source: &Source, findings: &mut Vec<Finding>) {
    for (at, _) in source.code.match_indices('#') {
        let rest = source.code[at + 1..].trim_start_matches('!');
        if !rest.starts_with('[') {
            continue;
        }
        let open = source.code.len() - rest.len();
        let inside = &source.code[open + 1..closing(&source.code, open)];
        let named: Vec<_> = words(inside).into_iter().map(|(_, w)| w).collect();
        let line = source.line(at);
        if inside.contains("allow(") && named.contains(&"allow") {
            let remedy = "use `expect` with a reason";
            findings.push(Finding::new(&source.path, line, "#[allow]", remedy));
        }
        if named.first() == Some(&"ignore") {
            let remedy = "assert what is, and say why it is wrong";
            findings.push(Finding::new(&source.path, line, "#[ignore]", remedy));
        }
    }
}

fn globs(source: &Source, findings: &mut Vec<Finding>) {
    for (at, word) in words(&source.code) {
        if word != "use" {
            continue;
        }
        let statement = source.code[at..].split(';').next().unwrap_or("");
        let bare: String = statement.split_whitespace().collect();
        if bare.starts_with("use<") {
            continue; // what an `impl Trait` captures
        }
        let own_tests = bare == "usesuper::*" && source.inside(at).contains(&"tests");
        if bare.contains('*') && !own_tests {
            findings.push(Finding::new(&source.path, source.line(at), "glob import", "name what is used"));
        }
    }
}

fn spawns(source: &Source, findings: &mut Vec<Finding>) {
    let free = ["crates/testkit/", "xtask/", "fuzz/"].iter().any(|f| source.path.starts_with(f));
    if free || source.path == "crates/janua/src/tasks.rs" {
        return;
    }
    let code = &source.code;
    for (at, word) in words(code).into_iter().filter(|(_, w)| SPAWNS.contains(w)) {
        let before = &code[..at];
        let statement = &before[before.rfind([';', '}']).unwrap_or(0)..];
        let tokios = before.ends_with("tokio::") || before.ends_with("task::");
        let method = word != "spawn" && before.ends_with('.') && !before.ends_with("tasks.");
        if (tokios || method || statement.contains("use tokio::")) && !source.in_tests(at) {
            let remedy = "spawn through janua::tasks";
            findings.push(Finding::new(&source.path, source.line(at), "a task without an owner", remedy));
        }
    }
}

fn environment(source: &Source, findings: &mut Vec<Finding>) {
    let inside = source.path.strip_prefix("crates/janua/src/");
    let reader = inside.is_some_and(|f| f.starts_with("config") || f.starts_with("cli") || f == "main.rs");
    let product = inside.is_some() || source.path.starts_with("crates/wire/src/");
    if reader || !product {
        return;
    }
    for (at, word) in words(&source.code).into_iter().filter(|(_, w)| READS.contains(w)) {
        if source.code[..at].ends_with("env::") && !source.in_tests(at) {
            let remedy = "read it in janua::config and pass the value";
            findings.push(Finding::new(&source.path, source.line(at), format!("env::{word}"), remedy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = check(&Source::new(path, &format!("//! x\n{text}")));
        findings.iter().map(|f| format!("{} {}", f.line, f.what)).collect()
    }

    #[track_caller]
    fn good(path: &str, text: &str) {
        assert_eq!(found(path, text), [] as [&str; 0], "{path}: {text}");
    }

    #[track_caller]
    fn bad(path: &str, text: &str, what: &str) {
        assert_eq!(found(path, text), [format!("2 {what}")], "{path}: {text}");
    }

    const PLACE: &str = "crates/janua/src/pipeline.rs";

    #[test]
    fn the_first_line_is_a_sentence_and_the_file_has_a_name() {
        let findings = check(&Source::new("a/mod.rs", "use a;\n"));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(found("a/util/b.rs", ""), ["1 a module called util"]);
        assert_eq!(found("a/handler.rs", ""), ["1 a module called handler"]);
        good("a/b.rs", "");
    }

    #[test]
    fn unfinished_work_is_found() {
        bad(PLACE, concat!("// TO", "DO: later"), concat!("TO", "DO"));
        bad(PLACE, concat!("let x = 1; // FIX", "ME"), concat!("FIX", "ME"));
        bad(PLACE, "fn f() { todo!() }", "todo!");
        bad(PLACE, "fn f() { unimplemented!(\"x\") }", "unimplemented!");
        bad(PLACE, "#[ignore = \"slow\"]", "#[ignore]");
        good(PLACE, "fn f() { \"todo!()\"; todo() } // method todo!");
    }

    #[test]
    fn lints_are_expected_and_not_allowed() {
        bad(PLACE, "#[allow(dead_code)]", "#[allow]");
        bad(PLACE, "#![allow(dead_code)]", "#[allow]");
        bad(PLACE, "#[cfg_attr(test, allow(dead_code))]", "#[allow]");
        good(PLACE, "#[expect(dead_code, reason = \"allow(x)\")] fn allow() {}");
    }

    #[test]
    fn globs_are_for_tests_of_the_module_alone() {
        bad(PLACE, "use a::b::*;", "glob import");
        bad(PLACE, "pub use a::{b, c::*};", "glob import");
        bad(PLACE, "use super::*;", "glob import");
        bad(PLACE, "mod tests { use crate::a::*; }", "glob import");
        good(PLACE, "mod tests { use super::*; }\nfn f() { 2 * 3 }");
        good(PLACE, "fn f<'a>() -> impl X + use<'a> { 2 * 3; }");
    }

    #[test]
    fn tasks_have_owners() {
        bad(PLACE, "tokio::spawn(f)", "a task without an owner");
        bad(PLACE, "tokio::task::spawn_blocking(f)", "a task without an owner");
        bad(PLACE, "use tokio::task::spawn_local;", "a task without an owner");
        bad(PLACE, "use tokio::{select, spawn};", "a task without an owner");
        bad(PLACE, "handle.spawn_blocking(f)", "a task without an owner");
        good(PLACE, "tasks::spawn(f); tasks.spawn_blocking(f); command.spawn()");
        good(PLACE, "mod tests { fn f() { tokio::spawn(g) } }");
        good("crates/janua/src/tasks.rs", "tokio::spawn(f)");
        good("crates/janua/tests/calls.rs", "tokio::spawn(f)");
        good("crates/testkit/src/lib.rs", "tokio::spawn(f)");
    }

    #[test]
    fn the_environment_is_read_in_one_place() {
        bad(PLACE, "std::env::var(\"A\")", "env::var");
        bad("crates/wire/src/lines.rs", "env::vars_os()", "env::vars_os");
        good(PLACE, "std::env::current_dir()");
        good("crates/janua/src/config/expand.rs", "std::env::var(\"A\")");
        good("crates/janua/src/cli.rs", "std::env::var(\"A\")");
        good("crates/testkit/src/lib.rs", "std::env::var(\"A\")");
    }
}
