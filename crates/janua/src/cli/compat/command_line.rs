//! A server given as one command line: taken apart here, or left to a shell when it uses what only a shell does.

use std::mem::take;

use janua::config::ServerCommand;

/// What a command line is, once read.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A program and its arguments, nothing else.
    Words(Vec<String>),
    /// It has operators, variables, patterns or commands of the shell.
    Shell,
}

/// Words that a shell takes for itself when they come first, and that no program is called.
const SHELL_WORDS: [&str; 40] = [
    "!", ".", ":", "alias", "case", "cd", "command", "continue", "break", "do", "done", "elif", "else", "esac", "eval",
    "exec", "exit", "export", "fi", "for", "function", "hash", "if", "in", "local", "read", "readonly", "return",
    "set", "shift", "source", "then", "time", "trap", "type", "ulimit", "umask", "unset", "until", "while",
];

/// Characters that outside quotes make a shell do more than to part words.
const OPERATORS: &str = "|&;<>()$`*?[]{}\n";

/// The server that `line` starts.
///
/// A line of words, quotes and backslashes is taken apart by the rules of the POSIX shell and started directly, so
/// that nothing stands between the gateway and the server. Every other line is `/bin/sh -c LINE`.
pub(super) fn server(line: &str) -> Result<ServerCommand, String> {
    let line = line.trim_start().trim_end_matches(['\n', '\r']);
    let words = match read(line)? {
        Line::Words(words) => words,
        Line::Shell => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
    };
    let command = ServerCommand::new(words).filter(|command| !command.program.is_empty());
    command.ok_or_else(|| "it names no program".to_owned())
}

/// The server that `line` starts without a shell, for a tool that has none either.
pub(super) fn words(line: &str) -> Result<ServerCommand, String> {
    let Line::Words(words) = read(line.trim())? else {
        return Err("it holds what only a shell understands: quote that".to_owned());
    };
    let command = ServerCommand::new(words).filter(|command| !command.program.is_empty());
    command.ok_or_else(|| "it names no program".to_owned())
}

/// The state of the reading.
#[derive(Default)]
struct Reader {
    words: Vec<String>,
    word: String,
    /// Whether a word has begun; `''` is one, too.
    begun: bool,
    shell: bool,
}

fn read(line: &str) -> Result<Line, String> {
    let mut reader = Reader::default();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        if reader.opens_more(c, next) {
            // Quotes inside follow rules of their own: the shell has to judge them.
            return Ok(Line::Shell);
        }
        match c {
            ' ' | '\t' => reader.end_word(),
            '\'' => reader.single(&mut rest)?,
            '"' if reader.double(&mut rest)? => return Ok(Line::Shell),
            '"' => {}
            '\\' => match rest.next() {
                None => return Err("it ends in a backslash".to_owned()),
                Some('\n') => {}
                Some(escaped) => reader.add(escaped),
            },
            '~' if !reader.begun => reader.special(c),
            '=' if reader.words.is_empty() => reader.special(c),
            _ if OPERATORS.contains(c) => reader.special(c),
            _ => reader.add(c),
        }
    }
    reader.end_word();
    let own = reader.words.first().is_some_and(|word| SHELL_WORDS.contains(&word.as_str()));
    Ok(if reader.shell || own { Line::Shell } else { Line::Words(reader.words) })
}

impl Reader {
    fn add(&mut self, c: char) {
        self.word.push(c);
        self.begun = true;
    }

    fn special(&mut self, c: char) {
        self.shell = true;
        self.add(c);
    }

    fn end_word(&mut self) {
        if take(&mut self.begun) {
            self.words.push(take(&mut self.word));
        }
    }

    /// Whether a comment, a substitution or a document begins here.
    fn opens_more(&self, c: char, next: Option<char>) -> bool {
        match c {
            '#' => !self.begun,
            '`' => true,
            '$' => matches!(next, Some('(' | '{')),
            '<' => next == Some('<'),
            _ => false,
        }
    }

    fn single(&mut self, rest: &mut impl Iterator<Item = char>) -> Result<(), String> {
        self.begun = true;
        loop {
            match rest.next() {
                None => return Err("a single quote is not closed".to_owned()),
                Some('\'') => return Ok(()),
                Some(c) => self.word.push(c),
            }
        }
    }

    /// Reads to the closing quote. True if a substitution begins before it.
    fn double(&mut self, rest: &mut std::iter::Peekable<impl Iterator<Item = char>>) -> Result<bool, String> {
        self.begun = true;
        loop {
            let c = rest.next().ok_or("a double quote is not closed")?;
            match c {
                '"' => return Ok(false),
                '`' => return Ok(true),
                '$' if matches!(rest.peek(), Some('(' | '{')) => return Ok(true),
                '$' => self.special(c),
                '\\' => match rest.next().ok_or("a double quote is not closed")? {
                    '\n' => {}
                    escaped @ ('$' | '`' | '"' | '\\') => self.word.push(escaped),
                    other => self.word.extend(['\\', other]),
                },
                _ => self.word.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn words(line: &str, wanted: &[&str]) {
        let wanted = wanted.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(read(line), Ok(Line::Words(wanted)), "{line}");
    }

    #[test]
    fn words_quotes_and_backslashes_are_taken_apart() {
        words("npx -y @scope/server-filesystem /srv/files", &["npx", "-y", "@scope/server-filesystem", "/srv/files"]);
        words("  a\t b  ", &["a", "b"]);
        words(r#"a 'b c' "d e" f\ g"#, &["a", "b c", "d e", "f g"]);
        words(r#"a '' "" b"#, &["a", "", "", "b"]);
        words(r#"a b'c'"d"e"#, &["a", "bcde"]);
        words(r#"a '{"x": "$y"}' --k=v"#, &["a", r#"{"x": "$y"}"#, "--k=v"]);
        words(r#"a "q\"r\\s\$t\`u\n" \$HOME \|"#, &["a", r#"q"r\s$t`u\n"#, "$HOME", "|"]);
        words("a \\\n b", &["a", "b"]);
        words("a https://x.test/#frag x~ b=c 1!", &["a", "https://x.test/#frag", "x~", "b=c", "1!"]);
        words("", &[]);
    }

    #[test]
    fn what_only_a_shell_does_is_left_to_it() {
        for line in [
            "a | b",
            "a && b",
            "a; b",
            "a > f",
            "a < f",
            "a 2>&1",
            "a &",
            "(a)",
            "{ a; }",
            "a\nb",
            "a $HOME",
            "a \"$X\"",
            "a ${X:-'}'}",
            "a $(b)",
            "a \"$(b \"c\")\"",
            "a `b`",
            "a *.js",
            "a [bc]",
            "a ~/x",
            "~/a",
            "X=1 a",
            "a # it's",
            "cd /srv",
            "exec a",
            ". ./env",
            "while",
            "a <<E\nit's\nE",
            "a {b,c}",
        ] {
            assert_eq!(read(line), Ok(Line::Shell), "{line}");
        }
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for line in ["a 'b", "a \"b", "a b\\", "a | 'b", "a \"b\\\"", "a \"b\\"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_becomes_a_command() {
        let plain = server(" a 'b c'\n").expect("a command");
        assert_eq!((plain.program.as_str(), plain.args), ("a", vec!["b c".to_owned()]));
        let shell = server("A=1 b | c\n").expect("a command");
        assert_eq!((shell.program.as_str(), shell.args), ("/bin/sh", vec!["-c".to_owned(), "A=1 b | c".to_owned()]));
        assert!(server(" ").is_err() && server("''").is_err());
    }
}
