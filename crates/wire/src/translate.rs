//! Translations between revisions, as changes to raw JSON: what they do not name keeps its bytes.
//!
//! Each function looks at a result, at parameters or at an error as they came and tells the [`Edits`] to make, none if
//! the other side can read it as it is. [`crate::message::Response::edited`] makes them in a response.
//!
//! [`Edits`]: crate::edits::Edits

pub mod errors;
pub mod results;
pub mod shapes;
pub mod tasks;
