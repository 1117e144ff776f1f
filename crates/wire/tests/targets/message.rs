//! JSON-RPC messages under any bytes: what is accepted is what serde_json reads, and an edit changes its place only.

#[path = "oracle.rs"]
mod oracle;

use bytes::Bytes;
use janua_wire::error::{INVALID_REQUEST, PARSE_ERROR};
use janua_wire::id::{ClientId, LinkId};
use janua_wire::json::{Fault, check};
use janua_wire::message::{Incoming, Invalid, Message, Notification, Refused, Request, Response, parse, parse_one};
use janua_wire::raw;
use serde_json::{Value, json};

/// The whole input is the text.
pub(crate) fn run(text: &[u8]) {
    let value = oracle::agree(text);
    match parse(Bytes::copy_from_slice(text)) {
        Ok(Incoming::Single(message)) => {
            assert_eq!(check(text), Ok(()));
            accepted(&message, text, value.as_ref());
        }
        Ok(Incoming::Batch(all)) => {
            assert_eq!(check(text), Ok(()));
            batch(&all, text);
        }
        Err(refused) => {
            let broken = matches!(refused.why, Invalid::Empty | Invalid::Json(Fault::Utf8 | Fault::Syntax(_)));
            assert_eq!(refused.why.code(), if broken { PARSE_ERROR } else { INVALID_REQUEST });
            assert!(!broken || check(text).is_err(), "{}: {}", refused.why, text.escape_ascii());
            if refused.why != Invalid::Batch {
                refusal(&refused, text, value.as_ref());
            }
        }
    }
}

fn batch(all: &[Result<Message, Refused>], text: &[u8]) {
    let spans = raw::elements(text, raw::whole(text));
    assert_eq!(all.len(), spans.len());
    for (one, span) in all.iter().zip(spans) {
        let text = &text[span.range()];
        let value = serde_json::from_slice(text).ok();
        match one {
            Ok(message) => accepted(message, text, value.as_ref()),
            Err(refused) => {
                assert_eq!(refused.why.code(), INVALID_REQUEST);
                refusal(refused, text, value.as_ref());
            }
        }
    }
}

fn refusal(refused: &Refused, text: &[u8], value: Option<&Value>) {
    assert!(!refused.why.to_string().is_empty());
    if let Some(id) = &refused.id {
        assert!(text.windows(id.raw().len()).any(|part| part == id.raw()), "made up an id");
    }
    let Some(value) = value else { return };
    if !matches!(refused.why, Invalid::Json(_)) && !is_odd(value) {
        let told = refused.id.as_ref().map(|id| parsed(id.raw()));
        let legal = |id: &&Value| id.is_string() || id.is_number();
        assert_eq!(told.as_ref(), value.get("id").filter(legal), "{value}");
    }
    match refused.why {
        // serde_json keeps the last of two equal keys, and every key that only looks like another.
        Invalid::Json(Fault::Duplicate(at) | Fault::Lookalike(at)) => assert!(at < text.len()),
        // `"2\u002e0"` is not how a peer writes it.
        Invalid::Version if text.contains(&b'\\') => {}
        why if is_odd(value) => assert!(matches!(why, Invalid::Id) || judged(value) == Err(why)),
        why => assert_eq!(judged(value), Err(why), "{value}"),
    }
}

/// Numbers that serde_json keeps as floats may have been integers.
fn is_odd(value: &Value) -> bool {
    value.get("id").is_some_and(Value::is_f64)
}

/// What a message is by the rules, told from its value.
fn judged(value: &Value) -> Result<&'static str, Invalid> {
    let object = value.as_object().ok_or(Invalid::NotObject)?;
    let of = |key| object.get(key);
    if of("jsonrpc") != Some(&json!("2.0")) {
        return Err(Invalid::Version);
    }
    if of("params").is_some_and(|params| !params.is_object() && !params.is_array()) {
        return Err(Invalid::Params);
    }
    let id = of("id").map(|id| if id.is_string() || id.is_number() { Ok(()) } else { Err(Invalid::Id) });
    match (of("method"), of("result"), of("error")) {
        (Some(method), None, None) if !method.is_string() => Err(Invalid::Method),
        (Some(_), None, None) => Ok(if id.transpose()?.is_some() { "request" } else { "notification" }),
        (None, Some(_), None) => id.ok_or(Invalid::Shape)?.map(|()| "result"),
        (None, None, Some(_)) if of("id").is_some_and(Value::is_null) => Ok("error"),
        (None, None, Some(_)) => id.transpose().map(|_| "error"),
        _ => Err(Invalid::Shape),
    }
}

fn accepted(message: &Message, original: &[u8], value: Option<&Value>) {
    let (kind, text) = match message {
        Message::Request(request) => ("request", request.text()),
        Message::Notification(notification) => ("notification", notification.text()),
        Message::Response(response) => (if response.is_error() { "error" } else { "result" }, response.text()),
    };
    assert!(!text.iter().any(|b| matches!(b, b'\r' | b'\n')));
    assert_eq!(text.len(), original.len());
    let kept = |(ours, theirs): (&u8, &u8)| ours == theirs || (*ours == b' ' && matches!(theirs, b'\r' | b'\n'));
    assert!(text.iter().zip(original).all(kept), "{}", text.escape_ascii());
    if let Some(value) = value {
        assert_eq!(judged(value), Ok(kind));
        assert_eq!(&parsed(text), value);
    }
    match message {
        Message::Request(one) => request(one, value),
        Message::Notification(one) => notification(one, value),
        Message::Response(one) => response(one, value),
    }
}

fn request(request: &Request, value: Option<&Value>) {
    let token = request.progress_token();
    if let Some(value) = value {
        assert_eq!(parsed(request.id().raw()), value["id"]);
        assert_eq!(request.name(), value["method"].as_str().expect("a method"));
        assert_eq!(&parsed(request.params()), value.get("params").unwrap_or(&json!({})));
        let theirs = value.pointer("/params/_meta/progressToken");
        assert_eq!(token.as_deref().map(parsed).as_ref(), theirs);
    }
    let number = LinkId(u64::MAX - 1);
    let stamped = same_request(request, request.stamped(number).into_bytes());
    assert_eq!(LinkId::parse(stamped.id().raw()), Some(number));
    assert_eq!(stamped.progress_token().as_deref().map(LinkId::parse), token.as_ref().map(|_| Some(number)));
    let back = stamped.asked_as(&request.id()).into_bytes();
    let path = ["params", "_meta", "progressToken"];
    let back = match (raw::find_path(&back, raw::whole(&back), &path), token) {
        (Some(place), Some(token)) => raw::replace(&back, place, &token).into(),
        _ => back,
    };
    assert_eq!(&back, request.text());
    let other = ClientId::new(Bytes::from_static(b"\"x\\u0020y\"")).expect("an id");
    let asked = same_request(request, request.asked_as(&other).into_bytes());
    assert_eq!(asked.id(), other);
    assert_eq!(asked.progress_token(), request.progress_token());
    assert_eq!(&asked.asked_as(&request.id()).into_bytes(), request.text());
}

fn same_request(request: &Request, text: Bytes) -> Request {
    let Ok(Message::Request(other)) = parse_one(text) else { panic!("no request any more") };
    assert_eq!((other.name(), other.method()), (request.name(), request.method()));
    other
}

fn response(response: &Response, value: Option<&Value>) {
    if let Some(value) = value {
        let key = if response.is_error() { "error" } else { "result" };
        assert_eq!(parsed(response.body()), value[key]);
        assert_eq!(response.id().map_or(Value::Null, parsed), value.get("id").cloned().unwrap_or_default());
    }
    let text = response.answering(b"\"another\"").into_bytes();
    let Ok(Message::Response(other)) = parse_one(text) else { panic!("no response any more") };
    assert_eq!(other.id(), Some(&b"\"another\""[..]));
    assert_eq!((other.body(), other.is_error()), (response.body(), response.is_error()));
    let back = other.answering(response.id().unwrap_or(b"null")).into_bytes();
    if raw::peek(response.text(), "id").is_some() {
        assert_eq!(&back, response.text());
    } else {
        let added = String::from_utf8_lossy(&back).replacen("{\"id\":null,", "{", 1);
        assert_eq!(added.as_bytes(), response.text());
    }
}

fn notification(notification: &Notification, value: Option<&Value>) {
    let params = value.and_then(|value| value.get("params"));
    if let Some(value) = value {
        assert_eq!(notification.name(), value["method"].as_str().expect("a method"));
        assert_eq!(&parsed(notification.params()), params.unwrap_or(&json!({})));
    }
    for key in params.and_then(Value::as_object).iter().flat_map(|params| params.keys()) {
        let was = notification.param(key).expect("a member");
        let edited = notification.with_param(key, b"[\"new\", 1]");
        assert_eq!((edited.name(), edited.method()), (notification.name(), notification.method()));
        assert_eq!(edited.param(key), Some(&b"[\"new\", 1]"[..]));
        if key != "_meta" {
            let Ok(Message::Notification(again)) = parse_one(edited.text().clone()) else {
                panic!("no notification any more")
            };
            assert_eq!((again.name(), again.params()), (edited.name(), edited.params()));
        }
        let mut wanted = parsed(notification.text());
        wanted["params"][key] = json!(["new", 1]);
        assert_eq!(parsed(edited.text()), wanted);
        assert_eq!(edited.with_param(key, was).text(), notification.text());
    }
    let absent = "no such member";
    if notification.param(absent).is_none() {
        let edited = notification.with_param(absent, b"1");
        assert_eq!(edited.text(), notification.text());
    }
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or(Value::Null)
}
