//! A mutex for short, await-free sections that a panic elsewhere does not poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Protects plain data; never held across an await (clippy's `await_holding_lock` is denied).
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Lock(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
