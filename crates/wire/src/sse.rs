//! Event streams (WHATWG HTML, "Server-sent events"): writing them, and reading them bit by bit.

use bytes::{Bytes, BytesMut};

/// What stands before the data on its line.
const DATA: &[u8] = b"data: ";

/// A comment that keeps a stream alive.
pub const COMMENT: &[u8] = b":\n\n";

/// Writes one event to `out`. The parts of `data` are joined; they must hold no CR or LF, as messages never do.
/// U+0085, U+2028 and U+2029 are escaped: they are legal inside JSON strings, but common clients split lines at them
/// (Python's `str.splitlines`, in httpx among others).
pub fn write(out: &mut BytesMut, id: Option<&str>, event: Option<&str>, data: &[Bytes]) {
    let size: usize = data.iter().map(Bytes::len).sum();
    out.reserve(size + 64);
    for (name, value) in [(&b"id: "[..], id), (b"event: ", event)] {
        if let Some(value) = value {
            out.extend_from_slice(name);
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\n");
        }
    }
    out.extend_from_slice(DATA);
    for part in data {
        escape_separators(out, part);
    }
    out.extend_from_slice(b"\n\n");
}

/// The event that opens a stream which may be polled: an id, no data, and the time in milliseconds to wait before
/// coming back (2025-11-25 `basic/transports`).
pub fn priming(id: &str, retry_ms: u64) -> Bytes {
    format!("id: {id}\nretry: {retry_ms}\ndata: \n\n").into()
}

fn escape_separators(out: &mut BytesMut, part: &[u8]) {
    let mut copied = 0;
    for at in memchr::memchr2_iter(0xc2, 0xe2, part) {
        let (size, escaped) = match part[at..] {
            [0xc2, 0x85, ..] => (2, b"\\u0085"),
            [0xe2, 0x80, 0xa8, ..] => (3, b"\\u2028"),
            [0xe2, 0x80, 0xa9, ..] => (3, b"\\u2029"),
            _ => continue,
        };
        out.extend_from_slice(&part[copied..at]);
        out.extend_from_slice(escaped);
        copied = at + size;
    }
    out.extend_from_slice(&part[copied..]);
}

/// One event as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Last event id in force, if any was given with this event.
    pub id: Option<String>,
    /// Event name; `None` means `message`.
    pub name: Option<String>,
    /// The data lines, joined by newlines.
    pub data: Bytes,
}

/// What a [`Decoder`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event with data, or with an id.
    Event(Event),
    /// The time in milliseconds to wait before reconnecting.
    Retry(u64),
}

/// The data of an event, or a line, is larger than the limit. The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Reads an event stream incrementally, with a bound on the data of an event and on every line.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    searched: usize,
    limit: usize,
    started: bool,
    /// The last line ended in CR: a LF that follows belongs to it.
    after_cr: bool,
    id: Option<String>,
    name: Option<String>,
    data: BytesMut,
    has_data: bool,
}

impl Decoder {
    /// A decoder for events with at most `limit` bytes of data.
    pub fn new(limit: usize) -> Self {
        Decoder {
            buffer: BytesMut::new(),
            searched: 0,
            limit,
            started: false,
            after_cr: false,
            id: None,
            name: None,
            data: BytesMut::new(),
            has_data: false,
        }
    }

    /// Takes in bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next item that is complete. Call until it gives `None`.
    pub fn next_item(&mut self) -> Result<Option<Item>, TooLarge> {
        // The same for a line that is complete and for one still coming in, so that chunks make no difference.
        let longest = self.limit.saturating_add(DATA.len());
        while let Some(line) = self.line() {
            if line.len() > longest {
                return Err(TooLarge);
            }
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(Item::Event(event)));
                }
            } else if let Some(retry) = self.field(&line) {
                return Ok(Some(Item::Retry(retry)));
            }
            if self.data.len() > self.limit {
                return Err(TooLarge);
            }
        }
        if self.buffer.len() > longest { Err(TooLarge) } else { Ok(None) }
    }

    fn line(&mut self) -> Option<Bytes> {
        if !self.started {
            if self.buffer.len() < 3 && b"\xef\xbb\xbf".starts_with(&self.buffer) {
                return None;
            }
            self.started = true;
            if self.buffer.starts_with(b"\xef\xbb\xbf") {
                drop(self.buffer.split_to(3));
            }
        }
        if self.after_cr && !self.buffer.is_empty() {
            self.after_cr = false;
            if self.buffer[0] == b'\n' {
                drop(self.buffer.split_to(1));
            }
        }
        let Some(at) = memchr::memchr2(b'\r', b'\n', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + at;
        self.searched = 0;
        let line = self.buffer.split_to(end + 1).freeze();
        self.after_cr = line[end] == b'\r';
        Some(line.slice(..end))
    }

    /// Takes one non-empty line; gives the value of a `retry` field.
    fn field(&mut self, line: &[u8]) -> Option<u64> {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"data" => {
                if self.has_data {
                    self.data.extend_from_slice(b"\n");
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = Some(text()),
            b"id" if !value.contains(&0) => self.id = Some(text()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                return text().parse().ok();
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let (id, name) = (self.id.take(), self.name.take());
        let had = std::mem::take(&mut self.has_data);
        let data = self.data.split().freeze();
        (had || id.is_some()).then_some(Event { id, name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert_eq, proptest};

    fn read(chunks: &[&[u8]]) -> Vec<Item> {
        let mut decoder = Decoder::new(1 << 20);
        let mut found = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(item) = decoder.next_item().expect("within the limit") {
                found.push(item);
            }
        }
        found
    }

    fn event(id: Option<&str>, name: Option<&str>, data: &str) -> Item {
        Item::Event(Event {
            id: id.map(str::to_owned),
            name: name.map(str::to_owned),
            data: Bytes::copy_from_slice(data.as_bytes()),
        })
    }

    #[test]
    fn every_line_end_comments_retry_and_joined_data() {
        let stream = b"\xef\xbb\xbf: hello\r\nretry: 250\rdata: a\r\ndata:b\n\nid: 7\nevent: x\ndata\n\ndata: cut";
        let wanted = [Item::Retry(250), event(None, None, "a\nb"), event(Some("7"), Some("x"), "")];
        assert_eq!(read(&[stream]), wanted);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), wanted);
    }

    #[test]
    fn separators_are_escaped_and_everything_else_kept() {
        let mut out = BytesMut::new();
        write(&mut out, None, None, &[Bytes::from("{\"a\":\"\u{2028}\u{2029}\u{85}\u{201c}\u{a0}\"}")]);
        assert_eq!(out, "data: {\"a\":\"\\u2028\\u2029\\u0085\u{201c}\u{a0}\"}\n\n".as_bytes());
    }

    #[test]
    fn too_large_is_said() {
        let mut decoder = Decoder::new(10);
        decoder.feed(b"data: 0123456789abc");
        assert_eq!(decoder.next_item(), Err(TooLarge));
        let mut decoder = Decoder::new(10);
        decoder.feed(b"data: 012345\ndata: 012345\n\n");
        assert_eq!(decoder.next_item(), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            data in "[^\r\n\u{85}\u{2028}\u{2029}]{0,60}", id in "[a-z0-9-]{1,9}", cut in 1usize..9,
        ) {
            let mut out = BytesMut::new();
            write(&mut out, Some(&id), Some("message"), &[Bytes::from(data.clone())]);
            let chunks: Vec<&[u8]> = out.chunks(cut).collect();
            prop_assert_eq!(read(&chunks), vec![event(Some(&id), Some("message"), &data)]);
        }
    }
}
