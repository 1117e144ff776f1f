//! Results as people read them: content as text, what is no text in a line, files saved.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use janua_wire::base64;
use janua_wire::json::{Scanner, Span};
use serde_json::Value;

use super::super::Failed;
use super::clean;

/// More files of one kind are not looked for.
const MOST_FILES: usize = 10_000;

/// Where results go.
pub(in crate::cli) struct Shown {
    save: Option<PathBuf>,
    out: Vec<u8>,
}

/// Writes to standard output. A reader that has enough is no failure. What goes to a terminal cannot steer it.
pub(in crate::cli) fn put(bytes: &[u8]) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    let written = if stdout.is_terminal() {
        stdout.write_all(clean(&String::from_utf8_lossy(bytes)).as_bytes())
    } else {
        stdout.write_all(bytes)
    };
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Raw JSON and a line end.
pub(in crate::cli) fn put_raw(raw: &[u8]) -> Result<(), Failed> {
    put(&[raw, b"\n"].concat())
}

impl Shown {
    /// Files are saved in the folder `save`; without one they are only described.
    pub(in crate::cli) fn new(save: Option<PathBuf>) -> Result<Self, Failed> {
        if let Some(folder) = &save {
            fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Ok(Shown { save, out: Vec::new() })
    }

    /// What there is to print by now.
    pub(in crate::cli) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(in crate::cli) fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        if !text.ends_with('\n') {
            self.out.push(b'\n');
        }
    }

    /// The result of a tool, raw.
    pub(in crate::cli) fn tool(&mut self, raw: &[u8]) -> Result<(), Failed> {
        let Ok(result) = serde_json::from_slice::<Value>(raw) else {
            self.line(&String::from_utf8_lossy(raw));
            return Ok(());
        };
        let structured = result.get("structuredContent").filter(|value| !value.is_null());
        let mut is_told = structured.is_none();
        for item in result["content"].as_array().into_iter().flatten() {
            let text = item["text"].as_str().filter(|_| item["type"] == "text");
            match text.zip(structured) {
                // Servers repeat structured content as text for clients that know no better.
                Some((text, structured)) if serde_json::from_str::<Value>(text).ok().as_ref() == Some(structured) => {}
                Some((text, structured)) => {
                    is_told |= is_wrapped(structured, text);
                    self.content(item)?;
                }
                None => self.content(item)?,
            }
        }
        if let Some(structured) = janua_wire::raw::peek(raw, "structuredContent").filter(|_| !is_told) {
            self.line(&pretty(structured));
        }
        Ok(())
    }

    /// One element of content.
    pub(in crate::cli) fn content(&mut self, item: &Value) -> Result<(), Failed> {
        let text = |key: &str| item[key].as_str().unwrap_or_default();
        match text("type") {
            "text" => self.line(text("text")),
            kind @ ("image" | "audio") => self.file(kind, text("mimeType"), text("data"))?,
            "resource_link" => {
                let mime = item["mimeType"].as_str().map(|mime| format!(", {mime}")).unwrap_or_default();
                self.line(&format!("[resource {}: {}{mime}]", text("name"), text("uri")));
            }
            "resource" => self.resource(&item["resource"])?,
            _ => self.line(&item.to_string()),
        }
        Ok(())
    }

    fn resource(&mut self, resource: &Value) -> Result<(), Failed> {
        let text = |key: &str| resource[key].as_str().unwrap_or_default();
        if let Some(content) = resource["text"].as_str() {
            self.line(content);
            return Ok(());
        }
        self.file(&format!("resource {}", text("uri")), text("mimeType"), text("blob"))
    }

    /// What is no text: saved if asked for, else described.
    fn file(&mut self, kind: &str, mime: &str, data: &str) -> Result<(), Failed> {
        let mime = if mime.is_empty() { "of no kind named" } else { mime };
        let Some(bytes) = base64::decode(data.as_bytes()) else {
            self.line(&format!("[{kind}, {mime}: it cannot be decoded]"));
            return Ok(());
        };
        let saved = match &self.save {
            Some(folder) => format!(", saved as {}", save(folder, mime, &bytes)?.display()),
            None => String::new(),
        };
        self.line(&format!("[{kind}, {mime}, {} bytes{saved}]", bytes.len()));
        Ok(())
    }
}

/// Whether structured content is nothing but a text in a wrapping.
fn is_wrapped(structured: &Value, text: &str) -> bool {
    let members = structured.as_object().filter(|members| members.len() == 1);
    members
        .into_iter()
        .flatten()
        .any(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned) == text)
}

/// Saves under a name that is free; nothing of the name comes from the server but the ending.
fn save(folder: &Path, mime: &str, bytes: &[u8]) -> Result<PathBuf, Failed> {
    let end: String = match mime.split(['/', ';', '+']).nth(1) {
        Some("jpeg") => "jpg".to_owned(),
        Some("plain") => "txt".to_owned(),
        Some("octet-stream") | None => "bin".to_owned(),
        Some(kind) => kind.chars().filter(char::is_ascii_alphanumeric).take(8).collect(),
    };
    for number in 1..=MOST_FILES {
        let path = folder.join(format!("content-{number}.{end}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(anyhow::anyhow!("cannot write {}: {error}", path.display()).into()),
        }
    }
    Err(anyhow::anyhow!("the folder {} is full of earlier results", folder.display()).into())
}

/// Raw JSON with line breaks; members and numbers stay as they came.
pub(in crate::cli) fn pretty(raw: &[u8]) -> String {
    let mut out = Vec::new();
    let mut scanner = Scanner::new(raw);
    if spread(raw, &mut scanner, 0, &mut out).is_err() {
        return String::from_utf8_lossy(raw).into_owned();
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn spread(
    raw: &[u8],
    scanner: &mut Scanner<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), janua_wire::json::Fault> {
    let (open, close) = match scanner.peek() {
        Some(b'{') => (b'{', b'}'),
        Some(b'[') => (b'[', b']'),
        _ => {
            let value: Span = scanner.value()?;
            out.extend_from_slice(&raw[value.range()]);
            return Ok(());
        }
    };
    let indent = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    out.push(open);
    if open == b'{' {
        scanner.enter_object()?;
    } else {
        scanner.enter_array()?;
    }
    let mut first = true;
    loop {
        let key = if open == b'{' { scanner.member(first)? } else { None };
        if open == b'{' && key.is_none() || open == b'[' && !scanner.element(first)? {
            break;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        indent(out, depth + 1);
        if let Some(key) = key {
            out.push(b'"');
            out.extend_from_slice(&raw[key.range()]);
            out.extend_from_slice(b"\": ");
        }
        spread(raw, scanner, depth + 1, out)?;
    }
    if !first {
        indent(out, depth);
    }
    out.push(close);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_content_is_printed_once_and_as_it_came() {
        let mut shown = Shown::new(None).expect("nothing to make");
        let raw =
            br#"{"content":[{"type":"text","text":"{\"b\":1.0,\"a\":[]}"}],"structuredContent":{"b":1.0,"a":[]}}"#;
        shown.tool(raw).expect("shown");
        assert_eq!(String::from_utf8_lossy(&shown.out), "{\n  \"b\": 1.0,\n  \"a\": []\n}\n");
    }

    #[test]
    fn what_is_no_text_is_described_or_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let item = serde_json::json!({"type": "image", "mimeType": "image/../png", "data": "AAEC"});
        let mut shown = Shown::new(None).expect("nothing to make");
        shown.content(&item).expect("shown");
        assert_eq!(String::from_utf8_lossy(&shown.out), "[image, image/../png, 3 bytes]\n");
        let item = serde_json::json!({"type": "image", "mimeType": "image/png", "data": "AAEC"});
        for _ in 0..2 {
            Shown::new(Some(folder.path().join("new"))).expect("made").content(&item).expect("saved");
        }
        for name in ["content-1.png", "content-2.png"] {
            assert_eq!(fs::read(folder.path().join("new").join(name)).expect("a file"), [0, 1, 2]);
        }
    }

    #[test]
    fn raw_json_is_spread_without_a_change() {
        assert_eq!(
            pretty(br#"[1,{"x":{},"y":[ "a\n" ]}]"#),
            "[\n  1,\n  {\n    \"x\": {},\n    \"y\": [\n      \"a\\n\"\n    ]\n  }\n]"
        );
        assert_eq!(pretty(b"12345678901234567890.10"), "12345678901234567890.10");
    }
}
