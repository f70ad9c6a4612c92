//! Everything the daemon asks of the operating system and of Cyrus' master.

pub mod cancel;
pub mod command;
pub mod folders;
pub mod lock;
pub mod master;
pub mod peek;
pub mod signal;
pub mod socket;
pub mod syslog;
pub mod systemd;
pub mod throttle;
pub mod user;

use std::io;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// Stack of our threads, in bytes: none recurses deeply, and an idle daemon should be small.
const STACK: usize = 512 * 1024;

/// Starts a named thread.
///
/// # Errors
/// When the system has no thread left.
pub fn thread<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
        .spawn(body)
}

/// Starts a named thread that ends before `scope` does.
///
/// # Errors
/// When the system has no thread left.
pub fn scoped_thread<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
        .spawn_scoped(scope, body)
}
