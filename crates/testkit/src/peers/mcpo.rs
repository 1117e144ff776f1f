//! mcpo itself, to be compared with, and the server that it is shown.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{PeerError, places};

/// How long it may take to listen.
const START: Duration = Duration::from_mins(1);

/// A running mcpo, which ends when it is dropped.
#[derive(Debug)]
pub struct Mcpo {
    base: String,
    _child: Child,
}

impl Mcpo {
    /// Starts it with these words on a free port of loopback.
    ///
    /// # Errors
    /// [`PeerError::Missing`] when it is not installed, [`PeerError::Silent`] when it does not come up.
    pub async fn start(words: &[&str]) -> Result<Mcpo, PeerError> {
        let mut command = Command::new(places::installed("mcpo/bin/mcpo")?);
        command.args(["--host", "127.0.0.1", "--port", "0"]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let silent = |why: String| PeerError::Silent(format!("mcpo: {why}"));
        let mut child = command.spawn().map_err(|error| silent(error.to_string()))?;
        let errors = child.stderr.take().ok_or_else(|| silent("no standard error".to_owned()))?;
        let mut lines = BufReader::new(errors).lines();
        let mut said = String::new();
        let found = timeout(START, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, rest)) = line.split_once("running on ") {
                    return rest.split_whitespace().next().map(str::to_owned);
                }
                said.push_str(&line);
            }
            None
        });
        let base = found.await.ok().flatten().ok_or_else(|| silent(said))?;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Mcpo { base, _child: child })
    }

    /// Where it is, without a path.
    pub fn base(&self) -> &str {
        &self.base
    }
}

/// The words that start a server, without any SDK, whose tools answer in every form there is.
///
/// # Errors
/// [`PeerError::Missing`] when the interpreter is not installed.
pub fn forms() -> Result<Vec<PathBuf>, PeerError> {
    places::python_words("mcpo", "forms_server.py")
}
