//! A flag that one thread raises and that others can wait for in `poll(2)`.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Raised once, never lowered. Its descriptor becomes readable when raised, so that a
/// thread that waits in `poll(2)` for a child or a socket notices at once.
#[derive(Debug)]
pub struct Cancel {
    event: OwnedFd,
}

impl Cancel {
    /// A flag that is not raised.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Cancel> {
        Ok(Cancel {
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Raises it.
    pub fn raise(&self) {
        // Only an overflow of the counter could fail, and then it is raised already.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        let mut fds = [PollFd::new(&self.event, PollFlags::IN)];
        // Interrupted: not raised, as far as we know; whoever asks asks again.
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
