//! A folder with a configuration file, and what loading it gives.

use std::path::PathBuf;

use janua::config::{Environment, Loaded, Server, ServerCommand, ServerSettings, load};

/// A folder that is gone at the end of a test.
pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Scene { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    /// Sets an environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file, and its folders.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Loads a file of the folder; findings are given as they are shown, without the folder.
    pub(crate) fn load(&self, name: &str) -> Result<Loaded, Vec<String>> {
        let environment: Environment = self.variables.iter().cloned().collect();
        let path = self.folder.path().join(name);
        load(Some(&path), &environment).map_err(|findings| self.shown(&findings))
    }

    pub(crate) fn shown(&self, findings: &[janua::config::Finding]) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        findings.iter().map(|finding| finding.to_string().replace(&folder, "")).collect()
    }

    /// Loads a text that must be usable, and gives the warnings, too.
    pub(crate) fn good(&self, name: &str, text: &str) -> (Loaded, Vec<String>) {
        self.write(name, text);
        let loaded = self.load(name).expect("usable");
        let shown = self.shown(&loaded.findings);
        (loaded, shown)
    }

    /// Loads a text that must not be usable, and gives what is wrong.
    pub(crate) fn bad(&self, name: &str, text: &str) -> Vec<String> {
        self.write(name, text);
        self.load(name).expect_err("not usable")
    }
}

/// The server of that name.
pub(crate) fn server<'a>(loaded: &'a Loaded, name: &str) -> &'a ServerSettings {
    loaded.settings.servers.get(name).unwrap_or_else(|| panic!("there is no server {name}"))
}

/// The program of the server of that name.
pub(crate) fn command<'a>(loaded: &'a Loaded, name: &str) -> &'a ServerCommand {
    match &server(loaded, name).server {
        Server::Command(command) => command,
        other => panic!("{name} is {}", other.label()),
    }
}

/// The address and headers of the server of that name.
pub(crate) fn remote<'a>(loaded: &'a Loaded, name: &str) -> (&'a str, Vec<(&'a str, &'a str)>) {
    match &server(loaded, name).server {
        Server::Remote(remote) => {
            let header = |(name, value): &'a (http::HeaderName, http::HeaderValue)| {
                (name.as_str(), value.to_str().expect("text"))
            };
            (remote.url.as_str(), remote.headers.iter().map(header).collect())
        }
        other => panic!("{name} is {}", other.label()),
    }
}
