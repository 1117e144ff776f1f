//! What a gateway says of itself and its servers to those who run it: the JSON of `/admin/v1`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::Finding;
use crate::error::Failure;

/// How a running gateway is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it began to serve.
    pub uptime: u64,
    /// Clients with a session.
    pub sessions: usize,
    /// Requests of clients that are not answered yet.
    pub calls: usize,
    /// Calls that wait for their clients to come back.
    pub parked: usize,
    /// What became of the last changes of the configuration.
    pub reload: Reload,
}

/// What became of the last changes of the configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reload {
    /// When the settings that hold were taken over.
    pub applied: Option<String>,
    /// Servers that this added.
    pub added: Vec<String>,
    /// Servers that it took away.
    pub removed: Vec<String>,
    /// Servers that it defined in another way.
    pub changed: Vec<String>,
    /// The last change, if it could not be taken over; the settings before it hold on.
    pub refused: Option<Refused>,
}

/// A change of the configuration that could not be taken over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// When.
    pub at: String,
    /// Why.
    pub findings: Vec<Problem>,
}

/// A finding in a configuration; see [`Finding`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// `error` or `warning`.
    pub severity: String,
    /// The file, if it is in one.
    pub path: Option<String>,
    /// Counted from 1; 0 if there is none.
    pub line: usize,
    /// In characters, counted from 1; 0 if there is none.
    pub column: usize,
    /// The key with the keys it is below.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Switched off, or something it needs is missing.
    Disabled,
    /// Nothing of it runs; it is started when somebody needs it.
    Known,
    /// Being started.
    Starting,
    /// There is a link to it.
    Running,
    /// The last attempt to open it failed.
    Unavailable,
}

/// One server of a gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerReport {
    /// Its name.
    pub name: String,
    /// `command`, `remote` or `built-in`.
    pub kind: String,
    /// The command line or the address, secrets masked.
    pub target: String,
    /// Whether it is served.
    pub enabled: bool,
    /// Why not, if it is not.
    pub reason: Option<String>,
    /// How it is.
    pub state: State,
    /// Why it cannot be opened.
    pub trouble: Option<Trouble>,
    /// The eras it was seen to speak: `legacy`, `modern`.
    pub eras: Vec<String>,
    /// The revision of the newest link.
    pub version: Option<String>,
    /// What carried it, if a network did: `Streamable HTTP`, `HTTP+SSE`, `WebSocket`.
    pub transport: Option<String>,
    /// How many links to it there are: for a program its running instances.
    pub instances: usize,
    /// How long its last opening took, in milliseconds.
    pub opened_ms: Option<u64>,
    /// How many elements its lists have; absent as long as it has never been asked.
    pub lists: Option<Counts>,
    /// The names of its tools, as it gives them; not in the list of all servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// How many elements the lists of a server have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tools, before any is hidden by rules.
    pub tools: usize,
    /// Prompts.
    pub prompts: usize,
    /// Resources.
    pub resources: usize,
    /// Templates of resources.
    pub templates: usize,
}

/// Why a server cannot be opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// The stable name of the kind of failure, as in `error.data.code`.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// The end of what it wrote to its standard error, secrets masked.
    pub stderr: Option<String>,
    /// Since when every attempt fails.
    pub since: String,
}

/// A line that a server wrote to its standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was read.
    pub time: String,
    /// The process id of the instance that wrote it.
    pub pid: u32,
    /// The line, secrets masked.
    pub line: String,
}

impl Trouble {
    /// A failure that has lasted since then.
    pub(crate) fn new(failure: &Failure, since: SystemTime) -> Self {
        Trouble {
            code: failure.kind.code().to_owned(),
            message: failure.message.to_string(),
            stderr: failure.stderr.clone(),
            since: timestamp(since),
        }
    }
}

impl From<&Finding> for Problem {
    fn from(finding: &Finding) -> Self {
        Problem {
            severity: finding.severity.to_string(),
            path: finding.path.as_ref().map(|path| path.display().to_string()),
            line: finding.line,
            column: finding.column,
            key: finding.key.clone(),
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        }
    }
}

/// A time in UTC, to the millisecond (RFC 3339).
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years that begin in March end with the leap day; 719468 days lie between the 1st of March of the year 0 and 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696, "2000-02-29T12:34:56.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), written);
        }
    }
}
