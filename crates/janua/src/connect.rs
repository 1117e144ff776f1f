//! The composition root of `connect`: one client on a pair of pipes, one server.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub use crate::clients::stdio::End;
use crate::clients::{Arrival, stdio};
use crate::error::Failure;
use crate::gateway::Gateway;
use crate::proxy::{Options, stop_signal};
use crate::servers::process::orphans;
use crate::user::Visitor;

/// Serves the client on `input` and `output` with the server of the options until one of them is done or the process is
/// told to stop; the server is stopped before this returns. What the options say of listening does not matter.
pub async fn run(
    options: &Options,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<End, Failure> {
    let (gateway, place) = options.gateway();
    speak(&gateway, Arrival { place, visitor: Visitor::default() }, input, output).await
}

/// Serves the client on `input` and `output`, and stops the gateway then.
pub(crate) async fn speak(
    gateway: &Arc<Gateway>,
    arrival: Arrival,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<End, Failure> {
    orphans::bury(&gateway.tasks);
    let end = tokio::select! {
        end = stdio::serve(gateway, arrival, input, output) => end,
        () = stop_signal() => Ok(End::Client),
    };
    gateway.stop_now().await;
    let limits = &gateway.limits;
    gateway.tasks.finished(limits.stop_eof + limits.stop_term + Duration::from_secs(2)).await;
    end
}
