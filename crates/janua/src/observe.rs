//! Calls as seen from outside: counted, told in one line of the log, traced.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use janua_wire::id::ClientId;
use janua_wire::message::Request;
use janua_wire::metadata::with_trace;
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::version::{Era, Version};
use tokio::time::Instant;

pub(crate) mod exposition;
pub(crate) mod gauge;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod process;
pub(crate) mod traces;

use metrics::{Metrics, Outcome, ServerMetrics, add, family};
use traces::{Span, Traces};

/// What one gateway shows of itself.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<Metrics>,
    traces: OnceLock<Traces>,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// What carried it.
    pub(crate) transport: &'static str,
    /// Enough of its session's id to tell sessions apart.
    pub(crate) session: Option<&'a str>,
}

impl Origin<'_> {
    /// A request that came over HTTP and belongs to no session.
    pub(crate) const ALONE: Origin<'static> = Origin { transport: "streamable_http", session: None };
}

/// How a request ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    /// What kind of error: the name of a failure of the gateway's, or the number of a JSON-RPC error.
    pub(crate) code: Option<Cow<'static, str>>,
    /// Size of the answer.
    pub(crate) bytes: usize,
}

/// A request under way that is watched to its end. One that is dropped before was given up.
#[derive(Debug)]
pub(crate) struct Observation {
    server: Arc<ServerMetrics>,
    method: Method,
    since: Instant,
    /// What is needed only if somebody looks at single calls.
    detail: Option<Box<Detail>>,
    over: bool,
}

#[derive(Debug)]
struct Detail {
    /// The name of the tool or prompt.
    name: Option<String>,
    version: Version,
    transport: &'static str,
    session: Option<String>,
    request_bytes: usize,
    logged: bool,
    span: Option<Span>,
}

/// Nobody needs longer names to recognise a tool.
const LONGEST_NAME: usize = 128;

impl Observer {
    /// Has calls traced from now on.
    pub(crate) fn trace(&self, traces: Traces) {
        let _ = self.traces.set(traces);
    }

    /// Sends what was gathered of traces.
    pub(crate) async fn flush(&self) {
        if let Some(traces) = self.traces.get() {
            traces.flush().await;
        }
    }

    /// Begins to watch a request.
    pub(crate) fn begin(
        &self,
        server: &Arc<ServerMetrics>,
        request: &Request,
        version: Version,
        origin: Origin<'_>,
    ) -> Observation {
        let method = request.method();
        server.running.fetch_add(1, Ordering::Relaxed);
        add(&server.request_bytes, request.text().len() as u64);
        let logged = tracing::enabled!(target: "janua::call", tracing::Level::INFO);
        let detail = (logged || self.traces.get().is_some()).then(|| {
            let name = matches!(method, Method::ToolsCall | Method::PromptsGet).then(|| request.param("name"));
            let mut detail = Detail {
                name: name.flatten().and_then(raw::string).map(|name| name.chars().take(LONGEST_NAME).collect()),
                version,
                transport: origin.transport,
                session: origin.session.map(str::to_owned),
                request_bytes: request.text().len(),
                logged,
                span: None,
            };
            detail.span = self.traces.get().map(|traces| traces.begin(&detail.sight(server.name(), request)));
            Box::new(detail)
        });
        Observation { server: server.clone(), method, since: Instant::now(), detail, over: false }
    }
}

/// What a span is to say of a call when it begins.
#[derive(Debug)]
#[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "only spans show it"))]
pub(crate) struct Sight<'a> {
    pub(crate) server: &'a str,
    pub(crate) method: Method,
    pub(crate) name: Option<&'a str>,
    pub(crate) version: Version,
    pub(crate) transport: &'static str,
    pub(crate) session: Option<&'a str>,
    pub(crate) id: ClientId,
    /// The trace that the request belongs to, as its client put it into `_meta`.
    pub(crate) parent: Option<String>,
    pub(crate) state: Option<String>,
}

impl Detail {
    fn sight<'a>(&'a self, server: &'a str, request: &Request) -> Sight<'a> {
        Sight {
            server,
            method: request.method(),
            name: self.name.as_deref(),
            version: self.version,
            transport: self.transport,
            session: self.session.as_deref(),
            id: request.id(),
            parent: request.meta("traceparent").and_then(raw::string),
            state: request.meta("tracestate").and_then(raw::string),
        }
    }
}

impl Observation {
    /// The request as the server is to get it: with the span of this call as the parent of what happens there.
    pub(crate) fn traced(&self, request: Request) -> Request {
        let Some(span) = self.detail.as_ref().and_then(|detail| detail.span.as_ref()) else { return request };
        let (parent, state) = span.context();
        let state = (!state.is_empty()).then_some(&*state);
        with_trace(&request, &[("traceparent", Some(&parent)), ("tracestate", state)]).unwrap_or(request)
    }

    /// It was another server that got the request.
    pub(crate) fn was_at(&mut self, server: &Arc<ServerMetrics>) {
        server.running.fetch_add(1, Ordering::Relaxed);
        self.server.running.fetch_sub(1, Ordering::Relaxed);
        self.server = server.clone();
    }

    /// The request has ended.
    pub(crate) fn ended(mut self, end: &End) {
        self.settle(end);
    }

    fn settle(&mut self, end: &End) {
        self.over = true;
        let took = self.since.elapsed();
        self.server.running.fetch_sub(1, Ordering::Relaxed);
        self.server.ended(self.method, end.outcome, took);
        add(&self.server.answer_bytes, end.bytes as u64);
        let Some(detail) = self.detail.take() else { return };
        let detail = *detail;
        if detail.logged {
            tracing::info!(
                target: "janua::call",
                server = &**self.server.name(),
                method = family(self.method),
                name = detail.name.as_deref(),
                outcome = end.outcome.name(),
                code = end.code.as_deref(),
                duration_ms = took.as_secs_f64() * 1e3,
                transport = detail.transport,
                era = if detail.version.era() == Era::Modern { "modern" } else { "legacy" },
                session = detail.session.as_deref(),
                request_bytes = detail.request_bytes,
                answer_bytes = end.bytes,
                "call ended"
            );
        }
        if let Some(span) = detail.span {
            span.end(end);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if !self.over {
            self.settle(&End { outcome: Outcome::Cancelled, code: None, bytes: 0 });
        }
    }
}
