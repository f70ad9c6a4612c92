//! Where metrics are served: what `[metrics] listen` names, bound.

use crate::config::toml::Listen;
use crate::system::socket;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

/// Mode of the Unix socket: as with a loopback port, every user of the machine may read the metrics, unless the
/// folder keeps them out.
const SOCKET_MODE: u32 = 0o666;

/// Binds `listen`; the listener does not block.
///
/// # Errors
/// What the system says, `AddrInUse` when another process has it.
pub(super) fn bind(listen: &Listen) -> io::Result<OwnedFd> {
    match listen {
        Listen::Off => Err(io::ErrorKind::AddrNotAvailable.into()),
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener.into())
        }
        Listen::Unix(path) => socket::bind(path, false, SOCKET_MODE),
    }
}

/// Leaves nothing behind that [`bind`] has made.
pub(super) fn clean(listen: &Listen) {
    if let Listen::Unix(path) = listen {
        let _ = std::fs::remove_file(path); // the next one replaces it anyway
    }
}

/// For the log.
pub(super) fn name(listen: &Listen) -> String {
    match listen {
        Listen::Off => "nothing".into(),
        Listen::Tcp(address) => address.to_string(),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}
