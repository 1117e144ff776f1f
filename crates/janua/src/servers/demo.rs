//! The servers that Janua brings along: to try it with, and to see how one is written.

use super::in_process::{Factories, Factory};

mod everything;
mod simple_tools;

use everything::Everything;
use simple_tools::Users;

/// Both, by name.
pub(crate) fn factories() -> Factories {
    let users = Users::default();
    Factories::none()
        .with("everything", Factory::new(|user| Everything::new(user.news())))
        .with("simple-tools-server", Factory::new(move |context| users.instance(&context)))
}
