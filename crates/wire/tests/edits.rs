//! Edits change exactly their place: ids, tokens and members, in texts of any spelling and size.

#[path = "targets/templates.rs"]
mod templates;

use bytes::Bytes;
use janua_wire::id::{ClientId, LinkId};
use janua_wire::json::Span;
use janua_wire::line::Line;
use janua_wire::message::{Message, Notification, Request, Response, parse_one};
use janua_wire::raw;
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::sample::select;
use proptest::{prop_oneof, proptest};
use serde_json::Value;
use templates::texts::{integer, string, value, white};
use templates::{Member, Part, object, render, unknown};

fn text(text: &str) -> Vec<Part> {
    vec![Part::Text(text.to_owned())]
}

/// A key as it is, or with its first letter escaped.
fn key(name: &'static str) -> BoxedStrategy<String> {
    let escaped = format!("\"\\u{:04X}{}\"", u32::from(name.as_bytes()[0]), &name[1..]);
    prop_oneof![4 => Just(format!("\"{name}\"")), 1 => Just(escaped)].boxed()
}

fn member(name: &'static str, parts: Vec<Part>) -> BoxedStrategy<Vec<Member>> {
    key(name).prop_map(move |key| vec![(key, parts.clone())]).boxed()
}

fn holding(name: &'static str, parts: BoxedStrategy<Vec<Part>>) -> BoxedStrategy<Vec<Member>> {
    (key(name), parts).prop_map(|(key, parts)| vec![(key, parts)]).boxed()
}

/// The members, in some texts one more that makes the text larger than what is copied in one piece.
fn all(members: Vec<BoxedStrategy<Vec<Member>>>) -> BoxedStrategy<Vec<Member>> {
    let large = ("\"large\"".to_owned(), text(&format!("\"{}\"", "long \u{e9}".repeat(3000))));
    let large = prop_oneof![3 => Just(vec![]), 1 => Just(vec![large])];
    (members, large).prop_map(|(members, large)| members.into_iter().flatten().chain(large).collect()).boxed()
}

fn maybe(members: BoxedStrategy<Vec<Member>>) -> BoxedStrategy<Vec<Member>> {
    prop_oneof![1 => Just(vec![]), 3 => members].boxed()
}

fn document(members: Vec<BoxedStrategy<Vec<Member>>>) -> BoxedStrategy<Vec<Part>> {
    let version = key("jsonrpc").prop_map(|key| vec![(key, text("\"2.0\""))]).boxed();
    let members = members.into_iter().chain([version, unknown()]).collect();
    (white(), object(all(members)), white())
        .prop_map(|(before, parts, after)| [text(&before), parts, text(&after)].concat())
        .boxed()
}

fn method() -> BoxedStrategy<Vec<Member>> {
    let names = ["tools/call", "notifications/progress", "tools\\/call", "acme/\\u00e9", "", "\u{2028}"];
    holding("method", select(names.to_vec()).prop_map(|name| text(&format!("\"{name}\""))).boxed())
}

fn request() -> BoxedStrategy<Vec<Part>> {
    let token = maybe(member("progressToken", vec![Part::Token]));
    let meta = object(all(vec![token, unknown()]));
    let arguments = holding("arguments", value().prop_map(|value| text(&value)).boxed());
    let params = object(all(vec![maybe(holding("_meta", meta)), arguments, unknown()]));
    document(vec![method(), member("id", vec![Part::Id]), maybe(holding("params", params))])
}

fn notification() -> BoxedStrategy<Vec<Part>> {
    let token = maybe(member("progressToken", vec![Part::Token]));
    let params = object(all(vec![token, unknown()]));
    document(vec![method(), maybe(holding("params", params))])
}

fn response() -> BoxedStrategy<Vec<Part>> {
    let body = prop_oneof![Just("result"), Just("error")];
    let body = body.prop_flat_map(|name| holding(name, value().prop_map(|value| text(&value)).boxed()));
    document(vec![member("id", vec![Part::Id]), body.boxed()])
}

/// Members, and an object of them with a token as the member `here`.
fn place() -> impl Strategy<Value = (Vec<Member>, Vec<Part>)> {
    unknown().prop_flat_map(|members| {
        let open = vec![("\"here\"".to_owned(), vec![Part::Token])];
        (Just(members.clone()), object(Just([members, open].concat())))
    })
}

fn id() -> BoxedStrategy<String> {
    prop_oneof![integer(), string()].boxed()
}

fn token() -> BoxedStrategy<String> {
    prop_oneof![3 => id(), 1 => value()].boxed()
}

/// As a message keeps it: line breaks can only be white space.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn read(text: &str) -> Message {
    parse_one(Bytes::copy_from_slice(text.as_bytes())).unwrap_or_else(|refused| panic!("{}: {text}", refused.why))
}

fn read_request(text: &str) -> Request {
    let Message::Request(request) = read(text) else { panic!("no request: {text}") };
    request
}

fn read_notification(text: &str) -> Notification {
    let Message::Notification(notification) = read(text) else { panic!("no notification: {text}") };
    notification
}

fn read_response(text: &str) -> Response {
    let Message::Response(response) = read(text) else { panic!("no response: {text}") };
    response
}

fn whole(line: Line) -> String {
    let (size, parts) = (line.len(), line.parts().concat());
    let whole = line.into_bytes();
    assert_eq!((size, &parts[..]), (whole.len(), &whole[..]));
    String::from_utf8(whole.to_vec()).expect("UTF-8")
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("JSON")
}

fn client_id(raw: &str) -> ClientId {
    ClientId::new(Bytes::copy_from_slice(raw.as_bytes())).expect("an id")
}

proptest! {
    #[test]
    fn a_request_is_stamped_in_two_places(
        parts in request(), id in id(), token in token(), number in any::<u64>(),
    ) {
        let request = read_request(&render(&parts, &id, &token));
        let tokened = parts.iter().any(|part| matches!(part, Part::Token));
        assert_eq!(request.text(), one_line(&render(&parts, &id, &token)).as_bytes());
        assert_eq!(request.id().raw(), id.as_bytes());
        let read = request.progress_token();
        assert_eq!(read, tokened.then(|| Bytes::from(one_line(&token))));

        let stamped = whole(request.stamped(LinkId(number)));
        let number = number.to_string();
        assert_eq!(&stamped, &one_line(&render(&parts, &number, &number)));
        let mut wanted = parsed(request.text());
        wanted["id"] = parsed(number.as_bytes());
        if let Some(token) = wanted.pointer_mut("/params/_meta/progressToken") {
            *token = parsed(number.as_bytes());
        }
        assert_eq!(parsed(stamped.as_bytes()), wanted);
    }

    #[test]
    fn a_request_is_asked_under_another_id(parts in request(), id in id(), token in token(), other in id()) {
        let request = read_request(&render(&parts, &id, &token));
        let asked = whole(request.asked_as(&client_id(&other)));
        assert_eq!(&asked, &one_line(&render(&parts, &other, &token)));
        let back = whole(read_request(&asked).asked_as(&request.id()));
        assert_eq!(back.as_bytes(), request.text());
    }

    #[test]
    fn a_response_answers_another_id(parts in response(), id in id(), other in id()) {
        let response = read_response(&render(&parts, &id, ""));
        assert_eq!(response.id(), Some(id.as_bytes()));
        let value = parsed(response.text());
        let name = if response.is_error() { "error" } else { "result" };
        assert_eq!(&parsed(response.body()), &value[name]);
        let answer = whole(response.answering(other.as_bytes()));
        assert_eq!(&answer, &one_line(&render(&parts, &other, "")));
        let answer = read_response(&answer);
        assert_eq!((answer.body(), answer.is_error()), (response.body(), response.is_error()));
    }

    #[test]
    fn a_notification_gets_another_token(parts in notification(), token in token(), other in value()) {
        let notification = read_notification(&render(&parts, "", &token));
        let other = one_line(&other);
        let edited = notification.with_param("progressToken", other.as_bytes());
        assert_eq!(edited.text(), one_line(&render(&parts, "", &other)).as_bytes());
        // What it says of itself is what its text says.
        let again = read_notification(&render(&parts, "", &other));
        assert_eq!(edited.name(), again.name());
        assert_eq!(edited.method(), again.method());
        assert_eq!(edited.params(), again.params());
        assert_eq!(edited.param("progressToken"), again.param("progressToken"));
        let back = edited.with_param("progressToken", one_line(&token).as_bytes());
        assert_eq!(back.text(), notification.text());
        assert_eq!(whole(edited.line()).as_bytes(), again.text());
        assert_eq!(notification.with_param("absent", b"1").text(), notification.text());
    }

    #[test]
    fn a_member_is_found_and_replaced(
        (members, parts) in place(), before in string(), after in string(), was in value(), new in value(),
    ) {
        // The object stands inside a larger text.
        let around = |value: &str| format!("[{before},{},{after}]", render(&parts, "", value));
        let text = around(&was);
        let place = raw::elements(text.as_bytes(), raw::whole(text.as_bytes()))[1];
        let found = raw::find(text.as_bytes(), place, "here").expect("a member");
        assert_eq!(&text[found.range()], &was);
        let edited = raw::replace(text.as_bytes(), found, new.as_bytes());
        assert_eq!(edited, around(&new).as_bytes());
        let end = place.end - was.len() + new.len();
        let object = &edited[place.start..end];
        assert_eq!(raw::peek(object, "here"), Some(new.as_bytes()));
        assert_eq!(raw::peek(object, "not here"), None);
        assert_eq!(raw::peek_string(object, "here"), serde_json::from_str::<String>(&new).ok());
        for (key, value) in &members {
            let name: String = serde_json::from_str(key).expect("a key");
            assert_eq!(raw::peek(object, &name), Some(render(value, "", "").as_bytes()), "{name}");
        }
    }

    #[test]
    fn paths_lead_through_objects_only(value in value(), gap in white()) {
        let text = format!("{{\"a\":{gap}{{\"b\" :{value} }},\"c\":[{{\"b\":1}}],\"b\":2}}");
        let bytes = text.as_bytes();
        let found = raw::find_path(bytes, raw::whole(bytes), &["a", "b"]).map(|span| &text[span.range()]);
        assert_eq!(found, Some(&value[..]));
        assert_eq!(raw::find_path(bytes, raw::whole(bytes), &["c", "b"]), None);
        assert_eq!(raw::find_path(bytes, raw::whole(bytes), &["b", "b"]), None);
        assert_eq!(raw::find_path(bytes, raw::whole(bytes), &[]), Some(raw::whole(bytes)));
    }

    #[test]
    fn elements_are_told_apart(values in vec((white(), value(), white()), 0..6)) {
        let items: Vec<String> = values.iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
        let text = format!("[{}]", items.join(","));
        let found = raw::elements(text.as_bytes(), raw::whole(text.as_bytes()));
        let found: Vec<&str> = found.iter().map(|span| &text[span.range()]).collect();
        let wanted: Vec<&str> = values.iter().map(|(_, value, _)| &value[..]).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn splicing_is_the_same_for_every_size(
        pieces in vec(("[a-z\u{e9}]{0,9}", "[0-9]{0,9}"), 1..5), pad in select(vec![0usize, 20_000]),
        turn in any::<bool>(),
    ) {
        let mut text = "p".repeat(pad);
        let mut wanted = text.clone();
        let mut edits: Vec<(Span, &[u8])> = Vec::new();
        for (old, new) in &pieces {
            edits.push((Span { start: text.len(), end: text.len() + old.len() }, new.as_bytes()));
            text.push_str(old);
            wanted.push_str(new);
            text.push('|');
            wanted.push('|');
        }
        if turn {
            edits.reverse();
        }
        let line = Line::splice(&Bytes::from(text), edits);
        assert_eq!(line.is_empty(), wanted.is_empty());
        assert!(pad > 0 || line.parts().len() == 1);
        assert_eq!(whole(line), wanted);
    }
}
