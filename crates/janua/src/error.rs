//! What the gateway itself has to say when there is no answer: whose fault it was, and what can be done.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use http::StatusCode;
use janua_wire::error::{CANCELLED, INTERNAL_ERROR, INVALID_REQUEST};
use janua_wire::json::quote;
use janua_wire::message::Response;

/// The stable kinds of failure. Their names are part of the interface (`error.data.code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server could not be started or did not open in time.
    StartFailed,
    /// Starts failed repeatedly; the next attempt comes later.
    BackingOff,
    /// The server ended while a request was waiting, or before it was sent.
    ServerExited,
    /// No answer within the limit.
    DeadlineExceeded,
    /// A queue or a limit is full.
    Overloaded,
    /// The same of one session, one server or one address: others are served.
    TooMany,
    /// The answer is larger than the limit.
    ResponseTooLarge,
    /// The answer is no valid message.
    InvalidResponse,
    /// The server cannot be reached or answered with an HTTP error.
    Unreachable,
    /// The server's session is gone.
    SessionLost,
    /// The client cancelled the request.
    Cancelled,
    /// The gateway is stopping.
    Stopping,
    /// The request needs something this gateway or client does not offer.
    Unsupported,
}

impl Kind {
    /// Its name in `error.data.code`.
    pub fn code(self) -> &'static str {
        match self {
            Kind::StartFailed => "start_failed",
            Kind::BackingOff => "backing_off",
            Kind::ServerExited => "server_exited",
            Kind::DeadlineExceeded => "deadline_exceeded",
            Kind::Overloaded | Kind::TooMany => "overloaded",
            Kind::ResponseTooLarge => "response_too_large",
            Kind::InvalidResponse => "invalid_response",
            Kind::Unreachable => "unreachable",
            Kind::SessionLost => "session_lost",
            Kind::Cancelled => "cancelled",
            Kind::Stopping => "stopping",
            Kind::Unsupported => "unsupported",
        }
    }

    /// Whose fault it is: `client`, `server` or `gateway`.
    pub fn culprit(self) -> &'static str {
        match self {
            Kind::Cancelled | Kind::Unsupported => "client",
            Kind::Overloaded | Kind::TooMany | Kind::Stopping => "gateway",
            _ => "server",
        }
    }
}

/// A request that the gateway must answer itself.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: Kind,
    /// A sentence for the caller: what was attempted, what went wrong. No local paths, no secrets.
    pub message: Cow<'static, str>,
    /// The last lines the server wrote to its standard error, secrets masked.
    pub stderr: Option<String>,
    /// When another attempt makes sense.
    pub retry_after: Option<Duration>,
    /// Whether the request was handed to the server: then it may have run.
    pub sent: bool,
}

impl Failure {
    /// A failure of a request that never reached the server.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Failure { kind, message: message.into(), stderr: None, retry_after: None, sent: false }
    }

    /// That the client has cancelled its request, which the server may have had.
    pub(crate) fn cancelled() -> Self {
        Failure::new(Kind::Cancelled, "the request was cancelled by the client").after_sending()
    }

    /// The same failure of a request that the server had got.
    #[must_use]
    pub fn after_sending(mut self) -> Self {
        self.sent = true;
        self
    }

    /// The same failure with the server's last words.
    #[must_use]
    pub fn with_stderr(mut self, stderr: Option<String>) -> Self {
        self.stderr = stderr.filter(|text| !text.is_empty());
        self
    }

    /// The same failure with a time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The HTTP status that says it, where no status has been sent yet.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            Kind::StartFailed | Kind::BackingOff | Kind::Overloaded | Kind::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Kind::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Kind::Unreachable => StatusCode::BAD_GATEWAY,
            Kind::SessionLost => StatusCode::NOT_FOUND,
            Kind::ServerExited | Kind::ResponseTooLarge | Kind::InvalidResponse => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Unsupported => StatusCode::BAD_REQUEST,
            Kind::Cancelled => StatusCode::OK,
        }
    }

    /// The JSON-RPC error that says it; its id is put in where it is sent.
    pub fn response(&self) -> Response {
        let code = match self.kind {
            Kind::Cancelled => CANCELLED,
            Kind::Unsupported => INVALID_REQUEST,
            _ => INTERNAL_ERROR,
        };
        Response::error(code, &self.message, Some(&self.data()))
    }

    fn data(&self) -> String {
        let retryable = !self.sent && !matches!(self.kind, Kind::Cancelled | Kind::Unsupported);
        let mut data = format!(
            "{{\"code\":\"{}\",\"culprit\":\"{}\",\"retryable\":{retryable}",
            self.kind.code(),
            self.kind.culprit()
        );
        if self.sent && self.kind != Kind::Cancelled {
            data.push_str(",\"outcome\":\"unknown\"");
        }
        if let Some(wait) = self.retry_after {
            let _ = write!(data, ",\"retryAfterMs\":{}", wait.as_millis());
        }
        if let Some(stderr) = &self.stderr {
            let _ = write!(data, ",\"stderr\":{}", quote(stderr));
        }
        data.push('}');
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_may_have_run_is_never_called_retryable() {
        let failure = Failure::new(Kind::ServerExited, "the server exited").after_sending();
        let text = String::from_utf8_lossy(failure.response().body()).into_owned();
        assert!(text.contains("\"outcome\":\"unknown\""), "{text}");
        assert!(text.contains("\"retryable\":false"), "{text}");
        assert_eq!(failure.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
