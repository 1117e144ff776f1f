//! A page to browse what is served and to try it, which needs nothing from elsewhere: Swagger UI on our document.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Response, StatusCode};

use super::{Edge, answer};
use crate::openapi::title;

const PAGE: &str = include_str!("docs/page.html");
const START: &[u8] = include_bytes!("docs/start.js");
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));

/// Swagger UI sets styles of single elements; nothing else may be inline, and nothing may come from or go elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page of the server or view of that name, or of all servers. `prefix` is the path that the routes are mounted
/// under.
pub(crate) fn page(edge: &Edge, name: Option<&str>, prefix: &str) -> Response<Body> {
    if let Err(unknown) = edge.gateway.catalog.place(name) {
        let mut answer = kind("text/plain; charset=utf-8", Body::from(unknown));
        *answer.status_mut() = StatusCode::NOT_FOUND;
        return answer;
    }
    let below = name.map(|name| format!("/{name}")).unwrap_or_default();
    of_document(name, &format!("{prefix}{}{below}/openapi.json", edge.paths.api), &format!("{prefix}/docs"))
}

/// The page of the document at the address `document`, for which its files are below `docs`. A `name` that leads
/// somewhere has no characters that mean anything in HTML or in an address.
pub(crate) fn of_document(name: Option<&str>, document: &str, docs: &str) -> Response<Body> {
    let page = PAGE.replace("{title}", &title(name)).replace("{document}", document).replace("{docs}", docs);
    kind("text/html; charset=utf-8", Body::from(page))
}

/// What the page needs.
pub(crate) fn file(name: &str) -> Response<Body> {
    let mut answer = match name {
        "start.js" => kind("text/javascript; charset=utf-8", Body::from(START)),
        "swagger-ui-bundle.js" => zipped("text/javascript; charset=utf-8", BUNDLE),
        "swagger-ui.css" => zipped("text/css; charset=utf-8", STYLE),
        _ => return answer::empty(StatusCode::NOT_FOUND),
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    answer
}

fn zipped(media: &'static str, bytes: &'static [u8]) -> Response<Body> {
    let mut answer = kind(media, Body::from(bytes));
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

fn kind(media: &'static str, body: Body) -> Response<Body> {
    const SAID: [(HeaderName, &str); 4] = [
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.extend(SAID.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}
