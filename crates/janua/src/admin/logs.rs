//! What a server's instances write to their standard error, as far as it is kept, and as it comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use janua_wire::headers::EVENT_STREAM;
use janua_wire::sse::{COMMENT, write};
use tokio::sync::watch;
use url::form_urlencoded;

use super::{Admin, Many, nothing, refuse};
use crate::report::{LogLine, timestamp};
use crate::servers::process::journal::{Journal, Line};

/// Lines that are given unless others are wanted.
const LINES: usize = 100;

/// What is asked for.
struct Wanted {
    lines: usize,
    follow: bool,
}

/// Somebody who reads the lines as they come.
struct Reader {
    admin: Arc<Admin>,
    server: String,
    journal: Arc<Journal>,
    written: watch::Receiver<u64>,
    /// Lines read and not sent yet.
    waiting: VecDeque<Arc<Line>>,
    /// The number of the next line.
    next: u64,
    pause: Duration,
    over: bool,
}

/// The last lines of a server: a JSON object each, or events if those to come are wanted too.
pub(super) fn answer(admin: &Arc<Admin>, many: &Many, name: &str, query: &str) -> Response<Body> {
    let wanted = match wanted(query) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, "invalid_query", &why),
    };
    let now = many.now();
    let Some(served) = now.servers.get(name) else { return nothing(&now.missing(name)) };
    let journal = served.vitals.journal.clone();
    if !wanted.follow {
        return all(&journal.last(wanted.lines));
    }
    let written = journal.written();
    let waiting: VecDeque<_> = journal.last(wanted.lines).into();
    let next = waiting.back().map_or(*written.borrow(), |line| line.number + 1);
    let (admin, server, pause) = (admin.clone(), name.to_owned(), admin.gateway.limits.keep_alive);
    let reader = Reader { admin, server, journal, written, waiting, next, pause, over: false };
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(COMMENT))]);
    let rest = stream::unfold(reader, |mut reader| async { reader.read().await.map(|events| (Ok(events), reader)) });
    let mut answer = Response::new(Body::from_stream(futures_util::StreamExt::chain(first, rest)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    answer
}

fn wanted(query: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted { lines: LINES, follow: false };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("lines", lines) => wanted.lines = lines.parse().map_err(|_| format!("lines={lines} is no number"))?,
            ("follow", "true" | "1" | "") => wanted.follow = true,
            ("follow", "false" | "0") => wanted.follow = false,
            ("follow", other) => return Err(format!("follow={other} is neither true nor false")),
            (other, _) => return Err(format!("{other} is not known here; known: lines, follow")),
        }
    }
    Ok(wanted)
}

fn all(lines: &[Arc<Line>]) -> Response<Body> {
    let mut body = Vec::new();
    for line in lines {
        body.extend_from_slice(&json(line));
        body.push(b'\n');
    }
    let mut answer = Response::new(Body::from(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    answer
}

fn json(line: &Line) -> Bytes {
    let line = LogLine { time: timestamp(line.at), pid: line.pid, line: line.text.clone() };
    serde_json::to_vec(&line).unwrap_or_default().into()
}

impl Reader {
    /// Events as soon as there are any, or a comment; `None` when there is nothing to come any more.
    async fn read(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut events = BytesMut::new();
        loop {
            for line in self.waiting.drain(..) {
                self.next = line.number + 1;
                write(&mut events, Some(&line.number.to_string()), None, &[json(&line)]);
            }
            if !events.is_empty() {
                return Some(events.freeze());
            }
            tokio::select! {
                changed = self.written.changed() => {
                    // A reader that is too slow misses the lines that were overwritten meanwhile.
                    self.waiting = self.journal.from(self.next).into();
                    self.over = changed.is_err();
                }
                () = tokio::time::sleep(self.pause) => {
                    if self.is_current() {
                        return Some(Bytes::from_static(COMMENT));
                    }
                    self.over = true;
                }
                () = self.admin.gateway.tasks.stopping() => self.over = true,
            }
            if self.over {
                write(&mut events, None, Some("end"), &[Bytes::from_static(b"{}")]);
                return Some(events.freeze());
            }
        }
    }

    /// Whether there still is a server that writes there.
    fn is_current(&self) -> bool {
        let now = self.admin.gateway.catalog.many().map(|many| many.now());
        let served = now.as_ref().and_then(|now| now.servers.get(&self.server));
        served.is_some_and(|served| Arc::ptr_eq(&served.vitals.journal, &self.journal))
    }
}
