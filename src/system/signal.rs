//! Signals as values: a descriptor that becomes readable, and what has come.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;

/// What the outside wants of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGHUP: under master, hand over to a successor; standing alone, read the configuration again.
    Reload,
    /// SIGTERM, SIGINT, SIGQUIT: end soon.
    Terminate,
    /// SIGUSR1: switch debug logging on or off, as in Cyrus.
    ToggleDebug,
}

/// Starts to catch the signals and calls `handle` for each, on a thread of its own.
/// SIGPIPE is ignored by Rust's runtime, and reset to the default in children.
///
/// # Errors
/// When a handler cannot be installed or the thread not be started.
pub fn watch(mut handle: impl FnMut(Request) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1])?;
    super::thread("signals", move || {
        for signal in signals.forever() {
            handle(match signal {
                SIGHUP => Request::Reload,
                SIGUSR1 => Request::ToggleDebug,
                _ => Request::Terminate,
            });
        }
    })?;
    Ok(())
}
