//! How the daemon gets its socket: from Cyrus' master, from systemd, or bound by itself.
//!
//! What can go wrong: descriptors 3 and 4 are not what master hands over, another process serves `notifysocket`, its
//! folder is missing.

use super::{Fatal, Standing, exit};
use crate::config::{NotifySocket, Settings};
use crate::system::master::{self, Master};
use crate::system::{socket, systemd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// How we got our socket.
pub(super) struct Listening {
    pub(super) socket: OwnedFd,
    pub(super) master: Option<Arc<Master>>,
    /// For the log.
    pub(super) what: String,
}

impl Listening {
    /// Whether it is a stream socket (dlist).
    pub(super) fn is_stream(&self) -> bool {
        socket::is_datagram(&self.socket).is_ok_and(|datagram| !datagram)
    }

    /// Whether a client, or a datagram, waits in it now.
    pub(super) fn has_waiting_client(&self) -> bool {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

/// The socket that master or systemd gave us, else our own.
pub(super) fn listen(settings: &Settings, standing: Standing) -> Result<Listening, Fatal> {
    if standing == Standing::UnderMaster {
        let (master, socket) = master::adopt().map_err(|error| {
            Fatal(
                format!("not started by Cyrus' master? {error}"),
                exit::OSERR,
            )
        })?;
        return Ok(Listening {
            socket,
            master: Some(Arc::new(master)),
            what: "socket from master".into(),
        });
    }
    if let Some(socket) = systemd::activated()? {
        return Ok(Listening {
            socket,
            master: None,
            what: "socket from systemd".into(),
        });
    }
    let (path, datagram) = match &settings.notifysocket {
        NotifySocket::Datagram(path) => (path, true),
        NotifySocket::Dlist(path) => (path, false),
    };
    let named = |error: io::Error| {
        Fatal(
            format!("notifysocket {}: {error}", path.display()),
            exit::OSERR,
        )
    };
    let mode = settings.own.config.intake.socket_mode.0;
    let socket = socket::bind(path, datagram, mode).map_err(named)?;
    Ok(Listening {
        socket,
        master: None,
        what: format!("notifysocket {}", path.display()),
    })
}
