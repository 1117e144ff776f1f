//! Configuration files: every form that is read, what is found wrong with them and where, and changes to them.

#[path = "config/expansion.rs"]
mod expansion;
#[path = "config/findings.rs"]
mod findings;
#[path = "config/foreign.rs"]
mod foreign;
#[path = "config/generated.rs"]
mod generated;
#[path = "config/own.rs"]
mod own;
#[path = "config/scene.rs"]
mod scene;
#[path = "config/watching.rs"]
mod watching;
