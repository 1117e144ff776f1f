//! A server some of whose tools are neither shown nor called.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use janua_wire::edits::Edits;
use janua_wire::error::INVALID_PARAMS;
use janua_wire::message::{Notification, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use tokio::time::Instant;

use super::{Connection, Opened, Opener, Opening, Refusal};
use crate::call::{Call, Caller, Event, Outcome, Reply};
use crate::error::Failure;

/// Which tools are shown, by their names.
#[derive(Clone)]
pub struct Shown(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl Shown {
    /// Those are shown for whose name `shows` is true.
    pub fn new(shows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Shown(Arc::new(shows))
    }

    /// Whether a tool of that name is shown.
    pub fn has(&self, name: &str) -> bool {
        (self.0)(name)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

/// Opens links to a server that hides tools.
pub(crate) struct Hiding {
    pub(crate) opener: Box<dyn Opener>,
    pub(crate) shown: Shown,
}

/// One such link.
struct Screened {
    link: Arc<dyn Connection>,
    shown: Shown,
}

impl Opener for Hiding {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let (opened, shown) = (self.opener.open(opening), self.shown.clone());
        async move { Ok(Arc::new(Screened { link: opened.await?, shown }) as Arc<dyn Connection>) }.boxed()
    }
}

impl Connection for Screened {
    fn opened(&self) -> &Opened {
        self.link.opened()
    }

    fn call(&self, call: Call) -> Reply {
        match call.request.method() {
            Method::ToolsCall => match call.request.param("name").and_then(raw::string) {
                Some(name) if !self.shown.has(&name) => {
                    let message = format!("Tool \"{name}\" is not available");
                    Reply::ready(Outcome::Answer(Response::error(INVALID_PARAMS, &message, None)))
                }
                _ => self.link.call(call),
            },
            Method::ToolsList => {
                let shown = self.shown.clone();
                Reply::stream(self.link.call(call).map(move |event| screened(event, &shown)))
            }
            _ => self.link.call(call),
        }
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        self.link.notify(caller, notification);
    }

    fn listen(&self) -> Reply {
        self.link.listen()
    }

    fn attributes(&self) -> bool {
        self.link.attributes()
    }

    fn tells(&self) -> BoxFuture<'static, bool> {
        self.link.tells()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.link.idle_since()
    }

    fn is_over(&self) -> bool {
        self.link.is_over()
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        self.link.close(why)
    }
}

/// A page of tools without those that are not shown, everything else byte for byte.
fn screened(event: Event, shown: &Shown) -> Event {
    let Event::Done(Outcome::Answer(response)) = event else { return event };
    let body = response.body();
    let list = raw::find(body, raw::whole(body), "tools").filter(|_| !response.is_error());
    let Some(list) = list else { return Event::Done(Outcome::Answer(response)) };
    let tools = raw::elements(body, list);
    let mut edits = Edits::none();
    edits.remove(&tools, |at| {
        let name = raw::peek_string(&body[tools[at].range()], "name");
        name.is_some_and(|name| !shown.has(&name))
    });
    Event::Done(Outcome::Answer(response.edited(&edits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_page_is_as_it_was() {
        let shown = Shown::new(|name| !name.starts_with("delete"));
        let page = |text: &str| {
            let event = Event::Done(Outcome::Answer(Response::result(text).expect("valid")));
            let Event::Done(Outcome::Answer(left)) = screened(event, &shown) else { panic!("no answer") };
            String::from_utf8_lossy(left.body()).into_owned()
        };
        let page_of = |tools: &str| format!(r#"{{"nextCursor":"c","tools":[{tools}],"x":1}}"#);
        let (a, b) = (r#"{ "name":"a","v":1.50 }"#, r#"{"name":"b"}"#);
        let gone = r#"{"name":"d\u0065lete_all"}"#;
        for (before, after) in [
            (format!("{a},{gone},{b}"), format!("{a},{b}")),
            (format!("{gone}, {a}"), a.to_owned()),
            (gone.to_owned(), String::new()),
            (String::new(), String::new()),
            (format!("{a} , 7"), format!("{a} , 7")),
        ] {
            assert_eq!(page(&page_of(&before)), page_of(&after), "{before}");
        }
        assert_eq!(page(r#"{"other":[]}"#), r#"{"other":[]}"#);
    }
}
