//! The levels of log messages (2025-11-25 `server/utilities/logging`, after RFC 5424).

/// The names of the levels, the least important first.
pub const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// Where a level stands among the others; `None` if there is no such level.
pub fn rank(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}
