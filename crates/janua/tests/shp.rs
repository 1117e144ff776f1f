//! The contract of mcp-streamablehttp-proxy, one test a row (SHP-01 to SHP-32), against the built programs.
#![expect(clippy::disallowed_methods, reason = "the bans are about the gateway's own children and settings")]

#[path = "shp/clients.rs"]
mod clients;
#[path = "shp/command_line.rs"]
mod command_line;
#[path = "shp/failures.rs"]
mod failures;
#[path = "shp/library.rs"]
mod library;
#[path = "shp/requests.rs"]
mod requests;
#[path = "shp/sessions.rs"]
mod sessions;
#[path = "shp/started.rs"]
mod started;
#[path = "shp/streams.rs"]
mod streams;
