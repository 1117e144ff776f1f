//! Requests without a handshake (2026-07-28): who asks stands in the request itself, and has to be checked first.

use std::sync::Arc;

use axum::http::HeaderMap;
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::error::{HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND, UNSUPPORTED_VERSION};
use janua_wire::headers::{METHOD, NAME, PROTOCOL_VERSION};
use janua_wire::json::quote;
use janua_wire::message::{Request, Response};
use janua_wire::method::{META_CAPABILITIES, META_VERSION};
use janua_wire::version::{Era, Version};
use janua_wire::{metadata, mirror, raw};

use crate::call::{Caller, Scope};
use crate::user::Visitor;

/// The caller that a request names in its `_meta`, or the error that answers it (2026-07-28 `basic/index`).
pub(crate) fn caller(request: &Request, visitor: &Visitor) -> Result<Arc<Caller>, Response> {
    let lacks =
        |key: &str| Response::error(INVALID_PARAMS, &format!("params._meta lacks {key}, or it is not valid"), None);
    let named = request.claimed_version().and_then(raw::string).ok_or_else(|| lacks(META_VERSION))?;
    let version = Version::parse(&named).filter(|version| version.era() == Era::Modern);
    let version = version.ok_or_else(|| unsupported(&named))?;
    if !request.method().is_modern() {
        return Err(Response::error(METHOD_NOT_FOUND, "this revision of the protocol has no such method", None));
    }
    let declared = request.claimed_capabilities().filter(|raw| raw.starts_with(b"{"));
    let declared = declared.ok_or_else(|| lacks(META_CAPABILITIES))?;
    let (capabilities, user) = (ClientCapabilities::of(declared), visitor.user.clone());
    Ok(Arc::new(Caller { scope: Scope::Modern, version, capabilities, user }))
}

/// A revision that is not served, and those that are (`basic/versioning`).
pub(crate) fn unsupported(named: &str) -> Response {
    let served = Version::NEWEST.name();
    let data = format!("{{\"supported\":[\"{served}\"],\"requested\":{}}}", quote(named));
    Response::error(UNSUPPORTED_VERSION, "unsupported protocol version", Some(&data))
}

/// Whether the headers of a request say what its body says (`basic/transports/streamable-http`); the error if not.
pub(crate) fn mirrored(headers: &HeaderMap, request: &Request) -> Result<(), Response> {
    let refuse = |header: &str, why: &dyn std::fmt::Display| {
        Err(Response::error(HEADER_MISMATCH, &format!("header {header}: {why}"), None))
    };
    let version = request.claimed_version().and_then(raw::string).unwrap_or_default();
    let name = request.method().named_by().and_then(|member| request.param(member)).and_then(raw::string);
    let wanted = [(PROTOCOL_VERSION, Some(version)), (METHOD, Some(request.name().into_owned())), (NAME, name)];
    for (header, body) in wanted {
        let Some(body) = body else { continue };
        match mirror::read(values(headers, header)) {
            Ok(Some(said)) if said == body => {}
            Ok(Some(_)) => return refuse(header, &"it does not match the body"),
            Ok(None) => return refuse(header, &"it is missing"),
            Err(flaw) => return refuse(header, &flaw),
        }
    }
    Ok(())
}

/// The request with the trace that its headers name, unless its `_meta` names one (2026-07-28 `basic/index`, "Trace
/// context"): beyond the gateway only `_meta` goes on.
pub(crate) fn with_trace(headers: &HeaderMap, request: Request) -> Request {
    const PARENT: &str = "traceparent";
    const STATE: &str = "tracestate";
    const BAGGAGE: &str = "baggage";
    if !headers.contains_key(PARENT) && !headers.contains_key(BAGGAGE) {
        return request;
    }
    let said = |name: &'static str| said_once(headers, name).filter(|_| request.meta(name).is_none());
    let mut changes = Vec::with_capacity(3);
    if let Some(parent) = said(PARENT).filter(|parent| is_parent(parent)) {
        changes.push((PARENT, Some(parent)));
        changes.extend(said(STATE).map(|state| (STATE, Some(state))));
    }
    changes.extend(said(BAGGAGE).map(|baggage| (BAGGAGE, Some(baggage))));
    if changes.is_empty() {
        return request;
    }
    metadata::with_trace(&request, &changes).unwrap_or(request)
}

/// The value of a header that is there once and is not absurdly long.
fn said_once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    /// What a baggage may hold at least (W3C Baggage, section 3.3.2).
    const LONGEST: usize = 8192;
    let mut all = headers.get_all(name).into_iter();
    let first = all.next()?.to_str().ok()?;
    (all.next().is_none() && !first.is_empty() && first.len() <= LONGEST).then_some(first)
}

/// Whether a text has the form of a `traceparent` (W3C Trace Context, section 3.2.2).
fn is_parent(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags, more @ ..] = &parts[..] else { return false };
    let whole = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    whole && *version != "ff" && !is_zero(trace) && !is_zero(span) && (*version != "00" || more.is_empty())
}

/// All values of a header.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().map(axum::http::HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use janua_wire::id::ClientId;

    fn request(method: &str, params: &str) -> Request {
        Request::new(&ClientId::number(1), method, Some(params)).expect("valid")
    }

    fn code(refused: &Response) -> String {
        String::from_utf8_lossy(raw::peek(refused.body(), "code").expect("a code")).into_owned()
    }

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}}}"#;

    #[test]
    fn a_request_says_who_asks_or_is_refused() {
        let good = caller(&request("tools/list", &format!("{{{META}}}")), &Visitor::default()).expect("a caller");
        assert_eq!((good.version, &good.capabilities.raw()[..]), (Version::NEWEST, &b"{\"roots\":{}}"[..]));
        for (meta, wanted) in [
            (META.replace("2026-07-28", "1900-01-01"), "-32022"),
            (META.replace("2026-07-28", "2025-11-25"), "-32022"),
            (META.replace("\"2026-07-28\"", "7"), "-32602"),
            (META.replace("{\"roots\":{}}", "[]"), "-32602"),
            (META.replace("clientCapabilities", "other"), "-32602"),
        ] {
            let refused = caller(&request("tools/list", &format!("{{{meta}}}")), &Visitor::default()).expect_err(&meta);
            assert_eq!(code(&refused), wanted, "{meta}");
        }
        for gone in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/result"] {
            let refused = caller(&request(gone, &format!("{{{META}}}")), &Visitor::default()).expect_err(gone);
            assert_eq!(code(&refused), "-32601", "{gone}");
        }
    }

    #[test]
    fn headers_say_what_the_body_says() {
        let asked = request("tools/call", &format!("{{\"name\":\"zähl\",{META}}}"));
        let check = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let name: axum::http::HeaderName = name.parse().expect("a name");
                headers.append(name, value.parse().expect("a value"));
            }
            mirrored(&headers, &asked).map_err(|refused| code(&refused))
        };
        let version = ("mcp-protocol-version", "2026-07-28");
        let method = ("mcp-method", "tools/call");
        let name = ("mcp-name", "=?base64?esOkaGw=?=");
        assert_eq!(check(&[version, method, name]), Ok(()));
        assert_eq!(check(&[version, method, name, name]), Ok(()));
        for wrong in [
            &[method, name][..],
            &[version, name],
            &[version, method],
            &[version, ("mcp-method", "Tools/call"), name],
            &[version, method, ("mcp-name", "zahl")],
            &[version, method, ("mcp-name", "=?base64?!?=")],
            &[version, method, name, ("mcp-name", "other")],
            &[("mcp-protocol-version", "2025-11-25"), method, name],
        ] {
            assert_eq!(check(wrong), Err("-32020".to_owned()), "{wrong:?}");
        }
    }
}
