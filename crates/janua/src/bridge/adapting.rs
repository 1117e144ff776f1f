//! A server whose revision is newer than its client's, both with a handshake: what the client's revision lacks is told
//! in other words.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use janua_wire::error::INVALID_PARAMS;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::translate::shapes;
use janua_wire::version::Version;

use crate::call::{Ask, Call, Caller, Event, Outcome, Reply};
use crate::error::Failure;
use crate::servers::{Connection, Opened};

/// The connection of clients that may be older than the server.
pub(super) struct Adapting(Arc<dyn Connection>);

/// The same connection for a client that opened in `version`, if that makes a difference.
pub(super) fn adapted(link: Arc<dyn Connection>, version: Version) -> Arc<dyn Connection> {
    if link.opened().version > version { Arc::new(Adapting(link)) } else { link }
}

impl Connection for Adapting {
    fn opened(&self) -> &Opened {
        self.0.opened()
    }

    fn call(&self, call: Call) -> Reply {
        let (version, method) = (call.caller.version, call.request.method());
        Reply::stream(self.0.call(call).filter_map(move |event| std::future::ready(shown(event, method, version))))
    }

    fn notify(&self, caller: &Caller, notification: Notification) {
        self.0.notify(caller, notification);
    }

    fn listen(&self) -> Reply {
        self.0.listen()
    }

    fn attributes(&self) -> bool {
        self.0.attributes()
    }

    fn tells(&self) -> BoxFuture<'static, bool> {
        self.0.tells()
    }

    fn is_over(&self) -> bool {
        self.0.is_over()
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        self.0.close(why)
    }
}

/// An event as a client of `version` must see it; `None` for a question that it cannot be asked.
fn shown(event: Event, method: Method, version: Version) -> Option<Event> {
    match event {
        Event::Done(Outcome::Answer(response)) if !response.is_error() => {
            let edits = shapes::for_client(method, response.body(), version);
            Some(Event::Done(Outcome::Answer(response.edited(&edits))))
        }
        Event::Ask(ask) => question(ask, version).map(Event::Ask),
        event => Some(event),
    }
}

fn question(mut ask: Ask, version: Version) -> Option<Ask> {
    let request = &ask.request;
    match shapes::question_for_client(request.method(), request.params(), version) {
        Ok(edits) if edits.is_empty() => Some(ask),
        Ok(edits) => {
            let params = edits.apply(request.params());
            let shown = Request::new(&request.id(), &request.name(), Some(&String::from_utf8_lossy(&params)));
            match shown {
                Ok(shown) => {
                    ask.request = shown;
                    Some(ask)
                }
                Err(why) => {
                    ask.refuse(INVALID_PARAMS, &why.why.to_string());
                    None
                }
            }
        }
        Err(unfit) => {
            match (unfit.code(), Response::result("{\"action\":\"cancel\"}")) {
                (Some(code), _) => ask.refuse(code, "the client's revision has no such question"),
                (None, Ok(cancelled)) => ask.answer(cancelled),
                (None, Err(_)) => drop(ask),
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt, stream};
    use janua_wire::id::ClientId;

    use super::*;
    use crate::call::Asker;
    use crate::lock::Lock;

    /// Remembers what it was answered.
    #[derive(Default)]
    struct Server(Lock<Vec<String>>);

    impl Asker for Server {
        fn answered(&self, _: &ClientId, response: Response) {
            self.0.lock().push(String::from_utf8_lossy(response.body()).into_owned());
        }
    }

    fn asked(server: &Arc<Server>, method: &str, params: &str, version: Version) -> Option<String> {
        let request = Request::new(&ClientId::number(7), method, Some(params)).expect("valid");
        let events = stream::iter([Event::Ask(Ask::new(request, server.clone()))]);
        let mut shown = pin!(events.filter_map(|event| std::future::ready(shown(event, Method::ToolsCall, version))));
        match shown.next().now_or_never().flatten() {
            Some(Event::Ask(ask)) => Some(String::from_utf8_lossy(ask.request.params()).into_owned()),
            _ => None,
        }
    }

    #[test]
    fn an_old_client_is_asked_what_it_can_understand() {
        let server = Arc::new(Server::default());
        let form = r#"{"mode":"form","message":"?","requestedSchema":{"type":"object","properties":{}}}"#;
        let shown = asked(&server, "elicitation/create", form, Version::V2025_06_18).expect("it is asked");
        assert!(!shown.contains("mode"), "{shown}");
        assert_eq!(asked(&server, "elicitation/create", form, Version::V2025_03_26), None);
        let by_url = r#"{"mode":"url","message":"?","url":"https://a.test","elicitationId":"1"}"#;
        assert_eq!(asked(&server, "elicitation/create", by_url, Version::V2025_06_18), None);
        let answers = server.0.lock().join(" ");
        assert!(answers.contains("-32601") && answers.contains("-32602"), "{answers}");
    }

    #[test]
    fn an_old_client_is_told_in_words() {
        let result = r#"{"content":[{"type":"resource_link","uri":"a:b","name":"n"}]}"#;
        let event = Event::Done(Outcome::Answer(Response::result(result).expect("valid")));
        let Some(Event::Done(Outcome::Answer(told))) = shown(event, Method::ToolsCall, Version::V2025_03_26) else {
            panic!("no answer")
        };
        let told = String::from_utf8_lossy(told.body()).into_owned();
        assert!(told.contains(r#""type":"text""#) && told.contains("a:b"), "{told}");
    }
}
