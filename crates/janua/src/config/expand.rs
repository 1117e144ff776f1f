//! `${…}` in the values of a file: variables, files, secrets, and what editors know.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::environment::Environment;
use super::finding::Findings;
use super::tree::{Mark, Node, Value, join};

/// Largest file that a value may be read from.
const LARGEST: u64 = 64 << 10;

/// Deepest nesting of defaults in defaults.
const DEEPEST: usize = 8;

/// Puts values in the place of `${…}`.
pub(super) struct Expander<'a> {
    pub(super) environment: &'a Environment,
    /// The folder that relative paths are meant from.
    pub(super) folder: &'a Path,
    /// The folder that holds a file for each secret.
    pub(super) secrets: Option<PathBuf>,
    /// Whether the file is another tool's: what it does not know as ours stays as it is.
    pub(super) foreign: bool,
    /// The files that were read, or looked for.
    pub(super) files: Vec<PathBuf>,
}

/// Why a text cannot be expanded. The words name what is missing and hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Something that it names is not there.
    Missing(String),
    /// It is written wrongly.
    Malformed(String),
}

impl Expander<'_> {
    /// Expands all texts of a tree. The first thing that is missing is returned; what is malformed is a finding.
    pub(super) fn tree(
        &mut self,
        node: &mut Node,
        path: &str,
        findings: &mut Findings,
    ) -> Option<(Mark, String, String)> {
        let mut missing = None;
        match &mut node.value {
            Value::Text(text) if text.contains('$') => match self.text(text, &node.mark, path, findings) {
                Ok(expanded) if expanded == *text => {}
                Ok(expanded) => node.value = Value::Made(expanded),
                Err(Trouble::Missing(what)) => {
                    missing = Some((node.mark.clone(), path.to_owned(), what));
                    node.value = Value::Unset(std::mem::take(text));
                }
                Err(Trouble::Malformed(what)) => {
                    findings.error(&node.mark, path, what).hint("write $$ for a $ that stands for itself");
                    node.value = Value::Unset(std::mem::take(text));
                }
            },
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    missing = missing.or(self.tree(item, &format!("{path}[{index}]"), findings));
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    missing = missing.or(self.tree(value, &join(path, &key.name), findings));
                }
            }
            _ => {}
        }
        missing
    }

    fn text(&mut self, text: &str, mark: &Mark, path: &str, findings: &mut Findings) -> Result<String, Trouble> {
        let mut careless = Vec::new();
        let expanded = self.pieces(text, 0, &mut careless);
        for file in careless {
            let message = format!("the secret {file:?} can be read by others");
            findings.warning(mark, path, message).hint("take the right from them: chmod 600");
        }
        expanded
    }

    /// Expands a text piece by piece. Secrets that others can read are added to `careless`.
    fn pieces(&mut self, text: &str, depth: usize, careless: &mut Vec<String>) -> Result<String, Trouble> {
        if depth > DEEPEST {
            return Err(Trouble::Malformed("`${` stands in too many others".to_owned()));
        }
        let mut done = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            done.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("$$") && !self.foreign {
                done.push('$');
                rest = &rest[2..];
            } else if let Some(inner) = rest.strip_prefix("${") {
                let end = closing(inner);
                match end.map(|end| (&inner[..end], self.named(&inner[..end], depth, careless))) {
                    Some((_, Ok(value))) => done.push_str(&value),
                    Some((_, Err(Trouble::Missing(what)))) => return Err(Trouble::Missing(what)),
                    // Another tool's file may mean something by it that only the server understands.
                    Some((name, Err(_))) if self.foreign => done.extend(["${", name, "}"]),
                    Some((_, Err(trouble))) => return Err(trouble),
                    None if self.foreign => done.push_str("${"),
                    None => return Err(Trouble::Malformed("`${` has no `}`".to_owned())),
                }
                rest = end.map_or(inner, |end| &inner[end + 1..]);
            } else {
                done.push('$');
                rest = &rest[1..];
            }
        }
        done.push_str(rest);
        Ok(done)
    }

    /// The value of what stands between the braces.
    fn named(&mut self, name: &str, depth: usize, careless: &mut Vec<String>) -> Result<String, Trouble> {
        if let Some(path) = name.strip_prefix("file:") {
            return self.file(path);
        }
        if let Some(secret) = name.strip_prefix("secret:").or_else(|| name.strip_prefix("input:")) {
            return self.secret(secret, careless);
        }
        if let Some(known) = self.foreign.then(|| self.editors(name)).flatten() {
            return Ok(known);
        }
        let (variable, default) = match name.split_once(":-") {
            Some((variable, default)) => (variable, Some(default)),
            None => (name, None),
        };
        let variable = variable.strip_prefix("env:").unwrap_or(variable);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.is_empty() || !variable.chars().all(plain) || variable.starts_with(|c: char| c.is_ascii_digit()) {
            let message = "`${…}` is none of ${VAR}, ${VAR:-default}, ${env:VAR}, ${file:PATH}, ${secret:NAME}";
            return Err(Trouble::Malformed(message.to_owned()));
        }
        match (self.environment.get(variable), default) {
            (Some(value), None) => Ok(value.to_owned()),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value.to_owned()),
            (_, Some(default)) => self.pieces(default, depth + 1, careless),
            (None, None) => Err(Trouble::Missing(format!("the environment variable {variable} is not set"))),
        }
    }

    fn file(&mut self, path: &str) -> Result<String, Trouble> {
        let path = placed(path, self.folder, self.environment);
        let text = self.read(&path).map_err(|error| {
            Trouble::Missing(format!("the file {} cannot be read: {}", path.display(), said(&error)))
        })?;
        Ok(text)
    }

    fn secret(&mut self, name: &str, careless: &mut Vec<String>) -> Result<String, Trouble> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(Trouble::Malformed(
                "the name of a secret holds only letters, digits, `.`, `_` and `-`".to_owned(),
            ));
        }
        let Some(folder) = &self.secrets else {
            return Err(Trouble::Missing(format!("there is no secret {name:?}: no data_dir is set")));
        };
        let path = folder.join(name);
        let text = self.read(&path).map_err(|error| {
            let missing = format!("there is no secret {name:?}");
            Trouble::Missing(if error.kind() == io::ErrorKind::NotFound {
                format!("{missing}: write it into secrets/{name} in data_dir")
            } else {
                format!("{missing}: {}", said(&error))
            })
        })?;
        let open = fs::metadata(&path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
        if open {
            careless.push(name.to_owned());
        }
        Ok(text)
    }

    /// A file's text without the line break at its end.
    fn read(&mut self, path: &Path) -> io::Result<String> {
        self.files.push(path.to_owned());
        let about = fs::metadata(path)?;
        if !about.is_file() || about.len() > LARGEST {
            return Err(io::Error::other("it is no file, or larger than 64 KiB"));
        }
        let mut text = fs::read_to_string(path)?;
        for end in ['\n', '\r'] {
            text.truncate(text.strip_suffix(end).unwrap_or(&text).len());
        }
        Ok(text)
    }

    /// What editors put in the place of their own names.
    fn editors(&self, name: &str) -> Option<String> {
        let own = [".vscode", ".cursor", ".zed", ".kiro", ".roo"];
        let inside = self.folder.file_name().is_some_and(|folder| own.iter().any(|own| folder == *own));
        let workspace = if inside { self.folder.parent().unwrap_or(self.folder) } else { self.folder };
        match name {
            "workspaceFolder" => Some(workspace.to_string_lossy().into_owned()),
            "workspaceFolderBasename" => Some(workspace.file_name()?.to_string_lossy().into_owned()),
            "userHome" => self.environment.get("HOME").map(str::to_owned),
            "pathSeparator" | "/" => Some("/".to_owned()),
            _ => None,
        }
    }
}

/// Where the brace closes that was opened before this text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut before = ' ';
    for (at, next) in text.char_indices() {
        match next {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        before = next;
    }
    None
}

/// A path as it is meant: from the folder of the file, or from the home folder with `~/`.
pub(super) fn placed(path: &str, folder: &Path, environment: &Environment) -> PathBuf {
    let home = path.strip_prefix("~/").or_else(|| (path == "~").then_some(""));
    match (home, environment.get("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        // Without the `.` in what people write: `./servers`.
        _ => folder.join(path).components().collect(),
    }
}

/// An error of reading, in words without a path.
pub(super) fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, foreign: bool) -> Result<String, Trouble> {
        let variables = [("A", "one"), ("EMPTY", ""), ("HOME", "/srv/me")];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let folder = Path::new("/project/.vscode");
        let mut expander = Expander { environment: &environment, folder, secrets: None, foreign, files: Vec::new() };
        expander.pieces(text, 0, &mut Vec::new())
    }

    #[test]
    fn variables_take_their_place() {
        for (text, wanted) in [
            ("${A}-${env:A}", "one-one"),
            ("${B:-two}", "two"),
            ("${B:-${A}}!", "one!"),
            ("${EMPTY:-x}${EMPTY}", "x"),
            ("${B:-}", ""),
            ("$$ $${A} $A $", "$ ${A} $A $"),
            ("${B:-a}b}", "ab}"),
        ] {
            assert_eq!(expanded(text, false), Ok(wanted.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_wrong_refused() {
        let missing = expanded("x${NOT_HERE}", false);
        assert_eq!(missing, Err(Trouble::Missing("the environment variable NOT_HERE is not set".to_owned())));
        for text in ["${A", "${}", "${what:ever}", "${1}", "${secret:../x}"] {
            assert!(matches!(expanded(text, false), Err(Trouble::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn files_of_others_keep_what_only_they_know() {
        for (text, wanted) in [
            ("$$ ${what:ever} ${", "$$ ${what:ever} ${"),
            ("${workspaceFolder}${/}x", "/project/x"),
            ("${workspaceFolderBasename}", "project"),
            ("${userHome}", "/srv/me"),
        ] {
            assert_eq!(expanded(text, true), Ok(wanted.to_owned()), "{text}");
        }
    }
}
