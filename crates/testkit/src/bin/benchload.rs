//! Starts a program that serves MCP over HTTP, loads it, and prints what that cost it as JSON.
//!
//! `benchload [OPTIONS] -- COMMAND...`. The program says on stderr where it listens. Its CPU time
//! and memory are read from `/proc`; children of its own are not counted.

#![expect(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measuring program, not the product; its figures are for people"
)]

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

/// Longest wait for the program's address, for one answer, and for its end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Load before the count begins, and rest before idle memory is read.
const WARM: Duration = Duration::from_millis(500);
/// How soon a refused client comes again: four times as soon as it is asked to.
const SOONER: Duration = Duration::from_millis(250);
/// Linux reports CPU time in hundredths of a second.
const TICK_US: u64 = 10_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Echo,
    Big,
    List,
    Notify,
}

struct Options {
    operation: Operation,
    /// Bytes of a text, number of notifications, least number of tools.
    size: usize,
    concurrency: usize,
    sessions: usize,
    seconds: f64,
    /// Afterwards as many times the concurrency, to see what is left of the rate.
    overload: usize,
    command: Vec<String>,
}

/// The program under load.
struct Program {
    child: Child,
    pid: u32,
    address: String,
}

/// One kept-alive connection.
struct Client {
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

/// The program has too much to do, and says so.
#[derive(Debug)]
struct Refused(http::StatusCode);

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused with {}", self.0)
    }
}

/// What the workers share.
struct Load {
    address: String,
    sessions: Vec<String>,
    operation: Operation,
    size: usize,
    counting: Cell<bool>,
    stop: Cell<bool>,
    next: Cell<u64>,
    tally: RefCell<Tally>,
}

#[derive(Default)]
struct Tally {
    micros: Vec<u64>,
    /// How long it took to be told that there is too much to do.
    refusals: Vec<u64>,
    notifications: u64,
    errors: u64,
    first_error: Option<String>,
}

fn main() -> Result<()> {
    let options = parse(std::env::args().skip(1))?;
    more_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", LocalSet::new().block_on(&runtime, measure(&options))?);
    Ok(())
}

/// Connections take up descriptors, here and in the program, which may have as many as this process.
fn more_files() -> Result<()> {
    let most = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: most.maximum, ..most }).context("allow more open files")
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options {
        operation: Operation::Echo,
        size: 16,
        concurrency: 1,
        sessions: 1,
        seconds: 0.0,
        overload: 0,
        command: Vec::new(),
    };
    while let Some(arg) = args.next() {
        if arg == "--" {
            options.command = args.by_ref().collect();
            break;
        }
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--operation" => {
                options.operation = match value.as_str() {
                    "echo" => Operation::Echo,
                    "big" => Operation::Big,
                    "list" => Operation::List,
                    "notify" => Operation::Notify,
                    _ => bail!("no operation {value}"),
                }
            }
            "--size" => options.size = value.parse()?,
            "--concurrency" => options.concurrency = value.parse()?,
            "--sessions" => options.sessions = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--overload" => options.overload = value.parse()?,
            _ => bail!("unknown option {arg}"),
        }
    }
    ensure!(!options.command.is_empty(), "usage: benchload [OPTIONS] -- COMMAND...");
    ensure!(options.sessions > 0 && options.concurrency > 0, "at least one of each");
    Ok(options)
}

async fn measure(options: &Options) -> Result<Value> {
    let began = Instant::now();
    let mut program = Program::start(&options.command).await?;
    let result = drive(options, &program, began).await;
    program.stop().await?;
    result
}

async fn drive(options: &Options, program: &Program, began: Instant) -> Result<Value> {
    let mut client = Client::connect(&program.address).await?;
    let mut sessions = vec![client.open().await?];
    client.call(&sessions[0], Operation::Echo, 16, 1).await.context("the first call")?;
    let startup_ms = began.elapsed().as_secs_f64() * 1e3;
    let mut report = json!({ "startup_ms": startup_ms, "rss_kb": program.memory("VmRSS:")? });
    if options.sessions > 1 {
        sleep(WARM).await;
        let before = program.memory("VmRSS:")?;
        let opening = Instant::now();
        for at in 1..options.sessions {
            let session = client.open().await?;
            client.call(&session, Operation::Echo, 16, 1000 + at as u64).await?;
            sessions.push(session);
        }
        report["opened_per_s"] = json!((options.sessions - 1) as f64 / opening.elapsed().as_secs_f64());
        sleep(WARM).await;
        let grown = program.memory("VmRSS:")?.saturating_sub(before);
        report["session_kb"] = json!(grown as f64 / (options.sessions - 1) as f64);
    }
    if options.seconds > 0.0 {
        load(options, program, sessions.clone(), &mut report).await?;
    }
    if options.overload > 0 {
        overload(options, program, sessions, &mut report).await?;
    }
    report["peak_kb"] = json!(program.memory("VmHWM:")?);
    Ok(report)
}

/// The same load many times over: how much of the rate is left, and how soon those that get nothing are told.
async fn overload(options: &Options, program: &Program, sessions: Vec<String>, report: &mut Value) -> Result<()> {
    let many = Options { concurrency: options.concurrency * options.overload, command: Vec::new(), ..*options };
    let mut crowded = json!({});
    load(&many, program, sessions, &mut crowded).await?;
    let rate = |report: &Value| report["per_s"].as_f64().unwrap_or(f64::NAN);
    report["goodput"] = json!(rate(&crowded) / rate(report));
    report["refusals_per_s"] = crowded["refusals_per_s"].clone();
    report["refusal_p99_us"] = crowded["refusal_p99_us"].clone();
    report["errors"] = json!(report["errors"].as_u64().unwrap_or(0) + crowded["errors"].as_u64().unwrap_or(0));
    if report["first_error"].is_null() {
        report["first_error"] = crowded["first_error"].clone();
    }
    Ok(())
}

/// Keeps the wanted number of calls in flight and counts between two readings of the CPU clock.
async fn load(options: &Options, program: &Program, sessions: Vec<String>, report: &mut Value) -> Result<()> {
    let load = Rc::new(Load {
        address: program.address.clone(),
        sessions,
        operation: options.operation,
        size: options.size,
        counting: Cell::new(false),
        stop: Cell::new(false),
        next: Cell::new(1_000_000),
        tally: RefCell::default(),
    });
    let workers: Vec<_> =
        (0..options.concurrency).map(|at| tokio::task::spawn_local(work(Rc::clone(&load), at))).collect();
    sleep(WARM).await;
    load.counting.set(true);
    let (began, cpu) = (Instant::now(), program.cpu_us()?);
    sleep(Duration::from_secs_f64(options.seconds)).await;
    let (seconds, cpu_us) = (began.elapsed().as_secs_f64(), program.cpu_us()? - cpu);
    load.counting.set(false);
    load.stop.set(true);
    for worker in workers {
        timeout(PATIENCE, worker).await.context("a call does not end")??;
    }
    let mut tally = load.tally.take();
    tally.micros.sort_unstable();
    let calls = tally.micros.len();
    ensure!(calls > 0, "no call succeeded: {}", tally.first_error.unwrap_or_default());
    report["calls"] = json!(calls);
    report["per_s"] = json!(calls as f64 / seconds);
    report["cpu_us"] = json!(cpu_us as f64 / calls as f64);
    report["p50_us"] = json!(tally.micros[calls / 2]);
    report["p99_us"] = json!(tally.micros[calls * 99 / 100]);
    report["notifications_each"] = json!(tally.notifications as f64 / calls as f64);
    tally.refusals.sort_unstable();
    let refusals = tally.refusals.len();
    report["refusals_per_s"] = json!(refusals as f64 / seconds);
    report["refusal_p99_us"] = json!(tally.refusals.get(refusals * 99 / 100).copied().unwrap_or_default());
    report["errors"] = json!(tally.errors);
    report["first_error"] = json!(tally.first_error);
    Ok(())
}

/// One worker: a connection of its own, call after call.
async fn work(load: Rc<Load>, at: usize) {
    let session = &load.sessions[at % load.sessions.len()];
    let mut client = None;
    while !load.stop.get() {
        let id = load.next.get();
        load.next.set(id + 1);
        let began = Instant::now();
        let done = once(&load, &mut client, session, id).await;
        let refused = done.as_ref().is_err_and(anyhow::Error::is::<Refused>);
        let failed = done.is_err();
        load.record(done, began);
        if refused {
            sleep(SOONER).await;
        } else if failed {
            client = None;
            // Not faster than a client that thinks for a moment.
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Load {
    fn record(&self, done: Result<u64>, began: Instant) {
        let mut tally = self.tally.borrow_mut();
        match done {
            Ok(notifications) if self.counting.get() => {
                let micros = began.elapsed().as_micros();
                tally.micros.push(u64::try_from(micros).unwrap_or(u64::MAX));
                tally.notifications += notifications;
            }
            Ok(_) => {}
            Err(error) if error.is::<Refused>() => {
                if self.counting.get() {
                    tally.refusals.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
            }
            Err(error) => {
                tally.errors += 1;
                tally.first_error.get_or_insert(format!("{error:#}"));
            }
        }
    }
}

async fn once(load: &Load, client: &mut Option<Client>, session: &str, id: u64) -> Result<u64> {
    if client.is_none() {
        *client = Some(Client::connect(&load.address).await?);
    }
    let client = client.as_mut().context("no connection")?;
    timeout(PATIENCE, client.call(session, load.operation, load.size, id)).await.context("no answer in time")?
}

impl Program {
    async fn start(command: &[String]) -> Result<Self> {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", command[0]))?;
        let pid = child.id().context("the program has ended")?;
        let stderr = child.stderr.take().context("the program has no stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let found = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = address(&line) {
                    return Ok(address);
                }
                let _ = writeln!(said, "{line}");
            }
            bail!("it ended without an address")
        });
        let address = found.await.context("no address in time")?.with_context(|| said.clone())?;
        // Whatever else it has to say must not hold it up.
        tokio::task::spawn_local(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, pid, address })
    }

    async fn stop(&mut self) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::TERM).context("stop the program")?;
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await.context("kill the program")?;
            bail!("the program did not stop within {PATIENCE:?}");
        }
        Ok(())
    }

    /// User and system time of the process, all its threads, in microseconds.
    fn cpu_us(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        cpu_ticks(&stat).map(|ticks| ticks * TICK_US).context("read /proc/PID/stat")
    }

    /// A line of `/proc/PID/status`, in kilobytes.
    fn memory(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.with_context(|| format!("no {name} in /proc/PID/status"))
    }
}

/// The 14th and 15th field, counted after the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn address(line: &str) -> Option<String> {
    let rest = &line[line.find("http://127.0.0.1:")? + "http://".len()..];
    Some(rest[..rest.find("/mcp")?].to_owned())
}

impl Client {
    async fn connect(address: &str) -> Result<Self> {
        let socket = TcpStream::connect(address).await.context("connect")?;
        socket.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        tokio::task::spawn_local(connection);
        Ok(Self { address: address.to_owned(), sender })
    }

    /// Sends one message; gives back the session id of the answer's headers, its kind and body.
    async fn post(&mut self, session: &str, message: String) -> Result<(String, bool, Bytes)> {
        let mut request = http::Request::post("/mcp")
            .header("host", &self.address)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if !session.is_empty() {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
        }
        self.sender.ready().await.context("the connection was closed")?;
        let response = self.sender.send_request(request.body(Full::from(message))?).await.context("send")?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        let (id, streamed) = (header("mcp-session-id"), header("content-type").starts_with("text/event-stream"));
        let body = response.into_body().collect().await.context("read the answer")?.to_bytes();
        if [http::StatusCode::TOO_MANY_REQUESTS, http::StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
            bail!(Refused(status));
        }
        ensure!(status.is_success(), "{status}: {}", start(&body));
        Ok((id, streamed, body))
    }

    /// Opens a session as a client of revision 2025-11-25 and gives back its id.
    async fn open(&mut self) -> Result<String> {
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "benchload", "version": "1"}}});
        let (session, streamed, body) = self.post("", hello.to_string()).await.context("initialize")?;
        judge(&body, streamed, 0, "", 0).context("initialize")?;
        ensure!(!session.is_empty(), "initialize gave no session");
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post(&session, ready.to_string()).await.context("notifications/initialized")?;
        Ok(session)
    }

    /// One call and the check of its answer; gives back how many notifications came with it.
    async fn call(&mut self, session: &str, operation: Operation, size: usize, id: u64) -> Result<u64> {
        let (message, mark, least) = match operation {
            Operation::Echo => {
                let text = format!("call-{id}-{}", "x".repeat(size.saturating_sub(16)));
                (tool(id, "echo", &format!("\"text\":\"{text}\"")), format!("call-{id}-"), size)
            }
            Operation::Big => (tool(id, "big", &format!("\"bytes\":{size}")), String::new(), size),
            Operation::Notify => (tool(id, "notify", &format!("\"count\":{size}")), "done".to_owned(), 0),
            Operation::List => {
                let message = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/list\"}}");
                // A tool takes more than a hundred bytes.
                (message, "\"echo\"".to_owned(), size * 100)
            }
        };
        let (_, streamed, body) = self.post(session, message).await?;
        judge(&body, streamed, id, &mark, least)
    }
}

fn tool(id: u64, name: &str, arguments: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\",\
         \"arguments\":{{{arguments}}},\"_meta\":{{\"progressToken\":{id}}}}}}}"
    )
}

/// Checks that the last message is a result under this id, with the mark near its start and of at
/// least that length; counts the notifications before it.
fn judge(body: &[u8], streamed: bool, id: u64, mark: &str, at_least: usize) -> Result<u64> {
    let body = std::str::from_utf8(body).context("the answer is not text")?;
    let messages: Vec<&str> = if streamed {
        let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(str::trim).filter(|data| !data.is_empty()).collect()
    } else {
        vec![body]
    };
    let (last, before) = messages.split_last().context("an empty answer")?;
    for message in before {
        ensure!(message.contains("\"method\""), "not a notification: {}", start(message.as_bytes()));
    }
    let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(last).context("the answer is not JSON")?;
    let got = fields.get("id").map_or("none", |id| id.get());
    ensure!(got == id.to_string(), "the answer is for {got}, not {id}");
    let result = fields.get("result").map_or("", |result| result.get());
    ensure!(!result.is_empty(), "no result: {}", start(last.as_bytes()));
    ensure!(result.len() >= at_least, "{} bytes where {at_least} were asked for", result.len());
    let head = result.get(..result.len().min(4096)).unwrap_or(result);
    ensure!(head.contains(mark), "another call's answer: {}", start(result.as_bytes()));
    Ok(before.len() as u64)
}

fn start(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"text":"call-7-x"}}"#;

    #[test]
    fn a_right_answer_passes_in_both_forms() {
        assert_eq!(judge(GOOD.as_bytes(), false, 7, "call-7-", 10).ok(), Some(0));
        let progress = r#"{"method":"notifications/progress"}"#;
        let stream = format!(": hi\nid: 1\ndata:\n\nevent: message\ndata: {progress}\n\ndata: {GOOD}\n\n");
        assert_eq!(judge(stream.as_bytes(), true, 7, "call-7-", 10).ok(), Some(1));
    }

    #[test]
    fn wrong_answers_do_not() {
        for (body, id, mark, least) in [
            (GOOD, 8, "", 0),
            (GOOD, 7, "call-8-", 0),
            (GOOD, 7, "", 1000),
            (r#"{"id":7,"error":{"code":1}}"#, 7, "", 0),
            ("", 7, "", 0),
            ("nothing", 7, "", 0),
        ] {
            assert!(judge(body.as_bytes(), false, id, mark, least).is_err(), "{body} {id} {mark} {least}");
        }
        assert!(judge(b": only a comment\n\n", true, 7, "", 0).is_err());
    }

    #[test]
    fn processes_may_have_any_name() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 1";
        assert_eq!(cpu_ticks(stat), Some(42));
    }

    #[test]
    fn the_address_is_found_in_a_line_of_log() {
        assert_eq!(address("INFO url=http://127.0.0.1:81/mcp x").as_deref(), Some("127.0.0.1:81"));
        assert_eq!(address("INFO starting"), None);
    }
}
