//! Names of servers and views: which may be had, as they are part of addresses.

use super::super::finding::Findings;
use super::super::tree::{Key, join};

/// Names that mean something else in addresses.
const RESERVED: [&str; 18] = [
    "admin",
    "api",
    "docs",
    "favicon.ico",
    "health",
    "health_check",
    "livez",
    "mcp",
    "messages",
    "metrics",
    "oauth",
    "openapi.json",
    "readyz",
    "robots.txt",
    "sessionid",
    "sse",
    "ui",
    "ws",
];

/// Why a name cannot be had; `None` if it can.
pub(in crate::config) fn refused(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if RESERVED.contains(&name) {
        Some("the name is reserved: it means something else in addresses")
    } else if name.starts_with('.') {
        Some("a name that begins with a dot is reserved")
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        Some("a name begins with a letter or digit and holds only letters, digits, `.`, `_` and `-`")
    } else {
        None
    }
}

/// The nearest name that can be had.
pub(crate) fn mended(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let mended: String = name.chars().map(plain).collect();
    let mended = mended.trim_matches(['-', '.', '_']);
    if mended.is_empty() || RESERVED.contains(&mended) { format!("server-{mended}") } else { mended.to_owned() }
}

/// Whether a name can be had; if not, that is a finding.
pub(in crate::config) fn lawful(key: &Key, section: &str, findings: &mut Findings) -> bool {
    let Some(why) = refused(&key.name) else { return true };
    findings.error(&key.mark, &join(section, &key.name), why).hint(format!("for example {:?}", mended(&key.name)));
    false
}
