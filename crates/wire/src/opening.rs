//! What a server is, told in the other era: the result of `initialize` and that of `server/discover`.

use crate::metadata::without;
use crate::method::META_SERVER;
use crate::raw::{self, peek};
use crate::version::Version;

/// The extension that makes requests tasks; it does not exist in the handshake era.
const TASKS: &str = "io.modelcontextprotocol/tasks";
/// What a server is called that does not say it.
const NAMELESS: &[u8] = b"{\"name\":\"unnamed\",\"version\":\"unknown\"}";

/// The raw result of an `initialize` in the words of the raw result of `server/discover`.
pub fn initialize_result(discovered: &[u8], version: Version) -> String {
    let info = server_info(discovered).unwrap_or(NAMELESS);
    let capabilities = peek(discovered, "capabilities").unwrap_or(b"{}");
    let mut capabilities = String::from_utf8_lossy(capabilities).into_owned();
    let extensions = raw::find(capabilities.as_bytes(), raw::whole(capabilities.as_bytes()), "extensions");
    if let Some(span) = extensions {
        let kept = without(capabilities.as_bytes(), span, |key| raw::same(key, TASKS));
        capabilities.replace_range(span.range(), &kept);
    }
    let instructions = member("instructions", discovered);
    let info = String::from_utf8_lossy(info);
    format!("{{\"protocolVersion\":\"{version}\",\"capabilities\":{capabilities},\"serverInfo\":{info}{instructions}}}")
}

/// The raw result of a `server/discover` in the words of the raw result of `initialize`.
pub fn discover_result(initialized: &[u8]) -> String {
    let capabilities = peek(initialized, "capabilities").unwrap_or(b"{}");
    let capabilities = without(capabilities, raw::whole(capabilities), |key| raw::same(key, "tasks"));
    let info = String::from_utf8_lossy(peek(initialized, "serverInfo").unwrap_or(NAMELESS));
    let instructions = member("instructions", initialized);
    format!(
        "{{\"resultType\":\"complete\",\"supportedVersions\":[\"{}\"],\"capabilities\":{capabilities}{instructions},\
         \"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{{\"{META_SERVER}\":{info}}}}}",
        Version::NEWEST
    )
}

/// Who answered with this raw result of `server/discover`: its `_meta` says it, or (in drafts) the result itself.
pub fn server_info(discovered: &[u8]) -> Option<&[u8]> {
    let meta = peek(discovered, "_meta").and_then(|meta| peek(meta, META_SERVER));
    meta.or_else(|| peek(discovered, "serverInfo"))
}

/// What a client that opened in `version` can be asked, in the words of one without a handshake: all of it but tasks of
/// its own, and what its revision has no request for.
pub fn client_capabilities(declared: &[u8], version: Version) -> String {
    if declared.is_empty() {
        return "{}".to_owned();
    }
    let elicits = version >= Version::V2025_06_18;
    without(declared, raw::whole(declared), |key| {
        raw::same(key, "tasks") || (!elicits && raw::same(key, "elicitation"))
    })
}

fn member(key: &str, object: &[u8]) -> String {
    let value = peek(object, key);
    value.map(|value| format!(",\"{key}\":{}", String::from_utf8_lossy(value))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_the_same_in_both_eras() {
        let discovered = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{}}},"instructions":"be kind","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#;
        let initialized = initialize_result(discovered.as_bytes(), Version::V2025_06_18);
        assert_eq!(
            initialized,
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"extensions":{"io.modelcontextprotocol/ui":{}}},"serverInfo":{"name":"s","version":"1"},"instructions":"be kind"}"#
        );
        let again = discover_result(initialized.as_bytes());
        assert!(again.contains(r#""instructions":"be kind","ttlMs":0,"cacheScope":"private""#), "{again}");
        assert_eq!(server_info(again.as_bytes()), Some(&br#"{"name":"s","version":"1"}"#[..]));
        let bare = initialize_result(b"{}", Version::V2024_11_05);
        assert!(bare.contains(r#""serverInfo":{"name":"unnamed""#), "{bare}");
    }
}
