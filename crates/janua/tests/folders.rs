//! Servers that are folders: processes that several sessions share, bundles, and what a folder may hold.

#[path = "folders/kinds.rs"]
mod kinds;
#[path = "folders/processes.rs"]
mod processes;
#[path = "folders/scene.rs"]
mod scene;
