//! The modes of `hostile` whose output looks wrong.

use std::sync::atomic::Ordering;

use janua_testkit::process::eventually_sync;
use serde_json::{Value, json};

use crate::drive::{DEADLINE, Driven, text_of};
use crate::hostile::{check_flood, hostile};

/// Makes a test of each named function and a list of the names.
macro_rules! modes {
    ($($name:ident)*) => {
        mod mode {
            $(#[test] fn $name() { super::$name(); })*
        }
        pub(crate) const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

modes! {
    early_notification answer_then_exit no_final_newline banner garbage unknown_id double same_ids
    stderr_endless stderr_flood notification_flood crlf drip bad_utf8 nul bom pretty deep
    big_result endless_line
}

fn ready(words: &[&str]) -> Driven {
    let mut server = hostile(words);
    server.initialize();
    server
}

/// What was skipped since the last look, as text where it is text.
fn skipped(server: &mut Driven) -> Vec<String> {
    let lines = std::mem::take(&mut server.skipped);
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

fn early_notification() {
    let mut server = hostile(&["early-notification"]);
    assert_eq!(server.message()["method"], "notifications/message");
    assert_eq!(server.message()["method"], "notifications/tools/list_changed");
    let ping = server.message();
    assert_eq!((&ping["method"], &ping["id"]), (&json!("ping"), &json!(0)));
    server.initialize();
    server.check_alive();
}

fn answer_then_exit() {
    let mut server = ready(&["answer-then-exit", "300000"]);
    server.check_alive();
    assert_eq!(server.call("act", &json!({})), "x".repeat(300_000));
    assert!(server.rest().is_empty());
    assert_eq!(server.status().code(), Some(0));
}

fn no_final_newline() {
    let mut server = ready(&["no-final-newline"]);
    server.check_alive();
    let act = server.begin("act", &json!({}));
    let rest = server.rest();
    assert!(!rest.contains(&b'\n'));
    let answer: Value = serde_json::from_slice(&rest).expect("a whole answer");
    assert_eq!(answer["id"], act);
    assert_eq!(text_of(&answer), "unfinished");
    assert_eq!(server.status().code(), Some(0));
}

fn banner() {
    let mut server = hostile(&["banner"]);
    assert_eq!(server.line().expect("a banner"), b"*** HOSTILE SERVER 1.0 ***");
    server.initialize();
    skipped(&mut server);
    server.check_alive();
    assert_eq!(skipped(&mut server), ["[info] request served"]);
}

fn garbage() {
    let mut server = ready(&["garbage"]);
    skipped(&mut server);
    server.check_alive();
    let lines = skipped(&mut server);
    for expected in ["not JSON", r#"{"jsonrpc":"2.0","id":"#, "", "42", "null", "[]", "{}"] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:?}");
    }
    assert_eq!(lines.len(), 12);
}

fn unknown_id() {
    let mut server = ready(&["unknown-id"]);
    skipped(&mut server);
    server.check_alive();
    let lines = skipped(&mut server);
    assert_eq!(lines.len(), 7);
    for line in &lines {
        let response: Value = serde_json::from_str(line).expect("JSON");
        assert!(response.get("result").or(response.get("error")).is_some(), "{line}");
        assert!(!matches!(response["id"].as_u64(), Some(1..1000)), "{line}");
    }
    assert!(lines.iter().any(|line| line.contains(r#""id":98765432109876543210,"#)));
}

fn double() {
    let mut server = ready(&["double"]);
    let echo = server.begin("echo", &json!({"text": "first"}));
    assert_eq!(text_of(&server.answer(echo)), "first");
    let second = server.message();
    assert_eq!((second["id"].as_u64(), text_of(&second).as_str()), (Some(echo), "the second answer"));
    server.check_alive();
}

fn same_ids() {
    let mut server = ready(&["same-ids"]);
    let echo = server.begin("echo", &json!({"text": "x"}));
    skipped(&mut server);
    assert_eq!(text_of(&server.answer(echo)), "x");
    assert_eq!(skipped(&mut server), [format!(r#"{{"jsonrpc":"2.0","id":{echo},"method":"ping"}}"#)]);
    let act = server.begin("act", &json!({}));
    let question = server.message();
    assert_eq!((&question["id"], &question["method"]), (&json!(act), &json!("roots/list")));
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{act},"result":{{"roots":[]}}}}"#);
    server.send(&answer);
    assert_eq!(text_of(&server.answer(act)), answer);
}

fn stderr_endless() {
    let mut server = ready(&["stderr-endless"]);
    for round in 1..=3 {
        let size = server.stderr_size.clone();
        let enough = round * 1_000_000;
        assert!(eventually_sync(DEADLINE, || size.load(Ordering::Relaxed) > enough));
        server.check_alive();
    }
}

fn stderr_flood() {
    let mut server = ready(&["stderr-flood"]);
    server.check_alive();
    let size = server.stderr_size.clone();
    assert!(eventually_sync(DEADLINE, || size.load(Ordering::Relaxed) >= 4_000_000));
}

fn notification_flood() {
    let mut server = ready(&["notification-flood", "2000000"]);
    server.check_alive();
    let act = server.begin("act", &json!({}));
    server.answer(act);
    check_flood(&server, 2_000_000);
    server.check_alive();
}

fn crlf() {
    let mut server = ready(&["crlf"]);
    server.begin("echo", &json!({"text": "x"}));
    let line = server.line().expect("an answer");
    assert!(line.ends_with(b"}\r"), "{line:?}");
    server.check_alive();
}

fn drip() {
    for words in [&["drip"][..], &["drip", "1"]] {
        let mut server = ready(words);
        // A well-behaved answer is one chunk. A busy machine may join some pieces, not all of
        // them in call after call.
        let in_pieces = eventually_sync(DEADLINE, || {
            let before = server.chunk_count;
            server.check_alive();
            server.chunk_count - before >= 3
        });
        assert!(in_pieces, "{words:?}");
    }
}

/// Runs a mode with one spoiled line before each answer and a spoiled answer to `act`.
fn spoiled(mode: &str, is_spoiled: fn(&[u8]) -> bool) {
    let mut server = ready(&[mode]);
    server.skipped.clear();
    server.check_alive();
    assert_eq!(server.skipped.len(), 1);
    assert!(is_spoiled(&server.skipped[0]));
    let act = server.begin("act", &json!({}));
    let line = server.line().expect("an answer");
    assert!(is_spoiled(&line));
    let head = format!(r#"{{"jsonrpc":"2.0","id":{act},"result":"#);
    assert!(line.starts_with(head.as_bytes()));
    server.check_alive();
}

fn bad_utf8() {
    spoiled("bad-utf8", |line| std::str::from_utf8(line).is_err());
}

fn nul() {
    spoiled("nul", |line| line.contains(&0));
}

fn bom() {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    for (words, again) in [(&["bom"][..], false), (&["bom", "each"], true)] {
        let mut server = hostile(words);
        for first in [true, false, false] {
            server.request("ping", &json!({}));
            let line = server.line().expect("an answer");
            assert_eq!(line.starts_with(BOM), first || again);
        }
    }
}

fn pretty() {
    let mut server = ready(&["pretty"]);
    let act = server.begin("act", &json!({}));
    let mut text = Vec::new();
    let mut lines = 0;
    let answer: Value = loop {
        text.extend(server.line().expect("the rest of the answer"));
        lines += 1;
        if let Ok(whole) = serde_json::from_slice(&text) {
            break whole;
        }
    };
    assert!(lines > 5);
    assert_eq!(answer["id"], act);
    server.check_alive();
}

fn deep() {
    let mut server = ready(&["deep"]);
    let act = server.begin("act", &json!({}));
    let line = server.line().expect("an answer");
    let text = String::from_utf8(line).expect("text");
    assert!(text.contains(&format!(r#""id":{act},"#)));
    assert!(text.contains(&"[".repeat(100_000)));
    assert!(text.ends_with("]}}}"));
    server.check_alive();
}

fn big_result() {
    let mut server = ready(&["big-result", "5000000"]);
    assert_eq!(server.call("act", &json!({})).len(), 5_000_000);
    server.check_alive();
}

fn endless_line() {
    for place in ["head", "tail", "none"] {
        let mut server = ready(&["endless-line", place, "2000000"]);
        let act = server.begin("act", &json!({}));
        let line = server.line().expect("the line ends at last");
        assert!(line.len() > 2_000_000);
        let response: Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(text_of(&response).len(), 2_000_000);
        let id = format!(r#""id":{act}"#);
        let (head, tail) = (&line[..100], &line[line.len() - 100..]);
        let has = |part: &[u8]| String::from_utf8_lossy(part).contains(&id);
        assert_eq!((has(head), has(tail)), (place == "head", place == "tail"), "{place}");
        server.check_alive();
    }
    let mut server = ready(&["endless-line", "none", "0"]);
    server.begin("act", &json!({}));
    server.without_newline(5_000_000);
}
