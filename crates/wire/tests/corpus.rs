//! The kept corpus of the fuzz targets, through the same functions.

#[path = "targets/chunks.rs"]
mod chunks;
#[path = "targets/lines.rs"]
mod lines;
#[path = "targets/message.rs"]
mod message;
#[path = "targets/sse.rs"]
mod sse;
#[path = "targets/translate.rs"]
mod translate;

use std::fs;
use std::panic::catch_unwind;

fn replay(kind: &str, run: fn(&[u8])) {
    let folder = format!("{}/tests/corpus/{kind}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("an entry of the corpus").path()).collect();
    files.sort();
    assert!(files.len() >= 8, "{} files in {folder}", files.len());
    for file in files {
        let input = fs::read(&file).expect("a file of the corpus");
        assert!(catch_unwind(|| run(&input)).is_ok(), "{}", file.display());
    }
}

#[test]
fn lines_hold() {
    replay("lines", lines::run);
}

#[test]
fn messages_hold() {
    replay("message", message::run);
}

#[test]
fn event_streams_hold() {
    replay("sse", sse::run);
}

#[test]
fn translations_hold() {
    replay("translate", translate::run);
}
