//! Tools, prompts and resources as plain HTTP, against the built gateway.

#[path = "rest/calls.rs"]
mod calls;
#[path = "rest/faults.rs"]
mod faults;
#[path = "rest/questions.rs"]
mod questions;
#[path = "rest/scene.rs"]
mod scene;
#[path = "rest/sessions.rs"]
mod sessions;
#[path = "rest/things.rs"]
mod things;
