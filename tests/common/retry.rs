//! System calls with a time limit are not begun again by themselves when something interrupts them.

use std::io::{ErrorKind, Result};

/// Calls until it is not interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
