//! `janua schema`: the description of the configuration file.

use clap::Args;

use super::Failed;
use janua::config;

/// Print the JSON Schema of the configuration file.
#[derive(Args, Debug)]
pub(super) struct SchemaArgs {
    /// Print the reference of all keys instead, as Markdown
    #[arg(long)]
    reference: bool,
}

/// Runs the command.
pub(super) fn run(args: &SchemaArgs) -> Result<(), Failed> {
    print!("{}", if args.reference { config::reference() } else { config::schema() });
    Ok(())
}
