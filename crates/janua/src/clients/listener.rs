//! The accept loop: bounded connections, a deadline for headers, dead peers noticed, an orderly end.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use futures_util::future::Either;
use futures_util::{FutureExt, TryFutureExt};
use hyper::body::Incoming;
use hyper::service::{HttpService, Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use super::gate::{Gate, Lease, Passed};
use crate::admission::{Admission, Origin, Slot, crowded, overloaded};
use crate::config::Limits;
use crate::error::Failure;
use crate::tasks::Tasks;

/// A peer that does not acknowledge for so long is gone.
const DEAD_PEER: Duration = Duration::from_secs(30);

/// Largest header block, and the most that is read at once.
const HEAD: usize = 32 * 1024;

/// Connections beyond the limit that still get an answer, and may ask for the health report. The others are told in
/// one write.
const SPARE: usize = 64;

/// How long such a connection may take to ask.
const HASTE: Duration = Duration::from_secs(2);

/// What is said in one write.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A connection's place among all, and among those of its address; an extension of a request that wants to become
/// something else than HTTP.
#[derive(Clone)]
pub(crate) struct Entered(#[expect(dead_code, reason = "held for what it takes up")] Arc<(Origin, Slot)>);

/// An extension of requests on a connection beyond the limit: why they are refused.
#[derive(Clone)]
pub(crate) struct Crowded(pub(crate) Arc<Failure>);

/// An extension of every request: the address that its connection comes from.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What is served: routes, behind a gate if there is one.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) router: Router,
    pub(crate) gate: Option<Arc<Gate>>,
}

impl From<Router> for Door {
    fn from(router: Router) -> Self {
        Door { router, gate: None }
    }
}

/// What every connection is served with.
#[derive(Clone)]
struct Serving {
    door: Door,
    admission: Arc<Admission>,
    limits: Arc<Limits>,
    tasks: Tasks,
}

/// The door as one connection finds it.
struct Entrance {
    router: TowerToHyperService<Router>,
    gate: Option<Arc<Gate>>,
    peer: IpAddr,
}

impl Entrance {
    /// What a request gets: at the gate, or behind it.
    fn call(&self, request: http::Request<Incoming>) -> impl Future<Output = Result<Response<Body>, Infallible>> {
        let passed = match &self.gate {
            Some(gate) => gate.pass(request, Some(self.peer)),
            None => Ok(Passed { request, lease: Lease::default() }),
        };
        match passed {
            Ok(Passed { request, lease }) => {
                Either::Left(self.router.call(request).map_ok(|answer| lease.bind(answer)))
            }
            Err(refused) => Either::Right(refused.answer().map(Ok)),
        }
    }
}

/// Connections that may wait to be accepted; the system may allow fewer. Those that find no room try again after a
/// second, which is what a burst of clients would otherwise pay for a moment without a turn.
const BACKLOG: u32 = 4096;

/// Listens on `address`.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // An address is free again as soon as its last listener is gone, whatever its connections do.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `door` on `listener` until the gateway stops; answers under way are finished.
pub(crate) async fn serve(
    listener: TcpListener,
    door: impl Into<Door>,
    admission: Arc<Admission>,
    limits: Arc<Limits>,
    tasks: Tasks,
) {
    let spare = Arc::new(Semaphore::new(SPARE));
    if admission.connections.limit() < limits.connections {
        let (most, wanted) = (admission.connections.limit(), limits.connections);
        tracing::info!(most, wanted, "connections take up at most half of the descriptors: see ulimit -n");
    }
    let serving = Serving { door: door.into(), admission, limits, tasks };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = serving.tasks.stopping() => return,
        };
        match accepted {
            Ok((socket, peer)) => match serving.enter(peer.ip()) {
                Ok(entered) => {
                    serving.tasks.spawn("connection", serving.clone().connection(socket, peer.ip(), entered));
                }
                Err(why) => match spare.clone().try_acquire_owned() {
                    Ok(place) => {
                        let refused = serving.clone().refused(socket, peer.ip(), why);
                        serving.tasks.spawn("refused connection", async move {
                            refused.await;
                            drop(place);
                        });
                    }
                    // It may not arrive, if the client has sent something meanwhile. More would cost too much now.
                    Err(_) => drop(socket.into_std().and_then(|mut socket| socket.write(FULL))),
                },
            },
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Out of descriptors or memory: accepting again at once would only spin.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

impl Serving {
    fn enter(&self, address: IpAddr) -> Result<Entered, Failure> {
        let Admission { sources, connections, .. } = &*self.admission;
        let origin = sources.take(address).ok_or_else(|| crowded(sources))?;
        let slot = connections.take().ok_or_else(|| overloaded(connections))?;
        Ok(Entered(Arc::new((origin, slot))))
    }

    async fn connection(self, socket: TcpStream, peer: IpAddr, entered: Entered) {
        let entrance = self.entrance(peer);
        let service = service_fn(|mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.to_canonical()));
            if request.headers().contains_key(http::header::UPGRADE) {
                request.extensions_mut().insert(entered.clone());
            }
            entrance.call(request)
        });
        self.run(socket, service, self.limits.header, true).await;
    }

    /// A connection that is told why it is one too many.
    async fn refused(self, socket: TcpStream, peer: IpAddr, why: Failure) {
        let (entrance, why) = (self.entrance(peer), Crowded(Arc::new(why)));
        let service = service_fn(|mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(why.clone());
            entrance.call(request)
        });
        self.run(socket, service, self.limits.header.min(HASTE), false).await;
    }

    fn entrance(&self, peer: IpAddr) -> Entrance {
        Entrance { router: TowerToHyperService::new(self.door.router.clone()), gate: self.door.gate.clone(), peer }
    }

    async fn run<S>(&self, socket: TcpStream, service: S, header: Duration, keep_alive: bool)
    where
        S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
    {
        let _ = socket.set_nodelay(true);
        let _ = set_tcp_user_timeout(&socket, u32::try_from(DEAD_PEER.as_millis()).unwrap_or(u32::MAX));
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(header).max_headers(100).half_close(false);
        // Bounds the header block, and what a connection holds of a body that is being read.
        http.max_buf_size(HEAD).keep_alive(keep_alive);
        let serving = http.serve_connection(TokioIo::new(socket), service).with_upgrades();
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = self.tasks.stopping() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}
