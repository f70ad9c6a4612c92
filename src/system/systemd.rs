//! systemd: socket activation (`sd_listen_fds(3)`), readiness (`sd_notify(3)`) and the watchdog (`sd_watchdog_enabled(3)`).

use super::socket;
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::time::{ClockId, clock_gettime};
use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

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

/// How often at least systemd wants to hear `WATCHDOG=1` of us, if it does.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let limit = number("WATCHDOG_USEC").filter(|&limit| limit > 0 && for_us)?;
    env::var_os("NOTIFY_SOCKET").map(|_| Duration::from_micros(limit))
}

/// Says that we read our configuration again; `READY=1` must follow.
///
/// # Errors
/// As [`notify`].
pub fn notify_reloading() -> io::Result<()> {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"))
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
