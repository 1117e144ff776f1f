//! Reloads: what is defined as before notices nothing, what runs comes to its end, and a broken file changes nothing.

#[path = "reload/running.rs"]
mod running;
#[path = "reload/scene.rs"]
mod scene;
#[path = "reload/thousand.rs"]
mod thousand;
#[path = "reload/watched.rs"]
mod watched;
