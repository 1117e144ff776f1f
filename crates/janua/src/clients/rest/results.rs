//! What a tool gave, in the forms in which plain HTTP shows it.

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use bytes::Bytes;
use janua_wire::json::Span;
use janua_wire::{base64, json, message, raw};

use super::Form;
use super::problem::Problem;
use crate::call::Outcome;

/// A result as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    body: Bytes,
    /// The media type of bytes that the server has chosen; `None`: it is JSON.
    media: Option<HeaderValue>,
}

/// How much of a result may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Anything.
    Whole,
    /// JSON without line breaks.
    Line,
}

impl Shown {
    /// JSON.
    pub(super) fn json(body: impl Into<Bytes>) -> Shown {
        Shown { body: body.into(), media: None }
    }

    /// The text, for a stream.
    pub(super) fn into_text(self) -> Bytes {
        self.body
    }

    /// An answer of it.
    pub(super) fn answer(self) -> Response<Body> {
        let mut answer = Response::new(Body::from(self.body));
        let headers = answer.headers_mut();
        match self.media {
            None => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(janua_wire::headers::JSON));
            }
            Some(media) => {
                headers.insert(CONTENT_TYPE, media);
                // Whatever a server sends must not become a page of this origin.
                headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            }
        }
        answer
    }
}

/// What a call's outcome is shown as. `is_known`: the tool is in the lists.
pub(super) fn of_call(outcome: &Outcome, form: Form, is_known: bool, scope: Scope) -> Result<Shown, Problem> {
    let response = answered(outcome, is_known)?;
    match form {
        Form::Bare { .. } => Ok(Shown::json(response.text().slice_ref(response.body()))),
        Form::Plain => plain(response, scope),
    }
}

/// What the outcome of any other request is shown as: the result as it is.
pub(super) fn of_result(outcome: &Outcome, is_known: bool) -> Result<Shown, Problem> {
    let response = answered(outcome, is_known)?;
    Ok(Shown::json(response.text().slice_ref(response.body())))
}

/// The server's result.
pub(super) fn answered(outcome: &Outcome, is_known: bool) -> Result<&message::Response, Problem> {
    match outcome {
        Outcome::Failure(failure) => Err(failure.into()),
        Outcome::Answer(response) if response.is_error() => Err(Problem::of_error(response.body(), is_known)),
        Outcome::Answer(response) => Ok(response),
    }
}

/// The members of a tool's result that are shown.
#[derive(Default)]
struct Parts {
    content: Option<Span>,
    structured: Option<Span>,
    is_error: bool,
}

fn plain(response: &message::Response, scope: Scope) -> Result<Shown, Problem> {
    let body = response.body();
    let whole = || response.text().slice_ref(body);
    let Some(members) = raw::members(body, raw::whole(body)) else { return Ok(Shown::json(whole())) };
    let mut parts = Parts::default();
    for (key, value) in members {
        match &body[key.range()] {
            b"content" => parts.content = Some(value),
            b"structuredContent" => parts.structured = Some(value).filter(|at| &body[at.range()] != b"null"),
            b"isError" => parts.is_error = &body[value.range()] == b"true",
            _ => {}
        }
    }
    if parts.is_error {
        return Err(failed(body, &parts));
    }
    if let Some(structured) = parts.structured {
        return Ok(Shown::json(whole().slice(structured.range())));
    }
    let Some(content) = parts.content else { return Ok(Shown::json(whole())) };
    if let [only] = raw::elements(body, content).as_slice()
        && let Some(shown) = single(&whole(), *only, scope)
    {
        return Ok(shown);
    }
    Ok(Shown::json(whole().slice(content.range())))
}

/// A tool's failure: its texts say what it was.
fn failed(body: &[u8], parts: &Parts) -> Problem {
    let content = parts.content.map(|at| raw::elements(body, at)).unwrap_or_default();
    let texts: Vec<String> = content.iter().filter_map(|item| raw::peek_string(&body[item.range()], "text")).collect();
    let detail = if texts.is_empty() { "the tool failed".to_owned() } else { texts.join("\n") };
    let member = |name: &str, at: Option<Span>| {
        at.map(|at| format!(",\"{name}\":{}", String::from_utf8_lossy(&body[at.range()]))).unwrap_or_default()
    };
    let more = member("content", parts.content) + &member("structuredContent", parts.structured);
    Problem::of_tool(detail, more)
}

/// The only item of a content, if it is shown as what it holds.
fn single(body: &Bytes, item: Span, scope: Scope) -> Option<Shown> {
    let item = body.slice(item.range());
    match raw::peek_string(&item, "type")?.as_str() {
        "text" => {
            let quoted = raw::peek(&item, "text")?;
            let text = raw::string(quoted)?;
            if json::check(text.as_bytes()).is_err() {
                return Some(Shown::json(item.slice_ref(quoted)));
            }
            let text = if scope == Scope::Line { text.replace(['\r', '\n'], " ") } else { text };
            Some(Shown::json(text))
        }
        "image" | "audio" if scope == Scope::Whole => bytes(&item, "data"),
        "resource" if scope == Scope::Whole => bytes(raw::peek(&item, "resource")?, "blob"),
        _ => None,
    }
}

/// The bytes that a member of an item holds.
fn bytes(item: &[u8], member: &str) -> Option<Shown> {
    let data = raw::peek_string(item, member)?;
    Some(Shown { body: base64::decode(data.as_bytes())?.into(), media: Some(media(item, "application/octet-stream")) })
}

/// The media type of an item, if it says one that can be sent.
fn media(item: &[u8], otherwise: &'static str) -> HeaderValue {
    let said = raw::peek_string(item, "mimeType").filter(|said| said.contains('/'));
    said.and_then(|said| HeaderValue::from_str(&said).ok()).unwrap_or_else(|| HeaderValue::from_static(otherwise))
}

/// The content of a resource: as what it is if it is one, else as JSON.
pub(super) fn of_resource(response: &message::Response) -> Shown {
    let body = response.body();
    let whole = response.text().slice_ref(body);
    let contents = raw::find(body, raw::whole(body), "contents");
    let items = contents.map(|at| raw::elements(body, at)).unwrap_or_default();
    let only = match items.as_slice() {
        [only] => &body[only.range()],
        _ => return Shown::json(whole),
    };
    if let Some(text) = raw::peek_string(only, "text") {
        return Shown { body: text.into(), media: Some(media(only, "text/plain; charset=utf-8")) };
    }
    bytes(only, "blob").unwrap_or(Shown::json(whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Outcome;

    fn shown(result: &str, scope: Scope) -> Result<Shown, Problem> {
        let outcome = Outcome::Answer(message::Response::result(result).expect("a result"));
        of_call(&outcome, Form::Plain, true, scope)
    }

    fn text(result: &str) -> String {
        let shown = shown(result, Scope::Whole).expect("no failure");
        assert_eq!(shown.media, None, "{result}");
        String::from_utf8(shown.body.to_vec()).expect("text")
    }

    #[test]
    fn the_simplest_form_that_says_all_is_shown() {
        for (result, wanted) in [
            (r#"{"content":[{"type":"text","text":"{\"a\":1}"}],"structuredContent":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"content":[{"type":"text","text":"[1, 2]"}]}"#, "[1, 2]"),
            (r#"{"content":[{"type":"text","text":"h\u0069 \"x\""}]}"#, r#""h\u0069 \"x\"""#),
            (r#"{"content":[]}"#, "[]"),
            (
                r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
                r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#,
            ),
            (r#"{"structuredContent":null,"content":[{"type":"text","text":"a"}]}"#, r#""a""#),
            (
                r#"{"content":[{"type":"resource_link","uri":"a:b","name":"n"}]}"#,
                r#"[{"type":"resource_link","uri":"a:b","name":"n"}]"#,
            ),
            (
                r#"{"content":[{"type":"image","data":"%%","mimeType":"image/png"}]}"#,
                r#"[{"type":"image","data":"%%","mimeType":"image/png"}]"#,
            ),
        ] {
            assert_eq!(text(result), wanted, "{result}");
        }
    }

    #[test]
    fn media_are_bytes_unless_only_a_line_can_be_shown() {
        let image = r#"{"content":[{"type":"image","data":"Zm9v","mimeType":"image/png"}]}"#;
        let bytes = shown(image, Scope::Whole).expect("an image");
        assert_eq!((&bytes.body[..], bytes.media), (&b"foo"[..], Some(HeaderValue::from_static("image/png"))));
        let line = shown(image, Scope::Line).expect("an image");
        assert_eq!(line, Shown::json(r#"[{"type":"image","data":"Zm9v","mimeType":"image/png"}]"#));
        let blob = r#"{"content":[{"type":"resource","resource":{"uri":"a:b","blob":"Zm9v","mimeType":"a\nb/c"}}]}"#;
        let blob = shown(blob, Scope::Whole).expect("a blob");
        assert_eq!(blob.media, Some(HeaderValue::from_static("application/octet-stream")));
    }

    #[test]
    fn a_tool_that_failed_is_a_problem_that_says_what_it_said() {
        let failed = shown(r#"{"content":[{"type":"text","text":"no\nway"}],"isError":true}"#, Scope::Whole);
        let problem = failed.expect_err("a failure").text(Form::Plain);
        assert!(problem.contains(r#""status":422,"detail":"no\nway","content":[{"type":"text""#), "{problem}");
    }
}
