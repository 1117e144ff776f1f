//! Overload: every limit hit on purpose, with exact counts; what is refused is told so, and nothing leaks.

#[path = "overload/connections.rs"]
mod connections;
#[path = "overload/programs.rs"]
mod programs;
#[path = "overload/requests.rs"]
mod requests;
#[path = "overload/scene.rs"]
mod scene;
