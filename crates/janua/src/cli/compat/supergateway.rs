//! The command line of supergateway.

use super::super::{Failed, Global};

/// Runs it.
pub(super) fn run(_: &Global, _: Vec<String>) -> Result<(), Failed> {
    Err(Failed::Usage("being written".to_owned()))
}
