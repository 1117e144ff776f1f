//! What a browser must not get away with: DNS rebinding, requests of foreign pages, shared answers.

use std::net::Ipv4Addr;

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST, HeaderValue, ORIGIN,
    VARY,
};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use janua_wire::error::INVALID_REQUEST;

use super::{answer, body};

/// Which hosts and origins are served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Names this gateway is reached under, without port; `None` serves any name.
    pub(crate) hosts: Option<Vec<String>>,
    /// Origins of pages that may use it, exactly as browsers send them; `*` for any.
    pub(crate) origins: Vec<String>,
    /// Whether those pages may read the answers (CORS).
    pub(crate) cors: bool,
}

/// A request that may go on, and what its answer must say to the browser it came from.
pub(crate) struct Pass {
    origin: Option<HeaderValue>,
    preflight: bool,
    /// The headers that a preflight asks for.
    wanted: Option<HeaderValue>,
}

/// Headers of answers that pages of other origins may read.
const SHOWN: &str =
    "mcp-session-id, mcp-protocol-version, mcp-gateway-session, preference-applied, location, www-authenticate";

const LONGEST_TARGET: usize = 8 * 1024;
const LARGEST_HEADER: usize = 32 * 1024;

/// The names under which only this machine is reached.
pub(crate) const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Guard {
    /// Lets a request pass, or gives the answer that refuses it.
    pub(crate) fn check(&self, parts: &Parts) -> Result<Pass, Response<Body>> {
        let refuse = |status, message| Err(answer::error(status, None, INVALID_REQUEST, message));
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
            return refuse(StatusCode::URI_TOO_LONG, "the request's address is longer than 8 KiB");
        }
        if parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > LARGEST_HEADER {
            return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's headers are larger than 32 KiB");
        }
        let named = match (body::text(&parts.headers, HOST), parts.uri.authority()) {
            (Some(header), Some(target)) if !header.eq_ignore_ascii_case(target.as_str()) => {
                return refuse(StatusCode::BAD_REQUEST, "the request names two different hosts");
            }
            (Some(header), _) => header,
            (None, Some(target)) => target.as_str(),
            (None, None) => return refuse(StatusCode::BAD_REQUEST, "the request names no host"),
        };
        if parts.headers.get_all(HOST).iter().count() > 1 {
            return refuse(StatusCode::BAD_REQUEST, "the request names several hosts");
        }
        if !self.serves(named) {
            return refuse(StatusCode::FORBIDDEN, "this host name is not served here");
        }
        let Some(origin) = parts.headers.get(ORIGIN) else {
            return Ok(Pass { origin: None, preflight: false, wanted: None });
        };
        if !origin.to_str().is_ok_and(|origin| self.admits(origin)) {
            return refuse(StatusCode::FORBIDDEN, "this origin is not allowed");
        }
        let listed = origin.to_str().is_ok_and(|origin| self.lists(origin));
        let shared = (self.cors && listed).then(|| origin.clone());
        let wanted = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        Ok(Pass { preflight: shared.is_some() && parts.method == Method::OPTIONS, origin: shared, wanted })
    }

    fn serves(&self, named: &str) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        // Every 127.x.y.z is this machine, and no page can make a browser put one there.
        let local = |host: &str| host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
        let means = |name: &str, host: &str| name.eq_ignore_ascii_case(host) || (name == LOOPBACK[1] && local(host));
        host_of(named).is_some_and(|host| hosts.iter().any(|name| means(name, &host)))
    }

    fn lists(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }

    /// A page of this machine itself may, when only this machine is served.
    fn admits(&self, origin: &str) -> bool {
        if self.lists(origin) {
            return true;
        }
        let local = |hosts: &Vec<String>| hosts.iter().all(|host| LOOPBACK.contains(&host.as_str()));
        if !self.hosts.as_ref().is_some_and(local) {
            return false;
        }
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.and_then(host_of).is_some_and(|host| LOOPBACK.contains(&host.as_str()))
    }
}

/// The host part of `host[:port]` in lower case; `None` if it is anything else.
fn host_of(authority: &str) -> Option<String> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let digits = |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(digits) {
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    (!host.is_empty() && host.bytes().all(plain)).then(|| host.to_ascii_lowercase())
}

impl Pass {
    /// The answer as the browser must see it.
    pub(crate) fn put_on(self, mut answer: Response<Body>) -> Response<Body> {
        let Some(origin) = self.origin else { return answer };
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(VARY, HeaderValue::from_static("origin"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SHOWN));
        if self.preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
            // A page that may use the gateway may send what its servers need, which is not known here.
            let usual =
                || HeaderValue::from_static("content-type, accept, authorization, mcp-session-id, last-event-id");
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.wanted.unwrap_or_else(usual));
            headers.insert(VARY, HeaderValue::from_static("origin, access-control-request-headers"));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    /// A target, headers, and the status they get.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

    fn status(guard: &Guard, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method("POST").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("valid request").into_parts();
        guard.check(&parts).err().map_or(200, |refused| refused.status().as_u16())
    }

    #[test]
    fn hosts_and_origins_on_loopback() {
        let guard = Guard {
            hosts: Some(LOOPBACK.map(str::to_owned).to_vec()),
            origins: vec!["https://app.test".into()],
            cors: true,
        };
        let cases: &[Case<'_>] = &[
            ("/mcp", &[("host", "localhost:3000")], 200),
            ("/mcp", &[("host", "LOCALHOST")], 200),
            ("/mcp", &[("host", "[::1]:3000")], 200),
            ("/mcp", &[("host", "127.0.0.2:3000")], 200),
            ("/mcp", &[("host", "127.0.0.2.evil.test")], 403),
            ("/mcp", &[("host", "127.0.0.1:3000"), ("origin", "http://localhost:5173")], 200),
            ("/mcp", &[("host", "127.0.0.1:3000"), ("origin", "https://app.test")], 200),
            ("/mcp", &[("host", "127.0.0.1:3000"), ("origin", "https://app.test.evil.test")], 403),
            ("/mcp", &[("host", "127.0.0.1:3000"), ("origin", "http://localhost.evil.test")], 403),
            ("/mcp", &[("host", "127.0.0.1:3000"), ("origin", "http://evil.test")], 403),
            ("/mcp", &[("host", "127.0.0.1:3000"), ("origin", "null")], 403),
            ("/mcp", &[("host", "evil.test")], 403),
            ("/mcp", &[("host", "localhost.")], 403),
            ("/mcp", &[("host", "user@localhost")], 403),
            ("/mcp", &[("host", "localhost:3000:1")], 403),
            ("/mcp", &[], 400),
            ("http://evil.test/mcp", &[("host", "localhost")], 400),
            ("http://localhost/mcp", &[("host", "localhost")], 200),
            ("/mcp", &[("host", "localhost"), ("host", "evil.test")], 400),
        ];
        for (target, headers, wanted) in cases {
            assert_eq!(status(&guard, target, headers), *wanted, "{target} {headers:?}");
        }
    }

    #[test]
    fn elsewhere_any_host_but_only_listed_origins() {
        let guard = Guard { hosts: None, origins: Vec::new(), cors: false };
        assert_eq!(status(&guard, "/mcp", &[("host", "gateway.example:8000")]), 200);
        assert_eq!(status(&guard, "/mcp", &[("host", "evil.test"), ("origin", "http://evil.test")]), 403);
        assert_eq!(status(&guard, "/mcp", &[("host", "localhost"), ("origin", "http://localhost")]), 403);
    }
}
