//! What is wrong with a configuration: where, what, and what was probably meant.

use std::fmt;
use std::path::PathBuf;

use super::tree::Mark;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but perhaps not as it was meant.
    Warning,
}

/// Something wrong at one place of a configuration. No value that may be a secret is part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file; `None` if an environment variable or nothing at all is at fault.
    pub path: Option<PathBuf>,
    /// The line, counted from 1; 0 if there is none.
    pub line: usize,
    /// The column in characters, counted from 1; 0 if there is none.
    pub column: usize,
    /// The key with the keys it is below, joined by dots; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it, or what was probably meant.
    pub hint: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}:", path.display())?;
            if self.line > 0 {
                write!(f, "{}:{}:", self.line, self.column)?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}: ", self.severity)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// The findings of one load, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Findings {
    path: Option<PathBuf>,
    all: Vec<Finding>,
}

impl Findings {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Findings { path, all: Vec::new() }
    }

    /// Notes an error at a place; the finding can be given a hint.
    pub(super) fn error(&mut self, mark: &Mark, key: &str, message: impl Into<String>) -> &mut Finding {
        self.note(Severity::Error, mark, key, message.into())
    }

    /// Notes a warning.
    pub(super) fn warning(&mut self, mark: &Mark, key: &str, message: impl Into<String>) -> &mut Finding {
        self.note(Severity::Warning, mark, key, message.into())
    }

    fn note(&mut self, severity: Severity, mark: &Mark, key: &str, message: String) -> &mut Finding {
        let path = if mark.variable.is_some() { None } else { self.path.clone() };
        let key = match &mark.variable {
            Some(variable) => format!("{variable} ({key})"),
            None => key.to_owned(),
        };
        let at = self.all.len();
        self.all.push(Finding { severity, path, line: mark.line, column: mark.column, key, message, hint: None });
        &mut self.all[at]
    }

    /// Whether an error is among them.
    pub(super) fn fatal(&self) -> bool {
        self.all.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// All of them, in the order of their places.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.all.sort_by_key(|finding| (finding.path.is_none(), finding.line, finding.column));
        self.all
    }
}

impl Finding {
    /// Adds what to do.
    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }

    /// Adds which of the known names was probably meant, or, if none is near, all of them if they are few.
    pub(super) fn suggest(&mut self, name: &str, known: &[&str]) {
        const FEW: usize = 8;
        if let Some(near) = nearest(name, known) {
            self.hint(format!("did you mean {near:?}?"));
        } else if !known.is_empty() && known.len() <= FEW {
            self.hint(format!("known: {}", known.join(", ")));
        }
    }
}

/// The known name that is so near to `name` that it was probably meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(name);
    let far = (wanted.chars().count() / 3).max(1);
    let distances = known.iter().map(|known| (distance(&wanted, &plain(known)), *known));
    distances.filter(|(distance, _)| *distance <= far).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// How many letters have to be added, left out, changed, or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let known = ["command", "call_timeout", "cwd", "url", "headers"];
        assert_eq!(nearest("comand", &known), Some("command"));
        assert_eq!(nearest("callTimeout", &known), Some("call_timeout"));
        assert_eq!(nearest("ulr", &known), Some("url"));
        assert_eq!(nearest("call-timeout", &known), Some("call_timeout"));
        assert_eq!(nearest("banana", &known), None);
    }
}
