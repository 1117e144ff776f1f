//! The one place that requests pass before anything else: whoever does not show who they are gets no further.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{Method, Request, Response, StatusCode};
use axum::middleware::{Next, from_fn};
use http_body::{Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::guard::Guard;
use super::{LIVE, READY, answer, body};
use crate::auth::{Auth, Bearer, Refusal, Scheme, Verdict};
use crate::config::{AuthSettings, Credential, Hashed, OpenRoute, Secret};
use crate::lock::Lock;
use crate::user::{Principal, Rights, Visitor};

/// How long a wrong credential waits for its answer: guessing takes time, and nobody else waits.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the gateway is administrated. The token of its run is good for nothing else.
const ADMINISTRATION: &str = "/admin/v1/";

/// Who may pass. Without rules everybody may, and nothing is looked at.
pub(crate) struct Gate {
    is_closed: AtomicBool,
    rules: Lock<Option<Arc<Auth>>>,
    guard: Guard,
    /// The paths of the health report.
    health: Vec<String>,
    run: Option<Run>,
}

/// The token of this run of the gateway, for those on its machine who can read where it is.
struct Run {
    token: Bearer,
    /// The address that the gateway listens on: who comes from there is on its machine, too.
    home: IpAddr,
}

/// A request that may go on, and what its answer is bound to.
pub(crate) struct Passed<B> {
    pub(crate) request: Request<B>,
    pub(crate) lease: Lease,
}

/// As long as whoever has sent a request is admitted. A stream that answers it ends with that.
#[derive(Default)]
pub(crate) struct Lease(Option<CancellationToken>);

/// A request that gets no further.
pub(crate) struct Refused {
    answer: Response<Body>,
    pause: Duration,
}

impl Gate {
    /// The gate of `rules`; nobody has to show anything without them.
    pub(crate) fn new(rules: Option<&AuthSettings>, guard: Guard, health: Vec<String>) -> Self {
        let gate = Gate { is_closed: AtomicBool::new(false), rules: Lock::default(), guard, health, run: None };
        gate.replace(rules);
        gate
    }

    /// Admits whoever has the token of this run to the administration, from this machine, where the gateway listens
    /// on `home`.
    #[must_use]
    pub(crate) fn with_run(mut self, token: &Secret, home: IpAddr) -> Self {
        let principal = Principal::new("gateway.json").with(Rights { admin: true, impersonate: false }, None);
        let credential = Credential::new(principal.name(), Hashed::of(token.expose().as_bytes()));
        self.run = Some(Run { token: Bearer::new(vec![(credential, principal)]), home });
        self
    }

    /// Takes other rules, which hold from the next request on. What principals have begun that are not admitted any
    /// more as they were is over: see [`Gate::admits`].
    pub(crate) fn replace(&self, rules: Option<&AuthSettings>) {
        let mut held = self.rules.lock();
        let before = held.take();
        let after = rules.map(|rules| Arc::new(Auth::new(rules, before.as_deref())));
        held.clone_from(&after);
        self.is_closed.store(after.is_some(), Ordering::Release);
        drop(held);
        if let Some(before) = before {
            before.end(after.as_deref());
        }
    }

    /// Whether everybody has to show who they are.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Whether what that visitor has begun may go on.
    pub(crate) fn admits(&self, visitor: &Visitor) -> bool {
        match &visitor.principal {
            Some(principal) => self.is_closed() && principal.lease().is_none_or(|lease| !lease.is_cancelled()),
            None => !self.is_closed(),
        }
    }

    /// Lets a request of `peer` pass with its [`Visitor`] and without its credentials, or refuses it.
    pub(crate) fn pass<B>(&self, request: Request<B>, peer: Option<IpAddr>) -> Result<Passed<B>, Refused> {
        if !self.is_closed() {
            return Ok(Passed { request, lease: Lease::default() });
        }
        let (mut parts, body) = request.into_parts();
        let visitor = self.visitor(&parts, peer)?;
        let lease = Lease(visitor.principal.as_ref().and_then(Principal::lease).cloned());
        parts.extensions.insert(visitor);
        parts.headers.remove(AUTHORIZATION);
        Ok(Passed { request: Request::from_parts(parts, body), lease })
    }

    fn visitor(&self, parts: &Parts, peer: Option<IpAddr>) -> Result<Visitor, Refused> {
        // No browser sends credentials with it (Fetch, 4.8).
        if parts.method == Method::OPTIONS && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            let answer = match self.guard.check(parts) {
                Ok(pass) => pass.put_on(answer::empty(StatusCode::NO_CONTENT)),
                Err(refused) => refused,
            };
            return Err(Refused { answer, pause: Duration::ZERO });
        }
        if let Some(administrator) = self.administrator(parts, peer) {
            return Ok(Visitor::of(administrator));
        }
        let Some(rules) = self.rules.lock().clone() else { return Ok(Visitor::default()) };
        let refusal = match rules.check(parts) {
            Ok(principal) => return Ok(Visitor::of(principal)),
            Err(Refusal::Silent) if self.is_open(&rules, parts) => return Ok(Visitor::default()),
            Err(refusal) => refusal,
        };
        let (reason, pause) = match refusal {
            Refusal::Silent => ("no credentials", Duration::ZERO),
            Refusal::Wrong(reason) => (reason, PAUSE),
        };
        let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_canonical().to_string());
        tracing::warn!(peer, reason, "request refused");
        Err(Refused { answer: self.unauthorized(&rules, parts), pause })
    }

    /// Who has shown the token of this run, where and whence it is good.
    fn administrator(&self, parts: &Parts, peer: Option<IpAddr>) -> Option<Principal> {
        let run = self.run.as_ref().filter(|_| parts.uri.path().starts_with(ADMINISTRATION))?;
        let peer = peer?.to_canonical();
        let single = parts.headers.get_all(AUTHORIZATION).iter().count() == 1;
        if !single || !(peer.is_loopback() || peer == run.home.to_canonical()) {
            return None;
        }
        match run.token.check(parts) {
            Verdict::Ok(principal) => Some(principal),
            Verdict::NotMine | Verdict::Refused(_) => None,
        }
    }

    /// Whether anybody may ask for that.
    fn is_open(&self, rules: &Auth, parts: &Parts) -> bool {
        let path = parts.uri.path();
        let route = match path {
            LIVE => OpenRoute::Livez,
            READY => OpenRoute::Readyz,
            _ if self.health.iter().any(|health| health == path) => OpenRoute::Health,
            _ => return false,
        };
        matches!(parts.method, Method::GET | Method::HEAD) && rules.opens(route)
    }

    /// 401 with every challenge, also for pages that may read it.
    fn unauthorized(&self, rules: &Auth, parts: &Parts) -> Response<Body> {
        let mut answer = if takes_json(parts) { problem() } else { answer::text(StatusCode::UNAUTHORIZED, WORD) };
        for challenge in rules.challenges() {
            answer.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
        match self.guard.check(parts) {
            Ok(pass) => pass.put_on(answer),
            Err(_) => answer,
        }
    }

    /// The answer to a request that came past the gate before it was closed.
    pub(crate) fn too_late(&self, parts: &Parts) -> Response<Body> {
        match self.rules.lock().clone() {
            Some(rules) => self.unauthorized(&rules, parts),
            None => answer::text(StatusCode::UNAUTHORIZED, WORD),
        }
    }

    /// The routes of `router` behind this gate, to be nested somewhere.
    pub(crate) fn around(self: Arc<Self>, router: Router) -> Router {
        router.layer(from_fn(move |request: Request<Body>, next: Next| {
            let gate = self.clone();
            async move {
                match gate.pass(request, None) {
                    Ok(Passed { request, lease }) => lease.bind(next.run(request).await),
                    Err(refused) => refused.answer().await,
                }
            }
        }))
    }
}

/// What a refused client is told.
const WORD: &str = "Unauthorized";

/// Whether a client says that it reads JSON.
fn takes_json(parts: &Parts) -> bool {
    let accepts = body::text(&parts.headers, ACCEPT).unwrap_or_default();
    let named = |word: &str| ["application/json", "application/problem+json"].contains(&word);
    accepts.split(',').filter_map(|one| one.split(';').next()).any(|one| named(&one.trim().to_ascii_lowercase()))
}

/// The same as a problem (RFC 9457).
fn problem() -> Response<Body> {
    const PROBLEM: &str = "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\
                           \"detail\":\"the request does not show who it is from, or not rightly\"}";
    let mut answer = answer::json(StatusCode::UNAUTHORIZED, Bytes::from_static(PROBLEM.as_bytes()).into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer
}

impl Refused {
    /// What the client is told, when it may be.
    pub(crate) async fn answer(self) -> Response<Body> {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        self.answer
    }
}

impl Lease {
    /// The answer, which ends with the lease if it is a stream that may go on for long.
    pub(crate) fn bind(self, answer: Response<Body>) -> Response<Body> {
        let Some(lease) = self.0 else { return answer };
        let kind = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if !kind.starts_with(b"text/event-stream") {
            return answer;
        }
        answer.map(|body| Body::new(Leased { body, over: Box::pin(lease.cancelled_owned()) }))
    }
}

/// A body that ends when its lease does.
struct Leased {
    body: Body,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl http_body::Body for Leased {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn gate() -> Gate {
        let bearer = vec![Credential::new("a", Hashed::of(b"right"))];
        let rules = AuthSettings { bearer, open: vec![OpenRoute::Livez], ..AuthSettings::default() };
        let guard = Guard { hosts: None, origins: Vec::new(), cors: false };
        Gate::new(Some(&rules), guard, Vec::new()).with_run(&Secret::new("run"), IpAddr::from([10, 0, 0, 7]))
    }

    fn request(path: &str, credentials: &str) -> Request<()> {
        let mut request = Request::builder().uri(path).header("host", "x");
        if !credentials.is_empty() {
            request = request.header(AUTHORIZATION, credentials);
        }
        request.body(()).expect("a request")
    }

    fn name(passed: Result<Passed<()>, Refused>) -> Option<String> {
        let passed = passed.ok()?;
        assert!(!passed.request.headers().contains_key(AUTHORIZATION), "nobody behind the gate sees credentials");
        let visitor = passed.request.extensions().get::<Visitor>().expect("a visitor");
        Some(visitor.principal.as_ref().map(|principal| principal.name().to_owned()).unwrap_or_default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_credential_waits_for_its_answer_and_a_missing_one_does_not() {
        for (credentials, pause) in [("", Duration::ZERO), ("Bearer wrong", PAUSE)] {
            let begun = Instant::now();
            let refused = gate().pass(request("/mcp", credentials), None).err().expect("refused");
            assert_eq!(begun.elapsed(), Duration::ZERO, "nobody else is held up");
            assert_eq!(refused.answer().await.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(begun.elapsed(), pause, "{credentials}");
        }
    }

    #[test]
    fn the_token_of_a_run_is_good_on_its_machine_only() {
        for (peer, path, wanted) in [
            ("127.0.0.1", "/admin/v1/status", true),
            ("::1", "/admin/v1/status", true),
            ("::ffff:127.0.0.1", "/admin/v1/status", true),
            ("10.0.0.7", "/admin/v1/status", true),
            ("10.0.0.8", "/admin/v1/status", false),
            ("127.0.0.1", "/admin/v1x", false),
            ("127.0.0.1", "/mcp", false),
        ] {
            let passed = gate().pass(request(path, "Bearer run"), Some(peer.parse().expect("an address")));
            assert_eq!(name(passed).is_some(), wanted, "{peer} {path}");
        }
        assert!(name(gate().pass(request("/admin/v1/status", "Bearer run"), None)).is_none());
    }

    #[test]
    fn who_passes_is_known_behind_the_gate() {
        assert_eq!(name(gate().pass(request("/mcp", "Bearer right"), None)).as_deref(), Some("a"));
        assert_eq!(name(gate().pass(request("/livez", ""), None)).as_deref(), Some(""));
        assert_eq!(name(gate().pass(request("/readyz", ""), None)), None);
        let open = Gate::new(None, Guard { hosts: None, origins: Vec::new(), cors: false }, Vec::new());
        let passed = open.pass(request("/mcp", "Bearer any"), None).ok().expect("it passes");
        assert!(passed.request.headers().contains_key(AUTHORIZATION), "it is left as it came");
    }
}
