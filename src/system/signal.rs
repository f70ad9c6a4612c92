//! Signals as values: a descriptor that becomes readable, and what has come.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;

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

/// Signals that are caught: they wait for somebody to [`watch`](Caught::watch).
pub struct Caught(Signals);

/// Catches the signals from here on. Master sends SIGHUP also to a child that it has only just started, and takes
/// it out of service when several die of it: the sooner they are caught, the better.
/// SIGPIPE is ignored by Rust's runtime, and reset to the default in children.
///
/// # Errors
/// When a handler cannot be installed.
pub fn catch() -> io::Result<Caught> {
    let signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1])?;
    // Nobody looks at the flag: a write beyond a limit on file sizes shall fail, not end the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(Caught(signals))
}

impl Caught {
    /// Calls `handle` for each, on a thread of its own; first for those that have come already.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn watch(mut self, mut handle: impl FnMut(Request) + Send + 'static) -> io::Result<()> {
        super::thread("signals", move || {
            for signal in self.0.forever() {
                handle(match signal {
                    SIGHUP => Request::Reload,
                    SIGUSR1 => Request::ToggleDebug,
                    _ => Request::Terminate,
                });
            }
        })?;
        Ok(())
    }
}
