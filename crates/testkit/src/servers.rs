//! The scripted MCP servers, each a library module under a binary of the same name.

pub mod environment;
pub mod everything;
pub mod hostile;
pub mod journal;
pub mod message;
pub mod peer;
pub mod probe;
pub mod stray;
