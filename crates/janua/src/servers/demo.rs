//! The built-in demo server: in process, through the same waist as every other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use tokio::sync::{oneshot, watch};

use crate::call::{Ask, Asker, Call, Caller, Event, Outcome, Reply};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::{Connection, Opened, Opener, Opening, Refusal};

const TOOLS: &str = r#"{"tools":[
{"name":"echo","description":"Gives back the text it gets","inputSchema":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}},
{"name":"add","description":"Adds two numbers","inputSchema":{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]}},
{"name":"countdown","description":"Counts down from n, a step every tenth of a second, reporting progress","inputSchema":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":100}},"required":["n"]}},
{"name":"greet","description":"Asks the person at the client for a name, and greets","inputSchema":{"type":"object"}}]}"#;

const FORM: &str = r#"{"message":"What is your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}"#;

/// Opens demo servers.
pub(crate) struct DemoOpener;

impl Opener for DemoOpener {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        async move {
            let result = format!(
                r#"{{"protocolVersion":"{}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"janua-demo","version":"{}"}},"instructions":"A demo: echo, add, countdown, greet."}}"#,
                opening.version,
                env!("CARGO_PKG_VERSION")
            );
            let opened = Opened { response: answer(&result), version: opening.version };
            let (over, _) = watch::channel(None);
            Ok(Arc::new(Demo { opened, over, capabilities: opening.capabilities }) as Arc<dyn Connection>)
        }
        .boxed()
    }
}

/// One client's demo server.
struct Demo {
    opened: Opened,
    over: watch::Sender<Option<Failure>>,
    capabilities: ClientCapabilities,
}

fn answer(result: &str) -> Response {
    Response::result(result).unwrap_or_else(|_| Response::error(INVALID_PARAMS, "the demo broke", None))
}

fn text(text: &str) -> Response {
    answer(&format!("{{\"content\":[{{\"type\":\"text\",\"text\":{}}}]}}", quote(text)))
}

fn wrong(message: &str) -> Reply {
    Reply::ready(Outcome::Answer(Response::error(INVALID_PARAMS, message, None)))
}

fn done(response: Response) -> Event {
    Event::Done(Outcome::Answer(response))
}

impl Connection for Demo {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn call(&self, call: Call) -> Reply {
        let request = call.request;
        match (request.method(), request.name().as_ref()) {
            (Method::Ping, _) => Reply::ready(Outcome::Answer(answer("{}"))),
            (Method::ToolsCall, _) => self.tool(&request),
            (_, "tools/list") => Reply::ready(Outcome::Answer(answer(&TOOLS.replace('\n', "")))),
            (_, name) => {
                let message = format!("the demo server has no method {name}");
                Reply::ready(Outcome::Answer(Response::error(METHOD_NOT_FOUND, &message, None)))
            }
        }
    }

    fn notify(&self, _: &Caller, _: Notification) {}

    fn is_over(&self) -> bool {
        false
    }

    fn listen(&self) -> Reply {
        let mut over = self.over.subscribe();
        Reply::stream(stream::once(async move {
            let why = over.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
            let gone = || Failure::new(Kind::ServerExited, "the demo server has ended");
            Event::Done(Outcome::Failure(why.unwrap_or_else(gone)))
        }))
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        self.over.send_replace(Some(why));
        std::future::ready(()).boxed()
    }
}

impl Demo {
    fn tool(&self, request: &Request) -> Reply {
        let arguments = raw::peek(request.params(), "arguments").unwrap_or(b"{}");
        let number = |key| std::str::from_utf8(raw::peek(arguments, key)?).ok()?.parse::<f64>().ok();
        match raw::peek_string(request.params(), "name").as_deref() {
            Some("echo") => match raw::peek_string(arguments, "text") {
                Some(given) => Reply::ready(Outcome::Answer(text(&given))),
                None => wrong("echo needs a string \"text\""),
            },
            Some("add") => match (number("a"), number("b")) {
                (Some(a), Some(b)) => Reply::ready(Outcome::Answer(text(&(a + b).to_string()))),
                _ => wrong("add needs two numbers, \"a\" and \"b\""),
            },
            Some("countdown") => match number("n").filter(|n| (1.0..=100.0).contains(n) && n.fract() == 0.0) {
                Some(n) => countdown(n, request.progress_token()),
                None => wrong("countdown needs an integer \"n\" between 1 and 100"),
            },
            Some("greet") => self.greet(),
            _ => wrong("the demo server has the tools echo, add, countdown and greet"),
        }
    }

    fn greet(&self) -> Reply {
        if self.capabilities.permit(Method::Elicit, FORM.as_bytes()).is_err() {
            return Reply::ready(Outcome::Answer(text("Hello, whoever you are: your client cannot be asked.")));
        }
        let Ok(question) = Request::new(&ClientId::number(1), "elicitation/create", Some(FORM)) else {
            return wrong("the demo broke");
        };
        let (sender, receiver) = oneshot::channel();
        let ask = Ask::new(question, Arc::new(Waiting(Lock::new(Some(sender)))));
        let answered = stream::once(async move {
            let name = receiver
                .await
                .ok()
                .and_then(|response: Response| raw::peek_string(raw::peek(response.body(), "content")?, "name"));
            done(text(&name.map_or("Then I do not greet anybody.".to_owned(), |name| format!("Hello, {name}!"))))
        });
        Reply::stream(stream::once(std::future::ready(Event::Ask(ask))).chain(answered))
    }
}

/// Hands the answer to a question to the call that asked it.
struct Waiting(Lock<Option<oneshot::Sender<Response>>>);

impl Asker for Waiting {
    fn answered(&self, _: &ClientId, response: Response) {
        if let Some(sender) = self.0.lock().take() {
            let _ = sender.send(response);
        }
    }
}

fn countdown(from: f64, token: Option<bytes::Bytes>) -> Reply {
    let token = token.map(|token| String::from_utf8_lossy(&token).into_owned());
    Reply::stream(stream::unfold(Some(0.0), move |step| {
        let token = token.clone();
        async move {
            let mut step = step?;
            while step < from {
                tokio::time::sleep(Duration::from_millis(100)).await;
                step += 1.0;
                if let Some(token) = &token {
                    let params = format!("{{\"progressToken\":{token},\"progress\":{step},\"total\":{from}}}");
                    if let Ok(news) = Notification::new("notifications/progress", Some(&params)) {
                        return Some((Event::Notify(news), Some(step)));
                    }
                }
            }
            Some((done(text("Lift-off.")), None))
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_are_valid_json() {
        janua_wire::json::check(TOOLS.as_bytes()).expect("valid");
        janua_wire::json::check(FORM.as_bytes()).expect("valid");
    }
}
