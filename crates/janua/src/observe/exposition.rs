//! The metrics as text: OpenMetrics 1.0 for those who scrape, Markdown for those who read.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::metrics::{
    self, BUCKETS, Kind, METHODS, MethodMetrics, Metric, Metrics, Outcome, Route, ServerMetrics, Start,
};
use super::process;

/// The content type of [`scrape`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything as it stands now.
pub(crate) fn scrape(metrics: &Arc<Metrics>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(metrics.clone())));
    let mut out = String::with_capacity(16 * 1024);
    text::encode(&mut out, &registry)?;
    Ok(out)
}

/// The content type of [`plain`].
pub(crate) const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same in the older form of Prometheus, where a counter is described under the name of its sample.
pub(crate) fn plain(metrics: &Arc<Metrics>) -> Result<String, fmt::Error> {
    let text = scrape(metrics)?;
    let mut out = String::with_capacity(text.len());
    let mut counters = Vec::new();
    for line in text.lines() {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match described.and_then(|rest| rest.split_once(' ')) {
            // Which kind it is stands in its second line, so the first one waits.
            Some((name, rest)) if line.starts_with("# HELP") => counters.push((name, rest)),
            Some((name, kind)) => {
                let end = if kind == "counter" { "_total" } else { "" };
                for (_, help) in counters.drain(..) {
                    writeln!(out, "# HELP {name}{end} {help}")?;
                }
                writeln!(out, "# TYPE {name}{end} {kind}")?;
            }
            None if line == "# EOF" => {}
            None => writeln!(out, "{line}")?,
        }
    }
    Ok(out)
}

#[derive(Debug)]
struct Scrape(Arc<Metrics>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        gateway(&self.0, encoder)?;
        let servers = self.0.servers();
        calls(&servers, encoder)?;
        instances(&servers, encoder)?;
        each(&metrics::OLD_STREAMS, &servers, encoder, |server| server.streams.count())?;
        counted(&metrics::OLD_STREAMS_OPENED, &servers, encoder, |server| &server.streams_opened)?;
        own(encoder)
    }
}

/// One metric on its way out, with its label sets.
struct Family<'a> {
    metric: &'static Metric,
    encoder: MetricEncoder<'a>,
}

impl<'a> Family<'a> {
    fn of(metric: &'static Metric, encoder: &'a mut DescriptorEncoder<'_>) -> Result<Family<'a>, fmt::Error> {
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        Ok(Family { metric, encoder: encoder.encode_descriptor(metric.name, metric.help, None, kind)? })
    }

    /// One label set and its value; the labels' values in the order of the table.
    fn put(&mut self, values: &[&str], write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result) -> fmt::Result {
        debug_assert_eq!(values.len(), self.metric.labels.len(), "{}", self.metric.name);
        if values.is_empty() {
            return write(&mut self.encoder);
        }
        let labels: Vec<(&str, &str)> = self.metric.labels.iter().copied().zip(values.iter().copied()).collect();
        write(&mut self.encoder.encode_family(&labels)?)
    }

    fn count(&mut self, values: &[&str], value: &AtomicU64) -> fmt::Result {
        let value = value.load(Ordering::Relaxed);
        self.put(values, |metric| metric.encode_counter::<NoLabelSet, _, f64>(&value, None))
    }

    fn gauge(&mut self, values: &[&str], value: f64) -> fmt::Result {
        self.put(values, |metric| metric.encode_gauge(&value))
    }

    /// What somebody else counts or keeps.
    fn read(&mut self, values: &[&str], value: f64) -> fmt::Result {
        match self.metric.kind {
            Kind::Counter => self.put(values, |metric| metric.encode_counter::<NoLabelSet, _, f64>(&value, None)),
            _ => self.gauge(values, value),
        }
    }

    fn size(&mut self, values: &[&str], value: usize) -> fmt::Result {
        self.put(values, |metric| metric.encode_gauge(&value))
    }
}

/// What others keep, read at each scrape.
const READ: [&Metric; 7] = [
    &metrics::READY,
    &metrics::CONNECTIONS,
    &metrics::SESSIONS,
    &metrics::STREAM_QUEUE,
    &metrics::LIMIT,
    &metrics::LIMIT_CURRENT,
    &metrics::LIMIT_REJECTED,
];

/// What there is once.
fn gateway(metrics: &Metrics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    Family::of(&metrics::BUILD, encoder)?.size(&[env!("CARGO_PKG_VERSION")], 1)?;
    let readings = metrics.readings();
    for metric in READ {
        let mut family = Family::of(metric, encoder)?;
        for (label, value) in readings.of(metric) {
            family.read(label.as_slice(), value)?;
        }
    }
    let mut family = Family::of(&metrics::HTTP, encoder)?;
    for (route, name) in Route::ALL {
        for (class, digit) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().enumerate() {
            let value = &metrics.http[route as usize][class];
            if value.load(Ordering::Relaxed) > 0 {
                family.count(&[name, digit], value)?;
            }
        }
    }
    Ok(())
}

/// Those methods of a server that were asked for.
fn asked(server: &ServerMetrics) -> impl Iterator<Item = (&'static str, &MethodMetrics)> {
    let ever = |method: &MethodMetrics| method.outcomes.iter().any(|count| count.load(Ordering::Relaxed) > 0);
    METHODS.into_iter().zip(&server.methods).filter(move |(_, method)| ever(method))
}

fn calls(servers: &[Arc<ServerMetrics>], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut family = Family::of(&metrics::CALLS, encoder)?;
    for server in servers {
        for (method, counted) in asked(server) {
            for (outcome, name, _) in Outcome::ALL {
                family.count(&[server.name(), method, name], &counted.outcomes[outcome as usize])?;
            }
        }
    }
    let mut family = Family::of(&metrics::DURATION, encoder)?;
    for server in servers {
        for (method, counted) in asked(server) {
            family.put(&[server.name(), method], |metric| durations(counted, metric))?;
        }
    }
    each(&metrics::RUNNING, servers, encoder, |server| server.running.load(Ordering::Relaxed))?;
    each(&metrics::PARKED, servers, encoder, ServerMetrics::parked)?;
    counted(&metrics::REQUEST_BYTES, servers, encoder, |server| &server.request_bytes)?;
    counted(&metrics::ANSWER_BYTES, servers, encoder, |server| &server.answer_bytes)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of half a million years fit")]
fn durations(counted: &MethodMetrics, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
    let buckets = bounds.zip(counted.buckets.iter().map(|count| count.load(Ordering::Relaxed)));
    let buckets: Vec<(f64, u64)> = buckets.collect();
    let sum = counted.micros.load(Ordering::Relaxed) as f64 / 1e6;
    let count = buckets.iter().map(|(_, count)| count).sum();
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

fn instances(servers: &[Arc<ServerMetrics>], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut family = Family::of(&metrics::STARTS, encoder)?;
    for server in servers {
        for (how, name, _) in Start::ALL {
            family.count(&[server.name(), name], &server.starts[how as usize])?;
        }
    }
    counted(&metrics::RESTARTS, servers, encoder, |server| &server.restarts)?;
    counted(&metrics::EXITS, servers, encoder, |server| &server.exits)?;
    each(&metrics::CHILDREN, servers, encoder, |server| server.children.count())?;
    each(&metrics::SERVER_QUEUE, servers, encoder, |server| server.queued().0)?;
    each(&metrics::SERVER_QUEUE_BYTES, servers, encoder, |server| server.queued().1)
}

fn each(
    metric: &'static Metric,
    servers: &[Arc<ServerMetrics>],
    encoder: &mut DescriptorEncoder<'_>,
    value: impl Fn(&ServerMetrics) -> usize,
) -> fmt::Result {
    let mut family = Family::of(metric, encoder)?;
    servers.iter().try_for_each(|server| family.size(&[server.name()], value(server)))
}

fn counted(
    metric: &'static Metric,
    servers: &[Arc<ServerMetrics>],
    encoder: &mut DescriptorEncoder<'_>,
    value: impl Fn(&ServerMetrics) -> &AtomicU64,
) -> fmt::Result {
    let mut family = Family::of(metric, encoder)?;
    servers.iter().try_for_each(|server| family.count(&[server.name()], value(server)))
}

/// What the system says of this process; what it does not say is left out.
fn own(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Some(usage) = process::usage() else { return Ok(()) };
    let mut cpu = Family::of(&metrics::CPU, encoder)?;
    cpu.put(&[], |metric| metric.encode_counter::<NoLabelSet, _, f64>(&usage.cpu, None))?;
    let gauges = [
        (&metrics::MEMORY, usage.memory),
        (&metrics::FILES, usage.files),
        (&metrics::FILES_MOST, usage.files_most),
        (&metrics::THREADS, usage.threads),
        (&metrics::STARTED, usage.started),
    ];
    gauges.into_iter().try_for_each(|(metric, value)| Family::of(metric, encoder)?.gauge(&[], value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use janua_wire::method::Method;
    use std::time::Duration;

    fn busy() -> Arc<Metrics> {
        let metrics = Arc::new(Metrics::default());
        let server = metrics.server("git \"hub\"");
        server.ended(Method::ToolsCall, Outcome::Ok, Duration::from_millis(3));
        server.ended(Method::ToolsCall, Outcome::Server, Duration::from_secs(400));
        server.ended(Method::Other, Outcome::Client, Duration::from_millis(1));
        server.started(Start::Ok);
        server.exited();
        server.started(Start::Ok);
        metrics.read(|readings| readings.put_for(&metrics::LIMIT_REJECTED, "sessions", 1));
        metrics.answered(Route::Mcp, 200);
        metrics
    }

    #[test]
    fn a_scrape_says_what_was_counted() {
        let text = scrape(&busy()).expect("text");
        for line in [
            r#"janua_calls_total{server="git \"hub\"",method="tools/call",outcome="ok"} 1"#,
            r#"janua_calls_total{server="git \"hub\"",method="tools/call",outcome="cancelled"} 0"#,
            r#"janua_calls_total{server="git \"hub\"",method="other",outcome="client_error"} 1"#,
            r#"janua_call_duration_seconds_bucket{le="0.005",server="git \"hub\"",method="tools/call"} 1"#,
            r#"janua_call_duration_seconds_bucket{le="0.0025",server="git \"hub\"",method="tools/call"} 0"#,
            r#"janua_call_duration_seconds_bucket{le="+Inf",server="git \"hub\"",method="tools/call"} 2"#,
            r#"janua_call_duration_seconds_count{server="git \"hub\"",method="tools/call"} 2"#,
            r#"janua_call_duration_seconds_bucket{le="0.001",server="git \"hub\"",method="other"} 1"#,
            r#"janua_server_restarts_total{server="git \"hub\""} 1"#,
            r#"janua_limit_rejected_total{limit="sessions"} 1.0"#,
            r#"janua_http_answers_total{route="mcp",status="2xx"} 1"#,
        ] {
            assert!(text.lines().any(|said| said == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn every_metric_of_the_table_is_scraped_and_no_other() {
        let text = scrape(&busy()).expect("text");
        let mut said: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let mut wanted: Vec<&str> = metrics::TABLE.iter().map(|metric| metric.name).collect();
        said.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(said, wanted);
    }

    /// The page of the metrics, as Markdown.
    fn page() -> String {
        let mut page = String::from(PREFACE);
        let row = |page: &mut String, cells: &[&str]| page.push_str(&["| ", &cells.join(" | "), " |\n"].concat());
        page.push_str("\n| metric | kind | labels | meaning |\n|---|---|---|---|\n");
        for metric in metrics::TABLE {
            let (name, kind) = match metric.kind {
                Kind::Counter => (format!("`{}_total`", metric.name), "counter"),
                Kind::Gauge => (format!("`{}`", metric.name), "gauge"),
                Kind::Histogram => (format!("`{}`", metric.name), "histogram"),
            };
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            row(&mut page, &[&name, kind, &labels.join(", "), metric.help]);
        }
        let mut values = |title: &str, rows: &mut dyn Iterator<Item = (&str, &str)>| {
            page.push_str(&["\n## ", title, "\n\n| value | meaning |\n|---|---|\n"].concat());
            rows.for_each(|(name, means)| row(&mut page, &[&format!("`{name}`"), means]));
        };
        values("`outcome` of calls", &mut Outcome::ALL.into_iter().map(|(_, name, means)| (name, means)));
        values("`outcome` of starts", &mut Start::ALL.into_iter().map(|(_, name, means)| (name, means)));
        let methods: Vec<String> = METHODS.iter().map(|method| format!("`{method}`")).collect();
        let methods = methods[1..].join(", ");
        page.push_str(&["\n## `method`\n\n", &methods, ". Every method that is not listed is `other`.\n"].concat());
        page
    }

    const PREFACE: &str = "\
<!-- Written by `JANUA_BLESS=1 cargo test -p janua --lib the_page_of_the_metrics`; change `crates/janua/src/observe/metrics.rs`. -->
# Metrics

`janua proxy --metrics 127.0.0.1:9091` serves them at `http://127.0.0.1:9091/metrics`, in the text form of OpenMetrics
1.0 that Prometheus reads. The listener is apart from the one for clients: it answers when that one is full, and while the
gateway stops. `/livez` and `/readyz` are there, too.

Every label has a bounded set of values: no user, session, tool or argument is one. `server` is the name of the server
that got a request; of the only one of a proxy it is `default`. What no single server got (a list of several, a name that
none has) counts at the view that was asked: `all`, or the view's name. The label sets of a server end with it. Those of a method begin with its first
request. `limit` is the name that a limit has in the configuration.
";

    #[test]
    fn the_page_of_the_metrics_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        #[expect(clippy::disallowed_methods, reason = "whoever runs the test says so there")]
        if std::env::var_os("JANUA_BLESS").is_some() {
            std::fs::write(path, page()).expect("write the page");
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == page(), "docs/metrics.md is not what the table says: run this test with JANUA_BLESS=1");
    }

    #[test]
    fn a_server_that_is_gone_leaves_no_label_set() {
        let metrics = busy();
        let held = metrics.server("git \"hub\"");
        metrics.remove("git \"hub\"");
        held.ended(Method::ToolsCall, Outcome::Ok, Duration::ZERO);
        assert!(!scrape(&metrics).expect("text").contains("git \\\"hub"));
    }
}
