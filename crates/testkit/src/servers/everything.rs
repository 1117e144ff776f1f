//! `everything`: a full server of every revision, with what the official conformance suite expects.
//!
//! `everything [--era legacy|modern|dual] [--pages] [--journal FILE]`; `legacy` unless told otherwise.
//! All tools, prompts and resources are entries of `catalog.json`; a tool is a list of steps and a
//! result, and only the step `ask` knows in which way a client is asked.

mod catalog;
/// The revision without a handshake on a channel that carries both ways.
pub mod duplex;
mod legacy;
/// The revision without a handshake, whatever carries it.
pub mod modern;
mod pipe;
mod script;
mod tally;
mod template;

use std::sync::Arc;

use crate::servers::everything::legacy::Legacy;
use crate::servers::everything::modern::Modern;
use crate::servers::everything::pipe::{Dual, Pipe};
use crate::servers::journal::Journal;
use crate::servers::peer::{Journaled, Peer, serve};

/// Serves stdin and stdout until stdin ends.
///
/// Panics on words that are not options.
pub fn run(words: &[String]) {
    let after = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let era = after("--era").map_or("legacy", String::as_str);
    let pages = words.iter().any(|word| word == "--pages");
    let journal = || Journal::asked_for(words);
    let peer = Arc::new(Peer::default());
    let legacy = || Legacy::new(Arc::clone(&peer), pages);
    let modern = || Pipe::new(Arc::clone(&peer), Modern::new(journal(), pages));
    match era {
        "legacy" => serve(&Journaled { server: legacy(), journal: journal() }),
        "modern" => serve(&Journaled { server: modern(), journal: journal() }),
        "dual" => serve(&Journaled { server: Dual::new(legacy(), modern()), journal: journal() }),
        other => panic!("no era is called {other}"),
    }
}
