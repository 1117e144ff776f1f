//! Request bodies: read whole, under a limit of size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use janua_wire::error::INVALID_REQUEST;
use janua_wire::headers::is_json;

use super::answer;
use crate::admission::{Slot, overloaded};
use crate::config::Limits;
use crate::error::Failure;
use crate::gateway::Gateway;

/// Why a body cannot be had.
pub(crate) enum Unread {
    /// It is not one that is accepted.
    Refused(StatusCode, String),
    /// There is no room for it now.
    Crowded(Failure),
}

/// Reads the JSON body of a request, or gives the answer that refuses it. The slot is for the bytes, as long as they
/// are held.
pub(crate) async fn read(parts: &Parts, body: Body, gateway: &Gateway) -> Result<(Bytes, Slot), Response<Body>> {
    if !is_json(text(&parts.headers, &CONTENT_TYPE)) {
        let message = "the content type must be application/json in UTF-8";
        return Err(answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, INVALID_REQUEST, message));
    }
    take(parts, body, gateway).await.map_err(|unread| match unread {
        Unread::Refused(status, message) => answer::error(status, None, INVALID_REQUEST, &message),
        Unread::Crowded(why) => answer::refused(&why),
    })
}

/// The same for a body of any type.
pub(crate) async fn take(parts: &Parts, body: Body, gateway: &Gateway) -> Result<(Bytes, Slot), Unread> {
    let limits = &*gateway.limits;
    let mut slot = gateway.admission.body_bytes.nothing();
    let refuse = |status, message: &str| Err(Unread::Refused(status, message.to_owned()));
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed request bodies are not accepted");
    }
    let announced = text(&parts.headers, &CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    let too_large = || {
        let message = format!("the request body is larger than {} bytes", limits.request_body);
        refuse(StatusCode::PAYLOAD_TOO_LARGE, &message)
    };
    if announced.is_some_and(|length| length > limits.request_body) {
        return too_large();
    }
    let length = announced.unwrap_or(limits.request_body);
    let whole = limits.body_total + Duration::from_secs(length as u64 / SLOWEST);
    let collected = tokio::time::timeout(whole, collect(body, announced.unwrap_or(0), limits, &mut slot)).await;
    match collected.unwrap_or(Err(Broken::Late)) {
        Ok(Some(bytes)) => Ok((bytes, slot)),
        Ok(None) => too_large(),
        Err(Broken::Late) => refuse(StatusCode::REQUEST_TIMEOUT, "the request body did not arrive in time"),
        Err(Broken::Crowded) => Err(Unread::Crowded(overloaded(&gateway.admission.body_bytes))),
        Err(Broken::Cut) => refuse(StatusCode::BAD_REQUEST, "the request body was cut off"),
    }
}

/// A body longer than this is expected to grow up to the limit.
const LONG: usize = 256 * 1024;

/// Bytes a second that every body may take its time for, on top of the time every body has.
const SLOWEST: u64 = 64 * 1024;

enum Broken {
    Late,
    Cut,
    /// All bodies together are as large as they may be.
    Crowded,
}

/// `None` if the body is larger than the limit. A body that comes in one piece is not copied.
async fn collect(mut body: Body, announced: usize, limits: &Limits, slot: &mut Slot) -> Result<Option<Bytes>, Broken> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let next = tokio::time::timeout(limits.body_idle, body.frame()).await;
        let frame = match next.map_err(|_| Broken::Late)? {
            Some(frame) => frame.map_err(|_| Broken::Cut)?,
            None => return Ok(Some(if all.is_empty() { first } else { all.freeze() })),
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.len().max(all.len()) + data.len() > limits.request_body {
            return Ok(None);
        }
        if !slot.grow(data.len()) {
            return Err(Broken::Crowded);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(announced.max(first.len() + data.len()));
            all.extend_from_slice(&first);
        }
        if all.capacity() - all.len() < data.len() && all.len() >= LONG {
            // Room for all there may be, which is not resident until it is used, is less than doubling takes.
            all.reserve(limits.request_body - all.len());
        }
        all.extend_from_slice(&data);
    }
}

/// A header as text, if it is there and is text.
pub(crate) fn text(headers: &HeaderMap, name: impl axum::http::header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
