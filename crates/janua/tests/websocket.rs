//! MCP over WebSocket, on both sides of a proxy: what passes, what is refused, how it ends.

#[path = "websocket/clients.rs"]
mod clients;
#[path = "websocket/command_line.rs"]
mod command_line;
#[path = "websocket/ends.rs"]
mod ends;
#[path = "websocket/eras.rs"]
mod eras;
#[path = "websocket/faults.rs"]
mod faults;
#[path = "websocket/others.rs"]
mod others;
#[path = "websocket/scene.rs"]
mod scene;
#[path = "websocket/servers.rs"]
mod servers;
#[path = "peers/tour.rs"]
mod tour;
