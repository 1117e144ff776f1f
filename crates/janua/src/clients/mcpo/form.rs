//! Results and failures in mcpo's form.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use janua_wire::error::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};
use janua_wire::json;
use janua_wire::raw;
use serde_json::{Map, Value, json};

use crate::call::Outcome;
use crate::error::{Failure, Kind};

/// The answer that a call's outcome makes.
pub(super) fn answer(outcome: &Outcome) -> Response<Body> {
    let response = match outcome {
        Outcome::Answer(response) => response,
        Outcome::Failure(why) => return failed(why),
    };
    let result = response.body();
    if response.is_error() {
        return refused(result);
    }
    let content = contents(result);
    if raw::peek(result, "isError") == Some(b"true") {
        let text = content.first().filter(|_| first_is_text(result)).cloned();
        let message = text.map_or_else(|| "Unknown tool execution error".to_owned(), |_| first_text(result));
        return detail(StatusCode::INTERNAL_SERVER_ERROR, &said(&message, None));
    }
    let structured = || raw::peek(result, "structuredContent").map(|raw| String::from_utf8_lossy(raw).into_owned());
    let body = match &content[..] {
        [] => structured().unwrap_or_else(|| "[]".to_owned()),
        [one] => one.clone(),
        several => format!("[{}]", several.join(",")),
    };
    given(StatusCode::OK, body)
}

/// `{"detail": …}` with a status.
pub(super) fn detail(status: StatusCode, detail: &Value) -> Response<Body> {
    given(status, json!({ "detail": detail }).to_string())
}

/// A detail that is a text.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    detail(status, &Value::from(text))
}

/// 405, with the methods that there are.
pub(super) fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

/// A failure of the gateway's own.
pub(super) fn failed(why: &Failure) -> Response<Body> {
    let status = match why.kind {
        Kind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Kind::ServerExited | Kind::ResponseTooLarge | Kind::InvalidResponse | Kind::SessionLost => {
            StatusCode::BAD_GATEWAY
        }
        _ => why.status(),
    };
    let mut answer = detail(status, &said(&why.message, None));
    if let Some(wait) = why.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn given(status: StatusCode, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// What an error of the server's says, raw.
fn refused(error: &[u8]) -> Response<Body> {
    let code = raw::peek(error, "code").and_then(|code| std::str::from_utf8(code).ok()?.parse::<i32>().ok());
    let status = match code {
        Some(PARSE_ERROR | INVALID_REQUEST) => StatusCode::BAD_REQUEST,
        Some(METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(INVALID_PARAMS) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let data = raw::peek(error, "data").and_then(|data| serde_json::from_slice(data).ok());
    let message = raw::peek_string(error, "message").unwrap_or_default();
    detail(status, &said(&message, data.filter(|data: &Value| !data.is_null())))
}

fn said(message: &str, data: Option<Value>) -> Value {
    let mut detail = Map::from_iter([("message".to_owned(), Value::from(message))]);
    detail.extend(data.map(|data| ("data".to_owned(), data)));
    Value::Object(detail)
}

/// Each element of a result's content as the JSON text that stands for it.
fn contents(result: &[u8]) -> Vec<String> {
    elements(result).into_iter().map(element).collect()
}

fn elements(result: &[u8]) -> Vec<&[u8]> {
    let Some(content) = raw::peek(result, "content") else { return Vec::new() };
    raw::elements(content, raw::whole(content)).into_iter().map(|span| &content[span.range()]).collect()
}

fn first_is_text(result: &[u8]) -> bool {
    elements(result).first().is_some_and(|first| kind(first) == "text")
}

fn first_text(result: &[u8]) -> String {
    elements(result).first().and_then(|first| raw::peek_string(first, "text")).unwrap_or_default()
}

fn kind(element: &[u8]) -> String {
    raw::peek_string(element, "type").unwrap_or_default()
}

/// A text is the JSON that it holds, or itself; what has bytes is an address that holds them (RFC 2397). What mcpo
/// leaves out is given as it is.
fn element(element: &[u8]) -> String {
    let whole = || String::from_utf8_lossy(element).into_owned();
    match kind(element).as_str() {
        "text" => text(element),
        "image" | "audio" => bytes(element, "data"),
        "resource" => match raw::peek(element, "resource") {
            Some(resource) if raw::peek(resource, "text").is_some() => text(resource),
            Some(resource) if raw::peek(resource, "blob").is_some() => bytes(resource, "blob"),
            _ => whole(),
        },
        _ => whole(),
    }
}

fn text(holder: &[u8]) -> String {
    let text = raw::peek_string(holder, "text").unwrap_or_default();
    if json::check(text.as_bytes()).is_ok() { text } else { json::quote(&text) }
}

fn bytes(holder: &[u8], member: &str) -> String {
    let media = raw::peek_string(holder, "mimeType").unwrap_or_else(|| "application/octet-stream".to_owned());
    let data = raw::peek_string(holder, member).unwrap_or_default();
    json::quote(&format!("data:{media};base64,{data}"))
}
