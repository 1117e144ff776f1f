//! An incremental reader of server-sent events that hides nothing: comments, empty data, cut ends.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::client::Hold;
use crate::client::message::Message;
use crate::transcript::Transcript;

/// Largest event the reader accepts unless told otherwise, in bytes.
const CAP: usize = 16 * 1024 * 1024;

/// One event as it stood on the stream; a field that was not sent is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `id` field.
    pub id: Option<String>,
    /// The `event` field.
    pub event: Option<String>,
    /// The `data` lines joined by line feeds; `Some("")` for an empty data line.
    pub data: Option<String>,
    /// The `retry` field in milliseconds.
    pub retry: Option<u64>,
    /// Comment lines joined by line feeds. A comment between events is an event of its own.
    pub comment: Option<String>,
}

/// Why no event came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// Nothing arrived within the deadline; the stream may go on.
    Late(Duration),
    /// The connection ended without the body's proper end.
    Broken(String),
    /// An event grew over the cap, in bytes.
    TooLong(usize),
    /// A line was not UTF-8.
    NotUtf8,
}

/// The events of one response body; dropping it closes the connection.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    decoder: Decoder,
    ready: VecDeque<Event>,
    ended: bool,
    last_id: Option<String>,
    retry: Option<u64>,
    transcript: Transcript,
    _hold: Hold,
}

/// Turns bytes into events; holds what an unfinished event needs.
#[derive(Debug)]
pub struct Decoder {
    cap: usize,
    line: Vec<u8>,
    block: Event,
    size: usize,
    after_cr: bool,
    at_start: bool,
}

impl Events {
    pub(super) fn new(body: Incoming, hold: Hold, transcript: Transcript) -> Self {
        Self {
            body,
            decoder: Decoder::new(CAP),
            ready: VecDeque::new(),
            ended: false,
            last_id: None,
            retry: None,
            transcript,
            _hold: hold,
        }
    }

    /// Sets the cap on one event, in bytes.
    #[must_use]
    pub fn cap(mut self, bytes: usize) -> Self {
        self.decoder.cap = bytes;
        self
    }

    /// The next event of any kind; `Ok(None)` at the proper end of the body.
    pub async fn next(&mut self, deadline: Duration) -> Result<Option<Event>, StreamFault> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.remember(&event);
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            let left = end.saturating_duration_since(Instant::now());
            let frame = timeout(left, self.body.frame()).await;
            match frame.map_err(|_| StreamFault::Late(deadline))? {
                None => self.end(),
                Some(Err(e)) => return Err(self.broken(&e)),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.ready.extend(self.decoder.feed(bytes)?);
                    }
                }
            }
        }
    }

    /// The next event with data, parsed; comments and empty data are passed over.
    ///
    /// Panics when the data is not JSON.
    pub async fn next_message(&mut self, deadline: Duration) -> Result<Option<Message>, StreamFault> {
        let end = Instant::now() + deadline;
        while let Some(event) = self.next(end.saturating_duration_since(Instant::now())).await? {
            if let Some(data) = event.data.filter(|d| !d.is_empty()) {
                let message = Message::parse(&data);
                return Ok(Some(message.unwrap_or_else(|e| panic!("{e} in event data {data}"))));
            }
        }
        Ok(None)
    }

    /// `next_message`, where both a fault and the stream's end fail the test.
    pub async fn message(&mut self, deadline: Duration) -> Message {
        match self.next_message(deadline).await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("the stream ended where a message was expected"),
            Err(fault) => panic!("no message on the stream: {fault}"),
        }
    }

    /// All remaining events up to the proper end; a fault fails the test.
    pub async fn rest(&mut self, deadline: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.next(deadline).await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return events,
                Err(fault) => panic!("{fault} after {events:?}"),
            }
        }
    }

    /// Waits until the other side ends the stream, properly or not; false when the deadline passed.
    pub async fn closed(&mut self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        loop {
            match self.next(end.saturating_duration_since(Instant::now())).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(StreamFault::Broken(_)) => return true,
                Err(_) => return false,
            }
        }
    }

    /// The body's undecoded rest, for a response that is not an event stream.
    pub async fn into_bytes(mut self, deadline: Duration) -> Result<Bytes, StreamFault> {
        let collected = timeout(deadline, (&mut self.body).collect()).await;
        match collected.map_err(|_| StreamFault::Late(deadline))? {
            Ok(body) => Ok(body.to_bytes()),
            Err(e) => Err(self.broken(&e)),
        }
    }

    /// The id of the last event read that had one.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The last retry time read, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Whether the stream stopped inside an event.
    pub fn stopped_midway(&self) -> bool {
        self.decoder.midway()
    }

    fn end(&mut self) {
        self.ended = true;
        self.transcript.note("stream ended");
    }

    fn broken(&mut self, error: &hyper::Error) -> StreamFault {
        self.ended = true;
        self.transcript.note(format!("stream broke: {error:?}"));
        StreamFault::Broken(format!("{error:?}"))
    }

    fn remember(&mut self, event: &Event) {
        self.transcript.received(event.to_string());
        if let Some(id) = &event.id {
            self.last_id = Some(id.clone());
        }
        self.retry = event.retry.or(self.retry);
    }
}

impl Decoder {
    /// A decoder at the start of a stream; `cap` bounds one event in bytes.
    pub fn new(cap: usize) -> Self {
        Self { cap, line: Vec::new(), block: Event::default(), size: 0, after_cr: false, at_start: true }
    }

    /// Takes the next bytes and gives the events they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, StreamFault> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => {
                    self.after_cr = byte == b'\r';
                    events.extend(self.end_line()?);
                }
                _ => self.grow(byte)?,
            }
        }
        Ok(events)
    }

    /// Whether an event has begun and not ended.
    pub fn midway(&self) -> bool {
        !self.line.is_empty() || self.block != Event::default()
    }

    fn grow(&mut self, byte: u8) -> Result<(), StreamFault> {
        self.size += 1;
        if self.size > self.cap {
            return Err(StreamFault::TooLong(self.cap));
        }
        self.line.push(byte);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Event>, StreamFault> {
        let bytes = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&bytes).map_err(|_| StreamFault::NotUtf8)?;
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let between = self.block == Event::default();
        if line.is_empty() || (between && line.starts_with(':')) {
            if let Some(comment) = line.strip_prefix(':') {
                append(&mut self.block.comment, strip_blank(comment));
            }
            self.size = 0;
            let event = std::mem::take(&mut self.block);
            return Ok((event != Event::default()).then_some(event));
        }
        self.field(line);
        Ok(None)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = strip_blank(value);
        match name {
            "" => append(&mut self.block.comment, value),
            "data" => append(&mut self.block.data, value),
            "event" => self.block.event = Some(value.to_owned()),
            // The standard drops an id with a NUL and a retry that is not all digits.
            "id" if !value.contains('\0') => self.block.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => {
                self.block.retry = value.parse().ok().or(self.block.retry);
            }
            _ => {}
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("event")?;
        for (name, field) in [(":", &self.comment), ("id", &self.id), ("event", &self.event)] {
            if let Some(text) = field {
                write!(f, " {name}={text}")?;
            }
        }
        if let Some(retry) = self.retry {
            write!(f, " retry={retry}")?;
        }
        match &self.data {
            Some(data) => write!(f, " data={data}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for StreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamFault::Late(deadline) => write!(f, "nothing within {deadline:?}"),
            StreamFault::Broken(why) => write!(f, "connection broke: {why}"),
            StreamFault::TooLong(cap) => write!(f, "an event is longer than {cap} bytes"),
            StreamFault::NotUtf8 => f.write_str("a line is not UTF-8"),
        }
    }
}

impl std::error::Error for StreamFault {}

fn append(field: &mut Option<String>, value: &str) {
    match field {
        Some(text) => {
            text.push('\n');
            text.push_str(value);
        }
        None => *field = Some(value.to_owned()),
    }
}

fn strip_blank(value: &str) -> &str {
    value.strip_prefix(' ').unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Event, StreamFault};

    fn decode(text: &str) -> Vec<Event> {
        Decoder::new(1000).feed(text.as_bytes()).expect("decodes")
    }

    fn data(text: &str) -> Event {
        Event { data: Some(text.to_owned()), ..Event::default() }
    }

    #[test]
    fn all_three_line_ends_mean_the_same() {
        for end in ["\n", "\r", "\r\n"] {
            let text = ["id: 7", "event: message", "data: a", "data:b", "retry: 20", "", ""].join(end);
            let expected = Event {
                id: Some("7".into()),
                event: Some("message".into()),
                data: Some("a\nb".into()),
                retry: Some(20),
                comment: None,
            };
            assert_eq!(decode(&text), [expected], "line end {end:?}");
        }
    }

    #[test]
    fn any_split_gives_the_same_events() {
        let text = "\u{feff}: hi\r\n\r\nid: 1\r\ndata: é\r\rdata: x\n\ndata:\n\nretry: 5\n\n";
        let whole = decode(text);
        assert_eq!(whole.len(), 5);
        for cut in 0..=text.len() {
            let mut decoder = Decoder::new(1000);
            let mut events = decoder.feed(&text.as_bytes()[..cut]).expect("first part");
            events.extend(decoder.feed(&text.as_bytes()[cut..]).expect("second part"));
            assert_eq!(events, whole, "cut at {cut}");
            assert!(!decoder.midway());
        }
    }

    #[test]
    fn comments_between_events_come_at_once_and_within_events_stay_with_them() {
        let events = decode(": ping\n:pong\ndata: 1\n: inside\n\n");
        assert_eq!(events[0].comment.as_deref(), Some("ping"));
        assert_eq!(events[1].comment.as_deref(), Some("pong"));
        assert_eq!(events[2], Event { comment: Some("inside".into()), ..data("1") });
        assert_eq!(events.len(), 3);
    }

    #[test]
    fn empty_data_is_told_from_no_data() {
        let events = decode("id: 1\ndata:\n\nid: 2\n\ndata\n\n");
        assert_eq!(events[0].data.as_deref(), Some(""));
        assert_eq!((events[1].data.as_deref(), events[1].id.as_deref()), (None, Some("2")));
        assert_eq!(events[2], data(""));
    }

    #[test]
    fn one_blank_is_stripped_and_unknown_or_malformed_fields_are_dropped() {
        assert_eq!(decode("data:  two\nother: x\nretry: 1x\nid: a\0b\n\n"), [data(" two")]);
    }

    #[test]
    fn the_cap_counts_one_event_and_a_cut_end_shows() {
        let mut decoder = Decoder::new(10);
        assert_eq!(decoder.feed(b"data: 1\n\ndata: 2\n\n").expect("small").len(), 2);
        assert!(decoder.feed(b"data: 3").expect("unfinished").is_empty());
        assert!(decoder.midway());
        assert_eq!(decoder.feed(b"45678"), Err(StreamFault::TooLong(10)));
        assert_eq!(Decoder::new(10).feed(b"\xff\n"), Err(StreamFault::NotUtf8));
    }
}
