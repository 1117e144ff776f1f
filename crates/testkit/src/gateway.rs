//! A running gateway process: started on a free port, its output kept, stopped by signal, never left.

/// Finding and building this package's programs.
mod programs;

use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::client::Client;
use crate::process::{self, eventually, eventually_sync};

/// How long a gateway may take to say its address.
pub const START: Duration = Duration::from_secs(20);

/// What to start; made by [`Gateway::builder`].
#[derive(Debug)]
pub struct Builder {
    program: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    clear: bool,
    folder: Option<PathBuf>,
    deadline: Duration,
}

/// A running gateway. Dropping it kills its process group and everything below it.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    pid: u32,
    base: String,
    errors: Collected,
    output: Collected,
    left: Vec<(u32, u64)>,
}

/// Why a gateway did not come up.
#[derive(Debug)]
pub struct StartFault {
    /// What happened.
    pub reason: String,
    /// The exit status, when it ended by itself.
    pub status: Option<ExitStatus>,
    /// All it wrote to its standard error.
    pub stderr: String,
    /// All it wrote to its standard output.
    pub stdout: String,
}

/// How a gateway ended.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// The exit status.
    pub status: ExitStatus,
    /// Time from the signal to the exit.
    pub took: Duration,
}

#[derive(Clone, Debug, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Builder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: &[impl AsRef<OsStr>]) -> Self {
        self.args.extend(args.iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts with no environment but the variables set here and `PATH`.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.clear = true;
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets how long the gateway may take to say its address.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts the gateway and waits for its address; failing to come up fails the test.
    pub async fn start(self) -> Gateway {
        self.try_start().await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Starts the gateway and waits for its address or its end.
    pub async fn try_start(self) -> Result<Gateway, StartFault> {
        let deadline = self.deadline;
        let mut gateway = self.spawn().map_err(|e| StartFault {
            reason: format!("cannot start: {e}"),
            status: None,
            stderr: String::new(),
            stdout: String::new(),
        })?;
        let mut status = None;
        let mut base = None;
        let settled = eventually(deadline, || {
            // Asked before looking for the address, so that all output of an ended process counts.
            status = gateway.child.try_wait().expect("wait for the gateway");
            base = address(&gateway.errors.text());
            base.is_some() || (status.is_some() && gateway.silent())
        });
        if let (true, Some(base)) = (settled.await, base) {
            gateway.base = base;
            return Ok(gateway);
        }
        let reason = status.map_or(format!("no address within {deadline:?}"), |s| format!("ended: {s}"));
        let (stderr, stdout) = (gateway.errors.text(), gateway.output.text());
        Err(StartFault { reason, status, stderr, stdout })
    }

    fn spawn(self) -> io::Result<Gateway> {
        let mut command = Command::new(&self.program);
        if self.clear {
            command.env_clear();
            command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
        }
        let (errors, errors_end) = io::pipe()?;
        let (output, output_end) = io::pipe()?;
        if !names_port(&self.args) {
            // First, because the words of a server's command may follow the last option.
            command.args(["--port", "0"]);
        }
        command.args(&self.args).envs(self.envs);
        command.stdin(Stdio::null()).stdout(output_end).stderr(errors_end);
        command.process_group(0).kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let child = command.spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("ended before it had an id"))?;
        let (errors, output) = (Collected::reading(errors), Collected::reading(output));
        Ok(Gateway { child, pid, base: String::new(), errors, output, left: Vec::new() })
    }
}

impl Gateway {
    /// Prepares to start `program`.
    pub fn builder(program: impl Into<PathBuf>) -> Builder {
        Builder {
            program: program.into(),
            args: Vec::new(),
            envs: Vec::new(),
            clear: false,
            folder: None,
            deadline: START,
        }
    }

    /// Starts `program` with `--port 0` unless a port is among the arguments.
    pub async fn start(program: impl AsRef<Path>, args: &[impl AsRef<OsStr>]) -> Self {
        Self::builder(program.as_ref()).args(args).start().await
    }

    /// `http://HOST:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// The full URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A client of this gateway.
    pub fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Resident memory in KiB; panics when the process is gone.
    pub fn rss_kib(&self) -> u64 {
        process::rss_kib(self.pid).unwrap_or_else(|| panic!("gateway gone: {}", self.stderr()))
    }

    /// All it wrote to its standard error so far.
    pub fn stderr(&self) -> String {
        self.errors.text()
    }

    /// All it wrote to its standard output so far.
    pub fn stdout(&self) -> String {
        self.output.text()
    }

    /// Whether it still runs.
    pub fn running(&self) -> bool {
        process::alive(self.pid)
    }

    /// Sends a signal to the gateway alone.
    pub fn signal(&mut self, signal: Signal) {
        self.remember_descendants();
        if self.child.id().is_some()
            && let Some(pid) = raw(self.pid)
        {
            // Already gone is what the signal wanted.
            let _ = kill_process(pid, signal);
        }
    }

    /// Sends SIGTERM and waits up to `deadline` for the end; still running fails the test.
    pub async fn terminate(&mut self, deadline: Duration) -> Stopped {
        self.signal(Signal::TERM);
        self.wait(deadline).await
    }

    /// Sends SIGKILL to the gateway alone and reaps it; what it started is left to show itself.
    pub async fn kill(&mut self) -> Stopped {
        self.signal(Signal::KILL);
        self.wait(START).await
    }

    /// Waits up to `deadline` for the end; still running fails the test.
    pub async fn wait(&mut self, deadline: Duration) -> Stopped {
        let since = Instant::now();
        let ended = timeout(deadline, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("gateway still runs after {deadline:?}"));
        Stopped { status: status.expect("wait for the gateway"), took: since.elapsed() }
    }

    /// Whether both of its outputs have ended.
    fn silent(&self) -> bool {
        self.errors.closed() && self.output.closed()
    }

    fn remember_descendants(&mut self) {
        for pid in process::descendants(self.pid) {
            self.left.extend(process::stat(pid).map(|s| (pid, s.started)));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- gateway {} wrote ----\n{}", self.pid, self.errors.text());
        }
        self.remember_descendants();
        if self.child.id().is_some()
            && let Some(group) = raw(self.pid)
        {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = eventually_sync(START, || !matches!(self.child.try_wait(), Ok(None)));
        }
        for (pid, started) in std::mem::take(&mut self.left) {
            if process::stat(pid).is_some_and(|s| s.started == started)
                && let Some(pid) = raw(pid)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Collected {
    // A thread rather than a task: a test that blocks its runtime must not block the gateway.
    fn reading(mut pipe: PipeReader) -> Self {
        let collected = Self::default();
        let into = collected.clone();
        thread::spawn(move || {
            let mut part = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = pipe.read(&mut part) {
                into.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&part[..n]);
            }
        });
        collected
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the reader has seen the end, since it then gave up its share.
    fn closed(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl std::fmt::Display for StartFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reason, stderr, stdout, .. } = self;
        write!(f, "gateway: {reason}\n---- stderr ----\n{stderr}\n---- stdout ----\n{stdout}")
    }
}

impl std::error::Error for StartFault {}

/// The path of a program of this package, such as `probe`, `hostile` or `everything`.
///
/// Cargo builds another package's tests without this package's programs, so one that is missing or
/// older than its sources is built first.
pub fn program(name: &str) -> PathBuf {
    programs::path(name)
}

/// `http://HOST:PORT` of the first complete line that names the MCP endpoint.
fn address(stderr: &str) -> Option<String> {
    stderr.split_inclusive('\n').filter(|l| l.ends_with('\n')).find_map(|line| {
        let url = &line[line.find("http://")?..];
        let (authority, rest) = url["http://".len()..].split_once('/')?;
        let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'[' | b']' | b'-');
        let end = rest.strip_prefix("mcp")?.chars().next();
        let fits = authority.bytes().all(bare) && !end.is_some_and(char::is_alphanumeric);
        fits.then(|| format!("http://{authority}"))
    })
}

fn names_port(args: &[OsString]) -> bool {
    let is_port = |a: &str| a == "--port" || a == "-p" || a.starts_with("--port=");
    args.iter().filter_map(|a| a.to_str()).take_while(|a| *a != "--").any(is_port)
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Gateway, address, names_port};
    use crate::process;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn the_address_is_read_from_a_whole_line() {
        let line = "INFO ready url=http://127.0.0.1:4000/mcp servers=1\n";
        assert_eq!(address(line).as_deref(), Some("http://127.0.0.1:4000"));
        assert_eq!(address("x http://[::1]:9/mcp\n").as_deref(), Some("http://[::1]:9"));
        assert_eq!(address("x http://127.0.0.1:40"), None);
        assert_eq!(address("x http://127.0.0.1:4000/mcp"), None);
        assert_eq!(address("http://h:1/mcpx\nhttp://h:1/sse\n"), None);
    }

    #[test]
    fn a_port_after_the_double_dash_belongs_to_the_server() {
        let args = |words: &[&str]| words.iter().map(Into::into).collect::<Vec<_>>();
        assert!(names_port(&args(&["--port=1"])) && names_port(&args(&["-p", "1"])));
        assert!(!names_port(&args(&["--", "cmd", "--port", "1"])));
    }

    // The shell stands in for the gateway; a port among its arguments keeps `--port 0` away.
    fn shell(text: &str) -> super::Builder {
        Gateway::builder("sh").args(&["-c", text, "--port", "0"])
    }

    #[tokio::test]
    async fn a_gateway_is_terminated_and_its_strays_are_killed() {
        let text = "trap 'exit 7' TERM; echo \"$GREETING\" >&2; sleep 60 & \
                    echo up at http://127.0.0.1:9/mcp >&2; wait";
        let mut gateway = shell(text).env("GREETING", "hi").env_clear().start().await;
        assert_eq!(gateway.url("/mcp"), "http://127.0.0.1:9/mcp");
        assert!(gateway.stderr().starts_with("hi\n"), "{}", gateway.stderr());
        assert!(gateway.running() && gateway.rss_kib() > 0);
        let stray = process::children(gateway.pid())[0];
        let stopped = gateway.terminate(SOON).await;
        assert_eq!(stopped.status.code(), Some(7));
        assert!(process::alive(stray), "the script leaves it behind");
        drop(gateway);
        assert!(process::wait_gone(stray, SOON).await);
    }

    #[tokio::test]
    async fn a_gateway_that_ends_at_once_says_why() {
        let fault = shell("echo no such server >&2; exit 2").try_start().await.expect_err("ended");
        assert_eq!(fault.status.and_then(|s| s.code()), Some(2));
        assert_eq!(fault.stderr, "no such server\n");
        let fault = Gateway::builder("echo").arg("x").try_start().await.expect_err("ended");
        assert_eq!(fault.stdout, "--port 0 x\n");
    }
}
