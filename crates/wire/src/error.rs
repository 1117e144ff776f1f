//! Error codes, and error messages as text.

use bytes::Bytes;

use crate::id::ClientId;
use crate::json::quote;

/// JSON-RPC: the text is no JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: the JSON is no valid request.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: the method does not exist or is not available.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC: the parameters are wrong.
pub const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC: something broke on the way.
pub const INTERNAL_ERROR: i32 = -32603;
/// Request refused for want of a session, or for a session that is gone. Implementation-defined space, the code
/// existing bridges use for it.
pub const SESSION: i32 = -32002;
/// There is no such resource (revisions with a handshake, `server/resources`).
pub const RESOURCE_NOT_FOUND: i32 = -32002;
/// 2026-07-28: a header differs from the body it mirrors.
pub const HEADER_MISMATCH: i32 = -32020;
/// 2026-07-28: the request needs something that its client did not declare.
pub const MISSING_CAPABILITY: i32 = -32021;
/// 2026-07-28: the revision is not served.
pub const UNSUPPORTED_VERSION: i32 = -32022;
/// 2025-11-25: the user must visit an address first.
pub const URL_REQUIRED: i32 = -32042;
/// The request was cancelled by its sender. Outside the ranges JSON-RPC reserves.
pub const CANCELLED: i32 = -32800;

/// A whole JSON-RPC error response. Without an id it carries `null`, as the legacy revisions have it.
/// `data` is raw JSON.
pub fn response(id: Option<&ClientId>, code: i32, message: &str, data: Option<&str>) -> Bytes {
    let mut out = String::with_capacity(96 + message.len());
    out.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
    match id {
        Some(id) => out.push_str(&String::from_utf8_lossy(id.raw())),
        None => out.push_str("null"),
    }
    out.push_str(",\"error\":");
    out.push_str(&object(code, message, data));
    out.push('}');
    out.into()
}

/// The `error` member alone, as raw JSON.
pub fn object(code: i32, message: &str, data: Option<&str>) -> String {
    let data = data.map(|data| format!(",\"data\":{data}")).unwrap_or_default();
    format!("{{\"code\":{code},\"message\":{}{data}}}", quote(message))
}
