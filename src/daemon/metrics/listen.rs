//! Where metrics are served: a TCP address, or `unix:` and the path of a socket.

use crate::system::socket;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Mode of the Unix socket: as with a loopback port, every user of the machine may read the metrics, unless the
/// folder keeps them out.
const SOCKET_MODE: u32 = 0o666;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address and port.
    Tcp(SocketAddr),
    /// A Unix stream socket.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Listen::Tcp(address) => address.ip().is_loopback(),
            Listen::Unix(_) => true,
        }
    }

    /// Binds it; the listener does not block.
    ///
    /// # Errors
    /// What the system says, `AddrInUse` when another process has it.
    pub(super) fn bind(&self) -> io::Result<OwnedFd> {
        match self {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(listener.into())
            }
            Listen::Unix(path) => socket::bind(path, false, SOCKET_MODE),
        }
    }

    /// Leaves nothing behind.
    pub(super) fn clean(&self) {
        if let Listen::Unix(path) = self {
            let _ = std::fs::remove_file(path); // the next one replaces it anyway
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_is_known() {
        for (address, local) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("0.0.0.0:1", false),
            ("192.0.2.1:1", false),
        ] {
            let listen = Listen::Tcp(address.parse().unwrap());
            assert_eq!(
                (listen.is_local(), listen.to_string()),
                (local, address.to_owned())
            );
        }
        assert!(Listen::Unix("/x".into()).is_local());
    }
}
