//! Scripted MCP clients, servers and faults for tests; nothing here is part of the gateway.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "the bans are about the gateway's own tasks and children")]

/// A raw MCP client.
pub mod client;
/// A running gateway process.
pub mod gateway;
/// Drivers of other implementations' clients and servers.
pub mod peers;
/// Facts about processes.
pub mod process;
/// Scripted MCP servers over stdio.
pub mod servers;
/// What was said in a test.
pub mod transcript;
/// Scripted MCP servers over HTTP and WebSocket.
pub mod upstream;
