//! Secrets: what is kept of them has no form for logs, errors or files.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

/// A text that is shown to nobody. It cannot be printed or serialised; [`expose`](Secret::expose) is the only way to it.
#[derive(Clone)]
pub struct Secret(Arc<str>);

/// What is kept of a secret to know it again: its SHA-256 digest.
#[derive(Clone)]
pub struct Hashed([u8; HASH]);

/// The length of a digest in bytes.
const HASH: usize = 32;

/// What stands before the digits of a digest in a configuration.
const MARK: &str = "sha256:";

impl Secret {
    /// Takes a text in.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Secret(text.into())
    }

    /// The text, to be handed to whom it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Hashed {
    /// The digest of a secret as somebody gives it.
    pub fn of(given: &[u8]) -> Self {
        let mut hash = [0; HASH];
        hash.copy_from_slice(digest(&SHA256, given).as_ref());
        Hashed(hash)
    }

    /// A secret as configurations write it: itself, or `sha256:` and the 64 hex digits of its digest. `None` if digits
    /// are announced that are none.
    pub fn written(text: &str) -> Option<Self> {
        let Some(digits) = text.strip_prefix(MARK) else { return Some(Hashed::of(text.as_bytes())) };
        let mut hash = [0; HASH];
        if digits.len() != 2 * HASH || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Hashed(hash))
    }

    /// A name for whoever has this secret, that says nothing useful about it: the first 32 bits of a digest of the
    /// digest.
    pub(crate) fn name(&self) -> String {
        let again = digest(&SHA256, &[b"janua principal ", &self.0[..]].concat());
        again.as_ref().iter().take(4).fold("token-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
    }
}

/// Takes the same time whether and wherever they differ.
impl PartialEq for Hashed {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Hashed {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `sha256sum`.
    const OF_TOK1: &str = "sha256:80b3ad2d438bfafa1ea690c5a59f54548dcc76ad6a839c6704ac1d9d565d9c80";

    #[test]
    fn a_secret_is_written_as_itself_or_as_its_digest() {
        assert!(Hashed::written("tok1") == Some(Hashed::of(b"tok1")));
        assert!(Hashed::written(OF_TOK1) == Some(Hashed::of(b"tok1")));
        assert!(Hashed::written(&OF_TOK1.to_uppercase().replace("SHA256", "sha256")) == Some(Hashed::of(b"tok1")));
        assert!(Hashed::written("tok2") != Some(Hashed::of(b"tok1")));
        for broken in ["sha256:", "sha256:12", &OF_TOK1[..70], &OF_TOK1.replace('d', "g"), &format!("{OF_TOK1}0")] {
            assert!(Hashed::written(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_name_is_always_the_same_and_not_part_of_the_digest() {
        let name = Hashed::of(b"tok1").name();
        assert_eq!(name, Hashed::of(b"tok1").name());
        assert_ne!(name, Hashed::of(b"tok2").name());
        assert!(name.len() == 14 && !OF_TOK1.contains(&name["token-".len()..]), "{name}");
    }
}
