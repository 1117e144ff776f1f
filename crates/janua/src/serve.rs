//! The composition root of a gateway of many servers: `janua serve`, or embedded in a program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::admin::{self, Admin, Reloads};
pub use crate::catalog::Applied;
use crate::catalog::Catalog;
use crate::catalog::offers::Missing;
use crate::catalog::server::Means;
use crate::clients::gate::Gate;
use crate::clients::guard::{Guard, LOOPBACK};
use crate::clients::listener::Door;
use crate::clients::mcpo::Face;
pub use crate::clients::mcpo::Mcpo;
use crate::clients::openapi::Documents;
use crate::clients::rest::Rest;
use crate::clients::{self, Arrival, Edge, Paths};
use crate::config::{Finding, Secret, Server, Settings};
use crate::connect::{self, End};
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::observe::Observer;
use crate::openapi::{Document, Terms, Version, title};
pub use crate::proxy::Error;
use crate::proxy::{Scraped, bind, stop, trace};
use crate::random;
use crate::report::ServerReport;
use crate::running::{Place, Written};
use crate::servers::in_process::{Factories, Factory};
use crate::servers::process::orphans;
use crate::user::{User, Visitor};

/// A gateway of many servers that is not running yet.
///
/// ```no_run
/// use janua::config::{Server, ServerCommand, ServerSettings, Settings};
/// use janua::serve::App;
///
/// # async fn serve() -> Result<(), janua::serve::Error> {
/// let mut settings = Settings::default();
/// let time = ServerCommand::new(["uvx", "mcp-server-time"]).expect("a command");
/// settings.servers.insert("time".to_owned(), ServerSettings::new(Server::Command(time)));
/// let running = App::builder().settings(settings).build().serve().await?;
/// println!("http://{}/mcp", running.address());
/// running.until_told_to_stop().await;
/// # Ok(())
/// # }
/// ```
pub struct App {
    settings: Settings,
    config: Option<PathBuf>,
    paths: Paths,
    gumcp: bool,
    gateway: Arc<Gateway>,
    gate: Arc<Gate>,
    /// What the command line shows to administrate this run.
    token: Secret,
}

/// Puts an [`App`] together.
#[derive(Default)]
pub struct Builder {
    settings: Settings,
    factories: Factories,
    paths: Paths,
    gumcp: bool,
    config: Option<PathBuf>,
    own_key: Option<Arc<str>>,
}

/// A gateway that serves.
pub struct Running {
    gateway: Arc<Gateway>,
    gate: Arc<Gate>,
    address: SocketAddr,
    metrics: Option<Scraped>,
    reloads: Arc<Reloads>,
    /// Says in the data directory where it is, as long as it serves.
    written: Option<Written>,
}

impl App {
    /// An app with no servers yet.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The gateway's routes, to be nested into an application of one's own: `/mcp`, `/mcp/{server}` and their
    /// neighbours, relative to where they are nested. Must be served on a tokio runtime, as axum does.
    pub fn router(&self) -> Router {
        self.gate.clone().around(clients::router(Arc::new(self.edge(true))))
    }

    /// Gives the gateway other settings: what is defined as before is not touched. Addresses and limits stay what they
    /// were.
    pub fn apply(&self, settings: &Settings) -> Applied {
        admit(&self.gateway, &self.gate, settings);
        apply(&self.gateway, settings)
    }

    /// Starts or reaches a server, asks it what it has, and says how it is when it has answered or `patience` is over.
    /// `None` if there is no server of that name.
    pub async fn look(&self, name: &str, patience: Duration) -> Option<ServerReport> {
        self.gateway.catalog.many()?.look(name, Instant::now() + patience).await
    }

    fn edge(&self, loopback: bool) -> Edge {
        Edge {
            gateway: self.gateway.clone(),
            guard: guard(&self.settings, loopback),
            gate: self.gate.clone(),
            paths: self.paths.clone(),
            stateless: false,
            label: format!("{} servers", self.settings.servers.len()),
            headers: Vec::new(),
            rest: Rest::new(self.settings.rest),
            health_text: None,
            mcpo: self.paths.mcpo.clone().map(Face::new),
            documents: Documents::default(),
        }
    }

    /// Finds out whether a server that is a folder can be loaded, in a process of its own. An error says why it cannot;
    /// other servers are not tried.
    pub async fn load(&self, name: &str) -> Result<(), Failure> {
        let Some(Server::Folder(folder)) = self.settings.servers.get(name).map(|server| &server.server) else {
            return Ok(());
        };
        let Some(many) = self.gateway.catalog.many() else { return Ok(()) };
        many.try_now(folder).await
    }

    /// Serves the client on `input` and `output` with one server, in the name of `user`, until one of them is done or the
    /// process is told to stop; the server is stopped before this returns.
    pub async fn speak(
        self,
        name: &str,
        user: User,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Unpin,
    ) -> Result<End, Failure> {
        let place = self.gateway.catalog.place(Some(name)).map_err(|why| Failure::new(Kind::Unsupported, why))?;
        let visitor = Visitor { user: Some(Arc::new(user)), ..Visitor::default() };
        connect::speak(&self.gateway, Arrival { place, visitor }, input, output).await
    }

    /// The OpenAPI document of the server or view of that name, or of all servers: what a gateway of the same settings
    /// gives at `/api/openapi.json`, in this `version` and as if it was reached at `base`. Starts or reaches the servers;
    /// those that do not answer within [`crate::config::Limits::list`] are left out and named. Fails if there is nothing
    /// of that name.
    pub async fn openapi(&self, name: Option<&str>, version: Version, base: &str) -> Result<Document, String> {
        let basis = self.gateway.catalog.basis(name).await.map_err(|missing| match missing {
            Missing::Unknown(why) => why,
            Missing::Failed(why) => why.message.into_owned(),
        })?;
        let url = format!("{}{}", base.trim_end_matches('/'), self.paths.api);
        let terms = Terms { version, url, ..Terms::of(&self.settings) };
        Ok(Document::new(&title(name), &basis.offers(), &terms))
    }

    /// Stops every server that [`App::look`] or [`App::openapi`] has started, without waiting for anything else.
    pub async fn stop(self) {
        self.gateway.stop_now().await;
    }

    /// Binds the address of the settings and serves until it is stopped. Where it is can be looked up in the data
    /// directory from then on; see [`crate::running`].
    #[expect(clippy::unused_async, reason = "it needs a runtime, and does not promise never to wait")]
    pub async fn serve(self) -> Result<Running, Error> {
        let wanted = SocketAddr::new(self.settings.host, self.settings.port);
        let protected = self.settings.auth.is_some();
        let (listener, address) = bind(wanted, self.settings.insecure_no_auth || protected)?;
        let is_local = self.settings.host.is_loopback();
        let edge = Arc::new(self.edge(is_local));
        let App { settings, config, paths, gumcp, gateway, gate, token } = self;
        let shown = listener_of_metrics(&settings, gumcp)?;
        trace(&gateway, settings.traces.as_ref())?;
        orphans::bury(&gateway.tasks);
        let reloads = Arc::<Reloads>::default();
        let admin = Admin::new(&edge, is_local, reloads.clone());
        let mut router = clients::router(edge);
        if paths.mcpo.is_some() {
            // As the original: what is wrong with a server shows at once, and the first caller does not wait.
            let eager = gateway.clone();
            gateway.tasks.spawn("servers of mcpo", async move { drop(eager.catalog.basis(None).await) });
        } else {
            router = router.merge(admin::router(admin));
        }
        let door = Door { router, gate: Some(gate.clone()) };
        gateway.catalog.prepare();
        tell(&settings);
        let hosts = &settings.allowed_hosts;
        let metrics = shown.map(|(listener, at)| Scraped::serve(listener, at, &gateway, hosts, gumcp));
        let (admission, limits) = (gateway.admission.clone(), gateway.limits.clone());
        let serving = clients::listener::serve(listener, door, admission, limits, gateway.tasks.clone());
        gateway.tasks.spawn("listener", serving);
        let written = settings
            .data_dir
            .as_deref()
            .and_then(|folder| write(folder, Place::here(address, config.as_deref()).with(token)));
        Ok(Running { gateway, gate, address, metrics, reloads, written })
    }
}

impl Builder {
    /// What the gateway is told.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// A server in this process, besides the built-in ones; the settings name it as
    /// [`Server::InProcess`], and files as `builtin`.
    #[must_use]
    pub fn factory(mut self, name: &str, factory: Factory) -> Self {
        self.factories = self.factories.with(name, factory);
        self
    }

    /// The API key of whoever runs the gateway, which servers in folders get for the user `local`, in whose name those are
    /// used that nobody in particular uses. Only where the gateway listens on loopback and asks nobody who they are.
    #[must_use]
    pub fn own_key(mut self, key: Option<&str>) -> Self {
        self.own_key = key.filter(|key| !key.is_empty()).map(Arc::from);
        self
    }

    /// The file that the settings come from, so that it can be told where the gateway is looked up.
    #[must_use]
    pub fn config(mut self, path: Option<PathBuf>) -> Self {
        self.config = path;
        self
    }

    /// Addresses as mcp-proxy has them: `/servers/{name}/mcp` and `/servers/{name}/sse` beside those there are anyway,
    /// and `/status`; `/mcp` and `/sse` lead to the server `default`, if one is named.
    #[must_use]
    pub fn like_mcp_proxy(mut self, default: Option<&str>) -> Self {
        "/servers".clone_into(&mut self.paths.servers);
        "/messages/".clone_into(&mut self.paths.messages);
        self.paths.health = vec!["/status".to_owned()];
        self.paths.root = default.map(str::to_owned);
        self.paths.doors = false;
        self.paths.api.clear();
        self
    }

    /// Metrics as guMCP has them: on port 9091 of the same host unless the settings name another address, in the plain
    /// form of Prometheus. If that port is taken there are none.
    #[must_use]
    pub fn like_gumcp(mut self) -> Self {
        self.gumcp = true;
        self
    }

    /// Addresses and answers as mcpo has them, and `/mcp`; nothing else.
    #[must_use]
    pub fn like_mcpo(mut self, mcpo: Mcpo) -> Self {
        self.paths.root.clone_from(&mcpo.only);
        self.paths.mcpo = Some(mcpo);
        self
    }

    /// The gateway. Nothing is started before somebody needs it.
    pub fn build(self) -> App {
        let Builder { settings, factories, paths, gumcp, config, own_key } = self;
        let observer = Observer::default();
        let mut means = Means::new(factories, &settings.limits, &observer.metrics);
        means.own_key = own_key.filter(|_| settings.host.is_loopback() && settings.auth.is_none());
        let (limits, tasks) = (means.limits.clone(), means.tasks.clone());
        let gateway = Gateway::new(Catalog::of_many(&settings, means), limits, tasks, observer);
        let token = Secret::new(random::token());
        let guard = guard(&settings, settings.host.is_loopback());
        let gate = Gate::new(settings.auth.as_ref(), guard, paths.health.clone()).with_run(&token, settings.host);
        App { settings, config, paths, gumcp, gateway, gate: Arc::new(gate), token }
    }
}

impl Running {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address on which it serves its metrics, if it does.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|shown| shown.address)
    }

    /// Gives the gateway other settings: what is defined as before is not touched. Addresses and limits stay what they
    /// were.
    pub fn apply(&self, settings: &Settings) -> Applied {
        let exposed = !self.address.ip().is_loopback() && !settings.insecure_no_auth;
        if settings.auth.is_none() && exposed && self.gate.is_closed() {
            tracing::error!(
                "`auth` was taken out, and others reach this gateway: it goes on as before; to open it to everybody, \
                 set insecure_no_auth, too"
            );
        } else {
            admit(&self.gateway, &self.gate, settings);
        }
        let applied = apply(&self.gateway, settings);
        self.reloads.applied(&applied);
        applied
    }

    /// Takes note of a configuration that cannot be used: whoever asks for the gateway's status is told.
    pub fn refused(&self, findings: &[Finding]) {
        self.reloads.refused(findings);
    }

    /// Serves until the process gets SIGINT or SIGTERM, then stops in order.
    pub async fn until_told_to_stop(self) {
        stop_signal().await;
        self.stop().await;
    }

    /// Stops it: no new connections, running requests get their time, sessions and servers end. A signal cuts the
    /// waiting short.
    pub async fn stop(self) {
        // Nobody is led to a gateway that stops.
        drop(self.written);
        stop(&self.gateway, self.metrics).await;
    }
}

/// Resolves at the next SIGINT or SIGTERM. SIGHUP means something else to a gateway: to read its configuration again.
pub async fn stop_signal() {
    crate::proxy::interrupted().await;
}

/// Says in the data directory where the gateway is. It serves all the same if it cannot.
fn write(folder: &Path, place: Place) -> Option<Written> {
    let written = place.write(folder);
    written.inspect_err(|error| tracing::warn!(path = %folder.display(), %error, "cannot write gateway.json")).ok()
}

/// Admits whom the settings name. Sessions of those who are not admitted any more as they were end.
fn admit(gateway: &Gateway, gate: &Gate, settings: &Settings) {
    gate.replace(settings.auth.as_ref());
    for session in gateway.sessions.all() {
        if !gate.admits(&session.visitor) {
            gateway.end_session(&session);
        }
    }
}

/// The listener of the metrics, if there is to be one. In the manner of guMCP there is, but a port that is taken does not
/// keep the gateway from serving.
fn listener_of_metrics(settings: &Settings, gumcp: bool) -> Result<Option<(TcpListener, SocketAddr)>, Error> {
    const USUAL: u16 = 9091;
    let usual = gumcp.then(|| SocketAddr::new(settings.host, USUAL));
    let Some(address) = settings.metrics.or(usual) else { return Ok(None) };
    match bind(address, settings.insecure_no_auth) {
        Err(Error::Listen { address, source }) if gumcp => {
            tracing::error!(port = address.port(), error = %source, "metrics are not served: the port cannot be had");
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

/// Says which servers there are.
fn tell(settings: &Settings) {
    for (server, about) in &settings.servers {
        match &about.disabled {
            // Whether it can be loaded is being found out.
            None if matches!(about.server, Server::Folder(_)) => {}
            None => tracing::info!(server, "server loaded"),
            Some(reason) => tracing::warn!(server, reason, "server not served"),
        }
    }
    let loaded = settings.servers.values().filter(|about| about.disabled.is_none()).count();
    tracing::info!("discovered {loaded} servers");
}

fn apply(gateway: &Gateway, settings: &Settings) -> Applied {
    gateway.catalog.many().map(|many| many.apply(settings)).unwrap_or_default()
}

fn guard(settings: &Settings, loopback: bool) -> Guard {
    let named = settings.allowed_hosts.iter().map(|host| host.to_ascii_lowercase());
    let hosts = match (settings.allowed_hosts.is_empty(), loopback) {
        (true, false) => None,
        (_, loopback) => Some(LOOPBACK.iter().filter(|_| loopback).map(|&host| host.to_owned()).chain(named).collect()),
    };
    Guard { hosts, cors: !settings.cors_origins.is_empty(), origins: settings.cors_origins.clone() }
}
