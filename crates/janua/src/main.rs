//! The binary `janua`.

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    janua::guard();
    std::process::exit(cli::run());
}
