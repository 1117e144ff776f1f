//! The accept loop: bounded connections, a deadline for headers, dead peers noticed, an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::observe::gauge::Gauge;
use crate::tasks::Tasks;

/// A peer that does not acknowledge for so long is gone.
const DEAD_PEER: Duration = Duration::from_secs(30);

/// Largest header block, and the most that is read at once.
const HEAD: usize = 32 * 1024;

/// Serves `router` on `listener` until the gateway stops; answers under way are finished.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Arc<Limits>, tasks: Tasks, open: Gauge) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = tasks.stopping() => return,
        };
        match accepted {
            Ok((socket, _)) => {
                let connection = connection(socket, router.clone(), limits.clone(), tasks.clone());
                let counted = open.enter();
                tasks.spawn("connection", async move {
                    connection.await;
                    drop((place, counted));
                });
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Out of descriptors or memory: accepting again at once would only spin.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn connection(socket: TcpStream, router: Router, limits: Arc<Limits>, tasks: Tasks) {
    let _ = socket.set_nodelay(true);
    let _ = set_tcp_user_timeout(&socket, u32::try_from(DEAD_PEER.as_millis()).unwrap_or(u32::MAX));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).max_headers(100).half_close(false);
    // Bounds the header block, and what a connection holds of a body that is being read.
    http.max_buf_size(HEAD);
    let serving = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router)).with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = tasks.stopping() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
