//! Modes that write too much: on stderr, on stdout, in one line, or in one value.

use std::io::{self, Write};
use std::thread;

use crate::servers::hostile::Hostile;
use crate::servers::hostile::output::notification;
use crate::servers::message::Message;

const BLOCK: usize = 64 * 1024;

pub(super) fn stderr_endless(_: &Hostile) {
    thread::spawn(|| {
        let line = format!("{}\n", "endless ".repeat(16));
        while io::stderr().write_all(line.as_bytes()).is_ok() {}
    });
}

pub(super) fn stderr_and_line(hostile: &Hostile, _: &str, line: &str) {
    let wanted = hostile.word(0, 2_000_000_usize);
    let noise = format!("{}\n", "noise ".repeat(20));
    let mut written = 0;
    while written < wanted && io::stderr().write_all(noise.as_bytes()).is_ok() {
        written += noise.len();
    }
    hostile.put_line(line);
}

pub(super) fn full_duplex(hostile: &Hostile, id: &str, _: &Message) {
    let count = log_until(hostile, hostile.word(0, 10_000_000));
    hostile.say(id, &format!("wrote {count} messages"));
}

pub(super) fn notification_flood(hostile: &Hostile, id: &str, _: &Message) {
    let count = log_until(hostile, hostile.word(0, 200_000_000));
    hostile.say(id, &format!("wrote {count} messages"));
}

pub(super) fn big_result(hostile: &Hostile, id: &str, _: &Message) {
    // Not written by serde, which in a debug build would take longer than the client may.
    let text = "b".repeat(hostile.word(0, 20_000_000));
    hostile.answer(id, &format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#));
}

pub(super) fn deep(hostile: &Hostile, id: &str, _: &Message) {
    let levels = hostile.word(0, 100_000);
    let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    hostile.answer(id, &format!(r#"{{"content":[],"structuredContent":{{"deep":{nested}}}}}"#));
}

pub(super) fn endless_line(hostile: &Hostile, id: &str, _: &Message) {
    let place = hostile.word(0, "head".to_owned());
    let head = if place == "head" { format!(r#""id":{id},"#) } else { String::new() };
    let tail = if place == "tail" { format!(r#","id":{id}"#) } else { String::new() };
    hostile.put(format!(r#"{{"jsonrpc":"2.0",{head}"result":{{"content":[{{"type":"text","text":""#).as_bytes());
    let wanted = hostile.word(1, 300_000_000_usize);
    let block = vec![b'a'; BLOCK];
    let mut written = 0;
    while wanted == 0 || written < wanted {
        let size = if wanted == 0 { BLOCK } else { BLOCK.min(wanted - written) };
        hostile.put(&block[..size]);
        written += size;
    }
    hostile.put(format!("\"}}]}}{tail}}}\n").as_bytes());
}

/// Logs numbered messages of about a kilobyte until that many bytes are out; says how many.
fn log_until(hostile: &Hostile, wanted: u64) -> u64 {
    let fill = "f".repeat(900);
    let (mut written, mut count) = (0, 0);
    while written < wanted {
        count += 1;
        let data = format!(r#"{{"number":{count},"fill":"{fill}"}}"#);
        let params = format!(r#"{{"level":"info","logger":"flood","data":{data}}}"#);
        let line = notification("notifications/message", &params);
        written += line.len() as u64 + 1;
        hostile.put_line(&line);
    }
    count
}
