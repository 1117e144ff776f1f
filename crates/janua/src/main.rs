//! The binary `janua`.

mod cli;

fn main() {
    janua::guard();
    std::process::exit(cli::run());
}
