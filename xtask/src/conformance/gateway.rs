//! Janua as a child of the run: started on a free port, found by what it prints, stopped at the end.

use super::rows::GATEWAY;
use crate::repo;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);

/// The name of the server among three.
const NAME: &str = "fixture";

/// A running Janua in front of the testkit's `everything` server.
pub(super) struct Gateway {
    pub(super) url: String,
    child: Child,
}

impl Gateway {
    /// Starts it in front of a server of that era, or of three; what it prints goes to `log`.
    pub(super) fn start(profile: &str, server: &str, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut command = Command::new(repo::program(profile, "janua")?);
        let everything = repo::program(profile, "everything")?;
        // Slow answers become streams early, so that the scenario about polling finds one to poll.
        if server == GATEWAY {
            let file = log.with_file_name("janua.json");
            fs::write(&file, settings(&everything)).with_context(|| format!("write {}", file.display()))?;
            command.args(["serve", "--port", "0", "-c"]).arg(file);
        } else {
            command.args(["proxy", "--port", "0", "--stream-after", "100ms", "--"]).arg(everything);
            command.args(["--era", server]);
        }
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().context("start janua")?;
        let mut gateway = Self { url: String::new(), child };
        let deadline = Instant::now() + START;
        loop {
            let printed = fs::read_to_string(log).unwrap_or_default();
            if let Some(url) = address(&printed) {
                gateway.url = if server == GATEWAY { format!("{url}/{NAME}") } else { url };
                return Ok(gateway);
            }
            if let Some(status) = gateway.child.try_wait().context("wait for janua")? {
                bail!("janua ended at once: {status}\n{}", printed.trim_end());
            }
            if Instant::now() > deadline {
                bail!("janua did not print its address within {START:?}\n{}", printed.trim_end());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The orderly stop is part of the product, so it is asked for first.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + STOP;
        while asked.is_ok() && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("janua did not stop within {STOP:?} and was killed");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three servers, the one that is measured among them.
fn settings(everything: &Path) -> String {
    let server = |era| json!({"command": everything, "args": ["--era", era]});
    let servers = json!({NAME: server("dual"), "older": server("legacy"), "newer": server("modern")});
    json!({"data_dir": false, "limits": {"stream_after": "100ms"}, "servers": servers}).to_string()
}

/// The first `http://127.0.0.1:PORT/mcp` of a finished line.
fn address(printed: &str) -> Option<String> {
    let finished = &printed[..printed.rfind('\n')?];
    let rest = &finished[finished.find("http://127.0.0.1:")?..];
    let end = rest.find("/mcp")?;
    let port = rest["http://127.0.0.1:".len()..end].parse::<u16>().ok()?;
    Some(format!("http://127.0.0.1:{port}/mcp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_its_line_is_complete() {
        assert_eq!(address("INFO listening url=http://127.0.0.1:41"), None);
        let line = "x\nINFO listening url=http://127.0.0.1:4123/mcp servers=1\n";
        assert_eq!(address(line).as_deref(), Some("http://127.0.0.1:4123/mcp"));
        assert_eq!(address("http://127.0.0.1:none/mcp\n"), None);
    }
}
