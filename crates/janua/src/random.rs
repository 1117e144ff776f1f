//! The one source of randomness: ids that cannot be guessed, and jitter.

use std::fmt::Write;

/// Random bytes.
///
/// # Panics
/// As [`token`].
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// 160 random bits as 40 lower-case hex digits.
///
/// # Panics
/// If the operating system has no randomness to give; nothing safe can be done without it.
pub(crate) fn token() -> String {
    bytes::<20>().iter().fold(String::with_capacity(40), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 122 random bits as a UUID of version 4 (RFC 9562) in lower case.
///
/// # Panics
/// As [`token`].
pub(crate) fn uuid() -> String {
    let mut bytes = bytes::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

/// A factor between 0.8 and 1.2, to keep retries of many from falling together.
pub(crate) fn jitter() -> f64 {
    let spread = getrandom::u32().unwrap_or(u32::MAX / 2);
    0.8 + 0.4 * f64::from(spread) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn tokens_do_not_repeat() {
        let tokens: HashSet<String> = (0..10_000).map(|_| super::token()).collect();
        assert_eq!(tokens.len(), 10_000);
        assert!(tokens.iter().all(|t| t.len() == 40 && t.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn a_uuid_says_how_it_was_made() {
        let uuid = super::uuid();
        let groups: Vec<&str> = uuid.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");
        assert!(uuid != super::uuid());
    }
}
