//! Mounts a proxy under `/mcp-proxy` of an application of one's own:
//! `cargo run --example proxy_nested -- -- CMD ARGS…`.
//!
//! `PORT` chooses the port (0 for any), `TIMEOUT` the seconds after which an idle session ends.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use janua::proxy::{self, Options};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    janua::guard();
    let command = std::env::args().skip_while(|word| word != "--").skip(1);
    let mut options = Options::command(command).ok_or("usage: proxy_nested -- CMD ARGS…")?;
    if let Some(seconds) = setting("TIMEOUT") {
        options = options.session_timeout(Duration::from_secs(seconds.parse()?));
    }
    let port = setting("PORT").map_or(Ok(3000), |port| port.parse())?;
    let application =
        Router::new().route("/", get(async || "the application's own page")).nest("/mcp-proxy", proxy::router(options));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("http://{}/mcp-proxy/mcp", listener.local_addr()?);
    // Dropping the server cuts off open streams, which would otherwise keep it from ending.
    tokio::select! {
        ended = async { axum::serve(listener, application).await } => ended?,
        () = proxy::stop_signal() => {}
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program of its own has settings of its own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
