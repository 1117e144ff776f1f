//! Which modules of its own crate a file names, in `use` lines and in paths alike.

use super::source::{Source, words};

/// A path into the file's own crate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) line: usize,
    /// Segments from the crate's root; the last ones may name items rather than modules.
    pub(super) path: Vec<String>,
}

/// The module a file is, as segments from the crate's root: empty for the root itself.
pub(super) fn module(file: &str) -> Vec<String> {
    let inside = file.split_once("/src/").map_or(file, |(_, inside)| inside);
    let path = inside.strip_suffix(".rs").unwrap_or(inside);
    match path {
        "lib" | "main" => Vec::new(),
        _ => path.split('/').map(str::to_owned).collect(),
    }
}

/// Every path that begins with `crate`, `self` or `super`, as seen from the crate's root.
pub(super) fn imports(source: &Source) -> Vec<Import> {
    let code = &source.code;
    let here = module(&source.path);
    let mut found = Vec::new();
    let mut before = "";
    for (at, word) in words(code) {
        let starts = matches!(word, "crate" | "self" | "super") && before != "in";
        before = word;
        let continued = code[..at].trim_end().ends_with("::");
        if !starts || continued || !code[at + word.len()..].trim_start().starts_with("::") {
            continue;
        }
        let mut base = Vec::new();
        if word != "crate" {
            base.clone_from(&here);
            base.extend(source.inside(at).into_iter().map(str::to_owned));
        }
        if word == "super" {
            base.pop();
        }
        let mut paths = Vec::new();
        tree(code, at + word.len(), &base, &mut paths);
        let line = source.line(at);
        found.extend(paths.into_iter().map(|path| Import { line, path }));
    }
    found
}

/// Follows `::a::{b, c::d}` from `at` on, adding each full path; returns where it ends.
fn tree(code: &str, at: usize, base: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut at = skip(code, at);
    let mut path = base.to_vec();
    while code[at..].starts_with("::") {
        at = skip(code, at + 2);
        if code[at..].starts_with('{') {
            return group(code, at, &path, paths);
        }
        let Some((named, word)) = first_word(&code[at..]) else {
            break;
        };
        at = skip(code, at + named + word.len());
        if word == "super" {
            path.pop();
        } else if word != "self" {
            path.push(word.to_owned());
        }
    }
    // `crate::name!` is a macro; macros have no module.
    let is_macro = code[at..].starts_with('!') && !code[at..].starts_with("!=");
    if path.len() > 1 || !is_macro {
        paths.push(path);
    }
    at
}

/// The members of a brace group, each of them a path of its own below `base`.
fn group(code: &str, open: usize, base: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut at = skip(code, open + 1);
    while !code[at..].starts_with('}') && at < code.len() {
        let Some((named, word)) = first_word(&code[at..]) else {
            at = skip(code, at + 1);
            continue;
        };
        let mut path = base.to_vec();
        if word != "self" {
            path.push(word.to_owned());
        }
        at = tree(code, at + named + word.len(), &path, paths);
        // Up to the comma: past `as name`.
        while at < code.len() && !code[at..].starts_with([',', '}']) {
            at += code[at..].chars().next().map_or(1, char::len_utf8);
        }
        if code[at..].starts_with(',') {
            at = skip(code, at + 1);
        }
    }
    at + 1
}

/// The word that begins right here.
fn first_word(code: &str) -> Option<(usize, &str)> {
    let code = code.strip_prefix("r#").map_or((0, code), |rest| (2, rest));
    let end = code.1.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(code.1.len());
    (end > 0).then(|| (code.0, &code.1[..end]))
}

fn skip(code: &str, at: usize) -> usize {
    let at = at.min(code.len());
    at + code[at..].find(|c: char| !c.is_whitespace()).unwrap_or(code.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        let found = imports(&Source::new(path, text));
        found.iter().map(|i| format!("{} {}", i.line, i.path.join("::"))).collect()
    }

    #[test]
    fn groups_and_plain_paths_are_followed() {
        let text = "use crate::{a::{self, B, c::D as E}, f};\nfn g() { crate::h::i(1); }\n";
        assert_eq!(of("crates/x/src/y.rs", text), ["1 a", "1 a::B", "1 a::c::D", "1 f", "2 h::i"]);
        assert_eq!(of("crates/x/src/y.rs", "use std::a;\nuse b::crate_::c;\npub(in crate::y) x"), [] as [&str; 0]);
    }

    #[test]
    fn super_and_self_are_counted_from_where_they_stand() {
        assert_eq!(of("crates/x/src/a.rs", "use super::b::C;"), ["1 b::C"]);
        assert_eq!(of("crates/x/src/a/b.rs", "use super::c;\nuse super::super::d;"), ["1 a::c", "2 d"]);
        assert_eq!(of("crates/x/src/a.rs", "use self::b::C;"), ["1 a::b::C"]);
        let inline = "mod tests {\n use super::X;\n use super::super::y::Z; }";
        assert_eq!(of("crates/x/src/a.rs", inline), ["2 a::X", "3 y::Z"]);
    }

    #[test]
    fn macros_of_the_root_and_comments_are_not_imports() {
        assert_eq!(of("crates/x/src/a.rs", "crate::log!(1); // crate::b::c\n\"crate::d::e\""), [] as [&str; 0]);
        assert_eq!(of("crates/x/src/a.rs", "if crate::b::X != 1 {}"), ["1 b::X"]);
    }

    #[test]
    fn files_are_modules() {
        assert_eq!(module("crates/x/src/a/b.rs"), ["a", "b"]);
        assert_eq!(module("crates/x/src/lib.rs"), [] as [&str; 0]);
    }
}
