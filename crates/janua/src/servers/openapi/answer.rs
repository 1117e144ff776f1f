//! From an API's answer to the result of a call: structured content, text, pictures, sound, bytes, or an error.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER};
use http::{Method, StatusCode};
use janua_wire::{base64, json};
use reqwest::Response;

use super::body::{is_json, is_text};
use super::operation::{Operation, shortened};
use crate::servers::http_client::{Ended, read};
use crate::servers::in_process::{Contents, Json, Object, ToolResult};

/// So much of an answer that tells of an error is passed on, in characters.
const TOLD: usize = 64 << 10;

/// The result that an answer is; one of more than `limit` bytes is an error.
pub(super) async fn result(mut response: Response, operation: &Operation, host: &str, limit: usize) -> ToolResult {
    let status = response.status();
    if operation.method == Method::HEAD {
        return head(&response);
    }
    let media = response.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let location = response.url().to_string();
    let body = match read(&mut response, limit).await {
        Ok(body) => body,
        Err(Ended::TooLarge) => {
            let message = format!("{host} answered with more than {limit} bytes, the limit (limits.server_message)");
            return ToolResult::failed(&message);
        }
        Err(Ended::Broken(why)) => return ToolResult::failed(&format!("the answer of {host} broke off: {why}")),
        Err(Ended::Closed) => return ToolResult::failed(&format!("{host} ended its answer too early")),
    };
    if !status.is_success() {
        return failed(status, &response, &body);
    }
    succeeded(status, &media, &location, body, operation.promises)
}

fn succeeded(status: StatusCode, media: &str, location: &str, body: Bytes, promises: bool) -> ToolResult {
    let is_object = is_json(media) && body.trim_ascii_start().starts_with(b"{") && json::check(&body).is_ok();
    if is_object {
        return ToolResult::structured(Json::raw(body));
    }
    let text = std::str::from_utf8(&body).ok();
    let result = match text {
        Some("") => ToolResult::text(&said(status)),
        Some(text) if is_json(media) || is_text(media) || media.is_empty() => ToolResult::text(text),
        _ => binary(media, location, &body),
    };
    if promises {
        // A client that was promised an object takes nothing else for a success.
        let note = "the API did not answer with the object that its description promises";
        return result.and_text(note).with("isError", true);
    }
    result
}

fn binary(media: &str, location: &str, body: &[u8]) -> ToolResult {
    let media = if media.is_empty() { "application/octet-stream" } else { media };
    if media.starts_with("image/") {
        return ToolResult::default().and_image(body, media);
    }
    if media.starts_with("audio/") {
        let audio = Object::new().put("type", "audio").put("data", base64::encode(body)).put("mimeType", media);
        return ToolResult::default().and(audio);
    }
    // What the query holds may be secret.
    let uri = location.split('?').next().unwrap_or_default();
    let resource = Contents::blob(uri, media, body);
    ToolResult::default().and(Object::new().put("type", "resource").put("resource", Json::from(resource)))
}

fn failed(status: StatusCode, response: &Response, body: &[u8]) -> ToolResult {
    let mut text = said(status);
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        text.push_str("\n(credentials belong into `headers` or `query` of the server's configuration)");
    }
    for name in [RETRY_AFTER, LOCATION] {
        if let Some(value) = response.headers().get(&name).and_then(|value| value.to_str().ok()) {
            let _ = write!(text, "\n{name}: {value}");
        }
    }
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    if !body.is_empty() {
        text.push('\n');
        text.push_str(&shortened(body, TOLD));
    }
    ToolResult::failed(&text)
}

/// The answer to a question for headers only.
fn head(response: &Response) -> ToolResult {
    let mut text = said(response.status());
    for name in [CONTENT_TYPE, CONTENT_LENGTH, ETAG, LAST_MODIFIED] {
        if let Some(value) = response.headers().get(&name).and_then(|value| value.to_str().ok()) {
            let _ = write!(text, "\n{name}: {value}");
        }
    }
    if response.status().is_success() { ToolResult::text(&text) } else { ToolResult::failed(&text) }
}

fn said(status: StatusCode) -> String {
    format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}
