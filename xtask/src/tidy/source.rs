//! A Rust file as text whose comments and literals are blanked out, and what can be read off it.

use std::ops::Range;

/// One Rust file.
pub(super) struct Source {
    /// Path from the root of the repository, with `/`.
    pub(super) path: String,
    /// The file as it is.
    pub(super) text: String,
    /// The same with every comment and every literal turned to spaces, byte for byte.
    pub(super) code: String,
    /// Inline modules: name and the bytes between its braces.
    pub(super) modules: Vec<(String, Range<usize>)>,
    starts: Vec<usize>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// The line of its `fn`, from 1.
    pub(super) line: usize,
    /// From that line to the one of its closing brace, both counted.
    pub(super) lines: usize,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = mask(text);
        let starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1))
            .collect();
        let modules = modules(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, modules, starts }
    }

    /// The line a byte stands in, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// Names of the inline modules around a byte, outermost first.
    pub(super) fn inside(&self, at: usize) -> Vec<&str> {
        self.modules.iter().filter(|(_, r)| r.contains(&at)).map(|(name, _)| &name[..]).collect()
    }

    /// Whether a byte belongs to tests: a file of a `tests` folder, or a module of that name.
    pub(super) fn in_tests(&self, at: usize) -> bool {
        self.path.split('/').any(|part| part == "tests") || self.inside(at).contains(&"tests")
    }

    pub(super) fn functions(&self) -> Vec<Function> {
        let words = words(&self.code);
        let mut found = Vec::new();
        for (i, (at, word)) in words.iter().enumerate() {
            let Some((named, name)) = words.get(i + 1) else {
                break;
            };
            let gap = self.code[at + word.len()..*named].trim();
            // Nothing between the two, or the `$` of a macro's parameter: else it is a type.
            if *word != "fn" || !(gap.is_empty() || gap == "$") {
                continue;
            }
            if let Some(end) = body_end(&self.code, named + name.len()) {
                let (line, last) = (self.line(*at), self.line(end));
                found.push(Function { name: (*name).to_owned(), line, lines: last - line + 1 });
            }
        }
        found
    }
}

/// Every word (identifier, keyword or number) with its place. Raw identifiers lose their `r#`.
pub(super) fn words(code: &str) -> Vec<(usize, &str)> {
    let bytes = code.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        }
        let raw = &code[start..at] == "r" && code[at..].starts_with('#');
        let named_raw = start >= 2 && &bytes[start - 2..start] == b"r#";
        if !raw && !named_raw {
            found.push((start, &code[start..at]));
        }
    }
    found
}

/// The end of the bracket that opens at `open`, or the end of the text.
pub(super) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    code.len().saturating_sub(1)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Where the body of the function whose signature begins at `at` ends; none for `fn x();`.
fn body_end(code: &str, mut at: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut before = b' ';
    while at < bytes.len() {
        match bytes[at] {
            b';' | b'}' => return None,
            b'(' | b'[' => at = closing(code, at),
            // A constant among generic parameters, not the body.
            b'{' if before == b'<' || before == b'=' => at = closing(code, at),
            b'{' => return Some(closing(code, at)),
            _ => {}
        }
        if !bytes[at].is_ascii_whitespace() {
            before = bytes[at];
        }
        at += 1;
    }
    None
}

fn modules(code: &str) -> Vec<(String, Range<usize>)> {
    let words = words(code);
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let ((at, keyword), (named, name)) = (pair[0], pair[1]);
        let after = named + name.len();
        let Some(brace) = code[after..].find(|c: char| !c.is_whitespace()) else {
            continue;
        };
        if keyword == "mod" && code[at + 3..named].trim().is_empty() {
            let open = after + brace;
            if code.as_bytes()[open] == b'{' {
                found.push((name.to_owned(), open..closing(code, open)));
            }
        }
    }
    found
}

/// Blanks comments, strings and character literals, keeping length and line ends.
fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(text, at);
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn literal_end(text: &str, at: usize) -> usize {
    let rest = &text.as_bytes()[at..];
    let fresh = at == 0 || !is_word(text.as_bytes()[at - 1]);
    let length = match rest[0] {
        b'/' if rest.starts_with(b"//") => position(rest, b'\n'),
        b'/' if rest.starts_with(b"/*") => block_comment(rest),
        b'"' => string(rest),
        b'\'' => character(&text[at..]),
        b'r' | b'b' | b'c' if fresh => raw_string(rest),
        _ => 0,
    };
    at + length
}

fn position(rest: &[u8], wanted: u8) -> usize {
    rest.iter().position(|b| *b == wanted).unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let escaped = chars.next().map_or(rest.len(), |(at, c)| at + c.len_utf8());
            rest[escaped..].find('\'').map_or(rest.len(), |at| escaped + at + 1)
        }
        Some((at, c)) if rest[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 0,
    }
}

/// Length of `r"…"`, `br#"…"#` and their like; 0 when it is none.
fn raw_string(rest: &[u8]) -> usize {
    let prefix = if rest[0] == b'r' { 1 } else { 2 };
    if rest.get(prefix - 1) != Some(&b'r') {
        return 0;
    }
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return 0;
    }
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &rest[open + 1..];
    body.windows(end.len()).position(|w| w == end).map_or(rest.len(), |at| open + 1 + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        Source::new("x.rs", text).code
    }

    #[test]
    fn comments_and_literals_are_blank_and_code_is_not() {
        assert_eq!(masked("a // b\nc"), "a     \nc");
        assert_eq!(masked("a /* x /* y */ z */ b"), "a                   b");
        assert_eq!(masked(r#"f("a\"}{", b)"#), "f(       , b)");
        assert_eq!(masked("r#\"a\"{\"#; b"), "        ; b");
        assert_eq!(masked("br##\"x\"#\"##.y"), "           .y");
        assert_eq!(masked(r"['{', '\'', '\u{7d}', 'é']"), "[   ,     ,         ,     ]");
        assert_eq!(masked("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(masked("r#fn + var\"x\""), "r#fn + var   ");
        assert_eq!(masked("\"open\n{"), "     \n ");
    }

    fn sizes(text: &str) -> Vec<(String, usize, usize)> {
        let found = Source::new("x.rs", text).functions();
        found.into_iter().map(|f| (f.name, f.line, f.lines)).collect()
    }

    #[test]
    fn functions_are_found_wherever_they_stand() {
        let text = "impl A {\n    pub async fn one(&self) -> [u8; { 2 }]\n    where\n        A: B,\n    {\n        fn inner() {\n        }\n    }\n}\n";
        assert_eq!(sizes(text), [("one".into(), 2, 7), ("inner".into(), 6, 2)]);
        assert_eq!(sizes("trait T { fn a(&self); fn b(&self) {} }"), [("b".into(), 1, 1)]);
        assert_eq!(sizes("type F = fn(u8) -> u8;\nstruct S { f: fn() }"), []);
        assert_eq!(sizes("fn g<const N: usize = { 3 }>(a: A<{ N }>) {\n}"), [("g".into(), 1, 2)]);
        assert_eq!(sizes("fn s() {\n  let x = \"}\"; // }\n  let y = '}';\n}\n"), [("s".into(), 1, 4)]);
        assert_eq!(sizes("macro_rules! m { ($n:ident) => { fn $n() {\n} } }"), [("n".into(), 1, 2)]);
    }

    #[test]
    fn places_know_their_line_and_module() {
        let source = Source::new("x.rs", "mod a {\n  mod tests {\n    x\n  }\n  y\n}\nz");
        let at = |c: char| source.code.rfind(c).unwrap();
        assert_eq!(source.line(at('x')), 3);
        assert_eq!(source.inside(at('x')), ["a", "tests"]);
        assert_eq!(source.inside(at('y')), ["a"]);
        assert!(source.in_tests(at('x')) && !source.in_tests(at('y')));
        assert_eq!(source.inside(at('z')), [] as [&str; 0]);
    }
}
