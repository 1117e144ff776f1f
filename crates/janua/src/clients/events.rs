//! An event stream as an HTTP answer: frames of a session's stream, comments while there is nothing to say.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use bytes::Bytes;
use http_body::Frame;
use janua_wire::headers::EVENT_STREAM;
use janua_wire::sse::COMMENT;
use tokio::time::{Instant, Sleep, sleep};

use crate::sessions::stream::{Read, Stream};

/// The body: reads a stream until it ends, somebody else takes over, or the client is gone.
struct Events {
    /// What goes out before everything else.
    opening: Option<Bytes>,
    stream: Arc<Stream>,
    ticket: u64,
    pause: Duration,
    timer: Pin<Box<Sleep>>,
    over: bool,
    /// Ends what the stream's end must end.
    on_close: Option<Box<dyn FnOnce() + Send>>,
}

/// An answer that reads `stream` with the reader's `ticket`, after `opening`. `on_close` runs when the client has
/// gone or the stream is over.
pub(crate) fn answer(
    stream: Arc<Stream>,
    ticket: u64,
    opening: Bytes,
    pause: Duration,
    on_close: Option<Box<dyn FnOnce() + Send>>,
) -> Response<Body> {
    let timer = Box::pin(sleep(pause));
    let events = Events { opening: Some(opening), stream, ticket, pause, timer, over: false, on_close };
    let mut answer = Response::new(Body::new(events));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    answer
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(Ok(Frame::data(opening))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let frames = match self.stream.poll_read(self.ticket, cx) {
            Poll::Ready(Read::Frames(frames)) => frames,
            Poll::Ready(Read::End) => return Poll::Ready(None),
            Poll::Ready(Read::Replaced) => {
                self.over = true;
                Bytes::from_static(b": another stream of this session has taken over\n\n")
            }
            Poll::Pending => {
                if self.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                Bytes::from_static(COMMENT)
            }
        };
        let next = Instant::now() + self.pause;
        self.timer.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(frames))))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.stream.detach(self.ticket);
        if let Some(close) = self.on_close.take() {
            close();
        }
    }
}
