//! Where the tests of faults begin: a gateway in front of a program, and what is asked of both.

use std::fs;
use std::time::Duration;

use janua_testkit::client::Answer;
use janua_testkit::client::message::quoted;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{self, eventually, eventually_with};
use serde_json::Value;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The revision the tests speak.
pub(crate) const VERSION: &str = "2025-11-25";
/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A mebibyte in the unit of [`peak`].
pub(crate) const MIB: u64 = 1024;

/// A gateway with these options in front of `hostile` in this mode; both are words between blanks.
pub(crate) async fn hostile(options: &str, mode: &str) -> Gateway {
    testkit(options, "hostile", mode).await
}

/// A gateway with these options in front of `probe`.
pub(crate) async fn probe(options: &str) -> Gateway {
    testkit(options, "probe", "").await
}

async fn testkit(options: &str, name: &str, words: &str) -> Gateway {
    let program = program(name);
    let mut command = vec![program.to_str().expect("a path that is text")];
    command.extend(words.split_whitespace());
    command_line(options, &command).await
}

/// A gateway with these options in front of any command.
pub(crate) async fn command_line(options: &str, command: &[&str]) -> Gateway {
    let mut words: Vec<&str> = options.split_whitespace().collect();
    words.push("--");
    words.extend_from_slice(command);
    Gateway::start(JANUA, &words).await
}

/// A new session.
pub(crate) async fn open(gateway: &Gateway) -> Session {
    let client = gateway.client().deadline(SOON);
    client.initialize(VERSION, "{}").await
}

/// The answer to an attempt to open a session.
pub(crate) async fn try_open(gateway: &Gateway) -> Reply {
    let client = gateway.client().deadline(SOON);
    client.try_initialize(VERSION, "{}").await
}

/// Calls `echo` and holds the server to it.
pub(crate) async fn echo(session: &Session, text: &str) {
    let reply = session.call("echo", &arguments(text)).await;
    assert_eq!(reply.text(), text);
}

/// The arguments of `echo`.
pub(crate) fn arguments(text: &str) -> String {
    format!(r#"{{"text":{}}}"#, quoted(text))
}

/// Opens a session and has several calls answered.
pub(crate) async fn serves(gateway: &Gateway) {
    let session = open(gateway).await;
    for number in 0..5 {
        echo(&session, &format!("text {number}")).await;
    }
}

/// The stable code of the failure in an answer; anything else fails the test.
pub(crate) fn failure(reply: &Reply) -> String {
    let message = reply.response();
    let code = message.at("/error/data/code").as_str();
    code.unwrap_or_else(|| panic!("not a failure of the gateway: {}", message.raw())).to_owned()
}

/// The sentence of the error in an answer.
pub(crate) fn reason(reply: &Reply) -> String {
    reply.response().at("/error/message").as_str().unwrap_or_default().to_owned()
}

/// The text result of a tool without arguments, which is JSON.
pub(crate) async fn told(session: &Session, tool: &str) -> Value {
    let reply = session.call(tool, "{}").await;
    serde_json::from_str(reply.text()).expect("the tool's text is JSON")
}

/// The lines that have reached `probe`, its own call for them included: `method#id`.
pub(crate) async fn seen(session: &Session) -> Vec<String> {
    let info = told(session, "info").await;
    let lines = info["seen"].as_array().expect("a list of lines");
    lines.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The process id of the session's server.
pub(crate) async fn server_pid(session: &Session) -> u32 {
    pids(session).await[0]
}

/// The process ids of a `hostile` server and of all it says it has started, itself first.
pub(crate) async fn pids(session: &Session) -> Vec<u32> {
    let told = told(session, "pid").await;
    let more = told["descendants"].as_array().into_iter().flatten();
    let all = [&told["pid"]].into_iter().chain(more);
    all.filter_map(Value::as_u64).filter_map(|pid| u32::try_from(pid).ok()).collect()
}

/// The processes under a gateway but the guardian.
pub(crate) fn below(gateway: &Gateway) -> Vec<u32> {
    let guardian = |pid: &u32| process::cmdline(*pid).iter().any(|word| word == "--janua-guardian");
    let mut all = process::descendants(gateway.pid());
    all.retain(|pid| !guardian(pid));
    all
}

/// Waits until none of these processes runs any more.
pub(crate) async fn all_gone(pids: &[u32], deadline: Duration) {
    let left = || pids.iter().copied().filter(|pid| process::alive(*pid)).collect::<Vec<_>>();
    let gone = eventually(deadline, || left().is_empty()).await;
    assert!(gone, "{:?} of {pids:?} live after {deadline:?}", left());
}

/// The most memory a gateway ever had resident, in KiB.
pub(crate) fn peak(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("the gateway lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number of KiB")
}

/// Holds a gateway to not having grown by more than `limit` KiB since its peak was `before`.
pub(crate) fn assert_growth(gateway: &Gateway, before: u64, limit: u64) {
    let grown = peak(gateway).saturating_sub(before);
    assert!(grown <= limit, "grew by {grown} KiB, more than {limit}");
}

/// The answer of `/health`.
pub(crate) async fn health(gateway: &Gateway) -> Value {
    let answer = gateway.client().get("/health", &[]).await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// How many sessions the gateway has.
pub(crate) async fn sessions(gateway: &Gateway) -> u64 {
    health(gateway).await["active_sessions"].as_u64().expect("a count")
}

/// Whether the gateway counts no session any more, at once or soon: a server is seen to be gone before its session is.
pub(crate) async fn no_sessions(gateway: &Gateway) -> bool {
    eventually_with(SOON, || async { sessions(gateway).await == 0 }).await
}

/// Holds an answer to being a refusal with a JSON-RPC error in it.
pub(crate) fn assert_refused(answer: &Answer, what: &str) {
    assert!(answer.status.is_client_error(), "{what}: {} {}", answer.status, answer.text());
    let message = answer.message();
    assert!(message.error_code().is_some() && message.at("/jsonrpc") == "2.0", "{what}: {}", answer.text());
    assert!(!message.at("/error/message").as_str().unwrap_or_default().is_empty(), "{what}: {}", answer.text());
}

/// Holds the server to having got nothing but the opening of its session and the question for what it got.
pub(crate) async fn assert_nothing_passed(session: &Session) {
    let seen = seen(session).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[1], "notifications/initialized", "{seen:?}");
}
