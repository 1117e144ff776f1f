//! Protocol revisions, the two eras, and the choice of a revision at opening.

use std::fmt;

/// A published revision of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches.
    V2025_03_26,
    /// 2025-06-18: version header, elicitation, no batches.
    V2025_06_18,
    /// 2025-11-25: polling streams, URL elicitation, tasks.
    V2025_11_25,
    /// 2026-07-28: no handshake, no sessions.
    V2026_07_28,
}

/// How peers talk: with a handshake and a session, or with everything in each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25 and earlier.
    Legacy,
    /// 2026-07-28 and later.
    Modern,
}

impl Version {
    /// Every revision, oldest first.
    pub const ALL: [Version; 5] =
        [Version::V2024_11_05, Version::V2025_03_26, Version::V2025_06_18, Version::V2025_11_25, Version::V2026_07_28];

    /// The newest revision.
    pub const NEWEST: Version = Version::V2026_07_28;

    /// The newest revision with a handshake: what an `initialize` for an unknown revision is answered with.
    pub const NEWEST_LEGACY: Version = Version::V2025_11_25;

    /// What a request without a version header speaks (2025-06-18 `basic/transports`).
    pub const ASSUMED: Version = Version::V2025_03_26;

    /// Reads a revision's name.
    pub fn parse(name: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.name() == name)
    }

    /// The revision's name, a date.
    pub fn name(self) -> &'static str {
        match self {
            Version::V2024_11_05 => "2024-11-05",
            Version::V2025_03_26 => "2025-03-26",
            Version::V2025_06_18 => "2025-06-18",
            Version::V2025_11_25 => "2025-11-25",
            Version::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era the revision belongs to.
    pub fn era(self) -> Era {
        if self <= Version::NEWEST_LEGACY { Era::Legacy } else { Era::Modern }
    }

    /// What to answer an `initialize` that asks for `asked`: the same if it has a handshake, else the newest that
    /// has (2025-11-25 `basic/lifecycle`).
    pub fn for_initialize(asked: &str) -> Version {
        Version::parse(asked).filter(|version| version.era() == Era::Legacy).unwrap_or(Version::NEWEST_LEGACY)
    }

    /// JSON-RPC batches exist in this revision only (2025-03-26 `basic`).
    pub fn has_batches(self) -> bool {
        self == Version::V2025_03_26
    }

    /// Streams start with a priming event and may be polled (2025-11-25 `basic/transports`).
    pub fn has_polling(self) -> bool {
        self == Version::V2025_11_25
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_never_yields_a_revision_without_handshake() {
        assert_eq!(Version::for_initialize("2024-11-05"), Version::V2024_11_05);
        assert_eq!(Version::for_initialize("2026-07-28"), Version::V2025_11_25);
        assert_eq!(Version::for_initialize("1.0"), Version::V2025_11_25);
        for version in Version::ALL {
            assert_eq!(Version::parse(version.name()), Some(version));
        }
    }
}
