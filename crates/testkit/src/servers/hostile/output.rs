//! Modes that differ in how the lines on stdout look.
#![expect(
    clippy::disallowed_methods,
    reason = "the pauses between the pieces are the behaviour, and there is no runtime"
)]

use std::io::Write;
use std::process;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::servers::hostile::Hostile;
use crate::servers::message::Message;
use crate::servers::peer::{held, text_result};

const BOM: &[u8] = b"\xef\xbb\xbf";

pub(super) fn early_notification(hostile: &Hostile) {
    let log = r#"{"level":"warning","data":"too early"}"#;
    hostile.put_line(&notification("notifications/message", log));
    hostile.put_line(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    hostile.put_line(r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#);
}

pub(super) fn banner(hostile: &Hostile) {
    hostile.put(b"*** HOSTILE SERVER 1.0 ***\n\nListening on stdio\n");
}

pub(super) fn banner_and_line(hostile: &Hostile, _: &str, line: &str) {
    hostile.put(b"[info] request served\n");
    hostile.put_line(line);
}

pub(super) fn garbage_and_line(hostile: &Hostile, _: &str, line: &str) {
    hostile.put(b"not JSON\n{\"jsonrpc\":\"2.0\",\"id\":\n}{][\n\n");
    hostile.put(b"42\nnull\n\"text\"\n[]\n{}\n{\"hello\":\"world\"}\n");
    hostile.put(b"{\"jsonrpc\":\"1.0\",\"method\":7}\n{\"jsonrpc\":\"2.0\"}\n");
    hostile.put_line(line);
}

pub(super) fn unknown_ids_and_line(hostile: &Hostile, _: &str, line: &str) {
    for id in ["987654321", "\"no-such-id\"", "null", "-1", "1.5", "98765432109876543210"] {
        hostile.put_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
    let error = r#"{"code":-32000,"message":"to nobody"}"#;
    hostile.put_line(&format!(r#"{{"jsonrpc":"2.0","id":987654322,"error":{error}}}"#));
    hostile.put_line(line);
}

pub(super) fn double(hostile: &Hostile, id: &str, line: &str) {
    hostile.put_line(line);
    let second = text_result("the second answer", false);
    hostile.put_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{second}}}"#));
}

pub(super) fn ping_same_id(hostile: &Hostile, id: &str, line: &str) {
    hostile.put_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
    hostile.put_line(line);
}

pub(super) fn ask_same_id(hostile: &Hostile, id: &str, _: &Message) {
    held(&hostile.echoing).push(id.to_owned());
    hostile.put_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#));
}

pub(super) fn crlf(hostile: &Hostile, _: &str, line: &str) {
    hostile.put(format!("{line}\r\n").as_bytes());
}

pub(super) fn drip(hostile: &Hostile, _: &str, line: &str) {
    for piece in format!("{line}\n").as_bytes().chunks(hostile.word(0, 7_usize).max(1)) {
        hostile.put(piece);
        // Long enough for a reader to wake, so that the pieces arrive as pieces.
        thread::sleep(Duration::from_micros(200));
    }
}

pub(super) fn bad_utf8_and_line(hostile: &Hostile, _: &str, line: &str) {
    let method = "notifications/message";
    let mut bad = notification(method, r#"{"level":"info","data":"~"}"#).into_bytes();
    spoil(&mut bad, 0xff);
    hostile.put(&bad);
    hostile.put(b"\n");
    hostile.put_line(line);
}

pub(super) fn bad_utf8(hostile: &Hostile, id: &str, _: &Message) {
    put_spoiled(hostile, id, 0xff);
}

pub(super) fn nul_and_line(hostile: &Hostile, _: &str, line: &str) {
    hostile.put(b"\0\0\0\n");
    hostile.put_line(line);
}

pub(super) fn nul(hostile: &Hostile, id: &str, _: &Message) {
    put_spoiled(hostile, id, 0);
}

pub(super) fn bom(hostile: &Hostile, _: &str, line: &str) {
    let each = hostile.words.iter().any(|word| word == "each");
    if each || hostile.written.load(Ordering::Relaxed) == 0 {
        hostile.put(BOM);
    }
    hostile.put_line(line);
}

pub(super) fn pretty(hostile: &Hostile, id: &str, _: &Message) {
    let line = response(id, "spread");
    let value: Value = serde_json::from_str(&line).expect("a response is JSON");
    hostile.put_line(&serde_json::to_string_pretty(&value).expect("a value can be written"));
}

pub(super) fn answer_then_exit(hostile: &Hostile, id: &str, _: &Message) {
    hostile.say(id, &"x".repeat(hostile.word(0, 0)));
    process::exit(0);
}

pub(super) fn no_final_newline(hostile: &Hostile, id: &str, _: &Message) {
    hostile.put(response(id, "unfinished").as_bytes());
    process::exit(0);
}

/// The line of a notification; `params` is JSON text.
pub(super) fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

/// The line of a tool result with one text.
pub(super) fn response(id: &str, text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, text_result(text, false))
}

fn put_spoiled(hostile: &Hostile, id: &str, with: u8) {
    let mut line = response(id, "spoiled: ~").into_bytes();
    spoil(&mut line, with);
    line.write_all(b"\n").expect("a vector takes all bytes");
    hostile.put(&line);
}

/// Puts the byte where the text has a tilde.
fn spoil(line: &mut [u8], with: u8) {
    for byte in line.iter_mut().filter(|byte| **byte == b'~') {
        *byte = with;
    }
}
