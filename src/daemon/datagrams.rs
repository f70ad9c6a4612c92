//! Intake from a datagram socket: peek a batch, commit it, consume it.
//!
//! A datagram leaves the kernel's queue only after it is committed: a process that dies in
//! between leaves a duplicate, never a loss.

use super::intake::Intake;
use crate::system::cancel::Cancel;
use crate::system::socket::Peeker;
use rustix::event::{PollFd, PollFlags, poll};
use std::io;
use std::time::{Duration, Instant};

/// Most datagrams in one batch. The kernel queues 11 by default (`net.unix.max_dgram_qlen`).
const BATCH: usize = 512;
/// How long the socket is emptied at most when leaving.
const LAST_READ: Duration = Duration::from_secs(1);

/// Reads until `leave` is raised; then empties the socket a last time.
///
/// # Errors
/// When the socket is broken.
pub(super) fn read(mut socket: Peeker, intake: &mut Intake, leave: &Cancel) -> io::Result<()> {
    loop {
        let mut fds = [
            PollFd::new(&socket, PollFlags::IN),
            PollFd::new(leave, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let leaving = !fds[1].revents().is_empty();
        if leaving {
            // Cyrus' master spins in its shutdown when datagrams are left in the socket.
            let end = Instant::now() + LAST_READ;
            while batch(&mut socket, intake)? > 0 && Instant::now() < end {}
            return Ok(());
        }
        batch(&mut socket, intake)?;
    }
}

/// Takes what is queued; how much that was.
fn batch(socket: &mut Peeker, intake: &mut Intake) -> io::Result<usize> {
    socket.begin()?;
    let mut count = 0;
    while count < BATCH {
        let Some(datagram) = socket.peek()? else {
            break;
        };
        count += 1;
        if !intake.allows(datagram.sender) {
            continue;
        }
        match datagram.truncated {
            true => intake.truncated(datagram.sender),
            false => intake.datagram(datagram.bytes, datagram.sender, datagram.sent),
        }
    }
    intake.commit();
    socket.consume()?;
    Ok(count)
}
