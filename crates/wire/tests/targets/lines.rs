//! Newline framing under any bytes: any chunking gives what a plain split gives, within a bound on memory.

use crate::chunks::chunks;
use bytes::Bytes;
use janua_wire::id::LinkId;
use janua_wire::lines::{Framed, Lines, guess_id, guess_last_id};

/// What the framer keeps of each end of an overlong line.
const ENDS: usize = 64 * 1024;
/// Streams are cut off here.
const MOST: usize = 1 << 19;

/// The first byte says the limit, the second how the rest is cut. In the rest, 0x01 and a byte n stand for n KiB.
pub(crate) fn run(input: &[u8]) {
    let [limit, seed, rest @ ..] = input else {
        return;
    };
    let limit = match limit {
        0..32 => usize::from(*limit),
        32..128 => usize::from(*limit) * 64,
        _ => usize::from(*limit) * 1024,
    };
    let stream = stretched(rest);
    let wanted = split(&stream, limit);
    for framed in &wanted {
        match framed {
            Framed::Outgrown(head) => assert!(guess_id(head).is_none_or(|id| stands(head, id))),
            Framed::Tail(tail) => assert!(guess_last_id(tail).is_none_or(|id| stands(tail, id))),
            Framed::Line(_) => {}
        }
    }
    for seed in [0, *seed] {
        let found = framed(&stream, limit, seed);
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert!(found == wanted, "line {at}, seed {seed}, limit {limit}: {}", shown(found, wanted));
        }
        assert_eq!(found.len(), wanted.len(), "seed {seed}, limit {limit}");
    }
}

fn stretched(rest: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut bytes = rest.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            1 => stream.resize(stream.len() + usize::from(*bytes.next().unwrap_or(&0)) * 1024, b'y'),
            _ => stream.push(byte),
        }
        if stream.len() > MOST {
            stream.truncate(MOST);
            break;
        }
    }
    stream
}

/// The model: split the whole stream at its newlines.
fn split(stream: &[u8], limit: usize) -> Vec<Framed> {
    let mut found = Vec::new();
    for line in stream.split(|&b| b == b'\n') {
        if line.len() > limit {
            found.push(Framed::Outgrown(Bytes::copy_from_slice(&line[..limit.min(ENDS)])));
            let tail = &line[line.len().saturating_sub(ENDS)..];
            found.push(Framed::Tail(Bytes::copy_from_slice(tail)));
            continue;
        }
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        if !line.is_empty() {
            found.push(Framed::Line(Bytes::copy_from_slice(line)));
        }
    }
    found
}

fn framed(stream: &[u8], limit: usize, seed: u8) -> Vec<Framed> {
    let chunks = chunks(stream, seed);
    let largest = chunks.iter().map(|chunk| chunk.len()).max().unwrap_or_default();
    let bound = 2 * limit.max(4 * ENDS) + 2 * largest + ENDS;
    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    for chunk in chunks {
        let room = lines.room();
        assert!(room.capacity() > room.len(), "no room");
        room.extend_from_slice(chunk);
        found.extend(std::iter::from_fn(|| lines.next_line()));
        let held = lines.room();
        assert!(held.len() <= limit.max(4 * ENDS), "{} bytes held, limit {limit}", held.len());
        assert!(held.capacity() <= bound, "{} of {bound} bytes, limit {limit}", held.capacity());
        lines.rest();
    }
    found.extend(std::iter::from_fn(|| lines.finish()));
    assert_eq!(lines.skipped(), 0);
    lines.rest();
    found
}

/// Whether the number is there to be read.
fn stands(text: &[u8], id: LinkId) -> bool {
    let number = id.to_string();
    text.windows(number.len()).any(|part| part == number.as_bytes())
}

fn shown(found: &Framed, wanted: &Framed) -> String {
    let show = |framed: &Framed| match framed {
        Framed::Line(line) => format!("{:.200}", line.escape_ascii().to_string()),
        Framed::Outgrown(head) => format!("outgrown, {} bytes", head.len()),
        Framed::Tail(tail) => format!("tail, {} bytes", tail.len()),
    };
    format!("{}, wanted {}", show(found), show(wanted))
}
