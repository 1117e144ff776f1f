//! Whether a folder's server can be loaded, tried in a process of its own: nothing of it runs in the gateway.

use std::sync::Arc;

use tokio::time::timeout;

use super::{command, shim};
use crate::config::{FolderServer, Limits, ServerCommand};
use crate::error::{Failure, Kind};
use crate::servers::process::journal::Journal;
use crate::servers::process::{self, Process};
use crate::servers::starts::Starts;
use crate::tasks::Tasks;

/// Loads the server and ends. An error says in words why it cannot be loaded; `Overloaded` that nobody could try.
pub(crate) async fn load(
    server: &FolderServer,
    starts: &Starts,
    journal: &Arc<Journal>,
    limits: &Limits,
    tasks: &Tasks,
) -> Result<(), Failure> {
    let command = Arc::new(command(server, &["--check"]));
    let slot = starts.program().await?;
    let name = server.folder.file_name().unwrap_or_default().to_string_lossy();
    let process = process::launch(&command, &name, slot, journal, tasks).await?;
    finish(process, &command, limits).await
}

async fn finish(process: Process, command: &ServerCommand, limits: &Limits) -> Result<(), Failure> {
    let Process { stdin, stdout: _stdout, words, mut child } = process;
    let told = async {
        let mut rest = shim().as_bytes();
        while !rest.is_empty() && stdin.writable().await.is_ok() {
            match stdin.try_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        let _ = stdin.try_write(b"\n");
        child.ended().await
    };
    let ended = timeout(limits.start, told).await;
    words.complete().await;
    let said = words.quote(&command.env);
    child.kill().await;
    match ended {
        Ok(end) if end == "exited with code 0" => Ok(()),
        Ok(end) => Err(Failure::new(Kind::StartFailed, reason(said.as_deref(), &end)).with_stderr(said)),
        Err(_) => {
            let message = format!("loading it took longer than {:?}", limits.start);
            Err(Failure::new(Kind::StartFailed, message).with_stderr(said))
        }
    }
}

/// The last line of what was said: there it stands why.
fn reason(said: Option<&str>, end: &str) -> String {
    let last = said.and_then(|said| said.lines().last()).map(str::trim).filter(|line| !line.is_empty());
    last.map_or_else(|| format!("the interpreter {end}"), str::to_owned)
}
