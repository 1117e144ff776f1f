//! The composition root of a proxy: one server behind one listener, or as a router to nest.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::{HeaderName, HeaderValue};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admission::Admission;
use crate::catalog::Catalog;
use crate::catalog::server::{Means, bridge};
use crate::clients::gate::Gate;
use crate::clients::guard::{Guard, LOOPBACK};
use crate::clients::listener::Door;
use crate::clients::openapi::Documents;
use crate::clients::rest::Rest;
use crate::clients::{self, Edge, Paths};
use crate::config::{
    AuthSettings, Declared, Limits, Protocol, RestSettings, Server, ServerCommand, ServerSettings, Share,
};
use crate::error::Failure;
use crate::gateway::Gateway;
use crate::observe::Observer;
use crate::observe::traces::Traces;
use crate::servers::Place;
pub use crate::servers::hiding::Shown;
use crate::servers::in_process::{Factories, Factory, Server as InProcess, UserContext};
use crate::servers::process::orphans;
use crate::tasks::Tasks;

/// What a proxy serves, where, and under which limits.
///
/// ```
/// use janua::config::{Server, ServerCommand};
/// use janua::proxy::Options;
///
/// let command = ServerCommand::new(["npx", "-y", "@modelcontextprotocol/server-everything"]).expect("a command");
/// let options = Options::new(Server::Command(command)).port(8080);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The server behind the proxy.
    pub server: Server,
    /// Where a server in this process is found by its name.
    pub factories: Factories,
    /// Which era it is spoken to in.
    pub protocol: Protocol,
    /// Who shares a running instance of it.
    pub share: Share,
    /// Which of its tools are shown; all if absent.
    pub shown: Option<Shown>,
    /// What it is told that its clients can be asked, where they share an instance.
    pub declared: Declared,
    /// Instances of a program that are kept started, though nobody uses them yet. Under [`router`] from the first
    /// session on.
    pub warm: usize,
    /// Address to listen on. Not used by [`router`].
    pub host: IpAddr,
    /// Port to listen on; 0 lets the system choose. Not used by [`router`].
    pub port: u16,
    /// Listen on an address that others reach, although nobody has to authenticate.
    pub insecure_no_auth: bool,
    /// Who may use the proxy; `None`: whoever reaches it.
    pub auth: Option<AuthSettings>,
    /// Host names under which the proxy is reached. Empty: the loopback names when it listens on loopback or is
    /// nested, any name otherwise.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may use the proxy and read its answers, exactly as browsers send them; `*` for
    /// any.
    pub cors_origins: Vec<String>,
    /// Where metrics are served, on a listener of their own; `None`: they are not. Not used by [`router`].
    pub metrics: Option<SocketAddr>,
    /// Where traces go, as an OTLP endpoint; `None`: nowhere. Needs the feature `otel`. Not used by [`router`].
    pub traces: Option<url::Url>,
    /// Bounds of everything.
    pub limits: Limits,
    /// Path of Streamable HTTP; empty: it is not served.
    pub mcp_path: String,
    /// Path of the HTTP+SSE stream; empty: HTTP+SSE is not served.
    pub sse_path: String,
    /// Path for messages of HTTP+SSE.
    pub message_path: String,
    /// Path of WebSocket; empty: WebSocket is not served.
    pub ws_path: String,
    /// Path below which tools are plain HTTP; empty: they are not.
    pub api_path: String,
    /// How tools are plain HTTP.
    pub rest: RestSettings,
    /// Put before the message path in the `endpoint` event.
    pub base_url: String,
    /// Paths of the health report.
    pub health_paths: Vec<String>,
    /// What the health paths answer, instead of the JSON report.
    pub health_text: Option<&'static str>,
    /// Headers put on every answer.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
}

impl Options {
    /// A proxy of `server` with every default: loopback, port 3000, one instance per session.
    pub fn new(server: Server) -> Self {
        let paths = Paths::default();
        Options {
            server,
            factories: Factories::built_in(),
            protocol: Protocol::Auto,
            share: Share::Session,
            shown: None,
            declared: Declared::Class,
            warm: 0,
            host: IpAddr::from([127, 0, 0, 1]),
            port: 3000,
            insecure_no_auth: false,
            auth: None,
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            metrics: None,
            traces: None,
            limits: Limits::default(),
            mcp_path: paths.mcp,
            sse_path: paths.sse,
            message_path: paths.messages,
            ws_path: paths.ws,
            api_path: paths.api,
            rest: RestSettings::default(),
            base_url: paths.base_url,
            health_paths: paths.health,
            health_text: None,
            response_headers: Vec::new(),
        }
    }

    /// A proxy of the program `line`, its first word, with the other words as arguments. `None` if it is empty.
    pub fn command<S: Into<String>>(line: impl IntoIterator<Item = S>) -> Option<Self> {
        ServerCommand::new(line).map(|command| Options::new(Server::Command(command)))
    }

    /// A proxy of a server in this process, which `make` makes for whoever comes.
    pub fn in_process<S: InProcess>(name: &str, make: impl Fn(UserContext) -> S + Send + Sync + 'static) -> Self {
        Options::registered(name, Factory::new(make))
    }

    /// The same with what makes it given as a whole.
    pub fn registered(name: &str, factory: Factory) -> Self {
        let mut options = Options::new(Server::InProcess(name.to_owned()));
        options.factories = options.factories.with(name, factory);
        options
    }

    /// The same with another port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The same with another idle time after which a session ends.
    #[must_use]
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.limits.session_idle = timeout;
        self
    }

    /// The gateway behind these options, without anything that listens, and what its clients connect to.
    pub(crate) fn gateway(&self) -> (Arc<Gateway>, Arc<dyn Place>) {
        let observer = Observer::default();
        let means = Means::new(self.factories.clone(), &self.limits, &observer.metrics);
        let settings = ServerSettings {
            protocol: self.protocol,
            share: self.share,
            declared: self.declared,
            warm: self.warm,
            ..ServerSettings::new(self.server.clone())
        };
        let bridge = bridge(ONLY, &settings, &means, self.shown.clone(), &Arc::default(), None);
        let watched = Arc::downgrade(&bridge);
        bridge.pool.metrics().watch_parked(move || watched.upgrade().map_or(0, |bridge| bridge.parked()));
        let catalog = Catalog::of_one(bridge.clone());
        (Gateway::new(catalog, means.limits, means.tasks, observer), bridge)
    }

    fn edge(self, gateway: Arc<Gateway>, loopback: bool) -> Edge {
        let hosts = hosts(&self.allowed_hosts, loopback);
        let guard = Guard { hosts, cors: !self.cors_origins.is_empty(), origins: self.cors_origins };
        Edge {
            gateway,
            gate: Arc::new(Gate::new(self.auth.as_ref(), guard.clone(), self.health_paths.clone())),
            guard,
            paths: Paths {
                mcp: self.mcp_path,
                sse: self.sse_path,
                messages: self.message_path,
                ws: self.ws_path,
                api: self.api_path,
                health: self.health_paths,
                base_url: self.base_url,
                ..Paths::default()
            },
            stateless: self.share == Share::All,
            label: self.server.label(),
            headers: self.response_headers,
            rest: Rest::new(self.rest),
            health_text: self.health_text,
            mcpo: None,
            documents: Documents::default(),
        }
    }
}

/// Why a proxy could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address is reached by others and nobody has to authenticate.
    #[error(
        "refusing to listen on {0} without authentication: whoever reaches that address could use the server; \
         listen on 127.0.0.1, let `auth` say who may, or say --insecure-no-auth if that is what you want"
    )]
    Exposed(IpAddr),
    /// The options contradict each other or the server's kind.
    #[error("{0}")]
    Options(String),
}

/// How long connections may take to end after everything else has.
const REST: Duration = Duration::from_secs(3);

/// A running proxy.
pub struct Proxy {
    gateway: Arc<Gateway>,
    address: SocketAddr,
    metrics: Option<Scraped>,
}

/// The name in metrics of the only server there is.
const ONLY: &str = "default";

/// The listener of the metrics. It ends last, so that the end can be watched.
pub(crate) struct Scraped {
    pub(crate) address: SocketAddr,
    tasks: Tasks,
}

impl Scraped {
    pub(crate) fn serve(
        listener: TcpListener,
        address: SocketAddr,
        gateway: &Arc<Gateway>,
        allowed_hosts: &[String],
        plain: bool,
    ) -> Scraped {
        let tasks = Tasks::default();
        let guard = Guard { hosts: hosts(allowed_hosts, address.ip().is_loopback()), ..Guard::default() };
        let router = clients::metrics::router(gateway.clone(), guard, plain);
        let limits = Arc::new(clients::metrics::limits(&gateway.limits));
        let admission = Admission::new(&limits);
        let serving = clients::listener::serve(listener, router, admission, limits, tasks.clone());
        tasks.spawn("metrics listener", serving);
        Scraped { address, tasks }
    }

    async fn stop(self) {
        self.tasks.stop();
        self.tasks.finished(REST).await;
    }
}

/// The names under which something is served that listens on loopback or elsewhere.
fn hosts(allowed: &[String], loopback: bool) -> Option<Vec<String>> {
    match (allowed.is_empty(), loopback) {
        (false, _) => Some(allowed.iter().map(|host| host.to_ascii_lowercase()).collect()),
        (true, true) => Some(LOOPBACK.map(str::to_owned).to_vec()),
        (true, false) => None,
    }
}

/// Listens on an address, unless others reach it although nobody has to authenticate.
pub(crate) fn bind(address: SocketAddr, exposed: bool) -> Result<(TcpListener, SocketAddr), Error> {
    if !address.ip().is_loopback() && !exposed {
        return Err(Error::Exposed(address.ip()));
    }
    let failed = |source| Error::Listen { address, source };
    let listener = clients::listener::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Sends the traces of a gateway to `endpoint`, if there is one.
pub(crate) fn trace(gateway: &Gateway, endpoint: Option<&url::Url>) -> Result<(), Error> {
    if let Some(endpoint) = endpoint {
        gateway.observer.trace(Traces::new(endpoint, &gateway.tasks).map_err(Error::Options)?);
    }
    Ok(())
}

/// The proxy's routes, to be nested into an application of one's own:
/// `Router::new().nest("/mcp-proxy", router(options))` serves `/mcp-proxy/mcp` and its neighbours. Sessions expire
/// there too. Children end with their sessions, and with the process.
///
/// Requests must be served on a tokio runtime, as axum does.
///
/// ```no_run
/// use axum::Router;
/// use janua::proxy::{self, Options};
///
/// # async fn serve() -> std::io::Result<()> {
/// let options = Options::command(["uvx", "mcp-server-time"]).expect("a command");
/// let app = Router::new().nest("/mcp-proxy", proxy::router(options));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener, app).await
/// # }
/// ```
pub fn router(options: Options) -> Router {
    let (gateway, _) = options.gateway();
    let edge = Arc::new(options.edge(gateway, true));
    let gate = edge.gate.clone();
    gate.around(clients::router(edge))
}

/// Binds the address and starts to serve. The proxy runs until it is stopped.
#[expect(clippy::unused_async, reason = "it needs a runtime, and does not promise never to wait")]
pub async fn start(options: Options) -> Result<Proxy, Error> {
    let wanted = SocketAddr::new(options.host, options.port);
    let (listener, address) = bind(wanted, options.insecure_no_auth || options.auth.is_some())?;
    let shown = options.metrics.map(|address| bind(address, options.insecure_no_auth)).transpose()?;
    let (gateway, _) = options.gateway();
    trace(&gateway, options.traces.as_ref())?;
    orphans::bury(&gateway.tasks);
    gateway.catalog.prepare();
    let loopback = options.host.is_loopback();
    let hosts = &options.allowed_hosts;
    let metrics = shown.map(|(listener, address)| Scraped::serve(listener, address, &gateway, hosts, false));
    let edge = Arc::new(options.edge(gateway.clone(), loopback));
    let gate = Some(edge.gate.clone());
    let door = Door { router: clients::router(edge), gate };
    let (admission, limits) = (gateway.admission.clone(), gateway.limits.clone());
    let serving = clients::listener::serve(listener, door, admission, limits, gateway.tasks.clone());
    gateway.tasks.spawn("listener", serving);
    Ok(Proxy { gateway, address, metrics })
}

/// Starts a proxy and runs it until the process gets SIGINT or SIGTERM; then stops it in order.
///
/// ```no_run
/// use janua::proxy::{self, Options};
///
/// # async fn serve() -> Result<(), proxy::Error> {
/// let options = Options::command(["uvx", "mcp-server-time"]).expect("a command").port(8080);
/// proxy::run(options).await
/// # }
/// ```
pub async fn run(options: Options) -> Result<(), Error> {
    let proxy = start(options).await?;
    stop_signal().await;
    proxy.stop().await;
    Ok(())
}

impl Proxy {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address on which it serves its metrics, if it does.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|shown| shown.address)
    }

    /// Stops it: no new connections, running requests get their time, sessions and servers end. A second signal
    /// cuts the waiting short.
    pub async fn stop(self) {
        stop(&self.gateway, self.metrics).await;
    }
}

/// Stops a gateway in order; a signal cuts the waiting short.
pub(crate) async fn stop(gateway: &Gateway, metrics: Option<Scraped>) {
    tokio::select! {
        () = gateway.stop() => {}
        () = interrupted() => {
            tracing::warn!("stopping at once");
            gateway.stop_now().await;
        }
    }
    if !gateway.tasks.finished(REST).await {
        tracing::warn!("some connections did not end in time");
    }
    if let Some(shown) = metrics {
        shown.stop().await;
    }
}

/// Resolves at the next SIGINT, SIGTERM or SIGHUP.
pub async fn stop_signal() {
    tokio::select! {
        () = interrupted() => {}
        () = arrived(SignalKind::hangup()) => {}
    }
}

/// Resolves at the next SIGINT or SIGTERM.
pub(crate) async fn interrupted() {
    tokio::select! {
        () = arrived(SignalKind::interrupt()) => {}
        () = arrived(SignalKind::terminate()) => {}
    }
}

async fn arrived(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Options(failure.to_string())
    }
}
