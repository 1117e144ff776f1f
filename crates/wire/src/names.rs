//! The names under which a gateway of many servers shows tools and prompts.
//!
//! Providers of models take `[A-Za-z0-9_-]` and 64 characters; the specification allows 128 and a dot.

use std::fmt::Write as _;

/// The longest name that every provider of models takes, in characters.
pub const LONGEST: usize = 64;

/// Between the name of a server and the name it gave.
const JOINT: &str = "__";
/// `_` and 8 hex digits.
const TAIL: usize = 9;
/// How many tails are tried for a name before it is given up.
const TAILS: u8 = 16;

/// Whether every provider of models takes this name: `[A-Za-z0-9_-]`, 1 to 64 of them.
pub fn legal(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.chars().all(is_plain)
}

/// The name under which the `name` of a `server` is shown; without a server it is alone and keeps its name.
///
/// With a server the result is legal: `{server}__{name}`, where what is outside the alphabet becomes `_` and what is
/// too long is cut and ends with a hash of both names. Such a tail also has what `taken` says is taken. So a name
/// depends on others only if they would be the same. The hash never changes from version to version, as people write
/// these names into rules. Each name of a server must be asked for once: who asks again is given another.
pub fn shown(server: Option<&str>, name: &str, taken: impl Fn(&str) -> bool) -> String {
    let whole = match server {
        Some(server) => [plain(server), plain(name)].join(JOINT),
        None => name.to_owned(),
    };
    if (server.is_none() || whole.len() <= LONGEST) && !taken(&whole) {
        return whole;
    }
    let whole = plain(&whole);
    let kept = &whole[..whole.len().min(LONGEST - TAIL)];
    let mut tailed = String::with_capacity(LONGEST);
    for round in 0..TAILS {
        tailed.clear();
        tailed.push_str(kept);
        // Writing to a string cannot fail.
        let _ = write!(tailed, "_{:08x}", tail(server.unwrap_or_default(), name, round));
        if !taken(&tailed) {
            break;
        }
    }
    tailed
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

fn plain(name: &str) -> String {
    name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect()
}

/// 32 bits of a server and its name; the rounds after the first add one more byte.
fn tail(server: &str, name: &str, round: u8) -> u64 {
    let mut hash = fnv(fnv(fnv(OFFSET, server.as_bytes()), &[0]), name.as_bytes());
    if round > 0 {
        hash = fnv(hash, &[0, round]);
    }
    (hash >> 32) ^ (hash & 0xffff_ffff)
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a, 64 bits.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: fn(&str) -> bool = |_| false;

    #[test]
    fn the_hash_is_the_published_one() {
        for (text, hash) in [("", OFFSET), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)] {
            assert_eq!(fnv(OFFSET, text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn a_name_without_a_server_stays() {
        for name in ["echo", "a.b/c", "", "größe", &"x".repeat(100)] {
            assert_eq!(shown(None, name, FREE), name);
            let other = shown(None, name, |shown| shown == name);
            assert!(legal(&other) && other != name, "{other}");
        }
    }

    #[test]
    fn legal_is_what_every_provider_takes() {
        assert!(["a", "A-b_9", &"x".repeat(64)].into_iter().all(legal));
        assert!(!["", "a.b", "a b", "ä", "a/b", &"x".repeat(65)].into_iter().any(legal));
    }
}
