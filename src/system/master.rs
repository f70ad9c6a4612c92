//! Cyrus master's protocol, the service's side (`master/service.h`, `master/service.c`).
//!
//! Master starts us with the status pipe on descriptor 3 and the service's socket on 4,
//! `CYRUS_SERVICE` and `CYRUS_ID` in the environment. We tell it our state by messages of two
//! native ints, `{message, pid}`. The pipe is written without blocking: a master that does not
//! read must not hold us up.

use super::socket;
use std::fs::FileType;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::{Mutex, PoisonError};

/// Descriptor of the status pipe.
const STATUS_FD: i32 = 3;
/// Descriptor of the service's socket.
const LISTEN_FD: i32 = 4;

/// What we say to master (`master/service.h`, `MASTER_SERVICE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Ready for the next connection.
    Available = 1,
    /// Busy; master may start another process.
    Unavailable = 2,
    /// Serving one connection.
    Connection = 3,
    /// Serving one connection more, still ready for others.
    ConnectionMulti = 4,
}

/// Our line to master.
#[derive(Debug)]
pub struct Master {
    status: OwnedFd,
    /// What we have said last, as far as it counts; held while writing, so that the order on the pipe is the order here.
    unavailable: Mutex<bool>,
}

/// Takes over what master left us: the line to it, and the service's socket.
///
/// # Errors
/// When one of the two descriptors is not there, or is something else: one of our own, because nobody left us any.
pub fn adopt() -> io::Result<(Master, OwnedFd)> {
    named(
        must_be(STATUS_FD, FileTypeExt::is_fifo),
        "descriptor 3 (master's status pipe)",
    )?;
    named(
        must_be(LISTEN_FD, FileTypeExt::is_socket),
        "descriptor 4 (the service's socket)",
    )?;
    let listen = named(
        socket::adopt_served(LISTEN_FD),
        "descriptor 4 (the service's socket)",
    )?;
    let status = named(
        socket::adopt(STATUS_FD),
        "descriptor 3 (master's status pipe)",
    )?;
    rustix::io::ioctl_fionbio(&status, true)?;
    Ok((
        Master {
            status,
            unavailable: Mutex::new(false),
        },
        listen,
    ))
}

fn must_be(fd: i32, kind: fn(&FileType) -> bool) -> io::Result<()> {
    let file_type = std::fs::metadata(format!("/proc/self/fd/{fd}"))?.file_type();
    if kind(&file_type) {
        Ok(())
    } else {
        Err(io::Error::other("is something else"))
    }
}

fn named<T>(result: io::Result<T>, what: &str) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}

impl Master {
    /// Tells master our state. A pipe that is full or closed is no reason to stop serving:
    /// the error is only worth a line in the log.
    ///
    /// # Errors
    /// When the message could not be written.
    pub fn tell(&self, state: State) -> io::Result<()> {
        let mut unavailable = self
            .unavailable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let state = match state {
            State::Unavailable if *unavailable => return Ok(()), // master would warn about a second time
            // Master would log an error for each, and count us among its ready processes again.
            State::ConnectionMulti if *unavailable => State::Connection,
            other => other,
        };
        *unavailable |= state == State::Unavailable;
        let mut message = [0u8; 8];
        message[..4].copy_from_slice(&(state as i32).to_ne_bytes());
        message[4..].copy_from_slice(
            &rustix::process::getpid()
                .as_raw_nonzero()
                .get()
                .to_ne_bytes(),
        );
        rustix::io::write(&self.status, &message)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_two_ints() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let master = Master {
            status: write,
            unavailable: Mutex::new(false),
        };
        master.tell(State::Unavailable).unwrap();
        master.tell(State::Unavailable).unwrap();
        let mut bytes = [0u8; 16];
        assert_eq!(rustix::io::read(&read, &mut bytes).unwrap(), 8);
        assert_eq!(bytes[..4], 2i32.to_ne_bytes());
        assert_eq!(bytes[4..8], std::process::id().to_ne_bytes());
    }

    #[test]
    fn connections_are_told_as_the_state_demands() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let master = Master {
            status: write,
            unavailable: Mutex::new(false),
        };
        for state in [
            State::ConnectionMulti,
            State::Unavailable,
            State::ConnectionMulti,
        ] {
            master.tell(state).unwrap();
        }
        let mut bytes = [0u8; 32];
        assert_eq!(rustix::io::read(&read, &mut bytes).unwrap(), 24);
        let told = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([told(0), told(8), told(16)], [4, 2, 3]);
    }
}
