//! Janua: a gateway between any MCP client and any MCP server.
//!
//! As a library it does what the binary does: [`proxy::run`] puts one server behind one address,
//! [`proxy::router`] gives the same as an [`axum::Router`] to nest into an application. The narrow waist that all
//! traffic passes is public too: a [`call::Call`] goes in, a [`call::Reply`] comes out. [`server`] has what a server of
//! one's own is written with.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

pub mod call;
pub mod client;
pub mod config;
pub mod connect;
pub mod error;
pub mod openapi;
pub mod proxy;
pub mod report;
pub mod running;
pub mod serve;
pub mod servers;
pub mod user;

mod admin;
mod admission;
mod auth;
mod bridge;
mod cancels;
mod catalog;
mod clients;
mod gateway;
mod local;
mod lock;
mod mailbox;
mod observe;
mod pipeline;
mod random;
mod secret;
mod sessions;
mod socket;
mod tasks;

pub use servers::in_process as server;
pub use servers::process::guardian::guard;
