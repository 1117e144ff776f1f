//! The modes of `hostile` that start badly, die, hang, or leave others behind.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use janua_testkit::process::{alive, eventually_sync, stat, wait_gone_sync};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::drive::{DEADLINE, Driven, Leftover, WATCH, ignores_term, text_of};
use crate::hostile_output;

/// Makes a test of each named function and a list of the names.
macro_rules! modes {
    ($($name:ident)*) => {
        mod mode {
            $(#[test] fn $name() { super::$name(); })*
        }
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

modes! {
    plain exit_at_start slow_start refuse_initialize never_initialize crash exit_zero exit_idle
    swallow late progress_forever stop deaf full_duplex grandchild daemon stubborn launcher
    env_canary
}

pub(crate) fn hostile(words: &[&str]) -> Driven {
    Driven::start(env!("CARGO_BIN_EXE_hostile"), words)
}

#[test]
fn every_listed_mode_has_a_test() {
    let mut server = hostile(&["--list"]);
    let listed = String::from_utf8(server.rest()).expect("text");
    let names: BTreeSet<String> =
        listed.lines().map(|line| line.split_once('\t').expect("a name and a sentence").0.replace('-', "_")).collect();
    let tested = TESTED.iter().chain(hostile_output::TESTED).map(|name| (*name).to_owned());
    assert_eq!(names, tested.collect());
}

#[test]
fn an_unknown_mode_is_a_usage_error() {
    assert_eq!(hostile(&["no-such-mode"]).status().code(), Some(64));
    assert_eq!(hostile(&[]).status().code(), Some(64));
}

fn plain() {
    let mut server = hostile(&["plain"]);
    let greeting = server.initialize();
    assert_eq!(greeting["result"]["protocolVersion"], "2025-06-18");
    let id = server.request("tools/list", &json!({}));
    let tools = server.answer(id)["result"]["tools"].clone();
    let names: Vec<&Value> = tools.as_array().expect("a list").iter().map(|t| &t["name"]).collect();
    assert_eq!(names, ["echo", "pid", "env", "act"]);
    let pids: Value = serde_json::from_str(&server.call("pid", &json!({}))).expect("JSON");
    assert_eq!(pids["pid"], server.pid());
    assert_eq!(pids["parent"], std::process::id());
    assert_eq!(pids["descendants"], json!([]));
    assert_eq!(server.call("act", &json!({})), "acted");
    let id = server.begin("no-such-tool", &json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32602);
    let id = server.request("no/method", &json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32601);
    let id = server.request("ping", &json!({}));
    assert_eq!(server.answer(id)["result"], json!({}));
    server.check_alive();
    assert!(server.finish().is_empty());
}

fn exit_at_start() {
    let mut server = hostile(&["exit-at-start", "7", "no luck today"]);
    assert!(server.rest().is_empty());
    assert_eq!(server.status().code(), Some(7));
    let stderr = Arc::clone(&server.stderr);
    let said = || stderr.lock().expect("nobody panics with it").as_slice() == b"no luck today\n";
    assert!(eventually_sync(DEADLINE, said));
}

fn slow_start() {
    let began = Instant::now();
    let mut server = hostile(&["slow-start", "0.7"]);
    server.initialize();
    assert!(began.elapsed() >= Duration::from_millis(700));
    server.check_alive();
}

fn refuse_initialize() {
    let mut server = hostile(&["refuse-initialize"]);
    assert_eq!(server.initialize()["error"]["code"], -32603);
    server.check_alive();
}

fn never_initialize() {
    let mut server = hostile(&["never-initialize"]);
    server.request("initialize", &json!({"protocolVersion": "2025-06-18"}));
    server.check_alive();
    assert!(server.skipped.is_empty());
    assert!(server.finish().is_empty());
}

fn crash() {
    let cases: [(&[&str], Option<i32>, Option<i32>); 5] = [
        (&["crash"], Some(3), None),
        (&["crash", "exit", "9"], Some(9), None),
        (&["crash", "abort"], None, Some(Signal::ABORT.as_raw())),
        (&["crash", "segv"], None, Some(Signal::SEGV.as_raw())),
        (&["crash", "kill"], None, Some(Signal::KILL.as_raw())),
    ];
    for (words, code, signal) in cases {
        let mut server = hostile(words);
        server.initialize();
        server.check_alive();
        server.begin("act", &json!({}));
        assert!(server.rest().is_empty(), "{words:?} is unanswered");
        let status = server.status();
        assert_eq!((status.code(), status.signal()), (code, signal), "{words:?}");
    }
}

fn exit_zero() {
    let mut server = hostile(&["exit-zero"]);
    server.initialize();
    server.check_alive();
    server.begin("exit-zero", &json!({}));
    assert!(server.rest().is_empty());
    assert_eq!(server.status().code(), Some(0));
}

fn exit_idle() {
    let mut server = hostile(&["exit-idle", "20"]);
    server.initialize();
    assert!(server.rest().is_empty());
    assert_eq!(server.status().code(), Some(0));
}

fn swallow() {
    let mut server = hostile(&["swallow"]);
    server.initialize();
    server.begin("swallow", &json!({}));
    server.begin("act", &json!({}));
    server.check_alive();
    assert!(server.skipped.is_empty());
    assert!(server.finish().is_empty());
}

fn late() {
    let mut server = hostile(&["late", "1500"]);
    server.initialize();
    let act = server.begin("act", &json!({}));
    server.check_alive();
    assert!(server.skipped.is_empty(), "the other call comes first");
    assert_eq!(text_of(&server.answer(act)), "late");
}

fn progress_forever() {
    let mut server = hostile(&["progress-forever", "5"]);
    server.initialize();
    let meta = json!({"progressToken": "tok"});
    server.request("tools/call", &json!({"name": "act", "_meta": meta}));
    for number in 1..=5 {
        let expected = json!({"progressToken": "tok", "progress": number});
        assert_eq!(server.message()["params"], expected);
    }
    server.check_alive();
}

fn stop() {
    let mut server = hostile(&["stop"]);
    server.initialize();
    let act = server.begin("act", &json!({}));
    let stopped = || stat(server.pid()).is_some_and(|found| found.state == 'T');
    assert!(eventually_sync(DEADLINE, stopped));
    let echo = server.begin("echo", &json!({"text": "later"}));
    server.signal(Signal::CONT);
    assert_eq!(text_of(&server.answer(act)), "continued");
    assert_eq!(text_of(&server.answer(echo)), "later");
}

/// Writes more than a pipe holds from another thread; the flag says when all of it was taken.
fn write_much(server: &mut Driven) -> Arc<AtomicBool> {
    let done = Arc::new(AtomicBool::new(false));
    let (mut stdin, flag) = (server.take_stdin(), Arc::clone(&done));
    thread::spawn(move || {
        let filler = "f".repeat(50_000);
        let params = format!(r#"{{"name":"echo","arguments":{{"text":"{filler}"}}}}"#);
        for id in 1000..1010 {
            let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#);
            // The test may end while the pipe is full; that is no fault of the server.
            if stdin.write_all(format!("{line}\n").as_bytes()).is_err() {
                return;
            }
        }
        flag.store(true, Ordering::SeqCst);
    });
    done
}

fn deaf() {
    let mut server = hostile(&["deaf"]);
    server.initialize();
    let done = write_much(&mut server);
    assert!(!eventually_sync(WATCH, || done.load(Ordering::SeqCst)), "it read on");
    assert!(alive(server.pid()));
    server.signal(Signal::TERM);
    assert!(server.rest().is_empty());
    assert_eq!(server.status().signal(), Some(Signal::TERM.as_raw()));
}

fn full_duplex() {
    let mut server = hostile(&["full-duplex", "3000000"]);
    server.initialize();
    let act = server.begin("act", &json!({}));
    let done = write_much(&mut server);
    assert!(!eventually_sync(WATCH, || done.load(Ordering::SeqCst)), "it read before it wrote");
    server.answer(act);
    check_flood(&server, 3_000_000);
    server.answer(1009);
    assert!(eventually_sync(DEADLINE, || done.load(Ordering::SeqCst)));
}

/// The skipped lines are numbered log messages, complete and in order, of that size together.
pub(crate) fn check_flood(server: &Driven, size: usize) {
    let mut number = 0;
    for line in &server.skipped {
        number += 1;
        let message: Value = serde_json::from_slice(line).expect("JSON");
        assert_eq!(message["method"], "notifications/message");
        assert_eq!(message["params"]["data"]["number"], number);
    }
    let total: usize = server.skipped.iter().map(|line| line.len() + 1).sum();
    assert!(total >= size, "{total} bytes");
}

fn descendant(server: &mut Driven) -> Leftover {
    server.initialize();
    let pids: Value = serde_json::from_str(&server.call("pid", &json!({}))).expect("JSON");
    let descendants = pids["descendants"].as_array().expect("a list");
    assert_eq!(descendants.len(), 1);
    let pid = descendants[0].as_u64().and_then(|pid| u32::try_from(pid).ok());
    Leftover(pid.expect("a process id"))
}

fn grandchild() {
    let mut server = hostile(&["grandchild"]);
    let left = descendant(&mut server);
    assert_eq!(stat(left.0).expect("it runs").parent, server.pid());
    server.close();
    assert_eq!(server.status().code(), Some(0));
    assert!(alive(left.0), "it outlives the server and the end of its input");
    let pid = left.0;
    let killer = thread::spawn(move || {
        assert!(!wait_gone_sync(left.0, WATCH));
        drop(left);
    });
    assert!(server.rest().is_empty());
    assert!(wait_gone_sync(pid, DEADLINE), "it held the pipe until it was killed");
    killer.join().expect("it lived as long as it was watched");

    let mut server = hostile(&["grandchild", "detached"]);
    let left = descendant(&mut server);
    server.close();
    assert!(server.rest().is_empty());
    assert!(alive(left.0), "the pipe ended without it");
}

fn daemon() {
    for stubborn in [false, true] {
        let mut server = hostile(if stubborn { &["daemon", "stubborn"] } else { &["daemon"] });
        let left = descendant(&mut server);
        let found = stat(left.0).expect("it runs");
        assert_ne!(found.parent, server.pid());
        assert_ne!(found.session, stat(server.pid()).expect("it runs").session);
        assert!(eventually_sync(DEADLINE, || ignores_term(left.0) == stubborn));
        server.finish();
        assert!(alive(left.0));
    }
}

fn stubborn() {
    let mut server = hostile(&["stubborn"]);
    server.initialize();
    assert!(ignores_term(server.pid()));
    server.signal(Signal::TERM);
    server.check_alive();
    server.close();
    assert!(!wait_gone_sync(server.pid(), WATCH), "it stays after the end of its input");
    server.signal(Signal::TERM);
    assert!(!wait_gone_sync(server.pid(), WATCH), "it stays after SIGTERM");
    server.signal(Signal::KILL);
    assert_eq!(server.status().signal(), Some(Signal::KILL.as_raw()));
}

fn launcher() {
    for (words, stubborn) in [(&["launcher"][..], false), (&["launcher", "stubborn"], true)] {
        let mut server = hostile(words);
        server.initialize();
        let pids: Value = serde_json::from_str(&server.call("pid", &json!({}))).expect("JSON");
        assert_eq!(pids["parent"], server.pid());
        let pid = pids["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        let left = Leftover(pid.expect("a process id"));
        assert_ne!(left.0, server.pid());
        assert_eq!(ignores_term(left.0), stubborn);
        server.signal(Signal::TERM);
        assert_eq!(server.status().signal(), Some(Signal::TERM.as_raw()));
        assert!(alive(left.0), "only the launcher got the signal");
        server.check_alive();
    }
}

fn env_canary() {
    let program = env!("CARGO_BIN_EXE_hostile");
    let mut server = Driven::start_with(program, &["env-canary"], "CANARY_OF_TEST", "tweet");
    server.initialize();
    for tool in ["act", "env"] {
        let environment: Value = serde_json::from_str(&server.call(tool, &json!({}))).expect("JSON");
        assert_eq!(environment["CANARY_OF_TEST"], "tweet");
    }
}
