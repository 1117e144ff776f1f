//! Other authors' MCP clients, driven command by command, and other authors' servers.

mod child;
mod error;
mod mcpo;
mod places;
mod served;
mod tools;
mod tour;

pub use error::{PeerError, Refusal};
pub use mcpo::{Mcpo, forms};
pub use places::package;
pub use served::{
    HttpMode, Maker, Served, factory_python, factory_servers, server_everything, server_filesystem, server_python,
    server_time,
};
pub use tools::{Ran, browser, openapi_client, schemathesis, valid_openapi};
pub use tour::{Step, Tripped, text, tour};

use child::Running;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a command may take when nothing else is said.
const DEADLINE: Duration = Duration::from_mins(1);
/// How much of one line the transcript of an error shows, in characters.
const SHOWN: usize = 2000;

/// A client library by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sdk {
    /// Python, `mcp` 1.x: the handshake era only.
    Python1,
    /// Python, `mcp` 2.x: both eras.
    Python2,
    /// TypeScript, `@modelcontextprotocol/sdk` 1.x: the handshake era only.
    TypeScript1,
    /// TypeScript, `@modelcontextprotocol/client` 2.x: both eras.
    TypeScript2,
    /// Rust, `rmcp` 3.x: both eras, no older SSE transport.
    Rmcp,
}

/// Where a client connects to.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Streamable HTTP at this address.
    Http(String),
    /// The older HTTP+SSE at this address.
    Sse(String),
    /// WebSocket at this address.
    Ws(String),
    /// A server the client starts itself: program and arguments.
    Stdio(Vec<String>),
}

/// Which lifecycle a client uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Era {
    /// The `initialize` handshake of revisions up to 2025-11-25.
    #[default]
    Legacy,
    /// Ask with `server/discover`, and shake hands with a server that does not know it.
    Auto,
    /// Revision 2026-07-28 and nothing else.
    Modern,
}

/// What a client is started with besides its transport.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The lifecycle; [`Sdk::Python1`] and [`Sdk::TypeScript1`] have the first only.
    pub era: Era,
    /// Headers sent with every HTTP request.
    pub headers: Vec<(String, String)>,
}

/// A client process; it and everything it started are killed when this is dropped.
#[derive(Debug)]
pub struct Peer {
    sdk: Sdk,
    running: Running,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    transcript: Vec<String>,
    broken: bool,
}

impl Sdk {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Python1, Self::Python2, Self::TypeScript1, Self::TypeScript2, Self::Rmcp];

    /// Whether it has a client of the older HTTP+SSE transport.
    pub fn has_sse(self) -> bool {
        self != Self::Rmcp
    }

    /// Whether it has a client over WebSocket.
    pub fn has_ws(self) -> bool {
        matches!(self, Self::Python1 | Self::TypeScript1)
    }

    /// Whether it can speak revision 2026-07-28.
    pub fn is_modern(self) -> bool {
        matches!(self, Self::Python2 | Self::TypeScript2 | Self::Rmcp)
    }

    fn command(self) -> Result<Command, PeerError> {
        let mut command = match self {
            Self::Python1 => places::python_script("py1", "client.py")?,
            Self::Python2 => places::python_script("py2", "client.py")?,
            Self::TypeScript1 => places::node_script("client-1.mjs")?,
            Self::TypeScript2 => places::node_script("client-2.mjs")?,
            Self::Rmcp => Command::new(places::rmcp_program("rmcp_client")?),
        };
        if matches!(self, Self::TypeScript1 | Self::TypeScript2) {
            command.arg("--modules").arg(places::node_modules());
        }
        Ok(command)
    }
}

impl Transport {
    fn arguments(&self) -> Vec<String> {
        let words: Vec<&str> = match self {
            Self::Http(url) => vec!["--transport", "http", "--url", url],
            Self::Sse(url) => vec!["--transport", "sse", "--url", url],
            Self::Ws(url) => vec!["--transport", "ws", "--url", url],
            Self::Stdio(argv) => {
                let mut words = vec!["--transport", "stdio", "--"];
                words.extend(argv.iter().map(String::as_str));
                words
            }
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

impl Peer {
    /// Starts a client of the handshake era; it connects on the command `connect`.
    ///
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`PeerError::Missing`] when the packages are not installed.
    pub fn start(sdk: Sdk, transport: &Transport) -> Result<Self, PeerError> {
        Self::start_with(sdk, transport, &Options::default())
    }

    /// [`Peer::start`] with more to say.
    ///
    /// # Errors
    /// [`PeerError::Missing`] when the packages are not installed.
    pub fn start_with(sdk: Sdk, transport: &Transport, options: &Options) -> Result<Self, PeerError> {
        let mut command = sdk.command()?;
        let era = match options.era {
            Era::Legacy => "legacy",
            Era::Auto => "auto",
            Era::Modern => "modern",
        };
        command.args(["--era", era]);
        for (name, value) in &options.headers {
            command.arg("--header").arg(format!("{name}: {value}"));
        }
        command.args(transport.arguments());
        let (running, commands, answers) = Running::piped(command)?;
        let answers = BufReader::new(answers).lines();
        Ok(Self { sdk, running, commands, answers, transcript: Vec::new(), broken: false })
    }

    /// Connects with every capability and the newest revision of the era, and says with whom.
    ///
    /// # Errors
    /// As [`Peer::op`].
    pub async fn connect(&mut self) -> Result<Value, PeerError> {
        self.op(json!({"op": "connect"})).await
    }

    /// Calls a tool and waits for its result.
    ///
    /// # Errors
    /// As [`Peer::op`]; a result with `isError` is not one.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, PeerError> {
        self.op(json!({"op": "call", "name": tool, "arguments": arguments})).await
    }

    /// Everything received without asking since the last time, oldest first.
    ///
    /// # Errors
    /// As [`Peer::op`].
    pub async fn events(&mut self) -> Result<Vec<Value>, PeerError> {
        let events = self.op(json!({"op": "events"})).await?;
        Ok(events.as_array().cloned().unwrap_or_default())
    }

    /// Waits for a notification or request of this method and takes it from the events.
    ///
    /// # Errors
    /// [`PeerError::Refused`] when none came within 30 s; else as [`Peer::op`].
    pub async fn event(&mut self, method: &str) -> Result<Value, PeerError> {
        self.op(json!({"op": "wait_event", "method": method})).await
    }

    /// Gives one command and returns the value of its answer; 60 s at most.
    ///
    /// The commands are listed in `peers/README.md`.
    ///
    /// # Errors
    /// [`PeerError::Refused`] when the client or the server said no, [`PeerError::Silent`] when no
    /// answer came; after the latter the client is of no more use.
    pub async fn op(&mut self, command: Value) -> Result<Value, PeerError> {
        self.op_within(command, DEADLINE).await
    }

    /// [`Peer::op`] with a deadline of its own.
    ///
    /// # Errors
    /// As [`Peer::op`].
    pub async fn op_within(&mut self, command: Value, deadline: Duration) -> Result<Value, PeerError> {
        if self.broken {
            return Err(self.silent(&command, "a command before this one was not answered").await);
        }
        // A wait given up half-way leaves an answer in the pipe that the next command would take.
        self.broken = true;
        let line = command.to_string();
        self.transcript.push(format!("> {}", shown(&line)));
        let since = Instant::now();
        let answer = match timeout(deadline, self.exchange(&line)).await {
            Err(_) => return Err(self.silent(&command, &format!("no answer within {deadline:?}")).await),
            Ok(Err(what)) => return Err(self.silent(&command, &what).await),
            Ok(Ok(answer)) => answer,
        };
        self.broken = false;
        self.transcript.push(format!("< {} ms {}", since.elapsed().as_millis(), shown(&answer)));
        match serde_json::from_str::<Value>(&answer) {
            Ok(mut answer) if answer["ok"] == true => Ok(answer["value"].take()),
            Ok(mut answer) => Err(PeerError::refused(self.sdk, &shown(&line), answer["error"].take())),
            Err(error) => {
                self.broken = true;
                Err(self.silent(&command, &format!("an answer that is not JSON: {error}")).await)
            }
        }
    }

    /// Ends the session as the SDK does it, and the process with it.
    ///
    /// # Errors
    /// As [`Peer::op`].
    pub async fn close(mut self) -> Result<(), PeerError> {
        let command = json!({"op": "close"});
        self.op(command.clone()).await?;
        match timeout(DEADLINE, self.running.ended()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.silent(&command, "still running after it closed the connection").await),
        }
    }

    /// The process id of the driver, whose child a stdio server is.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What the driver and the servers it started wrote to standard error lately.
    pub fn stderr(&self) -> String {
        self.running.stderr()
    }

    async fn exchange(&mut self, line: &str) -> Result<String, String> {
        let wrote = self.commands.write_all(format!("{line}\n").as_bytes()).await;
        wrote.map_err(|error| format!("the driver takes no commands: {error}"))?;
        match self.answers.next_line().await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err("the driver ended".to_owned()),
            Err(error) => Err(format!("read an answer: {error}")),
        }
    }

    async fn silent(&mut self, during: &Value, what: &str) -> PeerError {
        self.running.settle().await;
        PeerError::Silent(format!(
            "{:?}: {what}, at {}\n--- transcript\n{}\n--- stderr\n{}",
            self.sdk,
            shown(&during.to_string()),
            self.transcript.join("\n"),
            self.running.stderr()
        ))
    }
}

fn shown(line: &str) -> String {
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}
