//! Many servers behind one address, in a program of one's own: `gateway NAME COMMAND… [-- NAME COMMAND…]…`.
//!
//! Reads `PORT` from the environment; without servers it has none but serves all the same.

use janua::config::{Server, ServerCommand, ServerSettings, Settings};
use janua::serve::App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // First of all: the program is its own guardian, which kills the servers if it cannot do so itself.
    janua::guard();
    let mut settings = Settings { port: 0, ..Settings::default() };
    if let Some(port) = setting("PORT") {
        settings.port = port.parse()?;
    }
    settings.data_dir = setting("DATA_DIR").map(Into::into);
    let words: Vec<String> = std::env::args().skip(1).collect();
    for server in words.split(|word| word == "--").filter(|words| !words.is_empty()) {
        let command = ServerCommand::new(server[1..].iter().cloned()).ok_or("a name needs a command")?;
        settings.servers.insert(server[0].clone(), ServerSettings::new(Server::Command(command)));
    }
    let running = App::builder().settings(settings).build().serve().await?;
    eprintln!("http://{}/mcp", running.address());
    running.until_told_to_stop().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program of its own has settings of its own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
