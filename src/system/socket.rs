//! The notify socket: adopted from Cyrus' master or systemd, or bound by ourselves; and who speaks on it.
//! How datagrams are read from it is in [`super::peek`].

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{ControlMessage, MsgFlags};
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::SystemTime;

/// Takes over descriptor `fd`, which a parent process left open for us: a close-on-exec
/// duplicate is made and the inherited one closed, so that no child of ours gets it.
///
/// # Errors
/// When the descriptor is not open.
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    let copy = duplicate(fd)?;
    nix::unistd::close(fd)?;
    Ok(copy)
}

/// The same for a socket that others send to. One that is no such thing, because it is a descriptor of our own by now,
/// is not closed.
///
/// # Errors
/// Also when it is something else.
pub fn adopt_served(fd: RawFd) -> io::Result<OwnedFd> {
    if !is_served(duplicate(fd)?)? {
        return Err(io::Error::other("is something else"));
    }
    adopt(fd)
}

/// A duplicate, close-on-exec. The descriptor is passed to ourselves over a socket (`unix(7)`, `SCM_RIGHTS`), which every kernel
/// and every seccomp profile allows that lets a Cyrus program run; `pidfd_getfd(2)` is newer, and forbidden in containers.
fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let passed = [fd];
    nix::sys::socket::sendmsg::<()>(
        ours.as_raw_fd(),
        &[IoSlice::new(b"f")],
        &[ControlMessage::ScmRights(&passed)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    net::recvmsg(
        &theirs,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut parts = control.drain();
    let copy = parts.find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    copy.ok_or_else(|| io::Error::other("was not passed")) // no descriptor is left for it
}

/// Whether `socket` carries datagrams (true) or dlist connections (false).
///
/// # Errors
/// When it is no socket.
pub fn is_datagram(socket: impl AsFd) -> io::Result<bool> {
    Ok(net::sockopt::socket_type(socket)? == SocketType::DGRAM)
}

/// Whether others can send to `socket`: it has a name, and listens when it is for connections.
///
/// # Errors
/// When it is no socket.
fn is_served(socket: impl AsFd) -> io::Result<bool> {
    let socket = socket.as_fd();
    if !is_datagram(socket)? {
        return Ok(net::sockopt::socket_acceptconn(socket)?);
    }
    let name = SocketAddrUnix::try_from(net::getsockname(socket)?)?;
    Ok(name.path_bytes().is_some() || name.abstract_name().is_some())
}

/// Binds the notify socket at `path`. A stale socket (nobody behind it) is replaced; a live one,
/// or a file that is no socket, is an error.
///
/// # Errors
/// `AddrInUse` when another process serves the socket; else what the system says.
pub fn bind(path: &Path, datagram: bool, mode: u32) -> io::Result<OwnedFd> {
    let kind = if datagram {
        SocketType::DGRAM
    } else {
        SocketType::STREAM
    };
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    remove_stale(path, &address)?;
    let socket = net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
    net::bind(&socket, &address)?;
    rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
    if !datagram {
        net::listen(&socket, 128)?;
    }
    Ok(socket)
}

fn remove_stale(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let stat = match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "exists and is not a socket",
        ));
    }
    for kind in [SocketType::DGRAM, SocketType::STREAM] {
        let probe = net::socket_with(
            AddressFamily::UNIX,
            kind,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        match net::connect(&probe, address) {
            Err(Errno::CONNREFUSED | Errno::PROTOTYPE | Errno::NOENT) => {}
            Ok(()) | Err(Errno::AGAIN) => {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another process serves it",
                ));
            }
            Err(other) => return Err(other.into()),
        }
    }
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Who sent something, as the kernel says (`SCM_CREDENTIALS`, `SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// User id of the sending process.
    pub uid: u32,
    /// Process id, in our pid namespace.
    pub pid: i32,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid={} pid={}", self.uid, self.pid)
    }
}

/// The sender of a connected stream, as it was at `connect(2)`.
///
/// # Errors
/// When it is no connected Unix socket.
pub fn peer(socket: impl AsFd) -> io::Result<Sender> {
    // A peer in another pid namespace has the number 0, which is none for rustix.
    let cred = nix::sys::socket::getsockopt(&socket, PeerCredentials)?;
    Ok(Sender {
        uid: cred.uid(),
        pid: cred.pid(),
    })
}

/// When something was sent, and whether its sender has gone on since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The sender waits for our answer.
    Waits,
    /// It was queued at this time, and the sender went on.
    At(SystemTime),
    /// It was queued before the kernel was asked to note that.
    Unknown,
}

/// What the kernel says of something that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it; `None` when `sendto(2)` was called before the kernel was asked to note that.
    pub sender: Option<Sender>,
    /// When.
    pub sent: Sent,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that another test starts may hold our socket for a moment, between fork and exec.
    fn bind_when_stale(path: &Path, datagram: bool) -> OwnedFd {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            match bind(path, datagram, 0o600) {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && std::time::Instant::now() < limit => {}
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn what_is_adopted_is_the_same_and_is_not_inherited() {
        let (inherited, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let number = std::os::fd::IntoRawFd::into_raw_fd(inherited);
        rustix::io::write(&other, b"x").unwrap();
        let adopted = adopt(number).unwrap();
        assert_ne!(adopted.as_raw_fd(), number);
        let flags = rustix::io::fcntl_getfd(&adopted).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let mut buffer = [0; 2];
        assert_eq!(rustix::io::read(&adopted, &mut buffer).unwrap(), 1);
        let nobodys = adopt(1 << 20).unwrap_err();
        assert_eq!(nobodys.raw_os_error(), Some(Errno::BADF.raw_os_error()));
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        for datagram in [true, false] {
            let first = bind_when_stale(&path, datagram);
            assert_eq!(is_datagram(&first).unwrap(), datagram);
            assert_eq!(
                bind(&path, true, 0o600).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
            assert_eq!(
                bind(&path, false, 0o600).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert!(bind(&path, true, 0o600).is_err());
        assert!(path.exists());
    }
}
