//! A call as an event stream: what happens on the way, questions among it, and last the result or the error.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use janua_wire::headers::EVENT_STREAM;
use janua_wire::id::ClientId;
use janua_wire::message::Notification;
use janua_wire::metadata::without;
use janua_wire::method::Method;
use janua_wire::{raw, sse};
use tokio::time::{Instant, Sleep, sleep};

use super::call::Running;
use super::questions::Place;
use super::results::{Scope, Shown};
use super::tools::{self, About};
use super::{Form, Target, Visit};
use crate::call::{Ask, Event, Outcome};

/// The stream. The caller holds the call: when it goes, the call is cancelled.
struct Events {
    running: Option<Running>,
    about: About,
    form: Form,
    place: Place,
    target: Target,
    /// Questions that wait for answers: their handles, and the server's ids.
    asked: Vec<(String, ClientId)>,
    /// Whether anything was said.
    is_begun: bool,
    timer: Pin<Box<Sleep>>,
}

/// An answer that tells of a call until its end.
pub(super) async fn answer(visit: &Visit<'_>, target: &Target, running: Running, about: About) -> Response<Body> {
    // Whether there is such a tool is found out now: the stream cannot wait for anything but the call.
    let about = match about {
        About::Tool(name, None) => {
            let known = tools::is_listed(visit, target, &running.held, &name).await;
            About::Tool(name, Some(known))
        }
        about => about,
    };
    let timer = Box::pin(sleep(visit.edge.gateway.limits.keep_alive));
    let (place, target) = (Place::of(visit, target), target.clone());
    let (asked, running) = (Vec::new(), Some(running));
    let events = Events { running, about, form: visit.form, place, target, asked, is_begun: false, timer };
    let mut answer = Response::new(Body::new(events));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    answer
}

fn frame(name: &str, data: Bytes) -> Bytes {
    let mut out = BytesMut::new();
    sse::write(&mut out, None, Some(name), &[data]);
    out.freeze()
}

impl Events {
    /// An event as it goes out; `None` for what is not told.
    fn told(&mut self, event: Event) -> Option<Bytes> {
        match event {
            Event::Notify(news) => self.news(news),
            Event::Ask(ask) => self.question(ask),
            Event::Done(outcome) => Some(self.end(&outcome)),
        }
    }

    fn news(&mut self, news: Notification) -> Option<Bytes> {
        match news.method() {
            Method::Progress => {
                let params = news.params();
                // The token is the gateway's own affair.
                let shown = without(params, raw::whole(params), |key| raw::same(key, "progressToken"));
                return Some(frame("progress", shown.into()));
            }
            Method::LogMessage => return Some(frame("log", Bytes::copy_from_slice(news.params()))),
            Method::Cancelled => {
                let id = news.param("requestId").unwrap_or_default();
                let (gone, kept) = self.asked.drain(..).partition(|(_, asked)| asked.raw() == id);
                self.asked = kept;
                let gone: Vec<(String, ClientId)> = gone;
                for (handle, _) in gone {
                    self.place.rest.questions.withdraw(&handle);
                }
            }
            _ => {
                if let Some(running) = &self.running {
                    running.note(Event::Notify(news));
                }
            }
        }
        None
    }

    fn question(&mut self, ask: Ask) -> Option<Bytes> {
        let id = ask.request.id().detached();
        // Without a place for it, it was declined.
        let told = self.place.rest.questions.keep(&self.place, vec![ask], None).ok()?;
        self.asked.push((told.handle, id));
        Some(frame("question", told.text.into()))
    }

    fn end(&mut self, outcome: &Outcome) -> Bytes {
        if let Some(running) = &self.running {
            tools::settle(&self.place.gateway, &self.target, &running.held, outcome);
        }
        let is_known = self.about.is_known();
        self.running = None;
        match tools::shown(outcome, &self.about, self.form, is_known, Scope::Line) {
            Ok(shown) => frame("result", Shown::into_text(shown)),
            Err(problem) => frame("error", problem.text(self.form).into()),
        }
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let told = loop {
            let Some(running) = &mut self.running else { return Poll::Ready(None) };
            match running.poll_event(cx) {
                Poll::Ready(event) => {
                    if let Some(told) = self.told(event) {
                        break told;
                    }
                }
                // The head of the answer goes out at once.
                Poll::Pending if !self.is_begun => break Bytes::from_static(sse::COMMENT),
                Poll::Pending => {
                    std::task::ready!(self.timer.as_mut().poll(cx));
                    break Bytes::from_static(sse::COMMENT);
                }
            }
        };
        self.is_begun = true;
        let next = Instant::now() + self.place.gateway.limits.keep_alive;
        self.timer.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(told))))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        for (handle, _) in &self.asked {
            self.place.rest.questions.withdraw(handle);
        }
    }
}
