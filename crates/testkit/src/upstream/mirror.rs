//! What the headers of 2026-07-28 say twice: version, method, name and arguments of a request.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::servers::message::Message;
use crate::upstream::site::Seen;

/// Compares version, method and name with the body; the error says what differs.
pub(crate) fn routing(seen: &Seen, message: &Message) -> Result<(), String> {
    let params = &message.value()["params"];
    let method = message.method().unwrap_or_default();
    let version = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
    let name = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        _ => None,
    };
    same(seen, "mcp-protocol-version", version)?;
    same(seen, "mcp-method", Some(method))?;
    if name.is_none() && seen.header("mcp-name").is_none() { Ok(()) } else { same(seen, "mcp-name", name) }
}

/// Compares the arguments that a tool wants mirrored; `mirrored` has the header's name by the argument's.
pub(crate) fn arguments(seen: &Seen, message: &Message, mirrored: &BTreeMap<String, String>) -> Result<(), String> {
    if message.method() != Some("tools/call") {
        return Ok(());
    }
    for (argument, header) in mirrored {
        let text = match message.argument(argument) {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let header = format!("mcp-param-{header}").to_ascii_lowercase();
        if text.is_some() || seen.header(&header).is_some() {
            same(seen, &header, text.as_deref())?;
        }
    }
    Ok(())
}

fn same(seen: &Seen, header: &str, wanted: Option<&str>) -> Result<(), String> {
    let mut values = seen.headers.get_all(header).iter();
    let value = values.next().ok_or_else(|| format!("no header {header}"))?;
    if values.next().is_some() {
        return Err(format!("the header {header} is there twice"));
    }
    let value = value.to_str().map_err(|_| format!("the header {header} has other than ASCII"))?;
    let value = decoded(value.trim()).ok_or_else(|| format!("the header {header} is not base64"))?;
    if Some(value.as_str()) == wanted { Ok(()) } else { Err(format!("the header {header} is {value}, not {wanted:?}")) }
}

/// The value that a header stands for; `None` if it claims to be base64 of UTF-8 and is not.
fn decoded(value: &str) -> Option<String> {
    let Some(inside) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(value.to_owned());
    };
    String::from_utf8(base64(inside)?).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn sentinels_are_decoded_and_others_are_left() {
        for (value, meant) in [
            ("plain", Some("plain")),
            ("=?base64?w6k=?=", Some("é")),
            ("=?base64?8J+aqg==?=", Some("🚪")),
            ("=?base64??=", Some("")),
            ("=?base64?a?=", None),
            ("=?base64?????=", None),
            ("=?base64?w6k=", Some("=?base64?w6k=")),
        ] {
            assert_eq!(decoded(value).as_deref(), meant, "{value}");
        }
    }
}
