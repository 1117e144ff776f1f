//! What can go wrong between a test and a peer.

use super::Sdk;
use serde_json::Value;
use std::fmt;

/// Why a command to a peer has no value.
#[derive(Debug)]
pub enum PeerError {
    /// The peer answered that the command failed.
    Refused(Box<Refusal>),
    /// No answer came: too late, or the process ended. Has the transcript and standard error.
    Silent(String),
    /// A program that has to be installed or built first is not there; says how to get it.
    Missing(String),
}

/// A peer's own account of a command that failed.
#[derive(Debug)]
pub struct Refusal {
    /// Which client and which command, for the reader.
    pub during: String,
    /// The SDK's class of the error.
    pub kind: String,
    /// The JSON-RPC error code, or what the SDK uses as one; null when there is none.
    pub code: Value,
    /// The message of the server or of the SDK.
    pub message: String,
    /// The error's `data`; null when there is none.
    pub data: Value,
}

impl PeerError {
    pub(super) fn refused(sdk: Sdk, command: &str, mut error: Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self::Refused(Box::new(Refusal {
            during: format!("{sdk:?}: {command}"),
            kind: text(&error["kind"]),
            message: text(&error["message"]),
            code: error["code"].take(),
            data: error["data"].take(),
        }))
    }

    /// The JSON-RPC error code, when there is one.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Refused(refusal) => refusal.code.as_i64(),
            _ => None,
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => {
                let Refusal { during, kind, code, message, data } = &**refusal;
                write!(f, "{during}: {kind} {code}: {message} {data}")
            }
            Self::Silent(what) | Self::Missing(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for PeerError {}
