//! What the doctor has to say: one line, and what to do next.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but perhaps not as it was meant.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Note {
    pub(super) verdict: Verdict,
    /// What was looked at: a server's name, or a part of the gateway.
    pub(super) subject: String,
    /// What was found.
    pub(super) what: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    /// The last lines that the server wrote to its standard error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stderr: Vec<String>,
}

impl Note {
    pub(super) fn ok(subject: &str, what: impl Into<String>) -> Note {
        Note { verdict: Verdict::Ok, subject: subject.to_owned(), what: what.into(), next: None, stderr: Vec::new() }
    }

    pub(super) fn warn(subject: &str, what: impl Into<String>, next: impl Into<String>) -> Note {
        Note { verdict: Verdict::Warn, next: Some(next.into()), ..Note::ok(subject, what) }
    }

    pub(super) fn fail(subject: &str, what: impl Into<String>, next: impl Into<String>) -> Note {
        Note { verdict: Verdict::Fail, next: Some(next.into()), ..Note::ok(subject, what) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        })
    }
}
