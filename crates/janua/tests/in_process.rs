//! Servers in this process: those that Janua brings along, and what a server of somebody's own may do wrong.

#[path = "in_process/demo.rs"]
mod demo;
#[path = "in_process/limits.rs"]
mod limits;
#[path = "in_process/own.rs"]
mod own;
#[path = "in_process/peers.rs"]
mod peers;
#[cfg(feature = "rmcp")]
#[path = "in_process/rmcp.rs"]
mod rmcp;
#[path = "in_process/server.rs"]
mod server;
#[path = "in_process/simple_tools.rs"]
mod simple_tools;

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
