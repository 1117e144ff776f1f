//! `params._meta` of requests without handshake: putting it in for a client that has one, taking it out for a server.

use crate::edits::{Edits, Object};
use crate::json::{Scanner, Span, quote};
use crate::message::{Notification, Refused, Request};
use crate::method::{META_CAPABILITIES, META_CLIENT, META_LOG_LEVEL, META_SUBSCRIPTION, META_VERSION};
use crate::raw;
use crate::version::Version;

/// What all keys that the protocol itself puts into the `_meta` of requests and results begin with.
const OWN: &[u8] = b"io.modelcontextprotocol/";

/// The members that every request of 2026-07-28 carries in its `_meta` (`basic/index`), as raw JSON without braces.
/// `client` and `capabilities` are raw JSON objects.
pub fn envelope(client: &str, capabilities: &str, log_level: Option<&str>) -> String {
    let capabilities = if capabilities.is_empty() { "{}" } else { capabilities };
    let level = log_level.map(|level| format!(",\"{META_LOG_LEVEL}\":{}", quote(level))).unwrap_or_default();
    format!(
        "\"{META_VERSION}\":\"{}\",\"{META_CLIENT}\":{client},\"{META_CAPABILITIES}\":{capabilities}{level}",
        Version::NEWEST
    )
}

/// The request with `members` (see [`envelope`]) in its `_meta`. Everything else keeps its bytes.
pub fn with_envelope(request: &Request, members: &str) -> Result<Request, Refused> {
    let text = request.text();
    let (params, meta) = request.places();
    let (at, with) = match (params, meta) {
        (_, Some(meta)) => (meta.start + 1, format!("{members}{}", comma(text, meta))),
        (Some(params), None) => (params.start + 1, format!("\"_meta\":{{{members}}}{}", comma(text, params))),
        (None, None) => {
            let end = text.iter().rposition(|&byte| byte == b'}').unwrap_or_default();
            (end, format!(",\"params\":{{\"_meta\":{{{members}}}}}"))
        }
    };
    request.edited(vec![(Span { start: at, end: at }, with.as_bytes())])
}

/// The request with these keys of its `_meta` set to strings, or taken out. Everything else keeps its bytes.
pub fn with_trace(request: &Request, changes: &[(&str, Option<&str>)]) -> Result<Request, Refused> {
    let quoted: Vec<(&str, Option<String>)> = changes.iter().map(|(key, value)| (*key, value.map(quote))).collect();
    let Some(object) = request.places().1.and_then(|meta| Object::at(request.text(), meta)) else {
        let set = quoted.iter().filter_map(|(key, value)| Some(format!("\"{key}\":{}", value.as_ref()?)));
        return with_envelope(request, &set.collect::<Vec<_>>().join(","));
    };
    let changes: Vec<_> = quoted.iter().map(|(key, value)| (*key, value.as_ref().map(String::as_bytes))).collect();
    let mut edits = Edits::none();
    object.change(&mut edits, &changes);
    request.edited(edits.pairs())
}

/// What has to stand between something put in front and the members that are there.
fn comma(text: &[u8], object: Span) -> &'static str {
    let empty = text[object.start + 1..object.end - 1].iter().all(u8::is_ascii_whitespace);
    if empty { "" } else { "," }
}

/// The request without what only revisions without handshake put into `_meta`. Progress token, trace context and
/// the keys of others stay.
pub fn without_envelope(request: &Request) -> Result<Request, Refused> {
    let Some(meta) = request.places().1 else { return Ok(request.clone()) };
    let kept = without(request.text(), meta, |key| key.starts_with(OWN));
    request.edited(vec![(meta, kept.as_bytes())])
}

/// The request without the members `gone` of its parameters.
pub fn without_params(request: &Request, gone: &[&str]) -> Result<Request, Refused> {
    let Some(params) = request.places().0 else { return Ok(request.clone()) };
    let kept = without(request.text(), params, |key| gone.iter().any(|name| raw::same(key, name)));
    request.edited(vec![(params, kept.as_bytes())])
}

/// The object at `object` without the members whose (raw) keys `drops` names.
pub fn without(text: &[u8], object: Span, drops: impl Fn(&[u8]) -> bool) -> String {
    let mut out = String::from("{");
    let mut scanner = Scanner::within(text, object);
    if scanner.enter_object().is_err() {
        return String::from_utf8_lossy(&text[object.range()]).into_owned();
    }
    let mut first = true;
    while let Ok(Some(key)) = scanner.member(first) {
        first = false;
        let Ok(value) = scanner.value() else { break };
        if !drops(&text[key.range()]) {
            if out.len() > 1 {
                out.push(',');
            }
            out.push('"');
            out.push_str(&String::from_utf8_lossy(&text[key.start..value.end]));
        }
    }
    out.push('}');
    out
}

/// The `subscriptions/listen` that a notification belongs to, as raw JSON (2026-07-28 `basic/patterns/subscriptions`).
pub fn subscription(notification: &Notification) -> Option<&[u8]> {
    let meta = notification.param("_meta")?;
    raw::peek(meta, META_SUBSCRIPTION)
}

/// The notification as the subscriber with the raw id `id` must see it; with `None` as somebody who has a session
/// must: without a mark.
pub fn tagged(notification: &Notification, id: Option<&[u8]>) -> Result<Notification, Refused> {
    let params = notification.params();
    let whole = raw::whole(params);
    let meta = raw::find(params, whole, "_meta");
    let own = |key: &[u8]| raw::same(key, META_SUBSCRIPTION);
    let rest = meta.map_or_else(|| "{}".to_owned(), |meta| without(params, meta, own));
    let tag = id.map(|id| format!("\"{META_SUBSCRIPTION}\":{}", String::from_utf8_lossy(id)));
    let others = without(params, whole, |key| raw::same(key, "_meta"));
    let meta = match (tag, rest.as_str()) {
        (None, "{}") => None,
        (None, rest) => Some(rest.to_owned()),
        (Some(tag), "{}") => Some(format!("{{{tag}}}")),
        (Some(tag), rest) => Some(format!("{{{tag},{}", &rest[1..])),
    };
    let params = match (meta, others.as_str()) {
        (None, "{}") => return Notification::new(&notification.name(), None),
        (None, others) => others.to_owned(),
        (Some(meta), "{}") => format!("{{\"_meta\":{meta}}}"),
        (Some(meta), others) => format!("{{\"_meta\":{meta},{}", &others[1..]),
    };
    Notification::new(&notification.name(), Some(&params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, parse_one};

    fn request(text: &str) -> Request {
        match parse_one(text.to_owned().into()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn text(request: &Request) -> &str {
        std::str::from_utf8(request.text()).expect("UTF-8")
    }

    #[test]
    fn the_envelope_goes_in_and_comes_out() {
        let members = envelope("{\"name\":\"c\",\"version\":\"1\"}", "{\"roots\":{}}", Some("info"));
        for before in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":7,"x/y":1}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{ "name" : "a" , "_meta":{}}}"#,
        ] {
            let modern = with_envelope(&request(before), &members).expect("valid");
            assert_eq!(modern.claimed_version(), Some(&b"\"2026-07-28\""[..]));
            assert_eq!(modern.claimed_capabilities(), Some(&b"{\"roots\":{}}"[..]));
            assert_eq!(modern.meta(META_LOG_LEVEL), Some(&b"\"info\""[..]));
            assert_eq!(text(&without_envelope(&modern).expect("valid")), before);
        }
        for before in [
            r#"{"jsonrpc":"2.0","method":"tools/list","params":{},"id":"a"}"#,
            r#"{"jsonrpc":"2.0","method":"tools/list","id":"a"} "#,
            r#"{"jsonrpc":"2.0","method":"tools/list","params":{"cursor":"c"},"id":"a"}"#,
        ] {
            let modern = with_envelope(&request(before), &members).expect("valid");
            assert_eq!(modern.claimed_version(), Some(&b"\"2026-07-28\""[..]), "{}", text(&modern));
            assert!(without_envelope(&modern).expect("valid").claimed_version().is_none());
        }
    }

    #[test]
    fn a_change_is_tagged_for_its_subscriber() {
        let plain = Notification::new("notifications/resources/updated", Some(r#"{"uri":"a:b"}"#)).expect("valid");
        let tagged_ = tagged(&plain, Some(b"\"x\"")).expect("valid");
        assert_eq!(subscription(&tagged_), Some(&b"\"x\""[..]));
        assert_eq!(tagged(&tagged_, None).expect("valid").text(), plain.text());
        let bare = Notification::new("notifications/tools/list_changed", None).expect("valid");
        assert_eq!(tagged(&tagged(&bare, Some(b"1")).expect("valid"), None).expect("valid").text(), bare.text());
    }
}
