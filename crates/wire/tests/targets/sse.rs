//! Event streams under any bytes: any chunking gives what the standard says, and what is written is read back.

use crate::chunks::chunks;
use bytes::{Bytes, BytesMut};
use janua_wire::sse::{Decoder, Event, Item, TooLarge, write};

type Read = (Vec<Item>, Result<(), TooLarge>);

/// The first byte says the limit, the second how the rest is cut.
pub(crate) fn run(input: &[u8]) {
    let [limit, seed, stream @ ..] = input else {
        return;
    };
    let limit = if *limit < 128 { usize::from(*limit) } else { 1 << 20 };
    let wanted = model(stream, limit);
    for seed in [0, 1, *seed] {
        assert_eq!(read(stream, limit, seed), wanted, "seed {seed}, limit {limit}");
    }
    for item in &wanted.0 {
        if let Item::Event(event) = item {
            written(event, *seed);
        }
    }
}

fn read(stream: &[u8], limit: usize, seed: u8) -> Read {
    let mut decoder = Decoder::new(limit);
    let mut found = Vec::new();
    for chunk in chunks(stream, seed) {
        decoder.feed(chunk);
        loop {
            match decoder.next_item() {
                Ok(Some(item)) => found.push(item),
                Ok(None) => break,
                Err(error) => return (found, Err(error)),
            }
        }
    }
    (found, Ok(()))
}

/// The standard's own procedure, over the whole stream at once, with our bounds.
fn model(stream: &[u8], limit: usize) -> Read {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut found = Vec::new();
    let mut event = Event::default();
    let mut data: Option<Vec<u8>> = None;
    let mut rest = stream;
    loop {
        let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n'));
        if end.unwrap_or(rest.len()) > limit + "data: ".len() {
            return (found, Err(TooLarge));
        }
        // A line without an end is no line.
        let Some(end) = end else {
            return (found, Ok(()));
        };
        let line = &rest[..end];
        rest = &rest[end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
        if line.is_empty() {
            let mut over = std::mem::take(&mut event);
            if data.is_some() || over.id.is_some() {
                over.data = data.take().unwrap_or_default().into();
                found.push(Item::Event(over));
            }
            continue;
        }
        let colon = line.iter().position(|&b| b == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = String::from_utf8_lossy(value).into_owned();
        match field {
            b"data" => match &mut data {
                Some(data) => data.extend([b"\n", value].concat()),
                None => data = Some(value.to_vec()),
            },
            b"event" => event.name = Some(text),
            b"id" if !text.contains('\0') => event.id = Some(text),
            b"retry" if text.bytes().all(|b| b.is_ascii_digit()) => {
                found.extend(text.parse().ok().map(Item::Retry));
            }
            _ => {}
        }
        if data.as_ref().is_some_and(|data| data.len() > limit) {
            return (found, Err(TooLarge));
        }
    }
}

/// Writes the event and reads it back: as many lines as there are fields, whatever the data holds.
fn written(event: &Event, seed: u8) {
    if event.data.contains(&b'\n') {
        return;
    }
    let cut = event.data.iter().position(|&b| b == b',').unwrap_or(event.data.len());
    let parts = [event.data.slice(..cut), event.data.slice(cut..)];
    let mut out = BytesMut::new();
    write(&mut out, event.id.as_deref(), event.name.as_deref(), &parts);
    let lines = 2 + usize::from(event.id.is_some()) + usize::from(event.name.is_some());
    assert_eq!(out[..].split(|&b| b == b'\n').count(), lines + 1);
    assert!(!out.contains(&b'\r'));
    let mut data = event.data.to_vec();
    for separator in ['\u{85}', '\u{2028}', '\u{2029}'] {
        let escaped = format!("\\u{:04x}", u32::from(separator));
        data = replaced(&data, separator.to_string().as_bytes(), escaped.as_bytes());
    }
    let wanted = Item::Event(Event { data: Bytes::from(data), ..event.clone() });
    assert_eq!(read(&out, 1 << 21, seed), (vec![wanted], Ok(())));
}

fn replaced(text: &[u8], this: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(&first) = rest.first() {
        if let Some(behind) = rest.strip_prefix(this) {
            out.extend_from_slice(with);
            rest = behind;
        } else {
            out.push(first);
            rest = &rest[1..];
        }
    }
    out
}
