//! Configuration files changed in place: what is kept, what is refused, and the commands that do it.

#[path = "edit/commands.rs"]
mod commands;
#[path = "edit/files.rs"]
mod files;
#[path = "edit/samples.rs"]
mod samples;
#[path = "edit/texts.rs"]
mod texts;
