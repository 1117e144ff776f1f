//! Files of `NAME=VALUE` lines.

use std::path::Path;
use std::{fs, io};

/// Largest such file.
const LARGEST: u64 = 64 << 10;

/// Reads a file: a variable a line, `#` begins a comment, `export` and quotes around a value are let pass.
pub fn read(path: &Path) -> io::Result<Vec<(String, String)>> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    Ok(variables(&fs::read_to_string(path)?))
}

fn variables(text: &str) -> Vec<(String, String)> {
    let variable = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let (name, value) = (name.trim(), value.trim());
        let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
        let bare = value.split(" #").next().unwrap_or_default().trim_end();
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(bare);
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    text.trim_start_matches('\u{feff}').lines().filter_map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables() {
        let text = "# a comment\nA=one\nexport B=\"two words\"\r\n C = 'x=y' \nD=v # why\n\nnothing\nE=\n";
        let read = variables(text);
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("A", "one"), ("B", "two words"), ("C", "x=y"), ("D", "v"), ("E", "")]);
    }
}
