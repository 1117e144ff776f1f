//! The binary.
use janua::config::{Server, ServerCommand};
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    janua::guard();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let port: u16 = args[0].parse().unwrap();
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let server = if args.len() > 1 { Server::Command(ServerCommand::new(args[1..].iter().cloned()).unwrap()) } else { Server::Demo };
        let mut options = janua::proxy::Options::new(server);
        options.port = port;
        let proxy = janua::proxy::start(options).await.unwrap();
        eprintln!("http://{}/mcp", proxy.address());
        janua::proxy::stop_signal().await;
        proxy.stop().await;
    });
}
