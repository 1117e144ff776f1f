//! Other authors' programs that look at what a gateway serves: validators, a generator of clients, a browser, a fuzzer.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{PeerError, places};

/// How long a tool may take.
const LONG: Duration = Duration::from_mins(5);

/// What a tool left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether it ended well.
    pub well: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Holds OpenAPI documents in files against the specification, with a validator in Python and one in JavaScript. Gives
/// what they complain about; nothing if all is well.
///
/// # Errors
/// [`PeerError::Missing`] when they are not installed, [`PeerError::Silent`] when one does not end.
pub async fn valid_openapi(files: &[&Path]) -> Result<String, PeerError> {
    let mut python = places::python_script("openapi", "openapi_valid.py")?;
    let mut node = places::node_script("openapi_valid.mjs")?;
    node.arg("--modules").arg(places::node_modules());
    let (one, other) = tokio::try_join!(run(python.args(files)), run(node.args(files)))?;
    let said = |ran: Ran, name: &str| if ran.well { String::new() } else { format!("{name}:\n{}", ran.stderr) };
    Ok(said(one, "openapi-spec-validator") + &said(other, "@seriousme/openapi-schema-validator"))
}

/// Opens a page of the API browser in Chromium, expands the operation of that id, presses "try it out" and "execute" with
/// this body. Standard output is what was seen, as JSON.
///
/// # Errors
/// As [`valid_openapi`].
pub async fn browser(url: &str, operation: &str, body: &str) -> Result<Ran, PeerError> {
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| Path::new(path).exists());
    let chromium = chromium.ok_or_else(|| PeerError::Missing("no Chromium: run `cargo xtask setup`".to_owned()))?;
    let mut node = places::node_script("browser.mjs")?;
    node.arg("--modules").arg(places::node_modules());
    run(node.args(["--chromium", chromium, "--url", url, "--operation", operation, "--body", body])).await
}

/// Makes a Python client of the document in a file, in an empty folder, and runs a script with it that calls
/// `operation` of the gateway at `base` with these arguments. Standard output is what came back.
///
/// # Errors
/// As [`valid_openapi`].
pub async fn openapi_client(document: &Path, folder: &Path, words: &[&str]) -> Result<Ran, PeerError> {
    let mut python = places::python_script("openapi", "openapi_client.py")?;
    run(python.arg(document).arg(folder).args(words)).await
}

/// Has Schemathesis try what the document at `url` describes, with `examples` examples for each operation.
///
/// # Errors
/// As [`valid_openapi`].
pub async fn schemathesis(url: &str, examples: usize, words: &[&str]) -> Result<Ran, PeerError> {
    let mut tool = Command::new(places::installed("openapi/bin/schemathesis")?);
    tool.args(["run", url, "--max-examples", &examples.to_string()]).args(words);
    run(tool.env("NO_COLOR", "1").current_dir(std::env::temp_dir())).await
}

async fn run(command: &mut Command) -> Result<Ran, PeerError> {
    let shown = format!("{:?}", command.as_std());
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let silent = |why: &dyn std::fmt::Display| PeerError::Silent(format!("{shown}: {why}"));
    let output = timeout(LONG, running).await.map_err(|late| silent(&late))?.map_err(|error| silent(&error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ran { well: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}
