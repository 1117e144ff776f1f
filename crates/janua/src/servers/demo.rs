//! The servers that Janua brings along: to try it with, and to see how one is written.

use super::in_process::{Factories, Factory};

mod everything;
mod simple_tools;

use everything::Everything;
use simple_tools::SimpleTools;

/// Both, by name.
pub(crate) fn factories() -> Factories {
    Factories::none()
        .with("everything", Factory::new(|user| Everything::new(user.news())))
        .with("simple-tools-server", Factory::new(|_| SimpleTools::default()))
}
