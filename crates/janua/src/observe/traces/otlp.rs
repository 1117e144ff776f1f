//! Spans by the semantic conventions for MCP, gathered and sent by the OpenTelemetry SDK.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::observe::metrics::{Outcome, family};
use crate::observe::{End, Sight};
use crate::tasks::Tasks;
use janua_wire::method::Method;

/// Where spans go.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// A call's span.
#[derive(Debug)]
pub(crate) struct Span(opentelemetry_sdk::trace::Span);

impl Traces {
    /// Sends spans to the collector at `endpoint` from now on; `/v1/traces` is appended to its path unless it is there.
    /// What `OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_TRACES_SAMPLER` say holds.
    pub(crate) fn new(endpoint: &url::Url, tasks: &Tasks) -> Result<Traces, String> {
        let failed = |error: &dyn fmt::Display| format!("traces to {endpoint}: {error}");
        let mut target = endpoint.clone();
        if !target.path().ends_with("/v1/traces") {
            target.set_path(&format!("{}/v1/traces", endpoint.path().trim_end_matches('/')));
        }
        #[expect(clippy::disallowed_methods, reason = "a collector is no server: the operator has named its address")]
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| failed(&error))?;
        let runtime = Handle::try_current().map_err(|error| failed(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Post { client, runtime, tasks: tasks.clone() })
            .with_endpoint(target)
            .build()
            .map_err(|error| failed(&error))?;
        let provider = SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build();
        let tracer = provider.tracer("janua");
        Ok(Traces { provider, tracer })
    }

    /// Begins the span of a call, below the one that its client has named.
    pub(crate) fn begin(&self, sight: &Sight<'_>) -> Span {
        let method = family(sight.method);
        let span = match sight.name {
            Some(name) => format!("{method} {name}"),
            None => method.to_owned(),
        };
        let builder = self.tracer.span_builder(span).with_kind(SpanKind::Server).with_attributes(attributes(sight));
        let parent = sight.parent.as_deref().and_then(|parent| context(parent, sight.state.as_deref()));
        let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        Span(self.tracer.build_with_context(builder, &parent))
    }

    /// Sends what is gathered and ends. Resolves when that is done.
    pub(crate) async fn flush(&self) {
        let provider = self.provider.clone();
        if let Some(Err(error)) = Tasks::blocking(move || provider.shutdown()).await {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

/// Who we are: what the environment says, else our name.
fn resource() -> Resource {
    let said = Resource::builder().build();
    let name = said.get(&Key::from_static_str("service.name"));
    match name {
        Some(name) if !name.as_str().starts_with("unknown_service") => said,
        _ => Resource::builder().with_service_name("janua").build(),
    }
}

fn attributes(sight: &Sight<'_>) -> Vec<KeyValue> {
    let mut all = vec![
        KeyValue::new("mcp.method.name", family(sight.method)),
        KeyValue::new("mcp.protocol.version", sight.version.name()),
        KeyValue::new("jsonrpc.request.id", String::from_utf8_lossy(sight.id.raw()).trim_matches('"').to_owned()),
        KeyValue::new("network.transport", if sight.transport == "stdio" { "pipe" } else { "tcp" }),
        KeyValue::new("janua.server", sight.server.to_owned()),
    ];
    if let Some(session) = sight.session {
        all.push(KeyValue::new("mcp.session.id", session.to_owned()));
    }
    match (sight.method, sight.name) {
        (Method::ToolsCall, Some(name)) => {
            all.push(KeyValue::new("gen_ai.tool.name", name.to_owned()));
            all.push(KeyValue::new("gen_ai.operation.name", "execute_tool"));
        }
        (_, Some(name)) => all.push(KeyValue::new("gen_ai.prompt.name", name.to_owned())),
        (_, None) => {}
    }
    all
}

/// What a `traceparent` says (W3C Trace Context, section 3.2); `None` if it is not valid.
fn context(parent: &str, state: Option<&str>) -> Option<SpanContext> {
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || flags.len() != 2 || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = state.and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, state);
    context.is_valid().then_some(context)
}

impl Span {
    /// The `traceparent` and the `tracestate` that say that something happens below this span.
    pub(crate) fn context(&self) -> (String, String) {
        let context = opentelemetry::trace::Span::span_context(&self.0);
        let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
        (format!("00-{trace}-{span}-{:02x}", flags.to_u8()), context.trace_state().header())
    }

    /// Ends it.
    pub(crate) fn end(mut self, end: &End) {
        use opentelemetry::trace::Span;
        let kind = match (&end.code, end.outcome) {
            (Some(code), _) => Some(code.to_string()),
            (None, Outcome::Ok) => None,
            (None, outcome) => Some(outcome.name().to_owned()),
        };
        if let Some(kind) = kind {
            if kind.parse::<i64>().is_ok() {
                self.0.set_attribute(KeyValue::new("rpc.response.status_code", kind.clone()));
            }
            self.0.set_attribute(KeyValue::new("error.type", kind));
            self.0.set_status(Status::error(end.outcome.name()));
        }
        self.0.end();
    }
}

/// Carries spans to the collector. It is called by a thread of the SDK's, and works on our runtime.
struct Post {
    client: reqwest::Client,
    runtime: Handle,
    tasks: Tasks,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl HttpClient for Post {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'b, Result<http::Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (done, answer) = oneshot::channel();
        let client = self.client.clone();
        let _entered = self.runtime.enter();
        self.tasks.spawn("trace export", async move {
            let _ = done.send(post(&client, request).await);
        });
        Box::pin(async move { answer.await? })
    }
}

async fn post(client: &reqwest::Client, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
    /// The SDK has a time limit of its own for its retries; no single attempt outlasts this.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// An answer says which spans were refused, if any; nothing of it is long.
    const LONGEST: usize = 64 * 1024;
    let mut request = reqwest::Request::try_from(request)?;
    *request.timeout_mut() = Some(PATIENCE);
    let mut answer = client.execute(request).await?;
    let mut whole = http::Response::builder().status(answer.status());
    if let Some(headers) = whole.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let mut body = BytesMut::new();
    while let Some(part) = answer.chunk().await? {
        if body.len() + part.len() > LONGEST {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&part);
    }
    Ok(whole.body(body.freeze())?)
}
