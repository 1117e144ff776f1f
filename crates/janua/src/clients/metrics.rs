//! The routes of the metrics, which have a listener of their own: it answers when the main one is full, and while the
//! gateway stops.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::routing::any;

use super::guard::Guard;
use super::{LIVE, READY, answer, body, health};
use crate::config::Limits;
use crate::gateway::Gateway;
use crate::observe::exposition;

/// Connections at once: those who scrape are few.
const CONNECTIONS: usize = 32;

struct Shown {
    gateway: Arc<Gateway>,
    guard: Guard,
    /// Whether those who do not ask for OpenMetrics get the older form.
    plain: bool,
}

/// What is served there.
#[derive(Clone, Copy)]
enum Page {
    Metrics,
    Live,
    Ready,
}

/// The bounds of the listener, where those of the main one are `limits`.
pub(crate) fn limits(limits: &Limits) -> Limits {
    Limits { connections: CONNECTIONS, source_connections: CONNECTIONS, ..limits.clone() }
}

/// The routes. With `plain`, those who do not ask for OpenMetrics get the form that Prometheus had before.
pub(crate) fn router(gateway: Arc<Gateway>, guard: Guard, plain: bool) -> Router {
    let mut router = Router::new();
    for (path, page) in [("/metrics", Page::Metrics), (LIVE, Page::Live), (READY, Page::Ready)] {
        let serve = move |State(shown): State<Arc<Shown>>, request| async move { serve(&shown, page, request) };
        router = router.route(path, any(serve));
    }
    router.with_state(Arc::new(Shown { gateway, guard, plain }))
}

fn serve(shown: &Shown, page: Page, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let pass = match shown.guard.check(&parts) {
        Ok(pass) => pass,
        Err(refused) => return refused,
    };
    pass.put_on(match (page, &parts.method) {
        (Page::Metrics, &Method::GET | &Method::HEAD) => {
            let open = body::text(&parts.headers, ACCEPT).is_some_and(|accepted| accepted.contains("openmetrics"));
            scrape(&shown.gateway, shown.plain && !open)
        }
        (Page::Live, &Method::GET | &Method::HEAD) => health::live(),
        (Page::Ready, &Method::GET | &Method::HEAD) => health::ready(&shown.gateway),
        _ => answer::not_allowed("GET, HEAD"),
    })
}

fn scrape(gateway: &Gateway, plain: bool) -> Response<Body> {
    let metrics = &gateway.observer.metrics;
    let (text, kind) = if plain {
        (exposition::plain(metrics), exposition::PLAIN)
    } else {
        (exposition::scrape(metrics), exposition::CONTENT_TYPE)
    };
    let Ok(text) = text else {
        return answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
    };
    let mut answer = Response::new(Body::from(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
