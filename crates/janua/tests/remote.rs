//! A proxy in front of scripted remote servers: what reaches them, what comes back, and what never leaves.

#[path = "remote/lost.rs"]
mod lost;
#[path = "remote/messages.rs"]
mod messages;
#[path = "remote/network.rs"]
mod network;
#[path = "remote/others.rs"]
mod others;
#[path = "remote/refusals.rs"]
mod refusals;
#[path = "remote/scene.rs"]
mod scene;
#[path = "remote/sse.rs"]
mod sse;
#[path = "remote/streams.rs"]
mod streams;
