//! Drives the scripted stdio servers over their stdio and holds them to what they say they do.

#[path = "servers/drive.rs"]
mod drive;
#[path = "servers/eras.rs"]
mod eras;
#[path = "servers/everything.rs"]
mod everything;
#[path = "servers/hostile.rs"]
mod hostile;
#[path = "servers/hostile_output.rs"]
mod hostile_output;
#[path = "servers/probe.rs"]
mod probe;
