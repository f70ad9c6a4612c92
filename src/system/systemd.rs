//! systemd: socket activation (`sd_listen_fds(3)`) and readiness (`sd_notify(3)`).

use super::socket;
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// The first descriptor that systemd passes (`SD_LISTEN_FDS_START`).
const FIRST_FD: i32 = 3;

/// The socket that systemd opened for us, if it did.
///
/// # Errors
/// When more than one came, or the one cannot be taken over.
pub fn activated() -> io::Result<Option<OwnedFd>> {
    let number = |name: &str| {
        env::var(name)
            .ok()
            .and_then(|text| text.parse::<u32>().ok())
    };
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(None);
    }
    match number("LISTEN_FDS") {
        None | Some(0) => Ok(None),
        Some(1) => socket::adopt(FIRST_FD).map(Some),
        Some(n) => Err(io::Error::other(format!(
            "LISTEN_FDS={n}: the socket unit must have exactly one Listen line"
        ))),
    }
}

/// Says `state` (`READY=1`, `STOPPING=1`, …) to systemd; does nothing when it did not ask.
///
/// # Errors
/// When `NOTIFY_SOCKET` is set and cannot be written to.
pub fn notify(state: &str) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        bytes => SocketAddrUnix::new(bytes)?,
    };
    let socket = net::socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    net::sendto(&socket, state.as_bytes(), SendFlags::NOSIGNAL, &address)?;
    Ok(())
}
