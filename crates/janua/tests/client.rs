//! `janua tools`, `call`, `read` and `prompt`, as people and scripts use them.

#[path = "client/calls.rs"]
mod calls;
#[path = "client/configured.rs"]
mod configured;
#[path = "client/others.rs"]
mod others;
#[path = "client/questions.rs"]
mod questions;
#[path = "client/scene.rs"]
mod scene;
#[path = "client/troubles.rs"]
mod troubles;
