//! The catalogue between runs: what a server had, in a file of its own in the data directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use janua_wire::base64;
use janua_wire::capabilities::Class;
use janua_wire::json::{check, quote};
use janua_wire::lists::{Caching, items, result};
use janua_wire::raw;
use tokio::io::AsyncWriteExt;

use super::shelf::{Known, LISTS, List};
use crate::config::{Server, ServerSettings};

/// A larger file is not read.
const LARGEST: u64 = 64 << 20;
/// The form of the file.
const FORM: &str = "1";

/// Where the catalogue of one server is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    path: PathBuf,
    /// Tells definitions of the server apart: what another one had is worth nothing.
    definition: String,
}

impl Kept {
    /// The place for the server `name`, as it is defined, below `folder`.
    pub(super) fn new(folder: &Path, name: &str, settings: &ServerSettings) -> Kept {
        // What the environment and the headers hold is secret, and no part of it.
        let said = match &settings.server {
            Server::Command(command) => format!("{:?} {:?} {:?}", command.program, command.args, command.cwd),
            Server::Remote(remote) => format!("{} {:?}", remote.url, remote.transport),
            Server::OpenApi(api) => format!("{} {:?} {:?}", api.source.label(), api.base_url, settings.tools),
            Server::Folder(server) => format!("{} {:?}", server.folder.display(), server.interpreter.program),
            Server::InProcess(name) => name.clone(),
        };
        let said = format!("{said} {:?} {:?}", settings.protocol, settings.declared);
        let definition = base64::encode(digest(&SHA256, said.as_bytes()).as_ref());
        Kept { path: folder.join("catalogue").join(format!("{name}.json")), definition }
    }

    /// What was known last of the same definition, nothing at all if it was tried in vain; `None` if it is new. A file
    /// that cannot be read is as good as none.
    pub(super) fn load(&self) -> Option<Vec<(Class, Known)>> {
        match self.read() {
            Ok(known) => known,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the kept catalogue is not used");
                None
            }
        }
    }

    fn read(&self) -> io::Result<Option<Vec<(Class, Known)>>> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        if std::fs::metadata(&self.path)?.len() > LARGEST {
            return Err(invalid("it is too large"));
        }
        let text = Bytes::from(std::fs::read(&self.path)?);
        check(&text).map_err(|_| invalid("it is no valid JSON"))?;
        let same = |key: &str, value: &str| raw::peek_string(&text, key).as_deref() == Some(value);
        if !same("form", FORM) || !same("definition", &self.definition) {
            return Ok(None);
        }
        let Some(classes) = raw::find(&text, raw::whole(&text), "classes") else { return Ok(None) };
        let classes = raw::elements(&text, classes).into_iter();
        Ok(Some(classes.filter_map(|span| class(&text.slice(span.range()))).collect()))
    }

    /// Keeps what is known now. The file is there whole or as it was.
    pub(super) async fn save(&self, server: &str, known: Vec<(Class, Arc<Known>)>) {
        if let Err(error) = write(&self.path, &self.text(&known)).await {
            tracing::warn!(server, path = %self.path.display(), %error, "the catalogue could not be kept");
        }
    }

    fn text(&self, known: &[(Class, Arc<Known>)]) -> Vec<u8> {
        let mut out =
            format!("{{\"form\":\"{FORM}\",\"definition\":{},\"classes\":[", quote(&self.definition)).into_bytes();
        for (at, (class, known)) in known.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}\n{{\"class\":{},\"discovered\":", class.bits()).as_bytes());
            out.extend_from_slice(&known.discovered);
            out.extend_from_slice(b",\"lists\":[");
            for (at, method) in LISTS.into_iter().enumerate() {
                let list = &known.lists[at];
                out.extend_from_slice(if at > 0 { b",\n" } else { b"\n" });
                out.extend_from_slice(&result(
                    method,
                    list.items.iter().map(|item| &item.text),
                    None,
                    list.caching,
                    None,
                ));
            }
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}\n");
        out
    }
}

fn class(text: &Bytes) -> Option<(Class, Known)> {
    let bits: u8 = std::str::from_utf8(raw::peek(text, "class")?).ok()?.parse().ok()?;
    let discovered = raw::find(text, raw::whole(text), "discovered")?;
    let kept = raw::find(text, raw::whole(text), "lists")?;
    let kept = raw::elements(text, kept);
    let mut lists: [List; LISTS.len()] = Default::default();
    for (at, method) in LISTS.into_iter().enumerate() {
        let page = text.slice(kept.get(at)?.range());
        let caching = raw::peek(&page, "ttlMs").map(|_| Caching::of(&page));
        lists[at] = List { items: items(method, &page), caching };
    }
    Some((Class::from_bits(bits), Known::new(text.slice(discovered.range()), lists)))
}

async fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let done = async {
        let mut file =
            tokio::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).await?;
        file.write_all(text).await?;
        file.flush().await?;
        tokio::fs::rename(&beside, path).await
    };
    let done = done.await;
    if done.is_err() {
        let _ = tokio::fs::remove_file(&beside).await;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerCommand;

    fn known() -> Known {
        let page = Bytes::from_static(br#"{"tools":[{"name":"a","x":12345678901234567890},{"name":"\u0062"}]}"#);
        let mut lists: [List; LISTS.len()] = Default::default();
        let caching = Some(Caching { ttl_ms: 5, private: false });
        lists[0] = List { items: items(LISTS[0], &page), caching };
        Known::new(Bytes::from_static(br#"{"capabilities":{"tools":{}}}"#), lists)
    }

    #[tokio::test]
    async fn what_is_kept_comes_back_for_the_same_definition_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = |line: &[&str]| {
            ServerSettings::new(Server::Command(ServerCommand::new(line.iter().copied()).expect("a command")))
        };
        let kept = Kept::new(folder.path(), "s", &settings(&["a", "b"]));
        assert!(kept.load().is_none());
        kept.save("s", Vec::new()).await;
        assert!(kept.load().is_some_and(|known| known.is_empty()));
        kept.save("s", vec![(Class::EVERYTHING, Arc::new(known()))]).await;
        let back = kept.load().expect("kept");
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].0, Class::EVERYTHING);
        assert_eq!(back[0].1.lists[0].items, known().lists[0].items);
        assert_eq!(back[0].1.lists[0].caching, known().lists[0].caching);
        assert_eq!(back[0].1.discovered, known().discovered);
        assert!(Kept::new(folder.path(), "s", &settings(&["a", "c"])).load().is_none());
        std::fs::write(&kept.path, "{ broken").expect("written");
        assert!(kept.load().is_none());
    }
}
