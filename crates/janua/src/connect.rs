//! The composition root of `connect`: one client on a pair of pipes, one server.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::clients::stdio;
pub use crate::clients::stdio::End;
use crate::config::{Declared, Limits, Protocol, Server, Share};
use crate::error::Failure;
use crate::proxy::{gateway, stop_signal};
use crate::servers::process::orphans;

/// Serves the client on `input` and `output` with `server` until one of them is done or the process is told to
/// stop; the server is stopped before this returns.
pub async fn run(
    server: &Server,
    protocol: Protocol,
    limits: &Limits,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<End, Failure> {
    let (gateway, place) = gateway(server, protocol, (Share::Session, Declared::Class), 0, limits);
    orphans::bury(&gateway.tasks);
    let end = tokio::select! {
        end = stdio::serve(&gateway, &place, input, output) => end,
        () = stop_signal() => Ok(End::Client),
    };
    gateway.stop_now().await;
    gateway.tasks.finished(limits.stop_eof + limits.stop_term + std::time::Duration::from_secs(2)).await;
    end
}
