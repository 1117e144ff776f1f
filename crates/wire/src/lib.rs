//! The Model Context Protocol on the wire, as pure functions and values.
//!
//! This crate knows the messages, their framing and the rules of every revision. It never touches a socket, a
//! file, a clock or the environment; it builds for `wasm32-unknown-unknown`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`json`] | strict JSON scanning in place |
//! | [`opening`] | what a server is, told in the other era |
//! | [`raw`] | shallow objects: look at a member, replace a member |
//! | [`edits`] | changes to one text, made in one go |
//! | [`message`] | JSON-RPC requests, notifications, responses, batches |
//! | [`id`] | ids of clients (echoed text) and of links (minted numbers) |
//! | [`metadata`] | `_meta` of requests without handshake, and of what they subscribed to |
//! | [`method`] | the table of methods |
//! | [`lists`] | results of list requests, cut apart and put together |
//! | [`names`] | under which names a gateway of many servers shows things |
//! | [`percent`] | percent-encoding |
//! | [`uri_template`] | whether a URI fits a template |
//! | [`version`] | revisions, eras, negotiation |
//! | [`capabilities`] | what a client said it can be asked |
//! | [`servers`] | what several servers can do, told as one |
//! | [`error`] | error codes and error messages |
//! | [`filter`] | what a client wants to hear of |
//! | [`headers`] | HTTP header names and the rules of `Accept` |
//! | [`mirror`] | tool arguments that travel as HTTP headers too |
//! | [`level`] | levels of log messages |
//! | [`lines`] | newline framing |
//! | [`sse`] | event streams |
//! | [`translate`] | messages of one revision for peers of another |

pub mod base64;
pub mod capabilities;
pub mod edits;
mod envelope;
pub mod error;
pub mod filter;
pub mod headers;
pub mod id;
pub mod json;
pub mod level;
pub mod line;
pub mod lines;
pub mod lists;
pub mod message;
pub mod metadata;
pub mod method;
pub mod mirror;
pub mod names;
pub mod opening;
pub mod percent;
pub mod raw;
pub mod servers;
pub mod sse;
pub mod translate;
pub mod uri_template;
pub mod version;
