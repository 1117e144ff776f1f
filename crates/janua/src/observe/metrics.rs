//! Every metric there is: its name, its labels, what it means; and the counters behind those that are counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use janua_wire::method::Method;

use super::gauge::{Entered, Gauge};
use crate::lock::Lock;

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows; `_total` is appended to its name.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts values by size; `_bucket`, `_sum` and `_count` are appended to its name.
    Histogram,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

impl Metric {
    const fn new(kind: Kind, name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
        Metric { name, kind, labels, help }
    }
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(pub(crate) const $id: Metric = Metric::new(Kind::$kind, $name, &$labels, $help);)*
        /// All of them, in the order in which they are shown.
        #[cfg(test)]
        pub(crate) const TABLE: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD = Gauge "janua_build" ["version"], "Always 1; the label says which version runs.";
    READY = Gauge "janua_ready" [], "Whether new work is accepted: 0 as soon as the gateway begins to stop.";
    CALLS = Counter "janua_calls" ["server", "method", "outcome"], "Requests of clients that have ended. What the outcomes mean stands below.";
    DURATION = Histogram "janua_call_duration_seconds" ["server", "method"], "Time from a request to its end, a start of the server included.";
    RUNNING = Gauge "janua_calls_running" ["server"], "Requests of clients under way.";
    PARKED = Gauge "janua_calls_parked" ["server"], "Calls that wait for their clients to come back with answers.";
    REQUEST_BYTES = Counter "janua_request_bytes" ["server"], "Size of the requests of clients.";
    ANSWER_BYTES = Counter "janua_answer_bytes" ["server"], "Size of what they were answered.";
    STARTS = Counter "janua_server_starts" ["server", "outcome"], "Attempts to start a program or to open a remote server.";
    RESTARTS = Counter "janua_server_restarts" ["server"], "Starts that took the place of an instance that had ended by itself or was given up.";
    EXITS = Counter "janua_server_exits" ["server"], "Programs that ended by themselves or were given up, not those that were stopped because nobody needed them.";
    CHILDREN = Gauge "janua_children" ["server"], "Programs that run.";
    SERVER_QUEUE = Gauge "janua_server_queue_messages" ["server"], "Messages that wait to be written to programs.";
    SERVER_QUEUE_BYTES = Gauge "janua_server_queue_bytes" ["server"], "Size of the messages that wait to be written to programs.";
    SESSIONS = Gauge "janua_sessions" ["transport"], "Sessions of clients with a handshake.";
    STREAM_QUEUE = Gauge "janua_client_queue_events" ["transport"], "Events that wait for clients to read them.";
    OLD_STREAMS = Gauge "gumcp_active_connections" ["server"], "Open HTTP+SSE streams at /{server}/{user} and /{server}.";
    OLD_STREAMS_OPENED = Counter "gumcp_connection" ["server"], "HTTP+SSE streams opened at /{server}/{user} and /{server}.";
    CONNECTIONS = Gauge "janua_connections" [], "Connections of clients.";
    HTTP = Counter "janua_http_answers" ["route", "status"], "HTTP requests answered, by the first digit of their status.";
    LIMIT = Gauge "janua_limit" ["limit"], "How many of something there may be at once.";
    LIMIT_CURRENT = Gauge "janua_limit_current" ["limit"], "How many of it there are.";
    LIMIT_REJECTED = Counter "janua_limit_rejected" ["limit"], "How often something was refused because of a limit.";
    CPU = Counter "process_cpu_seconds" [], "Processor time of the gateway itself.";
    MEMORY = Gauge "process_resident_memory_bytes" [], "Memory of the gateway itself.";
    FILES = Gauge "process_open_fds" [], "File descriptors that are open.";
    FILES_MOST = Gauge "process_max_fds" [], "File descriptors that may be open.";
    THREADS = Gauge "process_threads" [], "Threads of the gateway itself.";
    STARTED = Gauge "process_start_time_seconds" [], "When the gateway was started, in seconds since 1970.";
}

/// How a request ended, for the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a result.
    Ok,
    /// With the result of a tool that says of itself that it failed.
    Tool,
    /// With an error that is the client's.
    Client,
    /// With an error that is the server's.
    Server,
    /// With an error that is the gateway's.
    Gateway,
    /// Given up by the client.
    Cancelled,
}

impl Outcome {
    /// All, with the values of their label and what they mean.
    pub(crate) const ALL: [(Outcome, &'static str, &'static str); 6] = [
        (Outcome::Ok, "ok", "It ended with a result."),
        (
            Outcome::Tool,
            "tool_error",
            "It ended with the result of a tool that says of itself that it failed (`isError`).",
        ),
        (
            Outcome::Client,
            "client_error",
            "It ended with an error that is the client's: a method or parameters that the server does not know.",
        ),
        (
            Outcome::Server,
            "server_error",
            "It ended with an error that is the server's: its own, or because it did not start, did not answer, or ended.",
        ),
        (
            Outcome::Gateway,
            "gateway_error",
            "It ended with an error that is the gateway's: a limit was reached, or it was stopping.",
        ),
        (Outcome::Cancelled, "cancelled", "The client gave it up: by a cancellation, or by leaving."),
    ];

    pub(crate) fn name(self) -> &'static str {
        Outcome::ALL[self as usize].1
    }
}

/// How an attempt to start a server ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Ok,
    Failed,
    Refused,
}

impl Start {
    pub(crate) const ALL: [(Start, &'static str, &'static str); 3] = [
        (Start::Ok, "ok", "The server serves."),
        (Start::Failed, "failed", "It could not be started or reached, or did not answer in time."),
        (Start::Refused, "refused", "It answered its opening with an error."),
    ];
}

/// The values of the label `method`: every request that the protocol has. All others are `other`.
pub(crate) const METHODS: [&str; 17] = [
    "other",
    "initialize",
    "ping",
    "tools/call",
    "tools/list",
    "prompts/get",
    "prompts/list",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
    "server/discover",
    "subscriptions/listen",
    "tasks",
];

/// The place of a method in [`METHODS`].
fn place(method: Method) -> usize {
    match method {
        Method::Initialize => 1,
        Method::Ping => 2,
        Method::ToolsCall => 3,
        Method::ToolsList => 4,
        Method::PromptsGet => 5,
        Method::PromptsList => 6,
        Method::ResourcesRead => 7,
        Method::ResourcesList => 8,
        Method::TemplatesList => 9,
        Method::Subscribe => 10,
        Method::Unsubscribe => 11,
        Method::Complete => 12,
        Method::SetLevel => 13,
        Method::Discover => 14,
        Method::Listen => 15,
        Method::Tasks | Method::TaskResult => 16,
        _ => 0,
    }
}

/// The name under which a method is counted.
pub(crate) fn family(method: Method) -> &'static str {
    METHODS[place(method)]
}

/// Upper bounds of the buckets of durations, in seconds. Beyond the last is one more.
pub(crate) const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// What was counted of one method at one server.
#[derive(Debug, Default)]
pub(crate) struct MethodMetrics {
    pub(crate) outcomes: [AtomicU64; Outcome::ALL.len()],
    pub(crate) buckets: [AtomicU64; BUCKETS.len() + 1],
    pub(crate) micros: AtomicU64,
}

/// What was counted of one server. Held by whoever counts, so that nothing is looked up on the way of a call.
pub(crate) struct ServerMetrics {
    name: Arc<str>,
    pub(crate) methods: [MethodMetrics; METHODS.len()],
    pub(crate) running: AtomicUsize,
    pub(crate) children: Gauge,
    pub(crate) request_bytes: AtomicU64,
    pub(crate) answer_bytes: AtomicU64,
    pub(crate) starts: [AtomicU64; Start::ALL.len()],
    pub(crate) restarts: AtomicU64,
    pub(crate) exits: AtomicU64,
    /// HTTP+SSE streams at the addresses of older gateways: those that are open, and all there were.
    pub(crate) streams: Gauge,
    pub(crate) streams_opened: AtomicU64,
    /// Instances that ended by themselves and have no successor yet.
    vacant: AtomicU64,
    queues: Lock<Vec<Queue>>,
    parked: Lock<Option<Count>>,
}

/// Messages that wait, and their size; `None` once there is no queue any more.
type Queue = Box<dyn Fn() -> Option<(usize, usize)> + Send + Sync>;
type Count = Box<dyn Fn() -> usize + Send + Sync>;

impl ServerMetrics {
    fn new(name: Arc<str>) -> Self {
        ServerMetrics {
            name,
            methods: Default::default(),
            running: AtomicUsize::new(0),
            children: Gauge::default(),
            request_bytes: AtomicU64::new(0),
            answer_bytes: AtomicU64::new(0),
            starts: Default::default(),
            restarts: AtomicU64::new(0),
            exits: AtomicU64::new(0),
            streams: Gauge::default(),
            streams_opened: AtomicU64::new(0),
            vacant: AtomicU64::new(0),
            queues: Lock::default(),
            parked: Lock::default(),
        }
    }

    /// The name of the server.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// A request has ended.
    pub(crate) fn ended(&self, method: Method, outcome: Outcome, took: Duration) {
        let counted = &self.methods[place(method)];
        let bucket = BUCKETS.partition_point(|bound| *bound < took.as_secs_f64());
        add(&counted.outcomes[outcome as usize], 1);
        add(&counted.buckets[bucket], 1);
        add(&counted.micros, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// An HTTP+SSE stream has been opened, which counts until the guard is dropped.
    pub(crate) fn stream_opened(&self) -> Entered {
        add(&self.streams_opened, 1);
        self.streams.enter()
    }

    /// An attempt to start the server has ended.
    pub(crate) fn started(&self, how: Start) {
        add(&self.starts[how as usize], 1);
        let took = |vacant: u64| vacant.checked_sub(1);
        if matches!(how, Start::Ok) && self.vacant.fetch_update(Ordering::Relaxed, Ordering::Relaxed, took).is_ok() {
            add(&self.restarts, 1);
        }
    }

    /// An instance has ended by itself, or was given up.
    pub(crate) fn exited(&self) {
        add(&self.exits, 1);
        add(&self.vacant, 1);
    }

    /// Reads a queue from now on, until it gives `None`.
    pub(crate) fn watch_queue(&self, queue: impl Fn() -> Option<(usize, usize)> + Send + Sync + 'static) {
        let mut queues = self.queues.lock();
        queues.retain(|queue| queue().is_some());
        queues.push(Box::new(queue));
    }

    /// Messages and bytes in all queues.
    pub(crate) fn queued(&self) -> (usize, usize) {
        let queues = self.queues.lock();
        queues.iter().filter_map(|queue| queue()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Reads the number of parked calls there from now on.
    pub(crate) fn watch_parked(&self, parked: impl Fn() -> usize + Send + Sync + 'static) {
        *self.parked.lock() = Some(Box::new(parked));
    }

    /// How many calls are parked.
    pub(crate) fn parked(&self) -> usize {
        self.parked.lock().as_ref().map_or(0, |parked| parked())
    }
}

impl fmt::Debug for ServerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which of the HTTP routes answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Mcp,
    Sse,
    Messages,
    WebSocket,
    Api,
    Health,
    OpenApi,
}

impl Route {
    pub(crate) const ALL: [(Route, &'static str); 7] = [
        (Route::Mcp, "mcp"),
        (Route::Sse, "sse"),
        (Route::Messages, "messages"),
        (Route::WebSocket, "ws"),
        (Route::Api, "api"),
        (Route::Health, "health"),
        (Route::OpenApi, "openapi"),
    ];
}

/// Values that somebody else keeps, taken down at a scrape.
#[derive(Debug, Default)]
pub(crate) struct Readings(Vec<(&'static str, Option<&'static str>, f64)>);

impl Readings {
    /// Takes down the value of a gauge without labels.
    pub(crate) fn put(&mut self, metric: &Metric, value: usize) {
        self.push(metric, None, value);
    }

    /// Takes down the value of a gauge with one label.
    pub(crate) fn put_for(&mut self, metric: &Metric, label: &'static str, value: usize) {
        self.push(metric, Some(label), value);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of things in memory")]
    fn push(&mut self, metric: &Metric, label: Option<&'static str>, value: usize) {
        self.0.push((metric.name, label, value as f64));
    }

    /// What was taken down of one metric.
    pub(crate) fn of(&self, metric: &Metric) -> impl Iterator<Item = (Option<&'static str>, f64)> {
        let name = metric.name;
        self.0.iter().filter(move |(named, ..)| *named == name).map(|(_, label, value)| (*label, *value))
    }
}

type Reader = Box<dyn Fn(&mut Readings) + Send + Sync>;

/// The metrics of one gateway.
#[derive(Default)]
pub(crate) struct Metrics {
    servers: Lock<BTreeMap<Arc<str>, Arc<ServerMetrics>>>,
    pub(crate) http: [[AtomicU64; 5]; Route::ALL.len()],
    readers: Lock<Vec<Reader>>,
}

impl Metrics {
    /// What is counted of the server with that name. The label sets are there from now on.
    pub(crate) fn server(&self, name: &str) -> Arc<ServerMetrics> {
        let mut servers = self.servers.lock();
        if let Some(known) = servers.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        let new = Arc::new(ServerMetrics::new(name.clone()));
        servers.insert(name, new.clone());
        new
    }

    /// Forgets a server that is gone, and its label sets. Calls that are still under way there count nowhere.
    pub(crate) fn remove(&self, name: &str) {
        self.servers.lock().remove(name);
    }

    /// Every server, in the order of their names.
    pub(crate) fn servers(&self) -> Vec<Arc<ServerMetrics>> {
        self.servers.lock().values().cloned().collect()
    }

    /// An HTTP request was answered.
    pub(crate) fn answered(&self, route: Route, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        add(&self.http[route as usize][class], 1);
    }

    /// Reads gauges that somebody else keeps from now on, at every scrape.
    pub(crate) fn read(&self, reader: impl Fn(&mut Readings) + Send + Sync + 'static) {
        self.readers.lock().push(Box::new(reader));
    }

    /// What those say now.
    pub(crate) fn readings(&self) -> Readings {
        let mut readings = Readings::default();
        for reader in self.readers.lock().iter() {
            reader(&mut readings);
        }
        readings
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("servers", &self.servers.lock().len()).finish_non_exhaustive()
    }
}

pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
