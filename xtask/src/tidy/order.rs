//! One-way imports: the rows of `ARCHITECTURE.md` for the product, no cycles for the protocol crate.

use super::Finding;
use super::imports::{imports, module};
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The document that holds the order.
pub(super) const DOCUMENT: &str = "ARCHITECTURE.md";

const HEAD: &str = "import order (lowest first)";
const PRODUCT: &str = "crates/janua/src/";

/// The rank of each top-level module and the line of the document that gives it.
type Ranks = BTreeMap<String, (usize, usize)>;

/// Every import between top-level modules of the product goes to a lower row.
pub(super) fn check(sources: &[Source], document: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(ranks) = ranks(document, &mut findings) else {
        let remedy = format!("add a fenced block whose first line is `{HEAD}`");
        return vec![Finding::new(DOCUMENT, 1, "no import order", remedy)];
    };
    let files: Vec<&Source> = sources.iter().filter(|s| s.path.starts_with(PRODUCT)).collect();
    let tops: BTreeSet<String> = files.iter().filter_map(|s| module(&s.path).into_iter().next()).collect();
    for (name, (_, line)) in ranks.iter().filter(|(name, _)| !tops.contains(*name)) {
        if name != "main" && name != "lib" {
            findings.push(Finding::new(DOCUMENT, *line, format!("no module {name}"), "take it out of the order"));
        }
    }
    for source in files {
        let Some(mine) = module(&source.path).into_iter().next() else {
            continue;
        };
        let Some((rank, _)) = ranks.get(&mine) else {
            let remedy = format!("give it a row in the import order of {DOCUMENT}");
            findings.push(Finding::new(&source.path, 1, format!("module {mine} has no place"), remedy));
            continue;
        };
        for import in imports(source) {
            findings.extend(judge(source, &mine, *rank, &ranks, &tops, &import.path, import.line));
        }
    }
    findings
}

fn judge(
    source: &Source,
    mine: &str,
    rank: usize,
    ranks: &Ranks,
    tops: &BTreeSet<String>,
    path: &[String],
    line: usize,
) -> Option<Finding> {
    let target = path.first()?;
    if !tops.contains(target) {
        let what = format!("`crate::{target}` is not a module");
        return Some(Finding::new(&source.path, line, what, "import from the module that defines it"));
    }
    // A target without a row is reported at its own file.
    let (other, _) = ranks.get(target)?;
    if target == mine || *other < rank {
        return None;
    }
    let relation = if *other == rank { "in the same row" } else { "above it" };
    let what = format!("{mine} imports {target}, which is {relation}");
    let remedy = format!("move what is shared to a lower module, or pass it in ({DOCUMENT}, import order)");
    Some(Finding::new(&source.path, line, what, remedy))
}

/// Reads the block; none when the document has none.
fn ranks(document: &str, findings: &mut Vec<Finding>) -> Option<Ranks> {
    let lines: Vec<&str> = document.lines().map(str::trim).collect();
    let head = lines.iter().position(|l| *l == HEAD)?;
    let first = lines[..head].iter().rposition(|l| !l.is_empty()).map_or("", |at| lines[at]);
    // The heading stands in the fence or right above it.
    let begin = if first.starts_with("```") {
        head + 1
    } else {
        head + 1 + lines[head + 1..].iter().position(|l| l.starts_with("```"))? + 1
    };
    let mut ranks = Ranks::new();
    for (row, line) in lines[begin..].iter().take_while(|l| !l.starts_with("```")).enumerate() {
        for name in line.split_whitespace() {
            if ranks.insert(name.to_owned(), (row, begin + row + 1)).is_some() {
                let what = format!("{name} stands in two rows");
                findings.push(Finding::new(DOCUMENT, begin + row + 1, what, "leave it in one"));
            }
        }
    }
    Some(ranks)
}

/// Groups of files below `folder` that import each other.
pub(super) fn cycles(sources: &[Source], folder: &str) -> Vec<Finding> {
    let files: BTreeMap<Vec<String>, &Source> = sources
        .iter()
        .filter(|s| s.path.starts_with(folder) && !module(&s.path).is_empty())
        .map(|s| (module(&s.path), s))
        .collect();
    let mut findings = Vec::new();
    let mut edges: BTreeMap<&[String], BTreeMap<&[String], usize>> = BTreeMap::new();
    for (from, source) in &files {
        for import in imports(source) {
            let known = (1..=import.path.len()).rev().find_map(|n| files.get_key_value(&import.path[..n]));
            match known {
                Some((to, _)) if to != from => {
                    edges.entry(from).or_default().entry(to).or_insert(import.line);
                }
                Some(_) => {}
                None => {
                    let what = format!("`crate::{}` goes through the root", import.path.join("::"));
                    let remedy = "import from the module that defines it";
                    findings.push(Finding::new(&source.path, import.line, what, remedy));
                }
            }
        }
    }
    for group in components(&edges) {
        let names: Vec<String> = group.iter().map(|m| m.join("::")).collect();
        for (from, to) in group.iter().flat_map(|f| group.iter().map(move |t| (f, t))) {
            if let Some(line) = edges.get(from).and_then(|targets| targets.get(to)) {
                let what = format!("imports {} within the cycle of {}", to.join("::"), names.join(", "));
                let remedy = "move what they share to a module below both";
                findings.push(Finding::new(&files[*from].path, *line, what, remedy));
            }
        }
    }
    findings
}

/// The strongly connected components of more than one node.
fn components<'a>(edges: &BTreeMap<&'a [String], BTreeMap<&'a [String], usize>>) -> Vec<Vec<&'a [String]>> {
    let mut reach: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
    for start in edges.keys() {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*start]);
        while let Some(next) = open.pop() {
            for to in edges.get(next).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(*to) {
                    open.push(to);
                }
            }
        }
        reach.insert(start, seen);
    }
    let mutual = |a: &[String], b: &[String]| {
        reach.get(a).is_some_and(|r| r.contains(b)) && reach.get(b).is_some_and(|r| r.contains(a))
    };
    let mut found: Vec<Vec<&[String]>> = Vec::new();
    for node in edges.keys().filter(|n| mutual(n, n)) {
        match found.iter_mut().find(|group| mutual(group[0], node)) {
            Some(group) => group.push(node),
            None => found.push(vec![*node]),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = "# A\n\n```text\nimport order (lowest first)\nclock error\ncall\npipeline\n```\n";

    fn tree(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(name, text)| Source::new(&format!("{PRODUCT}{name}"), text)).collect()
    }

    fn found(files: &[(&str, &str)], document: &str) -> Vec<String> {
        let all = [("clock.rs", ""), ("error.rs", ""), ("call.rs", ""), ("pipeline.rs", "")];
        let rest = all.iter().filter(|(name, _)| files.iter().all(|(file, _)| file != name));
        let files: Vec<_> = files.iter().chain(rest).copied().collect();
        let findings = check(&tree(&files), document);
        findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.what)).collect()
    }

    #[test]
    fn imports_of_lower_rows_and_of_oneself_pass() {
        let files = [
            ("lib.rs", "pub use crate::pipeline::Z;"),
            ("call.rs", "use crate::{clock::C, error};\nuse crate::call::d::E;"),
            ("call/d.rs", "use super::X;\nuse crate::clock;"),
            ("pipeline.rs", "fn f() { crate::call::g(); }"),
        ];
        assert_eq!(found(&files, DOC), [] as [&str; 0]);
    }

    #[test]
    fn imports_of_the_same_or_a_higher_row_fail() {
        let up = found(&[("call.rs", "\nuse crate::{clock, pipeline::X};")], DOC);
        assert_eq!(up, ["crates/janua/src/call.rs:2: call imports pipeline, which is above it"]);
        let beside = found(&[("clock.rs", "fn f() { crate::error::g() }")], DOC);
        assert_eq!(beside, ["crates/janua/src/clock.rs:1: clock imports error, which is in the same row"]);
        let hidden = found(&[("clock.rs", "use super::call::X;")], DOC);
        assert_eq!(hidden, ["crates/janua/src/clock.rs:1: clock imports call, which is above it"]);
        let root = found(&[("call.rs", "use crate::Pipeline;")], DOC);
        assert_eq!(root, ["crates/janua/src/call.rs:1: `crate::Pipeline` is not a module"]);
    }

    #[test]
    fn the_table_and_the_tree_name_the_same_modules() {
        let extra = found(&[("new.rs", "")], DOC);
        assert_eq!(extra, ["crates/janua/src/new.rs:1: module new has no place"]);
        let gone = found(&[], &DOC.replace("call\n", "call old\n"));
        assert_eq!(gone, ["ARCHITECTURE.md:6: no module old"]);
        let twice = found(&[], &DOC.replace("call\n", "call clock\n"));
        assert_eq!(twice[0], "ARCHITECTURE.md:6: clock stands in two rows");
        assert_eq!(found(&[], "# nothing"), ["ARCHITECTURE.md:1: no import order"]);
    }

    #[test]
    fn the_heading_may_stand_above_the_fence() {
        let above = "import order (lowest first)\n\n```\nclock error\ncall\npipeline\n```\n";
        assert_eq!(found(&[("clock.rs", "use crate::call::X;")], above).len(), 1);
    }

    #[test]
    fn a_cycle_is_found_and_a_chain_is_not() {
        let chain = tree(&[("a.rs", "use crate::b::X;"), ("b.rs", "use crate::c::Y;"), ("c.rs", "")]);
        assert_eq!(cycles(&chain, PRODUCT), []);
        let ring = tree(&[
            ("a.rs", "use crate::b::X;"),
            ("b.rs", "\nuse crate::c::d::Y;"),
            ("c/d.rs", "use crate::{a};"),
            ("e.rs", "use crate::a::X;\nuse crate::a;"),
        ]);
        let found = cycles(&ring, PRODUCT);
        let shown: Vec<_> = found.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.what)).collect();
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert!(shown[1].starts_with("crates/janua/src/b.rs:2: imports c::d within the cycle of a, b, c::d"));
    }

    #[test]
    fn a_detour_over_the_root_is_found() {
        let found = cycles(&tree(&[("a.rs", "use crate::B;"), ("b.rs", "")]), PRODUCT);
        assert_eq!(found[0].what, "`crate::B` goes through the root");
    }
}
