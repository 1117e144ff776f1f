//! Other authors' servers: the words to start them with, or already started and listening.

use super::PeerError;
use super::child::Running;
use super::places;
use super::tour::Step;
use crate::process;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// How long a server may take until it listens.
const DEADLINE: Duration = Duration::from_mins(1);
/// How often another port is tried when somebody took the chosen one first.
const PORTS_TRIED: u32 = 5;

const EVERYTHING: &str = "node/node_modules/@modelcontextprotocol/server-everything/dist/index.js";
const FILESYSTEM: &str = "node/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js";

/// Which of its HTTP faces `server-everything` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMode {
    /// Streamable HTTP at `/mcp`.
    Streamable,
    /// The older HTTP+SSE at `/sse`.
    Sse,
}

/// An SDK that servers of the common catalogue (`peers/README.md`) are made with; each speaks both eras.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Python, `mcp` 2.x.
    Python,
    /// TypeScript, `@modelcontextprotocol/server` 2.x; over HTTP it has no sessions in the handshake era.
    TypeScript,
    /// Python, `fastmcp` 4.x.
    FastMcp,
    /// Rust, `rmcp` 3.x.
    Rmcp,
}

/// A server that listens; killed when dropped.
#[derive(Debug)]
pub struct Served {
    running: Running,
    url: String,
}

/// The reference server with every feature, over stdio.
///
/// # Errors
/// [`PeerError::Missing`] when it is not installed.
pub fn server_everything() -> Result<Vec<String>, PeerError> {
    Ok(words(&[places::node()?, places::installed(EVERYTHING)?, "stdio".into()]))
}

/// The reference server for the files below one folder, over stdio.
///
/// # Errors
/// [`PeerError::Missing`] when it is not installed.
pub fn server_filesystem(folder: &Path) -> Result<Vec<String>, PeerError> {
    Ok(words(&[places::node()?, places::installed(FILESYSTEM)?, folder.to_path_buf()]))
}

/// The reference server for times and time zones, written in Python, over stdio.
///
/// # Errors
/// [`PeerError::Missing`] when it is not installed.
pub fn server_time() -> Result<Vec<String>, PeerError> {
    let program = places::installed("servers-py/bin/mcp-server-time")?;
    Ok(words(&[program, "--local-timezone=UTC".into()]))
}

/// A server of both eras made with the Python SDK 2.x (`peers/python/server.py`), over stdio.
///
/// # Errors
/// [`PeerError::Missing`] when the SDK is not installed.
pub fn server_python() -> Result<Vec<String>, PeerError> {
    Maker::Python.command()
}

/// The folder of servers in guMCP's style, `peers/python/folders`.
#[must_use]
pub fn factory_servers() -> PathBuf {
    places::driver("python/folders")
}

/// An interpreter that has the Python SDK `mcp` in the version that begins so: 1.4, 1.30 or 2.
///
/// # Errors
/// [`PeerError::Missing`] when it is not installed.
pub fn factory_python(version: &str) -> Result<PathBuf, PeerError> {
    places::installed(match version {
        "1.4" => "py1-first/bin/python",
        "1.30" => "py1/bin/python",
        _ => "py2/bin/python",
    })
}

impl Maker {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Python, Self::TypeScript, Self::FastMcp, Self::Rmcp];

    /// The steps of a tour that its servers cannot take, whatever stands before them.
    pub fn lacks(self, modern: bool, over_http: bool) -> Vec<Step> {
        match (self, modern) {
            // Resources cannot be subscribed to with the handshake, and changes not listened to without.
            (Self::Python | Self::FastMcp, false) => vec![Step::Updates],
            (Self::FastMcp, true) => vec![Step::ListChanged, Step::Updates],
            // Every request with the handshake gets an instance of its own.
            (Self::TypeScript, false) if over_http => {
                [&Step::QUESTIONS[..], &[Step::ListChanged, Step::Updates, Step::Cancels]].concat()
            }
            _ => Vec::new(),
        }
    }

    /// The words to start its server with, over stdio.
    ///
    /// # Errors
    /// [`PeerError::Missing`] when the SDK is not installed.
    pub fn command(self) -> Result<Vec<String>, PeerError> {
        let paths = match self {
            Self::Python => places::python_words("py2", "server.py")?,
            Self::FastMcp => places::python_words("fastmcp", "fastmcp_server.py")?,
            Self::TypeScript => {
                let script = places::driver("node/server.mjs");
                vec![places::node()?, script, "--modules".into(), places::node_modules()]
            }
            Self::Rmcp => vec![places::rmcp_program("rmcp_server")?],
        };
        Ok(words(&paths))
    }

    /// The same for a server of 2026-07-28 alone, which refuses the handshake; [`Maker::FastMcp`] has no such thing.
    ///
    /// # Errors
    /// [`PeerError::Missing`] when the SDK is not installed.
    pub fn modern_command(self) -> Result<Vec<String>, PeerError> {
        let mut words = self.command()?;
        words.push("--modern".to_owned());
        Ok(words)
    }
}

impl Served {
    /// Starts a server of the common catalogue over Streamable HTTP on a free port; `words` is what
    /// [`Maker::command`] or [`Maker::modern_command`] gave.
    ///
    /// # Errors
    /// As [`Served::everything`].
    pub async fn catalogue(words: &[String]) -> Result<Self, PeerError> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["--http", "0"]);
        let (running, line) = listens(command, "running on http://").await?;
        let address = line.split_whitespace().find(|word| word.starts_with("http://"));
        let address = address.ok_or_else(|| PeerError::Silent(format!("no address in {line}")))?;
        Ok(Self { running, url: format!("{address}/mcp") })
    }

    /// Starts `server-everything` on a free port.
    ///
    /// # Errors
    /// [`PeerError::Missing`] when it is not installed, [`PeerError::Silent`] when it does not
    /// come to listen.
    pub async fn everything(mode: HttpMode) -> Result<Self, PeerError> {
        let (name, path, listening) = match mode {
            HttpMode::Streamable => ("streamableHttp", "/mcp", "listening on port"),
            HttpMode::Sse => ("sse", "/sse", "running on port"),
        };
        let mut last = PeerError::Silent("no port was tried".to_owned());
        // It takes no port 0, so the port is free only until somebody else asks for one.
        for _ in 0..PORTS_TRIED {
            let port = free_port()?;
            let mut command = Command::new(places::node()?);
            command.arg(places::installed(EVERYTHING)?).arg(name).env("PORT", port.to_string());
            match listens(command, listening).await {
                Ok((running, _)) => {
                    return Ok(Self { running, url: format!("http://127.0.0.1:{port}{path}") });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Starts the server of [`server_python`] over Streamable HTTP on a free port.
    ///
    /// # Errors
    /// As [`Served::everything`].
    pub async fn python() -> Result<Self, PeerError> {
        Self::catalogue(&Maker::Python.command()?).await
    }

    /// Starts a server made with the Python SDK 1.x (`peers/python/ws_server.py`) over WebSocket on a free port.
    ///
    /// # Errors
    /// As [`Served::everything`].
    pub async fn websocket() -> Result<Self, PeerError> {
        Self::socket(&[]).await
    }

    /// The same, encrypted; the certificate of its authority is left in `folder` as `authority.pem`.
    ///
    /// # Errors
    /// As [`Served::everything`].
    pub async fn encrypted_websocket(folder: &Path) -> Result<Self, PeerError> {
        Self::socket(&["--tls".as_ref(), folder.as_os_str()]).await
    }

    async fn socket(words: &[&OsStr]) -> Result<Self, PeerError> {
        let mut command = places::python_script("py1", "ws_server.py")?;
        command.args(words);
        let (running, line) = listens(command, "running on ws").await?;
        let url = line.split_whitespace().find(|word| word.contains("://"));
        let url = url.ok_or_else(|| PeerError::Silent(format!("no address in {line}")))?.to_owned();
        Ok(Self { running, url })
    }

    /// The address to give to a client.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What it wrote to standard error lately.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }
}

/// Starts it and waits for the line of standard error that says so.
async fn listens(command: Command, sign: &str) -> Result<(Running, String), PeerError> {
    let mut running = Running::quiet(command)?;
    let mut found = None;
    let in_time = process::eventually(DEADLINE, || {
        found = running.stderr().lines().find(|line| line.contains(sign)).map(str::to_owned);
        found.is_some() || !running.is_alive()
    });
    let what = if in_time.await { "ended" } else { "not listening" };
    if let Some(line) = found {
        return Ok((running, line));
    }
    running.settle().await;
    Err(PeerError::Silent(format!("a server {what}; stderr:\n{}", running.stderr())))
}

fn free_port() -> Result<u16, PeerError> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    port.map(|address| address.port()).map_err(|error| PeerError::Silent(format!("find a port: {error}")))
}

fn words(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}
