//! The OpenAPI document of what is served, as it is now.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, HeaderValue, IF_NONE_MATCH, VARY};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use janua_wire::base64;
use serde_json::json;

use super::{Edge, answer, body};
use crate::catalog::offers::{Basis, Missing};
use crate::lock::Lock;
use crate::openapi::{Document, Terms, Version, title};

/// The forms a document is given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    Json,
    Yaml,
}

/// Documents are kept for so many callers that ask in different ways: each names the host it has asked.
const KEPT: usize = 32;

/// The documents that were made last, as long as the lists that they were made from are the same.
#[derive(Default)]
pub(crate) struct Documents(Lock<HashMap<Key, Made>>);

/// Of what, in which version and form, for which base address.
type Key = (Option<String>, Version, Format, String);

#[derive(Clone)]
struct Made {
    basis: Basis,
    terms: Terms,
    text: Bytes,
    tag: HeaderValue,
}

/// The document of the server or view of that name, or of all servers. `prefix` is the path that the routes are mounted
/// under.
pub(crate) async fn answer(
    edge: &Edge,
    name: Option<&str>,
    format: Format,
    parts: &Parts,
    prefix: &str,
) -> Response<Body> {
    let version = match version(parts.uri.query()) {
        Ok(version) => version,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    let host = body::text(&parts.headers, HOST).or(parts.uri.authority().map(http::uri::Authority::as_str));
    let url = format!("http://{}{prefix}{}", host.unwrap_or("localhost"), edge.paths.api);
    let catalog = &edge.gateway.catalog;
    let basis = match catalog.basis(name).await {
        Ok(basis) => basis,
        Err(Missing::Unknown(why)) => return problem(StatusCode::NOT_FOUND, &why),
        Err(Missing::Failed(why)) => return problem(why.status(), &why.message),
    };
    let terms = catalog.many().map_or_else(Terms::default, |many| Terms::of(&many.now().settings));
    let terms = Terms { version, url, ..terms };
    let key = (name.map(str::to_owned), version, format, terms.url.clone());
    let made = edge.documents.get(&key, &basis, &terms).unwrap_or_else(|| {
        let made = make(name, format, basis, terms);
        edge.documents.put(key, made.clone());
        made
    });
    given(&made, format, parts)
}

/// The version that the query asks for.
fn version(query: Option<&str>) -> Result<Version, String> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == "openapi").map_or(Ok(Version::default()), |(_, version)| version.parse())
}

fn make(name: Option<&str>, format: Format, basis: Basis, terms: Terms) -> Made {
    let document = Document::new(&title(name), &basis.offers(), &terms);
    let text = match format {
        Format::Json => document.to_json(),
        Format::Yaml => document.to_yaml(),
    };
    let sum = base64::encode(digest(&SHA256, text.as_bytes()).as_ref());
    let tag = HeaderValue::try_from(format!("\"{sum}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    Made { basis, terms, text: Bytes::from(text), tag }
}

fn given(made: &Made, format: Format, parts: &Parts) -> Response<Body> {
    let has = parts.headers.get_all(IF_NONE_MATCH).iter().filter_map(|held| held.to_str().ok());
    let mut has = has.flat_map(|held| held.split(',')).map(|held| held.trim().trim_start_matches("W/"));
    let same = has.any(|held| held == "*" || held.as_bytes() == made.tag.as_bytes());
    let mut answer =
        if same { answer::empty(StatusCode::NOT_MODIFIED) } else { Response::new(Body::from(made.text.clone())) };
    let headers = answer.headers_mut();
    headers.insert(ETAG, made.tag.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("host"));
    let kind = match format {
        Format::Json => "application/json",
        Format::Yaml => "application/yaml",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Why there is no document (RFC 9457).
fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or_default();
    let said = json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    let mut answer = Response::new(Body::from(said.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer
}

impl Documents {
    fn get(&self, key: &Key, basis: &Basis, terms: &Terms) -> Option<Made> {
        self.0.lock().get(key).filter(|made| made.basis.is(basis) && made.terms == *terms).cloned()
    }

    /// Keeps it; whoever asks in ever new ways has it made anew each time.
    fn put(&self, key: Key, made: Made) {
        let mut kept = self.0.lock();
        if kept.len() >= KEPT && !kept.contains_key(&key) {
            kept.clear();
        }
        kept.insert(key, made);
    }
}
