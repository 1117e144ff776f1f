//! Puts the server given after `--` behind HTTP: `cargo run --example proxy_run -- -- CMD ARGS…`.
//!
//! `PORT` chooses the port (0 for any), `TIMEOUT` the seconds after which an idle session ends.

use std::error::Error;
use std::time::Duration;

use janua::proxy::{self, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // First of all: the program is its own guardian, which kills the servers if it cannot do so itself.
    janua::guard();
    let command = std::env::args().skip_while(|word| word != "--").skip(1);
    let mut options = Options::command(command).ok_or("usage: proxy_run -- CMD ARGS…")?;
    if let Some(port) = setting("PORT") {
        options = options.port(port.parse()?);
    }
    if let Some(seconds) = setting("TIMEOUT") {
        options = options.session_timeout(Duration::from_secs(seconds.parse()?));
    }
    // Without interest in the address, `proxy::run(options).await` does all of the following.
    let proxy = proxy::start(options).await?;
    eprintln!("http://{}/mcp", proxy.address());
    proxy::stop_signal().await;
    proxy.stop().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program of its own has settings of its own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
