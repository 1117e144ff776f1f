//! How long files and functions may be, and the list of those that may be longer, which shrinks.

use super::Finding;
use super::source::Source;
use std::collections::BTreeMap;

/// The list: `PATH LINES` or `PATH::FUNCTION LINES` per line, `#` begins a comment.
pub(super) const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

const FILE: usize = 600;
const FUNCTION: usize = 60;

/// An entry of the list, and whether something still needs it.
struct Exception {
    line: usize,
    lines: usize,
    needed: bool,
}

pub(super) fn check(sources: &[Source], list: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut exceptions = parse(list, &mut findings);
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE && !excepted(&mut exceptions, &source.path, lines, &mut findings) {
            let what = format!("{lines} lines, more than {FILE}");
            findings.push(Finding::new(&source.path, 1, what, "split the file by what it holds"));
        }
        for function in source.functions().iter().filter(|f| f.lines > FUNCTION) {
            let key = format!("{}::{}", source.path, function.name);
            if !excepted(&mut exceptions, &key, function.lines, &mut findings) {
                let what = format!("fn {}: {} lines, more than {FUNCTION}", function.name, function.lines);
                findings.push(Finding::new(&source.path, function.line, what, "split the function"));
            }
        }
    }
    for (key, left) in exceptions.iter().filter(|(_, e)| !e.needed) {
        let what = format!("{key} is within the limit");
        findings.push(Finding::new(EXCEPTIONS, left.line, what, "remove the line"));
    }
    findings
}

/// Whether the list covers this; what it says must be the exact figure, so that it only falls.
fn excepted(
    exceptions: &mut BTreeMap<String, Exception>,
    key: &str,
    lines: usize,
    findings: &mut Vec<Finding>,
) -> bool {
    let Some(exception) = exceptions.get_mut(key) else {
        return false;
    };
    exception.needed = true;
    if lines < exception.lines {
        let what = format!("{key} is down to {lines} lines");
        findings.push(Finding::new(EXCEPTIONS, exception.line, what, "lower the figure"));
    }
    lines <= exception.lines
}

fn parse(list: &str, findings: &mut Vec<Finding>) -> BTreeMap<String, Exception> {
    let mut exceptions = BTreeMap::new();
    for (at, line) in list.lines().enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
        match (&words[..], words.get(1).map(|w| w.parse())) {
            ([], _) => {}
            ([key, _], Some(Ok(lines))) => {
                let exception = Exception { line: at + 1, lines, needed: false };
                exceptions.insert((*key).to_owned(), exception);
            }
            _ => {
                let remedy = "write `PATH LINES` or `PATH::FUNCTION LINES`";
                findings.push(Finding::new(EXCEPTIONS, at + 1, "not an entry", remedy));
            }
        }
    }
    exceptions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, list: &str) -> Vec<String> {
        let findings = check(&[Source::new("a.rs", text)], list);
        findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.what)).collect()
    }

    fn function(lines: usize) -> String {
        format!("//! x\nfn long() {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        assert_eq!(found(&function(60), ""), [] as [&str; 0]);
        assert_eq!(found(&function(61), ""), ["a.rs:2: fn long: 61 lines, more than 60"]);
        assert_eq!(found(&"x\n".repeat(600), ""), [] as [&str; 0]);
        assert_eq!(found(&"x\n".repeat(601), ""), ["a.rs:1: 601 lines, more than 600"]);
    }

    #[test]
    fn an_exception_covers_its_figure_and_must_fall_with_it() {
        assert_eq!(found(&function(70), "a.rs::long 70 # history"), [] as [&str; 0]);
        assert_eq!(found(&function(71), "a.rs::long 70").len(), 1);
        let lower = "xtask/tidy-exceptions.txt:1: a.rs::long is down to 65 lines";
        assert_eq!(found(&function(65), "a.rs::long 70"), [lower]);
    }

    #[test]
    fn a_stale_or_unreadable_entry_is_found() {
        let stale = "xtask/tidy-exceptions.txt:2: a.rs::long is within the limit";
        assert_eq!(found(&function(9), "# c\na.rs::long 70"), [stale]);
        assert_eq!(found("", "gone.rs 700"), ["xtask/tidy-exceptions.txt:1: gone.rs is within the limit"]);
        assert_eq!(found("", "a.rs many"), ["xtask/tidy-exceptions.txt:1: not an entry"]);
    }
}
