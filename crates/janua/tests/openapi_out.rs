//! The OpenAPI document of what is served, and what other authors' programs make of it.
#![expect(clippy::disallowed_methods, reason = "the bans are about the gateway's own children and settings")]

#[path = "openapi_out/documents.rs"]
mod documents;
#[path = "openapi_out/live.rs"]
mod live;
#[path = "openapi_out/scene.rs"]
mod scene;
#[path = "openapi_out/using.rs"]
mod using;
