//! `janua schema`: the description of the configuration file.

use std::io::Write;

use clap::Args;

use janua::config;

/// Print the JSON Schema of the configuration file.
#[derive(Args, Debug)]
pub(super) struct SchemaArgs {
    /// Print the reference of all keys instead, as Markdown
    #[arg(long)]
    reference: bool,
}

/// Runs the command.
pub(super) fn run(args: &SchemaArgs) {
    let text = if args.reference { config::reference() } else { config::schema() };
    // Who reads it may have seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
