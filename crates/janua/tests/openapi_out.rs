//! The OpenAPI document of what is served, and what other authors' programs make of it.

#[path = "openapi_out/documents.rs"]
mod documents;
#[path = "openapi_out/live.rs"]
mod live;
#[path = "openapi_out/scene.rs"]
mod scene;
#[path = "openapi_out/using.rs"]
mod using;
