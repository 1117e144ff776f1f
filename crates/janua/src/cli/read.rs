//! `janua read`: one resource, on standard output.

use std::io::{self, IsTerminal};

use anyhow::Context as _;
use clap::Args;
use janua_wire::base64;
use janua_wire::json::quote;
use serde_json::Value;

use super::reach::{Reach, Session, shown};
use super::{Failed, Global};

/// Read a resource: text as it is, anything else as bytes.
#[derive(Args, Debug)]
pub(super) struct ReadArgs {
    /// The address of the resource
    uri: String,
    /// The server or view that has it [default: whichever of the configured ones does]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Print the result as the server gave it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: ReadArgs) -> Result<(), Failed> {
    let site = args.reach.site()?;
    args.reach.run(global, site, args.server.as_deref(), async |session: &mut Session| {
        session.json = args.json;
        let response = session.ask("resources/read", &format!("\"uri\":{}", quote(&args.uri))).await?;
        if args.json {
            return shown::put_raw(response.body());
        }
        let result: Value = serde_json::from_slice(response.body())?;
        for content in result["contents"].as_array().into_iter().flatten() {
            if let Some(text) = content["text"].as_str() {
                shown::put(text.as_bytes())?;
                continue;
            }
            let blob = content["blob"].as_str().unwrap_or_default();
            let bytes = base64::decode(blob.as_bytes()).context("the server's blob is no base64")?;
            if io::stdout().is_terminal() {
                let mime = content["mimeType"].as_str().unwrap_or("of no kind named");
                shown::put(format!("[{mime}, {} bytes; send them to a file or a pipe]\n", bytes.len()).as_bytes())?;
            } else {
                shown::put(&bytes)?;
            }
        }
        Ok(())
    })
}
