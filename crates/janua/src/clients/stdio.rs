//! One client on our standard input and output.

use std::future::poll_fn;
use std::sync::Arc;

use janua_wire::error;
use janua_wire::lines::{Framed, Lines};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Arrival, duplex};
use crate::error::Failure;
use crate::gateway::Gateway;
use crate::sessions::stream::Read;
use crate::sessions::{Kind, Session};

/// How a stdio session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed its end.
    Client,
    /// The server is gone.
    Server,
}

/// Serves the client on `input` and `output` until one side is done. Everything already answered is written.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    arrival: Arrival,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<End, Failure> {
    let session = gateway.open_session(Kind::Stdio, arrival.place, arrival.visitor)?;
    let reading = async {
        read(gateway, &session, input).await;
        // Answers to what was asked last still go out.
        while session.running() > 0 && !session.is_over() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        session.outbound.close();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        () = gateway.tasks.stopping() => {}
        // Ends when everything there was to say has been written, or cannot be written.
        () = write(&session, output) => {}
    }
    let end = if session.is_over() { End::Server } else { End::Client };
    gateway.end_session(&session);
    Ok(end)
}

async fn read(gateway: &Arc<Gateway>, session: &Arc<Session>, mut input: impl AsyncRead + Unpin) {
    let mut lines = Lines::new(gateway.limits.server_message);
    while let Ok(1..) = input.read_buf(lines.room()).await {
        while let Some(framed) = lines.next_line() {
            take(gateway, session, framed).await;
        }
        lines.rest();
    }
    while let Some(framed) = lines.finish() {
        take(gateway, session, framed).await;
    }
}

async fn take(gateway: &Arc<Gateway>, session: &Arc<Session>, framed: Framed) {
    match framed {
        Framed::Line(line) => {
            if let Err(refused) = duplex::receive(gateway, session, line).await {
                duplex::refuse(session, &refused);
            }
        }
        Framed::Outgrown(_) => {
            let message = "the message is larger than the limit";
            let line = error::response(None, error::INVALID_REQUEST, message, None).into();
            session.put(0, &session.outbound, &line, false);
        }
        Framed::Tail(_) => {}
    }
}

async fn write(session: &Session, mut output: impl AsyncWrite + Unpin) {
    let (ticket, _) = session.outbound.attach(None);
    while let Read::Frames(frames) = poll_fn(|cx| session.outbound.poll_read(ticket, cx)).await {
        if output.write_all(&frames).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}
