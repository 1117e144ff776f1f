//! What went wrong, as problem details (RFC 9457) that keep the JSON-RPC error, or as that error alone.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use janua_wire::error::{self, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND};
use janua_wire::json::quote;
use janua_wire::message::Invalid;
use janua_wire::raw;

use super::Form;
use crate::clients::answer;
use crate::clients::body::Unread;
use crate::error::{Failure, Kind};
use crate::servers::Refusal;

/// The media type of problem details.
const MEDIA: HeaderValue = HeaderValue::from_static("application/problem+json");
const JSON: HeaderValue = HeaderValue::from_static(janua_wire::headers::JSON);

/// Why a request has no result.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    /// The JSON-RPC error: its code (`None`: there is no such error), its message, and its data as raw JSON.
    code: Option<i32>,
    message: String,
    data: Option<String>,
    /// Further members, raw, each with its comma before it.
    more: String,
    retry_after: Option<HeaderValue>,
    /// Whether it is what the server answered, or the gateway for it.
    is_answer: bool,
}

impl Problem {
    /// One that is found before anything is asked of a server.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Problem {
        let (code, message) = (Some(INVALID_REQUEST), message.into());
        Problem { status, code, message, data: None, more: String::new(), retry_after: None, is_answer: false }
    }

    /// A body that cannot be read as an object.
    pub(super) fn unreadable(why: Invalid) -> Problem {
        let message = match why {
            Invalid::NotObject | Invalid::Empty => "the body must be a JSON object".to_owned(),
            why => format!("the body must be a JSON object: {why}"),
        };
        Problem { code: Some(why.code()), ..Problem::new(StatusCode::BAD_REQUEST, message) }
    }

    /// A tool that there is not.
    pub(super) fn unknown_tool(name: &str) -> Problem {
        let message = format!("Unknown tool: {name}");
        Problem { code: Some(INVALID_PARAMS), is_answer: true, ..Problem::new(StatusCode::NOT_FOUND, message) }
    }

    /// Arguments that are not as the tool's schema says. `errors` is a raw array.
    pub(super) fn invalid_arguments(errors: &str) -> Problem {
        let message = "the arguments do not fit the tool's input schema";
        let (data, more) = (Some(format!("{{\"errors\":{errors}}}")), format!(",\"errors\":{errors}"));
        let problem = Problem::new(StatusCode::BAD_REQUEST, message);
        Problem { code: Some(INVALID_PARAMS), data, more, is_answer: true, ..problem }
    }

    /// An error of the server, raw. `is_known`: what was asked for is in its lists.
    pub(super) fn of_error(error: &[u8], is_known: bool) -> Problem {
        let code = raw::peek(error, "code").and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        let code = code.unwrap_or(INTERNAL_ERROR);
        let status = match code {
            INVALID_PARAMS if is_known => StatusCode::BAD_REQUEST,
            METHOD_NOT_FOUND | error::RESOURCE_NOT_FOUND | INVALID_PARAMS => StatusCode::NOT_FOUND,
            // The server would have asked, and this caller did not want to be.
            error::MISSING_CAPABILITY => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::BAD_GATEWAY,
        };
        let message = raw::peek_string(error, "message").unwrap_or_default();
        let data = raw::peek(error, "data").map(|data| String::from_utf8_lossy(data).into_owned());
        Problem { code: Some(code), data, is_answer: true, ..Problem::new(status, message) }
    }

    /// A tool's own failure, with further members, each with its comma before it.
    pub(super) fn of_tool(detail: String, more: String) -> Problem {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        Problem { code: None, more, is_answer: true, ..problem }
    }

    /// Puts the problem on an answer.
    pub(super) fn answer(&self, form: Form) -> Response<Body> {
        let mut answer = Response::new(Body::from(self.text(form)));
        *answer.status_mut() = match form {
            Form::Bare { error_status: false } if self.is_answer => StatusCode::OK,
            _ => self.status,
        };
        let media = if matches!(form, Form::Bare { .. }) { JSON } else { MEDIA };
        answer.headers_mut().insert(CONTENT_TYPE, media);
        if let Some(wait) = &self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, wait.clone());
        }
        answer
    }

    /// The problem as JSON.
    pub(super) fn text(&self, form: Form) -> String {
        if matches!(form, Form::Bare { .. }) {
            return error::object(self.code.unwrap_or(INTERNAL_ERROR), &self.message, self.data.as_deref());
        }
        let title = self.status.canonical_reason().unwrap_or("Error");
        let (status, message) = (self.status.as_u16(), quote(&self.message));
        let mut text =
            format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":{message}");
        if let Some(code) = self.code {
            let _ = write!(text, ",\"code\":{code},\"message\":{message}");
        }
        if let Some(data) = &self.data {
            // Writing to a string cannot fail.
            let _ = write!(text, ",\"data\":{data}");
        }
        text.push_str(&self.more);
        text.push('}');
        text
    }
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Problem {
        let status = match failure.kind {
            Kind::StartFailed | Kind::BackingOff | Kind::Overloaded | Kind::Stopping | Kind::Cancelled => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Kind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Kind::Unreachable
            | Kind::SessionLost
            | Kind::ServerExited
            | Kind::ResponseTooLarge
            | Kind::InvalidResponse => StatusCode::BAD_GATEWAY,
            Kind::Unsupported => StatusCode::BAD_REQUEST,
        };
        let retry_after = failure.retry_after.map(answer::seconds);
        let told = Problem::of_error(failure.response().body(), true);
        Problem { status, retry_after, is_answer: false, ..told }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::from(&failure)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Failed(failure) => failure.into(),
            Refusal::ByServer(response) => {
                Problem { status: StatusCode::BAD_GATEWAY, ..Problem::of_error(response.body(), true) }
            }
        }
    }
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Problem {
        match unread {
            Unread::Refused(status, message) => Problem::new(status, message),
            Unread::Crowded(failure) => failure.into(),
        }
    }
}
